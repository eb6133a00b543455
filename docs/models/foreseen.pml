/* foreseen.pml - a page that is DIRTY before a store has come */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/object/foreseen.c, dirty.c and refresh.c, src/fault/stores_ahead.c and
 * resolve.c (trap), src/writeback/run.c and sync.c.  What a page's life is otherwise
 * page.pml has; here writes succeed, and a page is one value.
 *
 * One page, in memory and in the store, and one slot, which another page may want.
 * 0 and 1 are what this process stores, 2 what another writes into the store.
 *
 *   stored   somebody has stored, trapped or had a pin since the page was CLEAN: it
 *            may be written home
 *   owed     ... and must be: what was stored last is not there
 *
 *   parts      -DCOPIES    copies into the page
 *              -DFLUSHER   somebody else writes it home as well
 *              -DSLOTS     another page wants the slot
 *              -DBESIDE    another process writes into the store: we are told of it (a
 *                          foreign write), or, once, not
 *
 *   mistakes   each puts one back; spin must then find an error
 *     V_PIN       a write pin leaves the page foreseen
 *     V_REFRESH   what the store has is copied in, and the page stays so  (BESIDE)
 *     V_NOTLOOKED msync finds by its copy alone that it was stored to, and leaves it
 *     V_EARLY     the look before it is protected decides
 *     V_STAYS     what has been stored to stays foreseen
 *     V_KEPTFIRST what it has is kept, then it becomes DIRTY
 *     V_KEPTLATE  its writer looks without waiting for what is kept       (BESIDE)
 *     V_TAKEN     who wants the slot takes it from a page to which nobody has
 *                 stored                                          (SLOTS, BESIDE)
 */

#define CLEAN    0
#define DIRTY    1
#define WRITING  2

#define RUBBISH  3              /* in a slot that is not filled */

/* ---- the word ---- */
byte st = CLEAN;
bit  foreseen;
bit  redirtied;
byte wpins;

/* ---- the world ---- */
bit  rw;                        /* a store goes through */
byte mem;
byte home;
byte last;                      /* what was stored last, or refreshed */
byte kept = RUBBISH;            /* in the slot */
bit  dirty_lock;
bit  slots_lock;
bit  stored;
bit  owed;
bit  stores;                    /* since the msync began another has come */
bit  untold;                    /* another has written, and we do not know */
bit  listed;                    /* a foreign write: nobody writes the page home */

#define LOCK(lock)   atomic { !lock -> lock = 1 }
#define UNLOCK(lock) lock = 0

inline take_wpin()
{
	d_step {
#ifndef V_PIN
		foreseen = 0;
#endif
		if
		:: st == CLEAN -> st = DIRTY
		:: else
		fi;
		wpins++;
		stored = 1;
		owed = 1;
		stores = 1
	}
}

inline drop_wpin()
{
	d_step {
		wpins--;
		if
		:: st == WRITING -> redirtied = 1
		:: else
		fi
	}
}

inline end_write(good)
{
	d_step {
		if
		:: good && !redirtied && wpins == 0 ->
			st = CLEAN;
			foreseen = 0;
			assert(!rw);
			assert(!owed || home == last);  /* no store is lost */
			owed = 0;
			stored = 0
		:: else -> st = DIRTY
		fi;
		redirtied = 0
	}
}

/* object_is_unstored() */
inline look(unstored)
{
	if
	:: atomic { foreseen && copy == kept -> unstored = 1 }
	:: atomic { !foreseen || copy != kept ->
		unstored = 0;
#ifndef V_STAYS
		foreseen = 0;
#endif
	   }
	fi
}

/* batch_write(), of a page that was seen DIRTY. */
inline write_back()
{
	atomic {
		if
		:: st == DIRTY && !listed ->
			st = WRITING;
			redirtied = 0;
			as_foreseen = foreseen;
			pinned = wpins > 0;
			begun = 1
		:: else -> begun = 0
		fi
	}
#ifndef V_NOTLOOKED
	if
	:: begun && as_foreseen ->
#ifndef V_KEPTLATE
		LOCK(dirty_lock);
		UNLOCK(dirty_lock);
#endif
		copy = mem;
		look(as_foreseen)
	:: else
	fi;
#endif
	if
	:: begun ->
		if
		:: !pinned -> rw = 0
		:: else
		fi;
#ifdef V_EARLY
		if
		:: !as_foreseen -> copy = mem
		:: else
		fi;
#else
		copy = mem;
#endif
		if
		:: as_foreseen ->
			look(as_foreseen);
			end_write(as_foreseen)
		:: else ->
			d_step {
				/* Others' bytes are not written over for nothing. */
				assert(stored);
				home = copy
			}
			end_write(1)
		fi
	:: else
	fi
}

/* A store of the program's: by a translation, or by a trap and a translation. */
inline store(v)
{
	if
	:: atomic {
		rw ->
		mem = v;
		last = v;
		stored = 1;
		/* Where somebody has written whom we were not told of, a page that
		 * has again what it had is one that nobody has stored to. */
		owed = !(untold && foreseen && v == kept);
		stores = 1
	   }
	:: atomic { !rw -> take_wpin() }
		rw = 1;
		drop_wpin()
	fi
}

active proctype program()
{
	do
	:: store(0)
	:: store(1)
	od
}

/* The row has got to the page before: object_foresee(), then the grant. */
active proctype ahead()
{
	bit taken;

	do
	:: LOCK(slots_lock);
		if
		/* The slot is this page's, or free. */
		:: atomic { !(foreseen && st != CLEAN) -> kept = RUBBISH }
#ifdef V_KEPTFIRST
			kept = mem;
#endif
			LOCK(dirty_lock);
			atomic {
				taken = st == CLEAN;
				if
				:: taken ->
					st = DIRTY;
					foreseen = 1;
					wpins++
				:: else
				fi
			}
#ifndef V_KEPTFIRST
			if
			:: taken -> kept = mem
			:: else
			fi;
#endif
			UNLOCK(dirty_lock);
			UNLOCK(slots_lock);
			if
			:: taken ->
				rw = 1;
				drop_wpin()
			:: else
			fi
		:: else -> UNLOCK(slots_lock)
		fi
	od
}

#ifdef SLOTS
/* Another page wants the slot: find_slot(); what it keeps there is rubbish here. */
active proctype other()
{
	byte seen;

	do
	:: LOCK(slots_lock);
		seen = mem;
		if
		:: atomic { foreseen && st == DIRTY && seen != kept ->
			foreseen = 0 }
			kept = RUBBISH
#ifdef V_TAKEN
		:: atomic { foreseen && st == DIRTY -> foreseen = 0 }
			kept = RUBBISH
#endif
		:: atomic { !(foreseen && st != CLEAN) -> kept = RUBBISH }
		:: else
		fi;
		UNLOCK(slots_lock)
	od
}
#endif

#ifdef COPIES
/* A copy into the page: by the library's functions. */
active proctype copier()
{
	do
	:: take_wpin();
		d_step { mem = 0; last = 0; stores = 1 };
		drop_wpin()
	:: take_wpin();
		d_step { mem = 1; last = 1; stores = 1 };
		drop_wpin()
	od
}

#endif

#ifdef FLUSHER
active proctype flusher()
{
	bit as_foreseen, pinned, begun;
	byte copy;

	do
	:: st == DIRTY -> write_back()
	od
}

#endif

/* What was stored before the call is home after it. */
active proctype msync()
{
	bit as_foreseen, pinned, begun, done;
	byte copy;

	do
	:: stores = 0;
		done = 0;
		do
		:: done -> break
		:: else ->
			if
			:: st == DIRTY && !listed ->
				write_back();
				done = begun
			:: st == WRITING -> st != WRITING
			:: st == CLEAN -> done = 1
			fi
		od;
		assert(stores || !owed || home == last)
	od
}

#ifdef BESIDE
active proctype another()
{
	do
	/* Nobody is told. */
	:: atomic { !stored -> untold = 1; home = 2; break }
	/* We are: listed, written, copied in where it is in memory. */
	:: atomic {
		!listed && st != WRITING -> listed = 1;
	   }
		d_step { home = 2; stores = 1 };
		LOCK(dirty_lock);
		d_step {
#ifndef V_REFRESH
			foreseen = 0;
#endif
			mem = 2;
			last = 2;
			stores = 1;
			/* If it was foreseen it goes home now. */
			stored = (st == CLEAN -> stored : 1)
		};
		UNLOCK(dirty_lock);
		listed = 0
	od
}
#endif
