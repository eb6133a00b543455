/* test_hazard.c - page/hazard.h: what is announced stays */
/* SPDX-License-Identifier: MIT */
#include "page/hazard.h"
#include "base/hook.h"
#include "unit/page_tools.h"

#include <pthread.h>
#include <sched.h>

#define PAGES 4096
#define BUDGET 1024
#define PINNABLE (PAGE_CLEAN | WORD_TOUCHED | WORD_REFERENCED)

struct stage {
	struct counters counters;
	struct cache cache;
	struct page_table table;
	char calls[2048]; /* of evict(): "first+count ..." */
	int error;        /* what evict() says */
};

static struct stage *stage;
/* Whose pins they are; nothing is ever looked at there. */
static const uint64_t one, another;

static int evict(struct page_table *table, uint64_t index, uint64_t count)
{
	size_t length = strlen(stage->calls);

	(void)table;
	snprintf(stage->calls + length, sizeof(stage->calls) - length,
		 "%s%llu+%llu", length ? " " : "", (unsigned long long)index,
		 (unsigned long long)count);
	return stage->error;
}

static const struct page_owner_ops owner = { .evict = evict };

static int open_stage(void **state)
{
	(void)state;
	stage = calloc(1, sizeof(*stage));
	assert_non_null(stage);
	cache_init(&stage->cache, BUDGET, &stage->counters);
	assert_int_equal(page_table_init(&stage->table, &stage->cache, &owner,
					 PAGES, 0),
			 0);
	lanes_prepare();
	assert_int_not_equal(lane_mine(), LANES);
	hazards_expect(&stage->table);
	return 0;
}

static page_word *word_at(uint64_t index)
{
	return page_table_word(&stage->table, index);
}

static int close_stage(void **state)
{
	unsigned at = 0;

	(void)state;
	assert_null(hazards_next(&at)); /* each test drops what it holds */
	stage->error = 0;
	cache_evict_range(&stage->cache, &stage->table, 0, PAGES);
	page_table_finish(&stage->table);
	cache_finish(&stage->cache);
	free(stage);
	return 0;
}

static void put(uint64_t index, uint64_t count, uint64_t word)
{
	put_pages(&stage->table, index, count, word);
}

static struct hazard *announce(uint64_t index)
{
	struct hazard *hazard =
		hazard_announce(lane_mine(), &one, word_at(index));

	assert_non_null(hazard);
	return hazard;
}

static void drop(struct hazard *hazard)
{
	assert_true(hazard_drop(hazard, &one));
	hazards_look();
}

static void assert_evicted(const char *expected)
{
	assert_string_equal(stage->calls, expected);
	stage->calls[0] = '\0';
}

static void assert_states(uint64_t index, uint64_t count, enum page_state state)
{
	for (uint64_t i = 0; i < count; i++)
		assert_int_equal(word_state(atomic_load(word_at(index + i))),
				 state);
}

/* ---- what is announced when somebody looks for victims ---- */

static void test_announced_pages_stay(void **state)
{
	struct hazard *first, *second;

	(void)state;
	put(0, 32, PAGE_CLEAN);
	first = announce(5);
	second = announce(31);
	assert_int_equal(cache_reclaim(&stage->cache, 32), 30);
	assert_evicted("0+5 6+25");
	assert_states(5, 1, PAGE_CLEAN);
	assert_int_equal(cache_reclaim(&stage->cache, 32), 0);
	drop(first);
	assert_int_equal(cache_reclaim(&stage->cache, 32), 1);
	assert_evicted("5+1");
	drop(second);
	assert_int_equal(cache_reclaim(&stage->cache, 32), 1);
	assert_evicted("31+1");
}

static void test_a_range_leaves_but_for_them(void **state)
{
	struct hazard *hazard;

	(void)state;
	put(100, 90, PAGE_CLEAN);
	hazard = announce(150);
	assert_int_equal(
		cache_evict_range(&stage->cache, &stage->table, 100, 90), 89);
	assert_evicted("100+50 151+39");
	drop(hazard);
}

/* Each of several pins of a page keeps it, whoever's they are. */
static void test_a_page_announced_twice(void **state)
{
	struct hazard *first, *second;

	(void)state;
	put(7, 1, PAGE_CLEAN);
	first = announce(7);
	second = hazard_announce(lane_mine(), &another, word_at(7));
	drop(first);
	assert_int_equal(cache_reclaim(&stage->cache, 1), 0);
	assert_true(hazard_drop(second, &another));
	assert_int_equal(cache_reclaim(&stage->cache, 1), 1);
}

static void test_slots_of_a_lane(void **state)
{
	struct hazard *held[HAZARDS];

	(void)state;
	put(0, HAZARDS + 1, PAGE_CLEAN);
	for (unsigned i = 0; i < HAZARDS; i++)
		held[i] = announce(i);
	assert_null(hazard_announce(lane_mine(), &one, word_at(HAZARDS)));
	drop(held[3]);
	held[3] = announce(HAZARDS);
	assert_int_equal(cache_reclaim(&stage->cache, HAZARDS + 1), 1);
	assert_evicted("3+1");
	for (unsigned i = 0; i < HAZARDS; i++)
		drop(held[i]);
}

/* What a pin may be announced of. */
static void test_what_it_holds(void **state)
{
	uint64_t marks = WORD_TOUCHED | WORD_REFERENCED;

	(void)state;
	assert_true(hazard_holds(PINNABLE));
	assert_true(hazard_holds(PAGE_DIRTY | marks));
	assert_true(hazard_holds(PAGE_WRITING | marks | WORD_LOCKED));
	assert_false(hazard_holds(PAGE_CLEAN | WORD_TOUCHED));
	assert_false(hazard_holds(PAGE_CLEAN | WORD_REFERENCED));
	assert_false(hazard_holds(PINNABLE | WORD_ZEROED));
	assert_false(hazard_holds(PAGE_EVICTING | marks));
	assert_false(hazard_holds(PAGE_READING | marks));
	assert_false(hazard_holds(PAGE_ABSENT | marks));
	assert_false(hazard_holds(PAGE_FAILED | marks));
}

static void test_where_they_are_found(void **state)
{
	struct hazard *hazard;
	uint64_t index = 10;

	(void)state;
	hazard = announce(20);
	assert_false(hazards_find(&stage->table, &index, 10));
	assert_true(hazards_find(&stage->table, &index, 11));
	assert_int_equal(index, 20);
	index = 21;
	assert_false(hazards_find(&stage->table, &index, PAGES - 21));
	drop(hazard);
	index = 0;
	assert_false(hazards_find(&stage->table, &index, PAGES));
}

/* ---- what is announced after it was chosen, and before anybody looked ---- */

#ifdef QUIRE_DEBUG

#define LATE_MOST 80

static uint64_t late[LATE_MOST]; /* pages */
static unsigned lates;
static struct hazard *late_held[LATE_MOST];

/* In as many lanes as it takes: nobody else is there. */
static void announce_late(enum hook point, const void *table, uint64_t index)
{
	(void)table;
	(void)index;
	if (point != HOOK_EVICT_CHOSEN || late_held[0])
		return;
	for (unsigned i = 0; i < lates; i++) {
		assert_false(hazard_holds(atomic_load(word_at(late[i]))));
		late_held[i] = hazard_announce(lane_mine() + i / HAZARDS, &one,
					       word_at(late[i]));
		assert_non_null(late_held[i]);
	}
}

static void drop_late(void)
{
	for (unsigned i = 0; i < lates; i++)
		drop(late_held[i]);
	memset(late_held, 0, sizeof(late_held));
	lates = 0;
}

static void be_late(uint64_t page)
{
	late[lates++] = page;
}

static uint64_t reclaim_late(uint64_t count)
{
	uint64_t left;

	hook_register(announce_late);
	left = cache_reclaim(&stage->cache, count);
	hook_register(NULL);
	return left;
}

/* A lane for each late page's slot: threads that have had one. */
static void *take_lane(void *barrier)
{
	lane_mine();
	pthread_barrier_wait(barrier);
	return NULL;
}

static void need_lanes(unsigned count)
{
	pthread_t threads[LANES];
	pthread_barrier_t barrier;

	assert_int_equal(pthread_barrier_init(&barrier, NULL, count), 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_lane,
						&barrier),
				 0);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	pthread_barrier_destroy(&barrier);
}

static void assert_late(uint64_t page, const char *evicted)
{
	put(16, 8, PAGE_CLEAN);
	be_late(page);
	assert_int_equal(reclaim_late(8), 7);
	assert_evicted(evicted);
	assert_states(page, 1, PAGE_CLEAN);
	assert_int_equal(stage->cache.charged, 1);
	drop_late();
	assert_int_equal(cache_reclaim(&stage->cache, 8), 1);
	stage->calls[0] = '\0';
}

static void test_late_in_a_run(void **state)
{
	(void)state;
	assert_late(16, "17+7");
	assert_late(19, "16+3 20+4");
	assert_late(23, "16+7");
}

static void test_late_alone(void **state)
{
	(void)state;
	put(40, 1, PAGE_CLEAN);
	put(80, 4, PAGE_CLEAN);
	be_late(40);
	assert_int_equal(reclaim_late(32), 4);
	assert_evicted("80+4");
	drop_late();
}

/* Others are chosen then, as long as there are any. */
static void test_others_go_in_its_place(void **state)
{
	(void)state;
	need_lanes(3);
	put(0, 32, PAGE_CLEAN);
	put(112, 16, PAGE_CLEAN);
	for (uint64_t i = 0; i < 32; i++)
		be_late(i);
	assert_int_equal(reclaim_late(1), 16);
	assert_evicted("112+16");
	assert_states(0, 32, PAGE_CLEAN);
	drop_late();
}

/* Nothing is there between pages that leave; a page is, that stays. */
static void test_late_beside_a_gap(void **state)
{
	(void)state;
	put(0, 1, PAGE_CLEAN);
	put(2, 1, PAGE_CLEAN);
	put(4, 1, PAGE_CLEAN);
	be_late(4); /* the gap before it goes with the others */
	assert_int_equal(reclaim_late(3), 2);
	assert_evicted("0+4");
	assert_states(0, 4, PAGE_ABSENT);
	drop_late();
	assert_int_equal(cache_reclaim(&stage->cache, 1), 1);
	assert_evicted("4+1");

	put(0, 1, PAGE_CLEAN);
	put(2, 1, PAGE_CLEAN);
	be_late(0); /* and the one behind this one ends by itself */
	be_late(2);
	assert_int_equal(reclaim_late(2), 0);
	assert_evicted("");
	assert_states(1, 1, PAGE_ABSENT);
	drop_late();
}

/* There is room for 64 runs: what would be one more leaves the next time. */
static void test_more_runs_than_there_is_room_for(void **state)
{
	(void)state;
	need_lanes(6);
	for (uint64_t i = 0; i < 64; i++)
		put(i * 32, 3, PAGE_CLEAN);
	for (uint64_t i = 0; i < 64; i++)
		be_late(i * 32 + 1);
	assert_int_equal(reclaim_late(192), 128);
	assert_int_equal(stage->cache.charged, 64);
	for (uint64_t i = 0; i < 64; i++)
		assert_states(i * 32 + 1, 1, PAGE_CLEAN);
	stage->calls[0] = '\0';
	drop_late();
	assert_int_equal(cache_reclaim(&stage->cache, 192), 64);
}

/* More announced than are remembered. */
static void test_more_than_are_remembered(void **state)
{
	(void)state;
	need_lanes(8);
	put(0, 80, PAGE_CLEAN);
	for (uint64_t i = 0; i < 80; i++)
		be_late(i);
	assert_int_equal(reclaim_late(80), 0);
	assert_int_equal(cache_reclaim(&stage->cache, 80), 0);
	assert_evicted("");
	assert_states(0, 80, PAGE_CLEAN);
	drop_late();
	assert_int_equal(cache_reclaim(&stage->cache, 80), 80);
}

#endif

/* ---- who waits for a victim ---- */

static _Atomic unsigned woken;

static void wake(struct waiter *waiter)
{
	(void)waiter;
	atomic_fetch_add(&woken, 1);
}

static void test_the_hungry_are_told(void **state)
{
	struct waiter waiter = { .wake = wake };
	struct hazard *hazard;
	uint64_t sequence;

	(void)state;
	put(0, BUDGET - 1, PAGE_DIRTY);
	put(BUDGET - 1, 1, PAGE_CLEAN);
	hazard = announce(BUDGET - 1);
	atomic_store(&woken, 0);
	assert_int_equal(cache_charge(&stage->cache, &stage->table, 2000, 1,
				      &sequence),
			 0);
	assert_true(cache_starve(&stage->cache, sequence, &waiter));
	drop(hazard);
	assert_int_equal(atomic_load(&woken), 1);
	assert_int_equal(cache_charge(&stage->cache, &stage->table, 2000, 1,
				      &sequence),
			 1);
	cache_uncharge(&stage->cache, &stage->table, 2000, 1, false);
	for (uint64_t i = 0; i < BUDGET - 1; i++)
		atomic_store(word_at(i), PAGE_CLEAN);
	assert_evicted("1023+1");
}

/* ---- the end of an owner ---- */

static void test_an_owner_is_closed(void **state)
{
	struct hazard *mine, *other;

	(void)state;
	put(1, 2, PAGE_CLEAN);
	mine = announce(1);
	other = hazard_announce(lane_mine(), &another, word_at(2));
	hazards_close(&one);
	assert_int_equal(hazards_count(&one), 1);
	assert_int_equal(hazards_count(&another), 0); /* not closed */
	assert_true(hazard_drop(other, &another));
	assert_false(hazard_drop(mine, &one));
	assert_int_equal(cache_reclaim(&stage->cache, 2), 1); /* it stays */
	hazard_free(mine);
	assert_int_equal(hazards_count(&one), 0);
	/* The next one's is not closed, at the same place. */
	drop(announce(1));
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_announced_pages_stay),
		TEST(test_a_range_leaves_but_for_them),
		TEST(test_a_page_announced_twice),
		TEST(test_slots_of_a_lane),
		TEST(test_what_it_holds),
		TEST(test_where_they_are_found),
#ifdef QUIRE_DEBUG
		TEST(test_late_in_a_run),
		TEST(test_late_alone),
		TEST(test_others_go_in_its_place),
		TEST(test_late_beside_a_gap),
		TEST(test_more_runs_than_there_is_room_for),
		TEST(test_more_than_are_remembered),
#endif
		TEST(test_the_hungry_are_told),
		TEST(test_an_owner_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
