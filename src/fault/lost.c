/* lost.c - a page that its word says is there, and the memfd has not */
/* SPDX-License-Identifier: MIT */
/*
 * Whoever maps an object in another process has its memfd, and may punch it by
 * madvise(MADV_REMOVE), which on the file itself would make zeros of the bytes.
 * So that is what they become here, if the object may be stored to: the page is
 * dirty then, and the zeros go home.  Else it is read anew.
 */
#include "fault/fault_private.h"

#include "os/memory.h"

#define LOST_PAUSE_NS UINT64_C(1000000)

/*
 * Fills the hole only: somebody may have done so, and stored.  The window is
 * not touched but asked for: behind the memfd's end, if that was cut as well,
 * it has nothing.
 */
static bool fill_hole(struct object *object, uint64_t offset)
{
	static const char zeros[PAGE_SIZE];
	uint64_t place = (uint64_t)(uintptr_t)object_window(object, offset);

	return memory_populate(place, PAGE_SIZE, false) == 0 ||
	       memory_file_write(object_memory(object), zeros, PAGE_SIZE,
				 offset) == 0;
}

static bool fill(struct object *object, uint64_t index)
{
	bool good = false;

	if (object_take_wpin(object, index, false) != PAGE_TAKEN)
		return false;
	/* Rule 11: store, then look. */
	if (index < object_pages(object))
		good = fill_hole(object, index << PAGE_SHIFT);
	if (page_drop_wpin(object_word(object, index)))
		cache_encourage(object_host(object)->cache);
	return good;
}

bool fault_restore(struct fault *fault, struct object *object, uint64_t index)
{
	bool stores = object_writable(object) &&
		      !object_is_zeroed(object, index);

	fault->lost = 0;
	if (stores ? fill(object, index)
		   : object_drop_clean(object, index, 1) > 0)
		return false;
	fault_delay(fault, LOST_PAUSE_NS);
	return true;
}
