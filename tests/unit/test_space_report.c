/* test_space_report.c - space/report.c: what is mapped, as text */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

static void assert_report(enum space_report_kind kind, const char *expected)
{
	char *text = report_text(kind);

	assert_string_equal(text, expected);
	free(text);
}

static void test_maps(void **state)
{
	(void)state;
	world.object[0].identity.name = "/tmp/data";
	world.object[0].identity.inode = 247498;
	assert_int_equal(map_pages(0, 0, 3, 2, PROT_READ, MAP_SHARED), 0);
	assert_int_equal(
		map_pages(0, 3, 1, 0, PROT_WRITE | PROT_EXEC, MAP_PRIVATE), 0);
	assert_int_equal(map_pages(1, 8, 1, UINT64_C(0x123456789), PROT_NONE,
				   MAP_PRIVATE),
			 0);
	/* 73 columns before the name, as in /proc/self/maps */
	assert_report(SPACE_REPORT_MAPS,
		      "00010000-00013000 r--s 00002000 08:00 247498"
		      "                             /tmp/data\n"
		      "00013000-00014000 -wxp 00000000 08:00 247498"
		      "                             /tmp/data\n"
		      "00018000-00019000 ---p 123456789000 08:01 2"
		      "                              b\n");
}

/* A line of the kernel's own has its name at the same column. */
static void test_column_is_the_kernels(void **state)
{
	char line[512];
	char *text;
	FILE *maps = fopen("/proc/self/maps", "r");

	(void)state;
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) && !strchr(line, '/'))
		;
	fclose(maps);
	assert_non_null(strchr(line, '/'));
	world.object[0].identity.name = "/name";
	draw_map("aa");
	text = report_text(SPACE_REPORT_MAPS);
	assert_int_equal(strcspn(text, "/"), strcspn(line, "/"));
	free(text);
}

static void test_names(void **state)
{
	(void)state;
	draw_map("aa");
	world.object[0].identity.name = "";
	assert_report(SPACE_REPORT_MAPS,
		      "00010000-00012000 r--s 00000000 08:00 1 \n");
	world.object[0].identity.name = NULL;
	assert_report(SPACE_REPORT_MAPS,
		      "00010000-00012000 r--s 00000000 08:00 1 \n");
	world.object[0].identity.name = "a\nb\n";
	assert_report(SPACE_REPORT_MAPS,
		      "00010000-00012000 r--s 00000000 08:00 1"
		      "                                  a\\012b\\012\n");
	/* what is no file */
	world.object[0].identity =
		(struct object_identity){ .name = "anon:8K" };
	assert_report(SPACE_REPORT_MAPS,
		      "00010000-00012000 r--s 00000000 00:00 0"
		      "                                  anon:8K\n");
}

static void test_empty(void **state)
{
	(void)state;
	assert_report(SPACE_REPORT_MAPS, "");
	assert_report(SPACE_REPORT_TREE, "0 mappings, 0 pages, generation 0\n"
					 ". 64 pages free\n");
}

/* A node with three VMAs, and four pages between two at most. */
static void test_tree(void **state)
{
	(void)state;
	draw_map("..aa..bb....C");
	assert_report(SPACE_REPORT_TREE,
		      "3 mappings, 5 pages, generation 3\n"
		      "00012000-0001d000 [4 free]\n"
		      ". 2 pages free\n"
		      "    00012000-00014000 r--s 00002000 a\n"
		      ". 2 pages free\n"
		      "    00016000-00018000 r--s 00006000 b\n"
		      ". 4 pages free\n"
		      "    0001c000-0001d000 rw-s 0000c000 c\n"
		      ". 51 pages free\n");
}

/* The first guess is too small. */
static void test_long_names(void **state)
{
	static char name[3 * 4096 + 17];
	char *text;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	draw_map("a.a.a.a.");
	world.object[0].identity.name = name;
	text = report_text(SPACE_REPORT_MAPS);
	assert_int_equal(strlen(text), 4 * (73 + sizeof(name)));
	free(text);
	text = report_text(SPACE_REPORT_TREE);
	assert_true(strlen(text) > 4 * sizeof(name));
	free(text);
}

static void test_refusals(void **state)
{
	static char room[16];
	FILE *stream = fmemopen(room, sizeof(room), "w");
	FILE *reader = fopen("/dev/null", "r");

	(void)state;
	assert_non_null(stream);
	assert_non_null(reader);
	draw_map("aa");
	assert_int_equal(space_report(&world.space, (enum space_report_kind)7,
				      stream),
			 -EINVAL);
	assert_int_equal(ftell(stream), 0);
	assert_int_equal(space_report(&world.space, SPACE_REPORT_MAPS, reader),
			 -EIO);
	world.no_memory = true;
	assert_int_equal(space_report(&world.space, SPACE_REPORT_MAPS, stream),
			 -ENOMEM);
	assert_int_equal(ftell(stream), 0);
	world.no_memory = false;
	fclose(stream);
	fclose(reader);
}

static size_t write_while_unlocked;

/* A stream that needs the lock itself, as one in mapped memory does. */
static ssize_t locking_write(void *cookie, const char *bytes, size_t length)
{
	(void)cookie;
	(void)bytes;
	assert_unlocked();
	write_while_unlocked += length;
	return (ssize_t)length;
}

static void test_lock_is_not_held_while_writing(void **state)
{
	FILE *stream = fopencookie(
		NULL, "w", (cookie_io_functions_t){ .write = locking_write });

	(void)state;
	assert_non_null(stream);
	setvbuf(stream, NULL, _IONBF, 0);
	draw_map("aa.bb");
	write_while_unlocked = 0;
	assert_int_equal(space_report(&world.space, SPACE_REPORT_TREE, stream),
			 0);
	assert_true(write_while_unlocked > 100);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_start, world_end)
		TEST(test_maps),     TEST(test_column_is_the_kernels),
		TEST(test_names),    TEST(test_empty),
		TEST(test_tree),     TEST(test_long_names),
		TEST(test_refusals), TEST(test_lock_is_not_held_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
