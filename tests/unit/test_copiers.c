/* test_copiers.c - object/read.c: who copies what has been read */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#include "base/worker.h"
#include "os/ring.h"

#include <fcntl.h>
#include <unistd.h>

#define PAGES 64
#define SIZE (PAGES * PAGE_SIZE)
#define LONG 16 /* pages: what others copy */

#ifdef QUIRE_DEBUG

static struct object_world *world;
static struct thing thing;
static struct store_context context;
static int file; /* the store's, once more */

static _Atomic bool by_ring, by_others;

static void see_who(enum hook point, const void *thing_, uint64_t index)
{
	(void)thing_;
	(void)index;
	if (point == HOOK_READ_FILLED)
		atomic_store(ring_on_thread() ? &by_ring : &by_others, true);
}

static int new_file(void)
{
	char path[] = "/var/tmp/quire-test-copiers-XXXXXX";
	unsigned char *bytes = new_buffer(SIZE);
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	for (uint64_t i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(pwrite(fd, bytes, SIZE, 0), SIZE);
	free(bytes);
	return fd;
}

static void make_thing(void)
{
	struct object_parameters parameters = {
		.identity.name = "thing",
		.size = SIZE,
		.capacity = SIZE,
		.readahead = 1,
	};
	int fd = new_file();

	file = dup(fd);
	assert_return_code(file, errno);
	assert_int_equal(file_store_create(&context, fd, true, &thing.home), 0);
	assert_int_equal(
		faulty_store_create(NULL, thing.home, NULL, &thing.faulty), 0);
	thing.pager = new_listing_pager(thing.faulty);
	assert_int_equal(object_create(&world->host, &parameters,
				       &thing.pager->pager, &thing.object),
			 0);
}

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(PAGES);
	if (ring_create(4, NULL, NULL, &context.ring))
		context.ring = NULL;
	assert_int_equal(worker_pool_create(1, "quire-io", &context.workers),
			 0);
	assert_int_equal(
		worker_pool_create(2, "quire-copy", &world->host.copiers), 0);
	make_thing();
	atomic_store(&by_ring, false);
	atomic_store(&by_others, false);
	hook_register(see_who);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	hook_register(NULL);
	thing_end(&thing);
	ring_destroy(context.ring);
	worker_pool_destroy(world->host.copiers);
	worker_pool_destroy(context.workers);
	world_close(world);
	close(file);
	return 0;
}

static int64_t start(uint64_t index, uint64_t count)
{
	uint64_t sequence;

	return object_start_read(thing.object, index, count, &sequence);
}

static void wait_for_all(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		while (state_of(thing.object, i) == PAGE_READING)
			sched_yield();
}

/* What a failed read was charged is given back after its pages are ABSENT. */
static void wait_for_no_charge(void)
{
	while (charged(world) > 0)
		sched_yield();
}

static void assert_bytes(uint64_t index, uint64_t count)
{
	unsigned char *bytes = new_buffer(count * PAGE_SIZE);

	assert_int_equal(object_copy_out(thing.object, bytes, count * PAGE_SIZE,
					 index * PAGE_SIZE),
			 count * PAGE_SIZE);
	for (uint64_t i = 0; i < count * PAGE_SIZE; i++)
		assert_int_equal(bytes[i], byte_at(index * PAGE_SIZE + i));
	free(bytes);
}

static void skip_without_ring(void)
{
	if (!context.ring)
		skip();
}

static void test_a_long_read(void **state)
{
	(void)state;
	skip_without_ring();
	assert_int_equal(start(0, LONG), LONG);
	wait_for_all();
	assert_true(atomic_load(&by_others));
	assert_false(atomic_load(&by_ring));
	assert_bytes(0, LONG);
}

static void test_a_short_read(void **state)
{
	(void)state;
	skip_without_ring();
	assert_int_equal(start(3, LONG - 1), LONG - 1);
	wait_for_all();
	assert_true(atomic_load(&by_ring));
	assert_false(atomic_load(&by_others));
	assert_bytes(3, LONG - 1);
}

/* All at once, into a budget that holds them just so. */
static void test_many(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		for (uint64_t i = 0; i < PAGES; i += LONG)
			start(i, LONG);
		wait_for_all();
		assert_bytes(0, PAGES);
		object_invalidate(thing.object, 0, PAGES);
		assert_int_equal(charged(world), 0);
	}
}

/* The file has become shorter: the end of a long read is an error. */
static void test_a_long_read_that_fails(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(file, 20 * PAGE_SIZE), 0);
	assert_int_equal(start(10, LONG), LONG);
	wait_for_all();
	for (uint64_t i = 10; i < 10 + LONG; i++)
		assert_int_equal(state_of(thing.object, i), PAGE_ABSENT);
	wait_for_no_charge();
	assert_int_equal(count_get(&world->counters, COUNT_READS_IN_FLIGHT), 0);
	/* One by one what is there can be had. */
	assert_int_equal(object_hold(thing.object, 19, 1, false), 0);
	object_let_go(thing.object, 19, 1, false);
	assert_int_equal(object_hold(thing.object, 20, 1, false), -EIO);
}

static void *hold_all(void *argument)
{
	(void)argument;
	for (uint64_t i = 0; i < PAGES; i++) {
		if (object_hold(thing.object, i, 1, false))
			return (void *)1;
		object_let_go(thing.object, i, 1, false);
	}
	return NULL;
}

/* Who waits for a page of it is woken from there. */
static void test_who_waits(void **state)
{
	pthread_t waiting;
	void *failed;

	(void)state;
	set_script(&thing, "read times 2 do hold");
	start(0, LONG);
	start(LONG, LONG);
	wait_until_held(&thing, 2);
	waiting = start_thread(hold_all, NULL);
	wait_until_waited_for(thing.object, 0);
	faulty_store_release(thing.faulty);
	assert_int_equal(pthread_join(waiting, &failed), 0);
	assert_null(failed);
	assert_bytes(0, PAGES);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_long_read), TEST(test_a_short_read),
		TEST(test_many),        TEST(test_a_long_read_that_fails),
		TEST(test_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	puts("skipped: who copies is seen by hooks, of a debug build");
	return 77;
}

#endif
