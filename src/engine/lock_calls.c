/* lock_calls.c - the public functions mlock, munlock and their kin */
/* SPDX-License-Identifier: MIT */
#include "engine/populate.h"

#include <errno.h>

/* Pages that may be locked and there: others need some, too. */
static uint64_t room(const struct quire_space *space)
{
	uint64_t budget = space->quire->cache.budget;

	return budget - (budget + 7) / 8;
}

/* __mlock_posix_error_return() */
static int posix_error(int error)
{
	switch (error) {
	case -EFAULT:
		return -ENOMEM;
	case -ENOMEM:
		return -EAGAIN;
	default:
		return error;
	}
}

static int lock(struct quire_space *space, const void *address, size_t length,
		uint64_t flags)
{
	uint64_t at = (uint64_t)(uintptr_t)address;
	uint64_t start = page_round_down(at);
	/* Modulo 2^64, as Linux does it. */
	uint64_t bytes = page_round_up(length + (at & PAGE_MASK));
	int error = space_lock(&space->space, at, length, flags, room(space));

	if (error)
		return error;
	return posix_error(
		populate_range(space, start, start + bytes, 0, false));
}

int quire_mlock(struct quire_space *space, const void *address, size_t length)
{
	int error = space_begin(space);

	if (!error)
		error = lock(space, address, length, VM_LOCKED);
	return posix_result(error);
}

int quire_mlock2(struct quire_space *space, const void *address, size_t length,
		 unsigned flags)
{
	uint64_t lock_flags = VM_LOCKED;
	int error = space_begin(space);

	if (!error && (flags & ~(unsigned)MLOCK_ONFAULT))
		error = error_say(-EINVAL, "unknown flags 0x%x", flags);
	if (flags & MLOCK_ONFAULT)
		lock_flags |= VM_LOCKONFAULT;
	if (!error)
		error = lock(space, address, length, lock_flags);
	return posix_result(error);
}

int quire_munlock(struct quire_space *space, const void *address, size_t length)
{
	int error = space_begin(space);

	if (!error)
		error = space_unlock(&space->space,
				     (uint64_t)(uintptr_t)address, length);
	return posix_result(error);
}

int quire_mlockall(struct quire_space *space, int flags)
{
	int error = space_begin(space);

	if (!error && (!flags || flags == MCL_ONFAULT ||
		       (flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT))))
		error = error_say(-EINVAL, "flags 0x%x", (unsigned)flags);
	if (!error)
		error = space_lock_all(&space->space, flags, room(space));
	/* As Linux: what cannot be brought in is no error. */
	if (!error && (flags & MCL_CURRENT))
		(void)populate_range(space, space->mmu->lowest,
				     space->mmu->highest, 0, true);
	return posix_result(error);
}

int quire_munlockall(struct quire_space *space)
{
	int error = space_begin(space);

	if (!error)
		error = space_lock_all(&space->space, 0, 0);
	return posix_result(error);
}
