/* test_lessons.c - what every lesson on mmap shows */
/* SPDX-License-Identifier: MIT */
/*
 * A file of 5000 bytes, in pages of 4096:
 *
 *   |  file  |file|zero|                                 mapped with 5000
 *   |  file  |file|zero| SIGBUS | SIGBUS | SIGSEGV        with 15000 bytes
 *   0       4096 5000 8192    12288    16384
 *
 * and an empty file, mapped with 4 MiB, that grows under the mapping.
 */
#include "model/engine_world.h"

#include <limits.h>
#include <sys/mount.h>

static char path[PATH_MAX];
static struct quire *quire;
static struct quire_object *object;

static void make_file(size_t size)
{
	int fd;

	strcpy(path, "/var/tmp/quire-lessons-XXXXXX");
	fd = mkstemp(path);
	assert_return_code(fd, errno);
	for (size_t i = 0; i < size; i++) {
		unsigned char byte = home_byte(i);

		assert_int_equal(pwrite(fd, &byte, 1, (off_t)i), 1);
	}
	close(fd);
}

static void open_file(uint64_t budget_pages, uint32_t full_wait_ms)
{
	struct quire_options options = engine_options(budget_pages);

	options.full_wait_ms = full_wait_ms;
	options.io = QUIRE_IO_AUTO;
	quire = engine_open(&options);
	if (quire_object_open(quire, path, O_RDWR, NULL, &object))
		fail_msg("%s", quire_strerror_last());
}

static void close_file(void)
{
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
}

static unsigned char *map_bytes(size_t length)
{
	return map_object(quire, object, length, PROT_READ | PROT_WRITE,
			  MAP_SHARED);
}

/* What read(2) finds in the file. */
static void assert_file(const unsigned char *bytes, size_t length)
{
	unsigned char *found = malloc(length + 1);
	int fd = open(path, O_RDONLY);

	assert_non_null(found);
	assert_return_code(fd, errno);
	assert_int_equal(read(fd, found, length + 1), length);
	assert_memory_equal(found, bytes, length);
	close(fd);
	free(found);
}

static void touch(void *address)
{
	(void)*(volatile unsigned char *)address;
}

/* As the kernel would: signal and code, by the program's own eyes. */
static void assert_raises(unsigned char *address, int signal, int code)
{
	struct quire_fault_report report;

	assert_int_not_equal(quire_guard(quire_host_space(quire), touch,
					 address, &report),
			     0);
	assert_int_equal(report.signal, signal);
	assert_int_equal(report.code, code);
	assert_ptr_equal(report.address, address);
}

/* ---- 5000 bytes ---- */

static void tail_is_zero_and_never_reaches_the_file(void **state)
{
	unsigned char expected[5000], *mapped;

	(void)state;
	make_file(5000);
	open_file(64, 1000);
	mapped = map_bytes(5000);
	for (size_t i = 0; i < 5000; i++)
		expected[i] = home_byte(i);
	assert_memory_equal(mapped, expected, 5000);
	for (size_t i = 5000; i < 8192; i++)
		assert_int_equal(mapped[i], 0);
	mapped[4999] = expected[4999] = 'x';
	memset(mapped + 5000, 'y', 3192);
	assert_int_equal(mapped[8191], 'y');
	assert_int_equal(
		quire_msync(quire_host_space(quire), mapped, 5000, MS_SYNC), 0);
	assert_file(expected, 5000);
	assert_raises(mapped + 8192, SIGSEGV, SEGV_MAPERR);
	unmap(quire, mapped, 5000);
	close_file();
	assert_file(expected, 5000);
	unlink(path);
}

/* What was stored past the end is not there when the page comes again. */
static void tail_is_forgotten_with_the_page(void **state)
{
	unsigned char *mapped;

	(void)state;
	make_file(5000);
	open_file(64, 1000);
	mapped = map_bytes(5000);
	mapped[6000] = 'y';
	/* The grant of that store may still hold its pin: then the page stays
	 * dirty, and with it in memory, until the next time. */
	do
		assert_int_equal(quire_object_sync(object, 0, 0,
						   MS_SYNC | MS_INVALIDATE),
				 0);
	while (mapped[6000] != 0);
	mapped[6000] = 'y';
	assert_int_equal(quire_object_resize(object, 7000), 0);
	assert_int_equal(mapped[6000], 0);
	unmap(quire, mapped, 5000);
	close_file();
	unlink(path);
}

static void mapping_longer_than_the_file_is_sigbus(void **state)
{
	unsigned char *mapped;

	(void)state;
	make_file(5000);
	open_file(64, 1000);
	mapped = map_bytes(15000);
	assert_int_equal(mapped[4999], home_byte(4999));
	assert_int_equal(mapped[8191], 0);
	assert_raises(mapped + 8192, SIGBUS, BUS_ADRERR);
	assert_raises(mapped + 16383, SIGBUS, BUS_ADRERR);
	assert_raises(mapped + 16384, SIGSEGV, SEGV_MAPERR);
	assert_int_equal(quire_peek(quire_host_space(quire), mapped + 8192,
				    &(unsigned char){ 0 }, 1),
			 -ENXIO);
	unmap(quire, mapped, 15000);
	close_file();
	unlink(path);
}

static void die_of_it(void *argument)
{
	unsigned char *mapped;

	signal(SIGBUS, SIG_DFL); /* cmocka's would go on */
	signal(SIGSEGV, SIG_DFL);
	make_file(5000);
	open_file(64, 1000);
	mapped = map_bytes(15000);
	unlink(path);
	touch(mapped + (uintptr_t)argument);
}

/* And a program that catches nothing dies of what the kernel says. */
static void program_that_catches_nothing_dies(void **state)
{
	static const struct {
		uintptr_t offset;
		int signal;
	} cases[] = { { 8192, SIGBUS }, { 16384, SIGSEGV } };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct child_end end;

		run_in_child(die_of_it, (void *)cases[i].offset, &end);
		assert_true(WIFSIGNALED(end.status) ||
			    WEXITSTATUS(end.status) != 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		assert_true(WIFSIGNALED(end.status));
		assert_int_equal(WTERMSIG(end.status), cases[i].signal);
#endif
	}
}

/* ---- an empty file that grows ---- */

static void empty_file_grows_under_its_mapping(void **state)
{
	const size_t most = 4 << 20, step = 256 << 10;
	unsigned char *mapped, *expected = calloc(1, most);

	(void)state;
	assert_non_null(expected);
	make_file(0);
	open_file(64, 1000);
	mapped = map_bytes(most);
	assert_raises(mapped, SIGBUS, BUS_ADRERR);
	for (size_t size = step; size <= most; size += step) {
		assert_int_equal(quire_object_resize(object, size - 1), 0);
		assert_int_equal(mapped[size - step], 0);
		mapped[size - 2] = expected[size - 2] = (unsigned char)size;
		mapped[size - step] = expected[size - step] = 77;
		if (size < most)
			assert_raises(mapped + size, SIGBUS, BUS_ADRERR);
		assert_int_equal(quire_object_resize(object, size), 0);
	}
	unmap(quire, mapped, most);
	close_file();
	assert_file(expected, most);
	unlink(path);
	free(expected);
}

static void resize_keeps_addresses_both_ways(void **state)
{
	unsigned char *mapped, expected[3 * QUIRE_PAGE_SIZE] = { 0 };

	(void)state;
	make_file(3 * PAGE);
	open_file(64, 1000);
	mapped = map_bytes(3 * PAGE);
	mapped[2 * PAGE] = 1;
	assert_int_equal(quire_object_resize(object, 100), 0);
	assert_int_equal(mapped[99], home_byte(99));
	assert_int_equal(mapped[100], 0);
	assert_raises(mapped + PAGE, SIGBUS, BUS_ADRERR);
	assert_raises(mapped + 2 * PAGE, SIGBUS, BUS_ADRERR);
	assert_int_equal(quire_object_resize(object, 3 * PAGE), 0);
	for (size_t i = 0; i < 3 * PAGE; i++) {
		expected[i] = i < 100 ? home_byte(i) : 0;
		assert_int_equal(mapped[i], expected[i]);
	}
	mapped[2 * PAGE] = expected[2 * PAGE] = 2;
	unmap(quire, mapped, 3 * PAGE);
	close_file();
	assert_file(expected, 3 * PAGE);
	unlink(path);
}

/* ---- appending ---- */

static void append_extends_the_file(void **state)
{
	unsigned char *mapped, expected[3000];
	uint64_t offset;

	(void)state;
	make_file(0);
	open_file(64, 1000);
	mapped = map_bytes(PAGE);
	for (unsigned i = 0; i < 3; i++) {
		memset(expected + i * 1000, 'a' + (int)i, 1000);
		assert_int_equal(quire_object_append(object,
						     expected + i * 1000, 1000,
						     MS_SYNC, &offset),
				 0);
		assert_int_equal(offset, i * 1000);
		assert_file(expected, (i + 1) * 1000);
		assert_int_equal(mapped[offset + 999], 'a' + (int)i);
	}
	unmap(quire, mapped, PAGE);
	close_file();
	unlink(path);
}

/* As a log that several processes write. */
static void append_goes_behind_what_others_appended(void **state)
{
	unsigned char *mapped, expected[6000];
	uint64_t offset;
	int others;

	(void)state;
	make_file(5000);
	open_file(64, 1000);
	mapped = map_bytes(8192);
	for (size_t i = 0; i < 5000; i++)
		expected[i] = home_byte(i);
	mapped[4999] = expected[4999] = 'x';
	mapped[5100] = 'y'; /* past the end: nobody's */
	memset(expected + 5000, 'o', 500);
	others = open(path, O_WRONLY | O_APPEND);
	assert_int_equal(write(others, expected + 5000, 500), 500);
	close(others);
	memset(expected + 5500, 'a', 500);
	assert_int_equal(quire_object_append(object, expected + 5500, 500,
					     MS_SYNC, &offset),
			 0);
	assert_int_equal(offset, 5500);
	assert_int_equal(quire_object_size(object), 6000);
	assert_memory_equal(mapped, expected, 6000);
	unmap(quire, mapped, 8192);
	close_file();
	assert_file(expected, 6000);
	unlink(path);
}

#define FULL_BYTES ((size_t)1 << 20)

static void append_until_full(const unsigned char *bytes, size_t length)
{
	int error = 0;

	for (unsigned i = 0; i < 100 && !error; i++) {
		uint64_t size = quire_object_size(object);

		error = quire_object_append(object, bytes, length, 0, NULL);
		assert_int_equal(quire_object_size(object),
				 size + (error ? 0 : length));
	}
	assert_int_equal(error, -ENOSPC);
	assert_true(strlen(quire_strerror_last()) > 0);
}

/* What append said yes to has its room: nothing fails later. */
static void full_file_system_refuses_and_never_signals(void **state)
{
	static unsigned char bytes[64 << 10];
	char mounted[] = "/var/tmp/quire-full-XXXXXX";
	unsigned char *mapped;
	uint64_t size;

	(void)state;
	assert_non_null(mkdtemp(mounted));
	if (mount("none", mounted, "tmpfs", 0, "size=1m")) {
		rmdir(mounted);
		skip();
	}
	snprintf(path, sizeof(path), "%s/file", mounted);
	close(open(path, O_CREAT | O_RDWR, 0600));
	open_file(512, 1000);
	memset(bytes, 'f', sizeof(bytes));
	append_until_full(bytes, sizeof(bytes));
	size = quire_object_size(object);
	assert_in_range(size, FULL_BYTES / 2, FULL_BYTES);
	mapped = map_bytes(size);
	for (size_t i = 0; i < size; i += PAGE) {
		assert_int_equal(mapped[i], 'f');
		mapped[i] = 'g';
	}
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_raises(mapped + page_round_up(size), SIGSEGV, SEGV_MAPERR);
	unmap(quire, mapped, size);
	close_file();
	assert_return_code(umount(mounted), errno);
	rmdir(mounted);
}

/* ---- the kernel accesses the pages ---- */

static void system_calls_work_on_cold_pages(void **state, int flags)
{
	unsigned char *mapped, expected[4 * QUIRE_PAGE_SIZE];
	char other[] = "/var/tmp/quire-other-XXXXXX";
	int fd = mkstemp(other);

	(void)state;
	assert_return_code(fd, errno);
	close(fd);
	fd = open(other, O_RDWR | flags);
	if (fd < 0) {
		unlink(other);
		skip();
	}
	make_file(4 * PAGE);
	open_file(8, 1000);
	if (strstr(quire_trap_mode(quire), "user mode only")) {
		close_file();
		skip();
	}
	mapped = map_bytes(4 * PAGE);
	for (size_t i = 0; i < 4 * PAGE; i++)
		expected[i] = home_byte(i);
	assert_int_equal(pwrite(fd, mapped, 2 * PAGE, 0), 2 * PAGE);
	assert_int_equal(pread(fd, mapped + 2 * PAGE, 2 * PAGE, 0), 2 * PAGE);
	memcpy(expected + 2 * PAGE, expected, 2 * PAGE);
	assert_memory_equal(mapped, expected, 4 * PAGE);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_file(expected, 4 * PAGE);
	unmap(quire, mapped, 4 * PAGE);
	close_file();
	close(fd);
	unlink(other);
	unlink(path);
}

static void buffered_system_calls_work(void **state)
{
	system_calls_work_on_cold_pages(state, 0);
}

static void direct_system_calls_work(void **state)
{
	system_calls_work_on_cold_pages(state, O_DIRECT);
}

/* ---- a budget full of pins ---- */

static void pin_pages(struct quire_pin *pins, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(quire_object_pin(object, i * PAGE, PAGE,
						  PROT_READ, &pins[i]),
				 0);
}

static void budget_full_of_pins_refuses_and_goes_on(void **state)
{
	struct quire_pin pins[4], more;
	struct quire_fault_report report;
	unsigned char *mapped, byte;

	(void)state;
	make_file(8 * PAGE);
	open_file(4, 100);
	mapped = map_bytes(8 * PAGE);
	pin_pages(pins, 4);
	assert_int_equal(quire_guard(quire_host_space(quire), touch,
				     mapped + 5 * PAGE, &report),
			 -ENOMEM);
	assert_int_equal(report.signal, SIGBUS);
	assert_non_null(strstr(quire_strerror_last(), "pinned"));
	assert_int_equal(quire_object_pread(object, &byte, 1, 6 * PAGE),
			 -ENOMEM);
	assert_non_null(strstr(quire_strerror_last(), "pinned"));
	assert_int_equal(quire_object_pin(object, 6 * PAGE, 1, PROT_READ,
					  &more),
			 -ENOMEM);
	/* What is there is there. */
	assert_int_equal(mapped[PAGE], home_byte(PAGE));
	for (unsigned i = 0; i < 4; i++)
		quire_object_unpin(&pins[i]);
	assert_int_equal(quire_object_pread(object, &byte, 1, 6 * PAGE), 1);
	wait_until(load(quire, mapped + 5 * PAGE, &byte) == 0);
	assert_int_equal(byte, home_byte(5 * PAGE));
	assert_true(statistics_of(quire).resident_peak <= 4 * PAGE);
	unmap(quire, mapped, 8 * PAGE);
	close_file();
	unlink(path);
}

static unsigned char *waiting;

static void *load_one(void *argument)
{
	(void)argument;
	require(*waiting == home_byte(5 * PAGE));
	return NULL;
}

/* Who waits for room gets it as soon as there is some. */
static void released_pin_lets_the_waiting_go_on(void **state)
{
	struct quire_pin pins[4];
	unsigned char *mapped;
	pthread_t thread;

	(void)state;
	make_file(8 * PAGE);
	open_file(4, 60 * 1000);
	mapped = map_bytes(8 * PAGE);
	waiting = mapped + 5 * PAGE;
	pin_pages(pins, 4);
	thread = thread_of(load_one, NULL);
	wait_until(statistics_of(quire).starved >= 1);
	for (unsigned i = 0; i < 4; i++)
		quire_object_unpin(&pins[i]);
	join(thread);
	unmap(quire, mapped, 8 * PAGE);
	close_file();
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tail_is_zero_and_never_reaches_the_file),
		cmocka_unit_test(tail_is_forgotten_with_the_page),
		cmocka_unit_test(mapping_longer_than_the_file_is_sigbus),
		cmocka_unit_test(program_that_catches_nothing_dies),
		cmocka_unit_test(empty_file_grows_under_its_mapping),
		cmocka_unit_test(resize_keeps_addresses_both_ways),
		cmocka_unit_test(append_extends_the_file),
		cmocka_unit_test(append_goes_behind_what_others_appended),
		cmocka_unit_test(full_file_system_refuses_and_never_signals),
		cmocka_unit_test(buffered_system_calls_work),
		cmocka_unit_test(direct_system_calls_work),
		cmocka_unit_test(budget_full_of_pins_refuses_and_goes_on),
		cmocka_unit_test(released_pin_lets_the_waiting_go_on),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
