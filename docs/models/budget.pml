/* budget.pml - waiting for room in the budget, and for the dirty bound */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/page/cache.c and reclaim.c (cache_charge, cache_starve,
 * cache_unstarve, cache_encourage, cache_uncharge); with -DBOUND, to
 * writeback/throttle.c.  The question: can somebody sleep for ever beside what
 * he waits for, or be in two hands at once?
 *
 * Budget.  ROOM slots.  A slot is free, or holds a page that is a victim
 * (CLEAN, no pins), is leaving (EVICTING), or stays (pinned, DIRTY, READING).
 * A holder pins and unpins its pages, and gives some back whole (a cut, a read
 * that failed).  Two newcomers want a slot each, use it and let go of it.  That
 * the sequence has moved since it was noted is the bit stale, so that nothing
 * is counted.
 *
 * Bound.  Two writers park while as many pages are dirty as may be; a flusher
 * lowers the count, then wakes; with -DCUT a cut lowers it, and tells nobody.
 * With -DSTUCK each writer has an object of his own, with a page dirty already
 * that is all of the bound for both; the store of the second one's takes nothing
 * until the first writer is done.
 *
 *   parts      -DROOM=n  slots (1)   -DCLOCK  a parked one is taken back when
 *                                            its time has come
 *   mistakes
 *     V_NOLOOK     no second look after saying hungry
 *     V_LATENOTE   the sequence is noted after the second look
 *     V_NOCOMPARE  parks without comparing the sequence
 *     V_SAMESEQ    encouraging clears hungry and does not move the sequence
 *     V_EARLYLOOK  looks at hungry before the page becomes a victim
 *     V_NOTELL     a page given back wakes nobody
 *     V_TWOHANDS   the clock takes one that is being woken   (CLOCK)
 *     V_BLIND      parks without looking at the bound again  (BOUND)
 *     V_WAKEFIRST  wakes, then lowers the count              (BOUND)
 *     V_NOCLOCK    waits for the bound without a clock       (BOUND, CUT)
 *     V_BOUNDONLY  an object with nothing dirty waits, too   (BOUND, STUCK)
 *     V_ROOMONLY   wakes only where there is room            (BOUND, STUCK)
 */
#ifndef ROOM
#define ROOM 1
#endif

bit parked[2];          /* in the queue: waiter->place says so */
bit taken[2];           /* out of the queue, wake() to come */
bit woken[2];           /* wake() was called */
bit stop;

/* All leave the queue in one critical section... */
inline take_all(w0, w1)
{
	w0 = parked[0]; taken[0] = taken[0] | w0; parked[0] = 0;
	w1 = parked[1]; taken[1] = taken[1] | w1; parked[1] = 0
}

/* ... and are woken one by one, with no lock held. */
inline wake_all(w0, w1)
{
	d_step { if :: w0 -> assert(taken[0]); taken[0] = 0; woken[0] = 1 :: else fi; w0 = 0 };
	d_step { if :: w1 -> assert(taken[1]); taken[1] = 0; woken[1] = 1 :: else fi; w1 = 0 }
}

/* Sleeps; the clock takes back under the queue's lock (cache_unstarve, writeback_unpark). */
inline sleep(me)
{
	if
	:: atomic { woken[me] -> woken[me] = 0 }
#ifdef CLOCK
	:: atomic { parked[me] -> parked[me] = 0 }
#ifdef V_TWOHANDS
	:: taken[me]
#endif
#endif
	fi
}

#ifndef BOUND
/* ============================ the budget ============================ */

#define FREE    0
#define VICTIM  1
#define LEAVING 2
#define STAYS   3               /* the holder's */
#define USED    4               /* a newcomer's */

byte slot[ROOM] = STAYS;
bit  hungry;
bit  stale[2];          /* the sequence has moved since me noted it */
byte done;

inline take_starving(w0, w1)
{
#ifndef V_SAMESEQ
	stale[0] = 1; stale[1] = 1;
#endif
	hungry = 0;
	take_all(w0, w1)
}

inline encourage(w0, w1)
{
	if
	:: hungry -> d_step { take_starving(w0, w1) }; wake_all(w0, w1)
	:: else
	fi
}

inline uncharge(s, w0, w1)
{
#ifdef V_NOTELL
	slot[s] = FREE
#else
	d_step { slot[s] = FREE; take_starving(w0, w1) };
	wake_all(w0, w1)
#endif
}

/* The page becomes a victim (a swap of its word), then the one who did it looks at hungry. */
inline let_go(s, w0, w1)
{
#ifdef V_EARLYLOOK
	encourage(w0, w1);
	slot[s] = VICTIM
#else
	slot[s] = VICTIM;
	encourage(w0, w1)
#endif
}

inline find(s, what, then)
{
	atomic {
		s = 0;
		do
		:: s < ROOM && slot[s] == what -> slot[s] = then; break
		:: s < ROOM && slot[s] != what -> s++
		:: s == ROOM -> break
		od
	}
}

/* cache_reclaim(), then try_charge(): s is the slot, or ROOM. */
inline look(s, w0, w1)
{
	find(s, VICTIM, LEAVING);
	if :: s < ROOM -> uncharge(s, w0, w1) :: else fi;
	find(s, FREE, USED)
}

proctype newcomer(bit me)
{
	byte s; bit w0, w1;

again:	assert(!parked[me] && !taken[me] && !woken[me]);        /* in these hands only */
	look(s, w0, w1);
	if :: s < ROOM -> goto use :: else fi;
#ifdef V_LATENOTE
	hungry = 1;
#else
	d_step { stale[me] = 0; hungry = 1 };
#endif
#ifndef V_NOLOOK
	look(s, w0, w1);
	if :: s < ROOM -> goto use :: else fi;
#endif
#ifdef V_LATENOTE
	stale[me] = 0;
#endif
	atomic {
		if
#ifdef V_NOCOMPARE
		:: true -> parked[me] = 1
#else
		:: !stale[me] -> parked[me] = 1
		:: else -> goto again
#endif
		fi
	};
	sleep(me);
	goto again;
use:	let_go(s, w0, w1);
	done++
}

proctype holder()
{
	byte s; bit w0, w1;
	byte mine = ROOM;               /* slots that are its own and stay */
	do
	:: mine > 0 && !stop ->
		find(s, STAYS, STAYS);
		if
		:: let_go(s, w0, w1); mine--
		:: uncharge(s, w0, w1); mine--
		fi
	:: mine < ROOM && !stop ->      /* pins a victim again */
		find(s, VICTIM, STAYS);
		if :: s < ROOM -> mine++ :: else fi
	:: stop && mine > 0 ->
		find(s, STAYS, STAYS); let_go(s, w0, w1); mine--
	:: stop && mine == 0 -> break
	od
}

proctype judge()
{
	stop = 1;
	timeout -> assert(done == 2 && !parked[0] && !parked[1])
}

init { atomic { run newcomer(0); run newcomer(1); run holder(); run judge() } }

#else
/* ============================ the dirty bound ============================ */

#ifndef STUCK
#define MOST 1
byte dirty = MOST;
byte done;
#define OVER(me)     (dirty >= MOST)
#define STORED(me)   dirty++
#define WAKES(me)    (dirty < MOST)
#define SOME         (dirty > 0)
#define HOME         dirty--
#else
/* One page is the bound: there is no room, and own pages are what counts. */
byte own[2] = 1;
byte done;
bit  last;              /* whose page got home last */
#ifdef V_BOUNDONLY
#define OVER(me)     (own[0] + own[1] > 0)
#else
#define OVER(me)     (own[me] > 0)
#endif
#define STORED(me)   own[me]++
#ifdef V_ROOMONLY
#define WAKES(me)    (own[0] + own[1] == 0)
#else
#define WAKES(me)    ((me) == last && own[me] == 0 || own[0] + own[1] == 0)
#endif
#define SOME         (own[0] > 0 || done > 0 && own[1] > 0)
#define HOME         last = (own[0] == 0); own[last]--
#endif

proctype writer(bit me)
{
again:	assert(!parked[me] && !taken[me] && !woken[me]);
	if :: !OVER(me) -> goto store :: else fi;
	atomic {
		if
#ifdef V_BLIND
		:: true -> parked[me] = 1
#else
		:: OVER(me) -> parked[me] = 1
		:: else -> goto again
#endif
		fi
	};
	sleep(me);
	goto again;
store:	atomic { STORED(me); done++ }   /* perhaps one more than may be: the bound is soft */
}

/* Under one lock: who may go on, of the flusher's object or by the room. */
inline relax(w0, w1)
{
	d_step {
		w0 = parked[0] && WAKES(0); taken[0] = taken[0] | w0; parked[0] = parked[0] && !w0;
		w1 = parked[1] && WAKES(1); taken[1] = taken[1] | w1; parked[1] = parked[1] && !w1
	};
	wake_all(w0, w1)
}

proctype flusher()
{
	bit w0, w1;
end:	do
	:: SOME ->
#ifdef V_WAKEFIRST
		relax(w0, w1);
		atomic { if :: SOME -> HOME :: else fi }
#else
		atomic { if :: SOME -> HOME :: else fi };
		relax(w0, w1)
#endif
	od
}

#ifdef CUT
proctype cutter()
{
	if
	:: atomic { dirty > 0 -> dirty-- }
	:: true
	fi
}
#endif

proctype judge()
{
	timeout -> assert(done == 2 && !parked[0] && !parked[1])
}

init {
	atomic {
		run writer(0); run writer(1); run flusher(); run judge();
#ifdef CUT
		run cutter()
#endif
	}
}
#endif
