/* resolve.c - one round of a fault */
/* SPDX-License-Identifier: MIT */
/*
 * Under the space's read lock: find the VMA, compare, and
 *
 *                    | store, shared          | load, or private
 *   -----------------+------------------------+---------------------------
 *   visible          | write pin, grant       | read pins, install the run
 *   LODGED           | absent                 | shown already, or absent
 *   READING, EVICTING| park                   | park
 *   ABSENT, FAILED   | start a read, park     | start a read, park
 *   FAILED, waited   | verdict                | verdict
 *
 * The pins are held, and the lock is held, for as long as the mmu's call takes
 * (rules 1 and 10); what may evict or read is done after the lock is dropped.
 */
#include "fault/fault_private.h"

#include "os/memory.h"

#include <errno.h>

#define READS_BEFORE_REST 4
#define REST_NS UINT64_C(4000000) /* a thread gets to run meanwhile */
#define SOON_NS UINT64_C(1000000) /* the layout is changing: it takes so long */
#define LOST_TRIES 3 /* of a visible page that is not in the memfd */

/* What the locked part of a round found. */
enum step {
	STEP_DONE,
	STEP_AGAIN,    /* the page has changed: another round at once */
	STEP_SOON,     /* another round a little later */
	STEP_THROTTLE, /* too much is dirty */
	STEP_PAGE,    /* the page has no bytes: see to it, with object in use */
	STEP_REFUSED, /* it has none to store to */
	STEP_LOST,    /* it should have some, and has not */
	STEP_UNKNOWN, /* nothing is mapped there, for all we know */
	STEP_TRAP,    /* touches of the mapping are to be seen */
	STEP_LODGED,  /* its bytes are in another mapping */
};

struct place {
	uint64_t address;
	struct object *object;
	uint64_t index;
	bool shared;
	bool untrapped; /* for the most part */
	bool lodges;    /* what is filled is its own */
	bool to_trap;   /* and is not to be */
	bool filled;    /* what is read for it is shown as it comes, mostly */
	bool ahead;     /* what is behind it may be shown, too */
	uint64_t pages; /* from index to the end of the VMA */
	enum read_advice advice;
	bool may_block; /* this thread, for a read of the page */
};

static bool wants_grant(const struct fault *fault, const struct place *place)
{
	return fault->write && place->shared;
}

static enum step after_mmu(struct fault *fault, const struct place *place,
			   int error)
{
	switch (error) {
	case 0:
		return STEP_DONE;
	case -EFAULT: /* a cut has overtaken us: SIGBUS when it is through */
		if (place->index < object_pages(place->object) &&
		    ++fault->lost >= LOST_TRIES)
			return STEP_LOST;
		return STEP_SOON;
	case -EAGAIN:
		return STEP_SOON;
	case -ENOMEM: /* no page table */
		return STEP_SOON;
	default:
		/* Unmapped: whoever waits finds out for himself. */
		mmu_wake(fault->handler->mmu, fault->address, PAGE_SIZE);
		return STEP_DONE;
	}
}

/* Lets go of a page after the mmu's call. */
static void drop_pin(struct object *object, uint64_t index, bool write)
{
	page_word *word = object_word(object, index);
	bool free = write ? page_drop_wpin(word) : page_drop_rpin(word);

	if (free)
		cache_encourage(object_host(object)->cache);
}

static enum step grant(struct fault *fault, const struct place *place)
{
	struct object *object = place->object;
	page_word *word = object_word(object, place->index);
	enum page_taken taken;
	uint64_t count = 1;
	int error;

	if (object_is_zeroed(object, place->index))
		return STEP_REFUSED;
	if (word_state(atomic_load(word)) == PAGE_CLEAN &&
	    !object_discards(object) &&
	    writeback_over_bound(fault->handler->writeback, object))
		return STEP_THROTTLE;
	taken = object_take_wpin(object, place->index, !fault->waited);
	if (taken == PAGE_NOT_VISIBLE)
		return STEP_AGAIN;
	if (taken == PAGE_ZEROED)
		return STEP_REFUSED;
	if (taken == PAGE_PINS_FULL)
		return STEP_SOON;
	if (place->ahead && fault->lost == 0)
		count += fault_take_ahead(fault, object, place->index,
					  place->pages - 1);
	hook_point(HOOK_GRANT, object_table(object), place->index);
	/* Rule 11: store, then look. */
	error = place->index + count <= object_pages(object)
			? mmu_grant(fault->handler->mmu, fault->address,
				    count << PAGE_SHIFT,
				    fault->shown && !fault->began_ns)
			: -EAGAIN;
	while (count-- > 0)
		drop_pin(object, place->index + count, true);
	return after_mmu(fault, place, error);
}

uint64_t fault_pin_run(struct object *object, uint64_t index, uint64_t most)
{
	uint64_t count = 0;

	while (count < most &&
	       page_take_rpin(object_word(object, index + count), false) ==
		       PAGE_TAKEN)
		count++;
	return count;
}

void fault_drop_run(struct object *object, uint64_t index, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		drop_pin(object, index + i, false);
}

static enum step install(struct fault *fault, const struct place *place)
{
	struct object *object = place->object;
	uint64_t size = object_pages(object), count;
	uint64_t most = fault->install_pages;
	enum step step = STEP_SOON;

	if (size <= place->index)
		return STEP_SOON; /* cut since we looked */
	if (most > place->pages)
		most = place->pages;
	if (most > size - place->index)
		most = size - place->index;
	count = fault_pin_run(object, place->index, most);
	if (count == 0)
		return word_visible(
			       atomic_load(object_word(object, place->index)))
			       ? STEP_SOON
			       : /* its pins are all taken */
			       STEP_AGAIN;
	hook_point(HOOK_INSTALL, object_table(object), place->index);
	/* Rule 11: store, then look. */
	if (place->index + count <= object_pages(object))
		step = after_mmu(fault, place,
				 mmu_install(fault->handler->mmu,
					     fault->address,
					     count << PAGE_SHIFT,
					     place->shared && !place->lodges));
	fault_drop_run(object, place->index, count);
	return step;
}

static void count_touch(const struct fault *fault, const struct place *place,
			bool visible)
{
	struct object_host *host = fault->handler->host;
	struct object_counts *counts = object_counts(place->object);

	count_add(host->counters, visible ? COUNT_HITS : COUNT_MISSES, 1);
	/* relaxed: counts order nothing */
	atomic_fetch_add_explicit(visible ? &counts->hits : &counts->misses, 1,
				  memory_order_relaxed);
	if (visible && host->record)
		host->record(host->record_context, place->object, place->index,
			     1, OBJECT_TOUCHED);
}

/* Looks at the access pattern once a fault; asks for what comes next. */
static void plan(struct fault *fault, const struct place *place, bool visible,
		 struct read_plan *plan)
{
	object_plan_advised(place->object, place->index, place->advice,
			    place->filled, plan);
	fault->planned = true;
	fault->count = plan->count;
	fault->install_pages = plan->install_end - place->index;
	count_touch(fault, place, visible);
}

/*
 * What was read for the fault is shown by now, or, where the kernel shows what
 * is in memory by itself, will be by the next touch.  If it is not, that touch
 * is another fault, which has read nothing.
 */
static bool has_come(const struct fault *fault, const struct place *place)
{
	return (place->untrapped || place->filled) && fault->reads > 0 &&
	       !fault->again;
}

/* The space's read lock is held. */
static enum step show(struct fault *fault, const struct place *place,
		      bool visible)
{
	if (!visible)
		return STEP_PAGE;
	if (wants_grant(fault, place))
		return grant(fault, place);
	if (has_come(fault, place)) {
		mmu_wake(fault->handler->mmu, fault->address, PAGE_SIZE);
		return STEP_DONE;
	}
	return install(fault, place);
}

/*
 * It is shown already, or the program has dropped it; or it is another mapping's.
 * Then it is read anew: its bytes may not be touched here.
 */
static enum step see_lodged(const struct fault *fault,
			    const struct place *place)
{
	unsigned char there = 0;

	if (!has_come(fault, place) &&
	    (!place->lodges ||
	     memory_resident(fault->address, PAGE_SIZE, &there) || !there))
		return STEP_LODGED;
	mmu_wake(fault->handler->mmu, fault->address, PAGE_SIZE);
	return STEP_DONE;
}

static enum read_advice advice_of(const struct vma *vma)
{
	if (vma->flags & VM_RAND_READ)
		return READ_RANDOM;
	return vma->flags & VM_SEQ_READ ? READ_SEQUENTIAL : READ_AS_IT_COMES;
}

/* False: nothing is mapped there. */
static bool find_place(const struct fault *fault, struct place *place)
{
	struct vma *vma = space_find(fault->handler->space, fault->address);

	if (!vma)
		return false;
	place->address = fault->address;
	place->object = vma->handle->object;
	place->index = vma_index_at(vma, fault->address);
	place->shared = vma->mapping.shared;
	place->untrapped = vma->flags & VM_UNTRAPPED;
	place->lodges = vma->mapping.lodges;
	place->to_trap = vma_traps_too_little(vma);
	place->filled = vma->mapping.shared &&
			(!place->untrapped || place->lodges) && !fault->write &&
			mmu_fills(fault->handler->mmu);
	place->advice = advice_of(vma);
	place->ahead = place->advice != READ_RANDOM && !place->untrapped &&
		       !(vma->flags & VM_GUARDED);
	place->pages = (vma->mapping.end - fault->address) >> PAGE_SHIFT;
	return true;
}

/*
 * A page past the end traps only while the size is changing; the kernel itself
 * raises SIGBUS when it has.  So: wait a little, then let the thread see.
 */
static enum step past_end(struct fault *fault)
{
	if (!fault->wakened) {
		fault->wakened = true;
		return STEP_SOON;
	}
	mmu_wake(fault->handler->mmu, fault->address, PAGE_SIZE);
	/* The cut may be refused, and the refusal of the page still stand. */
	return fault->again ? STEP_REFUSED : STEP_DONE;
}

static enum step look(struct fault *fault, struct place *place,
		      struct read_plan *read_plan)
{
	uint64_t word;

	if (!find_place(fault, place))
		return STEP_UNKNOWN;
	if (place->index >= object_pages(place->object))
		return past_end(fault);
	if (place->to_trap && !fault->trapped)
		return STEP_TRAP;
	word = atomic_load(object_word(place->object, place->index));
	if (!fault->planned)
		plan(fault, place, word_resident(word), read_plan);
	if (word_state(word) == PAGE_LODGED)
		return see_lodged(fault, place);
	return show(fault, place, word_visible(word));
}

/* Parks on the page.  False: it has changed. */
static bool park(struct fault *fault, const struct place *place,
		 enum page_state state)
{
	struct object *object = place->object;

	fault->waited = state == PAGE_READING;
	count_add(fault->handler->host->counters, COUNT_PARKED, 1);
	return wait_park(&fault->handler->host->cache->waits,
			 object_table(object), place->index,
			 object_word(object, place->index), state,
			 &fault->waiter);
}

/*
 * Where there are more threads than pages each evicts what another has just
 * read.  A fault that had its page taken away again and again lets the others
 * use theirs before it takes one.
 */
static bool must_rest(struct fault *fault)
{
	if (fault->reads < READS_BEFORE_REST || fault->rested)
		return false;
	fault->rested = true;
	return true;
}

static int64_t begin_read(const struct fault *fault, const struct place *place,
			  uint64_t *sequence)
{
	const struct read_access access = {
		.address = place->filled ? fault->address : 0,
		.pages = fault->install_pages,
		.now = place->may_block && fault->count <= OBJECT_NOW_MOST,
	};

	return object_read_for(place->object, place->index, fault->count,
			       &access, sequence);
}

/* True: the fault is in other hands now. */
static bool start_read(struct fault *fault, const struct place *place)
{
	uint64_t sequence;
	bool expired;
	int64_t started;

	if (must_rest(fault)) {
		fault_delay(fault, REST_NS);
		return true;
	}
	started = begin_read(fault, place, &sequence);
	if (started > 0) {
		count_add(fault->handler->host->counters, COUNT_PAGES_AHEAD,
			  (uint64_t)started - 1);
		fault->waited = true; /* its end may be here already */
		fault->rested = false;
		fault->reads++;
	}
	if (started >= 0) {
		fault_relieved(fault);
		return false; /* next round parks on READING */
	}
	if (started == -ENXIO)
		return false;
	if (started != -EAGAIN) {
		fault_delay(fault, SOON_NS);
		return true;
	}
	if (fault_wait_for_room(fault, sequence, &expired))
		return true;
	if (!expired)
		return false;
	fault_verdict(fault, place->object, place->index, -ENOMEM, true);
	return true;
}

/* The page has no bytes.  True: the fault is in other hands now. */
static bool see_to_page(struct fault *fault, const struct place *place)
{
	enum page_state state = word_state(
		atomic_load(object_word(place->object, place->index)));

	switch (state) {
	case PAGE_FAILED:
		if (fault->waited) {
			fault_verdict(fault, place->object, place->index,
				      object_read_error(place->object,
							place->index),
				      true);
			return true;
		}
		return start_read(fault, place);
	case PAGE_ABSENT:
		return start_read(fault, place);
	case PAGE_READING:
	case PAGE_EVICTING:
		return park(fault, place, state);
	default:
		return false;
	}
}

static bool throttle(struct fault *fault, const struct place *place)
{
	bool expired;

	if (fault_wait_for_writer(fault, place->object, &expired))
		return true;
	if (!expired)
		return false;
	/* Only what is not shown can be refused there. */
	if (fault->handler->mmu->remote)
		object_drop_clean(place->object, place->index, 1);
	fault_verdict(fault, place->object, place->index, -EIO, false);
	return true;
}

/*
 * Who handles the space may know better; if not, whoever waits finds out for
 * himself.  True: in other hands, or done.
 */
static bool see_to_unknown(struct fault *fault)
{
	struct fault_handler *handler = fault->handler;

	if (handler->unknown && !fault->again && !fault->asked) {
		fault->asked = true;
		if (handler->unknown(handler->unknown_context, fault->address))
			return false;
		/* He would be here again at once, and so on. */
		fault_delay(fault, SOON_NS);
		return true;
	}
	mmu_wake(handler->mmu, fault->address, PAGE_SIZE);
	fault_destroy(fault);
	return true;
}

/* Somebody has waited for the page, and has it. */
static void count_stall(const struct fault *fault, struct object *object)
{
	struct object_host *host = fault->handler->host;
	uint64_t waited = clock_now_ns() - fault->began_ns;

	atomic_fetch_add_explicit(&object_counts(object)->stalled_ns, waited,
				  memory_order_relaxed); /* only a count */
	if (host->stalled)
		host->stalled(host->record_context, object, waited);
}

/* What is done without the space's lock.  True: in other hands, or done. */
static bool carry_on(struct fault *fault, const struct place *place,
		     enum step step)
{
	if (step != STEP_DONE && !fault->began_ns)
		fault->began_ns = clock_now_ns();
	switch (step) {
	case STEP_DONE:
		if (fault->began_ns && !fault->again && place->object)
			count_stall(fault, place->object);
		fault_destroy(fault);
		return true;
	case STEP_SOON:
		fault_delay(fault, SOON_NS);
		return true;
	case STEP_THROTTLE:
		return throttle(fault, place);
	case STEP_PAGE:
		return see_to_page(fault, place);
	case STEP_REFUSED:
		fault_refuse(fault,
			     object_read_error(place->object, place->index),
			     false);
		return true;
	case STEP_LOST:
		return fault_restore(fault, place->object, place->index);
	case STEP_UNKNOWN:
		return see_to_unknown(fault);
	case STEP_LODGED:
		object_drop_lodged(place->object, place->index);
		return false;
	case STEP_TRAP: /* if not now, then with another fault */
		fault->trapped = true;
		(void)space_trap_all(fault->handler->space, fault->address);
		return false;
	case STEP_AGAIN:
	default:
		return false;
	}
}

/* The fault may be gone by now. */
static void follow_plan(const struct place *place, const struct read_plan *plan)
{
	uint64_t address = 0;

	if (place->filled)
		address = place->address +
			  ((plan->ahead_index - place->index) << PAGE_SHIFT);
	object_follow_plan(place->object, plan, address);
}

/* True: done; false: in other hands. */
static bool resolve(struct fault *fault, bool may_block)
{
	struct space *space = fault->handler->space;
	bool out_of_hands = false;
	enum step step = STEP_AGAIN;

	while (!out_of_hands) {
		struct read_plan ahead = { .ahead_count = 0 };
		struct place place = { .object = NULL, .may_block = may_block };

		rwlock_take_read(&space->lock);
		step = look(fault, &place, &ahead);
		if (place.object)
			object_use(place.object);
		rwlock_drop_read(&space->lock);
		out_of_hands = carry_on(fault, &place, step);
		/* After the page in hand was asked for. */
		if (ahead.ahead_count)
			follow_plan(&place, &ahead);
		if (place.object)
			object_release(place.object);
	}
	return step == STEP_DONE;
}

void fault_resolve(struct fault *fault)
{
	resolve(fault, false);
}

bool fault_resolve_in_place(struct fault *fault)
{
	return resolve(fault, true);
}
