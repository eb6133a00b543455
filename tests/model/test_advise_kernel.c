/* test_advise_kernel.c - advice and locks: a space and the kernel, compared */
/* SPDX-License-Identifier: MIT */
/*
 * Random maps, unmaps, advice, locks and unlocks of one window of addresses, by
 * struct space over a page table of its own, and by the kernel.  After each the
 * errno is compared, and the window's mappings with all their flags: so what
 * was advised, what is joined to what, and what is locked.
 *
 * Pages do not exist here; what bringing them in would answer, and that private
 * ones come to be, is said for the space by this test.
 *
 * The seeds are fixed; QUIRE_SEED in the environment, or a number as argument,
 * adds one.  A failure says the seed and the step.
 */
#include "space/advise.h"
#include "unit/space_world.h"

#include "mmu/mmu_soft.h"
#include "space/space_private.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PAGES 48
#define STEPS 2500
/* Low, so that the kernel places nothing there by itself. */
#define WINDOW UINT64_C(0x210000000000)
#define FILES 3
#define NO_ROOM_LIMIT UINT64_MAX

static int fds[FILES];
static struct quire_object handles[FILES];

/* A file, the same read-only, and another one: as long as the window. */
static void open_files(void)
{
	static char names[2][32];
	struct stat status;
	char path[64];

	for (unsigned i = 0; i < FILES; i++) {
		unsigned object = i == 2;

		if (i == 1) {
			snprintf(path, sizeof(path), "/proc/self/fd/%d",
				 fds[0]);
			fds[i] = open(path, O_RDONLY | O_CLOEXEC);
		} else {
			fds[i] = memfd_create(i ? "two" : "one", MFD_CLOEXEC);
			assert_return_code(ftruncate(fds[i], PAGES * PAGE_SIZE),
					   errno);
		}
		assert_return_code(fds[i], errno);
		assert_return_code(fstat(fds[i], &status), errno);
		snprintf(names[object], sizeof(names[0]), "/memfd:%s (deleted)",
			 object ? "two" : "one");
		world.object[object].identity = (struct object_identity){
			.name = names[object],
			.device = status.st_dev,
			.inode = status.st_ino,
		};
		atomic_init(&handles[i].references, 1);
		handles[i].object = &world.object[object];
		handles[i].readable = true;
		handles[i].writable = i != 1;
	}
}

static void close_files(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		assert_int_equal(handles[i].references, 1);
		close(fds[i]);
	}
}

/* ---- steps ---- */

enum kind {
	STEP_MAP,
	STEP_UNMAP,
	STEP_ADVISE,
	STEP_LOCK,
	STEP_UNLOCK,
	STEP_LOCK_ALL,
	STEP_UNLOCK_ALL,
	STEP_KINDS,
};

struct step {
	enum kind kind;
	uint64_t address;
	uint64_t length;
	int prot;
	int flags; /* of mmap, mlock2, mlockall */
	int advice;
	unsigned file;
};

static uint64_t below(uint64_t *seed, uint64_t limit)
{
	return next_random(seed) % limit;
}

static int random_advice(uint64_t *seed)
{
	/* 5, 6, 7, 26, 99: nobody's */
	static const int all[] = {
		MADV_NORMAL,
		MADV_RANDOM,
		MADV_SEQUENTIAL,
		MADV_WILLNEED,
		MADV_DONTNEED,
		MADV_FREE,
		MADV_REMOVE,
		MADV_DONTFORK,
		MADV_DOFORK,
		MADV_MERGEABLE,
		MADV_UNMERGEABLE,
		MADV_HUGEPAGE,
		MADV_NOHUGEPAGE,
		MADV_DONTDUMP,
		MADV_DODUMP,
		MADV_WIPEONFORK,
		MADV_KEEPONFORK,
		MADV_COLD,
		MADV_PAGEOUT,
		MADV_POPULATE_READ,
		MADV_POPULATE_WRITE,
		MADV_DONTNEED_LOCKED,
		MADV_COLLAPSE,
		MADV_GUARD_INSTALL,
		MADV_GUARD_REMOVE,
		5,
		6,
		7,
		26,
		99,
		-1,
	};

	return all[below(seed, sizeof(all) / sizeof(all[0]))];
}

static void random_map(uint64_t *seed, struct step *step)
{
	static const int kinds[] = {
		MAP_SHARED,
		MAP_PRIVATE,
		MAP_PRIVATE,
		MAP_PRIVATE | MAP_ANONYMOUS,
		MAP_PRIVATE | MAP_ANONYMOUS,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED,
		MAP_SHARED | MAP_LOCKED,
		MAP_PRIVATE | MAP_POPULATE,
	};
	static const int prots[] = {
		PROT_READ,
		PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE,
		PROT_NONE,
		PROT_WRITE,
		PROT_EXEC,
	};

	step->flags = MAP_FIXED | kinds[below(seed, 8)];
	step->prot = prots[below(seed, below(seed, 3) ? 3 : 6)];
	step->file = (unsigned)below(seed, below(seed, 2) ? 1 : FILES);
}

static int random_lock_all(uint64_t *seed)
{
	/* Never all that the process has, brought in. */
	static const int flags[] = {
		MCL_FUTURE,
		MCL_FUTURE | MCL_ONFAULT,
		MCL_CURRENT | MCL_ONFAULT,
		MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
		MCL_ONFAULT,
		0,
		8,
	};

	return flags[below(seed, 7)];
}

static enum kind random_kind(uint64_t *seed)
{
	static const enum kind kinds[] = {
		STEP_MAP,      STEP_MAP,        STEP_MAP,    STEP_UNMAP,
		STEP_LOCK,     STEP_LOCK,       STEP_UNLOCK, STEP_UNLOCK,
		STEP_LOCK_ALL, STEP_UNLOCK_ALL,
	};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* A sanitizer's own memory is too large to be locked. */
	return below(seed, 2) ? STEP_ADVISE : kinds[below(seed, 8)];
#else
	return below(seed, 2) ? STEP_ADVISE : kinds[below(seed, 10)];
#endif
}

static struct step random_step(uint64_t *seed)
{
	uint64_t first = below(seed, PAGES);
	uint64_t pages = below(seed, below(seed, 4) ? 5 : PAGES) + 1;
	struct step step = { .kind = random_kind(seed) };

	if (pages > PAGES - first)
		pages = PAGES - first;
	step.address = at(first);
	step.length = pages * PAGE_SIZE;
	step.advice = random_advice(seed);
	if (step.kind == STEP_MAP)
		random_map(seed, &step);
	else if (step.kind == STEP_LOCK)
		step.flags = (int)below(seed, 8) > 5 ? (int)below(seed, 4) : 0;
	else if (step.kind == STEP_LOCK_ALL)
		step.flags = random_lock_all(seed);
	if (step.kind == STEP_MAP)
		return step;
	if (below(seed, 30) == 0)
		step.length -= below(seed, PAGE_SIZE + 1);
	if (below(seed, 40) == 0)
		step.address += below(seed, PAGE_SIZE);
	if (below(seed, 60) == 0)
		step.length = below(seed, 2) ? 0
					     : UINT64_MAX - below(seed, 9000);
	return step;
}

static void print_step(const struct step *step)
{
	static const char *const kinds[STEP_KINDS] = {
		"map",     "unmap",    "advise",     "mlock",
		"munlock", "mlockall", "munlockall",
	};

	fprintf(stderr,
		"%s page %lld, 0x%llx+0x%llx prot 0x%x flags 0x%x advice %d "
		"file %u\n",
		kinds[step->kind], (long long)page_of(step->address),
		(unsigned long long)step->address,
		(unsigned long long)step->length, (unsigned)step->prot,
		(unsigned)step->flags, step->advice, step->file);
}

/* ---- the kernel ---- */

/* The pointer as a number. */
static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int kernel_map(const struct step *step)
{
	void *place = mmap(pointer(step->address), step->length, step->prot,
			   step->flags, fds[step->file],
			   (off_t)(step->address - WINDOW));

	return place == MAP_FAILED ? -1 : 0;
}

static int by_kernel(const struct step *step)
{
	void *place = pointer(step->address);
	int result = 0;

	switch (step->kind) {
	case STEP_MAP:
		result = kernel_map(step);
		break;
	case STEP_UNMAP:
		result = munmap(place, step->length);
		break;
	case STEP_ADVISE:
		result = madvise(place, step->length, step->advice);
		break;
	case STEP_LOCK:
		result = mlock2(place, step->length, (unsigned)step->flags);
		break;
	case STEP_UNLOCK:
		/* raw: a sanitizer answers these itself */
		result = (int)syscall(SYS_munlock, place, step->length);
		break;
	case STEP_LOCK_ALL:
		result = (int)syscall(SYS_mlockall, step->flags);
		break;
	default:
		result = (int)syscall(SYS_munlockall);
	}
	return result ? -errno : 0;
}

/* ---- the space, and pages in words ---- */

/* A private page comes to be. */
static void touch(struct space *space, uint64_t address, bool write)
{
	struct vma *vma;

	rwlock_take_write(&space->lock);
	vma = space_find(space, address);
	if (write && vma && !(vma->flags & VM_MAYSHARE))
		vma_prepare_anon(space, vma);
	rwlock_drop_write(&space->lock);
}

static int populate_run(struct space *space, const struct space_run *run,
			bool write)
{
	for (uint64_t page = run->start; page < run->end; page += PAGE_SIZE) {
		if (soft_look(space->mmu, page).flags & SOFT_GUARD)
			return -EFAULT;
		touch(space, page, write);
	}
	return 0;
}

/* MADV_POPULATE_READ, _WRITE. */
static int populate(struct space *space, const struct step *step)
{
	bool write = step->advice == MADV_POPULATE_WRITE;
	uint64_t end = step->address + page_round_up(step->length);
	uint64_t page = step->address;
	struct space_run run;
	int error = 0;

	while (!error && page < end) {
		if (!space_run_at(space, page, end, &run))
			return -ENOMEM;
		if (run.start > page)
			error = -ENOMEM;
		else if (!(run.flags & (write ? VM_WRITE : VM_READ)))
			error = -EINVAL;
		else
			error = populate_run(space, &run, write);
		page = run.end;
		space_run_drop(&run);
	}
	return error;
}

/* __mm_populate() */
static int populate_locked(struct space *space, uint64_t page, uint64_t end)
{
	struct space_run run;
	int error = 0;

	while (!error && page < end && space_run_at(space, page, end, &run)) {
		bool write = (run.flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;

		if (run.flags & VM_LOCKONFAULT)
			error = 0;
		else if (!(run.flags & VM_ACCESS_FLAGS))
			error = -EFAULT;
		else
			error = populate_run(space, &run, write);
		page = run.end;
		space_run_drop(&run);
	}
	return error;
}

static int space_maps(struct space *space, const struct step *step)
{
	bool wanted = false;
	struct space_map_request request = {
		.address = step->address,
		.length = step->length,
		.prot = step->prot,
		.flags = step->flags,
		.handle = step->flags & MAP_ANONYMOUS ? NULL
						      : &handles[step->file],
		.offset = step->address - WINDOW,
		.populate = &wanted,
	};
	uint64_t address = 0;
	int error = space_map(space, &request, &address);

	if (!error && wanted)
		(void)populate_locked(space, address, address + step->length);
	return error;
}

static int space_advises(struct space *space, const struct step *step)
{
	struct space_walk walk = {
		.advice = step->advice,
		.at = step->address,
		.end = step->address + page_round_up(step->length),
	};
	struct space_run run;
	int result =
		space_advice_check(step->address, step->length, step->advice);

	if (result <= 0)
		return result;
	if (space_advice_sets_flags(step->advice))
		return space_advise(space, step->address, step->length,
				    step->advice);
	if (step->advice == MADV_POPULATE_READ ||
	    step->advice == MADV_POPULATE_WRITE)
		return populate(space, step);
	while ((result = space_advise_next(space, &walk, &run)) > 0) {
		assert_true(run.start <= run.end);
		space_run_drop(&run);
	}
	return result ? result : walk.hole ? -ENOMEM : 0;
}

static int space_locks(struct space *space, const struct step *step)
{
	uint64_t flags = VM_LOCKED;
	uint64_t start = page_round_down(step->address);
	uint64_t bytes =
		page_round_up(step->length + (step->address & PAGE_MASK));
	int error;

	if (step->flags & ~(int)MLOCK_ONFAULT)
		return -EINVAL;
	if (step->flags & (int)MLOCK_ONFAULT)
		flags |= VM_LOCKONFAULT;
	error = space_lock(space, step->address, step->length, flags,
			   NO_ROOM_LIMIT);
	if (error)
		return error;
	return populate_locked(space, start, start + bytes) ? -ENOMEM : 0;
}

static int space_locks_all(struct space *space, const struct step *step)
{
	if (step->flags == 0 || step->flags == MCL_ONFAULT ||
	    step->flags > (MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))
		return -EINVAL;
	return space_lock_all(space, step->flags, NO_ROOM_LIMIT);
}

static int by_space(const struct step *step)
{
	struct space *space = &world.space;

	switch (step->kind) {
	case STEP_MAP:
		return space_maps(space, step);
	case STEP_UNMAP:
		return space_unmap(space, step->address, step->length);
	case STEP_ADVISE:
		return space_advises(space, step);
	case STEP_LOCK:
		return space_locks(space, step);
	case STEP_UNLOCK:
		return space_unlock(space, step->address, step->length);
	case STEP_LOCK_ALL:
		/* 8 is no flag of the kernel's. */
		return step->flags == 8 ? -EINVAL
					: space_locks_all(space, step);
	default:
		return space_lock_all(space, 0, 0);
	}
}

/* ---- comparing ---- */

static void remove_flag(char *line, const char *name)
{
	char *flag = strstr(line, name);

	if (flag && strstr(line, "VmFlags:"))
		memmove(flag, flag + 3, strlen(flag + 3) + 1);
}

/* Of an smaps text: the window's lines of maps, and those of the flags. */
static char *places_and_flags(FILE *smaps)
{
	char *text = NULL;
	size_t length = 0;
	FILE *kept = open_memstream(&text, &length);
	bool inside = false;
	char line[512];

	assert_non_null(kept);
	while (fgets(line, sizeof(line), smaps)) {
		char *flag = strstr(line, "VmFlags:");
		unsigned long long start, end;

		if (!flag && sscanf(line, "%llx-%llx ", &start, &end) == 2)
			inside = start >= WINDOW && start < at(PAGES);
		else if (!flag)
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

static char *kernel_smaps(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "r");
	char *text;

	assert_non_null(smaps);
	text = places_and_flags(smaps);
	fclose(smaps);
	return text;
}

static char *space_smaps(void)
{
	char *all = report_text(SPACE_REPORT_SMAPS);
	FILE *smaps = fmemopen(all, strlen(all) + 1, "r");
	char *text;

	assert_non_null(smaps);
	text = places_and_flags(smaps);
	fclose(smaps);
	free(all);
	return text;
}

static bool same_smaps(void)
{
	char *ours = space_smaps();
	char *theirs = kernel_smaps();
	bool same = strcmp(ours, theirs) == 0;

	if (!same)
		fprintf(stderr, "space:\n%skernel:\n%s", ours, theirs);
	free(ours);
	free(theirs);
	return same;
}

static bool agree(const struct step *step)
{
	int ours = by_space(step);
	int theirs = by_kernel(step);

	if (ours != theirs) {
		fprintf(stderr, "space: %s, kernel: %s\n", strerror(-ours),
			strerror(-theirs));
		return false;
	}
	return same_smaps();
}

/* ---- runs ---- */

static uint64_t extra_seed;

static void no_hold(void *context, uint64_t index)
{
	(void)context;
	(void)index;
}

/* As the kernel's: the same modes and limits. */
static struct mmu *start_space(void)
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
	world.options.flags = geteuid() == 0 ? SPACE_MAY_LOCK : 0;
	space_init(&world.space, &world.options);
	assert_return_code(getrlimit(RLIMIT_MEMLOCK, &locked), errno);
	space_set_limit(&world.space, SPACE_LIMIT_LOCKED, locked.rlim_cur);
	return mmu;
}

static void run(uint64_t seed)
{
	uint64_t state = seed;
	struct mmu *mmu = start_space();

	/* what a run left that failed */
	munmap(pointer(WINDOW), PAGES * PAGE_SIZE);
	open_files();
	for (int i = 0; i < STEPS; i++) {
		struct step step = random_step(&state);

		world.log[0] = '\0';
		if (!agree(&step)) {
			print_step(&step);
			fail_msg("seed %llu, step %d", (unsigned long long)seed,
				 i);
		}
		space_check(&world.space);
	}
	syscall(SYS_munlockall);
	assert_int_equal(space_finish(&world.space), 0);
	mmu_destroy(mmu);
	munmap(pointer(WINDOW), PAGES * PAGE_SIZE);
	close_files();
	assert_int_equal(world.memory, 0);
}

static void test_seeds(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++)
		run(seed);
}

static void test_extra_seed(void **state)
{
	(void)state;
	if (extra_seed == 0)
		skip();
	run(extra_seed);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_seeds),
		cmocka_unit_test(test_extra_seed),
	};
	const char *seed = argc > 1 ? argv[1] : getenv("QUIRE_SEED");

	if (seed)
		extra_seed = strtoull(seed, NULL, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
