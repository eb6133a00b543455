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
 */
#include "model/kernel_beside.h"
#include "space/advise.h"

#include <sys/syscall.h>

#define STEPS 2500
#define NO_ROOM_LIMIT UINT64_MAX

/* A file, the same read-only, and another one: as long as the window. */
static const struct file_kind files[] = { { 0, -1 },
					  { 0, O_RDONLY },
					  { 1, -1 } };
#define FILES (sizeof(files) / sizeof(files[0]))

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
	struct vma *vma = space_find(space, address);

	if (write && vma && !(vma->flags & VM_MAYSHARE))
		make_private(vma);
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

static bool try_step(uint64_t *state)
{
	struct step step = random_step(state);
	int ours = by_space(&step);

	if (same_error(ours, by_kernel(&step)) &&
	    same_report(SPACE_REPORT_SMAPS))
		return true;
	print_step(&step);
	return false;
}

/* ---- runs ---- */

static void run(uint64_t seed)
{
	struct mmu *mmu = start_soft_space(0);

	empty_window();
	open_files(files, FILES, PAGES);
	run_steps(seed, STEPS, try_step);
	syscall(SYS_munlockall);
	end_run(mmu);
}

int main(int argc, char **argv)
{
	return run_with_seeds(argc, argv, run);
}
