/* test_memory.c - os/memory.h */
/* SPDX-License-Identifier: MIT */
#include "os/memory.h"

#include "unit/refuse_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGE 4096u
#define PAGES 16u
#define BYTES ((size_t)PAGES * PAGE)

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static void fill(void *bytes, size_t length, uint64_t seed)
{
	unsigned char *out = bytes;

	for (size_t i = 0; i < length; i++)
		out[i] = (unsigned char)next_random(&seed);
}

static void assert_zero(const void *bytes, size_t length)
{
	const unsigned char *in = bytes;

	for (size_t i = 0; i < length; i++)
		assert_int_equal(in[i], 0);
}

static int new_file(uint64_t size)
{
	int fd;

	assert_int_equal(memory_file_create("test", &fd), 0);
	assert_int_equal(memory_file_resize(fd, size), 0);
	return fd;
}

/* Can the kernel read, or write, a byte there?  Without raising a signal. */
static bool can_read(const void *memory)
{
	int ends[2];
	bool can;

	assert_return_code(pipe(ends), 0);
	can = write(ends[1], memory, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return can;
}

static bool can_write(void *memory)
{
	int ends[2];
	bool can;

	assert_return_code(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	can = read(ends[0], memory, 1) == 1;
	close(ends[0]);
	close(ends[1]);
	return can;
}

static void map_gives_zeros_that_clear_restores(void **state)
{
	unsigned char *memory;

	(void)state;
	assert_int_equal(memory_map(BYTES, (void **)&memory), 0);
	assert_zero(memory, BYTES);
	memset(memory, 7, BYTES);
	memory_clear(memory + PAGE, PAGE);
	assert_int_equal(memory[0], 7);
	assert_zero(memory + PAGE, PAGE);
	assert_int_equal(memory[2 * PAGE], 7);
	memory_unmap(memory, BYTES);
	assert_false(can_read(memory));
}

static void map_refuses_what_cannot_be(void **state)
{
	void *memory = NULL;

	(void)state;
	assert_int_equal(memory_map(0, &memory), -EINVAL);
	assert_int_equal(memory_map(SIZE_MAX / 2, &memory), -ENOMEM);
	assert_null(memory);
	assert_null(memory_pool_map(SIZE_MAX / 2));
}

static void map_for_pools(void **state)
{
	void *memory = memory_pool_map(BYTES);

	(void)state;
	assert_non_null(memory);
	assert_zero(memory, BYTES);
	memory_unmap(memory, BYTES);
}

static void expect_unmapped(void *memory)
{
	if (can_read(memory))
		fputs("inherited", stderr);
}

static void children_inherit_nothing(void **state)
{
	uint64_t place;
	void *memory, *view, *spot;
	int fd = new_file(BYTES);

	(void)state;
	assert_int_equal(memory_map(BYTES, &memory), 0);
	assert_int_equal(memory_file_view(fd, BYTES, &view), 0);
	assert_int_equal(memory_map(BYTES, &spot), 0);
	place = address_of(spot);
	assert_int_equal(
		memory_map_at(place, BYTES, PROT_READ, true, fd, 0, true), 0);
	assert_true(can_read(memory) && can_read(view) && can_read(spot));
	assert_survives(expect_unmapped, memory);
	assert_survives(expect_unmapped, view);
	assert_survives(expect_unmapped, spot);
	memory_unmap(memory, BYTES);
	memory_unmap(view, BYTES);
	memory_unmap(spot, BYTES);
	close(fd);
}

static void file_is_private_to_the_process(void **state)
{
	int fd = new_file(0);

	(void)state;
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
}

static void file_reads_what_was_written(void **state)
{
	static unsigned char in[BYTES], out[BYTES];
	int fd = new_file(BYTES);

	(void)state;
	fill(in, BYTES, 3);
	assert_int_equal(memory_file_write(fd, in, 5000, 0), 0);
	assert_int_equal(memory_file_write(fd, in + 5000, BYTES - 5000, 5000),
			 0);
	assert_int_equal(memory_file_read(fd, out, BYTES, 0), 0);
	assert_memory_equal(in, out, BYTES);
	assert_int_equal(memory_file_read(fd, out, 1, BYTES - 1), 0);
	assert_int_equal(out[0], in[BYTES - 1]);
	close(fd);
}

static void file_transfers_are_whole_or_an_error(void **state)
{
	unsigned char bytes[PAGE];
	int fd = new_file(PAGE);

	(void)state;
	assert_int_equal(memory_file_read(fd, bytes, PAGE, 1), -EIO);
	assert_int_equal(memory_file_read(fd, bytes, 0, PAGE), 0);
	close(fd);
	assert_int_equal(memory_file_read(fd, bytes, 1, 0), -EBADF);
	assert_int_equal(memory_file_write(fd, bytes, 1, 0), -EBADF);
	assert_int_equal(memory_file_resize(fd, 1), -EBADF);
	assert_int_equal(memory_file_punch(fd, 0, PAGE), -EBADF);
}

static void view_shows_the_file(void **state)
{
	unsigned char *view;
	unsigned char byte = 9;
	int fd = new_file(BYTES);

	(void)state;
	assert_int_equal(memory_file_view(fd, BYTES, (void **)&view), 0);
	assert_int_equal(memory_file_write(fd, &byte, 1, PAGE + 1), 0);
	assert_int_equal(view[PAGE + 1], 9);
	view[2 * PAGE] = 8;
	assert_int_equal(memory_file_read(fd, &byte, 1, 2 * PAGE), 0);
	assert_int_equal(byte, 8);
	memory_unmap(view, BYTES);
	close(fd);
	assert_int_equal(memory_file_view(fd, BYTES, (void **)&view), -EBADF);
}

static uint64_t blocks_of(int fd)
{
	struct stat found;

	assert_return_code(fstat(fd, &found), 0);
	return (uint64_t)found.st_blocks;
}

/* before: xxxxxxxx   after: xx..xxxx, and the file as long */
static void punch_gives_pages_back(void **state)
{
	unsigned char *view;
	uint64_t before;
	int fd = new_file(8 * PAGE);

	(void)state;
	assert_int_equal(memory_file_view(fd, 8 * PAGE, (void **)&view), 0);
	memset(view, 5, 8 * PAGE);
	before = blocks_of(fd);
	assert_int_equal(memory_file_punch(fd, 2 * PAGE, 2 * PAGE), 0);
	assert_true(blocks_of(fd) < before);
	assert_int_equal(view[2 * PAGE - 1], 5);
	assert_zero(view + 2 * PAGE, 2 * PAGE);
	assert_int_equal(view[4 * PAGE], 5);
	memory_unmap(view, 8 * PAGE);
	close(fd);
}

static void map_at_takes_only_a_free_place(void **state)
{
	unsigned char *place;
	unsigned char byte = 4;
	int fd = new_file(BYTES);

	(void)state;
	assert_int_equal(memory_file_write(fd, &byte, 1, PAGE), 0);
	assert_int_equal(memory_map(BYTES, (void **)&place), 0);
	assert_int_equal(memory_map_at(address_of(place), PAGE, PROT_READ, true,
				       fd, PAGE, false),
			 -EEXIST);
	assert_int_equal(place[0], 0);
	assert_int_equal(memory_map_at(address_of(place), PAGE, PROT_READ, true,
				       fd, PAGE, true),
			 0);
	assert_int_equal(place[0], 4);
	assert_int_equal(memory_unmap_at(address_of(place), PAGE), 0);
	assert_false(can_read(place));
	assert_int_equal(memory_map_at(address_of(place), PAGE, PROT_READ, true,
				       fd, PAGE, false),
			 0);
	assert_int_equal(place[0], 4);
	assert_false(can_write(place));
	memory_unmap(place, BYTES);
	close(fd);
}

static void map_at_shares_or_copies(void **state)
{
	unsigned char *place;
	unsigned char byte;
	int fd = new_file(2 * PAGE);

	(void)state;
	assert_int_equal(memory_map(2 * PAGE, (void **)&place), 0);
	assert_int_equal(memory_map_at(address_of(place), PAGE,
				       PROT_READ | PROT_WRITE, true, fd, 0,
				       true),
			 0);
	assert_int_equal(memory_map_at(address_of(place) + PAGE, PAGE,
				       PROT_READ | PROT_WRITE, false, fd, PAGE,
				       true),
			 0);
	place[0] = 1;
	place[PAGE] = 2;
	assert_int_equal(memory_file_read(fd, &byte, 1, 0), 0);
	assert_int_equal(byte, 1);
	assert_int_equal(memory_file_read(fd, &byte, 1, PAGE), 0);
	assert_int_equal(byte, 0);
	memory_unmap(place, 2 * PAGE);
	close(fd);
}

static void map_at_of_nothing_denies_access(void **state)
{
	void *place;

	(void)state;
	assert_int_equal(memory_map(BYTES, &place), 0);
	assert_int_equal(memory_map_at(address_of(place), BYTES,
				       PROT_READ | PROT_WRITE, false, -1, 0,
				       true),
			 0);
	assert_false(can_read(place));
	assert_false(can_write(place));
	memory_unmap(place, BYTES);
	assert_int_equal(memory_map_at(1, PAGE, PROT_READ, false, -1, 0, true),
			 -EINVAL);
}

static void protect_changes_access(void **state)
{
	void *place;

	(void)state;
	assert_int_equal(memory_map(BYTES, &place), 0);
	assert_int_equal(memory_protect(address_of(place), PAGE, PROT_READ), 0);
	assert_true(can_read(place));
	assert_false(can_write(place));
	assert_true(can_write((char *)place + PAGE));
	memory_unmap(place, BYTES);
	assert_int_equal(memory_protect(address_of(place), PAGE, PROT_READ),
			 -ENOMEM);
}

/* Linux 5.18 and later know how to do it with locked memory. */
static void forget_drops_a_copy(void **state)
{
	unsigned char *place;
	int fd = new_file(PAGE);

	(void)state;
	assert_int_equal(memory_map(PAGE, (void **)&place), 0);
	assert_int_equal(memory_map_at(address_of(place), PAGE,
				       PROT_READ | PROT_WRITE, false, fd, 0,
				       true),
			 0);
	place[0] = 1;
	assert_int_equal(memory_forget(address_of(place), PAGE), 0);
	assert_int_equal(place[0], 0);
	place[0] = 1;
	refuse_call(SYS_madvise, 0, EINVAL);
	assert_int_equal(memory_forget(address_of(place), PAGE), 0);
	assert_true(stop_refusing());
	assert_int_equal(place[0], 0);
	place[0] = 1;
	refuse_call(SYS_madvise, 0, ENOMEM);
	assert_int_equal(memory_forget(address_of(place), PAGE), -ENOMEM);
	assert_true(stop_refusing());
	assert_int_equal(place[0], 1);
	memory_unmap(place, PAGE);
	close(fd);
}

/* The kernel stops at the first range that is not mapped: the others go all the
 * same, as on a kernel that drops nothing for itself at once. */
static void drop_many_goes_on(void **state)
{
	unsigned char *memory = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct iovec ranges[3];

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(memory, 'x', 3 * PAGE);
	for (unsigned i = 0; i < 3; i++)
		ranges[i] = (struct iovec){ memory + i * PAGE, PAGE };
	memory_drop_many(ranges, 1);
	assert_zero(memory, PAGE);
	assert_int_equal(memory[PAGE], 'x');
	memset(memory, 'x', PAGE);
	assert_return_code(munmap(memory + PAGE, PAGE), errno);
	memory_drop_many(ranges, 3);
	assert_zero(memory, PAGE);
	assert_zero(memory + 2 * PAGE, PAGE);
	munmap(memory, 3 * PAGE);
}

static void fetch_copies_or_says_why_not(void **state)
{
	unsigned char *memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned char copy[2 * PAGE];

	(void)state;
	assert_ptr_not_equal(memory, MAP_FAILED);
	fill(memory, 2 * PAGE, 5);
	assert_int_equal(memory_fetch(copy, address_of(memory), 2 * PAGE), 0);
	assert_memory_equal(copy, memory, 2 * PAGE);
	assert_return_code(mprotect(memory + PAGE, PAGE, PROT_NONE), errno);
	assert_int_equal(memory_fetch(copy, address_of(memory), 2 * PAGE),
			 -EFAULT);
	assert_int_equal(memory_fetch(copy, address_of(memory + PAGE), PAGE),
			 -EFAULT);
	munmap(memory, 2 * PAGE);
}

/* Else whoever is handed it could forbid us to punch it. */
static void file_cannot_be_sealed(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(memory_file_create("test", &fd), 0);
	errno = 0;
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), -1);
	assert_int_equal(errno, EPERM);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_gives_zeros_that_clear_restores),
		cmocka_unit_test(map_refuses_what_cannot_be),
		cmocka_unit_test(map_for_pools),
		cmocka_unit_test(children_inherit_nothing),
		cmocka_unit_test(file_is_private_to_the_process),
		cmocka_unit_test(file_cannot_be_sealed),
		cmocka_unit_test(file_reads_what_was_written),
		cmocka_unit_test(file_transfers_are_whole_or_an_error),
		cmocka_unit_test(view_shows_the_file),
		cmocka_unit_test(punch_gives_pages_back),
		cmocka_unit_test(map_at_takes_only_a_free_place),
		cmocka_unit_test(map_at_shares_or_copies),
		cmocka_unit_test(map_at_of_nothing_denies_access),
		cmocka_unit_test(protect_changes_access),
		cmocka_unit_test(forget_drops_a_copy),
		cmocka_unit_test(drop_many_goes_on),
		cmocka_unit_test(fetch_copies_or_says_why_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
