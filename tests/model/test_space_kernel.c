/* test_space_kernel.c - a space and the kernel, given the same to do */
/* SPDX-License-Identifier: MIT */
/*
 * Random maps, unmaps, protects and first stores in one window of addresses,
 * by struct space over an empty page table, and by the kernel.  After each the
 * return value, the errno, the window's lines of the maps text and the flags
 * of each mapping are compared; the latter say what was counted and what would
 * be allowed, and that what is joined is joined alike.
 *
 * Where a mapping goes that is not fixed is compared as far as it can be: the
 * kernel takes the hint exactly if the space does; if not, it has the rest of
 * the address space to choose from, and is then given the space's choice.
 */
#include "model/kernel_beside.h"

#include <sys/personality.h>

#define STEPS 3000
#define UNKNOWN_FLAG 0x200000
#define DROPPABLE 0x08 /* MAP_DROPPABLE, newer than the C library's headers */

/* Two memfds, opened in several ways. */
static const struct file_kind files[] = {
	{ 0, -1 }, { 1, -1 }, { 0, O_RDWR }, { 1, O_RDONLY }, { 0, O_WRONLY },
};
#define FILES (sizeof(files) / sizeof(files[0]))

/* ---- steps ---- */

struct step {
	enum {
		STEP_MAP,
		STEP_UNMAP,
		STEP_PROTECT,
		STEP_STORE
	} kind;
	uint64_t address;
	uint64_t length;
	int prot;
	int flags;
	unsigned file;
	uint64_t offset;
};

static int random_flags(uint64_t *seed)
{
	static const int kinds[] = {
		MAP_SHARED,  MAP_SHARED,  MAP_SHARED,          MAP_PRIVATE,
		MAP_PRIVATE, MAP_PRIVATE, MAP_SHARED_VALIDATE, 0,
	};
	static const int fixes[] = {
		MAP_FIXED, MAP_FIXED, MAP_FIXED, MAP_FIXED_NOREPLACE, 0, 0,
	};
	static const int others[] = {
		MAP_NORESERVE, MAP_DENYWRITE, MAP_NONBLOCK,
		UNKNOWN_FLAG,  MAP_GROWSDOWN, MAP_STACK,
		MAP_SYNC,      MAP_LOCKED,    DROPPABLE,
	};
	int flags = kinds[below(seed, 8)] | fixes[below(seed, 6)];

	/* shared anonymous memory has an inode that nobody can guess */
	if ((flags & MAP_TYPE) != MAP_SHARED && below(seed, 2))
		flags |= MAP_ANONYMOUS;
	if (below(seed, 8) == 0)
		flags |= others[below(seed, 9)];
	if (!(flags & MAP_ANONYMOUS) && below(seed, 50) == 0)
		flags |= MAP_HUGETLB;
	return flags;
}

static int random_prot(uint64_t *seed)
{
	static const int prots[] = {
		PROT_READ,  PROT_READ | PROT_WRITE,
		PROT_NONE,  PROT_READ | PROT_EXEC,
		PROT_WRITE, PROT_READ | PROT_WRITE | PROT_EXEC,
	};
	int prot = prots[below(seed, below(seed, 3) ? 2 : 6)];

	if (below(seed, 40) == 0)
		prot |= 8 << below(seed, 8); /* PROT_SEM, and unknown ones */
	if (below(seed, 60) == 0)
		prot |= below(seed, 2) ? PROT_GROWSDOWN : PROT_GROWSUP;
	return prot;
}

static struct step random_step(uint64_t *seed)
{
	uint64_t first = below(seed, PAGES);
	uint64_t pages = below(seed, below(seed, 4) ? 5 : PAGES) + 1;
	struct step step;

	if (pages > PAGES - first)
		pages = PAGES - first;
	step.address = at(first);
	step.length = pages * PAGE_SIZE;
	step.prot = random_prot(seed);
	step.flags = random_flags(seed);
	step.file = (unsigned)below(seed, below(seed, 2) ? 2 : FILES);
	/* mostly the page that makes neighbours of one file join */
	step.offset = first * PAGE_SIZE;
	if (below(seed, 6) == 0)
		step.offset = below(seed, 4) * PAGE_SIZE;
	if (below(seed, 50) == 0)
		step.offset =
			INT64_MAX - PAGE_MASK - below(seed, 4) * PAGE_SIZE;
	switch (below(seed, 10)) {
	case 0:
	case 1:
		step.kind = STEP_UNMAP;
		break;
	case 2:
	case 3:
	case 4:
		step.kind = STEP_PROTECT;
		break;
	case 5:
		step.kind = STEP_STORE;
		break;
	default:
		step.kind = STEP_MAP;
	}
	if (below(seed, 30) == 0)
		step.length -= below(seed, PAGE_SIZE + 1);
	if (below(seed, 40) == 0)
		step.address += below(seed, PAGE_SIZE);
	if (below(seed, 60) == 0)
		step.offset += below(seed, PAGE_SIZE);
	return step;
}

static void print_step(const struct step *step)
{
	static const char *const kinds[] = { "map", "unmap", "protect",
					     "store" };

	fprintf(stderr,
		"%s 0x%llx+0x%llx prot 0x%x flags 0x%x file %u "
		"offset 0x%llx\n",
		kinds[step->kind], (unsigned long long)step->address,
		(unsigned long long)step->length, (unsigned)step->prot,
		(unsigned)step->flags, step->file,
		(unsigned long long)step->offset);
}

/* ---- the two that do them ---- */

static int by_space(const struct step *step, uint64_t *address)
{
	struct space_map_request request = {
		.address = step->address,
		.length = step->length,
		.prot = step->prot,
		.flags = step->flags,
		.handle = step->flags & MAP_ANONYMOUS ? NULL
						      : &handles[step->file],
		.offset = step->offset,
	};

	switch (step->kind) {
	case STEP_MAP:
		return space_map(&world.space, &request, address);
	case STEP_UNMAP:
		return space_unmap(&world.space, step->address, step->length);
	default:
		return space_protect(&world.space, step->address, step->length,
				     step->prot, NULL);
	}
}

static int kernel_map(const struct step *step, uint64_t *address)
{
	void *place = mmap(pointer(step->address), step->length, step->prot,
			   step->flags, fds[step->file], (off_t)step->offset);

	if (place == MAP_FAILED)
		return -errno;
	*address = (uint64_t)(uintptr_t)place;
	return 0;
}

static int by_kernel(const struct step *step, uint64_t *address)
{
	int result;

	switch (step->kind) {
	case STEP_MAP:
		return kernel_map(step, address);
	case STEP_UNMAP:
		result = munmap(pointer(step->address), step->length);
		break;
	default:
		result = mprotect(pointer(step->address), step->length,
				  step->prot);
	}
	return result ? -errno : 0;
}

/*
 * The kernel found no room at the hint either, and went outside the window:
 * there it is unmapped, and it gets the place that the space chose.
 */
static bool follow(const struct step *step, uint64_t ours, uint64_t *theirs)
{
	struct step again = *step;

	if (*theirs == ours)
		return true;
	/* Who takes a hint takes it exactly. */
	if (*theirs == page_round_down(step->address) ||
	    ours == page_round_down(step->address))
		return false;
	munmap(pointer(*theirs), step->length);
	again.address = ours;
	again.flags |= MAP_FIXED;
	return kernel_map(&again, theirs) == 0 && *theirs == ours;
}

/* A hole of the window that holds length bytes.  False if there is a stack:
 * its guard gap is longer than the window, and a search goes on below it. */
static bool has_hole(uint64_t length)
{
	uint64_t end = WINDOW;
	bool found = false;
	const struct vma *vma =
		space_find_intersection(&world.space, 0, UINT64_MAX);

	for (; vma; vma = space_next(vma)) {
		if (vma->flags & VM_GROWSDOWN)
			return false;
		found |= vma->mapping.start - end >= length;
		end = vma->mapping.end;
	}
	return found || WINDOW + PAGES * PAGE_SIZE - end >= length;
}

/* No room in the window, where the kernel has all that is outside; and it did
 * not find the hint free. */
static bool is_full(const struct step *step, int ours, uint64_t theirs)
{
	return step->kind == STEP_MAP && ours == -ENOMEM &&
	       !(step->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
	       !has_hole(step->length) &&
	       theirs != page_round_down(step->address);
}

/* ---- comparing ---- */

/* A store to private memory of no file, if it is there and may be made. */
static void store(const struct step *step)
{
	struct vma *vma = space_find(&world.space, step->address);

	if (!vma || !vma_anonymous(vma) || !(vma->flags & VM_WRITE))
		return;
	*(volatile char *)pointer(step->address) = 1;
	make_private(vma);
}

static bool agree(const struct step *step)
{
	uint64_t ours = 0;
	uint64_t theirs = 0;
	int our_error, their_error;

	if (step->kind == STEP_STORE) {
		store(step);
		return true;
	}
	our_error = by_space(step, &ours);
	bring_in_locked();
	their_error = by_kernel(step, &theirs);
	if (is_full(step, our_error, theirs)) {
		if (!their_error)
			munmap(pointer(theirs), step->length);
		return true;
	}
	if (!same_error(our_error, their_error))
		return false;
	return our_error || step->kind != STEP_MAP ||
	       follow(step, ours, &theirs) || same_place(ours, theirs);
}

static bool try_step(uint64_t *state)
{
	struct step step = random_step(state);

	if (agree(&step) && same_report(SPACE_REPORT_SMAPS))
		return true;
	print_step(&step);
	return false;
}

/* ---- runs ---- */

static void run(uint64_t seed)
{
	bool implies_exec = seed % 4 == 3;
	int before = personality(0xffffffff);
	struct mmu *mmu =
		start_soft_space(implies_exec ? SPACE_READ_IMPLIES_EXEC : 0);

	empty_window();
	open_files(files, FILES, 0);
	if (implies_exec)
		assert_return_code(personality((unsigned long)before |
					       READ_IMPLIES_EXEC),
				   errno);
	run_steps(seed, STEPS, try_step);
	personality((unsigned long)before);
	end_run(mmu);
}

int main(int argc, char **argv)
{
	return run_with_seeds(argc, argv, run);
}
