/* space_calls.c - the public functions on address spaces */
/* SPDX-License-Identifier: MIT */
#include "engine/populate.h"

#include "fault/guard.h"

#include <errno.h>
#include <string.h>

void *quire_mmap(struct quire_space *space, void *address, size_t length,
		 int prot, int flags, struct quire_object *object, off_t offset)
{
	struct space_map_request request = {
		.address = (uint64_t)(uintptr_t)address,
		.length = length,
		.prot = prot,
		.flags = flags,
		.handle = object,
		.offset = (uint64_t)offset,
	};
	uint64_t place;
	int error = space_begin(space);

	if (!error)
		error = space_map_whole(space, &request, &place);
	if (!error)
		return (void *)(uintptr_t)place;
	errno = -error;
	return MAP_FAILED;
}

int quire_munmap(struct quire_space *space, void *address, size_t length)
{
	int error = space_begin(space);

	if (!error)
		error = space_unmap(&space->space, (uint64_t)(uintptr_t)address,
				    length);
	soft_settle(space);
	return posix_result(error);
}

int quire_mprotect(struct quire_space *space, void *address, size_t length,
		   int prot)
{
	struct space_range populate = { .end = 0 };
	int error = space_begin(space);

	if (!error)
		error = space_protect(&space->space,
				      (uint64_t)(uintptr_t)address, length,
				      prot, &populate);
	/* As Linux: what cannot be brought in is no error.  What lies between
	 * need not be locked. */
	if (populate.end)
		(void)populate_range(space, populate.start, populate.end,
				     VM_LOCKED, true);
	return posix_result(error);
}

int quire_guard(struct quire_space *space, void (*body)(void *), void *argument,
		struct quire_fault_report *report)
{
	struct guard_report found = { .error = 0 };
	int error = space_begin(space);

	if (!error && space->soft)
		error = error_say(-EOPNOTSUPP,
				  "addresses of this space are no pointers");
	if (!error)
		error = guard_run(&space->quire->faults, body, argument,
				  &found);
	if (report)
		*report = (struct quire_fault_report){
			.address = found.address,
			.signal = found.signal,
			.code = found.code,
			.error = error,
		};
	return error;
}

int quire_space_report(struct quire_space *space, enum quire_report kind,
		       FILE *stream)
{
	int error = space_begin(space);

	return error ? error
		     : space_report(&space->space, (enum space_report_kind)kind,
				    stream);
}
