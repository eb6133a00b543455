/* test_dirty.c - object/dirty.c, mapping.c: what must go home, and protecting */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES 200

static struct object_world *world;
static struct thing thing;

static int open_world(void **state)
{
	(void)state;
	world = world_open(256);
	thing = thing_of(world, PAGES * PAGE_SIZE);
	assert_int_equal(object_read_ahead(thing.object, 0, PAGES), PAGES);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	assert_int_equal(atomic_load(&world->cache.dirty), 0);
	assert_int_equal(atomic_load(&world->cache.must_go), 0);
	world_close(world);
	return 0;
}

static page_word *word_at(uint64_t index)
{
	return object_word(thing.object, index);
}

static void store_to(uint64_t index)
{
	assert_int_equal(object_take_wpin(thing.object, index, false),
			 PAGE_TAKEN);
	page_drop_wpin(word_at(index));
}

static void assert_counts(uint64_t dirty)
{
	assert_int_equal(object_dirty_pages(thing.object), dirty);
	assert_int_equal(atomic_load(&world->cache.dirty), dirty);
	assert_int_equal(atomic_load(&world->cache.must_go), dirty);
}

static void test_the_set(void **state)
{
	(void)state;
	assert_int_equal(object_next_dirty(thing.object, 0), BITMAP_NONE);
	store_to(7);
	store_to(130);
	store_to(7);
	assert_counts(2);
	assert_int_equal(atomic_load(&world->dirtied), 2);
	assert_int_equal(object_next_dirty(thing.object, 0), 7);
	assert_int_equal(object_next_dirty(thing.object, 7), 7);
	assert_int_equal(object_next_dirty(thing.object, 8), 130);
	assert_int_equal(object_next_dirty(thing.object, 131), BITMAP_NONE);
}

static void test_scratch_need_not_go(void **state)
{
	struct thing scratch =
		thing_create(world, (struct object_parameters){
					    .size = PAGE_SIZE,
					    .capacity = PAGE_SIZE,
					    .discard = true,
				    });

	(void)state;
	set_byte(scratch.object, 0, 5);
	assert_int_equal(atomic_load(&world->cache.dirty), 1);
	assert_int_equal(atomic_load(&world->cache.must_go), 0);
	thing_end(&scratch);
	assert_int_equal(atomic_load(&world->cache.dirty), 0);
}

static void test_no_pin_no_entry(void **state)
{
	(void)state;
	object_invalidate(thing.object, 3, 1);
	assert_int_equal(object_take_wpin(thing.object, 3, false),
			 PAGE_NOT_VISIBLE);
	atomic_fetch_or(word_at(4), WORD_WPINS);
	assert_int_equal(object_take_wpin(thing.object, 4, false),
			 PAGE_PINS_FULL);
	atomic_fetch_and(word_at(4), ~WORD_WPINS);
	assert_counts(0);
}

struct note {
	struct waiter waiter;
	int wakes;
	enum page_state seen;
	uint64_t dirty;
};

static void note_wake(struct waiter *waiter)
{
	struct note *note = container_of(waiter, struct note, waiter);

	note->wakes++;
	note->seen = state_of(thing.object, 9);
	note->dirty = object_dirty_pages(thing.object);
}

static void test_a_good_write_leaves_the_set(void **state)
{
	struct note note = { .waiter.wake = note_wake };

	(void)state;
	store_to(9);
	assert_true(page_begin_write(word_at(9)));
	assert_true(wait_park(&world->cache.waits, object_table(thing.object),
			      9, word_at(9), PAGE_WRITING, &note.waiter));
	assert_counts(1);
	assert_int_equal(object_next_dirty(thing.object, 0), 9);
	assert_true(object_end_write(thing.object, 9, true));
	assert_counts(0);
	assert_int_equal(note.wakes, 1);
	assert_int_equal(note.seen, PAGE_CLEAN);
	assert_int_equal(note.dirty, 0);
}

/* Failed, stored to meanwhile, or pinned: it stays. */
static void test_what_stays_in_the_set(void **state)
{
	(void)state;
	store_to(9);
	assert_true(page_begin_write(word_at(9)));
	assert_false(object_end_write(thing.object, 9, false));
	assert_counts(1);

	assert_true(page_begin_write(word_at(9)));
	store_to(9);
	assert_false(object_end_write(thing.object, 9, true));
	assert_counts(1);

	assert_int_equal(object_take_wpin(thing.object, 9, false), PAGE_TAKEN);
	assert_true(page_begin_write(word_at(9)));
	assert_false(object_end_write(thing.object, 9, true));
	page_drop_wpin(word_at(9));
	assert_counts(1);
	assert_int_equal(atomic_load(&world->dirtied), 1);
	assert_true(page_begin_write(word_at(9)));
	assert_true(object_end_write(thing.object, 9, true));
	assert_counts(0);
}

/* ---- protecting ---- */

/* An mmu that lists what it is told. */
struct fake_mmu {
	struct mmu mmu;
	char text[256];
	int error;
};

static int fake_write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	struct fake_mmu *fake = container_of(mmu, struct fake_mmu, mmu);
	size_t at = strlen(fake->text);

	snprintf(fake->text + at, sizeof(fake->text) - at, "%s%llu+%llu",
		 at ? " " : "", (unsigned long long)(start >> PAGE_SHIFT),
		 (unsigned long long)(length >> PAGE_SHIFT));
	return fake->error;
}

static const struct mmu_ops fake_ops = { .write_protect = fake_write_protect };

static struct fake_mmu fake;

static void reset_fake(void)
{
	fake = (struct fake_mmu){
		.mmu = { .ops = &fake_ops, .highest = UINT64_C(1) << 40 },
	};
}

static struct mapping mapping_of(uint64_t page, uint64_t count, uint64_t index,
				 bool shared)
{
	return (struct mapping){
		.mmu = &fake.mmu,
		.start = page << PAGE_SHIFT,
		.end = (page + count) << PAGE_SHIFT,
		.index = index & MAPPING_INDEX_MASK,
		.shared = shared,
	};
}

static void assert_protects(uint64_t index, uint64_t count, int result,
			    const char *expected)
{
	fake.text[0] = '\0';
	assert_int_equal(
		object_write_protect(thing.object,
				     &(struct page_span){ index, count }, 1),
		result);
	assert_string_equal(fake.text, expected);
}

/*
 *   object pages    0        10        20        30
 *   one, at 1000        5.........15
 *   two, at 2000              10.........20
 *   private         0...............................
 */
static void test_every_shared_mapping_is_protected(void **state)
{
	struct mapping one, two, private;

	(void)state;
	reset_fake();
	one = mapping_of(1000, 10, 5, true);
	two = mapping_of(2000, 10, 10, true);
	private = mapping_of(3000, 40, 0, false);
	assert_protects(0, 30, 0, "");
	object_attach(thing.object, &one);
	object_attach(thing.object, &private);
	object_attach(thing.object, &two);
	assert_protects(0, 30, 0, "1000+10 2000+10");
	assert_protects(12, 2, 0, "1007+2 2002+2");
	assert_protects(5, 1, 0, "1000+1");
	assert_protects(14, 100, 0, "1009+1 2004+6");
	assert_protects(0, 5, 0, "");
	assert_protects(20, 5, 0, "");
	fake.error = -EFAULT;
	assert_protects(12, 1, -EFAULT, "1007+1");
	fake.error = 0;
	/* Pages 5 and 6 are unmapped from the first. */
	object_adjust(thing.object, &one, one.start + 2 * PAGE_SIZE, one.end,
		      7);
	assert_protects(0, 10, 0, "1002+3");
	object_detach(thing.object, &one);
	assert_protects(0, 30, 0, "2000+10");
	object_detach(thing.object, &two);
	object_detach(thing.object, &private);
}

/* ---- all at once ---- */

#define ROUNDS 4000

static _Atomic int storing;

static void *store_often(void *argument)
{
	uint64_t seed = (uintptr_t)argument;

	for (int i = 0; i < ROUNDS; i++)
		store_to(next_random(&seed) % 8);
	atomic_fetch_sub(&storing, 1);
	return NULL;
}

static void *write_often(void *argument)
{
	uint64_t index = 0;

	(void)argument;
	while (atomic_load(&storing) > 0) {
		index = object_next_dirty(thing.object, index);
		if (index == BITMAP_NONE) {
			index = 0;
			continue;
		}
		if (page_begin_write(word_at(index)))
			object_end_write(thing.object, index, true);
		index++;
	}
	return NULL;
}

/* The set and the states agree at the end, and the counts with both. */
static void test_threads(void **state)
{
	pthread_t threads[4];
	uint64_t dirty = 0;

	(void)state;
	atomic_store(&storing, 3);
	for (uintptr_t i = 0; i < 3; i++)
		threads[i] = start_thread(store_often, (void *)(i + 1));
	threads[3] = start_thread(write_often, NULL);
	for (int i = 0; i < 4; i++)
		join_thread(threads[i]);
	for (uint64_t i = 0; i < 8; i++) {
		bool is_dirty = state_of(thing.object, i) == PAGE_DIRTY;

		dirty += is_dirty;
		assert_int_equal(object_next_dirty(thing.object, i) == i,
				 is_dirty);
	}
	assert_counts(dirty);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_set),
		TEST(test_scratch_need_not_go),
		TEST(test_no_pin_no_entry),
		TEST(test_a_good_write_leaves_the_set),
		TEST(test_what_stays_in_the_set),
		TEST(test_every_shared_mapping_is_protected),
		TEST(test_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
