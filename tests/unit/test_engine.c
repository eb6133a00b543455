/* test_engine.c - an engine is opened, asked and closed */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>

static void test_defaults(void **state)
{
	struct quire *quire;

	(void)state;
	assert_int_equal(quire_open(NULL, &quire), 0);
	assert_int_equal(statistics_of(quire).budget, 256 << 20);
	assert_non_null(quire_host_space(quire));
	assert_int_equal(quire_close(quire), 0);
}

static void test_zeroed_options(void **state)
{
	struct quire_options options = { .size = sizeof(options) };
	struct quire *quire;

	(void)state;
	assert_int_equal(quire_open(&options, &quire), 0);
	assert_int_equal(statistics_of(quire).budget, 256 << 20);
	assert_int_equal(statistics_of(quire).resident, 0);
	assert_int_equal(quire_close(quire), 0);
}

static void assert_refused(const struct quire_options *options,
			   const char *words)
{
	struct quire *quire = NULL;
	int before = open_descriptors();

	assert_int_equal(quire_open(options, &quire), -EINVAL);
	assert_sentence(words);
	assert_null(quire);
	assert_int_equal(open_descriptors(), before);
}

#define OPTIONS(...)                                                    \
	(&(struct quire_options){ .size = sizeof(struct quire_options), \
				  __VA_ARGS__ })

static void test_refused_options(void **state)
{
	(void)state;
	assert_refused(OPTIONS(.budget = 1),
		       "a budget of 1 byte is less than one page");
	assert_refused(OPTIONS(.budget = PAGE - 1), "4095 bytes");
	assert_refused(OPTIONS(.trap_threads = 100000), "trap threads");
	assert_refused(OPTIONS(.io_threads = 1025), "1024 I/O threads");
	assert_refused(OPTIONS(.dirty_percent = 101), "dirty_percent");
	assert_refused(OPTIONS(.io = (enum quire_io)3), "kind of I/O: 3");
	assert_refused(OPTIONS(.trap = (enum quire_trap)4), "kind of traps: 4");
	assert_refused(OPTIONS(.flags = 0x82), "flags 0x82");
	assert_refused(OPTIONS(.log_level = (enum quire_log_level)5),
		       "log level: 5");
}

static void test_refused_sizes(void **state)
{
	struct quire_options options = { .size = 0 };

	(void)state;
	assert_refused(&options, "0 bytes");
	options.size = sizeof(size_t) - 1;
	assert_refused(&options, "set size");
	options.size = sizeof(options) + 1;
	assert_refused(&options, "sizeof(struct quire_options)");
}

/* A program that was compiled when budget was the last option there was. */
static void test_older_program(void **state)
{
	struct quire_options options;
	struct quire *quire;

	(void)state;
	memset(&options, 0xff, sizeof(options));
	options.size = offsetof(struct quire_options, io);
	options.budget = 64 * PAGE;
	assert_int_equal(quire_open(&options, &quire), 0);
	assert_int_equal(statistics_of(quire).budget, 64 * PAGE);
	assert_int_equal(quire_close(quire), 0);
}

static void test_smallest_and_largest(void **state)
{
	const struct quire_options *most =
		OPTIONS(.budget = UINT64_MAX, .trap_threads = 4,
			.io_threads = 64, .dirty_percent = 100,
			.flush_interval_ms = UINT32_MAX,
			.full_wait_ms = UINT32_MAX, .flags = QUIRE_NO_REPORT,
			.log_level = QUIRE_LOG_ERROR);
	struct quire *quire;

	(void)state;
	assert_int_equal(quire_open(OPTIONS(.budget = PAGE), &quire), 0);
	assert_int_equal(statistics_of(quire).budget, PAGE);
	assert_int_equal(quire_close(quire), 0);
	assert_int_equal(quire_open(most, &quire), 0);
	assert_int_equal(quire_close(quire), 0);
}

static void test_trap_mode(void **state)
{
	struct quire *quire;

	(void)state;
	assert_int_equal(
		quire_open(OPTIONS(.trap = QUIRE_TRAP_USERFAULTFD), &quire), 0);
	assert_ptr_equal(strstr(quire_trap_mode(quire), "userfaultfd"),
			 quire_trap_mode(quire));
	assert_int_equal(quire_close(quire), 0);
}

static unsigned warnings;

static void count_warnings(void *context, enum quire_log_level level,
			   const char *line)
{
	(void)context;
	if (level == QUIRE_LOG_WARNING && strstr(line, "user mode only"))
		warnings++;
}

/* Who has no right to full traps is told at once what that costs. */
static void open_as_nobody(void *argument)
{
	struct quire *quire;

	(void)argument;
	if (geteuid() == 0)
		need(setresuid(65534, 65534, 65534) == 0);
	need(quire_open(OPTIONS(.log = count_warnings), &quire) == 0);
	if (strstr(quire_trap_mode(quire), "user mode only"))
		need(warnings == 1);
	else
		need(warnings == 0);
	need(quire_close(quire) == 0);
}

static void test_trap_mode_of_nobody(void **state)
{
	(void)state;
	assert_survives(open_as_nobody, NULL);
}

static void test_version(void **state)
{
	unsigned numbers[3];
	char rest;

	(void)state;
	assert_int_equal(sscanf(quire_version(), "%u.%u.%u%c", &numbers[0],
				&numbers[1], &numbers[2], &rest),
			 3);
}

/* Writes through a mapping, and finds it in the file. */
static void use_engine(struct quire *quire)
{
	struct test_file file;
	struct quire_object *object;
	unsigned char *bytes;
	unsigned char page[QUIRE_PAGE_SIZE];

	make_file(&file, 32 * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, 32 * PAGE, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < 32 * PAGE; i++)
		assert_int_equal(bytes[i], byte_at(i));
	memset(bytes + 9 * PAGE, 0x5a, PAGE);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(pread(file.fd, page, PAGE, 9 * (off_t)PAGE), PAGE);
	assert_int_equal(page[0], 0x5a);
	assert_int_equal(page[PAGE - 1], 0x5a);
	assert_int_equal(
		quire_munmap(quire_host_space(quire), bytes, 32 * PAGE), 0);
	assert_int_equal(quire_object_close(object), 0);
	end_file(&file);
}

/* An engine of each kind, and both at work in one process. */
static void test_traps_by_signals(void **state)
{
	struct quire *by_signals, *quire = new_engine(0);

	(void)state;
	assert_int_equal(quire_open(OPTIONS(.trap = QUIRE_TRAP_SIGNALS),
				    &by_signals),
			 0);
	assert_ptr_equal(strstr(quire_trap_mode(by_signals), "signals"),
			 quire_trap_mode(by_signals));
	use_engine(by_signals);
	use_engine(quire);
	assert_true(statistics_of(by_signals).traps > 0);
	assert_int_equal(quire_close(by_signals), 0);
	assert_int_equal(quire_close(quire), 0);
}

static void test_io_by_threads(void **state)
{
	struct quire *quire;

	(void)state;
	assert_int_equal(
		quire_open(OPTIONS(.io = QUIRE_IO_THREADS, .budget = 8 * PAGE),
			   &quire),
		0);
	use_engine(quire);
	assert_int_equal(quire_close(quire), 0);
}

/* Where the kernel has none it is a refusal: nothing else is taken. */
static void test_io_by_ring(void **state)
{
	struct quire *quire = NULL;
	int error = quire_open(
		OPTIONS(.io = QUIRE_IO_URING, .budget = 8 * PAGE), &quire);

	(void)state;
	if (error) {
		assert_sentence("io_uring");
		assert_null(quire);
		return;
	}
	use_engine(quire);
	assert_int_equal(quire_close(quire), 0);
}

static void test_close_with_open_objects(void **state)
{
	struct quire *quire = new_engine(0);
	struct quire_object *first = open_object(quire, "mem:8K", O_RDWR);
	struct quire_object *second = open_object(quire, "mem:8K", O_RDWR);

	(void)state;
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence("2 object(s)");
	assert_int_equal(quire_object_pwrite(first, "still", 5, 0), 5);
	assert_int_equal(quire_object_close(first), 0);
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence("1 object(s)");
	assert_int_equal(quire_object_close(second), 0);
	assert_int_equal(quire_close(quire), 0);
}

static void test_close_with_pins(void **state)
{
	struct quire *quire = new_engine(0);
	struct quire_object *object = open_object(quire, "mem:8K", O_RDWR);
	struct quire_pin pin;

	(void)state;
	assert_int_equal(quire_object_pin(object, 0, PAGE, PROT_READ, &pin), 0);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), -EBUSY);
	assert_sentence("1 pin(s)");
	assert_int_equal(*(char *)pin.address, 0);
	quire_object_unpin(&pin);
	assert_int_equal(quire_close(quire), 0);
}

/* Mappings do not keep an engine; their pages go home, and they go. */
static void test_close_with_mappings(void **state)
{
	struct quire *quire = new_engine(0);
	struct quire_object *object;
	struct test_file file;
	unsigned char *bytes, resident, byte;

	(void)state;
	make_file(&file, PAGE);
	object = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, object, PAGE, PROT_READ | PROT_WRITE);
	bytes[77] = 0xee;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	assert_int_equal(pread(file.fd, &byte, 1, 77), 1);
	assert_int_equal(byte, 0xee);
	assert_int_equal(mincore(bytes, PAGE, &resident), -1);
	assert_int_equal(errno, ENOMEM);
	end_file(&file);
}

static void test_close_nothing(void **state)
{
	(void)state;
	assert_int_equal(quire_close(NULL), 0);
}

static void test_statistics_sizes(void **state)
{
	struct quire *quire = new_engine(64 * PAGE);
	struct quire_statistics counts;

	(void)state;
	memset(&counts, 0xaa, sizeof(counts));
	counts.size = 0;
	assert_int_equal(quire_get_statistics(quire, &counts), -EINVAL);
	assert_sentence("0 bytes");
	counts.size = sizeof(counts) + 8;
	assert_int_equal(quire_get_statistics(quire, &counts), -EINVAL);
	assert_sentence("sizeof(struct quire_statistics)");
	assert_true(counts.budget == UINT64_C(0xaaaaaaaaaaaaaaaa));
	counts.size = offsetof(struct quire_statistics, resident);
	assert_int_equal(quire_get_statistics(quire, &counts), 0);
	assert_int_equal(counts.budget, 64 * PAGE);
	assert_true(counts.resident == UINT64_C(0xaaaaaaaaaaaaaaaa));
	assert_int_equal(quire_close(quire), 0);
}

static void test_statistics_count(void **state)
{
	struct quire *quire = new_engine(8 * PAGE);
	struct quire_statistics counts;

	(void)state;
	use_engine(quire);
	counts = statistics_of(quire);
	assert_true(counts.traps > 0);
	assert_true(counts.write_traps > 0);
	assert_true(counts.misses > 0);
	assert_true(counts.reads > 0);
	assert_true(counts.pages_read >= 32);
	assert_true(counts.evictions >= 24);
	assert_true(counts.pages_written >= 1);
	assert_true(counts.flushes >= 1);
	assert_true(counts.resident_peak <= 8 * PAGE);
	assert_int_equal(counts.dirty, 0);
	assert_int_equal(counts.read_errors, 0);
	assert_int_equal(counts.write_errors, 0);
	assert_int_equal(counts.refused, 0);
	assert_int_equal(quire_close(quire), 0);
}

/* Each has a budget, a cache and a space of its own. */
static void test_two_engines(void **state)
{
	struct quire *first = new_engine(16 * PAGE);
	struct quire *second = new_engine(64 * PAGE);
	struct quire_object *one, *two;
	struct test_file file;
	unsigned char *mine, *other;

	(void)state;
	make_file(&file, 32 * PAGE);
	one = open_object(first, file.path, O_RDWR);
	two = open_object(second, file.path, O_RDONLY);
	mine = map_object(first, one, 32 * PAGE, PROT_READ | PROT_WRITE);
	other = map_object(second, two, 32 * PAGE, PROT_READ);
	assert_ptr_not_equal(mine, other);
	for (size_t i = 0; i < 32 * PAGE; i += 123) {
		assert_int_equal(mine[i], byte_at(i));
		assert_int_equal(other[i], byte_at(i));
	}
	assert_true(statistics_of(first).resident <= 16 * PAGE);
	assert_int_equal(statistics_of(second).resident, 32 * PAGE);
	/* Not of this space: nothing there, as munmap(2) has it. */
	assert_int_equal(quire_munmap(quire_host_space(second), mine, PAGE), 0);
	assert_int_equal(mine[1], byte_at(1));
	assert_int_equal(quire_object_close(one), 0);
	assert_int_equal(quire_close(first), 0);
	assert_int_equal(other[5 * PAGE], byte_at(5 * PAGE));
	assert_int_equal(quire_object_close(two), 0);
	assert_int_equal(quire_close(second), 0);
	end_file(&file);
}

static void test_reopen_leaves_nothing(void **state)
{
	struct quire *quire = new_engine(8 * PAGE);
	int before;

	(void)state;
	use_engine(quire);
	assert_int_equal(quire_close(quire), 0);
	before = open_descriptors();
	for (int i = 0; i < 10; i++) {
		quire = new_engine(8 * PAGE);
		use_engine(quire);
		assert_int_equal(quire_close(quire), 0);
	}
	assert_int_equal(open_descriptors(), before);
}

/* By threads: of the ring's memory, which is liburing's, the thread sanitizer
 * does not see that one engine's is gone when the next one's comes. */
static void *open_and_close(void *argument)
{
	_Atomic unsigned *good = argument;

	for (int i = 0; i < 8; i++) {
		struct quire *quire;

		if (quire_open(OPTIONS(.io = QUIRE_IO_THREADS), &quire) == 0 &&
		    quire_close(quire) == 0)
			atomic_fetch_add(good, 1);
	}
	return NULL;
}

static void test_opened_by_many_threads(void **state)
{
	_Atomic unsigned good = 0;
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
						open_and_close, &good),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(good, 32);
}

/* The sentence is that of the last call, and empty when it went well. */
static void test_sentence_of_the_last_call(void **state)
{
	struct quire *quire = new_engine(0);
	struct quire_object *object;

	(void)state;
	assert_int_equal(quire_object_open(quire, "nosuch:x", O_RDWR, NULL,
					   &object),
			 -EINVAL);
	assert_sentence("nosuch");
	object = open_object(quire, "mem:4K", O_RDWR);
	assert_string_equal(quire_strerror_last(), "");
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_zeroed_options),
		cmocka_unit_test(test_refused_options),
		cmocka_unit_test(test_refused_sizes),
		cmocka_unit_test(test_older_program),
		cmocka_unit_test(test_smallest_and_largest),
		cmocka_unit_test(test_trap_mode),
		cmocka_unit_test(test_traps_by_signals),
		cmocka_unit_test(test_trap_mode_of_nobody),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_io_by_threads),
		cmocka_unit_test(test_io_by_ring),
		cmocka_unit_test(test_close_with_open_objects),
		cmocka_unit_test(test_close_with_pins),
		cmocka_unit_test(test_close_with_mappings),
		cmocka_unit_test(test_close_nothing),
		cmocka_unit_test(test_statistics_sizes),
		cmocka_unit_test(test_statistics_count),
		cmocka_unit_test(test_two_engines),
		cmocka_unit_test(test_reopen_leaves_nothing),
		cmocka_unit_test(test_opened_by_many_threads),
		cmocka_unit_test(test_sentence_of_the_last_call),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
