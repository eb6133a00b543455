/* operations.c - bytes become calls, and every answer is compared with a model */
/* SPDX-License-Identifier: MIT */
/*
 * Two objects, one of them a file, and a range of addresses into which they
 * are mapped.  The budget is smaller than the objects, so that pages come and
 * go all the while.  The model is naive: arrays of bytes, and a table of what
 * each page of the range shows.
 */
#include "quire/quire.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE ((size_t)QUIRE_PAGE_SIZE)
#define BUDGET 8    /* pages */
#define CAPACITY 24 /* pages of an object */
#define RANGE 32    /* pages of addresses */
#define STEPS 200
#define RANGE_START ((unsigned char *)(uintptr_t)0x300000000000)
#define CAPACITY_END (CAPACITY * PAGE)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct model_object {
	struct quire_object *handle;
	int fd; /* -1: it is no file */
	uint64_t size;
	unsigned char bytes[CAPACITY_END]; /* zeros past size */
	struct quire_pin pin;
};

/* What a page of the range shows. */
struct model_page {
	struct model_object *object; /* NULL: nothing */
	size_t index;
	int prot;
	bool private;
	size_t copied; /* bytes that are the mapping's own; 0: none */
	unsigned char copy[QUIRE_PAGE_SIZE];
};

static struct quire *quire;
static struct quire_space *space;
static struct model_object objects[2];
static struct model_page pages[RANGE];

static const uint8_t *input, *input_end;

#define require(condition)                                                    \
	do {                                                                  \
		if (!(condition)) {                                           \
			fprintf(stderr, "%s:%d: %s; \"%s\"\n", __FILE__,      \
				__LINE__, #condition, quire_strerror_last()); \
			abort();                                              \
		}                                                             \
	} while (0)

static unsigned next_byte(void)
{
	return input < input_end ? *input++ : 0;
}

/* Most often small, at times near a border of pages. */
static size_t next_number(size_t most)
{
	size_t high = next_byte(), low = next_byte();
	size_t number = low < 128 ? high * PAGE / 8 + low
				  : high * PAGE + low - 192;

	return number % (most + 1);
}

static struct model_object *next_object(void)
{
	return &objects[next_byte() % 2];
}

static size_t smaller(size_t one, size_t other)
{
	return one < other ? one : other;
}

/* Bytes of an object's page that are inside the object. */
static size_t valid_bytes(const struct model_object *object, size_t index)
{
	if (index * PAGE >= object->size)
		return 0;
	return smaller(object->size - index * PAGE, PAGE);
}

/* ---- objects ---- */

static void fill(unsigned char *bytes, size_t length)
{
	unsigned value = next_byte();

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)(value + i);
}

static void do_write(void)
{
	static unsigned char bytes[CAPACITY_END];
	struct model_object *object = next_object();
	size_t offset = next_number(CAPACITY_END);
	size_t length = next_number(4 * PAGE), fits;

	fits = offset < object->size ? smaller(length, object->size - offset)
				     : 0;
	fill(bytes, length);
	require(quire_object_pwrite(object->handle, bytes, length, offset) ==
		(ssize_t)fits);
	memcpy(object->bytes + offset, bytes, fits);
}

static void do_read(void)
{
	static unsigned char bytes[CAPACITY_END];
	struct model_object *object = next_object();
	size_t offset = next_number(CAPACITY_END);
	size_t length = next_number(CAPACITY_END), fits;

	fits = offset < object->size ? smaller(length, object->size - offset)
				     : 0;
	require(quire_object_pread(object->handle, bytes, length, offset) ==
		(ssize_t)fits);
	require(memcmp(bytes, object->bytes + offset, fits) == 0);
}

static void unpin(struct model_object *object)
{
	quire_object_unpin(&object->pin);
	require(object->pin.address == NULL);
}

/* Private copies of what is cut off go with it. */
static void set_size(struct model_object *object, uint64_t size)
{
	if (size < object->size)
		memset(object->bytes + size, 0, object->size - size);
	object->size = size;
	for (size_t i = 0; i < RANGE; i++)
		if (pages[i].object == object &&
		    valid_bytes(object, pages[i].index) == 0)
			pages[i].copied = 0;
}

static void do_resize(void)
{
	struct model_object *object = next_object();
	size_t size = next_number(CAPACITY_END + PAGE);
	int expected = size > CAPACITY_END ? -EFBIG : 0;

	unpin(object);
	require(quire_object_resize(object->handle, size) == expected);
	if (!expected)
		set_size(object, size);
	require(quire_object_size(object->handle) == object->size);
}

static void do_append(void)
{
	static unsigned char bytes[2 * QUIRE_PAGE_SIZE];
	struct model_object *object = next_object();
	size_t length = next_number(sizeof(bytes));
	int flags = next_byte() % 2 ? MS_SYNC : 0;
	uint64_t offset = 0, old = object->size;
	int expected = old + length > CAPACITY_END ? -EFBIG : 0;

	fill(bytes, length);
	require(quire_object_append(object->handle, bytes, length, flags,
				    &offset) == expected);
	if (expected || length == 0)
		return;
	require(offset == old);
	set_size(object, old + length);
	memcpy(object->bytes + old, bytes, length);
}

static void do_allocate(void)
{
	struct model_object *object = next_object();
	uint64_t offset = next_number(CAPACITY_END);
	uint64_t length = next_number(4 * PAGE);
	int got = quire_object_allocate(object->handle, offset, length);

	if (length == 0)
		require(got == -EINVAL);
	else if (offset + length > CAPACITY_END)
		require(got == -EFBIG);
	else
		require(got == 0 || got == -EOPNOTSUPP);
	if (got == 0 && offset + length > object->size)
		set_size(object, offset + length);
}

static void do_sync(void)
{
	static const int flags[] = { MS_SYNC, MS_ASYNC, MS_INVALIDATE,
				     MS_SYNC | MS_INVALIDATE };
	struct model_object *object = next_object();
	uint64_t offset = next_number(CAPACITY_END);
	uint64_t length = next_number(CAPACITY_END);

	require(quire_object_sync(object->handle, offset, length,
				  flags[next_byte() % 4]) == 0);
}

static void do_prefetch(void)
{
	struct model_object *object = next_object();
	struct quire_range range = { .offset = next_number(CAPACITY_END),
				     .length = next_number(CAPACITY_END) };

	require(quire_object_prefetch(object->handle, &range, 1) >= 0);
}

/* At most two pages for each object: there must be room for others. */
static void do_pin(void)
{
	struct model_object *object = next_object();
	int access = next_byte() % 2 ? PROT_READ | PROT_WRITE : PROT_READ;
	uint64_t offset = next_number(CAPACITY_END);
	size_t length = next_number(PAGE);
	bool good = length > 0 && offset + length <= object->size;
	struct quire_pin *pin = &object->pin;

	unpin(object);
	require(quire_object_pin(object->handle, offset, length, access, pin) ==
		(good ? 0 : -EINVAL));
	if (!good)
		return;
	require(memcmp(pin->address, object->bytes + offset, length) == 0);
	if (access & PROT_WRITE) {
		fill(pin->address, length);
		memcpy(object->bytes + offset, pin->address, length);
	}
}

/* Of a file: mappings stay, and the next handle finds the same object. */
static void do_reopen(void)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.capacity = CAPACITY_END,
	};
	struct model_object *object = &objects[0];

	unpin(object);
	require(quire_object_close(object->handle) == 0);
	require(quire_object_open_fd(quire, object->fd, &options,
				     &object->handle) == 0);
	require(quire_object_size(object->handle) == object->size);
}

/* ---- the range ---- */

static size_t next_run(size_t *count)
{
	size_t first = next_byte() % RANGE;

	*count = 1 + next_byte() % (RANGE - first);
	return first;
}

static void do_map(void)
{
	static const int rights[] = { PROT_READ, PROT_READ | PROT_WRITE,
				      PROT_READ | PROT_WRITE, PROT_NONE };
	struct model_object *object = next_object();
	size_t count, first = next_run(&count), index = next_byte() % CAPACITY;
	int prot = rights[next_byte() % 4];
	int type = next_byte() % 3 ? MAP_SHARED : MAP_PRIVATE;

	require(quire_mmap(space, RANGE_START + first * PAGE, count * PAGE,
			   prot, type | MAP_FIXED, object->handle,
			   (off_t)(index * PAGE)) ==
		RANGE_START + first * PAGE);
	for (size_t i = first; i < first + count; i++)
		pages[i] =
			(struct model_page){ .object = object,
					     .index = index + i - first,
					     .prot = prot,
					     .private = type == MAP_PRIVATE };
}

static void do_unmap(void)
{
	size_t count, first = next_run(&count);

	require(quire_munmap(space, RANGE_START + first * PAGE, count * PAGE) ==
		0);
	for (size_t i = first; i < first + count; i++)
		pages[i].object = NULL;
}

static void do_protect(void)
{
	static const int rights[] = { PROT_READ, PROT_READ | PROT_WRITE,
				      PROT_NONE };
	size_t count, first = next_run(&count), i = first;
	int prot = rights[next_byte() % 3];
	int got = quire_mprotect(space, RANGE_START + first * PAGE,
				 count * PAGE, prot);

	while (i < first + count && pages[i].object)
		pages[i++].prot = prot;
	if (i == first + count)
		require(got == 0);
	else
		require(got == -1 && errno == ENOMEM);
}

static void do_msync(void)
{
	size_t count, first = next_run(&count), i = first;
	int got = quire_msync(space, RANGE_START + first * PAGE, count * PAGE,
			      next_byte() % 2 ? MS_SYNC : MS_ASYNC);

	while (i < first + count && pages[i].object)
		i++;
	if (i == first + count)
		require(got == 0);
	else
		require(got == -1 && errno == ENOMEM);
}

/* 0, or how an access of the page ends. */
static int access_error(const struct model_page *page, int needed)
{
	if (!page->object || (page->prot & needed) != needed)
		return -EFAULT;
	if (page->copied == 0 && valid_bytes(page->object, page->index) == 0)
		return -ENXIO;
	return 0;
}

/* Where the model has a page's bytes, and how many of them are certain. */
static unsigned char *model_bytes(struct model_page *page, size_t *valid)
{
	if (page->copied) {
		*valid = page->copied;
		return page->copy;
	}
	*valid = valid_bytes(page->object, page->index);
	return page->object->bytes + page->index * PAGE;
}

/* The next place in the range, and the piece of it that lies in one page. */
struct piece {
	struct model_page *page;
	size_t start; /* in the page */
	size_t length;
};

static struct piece piece_at(size_t at, size_t left)
{
	struct piece piece = { .page = &pages[at / PAGE], .start = at % PAGE };

	piece.length = smaller(left, PAGE - piece.start);
	return piece;
}

static size_t next_place(size_t *length)
{
	size_t at = next_number(RANGE * PAGE - 1);

	*length = smaller(next_number(3 * PAGE), RANGE * PAGE - at);
	return at;
}

static void compare(struct piece *piece, const unsigned char *bytes)
{
	size_t valid, sure = 0;
	unsigned char *model = model_bytes(piece->page, &valid);

	if (piece->start < valid)
		sure = smaller(piece->length, valid - piece->start);
	require(memcmp(bytes, model + piece->start, sure) == 0);
}

static void do_peek(void)
{
	static unsigned char bytes[RANGE * PAGE];
	size_t length, at = next_place(&length), done = 0;
	int got = quire_peek(space, RANGE_START + at, bytes, length);
	int expected = 0;

	while (done < length && !expected) {
		struct piece piece = piece_at(at + done, length - done);

		expected = access_error(piece.page, PROT_READ);
		if (!expected)
			compare(&piece, bytes + done);
		done += piece.length;
	}
	require(got == expected);
}

static void model_store(struct piece *piece, const unsigned char *bytes)
{
	struct model_page *page = piece->page;
	size_t valid;
	unsigned char *model = model_bytes(page, &valid);

	if (page->private && !page->copied) {
		memcpy(page->copy, model, PAGE);
		page->copied = valid;
		model = page->copy;
	}
	if (piece->start < valid)
		memcpy(model + piece->start, bytes,
		       smaller(piece->length, valid - piece->start));
}

static void do_poke(void)
{
	static unsigned char bytes[RANGE * PAGE];
	size_t length, at = next_place(&length), done = 0;
	int got, expected = 0;

	fill(bytes, length);
	got = quire_poke(space, RANGE_START + at, bytes, length);
	while (done < length && !expected) {
		struct piece piece = piece_at(at + done, length - done);

		expected = access_error(piece.page, PROT_WRITE);
		if (!expected)
			model_store(&piece, bytes + done);
		done += piece.length;
	}
	require(got == expected);
}

/* ---- all of it ---- */

static void (*const operations[])(void) = {
	do_write, do_read,   do_resize, do_append, do_allocate, do_sync,
	do_pin,   do_reopen, do_map,    do_map,    do_unmap,    do_protect,
	do_msync, do_peek,   do_poke,   do_poke,   do_prefetch,
};

static void open_all(void)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = BUDGET * PAGE,
		.io = QUIRE_IO_THREADS,
		.io_threads = 1,
		.dirty_percent = 100,
		.flags = QUIRE_NO_REPORT,
	};
	struct quire_object_options object_options = {
		.size = sizeof(object_options),
		.capacity = CAPACITY_END,
	};

	require(quire_open(&options, &quire) == 0);
	space = quire_host_space(quire);
	memset(objects, 0, sizeof(objects));
	memset(pages, 0, sizeof(pages));
	objects[0].fd = memfd_create("fuzz", MFD_CLOEXEC);
	require(objects[0].fd >= 0);
	require(quire_object_open_fd(quire, objects[0].fd, &object_options,
				     &objects[0].handle) == 0);
	objects[1].fd = -1;
	require(quire_object_create_anonymous(quire, 0, &object_options,
					      &objects[1].handle) == 0);
}

/* What was stored is in the file. */
static void check_file(const struct model_object *object)
{
	static unsigned char bytes[CAPACITY_END + 1];

	require(pread(object->fd, bytes, sizeof(bytes), 0) ==
		(ssize_t)object->size);
	require(memcmp(bytes, object->bytes, object->size) == 0);
}

static void close_all(void)
{
	struct quire_statistics counts = { .size = sizeof(counts) };

	for (int i = 0; i < 2; i++) {
		unpin(&objects[i]);
		require(quire_object_close(objects[i].handle) == 0);
	}
	require(quire_get_statistics(quire, &counts) == 0);
	require(counts.resident_peak <= BUDGET * PAGE);
	require(quire_close(quire) == 0);
	check_file(&objects[0]);
	close(objects[0].fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	input = data;
	input_end = data + size;
	open_all();
	for (int step = 0; step < STEPS && input < input_end; step++)
		operations[next_byte() %
			   (sizeof(operations) / sizeof(operations[0]))]();
	close_all();
	return 0;
}
