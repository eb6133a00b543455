/* map_kind.c - mmap: shared or private, and is it allowed? */
/* SPDX-License-Identifier: MIT */
/*
 * The switches of Linux's do_mmap(), check by check in its order, as a request
 * that is wrong in two ways must get the same answer.
 */
#include "space/map_private.h"

#include <errno.h>
#include <sys/mman.h>

/* Newer than the C library's headers. */
#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif
#ifndef MAP_ABOVE4G
#define MAP_ABOVE4G 0x80
#endif

#ifndef MAP_HUGE_SHIFT
#define MAP_HUGE_SHIFT 26
#endif

/* What MAP_SHARED ignores and MAP_SHARED_VALIDATE knows; as Linux, which does
 * not count MAP_FIXED_NOREPLACE; of the huge sizes MAP_HUGE_2MB and _1GB. */
#define LEGACY_MAP_MASK                                                \
	(MAP_SHARED | MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS |        \
	 MAP_DENYWRITE | MAP_EXECUTABLE | MAP_GROWSDOWN | MAP_LOCKED | \
	 MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |     \
	 MAP_HUGETLB | MAP_32BIT | MAP_ABOVE4G |                       \
	 (int)(0x1fu << MAP_HUGE_SHIFT))

/* The largest offset that off_t can say. */
#define OFFSET_LIMIT ((uint64_t)INT64_MAX)

static int check_shared_file(const struct making *making, uint64_t *vm)
{
	const struct quire_object *file = making->file;
	int flags = making->request->flags;
	bool validate = (flags & MAP_TYPE) == MAP_SHARED_VALIDATE;

	if (validate && (flags & ~LEGACY_MAP_MASK))
		return error_say(-EOPNOTSUPP, "unknown flags 0x%x",
				 (unsigned)(flags & ~LEGACY_MAP_MASK));
	if (making->prot & PROT_WRITE) {
		if (!file->writable)
			return error_say(
				-EACCES,
				"the object was opened for reading only");
		if (file->flags & HANDLE_BUSY)
			return error_say(-ETXTBSY, "the object is in use as "
						   "what must not change");
	}
	if ((file->flags & HANDLE_APPEND_ONLY) && file->writable)
		return error_say(-EACCES, "the object may only be appended to");
	*vm |= VM_SHARED | VM_MAYSHARE;
	if (!file->writable)
		*vm &= ~(VM_MAYWRITE | VM_SHARED);
	return 0;
}

/* memfd_check_seals_mmap(), and mapping_map_writable()'s refusal. */
static int check_seals(const struct quire_object *file, uint64_t *vm)
{
	uint32_t seals = file->flags &
			 (HANDLE_SEAL_WRITE | HANDLE_SEAL_FUTURE_WRITE);

	if (!seals || !(*vm & VM_SHARED))
		return 0;
	if (*vm & VM_WRITE)
		return error_say(-EPERM, "the object is sealed against stores");
	*vm &= ~VM_MAYWRITE;
	return 0;
}

static int check_file(const struct making *making, uint64_t *vm)
{
	const struct quire_object *file = making->file;
	int error = 0;

	switch (making->request->flags & MAP_TYPE) {
	case MAP_SHARED:
	case MAP_SHARED_VALIDATE:
		error = check_shared_file(making, vm);
		if (error)
			return error;
		break;
	case MAP_PRIVATE:
		break;
	default:
		return error_say(-EINVAL, "neither shared nor private");
	}
	if (!file->readable)
		return error_say(-EACCES,
				 "the object was not opened for reading");
	if (file->flags & HANDLE_NOEXEC) {
		if (*vm & VM_EXEC)
			return error_say(-EPERM, "the object is mounted so "
						 "that nothing is executed");
		*vm &= ~VM_MAYEXEC;
	}
	if (file->flags & HANDLE_UNMAPPABLE)
		return error_say(-ENODEV, "the object cannot be mapped");
	if (*vm & VM_GROWSDOWN)
		return error_say(-EINVAL, "an object does not grow downwards");
	return check_seals(file, vm);
}

static int check_droppable(const struct making *making, uint64_t *vm)
{
	if (making->request->flags & (MAP_LOCKED | MAP_HUGETLB))
		return error_say(-EINVAL, "what is droppable is not locked");
	if (*vm & VM_GROWSDOWN)
		return error_say(-EINVAL, "a stack is not droppable");
	*vm &= ~VM_LOCKED_MASK;
	*vm |= VM_DROPPABLE | VM_NORESERVE | VM_WIPEONFORK | VM_DONTDUMP;
	return 0;
}

static int check_anonymous(struct making *making, uint64_t *vm)
{
	int error = 0;

	switch (making->request->flags & MAP_TYPE) {
	case MAP_SHARED:
		if (*vm & VM_GROWSDOWN)
			return error_say(-EINVAL,
					 "shared memory does not grow");
		*vm |= VM_SHARED | VM_MAYSHARE;
		making->offset = 0;
		return 0;
	case MAP_DROPPABLE:
		error = check_droppable(making, vm);
		break;
	case MAP_PRIVATE:
		break;
	default:
		return error_say(-EINVAL, "neither shared nor private");
	}
	making->offset = making->address;
	*vm |= VM_ANONYMOUS;
	return error;
}

static int check_offset(const struct making *making)
{
	uint64_t offset = making->offset >> PAGE_SHIFT;
	/* file_mmap_size_max(): a device has no largest offset. */
	uint64_t limit = making->file->flags & HANDLE_NO_LAST_OFFSET
				 ? UINT64_MAX
				 : OFFSET_LIMIT;

	if (making->length > limit ||
	    offset > (limit - making->length) >> PAGE_SHIFT)
		return error_say(-EOVERFLOW,
				 "no offset 0x%llx with 0x%llx bytes after it",
				 (unsigned long long)making->offset,
				 (unsigned long long)making->length);
	return 0;
}

/* Shared or private, and is it allowed?  => sets vma's flags */
int map_check_kind(struct making *making)
{
	const struct space *space = making->space;
	uint64_t vm = making->vma->flags;
	int error;

	if ((making->request->flags & MAP_LOCKED) && !can_do_mlock(space))
		return error_say(-EPERM, "nothing may be locked");
	if (!mlock_future_ok(space, vm, making->length))
		return error_say(-EAGAIN, "the limit of locked memory is met");
	if (making->file) {
		error = check_offset(making);
		if (!error)
			error = check_file(making, &vm);
	} else {
		error = check_anonymous(making, &vm);
	}
	if (error)
		return error;
	if (making->request->flags & MAP_NORESERVE &&
	    space->overcommit != SPACE_OVERCOMMIT_NEVER)
		vm |= VM_NORESERVE;
	if (making->request->huge_shift ||
	    (making->file && making->file->huge_shift)) {
		vm |= VM_HUGETLB | VM_DONTEXPAND;
		if (making->request->flags & MAP_NORESERVE)
			vm |= VM_NORESERVE; /* in every mode */
	}
	making->vma->flags = vm;
	return 0;
}
