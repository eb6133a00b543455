/* test_object_create.c - a caller's pager becomes an object */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <stdatomic.h>

static struct quire *quire;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

struct backing {
	unsigned char bytes[8 * QUIRE_PAGE_SIZE];
	_Atomic uint64_t size;
	_Atomic int read_error; /* the next reads fail with it */
	_Atomic int write_error;
	_Atomic int flush_error;
	_Atomic unsigned flushes;
	_Atomic unsigned closes;
};

static ssize_t backing_read(void *context, void *buffer, size_t length,
			    uint64_t offset)
{
	struct backing *backing = context;

	if (backing->read_error)
		return backing->read_error;
	memcpy(buffer, backing->bytes + offset, length);
	return (ssize_t)length;
}

static ssize_t backing_write(void *context, const void *buffer, size_t length,
			     uint64_t offset)
{
	struct backing *backing = context;

	if (backing->write_error)
		return backing->write_error;
	if (length > 100)
		length = 100; /* the rest is asked for again */
	memcpy(backing->bytes + offset, buffer, length);
	return (ssize_t)length;
}

static int backing_flush(void *context)
{
	struct backing *backing = context;

	backing->flushes++;
	return backing->flush_error;
}

static int backing_resize(void *context, uint64_t size)
{
	struct backing *backing = context;

	if (size > sizeof(backing->bytes))
		return -ENOSPC;
	backing->size = size;
	return 0;
}

static void backing_close(void *context)
{
	struct backing *backing = context;

	backing->closes++;
}

static struct quire_object *create(struct backing *backing,
				   const struct quire_pager_ops *ops)
{
	struct quire_object *object;

	memset(backing, 0, sizeof(*backing));
	backing->size = 4 * PAGE;
	for (size_t i = 0; i < sizeof(backing->bytes); i++)
		backing->bytes[i] = byte_at(i);
	if (quire_object_create(quire, "backing", 4 * PAGE, ops, backing, NULL,
				&object))
		fail_msg("%s", quire_strerror_last());
	return object;
}

static const struct quire_pager_ops all_ops = {
	.size = sizeof(struct quire_pager_ops),
	.read = backing_read,
	.write = backing_write,
	.flush = backing_flush,
	.resize = backing_resize,
	.close = backing_close,
};

static void test_pager(void **state)
{
	struct backing backing;
	struct quire_object *object = create(&backing, &all_ops);
	unsigned char *bytes =
		map_object(quire, object, 8 * PAGE, PROT_READ | PROT_WRITE);

	(void)state;
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(bytes[i], byte_at(i));
	memset(bytes + PAGE, 'w', PAGE);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(backing.flushes, 1);
	for (size_t i = PAGE; i < 2 * PAGE; i++)
		assert_int_equal(backing.bytes[i], 'w');
	assert_int_equal(backing.bytes[2 * PAGE], byte_at(2 * PAGE));
	assert_int_equal(quire_object_resize(object, 6 * PAGE + 10), 0);
	assert_int_equal(backing.size, 6 * PAGE + 10);
	assert_int_equal(quire_object_resize(object, 9 * PAGE), -ENOSPC);
	assert_int_equal(quire_object_size(object), 6 * PAGE + 10);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(backing.closes, 0); /* the mapping holds it */
	assert_int_equal(quire_munmap(quire_host_space(quire), bytes, 8 * PAGE),
			 0);
	assert_int_equal(backing.closes, 1);
}

static void test_pager_without_write(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing;
	struct quire_object *object;
	struct quire_pin pin;

	(void)state;
	ops.write = NULL;
	object = create(&backing, &ops);
	assert_int_equal(byte_of(object, 1), byte_at(1));
	assert_int_equal(quire_object_pwrite(object, "x", 1, 0), -EACCES);
	assert_int_equal(quire_object_resize(object, PAGE), -EACCES);
	assert_int_equal(quire_object_pin(object, 0, 1, PROT_READ | PROT_WRITE,
					  &pin),
			 -EACCES);
	assert_ptr_equal(quire_mmap(quire_host_space(quire), NULL, PAGE,
				    PROT_READ | PROT_WRITE, MAP_SHARED, object,
				    0),
			 MAP_FAILED);
	assert_int_equal(errno, EACCES);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(backing.closes, 1);
}

static void test_pager_of_fixed_size(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing;
	struct quire_object *object;

	(void)state;
	ops.resize = NULL;
	object = create(&backing, &ops);
	assert_int_equal(quire_object_resize(object, PAGE), -EOPNOTSUPP);
	assert_true(quire_strerror_last()[0]);
	assert_int_equal(quire_object_size(object), 4 * PAGE);
	assert_int_equal(byte_of(object, 3 * PAGE), byte_at(3 * PAGE));
	assert_int_equal(quire_object_close(object), 0);
}

static void test_pager_with_read_alone(void **state)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = backing_read };
	struct backing backing;
	struct quire_object *object = create(&backing, &ops);

	(void)state;
	assert_int_equal(byte_of(object, 1), byte_at(1));
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_errors_of_a_pager(void **state)
{
	struct backing backing;
	struct quire_object *object = create(&backing, &all_ops);
	unsigned char byte;

	(void)state;
	backing.read_error = -EHOSTUNREACH;
	assert_int_equal(quire_object_pread(object, &byte, 1, 0),
			 -EHOSTUNREACH);
	backing.read_error = 0;
	assert_int_equal(byte_of(object, 0), byte_at(0));
	assert_int_equal(quire_object_pwrite(object, "x", 1, 0), 1);
	backing.write_error = -EDQUOT;
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), -EDQUOT);
	assert_sentence("backing");
	backing.write_error = 0;
	backing.flush_error = -EIO;
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), -EIO);
	backing.flush_error = 0;
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(backing.bytes[0], 'x');
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(backing.closes, 1);
}

static ssize_t claims_too_much(void *context, void *buffer, size_t length,
			       uint64_t offset)
{
	(void)context;
	(void)buffer;
	(void)offset;
	return (ssize_t)length + 1;
}

/* Serves pages, as it is asked for them; of page 1 it has 100 bytes. */
static ssize_t ends_in_page_1(void *context, void *buffer, size_t length,
			      uint64_t offset)
{
	size_t page = offset / PAGE, done = 0;

	(void)context;
	for (; done < length && page < 2; page++) {
		size_t has = page == 1 ? 100 : PAGE;

		if (has > length - done)
			has = length - done;
		memset((char *)buffer + done, (int)('a' + page), has);
		done += has;
	}
	return (ssize_t)done;
}

/* Behind its data, in that page, are zeros; the pages behind are missing. */
static void test_pager_whose_data_end_inside_a_page(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing;
	struct quire_object *object;
	unsigned char bytes[2 * QUIRE_PAGE_SIZE], byte;

	(void)state;
	ops.read = ends_in_page_1;
	for (unsigned way = 0; way < 2; way++) {
		object = create(&backing, &ops);
		if (way) /* page 1 alone */
			assert_int_equal(byte_of(object, PAGE), 'b');
		assert_int_equal(quire_object_pread(object, bytes,
						    sizeof(bytes), 0),
				 sizeof(bytes));
		assert_int_equal(bytes[PAGE - 1], 'a');
		assert_int_equal(bytes[PAGE], 'b');
		assert_int_equal(bytes[PAGE + 99], 'b');
		for (size_t i = PAGE + 100; i < 2 * PAGE; i++)
			assert_int_equal(bytes[i], 0);
		assert_int_equal(quire_object_pread(object, &byte, 1, 2 * PAGE),
				 -EIO);
		assert_int_equal(quire_object_close(object), 0);
	}
}

static ssize_t stops_once(void *context, void *buffer, size_t length,
			  uint64_t offset)
{
	static _Atomic unsigned reads;
	ssize_t moved = backing_read(context, buffer, length, offset);

	return offset % PAGE ? -EILSEQ : reads++ == 0 ? 100 : moved;
}

/* It was interrupted. */
static void test_pager_that_stops_once(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing;
	struct quire_object *object;

	(void)state;
	ops.read = stops_once;
	object = create(&backing, &ops);
	for (size_t i = 0; i < 4 * PAGE; i++)
		assert_int_equal(byte_of(object, i), byte_at(i));
	assert_int_equal(quire_object_close(object), 0);
}

/* A callback that moves more than there was is not believed. */
static void test_pager_that_claims_too_much(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing;
	struct quire_object *object;
	unsigned char byte;

	(void)state;
	ops.read = claims_too_much;
	object = create(&backing, &ops);
	assert_int_equal(quire_object_pread(object, &byte, 1, 0), -EIO);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_refused_pagers(void **state)
{
	struct quire_pager_ops ops = all_ops;
	struct backing backing = { .size = PAGE };
	struct quire_object *object = NULL;

	(void)state;
	ops.read = NULL;
	assert_int_equal(quire_object_create(quire, "x", PAGE, &ops, &backing,
					     NULL, &object),
			 -EINVAL);
	assert_sentence("without read");
	ops.read = backing_read;
	ops.size = sizeof(ops) - 1;
	assert_int_equal(quire_object_create(quire, "x", PAGE, &ops, &backing,
					     NULL, &object),
			 -EINVAL);
	assert_sentence("quire_pager_ops of");
	ops.size = sizeof(ops);
	assert_int_equal(quire_object_create(quire, "x", UINT64_MAX, &ops,
					     &backing, NULL, &object),
			 -EFBIG);
	assert_true(quire_strerror_last()[0]);
	assert_null(object);
	/* What was refused is the caller's still. */
	assert_int_equal(backing.closes, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pager),
		TEST(test_pager_without_write),
		TEST(test_pager_of_fixed_size),
		TEST(test_pager_with_read_alone),
		TEST(test_errors_of_a_pager),
		TEST(test_pager_that_claims_too_much),
		TEST(test_pager_whose_data_end_inside_a_page),
		TEST(test_pager_that_stops_once),
		TEST(test_refused_pagers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
