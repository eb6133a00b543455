/* test_pins.c - pins are counted by thread, and keep what they must */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sched.h>

#define PAGES 16
#define SIZE (PAGES * PAGE)
#define MANY 80 /* threads: more than there are lanes */

static struct quire *quire;
static struct quire_object *object;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(0);
	assert_int_equal(
		quire_object_create_anonymous(quire, SIZE, NULL, &object), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static void pin_page(uint64_t index, struct quire_pin *pin)
{
	if (quire_object_pin(object, index * PAGE, PAGE, PROT_READ, pin))
		fail_msg("%s", quire_strerror_last());
}

static void assert_busy(const char *words)
{
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence(words);
}

static void test_hits_are_counted(void **state)
{
	uint64_t hits, misses;
	struct quire_pin pin;

	(void)state;
	hits = statistics_of(quire).hits;
	misses = statistics_of(quire).misses;
	for (unsigned i = 0; i < 100; i++) {
		pin_page(1, &pin);
		quire_object_unpin(&pin);
	}
	assert_int_equal(statistics_of(quire).misses - misses, 1);
	assert_int_equal(statistics_of(quire).hits - hits, 99);
	assert_int_equal(quire_object_close(object), 0);
}

/* Exactly as many as are held, to the last. */
/* True: a byte can be put there; the kernel tells without a signal. */
static bool can_be_stored_to(void *address)
{
	int ends[2];
	bool good;

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "7", 1), 1);
	good = read(ends[0], address, 1) == 1;
	if (!good)
		assert_int_equal(errno, EFAULT);
	close(ends[0]);
	close(ends[1]);
	return good;
}

static void test_only_a_write_pin_may_store(void **state)
{
	struct quire_pin reader, writer;

	(void)state;
	pin_page(2, &reader);
	assert_false(can_be_stored_to(reader.address));
	assert_int_equal(quire_object_pin(object, 2 * PAGE, PAGE,
					  PROT_READ | PROT_WRITE, &writer),
			 0);
	assert_true(can_be_stored_to(writer.address));
	/* And whoever reads sees it. */
	assert_int_equal(*(unsigned char *)reader.address, '7');
	quire_object_unpin(&writer);
	quire_object_unpin(&reader);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_held_after_the_close(void **state)
{
	struct quire_pin pins[3];

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		pin_page(i, &pins[i]);
	assert_busy("1 object(s)");
	assert_int_equal(quire_object_close(object), 0);
	assert_busy("3 pin(s)");
	quire_object_unpin(&pins[1]);
	assert_busy("2 pin(s)");
	assert_int_equal(*(char *)pins[2].address, 0);
	quire_object_unpin(&pins[0]);
	quire_object_unpin(&pins[0]); /* it is none any more */
	assert_busy("1 pin(s)");
	quire_object_unpin(&pins[2]);
}

/* ---- whoever unpins ---- */

static void *unpin(void *argument)
{
	quire_object_unpin(argument);
	return NULL;
}

static void *pin_it(void *argument)
{
	pin_page(3, argument);
	return NULL;
}

static void test_another_thread_unpins(void **state)
{
	struct quire_pin first, second;

	(void)state;
	join_thread(start_thread(pin_it, &first));
	pin_page(3, &second);
	join_thread(start_thread(unpin, &second));
	assert_int_equal(quire_object_close(object), 0);
	assert_busy("1 pin(s)");
	join_thread(start_thread(unpin, &first));
}

static pthread_barrier_t together;

static void *pin_together(void *argument)
{
	struct quire_pin *pin = argument;

	pin_page(3, &pin[0]);
	pin_page(4, &pin[1]);
	pthread_barrier_wait(&together); /* all live: not all have a lane */
	quire_object_unpin(&pin[0]);
	return NULL;
}

static void test_many_threads(void **state)
{
	static struct quire_pin pins[MANY][2];
	pthread_t threads[MANY];

	(void)state;
	assert_int_equal(pthread_barrier_init(&together, NULL, MANY), 0);
	for (unsigned i = 0; i < MANY; i++)
		threads[i] = start_thread(pin_together, pins[i]);
	for (unsigned i = 0; i < MANY; i++)
		join_thread(threads[i]);
	pthread_barrier_destroy(&together);
	assert_int_equal(quire_object_close(object), 0);
	assert_busy("80 pin(s)");
	for (unsigned i = 0; i < MANY; i++)
		quire_object_unpin(&pins[i][1]);
	assert_int_equal(statistics_of(quire).resident, 0);
}

/* ---- unpins beside the close ---- */

#define ROUNDS 300
#define HOLDERS 4

static _Atomic unsigned ready;

static void *hold_and_unpin(void *argument)
{
	struct quire_pin pin;

	(void)argument;
	pin_page(5, &pin);
	atomic_fetch_add(&ready, 1);
	while (atomic_load(&ready) < HOLDERS + 1)
		sched_yield();
	quire_object_unpin(&pin);
	return NULL;
}

/* The last of them ends the object, whoever it is, and once. */
static void test_beside_the_close(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	for (unsigned round = 0; round < ROUNDS; round++) {
		pthread_t threads[HOLDERS];

		atomic_store(&ready, 0);
		assert_int_equal(quire_object_create_anonymous(quire, SIZE,
							       NULL, &object),
				 0);
		for (unsigned i = 0; i < HOLDERS; i++)
			threads[i] = start_thread(hold_and_unpin, NULL);
		while (atomic_load(&ready) < HOLDERS)
			sched_yield();
		atomic_store(&ready, HOLDERS + 1);
		assert_int_equal(quire_object_close(object), 0);
		for (unsigned i = 0; i < HOLDERS; i++)
			join_thread(threads[i]);
		assert_int_equal(statistics_of(quire).resident, 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_hits_are_counted),
		TEST(test_only_a_write_pin_may_store),
		TEST(test_held_after_the_close),
		TEST(test_another_thread_unpins),
		TEST(test_many_threads),
		TEST(test_beside_the_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
