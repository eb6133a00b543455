/* pin_calls.c - quire_object_pin() and quire_object_unpin() */
/* SPDX-License-Identifier: MIT */
/*
 * What is asked for most, a read pin of a page that is in memory, has a way of
 * its own, without a lock or a locked instruction: it is announced
 * (page/hazard.h).  Whatever is not so is counted in the page's word.
 */
#include "engine/engine.h"
#include "engine/pins.h"

#include <errno.h>
#include <string.h>

/* ---- counted ---- */

static int check_pin(const struct quire_object *handle, uint64_t offset,
		     size_t length, int access)
{
	const char *name = object_identity(handle->object)->name;
	uint64_t most = UINT64_MAX - offset, size;

	if (access & ~(PROT_READ | PROT_WRITE) || !(access & PROT_READ))
		return error_say(-EINVAL, "a pin is for PROT_READ, or for "
					  "PROT_READ | PROT_WRITE");
	if (length == 0)
		return error_say(-EINVAL, "a pin of no bytes");
	size = object_await_size(handle->object,
				 offset + (length < most ? length : most));
	if (offset > size || length > size - offset)
		return error_say(-EINVAL, "%s ends at byte %llu", name,
				 (unsigned long long)size);
	if ((access & PROT_WRITE) && handle->flags & HANDLE_ZERO)
		return error_say(-EACCES, "%s keeps nothing", name);
	return access & PROT_WRITE ? engine_check_storable(handle) : 0;
}

static uint64_t pinned_pages(uint64_t offset, size_t length)
{
	return ((offset + length - 1) >> PAGE_SHIFT) - (offset >> PAGE_SHIFT) +
	       1;
}

static int say_failed(const struct quire_object *handle, int error)
{
	if (error == -ENXIO)
		error = -EINVAL;
	return error_say_first(error, "%s: pin: %s",
			       object_identity(handle->object)->name,
			       strerror(-error));
}

__attribute__((noinline)) static int pin_counted(struct quire_object *handle,
						 uint64_t offset, size_t length,
						 int access,
						 struct quire_pin *pin)
{
	struct object *object = handle->object;
	uint64_t index = offset >> PAGE_SHIFT;
	bool write = access & PROT_WRITE, hit;
	int error = engine_check(engine_of(handle));

	if (error)
		return error;
	error_clear();
	error = check_pin(handle, offset, length, access);
	if (!error)
		error = pins_prepare(handle);
	hit = !error && !write && pinned_pages(offset, length) == 1 &&
	      object_hold_resident(object, index);
	if (!error && !hit)
		error = object_hold(object, index, pinned_pages(offset, length),
				    write);
	if (error)
		return say_failed(handle, error);
	pins_take(handle, hit);
	/* Last, and with nothing held but the pin: *pin may be mapped. */
	*pin = (struct quire_pin){
		.address = write ? object_window(object, offset)
				 : (void *)object_view(object, offset),
		.length = length,
		.object = handle,
		.offset = offset,
		.access = access,
	};
	return 0;
}

static bool drop_counted(const struct quire_pin *pin)
{
	object_let_go(pin->object->object, pin->offset >> PAGE_SHIFT,
		      pinned_pages(pin->offset, pin->length),
		      pin->access & PROT_WRITE);
	return pins_drop(pin->object);
}

/* ---- announced ---- */

/* It was announced in vain. */
__attribute__((noinline)) static int pin_instead(struct hazard *hazard,
						 struct quire_object *handle,
						 uint64_t offset, size_t length,
						 struct quire_pin *pin)
{
	hazard_free(hazard);
	hazards_look();
	return pin_counted(handle, offset, length, PROT_READ, pin);
}

/* The other ways go on in calls at the end, for which nothing need be kept. */
static inline int pin_one(struct quire_object *handle, uint64_t offset,
			  size_t length, struct quire_pin *pin)
{
	struct pins *pins = pins_of(handle);
	unsigned lane = lane_own - 1;
	uint64_t last = offset + length - 1;
	const page_word *word;
	struct hazard *hazard;

	if (!pins || lane >= LANES || length == 0 ||
	    (last ^ offset) >= PAGE_SIZE)
		return pin_counted(handle, offset, length, PROT_READ, pin);
	word = &pins->face.words[offset >> PAGE_SHIFT];
	hazard = hazard_announce(lane, handle, word);
	if (!hazard)
		return pin_counted(handle, offset, length, PROT_READ, pin);
	/* Both count only now that it is announced, the size first (rule 11). */
	if (last >= atomic_load(pins->face.size) ||
	    !hazard_holds(atomic_load(word)))
		return pin_instead(hazard, handle, offset, length, pin);
	error_clear();
	/* With nothing held but the pin: *pin may be mapped. */
	*pin = (struct quire_pin){
		.address = (char *)pins->face.view + offset,
		.length = length,
		.object = handle,
		.offset = offset,
		.access = PROT_READ,
		.slot = hazard,
	};
	return pins_hit(pins, lane);
}

/* ---- the calls ---- */

int quire_object_pin(struct quire_object *handle, uint64_t offset,
		     size_t length, int access, struct quire_pin *pin)
{
	if (access == PROT_READ)
		return pin_one(handle, offset, length, pin);
	return pin_counted(handle, offset, length, access, pin);
}

/* Of a handle that is closed, or a pin that is counted. */
__attribute__((noinline)) static void unpin_counted(struct quire_pin *pin)
{
	struct quire_pin held = *pin;
	bool last;

	if (!held.object || engine_check(engine_of(held.object)))
		return;
	*pin = (struct quire_pin){ .address = NULL };
	if (held.slot)
		last = pins_drop_announced(held.object, held.slot);
	else
		last = drop_counted(&held);
	if (last)
		handle_drop(held.object);
}

void quire_object_unpin(struct quire_pin *pin)
{
	if (!pin->slot || !hazard_drop(pin->slot, pin->object)) {
		unpin_counted(pin);
		return;
	}
	*pin = (struct quire_pin){ .address = NULL };
	hazards_look();
}
