/* restarts.c - does everything to a file until it is told to stop */
/* SPDX-License-Identifier: MIT */
/*
 * restarts FILE STOP WORKERS: each worker is a process with a file FILE.N, and
 * a copy of what must be in it, in memory of its own.  It stores, loads,
 * reads, writes, cuts, lengthens, forks, and maps anew, and compares, until STOP
 * is there.  Then FILE.N.model is what FILE.N must be.  One thread of each does
 * the same with a page of its own in FILE, which all share.
 *
 * It knows nothing of servers that come and go meanwhile.
 */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/sendfile.h>

#define WORKER_PAGES ((size_t)96)
#define WORKER_BYTES (WORKER_PAGES * PAGE)
#define LEAST_PAGES ((size_t)24)

struct worker {
	int number;
	const char *stop;
	const char *shared_path;
	char path[4096];
	int fd;
	unsigned char *mapped; /* WORKER_BYTES of it */
	unsigned char *model;
	size_t size; /* of the file */
	uint64_t random;
	uint64_t steps;
};

static uint64_t next(struct worker *worker)
{
	worker->random ^= worker->random << 13;
	worker->random ^= worker->random >> 7;
	worker->random ^= worker->random << 17;
	return worker->random;
}

static size_t some_offset(struct worker *worker)
{
	return next(worker) % worker->size;
}

static bool stops(const struct worker *worker)
{
	return access(worker->stop, F_OK) == 0;
}

static void map_worker(struct worker *worker)
{
	worker->mapped = mmap(NULL, WORKER_BYTES, PROT_READ | PROT_WRITE,
			      MAP_SHARED, worker->fd, 0);
	must(worker->mapped != MAP_FAILED);
}

/* ---- what is done to it ---- */

static void store(struct worker *worker)
{
	for (int i = 0; i < 16; i++) {
		size_t at = some_offset(worker);
		unsigned char byte = (unsigned char)next(worker);

		worker->mapped[at] = worker->model[at] = byte;
	}
}

static void load(struct worker *worker)
{
	for (int i = 0; i < 16; i++) {
		size_t at = some_offset(worker);

		must(worker->mapped[at] == worker->model[at]);
	}
}

static size_t some_length(struct worker *worker, size_t at)
{
	size_t length = 1 + next(worker) % 9000;

	return length < worker->size - at ? length : worker->size - at;
}

static void write_some(struct worker *worker)
{
	unsigned char bytes[9000];
	size_t at = some_offset(worker), length = some_length(worker, at);

	for (size_t i = 0; i < length; i++)
		bytes[i] = (unsigned char)next(worker);
	memcpy(worker->model + at, bytes, length);
	must(pwrite(worker->fd, bytes, length, (off_t)at) == (ssize_t)length);
	must(memcmp(worker->mapped + at, bytes, length) == 0);
}

/* Where nothing is dirty, one after the other. */
static void write_on(struct worker *worker)
{
	must(msync(worker->mapped, worker->size, MS_SYNC) == 0);
	for (int i = 0; i < 32; i++)
		write_some(worker);
}

static void read_some(struct worker *worker)
{
	unsigned char bytes[9000];
	size_t at = some_offset(worker), length = some_length(worker, at);

	must(pread(worker->fd, bytes, length, (off_t)at) == (ssize_t)length);
	must(memcmp(worker->model + at, bytes, length) == 0);
}

static void sync_some(struct worker *worker)
{
	size_t at = some_offset(worker) & ~(PAGE - 1);

	must(msync(worker->mapped + at, worker->size - at, MS_SYNC) == 0);
	if (next(worker) % 4 == 0)
		must(fsync(worker->fd) == 0);
}

static void map_anew(struct worker *worker)
{
	must(munmap(worker->mapped, WORKER_BYTES) == 0);
	map_worker(worker);
}

static void move(struct worker *worker)
{
	void *place = mmap(NULL, WORKER_BYTES, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *moved = mremap(worker->mapped, WORKER_BYTES, WORKER_BYTES,
			     MREMAP_MAYMOVE | MREMAP_FIXED, place);

	must(moved == place);
	worker->mapped = moved;
}

static void resize(struct worker *worker)
{
	size_t size = LEAST_PAGES * PAGE +
		      next(worker) % (WORKER_BYTES - LEAST_PAGES * PAGE);

	must(ftruncate(worker->fd, (off_t)size) == 0);
	if (size > worker->size)
		memset(worker->model + worker->size, 0, size - worker->size);
	worker->size = size;
}

/* Its bytes are not known to the library, nor is where they end up. */
static void send_some(struct worker *worker)
{
	size_t length = 1 + next(worker) % (4 * PAGE);
	size_t to = next(worker) % (worker->size - length);
	int own = memfd_create("bytes", MFD_CLOEXEC);

	for (size_t i = 0; i < length; i++)
		worker->model[to + i] = (unsigned char)next(worker);
	must(write(own, worker->model + to, length) == (ssize_t)length);
	must(lseek(own, 0, SEEK_SET) == 0);
	must(lseek(worker->fd, (off_t)to, SEEK_SET) == (off_t)to);
	must(sendfile(worker->fd, own, NULL, length) == (ssize_t)length);
	must(memcmp(worker->mapped + to, worker->model + to, length) == 0);
	close(own);
}

static void fork_one(struct worker *worker)
{
	size_t at = some_offset(worker);
	unsigned char byte = (unsigned char)next(worker);
	int status;
	pid_t child;

	child = fork();
	must(child >= 0);
	if (child == 0) {
		load(worker);
		worker->mapped[at] = byte;
		_exit(worker->mapped[at] == byte ? 0 : 1);
	}
	must(waitpid(child, &status, 0) == child);
	must(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	worker->model[at] = byte;
	must(worker->mapped[at] == byte);
}

static void step(struct worker *worker)
{
	switch (next(worker) % 24) {
	case 0:
		sync_some(worker);
		break;
	case 1:
		map_anew(worker);
		break;
	case 2:
		move(worker);
		break;
	case 3:
		resize(worker);
		break;
	case 4:
		fork_one(worker);
		break;
	case 5:
		send_some(worker);
		break;
	case 6:
		write_on(worker);
		break;
	case 7:
	case 8:
		read_some(worker);
		break;
	case 9:
	case 10:
	case 11:
		write_some(worker);
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		load(worker);
		break;
	default:
		store(worker);
	}
}

/* ---- a page of its own in the file that all share ---- */

static void *share(void *argument)
{
	struct worker *worker = argument;
	size_t at = (size_t)worker->number * PAGE;
	int fd = open(worker->shared_path, O_RDWR | O_CLOEXEC);
	uint32_t *count;

	must(fd >= 0);
	count = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     0);
	must(count != MAP_FAILED);
	count += at / sizeof(*count);
	for (uint32_t i = 1; !stops(worker); i++) {
		uint32_t seen;

		count[i % 1024] = i;
		must(pread(fd, &seen, sizeof(seen),
			   (off_t)(at + i % 1024 * sizeof(i))) == sizeof(seen));
		must(seen == i);
		must(count[(i - 1) % 1024] == i - 1 || i == 1);
	}
	close(fd);
	return NULL;
}

/* ---- a worker ---- */

static void open_worker(struct worker *worker)
{
	worker->size = WORKER_BYTES;
	worker->random = 88172645463325252u + (uint64_t)worker->number;
	worker->fd = open(worker->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	must(worker->fd >= 0);
	must(ftruncate(worker->fd, (off_t)worker->size) == 0);
	worker->model = mmap(NULL, WORKER_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(worker->model != MAP_FAILED);
	map_worker(worker);
}

static void compare_all(const struct worker *worker)
{
	must(memcmp(worker->mapped, worker->model, worker->size) == 0);
}

static void leave_model(const struct worker *worker)
{
	char path[4200];
	int fd;

	snprintf(path, sizeof(path), "%s.model", worker->path);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	must(fd >= 0);
	must(write(fd, worker->model, worker->size) == (ssize_t)worker->size);
	close(fd);
}

static void work(struct worker *worker)
{
	pthread_t thread;

	open_worker(worker);
	must(pthread_create(&thread, NULL, share, worker) == 0);
	while (!stops(worker)) {
		step(worker);
		if (++worker->steps % 256 == 0)
			compare_all(worker);
	}
	must(pthread_join(thread, NULL) == 0);
	compare_all(worker);
	leave_model(worker);
	fprintf(stderr, "worker %d: %llu steps\n", worker->number,
		(unsigned long long)worker->steps);
	_exit(0);
}

int main(int argc, char **argv)
{
	struct worker worker = { .number = 0 };
	int workers, failed = 0, status;

	must(argc == 4);
	workers = atoi(argv[3]);
	worker.shared_path = argv[1];
	worker.stop = argv[2];
	for (int i = 0; i < workers; i++) {
		pid_t child = fork();

		must(child >= 0);
		worker.number = i;
		snprintf(worker.path, sizeof(worker.path), "%s.%d", argv[1], i);
		if (child == 0)
			work(&worker);
	}
	for (int i = 0; i < workers; i++) {
		must(wait(&status) > 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			failed++;
	}
	return failed != 0;
}
