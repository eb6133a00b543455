/* space_stage.h - a host of a few pages, and objects, under a struct space */
/* SPDX-License-Identifier: MIT */
/*
 * Takes the place of object/ and of the host under a struct space, and watches
 * what the space does between two moments of rest:
 *
 *   - a page of an object that was shown before is found by the object's
 *     writer for as long as the host shows it;
 *   - the writer finds nothing else, but places that the host has just freed
 *     or just mapped, where no page is shown yet;
 *   - where he may drop what the host shows, it shows nothing but the mapping;
 *   - what may be stored to traps all that is not shown writable;
 *   - handles are dropped with no lock held.
 *
 * (all this only while world.watch is set, which a test with threads clears)
 * and at rest, that the host, the objects and the tree say the same.
 */
#ifndef QUIRE_TESTS_SPACE_STAGE_H
#define QUIRE_TESTS_SPACE_STAGE_H

#include "mmu/mmu_soft.h"
#include "space/space.h"

#include "unit/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#define WORLD_PAGES 64
#define WORLD_BASE UINT64_C(0x10000)
#define WORLD_OBJECTS 3
#define WORLD_LOG 4096

struct object {
	struct object_identity identity;
	int memory;
	uint64_t pages;
	uint64_t resident; /* the first so many pages are in memory */
	uint64_t dirty;    /* of them the first so many */
	uint64_t locked;   /* pages */
	struct list mappings;
};

struct host_page {
	bool mapped;
	bool fresh; /* changed since the last rest: shows nothing yet */
	bool stranger;
	bool shared;
	bool untrapped;
	int prot;
	int memory;
	uint64_t index;
};

static struct world {
	struct mmu mmu;
	struct space space;
	struct space_options options;
	struct object object[WORLD_OBJECTS];
	struct quire_object handle[WORLD_OBJECTS];
	struct host_page page[WORLD_PAGES];
	char log[WORLD_LOG];      /* the calls to the host */
	char discards[WORLD_LOG]; /* "c 4+2": what object_discard() was told */
	struct space *other;      /* whose VMAs hold handles, too */
	_Atomic uint16_t taken[1 + (WORLD_PAGES >> BACKING_GRANULE_SHIFT)];
	unsigned calls;   /* to the host */
	unsigned fail_at; /* this one fails; 0: none */
	bool fail_after;  /* and all that follow */
	bool no_memory;   /* map() gives none */
	size_t memory;    /* bytes given out by map() */
	uint64_t base;
	uint64_t pages;
	bool watch; /* page[] is kept, and compared */
} world;

static inline uint64_t at(uint64_t page)
{
	return world.base + page * PAGE_SIZE;
}

/* ---- what the space is given ---- */

static inline void *world_map(size_t bytes)
{
	if (world.no_memory)
		return NULL;
	world.memory += bytes;
	return calloc(1, bytes);
}

static inline void world_unmap(void *memory, size_t bytes)
{
	world.memory -= bytes;
	free(memory);
}

static inline struct object *object_of_memory(int memory)
{
	for (unsigned i = 0; i < WORLD_OBJECTS; i++)
		if (world.object[i].memory == memory)
			return &world.object[i];
	fail_msg("no object has memory %d", memory);
	return NULL;
}

static inline bool shows(const struct mapping *mapping, uint64_t page)
{
	const struct host_page *host = &world.page[page];
	uint64_t address = at(page);

	return mapping->start <= address && address < mapping->end &&
	       mapping->shared == host->shared &&
	       mapping->index + ((address - mapping->start) >> PAGE_SHIFT) ==
		       host->index;
}

/* The object's writer finds this page. */
static inline bool found(const struct object *object, uint64_t page)
{
	const struct list *link;

	list_for_each(link, &object->mappings)
		if (shows(container_of(link, struct mapping, link), page))
			return true;
	return false;
}

/* A mapping covers pages that the host shows alike, or fresh ones. */
static inline void watch_mapping(const struct object *object,
				 const struct mapping *mapping)
{
	uint64_t page = (mapping->start - world.base) >> PAGE_SHIFT;

	for (; at(page) < mapping->end; page++) {
		const struct host_page *host = &world.page[page];

		if (host->fresh && !mapping->untrapped)
			continue;
		assert_true(host->mapped);
		assert_false(host->stranger);
		assert_int_equal(host->memory, object->memory);
		assert_true(shows(mapping, page));
	}
}

static inline void watch(void)
{
	if (!world.watch)
		return;
	for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
		const struct object *object = &world.object[i];
		const struct list *link;

		list_for_each(link, &object->mappings)
			watch_mapping(object,
				      container_of(link, struct mapping, link));
	}
	for (uint64_t page = 0; page < WORLD_PAGES; page++) {
		const struct host_page *host = &world.page[page];

		if (host->mapped && !host->fresh && !host->stranger &&
		    host->memory >= 0)
			assert_true(
				found(object_of_memory(host->memory), page));
	}
}

void object_attach(struct object *object, struct mapping *mapping)
{
	list_add_tail(&object->mappings, &mapping->link);
	watch();
}

void object_detach(struct object *object, struct mapping *mapping)
{
	(void)object;
	list_remove(&mapping->link);
	watch();
}

void object_adjust(struct object *object, struct mapping *mapping,
		   uint64_t start, uint64_t end, uint64_t index)
{
	(void)object;
	mapping->start = start;
	mapping->end = end;
	mapping->index = index & MAPPING_INDEX_MASK;
	watch();
}

bool object_is_mapped(struct object *object, uint64_t index, uint64_t count)
{
	const struct list *link;

	list_for_each(link, &object->mappings) {
		const struct mapping *mapping =
			container_of(link, struct mapping, link);
		uint64_t pages = (mapping->end - mapping->start) >> PAGE_SHIFT;

		if (mapping->index < index + count &&
		    index < mapping->index + pages)
			return true;
	}
	return false;
}

void object_mark(struct object *object, struct mapping *mapping, bool locked,
		 bool untrapped)
{
	(void)object;
	mapping->locked = locked;
	mapping->untrapped = untrapped;
	watch();
}

void object_use(struct object *object)
{
	(void)object;
}

void object_release(struct object *object)
{
	(void)object;
}

/* Nothing is lodged where the mmu does not. */
void object_bring_home(struct object *object, uint64_t index, uint64_t count,
		       bool keep)
{
	(void)object;
	(void)index;
	(void)count;
	(void)keep;
}

/* count 0: only the memory for it. */
int object_lock_pages(struct object *object, uint64_t index, uint64_t count)
{
	(void)index;
	if (world.no_memory)
		return -ENOMEM;
	object->locked += count;
	return 0;
}

void object_unlock_pages(struct object *object, uint64_t index, uint64_t count)
{
	(void)index;
	object->locked -= count;
}

/* Tests lock no page twice. */
bool object_locked_elsewhere(struct object *object,
			     const struct mapping *mapping, uint64_t index)
{
	(void)object;
	(void)mapping;
	(void)index;
	return false;
}

/* Weak: a test with a page table of its own has the real one. */
__attribute__((weak)) bool soft_next(struct mmu *mmu, uint64_t *address,
				     uint64_t end,
				     struct soft_translation *translation)
{
	(void)mmu;
	(void)address;
	(void)end;
	(void)translation;
	return false;
}

uint64_t object_pages(const struct object *object)
{
	return object->pages;
}

bool object_page_resident(const struct object *object, uint64_t index)
{
	return index < object->resident;
}

uint64_t object_next_dirty(struct object *object, uint64_t index)
{
	return index < object->dirty ? index : BITMAP_NONE;
}

/* A table is an object here. */
struct page_table *object_table(struct object *object)
{
	return (struct page_table *)object;
}

uint64_t page_table_next(struct page_table *table, uint64_t index)
{
	const struct object *object = (const struct object *)table;

	return index < object->resident ? index : object->pages;
}

const struct object_identity *object_identity(const struct object *object)
{
	return &object->identity;
}

int object_memory(const struct object *object)
{
	return object->memory;
}

/* Nobody holds the space's lock. */
static inline void assert_unlocked(void)
{
	assert_true(futex_rwlock_is_free(&world.space.lock.futex));
}

int object_discard(struct object *object, uint64_t index, uint64_t count)
{
	size_t length = strlen(world.discards);

	if (world.watch)
		assert_unlocked();
	if (length < sizeof(world.discards) / 2)
		snprintf(world.discards + length,
			 sizeof(world.discards) - length, "%s %d+%d\n",
			 object->identity.name, (int)index, (int)count);
	return 0;
}

int handle_drop(struct quire_object *handle)
{
	if (world.watch)
		assert_unlocked();
	assert_true(atomic_fetch_sub(&handle->references, 1) > 1);
	return 0;
}

/* ---- the host ---- */

__attribute__((format(printf, 1, 2))) static inline bool world_call(
	const char *format, ...)
{
	size_t length = strlen(world.log);
	va_list arguments;

	va_start(arguments, format);
	if (length < sizeof(world.log) / 2)
		vsnprintf(world.log + length, sizeof(world.log) - length,
			  format, arguments);
	va_end(arguments);
	world.calls++;
	return world.fail_at == 0 || world.calls < world.fail_at ||
	       (world.calls > world.fail_at && !world.fail_after);
}

static inline uint64_t page_of(uint64_t address)
{
	return (address - world.base) >> PAGE_SHIFT;
}

static inline int fake_map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	uint64_t first = page_of(mapping->start);
	uint64_t count = mapping->length >> PAGE_SHIFT;

	(void)mmu;
	if (!world_call("map %d+%d%s\n", (int)first, (int)count,
			mapping->replace ? " replace" : ""))
		return -ENOMEM;
	if (!world.watch)
		return 0;
	for (uint64_t i = first; i < first + count; i++)
		if (world.page[i].mapped && !mapping->replace)
			return -EEXIST;
	for (uint64_t i = 0; i < count; i++)
		world.page[first + i] = (struct host_page){
			.mapped = true,
			.fresh = true,
			.shared = mapping->shared,
			.untrapped = mapping->untrapped,
			.prot = mapping->prot,
			.memory = mapping->memory,
			.index = (mapping->offset >> PAGE_SHIFT) + i,
		};
	watch();
	return 0;
}

static inline int fake_unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	uint64_t first = page_of(start);
	uint64_t count = length >> PAGE_SHIFT;

	(void)mmu;
	if (!world_call("unmap %d+%d\n", (int)first, (int)count))
		return -ENOMEM;
	if (!world.watch)
		return 0;
	for (uint64_t i = first; i < first + count; i++) {
		assert_true(world.page[i].mapped);
		assert_false(world.page[i].stranger);
		world.page[i] = (struct host_page){ .fresh = true };
	}
	watch();
	return 0;
}

static inline int fake_protect(struct mmu *mmu, uint64_t start, uint64_t length,
			       int prot)
{
	uint64_t first = page_of(start);
	uint64_t count = length >> PAGE_SHIFT;
	bool good = world_call("protect %d+%d %c%c%c\n", (int)first, (int)count,
			       prot & PROT_READ ? 'r' : '-',
			       prot & PROT_WRITE ? 'w' : '-',
			       prot & PROT_EXEC ? 'x' : '-');

	(void)mmu;
	if (!world.watch)
		return good ? 0 : -ENOMEM;
	/* As mprotect(2): a failure may have changed the beginning. */
	for (uint64_t i = first; i < first + (good ? count : count / 2); i++) {
		assert_true(world.page[i].mapped);
		assert_false(world.page[i].stranger);
		assert_false((prot & PROT_WRITE) && world.page[i].untrapped);
		world.page[i].prot = prot;
	}
	watch();
	return good ? 0 : -ENOMEM;
}

static inline int fake_trap_all(struct mmu *mmu, uint64_t start,
				uint64_t length, bool lodges)
{
	uint64_t first = page_of(start);
	uint64_t count = length >> PAGE_SHIFT;

	(void)mmu;
	(void)lodges;
	if (!world_call("trap %d+%d\n", (int)first, (int)count))
		return -ENOMEM;
	for (uint64_t i = first; world.watch && i < first + count; i++) {
		assert_true(world.page[i].mapped);
		world.page[i].untrapped = false;
	}
	return 0;
}

static const struct mmu_ops fake_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.protect = fake_protect,
	.trap_all = fake_trap_all,
};

/* ---- rest ---- */

/* The host shows what the tree says. */
static inline void compare_host(void)
{
	struct vma *vma = space_find_intersection(&world.space, 0, UINT64_MAX);

	for (uint64_t page = 0; page < WORLD_PAGES; page++) {
		const struct host_page *host = &world.page[page];

		while (vma && vma->mapping.end <= at(page))
			vma = space_next(vma);
		if (!vma || !vma_contains(vma, at(page))) {
			assert_true(!host->mapped || host->stranger);
			continue;
		}
		assert_true(host->mapped && !host->stranger);
		if (world.mmu.lazy && !(vma->flags & VM_SHOWN))
			continue; /* it need not know */
		assert_int_equal(host->prot, vma_prot(vma));
		assert_int_equal(host->memory,
				 vma->handle ? vma->handle->object->memory
					     : -1);
		assert_true(shows(&vma->mapping, page));
		assert_true(!host->untrapped || (vma->flags & VM_UNTRAPPED));
	}
}

/* VMAs that stand on an object. */
static inline size_t count_standing(struct space *space)
{
	struct vma *vma = space_find_intersection(space, 0, UINT64_MAX);
	size_t count = 0;

	for (; vma; vma = space_next(vma))
		count += vma->handle != NULL;
	return count;
}

/* Each VMA is attached once, and holds its handle; so does the backing. */
static inline void compare_objects(void)
{
	size_t standing = count_standing(&world.space);
	size_t attached = 0;
	size_t held = 0;

	if (world.other)
		standing += count_standing(world.other);
	for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
		const struct list *link;

		list_for_each(link, &world.object[i].mappings)
			attached++;
		held += world.handle[i].references - 1;
	}
	assert_int_equal(attached, standing);
	assert_int_equal(held, standing + (world.space.backing.handle != NULL));
}

static inline void world_rest(void)
{
	if (world.watch) {
		for (uint64_t page = 0; page < WORLD_PAGES; page++)
			world.page[page].fresh = false;
		watch();
		compare_host();
	}
	compare_objects();
	space_check(&world.space);
}

/* ---- beginning and end ---- */

static inline void world_start_at(uint64_t base, uint64_t pages, bool watched)
{
	static const char *const names[] = { "a", "b", "c" };

	memset(&world, 0, sizeof(world));
	world.base = base;
	world.pages = pages;
	world.watch = watched;
	world.mmu = (struct mmu){
		.ops = &fake_ops,
		.untraps = true,
		.lowest = base,
		.highest = base + pages * PAGE_SIZE,
		.arena = base,
		.arena_end = base + pages * PAGE_SIZE,
	};
	for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
		struct object *object = &world.object[i];

		object->identity.name = names[i];
		object->identity.inode = i + 1;
		object->identity.device = makedev(8, i);
		object->memory = (int)i + 100;
		object->pages = pages;
		list_init(&object->mappings);
		atomic_init(&world.handle[i].references, 1);
		world.handle[i].object = object;
		world.handle[i].readable = true;
		world.handle[i].writable = true;
	}
	world.options = (struct space_options){
		.mmu = &world.mmu,
		.map = world_map,
		.unmap = world_unmap,
	};
	space_init(&world.space, &world.options);
}

static inline int world_start(void **state)
{
	(void)state;
	world_start_at(WORLD_BASE, WORLD_PAGES, true);
	return 0;
}

/* The pages of anonymous memory are nobody's object. */
static inline int world_start_soft(void **state)
{
	world_start(state);
	world.mmu.soft = true;
	return 0;
}

/* Anonymous memory lies in object c, page for page. */
static inline int world_start_backed(void **state)
{
	world_start(state);
	handle_take(&world.handle[2]);
	backing_init(&world.space.backing, &world.handle[2], world.base,
		     world.taken);
	return 0;
}

static inline int world_end(void **state)
{
	(void)state;
	world.fail_at = 0;
	world_rest();
	assert_int_equal(space_finish(&world.space), 0);
	for (unsigned i = 0; i < WORLD_OBJECTS; i++) {
		assert_int_equal(world.handle[i].references, 1);
		assert_true(list_empty(&world.object[i].mappings));
	}
	for (unsigned i = 0; i < WORLD_PAGES; i++)
		assert_true(!world.page[i].mapped || world.page[i].stranger);
	assert_int_equal(world.memory, 0);
	return 0;
}

#endif
