/* test_space_places.c - where mappings lie, how they are cut, what they allow */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#define PAGES 16 /* of the file */
#define BOTH (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	space = quire_host_space(quire);
	make_file(&file, PAGES * PAGE);
	object = open_object(quire, file.path, O_RDWR);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static unsigned char *map_at(void *address, size_t pages, int flags)
{
	return quire_mmap(space, address, pages * PAGE, BOTH, flags, object, 0);
}

/* Memory of the program's own, each byte 0x11. */
static unsigned char *foreign(size_t pages)
{
	unsigned char *bytes = mmap(NULL, pages * PAGE, BOTH,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(bytes, MAP_FAILED);
	memset(bytes, 0x11, pages * PAGE);
	return bytes;
}

static void assert_filled(const unsigned char *bytes, size_t length,
			  unsigned char value)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], value);
}

static void assert_of_file(const unsigned char *bytes, size_t length,
			   uint64_t offset)
{
	for (size_t i = 0; i < length; i++)
		assert_int_equal(bytes[i], byte_at(offset + i));
}

/* ---- places ---- */

static void test_fixed_over_foreign_memory(void **state)
{
	unsigned char *bytes = foreign(8);

	(void)state;
	assert_ptr_equal(map_at(bytes + 2 * PAGE, 4, MAP_SHARED | MAP_FIXED),
			 bytes + 2 * PAGE);
	assert_filled(bytes, 2 * PAGE, 0x11);
	assert_of_file(bytes + 2 * PAGE, 4 * PAGE, 0);
	assert_filled(bytes + 6 * PAGE, 2 * PAGE, 0x11);
	assert_int_equal(quire_munmap(space, bytes + 2 * PAGE, 4 * PAGE), 0);
	assert_filled(bytes, 2 * PAGE, 0x11);
	munmap(bytes, 8 * PAGE);
}

static void test_noreplace_over_foreign_memory(void **state)
{
	unsigned char *bytes = foreign(8);

	(void)state;
	assert_ptr_equal(map_at(bytes + 2 * PAGE, 4,
				MAP_SHARED | MAP_FIXED_NOREPLACE),
			 MAP_FAILED);
	assert_int_equal(errno, EEXIST);
	assert_true(quire_strerror_last()[0]);
	assert_filled(bytes, 8 * PAGE, 0x11);
	munmap(bytes, 8 * PAGE);
}

static void test_noreplace_over_own_mapping(void **state)
{
	unsigned char *bytes = map_at(NULL, 4, MAP_SHARED);

	(void)state;
	assert_ptr_equal(map_at(bytes + 3 * PAGE, 4,
				MAP_SHARED | MAP_FIXED_NOREPLACE),
			 MAP_FAILED);
	assert_int_equal(errno, EEXIST);
	assert_sentence("something is mapped");
	assert_ptr_equal(map_at(bytes + 4 * PAGE, 4,
				MAP_SHARED | MAP_FIXED_NOREPLACE),
			 bytes + 4 * PAGE);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
}

static void test_fixed_over_own_mapping(void **state)
{
	unsigned char *bytes = map_at(NULL, 8, MAP_SHARED);

	(void)state;
	memset(bytes + 2 * PAGE, 0x22, 2 * PAGE);
	assert_ptr_equal(quire_mmap(space, bytes + 2 * PAGE, 2 * PAGE, BOTH,
				    MAP_SHARED | MAP_FIXED, object,
				    8 * (off_t)PAGE),
			 bytes + 2 * PAGE);
	assert_of_file(bytes, 2 * PAGE, 0);
	assert_of_file(bytes + 2 * PAGE, 2 * PAGE, 8 * PAGE);
	assert_of_file(bytes + 4 * PAGE, 4 * PAGE, 4 * PAGE);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
	/* What had been stored there is not lost. */
	assert_int_equal(byte_of(object, 2 * PAGE), 0x22);
}

static void test_hints(void **state)
{
	/* Below what the kernel chooses for other threads. */
	unsigned char *bytes = (unsigned char *)(uintptr_t)0x180000000000;
	unsigned char *other;

	(void)state;
	assert_ptr_equal(mmap(bytes, 8 * PAGE, BOTH,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			      -1, 0),
			 bytes);
	memset(bytes, 0x11, 8 * PAGE);
	/* Taken: it is somewhere else, and nothing is replaced. */
	other = map_at(bytes, 4, MAP_SHARED);
	assert_ptr_not_equal(other, MAP_FAILED);
	assert_ptr_not_equal(other, bytes);
	assert_filled(bytes, 8 * PAGE, 0x11);
	assert_int_equal(quire_munmap(space, other, 4 * PAGE), 0);
	/* Free: there. */
	munmap(bytes, 8 * PAGE);
	assert_ptr_equal(map_at(bytes, 4, MAP_SHARED), bytes);
	assert_int_equal(quire_munmap(space, bytes, 4 * PAGE), 0);
	/* Inside a page: not refused. */
	other = map_at(bytes + 100, 4, MAP_SHARED);
	assert_ptr_not_equal(other, MAP_FAILED);
	assert_int_equal((uintptr_t)other % PAGE, 0);
	assert_of_file(other, 4 * PAGE, 0);
	assert_int_equal(quire_munmap(space, other, 4 * PAGE), 0);
}

static void test_many_mappings_do_not_overlap(void **state)
{
	unsigned char *places[64];

	(void)state;
	for (int i = 0; i < 64; i++) {
		places[i] = map_at(NULL, 2, MAP_SHARED);
		assert_ptr_not_equal(places[i], MAP_FAILED);
		for (int j = 0; j < i; j++)
			assert_true(places[i] + 2 * PAGE <= places[j] ||
				    places[j] + 2 * PAGE <= places[i]);
	}
	for (int i = 0; i < 64; i++)
		assert_int_equal(quire_munmap(space, places[i], 2 * PAGE), 0);
}

/* ---- populate, anonymous ---- */

static void test_populate(void **state)
{
	unsigned char *bytes;
	uint64_t before;

	(void)state;
	bytes = map_at(NULL, PAGES, MAP_SHARED | MAP_POPULATE);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	before = statistics_of(quire).traps;
	assert_of_file(bytes, PAGES * PAGE, 0);
	/* For user mode only: it is a hint that the kernel cannot take. */
	if (!strstr(quire_trap_mode(quire), "user mode only"))
		assert_int_equal(statistics_of(quire).traps, before);
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
}

/* Larger than the budget, and past the object's end: no error, no hang. */
static void test_populate_too_much(void **state)
{
	unsigned char *bytes =
		quire_mmap(space, NULL, 512 * PAGE, BOTH,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, NULL, 0);

	(void)state;
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_filled(bytes, 512 * PAGE, 0);
	assert_int_equal(quire_munmap(space, bytes, 512 * PAGE), 0);
	bytes = map_at(NULL, 2 * PAGES, MAP_SHARED | MAP_POPULATE);
	assert_ptr_not_equal(bytes, MAP_FAILED);
	assert_of_file(bytes, PAGES * PAGE, 0);
	assert_int_equal(quire_munmap(space, bytes, 2 * PAGES * PAGE), 0);
	assert_true(statistics_of(quire).resident_peak <= 64 * PAGE);
}

/* Eight times the budget comes back as it was stored. */
static void test_anonymous_beyond_the_budget(void **state)
{
	static const int types[] = { MAP_PRIVATE, MAP_SHARED };
	const size_t pages = 512;

	(void)state;
	for (int t = 0; t < 2; t++) {
		unsigned char *bytes =
			quire_mmap(space, NULL, pages * PAGE, BOTH,
				   types[t] | MAP_ANONYMOUS, NULL, 0);

		assert_ptr_not_equal(bytes, MAP_FAILED);
		for (size_t i = 0; i < pages; i++)
			memcpy(bytes + i * PAGE + i, &i, sizeof(i));
		for (size_t i = 0; i < pages; i++) {
			size_t found;

			memcpy(&found, bytes + i * PAGE + i, sizeof(found));
			assert_int_equal(found, i);
			assert_int_equal(bytes[i * PAGE + PAGE - 1], 0);
		}
		assert_int_equal(quire_munmap(space, bytes, pages * PAGE), 0);
	}
	assert_true(statistics_of(quire).resident_peak <= 64 * PAGE);
	assert_true(statistics_of(quire).evictions > 0);
}

/* The object of an anonymous mapping is not in the way of quire_close(). */
static void test_anonymous_goes_with_its_mapping(void **state)
{
	struct quire *own = new_engine(16 * PAGE);
	unsigned char *first = quire_mmap(quire_host_space(own), NULL, PAGE,
					  BOTH, MAP_PRIVATE | MAP_ANONYMOUS,
					  NULL, 0);
	/* What all private anonymous memory stands on is there from now. */
	int before = open_descriptors();
	unsigned char *bytes = quire_mmap(quire_host_space(own), NULL, PAGE,
					  BOTH, MAP_SHARED | MAP_ANONYMOUS,
					  NULL, 0);

	(void)state;
	first[0] = 1;
	bytes[0] = 1;
	assert_int_equal(quire_munmap(quire_host_space(own), bytes, PAGE), 0);
	assert_int_equal(open_descriptors(), before);
	bytes = quire_mmap(quire_host_space(own), NULL, PAGE, BOTH,
			   MAP_PRIVATE | MAP_ANONYMOUS, NULL, 0);
	bytes[0] = 1;
	assert_int_equal(quire_close(own), 0);
}

/* ---- cuts ---- */

static void test_partial_unmap(void **state)
{
	unsigned char *bytes = map_at(NULL, PAGES, MAP_SHARED);
	unsigned char byte;

	(void)state;
	for (size_t i = 0; i < PAGES; i++)
		bytes[i * PAGE] = (unsigned char)(0x80 + i);
	assert_int_equal(quire_munmap(space, bytes + 5 * PAGE, 3 * PAGE), 0);
	assert_int_equal(quire_munmap(space, bytes + 15 * PAGE, 5 * PAGE), 0);
	for (size_t i = 0; i < PAGES; i++) {
		if ((i >= 5 && i < 8) || i == 15)
			assert_int_equal(quire_peek(space, bytes + i * PAGE,
						    &byte, 1),
					 -EFAULT);
		else
			assert_int_equal(bytes[i * PAGE], 0x80 + i);
		assert_int_equal(byte_of(object, i * PAGE), 0x80 + i);
	}
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
}

static void test_private_copies_survive_cuts(void **state)
{
	unsigned char *bytes = map_at(NULL, PAGES, MAP_PRIVATE);

	(void)state;
	bytes[2 * PAGE] = 0xd2;
	bytes[9 * PAGE] = 0xd9;
	assert_int_equal(quire_munmap(space, bytes + 4 * PAGE, PAGE), 0);
	assert_int_equal(quire_mprotect(space, bytes + 8 * PAGE, 2 * PAGE,
					PROT_READ),
			 0);
	assert_int_equal(bytes[2 * PAGE], 0xd2);
	assert_int_equal(bytes[9 * PAGE], 0xd9);
	assert_int_equal(bytes[9 * PAGE + 1], byte_at(9 * PAGE + 1));
	assert_int_equal(byte_of(object, 2 * PAGE), byte_at(2 * PAGE));
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 9 * PAGE), byte_at(9 * PAGE));
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
}

/*
 * The kernel does not join private mappings that each have pages of their own:
 * what is one mapping here has a border there, and a run of pages that is
 * shown may cross it.
 */
static void test_private_pages_of_two_origins(void **state)
{
	unsigned char *bytes = map_at(NULL, 8, MAP_PRIVATE);
	unsigned char *all = map_object(quire, object, 8 * PAGE, PROT_READ);

	(void)state;
	assert_of_file(all, 8 * PAGE, 0);
	assert_int_equal(
		quire_mprotect(space, bytes + 3 * PAGE, PAGE, PROT_READ), 0);
	bytes[0] = 0xe0;
	bytes[7 * PAGE] = 0xe7;
	assert_int_equal(quire_mprotect(space, bytes + 3 * PAGE, PAGE, BOTH),
			 0);
	assert_of_file(bytes + PAGE, 6 * PAGE, PAGE);
	assert_int_equal(bytes[0], 0xe0);
	assert_int_equal(bytes[7 * PAGE], 0xe7);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
	assert_int_equal(quire_munmap(space, all, 8 * PAGE), 0);
}

/* What a thread may do at once, as the hardware says it. */
struct attempt {
	unsigned char *address;
	bool store;
};

static void try(void *argument)
{
	const struct attempt *attempt = argument;
	volatile unsigned char *byte = attempt->address;

	if (attempt->store)
		*byte = 0x99;
	else
		(void)*byte;
}

static void assert_allowed(unsigned char *address, bool store)
{
	struct attempt attempt = { address, store };

	assert_int_equal(quire_guard(space, try, &attempt, NULL), 0);
}

static void assert_forbidden(unsigned char *address, bool store, int code)
{
	struct attempt attempt = { address, store };
	struct quire_fault_report report;

	assert_int_equal(quire_guard(space, try, &attempt, &report), -EFAULT);
	assert_int_equal(report.signal, SIGSEGV);
	assert_int_equal(report.code, code);
	assert_ptr_equal(report.address, address);
	assert_int_equal(report.error, -EFAULT);
}

static void test_partial_protect(void **state)
{
	unsigned char *bytes = map_at(NULL, 8, MAP_SHARED);

	(void)state;
	bytes[3 * PAGE] = 0x33;
	assert_int_equal(quire_mprotect(space, bytes + 2 * PAGE, 2 * PAGE,
					PROT_READ),
			 0);
	assert_int_equal(
		quire_mprotect(space, bytes + 5 * PAGE, PAGE, PROT_NONE), 0);
	assert_int_equal(bytes[3 * PAGE], 0x33);
	assert_forbidden(bytes + 2 * PAGE, true, SEGV_ACCERR);
	assert_forbidden(bytes + 3 * PAGE, true, SEGV_ACCERR);
	assert_forbidden(bytes + 5 * PAGE, false, SEGV_ACCERR);
	assert_allowed(bytes + 2 * PAGE, false);
	assert_allowed(bytes + PAGE, true);
	assert_allowed(bytes + 4 * PAGE, true);
	assert_allowed(bytes + 6 * PAGE, true);
	assert_int_equal(quire_mprotect(space, bytes, 8 * PAGE, BOTH), 0);
	assert_allowed(bytes + 5 * PAGE, true);
	assert_int_equal(bytes[5 * PAGE], 0x99);
	assert_int_equal(bytes[3 * PAGE], 0x33);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
	assert_forbidden(bytes, false, SEGV_MAPERR);
}

/* Stores are seen from the first one on, though the page was read before. */
static void test_read_only_then_writable(void **state)
{
	unsigned char *bytes = quire_mmap(space, NULL, 2 * PAGE, PROT_READ,
					  MAP_SHARED, object, 0);

	(void)state;
	assert_of_file(bytes, 2 * PAGE, 0);
	assert_int_equal(quire_mprotect(space, bytes, 2 * PAGE, BOTH), 0);
	bytes[PAGE] = 0x44;
	assert_int_equal(quire_msync(space, bytes, 2 * PAGE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, PAGE), 0x44);
	bytes[PAGE] = 0x45;
	assert_int_equal(quire_msync(space, bytes, 2 * PAGE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, PAGE), 0x45);
	assert_int_equal(quire_munmap(space, bytes, 2 * PAGE), 0);
}

/* As mprotect(2): what is before the hole has changed all the same. */
static void test_protect_up_to_a_hole(void **state)
{
	unsigned char *bytes = map_at(NULL, 8, MAP_SHARED);

	(void)state;
	assert_int_equal(quire_munmap(space, bytes + 3 * PAGE, PAGE), 0);
	assert_int_equal(quire_mprotect(space, bytes, 8 * PAGE, PROT_READ), -1);
	assert_int_equal(errno, ENOMEM);
	assert_forbidden(bytes, true, SEGV_ACCERR);
	assert_allowed(bytes + 4 * PAGE, true);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
}

/* ---- the report ---- */

struct line {
	unsigned long start, end, offset;
	char rights[5];
	char name[256];
};

static bool next_line(FILE *stream, struct line *line)
{
	char text[600];

	if (!fgets(text, sizeof(text), stream))
		return false;
	line->name[0] = '\0';
	return sscanf(text, "%lx-%lx %4s %lx %*s %*s %255[^\n]", &line->start,
		      &line->end, line->rights, &line->offset, line->name) >= 4;
}

/* The kernel's lines inside [low, high) against those of the report. */
static void assert_same_lines(FILE *report, uintptr_t low, uintptr_t high)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	struct line kernel, ours;
	int lines = 0;

	assert_non_null(maps);
	while (next_line(maps, &kernel)) {
		if (kernel.start < low || kernel.start >= high)
			continue;
		assert_true(next_line(report, &ours));
		assert_int_equal(ours.start, kernel.start);
		assert_int_equal(ours.end, kernel.end);
		assert_int_equal(ours.offset, kernel.offset);
		assert_string_equal(ours.rights, kernel.rights);
		assert_string_equal(ours.name, file.path);
		lines++;
	}
	assert_false(next_line(report, &ours));
	assert_true(lines > 3);
	fclose(maps);
}

static void test_report(void **state)
{
	unsigned char *bytes = map_at(NULL, PAGES, MAP_SHARED);
	char text[4096] = "";
	FILE *report = fmemopen(text, sizeof(text), "w+");

	(void)state;
	quire_mprotect(space, bytes + 2 * PAGE, 2 * PAGE, PROT_READ);
	quire_mprotect(space, bytes + 6 * PAGE, PAGE, PROT_NONE);
	quire_munmap(space, bytes + 9 * PAGE, 2 * PAGE);
	assert_ptr_equal(map_at(bytes + 10 * PAGE, 1, MAP_PRIVATE | MAP_FIXED),
			 bytes + 10 * PAGE);
	assert_int_equal(quire_space_report(space, QUIRE_REPORT_MAPS, report),
			 0);
	rewind(report);
	assert_same_lines(report, (uintptr_t)bytes,
			  (uintptr_t)bytes + PAGES * PAGE);
	fclose(report);
	assert_int_equal(quire_munmap(space, bytes, PAGES * PAGE), 0);
}

static void test_reports_of_other_kinds(void **state)
{
	unsigned char *bytes = map_at(NULL, 1, MAP_SHARED);
	char text[4096] = "";
	FILE *stream = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_int_equal(quire_space_report(space, QUIRE_REPORT_TREE, stream),
			 0);
	assert_int_equal(quire_space_report(space, (enum quire_report)99,
					    stream),
			 -EINVAL);
	assert_sentence("kind 99");
	fclose(stream);
	assert_non_null(strstr(text, "1 mappings"));
	assert_non_null(strstr(text, file.path));
	assert_int_equal(quire_munmap(space, bytes, PAGE), 0);
	/* A stream that takes nothing. */
	stream = fopen("/dev/full", "we");
	assert_non_null(stream);
	setvbuf(stream, NULL, _IONBF, 0);
	assert_int_equal(quire_space_report(space, QUIRE_REPORT_TREE, stream),
			 -EIO);
	fclose(stream);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_fixed_over_foreign_memory),
		TEST(test_noreplace_over_foreign_memory),
		TEST(test_noreplace_over_own_mapping),
		TEST(test_fixed_over_own_mapping),
		TEST(test_hints),
		TEST(test_many_mappings_do_not_overlap),
		TEST(test_populate),
		TEST(test_populate_too_much),
		TEST(test_anonymous_beyond_the_budget),
		TEST(test_anonymous_goes_with_its_mapping),
		TEST(test_partial_unmap),
		TEST(test_private_copies_survive_cuts),
		TEST(test_private_pages_of_two_origins),
		TEST(test_partial_protect),
		TEST(test_read_only_then_writable),
		TEST(test_protect_up_to_a_hole),
		TEST(test_report),
		TEST(test_reports_of_other_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
