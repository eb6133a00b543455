/* soft_fault.c - a page fault on the software MMU */
/* SPDX-License-Identifier: MIT */
/*
 *                      | load, fetch               | store
 *   -------------------+---------------------------+-------------------------
 *   anonymous          | the page of zeros         | a page of its own
 *   private, of object | the object's page         | a copy of it
 *   shared             | the object's page         | the object's page
 *   private page there | it, with its rights       | it, if it is held once;
 *                      |                           | else a copy
 *
 * A translation says nothing of whether the page is in memory: so pages around
 * the one that was touched get theirs at once (fault-around).
 */
#include "fault/access_private.h"

#include <errno.h>
#include <signal.h>

#define AROUND_PAGES 16
#define GIANT_SHIFT 30 /* of 1 GiB; else it is 2 MiB */

/* x86: whoever may store or execute may load as well. */
static uint32_t rights_of(const struct vma *vma)
{
	uint32_t rights = 0;

	if (vma->flags & VM_ACCESS_FLAGS)
		rights |= SOFT_READ;
	if (vma->flags & VM_EXEC)
		rights |= SOFT_EXECUTE;
	return rights;
}

/* access_error(): what is not even looked for. */
static bool denied(const struct vma *vma, enum access_kind kind)
{
	if (kind == ACCESS_STORE)
		return !(vma->flags & VM_WRITE);
	return !(vma->flags & VM_ACCESS_FLAGS);
}

/* What the round found under the lock, and must do without it. */
enum fault_step {
	FAULT_DONE,
	FAULT_MAPERR,
	FAULT_ACCERR,
	FAULT_PAST_END,
	FAULT_COPY,
	FAULT_NO_TABLE,
};

static enum fault_step after_set(int64_t result)
{
	return result < 0 ? FAULT_NO_TABLE : FAULT_DONE;
}

/*
 * A shared mapping of huge pages gets one translation for each.  In a private
 * one copies of ordinary pages may stand between.  False: the huge page is not
 * all there.
 */
static bool huge_page(const struct vma *vma, uint64_t *address,
		      struct soft_translation *translation)
{
	uint32_t shift = vma->handle->huge_shift;
	uint64_t mask;

	if (!(vma->flags & VM_HUGETLB) || !(vma->flags & VM_MAYSHARE))
		return false;
	mask = (UINT64_C(1) << shift) - 1;
	if ((translation->index | mask >> PAGE_SHIFT) >=
	    object_pages(vma->handle->object))
		return false;
	*address &= ~mask;
	translation->index &= ~(mask >> PAGE_SHIFT);
	translation->flags |= shift == GIANT_SHIFT ? SOFT_GIANT : SOFT_HUGE;
	return true;
}

/* The object's page, and those around it as far as they look alike. */
static enum fault_step show_object(const struct soft_context *context,
				   const struct vma *vma, uint64_t address,
				   bool write)
{
	struct object *object = vma->handle->object;
	uint64_t index = vma_index_at(vma, address);
	uint64_t pages = object_pages(object), count = AROUND_PAGES;
	struct soft_translation new = {
		.owner = object,
		.index = index,
		.flags = SOFT_PRESENT | rights_of(vma),
	};

	if (index >= pages)
		return FAULT_PAST_END;
	if (write)
		new.flags |= SOFT_WRITE;
	if (huge_page(vma, &address, &new) || write)
		return after_set(soft_set(context->space->mmu, address, &new));
	if (count > pages - index)
		count = pages - index;
	if (count > (vma->mapping.end - address) >> PAGE_SHIFT)
		count = (vma->mapping.end - address) >> PAGE_SHIFT;
	return after_set(
		soft_set_run(context->space->mmu, address, count, &new));
}

static enum fault_step show_zeros(const struct soft_context *context,
				  const struct vma *vma, uint64_t address)
{
	struct soft_translation zeros = {
		.flags = SOFT_PRESENT | rights_of(vma),
	};

	return after_set(soft_set(context->space->mmu, address, &zeros));
}

/* There is a translation, and it lacks a right that the access may have. */
static enum fault_step show_again(const struct soft_context *context,
				  const struct vma *vma, uint64_t address,
				  const struct soft_translation *seen,
				  uint32_t more)
{
	struct soft_translation new = *seen;
	bool private = seen->flags & SOFT_PRIVATE;
	int error;

	new.flags |= rights_of(vma) | more;
	/* The old translation drops its hold; the new one brings its own. */
	if (private)
		anon_hold(context->anon, seen->index);
	error = soft_set(context->space->mmu, address, &new);
	if (error && private)
		anon_drop(context->anon, seen->index);
	return after_set(error);
}

static enum fault_step store_private(const struct soft_context *context,
				     struct vma *vma, uint64_t address,
				     const struct soft_translation *seen)
{
	/* As Linux: even if the page turns out not to be had. */
	vma_prepare_anon(context->space, vma);
	if (seen->flags & SOFT_PRIVATE)
		return anon_holds(context->anon, seen->index) == 1
			       ? show_again(context, vma, address, seen,
					    SOFT_WRITE)
			       : FAULT_COPY;
	if (vma_is_anonymous(vma))
		return FAULT_COPY; /* of zeros */
	/* Even a copy of what lies past the end is none. */
	if (vma_index_at(vma, address) >= object_pages(vma->handle->object))
		return FAULT_PAST_END;
	/* Once it is known what is copied, the store comes again. */
	return seen->flags ? FAULT_COPY
			   : show_object(context, vma, address, false);
}

static enum fault_step store(const struct soft_context *context,
			     struct vma *vma, uint64_t address,
			     const struct soft_translation *seen)
{
	return vma->flags & VM_MAYSHARE
		       ? show_object(context, vma, address, true)
		       : store_private(context, vma, address, seen);
}

static enum fault_step load(const struct soft_context *context,
			    const struct vma *vma, uint64_t address,
			    const struct soft_translation *seen)
{
	if (seen->flags && (seen->flags & SOFT_PRIVATE || !seen->owner))
		return show_again(context, vma, address, seen, 0);
	if (vma_is_anonymous(vma))
		return show_zeros(context, vma, address);
	/* A huge one is set as a whole. */
	if (seen->flags && !(seen->flags & (SOFT_HUGE | SOFT_GIANT)) &&
	    vma_index_at(vma, address) < object_pages(vma->handle->object))
		return show_again(context, vma, address, seen, 0);
	return show_object(context, vma, address, false);
}

/* Under the space's lock. */
static enum fault_step resolve(const struct soft_context *context,
			       enum access_kind kind, uint64_t address,
			       struct soft_translation *seen)
{
	struct vma *vma = space_find(context->space, address);
	enum fault_step step;

	if (!vma)
		return FAULT_MAPERR;
	trace("find_vma", "0x%llx lies in 0x%llx-0x%llx",
	      (unsigned long long)address,
	      (unsigned long long)vma->mapping.start,
	      (unsigned long long)vma->mapping.end);
	if (denied(vma, kind))
		return FAULT_ACCERR;
	vma->flags |= VM_SHOWN;
	*seen = soft_look(context->space->mmu, address);
	if (seen->flags & SOFT_GUARD)
		return FAULT_MAPERR;
	if (kind == ACCESS_STORE)
		return store(context, vma, address, seen);
	/* Linux brings the page in, and sees then that it is no code. */
	step = load(context, vma, address, seen);
	if (step == FAULT_DONE && kind == ACCESS_FETCH &&
	    !(vma->flags & VM_EXEC))
		return FAULT_ACCERR;
	return step;
}

bool soft_await_cut(const struct soft_context *context, uint64_t address)
{
	struct space *space = context->space;
	struct object *object = NULL;
	struct vma *vma;

	rwlock_take_read(&space->lock);
	vma = space_find(space, address);
	if (vma && vma->handle &&
	    object_cut_undecided(vma->handle->object, vma_index_at(vma, address)
							      << PAGE_SHIFT)) {
		object = vma->handle->object;
		object_use(object);
	}
	rwlock_drop_read(&space->lock);
	if (!object)
		return false;
	object_await_cut(object);
	object_release(object);
	return true;
}

static bool segv(struct access_verdict *verdict, int code, uint64_t address)
{
	return access_refuse(verdict, SIGSEGV, code, address, -EFAULT);
}

static bool carry_on(const struct soft_context *context,
		     const struct soft_translation *seen, enum fault_step step,
		     uint64_t address, struct access_verdict *verdict)
{
	switch (step) {
	case FAULT_COPY:
		trace("copy on write", "0x%llx",
		      (unsigned long long)page_round_down(address));
		return soft_copy_on_write(context, page_round_down(address),
					  seen, verdict);
	case FAULT_MAPERR:
		if (!(seen->flags & SOFT_GUARD) &&
		    space_expand_stack(context->space, address) == 0)
			return true;
		return segv(verdict, SEGV_MAPERR, address);
	case FAULT_ACCERR:
		return segv(verdict, SEGV_ACCERR, address);
	case FAULT_PAST_END:
		if (soft_await_cut(context, address))
			return true;
		return access_refuse(verdict, SIGBUS, BUS_ADRERR, address,
				     -ENXIO);
	case FAULT_NO_TABLE:
		return access_refuse(verdict, SIGBUS, BUS_ADRERR, address,
				     -ENOMEM);
	case FAULT_DONE:
	default:
		return true;
	}
}

bool soft_fault(const struct soft_context *context, enum access_kind kind,
		uint64_t address, struct access_verdict *verdict)
{
	struct soft_translation seen = { .flags = 0 };
	struct space *space = context->space;
	enum fault_step step;

	/* For writing: a translation is looked at and then replaced. */
	rwlock_take_write(&space->lock);
	step = resolve(context, kind, page_round_down(address), &seen);
	if (step == FAULT_COPY && seen.flags & SOFT_PRIVATE)
		anon_hold(context->anon, seen.index);
	else if (step == FAULT_COPY && seen.owner)
		object_use(seen.owner);
	rwlock_drop_write(&space->lock);
	trace("page fault", "%s of 0x%llx: %s",
	      kind == ACCESS_STORE   ? "store"
	      : kind == ACCESS_FETCH ? "fetch"
				     : "load",
	      (unsigned long long)address,
	      step == FAULT_COPY       ? "copy on write"
	      : step == FAULT_DONE     ? "a translation is set"
	      : step == FAULT_PAST_END ? "past the object's end"
				       : "no");
	return carry_on(context, &seen, step, address, verdict);
}
