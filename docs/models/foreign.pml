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
 * A write may also *stand* between its client's write(2)s: its word, in memory that
 * the client shares, says whether one is under way, and nobody is asked before it.
 * While it is idle the server may give it up: its client finds no word then.
 *
 *   -DLOCKED     the page is locked: a refresh fills it
 *   -DSTANDS     one of the two others has a write that stands
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
 *   of STANDS
 *     V_DEAF       a write-back does not look at the word
 *     V_KEEPS      who dirties a page leaves the word as it is
 *     V_UNCOUNTED  a write stands again, and who is about to dirty a page does
 *                  not look once more
 *     V_STANDDIRTY it stands again beside a dirty page
 *     V_GIVEUP     it was idle, and is given up without one more look
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

/* The word: no standing write, one that is idle, one under way. */
#define NONE    0
#define IDLE    1
#define ACTIVE  2

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
byte word = NONE;
bit  stands;            /* the server knows of it, and has not heard END */
byte changes;           /* foreign_changes */

#ifdef V_DEAF
#define EXCLUDED (listed > 0)
#else
#define EXCLUDED (listed > 0 || word == ACTIVE)
#endif

/* One write-back of the page: flusher, msync.  tried: it was DIRTY. */
inline write_page(tried, copy_m, copy_f)
{
#ifdef V_LOOKFIRST
	!EXCLUDED;
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
		:: EXCLUDED -> st = DIRTY       /* taken back */
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

/* The client says ACTIVE by itself; the server hears of it at the end, makes it
 * a write as any, and has it stand again if nothing is dirty.  Between two of them
 * the server may give it up, whatever others do (object_foreign_retire()). */
proctype stander()
{
	byte got_m, got_f, value;

	do
	:: value == 2 -> break
	:: atomic { value < 2 && word == IDLE -> word = ACTIVE; busy++; value++ };
		d_step { home_f = 2 + value; f = 2 + value };
		atomic {
			if
			:: stands -> stands = 0; listed++; word = NONE
			:: else -> goto unknown         /* EINVAL */
			fi
		};
		refresh(got_m, got_f);
		atomic {
			busy--;
			assert(busy > 0 || !VISIBLE || mem_f == f);
			assert(busy > 0 || home_f == f);
			if
#ifndef V_STANDDIRTY
			:: st == DIRTY || st == WRITING
#endif
			:: else -> word = IDLE; stands = 1;
#ifndef V_UNCOUNTED
				changes++
#endif
			fi;
			listed--
		}
	:: atomic { value < 2 && stands && word != ACTIVE ->
			word = NONE; stands = 0; break }
	:: atomic { value < 2 && word == NONE -> break }
	od;
	goto over;
unknown:
	atomic {
		busy--;
		assert(busy > 0 || !VISIBLE || mem_f == f);
		assert(busy > 0 || home_f == f)
	};
over:	skip
}

#ifdef V_GIVEUP
/* It was idle, when the server looked.  All that is known of it comes, and its
 * client goes on. */
proctype giver()
{
	byte got_m, got_f;
	bit under_way;

	!stands || word != ACTIVE;
	atomic {
		under_way = stands && word == ACTIVE;
		if
		:: stands -> word = NONE; stands = 0
		:: else
		fi;
		listed = listed + under_way
	};
	if
	:: under_way -> refresh(got_m, got_f); listed--
	:: else
	fi
}
#endif

/* Before a page becomes dirty: no word is idle any more. */
inline revoke(seen)
{
	seen = changes;
#ifndef V_KEEPS
	atomic {
		if
		:: word == IDLE -> word = NONE
		:: else
		fi
	}
#endif
}

proctype storer()
{
	byte copy_m, copy_f, stores, seen;
	bit tried;

	do
	:: stores == 2 -> break
	:: stores < 2 ->
		do
		:: read_page(copy_m, copy_f)
		:: st == READING -> st != READING
		:: st == CLEAN -> revoke(seen)
		:: atomic { VISIBLE && (st != CLEAN || seen == changes) ->
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
		if :: EXCLUDED -> break :: else fi;
#else
		!EXCLUDED;                      /* object_await_foreign() */
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
#ifdef STANDS
		word = IDLE;
		stands = 1;
		changes = 1;
		run past(1); run stander();
#ifdef V_GIVEUP
		run giver();
#endif
#else
		run past(1); run past(2);
#endif
		run storer(); run flusher(); run others()
	};
	_nr_pr == 1;
	assert(listed == 0 && rpins == 0 && lock == 0);
	assert(!VISIBLE || (mem_m == m && mem_f == f));
	assert(home_m == m && home_f == f)
}
