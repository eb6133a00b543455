/* model_work.c - objects, rounds and verdicts of test_engine_model */
/* SPDX-License-Identifier: MIT */
#include "model/model_work.h"

/* ---- our own pager ---- */

static ssize_t pager_read(void *context, void *buffer, size_t length,
			  uint64_t offset)
{
	const struct body *body = context;

	memcpy(buffer, body->served + offset, length);
	return (ssize_t)length;
}

static ssize_t pager_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	struct body *body = context;

	memcpy(body->served + offset, buffer, length);
	return (ssize_t)length;
}

/* What is cut off is gone. */
static int pager_resize_served(void *context, uint64_t size)
{
	struct body *body = context;

	memset(body->served + size, 0, MOST - size);
	return 0;
}

static const struct quire_pager_ops pager_ops = {
	.size = sizeof(pager_ops),
	.read = pager_read,
	.write = pager_write,
	.resize = pager_resize_served,
};

/* ---- objects ---- */

static void open_file(struct trial *trial, struct body *body)
{
	int fd;

	snprintf(body->path, sizeof(body->path), "/var/tmp/quire-model-XXXXXX");
	fd = mkstemp(body->path);
	require(fd >= 0);
	require(pwrite(fd, body->model, body->size, 0) == (ssize_t)body->size);
	close(fd);
	for (unsigned i = 0; i < HANDLES; i++)
		require(quire_object_open(trial->quire, body->path, O_RDWR,
					  NULL, &body->handle[i]) == 0);
	require(quire_object_open(trial->quire, body->path, O_RDONLY, NULL,
				  &body->reader) == 0);
	require(body->handle[0]->object == body->handle[1]->object);
	require(body->handle[0]->object == body->reader->object);
}

/* What cannot be opened twice has the same handle twice. */
static void open_uri(struct trial *trial, struct body *body, const char *scheme)
{
	char uri[64];

	snprintf(uri, sizeof(uri), "%s:%zu", scheme, (size_t)body->size);
	require(quire_object_open(trial->quire, uri, O_RDWR, NULL,
				  &body->handle[0]) == 0);
	body->handle[1] = body->handle[0];
	require(quire_object_pwrite(body->handle[0], body->model, body->size,
				    0) == (ssize_t)body->size);
}

static void open_served(struct trial *trial, struct body *body)
{
	body->served = calloc(1, MOST);
	require(body->served);
	memcpy(body->served, body->model, body->size);
	require(quire_object_create(trial->quire, "served", body->size,
				    &pager_ops, body, NULL,
				    &body->handle[0]) == 0);
	body->handle[1] = body->handle[0];
}

void work_open(struct trial *trial)
{
	uint64_t seed = trial->seed;

	for (unsigned i = 0; i < OBJECTS; i++) {
		struct body *body = &trial->body[i];

		body->model = calloc(1, MOST);
		require(body->model);
		body->size = STABLE + below(&seed, MOST - STABLE);
		for (uint64_t at = 0; at < body->size; at++)
			body->model[at] = (unsigned char)next_random(&seed);
	}
	open_file(trial, &trial->body[0]);
	open_uri(trial, &trial->body[1], "mem");
	open_uri(trial, &trial->body[2], "anon");
	open_served(trial, &trial->body[3]);
	for (unsigned i = 0; i < WORKERS; i++) {
		trial->worker[i].trial = trial;
		trial->worker[i].id = i;
		trial->worker[i].seed = next_random(&seed);
	}
}

void work_close(struct trial *trial)
{
	for (unsigned i = 0; i < WORKERS; i++)
		worker_unmap_all(&trial->worker[i]);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct body *body = &trial->body[i];

		if (body->reader)
			require(quire_object_close(body->reader) == 0);
		if (body->handle[1] != body->handle[0])
			require(quire_object_close(body->handle[1]) == 0);
		require(quire_object_close(body->handle[0]) == 0);
	}
}

/* ---- rounds ---- */

static void *worker_main(void *argument)
{
	for (unsigned i = 0; i < STEPS; i++)
		worker_step(argument);
	return NULL;
}

void work_round(struct trial *trial)
{
	pthread_t thread[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++)
		thread[i] = thread_of(worker_main, &trial->worker[i]);
	for (unsigned i = 0; i < WORKERS; i++)
		join(thread[i]);
}

/* ---- verdicts ---- */

/* Says where, as a whole object is no help. */
static void require_equal(const struct body *body, const unsigned char *bytes,
			  uint64_t offset, uint64_t length, const char *way)
{
	for (uint64_t i = 0; i < length; i++) {
		if (bytes[i] == body->model[offset + i])
			continue;
		fprintf(stderr,
			"%s: page %llu byte %llu: %u, and not %u (word %llx)\n",
			way, (unsigned long long)((offset + i) / PAGE),
			(unsigned long long)((offset + i) % PAGE), bytes[i],
			body->model[offset + i],
			(unsigned long long)word_of(body->handle[0],
						    (offset + i) / PAGE));
		abort();
	}
}

static void verify_copied(struct body *body, unsigned char *buffer)
{
	require(quire_object_size(body->handle[0]) == body->size);
	require(quire_object_pread(body->handle[1], buffer, MOST + 1, 0) ==
		(ssize_t)body->size);
	require_equal(body, buffer, 0, body->size, "pread");
}

static void verify_mapped(struct trial *trial, struct body *body, int flags,
			  struct quire_object *handle)
{
	unsigned char *mapped = quire_mmap(quire_host_space(trial->quire), NULL,
					   body->size, PROT_READ, flags, handle,
					   0);

	require(mapped != MAP_FAILED);
	require_equal(body, mapped, 0, body->size, "mapped");
	/* The rest of the last page is nobody's, and zero if nobody stored. */
	require(quire_munmap(quire_host_space(trial->quire), mapped,
			     body->size) == 0);
}

static void verify_pinned(struct body *body)
{
	for (uint64_t at = 0; at < body->size; at += PAGE) {
		struct quire_pin pin;
		size_t length = body->size - at < PAGE ? body->size - at : PAGE;

		require(quire_object_pin(body->handle[0], at, length, PROT_READ,
					 &pin) == 0);
		require_equal(body, pin.address, at, length, "pinned");
		quire_object_unpin(&pin);
	}
}

/* Invariant 3, by the engine's count and by the kernel's. */
static void verify_budget(struct trial *trial)
{
	struct quire_statistics now = statistics_of(trial->quire);
	uint64_t blocks = 0;

	require(now.resident_peak <= now.budget);
	require(now.resident <= now.resident_peak);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct stat status;

		require(fstat(object_memory(trial->body[i].handle[0]->object),
			      &status) == 0);
		blocks += (uint64_t)status.st_blocks;
	}
	/* A round is over; the flusher and readahead take no more than what
	 * is charged. */
	require(blocks * 512 <= now.budget);
}

void work_verify(struct trial *trial)
{
	unsigned char *buffer = malloc(MOST + PAGE);

	require(buffer);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct body *body = &trial->body[i];

		verify_copied(body, buffer);
		verify_mapped(trial, body, MAP_SHARED, body->handle[0]);
		if (body->reader)
			verify_mapped(trial, body, MAP_SHARED, body->reader);
		verify_pinned(body);
		verify_mapped(trial, body, MAP_PRIVATE, body->handle[0]);
		require(quire_object_sync(body->handle[0], 0, 0,
					  MS_SYNC | MS_INVALIDATE) == 0);
		verify_copied(body, buffer);
	}
	verify_budget(trial);
	free(buffer);
}

static void verify_file(const struct body *body)
{
	unsigned char *buffer = malloc(MOST + 1);
	int fd = open(body->path, O_RDONLY);

	require(buffer && fd >= 0);
	require(pread(fd, buffer, MOST + 1, 0) == (ssize_t)body->size);
	require(memcmp(buffer, body->model, body->size) == 0);
	close(fd);
	free(buffer);
}

void work_verify_home(struct trial *trial)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		const struct body *body = &trial->body[i];

		if (body->path[0])
			verify_file(body);
		if (body->served)
			require(memcmp(body->served, body->model, MOST) == 0);
	}
}

void work_free(struct trial *trial)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (trial->body[i].path[0])
			unlink(trial->body[i].path);
		free(trial->body[i].served);
		free(trial->body[i].model);
	}
}
