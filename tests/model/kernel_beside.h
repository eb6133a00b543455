/* kernel_beside.h - one window of addresses, a space's and the kernel's */
/* SPDX-License-Identifier: MIT */
/*
 * What the tests share that give a struct space and the kernel the same to do
 * in one window of addresses, and compare after each step.  A test has its
 * steps, says how each of the two does them, and what it compares.
 *
 * The seeds are fixed; QUIRE_SEED in the environment, or a number as argument,
 * adds one.  A failure says the seed and the step.
 */
#ifndef QUIRE_TESTS_KERNEL_BESIDE_H
#define QUIRE_TESTS_KERNEL_BESIDE_H

#include "unit/space_world.h"

#include "mmu/mmu_soft.h"
#include "space/space_private.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PAGES 48
/* Large and low, so that the kernel places nothing there by itself. */
#define WINDOW UINT64_C(0x200000000000)
#define MOST_FILES 5

/* More for a test in which mappings grow. */
static uint64_t window_end = WINDOW + PAGES * PAGE_SIZE;

static inline uint64_t below(uint64_t *seed, uint64_t limit)
{
	return next_random(seed) % limit;
}

/* The number as a pointer. */
static inline void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static inline bool in_window(uint64_t address)
{
	return address >= WINDOW && address < window_end;
}

/* ---- files ---- */

/* How a handle's file is opened: the object's memfd, or the same once more. */
struct file_kind {
	unsigned object;
	int open_flags; /* -1: as it is made */
};

static int fds[MOST_FILES];
static struct quire_object handles[MOST_FILES];
static unsigned file_count;

static inline int open_file(const struct file_kind *kind, const int *made)
{
	static const char *const words[] = { "one", "two" };
	char path[64];

	if (kind->open_flags < 0)
		return memfd_create(words[kind->object], MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", made[kind->object]);
	return open(path, kind->open_flags | O_CLOEXEC);
}

/* The space's reports call the object as the kernel's call the file. */
static inline void identify(struct object *object, int fd)
{
	static char names[WORLD_OBJECTS][64];
	char *name = names[object - world.object];
	char path[64];
	struct stat status;
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, name, sizeof(names[0]) - 1);
	assert_return_code(length, errno);
	name[length] = '\0';
	assert_return_code(fstat(fd, &status), errno);
	object->identity = (struct object_identity){
		.name = name,
		.device = status.st_dev,
		.inode = status.st_ino,
	};
}

/* Each memfd has so many pages; it comes before what opens it again. */
static inline void open_files(const struct file_kind *kinds, unsigned count,
			      uint64_t pages)
{
	int made[WORLD_OBJECTS] = { 0 };

	file_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct object *object = &world.object[kinds[i].object];
		int flags = kinds[i].open_flags;

		fds[i] = open_file(&kinds[i], made);
		assert_return_code(fds[i], errno);
		if (flags < 0) {
			made[kinds[i].object] = fds[i];
			assert_return_code(
				ftruncate(fds[i], (off_t)(pages * PAGE_SIZE)),
				errno);
		}
		identify(object, fds[i]);
		atomic_init(&handles[i].references, 1);
		handles[i].object = object;
		handles[i].readable = flags != O_WRONLY;
		handles[i].writable = flags != O_RDONLY;
	}
}

static inline void close_files(void)
{
	for (unsigned i = 0; i < file_count; i++) {
		assert_int_equal(handles[i].references, 1);
		close(fds[i]);
	}
}

/* ---- steps ---- */

/* As a store to a page of a private mapping does. */
static inline void make_private(struct vma *vma)
{
	rwlock_take_write(&world.space.lock);
	vma_prepare_anon(&world.space, vma);
	rwlock_drop_write(&world.space.lock);
}

static inline bool can_make_private(const struct vma *vma)
{
	return (vma->flags & (VM_WRITE | VM_MAYSHARE)) == VM_WRITE;
}

/* The kernel brings in what is locked: what can be stored to is private. */
static inline void bring_in_locked(void)
{
	struct vma *vma = space_find_intersection(&world.space, 0, UINT64_MAX);

	for (; vma; vma = space_next(vma))
		if ((vma->flags & VM_LOCKED) && can_make_private(vma))
			make_private(vma);
}

/* ---- comparing ---- */

static inline void remove_flag(char *line, const char *name)
{
	char *flag = strstr(line, name);

	if (flag && strstr(line, "VmFlags:"))
		memmove(flag, flag + 3, strlen(flag + 3) + 1);
}

/* Of a maps or smaps text: the lines of mappings in [start, end), and those of
 * their flags.  The caller frees it. */
static inline char *kept_lines(FILE *report, uint64_t start, uint64_t end)
{
	char *text = NULL;
	size_t length = 0;
	FILE *kept = open_memstream(&text, &length);
	bool inside = false;
	char line[512];

	assert_non_null(kept);
	while (fgets(line, sizeof(line), report)) {
		bool flags = strstr(line, "VmFlags:") != NULL;
		unsigned long long first, last;

		if (!flags && sscanf(line, "%llx-%llx ", &first, &last) == 2)
			inside = first >= start && first < end;
		else if (!flags)
			continue;
		/* what some kernels show, and no program asked for */
		remove_flag(line, " sd");
		remove_flag(line, " gu");
		if (inside)
			fputs(line, kept);
	}
	assert_int_equal(fclose(kept), 0);
	return text;
}

static inline char *kernel_report(enum space_report_kind kind)
{
	FILE *report = fopen(kind == SPACE_REPORT_SMAPS ? "/proc/self/smaps"
							: "/proc/self/maps",
			     "r");
	char *text;

	assert_non_null(report);
	text = kept_lines(report, WINDOW, window_end);
	fclose(report);
	return text;
}

/* All of it: a mapping outside the window is a difference. */
static inline char *own_report(enum space_report_kind kind)
{
	char *all = report_text(kind);
	FILE *report = fmemopen(all, strlen(all) + 1, "r");
	char *text;

	assert_non_null(report);
	text = kept_lines(report, 0, UINT64_MAX);
	fclose(report);
	free(all);
	return text;
}

static inline bool same_report(enum space_report_kind kind)
{
	char *ours = own_report(kind);
	char *theirs = kernel_report(kind);
	bool same = strcmp(ours, theirs) == 0;

	if (!same)
		fprintf(stderr, "space:\n%skernel:\n%s", ours, theirs);
	free(ours);
	free(theirs);
	return same;
}

/* 0, or a negative errno. */
static inline bool same_error(int ours, int theirs)
{
	if (ours != theirs)
		fprintf(stderr, "space: %s, kernel: %s\n", strerror(-ours),
			strerror(-theirs));
	return ours == theirs;
}

static inline bool same_place(uint64_t ours, uint64_t theirs)
{
	if (ours != theirs)
		fprintf(stderr, "space: 0x%llx, kernel: 0x%llx\n",
			(unsigned long long)ours, (unsigned long long)theirs);
	return ours == theirs;
}

/* ---- a run ---- */

static inline void no_hold(void *context, uint64_t index)
{
	(void)context;
	(void)index;
}

static inline enum space_overcommit kernel_overcommit(void)
{
	FILE *mode = fopen("/proc/sys/vm/overcommit_memory", "r");
	unsigned overcommit = 0;

	if (!mode)
		return SPACE_OVERCOMMIT_GUESS;
	assert_int_equal(fscanf(mode, "%u", &overcommit), 1);
	fclose(mode);
	return (enum space_overcommit)overcommit;
}

/* A space on a page table of its own, with the kernel's modes and limits. */
static inline struct mmu *start_soft_space(uint32_t flags)
{
	const struct mmu_soft_options options = {
		.lowest = WINDOW,
		/* no step reaches the end of the kernel's addresses, nor of
		 * ours */
		.highest = WINDOW + 2 * PAGES * PAGE_SIZE,
		.arena = WINDOW,
		.arena_end = WINDOW + PAGES * PAGE_SIZE,
		.map = world_map,
		.unmap = world_unmap,
		.hold = no_hold,
		.drop = no_hold,
	};
	struct rlimit locked;
	struct mmu *mmu;

	world_start_at(WINDOW, PAGES, false);
	assert_int_equal(space_finish(&world.space), 0);
	assert_int_equal(mmu_soft_create(&options, &mmu), 0);
	world.options.mmu = mmu;
	world.options.flags = flags | (geteuid() == 0 ? SPACE_MAY_LOCK : 0);
	world.options.overcommit = kernel_overcommit();
	space_init(&world.space, &world.options);
	assert_return_code(getrlimit(RLIMIT_MEMLOCK, &locked), errno);
	space_set_limit(&world.space, SPACE_LIMIT_LOCKED, locked.rlim_cur);
	return mmu;
}

/* What a run left that failed goes; then the window is the kernel's and ours.*/
static inline void empty_window(void)
{
	char *nothing;

	munmap(pointer(WINDOW), window_end - WINDOW);
	nothing = kernel_report(SPACE_REPORT_MAPS);
	assert_string_equal(nothing, "");
	free(nothing);
}

/* step() takes one from the random numbers, and says if both did it alike. */
static inline void run_steps(uint64_t seed, int count, bool (*step)(uint64_t *))
{
	uint64_t state = seed;

	for (int i = 0; i < count; i++) {
		world.log[0] = '\0';
		if (!step(&state))
			fail_msg("seed %llu, step %d", (unsigned long long)seed,
				 i);
		space_check(&world.space);
	}
}

/* mmu: of start_soft_space(), or NULL. */
static inline void end_run(struct mmu *mmu)
{
	assert_int_equal(space_finish(&world.space), 0);
	mmu_destroy(mmu);
	munmap(pointer(WINDOW), window_end - WINDOW);
	close_files();
	assert_int_equal(world.memory, 0);
}

/* ---- the program ---- */

static uint64_t extra_seed;
static void (*run_seed)(uint64_t seed);

static inline void test_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run_seed(seed);
}

static inline void test_extra_seed(void **state)
{
	(void)state;
	if (extra_seed == 0)
		skip();
	run_seed(extra_seed);
}

/* All of main(). */
static inline int run_with_seeds(int argc, char **argv,
				 void (*run)(uint64_t seed))
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_extra_seed),
	};
	const char *seed = argc > 1 ? argv[1] : getenv("QUIRE_SEED");

	if (seed)
		extra_seed = strtoull(seed, NULL, 0);
	run_seed = run;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
