/* test_lodged.c - pages that lie in the memory of the mapping that shows them */
/* SPDX-License-Identifier: MIT */
/*
 * A file that is opened and mapped for reading alone.  However its pages lie in
 * memory, whoever looks sees the same bytes, and nothing that is not the
 * mapping's is ever dropped.
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#define PAGES 64
#define SIZE (PAGES * PAGE)
#define FEW 16 /* pages of a small budget */
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *host;
static struct test_file file;
static struct quire_object *object;
static unsigned char *bytes;

static bool lodges(void)
{
	return strncmp(quire_trap_mode(quire), "userfaultfd", 11) == 0;
}

static void begin(uint64_t budget)
{
	make_file(&file, SIZE);
	quire = new_engine(budget);
	host = quire_host_space(quire);
	object = open_object(quire, file.path, O_RDONLY);
	bytes = map_object(quire, object, SIZE, PROT_READ);
}

/* Each page traps, and is read by itself. */
static int open_ample(void **state)
{
	(void)state;
	begin(0);
	return quire_madvise(host, bytes, SIZE, MADV_RANDOM);
}

/* Windows are read ahead, and the first page of each is not shown. */
static int open_narrow(void **state)
{
	(void)state;
	begin(FEW * PAGE);
	return 0;
}

static int close_engine(void **state)
{
	(void)state;
	if (bytes)
		assert_int_equal(quire_munmap(host, bytes, SIZE), 0);
	if (object)
		assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static unsigned char load(const unsigned char *byte)
{
	return *(const volatile unsigned char *)byte;
}

static void assert_same(const unsigned char *from, size_t first, size_t count)
{
	for (size_t i = first * PAGE + 7; i < (first + count) * PAGE; i += PAGE)
		assert_int_equal(load(from + i - first * PAGE), byte_at(i));
}

static void read_all(void)
{
	assert_same(bytes, 0, PAGES);
}

static uint64_t pages_read(void)
{
	return statistics_of(quire).pages_read;
}

static uint64_t lodged(void)
{
	return statistics_of(quire).pages_lodged;
}

static uint64_t brought_home(void)
{
	return statistics_of(quire).pages_brought_home;
}

static struct quire_object *open_for_writing(void)
{
	return open_object(quire, file.path, O_RDWR);
}

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
	if (!lodges())
		skip(); /* by signals pages are hidden there, before they leave */
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

/* ---- while pages leave ---- */

struct reader {
	pthread_t thread;
	unsigned seed;
	size_t wrong;
};

static _Atomic bool stop;

static void *read_at_random(void *argument)
{
	struct reader *reader = argument;

	for (unsigned i = 0; i < 5000 || !atomic_load(&stop); i++) {
		size_t at;

		reader->seed = reader->seed * 1664525 + 1013904223;
		at = (reader->seed >> 8) % SIZE;
		reader->wrong += load(bytes + at) != byte_at(at);
	}
	return NULL;
}

static void start(struct reader *readers, unsigned count)
{
	atomic_store(&stop, false);
	for (unsigned i = 0; i < count; i++) {
		readers[i] = (struct reader){ .seed = i + 1 };
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_at_random, &readers[i]),
				 0);
	}
}

static void finish(struct reader *readers, unsigned count)
{
	atomic_store(&stop, true);
	for (unsigned i = 0; i < count; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].wrong, 0);
	}
}

static void test_readers_while_pages_leave(void **state)
{
	struct reader readers[4];

	(void)state;
	start(readers, 4);
	finish(readers, 4);
	assert_int_not_equal(statistics_of(quire).evictions, 0);
	assert_true(statistics_of(quire).resident_peak <= FEW * PAGE);
}

/* Others copy, pin and store meanwhile: each brings pages home. */
static void test_readers_while_others_want_it(void **state)
{
	struct quire_object *writable = open_for_writing();
	struct reader readers[3];
	struct quire_pin pin;
	unsigned char copy[PAGE], *other;

	(void)state;
	start(readers, 3);
	for (size_t i = 0; i < 2000; i++) {
		size_t page = i * 29 % PAGES;

		assert_int_equal(quire_object_pread(object, copy, PAGE,
						    page * PAGE),
				 PAGE);
		assert_same(copy, page, 1);
		page = i * 31 % PAGES;
		assert_int_equal(quire_object_pin(object, page * PAGE, PAGE,
						  PROT_READ, &pin),
				 0);
		assert_same(pin.address, page, 1);
		quire_object_unpin(&pin);
		assert_int_equal(quire_object_pwrite(writable, copy + 7, 1,
						     i * 29 % PAGES * PAGE + 7),
				 1);
		if (i % 50)
			continue;
		other = map_object(quire, object, SIZE, PROT_READ);
		assert_same(other, 0, PAGES);
		assert_int_equal(quire_munmap(host, other, SIZE), 0);
	}
	finish(readers, 3);
	assert_int_equal(quire_object_close(writable), 0);
}

/*
 * Pages leave mappings that come and go, and what takes their place at once is
 * a stranger's.
 */
static void test_what_comes_after_is_not_dropped(void **state)
{
	struct reader readers[2];

	(void)state;
	start(readers, 2);
	for (unsigned round = 0; round < 100; round++) {
		struct quire_object *mine =
			open_object(quire, file.path, O_RDONLY);
		unsigned char *own = map_object(quire, mine, SIZE, PROT_READ);

		for (size_t i = 0; i < PAGES; i += 3)
			assert_int_equal(load(own + i * PAGE + 7),
					 byte_at(i * PAGE + 7));
		if (round % 2)
			assert_int_equal(quire_object_close(mine), 0);
		assert_int_equal(quire_munmap(host, own, SIZE), 0);
		assert_ptr_equal(mmap(own, SIZE, RW,
				      MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_FIXED_NOREPLACE,
				      -1, 0),
				 own);
		memset(own, 0x5a, SIZE);
		sched_yield();
		for (size_t i = 0; i < SIZE; i++)
			if (own[i] != 0x5a)
				fail_msg("byte %zu of a stranger's is gone", i);
		munmap(own, SIZE);
		if (round % 2 == 0)
			assert_int_equal(quire_object_close(mine), 0);
	}
	finish(readers, 2);
}

/* Another file, mapped once, comes and goes while its pages leave. */
static void test_a_lone_mapping_comes_and_goes(void **state)
{
	struct test_file second;
	struct reader readers[2];

	(void)state;
	make_file(&second, SIZE);
	start(readers, 2);
	for (unsigned round = 0; round < 100; round++) {
		struct quire_object *mine =
			open_object(quire, second.path, O_RDONLY);
		unsigned char *own = map_object(quire, mine, SIZE, PROT_READ);
		size_t part = (round % 4 + 1) * SIZE / 4;

		assert_same(own, 0, PAGES);
		if (part < SIZE)
			assert_int_equal(
				quire_munmap(host, own + part, SIZE - part), 0);
		assert_same(own, 0, part / PAGE);
		assert_int_equal(quire_munmap(host, own, part), 0);
		assert_ptr_equal(mmap(own, SIZE, RW,
				      MAP_PRIVATE | MAP_ANONYMOUS |
					      MAP_FIXED_NOREPLACE,
				      -1, 0),
				 own);
		memset(own, 0x5a, SIZE);
		sched_yield();
		for (size_t i = 0; i < SIZE; i++)
			if (own[i] != 0x5a)
				fail_msg("byte %zu of a stranger's is gone", i);
		munmap(own, SIZE);
		assert_int_equal(quire_object_close(mine), 0);
	}
	finish(readers, 2);
	end_file(&second);
}

/* ---- many mappings at once ---- */

/* What stands where a mapping was is not dropped by what leaves the object. */
static void be_a_stranger(unsigned char *place)
{
	/* Unless another mapping is there by now. */
	if (mmap(place, SIZE, RW,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != place)
		return;
	memset(place, 0x5a, SIZE);
	sched_yield();
	for (size_t i = 0; i < SIZE; i++)
		need(place[i] == 0x5a);
	munmap(place, SIZE);
}

static void look_around(struct quire_object *mine, uint64_t *seed)
{
	unsigned char *own =
		quire_mmap(host, NULL, SIZE, PROT_READ, MAP_SHARED, mine, 0);
	bool whole = next_random(seed) % 2;

	need(own != MAP_FAILED);
	if (next_random(seed) % 2)
		need(quire_madvise(host, own, SIZE, MADV_RANDOM) == 0);
	for (unsigned i = 0; i < 20; i++) {
		size_t at = next_random(seed) % SIZE;

		need(load(own + at) == byte_at(at));
	}
	if (!whole)
		need(quire_munmap(host, own + SIZE / 2, SIZE / 2) == 0);
	for (size_t at = 5; at < SIZE / 2; at += 3 * PAGE)
		need(load(own + at) == byte_at(at));
	need(quire_munmap(host, own, whole ? SIZE : SIZE / 2) == 0);
	be_a_stranger(own);
}

static void *look_around_main(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;

	for (unsigned i = 0; i < 300; i++)
		look_around(object, &seed);
	return NULL;
}

/* Some of the pages are in the memfd, and some leave from between them. */
static void *copy_main(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument;
	unsigned char copy[2 * PAGE];

	while (!atomic_load(&stop)) {
		size_t page = next_random(&seed) % (PAGES - 1);

		need(quire_object_pread(object, copy, sizeof(copy),
					page * PAGE) == sizeof(copy));
		need(copy[7] == byte_at(page * PAGE + 7));
		need(copy[PAGE + 7] == byte_at((page + 1) * PAGE + 7));
		need(quire_object_sync(object, page * PAGE, PAGE,
				       MS_INVALIDATE) == 0);
	}
	return NULL;
}

static void test_many_mappings_at_once(void **state)
{
	pthread_t looker[3], copier;

	(void)state;
	atomic_store(&stop, false);
	copier = start_thread(copy_main, (void *)7);
	for (uintptr_t i = 0; i < 3; i++)
		looker[i] = start_thread(look_around_main, (void *)(i + 1));
	for (unsigned i = 0; i < 3; i++)
		pthread_join(looker[i], NULL);
	atomic_store(&stop, true);
	pthread_join(copier, NULL);
}

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

#define ample(test) \
	cmocka_unit_test_setup_teardown(test, open_ample, close_engine)
#define narrow(test) \
	cmocka_unit_test_setup_teardown(test, open_narrow, close_engine)

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
		narrow(test_readers_while_pages_leave),
		narrow(test_readers_while_others_want_it),
		narrow(test_what_comes_after_is_not_dropped),
		narrow(test_a_lone_mapping_comes_and_goes),
		ample(test_many_mappings_at_once),
		narrow(test_many_mappings_at_once),
		ample(test_longer_than_the_object),
		ample(test_the_last_one_goes),
		ample(test_the_engine_goes_first),
	};

	alarm(300); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
