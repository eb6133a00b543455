/* test_remap_kernel.c - mremap by a space and by the kernel */
/* SPDX-License-Identifier: MIT */
/*
 * Random maps, unmaps, protects, stores and above all remaps of one window of
 * addresses, by struct space over a host that only says yes, and by the kernel.
 * After each the return value, the errno and the window's lines of the maps
 * text are compared.
 *
 * Private memory stands on nothing here, as on the software MMU.  A store
 * makes a page private: who shares such pages with whom decides what can be
 * joined.
 *
 * Where something goes that is not fixed is compared as far as it can be: the
 * kernel, which has all addresses to choose from, is told the space's choice.
 */
#include "model/kernel_beside.h"

#define STEPS 3000
/* What grows may go behind the window's pages. */
#define REACH (3 * PAGES)
#define FILE_PAGES 256

static const struct file_kind files[] = { { 0, -1 }, { 1, -1 } };
#define FILES (sizeof(files) / sizeof(files[0]))

/* ---- steps ---- */

struct step {
	enum {
		STEP_MAP,
		STEP_UNMAP,
		STEP_PROTECT,
		STEP_STORE,
		STEP_REMAP
	} kind;
	uint64_t address;
	uint64_t length;
	int prot;
	int flags;
	unsigned file; /* FILES: anonymous */
	uint64_t offset;
	uint64_t new_length;
	uint64_t new_address;
};

static uint64_t random_pages(uint64_t *seed, uint64_t first)
{
	uint64_t pages = below(seed, below(seed, 8) ? 5 : PAGES) + 1;

	return pages < PAGES - first ? pages : PAGES - first;
}

static int remap_flags(uint64_t *seed)
{
	static const int flags[] = {
		0,
		MREMAP_MAYMOVE,
		MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_FIXED,
		MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
	};

	if (below(seed, 40) == 0)
		return (int)below(seed, 16);
	return flags[below(seed, 8)];
}

static int map_flags(uint64_t *seed)
{
	int flags = MAP_FIXED | (below(seed, 3) ? MAP_PRIVATE : MAP_SHARED);

	if (below(seed, 12) == 0)
		flags |= MAP_NORESERVE;
	if (below(seed, 30) == 0)
		flags |= MAP_LOCKED;
	return flags;
}

static void choose_remap(struct step *step, uint64_t *seed)
{
	uint64_t target = below(seed, PAGES);

	step->flags = remap_flags(seed);
	step->new_length = step->length;
	if (below(seed, 2) && !(step->flags & MREMAP_DONTUNMAP))
		step->new_length = random_pages(seed, 0) * PAGE_SIZE;
	if (below(seed, 12) == 0)
		step->length = 0;
	if (target > PAGES - page_of(world.base + step->new_length))
		target = PAGES - page_of(world.base + step->new_length);
	step->new_address = at(target);
	if (below(seed, 40) == 0)
		step->new_length -= below(seed, step->new_length + 1);
	if (below(seed, 60) == 0)
		step->new_address += below(seed, PAGE_SIZE);
	if (below(seed, 60) == 0)
		step->new_address = UINT64_MAX - below(seed, 2) * PAGE_MASK;
}

static struct step random_step(uint64_t *seed)
{
	uint64_t first = below(seed, PAGES);
	uint64_t choice = below(seed, 20);
	struct step step = {
		.kind = choice < 5    ? STEP_MAP
			: choice < 6  ? STEP_UNMAP
			: choice < 8  ? STEP_PROTECT
			: choice < 12 ? STEP_STORE
				      : STEP_REMAP,
		.address = at(first),
		.length = random_pages(seed, first) * PAGE_SIZE,
		.prot = below(seed, 4) ? PROT_READ | PROT_WRITE : PROT_READ,
		.flags = map_flags(seed),
		.file = (unsigned)below(seed, FILES + 3),
		/* mostly the page that makes neighbours of one file join */
		.offset = below(seed, 5) ? first * PAGE_SIZE
					 : below(seed, 4) * PAGE_SIZE,
	};

	if (step.file >= FILES) {
		step.file = FILES;
		step.flags = (step.flags & ~MAP_TYPE) | MAP_PRIVATE |
			     MAP_ANONYMOUS;
		step.offset = 0;
	}
	if (step.kind == STEP_REMAP)
		choose_remap(&step, seed);
	if (step.kind == STEP_UNMAP && below(seed, 3) == 0)
		step.address += PAGES * PAGE_SIZE;
	if (below(seed, 40) == 0)
		step.length -= below(seed, PAGE_SIZE) % (step.length + 1);
	if (below(seed, 60) == 0)
		step.address += below(seed, PAGE_SIZE);
	return step;
}

static void print_step(const struct step *step)
{
	static const char *const kinds[] = { "map", "unmap", "protect", "store",
					     "remap" };

	fprintf(stderr,
		"%s 0x%llx+0x%llx prot 0x%x flags 0x%x file %u "
		"offset 0x%llx; to 0x%llx+0x%llx\n",
		kinds[step->kind], (unsigned long long)step->address,
		(unsigned long long)step->length, (unsigned)step->prot,
		(unsigned)step->flags, step->file,
		(unsigned long long)step->offset,
		(unsigned long long)step->new_address,
		(unsigned long long)step->new_length);
}

/* ---- the two that do them ---- */

/* May the page at address be stored to, and is a page made by that? */
static bool can_store(const struct vma *vma, uint64_t address)
{
	if (!vma || !can_make_private(vma))
		return false;
	return !vma->handle || vma_index_at(vma, address) < FILE_PAGES;
}

/* One store to the first page; both sides know if it can be done. */
static bool store(const struct step *step)
{
	uint64_t address = page_round_down(step->address);
	struct vma *vma = space_find(&world.space, address);

	if (!can_store(vma, address))
		return false;
	make_private(vma);
	*(volatile char *)pointer(address) = 1;
	return true;
}

static int by_space(const struct step *step, uint64_t *address)
{
	struct space_map_request map = {
		.address = step->address,
		.length = step->length,
		.prot = step->prot,
		.flags = step->flags,
		.handle = step->file < FILES ? &handles[step->file] : NULL,
		.offset = step->offset,
	};
	struct space_remap_request remap = {
		.old_address = step->address,
		.old_length = step->length,
		.new_length = step->new_length,
		.new_address = step->new_address,
		.flags = step->flags,
	};

	switch (step->kind) {
	case STEP_MAP:
		return space_map(&world.space, &map, address);
	case STEP_UNMAP:
		return space_unmap(&world.space, step->address, step->length);
	case STEP_PROTECT:
		return space_protect(&world.space, step->address, step->length,
				     step->prot, NULL);
	case STEP_REMAP:
		return space_remap(&world.space, &remap, address);
	default:
		return 0;
	}
}

static int place_of(const void *place, uint64_t *address)
{
	*address = (uint64_t)(uintptr_t)place;
	return place == MAP_FAILED ? -errno : 0;
}

static int by_kernel(const struct step *step, uint64_t *address)
{
	switch (step->kind) {
	case STEP_MAP:
		return place_of(mmap(pointer(step->address), step->length,
				     step->prot, step->flags,
				     step->file < FILES ? fds[step->file] : -1,
				     (off_t)step->offset),
				address);
	case STEP_UNMAP:
		return munmap(pointer(step->address), step->length) ? -errno
								    : 0;
	case STEP_PROTECT:
		return mprotect(pointer(step->address), step->length,
				step->prot)
			       ? -errno
			       : 0;
	case STEP_REMAP:
		return place_of(mremap(pointer(step->address), step->length,
				       step->new_length, step->flags,
				       pointer(step->new_address)),
				address);
	default:
		return 0;
	}
}

/*
 * What the space has moved to a place of its choice the kernel is told to move
 * there: it may not grow where it is, then.  By itself it would go outside the
 * window, and could be joined to what is there.
 */
static bool follow(const struct step *step, uint64_t ours, uint64_t *theirs)
{
	struct step again = *step;

	if (!(step->flags & MREMAP_DONTUNMAP)) {
		again.flags = 0;
		if (by_kernel(&again, theirs) != -ENOMEM)
			return false;
	}
	again.flags = step->flags | MREMAP_FIXED;
	again.new_address = ours;
	return by_kernel(&again, theirs) == 0;
}

/* It was free to choose, and did not take what it was pointed to. */
static bool chose(const struct step *step, int our_error, uint64_t ours)
{
	uint64_t wanted = step->flags & MREMAP_DONTUNMAP
				  ? page_round_down(step->new_address)
				  : step->address;

	return step->kind == STEP_REMAP && !our_error &&
	       !(step->flags & MREMAP_FIXED) && ours != wanted;
}

/* No hole in the window: the kernel has all that is outside.  What it moved
 * there is lost, and so it is here. */
static bool is_full(const struct step *step, int ours, uint64_t theirs)
{
	return step->kind == STEP_REMAP && ours == -ENOMEM &&
	       !(step->flags & MREMAP_FIXED) && !in_window(theirs);
}

static void lose(const struct step *step, uint64_t theirs)
{
	uint64_t old = page_round_up(step->length);

	munmap(pointer(theirs), page_round_up(step->new_length));
	if (old && !(step->flags & MREMAP_DONTUNMAP))
		assert_int_equal(space_unmap(&world.space, step->address, old),
				 0);
}

/* ---- comparing ---- */

static bool agree(const struct step *step)
{
	uint64_t ours = 0;
	uint64_t theirs = 0;
	int our_error, their_error;

	if (step->kind == STEP_STORE) {
		(void)store(step);
		return true;
	}
	our_error = by_space(step, &ours);
	bring_in_locked();
	if (chose(step, our_error, ours))
		return follow(step, ours, &theirs);
	their_error = by_kernel(step, &theirs);
	if (!their_error && is_full(step, our_error, theirs)) {
		lose(step, theirs);
		return true;
	}
	if (!same_error(our_error, their_error))
		return false;
	return our_error || step->kind != STEP_REMAP ||
	       same_place(ours, theirs);
}

static bool try_step(uint64_t *state)
{
	struct step step = random_step(state);

	if (agree(&step) && same_report(SPACE_REPORT_MAPS))
		return true;
	print_step(&step);
	return false;
}

/* ---- runs ---- */

static int say_moved(struct mmu *mmu, const struct mmu_move *move)
{
	(void)mmu;
	(void)move;
	return 0;
}

static void run(uint64_t seed)
{
	struct mmu_ops ops = fake_ops;

	world_start_at(WINDOW, PAGES, false);
	/* No step reaches the end of the kernel's addresses, nor of ours. */
	window_end = at(REACH);
	world.mmu.highest = window_end;
	world.mmu.soft = true;
	ops.move = say_moved;
	world.mmu.ops = &ops;
	empty_window();
	open_files(files, FILES, FILE_PAGES);
	run_steps(seed, STEPS, try_step);
	end_run(NULL);
}

int main(int argc, char **argv)
{
	return run_with_seeds(argc, argv, run);
}
