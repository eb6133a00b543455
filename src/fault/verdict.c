/* verdict.c - a page cannot be had: what the object's policy says */
/* SPDX-License-Identifier: MIT */
#include "fault/fault_private.h"

#include <errno.h>
#include <string.h>

#define REFUSED_PAUSE_NS UINT64_C(250000000) /* then tried again; doubles */
#define WAIT_PAUSE_NS UINT64_C(10000000)     /* of QUIRE_ERROR_WAIT; doubles */
#define WAIT_PAUSE_MOST_NS UINT64_C(1000000000)
#define CHANGING_PAUSE_NS UINT64_C(1000000) /* of another process's layout */

static void note_refusal(struct fault_handler *handler, uint64_t address,
			 int error)
{
	lock_take(&handler->lock);
	handler->recent[handler->next_refusal++ % REFUSALS_KEPT] =
		(struct refusal){ .address = address, .error = error };
	lock_drop(&handler->lock);
}

int fault_handler_error_at(struct fault_handler *handler, uint64_t address)
{
	int error = 0;

	address = page_round_down(address);
	lock_take(&handler->lock);
	for (unsigned i = 0; i < REFUSALS_KEPT && !error; i++) {
		const struct refusal *refusal =
			&handler->recent[(handler->next_refusal - 1 - i) %
					 REFUSALS_KEPT];

		if (refusal->address == address)
			error = refusal->error;
	}
	lock_drop(&handler->lock);
	return error;
}

static const char *sentence_of(int error)
{
	switch (error) {
	case -ENOMEM:
		return "no room: all of the budget is pinned, or dirty and "
		       "cannot be written";
	case -ENODATA:
		return "the store is shorter than the object";
	default:
		return strerror(-error);
	}
}

/*
 * True if the page has come since: then the access is to be tried again.  It
 * is not asked of a page that is there and must not be stored to.
 */
static bool has_come(const struct vma *vma, uint64_t address)
{
	struct object *object = vma->handle->object;
	uint64_t index = vma_index_at(vma, address);

	return index < object_pages(object) &&
	       word_resident(atomic_load(object_word(object, index)));
}

static void wait_and_retry(struct fault *fault)
{
	fault->waited = false;
	fault->since_ns = 0;
	fault->pause_ns = fault->pause_ns ? fault->pause_ns * 2 : WAIT_PAUSE_NS;
	if (fault->pause_ns > WAIT_PAUSE_MOST_NS)
		fault->pause_ns = WAIT_PAUSE_MOST_NS;
	fault_delay(fault, fault->pause_ns);
}

/* Has the page no bytes, and so is nowhere shown?  Under the write lock it is
 * not shown in this space from then on. */
static bool is_absent(const struct vma *vma, uint64_t address)
{
	struct object *object = vma->handle->object;
	uint64_t index = vma_index_at(vma, address);
	enum page_state state;

	if (index >= object_table(object)->pages)
		return true;
	state = word_state(atomic_load(object_word(object, index)));
	return state == PAGE_ABSENT || state == PAGE_FAILED;
}

/* 0: whoever waits has his signal, or is woken; else why it must be tried
 * again: -EAGAIN, -EOPNOTSUPP. */
static int ask_mmu(const struct fault *fault, bool absent)
{
	struct mmu *mmu = fault->handler->mmu;
	uint64_t address = fault->address;
	const struct vma *vma = space_find(fault->handler->space, address);
	int error = -ENOENT;

	if (vma && mmu->remote && vma->mapping.shared &&
	    !is_absent(vma, address))
		error = absent ? -EAGAIN : -EOPNOTSUPP;
	else if (vma && !(absent && has_come(vma, address)))
		error = mmu_refuse(mmu, address, vma->mapping.shared);
	if (error == 0 || error == -EAGAIN || error == -EOPNOTSUPP)
		return error;
	mmu_wake(mmu, address, PAGE_SIZE);
	return 0;
}

/*
 * Under the write lock, so that nobody shows the page meanwhile; nor does the
 * retry, which is set up in the same hold: it would be over before the refusal.
 */
static void tell_mmu(struct fault *fault, bool absent)
{
	struct space *space = fault->handler->space;
	int error;

	hook_point(HOOK_REFUSE, NULL, 0);
	rwlock_take_write(&space->lock);
	error = ask_mmu(fault, absent);
	if (error == -EAGAIN) {
		fault_delay(fault, CHANGING_PAUSE_NS);
	} else if (error) {
		wait_and_retry(fault);
	} else {
		fault->pause_ns = REFUSED_PAUSE_NS;
		fault->generation = space->generation;
		fault_keep_refused(fault);
	}
	rwlock_drop_write(&space->lock);
}

void fault_refuse(struct fault *fault, int error, bool absent)
{
	struct fault_handler *handler = fault->handler;
	uint64_t address = fault->address;
	bool told = fault->told;

	if (fault->again) {
		fault_keep_refused(fault);
		return;
	}
	fault->told = true;
	count_add(handler->host->counters, COUNT_REFUSED, !told);
	/* The reason first: whoever gets the signal may ask for it. */
	note_refusal(handler, address, error);
	tell_mmu(fault, absent);
	if (!told)
		log_line(handler->host->log, LOG_WARNING,
			 "access refused at 0x%llx: %s",
			 (unsigned long long)address, sentence_of(error));
}

/* Shows zeros, and keeps the error for the holders' next check. */
static void show_zeros(struct fault *fault, struct object *object,
		       uint64_t index, int error)
{
	uint64_t sequence;
	bool expired = false;
	int done = object_zero_page(object, index, &sequence);

	if (done == -EAGAIN && fault_wait_for_room(fault, sequence, &expired))
		return;
	if (expired || done == -ENOMEM) {
		fault_refuse(fault, error, true);
		return;
	}
	if (done == 1)
		object_record_error(object, error, "read");
	fault_ready(fault);
}

void fault_verdict(struct fault *fault, struct object *object, uint64_t index,
		   int error, bool absent)
{
	if (fault->again) {
		fault_keep_refused(fault);
		return;
	}
	switch (object_decide(object, index, error)) {
	case OBJECT_ERROR_ZERO:
		if (absent)
			show_zeros(fault, object, index, error);
		else
			fault_refuse(fault, error, absent);
		break;
	case OBJECT_ERROR_WAIT:
		wait_and_retry(fault);
		break;
	default:
		fault_refuse(fault, error, absent);
	}
}
