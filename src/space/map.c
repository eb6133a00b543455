/* map.c - mmap: something new is there */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's do_mmap() and mmap_region(), station by station:
 *
 *   arguments -> too many? -> place -> taken? -> end of offsets -> kind and
 *   access -> cut and size limits -> host -> tree
 *
 * Two VMAs are taken beforehand: the new one, and one for the upper part of a
 * mapping that a fixed one lands in the middle of.  The host is asked once, to
 * replace what is there in one step; its refusal leaves all as it was, and
 * what follows cannot fail.
 *
 * Who sees what: until the lock is released no page is shown at the new place,
 * so the writer of the new object has nothing to miss there, and is told of it
 * last.  The writers of what was replaced are told right after the host call;
 * up to then they may write-protect addresses that are already the new
 * mapping's: it has no page yet, and a page that is shown says anew whether it
 * is writable.
 */
#include "space/space_private.h"

#include <errno.h>
#include <sys/mman.h>

#define PROT_ACCESS (PROT_READ | PROT_WRITE | PROT_EXEC)

/* What MAP_SHARED ignores and MAP_SHARED_VALIDATE knows; as Linux, which does
 * not count MAP_FIXED_NOREPLACE. */
#define LEGACY_MAP_MASK                                                \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS |        \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |     \
	 MAP_HUGETLB | MAP_32BIT)

/* What Linux does and this space does not: refused, as a promise is. */
#define UNSUPPORTED_MASK (MAP_LOCKED | MAP_32BIT)

/* The largest offset that off_t can say. */
#define OFFSET_LIMIT ((uint64_t)INT64_MAX)

static bool is_fixed(const struct space_map_request *request)
{
	return request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
}

/* What can be said without the lock. */
static int check_arguments(const struct space_map_request *request)
{
	if (request->offset & PAGE_MASK)
		return error_say(-EINVAL, "offset 0x%llx is inside a page",
				 (unsigned long long)request->offset);
	if (!request->handle)
		return error_say(-EBADF, "no object to map");
	if (request->flags & MAP_HUGETLB)
		return error_say(-EINVAL, "the object has no huge pages");
	if (request->length == 0)
		return error_say(-EINVAL, "no bytes to map");
	if (request->length > UINT64_MAX - PAGE_MASK)
		return error_say(-ENOMEM, "0x%llx bytes exceed any space",
				 (unsigned long long)request->length);
	return 0;
}

/* => sets vma's flags and may_prot */
static int check_shared(const struct space_map_request *request,
			struct vma *vma)
{
	bool validate = (request->flags & MAP_TYPE) == MAP_SHARED_VALIDATE;
	bool writable = request->handle->writable;

	if (validate && (request->flags & ~LEGACY_MAP_MASK))
		return error_say(-EOPNOTSUPP, "unknown flags 0x%x",
				 (unsigned)(request->flags & ~LEGACY_MAP_MASK));
	if ((request->prot & PROT_WRITE) && !writable)
		return error_say(-EACCES,
				 "the object was opened for reading only");
	vma->flags = MAP_SHARED;
	if (!writable)
		vma->may_prot &= ~PROT_WRITE;
	return 0;
}

/* Shared or private, and is it allowed?  => fills vma but for its place */
static int check_kind(const struct space_map_request *request, struct vma *vma)
{
	int error = 0;

	vma->prot = request->prot & PROT_ACCESS;
	vma->may_prot = PROT_ACCESS;
	switch (request->flags & MAP_TYPE) {
	case MAP_SHARED:
	case MAP_SHARED_VALIDATE:
		error = check_shared(request, vma);
		break;
	case MAP_PRIVATE:
		vma->flags = MAP_PRIVATE;
		break;
	default:
		error = error_say(-EINVAL, "neither shared nor private");
	}
	if (error)
		return error;
	if (!request->handle->readable)
		return error_say(-EACCES,
				 "the object was not opened for reading");
	if (request->flags & MAP_GROWSDOWN)
		return error_say(-EINVAL, "an object does not grow downwards");
	if (request->flags & UNSUPPORTED_MASK)
		return error_say(-EOPNOTSUPP, "unsupported flags 0x%x",
				 (unsigned)(request->flags & UNSUPPORTED_MASK));
	vma->flags |= request->flags & MAP_NORESERVE;
	vma->charged = vma_charged_with(vma, vma->prot);
	return 0;
}

static int check_offset(const struct space_map_request *request,
			uint64_t length)
{
	if (length > OFFSET_LIMIT || request->offset >> PAGE_SHIFT >
					     (OFFSET_LIMIT - length) >>
					     PAGE_SHIFT)
		return error_say(-EOVERFLOW,
				 "no offset 0x%llx with 0x%llx bytes after it",
				 (unsigned long long)request->offset,
				 (unsigned long long)length);
	return 0;
}

/* Pages of the space's own in [start, end). */
static uint64_t pages_within(const struct space *space, uint64_t start,
			     uint64_t end)
{
	const struct vma *vma = space_find_intersection(space, start, end);
	uint64_t bytes = 0;

	for (; vma && vma->mapping.start < end; vma = space_next(vma)) {
		uint64_t low = vma->mapping.start;
		uint64_t high = vma->mapping.end;

		bytes +=
			(high < end ? high : end) - (low > start ? low : start);
	}
	return bytes >> PAGE_SHIFT;
}

static int check_limits(const struct space *space, uint64_t start, uint64_t end)
{
	uint64_t pages = (end - start) >> PAGE_SHIFT;
	int error = unmap_check_limit(space, start, end);

	if (error)
		return error;
	pages += space->total_pages - pages_within(space, start, end);
	if (pages > space->address_space_limit)
		return error_say(
			-ENOMEM, "more than %llu pages of addresses",
			(unsigned long long)space->address_space_limit);
	return 0;
}

static int check_place(const struct space *space,
		       const struct space_map_request *request,
		       uint64_t address, uint64_t length)
{
	if (!(request->flags & MAP_FIXED_NOREPLACE) ||
	    !space_find_intersection(space, address, address + length))
		return 0;
	return error_say(-EEXIST, "something is mapped at 0x%llx",
			 (unsigned long long)address);
}

/* Tells the host. */
static int map_host(struct space *space,
		    const struct space_map_request *request,
		    const struct vma *vma)
{
	struct mmu_mapping mapping = {
		.start = vma->mapping.start,
		.length = vma_bytes(vma),
		.prot = vma->prot,
		.shared = vma->mapping.shared,
		.memory = object_memory(request->handle->object),
		.offset = request->offset,
		.replace = (request->flags & MAP_FIXED) &&
			   !(request->flags & MAP_FIXED_NOREPLACE),
	};
	int error = mmu_map(space->mmu, &mapping);

	if (error)
		return error_say(error, "the host maps nothing at 0x%llx",
				 (unsigned long long)mapping.start);
	return 0;
}

/* From the place on.  -EEXIST: a stranger is there. */
static int map_at(struct space *space, const struct space_map_request *request,
		  uint64_t address, uint64_t length, struct vma *vma)
{
	int error = check_place(space, request, address, length);

	if (!error)
		error = check_offset(request, length);
	if (!error)
		error = check_kind(request, vma);
	if (!error)
		error = check_limits(space, address, address + length);
	if (error)
		return error;
	vma->mapping.mmu = space->mmu;
	vma->mapping.start = address;
	vma->mapping.end = address + length;
	vma->mapping.index = request->offset >> PAGE_SHIFT;
	vma->mapping.shared = vma->flags & MAP_SHARED;
	return map_host(space, request, vma);
}

/* Looks for a place until the host agrees. */
static int map_somewhere(struct space *space,
			 const struct space_map_request *request,
			 uint64_t length, struct vma *vma)
{
	struct area_search search;
	int error;

	area_search_init(&search, space, request->address, length,
			 is_fixed(request));
	do {
		uint64_t address;

		error = get_unmapped_area(space, &search, &address);
		if (error)
			return error;
		error = map_at(space, request, address, length, vma);
		if (error == -EEXIST)
			area_search_refuse(&search, address);
	} while (error == -EEXIST && !search.fixed);
	return error;
}

static int map_locked(struct space *space,
		      const struct space_map_request *request,
		      struct vma_stock *stock, uint64_t *address)
{
	struct vma *vma;
	int error;

	/* As Linux: at the limit one more is let in, over it none. */
	if (space->map_count > space->map_count_limit)
		return error_say(-ENOMEM, "more than %zu mappings",
				 space->map_count_limit);
	vma = vma_stock_take(stock);
	error = map_somewhere(space, request, page_round_up(request->length),
			      vma);
	if (error) {
		list_add_tail(&stock->gone, &vma->mapping.link);
		return error;
	}
	vma->handle = request->handle;
	handle_take(vma->handle);
	*address = vma->mapping.start;
	unmap_commit(space, vma->mapping.start, vma->mapping.end, stock);
	vma_merge_new(space, vma, stock);
	return 0;
}

int space_map(struct space *space, const struct space_map_request *request,
	      uint64_t *address)
{
	struct vma_stock stock;
	int error;

	error = check_arguments(request);
	if (error)
		return error;
	error = vma_stock_init(space, &stock, 2);
	if (error)
		return error;
	rwlock_take_write(&space->lock);
	error = map_locked(space, request, &stock, address);
	rwlock_drop_write(&space->lock);
	vma_stock_finish(space, &stock);
	return error;
}
