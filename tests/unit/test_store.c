/* test_store.c - store/store.h: what every store must do */
/* SPDX-License-Identifier: MIT */
/*
 * The conformance tests run over each kind of store.  What one kind alone does
 * is tested in test_file_store.c and test_faulty_store.c.
 */
#include "unit/store_tools.h"

#include "os/memory.h"

#include <stdatomic.h>
#include <sys/stat.h>

#define CAPACITY (4u << 20) /* of the callback store */

static struct store_context with_ring;
static struct store_context with_workers;

/* ---- a pager in memory ---- */

struct shelf {
	struct lock lock;
	unsigned char *bytes; /* [lock] */
};

static ssize_t shelf_read(void *context, void *buffer, size_t length,
			  uint64_t offset)
{
	struct shelf *shelf = context;

	lock_take(&shelf->lock);
	memcpy(buffer, shelf->bytes + offset, length);
	lock_drop(&shelf->lock);
	return (ssize_t)length;
}

/* Moves at most 3000 bytes at a time, so that writes have to be carried on. */
static ssize_t shelf_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	struct shelf *shelf = context;
	size_t moved = length < 3000 ? length : 3000;

	lock_take(&shelf->lock);
	memcpy(shelf->bytes + offset, buffer, moved);
	lock_drop(&shelf->lock);
	return (ssize_t)moved;
}

static int shelf_resize(void *context, uint64_t size)
{
	struct shelf *shelf = context;

	if (size > CAPACITY)
		return -ENOSPC;
	lock_take(&shelf->lock);
	memset(shelf->bytes + size, 0, CAPACITY - size);
	lock_drop(&shelf->lock);
	return 0;
}

static void shelf_close(void *context)
{
	struct shelf *shelf = context;

	lock_finish(&shelf->lock);
	free(shelf->bytes);
	free(shelf);
}

static const struct callback_store_ops shelf_ops = {
	.read = shelf_read,
	.write = shelf_write,
	.resize = shelf_resize,
	.close = shelf_close,
};

/* ---- the kinds of stores ---- */

static struct store *open_file(const struct store_context *context)
{
	char path[] = "/var/tmp/quire-test-store-XXXXXX";
	struct store *store;
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	assert_int_equal(file_store_create(context, fd, true, &store), 0);
	return store;
}

static struct store *open_file_on_ring(void)
{
	return open_file(&with_ring);
}

static struct store *open_file_on_workers(void)
{
	return open_file(&with_workers);
}

static struct store *open_file_in_memory(void)
{
	struct store *store;
	int fd;

	assert_int_equal(memory_file_create("test", &fd), 0);
	assert_int_equal(file_store_create(&with_workers, fd, true, &store), 0);
	assert_false(file_store_is_direct(store));
	return store;
}

static struct store *open_memory(void)
{
	return new_memory_store(0);
}

static struct store *open_callback(void)
{
	struct shelf *shelf = calloc(1, sizeof(*shelf));
	struct store *store;

	assert_non_null(shelf);
	lock_init(&shelf->lock, LOCK_RANK_PAGER);
	shelf->bytes = calloc(1, CAPACITY);
	assert_non_null(shelf->bytes);
	assert_int_equal(callback_store_create(&with_workers, 0, &shelf_ops,
					       shelf, &store),
			 0);
	return store;
}

static struct store *open_faulty_over(struct store *inner, const char *script)
{
	struct store *store;

	assert_int_equal(
		faulty_store_create(&with_workers, inner, script, &store), 0);
	return store;
}

static struct store *open_faulty(void)
{
	return open_faulty_over(open_memory(), "");
}

/* All is well in the end, but nothing goes through at once. */
static struct store *open_troubled(void)
{
	return open_faulty_over(open_file(&with_workers),
				"any every 3 do fail EINTR;"
				"write every 2 do short 700;"
				"read every 3 do short 4097;"
				"any every 5 do fail EAGAIN");
}

struct kind {
	const char *name;
	struct store *(*open)(void); /* writable, of size 0 */
	bool allocates;
	bool needs_ring;
};

static const struct kind kinds[] = {
	{ "memory", open_memory, true, false },
	{ "file on ring", open_file_on_ring, true, true },
	{ "file on workers", open_file_on_workers, true, false },
	{ "file in memory", open_file_in_memory, true, false },
	{ "callback", open_callback, false, false },
	{ "faulty, empty script", open_faulty, true, false },
	{ "faulty, all temporary", open_troubled, true, false },
};

static const struct kind *kind; /* under test */

/* ---- the tests ---- */

static struct store *new_store(uint64_t size)
{
	struct store *store = kind->open();

	assert_int_equal(size_of_store(store), 0);
	assert_int_equal(store_resize(store, size), 0);
	assert_int_equal(size_of_store(store), size);
	return store;
}

static void round_trip(size_t length)
{
	struct store *store = new_store(length);
	unsigned char *in = new_buffer(length);
	unsigned char *out = new_buffer(length + 2 * PAGE_SIZE);

	fill_random(in, length, length + 1);
	assert_int_equal(write_at(store, in, length, 0), length);
	assert_int_equal(flush_all(store), 0);
	assert_int_equal(read_at(store, out, length + 2 * PAGE_SIZE, 0),
			 length);
	assert_memory_equal(in, out, length);
	assert_int_equal(size_of_store(store), length);
	free(in);
	free(out);
	store_destroy(store);
}

static void all_sizes_go_there_and_back(void **state)
{
	static const size_t sizes[] = { 0,    1,    4095,          4096,
					4097, 5000, (1u << 20) + 3 };

	(void)state;
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		round_trip(sizes[i]);
}

/* Cuts bytes into count pieces of different lengths, some of them empty. */
static void cut(struct store_io *io, unsigned char *bytes, size_t length,
		unsigned count)
{
	size_t at = 0;

	io->iov_count = count;
	for (unsigned i = 0; i < count; i++) {
		size_t piece = i % 4 == 3 ? 0 : i * 311 % (length / count);

		if (i == 0 && length > PAGE_SIZE)
			piece = PAGE_SIZE;
		if (i == count - 1)
			piece = length - at;
		io->iov[i].iov_base = bytes + at;
		io->iov[i].iov_len = piece;
		at += piece;
	}
}

static void buffers_scatter_and_gather(void **state)
{
	const size_t length = 40000;
	struct store *store = new_store(length + 4096);
	unsigned char *in = new_buffer(length);
	unsigned char *out = new_buffer(length);
	struct store_io io = { .operation = STORE_WRITE, .offset = 4096 };

	(void)state;
	fill_random(in, length, 5);
	cut(&io, in, length, STORE_IOV_MAX);
	assert_int_equal(store_transfer(store, &io), length);
	io.operation = STORE_READ;
	cut(&io, out, length, 5);
	assert_int_equal(store_transfer(store, &io), length);
	assert_memory_equal(in, out, length);
	free(in);
	free(out);
	store_destroy(store);
}

static void assert_zeros(struct store *store, uint64_t offset, size_t length)
{
	unsigned char *bytes = new_buffer(length);

	memset(bytes, 0xff, length);
	assert_int_equal(read_at(store, bytes, length, offset), length);
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], 0);
	free(bytes);
}

/* xxxxxxxx -> xxx -> xxx00000: what was cut off does not come back. */
static void sizes_shrink_and_grow(void **state)
{
	struct store *store = new_store(20000);
	unsigned char *bytes = new_buffer(20000);

	(void)state;
	memset(bytes, 'x', 20000);
	assert_int_equal(write_at(store, bytes, 20000, 0), 20000);
	assert_int_equal(store_resize(store, 5000), 0);
	assert_int_equal(read_at(store, bytes, 20000, 0), 5000);
	assert_int_equal(store_resize(store, 30000), 0);
	assert_zeros(store, 5000, 25000);
	assert_int_equal(store_resize(store, UINT64_MAX), -EFBIG);
	assert_int_equal(size_of_store(store), 30000);
	free(bytes);
	store_destroy(store);
}

static void reads_end_at_the_end(void **state)
{
	struct store *store = new_store(8192 + 100);
	unsigned char *bytes = new_buffer(8 * PAGE_SIZE);

	(void)state;
	assert_int_equal(read_at(store, bytes, 8 * PAGE_SIZE, 4096), 4196);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8192), 100);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8291), 1);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 8292), 0);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 1 << 30), 0);
	assert_int_equal(read_at(store, bytes, 0, 0), 0);
	assert_int_equal(write_at(store, bytes, 0, 0), 0);
	free(bytes);
	store_destroy(store);
}

/*
 * Odd places and lengths, aligned ones between them: what took the one path
 * of a file must be seen by the other.
 */
static void transfers_agree_with_a_model(void **state)
{
	const size_t length = 64 * 1024;
	struct store *store = new_store(length);
	unsigned char *model = new_buffer(length);
	unsigned char *bytes = new_buffer(length);
	uint64_t seed = first_seed(42);

	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		uint64_t offset = next_random(&seed) % length;
		uint64_t count = next_random(&seed) % (length - offset) + 1;

		if (next_random(&seed) % 2) {
			offset &= ~PAGE_MASK;
			count = (count & ~PAGE_MASK) + PAGE_SIZE;
			if (count > length - offset)
				count = length - offset;
		}
		if (next_random(&seed) % 2) {
			fill_random(bytes, count, i + 1);
			memcpy(model + offset, bytes, count);
			assert_int_equal(write_at(store, bytes, count, offset),
					 count);
		} else {
			assert_int_equal(read_at(store, bytes, count, offset),
					 count);
			assert_memory_equal(bytes, model + offset, count);
		}
	}
	free(model);
	free(bytes);
	store_destroy(store);
}

/* ---- many at once ---- */

#define THREADS 4
#define FLIGHTS 32
#define FLIGHT_BYTES 6000

struct flight {
	struct store_io io;
	struct crew *crew;
	int64_t result;
	atomic_uint ends;
};

struct crew {
	pthread_t thread;
	struct store *store;
	unsigned char *bytes;
	uint64_t offset;
	struct lock lock;
	struct condition landed;
	unsigned in_flight; /* [lock] */
	struct flight flights[FLIGHTS];
};

static void land(struct store_io *io, int64_t result)
{
	struct flight *flight = container_of(io, struct flight, io);
	struct crew *crew = flight->crew;

	atomic_fetch_add(&flight->ends, 1);
	flight->result = result;
	lock_take(&crew->lock);
	crew->in_flight--;
	condition_wake_all(&crew->landed);
	lock_drop(&crew->lock);
}

static void fly(struct crew *crew, enum store_operation operation)
{
	crew->in_flight = FLIGHTS;
	for (unsigned i = 0; i < FLIGHTS; i++) {
		struct flight *flight = &crew->flights[i];

		flight->crew = crew;
		flight->io.operation = operation;
		flight->io.offset = crew->offset + (uint64_t)i * FLIGHT_BYTES;
		flight->io.iov[0].iov_base = crew->bytes + i * FLIGHT_BYTES;
		flight->io.iov[0].iov_len = FLIGHT_BYTES;
		flight->io.iov_count = 1;
		flight->io.complete = land;
		store_submit(crew->store, &flight->io);
	}
	lock_take(&crew->lock);
	while (crew->in_flight > 0)
		condition_wait(&crew->landed, &crew->lock);
	lock_drop(&crew->lock);
}

/* No asserts here: cmocka's are for the thread that runs the test. */
static void *crew_main(void *argument)
{
	struct crew *crew = argument;
	size_t length = FLIGHTS * FLIGHT_BYTES;

	fill_random(crew->bytes, length, crew->offset + 1);
	fly(crew, STORE_WRITE);
	memset(crew->bytes, 0, length);
	fly(crew, STORE_READ);
	return NULL;
}

static void check_crew(const struct crew *crew)
{
	size_t length = FLIGHTS * FLIGHT_BYTES;
	unsigned char *expected = new_buffer(length);

	fill_random(expected, length, crew->offset + 1);
	assert_memory_equal(expected, crew->bytes, length);
	free(expected);
	for (unsigned i = 0; i < FLIGHTS; i++) {
		assert_int_equal(crew->flights[i].result, FLIGHT_BYTES);
		assert_int_equal(atomic_load(&crew->flights[i].ends), 2);
	}
}

static void many_transfers_of_many_threads(void **state)
{
	static struct crew crews[THREADS];
	const size_t length = FLIGHTS * FLIGHT_BYTES;
	struct store *store = new_store(THREADS * length);

	(void)state;
	memset(crews, 0, sizeof(crews));
	for (unsigned i = 0; i < THREADS; i++) {
		lock_init(&crews[i].lock, LOCK_RANK_STORE);
		condition_init(&crews[i].landed);
		crews[i].store = store;
		crews[i].offset = i * length;
		crews[i].bytes = new_buffer(length);
		assert_int_equal(pthread_create(&crews[i].thread, NULL,
						crew_main, &crews[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(crews[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		check_crew(&crews[i]);
		free(crews[i].bytes);
		condition_finish(&crews[i].landed);
		lock_finish(&crews[i].lock);
	}
	store_destroy(store);
}

/* ---- refusals ---- */

static void read_only_is_refused(void **state)
{
	struct store *store = new_store(PAGE_SIZE);
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	store->writable = false;
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 0), -EACCES);
	assert_int_equal(store_resize(store, 0), -EACCES);
	assert_int_equal(store_allocate(store, 0, 1), -EACCES);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(flush_all(store), 0);
	assert_int_equal(size_of_store(store), PAGE_SIZE);
	free(bytes);
	store_destroy(store);
}

static void keep_result(struct store_io *io, int64_t result)
{
	io->moved = (uint64_t)result;
}

/* The result of a transfer that is refused, so inside submit. */
static int64_t submit_refused(struct store *store, struct store_io *io)
{
	io->complete = keep_result;
	store_submit(store, io);
	return (int64_t)io->moved;
}

static void nonsense_is_refused(void **state)
{
	struct store *store = new_store(PAGE_SIZE);
	unsigned char *bytes = new_buffer(PAGE_SIZE);
	struct store_io io = { .operation = STORE_READ, .iov_count = 17 };

	(void)state;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	io.iov_count = 1;
	io.operation = STORE_FLUSH;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	io.operation = (enum store_operation)99;
	assert_int_equal(submit_refused(store, &io), -EINVAL);
	assert_int_equal(read_at(store, bytes, 1, UINT64_MAX), -EINVAL);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, INT64_MAX - 10),
			 -EINVAL);
	assert_int_equal(store_allocate(store, 0, 0), -EINVAL);
	assert_int_equal(store_allocate(store, INT64_MAX, 2), -EFBIG);
	store_destroy(NULL);
	free(bytes);
	store_destroy(store);
}

static void allocate_grows_the_store(void **state)
{
	struct store *store = new_store(1000);

	(void)state;
	if (!kind->allocates) {
		assert_int_equal(store_allocate(store, 0, 9000), -EOPNOTSUPP);
		assert_int_equal(size_of_store(store), 1000);
		store_destroy(store);
		return;
	}
	assert_int_equal(store_allocate(store, 0, 10), 0);
	assert_int_equal(size_of_store(store), 1000);
	assert_int_equal(store_allocate(store, 500, 8500), 0);
	assert_int_equal(size_of_store(store), 9000);
	assert_zeros(store, 0, 9000);
	store_destroy(store);
}

/* [5000, 14000) of 20000 bytes, and past the end. */
static void discarded_bytes_are_zeros(void **state)
{
	struct store *store = new_store(20000);
	unsigned char *bytes = new_buffer(20000);

	(void)state;
	memset(bytes, 7, 20000);
	assert_int_equal(write_at(store, bytes, 20000, 0), 20000);
	if (!kind->allocates) {
		assert_int_equal(store_discard(store, 0, 4096), -EOPNOTSUPP);
	} else {
		assert_int_equal(store_discard(store, 5000, 9000), 0);
		assert_int_equal(store_discard(store, 100, 0), 0);
		assert_int_equal(store_discard(store, 30000, 9000), 0);
		assert_int_equal(store_discard(store, 19000, 9000), 0);
	}
	assert_int_equal(size_of_store(store), 20000);
	assert_int_equal(read_at(store, bytes, 20000, 0), 20000);
	for (unsigned i = 0; i < 20000; i++) {
		bool gone = kind->allocates &&
			    ((i >= 5000 && i < 14000) || i >= 19000);

		assert_int_equal(bytes[i], gone ? 0 : 7);
	}
	assert_int_equal(store_discard(store, UINT64_MAX, 1), -EFBIG);
	assert_int_equal(store_discard(store, 1, INT64_MAX), -EFBIG);
	store->writable = false;
	assert_int_equal(store_discard(store, 0, 1), -EACCES);
	store->writable = true;
	free(bytes);
	store_destroy(store);
}

static const struct CMUnitTest conformance[] = {
	cmocka_unit_test(all_sizes_go_there_and_back),
	cmocka_unit_test(buffers_scatter_and_gather),
	cmocka_unit_test(sizes_shrink_and_grow),
	cmocka_unit_test(reads_end_at_the_end),
	cmocka_unit_test(transfers_agree_with_a_model),
	cmocka_unit_test(many_transfers_of_many_threads),
	cmocka_unit_test(read_only_is_refused),
	cmocka_unit_test(nonsense_is_refused),
	cmocka_unit_test(allocate_grows_the_store),
	cmocka_unit_test(discarded_bytes_are_zeros),
};

/* ---- one kind alone ---- */

static void memory_is_sparse_and_bounded(void **state)
{
	struct store *store = new_memory_store(UINT64_C(1) << 40);
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	memset(bytes, 1, PAGE_SIZE);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, UINT64_C(1) << 39),
			 PAGE_SIZE);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(bytes[0], 0);
	store_destroy(store);
	store = new_memory_store(PAGE_SIZE);
	assert_int_equal(write_at(store, bytes, 1, PAGE_SIZE), -ENOSPC);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 1), -ENOSPC);
	assert_int_equal(size_of_store(store), PAGE_SIZE);
	store_destroy(store);
	assert_int_equal(memory_store_create(UINT64_MAX, &store), -EFBIG);
	free(bytes);
}

static ssize_t refuse_read(void *context, void *buffer, size_t length,
			   uint64_t offset)
{
	(void)buffer;
	if (offset == 0 && context)
		return (ssize_t)length / 2;
	return offset == PAGE_SIZE ? (ssize_t)length + 1 : -ENODATA;
}

static ssize_t stuck_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	(void)context;
	(void)buffer;
	return offset == 0 ? (ssize_t)length / 2 : 0;
}

static int refuse_flush(void *context)
{
	(void)context;
	return -EDQUOT;
}

static struct store *new_callback_store(const struct callback_store_ops *ops,
					void *argument)
{
	struct store *store;

	assert_int_equal(callback_store_create(&with_workers, 3 * PAGE_SIZE,
					       ops, argument, &store),
			 0);
	return store;
}

static void callbacks_may_fail(void **state)
{
	const struct callback_store_ops ops = {
		.read = refuse_read,
		.write = stuck_write,
		.flush = refuse_flush,
	};
	struct store *store = new_callback_store(&ops, NULL);
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), -ENODATA);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, PAGE_SIZE), -EIO);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 0), -EIO);
	assert_int_equal(write_at(store, bytes, 1, 3 * PAGE_SIZE), -ENOSPC);
	assert_int_equal(flush_all(store), -EDQUOT);
	assert_int_equal(store_resize(store, 1), -EOPNOTSUPP);
	store_destroy(store);
	/* Half of it, and then the error. */
	store = new_callback_store(&ops, bytes);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), -ENODATA);
	store_destroy(store);
	free(bytes);
}

static void callbacks_are_optional_but_read(void **state)
{
	const struct callback_store_ops none = { .write = stuck_write };
	const struct callback_store_ops ops = { .read = refuse_read };
	unsigned char byte;
	struct store *store;

	(void)state;
	assert_int_equal(callback_store_create(&with_workers, 1, &none, NULL,
					       &store),
			 -EINVAL);
	assert_string_not_equal(error_sentence(), "");
	store = new_callback_store(&ops, NULL);
	assert_false(store->writable);
	assert_int_equal(write_at(store, &byte, 1, 0), -EACCES);
	assert_int_equal(flush_all(store), 0);
	store_destroy(store);
}

static const struct CMUnitTest alone[] = {
	cmocka_unit_test(memory_is_sparse_and_bounded),
	cmocka_unit_test(callbacks_may_fail),
	cmocka_unit_test(callbacks_are_optional_but_read),
};

static int run_kind(const struct kind *one)
{
	if (one->needs_ring && !with_ring.ring) {
		printf("skipped: %s: no io_uring here\n", one->name);
		return 0;
	}
	printf("---- %s\n", one->name);
	kind = one;
	return cmocka_run_group_tests_name(one->name, conformance, NULL, NULL);
}

int main(void)
{
	int failed = 0;

	if (worker_pool_create(3, "test-worker", &with_workers.workers))
		return 1;
	with_ring.workers = with_workers.workers;
	if (ring_create(8, NULL, NULL, &with_ring.ring))
		with_ring.ring = NULL;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		failed += run_kind(&kinds[i]);
	failed += cmocka_run_group_tests_name("alone", alone, NULL, NULL);
	ring_destroy(with_ring.ring);
	worker_pool_destroy(with_workers.workers);
	return failed;
}
