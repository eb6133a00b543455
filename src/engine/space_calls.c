/* space_calls.c - the public functions on address spaces */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "fault/guard.h"
#include "os/memory.h"

#include <errno.h>
#include <string.h>

static int begin(const struct quire_space *space)
{
	int error = engine_check(space->quire);

	if (!error)
		error_clear();
	return error;
}

/* As POSIX has it. */
static int posix_result(int error)
{
	if (!error)
		return 0;
	errno = -error;
	return -1;
}

/*
 * Nobody else can ever see a private anonymous mapping, so it may as well be a
 * shared one of an object of its own: that way it lies in the budget.
 */
static int anonymous_handle(struct quire_space *space, size_t length,
			    int *flags, struct quire_object **handle)
{
	int type = *flags & MAP_TYPE;

	/* As Linux: there are no flags of a file to validate. */
	if (type != MAP_PRIVATE && type != MAP_SHARED)
		return error_say(-EINVAL, "neither shared nor private");
	*flags = (*flags & ~(MAP_TYPE | MAP_ANONYMOUS)) | MAP_SHARED;
	if (length == 0 || length > INT64_MAX - PAGE_SIZE)
		return error_say(length ? -ENOMEM : -EINVAL,
				 "%zu bytes of anonymous memory", length);
	return quire_object_create_anonymous(
		space->quire, page_round_up(length), NULL, handle);
}

static void populate(struct quire_space *space, uint64_t address, size_t length)
{
	uint64_t most = space->quire->cache.budget / 2 << PAGE_SHIFT;

	length = page_round_up(length);
	memory_populate(address, length < most ? length : most);
}

static int map(struct quire_space *space, struct space_map_request *request,
	       uint64_t *address)
{
	struct quire_object *own = NULL;
	int error = 0;

	if (request->flags & MAP_ANONYMOUS) {
		error = anonymous_handle(space, request->length,
					 &request->flags, &own);
		request->handle = own;
		if (!(request->offset & PAGE_MASK)) /* else it is refused */
			request->offset = 0;
	}
	if (!error)
		error = space_map(&space->space, request, address);
	if (own) {
		/* The mapping holds it; or what was said is kept. */
		atomic_fetch_sub(&space->quire->open_handles, 1);
		handle_drop(own);
	}
	if (!error && (request->flags & MAP_POPULATE) &&
	    (request->prot & PROT_READ))
		populate(space, *address, request->length);
	return error;
}

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
	int error = begin(space);

	if (!error)
		error = map(space, &request, &place);
	if (!error)
		return (void *)(uintptr_t)place;
	errno = -error;
	return MAP_FAILED;
}

int quire_munmap(struct quire_space *space, void *address, size_t length)
{
	int error = begin(space);

	if (!error)
		error = space_unmap(&space->space, (uint64_t)(uintptr_t)address,
				    length);
	return posix_result(error);
}

int quire_mprotect(struct quire_space *space, void *address, size_t length,
		   int prot)
{
	int error = begin(space);

	if (!error)
		error = space_protect(&space->space,
				      (uint64_t)(uintptr_t)address, length,
				      prot);
	return posix_result(error);
}

int quire_peek(struct quire_space *space, const void *address, void *out,
	       size_t length)
{
	int error = begin(space);

	return error ? error
		     : guard_copy_out(&space->quire->faults, address, out,
				      length);
}

int quire_poke(struct quire_space *space, void *address, const void *in,
	       size_t length)
{
	int error = begin(space);

	return error ? error
		     : guard_copy_in(&space->quire->faults, address, in,
				     length);
}

int quire_guard(struct quire_space *space, void (*body)(void *), void *argument,
		struct quire_fault_report *report)
{
	struct guard_report found = { .error = 0 };
	int error = begin(space);

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
	int error = begin(space);

	return error ? error
		     : space_report(&space->space, (enum space_report_kind)kind,
				    stream);
}
