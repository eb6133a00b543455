/* test_grow_down_engine.c - growth downwards among guards, engines, threads */
/* SPDX-License-Identifier: MIT */
#include "unit/grow_down_world.h"

#include <sys/syscall.h>

/* ---- Quire's own ---- */

static void store_through(void *address)
{
	*(volatile char *)address = 5;
}

/* Growth comes before the guard, which has what cannot grow. */
static void test_guard(void **state)
{
	struct quire_fault_report report;

	(void)state;
	assert_int_equal(quire_guard(space, store_through, stack - PAGE, NULL),
			 0);
	assert_int_equal(*(stack - PAGE), 5);
	set_stack_limit(STACK_PAGES + 4);
	assert_int_equal(quire_guard(space, store_through, stack - 5 * PAGE,
				     &report),
			 -EFAULT);
	assert_ptr_equal(report.address, stack - 5 * PAGE);
	assert_int_equal(report.signal, SIGSEGV);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 1);
}

/* As on the software MMU. */
static void test_copies(void **state)
{
	char bytes[2] = { 1, 2 };

	(void)state;
	assert_int_equal(quire_poke(space, stack - 3 * PAGE, bytes, 2), 0);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 3);
	assert_int_equal(quire_peek(space, stack - 4 * PAGE - 1, bytes, 2), 0);
	assert_int_equal(bytes[0] | bytes[1], 0);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 5);
	set_stack_limit(STACK_PAGES + 5);
	assert_int_equal(quire_peek(space, stack - 6 * PAGE, bytes, 2),
			 -EFAULT);
	assert_int_equal(quire_poke(space, room, bytes, 2), -EFAULT);
	assert_int_equal(quire_access(space, QUIRE_STORE, stack - 6 * PAGE,
				      bytes, 1, NULL),
			 -EFAULT);
	set_stack_limit(STACK_PAGES + 6);
	assert_int_equal(quire_access(space, QUIRE_STORE, stack - 6 * PAGE,
				      bytes, 1, NULL),
			 0);
}

/* It is locked, and so is what comes. */
static void test_locked(void **state)
{
	char *others = map_at(room - ROOM * PAGE, 128, RW,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	unsigned char resident[2];

	(void)state;
	assert_int_equal(quire_mlock(space, stack, STACK_PAGES * PAGE), 0);
	*(volatile char *)(stack - 2 * PAGE) = 1;
	*(volatile char *)(stack - PAGE) = 2;
	for (unsigned round = 0; round < 3; round++)
		for (size_t i = 0; i < 128; i++)
			*(volatile char *)(others + i * PAGE) = 3;
	assert_int_equal(
		quire_mincore(space, stack - 2 * PAGE, 2 * PAGE, resident), 0);
	assert_true(resident[0] & resident[1]);
	unmap(others, 128);
}

/* A difference: the kernel would grow its own. */
static void test_a_system_call(void **state)
{
	int ends[2];

	(void)state;
	assert_return_code(pipe(ends), errno);
	assert_int_equal(syscall(SYS_write, ends[1], stack - PAGE, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(pages_of_stack(), STACK_PAGES);
	close(ends[0]);
	close(ends[1]);
}

/* Where nothing is ever put by itself; a sanitizer's memory is elsewhere. */
#if defined(__SANITIZE_THREAD__)
#define LOW_PLACE UINT64_C(0x004000000000)
#else
#define LOW_PLACE UINT64_C(0x180000000000)
#endif

/* Wherever it is, it stands on an object of its own. */
static void test_a_fixed_place(void **state)
{
	char *place = (char *)(uintptr_t)LOW_PLACE;

	(void)state;
	map_at(place, 1, RW, STACK | MAP_FIXED);
	with_own_handler();
	assert_int_equal(try_to_store(place - PAGE, 1), 0);
	assert_true(is_mapped(place - PAGE));
	assert_int_equal(try_to_store(place, 1), 0);
	sigaction(SIGSEGV, &before, NULL);
	unmap(place - PAGE, 2);
}

/* A stranger's memory is not replaced. */
static void test_a_stranger(void **state)
{
	char *stranger = mmap(stack - 8 * PAGE, PAGE, RW,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0);

	(void)state;
	assert_ptr_equal(stranger, stack - 8 * PAGE);
	*stranger = 42;
	with_own_handler();
	assert_int_equal(try_to_store(stack - 9 * PAGE, 1), SIGSEGV);
	assert_int_equal(try_to_store(stack - 7 * PAGE, 1), 0);
	assert_int_equal(*stranger, 42);
	sigaction(SIGSEGV, &before, NULL);
	assert_int_equal(munmap(stranger, PAGE), 0);
}

/* One engine's mapping grows after another engine has come and gone. */
static void test_two_engines(void **state)
{
	struct quire *other = new_engine(0);
	struct quire_space *first = space;
	char *elsewhere;

	(void)state;
	space = quire_host_space(other);
	/* both would take the same place: far away from the first */
	elsewhere = map_at(room - 4 * ROOM * PAGE, 2, RW, STACK | MAP_FIXED);
	*(volatile char *)(elsewhere - PAGE) = 1;
	*(volatile char *)(stack - PAGE) = 2;
	space = first;
	assert_int_equal(quire_close(other), 0);
	assert_false(is_mapped(elsewhere - PAGE));
	*(volatile char *)(stack - 2 * PAGE) = 3;
	with_own_handler();
	assert_int_equal(try_to_store(elsewhere - PAGE, 1), SIGSEGV);
	sigaction(SIGSEGV, &before, NULL);
}

/* ---- a child ---- */

/* Ours before the default: what it passes on kills. */
static void with_default_handler(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };

	assert_return_code(sigaction(SIGSEGV, &action, &before), errno);
	unmap(map_at(NULL, 1, RW, STACK), 1);
}

static void store_in_child(void *argument)
{
	*(volatile char *)argument = 1;
}

static void child_dies_at(char *address)
{
	struct child_end end;

	run_in_child(store_in_child, address, &end);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGSEGV);
}

/* Nothing of the parent's grows there, and nothing is put into its memory. */
static void test_child(void **state)
{
	(void)state;
	with_default_handler();
	child_dies_at(stack);
	child_dies_at(stack - PAGE);
	assert_int_equal(pages_of_stack(), STACK_PAGES);
	sigaction(SIGSEGV, &before, NULL);
}

/* ---- a child of a moment when the space is locked ---- */

static _Atomic bool growing, may_go_on;

/* Called under the space's lock. */
static void stay_inside(void *context, const char *station, const char *line)
{
	(void)context;
	(void)line;
	if (strcmp(station, "expand_downwards") != 0)
		return;
	atomic_store(&growing, true);
	while (!atomic_load(&may_go_on))
		sched_yield();
}

static void *store_below(void *argument)
{
	store_in_child(argument);
	return NULL;
}

static pid_t by_clone(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
}

static void child_without_handlers(pid_t (*fork_it)(void), char *address)
{
	int status = 0;
	pid_t child = fork_it();

	if (child == 0) {
		store_in_child(address);
		_exit(0);
	}
	assert_return_code(child, errno);
	assert_return_code(waitpid(child, &status, 0), errno);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

/* It ran no handler of fork(), and would wait for that lock for ever. */
static void test_child_of_a_locked_space(void **state)
{
	struct quire_options options = { .size = sizeof(options),
					 .flags = QUIRE_NO_REPORT,
					 .log = log_nothing,
					 .trap = chosen_trap(),
					 .trace = stay_inside };
	struct quire_space *first = space;
	struct quire *other;
	pthread_t thread;
	char *place = room - 4 * ROOM * PAGE;

	(void)state;
	assert_int_equal(quire_open(&options, &other), 0);
	space = quire_host_space(other);
	map_at(place, 1, RW, STACK | MAP_FIXED);
	with_default_handler();
	atomic_store(&growing, false);
	atomic_store(&may_go_on, false);
	assert_int_equal(
		pthread_create(&thread, NULL, store_below, place - PAGE), 0);
	while (!atomic_load(&growing))
		sched_yield();
	child_without_handlers(_Fork, place - 2 * PAGE);
	child_without_handlers(by_clone, place - 2 * PAGE);
	atomic_store(&may_go_on, true);
	pthread_join(thread, NULL);
	assert_true(is_mapped(place - PAGE));
	assert_false(is_mapped(place - 2 * PAGE));
	sigaction(SIGSEGV, &before, NULL);
	space = first;
	assert_int_equal(quire_close(other), 0);
}

/* The thread sanitizer knows no threads in the child of a process with many. */
#if !defined(__SANITIZE_THREAD__)
static void own_engine_in_child(void *argument)
{
	(void)argument;
	quire = open_engine(0);
	need(quire);
	space = quire_host_space(quire);
	stack = quire_mmap(space, NULL, PAGE, RW, STACK, NULL, 0);
	need(stack != MAP_FAILED);
	*(volatile char *)(stack - PAGE) = 1;
	need(is_mapped(stack - PAGE));
	need(quire_close(quire) == 0);
}

static void test_engine_of_a_child(void **state)
{
	struct quire *ours = quire;
	struct quire_space *our_space = space;
	char *our_stack = stack;

	(void)state;
	assert_survives(own_engine_in_child, NULL);
	quire = ours;
	space = our_space;
	stack = our_stack;
	*(volatile char *)(stack - PAGE) = 1;
}

#endif

/* ---- many at once ---- */

#define THREADS 8
#define PAGES_EACH 24

static _Atomic unsigned arrived;

/* Each has every eighth page, from above or from below. */
static void *grow_and_store(void *argument)
{
	size_t number = (size_t)(uintptr_t)argument;

	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < THREADS)
		sched_yield();
	for (size_t i = 0; i < PAGES_EACH; i++) {
		size_t step = number % 2 ? i : PAGES_EACH - 1 - i;
		size_t page = step * THREADS + number + 1;

		*(volatile size_t *)(stack - page * PAGE) = page;
	}
	return NULL;
}

static void test_threads(void **state)
{
	pthread_t threads[THREADS];

	(void)state;
	atomic_store(&arrived, 0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						grow_and_store,
						(void *)(uintptr_t)i),
				 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(pages_of_stack(), STACK_PAGES + THREADS * PAGES_EACH);
	for (size_t page = 1; page <= THREADS * PAGES_EACH; page++)
		assert_int_equal(*(volatile size_t *)(stack - page * PAGE),
				 page);
}

#define ROUNDS 200

static void *map_and_unmap(void *argument)
{
	(void)argument;
	for (unsigned i = 0; i < ROUNDS; i++) {
		void *address =
			quire_mmap(space, NULL, PAGE, RW, STACK, NULL, 0);

		if (address == MAP_FAILED)
			return address;
		*(volatile char *)address = 1;
		if (quire_munmap(space, address, PAGE))
			return address;
	}
	return NULL;
}

/* The layout changes all the time. */
static void test_beside_mappings(void **state)
{
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, map_and_unmap, NULL), 0);
	for (size_t i = 1; i <= ROUNDS; i++)
		*(volatile size_t *)(stack - i * PAGE) = i;
	pthread_join(thread, &failed);
	assert_null(failed);
	for (size_t i = 1; i <= ROUNDS; i++)
		assert_int_equal(*(volatile size_t *)(stack - i * PAGE), i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_guard),
		EACH(test_copies),
		EACH(test_locked),
		EACH(test_a_system_call),
		EACH(test_a_fixed_place),
		EACH(test_a_stranger),
		EACH(test_two_engines),
		EACH(test_child),
		EACH(test_child_of_a_locked_space),
#if !defined(__SANITIZE_THREAD__)
		EACH(test_engine_of_a_child),
#endif
		EACH(test_threads),
		EACH(test_beside_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
