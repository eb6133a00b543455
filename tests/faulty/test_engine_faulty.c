/* test_engine_faulty.c - an engine over a store that fails */
/* SPDX-License-Identifier: MIT */
/*
 * What fails is told, once to each who must know, and nothing is lost: when
 * the store has recovered, home is what the program stored.
 */
#include "model/engine_world.h"

#define PAGES 16u

static struct faulty_object here;
static struct quire_object *second; /* another handle on the same object */
static unsigned char *mapped;

/* As if it had been opened a second time. */
static struct quire_object *another_handle(void)
{
	struct object *object = here.handle->object;
	struct quire_object *handle = calloc(1, sizeof(*handle));

	assert_non_null(handle);
	assert_ptr_equal(object_lookup(&here.quire->host, 0, 0), object);
	atomic_store(&handle->references, 1);
	handle->object = object;
	handle->readable = true;
	handle->writable = true;
	handle->last_drop = engine_last_drop;
	atomic_store(&handle->errors_seen, object_errors(object));
	atomic_fetch_add(&here.quire->open_handles, 1);
	return handle;
}

static void open_with(const struct quire_object_options *object,
		      uint32_t dirty_percent, uint32_t full_wait_ms)
{
	struct quire_options options = engine_options(4 * PAGES);

	options.dirty_percent = dirty_percent;
	options.full_wait_ms = full_wait_ms;
	here = faulty_object_open(engine_open(&options), PAGES * PAGE, object);
	second = NULL;
	mapped = map_shared(&here);
}

static int open_here(void **state)
{
	struct quire_object_options object = object_options();

	(void)state;
	open_with(&object, 100, 60 * 1000);
	return 0;
}

static int close_here(void **state)
{
	(void)state;
	script(&here, "");
	unmap(here.quire, mapped, PAGES * PAGE);
	if (second)
		assert_int_equal(quire_object_close(second), 0);
	assert_int_equal(quire_object_close(here.handle), 0);
	assert_int_equal(quire_close(here.quire), 0);
	return 0;
}

static int sync_through(struct quire_object *handle)
{
	return quire_object_sync(handle, 0, 0, MS_SYNC);
}

/* ---- writes and flushes ---- */

static void failed_write_is_told_once_to_each_handle(void **state)
{
	(void)state;
	second = another_handle();
	mapped[0] = 1;
	script(&here, "write do fail ENOSPC");
	assert_int_equal(sync_through(here.handle), -ENOSPC);
	assert_non_null(strstr(quire_strerror_last(), "written"));
	script(&here, "");
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 0), 1);
	assert_int_equal(sync_through(second), -ENOSPC);
	assert_int_equal(sync_through(second), 0);
	assert_int_equal(sync_through(here.handle), 0);
}

static void each_failure_is_told_again(void **state)
{
	(void)state;
	mapped[0] = 2;
	script(&here,
	       "write times 1 do fail EIO; write times 1 do fail EDQUOT");
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(sync_through(here.handle), -EDQUOT);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 0), 2);
}

static void failed_write_is_told_by_msync(void **state)
{
	struct quire_space *space = quire_host_space(here.quire);

	(void)state;
	mapped[PAGE] = 3;
	script(&here, "write times 1 do fail EIO");
	errno = 0;
	assert_int_equal(quire_msync(space, mapped, PAGES * PAGE, MS_SYNC), -1);
	assert_int_equal(errno, EIO);
	assert_int_equal(quire_msync(space, mapped, PAGES * PAGE, MS_SYNC), 0);
	assert_int_equal(home_at(&here, PAGE), 3);
}

static void failed_write_is_told_by_close(void **state)
{
	(void)state;
	second = another_handle();
	mapped[0] = 4;
	script(&here, "write times 1 do fail EIO");
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(quire_object_close(second), -EIO);
	second = another_handle(); /* knows of nothing */
	assert_int_equal(sync_through(second), 0);
	assert_int_equal(home_at(&here, 0), 4);
}

/* The flusher fails while nobody asks; the next who asks is told. */
static void failure_of_the_flusher_is_told(void **state)
{
	(void)state;
	second = another_handle();
	mapped[0] = 5;
	script(&here, "write do fail EIO");
	/* Which may hear of it at once. */
	(void)quire_object_sync(second, 0, 0, MS_ASYNC);
	wait_until(statistics_of(here.quire).write_errors >= 1);
	wait_until(state_of(here.handle, 0) == PAGE_DIRTY);
	script(&here, "");
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 0), 5);
	(void)sync_through(second);
}

static void failed_flush_is_told_once_to_each_handle(void **state)
{
	(void)state;
	second = another_handle();
	mapped[0] = 6;
	script(&here, "flush times 1 do fail EIO");
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(sync_through(second), -EIO);
	assert_int_equal(sync_through(second), 0);
}

/* One page of a run cannot be written: the others get home all the same. */
static void one_bad_page_does_not_keep_its_neighbours(void **state)
{
	(void)state;
	for (unsigned i = 0; i < PAGES; i++)
		mapped[i * PAGE] = 7;
	script(&here, "write 20480-24576 do fail EIO");
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(sync_through(here.handle), -EIO);
	for (unsigned i = 0; i < PAGES; i++)
		assert_int_equal(home_at(&here, i * PAGE),
				 i == 5 ? home_byte(5 * PAGE) : 7);
	assert_int_equal(state_of(here.handle, 5), PAGE_DIRTY);
	script(&here, "");
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 5 * PAGE), 7);
}

/* ---- reads ---- */

static void failed_read_succeeds_later(void **state)
{
	unsigned char byte;

	(void)state;
	script(&here, "read do fail EIO");
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), -EIO);
	assert_int_equal(load(here.quire, mapped + PAGE, &byte), -EIO);
	assert_int_equal(store(here.quire, mapped + 2 * PAGE, 1), -EIO);
	script(&here, "");
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_int_equal(byte, home_byte(0));
	wait_until(load(here.quire, mapped + PAGE, &byte) == 0);
	assert_int_equal(byte, home_byte(PAGE));
	wait_until(store(here.quire, mapped + 2 * PAGE, 1) == 0);
	/* A failed read is nobody's business but the reader's. */
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 2 * PAGE), 1);
}

/* A failure is one read, not a loop of them. */
static void failed_read_is_one_read(void **state)
{
	unsigned char byte;

	(void)state;
	script(&here, "read do fail EIO");
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), -EIO);
	assert_int_equal(statistics_of(here.quire).reads, 1);
	assert_int_equal(load(here.quire, mapped, &byte), -EIO);
	assert_int_equal(statistics_of(here.quire).reads, 2);
}

static void one_bad_page_does_not_spoil_a_run(void **state)
{
	struct quire_range all = { 0, PAGES * PAGE };
	unsigned char byte;

	(void)state;
	script(&here, "read 12288-16384 do fail EIO");
	assert_int_equal(quire_object_prefetch(here.handle, &all, 1), PAGES);
	for (unsigned i = 0; i < PAGES; i++) {
		int error = load(here.quire, mapped + i * PAGE, &byte);

		assert_int_equal(error, i == 3 ? -EIO : 0);
		if (i != 3)
			assert_int_equal(byte, home_byte(i * PAGE));
	}
}

/* Short, late and interrupted transfers are no failures. */
static void what_is_no_failure_is_not_seen(void **state)
{
	unsigned char bytes[2 * PAGE];

	(void)state;
	script(&here, "any every 3 do short 512; any every 2 do fail EAGAIN;"
		      "any every 5 do delay 2; any every 7 do fail EINTR");
	memset(mapped, 9, PAGE);
	assert_int_equal(quire_object_pread(here.handle, bytes, sizeof(bytes),
					    0),
			 sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], i < PAGE ? 9 : home_byte(i));
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, PAGE - 1), 9);
	assert_int_equal(home_at(&here, PAGE), home_byte(PAGE));
}

/* ---- the dirty bound of a store that is gone ---- */

static void refuse_beyond_the_bound(void **state, bool locked)
{
	struct quire_object_options object = object_options();
	unsigned char byte;

	open_with(&object, 13, 200); /* 8 pages */
	if (locked && mlock(mapped, 16 * PAGE)) {
		print_message("no memory may be locked here\n");
		close_here(state);
		skip();
	}
	assert_int_equal(load(here.quire, mapped + 15 * PAGE, &byte), 0);
	script(&here, "write do fail EIO");
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(store(here.quire, mapped + i * PAGE, 11), 0);
	assert_int_equal(store(here.quire, mapped + 15 * PAGE, 12), -EIO);
	assert_int_equal(state_of(here.handle, 15), PAGE_CLEAN);
	assert_int_equal(quire_object_pwrite(here.handle, "x", 1, 9 * PAGE),
			 -EIO);
	script(&here, "");
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(sync_through(here.handle), 0);
	wait_until(store(here.quire, mapped + 15 * PAGE, 12) == 0);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 15 * PAGE), 12);
	assert_int_equal(home_at(&here, 7 * PAGE), 11);
	close_here(state);
}

static void store_beyond_the_bound_is_refused_and_not_lost(void **state)
{
	refuse_beyond_the_bound(state, false);
}

/* Locked memory keeps its translations, unless one insists. */
static void store_beyond_the_bound_is_refused_in_locked_memory(void **state)
{
	refuse_beyond_the_bound(state, true);
}

/* ---- policies ---- */

static void touch(void *address)
{
	*(volatile unsigned char *)address += 1;
}

static void signal_is_sigbus(void **state)
{
	struct quire_fault_report report;

	(void)state;
	script(&here, "read do fail ENOLINK");
	assert_int_equal(quire_guard(quire_host_space(here.quire), touch,
				     mapped + 5, &report),
			 -ENOLINK);
	assert_int_equal(report.signal, SIGBUS);
	assert_ptr_equal(report.address, mapped + 5);
	assert_int_equal(report.error, -ENOLINK);
	assert_int_equal(statistics_of(here.quire).refused, 1);
}

static void zero_shows_zeros_and_keeps_the_error(void **state)
{
	struct quire_object_options object = object_options();
	unsigned char byte = 99;

	(void)state;
	object.error_policy = QUIRE_ERROR_ZERO;
	open_with(&object, 100, 60 * 1000);
	script(&here, "read 0-4096 do fail EIO");
	assert_int_equal(load(here.quire, mapped + 7, &byte), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(store(here.quire, mapped + 7, 1), -EIO);
	assert_int_equal(quire_object_pwrite(here.handle, "x", 1, 8), -EIO);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 8), -EIO);
	assert_int_equal(sync_through(here.handle), -EIO);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(statistics_of(here.quire).dirty, 0);
	assert_int_equal(home_at(&here, 7), home_byte(7));
	/* The neighbour is as ever. */
	assert_int_equal(store(here.quire, mapped + PAGE, 1), 0);
	script(&here, "");
	assert_int_equal(quire_object_sync(here.handle, 0, 0, MS_INVALIDATE),
			 0);
	wait_until(load(here.quire, mapped + 7, &byte) == 0);
	assert_int_equal(byte, home_byte(7));
	assert_int_equal(store(here.quire, mapped + 7, 1), 0);
	assert_int_equal(sync_through(here.handle), 0);
	assert_int_equal(home_at(&here, 7), 1);
	assert_int_equal(home_at(&here, 8), home_byte(8));
	close_here(state);
}

static void *load_patiently(void *argument)
{
	(void)argument;
	require(mapped[3] == home_byte(3));
	return NULL;
}

static void wait_goes_on_when_the_store_recovers(void **state)
{
	struct quire_object_options object = object_options();
	pthread_t thread;

	(void)state;
	object.error_policy = QUIRE_ERROR_WAIT;
	open_with(&object, 100, 60 * 1000);
	script(&here, "read do fail EIO");
	thread = thread_of(load_patiently, NULL);
	wait_until(statistics_of(here.quire).read_errors >= 3);
	assert_int_equal(statistics_of(here.quire).refused, 0);
	script(&here, "");
	join(thread);
	close_here(state);
}

static struct {
	enum quire_error_policy answer;
	_Atomic unsigned asked;
	_Atomic uint64_t offset;
	_Atomic int error;
} oracle;

static enum quire_error_policy ask(void *context, uint64_t offset, int error)
{
	require(context == &oracle);
	atomic_store(&oracle.offset, offset);
	atomic_store(&oracle.error, error);
	atomic_fetch_add(&oracle.asked, 1);
	return oracle.answer;
}

static void open_oracle(enum quire_error_policy answer)
{
	struct quire_object_options object = object_options();

	object.error_policy = QUIRE_ERROR_CALLBACK;
	object.error_function = ask;
	object.error_context = &oracle;
	oracle.answer = answer;
	atomic_store(&oracle.asked, 0);
	open_with(&object, 100, 60 * 1000);
	script(&here, "read do fail EREMOTEIO");
}

static void callback_is_asked(void **state)
{
	unsigned char byte = 99;

	(void)state;
	open_oracle(QUIRE_ERROR_SIGNAL);
	assert_int_equal(load(here.quire, mapped + 6 * PAGE + 5, &byte),
			 -EREMOTEIO);
	assert_int_equal(atomic_load(&oracle.asked), 1);
	assert_int_equal(atomic_load(&oracle.offset), 6 * PAGE);
	assert_int_equal(atomic_load(&oracle.error), -EREMOTEIO);
	close_here(state);
	open_oracle(QUIRE_ERROR_ZERO);
	assert_int_equal(load(here.quire, mapped + 6 * PAGE + 5, &byte), 0);
	assert_int_equal(byte, 0);
	assert_int_equal(sync_through(here.handle), -EREMOTEIO);
	close_here(state);
}

static void callback_may_say_wait(void **state)
{
	pthread_t thread;

	(void)state;
	open_oracle(QUIRE_ERROR_WAIT);
	thread = thread_of(load_patiently, NULL);
	wait_until(atomic_load(&oracle.asked) >= 2);
	script(&here, "");
	join(thread);
	close_here(state);
}

#define plain(test) cmocka_unit_test_setup_teardown(test, open_here, close_here)

int main(void)
{
	const struct CMUnitTest tests[] = {
		plain(failed_write_is_told_once_to_each_handle),
		plain(each_failure_is_told_again),
		plain(failed_write_is_told_by_msync),
		plain(failed_write_is_told_by_close),
		plain(failure_of_the_flusher_is_told),
		plain(failed_flush_is_told_once_to_each_handle),
		plain(one_bad_page_does_not_keep_its_neighbours),
		plain(failed_read_succeeds_later),
		plain(failed_read_is_one_read),
		plain(one_bad_page_does_not_spoil_a_run),
		plain(what_is_no_failure_is_not_seen),
		plain(signal_is_sigbus),
		cmocka_unit_test(
			store_beyond_the_bound_is_refused_and_not_lost),
		cmocka_unit_test(
			store_beyond_the_bound_is_refused_in_locked_memory),
		cmocka_unit_test(zero_shows_zeros_and_keeps_the_error),
		cmocka_unit_test(wait_goes_on_when_the_store_recovers),
		cmocka_unit_test(callback_is_asked),
		cmocka_unit_test(callback_may_say_wait),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
