/* soft_space.c - address spaces on the software MMU begin, fork and end */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"
#include "engine/populate.h"

#include "mmu/mmu_soft.h"
#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOWEST UINT64_C(0x10000) /* vm.mmap_min_addr's default */
#define HIGHEST UINT64_C(0x7ffffffff000)
#define ADDRESS_BITS 48
/* 16 TiB of private pages, or what addresses there are. */
#define SLOTS_MOST (UINT64_C(1) << 32)

/* ---- what all soft spaces share ---- */

static int make_slots(struct quire *quire)
{
	int error = object_over_slots(quire, SLOTS_MOST, &quire->slots);

	if (error)
		return error;
	error = anon_pool_init(&quire->anon, quire->slots->object);
	/* It is the engine's: no user has it open. */
	atomic_fetch_sub(&quire->open_handles, 1);
	if (error) {
		handle_drop(quire->slots);
		quire->slots = NULL;
	}
	return error;
}

static int need_slots(struct quire *quire)
{
	int error = 0;

	lock_take(&quire->opening);
	if (!quire->slots)
		error = make_slots(quire);
	lock_drop(&quire->opening);
	return error;
}

void soft_settle(struct quire_space *space)
{
	if (space->soft)
		anon_reap(&space->quire->anon);
}

bool soft_any_open(struct quire *quire)
{
	bool any;

	lock_take(&quire->spaces_lock);
	any = !list_empty(&quire->soft_spaces);
	lock_drop(&quire->spaces_lock);
	return any;
}

void soft_settle_all(struct quire *quire)
{
	if (soft_any_open(quire))
		anon_reap(&quire->anon);
}

/* No access is under way in a space whose lock is held for writing. */
void soft_cut(struct quire *quire, struct object *object, uint64_t index)
{
	struct list *link;

	lock_take(&quire->spaces_lock);
	list_for_each(link, &quire->soft_spaces) {
		struct quire_space *space =
			container_of(link, struct quire_space, link);

		rwlock_take_write(&space->space.lock);
		object_forget_behind(object, index, space->mmu);
		rwlock_drop_write(&space->space.lock);
	}
	lock_drop(&quire->spaces_lock);
}

void soft_finish(struct quire *quire)
{
	if (!quire->slots)
		return;
	anon_reap(&quire->anon);
	anon_pool_finish(&quire->anon);
	handle_drop(quire->slots);
	quire->slots = NULL;
}

static void hold_slot(void *context, uint64_t index)
{
	struct quire *quire = context;

	anon_hold(&quire->anon, index);
}

static void drop_slot(void *context, uint64_t index)
{
	struct quire *quire = context;

	anon_drop(&quire->anon, index);
}

/* ---- options ---- */

static int check_options(const struct quire_space_options *options)
{
	uint64_t borders = options->base | options->end | options->arena |
			   options->arena_end | options->break_start;

	if (borders & PAGE_MASK)
		return error_say(-EINVAL, "a space's borders are whole pages");
	if (options->end > UINT64_C(1) << ADDRESS_BITS ||
	    options->base >= options->end)
		return error_say(-EINVAL, "a space from 0x%llx to 0x%llx",
				 (unsigned long long)options->base,
				 (unsigned long long)options->end);
	if (options->arena < options->base ||
	    options->arena_end > options->end ||
	    options->arena > options->arena_end)
		return error_say(-EINVAL, "the arena lies outside the space");
	if (options->flags &
	    ~(QUIRE_SPACE_READ_IMPLIES_EXEC | QUIRE_SPACE_MAY_LOCK))
		return error_say(-EINVAL, "unknown flags 0x%x", options->flags);
	if (options->overcommit > QUIRE_OVERCOMMIT_NEVER)
		return error_say(-EINVAL, "no such overcommit mode: %d",
				 (int)options->overcommit);
	return 0;
}

static int read_options(const struct quire_space_options *given,
			struct quire_space_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given) {
		if (given->size < sizeof(size_t) ||
		    given->size > sizeof(*options))
			return error_say(-EINVAL,
					 "quire_space_options of %zu bytes: "
					 "set size to sizeof(struct "
					 "quire_space_options)",
					 given->size);
		memcpy(options, given, given->size);
	}
	if (options->base == 0)
		options->base = LOWEST;
	if (options->end == 0)
		options->end = HIGHEST;
	if (options->arena == 0)
		options->arena = options->base;
	if (options->arena_end == 0)
		options->arena_end = options->end;
	return check_options(options);
}

/* ---- begin and end ---- */

static int create_mmu(struct quire *quire,
		      const struct quire_space_options *options,
		      struct mmu **mmu)
{
	struct mmu_soft_options soft = {
		.lowest = options->base,
		.highest = options->end,
		.arena = options->arena,
		.arena_end = options->arena_end,
		.map = memory_pool_map,
		.unmap = memory_unmap,
		.hold = hold_slot,
		.drop = drop_slot,
		.context = quire,
	};
	int error = mmu_soft_create(&soft, mmu);

	return error ? error_say(error, "no memory for a page table") : 0;
}

static int create(struct quire *quire,
		  const struct quire_space_options *options,
		  struct quire_space **space)
{
	struct space_options inner = {
		.map = memory_pool_map,
		.unmap = memory_unmap,
		.break_start = options->break_start,
		.guard_gap = options->stack_guard_gap,
		.flags = options->flags,
		.overcommit = (enum space_overcommit)options->overcommit,
	};
	struct quire_space *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return error_say(-ENOMEM, "no memory for a space");
	error = create_mmu(quire, options, &new->mmu);
	if (error) {
		free(new);
		return error;
	}
	inner.mmu = new->mmu;
	space_init(&new->space, &inner);
	space_set_limit(&new->space, SPACE_LIMIT_COMMIT, memory_total());
	new->quire = quire;
	new->soft = true;
	new->options = *options;
	lock_take(&quire->spaces_lock);
	list_add_tail(&quire->soft_spaces, &new->link);
	lock_drop(&quire->spaces_lock);
	*space = new;
	return 0;
}

int quire_space_create(struct quire *quire,
		       const struct quire_space_options *given,
		       struct quire_space **space)
{
	struct quire_space_options options;
	int error = engine_check(quire);

	if (error)
		return error;
	error_clear();
	error = read_options(given, &options);
	if (!error)
		error = need_slots(quire);
	return error ? error : create(quire, &options, space);
}

void quire_space_close(struct quire_space *space)
{
	struct quire *quire;

	if (!space || !space->soft || engine_check(space->quire))
		return;
	quire = space->quire;
	/* First unmapped: a cut must find what is mapped. */
	space_unmap_all(&space->space);
	lock_take(&quire->spaces_lock);
	list_remove(&space->link);
	lock_drop(&quire->spaces_lock);
	space_finish(&space->space);
	mmu_destroy(space->mmu);
	anon_reap(&quire->anon);
	free(space);
}

int quire_space_fork(struct quire_space *space, struct quire_space **child)
{
	int error = engine_check(space->quire);

	if (error)
		return error;
	error_clear();
	if (!space->soft)
		return error_say(-EOPNOTSUPP,
				 "the host's space forks with the process");
	error = create(space->quire, &space->options, child);
	if (error)
		return error;
	/* A cut sees both or none of what is being copied. */
	lock_take(&space->quire->spaces_lock);
	error = space_fork(&space->space, &(*child)->space);
	lock_drop(&space->quire->spaces_lock);
	if (error) {
		quire_space_close(*child);
		*child = NULL;
	}
	return error;
}

int quire_space_set_limit(struct quire_space *space, enum quire_limit limit,
			  uint64_t value)
{
	int error = engine_check(space->quire);

	if (error)
		return error;
	error_clear();
	if ((unsigned)limit >= SPACE_LIMITS)
		return error_say(-EINVAL, "no limit %d", (int)limit);
	space_set_limit(&space->space, (enum space_limit)limit, value);
	return 0;
}

void *quire_brk(struct quire_space *space, void *address)
{
	struct space_range grown;
	uint64_t now;

	if (engine_check(space->quire))
		return NULL;
	error_clear();
	space_brk(&space->space, (uint64_t)(uintptr_t)address, &now, &grown);
	soft_settle(space);
	/* As Linux: what cannot be brought in is no error. */
	(void)populate_range(space, grown.start, grown.end, VM_LOCKED, true);
	return (void *)(uintptr_t)now;
}
