/* object.h - something that can be mapped: bytes by offset, page by page */
/* SPDX-License-Identifier: MIT */
/*
 * Two things.  A struct object is the bytes: one for each thing that is open
 * in an engine, however often it was opened.  A struct quire_object is a
 * handle on it: what the holder may do, and which errors he was told.
 */
#ifndef QUIRE_OBJECT_OBJECT_H
#define QUIRE_OBJECT_OBJECT_H

#include "base/base.h"
#include "object/foreseen.h"
#include "object/foreign.h"
#include "object/mapping.h"
#include "object/readahead.h"
#include "page/cache.h"
#include "pager/pager.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct object;

/* ---- handles ---- */

struct quire_object {
	_Atomic uint32_t references; /* the user's and each VMA's */
	struct object *object;       /* [I] */
	bool readable;               /* [I] */
	bool writable;               /* [I] */
	uint32_t flags;              /* [I] HANDLE_... */
	uint32_t huge_shift;         /* [I] of its pages; 0: ordinary ones */
	const struct handle_hooks *hooks; /* [I] NULL: none */
	/* Whose name reports show, if not this one's: it is held, too.  Frames
	 * of one object that are mapped in another's name. */
	struct quire_object *shown;  /* [I] */
	_Atomic(struct pins *) pins; /* the engine's; NULL: none was taken yet */
	_Atomic uint64_t errors_seen;
	_Atomic uint32_t dying; /* unmapped parts, not discarded yet */
	/* Called when the last reference is gone; may block. */
	int (*last_drop)(struct quire_object *handle); /* [I] the engine's */
};

/* What a handle does not allow: the values of QUIRE_OBJECT_... */
#define HANDLE_NOEXEC 0x1u
#define HANDLE_APPEND_ONLY 0x2u
#define HANDLE_SEAL_WRITE 0x4u
#define HANDLE_SEAL_FUTURE_WRITE 0x8u
#define HANDLE_BUSY 0x10u
#define HANDLE_UNMAPPABLE 0x20u
/* Our own. */
#define HANDLE_ZERO 0x10000u           /* /dev/zero */
#define HANDLE_NO_LAST_OFFSET 0x20000u /* a device's offsets have no end */

/* What a mapping in the making may be changed to by its object's own hooks;
 * called under the space's write lock, must not block. */
struct handle_area {
	uint64_t address;
	uint64_t length;
	int prot;
	int flags;
	uint64_t offset;
	struct quire_object *frames; /* out: shown in place of the object */
	uint64_t frames_offset;
};

struct handle_hooks {
	/* NULL: none.  0 or a negative errno. */
	int (*place)(struct quire_object *handle,
		     const struct handle_area *area, uint64_t *address);
	int (*map)(struct quire_object *handle, struct handle_area *area);
};

static inline void handle_take(struct quire_object *handle)
{
	/* relaxed: the caller holds one already */
	atomic_fetch_add_explicit(&handle->references, 1, memory_order_relaxed);
}

/*
 * May block (the last one writes back): never under a lock.  The error of a
 * write that this handle was not told of; 0 if others still hold it.
 */
int handle_drop(struct quire_object *handle);

/* The error of writes that failed since the last call, once; 0 if none did. */
int handle_report_error(struct quire_object *handle);

/* ---- the house of all objects of an engine ---- */

struct object_registry {
	struct lock lock;      /* LOCK_RANK_REGISTRY */
	struct condition idle; /* some object's last user has gone */
	struct list objects;   /* [lock] */
};

/* What object_host.record() is told of. */
enum object_record {
	OBJECT_TOUCHED, /* an access that trapped, and found the page */
	OBJECT_READ,
	OBJECT_WRITTEN,
	OBJECT_EVICTED,
};

#define OBJECT_READ_MOST 256 /* pages: the largest staging buffer */

struct object_fill {
	const void *bytes;
	uint64_t address; /* 0: wherever they are mapped */
	bool touched;     /* somebody waits for them */
	/* Out: they lie in the mapping's own memory, and are LODGED; who waits
	 * for each is to be woken. */
	bool lodged;
	bool waiters[OBJECT_READ_MOST];
};

/* What the objects of an engine share, and what they call upwards. */
struct object_host {
	struct cache *cache;
	struct counters *counters;
	const struct log *log;
	struct staging_pool staging;
	_Atomic uint64_t got_home; /* pages that a write left CLEAN */
	struct ahead_share ahead;
	struct foreseen foreseen;
	struct pool reads;
	/* End the long reads in place of a ring's thread.  Theirs alone: no
	 * thread that may block waits in front.  NULL: who ends a read does. */
	struct worker_pool *copiers;
	struct object_registry registry;
	uint64_t full_wait_ns; /* for the budget, without any progress */
	/* A page became dirty; called under a pin: must not block. */
	void (*dirtied)(void *context);
	/* Waits while too much is dirty for more of the object's to become so;
	 * called with nothing held. */
	int (*throttle)(void *context, const struct object *object);
	/* The object was cut at page index: private copies of what lay behind
	 * go, too, where the page table is our own (the kernel does it by
	 * itself).  Called under the resize lock; NULL: there are none. */
	void (*cut)(void *context, struct object *object, uint64_t index);
	/* Puts the bytes of pages that are READING into memory by showing them;
	 * how many, from index on.  Nothing is held; must not block.  NULL:
	 * nobody can. */
	uint64_t (*fill)(void *context, struct object *object, uint64_t index,
			 uint64_t count, struct object_fill *fill);
	/* Pages that were announced have come, and may be shown before they
	 * are touched.  Nothing is held; must not block.  NULL: nobody can. */
	void (*arrived)(void *context, struct object *object, uint64_t index,
			uint64_t count);
	/* Pages of the object were touched, read, ...: on whatever thread,
	 * with locks held; must not block.  NULL: nobody wants to know. */
	void (*record)(void *context, struct object *object, uint64_t index,
		       uint64_t count, enum object_record what);
	/* An access waited so long for its page; as record(). */
	void (*stalled)(void *context, struct object *object, uint64_t ns);
	void *record_context;
	/* True if the range may trap. */
	bool (*managed)(void *context, const void *address, size_t length);
	/* memcpy, where to or from may trap: an error in place of a signal. */
	int (*copy)(void *context, void *to, const void *from, size_t length,
		    bool to_managed);
	void *context;
};

void object_host_init(struct object_host *host, struct cache *cache,
		      struct counters *counters, const struct log *log);
void object_host_finish(struct object_host *host);
/* Grows whenever a page left memory or got home. */
uint64_t object_host_progress(const struct object_host *host);

/* ---- objects ---- */

enum object_error_policy {
	OBJECT_ERROR_SIGNAL,
	OBJECT_ERROR_ZERO,
	OBJECT_ERROR_WAIT,
	OBJECT_ERROR_CALLBACK,
};

/* What reports show of an object; device and inode 0: it is no file. */
struct object_identity {
	const char *name; /* path or URI; lives as long as the object */
	uint64_t device;  /* as st_dev */
	uint64_t inode;
};

/*
 * What of an object outlasts its process, if another one holds it, too: the
 * memory, and a record of what is dirty, of its size and capacity.
 */
struct object_kept {
	int memory;
	int record;
};

struct object_parameters {
	struct object_identity identity; /* the name is copied */
	bool lasting;                    /* object_kept() has its record */
	/* The object goes on from what an earlier process has left, and then
	 * object_adopt() comes first; the descriptors remain the caller's.
	 * size and capacity are those of the record.  NULL: it is new. */
	const struct object_kept *kept;
	uint64_t size;
	uint64_t capacity;       /* bytes it may grow to, if there are so many
				    addresses; */
	uint64_t least_capacity; /* else less, but not below this */
	uint64_t readahead;      /* pages at most */
	bool discard;            /* dirty pages need not go home at the end */
	enum object_error_policy error_policy;
	enum object_error_policy (*error_function)(void *context,
						   uint64_t offset, int error);
	void *error_context;
};

/*
 * Takes the pager over (also when it fails).  The object is in the registry,
 * with one handle counted.  -ENOMEM, -EMFILE, -EFBIG.
 */
int object_create(struct object_host *host,
		  const struct object_parameters *parameters,
		  struct pager *pager, struct object **object);
/*
 * The first call for an object of kept memory.  What was dirty is so again, and
 * charged, within the budget or not; what was not is dropped, from whatever
 * shows it, refusals of pages as well.  Nothing of it is written until
 * object_foreign_end(hold), which comes also if this fails; and the store may
 * have another size by now (object_follow_size()).  0 or a negative errno.
 */
int object_adopt(struct object *object, struct foreign_write *hold);
/* Of a lasting object; the descriptors remain its own. */
void object_kept(const struct object *object, struct object_kept *kept);
/* The object that shows this file, one handle more; NULL: there is none. */
struct object *object_lookup(struct object_host *host, uint64_t device,
			     uint64_t inode);
/* One handle less.  True: it was the last, and the caller sees to its end:
 * writes back and calls object_end(). */
bool object_drop_handle(struct object *object);
/* True: it has no handle, nobody sees to its end, and the caller does now. */
bool object_orphan(struct object *object);
/*
 * Ends the object, unless a handle has come, or dirty pages remain that must
 * not be lost (lose: they may).  Waits for its other users.  Blocks.  False:
 * it lives on.
 */
bool object_end(struct object *object, bool lose);
/* One after the other; each comes with a user that object_release() drops. */
struct object *object_next(struct object_host *host, struct object *previous);

/* A user keeps the object alive for a while; whoever calls holds a handle,
 * a mapping under the space's lock, or a user already. */
void object_use(struct object *object);
void object_release(struct object *object);

const struct object_identity *object_identity(const struct object *object);
/* Before anybody else knows the object: which device and inode reports show. */
void object_set_identity(struct object *object, uint64_t device,
			 uint64_t inode);
int object_memory(const struct object *object);    /* its memfd */
uint64_t object_size(const struct object *object); /* bytes, now */
bool object_writable(const struct object *object);
bool object_discards(const struct object *object);
struct object_host *object_host(const struct object *object);
/* The one that writes, flushes and resizes; NULL: read-only. */
struct pager *object_writer(const struct object *object);
/*
 * A file that was opened for reading only is opened for writing as well: takes
 * the pager over, if there is no writer yet.
 */
void object_set_writer(struct object *object, struct pager *pager);
struct page_table *object_table(struct object *object);
page_word *object_word(const struct object *object, uint64_t index);
uint64_t object_capacity(const struct object *object);

/* Pages that the object has a byte of. */
uint64_t object_pages(const struct object *object);

/* What to do about a page that cannot be had: never CALLBACK. */
enum object_error_policy object_decide(struct object *object, uint64_t index,
				       int error);

/* ---- reading ---- */

/*
 * Starts to read up to count pages from index on, as far as they are absent.
 * Never blocks.  Returns how many; 0: the first one is not absent any more;
 * -EAGAIN: no room in the budget (*sequence for cache_starve()); -ENXIO: past
 * the end; -EBUSY: it is being discarded, again in a while; -ENOMEM.
 */
int64_t object_start_read(struct object *object, uint64_t index, uint64_t count,
			  uint64_t *sequence);
/* More pages than this are read while the first of them are in use already. */
#define OBJECT_NOW_MOST 16
/*
 * The same for a caller who waits for the pages anyway: where the store can,
 * this thread reads them itself, and they have come when this returns.  Blocks,
 * with nothing held but pins.
 */
int64_t object_read_now(struct object *object, uint64_t index, uint64_t count,
			uint64_t *sequence);
/* Who waits for a page that is mapped. */
struct read_access {
	uint64_t address; /* there; 0: nothing is to be shown by the read */
	uint64_t pages;   /* from there on that may be shown */
	bool now; /* as object_read_now(); else as object_start_read() */
};

/* The same for an access: what comes is shown by the very step that puts it into
 * the memory, where that can be. */
int64_t object_read_for(struct object *object, uint64_t index, uint64_t count,
			const struct read_access *access, uint64_t *sequence);
/* Starts all that is absent in the range, ahead of need; how many pages. */
uint64_t object_read_ahead(struct object *object, uint64_t index,
			   uint64_t count);
/* The same of pages that will be touched soon, by whoever maps them: they are
 * shown to him as they come, and need no trap. */
uint64_t object_read_announced(struct object *object, uint64_t index,
			       uint64_t count);
/* Of the page's last read that failed; -EIO for what the store cannot mean, and
 * when it is forgotten for other pages that failed since. */
int object_read_error(const struct object *object, uint64_t index);

/* Zeros in place of a page that could not be read: it must not be stored to
 * (object_is_zeroed()) until a read succeeds.  As object_start_read(). */
int object_zero_page(struct object *object, uint64_t index, uint64_t *sequence);
bool object_is_zeroed(const struct object *object, uint64_t index);

/* ---- holding pages ---- */

/*
 * Pins [index, index+count), for writing too if write; reads what is absent.
 * Blocks, with nothing held.  -ENXIO, -ENOMEM, -EAGAIN, the store's error.
 */
int object_hold(struct object *object, uint64_t index, uint64_t count,
		bool write);
/* A read pin of one page, if that is in memory now.  Never blocks, counts no
 * hit. */
bool object_hold_resident(struct object *object, uint64_t index);
void object_let_go(struct object *object, uint64_t index, uint64_t count,
		   bool write);
/* A write pin (rule 2); the page is among the dirty ones then.  TAKEN,
 * NOT_VISIBLE or PINS_FULL. */
enum page_taken object_take_wpin(struct object *object, uint64_t index,
				 bool referenced);
/* How many pages right before index are to go home, most at most: so many stores
 * have come one after the other. */
uint64_t object_stores_before(struct object *object, uint64_t index,
			      uint64_t most);
/*
 * Write pins of CLEAN pages from index on, before a store comes, most at most; how
 * many: 0 also where it would have to wait.  Never blocks.  *spent: there were too
 * few slots; those of pages that nobody stores to are given back by a flush.
 */
uint64_t object_foresee(struct object *object, uint64_t index, uint64_t most,
			bool *spent);
/* Nobody has stored there by now.  What has been stored to is not foreseen
 * afterwards. */
bool object_is_foreseen(struct object *object, uint64_t index);
/* Pages that were foreseen are not any more: slots may be looked for again. */
void object_free_slots(struct object *object);
void *object_window(const struct object *object, uint64_t offset);
/* The same for who only reads: cheaper to give up. */
const void *object_view(struct object *object, uint64_t offset);
/* What a read pin of a page in memory needs, and nothing else: all of it stays
 * as it is until the object ends. */
struct object_face {
	const page_word *words;       /* of all pages up to the capacity */
	const _Atomic uint64_t *size; /* bytes */
	const char *view;             /* of byte 0: object_view() */
};
/* From now on pins may be announced (page/hazard.h). */
void object_face(struct object *object, struct object_face *face);

/* Bytes moved, short at the end of the object; or a negative errno. */
int64_t object_copy_out(struct object *object, void *buffer, uint64_t length,
			uint64_t offset);
int64_t object_copy_in(struct object *object, const void *buffer,
		       uint64_t length, uint64_t offset);
/* As object_copy_in() of zeros. */
int64_t object_zero(struct object *object, uint64_t length, uint64_t offset);

/* ---- the store's size, changed by somebody else ---- */

/*
 * The store has another size: so has the object, and the store is not asked
 * for anything.  Pages behind a smaller end go, dirty or not; bytes behind the
 * old end are the store's.  Blocks.  -EFBIG: it is larger than the capacity,
 * which is the object's size then.  The store's error; -EBUSY: pinned;
 * -EOPNOTSUPP: scratch: the size is the old one.
 */
int object_follow_size(struct object *object);

/* ---- what happened to an object ---- */

/* Since it was made, but for what is named "now".  Pages are of 4 KiB. */
struct object_counts {
	_Atomic uint64_t hits;   /* accesses that found the page */
	_Atomic uint64_t misses; /* ... that did not */
	_Atomic uint64_t reads;  /* requests */
	_Atomic uint64_t pages_read;
	_Atomic uint64_t pages_ahead_unused; /* left memory, never shown */
	_Atomic uint64_t writes;             /* requests */
	_Atomic uint64_t pages_written;
	_Atomic uint64_t evictions; /* pages */
	_Atomic uint64_t resident;  /* pages now */
	_Atomic uint64_t resident_peak;
	_Atomic uint64_t stalled_ns; /* accesses that had to wait, together */
};

/* Where they are counted; lives as long as the object. */
struct object_counts *object_counts(struct object *object);
/* Of them: it moves as pages get home. */
uint64_t object_pages_written(const struct object *object);

static inline void object_count(_Atomic uint64_t *count, uint64_t amount)
{
	/* relaxed: counts order nothing */
	atomic_fetch_add_explicit(count, amount, memory_order_relaxed);
}

/* Tells host->record(), if there is one. */
void object_happened(struct object *object, uint64_t index, uint64_t count,
		     enum object_record what);
/* Where the number of pages that the store does not have yet (DIRTY, WRITING)
 * is shown at every moment, besides: before the first store to a page can be,
 * until after all of them are home.  NULL: no more. */
void object_show_dirty(struct object *object, _Atomic uint64_t *shown);

/*
 * Told before pages are written to the store and after, on threads that may
 * block, with no lock held; both each time, and several at once.
 */
struct write_watch {
	void (*begin)(struct write_watch *watch);
	void (*end)(struct write_watch *watch);
};

/* NULL: nobody any more; waits until each begin had its end. */
void object_watch_writes(struct object *object, struct write_watch *watch);

/* ---- for write-back ---- */

/* Around what it does to one object; what begin gives is for end. */
struct write_watch *object_writes_begin(struct object *object);
void object_writes_end(struct object *object, struct write_watch *watch);

/* The first page >= index that may be DIRTY or WRITING, or BITMAP_NONE. */
uint64_t object_next_dirty(struct object *object, uint64_t index);
/* How many pages from index on follow each other there; at most most. */
uint64_t object_dirty_run(struct object *object, uint64_t index, uint64_t most);
uint64_t object_dirty_pages(struct object *object);
/* The same without a lock: what it was lately. */
uint64_t object_dirty_count(const struct object *object);
/* What was dirty was tried.  all: all of it got home, or was stored to meanwhile;
 * else the object is stuck, until the next try, or nothing is dirty.  next: the
 * page that the next try begins with.  Both for the flusher alone. */
void object_flushed(struct object *object, bool all, uint64_t next);
uint64_t object_flush_start(const struct object *object);
/* How often in a row; 0: it is not stuck. */
unsigned object_stuck(const struct object *object);
/*
 * Of pages that are WRITING and foreseen: how many are as the first one, to which
 * somebody has stored (they are not foreseen any more), or has not.
 */
uint64_t object_look_at_foreseen(struct object *object, uint64_t index,
				 uint64_t count, struct staging *staging,
				 bool *unstored);
/* The same of one, of which bytes is a copy. */
bool object_is_unstored(struct object *object, uint64_t index,
			const void *bytes);
/* What was true of all pages that a write was begun of, at their swap. */
struct page_begun {
	bool pinned;   /* a write pin was held: they need no protection */
	bool foreseen; /* perhaps nobody has stored there */
};

/*
 * DIRTY -> WRITING for pages from index on that follow each other; how many.
 * 0: the first is not DIRTY, or somebody else changes it in the store.
 */
uint64_t object_begin_write(struct object *object, uint64_t index,
			    uint64_t most, struct page_begun *begun);
/* Ends a write (rule 3) and wakes; true if the page is CLEAN now. */
bool object_end_write(struct object *object, uint64_t index, bool good);
/* The same for a page to which nobody has stored: nothing was written. */
bool object_end_unstored(struct object *object, uint64_t index);
/* Pages that follow each other. */
struct page_span {
	uint64_t index;
	uint64_t count;
};

/* When it returns 0 no store to the pages of the runs, which are in order, goes
 * through without a trap; one to what lies between them may trap, too. */
int object_write_protect(struct object *object, const struct page_span *runs,
			 unsigned count);
/*
 * Makes durable what was written home.  Where it fails, what was written since
 * the flush before is DIRTY again, as far as it is in memory, and the error is
 * recorded.  failures: as object_flush_failures() had it before the caller's
 * pages were written; one that came since may have been theirs, and is his
 * error, too.  Blocks.
 */
int object_flush(struct object *object, uint64_t failures);
uint64_t object_flush_failures(const struct object *object);
/* How many failures there were: what a new handle need not be told. */
uint64_t object_errors(const struct object *object);
/* Something failed: every handle will be told, once.  what: "written". */
void object_record_error(struct object *object, int error, const char *what);
/* A run of writes failed as a whole: the next ones are made singly. */
void object_write_singly(struct object *object, uint64_t count);
bool object_writes_singly(struct object *object);

/*
 * While the store has not yet agreed to a cut, the size is the new one and may
 * become the old one again.  A write that ended at end then was too short.
 */
bool object_cut_undecided(const struct object *object, uint64_t end);
/* How many cuts were refused; await: after one that is under way.  Blocks. */
uint64_t object_cuts_refused(const struct object *object);
uint64_t object_await_cut(struct object *object);
/* The size; if a byte before end is about to be cut off, then after that was
 * agreed to or refused.  Blocks, with nothing held. */
uint64_t object_await_size(struct object *object, uint64_t end);

/* ---- changing the size; all block ---- */

/* Growing: behind the old end stands what others have made the store longer by,
 * then zeros.  After an error nothing has changed. */
int object_resize(struct object *object, uint64_t size);
int object_allocate(struct object *object, uint64_t offset, uint64_t length);
/* *offset: where the bytes went: the end of the object, or of the store, if that
 * is longer; as long the object may be after an error, which is told whatever
 * becomes of undoing it: where that fails, too, object and store are longer. */
int object_append(struct object *object, const void *bytes, uint64_t length,
		  uint64_t *offset);
/* Drops clean pages of the range that nobody pins or locks: they will be read
 * anew.  drop_clean: how many there were.  invalidate: none stays that was read
 * before the call, or on its way; short pins are waited for. */
void object_invalidate(struct object *object, uint64_t index, uint64_t count);
uint64_t object_drop_clean(struct object *object, uint64_t index,
			   uint64_t count);

/* ---- pages that are not wanted, or that must stay ---- */

/*
 * When it returns 0 the pages read as zeros until they are stored to again,
 * whoever maps or pins them: memory and translations are gone, nothing of them
 * will be written, and the store has none of their bytes.  What stays pinned is
 * zeroed where it is.  Pages past the end are passed over.  Costs what is in
 * memory or in the store, not what the range is long.
 * -EOPNOTSUPP, -EACCES: nothing has changed.  Another error, of the store:
 * each page is zeros, or what it was.
 * Blocks, with no lock held.
 */
int object_discard(struct object *object, uint64_t index, uint64_t count);
/*
 * Dirty pages without pins need not go home any more: unless they are stored
 * to again they become zeros some time.  Does nothing where that is not cheap:
 * but for scratch.  Never waits for a page.
 */
void object_free_lazily(struct object *object, uint64_t index, uint64_t count);
/* Reclaim looks at these first; nothing else changes. */
void object_deactivate(struct object *object, uint64_t index, uint64_t count);

/*
 * Locked pages leave memory only when they are cut off, discarded, or the
 * object ends; those that are absent are locked when they come.  Not counted:
 * whoever unlocks knows that nobody else has the page locked.  -ENOMEM: nothing
 * has changed.  Any thread, never block; under no lock below LOCK_RANK_OBJECT.
 */
int object_lock_pages(struct object *object, uint64_t index, uint64_t count);
void object_unlock_pages(struct object *object, uint64_t index, uint64_t count);
uint64_t object_locked_pages(const struct object *object);
/* The page's bytes are in memory now. */
bool object_page_resident(const struct object *object, uint64_t index);

#endif
