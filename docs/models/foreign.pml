/* foreign.pml - somebody writes the store past the object */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/object/foreign.c and refresh.c, object_begin_write() of dirty.c, and
 * writeback/sync.c.
 *
 * One page of two bytes: m is stored to in memory, f is written past the object
 * by two others, as they do around a write(2): list, wait for a write-back,
 * write, refresh, take from the list.  The page is read, written home and
 * evicted meanwhile; whoever stored calls msync.
 *
 *   -DLOCKED     the page is locked: a refresh fills it
 *
 *   mistakes
 *     V_NOLOOK     a write-back does not look at the list
 *     V_LOOKFIRST  it looks before its swap to WRITING
 *     V_NOWAIT     who lists the page does not wait for a write-back
 *     V_LISTLATE   he lists it after his look at the page
 *     V_READING    a refresh passes over a page that is being read
 *     V_WHOLE      it copies the page, not only the byte that is new
 *     V_SERIAL     two refreshes at once
 *     V_SKIP       msync passes over a page that is listed
 */
#define ABSENT   0
#define READING  1
#define CLEAN    2
#define DIRTY    3
#define WRITING  4

#ifdef LOCKED
#define STAYS 1
#else
#define STAYS 0
#endif

#define VISIBLE (st == CLEAN || st == DIRTY || st == WRITING)

byte st = ABSENT;
bit  redirtied;
byte rpins;
byte listed;            /* foreign_count: the page is in each */
bit  lock;              /* resize_lock */
byte mem_m, mem_f;
byte home_m, home_f;
byte m, f;              /* what was stored, and written, last */
byte busy;            /* writers past the object, from list to list */

/* One write-back of the page: flusher, msync.  tried: it was DIRTY. */
inline write_page(tried, copy_m, copy_f)
{
#ifdef V_LOOKFIRST
	listed == 0;
#endif
	atomic {
		if
		:: st == DIRTY -> st = WRITING; redirtied = 0; tried = 1
		:: else -> tried = 0
		fi
	};
	if
	:: tried ->
		if
#if !defined(V_NOLOOK) && !defined(V_LOOKFIRST)
		:: listed > 0 -> st = DIRTY     /* taken back */
#endif
		:: else ->
			copy_m = mem_m; copy_f = mem_f;
			home_m = copy_m; home_f = copy_f;
			atomic {
				if
				:: redirtied -> st = DIRTY
				:: else -> st = CLEAN
				fi
			}
		fi
	:: else
	fi
}

/* One read of the page, if it is absent. */
inline read_page(copy_m, copy_f)
{
	if
	:: atomic { st == ABSENT -> st = READING };
		copy_m = home_m; copy_f = home_f;
		mem_m = copy_m; mem_f = copy_f;
		st = CLEAN
	:: else
	fi
}

inline begin()
{
#ifdef V_LISTLATE
	st != WRITING;
	listed++
#else
	listed++;
#ifndef V_NOWAIT
	st != WRITING
#endif
#endif
}

inline refresh(got_m, got_f)
{
#ifndef V_SERIAL
	atomic { !lock -> lock = 1 };
#endif
	begin();
	do
	:: st == READING ->
#ifdef V_READING
		break
#else
		st != READING
#endif
	:: st == ABSENT -> break
	:: atomic { st == CLEAN && !STAYS && rpins == 0 -> st = ABSENT }; break
	:: atomic { (st == DIRTY || st == WRITING ||
		     (st == CLEAN && (STAYS || rpins > 0))) -> rpins++ };
		got_m = home_m; got_f = home_f;
#ifdef V_WHOLE
		mem_m = got_m;
#endif
		mem_f = got_f;
		rpins--;
		break
	od;
	listed--;
	lock = 0
}

proctype past(byte value)
{
	byte got_m, got_f;

	busy++;
	begin();
	d_step { home_f = value; f = value };
	refresh(got_m, got_f);
	atomic {
		busy--;
		/* Whoever looks now sees the last write, in both places. */
		assert(busy > 0 || !VISIBLE || mem_f == f);
		assert(busy > 0 || home_f == f);
		listed--
	}
}

proctype storer()
{
	byte copy_m, copy_f, stores;
	bit tried;

	do
	:: stores == 2 -> break
	:: stores < 2 ->
		do
		:: read_page(copy_m, copy_f)
		:: st == READING -> st != READING
		:: atomic { VISIBLE ->
			if
			:: st == CLEAN -> st = DIRTY
			:: st == WRITING -> redirtied = 1
			:: else
			fi;
			m++; mem_m = m; stores++ }; break
		od
	od;
	/* msync */
	do
	:: st == DIRTY ->
#ifdef V_SKIP
		if :: listed > 0 -> break :: else fi;
#else
		listed == 0;                    /* object_await_foreign() */
#endif
		write_page(tried, copy_m, copy_f)
	:: st == WRITING -> st != WRITING
	:: st != DIRTY && st != WRITING -> break
	od;
	assert(home_m == m)
}

proctype flusher()
{
	byte copy_m, copy_f;
	bit tried;

	write_page(tried, copy_m, copy_f);
	write_page(tried, copy_m, copy_f)
}

/* Reads and evictions. */
proctype others()
{
	byte copy_m, copy_f;

	read_page(copy_m, copy_f);
	if
	:: atomic { st == CLEAN && !STAYS && rpins == 0 -> st = ABSENT }
	:: true
	fi;
	read_page(copy_m, copy_f)
}

init
{
	atomic {
		run past(1); run past(2);
		run storer(); run flusher(); run others()
	};
	_nr_pr == 1;
	assert(listed == 0 && rpins == 0 && lock == 0);
	assert(!VISIBLE || (mem_m == m && mem_f == f));
	assert(home_m == m && home_f == f)
}
