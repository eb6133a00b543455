/* test_word.c - page/word.h: every transition, allowed and refused */
/* SPDX-License-Identifier: MIT */
#include "page/word.h"

#include "unit/unit.h"

#include <pthread.h>

#define STATES 7
#define ROUNDS 20000

/* Only these states have bytes to see. */
static const bool visible[STATES] = {
	[PAGE_CLEAN] = true,
	[PAGE_DIRTY] = true,
	[PAGE_WRITING] = true,
};

static uint64_t in_state(int state)
{
	return (uint64_t)state;
}

/* TOUCHED has a test of its own. */
static void assert_word(page_word *word, uint64_t expected)
{
	assert_int_equal(atomic_load(word) & ~WORD_TOUCHED, expected);
}

static bool touched(page_word *word)
{
	return atomic_load(word) & WORD_TOUCHED;
}

/* ---- pins ---- */

static void test_read_pin_in_each_state(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		page_word word = in_state(s);
		enum page_taken taken = page_take_rpin(&word, false);

		assert_int_equal(word_visible((uint64_t)s), visible[s]);
		assert_int_equal(taken,
				 visible[s] ? PAGE_TAKEN : PAGE_NOT_VISIBLE);
		assert_word(&word, (uint64_t)s + (visible[s] ? WORD_RPIN : 0));
		if (visible[s])
			assert_true(page_drop_rpin(&word));
		assert_word(&word, (uint64_t)s);
	}
}

/* Rule 2: CLEAN becomes DIRTY by the same swap. */
static void test_write_pin_in_each_state(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		page_word word = in_state(s);
		enum page_taken taken = page_take_wpin(&word, false, true);

		if (!visible[s]) {
			assert_int_equal(taken, PAGE_NOT_VISIBLE);
			assert_word(&word, (uint64_t)s);
			continue;
		}
		assert_int_equal(taken, s == PAGE_CLEAN ? PAGE_TAKEN_DIRTIED
							: PAGE_TAKEN);
		assert_word(&word,
			    WORD_WPIN + (s == PAGE_WRITING ? PAGE_WRITING
							   : PAGE_DIRTY));
		assert_true(page_drop_wpin(&word));
		assert_word(&word, s == PAGE_WRITING
					   ? PAGE_WRITING | WORD_REDIRTIED
					   : PAGE_DIRTY);
	}
}

/* Who does not keep the set of dirty pages may pin only what is in it. */
static void test_write_pin_that_may_not_dirty(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		bool dirty = s == PAGE_DIRTY || s == PAGE_WRITING;
		page_word word = in_state(s);
		enum page_taken taken = page_take_wpin(&word, true, false);

		assert_int_equal(taken, dirty             ? PAGE_TAKEN
					: s == PAGE_CLEAN ? PAGE_IS_CLEAN
							  : PAGE_NOT_VISIBLE);
		if (!dirty)
			assert_word(&word, (uint64_t)s);
	}
}

static void test_pins_leave_the_flags_alone(void **state)
{
	const uint64_t flags = WORD_WAITERS | WORD_REDIRTIED;
	page_word word = PAGE_WRITING | flags;

	(void)state;
	assert_int_equal(page_take_rpin(&word, false), PAGE_TAKEN);
	assert_int_equal(page_take_wpin(&word, false, true), PAGE_TAKEN);
	assert_word(&word, PAGE_WRITING | flags | WORD_RPIN | WORD_WPIN);
	assert_false(page_drop_rpin(&word)); /* the write pin is left */
	assert_true(page_drop_wpin(&word));
	assert_word(&word, PAGE_WRITING | flags);
}

static void test_each_kind_of_pin_sees_the_other(void **state)
{
	page_word word = PAGE_DIRTY | WORD_RPIN | WORD_WPIN;

	(void)state;
	assert_false(page_drop_wpin(&word));
	assert_true(page_drop_rpin(&word));
}

static void test_referenced(void **state)
{
	page_word word = PAGE_CLEAN;

	(void)state;
	assert_false(page_forgive(&word));
	page_take_rpin(&word, true);
	assert_word(&word, PAGE_CLEAN | WORD_REFERENCED | WORD_RPIN);
	assert_true(page_forgive(&word));
	assert_false(page_forgive(&word));
	assert_word(&word, PAGE_CLEAN | WORD_RPIN);
	page_take_wpin(&word, true, true);
	assert_true(page_forgive(&word));
}

/* Whoever waits for a page, is shown it, or holds it; until it leaves. */
static void test_touched(void **state)
{
	page_word word = PAGE_ABSENT;

	(void)state;
	assert_true(page_begin_read(&word));
	page_end_read(&word, PAGE_CLEAN);
	assert_false(touched(&word));
	page_take_rpin(&word, false);
	assert_true(touched(&word));
	page_drop_rpin(&word);
	assert_true(page_begin_evict(&word));
	assert_true(touched(&word)); /* the owner looks at it now */
	page_end_evict(&word, PAGE_ABSENT);
	assert_true(page_begin_read(&word));
	assert_false(touched(&word));
	assert_true(page_set_waiters(&word, PAGE_READING));
	assert_true(page_end_read(&word, PAGE_CLEAN));
	assert_true(touched(&word));
	atomic_store(&word, PAGE_CLEAN);
	page_take_wpin(&word, false, true);
	assert_true(touched(&word));
}

static void test_full_counts_refuse(void **state)
{
	page_word word = PAGE_CLEAN | WORD_RPINS;

	(void)state;
	assert_int_equal(page_take_rpin(&word, true), PAGE_PINS_FULL);
	assert_word(&word, PAGE_CLEAN | WORD_RPINS);
	assert_int_equal(page_take_wpin(&word, false, true),
			 PAGE_TAKEN_DIRTIED);
	atomic_store(&word, PAGE_CLEAN | WORD_WPINS);
	assert_int_equal(page_take_wpin(&word, true, true), PAGE_PINS_FULL);
	/* Refused means untouched: CLEAN did not become DIRTY. */
	assert_word(&word, PAGE_CLEAN | WORD_WPINS);
	assert_int_equal(page_take_rpin(&word, false), PAGE_TAKEN);
}

/* Counted one by one up to the maximum, nothing spills into a neighbour. */
static void test_counts_reach_their_maximum(void **state)
{
	page_word word = PAGE_DIRTY;

	(void)state;
	for (int i = 0; i < 0xffff; i++) {
		assert_int_equal(page_take_rpin(&word, false), PAGE_TAKEN);
		assert_int_equal(page_take_wpin(&word, false, true),
				 PAGE_TAKEN);
	}
	assert_word(&word, PAGE_DIRTY | WORD_RPINS | WORD_WPINS);
	for (int i = 0; i < 0xffff; i++)
		assert_false(page_drop_rpin(&word));
	for (int i = 1; i < 0xffff; i++)
		assert_false(page_drop_wpin(&word));
	assert_true(page_drop_wpin(&word));
	assert_word(&word, PAGE_DIRTY);
}

/* ---- reading, writing, leaving ---- */

static void test_begin_read(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		page_word word = (uint64_t)s | WORD_REFERENCED;
		bool may = s == PAGE_ABSENT || s == PAGE_FAILED;

		assert_int_equal(page_begin_read(&word), may);
		/* A newcomer has to earn its reference. */
		assert_word(&word,
			    may ? PAGE_READING : (uint64_t)s | WORD_REFERENCED);
	}
}

/* Zeros in place of content: to be seen, never to be stored to. */
static void test_zeroed(void **state)
{
	page_word word = PAGE_READING;

	(void)state;
	page_set_zeroed(&word);
	assert_false(page_end_read(&word, PAGE_CLEAN));
	assert_int_equal(page_take_rpin(&word, false), PAGE_TAKEN);
	assert_int_equal(page_take_wpin(&word, false, true), PAGE_ZEROED);
	assert_int_equal(page_take_wpin(&word, false, false), PAGE_ZEROED);
	assert_word(&word, PAGE_CLEAN | WORD_ZEROED | WORD_RPIN);
	assert_true(page_drop_rpin(&word));
	/* It leaves as any other, and the next read is a new beginning. */
	assert_true(page_begin_evict(&word));
	page_end_evict(&word, PAGE_ABSENT);
	assert_true(page_begin_read(&word));
	page_end_read(&word, PAGE_CLEAN);
	assert_int_equal(page_take_wpin(&word, false, true),
			 PAGE_TAKEN_DIRTIED);
}

static void test_end_read(void **state)
{
	const enum page_state ends[] = { PAGE_CLEAN, PAGE_FAILED, PAGE_ABSENT };

	(void)state;
	for (int i = 0; i < 3; i++) {
		page_word word = PAGE_READING;

		assert_false(page_end_read(&word, ends[i]));
		assert_word(&word, ends[i]);
		atomic_store(&word, PAGE_READING | WORD_WAITERS);
		assert_true(page_end_read(&word, ends[i]));
		assert_word(&word, ends[i]);
	}
}

/* Written whole: as if it had been pinned. */
static void test_end_read_dirty(void **state)
{
	page_word word = PAGE_READING | WORD_LOCKED;

	(void)state;
	assert_false(page_end_read(&word, PAGE_DIRTY));
	assert_true(touched(&word));
	assert_word(&word, PAGE_DIRTY | WORD_LOCKED | WORD_REFERENCED);
	atomic_store(&word, PAGE_READING | WORD_WAITERS);
	assert_true(page_end_read(&word, PAGE_DIRTY));
	assert_word(&word, PAGE_DIRTY | WORD_REFERENCED);
}

static void test_begin_write(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		page_word word = in_state(s);

		assert_int_equal(page_begin_write(&word), s == PAGE_DIRTY);
		assert_word(&word,
			    s == PAGE_DIRTY ? PAGE_WRITING : (uint64_t)s);
	}
}

/* Pins do not stop a write: they stop its page from becoming CLEAN. */
static void test_begin_write_clears_redirtied(void **state)
{
	page_word word = PAGE_DIRTY | WORD_REDIRTIED | WORD_WPIN | WORD_WAITERS;

	(void)state;
	assert_true(page_begin_write(&word));
	assert_word(&word, PAGE_WRITING | WORD_WPIN | WORD_WAITERS);
}

/* Rule 3, all sixteen cases. */
static void test_end_write(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		bool good = i & 1, redirtied = i & 2, pinned = i & 4, clean;
		uint64_t pins = WORD_RPIN | (pinned ? WORD_WPIN : 0);
		page_word word = PAGE_WRITING | pins |
				 (redirtied ? WORD_REDIRTIED : 0) |
				 (i & 8 ? WORD_WAITERS : 0);

		assert_int_equal(page_end_write(&word, good, &clean),
				 (i & 8) != 0);
		assert_int_equal(clean, good && !redirtied && !pinned);
		assert_word(&word, (clean ? PAGE_CLEAN : PAGE_DIRTY) | pins);
	}
}

/*
 *   DIRTY --begin--> WRITING --pin, store, drop--> REDIRTIED --end--> DIRTY
 */
static void test_store_during_a_write(void **state)
{
	page_word word = PAGE_DIRTY;
	bool clean;

	(void)state;
	assert_true(page_begin_write(&word));
	assert_int_equal(page_take_wpin(&word, false, true), PAGE_TAKEN);
	assert_true(page_drop_wpin(&word));
	page_end_write(&word, true, &clean);
	assert_false(clean);
	assert_true(page_begin_write(&word));
	page_end_write(&word, true, &clean);
	assert_true(clean);
}

static void test_begin_evict(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		page_word word = in_state(s);

		assert_int_equal(page_begin_evict(&word), s == PAGE_CLEAN);
		assert_word(&word,
			    s == PAGE_CLEAN ? PAGE_EVICTING : (uint64_t)s);
		atomic_store(&word, (uint64_t)s | WORD_RPIN);
		assert_false(page_begin_evict(&word));
		atomic_store(&word, (uint64_t)s | WORD_WPIN);
		assert_false(page_begin_evict(&word));
		assert_word(&word, (uint64_t)s | WORD_WPIN);
	}
}

static void test_begin_cut(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		bool may = s == PAGE_CLEAN || s == PAGE_DIRTY, dirty = false;
		page_word word = in_state(s);

		assert_int_equal(page_begin_cut(&word, &dirty), may);
		assert_int_equal(dirty, s == PAGE_DIRTY);
		assert_word(&word, may ? PAGE_EVICTING : (uint64_t)s);
		atomic_store(&word, (uint64_t)s | WORD_RPIN);
		assert_false(page_begin_cut(&word, &dirty));
		atomic_store(&word, (uint64_t)s | WORD_WPIN);
		assert_false(page_begin_cut(&word, &dirty));
	}
}

static void test_end_evict(void **state)
{
	page_word word = PAGE_EVICTING;

	(void)state;
	assert_false(page_end_evict(&word, PAGE_ABSENT));
	assert_word(&word, PAGE_ABSENT);
	atomic_store(&word, PAGE_EVICTING | WORD_WAITERS);
	assert_true(page_end_evict(&word, PAGE_CLEAN));
	assert_word(&word, PAGE_CLEAN);
	/* A discard that was refused. */
	atomic_store(&word, PAGE_EVICTING | WORD_WAITERS | WORD_LOCKED);
	assert_true(page_end_evict(&word, PAGE_DIRTY));
	assert_word(&word, PAGE_DIRTY | WORD_LOCKED);
}

/* Locked pages stay for reclaim, and go with a cut. */
static void test_locked(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++) {
		bool there = s != PAGE_ABSENT && s != PAGE_FAILED;
		uint64_t locked = (uint64_t)s | (there ? WORD_LOCKED : 0);
		bool dirty, may = s == PAGE_CLEAN || s == PAGE_DIRTY;
		page_word word = in_state(s);

		page_lock(&word);
		assert_word(&word, locked);
		page_lock(&word);
		assert_word(&word, locked);
		assert_false(page_begin_evict(&word));
		assert_int_equal(page_begin_cut(&word, &dirty), may);
		if (may)
			page_end_evict(&word, PAGE_ABSENT);
		assert_word(&word, may ? PAGE_ABSENT : locked);
		page_unlock(&word);
		assert_word(&word, may ? PAGE_ABSENT : (uint64_t)s);
		page_unlock(&word);
		assert_word(&word, may ? PAGE_ABSENT : (uint64_t)s);
	}
}

static void test_locked_pages_live_as_others(void **state)
{
	page_word word = PAGE_READING;
	bool clean;

	(void)state;
	page_lock(&word);
	assert_false(page_end_read(&word, PAGE_CLEAN));
	assert_int_equal(page_take_wpin(&word, false, true),
			 PAGE_TAKEN_DIRTIED);
	assert_true(page_drop_wpin(&word));
	assert_true(page_begin_write(&word));
	assert_false(page_end_write(&word, true, &clean));
	assert_true(clean);
	assert_word(&word, PAGE_CLEAN | WORD_LOCKED);
	/* Zeros that stand in for it may leave. */
	page_set_zeroed(&word);
	assert_true(page_begin_evict(&word));
	assert_false(page_end_evict(&word, PAGE_ABSENT));
	assert_true(page_begin_read(&word));
	assert_word(&word, PAGE_READING);
}

/* Rule 9: only if the state is still the one seen. */
static void test_set_waiters(void **state)
{
	(void)state;
	for (int s = 0; s < STATES; s++)
		for (int seen = 0; seen < STATES; seen++) {
			page_word word = in_state(s);

			assert_int_equal(
				page_set_waiters(&word, (enum page_state)seen),
				s == seen);
			assert_word(&word,
				    (uint64_t)s |
					    (s == seen ? WORD_WAITERS : 0));
		}
}

/* ---- our own errors ---- */

static void drop_rpin_of_none(void *argument)
{
	page_drop_rpin(argument);
}

static void drop_wpin_of_none(void *argument)
{
	page_drop_wpin(argument);
}

static void end_read_of_it(void *argument)
{
	page_end_read(argument, PAGE_CLEAN);
}

static void end_write_of_it(void *argument)
{
	bool clean;

	page_end_write(argument, true, &clean);
}

static void end_evict_of_it(void *argument)
{
	page_end_evict(argument, PAGE_ABSENT);
}

static void test_checks(void **state)
{
	page_word clean = PAGE_CLEAN, pinned_clean = PAGE_CLEAN | WORD_WPIN;
	page_word absent = PAGE_ABSENT | WORD_RPIN;

	(void)state;
	assert_check_fails(drop_rpin_of_none, &clean, "rule 1");
	assert_check_fails(drop_rpin_of_none, &absent, "rule 1");
	assert_check_fails(drop_wpin_of_none, &clean, "rule 2");
	assert_check_fails(drop_wpin_of_none, &pinned_clean, "rule 2");
	assert_check_fails(end_read_of_it, &clean, "only its owner");
	assert_check_fails(end_evict_of_it, &clean, "only its owner");
	assert_check_fails(end_write_of_it, &clean, "only the writer");
}

#ifdef QUIRE_DEBUG
static void begin_read_of_it(void *argument)
{
	page_begin_read(argument);
}

static void test_debug_checks(void **state)
{
	page_word absent = PAGE_ABSENT | WORD_RPIN;

	(void)state;
	assert_check_fails(begin_read_of_it, &absent, "rule 2");
}
#endif

/* ---- all at once ---- */

/*
 * Program threads store to a page, one thread writes it back, one evicts it
 * and reads it in again.  Nobody else touches content while it is EVICTING or
 * READING, and no store is lost: content is home whenever it leaves.
 */
struct page {
	page_word word;
	_Atomic uint64_t content; /* in memory */
	_Atomic uint64_t home;
	_Atomic int stores_left;
	_Atomic uint64_t stored;
	_Atomic bool broken;
};

static void *store_thread(void *argument)
{
	struct page *page = argument;

	while (atomic_fetch_sub(&page->stores_left, 1) > 0) {
		while (page_take_wpin(&page->word, true, true) ==
		       PAGE_NOT_VISIBLE)
			;
		atomic_fetch_add(&page->content, 1);
		atomic_fetch_add(&page->stored, 1);
		page_drop_wpin(&page->word);
	}
	return NULL;
}

static void *load_thread(void *argument)
{
	struct page *page = argument;
	uint64_t before = 0, now;

	while (atomic_load(&page->stores_left) > 0) {
		if (page_take_rpin(&page->word, false) != PAGE_TAKEN)
			continue;
		now = atomic_load(&page->content);
		page_drop_rpin(&page->word);
		/* A counter that went back lost a store. */
		if (now < before)
			atomic_store(&page->broken, true);
		before = now;
	}
	return NULL;
}

static void write_page(struct page *page)
{
	uint64_t copy;
	bool clean;

	if (!page_begin_write(&page->word))
		return;
	copy = atomic_load(&page->content);
	atomic_store(&page->home, copy);
	page_end_write(&page->word, true, &clean);
}

static void evict_page(struct page *page)
{
	if (!page_begin_evict(&page->word))
		return;
	if (atomic_load(&page->content) != atomic_load(&page->home))
		atomic_store(&page->broken, true);
	atomic_store(&page->content, 0);
	page_end_evict(&page->word, PAGE_ABSENT);
	if (page_begin_read(&page->word)) {
		atomic_store(&page->content, atomic_load(&page->home));
		page_end_read(&page->word, PAGE_CLEAN);
	}
}

static void *write_thread(void *argument)
{
	struct page *page = argument;

	while (atomic_load(&page->stores_left) > 0)
		write_page(page);
	return NULL;
}

static void *evict_thread(void *argument)
{
	struct page *page = argument;

	while (atomic_load(&page->stores_left) > 0)
		evict_page(page);
	return NULL;
}

static void test_no_store_is_lost(void **state)
{
	void *(*const run[])(void *) = { store_thread, store_thread,
					 load_thread, write_thread,
					 evict_thread };
	struct page page = { .word = PAGE_CLEAN, .stores_left = ROUNDS };
	pthread_t threads[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, run[i], &page), 0);
	for (int i = 0; i < 5; i++)
		pthread_join(threads[i], NULL);
	while (word_state(atomic_load(&page.word)) != PAGE_CLEAN)
		write_page(&page);
	evict_page(&page);
	assert_false(atomic_load(&page.broken));
	assert_int_equal(atomic_load(&page.stored), ROUNDS);
	assert_int_equal(atomic_load(&page.content), ROUNDS);
	assert_false(word_pinned(atomic_load(&page.word)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read_pin_in_each_state),
		cmocka_unit_test(test_write_pin_in_each_state),
		cmocka_unit_test(test_write_pin_that_may_not_dirty),
		cmocka_unit_test(test_pins_leave_the_flags_alone),
		cmocka_unit_test(test_each_kind_of_pin_sees_the_other),
		cmocka_unit_test(test_referenced),
		cmocka_unit_test(test_touched),
		cmocka_unit_test(test_full_counts_refuse),
		cmocka_unit_test(test_counts_reach_their_maximum),
		cmocka_unit_test(test_begin_read),
		cmocka_unit_test(test_zeroed),
		cmocka_unit_test(test_end_read),
		cmocka_unit_test(test_end_read_dirty),
		cmocka_unit_test(test_begin_write),
		cmocka_unit_test(test_begin_write_clears_redirtied),
		cmocka_unit_test(test_end_write),
		cmocka_unit_test(test_store_during_a_write),
		cmocka_unit_test(test_begin_evict),
		cmocka_unit_test(test_begin_cut),
		cmocka_unit_test(test_end_evict),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_locked_pages_live_as_others),
		cmocka_unit_test(test_set_waiters),
		cmocka_unit_test(test_checks),
#ifdef QUIRE_DEBUG
		cmocka_unit_test(test_debug_checks),
#endif
		cmocka_unit_test(test_no_store_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
