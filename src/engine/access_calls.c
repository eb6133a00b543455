/* access_calls.c - loads and stores that raise no signal, by address */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "fault/guard.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void fill_report(struct quire_fault_report *report,
			const struct access_verdict *verdict)
{
	if (report)
		*report = (struct quire_fault_report){
			.address = (void *)(uintptr_t)verdict->address,
			.signal = verdict->signal,
			.code = verdict->code,
			.error = verdict->error,
		};
}

static int say_refused(const struct access_verdict *verdict)
{
	unsigned long long at = verdict->address;

	switch (verdict->error) {
	case -EFAULT:
		return error_say(-EFAULT,
				 "nothing is mapped at 0x%llx, or it does not "
				 "allow this access",
				 at);
	case -ENXIO:
		return error_say(-ENXIO, "0x%llx lies past its object's end",
				 at);
	default:
		return error_say_first(verdict->error,
				       "the page at 0x%llx could not be had: "
				       "%s",
				       at, strerror(-verdict->error));
	}
}

static int access_soft(struct quire_space *space, enum access_kind kind,
		       uint64_t address, void *bytes, size_t length,
		       struct quire_fault_report *report)
{
	struct soft_context context = soft_context(space);
	struct access_verdict verdict;
	bool good =
		access_copy(&context, kind, address, bytes, length, &verdict);

	fill_report(report, &verdict);
	return good ? 0 : say_refused(&verdict);
}

/* Of a space of pointers, by loads and stores that may raise a signal. */
struct host_access {
	struct quire_space *space;
	enum quire_access access;
	char *address;
	char *bytes;
	size_t length;
};

static void host_body(void *argument)
{
	const struct host_access *access = argument;
	volatile char *at = access->address;

	for (size_t i = 0; i < access->length; i++) {
		if (access->access == QUIRE_STORE)
			at[i] = access->bytes[i];
		else if (access->bytes)
			access->bytes[i] = at[i];
		else
			(void)at[i];
	}
}

/* How much of [address, +length) may be executed, from address on. */
static size_t executable(struct quire_space *space, uint64_t address,
			 size_t length)
{
	struct space *inner = &space->space;
	uint64_t at = address;
	struct vma *vma;

	rwlock_take_read(&inner->lock);
	while (at - address < length && (vma = space_find(inner, at)) &&
	       (vma->flags & VM_EXEC))
		at = vma->mapping.end;
	rwlock_drop_read(&inner->lock);
	return at - address < length ? (size_t)(at - address) : length;
}

static int refuse_host(struct quire_fault_report *report, uint64_t address,
		       int code)
{
	struct access_verdict verdict = {
		.error = -EFAULT,
		.signal = SIGSEGV,
		.code = code,
		.address = address,
	};

	fill_report(report, &verdict);
	return say_refused(&verdict);
}

/* A hole is no business of the space: what is there may be a stranger's. */
static int access_host(struct host_access *access,
		       struct quire_fault_report *report)
{
	struct quire_space *space = access->space;
	uint64_t address = (uint64_t)(uintptr_t)access->address;
	size_t length = access->length, may;
	struct quire_fault_report own;
	int error;

	access->length = guard_covered(&space->quire->faults, address, length);
	error = quire_guard(space, host_body, access, report ? report : &own);
	if (error)
		return error;
	may = access->access == QUIRE_FETCH
		      ? executable(space, address, access->length)
		      : access->length;
	if (may < access->length)
		return refuse_host(report, address + may, SEGV_ACCERR);
	if (may < length)
		return refuse_host(report, address + may, SEGV_MAPERR);
	return 0;
}

int quire_access(struct quire_space *space, enum quire_access access,
		 void *address, void *bytes, size_t length,
		 struct quire_fault_report *report)
{
	int error = space_begin(space);

	if (report)
		memset(report, 0, sizeof(*report));
	if (!error && ((unsigned)access > QUIRE_FETCH ||
		       (access == QUIRE_STORE && !bytes)))
		error = error_say(-EINVAL, "no such access: %d", (int)access);
	if (error)
		return error;
	if (space->soft)
		return access_soft(space, (enum access_kind)access,
				   (uint64_t)(uintptr_t)address, bytes, length,
				   report);
	return access_host(&(struct host_access){ space, access, address, bytes,
						  length },
			   report);
}

int quire_peek(struct quire_space *space, const void *address, void *out,
	       size_t length)
{
	uint64_t at = (uint64_t)(uintptr_t)address;
	int error = space_begin(space);

	if (error)
		return error;
	return space->soft
		       ? access_soft(space, ACCESS_LOAD, at, out, length, NULL)
		       : guard_copy_out(&space->quire->faults, address, out,
					length);
}

int quire_poke(struct quire_space *space, void *address, const void *in,
	       size_t length)
{
	uint64_t at = (uint64_t)(uintptr_t)address;
	int error = space_begin(space);

	if (error)
		return error;
	/* Only read from when bytes go in. */
	return space->soft ? access_soft(space, ACCESS_STORE, at,
					 (void *)(uintptr_t)in, length, NULL)
			   : guard_copy_in(&space->quire->faults, address, in,
					   length);
}
