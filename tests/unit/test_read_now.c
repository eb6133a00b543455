/* test_read_now.c - reads that the thread that waits for them makes itself */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#include "os/ring.h"
#include "store/file_private.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#define PAGES 8
#define SIZE (PAGES * PAGE_SIZE - 100)
#define TRIES 16 /* of an interrupted transfer, as the store makes them */

/* ---- a kernel that spoils reads ---- */

static _Thread_local bool mine; /* this thread's reads are counted, spoilt */
static unsigned calls;          /* reads by this thread */
static unsigned spoil;          /* so many of the reads to come, by ... */
static int spoil_error;         /* ... this errno, or, if it is 0, ... */
static size_t spoil_length;     /* ... by moving no more than this */

/* In the place of the C library's. */
ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	ssize_t (*real)(int, const struct iovec *, int, off_t);

	calls += mine;
	if (mine && spoil > 0) {
		spoil--;
		if (!spoil_error)
			return pread(fd, iov->iov_base, spoil_length, offset);
		errno = spoil_error;
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "preadv");
	return real(fd, iov, count, offset);
}

static void spoil_reads(unsigned count, int error, size_t length)
{
	calls = 0;
	spoil = count;
	spoil_error = error;
	spoil_length = length;
}

/* ---- a file, its store, and an object over it ---- */

static struct object_world *world;
static struct thing thing;
static struct store_context context;

/* No O_DIRECT there: half a sector may come of a read. */
static int new_file(void)
{
	unsigned char *bytes = new_buffer(SIZE);
	int fd;

	for (uint64_t i = 0; i < SIZE; i++)
		bytes[i] = byte_at(i);
	assert_int_equal(memory_file_create("test", &fd), 0);
	assert_int_equal(pwrite(fd, bytes, SIZE, 0), SIZE);
	free(bytes);
	return fd;
}

static int open_world(void **state)
{
	struct object_parameters parameters = {
		.identity.name = "thing",
		.size = SIZE,
		.capacity = SIZE,
		.readahead = 1,
	};

	(void)state;
	error_clear();
	mine = true;
	spoil_reads(0, 0, 0);
	world = world_open(PAGES);
	if (ring_create(4, NULL, NULL, &context.ring))
		context.ring = NULL;
	assert_int_equal(worker_pool_create(1, "quire-io", &context.workers),
			 0);
	assert_int_equal(
		file_store_create(&context, new_file(), true, &thing.home), 0);
	assert_int_equal(
		faulty_store_create(NULL, thing.home, NULL, &thing.faulty), 0);
	thing.pager = new_listing_pager(thing.faulty);
	assert_int_equal(object_create(&world->host, &parameters,
				       &thing.pager->pager, &thing.object),
			 0);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	world_close(world);
	ring_destroy(context.ring);
	worker_pool_destroy(context.workers);
	return 0;
}

/* ---- stores ---- */

struct read_one {
	struct store_io io;
	unsigned char *bytes;
	int64_t result;
	unsigned ended;
	pthread_t thread;
};

static void read_ended(struct store_io *io, int64_t result)
{
	struct read_one *one = container_of(io, struct read_one, io);

	one->result = result;
	one->thread = pthread_self();
	one->ended++;
}

/* Reads two pages now: it has ended when this returns. */
static int64_t read_now(struct store *store, uint64_t offset)
{
	struct read_one one = { .bytes = new_buffer(2 * PAGE_SIZE) };

	one.io = (struct store_io){ .operation = STORE_READ,
				    .offset = offset,
				    .iov_count = 1,
				    .urgency = STORE_NOW,
				    .complete = read_ended };
	one.io.iov[0] = (struct iovec){ one.bytes, 2 * PAGE_SIZE };
	store_submit(store, &one.io);
	assert_int_equal(one.ended, 1);
	assert_true(pthread_equal(one.thread, pthread_self()));
	for (int64_t i = 0; i < one.result; i++)
		assert_int_equal(one.bytes[i], byte_at(offset + (uint64_t)i));
	free(one.bytes);
	return one.result;
}

static void test_ends_in_the_call(void **state)
{
	(void)state;
	assert_int_equal(read_now(thing.home, 0), 2 * PAGE_SIZE);
	assert_int_equal(calls, 1);
	/* Short at the end of the file; nothing behind it. */
	assert_int_equal(read_now(thing.home, 7 * PAGE_SIZE), PAGE_SIZE - 100);
	assert_int_equal(read_now(thing.home, 9 * PAGE_SIZE), 0);
}

static void test_carried_on(void **state)
{
	(void)state;
	spoil_reads(3, 0, 1000);
	assert_int_equal(read_now(thing.home, PAGE_SIZE), 2 * PAGE_SIZE);
	assert_int_equal(calls, 4);
	spoil_reads(3, EINTR, 0);
	assert_int_equal(read_now(thing.home, PAGE_SIZE), 2 * PAGE_SIZE);
	assert_int_equal(calls, 4);
	/* But not for ever. */
	spoil_reads(1000, EINTR, 0);
	assert_int_equal(read_now(thing.home, PAGE_SIZE), -EINTR);
	assert_int_equal(calls, TRIES + 1);
	spoil_reads(1, EIO, 0);
	assert_int_equal(read_now(thing.home, PAGE_SIZE), -EIO);
	assert_int_equal(calls, 1);
}

/* What is to come late comes on another thread. */
static void test_a_faulty_store(void **state)
{
	(void)state;
	assert_int_equal(read_now(thing.faulty, 0), 2 * PAGE_SIZE);
	assert_int_equal(calls, 1);
	set_script(&thing, "read times 1 do short 4096");
	assert_int_equal(read_now(thing.faulty, 0), 2 * PAGE_SIZE);
	assert_int_equal(calls, 3);
	set_script(&thing, "read do fail EIO");
	assert_int_equal(read_now(thing.faulty, 0), -EIO);
	calls = 0;
	set_script(&thing, "read do delay 1");
	assert_int_equal(object_byte(thing.object, 5), byte_at(5));
	assert_int_equal(calls, 0);
}

/* ---- objects ---- */

static int hold(uint64_t index, uint64_t count)
{
	int error = object_hold(thing.object, index, count, false);

	if (!error)
		object_let_go(thing.object, index, count, false);
	return error;
}

static void assert_bytes(uint64_t index)
{
	const unsigned char *window = object_window(thing.object, 0);
	uint64_t end = (index + 1) * PAGE_SIZE;

	assert_int_equal(object_hold(thing.object, index, 1, false), 0);
	for (uint64_t i = index * PAGE_SIZE; i < end && i < SIZE; i++)
		assert_int_equal(window[i], byte_at(i));
	object_let_go(thing.object, index, 1, false);
}

static void test_whoever_pins_reads(void **state)
{
	(void)state;
	assert_bytes(3);
	assert_int_equal(calls, 1);
	assert_bytes(3);
	assert_int_equal(calls, 1);
	/* A run is one read; the page that is there ends it. */
	assert_int_equal(hold(0, 5), 0);
	assert_int_equal(calls, 3);
	/* The last page is zeros behind the end. */
	assert_bytes(PAGES - 1);
	assert_int_equal(
		((unsigned char *)object_window(thing.object, SIZE))[50], 0);
	assert_int_equal(charged(world), 6);
}

static void test_a_short_read_of_a_pin(void **state)
{
	(void)state;
	spoil_reads(2, 0, 77);
	assert_bytes(2);
	assert_int_equal(calls, 3);
	spoil_reads(2, EINTR, 0);
	assert_bytes(3);
	assert_int_equal(calls, 3);
}

/* The error is returned, the budget too, and the next one tries anew. */
static void test_a_read_that_fails(void **state)
{
	(void)state;
	spoil_reads(1, EIO, 0);
	assert_int_equal(hold(2, 1), -EIO);
	assert_non_null(strstr(error_sentence(), "could not be read"));
	assert_int_equal(state_of(thing.object, 2), PAGE_FAILED);
	assert_int_equal(charged(world), 0);
	assert_bytes(2);
	assert_int_equal(charged(world), 1);
	/* Of a run: one by one, and the bad one is found. */
	set_script(&thing, "read 20K-24K do fail ENOLINK");
	assert_int_equal(hold(3, 5), -ENOLINK);
	assert_int_equal(state_of(thing.object, 4), PAGE_CLEAN);
	assert_int_equal(state_of(thing.object, 5), PAGE_FAILED);
	set_script(&thing, "");
	assert_int_equal(hold(3, 5), 0);
	assert_bytes(5);
}

static void *hold_3(void *argument)
{
	(void)argument;
	return (void *)(intptr_t)hold(3, 1);
}

/* Who comes while the page is being read waits for it, as for any other. */
static void test_two_want_it(void **state)
{
	pthread_t first, second;
	void *result;

	(void)state;
	set_script(&thing, "read times 1 do hold");
	first = start_thread(hold_3, NULL);
	wait_until_held(&thing, 1);
	second = start_thread(hold_3, NULL);
	wait_until_waited_for(thing.object, 3);
	faulty_store_release(thing.faulty);
	assert_int_equal(pthread_join(first, &result), 0);
	assert_null(result);
	assert_int_equal(pthread_join(second, &result), 0);
	assert_null(result);
	assert_int_equal(count_get(&world->counters, COUNT_READS), 1);
	assert_int_equal(count_get(&world->counters, COUNT_READS_IN_FLIGHT), 0);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ends_in_the_call),      TEST(test_carried_on),
		TEST(test_a_faulty_store),        TEST(test_whoever_pins_reads),
		TEST(test_a_short_read_of_a_pin), TEST(test_a_read_that_fails),
		TEST(test_two_want_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
