/* hazard.pml - read pins that are announced: in which order others see it */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/page/hazard.h and hazard.c, page/reclaim.c (spare_announced,
 * tell_of_spared), page/cache.c (charge_hungry), engine/pins.c (pins_close,
 * drop_settled).  page.pml has what a pin is for; here is why the side that is
 * asked for most needs no fence.
 *
 * The memory is that of x86: what a thread stores goes into its buffer, and
 * from there, in order and at any later moment, into memory; a load sees the
 * thread's own buffer first.  A locked instruction, and so each store that is
 * sequentially consistent, waits until the buffer is empty.  lane_barrier()
 * ends when each other thread's buffer has been empty once since it began, each
 * at a moment of its own.  Who only swaps has no buffer.
 *
 *   parts    -DEVICT  pin against evict: a pin sees EVICTING, or who evicts sees
 *                     the slot.  Two pins of two threads; the table says of
 *                     itself that its pages may be announced as the first comes
 *            -DAWAIT  unpin against a wait for a victim: nobody sleeps for ever
 *                     beside one.  One page, held by a pin at times; newcomers
 *                     who want its room (-DNEW=n, 1), threads that pin it
 *                     (-DPIN=n, 1), and somebody else who reclaims
 *            -DCLOSE  unpin against the close of the owner: the last one drops
 *                     the handle, once.  Two pins, and their slots are filled
 *                     again for another owner; -DCROSS: each pin is dropped by
 *                     another thread than took it
 *
 *   mistakes
 *     V_NOBARRIER_EVICT  the look at the slots comes without a barrier
 *     V_BARRIERFIRST     the barrier, then the swap
 *     V_SETTLEFIRST      whether pages are announced is looked at, then swapped
 *     V_EXPECT           the table says so with a store that stays in the buffer
 *     V_NOBARRIER_AWAIT  hazards_await() without a barrier
 *     V_AWAITLATE        the last look for a victim, then hazards_await()
 *     V_FREELATE         who unpins looks whether he is awaited, then frees
 *     V_TELLFIRST        who tells clears hazards_awaited last
 *     V_NOSPARED         who has spared a page does not look again
 *     V_SPAREDFIRST      he looks again, then gives the page back
 *     V_NOBARRIER_CLOSE  owners are marked, and no barrier
 *     V_NOBUSY           who unpins is not busy while he looks at the owner
 *     V_NOWAIT           who closes does not wait for the busy
 *     V_NOLOCK           a pin of a closed owner goes without the lock
 *     V_OWNERLATE        the page is announced, then its owner
 */

/* ---- memory, and a buffer of stores for each thread that has one ---- */

#define STORES 4                /* at most, of one thread */
chan buffer[2] = [STORES] of { byte, byte };
byte memory[4];

/* The newest of the thread's own stores of it, or what is in memory. */
inline load(me, where, to)
{
	d_step {
		to = memory[where];
		at = 0;
		do
		:: at < len(buffer[me]) ->
			buffer[me]?a,v; buffer[me]!a,v;         /* once round: as it was */
			if :: a == where -> to = v :: else fi;
			at++
		:: else -> break
		od;
		at = 0; a = 0; v = 0
	}
}

inline store(me, where, what)
{
	atomic { nfull(buffer[me]) -> buffer[me]!where,what }
}

#define EMPTY(me) (len(buffer[me]) == 0)

proctype drain(bit me)
{
	byte a, v;
end:	do
	:: d_step { buffer[me]?a,v -> memory[a] = v; a = 0; v = 0 }
	od
}

inline lane_barrier()
{
	if
	:: EMPTY(0) -> EMPTY(1)
	:: EMPTY(1) -> EMPTY(0)
	fi
}

bit stop;

#ifdef EVICT
/* ============================ pin and evict ============================ */

#define SLOT(me) (me)           /* where it is */
#define WORD     2
#define EXPECTED 3

#define CLEAN    0              /* the word */
#define EVICTING 1
#define ABSENT   2

bit present = 1;

proctype pinner(bit me)
{
	byte word, at, a, v;

#ifdef V_EXPECT
	store(me, EXPECTED, 1);
#else
	atomic { EMPTY(me) -> memory[EXPECTED] = 1 };           /* hazards_expect() */
#endif
	do
	:: !stop ->
		store(me, SLOT(me), 1);
		load(me, WORD, word);
		if
		:: word == CLEAN ->
			assert(present);                        /* the bytes are read */
			assert(present)
		:: else
		fi;
		store(me, SLOT(me), 0);
		word = 0
	:: stop -> break
	od
}

inline swap(from, to) { atomic { memory[WORD] == from -> memory[WORD] = to } }

proctype evictor()
{
	bit found, settle;
end:	do
	:: memory[WORD] == CLEAN && !stop ->
#ifdef V_SETTLEFIRST
		settle = memory[EXPECTED];
#endif
#ifdef V_BARRIERFIRST
		lane_barrier();
#endif
		swap(CLEAN, EVICTING);
#ifndef V_SETTLEFIRST
		settle = memory[EXPECTED];
#endif
		if
		:: settle ->
#if !defined(V_NOBARRIER_EVICT) && !defined(V_BARRIERFIRST)
			lane_barrier();
#endif
			if :: memory[SLOT(0)] -> found = 1 :: else fi;
			if :: !found && memory[SLOT(1)] -> found = 1 :: else fi
		:: else
		fi;
		settle = 0;
		if
		:: found -> found = 0; swap(EVICTING, CLEAN)
		:: else ->
			present = 0;
			swap(EVICTING, ABSENT);
			present = 1;                            /* it is read again */
			swap(ABSENT, CLEAN)
		fi
	od
}

proctype judge()
{
	stop = 1;
	timeout -> assert(!memory[SLOT(0)] && !memory[SLOT(1)] && memory[WORD] == CLEAN)
}

init {
	atomic {
		run pinner(0); run pinner(1); run evictor();
		run drain(0); run drain(1); run judge()
	}
}
#endif

#ifdef AWAIT
/* ============================ unpin and wait ============================ */

#ifndef NEW
#define NEW 1
#endif
#ifndef PIN
#define PIN 1
#endif

#define SLOT(me) (me)
#define AWAITED  2              /* hazards_awaited */
#define WORD     3

#define CLEAN    0              /* a victim, if no slot has it */
#define EVICTING 1
#define FREE     2              /* ABSENT, and its room given back */
#define USED     3              /* a newcomer has the room */

bit  hungry;
bit  telling;                   /* the lock of hazard.c */
bit  stale[2];                  /* the sequence has moved since the newcomer noted it */
bit  parked[2];
byte done;

/* One critical section of the cache's lock; who is parked sleeps no more. */
inline take_starving()
{
	stale[0] = 1; stale[1] = 1;
	parked[0] = 0; parked[1] = 0;
	hungry = 0
}

inline encourage()
{
	if :: hungry -> d_step { take_starving() } :: else fi
}

/* hazards_tell(): locked instructions, so the buffer is empty. */
inline tell(me)
{
	atomic { EMPTY(me) && !telling -> telling = 1 };
#ifndef V_TELLFIRST
	memory[AWAITED] = 0;
#endif
	encourage();
#ifdef V_TELLFIRST
	memory[AWAITED] = 0;
#endif
	telling = 0
}

inline look_whether_awaited(me)
{
	load(me, AWAITED, awaited);
#ifndef V_FREELATE
	if :: awaited -> tell(me) :: else fi;
	awaited = 0
#endif
}

proctype pinner(bit me)
{
	byte word, awaited, at, a, v;
	do
	:: !stop ->
		store(me, SLOT(me), 1);
		load(me, WORD, word);
		if
		:: word == CLEAN                                /* the bytes are read; or not: */
		:: else
		fi;
		word = 0;
#ifdef V_FREELATE
		look_whether_awaited(me);
		store(me, SLOT(me), 0);
		if :: awaited -> tell(me) :: else fi;
		awaited = 0
#else
		store(me, SLOT(me), 0);
		look_whether_awaited(me)
#endif
	:: stop -> break
	od
}

inline look_at_slots(found)
{
	found = 0;
	if :: memory[SLOT(0)] -> found = 1 :: else fi;
#if PIN > 1
	if :: !found && memory[SLOT(1)] -> found = 1 :: else fi
#endif
}

inline look_again()
{
	if
	:: hungry ->                                            /* tell_of_spared() */
		look_at_slots(found);
		if :: !found -> encourage() :: else fi
	:: else
	fi
}

/* What is announced as it begins stays; what is announced after the swap is given back.  Then
 * cache_reclaim() chooses once more, and cache_evict_range() does not: once. */
inline reclaim(once)
{
	do
	:: look_at_slots(found);
	   if :: found -> break :: else fi;
	   if :: atomic { memory[WORD] == CLEAN -> memory[WORD] = EVICTING } :: else -> break fi;
	   lane_barrier();
	   look_at_slots(found);
	   if
	   :: found ->
#ifdef V_SPAREDFIRST
		look_again();
#endif
		memory[WORD] = CLEAN;
#if !defined(V_NOSPARED) && !defined(V_SPAREDFIRST)
		look_again();
#endif
		if :: once -> break :: !once fi
	   :: else ->
		d_step { memory[WORD] = FREE; take_starving() };        /* cache_uncharge() */
		break
	   fi
	od;
	found = 0
}

inline try_charge()
{
	if
	:: atomic { memory[WORD] == FREE -> memory[WORD] = USED }; goto use
	:: memory[WORD] != FREE
	fi
}

/* cache_charge(), charge_hungry(), cache_starve(). */
proctype newcomer(bit me)
{
	bit found;
again:	reclaim(0);
	try_charge();
	d_step { stale[me] = 0; hungry = 1 };
#ifndef V_AWAITLATE
	memory[AWAITED] = 1;
#ifndef V_NOBARRIER_AWAIT
	lane_barrier();
#endif
#endif
	reclaim(0);
	try_charge();
#ifdef V_AWAITLATE
	memory[AWAITED] = 1;
	lane_barrier();
#endif
	atomic {
		if
		:: !stale[me] -> parked[me] = 1
		:: else -> goto again
		fi
	};
	!parked[me];
	goto again;
use:	memory[WORD] = CLEAN;                                   /* its page is the next victim */
	encourage();
	done++
}

/* Another thread, which does not wait. */
proctype evictor()
{
	bit found;
	do
	:: !stop -> reclaim(1);
		if
		:: atomic { memory[WORD] == FREE -> memory[WORD] = USED };
			memory[WORD] = CLEAN; encourage()       /* for a page of its own, that is a victim then */
		:: memory[WORD] != FREE
		fi
	:: stop -> break
	od
}

proctype judge()
{
	stop = 1;
	timeout -> assert(done == NEW && !parked[0] && !parked[1] && !telling)
}

init {
	atomic {
		run pinner(0);
#if PIN > 1
		run pinner(1); run drain(1);
#endif
		run newcomer(0);
#if NEW > 1
		run newcomer(1);
#endif
		run evictor(); run drain(0); run judge()
	}
}
#endif

#ifdef CLOSE
/* ============================ unpin and close ============================ */

#define WORD(s)  (s)            /* of slot s */
#define OWNER(s) (2 + (s))

#define PAGE     2              /* a slot's word; 1 is the bit BUSY */
#define BUSY     1
#define HANDLE   2              /* a slot's owner; 1 is the bit CLOSED */
#define CLOSED   1
#define OTHER    4

#ifdef CROSS
#define PINNED (1 - me)         /* the slot of the pin that thread me drops */
#else
#define PINNED me
#endif

bit  locked;                    /* of struct pins */
bit  settled;
byte open;
bit  gone;                      /* the user's reference has been dropped */

inline drop_handle() { d_step { assert(!gone && !locked); gone = 1 } }

/* A pin that was announced is dropped; then the thread has slot me, once it is free, for pins of another
 * owner. */
proctype pinner(bit me)
{
	byte word, owner, at, a, v;
	bit last;

	/* hazard_drop() */
	load(me, WORD(PINNED), word);
	assert(word == PAGE);
#ifndef V_NOBUSY
	store(me, WORD(PINNED), word | BUSY);
#endif
	load(me, OWNER(PINNED), owner);
	if
	:: owner == HANDLE -> store(me, WORD(PINNED), 0)
	:: owner == (HANDLE | CLOSED) ->
		store(me, WORD(PINNED), word);
		/* drop_settled() */
#ifdef V_NOLOCK
		store(me, WORD(PINNED), 0);
#endif
		atomic { EMPTY(me) && !locked -> assert(!gone); locked = 1 };
#ifndef V_NOLOCK
		store(me, WORD(PINNED), 0);
#endif
		d_step {
			if
			:: settled -> assert(open > 0); open--; last = (open == 0)
			:: else
			fi
		};
		atomic { EMPTY(me) -> locked = 0 };
		if :: last -> drop_handle() :: else fi
	:: else -> assert(0)
	fi;
	word = 0; owner = 0; last = 0;

	do
	:: !stop ->                                             /* hazard_announce(), of another handle */
		load(me, WORD(me), word);
		if :: word -> goto next :: else fi;
#ifdef V_OWNERLATE
		store(me, WORD(me), PAGE);
		store(me, OWNER(me), OTHER);
#else
		store(me, OWNER(me), OTHER);
		store(me, WORD(me), PAGE);
#endif
		store(me, WORD(me), PAGE | BUSY);
		load(me, OWNER(me), owner);
		assert(owner == OTHER);                         /* nobody marks it */
		store(me, WORD(me), 0);
next:		word = 0; owner = 0
	:: stop -> break
	od
}

inline mark(s)
{
	if
	:: memory[WORD(s)] ->
		d_step { if :: memory[OWNER(s)] == HANDLE -> memory[OWNER(s)] = HANDLE | CLOSED :: else fi }
	:: else
	fi
}

#define BELONGS(s) (memory[OWNER(s)] == (HANDLE | CLOSED))

inline await_idle(s)
{
	if
	:: memory[WORD(s)] ->
		do
		:: !BELONGS(s) -> break
		:: BELONGS(s) -> if :: !(memory[WORD(s)] & BUSY) -> break :: memory[WORD(s)] & BUSY fi
		od
	:: else
	fi
}

inline count(s)
{
	if
	:: memory[WORD(s)] -> if :: BELONGS(s) -> n++ :: else fi
	:: else
	fi
}

/* pins_close() */
proctype closer()
{
	byte n;

	mark(0); mark(1);
#ifndef V_NOBARRIER_CLOSE
	lane_barrier();
#endif
#ifndef V_NOWAIT
	await_idle(0); await_idle(1);
#endif
	atomic { !locked -> locked = 1 };
	count(0); count(1);
	open = n;
	settled = 1;
	locked = 0;
	if :: n == 0 -> drop_handle() :: else fi
}

proctype judge()
{
	stop = 1;
	timeout -> assert(gone && !locked && open == 0 && !memory[WORD(0)] && !memory[WORD(1)])
}

init {
	atomic {
		memory[WORD(0)] = PAGE; memory[OWNER(0)] = HANDLE;
		memory[WORD(1)] = PAGE; memory[OWNER(1)] = HANDLE;
		run pinner(0); run pinner(1); run closer();
		run drain(0); run drain(1); run judge()
	}
}
#endif
