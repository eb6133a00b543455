/* test_list.c - base/list.h */
/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "unit/unit.h"

struct thing {
	int name;
	struct list link;
};

struct fixture {
	struct list head;
	struct thing things[4];
};

static void prepare(struct fixture *fixture)
{
	list_init(&fixture->head);
	for (int i = 0; i < 4; i++)
		fixture->things[i].name = i;
}

/* The list holds these names in this order, linked both ways. */
static void expect(const struct list *head, const int *names, size_t count)
{
	const struct list *link;
	const struct list *last = head;
	size_t seen = 0;

	list_for_each(link, head) {
		const struct thing *thing =
			container_of(link, struct thing, link);

		assert_in_range(seen + 1, 1, count);
		assert_int_equal(thing->name, names[seen++]);
		assert_ptr_equal(link->prev, last);
		last = link;
	}
	assert_ptr_equal(head->prev, last);
	assert_int_equal(seen, count);
}

#define EXPECT(head, ...)                            \
	expect((head), (const int[]){ __VA_ARGS__ }, \
	       sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))

static void test_empty_list(void **state)
{
	struct fixture fixture;

	(void)state;
	prepare(&fixture);
	assert_true(list_empty(&fixture.head));
	assert_null(list_pop(&fixture.head));
	expect(&fixture.head, NULL, 0);
}

static void test_add_at_both_ends(void **state)
{
	struct fixture fixture;

	(void)state;
	prepare(&fixture);
	list_add_tail(&fixture.head, &fixture.things[1].link);
	list_add_tail(&fixture.head, &fixture.things[2].link);
	list_add_head(&fixture.head, &fixture.things[0].link);
	assert_false(list_empty(&fixture.head));
	EXPECT(&fixture.head, 0, 1, 2);
	list_insert_before(&fixture.things[3].link, &fixture.things[1].link);
	EXPECT(&fixture.head, 0, 3, 1, 2);
}

static void fill(struct fixture *fixture)
{
	prepare(fixture);
	for (int i = 0; i < 4; i++)
		list_add_tail(&fixture->head, &fixture->things[i].link);
}

static void test_remove_first_middle_last(void **state)
{
	struct fixture fixture;

	(void)state;
	fill(&fixture);
	list_remove(&fixture.things[1].link);
	EXPECT(&fixture.head, 0, 2, 3);
	list_remove(&fixture.things[0].link);
	EXPECT(&fixture.head, 2, 3);
	list_remove(&fixture.things[3].link);
	EXPECT(&fixture.head, 2);
	list_remove(&fixture.things[2].link);
	assert_true(list_empty(&fixture.head));
	assert_null(fixture.things[2].link.next);
	assert_null(fixture.things[2].link.prev);
}

static void test_pop_takes_from_the_head(void **state)
{
	struct fixture fixture;

	(void)state;
	fill(&fixture);
	for (int i = 0; i < 4; i++)
		assert_ptr_equal(list_pop(&fixture.head),
				 &fixture.things[i].link);
	assert_null(list_pop(&fixture.head));
}

static void test_splice_moves_all_to_the_end(void **state)
{
	struct fixture fixture;
	struct list other;

	(void)state;
	prepare(&fixture);
	list_init(&other);
	list_splice_tail(&fixture.head, &other);
	assert_true(list_empty(&fixture.head));
	list_add_tail(&other, &fixture.things[0].link);
	list_add_tail(&other, &fixture.things[1].link);
	list_splice_tail(&fixture.head, &other);
	assert_true(list_empty(&other));
	EXPECT(&fixture.head, 0, 1);
	list_add_tail(&other, &fixture.things[2].link);
	list_splice_tail(&fixture.head, &other);
	EXPECT(&fixture.head, 0, 1, 2);
}

static void test_removal_while_walking(void **state)
{
	struct fixture fixture;
	struct list *link, *after;

	(void)state;
	fill(&fixture);
	list_for_each_safe(link, after, &fixture.head) {
		if (container_of(link, struct thing, link)->name % 2)
			list_remove(link);
	}
	EXPECT(&fixture.head, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_list),
		cmocka_unit_test(test_add_at_both_ends),
		cmocka_unit_test(test_remove_first_middle_last),
		cmocka_unit_test(test_pop_takes_from_the_head),
		cmocka_unit_test(test_splice_moves_all_to_the_end),
		cmocka_unit_test(test_removal_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
