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
 *
 * The seeds are fixed; QUIRE_SEED in the environment, or a number as argument,
 * adds one.  A failure says the seed and the step.
 */
#include "unit/space_world.h"

#include "mmu/mmu_soft.h"
#include "space/space_private.h"

#include <fcntl.h>
#include <sys/personality.h>
#include <sys/stat.h>

#define PAGES 48
#define STEPS 3000
/* Large and low, so that the kernel places nothing there by itself. */
#define WINDOW UINT64_C(0x200000000000)
#define UNKNOWN_FLAG 0x200000
#define DROPPABLE 0x08 /* MAP_DROPPABLE, newer than the C library's headers */
#define FILES 5

/* What the handles are: two memfds, opened in several ways. */
static const struct {
	unsigned object;
	int open_flags; /* -1: as it was made */
} files[FILES] = {
	{ 0, -1 }, { 1, -1 }, { 0, O_RDWR }, { 1, O_RDONLY }, { 0, O_WRONLY },
};

static int fds[FILES];
static struct quire_object handles[FILES];
static char names[2][32];

static void open_files(void)
{
	for (unsigned i = 0; i < FILES; i++) {
		struct object *object = &world.object[files[i].object];
		int flags = files[i].open_flags;
		char path[64];
		struct stat status;

		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 fds[files[i].object]);
		if (flags < 0)
			fds[i] = memfd_create(i == 0 ? "one" : "two",
					      MFD_CLOEXEC);
		else
			fds[i] = open(path, flags | O_CLOEXEC);
		assert_return_code(fds[i], errno);
		assert_return_code(fstat(fds[i], &status), errno);
		snprintf(names[files[i].object], sizeof(names[0]),
			 "/memfd:%s (deleted)",
			 files[i].object == 0 ? "one" : "two");
		object->identity = (struct object_identity){
			.name = names[files[i].object],
			.device = status.st_dev,
			.inode = status.st_ino,
		};
		atomic_init(&handles[i].references, 1);
		handles[i].object = object;
		handles[i].readable = flags != O_WRONLY;
		handles[i].writable = flags != O_RDONLY;
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

static uint64_t below(uint64_t *seed, uint64_t limit)
{
	return next_random(seed) % limit;
}

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

/* The pointer as a number. */
static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

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
				     step->prot);
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
		unsigned long long start;

		if (!flag && sscanf(line, "%llx-%*x ", &start) == 1)
			inside = start >= WINDOW &&
				 start < WINDOW + PAGES * PAGE_SIZE;
		else if (!flag)
			continue;
		/* what some kernels show, and no program asked for */
		if (flag && (flag = strstr(line, " sd")) != NULL)
			memmove(flag, flag + 3, strlen(flag + 3) + 1);
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

/* A store to private memory of no file, if it is there and may be made. */
static void store(const struct step *step)
{
	struct vma *vma = space_find(&world.space, step->address);

	if (!vma || !vma_anonymous(vma) || !(vma->flags & VM_WRITE))
		return;
	*(volatile char *)pointer(step->address) = 1;
	rwlock_take_write(&world.space.lock);
	vma_prepare_anon(&world.space, vma);
	rwlock_drop_write(&world.space.lock);
}

static bool agree(const struct step *step)
{
	uint64_t ours = 0;
	uint64_t theirs = 0;
	int our_error, their_error;

	if (step->kind == STEP_STORE) {
		store(step);
		same_smaps();
		return 1;
	}
	our_error = by_space(step, &ours);
	their_error = by_kernel(step, &theirs);
	if (is_full(step, our_error, theirs)) {
		if (!their_error)
			munmap(pointer(theirs), step->length);
		same_smaps();
		return 1;
	}
	if (our_error != their_error) {
		fprintf(stderr, "space: %s, kernel: %s\n", strerror(-our_error),
			strerror(-their_error));
		return false;
	}
	if (!our_error && step->kind == STEP_MAP &&
	    !follow(step, ours, &theirs)) {
		fprintf(stderr, "space: 0x%llx, kernel: 0x%llx\n",
			(unsigned long long)ours, (unsigned long long)theirs);
		return false;
	}
	same_smaps();
	return 1;
}

/* ---- runs ---- */

static uint64_t extra_seed;

static void no_hold(void *context, uint64_t index)
{
	(void)context;
	(void)index;
}

/* A space as the kernel's: the same modes and limits. */
static struct mmu *start_space(uint32_t flags)
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
	FILE *mode = fopen("/proc/sys/vm/overcommit_memory", "r");
	unsigned overcommit = 0;

	world_start_at(WINDOW, PAGES, false);
	assert_int_equal(space_finish(&world.space), 0);
	assert_int_equal(mmu_soft_create(&options, &mmu), 0);
	world.options.mmu = mmu;
	world.options.flags = flags | (geteuid() == 0 ? SPACE_MAY_LOCK : 0);
	if (mode) {
		assert_int_equal(fscanf(mode, "%u", &overcommit), 1);
		fclose(mode);
	}
	world.options.overcommit = (enum space_overcommit)overcommit;
	space_init(&world.space, &world.options);
	assert_return_code(getrlimit(RLIMIT_MEMLOCK, &locked), errno);
	space_set_limit(&world.space, SPACE_LIMIT_LOCKED, locked.rlim_cur);
	return mmu;
}

static void run(uint64_t seed)
{
	uint64_t state = seed;
	bool implies_exec = seed % 4 == 3;
	int before = personality(0xffffffff);
	struct mmu *mmu =
		start_space(implies_exec ? SPACE_READ_IMPLIES_EXEC : 0);
	char *nothing = kernel_smaps();

	assert_string_equal(nothing, "");
	free(nothing);
	open_files();
	if (implies_exec)
		assert_return_code(personality((unsigned long)before |
					       READ_IMPLIES_EXEC),
				   errno);
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
	personality((unsigned long)before);
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
