/* test_kill.c - a program is killed while it stores to a mapped file */
/* SPDX-License-Identifier: MIT */
/*
 * A child stamps the pages of a file through a shared mapping, each time with
 * one generation more, and says in shared memory when msync() has returned.
 * The parent kills it at some moment, and reads the file:
 *
 *   promised[page] <= generation of each word <= stamped[page]
 *
 * A quiet child writes back only by its own msync: then each page is wholly
 * one generation.  A busy one has a small budget and a flusher that never
 * sleeps, which may well copy a page between two stores to it.
 */
#include "quire/quire.h"

#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define KILLS 80u
#define WRITERS 2u
#define PAGES 32u /* of each writer */
#define ALL (WRITERS * PAGES)
#define PAGE ((size_t)QUIRE_PAGE_SIZE)
#define WORDS (PAGE / sizeof(uint64_t))

/* What the child says. */
struct said {
	_Atomic uint64_t stamped[ALL];
	_Atomic uint64_t promised[ALL];
	_Atomic uint64_t syncs;
	_Atomic bool failed;
};

static struct said *said;
static char path[] = "/var/tmp/quire-kill-XXXXXX";

/* A word tells its generation, its page and its place. */
static uint64_t word_of(uint64_t generation, uint64_t page, uint64_t place)
{
	return generation << 32 | page << 16 | place;
}

static void fill(uint64_t *words, uint64_t generation, uint64_t page)
{
	for (uint64_t i = 0; i < WORDS; i++)
		words[i] = word_of(generation, page, i);
}

/* ---- the child ---- */

static struct quire *quire;
static uint64_t *mapped;

/* Stamps some of its pages, and has them made durable. */
static void stamp(uint64_t first, uint64_t count, uint64_t generation)
{
	uint64_t *words = mapped + first * WORDS;

	for (uint64_t i = 0; i < count; i++) {
		atomic_store(&said->stamped[first + i], generation);
		fill(words + i * WORDS, generation, first + i);
	}
	if (quire_msync(quire_host_space(quire), words, count * PAGE,
			MS_SYNC)) {
		atomic_store(&said->failed, true);
		return;
	}
	for (uint64_t i = 0; i < count; i++)
		atomic_store(&said->promised[first + i], generation);
	atomic_fetch_add(&said->syncs, 1);
}

static void *writer(void *argument)
{
	uint64_t first = (uintptr_t)argument * PAGES;
	uint64_t seed = first + 1;

	for (uint64_t generation = 1;; generation++) {
		uint64_t skip = next_random(&seed) % PAGES;

		stamp(first + skip, 1 + next_random(&seed) % (PAGES - skip),
		      generation);
	}
	return NULL;
}

static void open_engine(bool busy)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = (busy ? 10 : 4 * ALL) * PAGE,
		.dirty_percent = busy ? 50 : 100,
		.flush_interval_ms = busy ? 1 : 3600 * 1000,
		.io = busy ? QUIRE_IO_AUTO : QUIRE_IO_THREADS,
		.flags = QUIRE_NO_REPORT,
	};
	struct quire_object *object;

	if (quire_open(&options, &quire) ||
	    quire_object_open(quire, path, O_RDWR, NULL, &object))
		_exit(1);
	mapped = quire_mmap(quire_host_space(quire), NULL, ALL * PAGE,
			    PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
	if (mapped == MAP_FAILED)
		_exit(1);
}

static _Noreturn void child(bool busy)
{
	pthread_t thread;

	open_engine(busy);
	for (uintptr_t i = 0; i < WRITERS; i++)
		if (pthread_create(&thread, NULL, writer, (void *)i))
			_exit(1);
	pthread_join(thread, NULL);
	_exit(1);
}

/* ---- the parent ---- */

static void new_file(void)
{
	static uint64_t words[WORDS];
	int fd;

	memset(said, 0, sizeof(*said));
	strcpy(path + strlen(path) - 6, "XXXXXX");
	fd = mkstemp(path);
	assert_return_code(fd, errno);
	for (uint64_t i = 0; i < ALL; i++) {
		fill(words, 0, i);
		assert_int_equal(write(fd, words, PAGE), PAGE);
	}
	close(fd);
}

static void kill_at_some_moment(pid_t pid, uint64_t seed)
{
	uint64_t syncs = next_random(&seed) % 24;
	uint64_t more = next_random(&seed) % 200;
	int status;

	while (atomic_load(&said->syncs) < syncs &&
	       !atomic_load(&said->failed) &&
	       waitpid(pid, &status, WNOHANG) == 0)
		sched_yield();
	while (more-- > 0)
		sched_yield();
	assert_return_code(kill(pid, SIGKILL), errno);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_false(atomic_load(&said->failed));
}

static void check_page(const uint64_t *words, uint64_t page, bool busy)
{
	uint64_t promised = atomic_load(&said->promised[page]);
	uint64_t stamped = atomic_load(&said->stamped[page]);

	for (uint64_t i = 0; i < WORDS; i++) {
		uint64_t generation = words[i] >> 32;

		assert_int_equal(words[i], word_of(generation, page, i));
		assert_in_range(generation, promised, stamped);
		if (!busy)
			assert_int_equal(generation, words[0] >> 32);
	}
}

static void check_file(bool busy)
{
	static uint64_t words[WORDS];
	int fd = open(path, O_RDONLY);
	struct stat status;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &status), errno);
	assert_int_equal(status.st_size, ALL * PAGE);
	for (uint64_t i = 0; i < ALL; i++) {
		assert_int_equal(read(fd, words, PAGE), PAGE);
		check_page(words, i, busy);
	}
	close(fd);
}

static void kill_one(uint64_t seed, bool busy)
{
	pid_t pid;

	new_file();
	pid = fork();
	assert_return_code(pid, errno);
	if (pid == 0)
		child(busy);
	kill_at_some_moment(pid, seed);
	check_file(busy);
	unlink(path);
}

static void what_msync_promised_is_in_the_file(void **state)
{
	uint64_t seed = first_seed(31337), syncs = 0;

	(void)state;
	said = mmap(NULL, sizeof(*said), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(said, MAP_FAILED);
	for (unsigned i = 0; i < KILLS; i++) {
		kill_one(next_random(&seed), i % 2);
		syncs += atomic_load(&said->syncs);
	}
	assert_true(syncs > KILLS); /* or nothing was promised */
	munmap(said, sizeof(*said));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_msync_promised_is_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
