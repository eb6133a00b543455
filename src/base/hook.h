/* hook.h - places where a test may come in between */
/* SPDX-License-Identifier: MIT */
/*
 * The protocol of a page has windows of a few instructions, and what may
 * happen in them matters.  A debug build calls the test there, on the thread
 * that is in the window; any other build does nothing.
 */
#ifndef QUIRE_BASE_HOOK_H
#define QUIRE_BASE_HOOK_H

#include <stdint.h>

enum hook {
	HOOK_GRANT,         /* the write pin is held, the page not yet shown */
	HOOK_INSTALL,       /* the same with read pins */
	HOOK_REMEMBERED,    /* what it was is remembered, not yet DIRTY */
	HOOK_DIRTY,         /* CLEAN -> DIRTY, not yet in the set */
	HOOK_WRITE_BEGUN,   /* WRITING, not yet protected */
	HOOK_UNSTORED,      /* WRITING, foreseen: its bytes are as they were */
	HOOK_WRITE_GUARDED, /* protected, not yet copied */
	HOOK_WRITE_FAILED,  /* the write failed, nobody was told yet */
	HOOK_EVICT_BEGUN,   /* EVICTING, the memory still there */
	HOOK_EVICT_CHOSEN,  /* EVICTING, what is announced not yet looked at */
	HOOK_EVICTED,       /* the memory is gone, not yet ABSENT */
	HOOK_READ_BEGUN,    /* READING, the size not yet looked at */
	HOOK_READ_COME,     /* the bytes are here, not yet in memory */
	HOOK_FILL,          /* the place was compared, not yet filled */
	HOOK_READ_FILLED,   /* the bytes are in memory, not yet CLEAN */
	HOOK_PARK,          /* the state was looked at, nobody parked */
	HOOK_WAKE,          /* WAITERS was taken, nobody woken */
	HOOK_WORDS_GONE,    /* of an object that ends, its memory still there */
	HOOK_SIZE_STORED,   /* of a cut, the pages not yet looked at */
	HOOK_REFUSE,        /* the verdict is out, nothing done */
	/* Another process's pages are protected, what it did meanwhile not
	 * yet looked at. */
	HOOK_REMOTE_PROTECTED,
};

#ifdef QUIRE_DEBUG
/* thing: the page table; NULL and 0 where the place knows no page. */
typedef void hook_function(enum hook point, const void *thing, uint64_t index);

/* NULL: nobody.  Returns when no thread is in the old one any more. */
void hook_register(hook_function *function);
void hook_point(enum hook point, const void *thing, uint64_t index);
#else
static inline void hook_point(enum hook point, const void *thing,
			      uint64_t index)
{
	(void)point;
	(void)thing;
	(void)index;
}
#endif

#endif
