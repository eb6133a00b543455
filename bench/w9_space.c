/* w9_space.c - a space with few, many, and very many mappings */
/* SPDX-License-Identifier: MIT */
/*
 * Mappings of a page each, with a page between two, so that none merge:
 *
 *     BASE |map|   |map|   |map| ...
 */
#include "harness.h"
#include "inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP (2 * (uint64_t)PAGE)
#define BASE (UINT64_C(1) << 44)
#define SPARE 1000u   /* mappings of a process beside ours */
#define FINDS 100000u /* of the look-up inside */
#define FEW 1000u     /* that a find among all is compared with */
#define MANY 100000u  /* so many that resident memory tells of them */
#define MOST_FIND_RATIO 4.0
#define MOST_VMA_BYTES 129.0 /* 88, its part of the tree, the pool's rest */
/* Sequential look-ups go a word at a time, as a loop over an array does. */
#define WORD 64u

enum operation {
	MAP,
	PROTECT,
	FIND,
};

#define VARIANT(operation, count) ((uint64_t)(operation) << 32 | (count))

struct place {
	struct quire_space *space; /* NULL: the kernel's */
	uint64_t base;
	uint64_t count;
};

static enum operation operation_of(const struct setting *setting)
{
	return (enum operation)(setting->variant->parameter >> 32);
}

static uint64_t count_of(const struct setting *setting)
{
	return setting->variant->parameter & UINT32_MAX;
}

static char *address_of(const struct place *place, uint64_t number)
{
	return (char *)(uintptr_t)(place->base + number * STEP);
}

static char *random_address(const struct place *place, uint64_t number)
{
	return address_of(place, mix(number) % place->count);
}

/* ---- the calls, of either ---- */

static bool map(const struct place *place, char *address, char **mapped)
{
	int prot = PROT_READ | PROT_WRITE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS |
		    (address ? MAP_FIXED_NOREPLACE : 0);

	*mapped = place->space ? quire_mmap(place->space, address, PAGE, prot,
					    flags, NULL, 0)
			       : mmap(address, PAGE, prot, flags, -1, 0);
	return *mapped != MAP_FAILED;
}

static bool unmap(const struct place *place, char *address)
{
	return !(place->space ? quire_munmap(place->space, address, PAGE)
			      : munmap(address, PAGE));
}

static bool protect(const struct place *place, char *address, int prot)
{
	return !(place->space
			 ? quire_mprotect(place->space, address, PAGE, prot)
			 : mprotect(address, PAGE, prot));
}

/* Each the cheapest call that looks an address up and the page table after. */
static bool find(const struct place *place, char *address)
{
	struct quire_page page;
	unsigned char state;

	return !(place->space ? quire_space_page(place->space, address, &page)
			      : mincore(address, PAGE, &state));
}

/* How many have succeeded. */
static uint64_t operate(const struct place *place,
			const struct setting *setting)
{
	enum operation operation = operation_of(setting);
	uint64_t good = 0;
	char *mapped;

	for (uint64_t i = 0; i < setting->operations; i++) {
		char *address = random_address(place, i);

		if (operation == MAP)
			good += map(place, NULL, &mapped) &&
				unmap(place, mapped);
		else if (operation == PROTECT)
			good += protect(place, address,
					i & 1 ? PROT_READ : PROT_NONE);
		else
			good += find(place, address);
	}
	return good;
}

/* ---- Quire's ---- */

static uint64_t random_find(const void *context, uint64_t number)
{
	return (uint64_t)(uintptr_t)random_address(context, number);
}

static uint64_t sequential_find(const void *context, uint64_t number)
{
	const struct place *place = context;
	uint64_t words = PAGE / WORD;

	return (uint64_t)(uintptr_t)address_of(place,
					       number / words % place->count) +
	       number % words * WORD;
}

static double find_ns(const struct place *place)
{
	struct finds finds = { FINDS, random_find, place };
	struct found found;

	inside_find(place->space, &finds, &found);
	inside_find(place->space, &finds, &found); /* warm */
	return found.ns;
}

static void find_figures(const struct place *place, double few_ns,
			 struct run *run)
{
	struct finds finds = { FINDS, sequential_find, place };
	struct found found;
	double random_ns = find_ns(place);

	run_figure(run, "find_random_ns", random_ns, 0);
	if (few_ns > 0)
		run_figure(run, "find_ratio_to_1000", random_ns / few_ns,
			   MOST_FIND_RATIO);
	inside_find(place->space, &finds, &found);
	run_figure(run, "find_sequential_ns", found.ns, 0);
	run_figure(run, "hit_rate_sequential", found.hit_rate, 0);
	finds.address = random_find;
	inside_find(place->space, &finds, &found);
	run_figure(run, "hit_rate_random", found.hit_rate, 0);
}

/* Until there are count; place->count says how many there are. */
static void grow(struct place *place, uint64_t count, struct run *run)
{
	char *mapped;

	for (; place->count < count; place->count++)
		if (!map(place, address_of(place, place->count), &mapped))
			run_fail(run, "mapping %ju: %s",
				 (uintmax_t)place->count,
				 place->space ? quire_strerror_last()
					      : strerror(errno));
}

static void fill_space(struct place *place, const struct setting *setting,
		       double *few_ns, struct run *run)
{
	uint64_t count = count_of(setting), kib;

	*few_ns = 0;
	if (operation_of(setting) == FIND && count > FEW) {
		grow(place, FEW, run);
		*few_ns = find_ns(place);
	}
	kib = memory_kib("VmRSS");
	grow(place, count, run);
	if (count >= MANY)
		run_figure(run, "bytes_per_mapping",
			   (double)(memory_kib("VmRSS") - kib) * 1024 /
				   (double)(count - (*few_ns > 0 ? FEW : 0)),
			   MOST_VMA_BYTES);
}

static void with_quire(const struct question *question,
		       const struct setting *setting, struct run *run)
{
	struct place place = { .base = BASE };
	struct view view;
	double few_ns;

	(void)question;
	quire_begin(setting, run, &view);
	if (quire_space_create(view.quire, NULL, &place.space) ||
	    quire_space_set_limit(place.space, QUIRE_LIMIT_MAPPINGS,
				  UINT64_MAX))
		run_fail(run, "%s", quire_strerror_last());
	fill_space(&place, setting, &few_ns, run);
	run_begin(run);
	run->checksum = operate(&place, setting);
	run_end(run);
	run_figure(run, "mappings", (double)place.count, 0);
	if (operation_of(setting) == FIND)
		find_figures(&place, few_ns, run);
	quire_space_close(place.space);
	quire_end(&view);
}

/* ---- the kernel's ---- */

static uint64_t kernel_allows(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "re");
	unsigned long most = 65530;

	if (file) {
		if (fscanf(file, "%lu", &most) != 1)
			most = 65530;
		fclose(file);
	}
	return most > SPARE ? most - SPARE : 1;
}

/* Where so many bytes are free in this process. */
static uint64_t free_range(uint64_t length, struct run *run)
{
	void *bytes = mmap(NULL, length, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		run_fail(run, "no %ju bytes of addresses: %s",
			 (uintmax_t)length, strerror(errno));
	munmap(bytes, length);
	return (uint64_t)(uintptr_t)bytes;
}

static void with_kernel(const struct question *question,
			const struct setting *setting, struct run *run)
{
	uint64_t count = count_of(setting), most = kernel_allows();
	struct place place;

	(void)question;
	if (count > most)
		count = most;
	place = (struct place){ .base = free_range(count * STEP, run) };
	grow(&place, count, run);
	run_begin(run);
	run->checksum = operate(&place, setting);
	run_end(run);
	run_figure(run, "mappings", (double)place.count, 0);
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 100000;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "mmap + munmap, 10", 1, VARIANT(MAP, 10), false,
		  QUIRE_TRAP_AUTO },
		{ "mmap + munmap, 1,000", 1, VARIANT(MAP, 1000), false,
		  QUIRE_TRAP_AUTO },
		{ "mmap + munmap, 64,000", 1, VARIANT(MAP, 64000), true,
		  QUIRE_TRAP_AUTO },
		{ "mmap + munmap, 1,000,000", 1, VARIANT(MAP, 1000000), false,
		  QUIRE_TRAP_AUTO },
		{ "mprotect, 10", 1, VARIANT(PROTECT, 10), false,
		  QUIRE_TRAP_AUTO },
		{ "mprotect, 1,000", 1, VARIANT(PROTECT, 1000), false,
		  QUIRE_TRAP_AUTO },
		{ "mprotect, 64,000", 1, VARIANT(PROTECT, 64000), true,
		  QUIRE_TRAP_AUTO },
		{ "mprotect, 1,000,000", 1, VARIANT(PROTECT, 1000000), false,
		  QUIRE_TRAP_AUTO },
		{ "find, 10", 1, VARIANT(FIND, 10), false, QUIRE_TRAP_AUTO },
		{ "find, 1,000", 1, VARIANT(FIND, 1000), false,
		  QUIRE_TRAP_AUTO },
		{ "find, 64,000", 1, VARIANT(FIND, 64000), true,
		  QUIRE_TRAP_AUTO },
		{ "find, 1,000,000", 1, VARIANT(FIND, 1000000), false,
		  QUIRE_TRAP_AUTO },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W9",
		.title = "calls in a space of so many mappings",
		.unit = "1000 calls/s",
		.per_unit = 1000,
		.peer_name = "the kernel's calls, with as many mappings as it "
			     "allows; find: quire_space_page(), mincore()",
		.variants = variants,
		.no_data = true,
		.unbounded = true,
		.pairs = 3,
		.quire = with_quire,
		.peer = with_kernel,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
