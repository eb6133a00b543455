/* object_private.h - what the files of object/ share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OBJECT_OBJECT_PRIVATE_H
#define QUIRE_OBJECT_OBJECT_PRIVATE_H

#include "object/object.h"

/* What of a sum is a stream's, while that generation counts. */
struct ahead_part {
	uint64_t amount;
	uint32_t generation;
};

/* A reader who comes in equal steps, as far as it can be told. */
struct stream {
	int64_t step;    /* pages; 0: there is none */
	uint64_t last;   /* the page where it was seen last */
	uint64_t asked;  /* steps from there that were asked for */
	uint64_t mark;   /* a touch so many on asks for the next window */
	uint64_t window; /* steps */
	uint64_t newest; /* of those asked for, in the last window */
	bool shown;      /* as it comes, but for the first page of each */
	uint64_t come;   /* shown ones up to this page are read */
	enum read_advice advice; /* of who was seen last */
	uint64_t used;          /* when, by the object's own clock of touches */
	struct ahead_part held; /* of the share of all */
	struct ahead_part counted; /* among the streams */
};

/* Pages that could not be read whose error is known. */
#define READ_ERRORS_KEPT 64

#define STREAMS 32
#define MISSES 64 /* remembered: of eight readers at once eight each */

struct object {
	struct list link; /* [registry] */
	uint32_t handles; /* [registry] */
	bool ending;      /* [registry] somebody sees to its end */
	_Atomic uint32_t users;
	struct object_host *host;            /* [I] */
	struct object_parameters parameters; /* [I] but for size */
	struct pager *pager;                 /* [I] reads */
	_Atomic(struct pager *) writer; /* the same, or a later one; or NULL */
	int memory;                     /* [I] memfd */
	void *window;                   /* [I] of capacity bytes */
	/* The same, for reading only: what pins read through.  Made by the first
	 * of them; the window itself where addresses are short. */
	_Atomic(void *) view;
	struct page_table table;
	_Atomic uint64_t size; /* changed under resize_lock */
	/* What I/O must bring along: the size, or, while a cut may still be
	 * refused, what it was before. */
	_Atomic uint64_t extent;
	_Atomic uint64_t cuts_refused;
	/* What a discard is taking, half open; end 0: there is none.  Stored
	 * under resize_lock, looked at by whoever begins to read. */
	_Atomic uint64_t discard_start;
	_Atomic uint64_t discard_end;
	/* A cut or a discard is under way, and may yet be refused. */
	_Atomic bool unsettled;
	struct lock resize_lock;

	/* Stored under the lock, looked at by whoever begins to write. */
	_Atomic unsigned foreign_count;
	struct lock foreign_lock;       /* LOCK_RANK_OBJECT */
	struct list foreign;            /* [foreign_lock] of foreign_write */
	struct condition foreign_ended; /* with foreign_lock */
	/* Writes of whole pages between their swaps to READING and to DIRTY:
	 * counted before they look at the list. */
	_Atomic unsigned putting;
	/* Goes up when somebody begins to remember, and when pages get other
	 * bytes while they are not dirty; looked at by who dirties a page. */
	_Atomic uint64_t foreign_changes;

	struct lock watch_lock;    /* LOCK_RANK_OBJECT */
	struct write_watch *watch; /* [watch_lock] or NULL */
	unsigned watching;         /* [watch_lock] calls between the two */
	struct condition watched;  /* with watch_lock */

	struct lock mappings_lock;
	struct list mappings; /* [mappings_lock] */
	/* Pages LODGED, or EVICTING and not out of their mapping yet. */
	_Atomic uint64_t lodged;

	struct lock dirty_lock;
	struct kept_record *record;   /* [I] NULL: it does not last */
	int record_memory;            /* [I] its memfd */
	struct bitmap dirty;          /* [dirty_lock] DIRTY or WRITING pages */
	_Atomic uint64_t dirty_count; /* stored to under dirty_lock */
	_Atomic unsigned stuck;       /* the same */
	uint64_t flush_start;         /* the flusher's */

	struct lock flush_lock;          /* who makes durable */
	struct bitmap written;           /* [dirty_lock] since the last flush */
	struct bitmap flushing;          /* [flush_lock] before it */
	_Atomic uint64_t flushes;        /* begun; changed under flush_lock */
	int flush_error;                 /* [flush_lock] of the last failure */
	_Atomic uint64_t flush_failures; /* changed under flush_lock */

	struct lock lock;
	struct stream streams[STREAMS]; /* [lock] */
	uint64_t touches;               /* [lock] */
	uint64_t miss[MISSES];          /* [lock] pages, in a ring */
	uint64_t misses;                /* [lock] that ever were in it */
	uint64_t ahead_used;            /* [lock] pages, of late */
	uint64_t ahead_unused;          /* [lock] that died unused meanwhile */
	_Atomic bool streaming;         /* there has been a stream */

	struct lock locked_lock; /* LOCK_RANK_OBJECT */
	_Atomic bool locks;      /* the bitmap is there; stays so */
	void *locked_bits;       /* [locked_lock] its memory */
	struct bitmap locked;    /* [locked_lock] pages that are to stay */
	_Atomic uint64_t locked_count; /* changed under locked_lock */

	struct object_counts counts;
	_Atomic uint64_t *shown_dirty; /* [dirty_lock] NULL: none */

	/* Of reads that failed, the last one at each place: see read.c. */
	_Atomic uint64_t read_errors[READ_ERRORS_KEPT];
	_Atomic uint32_t
		single_reads; /* to make one page at a time: a run failed */
	_Atomic uint32_t single_writes;
	_Atomic int error;            /* the last that holders must be told */
	_Atomic(const char *) failed; /* "written" or "read" */
	_Atomic uint64_t errors;      /* how many */
	_Atomic uint64_t logged_ns;   /* when the log was told last */
};

static inline uint64_t pages_of(uint64_t bytes)
{
	return (bytes >> PAGE_SHIFT) + ((bytes & PAGE_MASK) != 0);
}

/* Takes one from a count of things to do singly; false: it was zero. */
static inline bool take_one(_Atomic uint32_t *count)
{
	uint32_t left = atomic_load(count);

	while (left > 0)
		if (atomic_compare_exchange_weak(count, &left, left - 1))
			return true;
	return false;
}

/* A store that is gone fails each page: one line a second is enough. */
bool object_may_log(struct object *object);
/* As object_read_ahead(), of a stream's window: shown from address on, but for
 * its first page; 0: not at all. */
uint64_t object_read_window(struct object *object, uint64_t index,
			    uint64_t count, uint64_t address);
void object_reads_init(struct object_host *host);
/*
 * -> READING: as many pages as it can win of those that are charged, up to the
 * size, and to what is being discarded; gives the others back.
 */
uint64_t object_begin_run(struct object *object, uint64_t index,
			  uint64_t count);
/* READING -> CLEAN, FAILED or ABSENT; wakes when all is done and given back. */
void object_end_run(struct object *object, uint64_t index, uint64_t count,
		    enum page_state state);

/* ---- what is written whole: whole.c ---- */

/* How many of the pages from index on so many bytes fill, the last one of the
 * object up to its end. */
uint64_t object_whole(const struct object *object, uint64_t index,
		      uint64_t length);
/* How many are not in memory, nor coming or going. */
uint64_t object_absent(const struct object *object, uint64_t index,
		       uint64_t count);
/*
 * Whole pages that are not in memory become these bytes, and DIRTY, without a
 * read.  length: up to the object's end, and of its last page zeros follow.
 * How many bytes; 0: the first page is not absent any more; or a negative errno,
 * and nothing has changed.  -EBUSY: it must be read, as others are about to
 * change it.  Blocks, with nothing held.
 */
int64_t object_put(struct object *object, uint64_t index, uint64_t length,
		   const void *bytes);
/* As object_hold(), but of these pages none is read.  1: one of them is absent. */
int object_hold_but(struct object *object, uint64_t index, uint64_t count,
		    bool write, const struct page_span *whole);
/* READING -> DIRTY, the bytes are in memory.  Wakes. */
void object_come_dirty(struct object *object, uint64_t index, uint64_t count);

/* The addresses of those of the pages that the mapping has; false: none. */
bool mapping_clip(const struct mapping *mapping, uint64_t index, uint64_t count,
		  struct mapping *part);

/* ---- what lasts: kept.c ---- */

/* There is one if the object is to last. */
int object_init_record(struct object *object);
void object_finish_record(struct object *object);
/* Memory for the bitmap of dirty pages, in the record. */
void *object_record_bits(const struct object *object);
/* The size, and the capacity, that the record has. */
int object_read_record(struct object_parameters *parameters);
/* For who takes over: pages below are the object's bytes, or not there. */
void object_record_size(struct object *object, uint64_t size);

/* Punches a hole: the memory and every translation of the pages goes. */
int object_punch(struct object *object, uint64_t index, uint64_t count);
/* A page that was cut off, and was dirty, has nothing to write any more. */
void object_forget_dirty(struct object *object, uint64_t index);
/* So many are DIRTY, and in the set, which nobody has counted. */
void object_found_dirty(struct object *object, uint64_t count);

/* ---- foreseen.c ---- */

/* CLEAN pages become DIRTY with write pins, foreseen, with slots side by side; bytes
 * are what they have.  How many: up to what is something else, or fewer. */
unsigned dirty_take_foreseen(struct object *object, uint64_t index,
			     unsigned most, unsigned slot, void *bytes);
/* The object is about to end. */
void foreseen_forget(struct object *object);

/* ---- foreign.c; foreign_lock is held ---- */

/* Is it of any of these pages?  And its first one. */
bool object_foreign_covers(const struct foreign_write *write, uint64_t index,
			   uint64_t count, uint64_t *first);
/* One that stands, and is idle, is NONE. */
void object_foreign_revoke(const struct foreign_write *write);

/* ---- remembered.c ---- */

/* Takes dirty_lock; the page, if it is CLEAN, is remembered by who asked. */
void object_lock_dirty(struct object *object, uint64_t index);
/* => it is listed no more, or foreign_lock is held */
void object_foreign_forget(struct foreign_write *write);
/* Waits for reads, writes and evictions of the page to end: its word then.  It
 * is not LODGED: such a page is dropped. */
uint64_t object_settle(struct object *object, uint64_t index);
/* For pages in READING that are about to become CLEAN. */
void object_lock_incoming(struct object *object, uint64_t index,
			  uint64_t count);
void object_forget_locked(struct object *object);
/* How many of [index, index+count) a read may have: up to a discard. */
uint64_t object_before_discard(const struct object *object, uint64_t index,
			       uint64_t count);
enum store_cut {
	STORE_CUT,
	STORE_IS_CUT,    /* by others */
	STORE_TAKE_BACK, /* if nobody has made it longer since */
};

/* As object_resize() to less, and nothing is refused yet: the resize lock is
 * held. */
int object_shrink(struct object *object, uint64_t size, enum store_cut cut);
/*
 * As object_resize() to more: the store is that long, and was so long before,
 * which it becomes again if this fails.  More than the object: by others, and
 * behind the old end stands what they wrote.
 */
int object_grow(struct object *object, uint64_t size, uint64_t before);
/* What is in memory of the page that the old end lies in, from there up to size,
 * becomes what the store has: as object_refresh(), but the holders are told of
 * no error.  The resize lock is held, and the extent is the new one. */
int object_refresh_tail(struct object *object, uint64_t old, uint64_t size);
/* Counts pages that come, before they are CLEAN; that go, in EVICTING. */
void object_count_come(struct object *object, uint64_t count);
void object_count_gone(struct object *object, uint64_t count);
/* They are out of their mapping, and not LODGED any more. */
static inline void object_count_lodged_gone(struct object *object,
					    uint64_t count)
{
	atomic_fetch_sub(&object->lodged, count);
}

/* ---- reading ahead: pattern.c, ahead.c; under object->lock ---- */

/*
 * A miss that no stream expected.  The step, -64 to 64, of a reader who has
 * come in a row of at least so many links and will go on; 0: there is none.
 */
int64_t pattern_step(struct object *object, uint64_t index,
		     unsigned links_least);
/* The widest window that it may have beside the others. */
uint64_t stream_window_most(struct object *object, const struct stream *stream);
/* How many of so many pages the stream may ask for beyond stream->asked. */
uint64_t stream_may_ask(struct object *object, const struct stream *stream,
			uint64_t pages);
/* It has so many of the share of all now. */
void stream_hold(struct object *object, struct stream *stream, uint64_t pages);
void stream_end(struct object *object, struct stream *stream);
void ahead_used(struct object *object, uint64_t pages);
/* The pages from index to end that are there, or coming, are used without a
 * trap. */
void ahead_reached(struct object *object, uint64_t index, uint64_t end);
/* 0 to 3: how much of what was read ahead of late died unused. */
unsigned ahead_caution(const struct object *object);
/* The pages are EVICTING, and their bytes are gone.  Takes object->lock. */
void ahead_gone(struct object *object, uint64_t index, uint64_t count);
/* Pages that a plan had shown as they come are read, the first of them mapped at
 * address; before their bytes are put into memory.  Starts what a reader who
 * waits for them will need next.  Never blocks. */
void object_window_come(struct object *object, uint64_t index, uint64_t count,
			uint64_t address);

/* The object ends. */
void ahead_finish(struct object *object);

/* Of who waits for the budget. */
struct budget_wait {
	uint64_t sequence;    /* what the charge that got nothing said */
	uint64_t progress;    /* of the host, when the deadline was set */
	uint64_t deadline_ns; /* 0: not yet */
};

/*
 * Until so many pages may have room.  -ENOMEM, and said so: for too long without
 * any progress.  Blocks, with nothing held.
 */
int object_await_budget(struct object *object, uint64_t count,
			struct budget_wait *wait);
/* Waits for the discard under way to end.  Blocks. */
void object_await_discard(struct object *object);
/*
 * Takes every page from index on out of memory, dirty or not; waits for what
 * is under way.  No page there is pinned, or will be.
 */
void object_drop_pages(struct object *object, uint64_t index);

#endif
