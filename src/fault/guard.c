/* guard.c - a signal becomes a return value */
/* SPDX-License-Identifier: MIT */
#include "fault/guard.h"

#include "fault/grow_down.h"

#include "os/signals.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

struct guard {
	sigjmp_buf place;
	struct fault_handler *handler;
	struct guard_report report;
	struct guard *outer;
};

static _Thread_local struct guard *innermost;

/* A miss past a mapping's end counts, too: the arena is the space's alone. */
static bool in_space(struct space *space, uint64_t address)
{
	bool mapped;

	/* The page behind it, too: the highest mapping ends there. */
	if (address >= space->mmu->arena &&
	    address < space->mmu->arena_end + PAGE_SIZE)
		return true;
	rwlock_take_read(&space->lock);
	mapped = space_find(space, address) != NULL;
	rwlock_drop_read(&space->lock);
	return mapped;
}

static bool past_end(struct space *space, uint64_t address)
{
	struct vma *vma;
	bool past;

	rwlock_take_read(&space->lock);
	vma = space_find(space, address);
	past = vma && vma_index_at(vma, page_round_down(address)) >=
			      object_pages(vma->handle->object);
	rwlock_drop_read(&space->lock);
	return past;
}

/* The code of a refused page tells nothing: it depends on the kernel. */
static int error_of(struct fault_handler *handler, int signal, uint64_t address)
{
	int error;

	if (signal == SIGSEGV)
		return -EFAULT;
	if (past_end(handler->space, address))
		return -ENXIO;
	error = fault_handler_error_at(handler, address);
	return error && error != -ENODATA ? error : -EIO;
}

/* On the thread whose access failed: in the body, so it holds no lock. */
static bool caught(int signal, const siginfo_t *info)
{
	struct guard *guard = innermost;
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;

	if (info->si_code <= 0)
		return false; /* sent by somebody, not raised by an access */
	while (guard && !in_space(guard->handler->space, address))
		guard = guard->outer;
	if (!guard)
		return false;
	guard->report.address = info->si_addr;
	guard->report.signal = signal;
	guard->report.code = info->si_code;
	guard->report.error = error_of(guard->handler, signal, address);
	siglongjmp(guard->place, 1);
}

static int say(const struct guard_report *report)
{
	switch (report->error) {
	case -EFAULT:
		return error_say(-EFAULT,
				 "nothing is mapped at %p, or it does not "
				 "allow this access",
				 report->address);
	case -ENXIO:
		return error_say(-ENXIO, "%p lies past its object's end",
				 report->address);
	case -ENOMEM:
		return error_say(-ENOMEM,
				 "no room for the page at %p: all of the "
				 "budget is pinned, or dirty and cannot be "
				 "written",
				 report->address);
	default:
		return error_say(report->error,
				 "the page at %p could not be had: %s",
				 report->address, strerror(-report->error));
	}
}

int guard_run(struct fault_handler *handler, void (*body)(void *),
	      void *argument, struct guard_report *report)
{
	struct guard guard = { .handler = handler, .outer = innermost };
	int error = signals_hook(caught);

	if (error)
		return error_say(error, "no handler for SIGBUS and SIGSEGV");
	/* The mask need not be restored: the handler does not change it. */
	if (sigsetjmp(guard.place, 0) == 0) {
		innermost = &guard;
		body(argument);
	}
	innermost = guard.outer;
	if (report)
		*report = guard.report;
	return guard.report.error ? say(&guard.report) : 0;
}

struct copy {
	const char *from;
	char *to;
	size_t length;
	uint64_t address; /* of the side in the space */
};

/* Page by page: what lies before a page that cannot be had gets copied. */
static void copy_body(void *argument)
{
	const struct copy *copy = argument;
	size_t done = 0;

	while (done < copy->length) {
		size_t piece = PAGE_SIZE - ((copy->address + done) & PAGE_MASK);

		if (piece > copy->length - done)
			piece = copy->length - done;
		memcpy(copy->to + done, copy->from + done, piece);
		done += piece;
	}
}

/* How much of [start, start+length) is mapped without a hole. */
static size_t mapped(struct space *space, uint64_t start, size_t length)
{
	size_t done = 0;
	struct vma *vma;

	rwlock_take_read(&space->lock);
	while (done < length && (vma = space_find(space, start + done)))
		done = vma->mapping.end - start;
	rwlock_drop_read(&space->lock);
	return done < length ? done : length;
}

size_t guard_covered(struct fault_handler *handler, uint64_t start,
		     size_t length)
{
	struct space *space = handler->space;
	size_t done = mapped(space, start, length);

	while (done < length && grow_down(space, start + done))
		done += mapped(space, start + done, length - done);
	return done;
}

/* A hole is no business of the space: what is there may be a stranger's. */
static int copy_guarded(struct fault_handler *handler, struct copy *copy)
{
	size_t length = copy->length;
	int error;

	copy->length = guard_covered(handler, copy->address, length);
	error = guard_run(handler, copy_body, copy, NULL);
	if (!error && copy->length < length)
		error = error_say(-EFAULT, "nothing is mapped at 0x%llx",
				  (unsigned long long)copy->address +
					  copy->length);
	return error;
}

int guard_copy_out(struct fault_handler *handler, const void *address,
		   void *out, size_t length)
{
	struct copy copy = { .from = address,
			     .to = out,
			     .length = length,
			     .address = (uint64_t)(uintptr_t)address };

	return copy_guarded(handler, &copy);
}

int guard_copy_in(struct fault_handler *handler, void *address, const void *in,
		  size_t length)
{
	struct copy copy = { .from = in,
			     .to = address,
			     .length = length,
			     .address = (uint64_t)(uintptr_t)address };

	return copy_guarded(handler, &copy);
}
