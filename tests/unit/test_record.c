/* test_record.c - what a recorder keeps of a run */
/* SPDX-License-Identifier: MIT */
#include "unit/unit.h"

#include "server/record_distance.h"
#include "server/record_heat.h"
#include "server/report_html.h"

#include <errno.h>
#include <pthread.h>

#define FIRST_BIN (UINT64_C(1) << HEAT_FIRST_SHIFT)
#define MIB (UINT64_C(1) << 20)

static const struct object_identity first_file = { "/one", 1, 100 };
static const struct object_identity second_file = { "/two", 1, 101 };

static struct recorder *recorder;

static int set_up(void **state)
{
	(void)state;
	return recorder_create(&recorder);
}

static int tear_down(void **state)
{
	(void)state;
	recorder_destroy(recorder);
	return 0;
}

static void note(const struct object_identity *identity,
		 enum object_record what, uint64_t index, uint64_t count,
		 uint64_t time_ns)
{
	const struct record_event event = {
		.index = index, .count = count, .what = what, .time_ns = time_ns
	};

	recorder_note(recorder, identity, &event);
}

static uint64_t sum_of(const struct record_file *file, unsigned kind)
{
	uint64_t sum = 0;

	for (unsigned time = 0; time < RECORD_TIMES; time++)
		for (unsigned i = 0; i < RECORD_OFFSETS; i++)
			sum += file->heat[kind][time][i];
	return sum;
}

/* ---- the map ---- */

static void an_event_lies_in_its_bin(void **state)
{
	const struct record_file *file;

	(void)state;
	note(&first_file, OBJECT_WRITTEN, 5, 3, 7 * FIRST_BIN + 1);
	file = recorder_file(recorder, 0);
	assert_int_equal(file->offset_shift, 0);
	assert_int_equal(file->heat[OBJECT_WRITTEN][7][4], 0);
	assert_int_equal(file->heat[OBJECT_WRITTEN][7][5], 1);
	assert_int_equal(file->heat[OBJECT_WRITTEN][7][7], 1);
	assert_int_equal(file->heat[OBJECT_WRITTEN][7][8], 0);
	assert_int_equal(file->heat[OBJECT_READ][7][5], 0);
	assert_int_equal(sum_of(file, OBJECT_WRITTEN), 3);
}

/*
 *  bins   0 1 2 3 ... 255          0   1  ... 127 128
 *  pages  1 1 .     .        ->    2   .    .      1 (bin 256 of the old)
 */
static void bins_of_time_merge_by_pairs(void **state)
{
	const struct record_file *file;

	(void)state;
	note(&first_file, OBJECT_EVICTED, 9, 1, 0);
	note(&first_file, OBJECT_EVICTED, 9, 1, FIRST_BIN);
	note(&first_file, OBJECT_EVICTED, 9, 1, 255 * FIRST_BIN);
	file = recorder_file(recorder, 0);
	assert_int_equal(file->time_shift, HEAT_FIRST_SHIFT);
	note(&first_file, OBJECT_EVICTED, 9, 1, 256 * FIRST_BIN);
	assert_int_equal(file->time_shift, HEAT_FIRST_SHIFT + 1);
	assert_int_equal(file->heat[OBJECT_EVICTED][0][9], 2);
	assert_int_equal(file->heat[OBJECT_EVICTED][1][9], 0);
	assert_int_equal(file->heat[OBJECT_EVICTED][127][9], 1);
	assert_int_equal(file->heat[OBJECT_EVICTED][128][9], 1);
	assert_int_equal(sum_of(file, OBJECT_EVICTED), 4);
}

/* Pages 0 ... 127 have a bin each; page 128 makes them share. */
static void bins_of_offsets_merge_by_pairs(void **state)
{
	const struct record_file *file;

	(void)state;
	note(&first_file, OBJECT_WRITTEN, 0, 128, 0);
	file = recorder_file(recorder, 0);
	assert_int_equal(file->offset_shift, 0);
	note(&first_file, OBJECT_WRITTEN, 128, 1, 0);
	assert_int_equal(file->offset_shift, 1);
	assert_int_equal(file->pages, 129);
	assert_int_equal(file->heat[OBJECT_WRITTEN][0][0], 2);
	assert_int_equal(file->heat[OBJECT_WRITTEN][0][63], 2);
	assert_int_equal(file->heat[OBJECT_WRITTEN][0][64], 1);
	assert_int_equal(sum_of(file, OBJECT_WRITTEN), 129);
}

/* An event may reach over several bins, and over all of a large file. */
static void counts_are_kept_whatever_merges(void **state)
{
	uint64_t expected[RECORD_KINDS] = { 0 }, seed = first_seed(3);
	const struct record_file *file;

	(void)state;
	for (unsigned i = 0; i < 3000; i++) {
		enum object_record what = next_random(&seed) % RECORD_KINDS;
		uint64_t index = next_random(&seed) % (i + 1) * 37;
		uint64_t count = 1 + next_random(&seed) % 600;

		note(&first_file, what, index, count,
		     next_random(&seed) % (i + 1) * FIRST_BIN);
		expected[what] += count;
	}
	file = recorder_file(recorder, 0);
	assert_true(file->time_shift > HEAT_FIRST_SHIFT);
	assert_true(file->offset_shift > 0);
	for (unsigned kind = 0; kind < RECORD_KINDS; kind++) {
		assert_int_equal(sum_of(file, kind), expected[kind]);
		assert_int_equal(file->total[kind], expected[kind]);
	}
}

static void a_bin_is_full_and_not_less(void **state)
{
	const struct record_file *file;

	(void)state;
	/* One bin of 2^33 pages each. */
	note(&first_file, OBJECT_WRITTEN, 0, UINT64_C(1) << 40, 0);
	note(&first_file, OBJECT_WRITTEN, 0, UINT64_C(1) << 40, 0);
	file = recorder_file(recorder, 0);
	assert_int_equal(file->heat[OBJECT_WRITTEN][0][0], UINT32_MAX);
	assert_int_equal(file->heat[OBJECT_WRITTEN][0][127], UINT32_MAX);
	assert_true(file->total[OBJECT_WRITTEN] == UINT64_C(2) << 40);
}

/* ---- files ---- */

static void a_file_is_its_inode(void **state)
{
	const struct object_identity renamed = { "/renamed", 1, 100 };
	const struct object_identity nameless = { "zeros", 0, 0 };
	const struct object_identity another = { "ones", 0, 0 };

	(void)state;
	note(&first_file, OBJECT_READ, 0, 1, 0);
	note(&second_file, OBJECT_READ, 0, 2, 0);
	note(&renamed, OBJECT_READ, 0, 4, 0);
	note(&nameless, OBJECT_READ, 0, 8, 0);
	note(&another, OBJECT_READ, 0, 16, 0);
	note(&nameless, OBJECT_READ, 0, 32, 0);
	assert_int_equal(recorder_file(recorder, 0)->total[OBJECT_READ], 5);
	assert_string_equal(recorder_file(recorder, 0)->name, "/one");
	assert_int_equal(recorder_file(recorder, 1)->total[OBJECT_READ], 2);
	assert_int_equal(recorder_file(recorder, 2)->total[OBJECT_READ], 40);
	assert_int_equal(recorder_file(recorder, 3)->total[OBJECT_READ], 16);
	assert_null(recorder_file(recorder, 4));
	/* Of one file once, however it is called: 4 + 2 + 32 + 16. */
	assert_true(distances_distinct(recorder_distances(recorder)) == 54);
}

static void too_many_files_are_one(void **state)
{
	const struct record_file *file;

	(void)state;
	for (uint64_t i = 0; i < RECORD_FILES + 9; i++) {
		const struct object_identity identity = { "/f", 1, 1 + i };

		note(&identity, OBJECT_READ, 0, 3, 0);
	}
	assert_false(recorder_is_rest(recorder, RECORD_FILES - 1));
	assert_true(recorder_is_rest(recorder, RECORD_FILES));
	file = recorder_file(recorder, RECORD_FILES);
	assert_string_equal(file->name, "other files");
	assert_int_equal(file->total[OBJECT_READ], 27);
	assert_int_equal(sum_of(file, OBJECT_READ), 0);
	assert_true(distances_distinct(recorder_distances(recorder)) ==
		    3 * (RECORD_FILES + 9));
}

static void a_long_name_keeps_its_end(void **state)
{
	char name[2000];
	const struct object_identity identity = { name, 1, 7 };

	(void)state;
	memset(name, 'x', sizeof(name));
	strcpy(&name[sizeof(name) - 9], "/end.dat");
	note(&identity, OBJECT_READ, 0, 1, 0);
	assert_memory_equal(recorder_file(recorder, 0)->name, "...xx", 5);
	assert_string_equal(recorder_file(recorder, 0)->name + RECORD_NAME - 9,
			    "/end.dat");
}

/* ---- waits, working set, mappings ---- */

static void waits_lie_between_powers_of_two(void **state)
{
	const struct record_file *file;

	(void)state;
	recorder_note_stall(recorder, &first_file, 999);
	recorder_note_stall(recorder, &first_file, 1000);
	recorder_note_stall(recorder, &first_file, 1999);
	recorder_note_stall(recorder, &first_file, 2000);
	recorder_note_stall(recorder, &first_file, UINT64_C(1) << 62);
	file = recorder_file(recorder, 0);
	assert_int_equal(file->stall[0], 1);
	assert_int_equal(file->stall[1], 2);
	assert_int_equal(file->stall[2], 1);
	assert_int_equal(file->stall[RECORD_STALLS - 1], 1);
	assert_int_equal(file->stalls, 5);
	assert_true(file->stalled_ns == 5998 + (UINT64_C(1) << 62));
}

/* 500 pages at first, 600 of which 250 are new, then nothing: 750 together. */
static void working_sets_merge_without_loss(void **state)
{
	const struct record_file *file;
	double pages;

	(void)state;
	note(&first_file, OBJECT_READ, 0, 500, 0);
	note(&first_file, OBJECT_TOUCHED, 150, 600, FIRST_BIN);
	note(&first_file, OBJECT_EVICTED, 0, 9000, FIRST_BIN);
	note(&first_file, OBJECT_WRITTEN, 0, 9000, 2 * FIRST_BIN);
	file = recorder_file(recorder, 0);
	pages = recorder_working_set(file, 0);
	assert_true(pages > 450 && pages < 550);
	pages = recorder_working_set(file, 1);
	assert_true(pages > 540 && pages < 660);
	assert_true(recorder_working_set(file, 2) == 0);
	note(&first_file, OBJECT_WRITTEN, 0, 1, 256 * FIRST_BIN);
	pages = recorder_working_set(file, 0);
	assert_true(pages > 675 && pages < 825);
	assert_true(recorder_working_set(file, 1) == 0);
}

static void held_files_have_the_same_bins(void **state)
{
	const struct record_file *one, *two;

	(void)state;
	note(&first_file, OBJECT_READ, 0, 1, 3 * FIRST_BIN);
	note(&second_file, OBJECT_READ, 0, 1, 3000 * FIRST_BIN);
	recorder_hold(recorder);
	one = recorder_file(recorder, 0);
	two = recorder_file(recorder, 1);
	assert_int_equal(one->time_shift, two->time_shift);
	assert_int_equal(one->heat[OBJECT_READ][0][0], 1);
	assert_int_equal(two->heat[OBJECT_READ][187][0], 1);
	recorder_let_go(recorder);
}

static void mappings_are_kept_as_far_as_there_is_room(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < RECORD_MAPPINGS + 5; i++) {
		const struct record_mapping mapping = { .address = i << 12 };

		recorder_note_mapping(recorder, i ? &second_file : &first_file,
				      &mapping);
	}
	assert_int_equal(recorder_mapping(recorder, 0)->file, 0);
	assert_int_equal(recorder_mapping(recorder, 7)->file, 1);
	assert_int_equal(recorder_mapping(recorder, 7)->address, 7 << 12);
	assert_non_null(recorder_mapping(recorder, RECORD_MAPPINGS - 1));
	assert_null(recorder_mapping(recorder, RECORD_MAPPINGS));
	assert_int_equal(recorder_mappings_lost(recorder), 5);
}

/* ---- on several threads ---- */

#define TELLERS 4
#define TOLD 5000

static void *tell(void *argument)
{
	const struct object_identity *identity = argument;

	for (uint64_t i = 0; i < TOLD; i++) {
		note(identity, i % RECORD_KINDS, i, 1, i * FIRST_BIN);
		recorder_note_stall(recorder, identity, i);
	}
	return NULL;
}

static void all_threads_are_heard(void **state)
{
	pthread_t teller[TELLERS];
	uint64_t pages = 0, stalls = 0;

	(void)state;
	for (unsigned i = 0; i < TELLERS; i++)
		assert_int_equal(pthread_create(&teller[i], NULL, tell,
						(void *)(i % 2 ? &first_file
							       : &second_file)),
				 0);
	for (unsigned i = 0; i < TELLERS; i++)
		pthread_join(teller[i], NULL);
	for (uint32_t i = 0; i < 2; i++) {
		const struct record_file *file = recorder_file(recorder, i);

		stalls += file->stalls;
		for (unsigned kind = 0; kind < RECORD_KINDS; kind++)
			pages += sum_of(file, kind);
	}
	assert_int_equal(pages, TELLERS * TOLD);
	assert_int_equal(stalls, TELLERS * TOLD);
}

/* ---- budgets ---- */

static const struct report_point *point_of(const struct report_point *points,
					   unsigned count, uint64_t bytes)
{
	for (unsigned i = 0; i < count; i++)
		if (points[i].pages == bytes >> 12)
			return &points[i];
	fail_msg("no point for %llu bytes", (unsigned long long)bytes);
	return NULL;
}

/* 128 MiB, twice, with 48 MiB: all of it is read twice. */
static unsigned curve_of_a_loop(struct report_point *points)
{
	for (uint64_t i = 0; i < 2 * 128 * MIB; i += MIB)
		note(&first_file, OBJECT_READ, i % (128 * MIB) >> 12, 256, 0);
	return report_curve(recorder, 48 * MIB, points);
}

static void budgets_have_what_would_be_read(void **state)
{
	struct report_point points[REPORT_POINTS];
	const double once = 32768, twice = 65536;
	const struct report_point *point;
	unsigned count = curve_of_a_loop(points);

	(void)state;
	point = point_of(points, count, 48 * MIB);
	assert_true(point->marked && point->guess == twice);
	assert_true(point->least == twice && point->most == twice);
	point = point_of(points, count, 16 * MIB);
	assert_true(!point->marked && point->least == twice);
	assert_true(point->most < 0);
	point = point_of(points, count, 64 * MIB);
	assert_true(point->marked && point->guess > 0.97 * twice);
	point = point_of(points, count, 256 * MIB);
	assert_true(point->marked && point->guess < 1.03 * once);
	assert_true(point->most < 1.03 * once);
	assert_true(point->least > 0.97 * once);
}

static void bounds_are_in_order(void **state)
{
	struct report_point points[REPORT_POINTS];
	unsigned count = curve_of_a_loop(points);

	(void)state;
	assert_true(count > 80);
	for (unsigned i = 0; i < count; i++) {
		assert_true(points[i].least <= points[i].guess);
		if (points[i].most >= 0)
			assert_true(points[i].guess <= points[i].most);
		if (i)
			assert_true(points[i].pages > points[i - 1].pages);
	}
}

/* A budget between two steps, on one, tiny, or beyond all others. */
static void any_budget_has_its_point_once(void **state)
{
	static const uint64_t budgets[] = { 1 * MIB,         64 * MIB,
					    65 * MIB,        700 * MIB,
					    4096 * 64 * MIB, MIB / 2 };
	struct report_point points[REPORT_POINTS];

	(void)state;
	for (unsigned i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		unsigned count = report_curve(recorder, budgets[i], points);
		unsigned found = 0;

		for (unsigned j = 0; j < count; j++)
			found += points[j].pages == budgets[i] >> 12 &&
				 points[j].marked;
		assert_int_equal(found, 1);
		assert_true(count <= REPORT_POINTS);
	}
}

/* ---- the page ---- */

static const struct report_facts facts = { .program = "a </script> b",
					   .budget = 64 * MIB };

static void the_page_holds_its_data_harmlessly(void **state)
{
	const struct object_identity evil = { "</script>\"\\", 1, 5 };
	char *text = NULL, *data;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	note(&evil, OBJECT_READ, 0, 3, 0);
	assert_int_equal(report_html(recorder, &facts, stream), 0);
	fclose(stream);
	assert_memory_equal(text, "<!DOCTYPE html>", 15);
	data = strstr(text, "\"program\": \"a \\u003c/script> b\"");
	assert_non_null(data);
	assert_non_null(strstr(data, "\\u003c/script>\\\"\\\\"));
	assert_non_null(strstr(data, "\"read\": \"0 1 0 1 0 1 \""));
	assert_non_null(strstr(data, "</html>"));
	free(text);
}

static void a_full_disk_is_an_error(void **state)
{
	FILE *stream = fopen("/dev/full", "w");

	(void)state;
	assert_non_null(stream);
	assert_int_equal(report_html(recorder, &facts, stream), -EIO);
	fclose(stream);
}

#define RECORDED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RECORDED(an_event_lies_in_its_bin),
		RECORDED(bins_of_time_merge_by_pairs),
		RECORDED(bins_of_offsets_merge_by_pairs),
		RECORDED(counts_are_kept_whatever_merges),
		RECORDED(a_bin_is_full_and_not_less),
		RECORDED(a_file_is_its_inode),
		RECORDED(too_many_files_are_one),
		RECORDED(a_long_name_keeps_its_end),
		RECORDED(waits_lie_between_powers_of_two),
		RECORDED(working_sets_merge_without_loss),
		RECORDED(held_files_have_the_same_bins),
		RECORDED(mappings_are_kept_as_far_as_there_is_room),
		RECORDED(all_threads_are_heard),
		RECORDED(budgets_have_what_would_be_read),
		RECORDED(bounds_are_in_order),
		RECORDED(any_budget_has_its_point_once),
		RECORDED(the_page_holds_its_data_harmlessly),
		RECORDED(a_full_disk_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
