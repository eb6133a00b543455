/* map_calls.c - mmap with all that a mapping may stand on */
/* SPDX-License-Identifier: MIT */
/*
 * Anonymous memory is an object here: a shared mapping one of its own, a
 * private one of the host's space a part of the space's backing, or an object
 * of its own where that is taken.  A private one of a soft space has none: its
 * pages are slots (object/anon.h).
 */
#include "engine/object_open.h"
#include "engine/populate.h"

#include "fault/watch.h"
#include "os/memory.h"

#include <errno.h>

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#define MAP_HUGE_MASK 0x3f
#endif
/* Longer than any space: refused before it stands on anything. */
#define LONGEST (UINT64_C(1) << 47)
/* Half of what the object has. */
#define ZERO_OFFSETS ((UINT64_C(1) << 39) - 1)
/* What a mapping that grows may grow by, whatever its limit is. */
#define STACK_GROWTH (UINT64_C(1) << 30)
#define HUGE_SHIFT 21  /* x86: 2 MiB by default, and */
#define GIANT_SHIFT 30 /* 1 GiB */

/* The mapping, or what was said, keeps it. */
static void forget_handle(struct quire_space *space,
			  struct quire_object *handle)
{
	if (!handle)
		return;
	atomic_fetch_sub(&space->quire->open_handles, 1);
	handle_drop(handle);
}

static int check_huge(struct space_map_request *request)
{
	int shift = request->flags >> MAP_HUGE_SHIFT & MAP_HUGE_MASK;

	if (!(request->flags & MAP_HUGETLB))
		return 0;
	if (shift != 0 && shift != HUGE_SHIFT && shift != GIANT_SHIFT)
		return error_say(-EINVAL, "no pages of 2^%d bytes", shift);
	request->huge_shift = (uint64_t)(shift ? shift : HUGE_SHIFT);
	/* Linux rounds up to whole pages, past the end of all numbers. */
	if (request->length >
	    UINT64_MAX - (UINT64_C(1) << request->huge_shift) + 1)
		return error_say(-EINVAL, "no bytes to map");
	return 0;
}

static int create_handle(struct quire_space *space, const char *name,
			 const struct space_map_request *request,
			 struct quire_object **handle)
{
	uint64_t mask = (UINT64_C(1) << request->huge_shift) - 1;
	struct quire_object_options options;
	int error = object_open_begin(space->quire, NULL, &options);

	if (error)
		return error;
	mask |= PAGE_MASK;
	options.huge_shift = (uint32_t)request->huge_shift;
	options.readahead = PAGE_SIZE; /* what is not touched stays away */
	error = object_over_swap(space->quire, name,
				 (request->length + mask) & ~mask, &options,
				 handle);
	/* No file of that length to swap to. */
	return error == -EFBIG ? -ENOMEM : error;
}

/* Whatever it would stand on. */
static bool is_refused(const struct space_map_request *request)
{
	return request->length == 0 || request->length > LONGEST ||
	       (request->offset & PAGE_MASK);
}

/* An object, where the mapping needs one whatever its place will be. */
static int anonymous_handle(struct quire_space *space,
			    struct space_map_request *request,
			    struct quire_object **handle)
{
	int type = request->flags & MAP_TYPE;
	int error = check_huge(request);

	if (error)
		return error;
	if (is_refused(request))
		return 0;
	if (request->huge_shift && (type == MAP_SHARED || type == MAP_PRIVATE ||
				    type == MAP_SHARED_VALIDATE))
		return create_handle(space, "/anon_hugepage (deleted)", request,
				     handle);
	if (type == MAP_SHARED)
		return create_handle(space, "/dev/zero (deleted)", request,
				     handle);
	return 0;
}

static int make_backing(struct quire_space *space)
{
	struct quire *quire = space->quire;
	struct mmu *mmu = space->mmu;
	struct quire_object *handle;
	uint64_t pages;
	int error = object_over_slots(
		quire, (mmu->arena_end - mmu->arena) >> PAGE_SHIFT, &handle);

	if (error)
		return error;
	/* It is the engine's: no user has it open. */
	atomic_fetch_sub(&quire->open_handles, 1);
	pages = object_pages(handle->object);
	quire->backing_bytes = backing_bytes(pages);
	error = memory_map(quire->backing_bytes, &quire->backing_taken);
	if (error) {
		handle_drop(handle);
		return error_say(error, "no memory for anonymous memory");
	}
	rwlock_take_write(&space->space.lock);
	backing_init(&space->space.backing, handle,
		     mmu->arena_end - (pages << PAGE_SHIFT),
		     quire->backing_taken);
	rwlock_drop_write(&space->space.lock);
	return 0;
}

/* Private anonymous memory of the host's space stands on one object, as far
 * as it goes: see space/backing.h. */
static int need_backing(struct quire_space *space)
{
	struct quire *quire = space->quire;
	int error = 0;

	lock_take(&quire->opening);
	if (!quire->backing_taken)
		error = make_backing(space);
	lock_drop(&quire->opening);
	return error;
}

/* A stranger to the backing, or its place is taken: an object of its own. */
static int map_on_its_own(struct quire_space *space,
			  struct space_map_request *request, uint64_t *address)
{
	struct space_map_request whole = *request;
	struct quire_object *own;
	int error;

	if (request->flags & MAP_GROWSDOWN)
		whole.length = page_round_up(whole.length) + STACK_GROWTH;
	error = create_handle(space, "anonymous memory", &whole, &own);
	if (error)
		return error;
	request->handle = own;
	error = space_map(&space->space, request, address);
	forget_handle(space, own);
	return error;
}

static int map_anonymous(struct quire_space *space,
			 struct space_map_request *request, uint64_t *address)
{
	struct quire_object *own = NULL;
	bool private = (request->flags & MAP_TYPE) != MAP_SHARED;
	int error = anonymous_handle(space, request, &own);

	request->offset &= PAGE_MASK; /* refused if inside a page */
	request->handle = own;
	if (!error && private && !own && !space->soft)
		error = need_backing(space);
	if (!error)
		error = space_map(&space->space, request, address);
	forget_handle(space, own);
	return error == SPACE_NEEDS_OBJECT
		       ? map_on_its_own(space, request, address)
		       : error;
}

/*
 * mmap_zero(): checked as the file that it is, a shared mapping of /dev/zero
 * then stands on zeros of its own (shmem_zero_setup()).
 */
static int map_zero(struct quire_space *space,
		    struct space_map_request *request, uint64_t *address)
{
	int type = request->flags & MAP_TYPE;
	struct quire_object *own = NULL;
	int error;

	/* What can never be stored to shows zeros in its own name. */
	if ((type == MAP_SHARED || type == MAP_SHARED_VALIDATE) &&
	    request->handle->writable && !is_refused(request)) {
		error = create_handle(space, "/dev/zero (deleted)", request,
				      &own);
		if (error)
			return error;
		own->writable = request->handle->writable;
		own->flags |= HANDLE_NO_LAST_OFFSET;
		request->handle = own;
	}
	/* It has no end; on the host it stands on an object that has. */
	if (!own && !space->soft)
		request->offset &= ZERO_OFFSETS;
	error = space_map(&space->space, request, address);
	forget_handle(space, own);
	return error;
}

/* On the host an access below what grows, or in place, raises a signal. */
static int watch_signals(struct quire_space *space, int flags)
{
	if (!space->mmu->in_place && (space->soft || !(flags & MAP_GROWSDOWN)))
		return 0;
	return fault_watch(&space->quire->faults);
}

int space_map_whole(struct quire_space *space,
		    struct space_map_request *request, uint64_t *address)
{
	bool populate = false;
	int error = watch_signals(space, request->flags);

	if (error)
		return error;
	request->populate = &populate;
	if (request->flags & MAP_ANONYMOUS)
		error = map_anonymous(space, request, address);
	else if (request->handle && request->handle->flags & HANDLE_ZERO)
		error = map_zero(space, request, address);
	else
		error = space_map(&space->space, request, address);
	soft_settle(space);
	/* As Linux: what cannot be brought in is no error. */
	if (!error && populate)
		(void)populate_range(space, *address,
				     *address + page_round_up(request->length),
				     0, true);
	return error;
}
