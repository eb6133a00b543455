/* test_memory_move.c - os/memory_move.c */
/* SPDX-License-Identifier: MIT */
/*
 * Page i of the file begins with 'a' + i, a private copy with 'A' + i.  Pages 2
 * and 5 are copies; page 3 had other rights for a while, so that the kernel
 * has the mapping in three parts and no longer joins them:
 *
 *   from  [ a b C | d | e F g h ]
 */
#include "os/memory.h"

#include "unit/refuse_calls.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGE UINT64_C(4096)
#define PAGES 8
#define LENGTH (PAGES * PAGE)
#define FILE_PAGES 16
#define RW (PROT_READ | PROT_WRITE)

static int file;
static uint64_t from, to; /* both with room for twice as much */

static char *at(uint64_t place, uint64_t page)
{
	return (char *)(uintptr_t)(place + page * PAGE);
}

static bool mapped(uint64_t place, uint64_t page)
{
	unsigned char resident;

	return memory_resident(place + page * PAGE, PAGE, &resident) == 0;
}

static char expected_byte(uint64_t page)
{
	return (char)((page == 2 || page == 5 ? 'A' : 'a') + (int)page);
}

/* All pages, with their copies, are at place; old: nothing is there. */
static void assert_at(uint64_t place, uint64_t pages, uint64_t old)
{
	assert_int_equal(memory_protect(place, pages * PAGE, RW), 0);
	for (uint64_t i = 0; i < pages; i++)
		assert_int_equal(*at(place, i), expected_byte(i));
	for (uint64_t i = 0; i < PAGES; i++)
		assert_false(mapped(old, i));
}

static uint64_t find_place(void)
{
	void *place;

	assert_int_equal(memory_map(4 * LENGTH, &place), 0);
	memory_unmap(place, 4 * LENGTH);
	return (uint64_t)(uintptr_t)place;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(memory_file_create("test", &file), 0);
	assert_int_equal(memory_file_resize(file, FILE_PAGES * PAGE), 0);
	for (int i = 0; i < FILE_PAGES; i++) {
		char byte = (char)('a' + i);

		assert_int_equal(memory_file_write(file, &byte, 1,
						   (uint64_t)i * PAGE),
				 0);
	}
	from = find_place();
	to = from + 2 * LENGTH;
	assert_int_equal(memory_map_at(from, LENGTH, RW, false, file, 0, false),
			 0);
	assert_int_equal(memory_protect(from + 3 * PAGE, PAGE, PROT_READ), 0);
	*at(from, 2) = 'A' + 2;
	*at(from, 5) = 'A' + 5;
	assert_int_equal(memory_protect(from + 3 * PAGE, PAGE, RW), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	stop_refusing();
	memory_unmap_at(from, 4 * LENGTH);
	close(file);
	return 0;
}

static struct memory_move the_move(uint64_t new_pages)
{
	return (struct memory_move){
		.from = from,
		.length = LENGTH,
		.to = to,
		.new_length = new_pages * PAGE,
		.fd = file,
	};
}

/* ---- success ---- */

static void test_moves(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	assert_int_equal(memory_move(&move), 0);
	assert_at(to, PAGES, from);
	assert_false(mapped(to, PAGES));
}

static void test_moves_and_grows(void **state)
{
	struct memory_move move = the_move(12);

	(void)state;
	assert_int_equal(memory_move(&move), 0);
	assert_at(to, 12, from);
	assert_false(mapped(to, 12));
}

/* A part of it, which begins and ends inside the kernel's mappings. */
static void test_moves_a_part(void **state)
{
	struct memory_move move = the_move(5);

	(void)state;
	move.from += PAGE;
	move.length = 5 * PAGE;
	move.offset = PAGE;
	assert_int_equal(memory_move(&move), 0);
	for (uint64_t i = 1; i < 6; i++) {
		assert_int_equal(*at(to, i - 1), expected_byte(i));
		assert_false(mapped(from, i));
	}
	assert_int_equal(*at(from, 0), 'a');
	assert_int_equal(*at(from, 7), 'h');
}

static void test_keeps(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	move.keep = true;
	assert_int_equal(memory_move(&move), 0);
	assert_at(to, PAGES, from + 3 * LENGTH);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_int_equal(*at(from, i), 'a' + (int)i);
}

/* A kernel of old: one mapping in a call, whatever the sizes. */
static void test_one_mapping_a_call(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	for (int i = 0; i < 3; i++) {
		refuse_call(SYS_mremap, i, EFAULT);
		assert_int_equal(memory_move(&move), 0);
		stop_refusing();
		assert_at(to, PAGES, from);
		assert_int_equal(memory_move_back(&move), 0);
		assert_at(from, PAGES, to);
	}
}

/* ---- a stranger ---- */

static void test_a_stranger_stays(void **state)
{
	struct memory_move move = the_move(12);

	(void)state;
	assert_int_equal(memory_map_at(to + 11 * PAGE, PAGE, RW, true, file, 0,
				       false),
			 0);
	assert_int_equal(memory_move(&move), -EEXIST);
	assert_at(from, PAGES, to);
	assert_int_equal(*at(to, 11), 'a');
	move.replace = true;
	assert_int_equal(memory_move(&move), 0);
	assert_at(to, 12, from);
}

/* ---- failures ---- */

static void fail_each_call(struct memory_move *move)
{
	int calls = 0;

	for (;; calls++) {
		int error;

		refuse_call(-1, calls, ENOMEM);
		error = memory_move(move);
		if (!stop_refusing()) {
			assert_int_equal(error, 0);
			break;
		}
		assert_int_equal(error, -ENOMEM);
		assert_at(from, PAGES, to);
	}
	assert_true(calls >= 3);
}

static void test_each_call_fails(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	fail_each_call(&move);
	assert_at(to, PAGES, from);
}

static void test_each_call_of_growth_fails(void **state)
{
	struct memory_move move = the_move(12);

	(void)state;
	fail_each_call(&move);
	assert_at(to, 12, from);
}

static void test_each_call_fails_and_it_was_kept(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	move.keep = true;
	fail_each_call(&move);
	assert_at(to, PAGES, from + 3 * LENGTH);
	assert_int_equal(memory_move_back(&move), 0);
	assert_at(from, PAGES, to);
}

/* The kernel has moved some mappings of several when it gives up. */
static void move_three_pages(void)
{
	const long call[] = { (long)from, 3 * PAGE,
			      3 * PAGE,   MREMAP_MAYMOVE | MREMAP_FIXED,
			      (long)to,   0 };

	assert_int_equal(real_call(SYS_mremap, call), to);
}

static void test_a_part_had_moved(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	instead_of_call = move_three_pages;
	refuse_call(SYS_mremap, 0, ENOMEM);
	assert_int_equal(memory_move(&move), -ENOMEM);
	assert_at(from, PAGES, to);
}

static void a_stranger_comes(void)
{
	const long call[] = { (long)from, PAGE,     RW, MAP_SHARED | MAP_FIXED,
			      file,       15 * PAGE };

	move_three_pages();
	assert_int_equal(real_call(SYS_mmap, call), from);
}

/* What had moved is lost, and nobody sees the file's bytes in its place. */
static void test_no_way_back(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	instead_of_call = a_stranger_comes;
	refuse_call(SYS_mremap, 0, ENOMEM);
	assert_int_equal(memory_move(&move), -ENOMEM);
	assert_int_equal(*at(from, 0), 'p');
	for (uint64_t i = 1; i < PAGES; i++)
		assert_int_equal(mapped(from, i), i >= 3);
	for (uint64_t i = 0; i < PAGES; i++)
		assert_false(mapped(to, i));
	assert_int_equal(*at(from, 5), 'A' + 5);
}

static void test_way_back_fails_half_way(void **state)
{
	struct memory_move move = the_move(PAGES);

	(void)state;
	assert_int_equal(memory_move(&move), 0);
	refuse_call(SYS_mremap, 0, ENOMEM);
	assert_int_equal(memory_move_back(&move), -ENOMEM);
	for (uint64_t i = 0; i < PAGES; i++) {
		assert_false(mapped(from, i));
		assert_false(mapped(to, i));
	}
}

#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EACH(test_moves),
		EACH(test_moves_and_grows),
		EACH(test_moves_a_part),
		EACH(test_keeps),
		EACH(test_one_mapping_a_call),
		EACH(test_a_stranger_stays),
		EACH(test_each_call_fails),
		EACH(test_each_call_of_growth_fails),
		EACH(test_each_call_fails_and_it_was_kept),
		EACH(test_a_part_had_moved),
		EACH(test_no_way_back),
		EACH(test_way_back_fails_half_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
