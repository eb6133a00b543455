/* test_space_smaps.c - space/report_smaps.c, report_pages.c: pages as text */
/* SPDX-License-Identifier: MIT */
#include "unit/space_world.h"

#include "mmu/mmu_soft.h"
#include "space/space_private.h"

#define RW (PROT_READ | PROT_WRITE)

/* ---- a space on a software MMU of its own ---- */

static struct space space;
static struct mmu *mmu;

static void hold(void *context, uint64_t index)
{
	(void)context;
	(void)index;
}

static int start(void **state)
{
	struct mmu_soft_options options = {
		.lowest = WORLD_BASE,
		.highest = UINT64_C(1) << 40,
		.arena = WORLD_BASE,
		.arena_end = UINT64_C(1) << 40,
		.map = world_map,
		.unmap = world_unmap,
		.hold = hold,
		.drop = hold,
	};

	world_start(state);
	world.watch = false;
	world.other = &space;
	assert_int_equal(mmu_soft_create(&options, &mmu), 0);
	space_init(&space, &(struct space_options){ .mmu = mmu,
						    .map = world_map,
						    .unmap = world_unmap });
	return 0;
}

static int end(void **state)
{
	space_check(&space);
	assert_int_equal(space_finish(&space), 0);
	world.other = NULL;
	mmu_destroy(mmu);
	return world_end(state);
}

static void map_at(uint64_t address, uint64_t pages, int prot, int flags,
		   struct quire_object *handle)
{
	struct space_map_request request = {
		.address = address,
		.length = pages * PAGE_SIZE,
		.prot = prot,
		.flags = flags | MAP_FIXED,
		.handle = handle,
	};
	uint64_t got;

	assert_int_equal(space_map(&space, &request, &got), 0);
}

static void set(uint64_t address, struct object *owner, uint64_t index,
		uint32_t flags)
{
	struct soft_translation page = { owner, index, flags | SOFT_PRESENT };

	assert_int_equal(soft_set(mmu, address, &page), 0);
}

static char *text_of(struct space *which, enum space_report_kind kind)
{
	char *text = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	assert_int_equal(space_report(which, kind, stream), 0);
	assert_int_equal(fclose(stream), 0);
	return text;
}

/* What smaps says of the n-th mapping, in kB; or what stands after name. */
static const char *field(const char *text, unsigned mapping, const char *name)
{
	static char line[256];

	for (unsigned i = 0; i <= mapping; i++) {
		text = strstr(text, name);
		assert_non_null(text);
		text += strlen(name);
	}
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
	return line;
}

static void assert_kilobytes(const char *text, unsigned mapping,
			     const char *name, long expected)
{
	char start_of_line[32];
	char *unit;

	snprintf(start_of_line, sizeof(start_of_line), "\n%s:", name);
	assert_int_equal(strtol(field(text, mapping, start_of_line), &unit, 10),
			 expected);
	assert_string_equal(unit, " kB");
}

/* ---- smaps ---- */

static void test_whole_entry(void **state)
{
	char *text;

	(void)state;
	world.object[0].resident = 64;
	map_at(at(0), 4, RW, MAP_SHARED, &world.handle[0]);
	set(at(0), &world.object[0], 0, SOFT_READ | SOFT_ACCESSED);
	set(at(1), &world.object[0], 1,
	    SOFT_READ | SOFT_WRITE | SOFT_ACCESSED | SOFT_DIRTY);
	set(at(2), &world.object[0], 2, SOFT_READ);
	text = text_of(&space, SPACE_REPORT_SMAPS);
	assert_string_equal(text, "00010000-00014000 rw-s 00000000 08:00 1"
				  "                                  a\n"
				  "Size:                 16 kB\n"
				  "KernelPageSize:        4 kB\n"
				  "MMUPageSize:           4 kB\n"
				  "Rss:                  12 kB\n"
				  "Pss:                  12 kB\n"
				  "Pss_Dirty:             4 kB\n"
				  "Shared_Clean:          0 kB\n"
				  "Shared_Dirty:          0 kB\n"
				  "Private_Clean:         8 kB\n"
				  "Private_Dirty:         4 kB\n"
				  "Referenced:            8 kB\n"
				  "Anonymous:             0 kB\n"
				  "KSM:                   0 kB\n"
				  "LazyFree:              0 kB\n"
				  "AnonHugePages:         0 kB\n"
				  "ShmemPmdMapped:        0 kB\n"
				  "FilePmdMapped:         0 kB\n"
				  "Shared_Hugetlb:        0 kB\n"
				  "Private_Hugetlb:       0 kB\n"
				  "Swap:                  0 kB\n"
				  "SwapPss:               0 kB\n"
				  "Locked:                0 kB\n"
				  "THPeligible:           0\n"
				  "VmFlags: rd wr sh mr mw me ms \n");
	free(text);
}

/* The lines of /proc/self/smaps, by their names and columns, in its order;
 * a kernel may have some that are not here. */
static void test_lines_are_the_kernels(void **state)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char line[512];
	char *text, *at_line, *rest;

	(void)state;
	assert_non_null(smaps);
	map_at(at(0), 1, RW, MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	text = text_of(&space, SPACE_REPORT_SMAPS);
	at_line = strtok_r(text, "\n", &rest); /* the maps line */
	at_line = strtok_r(NULL, "\n", &rest);
	assert_non_null(fgets(line, sizeof(line), smaps));
	while (at_line && fgets(line, sizeof(line), smaps)) {
		size_t name = strcspn(line, ":") + 1;

		if (strncmp(line, at_line, name) != 0)
			continue;
		if (strstr(line, " kB"))
			assert_int_equal(strlen(at_line) + 1, strlen(line));
		at_line = strtok_r(NULL, "\n", &rest);
	}
	assert_null(at_line);
	fclose(smaps);
	free(text);
}

static void test_private_pages(void **state)
{
	struct object *swap = &world.object[2];
	char *text;

	(void)state;
	swap->resident = 5;
	map_at(at(0), 16, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, NULL);
	/* in memory, swapped out, zeros, a guard */
	set(at(1), swap, 4, SOFT_READ | SOFT_WRITE | SOFT_PRIVATE | SOFT_DIRTY);
	set(at(2), swap, 5, SOFT_READ | SOFT_PRIVATE);
	set(at(3), NULL, 0, SOFT_READ);
	set(at(4), NULL, 0, SOFT_GUARD);
	text = text_of(&space, SPACE_REPORT_SMAPS);
	assert_kilobytes(text, 0, "Rss", 4);
	assert_kilobytes(text, 0, "Anonymous", 4);
	assert_kilobytes(text, 0, "Private_Dirty", 4);
	assert_kilobytes(text, 0, "Swap", 4);
	assert_kilobytes(text, 0, "SwapPss", 4);
	assert_kilobytes(text, 0, "Locked", 4);
	assert_string_equal(field(text, 0, "VmFlags: "),
			    "rd wr mr mw me lo ac ");
	free(text);
}

/* Dirty in the object, whoever stored. */
static void test_dirty_by_another(void **state)
{
	char *text;

	(void)state;
	world.object[0].resident = 3;
	world.object[0].dirty = 1;
	map_at(at(0), 2, PROT_READ, MAP_PRIVATE, &world.handle[0]);
	set(at(0), &world.object[0], 0, SOFT_READ);
	set(at(1), &world.object[0], 1, SOFT_READ);
	text = text_of(&space, SPACE_REPORT_SMAPS);
	assert_kilobytes(text, 0, "Rss", 8);
	assert_kilobytes(text, 0, "Pss_Dirty", 4);
	assert_kilobytes(text, 0, "Anonymous", 0);
	free(text);
}

/* A leaf of 2 MiB counts as its pages; hugetlb counts apart. */
static void test_huge(void **state)
{
	const uint64_t huge = UINT64_C(1) << 21;
	char *text;

	(void)state;
	world.object[0].resident = 300;
	world.object[1].resident = 512;
	world.handle[1].huge_shift = 21;
	map_at(huge, 512, PROT_READ, MAP_SHARED, &world.handle[0]);
	map_at(2 * huge, 512, PROT_READ, MAP_SHARED, &world.handle[1]);
	map_at(3 * huge, 512, PROT_READ, MAP_PRIVATE, &world.handle[1]);
	set(huge, &world.object[0], 0, SOFT_READ | SOFT_HUGE);
	set(2 * huge, &world.object[1], 0, SOFT_READ | SOFT_HUGE);
	set(3 * huge, &world.object[1], 0, SOFT_READ | SOFT_HUGE);
	text = text_of(&space, SPACE_REPORT_SMAPS);
	assert_kilobytes(text, 0, "Rss", 1200);
	assert_kilobytes(text, 0, "FilePmdMapped", 1200);
	assert_kilobytes(text, 0, "KernelPageSize", 4);
	assert_kilobytes(text, 1, "Rss", 0);
	assert_kilobytes(text, 1, "Shared_Hugetlb", 2048);
	assert_kilobytes(text, 1, "KernelPageSize", 2048);
	assert_kilobytes(text, 2, "Private_Hugetlb", 2048);
	assert_string_equal(field(text, 1, "VmFlags: "),
			    "rd sh mr mw me ms de ht ");
	free(text);
}

static const struct {
	uint64_t flag;
	const char *name;
} flag_names[] = {
	{ VM_READ, "rd" },        { VM_WRITE, "wr" },
	{ VM_EXEC, "ex" },        { VM_MAYREAD, "mr" },
	{ VM_MAYWRITE, "mw" },    { VM_MAYEXEC, "me" },
	{ VM_GROWSDOWN, "gd" },   { VM_PFNMAP, "pf" },
	{ VM_LOCKED, "lo" },      { VM_IO, "io" },
	{ VM_SEQ_READ, "sr" },    { VM_RAND_READ, "rr" },
	{ VM_DONTCOPY, "dc" },    { VM_DONTEXPAND, "de" },
	{ VM_LOCKONFAULT, "lf" }, { VM_ACCOUNT, "ac" },
	{ VM_NORESERVE, "nr" },   { VM_HUGETLB, "ht" },
	{ VM_SYNC, "sf" },        { VM_WIPEONFORK, "wf" },
	{ VM_DONTDUMP, "dd" },    { VM_HUGEPAGE, "hg" },
	{ VM_NOHUGEPAGE, "nh" },  { VM_MERGEABLE, "mg" },
	{ VM_DROPPABLE, "dp" },
};

/* Each flag alone has its two letters; ours have none. */
static void test_flag_names(void **state)
{
	struct vma *vma;

	(void)state;
	map_at(at(0), 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	vma = space_find(&space, at(0));
	for (unsigned i = 0; i < sizeof(flag_names) / sizeof(flag_names[0]);
	     i++) {
		char expected[8];
		char *text;

		vma->flags = flag_names[i].flag | VM_ANONYMOUS | VM_FORKED;
		text = text_of(&space, SPACE_REPORT_SMAPS);
		snprintf(expected, sizeof(expected), "%s ", flag_names[i].name);
		assert_string_equal(field(text, 0, "VmFlags: "), expected);
		free(text);
	}
	vma->flags = VM_MAY_FLAGS | VM_ANONYMOUS;
}

/* Frames are nobody's pages. */
static void test_frames(void **state)
{
	struct vma *vma;
	char *text;

	(void)state;
	world.object[0].resident = 64;
	map_at(at(0), 1, PROT_READ, MAP_SHARED, &world.handle[0]);
	set(at(0), &world.object[0], 0, SOFT_READ);
	vma = space_find(&space, at(0));
	vma->flags |= VM_PFNMAP;
	text = text_of(&space, SPACE_REPORT_SMAPS);
	assert_kilobytes(text, 0, "Rss", 0);
	free(text);
}

/* On the host's MMU what the object has in memory is what is known. */
static void test_host(void **state)
{
	char *text;

	(void)state;
	world.object[0].resident = 6;
	world.object[0].dirty = 5;
	world.object[0].pages = 7;
	assert_int_equal(map_pages(0, 0, 16, 4, PROT_READ, MAP_SHARED), 0);
	handle_take(&world.handle[2]);
	backing_init(&world.space.backing, &world.handle[2], world.base,
		     world.taken);
	assert_int_equal(map_anonymous(16, 4, RW, MAP_PRIVATE), 0);
	world.object[2].resident = 18;
	text = text_of(&world.space, SPACE_REPORT_SMAPS);
	assert_kilobytes(text, 0, "Rss", 8);
	assert_kilobytes(text, 0, "Private_Dirty", 4);
	assert_kilobytes(text, 0, "Anonymous", 0);
	assert_kilobytes(text, 1, "Rss", 8);
	assert_kilobytes(text, 1, "Anonymous", 8);
	assert_kilobytes(text, 1, "Swap", 0);
	free(text);
}

/* ---- the page table ---- */

static void assert_pages(const char *expected)
{
	char *text = text_of(&space, SPACE_REPORT_PAGES);

	assert_string_equal(text, expected);
	free(text);
}

static void test_runs(void **state)
{
	struct object *a = &world.object[0];

	(void)state;
	assert_pages("");
	map_at(at(0), 32, RW, MAP_SHARED, &world.handle[0]);
	assert_pages("");
	set(at(0), a, 7, SOFT_READ);
	set(at(1), a, 8, SOFT_READ);
	assert_pages("00010000-00012000 r-- ----- 7 a\n");
	/* another mark, another index, another owner, a hole */
	set(at(2), a, 9, SOFT_READ | SOFT_ACCESSED);
	set(at(3), a, 11, SOFT_READ | SOFT_ACCESSED);
	set(at(4), &world.object[1], 12, SOFT_READ | SOFT_ACCESSED);
	set(at(6), &world.object[1], 14, SOFT_READ | SOFT_ACCESSED);
	assert_pages("00010000-00012000 r-- ----- 7 a\n"
		     "00012000-00013000 r-- a---- 9 a\n"
		     "00013000-00014000 r-- a---- 11 a\n"
		     "00014000-00015000 r-- a---- 12 b\n"
		     "00016000-00017000 r-- a---- 14 b\n");
}

static void test_marks(void **state)
{
	const uint64_t huge = UINT64_C(1) << 21;
	const uint64_t giant = UINT64_C(1) << 30;
	struct object *a = &world.object[0];

	(void)state;
	a->identity.name = "x\ny";
	map_at(at(0), 32, RW, MAP_SHARED, &world.handle[0]);
	set(at(0), a, 1, SOFT_RIGHTS | SOFT_ACCESSED | SOFT_DIRTY);
	set(at(1), a, 2, SOFT_PRIVATE);
	/* the page of zeros and guards are alike everywhere */
	set(at(2), NULL, 0, SOFT_READ);
	set(at(3), NULL, 0, SOFT_READ);
	set(at(4), NULL, 0, SOFT_GUARD);
	set(at(5), NULL, 0, SOFT_GUARD);
	world.object[1].identity.name = NULL;
	set(at(6), &world.object[1], 0, SOFT_EXECUTE);
	map_at(huge, 1024, RW, MAP_SHARED, &world.handle[0]);
	set(huge, a, 512, SOFT_READ | SOFT_HUGE);
	set(2 * huge, a, 1024, SOFT_READ | SOFT_HUGE);
	map_at(giant, giant >> PAGE_SHIFT, RW, MAP_SHARED, &world.handle[0]);
	set(giant, a, 0, SOFT_READ | SOFT_GIANT);
	assert_pages("00010000-00011000 rwx ad--- 1 x\\012y\n"
		     "00011000-00012000 --- --p-- 2 x\\012y\n"
		     "00012000-00014000 r-- ----- 0 zeros\n"
		     "00014000-00016000 --- ---g- 0 guard\n"
		     "00016000-00017000 --x ----- 0 \n"
		     "00200000-00600000 r-- ----h 512 x\\012y\n"
		     "40000000-80000000 r-- ----H 0 x\\012y\n");
}

static void test_host_has_the_table(void **state)
{
	FILE *stream = fopen("/dev/null", "w");

	(void)state;
	assert_non_null(stream);
	assert_int_equal(space_report(&world.space, SPACE_REPORT_PAGES, stream),
			 -EOPNOTSUPP);
	fclose(stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)
		TEST(test_whole_entry),
		TEST(test_lines_are_the_kernels),
		TEST(test_private_pages),
		TEST(test_dirty_by_another),
		TEST(test_huge),
		TEST(test_flag_names),
		TEST(test_frames),
		TEST(test_host),
		TEST(test_runs),
		TEST(test_marks),
		TEST(test_host_has_the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
