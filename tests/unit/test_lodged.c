/* test_lodged.c - pages that lie in the memory of the mapping that shows them */
/* SPDX-License-Identifier: MIT */
#include "unit/lodged_world.h"

/* ---- which ---- */

static void test_what_is_only_read_lodges(void **state)
{
	unsigned char states[PAGES];

	(void)state;
	read_all();
	if (lodges())
		assert_int_equal(lodged(), PAGES);
	else
		assert_int_equal(lodged(), 0);
	assert_int_equal(quire_object_pages(object, 0, SIZE, states), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(states[i], QUIRE_PAGE_CLEAN);
	assert_int_equal(quire_mincore(host, bytes, SIZE, states), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(states[i] & 1, 1);
	assert_int_equal(brought_home(), 0);
}

static void test_what_may_be_stored_to_does_not(void **state)
{
	struct quire_object *writable = open_for_writing();
	unsigned char *other;

	(void)state;
	assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	other = map_object(quire, writable, SIZE, PROT_READ);
	assert_same(other, 0, PAGES);
	assert_int_equal(lodged(), 0);
	assert_int_equal(quire_munmap(host, other, SIZE), 0);
	assert_int_equal(quire_object_close(writable), 0);
	bytes = map_object(quire, object, SIZE, PROT_READ);
}

/* ---- who wants it otherwise ---- */

static void test_a_copy_brings_it_home(void **state)
{
	unsigned char copy[3 * PAGE];
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	for (int round = 0; round < 2; round++) {
		assert_int_equal(quire_object_pread(object, copy, sizeof(copy),
						    5 * PAGE),
				 sizeof(copy));
		assert_same(copy, 5, 3);
		read_all();
	}
	assert_int_equal(pages_read(), before);
	assert_true(brought_home() <= 3);
	if (lodged() == PAGES)
		assert_int_equal(brought_home(), 3);
}

static void test_a_pin_brings_it_home(void **state)
{
	struct quire_pin pin;
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	assert_int_equal(quire_object_pin(object, 0, SIZE, PROT_READ, &pin), 0);
	assert_same(pin.address, 0, PAGES);
	assert_int_equal(brought_home(), lodged());
	/* It outlives the mapping. */
	assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	assert_same(pin.address, 0, PAGES);
	quire_object_unpin(&pin);
	bytes = map_object(quire, object, SIZE, PROT_READ);
	read_all();
	assert_int_equal(pages_read(), before);
}

static void test_a_store_by_another_handle_is_seen(void **state)
{
	struct quire_object *writable = open_for_writing();
	unsigned char *other = map_object(quire, writable, SIZE, RW);
	unsigned char byte = 99;

	(void)state;
	assert_int_equal(quire_munmap(host, other, SIZE), 0);
	read_all();
	assert_int_equal(quire_object_pwrite(writable, &byte, 1, 9), 1);
	assert_int_equal(load(bytes + 9), 99);
	other = map_object(quire, writable, SIZE, RW);
	for (size_t i = 0; i < PAGES; i++) {
		other[i * PAGE + 9] = (unsigned char)(i + 3);
		assert_int_equal(load(bytes + i * PAGE + 9),
				 (unsigned char)(i + 3));
		assert_int_equal(load(bytes + i * PAGE + 7),
				 byte_at(i * PAGE + 7));
	}
	assert_int_equal(quire_msync(host, other, SIZE, MS_SYNC), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(byte_in_file(file.fd, i * PAGE + 9),
				 (unsigned char)(i + 3));
	assert_int_equal(quire_munmap(host, other, SIZE), 0);
	assert_int_equal(quire_object_close(writable), 0);
}

/* What is lodged when the second mapping comes is not read again; nor is there
 * more, as long as there are two. */
static void test_two_mappings(void **state)
{
	unsigned char *other;
	uint64_t before, lodged_before;

	(void)state;
	assert_same(bytes, 0, PAGES / 2);
	before = pages_read();
	lodged_before = lodged();
	other = map_object(quire, object, SIZE, PROT_READ);
	assert_same(other, 0, PAGES / 2);
	assert_same(bytes, 0, PAGES / 2);
	assert_int_equal(pages_read(), before);
	assert_same(other, 0, PAGES);
	read_all();
	assert_same(other, 0, PAGES);
	assert_int_equal(lodged(), lodged_before);
	assert_true(pages_read() <= PAGES);
	assert_int_equal(quire_munmap(host, other, SIZE), 0);
	read_all();
	assert_true(pages_read() <= PAGES);
}

static void test_a_space_on_the_software_mmu(void **state)
{
	const struct quire_space_options options = { .size = sizeof(options) };
	struct quire_space *space;
	unsigned char copy[PAGE], *there;
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	assert_int_equal(quire_space_create(quire, &options, &space), 0);
	there = quire_mmap(space, NULL, SIZE, PROT_READ, MAP_SHARED, object, 0);
	assert_ptr_not_equal(there, MAP_FAILED);
	for (size_t i = 0; i < PAGES; i++) {
		assert_int_equal(
			quire_peek(space, there + i * PAGE, copy, PAGE), 0);
		assert_same(copy, i, 1);
	}
	read_all();
	assert_int_equal(pages_read(), before);
	quire_space_close(space);
}

/* ---- the layout changes ---- */

static void test_what_was_unmapped_is_still_in_memory(void **state)
{
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	for (int round = 0; round < 3; round++) {
		assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
		bytes = map_object(quire, object, SIZE, PROT_READ);
		read_all();
	}
	assert_int_equal(pages_read(), before);
}

static void test_a_hole_in_the_middle(void **state)
{
	unsigned char *middle = bytes + 20 * PAGE;
	uint64_t home;

	(void)state;
	read_all();
	assert_int_equal(quire_munmap(host, middle, 10 * PAGE), 0);
	home = brought_home();
	assert_true(home <= 10);
	assert_ptr_equal(mmap(middle, 10 * PAGE, RW,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0),
			 middle);
	memset(middle, 0x5a, 10 * PAGE);
	/* All that is still lodged leaves it. */
	assert_int_equal(quire_msync(host, bytes, 20 * PAGE, MS_INVALIDATE), 0);
	assert_int_equal(quire_msync(host, bytes + 30 * PAGE, SIZE - 30 * PAGE,
				     MS_INVALIDATE),
			 0);
	for (size_t i = 0; i < 10 * PAGE; i++)
		assert_int_equal(middle[i], 0x5a);
	munmap(middle, 10 * PAGE);
	assert_same(bytes, 0, 20);
	assert_same(bytes + 30 * PAGE, 30, PAGES - 30);
}

static void test_something_else_in_its_place(void **state)
{
	unsigned char *place;

	(void)state;
	read_all();
	place = quire_mmap(host, bytes + 8 * PAGE, 8 * PAGE, RW,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, NULL, 0);
	assert_ptr_equal(place, bytes + 8 * PAGE);
	memset(place, 0x5a, 8 * PAGE);
	assert_int_equal(quire_msync(host, bytes, 8 * PAGE, MS_INVALIDATE), 0);
	for (size_t i = 0; i < 8 * PAGE; i++)
		assert_int_equal(place[i], 0x5a);
	/* And the object again, from its beginning. */
	place = quire_mmap(host, bytes + 8 * PAGE, 8 * PAGE, PROT_READ,
			   MAP_SHARED | MAP_FIXED, object, 0);
	assert_ptr_equal(place, bytes + 8 * PAGE);
	assert_same(place, 0, 8);
	assert_same(bytes, 0, 8);
	assert_same(bytes + 16 * PAGE, 16, PAGES - 16);
}

static void test_it_moves(void **state)
{
	unsigned char *moved;
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	assert_int_equal(quire_munmap(host, bytes + SIZE - PAGE, PAGE), 0);
	moved = quire_mremap(host, bytes, SIZE - PAGE, 4 * SIZE, MREMAP_MAYMOVE,
			     NULL);
	assert_ptr_not_equal(moved, MAP_FAILED);
	assert_same(moved, 0, PAGES);
	bytes = moved;
	bytes = quire_mremap(host, bytes, 4 * SIZE, SIZE, 0, NULL);
	assert_ptr_equal(bytes, moved);
	read_all();
	assert_int_equal(pages_read(), before);
}

/* ---- rights, guards, advice ---- */

static void load_first(void *argument)
{
	(void)load(argument);
}

static void test_without_rights_for_a_while(void **state)
{
	struct quire_fault_report report;
	unsigned char copy[PAGE];

	(void)state;
	read_all();
	assert_int_equal(quire_mprotect(host, bytes, SIZE, PROT_NONE), 0);
	assert_int_equal(quire_guard(host, load_first, bytes + PAGE, &report),
			 -EFAULT);
	assert_int_equal(quire_object_pread(object, copy, PAGE, 5 * PAGE),
			 PAGE);
	assert_same(copy, 5, 1);
	assert_int_equal(quire_mprotect(host, bytes, SIZE, PROT_READ), 0);
	read_all();
	assert_int_equal(quire_mprotect(host, bytes, SIZE, RW), -1);
	assert_int_equal(errno, EACCES);
	read_all();
}

static void test_guards(void **state)
{
	struct quire_fault_report report;

	(void)state;
	read_all();
	if (quire_madvise(host, bytes + 4 * PAGE, 2 * PAGE, 102)) {
		assert_int_equal(errno, EINVAL); /* this kernel has none */
		return;
	}
	assert_int_not_equal(
		quire_guard(host, load_first, bytes + 4 * PAGE, &report), 0);
	assert_same(bytes, 0, 4);
	assert_same(bytes + 6 * PAGE, 6, PAGES - 6);
	assert_int_equal(quire_madvise(host, bytes + 4 * PAGE, 2 * PAGE, 103),
			 0);
	read_all();
}

static void test_advice(void **state)
{
	static const int advices[] = { MADV_RANDOM,   MADV_DONTNEED,
				       MADV_WILLNEED, MADV_SEQUENTIAL,
				       MADV_COLD,     MADV_NORMAL,
				       MADV_PAGEOUT,  MADV_POPULATE_READ };

	(void)state;
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		read_all();
		assert_int_equal(quire_madvise(host, bytes, SIZE, advices[i]),
				 0);
	}
	read_all();
}

static void test_locked(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(quire_mlock(host, bytes, 4 * PAGE), 0);
	read_all();
	before = pages_read();
	assert_same(bytes, 0, 4);
	assert_int_equal(pages_read(), before);
	assert_int_equal(quire_munlock(host, bytes, 4 * PAGE), 0);
	assert_same(bytes + 4 * PAGE, 4, PAGES - 4);
	read_all();
}

/* What is locked lies in the memfd: nobody needs to drop it, whoever comes. */
static void test_locked_later(void **state)
{
	uint64_t before, home;
	unsigned char *other;

	(void)state;
	read_all();
	before = pages_read();
	home = lodges() ? 4 : 0;
	assert_int_equal(quire_mlock(host, bytes + 5, 3 * PAGE), 0);
	assert_int_equal(brought_home(), home);
	assert_int_equal(quire_msync(host, bytes + 4 * PAGE, SIZE - 4 * PAGE,
				     MS_INVALIDATE),
			 0);
	other = map_object(quire, object, 4 * PAGE, PROT_READ);
	assert_same(other, 0, 4);
	assert_same(bytes, 0, 4);
	assert_int_equal(pages_read(), before);
	assert_int_equal(quire_munmap(host, other, 4 * PAGE), 0);
	assert_int_equal(quire_munlock(host, bytes, 4 * PAGE), 0);
	read_all();
}

static void test_locked_first(void **state)
{
	(void)state;
	assert_int_equal(quire_mlock2(host, bytes, SIZE, MLOCK_ONFAULT), 0);
	read_all();
	assert_int_equal(lodged(), 0);
	assert_int_equal(quire_munlockall(host), 0);
}

/* It is wanted by who moves it, whether it is open or not. */
static void test_it_moves_and_is_closed(void **state)
{
	unsigned char *moved;
	uint64_t before;

	(void)state;
	read_all();
	before = pages_read();
	assert_int_equal(quire_object_close(object), 0);
	object = NULL;
	moved = quire_mremap(host, bytes, SIZE, 4 * SIZE, MREMAP_MAYMOVE, NULL);
	assert_ptr_not_equal(moved, MAP_FAILED);
	bytes = moved;
	read_all();
	assert_int_equal(pages_read(), before);
	assert_int_equal(quire_munmap(host, bytes + SIZE, 3 * SIZE), 0);
}

/* By a madvise() that is not Quire's. */
static void test_dropped_behind_our_back(void **state)
{
	unsigned char copy[PAGE];

	(void)state;
	read_all();
	assert_int_equal(madvise(bytes, 8 * PAGE, MADV_DONTNEED), 0);
	assert_same(bytes, 0, 4);
	assert_int_equal(quire_object_pread(object, copy, PAGE, 6 * PAGE),
			 PAGE);
	assert_same(copy, 6, 1);
	read_all();
}

/* By a munmap() that is not Quire's: nothing is left to be dropped there. */
static void test_unmapped_behind_our_back(void **state)
{
	(void)state;
	read_all();
	assert_int_equal(munmap(bytes + 8 * PAGE, 4 * PAGE), 0);
	assert_int_equal(quire_msync(host, bytes, SIZE, MS_INVALIDATE), 0);
	assert_same(bytes, 0, 8);
	assert_same(bytes + 12 * PAGE, 12, PAGES - 12);
	assert_int_equal(
		quire_msync(host, bytes + 8 * PAGE, PAGE, MS_INVALIDATE), 0);
}

/* ---- the object changes ---- */

static void test_a_cut(void **state)
{
	struct quire_object *writable = open_for_writing();

	(void)state;
	read_all();
	assert_int_equal(quire_object_resize(writable, 8 * PAGE + 100), 0);
	assert_int_equal(load(bytes + 8 * PAGE + 99), byte_at(8 * PAGE + 99));
	assert_int_equal(load(bytes + 8 * PAGE + 100), 0);
	assert_int_equal(quire_object_resize(writable, SIZE), 0);
	assert_int_equal(load(bytes + 8 * PAGE + 99), byte_at(8 * PAGE + 99));
	for (size_t i = 8 * PAGE + 100; i < SIZE; i += PAGE / 2)
		assert_int_equal(load(bytes + i), 0);
	assert_same(bytes, 0, 8);
	assert_int_equal(quire_object_close(writable), 0);
}

static void test_discarded(void **state)
{
	struct quire_object *writable = open_for_writing();
	unsigned char *other = map_object(quire, writable, SIZE, RW);

	(void)state;
	assert_int_equal(quire_munmap(host, other + 8 * PAGE, SIZE - 8 * PAGE),
			 0);
	read_all();
	assert_int_equal(quire_madvise(host, other, 8 * PAGE, MADV_REMOVE), 0);
	for (size_t i = 0; i < 8 * PAGE; i += PAGE / 2)
		assert_int_equal(load(bytes + i), 0);
	assert_same(bytes + 8 * PAGE, 8, PAGES - 8);
	assert_int_equal(quire_munmap(host, other, 8 * PAGE), 0);
	assert_int_equal(quire_object_close(writable), 0);
}

static void test_changed_behind_our_back(void **state)
{
	(void)state;
	read_all();
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(pwrite(file.fd, "!", 1, (off_t)(i * PAGE + 9)),
				 1);
	for (size_t i = 0; i < PAGES; i++) {
		do /* who has just shown the page may hold it still */
			assert_int_equal(quire_msync(host, bytes, SIZE,
						     MS_INVALIDATE),
					 0);
		while (load(bytes + i * PAGE + 9) != '!');
	}
}

/* ---- ends ---- */

/* The part behind all that the object can ever have has no pages. */
static void test_longer_than_the_object(void **state)
{
	const struct quire_object_options options = {
		.size = sizeof(options),
		.capacity = SIZE,
	};
	struct test_file second;
	unsigned char *longer, *behind;
	struct quire_object *whole;

	(void)state;
	make_file(&second, SIZE);
	assert_int_equal(quire_object_open(quire, second.path, O_RDONLY,
					   &options, &whole),
			 0);
	longer = map_object(quire, whole, 4 * SIZE, PROT_READ);
	assert_same(longer, 0, PAGES);
	behind = quire_mmap(host, NULL, PAGE, PROT_READ, MAP_SHARED, whole,
			    (off_t)(2 * SIZE));
	assert_ptr_not_equal(behind, MAP_FAILED);
	assert_int_equal(quire_munmap(host, behind, PAGE), 0);
	assert_int_equal(quire_munmap(host, longer + 2 * SIZE, 2 * SIZE), 0);
	assert_int_equal(quire_munmap(host, longer + SIZE, SIZE), 0);
	assert_same(longer, 0, PAGES);
	assert_int_equal(quire_munmap(host, longer, SIZE), 0);
	assert_int_equal(quire_object_close(whole), 0);
	end_file(&second);
}

/* Nobody will want its pages: they are not moved. */
static void test_the_last_one_goes(void **state)
{
	(void)state;
	read_all();
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	object = NULL;
	bytes = NULL;
	assert_int_equal(brought_home(), 0);
	assert_int_equal(statistics_of(quire).resident, 0);
}

static void test_the_engine_goes_first(void **state)
{
	(void)state;
	read_all();
	assert_int_equal(quire_object_close(object), 0);
	object = NULL;
	bytes = NULL; /* quire_close() unmaps it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ample(test_what_is_only_read_lodges),
		ample(test_what_may_be_stored_to_does_not),
		ample(test_a_copy_brings_it_home),
		ample(test_a_pin_brings_it_home),
		ample(test_a_store_by_another_handle_is_seen),
		narrow(test_a_store_by_another_handle_is_seen),
		ample(test_two_mappings),
		ample(test_a_space_on_the_software_mmu),
		ample(test_what_was_unmapped_is_still_in_memory),
		ample(test_a_hole_in_the_middle),
		narrow(test_a_hole_in_the_middle),
		ample(test_something_else_in_its_place),
		narrow(test_something_else_in_its_place),
		ample(test_it_moves),
		ample(test_without_rights_for_a_while),
		ample(test_guards),
		ample(test_advice),
		narrow(test_advice),
		ample(test_locked),
		narrow(test_locked),
		ample(test_locked_later),
		ample(test_locked_first),
		ample(test_it_moves_and_is_closed),
		ample(test_dropped_behind_our_back),
		ample(test_unmapped_behind_our_back),
		narrow(test_unmapped_behind_our_back),
		ample(test_a_cut),
		narrow(test_a_cut),
		ample(test_discarded),
		ample(test_changed_behind_our_back),
		narrow(test_changed_behind_our_back),
		ample(test_longer_than_the_object),
		ample(test_the_last_one_goes),
		ample(test_the_engine_goes_first),
	};

	alarm(300); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
