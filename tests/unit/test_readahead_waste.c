/* test_readahead_waste.c - object/ahead.c: what readahead may cost */
/* SPDX-License-Identifier: MIT */
/*
 * A reader through a mapping that shows what a fault would show: touches of
 * what is shown make no trap, until the page leaves.
 */
#include "unit/object_world.h"

#define PAGES 2048
#define READAHEAD 64

static struct object_world *world;
static struct thing thing;
static bool shown[PAGES];
static uint64_t misses;

static void record(void *context, struct object *object, uint64_t index,
		   uint64_t count, enum object_record what)
{
	(void)context;
	(void)object;
	for (uint64_t i = 0; what == OBJECT_EVICTED && i < count; i++)
		shown[index + i] = false;
}

static void open_with(uint64_t budget)
{
	world = world_open(budget);
	world->host.record = record;
	thing = thing_create(world, (struct object_parameters){
					    .size = PAGES * PAGE_SIZE,
					    .capacity = PAGES * PAGE_SIZE,
					    .readahead = READAHEAD,
				    });
	memset(shown, 0, sizeof(shown));
	misses = 0;
}

static void end(void)
{
	thing_end(&thing);
	world_close(world);
}

static uint64_t counted(enum counter which)
{
	return count_get(&world->counters, which);
}

static void show(uint64_t index, uint64_t end)
{
	for (; index < end && index < PAGES; index++) {
		page_word *word = object_word(thing.object, index);

		if (page_take_rpin(word, false) != PAGE_TAKEN)
			return;
		shown[index] = true;
		page_drop_rpin(word);
	}
}

static void touch_advised(uint64_t index, enum read_advice advice)
{
	struct read_plan plan;
	uint64_t sequence;

	if (shown[index])
		return;
	object_plan_advised(thing.object, index, advice, false, &plan);
	if (state_of(thing.object, index) == PAGE_ABSENT) {
		misses++;
		assert_true(object_start_read(thing.object, index, plan.count,
					      &sequence) > 0);
	}
	show(index, plan.install_end);
	object_follow_plan(thing.object, &plan, 0);
}

static void touch(uint64_t index)
{
	touch_advised(index, READ_AS_IT_COMES);
}

/* Asked for, here, and never shown. */
static uint64_t unused_now(void)
{
	uint64_t unused = 0;

	for (uint64_t i = 0; i < PAGES; i++) {
		uint64_t word = atomic_load(object_word(thing.object, i));

		unused += word_visible(word) && !(word & WORD_TOUCHED);
	}
	return unused;
}

static void assert_nothing_ahead(void)
{
	assert_int_equal(counted(COUNT_READS), misses);
	assert_int_equal(counted(COUNT_PAGES_READ), misses);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 0);
}

/* Down to budgets where a page leaves before anybody can use it. */
static void test_random_touches(void **state)
{
	static const uint64_t budgets[] = { PAGES / 10, PAGES / 2, 64, 16, 3 };

	(void)state;
	for (unsigned i = 0; i < sizeof(budgets) / sizeof(*budgets); i++) {
		uint64_t seed = first_seed(11 + i);

		open_with(budgets[i]);
		touch(1); /* not the first page, which promises more */
		for (int n = 0; n < 10000; n++)
			touch(next_random(&seed) % PAGES);
		assert_true(misses > 1000);
		assert_nothing_ahead();
		end();
	}
}

/* The same by pins. */
static void test_random_copies(void **state)
{
	uint64_t seed = first_seed(7);

	(void)state;
	open_with(PAGES / 10);
	object_byte(thing.object, PAGE_SIZE);
	for (int n = 0; n < 10000; n++)
		object_byte(thing.object, (next_random(&seed) % PAGES)
						  << PAGE_SHIFT);
	assert_int_equal(counted(COUNT_READS), counted(COUNT_MISSES));
	assert_int_equal(counted(COUNT_PAGES_READ), counted(COUNT_MISSES));
	end();
}

/* So narrow that neighbours are touched all the time, in no order. */
static void test_random_in_a_narrow_place(void **state)
{
	(void)state;
	for (uint64_t pages = 64; pages <= 512; pages *= 2) {
		uint64_t seed = first_seed(5);

		open_with(pages / 4);
		for (int n = 0; n < 10000; n++)
			touch(1000 + next_random(&seed) % pages);
		assert_true(misses > 1000);
		assert_true(counted(COUNT_PAGES_READ) < misses + misses / 4);
		end();
	}
}

/* Readers who stop after a few pages: the more in vain, the less is tried. */
static void test_short_runs(void **state)
{
	for (uint64_t pages = 2; pages <= 16; pages *= 2) {
		uint64_t seed = first_seed(9), read;

		(void)state;
		open_with(PAGES / 10);
		for (int n = 0; n < 3000; n++) {
			uint64_t at = next_random(&seed) % (PAGES - pages);

			for (uint64_t i = 0; i < pages; i++)
				touch(at + i);
		}
		read = counted(COUNT_PAGES_READ);
		assert_true(read < 2 * 3000 * pages);
		assert_true(counted(COUNT_PAGES_AHEAD_UNUSED) < read / 2);
		end();
	}
}

/* So many readers that what they ask for cannot all stay. */
static void test_streams_share_the_budget(void **state)
{
	(void)state;
	for (uint64_t streams = 1; streams <= 8; streams *= 2) {
		uint64_t part = PAGES / streams, most = 0, budget = 512;

		open_with(budget);
		for (uint64_t i = 0; i < part; i++)
			for (uint64_t k = 0; k < streams; k++) {
				uint64_t now;

				touch(k * part + i);
				now = unused_now();
				most = now > most ? now : most;
			}
		assert_true(misses < PAGES / 8);
		assert_in_range(most, 1, budget / 4);
		assert_true(counted(COUNT_PAGES_READ) <= PAGES + PAGES / 20);
		end();
	}
}

/* Backwards and in steps, several at once: hardly any waits for its page. */
static void test_streams_of_steps(void **state)
{
	static const uint64_t step[] = { 1, 2, 5, 16 };

	(void)state;
	for (unsigned i = 0; i < sizeof(step) / sizeof(*step); i++) {
		open_with(512);
		for (uint64_t n = 0; n < PAGES / 4 / step[i]; n++)
			for (uint64_t k = 1; k <= 4; k++)
				touch(k * PAGES / 4 - 1 - n * step[i]);
		assert_in_range(misses, 4, 4 * 8);
		assert_true(counted(COUNT_PAGES_AHEAD_UNUSED) <= 16);
		end();
	}
}

/* A reader beside one who has no order. */
static void test_a_stream_among_random_touches(void **state)
{
	uint64_t seed = first_seed(13), of_stream = 0, before;

	(void)state;
	open_with(PAGES / 4);
	for (uint64_t i = 0; i < PAGES; i++) {
		before = misses;
		touch(i);
		of_stream += misses - before;
		touch(next_random(&seed) % PAGES);
	}
	assert_true(of_stream < PAGES / 4);
	end();
}

/* What nobody touched is counted when it leaves, what was is not. */
static void test_what_is_counted(void **state)
{
	struct object_counts *counts;

	(void)state;
	open_with(512);
	counts = object_counts(thing.object);
	touch(0);
	touch(4); /* 4 to 11 are shown, 12 to 19 are not */
	assert_int_equal(unused_now(), 8);
	assert_int_equal(object_drop_clean(thing.object, 0, 12), 12);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 0);
	assert_int_equal(object_drop_clean(thing.object, 12, 3), 3);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 3);
	object_byte(thing.object, UINT64_C(15) << PAGE_SHIFT);
	assert_int_equal(object_drop_clean(thing.object, 15, 2), 2);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 4);
	assert_int_equal(atomic_load(&counts->pages_ahead_unused), 4);
	end();
}

/* What was asked for may leave before whoever asked could look at it. */
static void test_a_page_asked_for_is_no_waste(void **state)
{
	uint64_t sequence;

	(void)state;
	open_with(512);
	assert_int_equal(object_read_now(thing.object, 40, 1, &sequence), 1);
	assert_int_equal(object_start_read(thing.object, 50, 4, &sequence), 4);
	assert_int_equal(object_drop_clean(thing.object, 40, 11), 2);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 0);
	assert_int_equal(object_drop_clean(thing.object, 51, 3), 3);
	assert_int_equal(counted(COUNT_PAGES_AHEAD_UNUSED), 3);
	end();
}

/* After much in vain a reader must go on for longer; it is forgotten when
 * others have gone on. */
static void test_caution(void **state)
{
	(void)state;
	open_with(2048);
	assert_int_equal(object_read_ahead(thing.object, 1000, 200), 200);
	assert_int_equal(object_drop_clean(thing.object, 1000, 200), 200);
	assert_int_equal(ahead_caution(thing.object), 3);
	for (uint64_t i = 100; i < 106; i++)
		touch(i);
	assert_int_equal(counted(COUNT_PAGES_READ), 206);
	touch(106); /* six links */
	assert_int_equal(counted(COUNT_PAGES_READ), 210);
	for (uint64_t i = 107; i < PAGES; i++)
		touch(i);
	assert_int_equal(ahead_caution(thing.object), 0);
	assert_true(misses < 32);
	end();
}

/* Beside those of the object. */
static struct stream gone, reader;

static void open_with_two(void)
{
	open_with(1024);
	gone = reader = (struct stream){ .step = 1 };
}

/* A reader who is gone holds his part for a while only; little is always to be
 * had. */
static void test_who_is_gone_holds_nothing(void **state)
{
	unsigned asked = 0;

	(void)state;
	open_with_two();
	stream_hold(thing.object, &gone, 300);
	assert_int_equal(stream_may_ask(thing.object, &reader, 64), 4);
	stream_hold(thing.object, &gone, 200);
	assert_int_equal(stream_may_ask(thing.object, &reader, 64), 56);
	stream_hold(thing.object, &gone, 256);
	while (stream_may_ask(thing.object, &reader, 64) == 4)
		asked++;
	assert_in_range(asked, 100, 200);
	assert_int_equal(stream_may_ask(thing.object, &reader, 64), 64);
	stream_hold(thing.object, &gone, 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(atomic_load(&world->host.ahead.held.of[i]), 0);
		assert_int_equal(atomic_load(&world->host.ahead.streams.of[i]),
				 0);
	}
	end();
}

/* And narrows nobody's windows, for a shorter while. */
static void test_who_is_gone_is_no_stream(void **state)
{
	unsigned asked = 0;

	(void)state;
	open_with_two();
	stream_hold(thing.object, &reader, 8);
	assert_int_equal(stream_window_most(thing.object, &reader), 128);
	stream_hold(thing.object, &gone, 8);
	assert_int_equal(stream_window_most(thing.object, &reader), 128 / 4);
	while (stream_window_most(thing.object, &reader) < 128) {
		stream_may_ask(thing.object, &reader, 8);
		stream_hold(thing.object, &reader, 8);
		asked++;
	}
	assert_in_range(asked, 256 / 8, 2 * 256 / 8);
	assert_int_equal(stream_window_most(thing.object, &gone), 128 / 4);
	stream_hold(thing.object, &gone, 8); /* he is back */
	assert_int_equal(stream_window_most(thing.object, &reader), 128 / 4);
	stream_hold(thing.object, &gone, 0);
	stream_hold(thing.object, &reader, 0);
	end();
}

#define READERS 8

static void *read_part(void *argument)
{
	uint64_t part = PAGES / READERS, first = *(uint64_t *)argument * part;

	for (uint64_t i = 0; i < part; i++)
		assert_int_equal(object_byte(thing.object,
					     (first + i) << PAGE_SHIFT),
				 byte_at((first + i) << PAGE_SHIFT));
	return NULL;
}

/* Threads, each a reader; whoever comes first. */
static void test_readers_at_once(void **state)
{
	pthread_t threads[READERS];
	uint64_t number[READERS];

	(void)state;
	open_with(1024);
	for (uint64_t i = 0; i < READERS; i++) {
		number[i] = i;
		threads[i] = start_thread(read_part, &number[i]);
	}
	for (unsigned i = 0; i < READERS; i++)
		join_thread(threads[i]);
	assert_true(counted(COUNT_READS) < PAGES / 2);
	assert_true(counted(COUNT_PAGES_READ) < PAGES + PAGES / 4);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_touches),
		cmocka_unit_test(test_random_copies),
		cmocka_unit_test(test_random_in_a_narrow_place),
		cmocka_unit_test(test_short_runs),
		cmocka_unit_test(test_streams_share_the_budget),
		cmocka_unit_test(test_streams_of_steps),
		cmocka_unit_test(test_a_stream_among_random_touches),
		cmocka_unit_test(test_what_is_counted),
		cmocka_unit_test(test_a_page_asked_for_is_no_waste),
		cmocka_unit_test(test_caution),
		cmocka_unit_test(test_who_is_gone_holds_nothing),
		cmocka_unit_test(test_who_is_gone_is_no_stream),
		cmocka_unit_test(test_readers_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
