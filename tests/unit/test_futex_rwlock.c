/* test_futex_rwlock.c - base/futex_rwlock.h: nobody who waits is forgotten */
/* SPDX-License-Identifier: MIT */
/*
 * That it excludes, and lets writers first, test_lock.c has.  A wake-up that is
 * lost ends here by the time limit: docs/models/rwlock.pml has each of them.
 */
#include "base/futex_rwlock.h"
#include "unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define THREADS 4
#define ROUNDS 20000
#define WAITS 0xc0000000u /* of either kind */

struct room {
	struct futex_rwlock lock;
	pthread_t threads[2 * THREADS];
	int started;
	int writes;         /* under the lock */
	_Atomic int reads;  /* so often */
	_Atomic int inside; /* readers */
	_Atomic bool wrong;
};

static void start(struct room *room, void *(*run)(void *), int count)
{
	while (count-- > 0)
		assert_int_equal(pthread_create(&room->threads[room->started++],
						NULL, run, room),
				 0);
}

static void end_all(struct room *room)
{
	while (room->started > 0)
		assert_int_equal(
			pthread_join(room->threads[--room->started], NULL), 0);
	assert_true(futex_rwlock_is_free(&room->lock));
}

/* Those who wait have said so; some of them sleep. */
static void await_marks(const struct room *room, uint32_t marks)
{
	while ((atomic_load(&room->lock.state) & WAITS) != marks)
		sched_yield();
	for (int i = 0; i < 1000; i++)
		sched_yield();
}

static void *write_once(void *argument)
{
	struct room *room = argument;

	futex_rwlock_write(&room->lock);
	room->writes++;
	futex_rwlock_end_write(&room->lock);
	return NULL;
}

/* All of them at once, or nobody leaves. */
static void *read_together(void *argument)
{
	struct room *room = argument;

	futex_rwlock_read(&room->lock);
	atomic_fetch_add(&room->inside, 1);
	while (atomic_load(&room->inside) < THREADS)
		sched_yield();
	futex_rwlock_end_read(&room->lock);
	return NULL;
}

static void *read_once(void *argument)
{
	struct room *room = argument;

	futex_rwlock_read(&room->lock);
	atomic_fetch_add(&room->reads, 1);
	futex_rwlock_end_read(&room->lock);
	return NULL;
}

static void test_all_readers_come_after_a_writer(void **state)
{
	struct room room = { .started = 0 };

	(void)state;
	futex_rwlock_write(&room.lock);
	assert_false(futex_rwlock_try_read(&room.lock));
	start(&room, read_together, THREADS);
	await_marks(&room, 0x40000000u);
	futex_rwlock_end_write(&room.lock);
	end_all(&room);
}

static void test_each_writer_comes_after_a_reader(void **state)
{
	struct room room = { .started = 0 };

	(void)state;
	futex_rwlock_read(&room.lock);
	futex_rwlock_read(&room.lock); /* nobody waits yet */
	start(&room, write_once, THREADS);
	await_marks(&room, 0x80000000u);
	assert_false(futex_rwlock_try_read(&room.lock));
	futex_rwlock_end_read(&room.lock);
	assert_int_equal(room.writes, 0); /* this thread reads still */
	futex_rwlock_end_read(&room.lock);
	end_all(&room);
	assert_int_equal(room.writes, THREADS);
}

static void test_both_come_after_a_writer(void **state)
{
	struct room room = { .started = 0 };

	(void)state;
	futex_rwlock_write(&room.lock);
	start(&room, write_once, THREADS);
	start(&room, read_once, THREADS);
	await_marks(&room, WAITS);
	futex_rwlock_end_write(&room.lock);
	end_all(&room);
	assert_int_equal(room.writes, THREADS);
	assert_int_equal(atomic_load(&room.reads), THREADS);
}

/* ---- many, all the time ---- */

/* Others come meanwhile, now and again. */
static void *write_often(void *argument)
{
	struct room *room = argument;

	for (int i = 0; i < ROUNDS; i++) {
		futex_rwlock_write(&room->lock);
		if (atomic_load(&room->inside))
			atomic_store(&room->wrong, true);
		room->writes++;
		if (i % 16 == 0)
			sched_yield();
		futex_rwlock_end_write(&room->lock);
	}
	return NULL;
}

static void *read_often(void *argument)
{
	struct room *room = argument;

	for (int i = 0; i < ROUNDS; i++) {
		if (i % 8 || !futex_rwlock_try_read(&room->lock))
			futex_rwlock_read(&room->lock);
		atomic_fetch_add(&room->inside, 1);
		if (i % 16 == 0)
			sched_yield();
		atomic_fetch_sub(&room->inside, 1);
		futex_rwlock_end_read(&room->lock);
	}
	return NULL;
}

static void test_many(void **state)
{
	struct room room = { .started = 0 };

	(void)state;
	start(&room, write_often, THREADS);
	start(&room, read_often, THREADS);
	end_all(&room);
	assert_false(atomic_load(&room.wrong));
	assert_int_equal(room.writes, THREADS * ROUNDS);
}

/* ---- in a handler ---- */

static struct room *handled;

static void read_in_handler(int signal)
{
	(void)signal;
	read_once(handled);
}

/* As a fault that is resolved in the faulting thread does. */
static void test_in_a_handler(void **state)
{
	struct sigaction action = { .sa_handler = read_in_handler };
	struct sigaction before;
	struct room room = { .started = 0 };

	(void)state;
	handled = &room;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	start(&room, write_often, 1);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(raise(SIGUSR1), 0);
	end_all(&room);
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_int_equal(atomic_load(&room.reads), 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_readers_come_after_a_writer),
		cmocka_unit_test(test_each_writer_comes_after_a_reader),
		cmocka_unit_test(test_both_come_after_a_writer),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_in_a_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
