/* fault_private.h - what the files of fault/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_FAULT_PRIVATE_H
#define QUIRE_FAULT_FAULT_PRIVATE_H

#include "fault/fault.h"

/* What a fault that is in no trap thread's hands waits for. */
enum fault_wait {
	FAULT_WAITS_NOT,
	FAULT_WAITS_TIME,
	FAULT_WAITS_ROOM,     /* in the budget; also until a time */
	FAULT_WAITS_THROTTLE, /* for the dirty bound; also until a time */
};

struct fault {
	struct waiter waiter;
	struct list link; /* ready, or one of the handler's lists */
	struct fault_handler *handler;
	uint64_t address; /* of the page */
	bool write;
	bool shown;             /* mmu_trap.shown: of use in its first round */
	bool again;             /* a retry of a refused page: nobody waits */
	bool planned;           /* the reader's pattern was looked at */
	bool waited;            /* for a read of the page */
	bool wakened;           /* let go once for a page past the end */
	bool rested;            /* let others have their pages for a while */
	bool told;              /* that it is refused: counted, and logged */
	bool asked;             /* whether what it touched is unknown */
	bool trapped;           /* that more be trapped there */
	uint32_t lost;          /* times its page was not in the memfd */
	uint32_t reads;         /* that it began */
	uint64_t count;         /* pages to read */
	uint64_t install_pages; /* that may be shown from address on */
	enum fault_wait wait;
	uint64_t due_ns;     /* the time it waits for */
	uint64_t since_ns;   /* since when it has had no room */
	uint64_t began_ns;   /* its first round, if that did not end it */
	uint64_t progress;   /* of writes and evictions, then */
	uint64_t pause_ns;   /* before the next retry */
	int error;           /* why it is refused */
	uint64_t generation; /* of the space, when it was refused */
};

/* One round; the fault is done (and freed), parked, or waits. */
void fault_resolve(struct fault *fault);
/* On the thread that trapped, which may block for a read of the page.  True:
 * done; false: in other hands, to be waited for. */
bool fault_resolve_in_place(struct fault *fault);
/* A trap of this very thread; the same. */
bool fault_take_in_place(struct fault_handler *handler,
			 const struct mmu_trap *trap);

/* Takes read pins of the visible pages that follow each other; how many. */
uint64_t fault_pin_run(struct object *object, uint64_t index, uint64_t most);
/* Lets go of them after the mmu's call. */
void fault_drop_run(struct object *object, uint64_t index, uint64_t count);

/*
 * Write pins of pages right after index, most at most, that no store has come to
 * yet; how many.  They are let go of after the mmu's call.
 */
uint64_t fault_take_ahead(const struct fault *fault, struct object *object,
			  uint64_t index, uint64_t most);

struct fault *fault_create(struct fault_handler *handler, uint64_t address,
			   bool write);
void fault_destroy(struct fault *fault);

/* Puts it among those that any engine thread may take; then it is theirs. */
void fault_ready(struct fault *fault);

/* The trap threads sleep in poll() until the time they knew: wakes one. */
void fault_handler_kick(struct fault_handler *handler);

/* ---- waiting.c ---- */

/* Looks again in pause_ns. */
void fault_delay(struct fault *fault, uint64_t pause_ns);
/*
 * Parks for room in the budget.  False: try again at once.  *expired: there
 * was no room, and no progress, for too long.
 */
bool fault_wait_for_room(struct fault *fault, uint64_t sequence, bool *expired);
/* Parks for the dirty bound; as above. */
bool fault_wait_for_writer(struct fault *fault, const struct object *object,
			   bool *expired);
/* It found what it waited for. */
void fault_relieved(struct fault *fault);
/* Keeps a refused fault, to be tried again; it may be gone on return. */
void fault_keep_refused(struct fault *fault);
/* Is the page refused, with the space as it was then? */
bool fault_is_refused(struct fault_handler *handler, uint64_t address,
		      uint64_t generation);
/* Makes those ready whose time has come; how many ms until the next: -1. */
int fault_handler_tick(struct fault_handler *handler);

/* Takes all that wait back from where they are parked, and destroys them; but
 * for those that are just being woken. */
void fault_handler_forget(struct fault_handler *handler);

/* ---- lost.c ---- */

/*
 * The page is visible by its word, and not in the memfd: a process has punched
 * it.  True: the fault is in other hands now; false: another round.
 */
bool fault_restore(struct fault *fault, struct object *object, uint64_t index);

/* ---- verdict.c ---- */

/*
 * The page cannot be had, with that error: what the object's policy says.
 * absent: it has no bytes; else it has, and may not be stored to.
 */
void fault_verdict(struct fault *fault, struct object *object, uint64_t index,
		   int error, bool absent);
/* SIGBUS, whatever the policy. */
void fault_refuse(struct fault *fault, int error, bool absent);

#endif
