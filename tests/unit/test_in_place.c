/* test_in_place.c - a trap is resolved by the thread that ran into it */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define PAGES ((size_t)64)
#define BUDGET ((size_t)16)
#define BOTH (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;
static unsigned char *bytes;

static int set_up(void **state)
{
	(void)state;
	/* All engines here, whatever is chosen: cmocka's handlers stay away. */
	setenv("QUIRE_TEST_TRAP", "sigbus", 1);
	quire = new_engine(BUDGET * PAGE);
	space = quire_host_space(quire);
	make_file(&file, PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, PAGES * PAGE, BOTH);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
	quire_object_close(object);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static void test_mode_is_told(void **state)
{
	(void)state;
	assert_non_null(strstr(quire_trap_mode(quire), "SIGBUS"));
	assert_non_null(strstr(quire_trap_mode(quire), "EFAULT"));
}

/* One thread alone never waits for another of the engine's. */
static void test_own_thread_reads(void **state)
{
	struct quire_statistics before = statistics_of(quire), after;

	(void)state;
	assert_int_equal(quire_madvise(space, bytes, PAGES * PAGE, MADV_RANDOM),
			 0);
	for (size_t i = 0; i < PAGES; i++) {
		size_t page = i * 29 % PAGES;

		assert_int_equal(bytes[page * PAGE], byte_at(page * PAGE));
	}
	after = statistics_of(quire);
	assert_int_equal(after.traps - before.traps, PAGES);
	assert_int_equal(after.misses - before.misses, PAGES);
	assert_int_equal(after.parked - before.parked, 0);
	assert_true(after.resident <= BUDGET * PAGE);
}

/* Loads, then stores: each page traps for both, and comes home. */
static void test_stores(void **state)
{
	struct quire_statistics before = statistics_of(quire);
	unsigned char sum = 0;

	(void)state;
	for (size_t i = 0; i < PAGES; i++) {
		sum = (unsigned char)(sum + bytes[i * PAGE + 1]);
		bytes[i * PAGE] = (unsigned char)(i + 100);
	}
	/* One that waited for the dirty bound traps again. */
	assert_true(statistics_of(quire).write_traps - before.write_traps >=
		    PAGES);
	assert_int_equal(quire_msync(space, bytes, PAGES * PAGE, MS_SYNC), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(byte_in_file(file.fd, i * PAGE),
				 (unsigned char)(i + 100));
	assert_int_not_equal(sum, 0);
}

static void *store_everywhere(void *argument)
{
	size_t thread = *(const size_t *)argument;

	for (size_t round = 0; round < 20; round++)
		for (size_t i = 0; i < PAGES; i++) {
			size_t page = (i * 29 + thread * 13) % PAGES;

			bytes[page * PAGE + 8 + thread] =
				(unsigned char)(round + thread);
		}
	return NULL;
}

/* More threads than pages of budget: they meet on pages, and wait for room. */
static void test_threads_meet(void **state)
{
	pthread_t threads[32];
	size_t numbers[32];

	(void)state;
	for (size_t i = 0; i < 32; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL,
						store_everywhere, &numbers[i]),
				 0);
	}
	for (size_t i = 0; i < 32; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(quire_msync(space, bytes, PAGES * PAGE, MS_SYNC), 0);
	for (size_t i = 0; i < PAGES; i++)
		for (size_t thread = 0; thread < 32; thread++)
			assert_int_equal(byte_in_file(file.fd,
						      i * PAGE + 8 + thread),
					 19 + thread);
	assert_true(statistics_of(quire).resident_peak <= BUDGET * PAGE);
}

/* By design: a system call does not raise the signal. */
static void test_system_calls_fail(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], bytes + 3 * PAGE, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(bytes[3 * PAGE], byte_at(3 * PAGE));
	assert_int_equal(write(ends[1], bytes + 3 * PAGE, 1), 1);
	close(ends[0]);
	close(ends[1]);
}

/* ---- what is not ours ---- */

static sigjmp_buf place;
static void *volatile failed_at;

static void jump(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	failed_at = info->si_addr;
	siglongjmp(place, 1);
}

/* True: the load raised SIGBUS, and the program's handler had it. */
static bool is_sigbus(const volatile unsigned char *at)
{
	struct sigaction ours = { .sa_sigaction = jump,
				  .sa_flags = SA_SIGINFO };
	struct sigaction before;
	unsigned char *again;
	volatile bool raised = true;

	assert_int_equal(sigaction(SIGBUS, &ours, &before), 0);
	/* A mapping puts the engine's handler before it. */
	again = map_object(quire, object, PAGE, PROT_READ);
	failed_at = NULL;
	if (sigsetjmp(place, 1) == 0) {
		(void)*at;
		raised = false;
	} else {
		assert_ptr_equal(failed_at, at);
	}
	assert_int_equal(quire_munmap(space, again, PAGE), 0);
	assert_int_equal(sigaction(SIGBUS, &before, NULL), 0);
	return raised;
}

static void test_past_the_end(void **state)
{
	(void)state;
	assert_int_equal(quire_object_resize(object, 10 * PAGE), 0);
	assert_true(is_sigbus(bytes + 10 * PAGE + 5));
	assert_true(is_sigbus(bytes + 10 * PAGE + 5));
	assert_false(is_sigbus(bytes + 9 * PAGE + 5));
	assert_int_equal(quire_object_resize(object, 11 * PAGE), 0);
	assert_false(is_sigbus(bytes + 10 * PAGE + 5));
	assert_int_equal(bytes[10 * PAGE + 5], 0);
}

static void test_mapping_of_the_programs(void **state)
{
	struct test_file own;
	unsigned char *mapped;

	(void)state;
	make_file(&own, PAGE);
	mapped = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, own.fd, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	assert_false(is_sigbus(mapped));
	assert_true(is_sigbus(mapped + PAGE));
	munmap(mapped, 2 * PAGE);
	end_file(&own);
}

/* ---- waiting ---- */

static _Atomic bool may_read;
static _Atomic unsigned reads, alarms;

static ssize_t slow_read(void *context, void *buffer, size_t length,
			 uint64_t offset)
{
	(void)context;
	(void)offset;
	atomic_fetch_add(&reads, 1);
	while (!atomic_load(&may_read))
		usleep(1000);
	memset(buffer, 7, length);
	return (ssize_t)length;
}

static void count_alarm(int signal)
{
	(void)signal;
	atomic_fetch_add(&alarms, 1);
}

static void *load_slow(void *argument)
{
	unsigned char *at = argument;

	return at[0] == 7 ? at : NULL;
}

/* One page of a caller's pager, which is read by the engine's threads. */
static unsigned char *map_slow(struct quire_object **slow)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = slow_read };

	atomic_store(&may_read, false);
	atomic_store(&reads, 0);
	assert_int_equal(quire_object_create(quire, "slow", PAGE, &ops, NULL,
					     NULL, slow),
			 0);
	return map_object(quire, *slow, PAGE, PROT_READ);
}

/* Returns when the thread's read is under way, and cannot end. */
static pthread_t start_slow(void *(*run)(void *), unsigned char *at)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run, at), 0);
	while (!atomic_load(&reads))
		sched_yield();
	return thread;
}

static void end_slow(struct quire_object *slow, unsigned char *at)
{
	assert_int_equal(quire_munmap(space, at, PAGE), 0);
	quire_object_close(slow);
}

/* The program's signals are let in meanwhile. */
static void test_signals_while_it_waits(void **state)
{
	struct sigaction counted = { .sa_handler = count_alarm }, before;
	struct quire_object *slow;
	unsigned char *at;
	pthread_t thread;
	void *result;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it holds signals back until a call that it knows */
#endif
	assert_int_equal(sigaction(SIGUSR1, &counted, &before), 0);
	at = map_slow(&slow);
	thread = start_slow(load_slow, at);
	for (unsigned sent = 1; sent <= 3; sent++) {
		assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
		while (atomic_load(&alarms) < sent)
			sched_yield();
	}
	atomic_store(&may_read, true);
	pthread_join(thread, &result);
	assert_ptr_equal(result, at);
	end_slow(slow, at);
	sigaction(SIGUSR1, &before, NULL);
}

static void leave(int signal)
{
	(void)signal;
	siglongjmp(place, 1);
}

static void *load_and_leave(void *argument)
{
	void *volatile at = argument;

	return sigsetjmp(place, 1) ? at : load_slow(at);
}

/* Nobody is thought to be at the engine then, which could not be closed. */
static void test_a_long_jump_while_it_waits(void **state)
{
	struct sigaction leaving = { .sa_handler = leave }, before;
	struct quire_object *slow;
	unsigned char *at;
	pthread_t thread;
	void *result;

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* as above */
#endif
	assert_int_equal(sigaction(SIGUSR1, &leaving, &before), 0);
	at = map_slow(&slow);
	thread = start_slow(load_and_leave, at);
	assert_int_equal(pthread_kill(thread, SIGUSR1), 0);
	pthread_join(thread, &result);
	assert_ptr_equal(result, at);
	atomic_store(&may_read, true);
	assert_int_equal(at[0], 7);
	end_slow(slow, at);
	sigaction(SIGUSR1, &before, NULL);
}

static _Atomic bool cutting, may_refuse;

static int slow_refusal(void *context, uint64_t size)
{
	(void)context;
	(void)size;
	atomic_store(&cutting, true);
	while (!atomic_load(&may_refuse))
		usleep(1000);
	return -EIO;
}

static ssize_t write_nothing(void *context, const void *buffer, size_t length,
			     uint64_t offset)
{
	(void)context;
	(void)buffer;
	(void)offset;
	return (ssize_t)length;
}

static void *cut(void *argument)
{
	return quire_object_resize(argument, PAGE) == -EIO ? argument : NULL;
}

static void load_it(void *argument)
{
	(void)*(volatile unsigned char *)argument;
}

static void *load_guarded(void *argument)
{
	return quire_guard(space, load_it, argument, NULL) ? NULL : argument;
}

/* Nothing was ever cut off. */
static void test_a_cut_that_is_refused(void **state)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = slow_read,
					     .write = write_nothing,
					     .resize = slow_refusal };
	struct quire_object *slow;
	pthread_t cutter, loader;
	unsigned char *at;
	void *result;

	(void)state;
	atomic_store(&may_read, true);
	assert_int_equal(quire_object_create(quire, "slow", 4 * PAGE, &ops,
					     NULL, NULL, &slow),
			 0);
	at = map_object(quire, slow, 4 * PAGE, PROT_READ);
	cutter = start_thread(cut, slow);
	while (!atomic_load(&cutting))
		sched_yield();
	loader = start_thread(load_guarded, at + 3 * PAGE);
	usleep(50000);
	atomic_store(&may_refuse, true);
	pthread_join(cutter, &result);
	assert_ptr_equal(result, slow);
	pthread_join(loader, &result);
	assert_ptr_equal(result, at + 3 * PAGE);
	assert_int_equal(quire_munmap(space, at, 4 * PAGE), 0);
	quire_object_close(slow);
}

/* As signal(), which knows no flags: a program that puts our handler back by it
 * takes its description away. */
static void take_description(void)
{
	struct sigaction now, plain = { .sa_flags = SA_RESTART };

	assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
	plain.sa_handler = now.sa_handler;
	assert_int_equal(sigaction(SIGBUS, &plain, NULL), 0);
}

static bool has_description(void)
{
	struct sigaction now;

	assert_int_equal(sigaction(SIGBUS, NULL, &now), 0);
	return now.sa_flags & SA_SIGINFO;
}

/* What lies there instead is that of the trap before: of another page, or of the
 * same. */
static void test_without_a_description(void **state)
{
	struct quire_statistics before = statistics_of(quire);

	(void)state;
#ifdef __SANITIZE_THREAD__
	skip(); /* it has a handler of its own, which gets a description */
#endif
	for (size_t i = 0; i < PAGES; i++) {
		size_t page = i * 29 % PAGES;

		take_description();
		assert_int_equal(bytes[page * PAGE], byte_at(page * PAGE));
		assert_true(has_description());
		for (unsigned again = 0; again < 2; again++) {
			assert_int_equal(quire_madvise(space,
						       bytes + page * PAGE,
						       PAGE, MADV_PAGEOUT),
					 0);
			take_description();
			assert_int_equal(bytes[page * PAGE],
					 byte_at(page * PAGE));
		}
	}
	assert_true(statistics_of(quire).traps - before.traps >= 3 * PAGES);
}

static void *load_though_cancelled(void *argument)
{
	unsigned char *loaded = argument;

	pthread_cancel(pthread_self());
	*loaded = bytes[9 * PAGE]; /* a load is no place to end */
	pthread_testcancel();
	return NULL;
}

static void test_a_cancelled_thread(void **state)
{
	unsigned char loaded = 0;
	pthread_t thread;
	void *result;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, load_though_cancelled,
					&loaded),
			 0);
	assert_int_equal(pthread_join(thread, &result), 0);
	assert_ptr_equal(result, PTHREAD_CANCELED);
	assert_int_equal(loaded, byte_at(9 * PAGE));
	assert_int_equal(bytes[9 * PAGE], byte_at(9 * PAGE));
}

/* As everywhere: a child has none of the mappings. */
static void test_child(void **state)
{
	int status;
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGBUS, SIG_DFL);
		(void)*(volatile unsigned char *)bytes;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(bytes[0], byte_at(0));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mode_is_told),
		TEST(test_own_thread_reads),
		TEST(test_stores),
		TEST(test_threads_meet),
		TEST(test_system_calls_fail),
		TEST(test_past_the_end),
		TEST(test_mapping_of_the_programs),
		TEST(test_signals_while_it_waits),
		TEST(test_a_long_jump_while_it_waits),
		TEST(test_a_cut_that_is_refused),
		TEST(test_without_a_description),
		TEST(test_a_cancelled_thread),
		TEST(test_child),
	};

	setenv("QUIRE_TEST_TRAP", "sigbus", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
