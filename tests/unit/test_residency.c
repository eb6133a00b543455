/* test_residency.c - space/residency.c: which pages are in memory now */
/* SPDX-License-Identifier: MIT */
#include "space/advise.h"
#include "unit/space_world.h"

static unsigned char vector[WORLD_PAGES];
static bool own;

static int64_t look(uint64_t first, uint64_t count)
{
	memset(vector, 9, sizeof(vector));
	own = false;
	return space_residency(&world.space, at(first), count, vector, &own);
}

/* As far as one mapping goes; the first three pages of a are in memory. */
static void test_pages(void **state)
{
	(void)state;
	draw_map("aaaaab.c");
	world.object[0].resident = 3;
	assert_int_equal(look(1, 8), 4);
	assert_memory_equal(vector, ((unsigned char[]){ 1, 1, 0, 0, 9 }), 5);
	assert_false(own);
	assert_int_equal(look(0, 2), 2);
	assert_memory_equal(vector, ((unsigned char[]){ 1, 1, 9 }), 3);
	assert_int_equal(look(5, 1), 1);
	assert_int_equal(vector[0], 0);
}

static void test_holes(void **state)
{
	(void)state;
	draw_map("aa.c");
	assert_int_equal(look(2, 1), -ENOMEM);
	assert_int_equal(vector[0], 9);
	assert_non_null(strstr(error_sentence(), "nothing is mapped"));
	assert_int_equal(look(4, 3), -ENOMEM);
}

/* Of private pages the host alone knows the copies. */
static void test_private(void **state)
{
	(void)state;
	assert_int_equal(map_pages(0, 0, 2, 0, PROT_READ, MAP_PRIVATE), 0);
	world.object[0].resident = 1;
	assert_int_equal(look(0, 2), 2);
	assert_true(own);
	assert_memory_equal(vector, ((unsigned char[]){ 1, 0 }), 2);
}

#define in_world(test) \
	cmocka_unit_test_setup_teardown(test, world_start, world_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_world(test_pages),
		in_world(test_holes),
		in_world(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
