/* mmu_sigsegv_shadow.c - what each page of the process is, for a handler */
/* SPDX-License-Identifier: MIT */
/*
 *   root (one word a GiB) -> 512 chunks of 2 MiB -> 512 words, a page each
 *
 * A chunk without words of its own is all alike.  Nothing is ever given back:
 * a handler may be looking at it.  It comes from the host, not from malloc,
 * and a child does not have it: fork() leaves the child with an empty root.
 */
#include "mmu/mmu_sigsegv_private.h"

#include "mmu/mmu_host.h"
#include "os/memory.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define PAGES_PER_CHUNK 512u
#define CHUNK_SHIFT 21
#define CHUNK_SIZE (UINT64_C(1) << CHUNK_SHIFT)
#define CHUNKS_PER_ROOT 512u
#define ROOT_SHIFT 30
#define ROOTS (1u << 17)
#define BLOCK (256u << 10) /* what is asked of the host at a time */
#define REGIONS (1u << 17)
#define REGION_NUMBERS (1u << 24)

struct chunk {
	_Atomic(_Atomic uint32_t *) pages; /* NULL: they are all like this: */
	_Atomic uint32_t all;
};

struct region {
	_Atomic int memory;
	_Atomic unsigned owner;
	_Atomic uint64_t delta;
	uint64_t pages; /* [lock] */
	bool used;      /* [lock] */
};

/* All [lock], and read without it. */
static struct {
	_Atomic(_Atomic(struct chunk *) *) root;
	struct region *regions;
	uint32_t next_region; /* numbers come round late: see judge() */
	uint64_t borders;
	char *block; /* what is left of it */
	size_t block_left;
	struct lock lock;
} table;

/* ---- memory ---- */

static void *carve(size_t bytes)
{
	void *memory;

	if (table.block_left < bytes) {
		if (memory_map(BLOCK, &memory))
			return NULL;
		table.block = memory;
		table.block_left = BLOCK;
	}
	memory = table.block;
	table.block += bytes;
	table.block_left -= bytes;
	return memory;
}

static void forget_in_child(void)
{
	atomic_store(&table.root, NULL); /* shadow_at() */
	table.block_left = 0;
	table.borders = 0;
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

int shadow_init(void)
{
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	void *root, *regions;
	int error = 0;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&opening);
	if (!atomic_load(&table.root)) {
		error = memory_map(ROOTS * sizeof(void *), &root);
		if (!error) {
			error = memory_map(REGIONS * sizeof(struct region),
					   &regions);
			if (error)
				memory_unmap(root, ROOTS * sizeof(void *));
		}
		if (!error) {
			lock_init(&table.lock, LOCK_RANK_MMU);
			table.regions = regions;
			table.next_region = 1;
			atomic_store(&table.root, root); /* shadow_at() */
		}
	}
	pthread_mutex_unlock(&opening);
	return error;
}

void shadow_lock(void)
{
	lock_take(&table.lock);
}

void shadow_unlock(void)
{
	lock_drop(&table.lock);
}

/* ---- looking ---- */

static struct chunk *chunk_at(uint64_t address)
{
	_Atomic(struct chunk *) *root = atomic_load(&table.root);
	struct chunk *chunks;

	if (!root || address >= HOST_HIGHEST)
		return NULL;
	chunks = atomic_load(&root[address >> ROOT_SHIFT]);
	return chunks ? &chunks[(address >> CHUNK_SHIFT) % CHUNKS_PER_ROOT]
		      : NULL;
}

static unsigned page_in_chunk(uint64_t address)
{
	return (unsigned)(address >> PAGE_SHIFT) % PAGES_PER_CHUNK;
}

uint32_t shadow_at(uint64_t address)
{
	struct chunk *chunk = chunk_at(address);
	_Atomic uint32_t *pages;

	if (!chunk)
		return 0;
	/* Pairs with split(): they are filled before they are there. */
	pages = atomic_load(&chunk->pages);
	return pages ? atomic_load(&pages[page_in_chunk(address)])
		     : atomic_load(&chunk->all);
}

static struct region *region_of(uint32_t shadow)
{
	return &table.regions[(shadow >> SHADOW_REGION_SHIFT) % REGIONS];
}

/* The region may be gone: its descriptor is another's, or nobody's.  Whoever
 * asks looks at the shadow again. */
bool shadow_past_end(uint32_t shadow, uint64_t address)
{
	const struct region *region = region_of(shadow);
	struct stat status;

	if (fstat(atomic_load(&region->memory), &status))
		return false;
	return address + atomic_load(&region->delta) >=
	       (uint64_t)status.st_size;
}

unsigned shadow_owner(uint32_t shadow)
{
	return atomic_load(&region_of(shadow)->owner);
}

/* What can be stored to can be loaded from, whatever was asked for. */
int shadow_prot(uint32_t shadow)
{
	int rights = (int)(shadow & SHADOW_RIGHTS);

	if (!(shadow & SHADOW_SHOWN))
		return PROT_NONE;
	if ((shadow & SHADOW_SHARED) && !(shadow & SHADOW_WRITABLE) &&
	    (rights & PROT_WRITE))
		rights = (rights & ~PROT_WRITE) | PROT_READ;
	return rights;
}

static uint64_t chunk_end(uint64_t address)
{
	return ((address >> CHUNK_SHIFT) + 1) << CHUNK_SHIFT;
}

uint64_t shadow_run(uint64_t start, uint64_t end, uint32_t *shadow)
{
	uint64_t at = start;

	*shadow = shadow_at(start);
	while (at < end && shadow_at(at) == *shadow) {
		const struct chunk *chunk = chunk_at(at);

		at = chunk && atomic_load(&chunk->pages) ? at + PAGE_SIZE
							 : chunk_end(at);
	}
	return at < end ? at : end;
}

/* In [start, end) and at its edges. */
static uint64_t borders_of(uint64_t start, uint64_t end)
{
	uint64_t at, last = end + PAGE_SIZE, count = 0;
	uint32_t before, shadow;

	at = shadow_run(start - PAGE_SIZE, last, &before);
	while (at < last) {
		at = shadow_run(at, last, &shadow);
		count += shadow_mapped(before) && shadow_mapped(shadow) &&
			 shadow_prot(before) != shadow_prot(shadow);
		before = shadow;
	}
	return count;
}

uint64_t shadow_borders(void)
{
	return table.borders;
}

/* ---- changing ---- */

static int make_chunks(uint64_t address)
{
	_Atomic(struct chunk *) *root = atomic_load(&table.root);
	struct chunk *chunks;

	if (atomic_load(&root[address >> ROOT_SHIFT]))
		return 0;
	chunks = carve(CHUNKS_PER_ROOT * sizeof(*chunks));
	if (!chunks)
		return -ENOMEM;
	atomic_store(&root[address >> ROOT_SHIFT], chunks); /* chunk_at() */
	return 0;
}

/* Gives the chunk words of its own. */
static int split(struct chunk *chunk)
{
	_Atomic uint32_t *pages;

	if (atomic_load(&chunk->pages))
		return 0;
	pages = carve(PAGES_PER_CHUNK * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	for (unsigned i = 0; i < PAGES_PER_CHUNK; i++)
		atomic_store(&pages[i], atomic_load(&chunk->all));
	atomic_store(&chunk->pages, pages); /* shadow_at() */
	return 0;
}

int shadow_reserve(uint64_t start, uint64_t end, bool every)
{
	int error = 0;

	for (uint64_t at = start; at < end && !error; at = chunk_end(at)) {
		bool part = (at & (CHUNK_SIZE - 1)) || chunk_end(at) > end;

		error = make_chunks(at);
		if (!error && (part || every))
			error = split(chunk_at(at));
	}
	return error;
}

static void write_run(uint64_t start, uint64_t end, uint32_t shadow)
{
	uint64_t at = start;

	while (at < end) {
		struct chunk *chunk = chunk_at(at);
		_Atomic uint32_t *pages = atomic_load(&chunk->pages);

		if (pages) {
			atomic_store(&pages[page_in_chunk(at)], shadow);
			at += PAGE_SIZE;
		} else {
			atomic_store(&chunk->all, shadow);
			at = chunk_end(at);
		}
	}
}

static void count_pages(uint32_t shadow, int64_t pages)
{
	struct region *region = region_of(shadow);

	if (!shadow_mapped(shadow))
		return;
	region->pages += (uint64_t)pages;
	if (region->pages == 0)
		region->used = false;
}

void shadow_set(uint64_t start, uint64_t end, uint32_t shadow)
{
	uint64_t before = borders_of(start, end), next;
	uint32_t old;

	/* First what comes, as it may be of the region that goes. */
	count_pages(shadow, (int64_t)((end - start) >> PAGE_SHIFT));
	for (uint64_t at = start; at < end; at = next) {
		next = shadow_run(at, end, &old);
		count_pages(old, -(int64_t)((next - at) >> PAGE_SHIFT));
		write_run(at, next, shadow);
	}
	table.borders += borders_of(start, end) - before;
}

int shadow_region_create(int memory, uint64_t delta, unsigned owner,
			 uint32_t *shadow)
{
	for (uint32_t tries = 0; tries < REGIONS; tries++) {
		uint32_t number = table.next_region;
		struct region *region = &table.regions[number % REGIONS];

		table.next_region = number + 1 < REGION_NUMBERS ? number + 1
								: 1;
		if (region->used)
			continue;
		region->used = true;
		region->pages = 0;
		atomic_store(&region->memory, memory);
		atomic_store(&region->delta, delta);
		atomic_store(&region->owner, owner);
		*shadow = number << SHADOW_REGION_SHIFT;
		return 0;
	}
	return -ENOMEM;
}

void shadow_region_drop(uint32_t shadow)
{
	region_of(shadow)->used = false;
}

bool shadow_next_chunk(uint64_t address, uint64_t *start, uint64_t *end)
{
	_Atomic(struct chunk *) *root = atomic_load(&table.root);

	while (address < HOST_HIGHEST) {
		const struct chunk *chunk = chunk_at(address);

		if (chunk && atomic_load(&chunk->pages)) {
			*start = address & ~(CHUNK_SIZE - 1);
			*end = *start + CHUNK_SIZE;
			return true;
		}
		if (atomic_load(&root[address >> ROOT_SHIFT]))
			address = chunk_end(address);
		else
			address = ((address >> ROOT_SHIFT) + 1) << ROOT_SHIFT;
	}
	return false;
}
