/* map.c - mmap: something new is there */
/* SPDX-License-Identifier: MIT */
/*
 * Linux's do_mmap() and mmap_region(), station by station:
 *
 *   arguments -> too many? -> place -> taken? -> locked limit -> kind and
 *   access -> cut, size and commit limits -> the object's hook -> host -> tree
 *
 * VMAs are taken beforehand: the new one, and those for what a fixed one cuts.
 * The host is asked once, to replace what is there in one step; its refusal
 * leaves all as it was, and what follows cannot fail.
 *
 * Who sees what: until the lock is released no page is shown at the new place,
 * so the writer of the new object has nothing to miss there, and is told of it
 * last.  The writers of what was replaced are told right after the host call;
 * up to then they may write-protect addresses that are already the new
 * mapping's: it has no page yet, and a page that is shown says anew whether it
 * is writable.
 */
#include "space/map_private.h"

#include <errno.h>
#include <sys/mman.h>

#define PROT_ACCESS (PROT_READ | PROT_WRITE | PROT_EXEC)

static bool is_fixed(const struct space_map_request *request)
{
	return request->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
}

static bool is_anonymous(const struct space_map_request *request)
{
	return (request->flags & MAP_ANONYMOUS) && request->huge_shift == 0;
}

/* Of the pages it is made of, ordinary or huge. */
static uint64_t page_bytes(const struct space_map_request *request)
{
	uint64_t shift = request->huge_shift;

	if (!shift && !(request->flags & MAP_ANONYMOUS))
		shift = request->handle->huge_shift;
	return shift ? UINT64_C(1) << shift : PAGE_SIZE;
}

/* ---- before the lock: ksys_mmap_pgoff() ---- */

static int check_arguments(const struct space_map_request *request)
{
	const struct quire_object *handle = request->handle;

	if (request->offset & PAGE_MASK)
		return error_say(-EINVAL, "offset 0x%llx is inside a page",
				 (unsigned long long)request->offset);
	if (!(request->flags & MAP_ANONYMOUS)) {
		if (!handle)
			return error_say(-EBADF, "no object to map");
		if ((request->flags & MAP_HUGETLB) && !handle->huge_shift)
			return error_say(-EINVAL,
					 "the object has no huge pages");
	}
	if (request->length == 0)
		return error_say(-EINVAL, "no bytes to map");
	if (request->length > UINT64_MAX - PAGE_MASK)
		return error_say(-ENOMEM, "0x%llx bytes exceed any space",
				 (unsigned long long)request->length);
	return 0;
}

/* Whole pages, of the object's size of a page. */
static uint64_t whole_length(const struct space_map_request *request)
{
	uint64_t mask = page_bytes(request) - 1;

	if (request->length > UINT64_MAX - mask)
		return 0;
	return (request->length + mask) & ~mask;
}

static int rights_of(const struct space *space,
		     const struct space_map_request *request)
{
	int prot = request->prot & PROT_ACCESS;
	bool noexec = request->handle &&
		      (request->handle->flags & HANDLE_NOEXEC);

	if ((prot & PROT_READ) && (space->flags & SPACE_READ_IMPLIES_EXEC) &&
	    !noexec)
		prot |= PROT_EXEC;
	return prot;
}

/* calc_vm_prot_bits(), calc_vm_flag_bits() and what is so by default. */
static uint64_t first_flags(const struct making *making)
{
	int flags = making->request->flags;
	uint64_t vm = (uint64_t)making->prot | VM_MAY_FLAGS |
		      making->space->default_flags;

	if (flags & MAP_GROWSDOWN)
		vm |= VM_GROWSDOWN;
	if (flags & MAP_LOCKED)
		vm |= VM_LOCKED;
	if (flags & MAP_SYNC)
		vm |= VM_SYNC;
	if (flags & MAP_STACK)
		vm |= VM_NOHUGEPAGE;
	return vm;
}

/* ---- limits: __mmap_prepare() ---- */

/* What of [start, end) is mapped, and what of that is counted as committed;
 * pages. */
static void count_replaced(const struct making *making, uint64_t *mapped,
			   uint64_t *committed)
{
	uint64_t start = making->address;
	uint64_t end = start + making->length;
	const struct vma *vma = making->replaced;

	*mapped = *committed = 0;
	for (; vma && vma->mapping.start < end; vma = space_next(vma)) {
		uint64_t from = vma->mapping.start;
		uint64_t to = vma->mapping.end;
		uint64_t pages = ((to < end ? to : end) -
				  (from > start ? from : start)) >>
				 PAGE_SHIFT;

		*mapped += pages;
		if (vma->flags & VM_ACCOUNT)
			*committed += pages;
	}
}

/* => may set VM_ACCOUNT */
static int check_limits(struct making *making)
{
	struct space *space = making->space;
	uint64_t start = making->address;
	uint64_t end = start + making->length;
	uint64_t pages = making->length >> PAGE_SHIFT;
	uint64_t mapped, committed;
	int error = unmap_check_limit(space, making->replaced, start, end);

	if (!error)
		error = check_huge_borders(space, making->replaced, start, end);
	if (error)
		return error;
	count_replaced(making, &mapped, &committed);
	if (!may_expand_vm(space, making->vma->flags, pages - mapped))
		return error_say(-ENOMEM,
				 "%llu pages more exceed the limit of "
				 "addresses, or of data",
				 (unsigned long long)(pages - mapped));
	if (!accountable_mapping(making->vma->flags))
		return 0;
	if (pages > committed)
		error = enough_memory(space, pages - committed);
	if (!error)
		making->vma->flags |= VM_ACCOUNT;
	return error;
}

/* ---- the object's own hook, and the host ---- */

static struct handle_area area_of(const struct making *making)
{
	return (struct handle_area){
		.address = making->address,
		.length = making->length,
		.prot = making->prot,
		.flags = making->request->flags,
		.offset = making->offset,
	};
}

/* hugetlbfs_file_mmap() */
static int check_huge_offset(const struct making *making)
{
	if (!(making->vma->flags & VM_HUGETLB) ||
	    !(making->offset & (page_bytes(making->request) - 1)))
		return 0;
	return error_say(-EINVAL, "offset 0x%llx is inside a huge page",
			 (unsigned long long)making->offset);
}

/* Chosen frames of another object, in the name of this one. */
static int call_hook(struct making *making, struct quire_object **frames)
{
	struct handle_area area = area_of(making);
	int error;

	*frames = NULL;
	if (!making->file || !making->file->hooks || !making->file->hooks->map)
		return 0;
	error = making->file->hooks->map(making->file, &area);
	if (error)
		return error_say(error, "the object's hook refuses");
	if (!area.frames)
		return 0;
	if (making->vma->flags & VM_HUGETLB)
		return error_say(-EINVAL, "frames in place of huge pages");
	if (area.frames_offset & PAGE_MASK)
		return error_say(-EINVAL, "frames begin inside a page");
	*frames = area.frames;
	making->offset = area.frames_offset;
	making->vma->flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
	return 0;
}

/*
 * Would it replace memory that has these pages of the backing?  Their bytes
 * are discarded only after the lock, when the new ones may be stored to.
 */
static bool stands_in_place(const struct making *making)
{
	const struct space *space = making->space;
	uint64_t end = making->address + making->length;
	const struct vma *vma = making->replaced;

	for (; vma && vma->mapping.start < end; vma = space_next(vma))
		if (vma_anonymous(vma) &&
		    backing_in_place(&space->backing, vma->handle,
				     vma->mapping.start, vma->mapping.index))
			return true;
	return false;
}

/* What the mapping stands on; NULL: nothing but private pages. */
static int find_bytes(struct making *making, struct quire_object **handle)
{
	struct space *space = making->space;
	uint64_t index;

	*handle = making->request->handle;
	if (!(making->vma->flags & VM_ANONYMOUS))
		return 0;
	if (space->mmu->soft) {
		*handle = NULL;
		return 0;
	}
	if (*handle && (making->vma->flags & VM_GROWSDOWN)) {
		/* At its end: it grows towards the object's beginning. */
		making->offset = object_pages((*handle)->object) << PAGE_SHIFT;
		making->offset -= making->length;
		return 0;
	}
	if (!(making->vma->flags & VM_GROWSDOWN) && !stands_in_place(making) &&
	    backing_place(&space->backing, making->address, making->length,
			  &index)) {
		*handle = space->backing.handle;
		making->offset = index << PAGE_SHIFT;
		return 0;
	}
	making->offset = 0; /* on an object of its own */
	return *handle ? 0 : SPACE_NEEDS_OBJECT;
}

static int map_host(const struct making *making)
{
	const struct vma *vma = making->vma;
	struct mmu_mapping mapping = {
		.start = vma->mapping.start,
		.length = vma_bytes(vma),
		.prot = vma_prot(vma),
		.shared = vma->mapping.shared,
		.untrapped = vma->flags & VM_UNTRAPPED,
		.lodges = vma->mapping.lodges,
		.memory = vma->handle ? object_memory(vma->handle->object) : -1,
		.offset = making->offset,
		.replace = (making->request->flags & MAP_FIXED) &&
			   !(making->request->flags & MAP_FIXED_NOREPLACE),
	};
	int error;

	if (mapping.replace) {
		vma_may_be_strangers(making->replaced, vma->mapping.start,
				     vma->mapping.end);
		vma_unlock_going_slots(making->space, making->replaced,
				       vma->mapping.start, vma->mapping.end);
	}
	error = mmu_map(making->space->mmu, &mapping);
	if (error)
		return error_say(error, "the host maps nothing at 0x%llx",
				 (unsigned long long)mapping.start);
	return 0;
}

static int stand(struct making *making)
{
	struct quire_object *handle, *frames;
	struct vma *vma = making->vma;
	uint64_t index;
	int error = find_bytes(making, &handle);

	if (!error)
		error = check_huge_offset(making);
	if (!error)
		error = call_hook(making, &frames);
	if (error)
		return error;
	vma->handle = frames ? frames : handle;
	vma->anon = 0;
	/* __mmap_complete(): what cannot be locked is not. */
	if (vma->flags & VM_SPECIAL)
		vma->flags &= ~VM_LOCKED_MASK;
	vma->mapping.mmu = making->space->mmu;
	vma->mapping.start = making->address;
	vma->mapping.end = making->address + making->length;
	index = making->offset >> PAGE_SHIFT;
	vma->mapping.index = index & MAPPING_INDEX_MASK;
	vma->mapping.shared = (vma->flags & VM_MAYSHARE) ||
			      ((vma->flags & VM_ANONYMOUS) && vma->handle);
	vma->mapping.locked = !!(vma->flags & VM_LOCKED);
	if (vma->mapping.mmu->untraps &&
	    (vma->flags & (VM_MAYSHARE | VM_WRITE | VM_PFNMAP)) == VM_MAYSHARE)
		vma->flags |= VM_UNTRAPPED;
	vma->mapping.untrapped = !!(vma->flags & VM_UNTRAPPED);
	vma->mapping.lodges = vma->mapping.mmu->lodges &&
			      (vma->flags & (VM_MAYSHARE | VM_MAYWRITE |
					     VM_PFNMAP)) == VM_MAYSHARE;
	error = vma_prepare_lock(vma);
	if (!error)
		error = map_host(making);
	if (error)
		vma->handle = NULL;
	return error;
}

/* ---- the order ---- */

static int check_place(const struct making *making)
{
	if (!(making->request->flags & MAP_FIXED_NOREPLACE) ||
	    !making->replaced)
		return 0;
	return error_say(-EEXIST, "something is mapped at 0x%llx",
			 (unsigned long long)making->address);
}

/* From the place on.  -EEXIST: a stranger is there. */
static int map_at(struct making *making)
{
	int error;

	making->replaced =
		space_find_intersection(making->space, making->address,
					making->address + making->length);
	error = check_place(making);
	making->offset = making->request->offset;
	making->vma->flags = first_flags(making);
	if (!error)
		error = map_check_kind(making);
	if (!error)
		error = check_limits(making);
	return error ? error : stand(making);
}

/* The object says itself where it goes, unless the program does. */
static bool has_own_place(const struct making *making)
{
	return making->file && making->file->hooks &&
	       making->file->hooks->place && !is_fixed(making->request);
}

/* __get_unmapped_area() with a file's own, which is not believed. */
static int find_own_place(struct making *making)
{
	const struct space *space = making->space;
	uint64_t highest = space->mmu->highest;
	struct handle_area area = area_of(making);
	uint64_t address = 0;
	int error;

	area.address = page_round_down(making->request->address);
	area.offset = making->request->offset;
	if (making->length > highest)
		return error_say(-ENOMEM, "0x%llx bytes exceed the space",
				 (unsigned long long)making->length);
	error = making->file->hooks->place(making->file, &area, &address);
	if (error)
		return error_say(error, "the object's hook finds no place");
	making->address = address;
	if (address > highest - making->length)
		error = -ENOMEM;
	else if (address & (page_bytes(making->request) - 1))
		error = -EINVAL;
	else if (address < space->mmu->lowest)
		error = -EPERM;
	else if (!area_is_free(space, address, making->length))
		error = -ENOMEM;
	if (!error)
		return 0;
	return error_say(error, "the object's hook says 0x%llx",
			 (unsigned long long)address);
}

/* Looks for a place until the host agrees. */
static int map_somewhere(struct making *making)
{
	const struct space_map_request *request = making->request;
	struct area_search search;
	int error;

	if (has_own_place(making)) {
		error = find_own_place(making);
		if (!error)
			error = map_at(making);
		return error == -EEXIST ? -ENOMEM : error;
	}
	area_search_init(&search, making->space, request->address,
			 making->length, is_fixed(request));
	area_search_align(&search, page_bytes(request));
	area_search_flags(&search, making->space, request->flags);
	do {
		error = get_unmapped_area(making->space, &search,
					  &making->address);
		if (error)
			return error;
		trace("get_unmapped_area", "0x%llx bytes go to 0x%llx",
		      (unsigned long long)making->length,
		      (unsigned long long)making->address);
		error = map_at(making);
		if (error == -EEXIST)
			area_search_refuse(&search, making->address);
	} while (error == -EEXIST && !search.fixed);
	return error;
}

static bool wants_pages(const struct making *making)
{
	int flags = making->request->flags;

	return (first_flags(making) & VM_LOCKED) ||
	       (flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
}

static int map_locked(struct making *making, struct vma_stock *stock)
{
	struct space *space = making->space;
	struct vma *vma;
	int error;

	/* As Linux: at the limit one more is let in, over it none. */
	if (space->map_count > space->limit[SPACE_LIMIT_MAPPINGS])
		return error_say(-ENOMEM, "more than %zu mappings",
				 (size_t)space->limit[SPACE_LIMIT_MAPPINGS]);
	vma = making->vma = vma_stock_take(stock);
	error = map_somewhere(making);
	if (error) {
		vma->handle = NULL;
		list_add_tail(&stock->gone, &vma->mapping.link);
		return error;
	}
	if (vma->handle)
		handle_take(vma->handle);
	if (making->request->populate)
		*making->request->populate = wants_pages(making);
	unmap_commit(space, making->replaced, vma->mapping.start,
		     vma->mapping.end, stock);
	vma_lock_new(vma);
	vma_merge_new(space, vma, stock);
	return 0;
}

int space_map(struct space *space, const struct space_map_request *request,
	      uint64_t *address)
{
	struct making making = {
		.space = space,
		.request = request,
		.file = is_anonymous(request) ? NULL : request->handle,
	};
	struct vma_stock stock;
	int error;

	error = check_arguments(request);
	if (error)
		return error;
	making.prot = rights_of(space, request);
	making.length = whole_length(request);
	if (making.length == 0)
		return error_say(-ENOMEM, "0x%llx bytes exceed any space",
				 (unsigned long long)request->length);
	if (is_fixed(request))
		space_bring_home(space, request->address,
				 request->address + making.length, false);
	/* Who maps it once more will want the same pages. */
	if (making.file)
		object_bring_home(making.file->object,
				  request->offset >> PAGE_SHIFT,
				  making.length >> PAGE_SHIFT, true);
	error = vma_stock_begin(space, &stock, 3);
	if (error)
		return error;
	error = map_locked(&making, &stock);
	*address = making.address;
	vma_stock_end(space, &stock);
	return error;
}
