/* test_advise_calls.c - madvise and mincore on both kinds of space */
/* SPDX-License-Identifier: MIT */
/*
 * Each test is run on the host's space and on one of the software MMU, over the
 * same file; bytes are moved by quire_peek() and quire_poke().
 */
#include "unit/advise_world.h"

/* ---- arguments ---- */

static void test_arguments(void **state)
{
	char *place = map_with(object, 4, RW, MAP_SHARED);

	(void)state;
	assert_int_equal(advise(place + 1, 1, MADV_NORMAL), EINVAL);
	assert_int_equal(advise(place, 1, 5), EINVAL);
	assert_int_equal(advise(place, 1, -1), EINVAL);
	assert_int_equal(advise(place, 0, MADV_DONTNEED), 0);
	assert_int_equal(advise(place, 0, 77), EINVAL);
	assert_int_equal(
		outcome(quire_madvise(space, place, SIZE_MAX, MADV_NORMAL)),
		EINVAL);
	assert_int_equal(advise(place, 1, 100 /* MADV_HWPOISON */), EPERM);
	/* A hole: what is before and behind it is advised all the same. */
	store(place + 3 * PAGE, 1);
	assert_int_equal(quire_munmap(space, place + PAGE, PAGE), 0);
	for (int advice = MADV_NORMAL; advice <= MADV_DONTNEED; advice++)
		assert_int_equal(advise(place, 4, advice), ENOMEM);
	assert_int_equal(advise(place, 4, MADV_POPULATE_READ), ENOMEM);
	assert_int_equal(advise(place + PAGE, 1, MADV_COLD), ENOMEM);
}

static void test_posix(void **state)
{
	char *place = map_with(NULL, 2, RW, MAP_PRIVATE);

	(void)state;
	store(place, 7);
	errno = 0;
	assert_int_equal(quire_posix_madvise(space, place, PAGE,
					     POSIX_MADV_DONTNEED),
			 0);
	assert_int_equal(load(place), 7); /* nothing is lost */
	assert_int_equal(quire_posix_madvise(space, place, PAGE,
					     POSIX_MADV_SEQUENTIAL),
			 0);
	assert_int_equal(quire_posix_madvise(space, place, PAGE, 9), EINVAL);
	assert_int_equal(quire_posix_madvise(space, place + 1, PAGE,
					     POSIX_MADV_WILLNEED),
			 EINVAL);
	assert_int_equal(quire_munmap(space, place + PAGE, PAGE), 0);
	assert_int_equal(quire_posix_madvise(space, place, 2 * PAGE,
					     POSIX_MADV_RANDOM),
			 ENOMEM);
	assert_int_equal(errno, 0);
}

/* ---- what is dropped ---- */

static void test_dontneed(void **state)
{
	char *shared = map_with(object, 4, RW, MAP_SHARED);
	char *private = map_with(object, 4, RW, MAP_PRIVATE);
	char *anonymous = map_with(NULL, 4, RW, MAP_PRIVATE);

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		store(shared + i * PAGE + 1, 41);
		store(private + i * PAGE, 42);
		store(anonymous + i * PAGE, 43);
	}
	assert_int_equal(advise(shared, 4, MADV_DONTNEED), 0);
	assert_int_equal(advise(private + PAGE, 2, MADV_DONTNEED), 0);
	assert_int_equal(advise(anonymous + PAGE, 2, MADV_DONTNEED), 0);
	for (size_t i = 0; i < 4; i++) {
		bool inside = i == 1 || i == 2;

		assert_int_equal(load(shared + i * PAGE + 1), 41);
		assert_int_equal(load(private + i * PAGE),
				 inside ? in_file(i) : 42);
		assert_int_equal(load(anonymous + i * PAGE), inside ? 0 : 43);
	}
	/* The private copy that is gone shows the object again. */
	assert_int_equal(load(private + PAGE + 1), 41);
	store(anonymous + PAGE, 9);
	assert_int_equal(load(anonymous + PAGE), 9);
}

static void test_dontneed_refused(void **state)
{
	char *place = map_with(NULL, 2, RW, MAP_PRIVATE);

	(void)state;
	store(place, 5);
	assert_int_equal(quire_mlock(space, place, PAGE), 0);
	assert_int_equal(advise(place, 1, MADV_DONTNEED), EINVAL);
	assert_int_equal(advise(place, 1, MADV_FREE), EINVAL);
	assert_int_equal(advise(place, 1, MADV_COLD), EINVAL);
	assert_int_equal(advise(place, 1, MADV_PAGEOUT), EINVAL);
	assert_int_equal(advise(place, 1, MADV_GUARD_INSTALL), EINVAL);
	assert_int_equal(load(place), 5);
	assert_int_equal(advise(place, 1, MADV_DONTNEED_LOCKED), 0);
	assert_int_equal(load(place), 0);
	assert_int_equal(quire_munlock(space, place, PAGE), 0);
}

static void test_freed_lazily(void **state)
{
	char *place = map_with(NULL, 8, RW, MAP_PRIVATE);
	char *other = map_with(object, 1, RW, MAP_PRIVATE);

	(void)state;
	for (size_t i = 0; i < 8; i++)
		store(place + i * PAGE, 11);
	assert_int_equal(advise(place, 8, MADV_FREE), 0);
	store(place, 12); /* is kept from now on */
	scan();
	assert_int_equal(load(place), 12);
	/* The others are lost at once or never, but not another's bytes. */
	for (size_t i = 1; i < 8; i++)
		assert_int_equal(load(place + i * PAGE) % 11, 0);
	assert_int_equal(advise(other, 1, MADV_FREE), EINVAL);
}

static void test_remove(void **state)
{
	char *place = map_with(object, 4, RW, MAP_SHARED);
	char *private = map_with(object, 1, RW, MAP_PRIVATE);
	char *readable = map_with(reader, 1, PROT_READ, MAP_SHARED);
	char *anonymous = map_with(NULL, 1, RW, MAP_PRIVATE);

	(void)state;
	store(place + PAGE, 3);
	assert_int_equal(advise(place + PAGE, 2, MADV_REMOVE), 0);
	assert_int_equal(load(place), in_file(0));
	assert_int_equal(load(place + PAGE), 0);
	assert_int_equal(load(place + 2 * PAGE), 0);
	assert_int_equal(load(place + 3 * PAGE), in_file(3));
	assert_int_equal(byte_in_file(file.fd, PAGE), 0);
	assert_int_equal(advise(private, 1, MADV_REMOVE), EACCES);
	assert_int_equal(advise(readable, 1, MADV_REMOVE), EACCES);
	assert_int_equal(advise(anonymous, 1, MADV_REMOVE), EINVAL);
}

/* ---- reading ---- */

static void test_random_reads_nothing_ahead(void **state)
{
	char *place = map_with(object, 32, PROT_READ, MAP_SHARED);

	(void)state;
	if (space != quire_host_space(quire))
		skip(); /* accesses of this MMU hold their pages singly */
	assert_int_equal(advise(place, 32, MADV_RANDOM), 0);
	touch_all(place, 32);
	assert_int_equal(statistics_of(quire).pages_ahead, 0);
	assert_int_equal(statistics_of(quire).pages_read, 32);
	assert_int_equal(advise(place, 32, MADV_NORMAL), 0);
}

static void test_sequential_reads_ahead(void **state)
{
	char *place = map_with(object, PAGES, PROT_READ, MAP_SHARED);

	(void)state;
	assert_int_equal(advise(place, PAGES, MADV_SEQUENTIAL), 0);
	touch_all(place + 3 * PAGE, PAGES - 3);
	assert_true(statistics_of(quire).pages_ahead > PAGES / 4);
	for (size_t i = 0; i < PAGES; i += 5)
		assert_int_equal(load(place + i * PAGE), in_file(i));
}

static void test_willneed(void **state)
{
	char *place = map_with(object, 16, PROT_READ, MAP_SHARED);
	char *anonymous = map_with(NULL, 1, RW, MAP_PRIVATE);
	uint64_t before;

	(void)state;
	assert_int_equal(advise(place, 16, MADV_WILLNEED), 0);
	before = statistics_of(quire).misses;
	assert_int_equal(statistics_of(quire).pages_ahead, 16);
	assert_int_equal(before, 0);
	assert_int_equal(load(place), in_file(0));
	assert_int_equal(advise(anonymous, 1, MADV_WILLNEED), 0);
}

static void test_pageout(void **state)
{
	char *place = map_with(object, 8, RW, MAP_SHARED);
	char *anonymous = map_with(NULL, 8, RW, MAP_PRIVATE);

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		store(place + i * PAGE, 21);
		store(anonymous + i * PAGE, 22);
	}
	assert_int_equal(resident(place, 8), 8);
	assert_int_equal(resident(anonymous, 8), 8);
	assert_int_equal(advise(place, 8, MADV_PAGEOUT), 0);
	assert_int_equal(advise(anonymous, 8, MADV_PAGEOUT), 0);
	assert_int_equal(resident(place, 8), 0);
	assert_int_equal(resident(anonymous, 8), 0);
	assert_int_equal(byte_in_file(file.fd, 7 * PAGE), 21);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(load(place + i * PAGE), 21);
		assert_int_equal(load(anonymous + i * PAGE), 22);
	}
}

static void test_cold_leaves_first(void **state)
{
	char *cold = map_with(object, 16, PROT_READ, MAP_SHARED);
	char *warm = cold;

	(void)state;
	warm = quire_mmap(space, NULL, 16 * PAGE, PROT_READ, MAP_SHARED, object,
			  64 * (off_t)PAGE);
	assert_ptr_not_equal(warm, MAP_FAILED);
	assert_int_equal(advise(cold, 16, MADV_POPULATE_READ), 0);
	assert_int_equal(advise(warm, 16, MADV_POPULATE_READ), 0);
	assert_int_equal(advise(warm, 16, MADV_COLD), 0);
	assert_int_equal(resident(cold, 16), 16);
	assert_int_equal(resident(warm, 16), 16);
	/* More than is free: somebody must leave. */
	for (uint64_t page = 128; page < 128 + BUDGET - 24; page++)
		byte_of(object, page * PAGE);
	assert_true(resident(warm, 16) < 16);
	assert_int_equal(load(warm), in_file(64));
}

/* ---- populate ---- */

static void test_populate(void **state)
{
	char *place = map_with(object, 16, RW, MAP_SHARED);
	char *private = map_with(object, 4, RW, MAP_PRIVATE);
	char *readable = map_with(object, 4, PROT_READ, MAP_SHARED);
	char *nothing = map_with(object, 4, PROT_NONE, MAP_SHARED);

	(void)state;
	assert_int_equal(resident(place, 16), 0);
	assert_int_equal(advise(place, 16, MADV_POPULATE_READ), 0);
	assert_int_equal(resident(place, 16), 16);
	assert_int_equal(statistics_of(quire).dirty, 0);
	assert_int_equal(advise(place + PAGE, 2, MADV_POPULATE_WRITE), 0);
	assert_int_equal(load(place + PAGE), in_file(1));
	assert_int_equal(advise(private, 4, MADV_POPULATE_WRITE), 0);
	store(place, 99);
	assert_int_equal(load(private), in_file(0)); /* it was copied */
	assert_int_equal(advise(readable, 4, MADV_POPULATE_WRITE), EINVAL);
	assert_int_equal(advise(nothing, 4, MADV_POPULATE_READ), EINVAL);
	assert_int_equal(advise(nothing, 4, MADV_POPULATE_WRITE), EINVAL);
}

static void test_populate_past_the_end(void **state)
{
	char *place = map_with(object, PAGES + 2, RW, MAP_SHARED);
	char *last = place + (PAGES - 2) * PAGE;

	(void)state;
	assert_int_equal(advise(last, 4, MADV_POPULATE_READ), EFAULT);
	assert_int_equal(advise(last, 4, MADV_POPULATE_WRITE), EFAULT);
	assert_int_equal(resident(last, 2), 2);
}

/* ---- guards ---- */

static int peeked(const char *place)
{
	char byte;

	return quire_peek(space, place, &byte, 1);
}

static int poked(char *place)
{
	char byte = 1;

	return quire_poke(space, place, &byte, 1);
}

/* 0 if this kernel knows no guards. */
static bool has_guards(void)
{
	char *place;
	int error;

	if (space != quire_host_space(quire))
		return true;
	place = map_with(NULL, 1, RW, MAP_PRIVATE);
	error = advise(place, 1, MADV_GUARD_INSTALL);
	assert_int_equal(quire_munmap(space, place, PAGE), 0);
	return error == 0;
}

static void guard_one(struct quire_object *of, int flags)
{
	char *place = map_with(of, 8, RW, flags);

	for (size_t i = 0; i < 8; i++)
		store(place + i * PAGE + 1, 31);
	assert_int_equal(advise(place + 4 * PAGE, 1, MADV_GUARD_INSTALL), 0);
	assert_int_equal(peeked(place + 4 * PAGE), -EFAULT);
	assert_int_equal(poked(place + 4 * PAGE), -EFAULT);
	/* Neither its neighbours' faults nor advice take it away. */
	assert_int_equal(advise(place, 8, MADV_PAGEOUT), 0);
	touch_all(place, 4);
	touch_all(place + 5 * PAGE, 3);
	assert_int_equal(peeked(place + 4 * PAGE), -EFAULT);
	assert_int_equal(advise(place, 8, MADV_DONTNEED), 0);
	touch_all(place, 4);
	assert_int_equal(poked(place + 4 * PAGE), -EFAULT);
	assert_int_equal(advise(place, 8, MADV_POPULATE_WRITE), EFAULT);
	assert_int_equal(peeked(place + 4 * PAGE), -EFAULT);
	assert_int_equal(advise(place, 8, MADV_GUARD_REMOVE), 0);
	assert_int_equal(load(place + 4 * PAGE + 1),
			 !of                  ? 0
			 : flags & MAP_SHARED ? 31
					      : byte_of(object, 4 * PAGE + 1));
	store(place + 4 * PAGE, 8);
	assert_int_equal(load(place + 4 * PAGE), 8);
	assert_int_equal(quire_munmap(space, place, 8 * PAGE), 0);
}

static void test_guards(void **state)
{
	(void)state;
	if (!has_guards())
		skip();
	guard_one(NULL, MAP_PRIVATE);
	guard_one(object, MAP_PRIVATE);
	guard_one(object, MAP_SHARED);
}

/* What is mapped anew where a guard was has none. */
static void test_guards_end_with_their_mapping(void **state)
{
	char *place = map_with(NULL, 2, RW, MAP_PRIVATE);

	(void)state;
	if (!has_guards())
		skip();
	assert_int_equal(advise(place, 2, MADV_GUARD_INSTALL), 0);
	assert_int_equal(quire_munmap(space, place, 2 * PAGE), 0);
	assert_ptr_equal(quire_mmap(space, place, 2 * PAGE, RW,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				    NULL, 0),
			 place);
	store(place, 1);
	assert_int_equal(load(place), 1);
}

/* ---- flags ---- */

static void test_flags(void **state)
{
	static const int kept[] = { MADV_DONTFORK,  MADV_DOFORK,
				    MADV_DONTDUMP,  MADV_DODUMP,
				    MADV_HUGEPAGE,  MADV_NOHUGEPAGE,
				    MADV_MERGEABLE, MADV_UNMERGEABLE,
				    MADV_KEEPONFORK };
	char *place = map_with(object, 4, RW, MAP_PRIVATE);
	char *anonymous = map_with(NULL, 4, RW, MAP_PRIVATE);
	char *text = NULL;
	size_t length;
	FILE *stream;

	(void)state;
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
		assert_int_equal(advise(place, 2, kept[i]), 0);
	assert_int_equal(advise(place, 2, MADV_WIPEONFORK), EINVAL);
	assert_int_equal(advise(anonymous, 2, MADV_WIPEONFORK), 0);
	assert_int_equal(advise(place, 4, MADV_COLLAPSE), EINVAL);
	assert_int_equal(advise(anonymous + 2 * PAGE, 1, MADV_DONTDUMP), 0);
	stream = open_memstream(&text, &length);
	assert_int_equal(quire_space_report(space, QUIRE_REPORT_SMAPS, stream),
			 0);
	fclose(stream);
	assert_non_null(strstr(text, " wf "));
	assert_non_null(strstr(text, " dd "));
	assert_non_null(strstr(text, " nh "));
	free(text);
}

/* ---- mincore ---- */

static void test_mincore(void **state)
{
	char *place = map_with(object, 8, RW, MAP_SHARED);
	unsigned char vector[8];

	(void)state;
	memset(vector, 9, sizeof(vector));
	assert_int_equal(quire_mincore(space, place, 8 * PAGE, vector), 0);
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(vector[i], 0);
	assert_int_equal(advise(place + PAGE, 1, MADV_RANDOM), 0);
	byte_of(object, 0);
	assert_int_equal(quire_mincore(space, place, 1, vector), 0);
	assert_int_equal(vector[0], 1);
	assert_int_equal(outcome(quire_mincore(space, place + 1, 1, vector)),
			 EINVAL);
	assert_int_equal(outcome(quire_mincore(space, place, 1, NULL)), EFAULT);
	assert_int_equal(outcome(quire_mincore(space, place, SIZE_MAX, vector)),
			 ENOMEM);
	assert_int_equal(quire_mincore(space, place, 0, NULL), 0);
	/* What is before a hole is told. */
	assert_int_equal(quire_munmap(space, place + 4 * PAGE, PAGE), 0);
	memset(vector, 9, sizeof(vector));
	assert_int_equal(outcome(quire_mincore(space, place, 8 * PAGE, vector)),
			 ENOMEM);
	assert_int_equal(vector[0], 1);
	assert_int_equal(vector[4], 9);
}

/* The answer may go to mapped memory; private copies are in memory. */
static void test_mincore_into_mapped_memory(void **state)
{
	char *private = map_with(object, 4, RW, MAP_PRIVATE);
	unsigned char *answer = quire_mmap(quire_host_space(quire), NULL, PAGE,
					   RW, MAP_PRIVATE | MAP_ANONYMOUS,
					   NULL, 0);

	(void)state;
	assert_ptr_not_equal(answer, MAP_FAILED);
	store(private + PAGE, 1);
	assert_int_equal(quire_mincore(space, private, 4 * PAGE, answer), 0);
	assert_int_equal(answer[1], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_both(test_arguments),
		on_both(test_posix),
		on_both(test_dontneed),
		on_both(test_dontneed_refused),
		on_both(test_freed_lazily),
		on_both(test_remove),
		on_both(test_random_reads_nothing_ahead),
		on_both(test_sequential_reads_ahead),
		on_both(test_willneed),
		on_both(test_pageout),
		on_both(test_cold_leaves_first),
		on_both(test_populate),
		on_both(test_populate_past_the_end),
		on_both(test_guards),
		on_both(test_guards_end_with_their_mapping),
		on_both(test_flags),
		on_both(test_mincore),
		on_both(test_mincore_into_mapped_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
