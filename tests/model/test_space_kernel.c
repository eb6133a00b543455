/* test_space_kernel.c - a space and the kernel, given the same to do */
/* SPDX-License-Identifier: MIT */
/*
 * Random maps, unmaps and protects of one window of addresses, by struct space
 * over a host that only says yes, and by the kernel.  After each the return
 * value, the errno and the window's lines of the maps text are compared.
 *
 * Where a mapping goes that is not fixed is compared as far as it can be: the
 * kernel takes the hint exactly if the space does; if not, it has the rest of
 * the address space to choose from, and is then given the space's choice.
 *
 * The seeds are fixed; QUIRE_SEED in the environment, or a number as argument,
 * adds one.  A failure says the seed and the step.
 */
#include "unit/space_world.h"

#include <fcntl.h>
#include <sys/stat.h>

#define PAGES 48
#define STEPS 3000
/* Large and low, so that the kernel places nothing there by itself. */
#define WINDOW UINT64_C(0x200000000000)
/* MAP_STACK and MAP_SYNC would do less well: Linux ignores them, and keeps
 * mappings apart that differ in them. */
#define UNKNOWN_FLAG 0x200000
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
		STEP_PROTECT
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
		UNKNOWN_FLAG,  MAP_GROWSDOWN, MAP_HUGETLB,
	};
	int flags = kinds[below(seed, 8)] | fixes[below(seed, 6)];

	if (below(seed, 8) == 0)
		flags |= others[below(seed, 6)];
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
	static const char *const kinds[] = { "map", "unmap", "protect" };

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
		.handle = &handles[step->file],
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

/* A hole of the window that holds length bytes. */
static bool has_hole(uint64_t length)
{
	uint64_t end = WINDOW;
	const struct vma *vma =
		space_find_intersection(&world.space, 0, UINT64_MAX);

	for (; vma; vma = space_next(vma)) {
		if (vma->mapping.start - end >= length)
			return true;
		end = vma->mapping.end;
	}
	return WINDOW + PAGES * PAGE_SIZE - end >= length;
}

/* No room in the window, where the kernel has all that is outside. */
static bool is_full(const struct step *step, int ours)
{
	return step->kind == STEP_MAP && ours == -ENOMEM &&
	       !(step->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) &&
	       !has_hole(step->length);
}

/* ---- comparing ---- */

/* The kernel's lines of the window, in static memory. */
static const char *kernel_maps(void)
{
	static char text[PAGES * 160];
	FILE *maps = fopen("/proc/self/maps", "r");
	size_t length = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		unsigned long long start = strtoull(line, NULL, 16);

		if (start < WINDOW || start >= WINDOW + PAGES * PAGE_SIZE)
			continue;
		assert_true(length + strlen(line) < sizeof(text));
		memcpy(text + length, line, strlen(line));
		length += strlen(line);
	}
	text[length] = '\0';
	fclose(maps);
	return text;
}

static bool same_maps(void)
{
	char *ours = report_text(SPACE_REPORT_MAPS);
	bool same = strcmp(ours, kernel_maps()) == 0;

	if (!same)
		fprintf(stderr, "space:\n%skernel:\n%s", ours, kernel_maps());
	free(ours);
	return same;
}

static bool agree(const struct step *step)
{
	uint64_t ours = 0;
	uint64_t theirs = 0;
	int our_error = by_space(step, &ours);
	int their_error = by_kernel(step, &theirs);

	if (is_full(step, our_error)) {
		if (!their_error)
			munmap(pointer(theirs), step->length);
		return same_maps();
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
	return same_maps();
}

/* ---- runs ---- */

static uint64_t extra_seed;

static void run(uint64_t seed)
{
	uint64_t state = seed;

	world_start_at(WINDOW, PAGES, false);
	/* No step reaches the end of the kernel's addresses, nor of ours. */
	world.mmu.highest = at(2 * PAGES);
	open_files();
	assert_string_equal(kernel_maps(), "");
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
	assert_int_equal(space_finish(&world.space), 0);
	munmap(pointer(WINDOW), PAGES * PAGE_SIZE);
	close_files();
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
