/* test_tree.c - base/tree.h against a sorted array */
/* SPDX-License-Identifier: MIT */
#include "base/tree.h"

#include "base/list.h"
#include "unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>

#define KEYS 256

struct item {
	struct tree_node node;
	uint64_t weight;
	/* The summary: of the whole subtree. */
	uint64_t total;
	uint64_t count;
	bool present;
};

/* items[i] has the key i, so the array is sorted by itself. */
struct fixture {
	struct tree tree;
	struct item items[KEYS];
};

static struct item *item_of(struct tree_node *node)
{
	return container_of(node, struct item, node);
}

static uint64_t total_of(struct tree_node *node)
{
	return node ? item_of(node)->total : 0;
}

static uint64_t count_of(struct tree_node *node)
{
	return node ? item_of(node)->count : 0;
}

static void summarise(struct tree_node *node)
{
	struct item *item = item_of(node);

	item->total =
		item->weight + total_of(node->left) + total_of(node->right);
	item->count = 1 + count_of(node->left) + count_of(node->right);
}

static void insert(struct fixture *fixture, size_t key, uint64_t weight)
{
	struct item *item = &fixture->items[key];
	struct tree_node **place = &fixture->tree.root;
	struct tree_node *parent = NULL;

	while (*place) {
		parent = *place;
		place = item < item_of(parent) ? &parent->left : &parent->right;
	}
	item->weight = weight;
	item->present = true;
	tree_insert(&fixture->tree, parent, place, &item->node);
}

static void take_out(struct fixture *fixture, size_t key)
{
	struct item *item = &fixture->items[key];

	item->present = false;
	tree_remove(&fixture->tree, &item->node);
	assert_null(item->node.parent);
	assert_null(item->node.left);
	assert_null(item->node.right);
}

static int height_of(const struct tree_node *node)
{
	return node ? node->height : 0;
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static void check_node(struct tree_node *node)
{
	int left = height_of(node->left);
	int right = height_of(node->right);
	struct item *item = item_of(node);

	assert_in_range(left - right + 1, 0, 2);
	assert_int_equal(node->height, larger(left, right) + 1);
	if (node->left)
		assert_ptr_equal(node->left->parent, node);
	if (node->right)
		assert_ptr_equal(node->right->parent, node);
	assert_true(item->total == item->weight + total_of(node->left) +
					   total_of(node->right));
	assert_true(item->count ==
		    1 + count_of(node->left) + count_of(node->right));
}

/* Forwards over the array and the tree at once: order, heights, summaries. */
static void compare(struct fixture *fixture)
{
	struct tree_node *node = tree_first(&fixture->tree);
	uint64_t total = 0, count = 0;

	for (size_t i = 0; i < KEYS; i++) {
		if (!fixture->items[i].present)
			continue;
		assert_ptr_equal(node, &fixture->items[i].node);
		check_node(node);
		total += fixture->items[i].weight;
		count++;
		node = tree_next(node);
	}
	assert_null(node);
	assert_true(total_of(fixture->tree.root) == total);
	assert_true(count_of(fixture->tree.root) == count);
	if (fixture->tree.root)
		assert_null(fixture->tree.root->parent);
}

static void compare_backwards(struct fixture *fixture)
{
	struct tree_node *node = tree_last(&fixture->tree);

	for (size_t i = KEYS; i-- > 0;) {
		if (!fixture->items[i].present)
			continue;
		assert_ptr_equal(node, &fixture->items[i].node);
		node = tree_prev(node);
	}
	assert_null(node);
}

static int create(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	tree_init(&fixture->tree, summarise);
	*state = fixture;
	return 0;
}

static int destroy(void **state)
{
	free(*state);
	return 0;
}

static void test_empty_tree(void **state)
{
	struct fixture *fixture = *state;

	assert_null(tree_first(&fixture->tree));
	assert_null(tree_last(&fixture->tree));
	compare(fixture);
}

static void test_rising_and_falling_keys(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < KEYS / 2; i++) {
		insert(fixture, i, i);
		compare(fixture);
		insert(fixture, KEYS - 1 - i, i);
		compare(fixture);
	}
	assert_in_range(fixture->tree.root->height, 9, 11);
	for (size_t i = 0; i < KEYS; i++) {
		take_out(fixture, i);
		compare(fixture);
	}
	assert_null(fixture->tree.root);
}

static void random_step(struct fixture *fixture, uint64_t *seed)
{
	size_t key = next_random(seed) % KEYS;
	uint64_t weight = next_random(seed) % 1000;
	struct item *item = &fixture->items[key];

	if (!item->present) {
		insert(fixture, key, weight);
	} else if (weight % 3) {
		take_out(fixture, key);
	} else {
		item->weight = weight;
		tree_changed(&fixture->tree, &item->node);
	}
}

static void test_random_against_array(void **state)
{
	struct fixture *fixture = *state;
	uint64_t seed = first_seed(42);

	for (int i = 0; i < 20000; i++) {
		random_step(fixture, &seed);
		if (i % 4 == 0)
			compare(fixture);
		if (i % 64 == 0)
			compare_backwards(fixture);
	}
}

/*
 *      4            4 goes: 5 takes its place, from deep in the right side
 *    /   \
 *   2     6
 *  / \   / \
 * 1   3 5   7
 */
static void test_removal_of_the_root(void **state)
{
	static const size_t keys[] = { 4, 2, 6, 1, 3, 5, 7 };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < 7; i++)
		insert(fixture, keys[i], 10);
	take_out(fixture, 4);
	assert_ptr_equal(fixture->tree.root, &fixture->items[5].node);
	compare(fixture);
	compare_backwards(fixture);
}

static void test_tree_without_summary(void **state)
{
	struct fixture *fixture = *state;
	struct tree_node *node;

	tree_init(&fixture->tree, NULL);
	for (size_t i = 0; i < 10; i++)
		insert(fixture, i, 0);
	tree_changed(&fixture->tree, &fixture->items[3].node);
	take_out(fixture, 5);
	node = tree_first(&fixture->tree);
	for (size_t i = 0; i < 10; i++) {
		if (i == 5)
			continue;
		assert_ptr_equal(node, &fixture->items[i].node);
		node = tree_next(node);
	}
	assert_null(node);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_empty_tree),
		TEST(test_rising_and_falling_keys),
		TEST(test_random_against_array),
		TEST(test_removal_of_the_root),
		TEST(test_tree_without_summary),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
