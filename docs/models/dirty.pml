/* dirty.pml - the set of dirty pages: what msync and the flusher look at */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/object/dirty.c, writeback/sync.c and flusher.c, page/word.c.
 *
 * One page, its word, and its bit in the set of dirty pages.  dirty_lock joins
 * the swap CLEAN -> DIRTY with entering the set, and the end of a write with
 * leaving it.  Two writers take write pins, store and let go; writer 1 then
 * calls msync, which scans the set alone.  A flusher writes neighbours' runs:
 * it begins from the word, without a look at the set.  A cutter takes the page
 * out of memory, dirty or not.  An absent page is read in again, or written
 * whole: READING, then DIRTY.
 *
 * Values are relative, as in page.pml: home[h] is 1 when the store holds the
 * last value that writer h stored.
 *
 *   mistakes
 *     V_MARKLATE   the swap to DIRTY is made before dirty_lock is taken
 *     V_MARKAFTER  the page enters the set after the store
 *     V_LEAVELATE  a written page leaves the set after its swap to CLEAN,
 *                  without the lock in between
 *     V_WORDONLY   msync skips a page whose word it finds WRITING
 *     V_CUTBIT     a cut leaves the page in the set
 *     V_PUTLATE    a page that is written whole is DIRTY before dirty_lock is
 *                  taken
 */
#define ABSENT   0
#define CLEAN    1
#define DIRTY    2
#define WRITING  3
#define EVICTING 4
#define READING  5

byte st = CLEAN;
bit  redirtied;
byte wpins;
bit  set;               /* the bit of the page */
byte count;             /* object->dirty_count */
bit  lock;              /* dirty_lock */
bit  home[2] = 1;
bit  owed[2];
bit  stop;

inline take_lock() { atomic { !lock -> lock = 1 } }
inline drop_lock() { lock = 0 }

inline mark()
{
	d_step { assert(!set); set = 1; count++ }
}

/* object_take_wpin().  0: the page has no bytes. */
inline take_wpin(taken, dirtied)
{
	taken = 0; dirtied = 0;
#ifdef V_MARKLATE
	atomic {
		if
		:: st == CLEAN -> st = DIRTY; wpins++; taken = 1; dirtied = 1
		:: st == DIRTY || st == WRITING -> wpins++; taken = 1
		:: else
		fi
	};
	if :: dirtied -> take_lock(); mark(); drop_lock() :: else fi
#else
	if                                      /* without the lock */
	:: atomic { (st == DIRTY || st == WRITING) -> wpins++; taken = 1 }
	:: st == CLEAN ->                       /* PAGE_IS_CLEAN: once more, with it */
		take_lock();
		atomic {
			if
			:: st == CLEAN -> st = DIRTY; wpins++; taken = 1; dirtied = 1
			:: st == DIRTY || st == WRITING -> wpins++; taken = 1
			:: else
			fi
		};
#ifndef V_MARKAFTER
		if :: dirtied -> mark() :: else fi;
#endif
		drop_lock()
	:: st == ABSENT || st == EVICTING || st == READING
	fi
#endif
}

/* object_put(): READING, and the bytes are there. */
inline put()
{
#ifdef V_PUTLATE
	d_step { st = DIRTY; home[me] = 0 };
	take_lock();
#else
	take_lock();
	d_step { st = DIRTY; home[me] = 0 };
#endif
	mark();
	drop_lock()
}

inline drop_wpin()
{
	d_step {
		assert(wpins > 0 && (st == DIRTY || st == WRITING));
		wpins--;
		if :: st == WRITING -> redirtied = 1 :: else fi
	}
}

/* DIRTY -> WRITING, the copy, object_end_write(). */
inline write_page(won)
{
	won = 0;
	atomic { if :: st == DIRTY -> st = WRITING; redirtied = 0; won = 1 :: else fi };
	mine = won;
	if
	:: won ->
		/* Stores of writers without a pin would trap: there are none here. */
		d_step { home[0] = 1; owed[0] = 0 };
		d_step { home[1] = 1; owed[1] = 0 };
#ifdef V_LEAVELATE
		atomic {
			if
			:: redirtied || wpins > 0 -> st = DIRTY
			:: else -> st = CLEAN; won = 0
			fi;
			redirtied = 0
		};
		if
		:: !won -> take_lock(); d_step { set = 0; count-- }; drop_lock()
		:: else
		fi
#else
		take_lock();
		atomic {
			if
			:: redirtied || wpins > 0 -> st = DIRTY
			:: else -> st = CLEAN; won = 0
			fi;
			redirtied = 0
		};
		if
		:: !won -> d_step { assert(set); set = 0; count-- }
		:: else
		fi;
		drop_lock()
#endif
	:: else
	fi
}

/* writeback_sync(): the pages that the set has, no others. */
inline sync()
{
	d_step { owed[0] = !home[0]; owed[1] = !home[1] };
	take_lock(); found = set; drop_lock();
	do
	:: !found -> break
	:: found && st == DIRTY ->
		write_page(won);
		if :: mine -> break :: else fi
	:: found && st == WRITING ->
#ifdef V_WORDONLY
		break
#else
		(st != WRITING)                 /* perhaps begun before us: look again */
#endif
	:: found && (st == CLEAN || st == ABSENT || st == EVICTING || st == READING) -> break
	od;
	atomic {
		assert(!owed[0] && !owed[1]);
		owed[0] = 0; owed[1] = 0; found = 0; won = 0; mine = 0
	}
}

proctype writer(bit me)
{
	bit taken, dirtied, found, won, mine;
	do
	:: !stop ->
		take_wpin(taken, dirtied);
		if
		:: taken ->
			d_step { assert(st == DIRTY || st == WRITING); home[me] = 0 };
#ifdef V_MARKAFTER
			if :: dirtied -> take_lock(); mark(); drop_lock() :: else fi;
#endif
			drop_wpin();
			if :: me == 1 -> sync() :: else fi
		:: atomic { !taken && st == ABSENT -> st = CLEAN }       /* read in again */
		:: atomic { !taken && st == ABSENT -> st = READING };
			put();
			if :: me == 1 -> sync() :: else fi
		:: !taken && st != ABSENT
		fi;
		d_step { taken = 0; dirtied = 0 }
	:: stop -> break
	od
}

/* A run goes on from a neighbour as long as the words say DIRTY. */
proctype flusher()
{
	bit won, mine;
end:	do
	:: st == DIRTY -> write_page(won); d_step { won = 0; mine = 0 }
	od
}

/* drop_page() of object.c: the bytes are void, so nothing is owed any more. */
proctype cutter()
{
	bit dirty;
	do
	:: atomic {
		(st == CLEAN || st == DIRTY) && wpins == 0 ->
		dirty = (st == DIRTY); st = EVICTING;
		home[0] = 1; home[1] = 1; owed[0] = 0; owed[1] = 0 };
#ifndef V_CUTBIT
		if :: dirty -> take_lock(); d_step { assert(set); set = 0; count-- }; drop_lock() :: else fi;
#endif
		d_step { st = ABSENT; dirty = 0 }
	:: stop -> break
	od
}

proctype judge()
{
	stop = 1;
	timeout ->
	d_step {
		assert(st == CLEAN || st == ABSENT);    /* a dirty page is always found */
		assert(!lock && wpins == 0);
		assert(set == 0 && count == 0);         /* and a clean one never */
		assert(home[0] && home[1])
	}
}

init { atomic { run writer(0); run writer(1); run flusher(); run cutter(); run judge() } }
