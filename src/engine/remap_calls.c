/* remap_calls.c - mremap, with what private memory grows into */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"

#include <errno.h>

/*
 * Private memory of the host's space cannot always go on in the object that it
 * stands on: an object more, which is the mapping's then, or nobody's.
 */
static int remap_with_spare(struct quire_space *space,
			    struct space_remap_request *request,
			    uint64_t *address)
{
	struct quire_object_options options;
	struct quire_object *spare;
	int error = object_open_begin(space->quire, NULL, &options);

	if (!error)
		error = object_over_swap(space->quire, "anonymous memory",
					 page_round_up(request->new_length),
					 &options, &spare);
	/* No file of that length to swap to. */
	if (error)
		return error == -EFBIG ? -ENOMEM : error;
	request->spare = spare;
	error = space_remap(&space->space, request, address);
	atomic_fetch_sub(&space->quire->open_handles, 1);
	handle_drop(spare);
	return error;
}

static int remap(struct quire_space *space, struct space_remap_request *request,
		 uint64_t *address)
{
	struct space_wanted wanted = { .length = 0 };
	int error;

	request->wanted = &wanted;
	error = space_remap(&space->space, request, address);
	if (error == SPACE_NEEDS_OBJECT)
		error = remap_with_spare(space, request, address);
	soft_settle(space);
	/* As Linux: what cannot be brought in is no error. */
	if (!error && wanted.length)
		(void)space_populate(space, wanted.start, wanted.length,
				     wanted.write);
	return error;
}

void *quire_mremap(struct quire_space *space, void *old_address,
		   size_t old_length, size_t new_length, int flags,
		   void *new_address)
{
	struct space_remap_request request = {
		.old_address = (uint64_t)(uintptr_t)old_address,
		.old_length = old_length,
		.new_length = new_length,
		.new_address = (uint64_t)(uintptr_t)new_address,
		.flags = flags,
	};
	uint64_t place;
	int error = engine_check(space->quire);

	if (!error) {
		error_clear();
		error = remap(space, &request, &place);
	}
	if (!error)
		return (void *)(uintptr_t)place;
	errno = -error;
	return MAP_FAILED;
}
