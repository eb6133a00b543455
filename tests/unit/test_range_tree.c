/* test_range_tree.c - base/range_tree.h against an array */
/* SPDX-License-Identifier: MIT */
/*
 * The array has a place for each of PLACES ranges, in order:
 *
 *        place 0         place 1         place 2
 *     |..[=====).....|[============)|..............| ...
 *      ROOM addresses
 */
#include "base/range_node.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>

#define PLACES 2000
#define ROOM 16

struct member {
	struct range_item item;
	struct range_bounds range;
	bool present;
};

struct fixture {
	struct range_tree tree;
	struct member member[PLACES];
	size_t maps;
	bool refuse; /* map() gives none */
};

static struct fixture *fixture;

static void *map(size_t bytes)
{
	fixture->maps++;
	return fixture->refuse ? NULL : calloc(1, bytes);
}

static void unmap(void *chunk, size_t bytes)
{
	(void)bytes;
	free(chunk);
}

static int create(void **state)
{
	(void)state;
	fixture = calloc(1, sizeof(*fixture));
	assert_non_null(fixture);
	range_tree_init(&fixture->tree, LOCK_RANK_STORE, map, unmap);
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	range_tree_finish(&fixture->tree);
	free(fixture);
	return 0;
}

/* ---- changes, of both ---- */

static void insert(size_t place, uint64_t start, uint64_t end)
{
	struct member *member = &fixture->member[place];

	member->range.start = place * ROOM + start;
	member->range.end = place * ROOM + end;
	member->present = true;
	assert_int_equal(range_tree_reserve(&fixture->tree, 1), 0);
	range_tree_insert(&fixture->tree, &member->range, &member->item);
}

static void take_out(size_t place)
{
	struct member *member = &fixture->member[place];

	range_tree_remove(&fixture->tree, member->range.start, &member->item);
	member->present = false;
	assert_null(member->item.prev);
	assert_null(member->item.next);
}

static void move(size_t place, uint64_t start, uint64_t end)
{
	struct member *member = &fixture->member[place];
	struct range_bounds range = { start, end };

	range_tree_move(&fixture->tree, member->range.start, &member->item,
			&range);
	member->range = range;
}

/* ---- what both say ---- */

/* The first that ends above address. */
static struct member *find(uint64_t address)
{
	for (size_t i = address / ROOM; i < PLACES; i++) {
		struct member *member = &fixture->member[i];

		if (member->present && member->range.end > address)
			return member;
	}
	return NULL;
}

static struct member *below(uint64_t address)
{
	for (size_t i = PLACES; i-- > 0;) {
		struct member *member = &fixture->member[i];

		if (member->present && member->range.start < address)
			return member;
	}
	return NULL;
}

static struct range_item *item_of(struct member *member)
{
	return member ? &member->item : NULL;
}

static void compare_at(uint64_t address)
{
	struct member *member = find(address);

	assert_ptr_equal(range_tree_find(&fixture->tree, address),
			 item_of(member));
	if (member && member->range.start > address)
		member = NULL;
	assert_ptr_equal(range_tree_at(&fixture->tree, address),
			 item_of(member));
	assert_ptr_equal(range_tree_below(&fixture->tree, address),
			 item_of(below(address)));
}

/* The highest whose upper range starts at address or below, or the lowest
 * one whose upper range starts above. */
static bool find_hole(bool last, uint64_t address, uint64_t length,
		      struct range_bounds *hole)
{
	const struct member *lower = NULL;
	bool found = false;

	for (size_t i = 0; i < PLACES; i++) {
		const struct member *upper = &fixture->member[i];

		if (!upper->present)
			continue;
		if (lower && (upper->range.start <= address) == last &&
		    upper->range.start - lower->range.end >= length &&
		    (last || !found)) {
			hole->start = lower->range.end;
			hole->end = upper->range.start;
			found = true;
		}
		lower = upper;
	}
	return found;
}

static void compare_holes(uint64_t address, uint64_t length)
{
	struct range_bounds expected, hole;
	bool found = find_hole(true, address, length, &expected);

	assert_int_equal(range_tree_last_hole(&fixture->tree, address, length,
					      &hole),
			 found);
	if (found)
		assert_memory_equal(&hole, &expected, sizeof(hole));
	found = find_hole(false, address, length, &expected);
	assert_int_equal(range_tree_first_hole(&fixture->tree, address, length,
					       &hole),
			 found);
	if (found)
		assert_memory_equal(&hole, &expected, sizeof(hole));
}

/* Order, and the borders that the tree has. */
static void see(void *context, const struct range_view *view)
{
	struct range_item **next = context;
	const struct member *member = (const struct member *)*next;

	if (!view->item)
		return;
	assert_ptr_equal(view->item, *next);
	assert_memory_equal(&view->range, &member->range, sizeof(view->range));
	*next = item_of(find(member->range.end));
}

static void compare(void)
{
	struct range_item *next = item_of(find(0));
	const struct member *last = NULL;
	size_t count = 0;

	range_tree_check(&fixture->tree);
	assert_ptr_equal(fixture->tree.first, next);
	range_tree_walk(&fixture->tree, see, &next);
	assert_null(next);
	for (size_t i = 0; i < PLACES; i++) {
		const struct member *member = &fixture->member[i];

		if (!member->present)
			continue;
		assert_ptr_equal(member->item.prev, last);
		last = member;
		count++;
	}
	assert_ptr_equal(fixture->tree.last, last);
	assert_int_equal(fixture->tree.count, count);
}

/* ---- tests ---- */

static void test_empty(void **state)
{
	struct range_bounds hole;

	(void)state;
	compare();
	compare_at(0);
	compare_at(5);
	assert_false(range_tree_last_hole(&fixture->tree, 99, 1, &hole));
	assert_false(range_tree_first_hole(&fixture->tree, 0, 1, &hole));
	insert(3, 4, 8);
	compare();
	for (uint64_t address = 0; address < 5 * ROOM; address++)
		compare_at(address);
	compare_at(UINT64_MAX - 1);
	assert_null(range_tree_find(&fixture->tree, UINT64_MAX));
	assert_null(range_tree_at(&fixture->tree, UINT64_MAX));
	compare_holes(3 * ROOM, 1);
	take_out(3);
	compare();
	assert_null(fixture->tree.root);
}

/* The fewest levels that so many can have, and one more. */
static void test_rising_and_falling(void **state)
{
	(void)state;
	for (int falls = 0; falls < 2; falls++) {
		for (size_t i = 0; i < PLACES; i++) {
			insert(falls ? PLACES - 1 - i : i, 0, ROOM / 2);
			if (i % 64 == 0)
				compare();
		}
		compare();
		/* All nodes but the last ones have three quarters in use. */
		assert_int_equal(fixture->tree.levels, 3);
		for (size_t i = 0; i < PLACES; i++) {
			take_out(falls ? i : (i * 7 + 3) % PLACES);
			if (i % 64 == 0)
				compare();
		}
		compare();
		assert_null(fixture->tree.root);
	}
}

static void random_step(uint64_t *seed, bool grows)
{
	size_t place = next_random(seed) % PLACES;
	uint64_t start = next_random(seed) % (ROOM - 1);
	uint64_t end = start + 1 + next_random(seed) % (ROOM - start);

	if (!fixture->member[place].present) {
		if (grows || end % 4 == 0)
			insert(place, start, end);
	} else if (grows ? end % 4 == 0 : end % 4 != 0) {
		take_out(place);
	} else {
		move(place, place * ROOM + start, place * ROOM + end);
	}
}

static void test_random_against_array(void **state)
{
	uint64_t seed = first_seed(42);

	(void)state;
	for (int i = 0; i < 30000; i++) {
		random_step(&seed, i / 5000 % 2 == 0);
		if (i % 8 == 0)
			compare_at(next_random(&seed) % (PLACES * ROOM));
		if (i % 16 == 0)
			compare_holes(next_random(&seed) % (PLACES * ROOM),
				      1 + next_random(&seed) % (3 * ROOM));
		if (i % 256 == 0)
			compare();
	}
}

/* With a large hole here and there, and small ones everywhere else. */
static void test_holes(void **state)
{
	uint64_t seed = first_seed(7);

	(void)state;
	for (size_t i = 0; i < PLACES; i++)
		insert(i, 0, ROOM - 1);
	for (size_t i = 0; i < 6; i++) {
		size_t place = 1 + next_random(&seed) % (PLACES - 2);

		if (fixture->member[place].present)
			take_out(place);
	}
	for (size_t i = 0; i < PLACES; i++) {
		if (!fixture->member[i].present)
			continue;
		compare_holes(fixture->member[i].range.start, ROOM + 1);
		compare_holes(fixture->member[i].range.start - !!i, 1);
	}
	compare_holes(0, 100 * ROOM);
}

/*
 *     |-lower-|-middle-|-upper-|
 *
 *     |-lower----------|-------|    grows over the middle, which then goes
 *     |-------|----------upper-|    the same from above: two have one start
 *     |-lower------------------|    over two
 *
 * wherever the three are in their nodes.
 */
static void test_one_grows_over_others(void **state)
{
	(void)state;
	for (size_t way = 0; way < 3; way++) {
		for (size_t i = 0; i < PLACES; i++)
			insert(i, 0, ROOM);
		for (size_t i = 0; i + 2 < PLACES; i += 3) {
			if (way == 1)
				move(i + 2, (i + 1) * ROOM, (i + 3) * ROOM);
			else
				move(i, i * ROOM, (i + 2 + way / 2) * ROOM);
			take_out(i + 1);
			if (way == 2)
				take_out(i + 2);
			if (i % 30 == 0)
				range_tree_check(&fixture->tree);
		}
		range_tree_check(&fixture->tree);
		for (size_t i = 0; i < PLACES; i++)
			if (fixture->member[i].present)
				take_out(i);
		assert_null(fixture->tree.root);
	}
}

/* The upper part comes while the lower one is still whole. */
static void test_one_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < PLACES; i += 2) {
		insert(i, 0, 2 * ROOM);
		insert(i + 1, 0, ROOM);
		move(i, i * ROOM, (i + 1) * ROOM);
	}
	compare();
}

static void test_hit_is_forgotten(void **state)
{
	(void)state;
	insert(4, 0, 8);
	insert(6, 0, 8);
	compare_at(6 * ROOM);
	assert_ptr_equal(range_hit(&fixture->tree, 6 * ROOM + 7),
			 &fixture->member[6].item);
	assert_null(range_hit(&fixture->tree, 6 * ROOM + 8));
	assert_null(range_hit(&fixture->tree, 6 * ROOM - 1));
	/* What was found moves on within its node. */
	insert(2, 0, 8);
	assert_null(range_hit(&fixture->tree, 6 * ROOM));
	compare_at(6 * ROOM);
	compare_at(4 * ROOM);
	move(4, 4 * ROOM + 1, 4 * ROOM + 8);
	compare_at(4 * ROOM);
	compare_at(6 * ROOM);
	take_out(6);
	compare_at(6 * ROOM);
}

/* What was reserved maps nothing. */
static void test_reserve(void **state)
{
	size_t maps;

	(void)state;
	assert_int_equal(range_tree_reserve(&fixture->tree, PLACES), 0);
	fixture->refuse = true;
	maps = fixture->maps;
	for (size_t i = 0; i < PLACES; i++) {
		size_t place = i * 1117 % PLACES; /* prime to PLACES */
		struct member *member = &fixture->member[place];

		member->range.start = place * ROOM;
		member->range.end = place * ROOM + 1;
		member->present = true;
		range_tree_insert(&fixture->tree, &member->range,
				  &member->item);
	}
	compare();
	assert_int_equal(fixture->maps, maps);
	/* Many more than a chunk has. */
	assert_int_equal(range_tree_reserve(&fixture->tree, 1000000), -ENOMEM);
	assert_int_equal(fixture->maps, maps + 1);
	fixture->refuse = false;
	assert_int_equal(range_tree_reserve(&fixture->tree, 1000000), 0);
}

static void break_border(void *unused)
{
	(void)unused;
	fixture->tree.root->start[1]++;
	range_tree_check(&fixture->tree);
}

static void break_hole(void *unused)
{
	(void)unused;
	fixture->tree.root->hole[0]++;
	range_tree_check(&fixture->tree);
}

static void break_unused(void *unused)
{
	(void)unused;
	fixture->tree.root->end[RANGE_SLOTS] = 0;
	range_tree_check(&fixture->tree);
}

static void break_order(void *unused)
{
	(void)unused;
	fixture->member[1].item.prev = NULL;
	range_tree_check(&fixture->tree);
}

static void take_out_a_stranger(void *unused)
{
	struct range_item stranger = { NULL, NULL };

	(void)unused;
	range_tree_remove(&fixture->tree, 3 * ROOM, &stranger);
}

static void test_check_sees(void **state)
{
	(void)state;
	for (size_t i = 0; i < 100; i++)
		insert(i, 0, ROOM);
	assert_int_equal(fixture->tree.levels, 2);
	assert_check_fails(break_border, NULL, "what is below");
	assert_check_fails(break_hole, NULL, "what is below");
	assert_check_fails(break_unused, NULL, "unused");
	assert_check_fails(break_order, NULL, "in order");
	assert_check_fails(take_out_a_stranger, NULL, "is in the tree");
	compare();
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty),
		TEST(test_rising_and_falling),
		TEST(test_random_against_array),
		TEST(test_holes),
		TEST(test_one_grows_over_others),
		TEST(test_one_is_cut),
		TEST(test_hit_is_forgotten),
		TEST(test_reserve),
		TEST(test_check_sees),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
