/* test_pins_announced.c - pins of pages in memory: announced, not counted */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/wait.h>

#define PAGES 512
#define SIZE (PAGES * PAGE)
#define BUDGET 64  /* pages */
#define HAZARDS 16 /* slots of a thread: page/hazard.h */

static struct test_file file;
static struct quire *quire;
static struct quire_object *object;

static int set_up(void **state)
{
	(void)state;
	make_file(&file, SIZE);
	quire = new_engine(BUDGET * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	quire_object_close(object);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static void counted(uint64_t index, struct quire_pin *pin)
{
	if (quire_object_pin(object, index * PAGE, PAGE, PROT_READ, pin))
		fail_msg("%s", quire_strerror_last());
}

/* The first pin of a thread, and of a page that is not in memory, is counted. */
static void announced(uint64_t index, struct quire_pin *pin)
{
	counted(index, pin);
	quire_object_unpin(pin);
	counted(index, pin);
	assert_non_null(pin->slot);
}

static void assert_page(const struct quire_pin *pin)
{
	const unsigned char *bytes = pin->address;

	assert_int_equal(bytes[0], byte_at(pin->offset));
	assert_int_equal(bytes[pin->length - 1],
			 byte_at(pin->offset + pin->length - 1));
}

/* All other pages come, one after the other. */
static void read_all(void)
{
	char byte;

	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(quire_object_pread(object, &byte, 1, i * PAGE),
				 1);
}

static uint64_t hits_now(void)
{
	return statistics_of(quire).hits;
}

static void test_it_stays(void **state)
{
	struct quire_pin pin;
	uint64_t misses;

	(void)state;
	announced(7, &pin);
	read_all();
	assert_page(&pin);
	misses = statistics_of(quire).misses;
	quire_object_unpin(&pin);
	assert_null(pin.slot);
	announced(7, &pin); /* it was there all the time */
	assert_int_equal(statistics_of(quire).misses, misses);
	quire_object_unpin(&pin);
}

static void test_hits(void **state)
{
	struct quire_pin pin;
	uint64_t hits;

	(void)state;
	announced(7, &pin);
	quire_object_unpin(&pin);
	hits = hits_now();
	for (unsigned i = 0; i < 1000; i++) {
		counted(7, &pin);
		quire_object_unpin(&pin);
	}
	assert_int_equal(hits_now() - hits, 1000);
	/* They do not get less with the handle. */
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(hits_now() - hits, 1000);
	object = open_object(quire, file.path, O_RDWR);
}

/* More than a thread has slots for. */
static void test_many_at_once(void **state)
{
	struct quire_pin pins[HAZARDS + 4];
	unsigned slots = 0;

	(void)state;
	for (unsigned i = 0; i < HAZARDS + 4; i++) {
		counted(i, &pins[i]);
		quire_object_unpin(&pins[i]);
	}
	for (unsigned i = 0; i < HAZARDS + 4; i++) {
		counted(i, &pins[i]);
		slots += pins[i].slot != NULL;
	}
	assert_int_equal(slots, HAZARDS);
	read_all();
	for (unsigned i = 0; i < HAZARDS + 4; i++) {
		assert_page(&pins[i]);
		quire_object_unpin(&pins[i]);
	}
}

/* A part of a page, and what is no part of one. */
static void test_which_bytes(void **state)
{
	struct quire_pin pin;

	(void)state;
	announced(3, &pin);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pin(object, 3 * PAGE + 100, PAGE - 100,
					  PROT_READ, &pin),
			 0);
	assert_non_null(pin.slot);
	assert_page(&pin);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pin(object, 3 * PAGE + 100, PAGE - 99,
					  PROT_READ, &pin),
			 0);
	assert_null(pin.slot); /* two pages */
	assert_page(&pin);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pin(object, 3 * PAGE, 0, PROT_READ, &pin),
			 -EINVAL);
	assert_int_equal(quire_object_pin(object, SIZE - 1, 2, PROT_READ, &pin),
			 -EINVAL);
	assert_int_equal(quire_object_pin(object, UINT64_MAX, 1, PROT_READ,
					  &pin),
			 -EINVAL);
	assert_int_equal(quire_object_pin(object, SIZE, 1, PROT_READ, &pin),
			 -EINVAL);
}

static void *end_with_a_pin(void *argument)
{
	announced(9, argument);
	return NULL;
}

/* Its lane is the next thread's, but for that slot. */
static void test_a_thread_ends_with_a_pin(void **state)
{
	struct quire_pin pins[HAZARDS];

	(void)state;
	for (unsigned i = 0; i < HAZARDS; i++)
		join_thread(start_thread(end_with_a_pin, &pins[i]));
	read_all();
	for (unsigned i = 0; i < HAZARDS; i++) {
		assert_page(&pins[i]);
		quire_object_unpin(&pins[i]);
	}
}

static void test_held_after_the_close(void **state)
{
	struct quire_pin pins[2];

	(void)state;
	announced(1, &pins[0]);
	announced(2, &pins[1]);
	assert_int_equal(quire_object_close(object), 0);
	object = NULL;
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence("2 pin(s)");
	quire_object_unpin(&pins[0]);
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence("1 pin(s)");
	assert_page(&pins[1]);
	quire_object_unpin(&pins[1]);
	assert_int_equal(statistics_of(quire).resident, 0);
}

/* Another handle of the same object does not end it. */
static void test_another_handle(void **state)
{
	struct quire_object *second;
	struct quire_pin pin;

	(void)state;
	assert_int_equal(
		quire_object_open(quire, file.path, O_RDWR, NULL, &second), 0);
	announced(1, &pin);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pin(second, PAGE, PAGE, PROT_READ, &pin),
			 0);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pin(second, PAGE, PAGE, PROT_READ, &pin),
			 0);
	assert_non_null(pin.slot);
	assert_int_equal(quire_object_close(object), 0);
	object = NULL;
	assert_int_equal(quire_object_close(second), 0);
	assert_page(&pin);
	quire_object_unpin(&pin);
}

/* ---- sizes and bytes that change ---- */

static void test_a_cut_is_refused(void **state)
{
	struct quire_pin pin;

	(void)state;
	announced(100, &pin);
	assert_int_equal(quire_object_resize(object, 100 * PAGE), -EBUSY);
	assert_sentence("page 100");
	assert_int_equal(quire_object_resize(object, 101 * PAGE), 0);
	assert_page(&pin);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_resize(object, 100 * PAGE), 0);
	assert_int_equal(quire_object_pin(object, 100 * PAGE, PAGE, PROT_READ,
					  &pin),
			 -EINVAL);
	/* What grows is zeros, whatever was there. */
	assert_int_equal(quire_object_resize(object, 200 * PAGE), 0);
	announced(100, &pin);
	assert_int_equal(*(char *)pin.address, 0);
	quire_object_unpin(&pin);
}

static void test_a_discard_is_seen(void **state)
{
	struct quire_space *space = quire_host_space(quire);
	struct quire_pin pin;
	unsigned char resident = 0;
	char *bytes;

	(void)state;
	bytes = quire_mmap(space, NULL, SIZE, PROT_READ | PROT_WRITE,
			   MAP_SHARED, object, 0);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	announced(50, &pin);
	assert_int_equal(quire_madvise(space, bytes + 48 * PAGE, 8 * PAGE,
				       MADV_REMOVE),
			 0);
	assert_int_equal(((char *)pin.address)[17], 0);
	assert_int_equal(
		quire_mincore(space, bytes + 50 * PAGE, PAGE, &resident), 0);
	assert_int_equal(resident, 1);
	/* It is the page still. */
	bytes[50 * PAGE + 17] = 'x';
	assert_int_equal(((char *)pin.address)[17], 'x');
	quire_object_unpin(&pin);
	assert_int_equal(quire_munmap(space, bytes, SIZE), 0);
}

static void test_a_store_is_seen(void **state)
{
	struct quire_pin pin;
	char byte = 'y';

	(void)state;
	announced(5, &pin);
	assert_int_equal(quire_object_pwrite(object, &byte, 1, 5 * PAGE), 1);
	assert_int_equal(*(char *)pin.address, 'y');
	assert_int_equal(quire_object_sync(object, 0, SIZE, MS_SYNC), 0);
	read_all(); /* CLEAN again, and it stays */
	assert_int_equal(*(char *)pin.address, 'y');
	quire_object_unpin(&pin);
}

/* ---- those who wait ---- */

static void *pin_a_new_one(void *argument)
{
	struct quire_pin pin;

	assert_int_equal(
		quire_object_pin(object, 300 * PAGE, PAGE, PROT_READ, &pin), 0);
	assert_page(&pin);
	quire_object_unpin(&pin);
	return argument;
}

/* The budget is all pinned: whoever comes waits for one to go, and no longer. */
static void test_the_budget_is_pinned(void **state)
{
	static struct quire_pin pins[BUDGET];
	unsigned slots = 0;
	uint64_t starved;
	pthread_t thread;

	(void)state;
	for (unsigned i = 0; i < BUDGET; i++) {
		counted(i, &pins[i]);
		if (i >= HAZARDS)
			continue;
		quire_object_unpin(&pins[i]);
		counted(i, &pins[i]);
		slots += pins[i].slot != NULL;
	}
	assert_int_equal(slots, HAZARDS);
	for (unsigned i = 0; i < HAZARDS; i++) {
		starved = statistics_of(quire).starved;
		thread = start_thread(pin_a_new_one, NULL);
		while (statistics_of(quire).starved == starved)
			sched_yield();
		quire_object_unpin(&pins[i]);
		join_thread(thread);
		counted(i, &pins[i]);
	}
	for (unsigned i = 0; i < BUDGET; i++)
		quire_object_unpin(&pins[i]);
}

/* The thread sanitizer knows no threads in the child of a process with many. */
#if !defined(__SANITIZE_THREAD__)

/* In a child that has an engine of its own: nothing of the parent's is in its
 * way, nor within its reach. */
static void *use_own(void *argument)
{
	struct quire *own = open_engine(BUDGET * PAGE);
	struct quire_object *second;
	struct quire_pin mine, other;

	need(own != NULL);
	need(!quire_object_open(own, file.path, O_RDWR, NULL, &second));
	for (unsigned i = 0; i < 2; i++) {
		need(!quire_object_pin(second, 0, PAGE, PROT_READ, &mine));
		need(quire_object_pin(object, 0, PAGE, PROT_READ, &other) ==
		     -ECHILD);
		need((mine.slot != NULL) == (i > 0));
		quire_object_unpin(argument); /* the parent's */
		need(*(unsigned char *)mine.address == byte_at(0));
		quire_object_unpin(&mine);
	}
	need(!quire_object_resize(second, 8 * PAGE));
	need(!quire_object_resize(second, SIZE));
	need(!quire_object_close(second));
	need(!quire_close(own));
	return NULL;
}

/* The child has cut the file. */
static void make_again(void)
{
	assert_int_equal(quire_object_close(object), 0);
	fill_file(file.fd, SIZE);
	object = open_object(quire, file.path, O_RDWR);
}

static void test_a_child_gets_none(void **state)
{
	struct quire_pin pin, many[HAZARDS - 1];
	pthread_t thread;
	int status;
	pid_t child;

	(void)state;
	announced(7, &pin);
	for (unsigned i = 0; i < HAZARDS - 1; i++)
		announced(i * 8, &many[i]);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		use_own(&pin);
		need(!pthread_create(&thread, NULL, use_own, &pin));
		need(!pthread_join(thread, NULL));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	read_all();
	assert_page(&pin);
	quire_object_unpin(&pin);
	for (unsigned i = 0; i < HAZARDS - 1; i++)
		quire_object_unpin(&many[i]);
	make_again();
}

/* A copy of a pin is the same pin. */
static void drop_twice(void *argument)
{
	struct quire_pin pin, copy;

	(void)argument;
	quire = open_engine(BUDGET * PAGE);
	need(quire != NULL);
	need(!quire_object_open(quire, file.path, O_RDWR, NULL, &object));
	announced(3, &pin);
	copy = pin;
	quire_object_unpin(&pin);
	quire_object_unpin(&copy);
}

static void test_a_pin_is_dropped_once(void **state)
{
	(void)state;
	assert_check_fails(drop_twice, NULL, "a pin is dropped once");
}

#endif

/* ---- all at once ---- */

#define WORKERS 6
#define STEPS 8000
#define HELD 3

/* Half of the pins are of few pages, which are there mostly. */
static uint64_t random_index(uint64_t *seed)
{
	uint64_t random = next_random(seed);

	return random & 1 ? random / 2 % 8 : random / 2 % PAGES;
}

static void *pin_at_random(void *argument)
{
	uint64_t seed = (uintptr_t)argument;
	struct quire_pin pins[HELD] = { { .address = NULL } };
	uintptr_t slots = 0;

	for (unsigned i = 0; i < STEPS; i++) {
		struct quire_pin *pin = &pins[next_random(&seed) % HELD];

		if (pin->object)
			assert_page(pin);
		quire_object_unpin(pin);
		counted(random_index(&seed), pin);
		assert_page(pin);
		slots += pin->slot != NULL;
	}
	for (unsigned i = 0; i < HELD; i++) {
		assert_page(&pins[i]);
		quire_object_unpin(&pins[i]);
	}
	return (void *)slots;
}

static _Atomic bool done;

static void *drop_pages(void *argument)
{
	struct quire_space *space = quire_host_space(quire);
	void *bytes =
		quire_mmap(space, NULL, SIZE, PROT_READ, MAP_SHARED, object, 0);

	assert_ptr_not_equal(bytes, MAP_FAILED);
	while (!atomic_load(&done))
		assert_int_equal(quire_msync(space, bytes, SIZE, MS_INVALIDATE),
				 0);
	assert_int_equal(quire_munmap(space, bytes, SIZE), 0);
	return argument;
}

static void test_beside_eviction(void **state)
{
	pthread_t threads[WORKERS], dropper;
	uintptr_t slots = 0;

	(void)state;
	atomic_store(&done, false);
	dropper = start_thread(drop_pages, NULL);
	for (uintptr_t i = 0; i < WORKERS; i++)
		threads[i] = start_thread(pin_at_random, (void *)(i + 1));
	for (unsigned i = 0; i < WORKERS; i++) {
		void *some;

		assert_int_equal(pthread_join(threads[i], &some), 0);
		slots += (uintptr_t)some;
	}
	atomic_store(&done, true);
	join_thread(dropper);
	assert_true(slots > 0);
	assert_true(statistics_of(quire).evictions > 0);
}

/* ... and the close: the last pin ends the object, once. */

#define ROUNDS 200

static _Atomic unsigned ready;

static void *hold_and_unpin(void *argument)
{
	struct quire_pin pin;

	announced(5, &pin);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < WORKERS + 1)
		sched_yield();
	quire_object_unpin(&pin);
	return argument;
}

static void test_beside_the_close(void **state)
{
	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_t threads[WORKERS];

		atomic_store(&ready, 0);
		for (unsigned i = 0; i < WORKERS; i++)
			threads[i] = start_thread(hold_and_unpin, NULL);
		while (atomic_load(&ready) < WORKERS)
			sched_yield();
		atomic_store(&ready, WORKERS + 1);
		assert_int_equal(quire_object_close(object), 0);
		for (unsigned i = 0; i < WORKERS; i++)
			join_thread(threads[i]);
		assert_int_equal(statistics_of(quire).resident, 0);
		object = open_object(quire, file.path, O_RDWR);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_stays),
		TEST(test_hits),
		TEST(test_many_at_once),
		TEST(test_which_bytes),
		TEST(test_a_thread_ends_with_a_pin),
		TEST(test_held_after_the_close),
		TEST(test_another_handle),
		TEST(test_a_cut_is_refused),
		TEST(test_a_discard_is_seen),
		TEST(test_a_store_is_seen),
		TEST(test_the_budget_is_pinned),
#if !defined(__SANITIZE_THREAD__)
		TEST(test_a_child_gets_none),
		TEST(test_a_pin_is_dropped_once),
#endif
		TEST(test_beside_eviction),
		TEST(test_beside_the_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
