/* foreign.h - bytes of the store that somebody else changes */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_FOREIGN_H
#define QUIRE_OBJECT_FOREIGN_H

#include "base/base.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct object;

/* A change of the store's bytes past the object (write(2) by its client). */
struct foreign_write {
	struct list link;
	uint64_t index; /* pages [index, index + count) */
	uint64_t count;
	_Atomic uint64_t *word; /* [foreign_lock] NULL: it does not stand */
	bool remembers;         /* the object's own, as what follows */
	struct list remembered; /* what pages were, one each */
	unsigned remembered_count;
};

/*
 * From begin's return to end no write-back of the pages is under way or
 * begins: one that is asked for (msync) waits for the end, the flusher passes
 * them over.  They may be read, stored to, and leave if they are clean.  Begin
 * waits for writes only; several at once are no error, of one thread neither.
 * So end must never wait for somebody who syncs: threads that run both must not
 * all be syncing.
 */
void object_foreign_begin(struct object *object, struct foreign_write *write,
			  uint64_t index, uint64_t count);
/* The two halves of begin; only the second one blocks. */
void object_foreign_list(struct object *object, struct foreign_write *write,
			 uint64_t index, uint64_t count);
void object_foreign_await(struct object *object,
			  const struct foreign_write *write);
void object_foreign_end(struct object *object, struct foreign_write *write);
/*
 * From here to the end it is remembered what a CLEAN page of the range was when
 * it became dirty, of a few hundred at most.  What is dirty now is so already
 * for object_next_dirty().
 */
void object_foreign_remember(struct object *object,
			     struct foreign_write *write);
/* The page's bytes then.  False: not known. */
bool object_foreign_recall(struct object *object,
			   const struct foreign_write *write, uint64_t index,
			   void *bytes);

/*
 * A write that *stands* is one after the other, and nobody need be asked before
 * each.  Its word, in memory that the client shares, says what is under way:
 *
 *	FOREIGN_NONE    nothing; and the client may not begin
 *	FOREIGN_IDLE    nothing
 *	otherwise       so many pages (the low 16 bits), the first of which
 *	                is that (the others)
 *
 * The client takes it from IDLE to pages, by itself; all else is done here.
 * Where it is IDLE nothing of the object is dirty: whoever is about to dirty a
 * page makes it NONE first.  So what is under way has begun when nothing was
 * being written home, and keeps its pages from that as any foreign write does.
 */
#define FOREIGN_NONE UINT64_C(0)
#define FOREIGN_IDLE UINT64_C(0xffff)

static inline bool foreign_is_active(const struct foreign_write *write)
{
	uint64_t word = atomic_load(write->word);

	return word != FOREIGN_NONE && word != FOREIGN_IDLE;
}

/* The write, listed, of which memory has followed all: it stands, and is of no
 * page until its word says so.  False: something is dirty.  Never blocks. */
bool object_foreign_stand(struct object *object, struct foreign_write *write,
			  _Atomic uint64_t *word);
/* It stands no more, unless it is active: false. */
bool object_foreign_retire(struct object *object, struct foreign_write *write);
/* One as any from now on, of the pages of its word, which is NONE. */
void object_foreign_stop(struct object *object, struct foreign_write *write);

/* Is there any such page? */
bool object_foreign_remembers_any(struct object *object,
				  const struct foreign_write *write);

/* How many of [index, index+count) a write-back may have: up to the first page
 * that somebody else is changing in the store. */
uint64_t object_before_foreign(struct object *object, uint64_t index,
			       uint64_t count);
/* Waits until nobody else changes the page in the store.  Blocks. */
void object_await_foreign(struct object *object, uint64_t index);
/*
 * The store's bytes [offset, +length) are new: what is in memory follows.
 * Reads under way end first.  Clean pages go; what cannot (dirty, pinned,
 * locked) gets those bytes, and is as dirty as it was.  Within a foreign write
 * or without: no write-back of the pages is under way meanwhile.  What lies
 * past the object's end, or the store's, is passed over.  Blocks.  0, or the
 * first error of the store, which the holders are told as well; bytes in
 * memory are as they were where it failed.
 */
int object_refresh(struct object *object, uint64_t offset, uint64_t length);
/*
 * The same within a foreign write of the bytes, for what is clean, which stays.
 * fetch gives the bytes that the store has now, from offset's page on, while
 * nothing else refreshes: what it gave before that might be older than memory.
 * Never blocks, if fetch does not.  False: it could not be done without, or
 * fetch gave NULL; some of it may be.
 */
bool object_refresh_at_once(struct object *object, uint64_t offset,
			    uint64_t length,
			    const void *(*fetch)(void *context), void *context);
/* The same as object_refresh() for pages that are clean, which stay if they are few; what is dirty
 * is left as it is. */
int object_refresh_clean(struct object *object, uint64_t offset,
			 uint64_t length);

#endif
