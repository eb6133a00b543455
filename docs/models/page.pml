/* page.pml - the life of one page of an object, and of the translations to it */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/page/word.c (the word), fault/resolve.c (handler), object/read.c
 * (pager), object/whole.c (putter), object/hold.c (pinner), engine/pin_calls.c (announcer),
 * object/resize.c (resizer), page/reclaim.c (evictor), object/discard.c
 * (discarder), object/lodged.c (what lies in mapping 1), writeback/ (flusher,
 * msync), page/wait.c (parking).  README.md says what stands for what.
 *
 * One page; two shared mappings of it (0 and 1) and, with -DPRIV, a private one
 * (2).  A page has two locations, each stored to by one owner only, so that a
 * lost or a stale value is always visible.  Contents are kept relative to the
 * owner's last store: mem[h] and home[h] are 1 when the memfd, or the store,
 * holds exactly what was stored last in location h, and 0 when they hold
 * anything else (an older value, an unfilled page, the rubbish of a failed
 * write).  A store makes home[h] 0; a copy copies the bit.  So nothing is
 * counted, nothing aliases, and every actor may go on for ever.
 *
 * One step is one thing the machine does at once: a compare-and-swap on the
 * page word, one ioctl on one mapping, one load or store of the program, one
 * half of a transfer, one critical section of a lock.  Between two steps of one
 * actor any other actor may run.  The program's stores through a writable
 * translation need nobody's leave.
 *
 *   parts      -DPINS    a holder of pins (pins and copies); it owns location 1
 *                        in place of program thread 1
 *              -DANNOUNCE  a holder of read pins that are announced in a slot and
 *                        not counted in the word; =2: two of them.  A swap and
 *                        the look at the slots are in order here: hazard.pml has
 *                        the store buffers
 *              -DMSYNC   a caller of msync(MS_SYNC), who writes pages himself
 *              -DREMAP   mapping 0 is given to another object and back
 *              -DRFAIL   reads may fail, alone (FAILED) or as a part of a run
 *                        (ABSENT)
 *              -DWFAIL   writes may fail, and leave rubbish
 *              -DPRIV    a private mapping, copied on write by the kernel
 *              -DTRUNC   the object shrinks to nothing and grows again; the
 *                        store may refuse
 *              -DGAP     it lies between two that leave, and the hole is made over
 *                        it, too
 *              -DSELF    mapping 1 is read-only and untrapped: the kernel shows
 *                        what is in memory by itself
 *              -DBESIDE  it lies between two that are written, and is protected with
 *                        them, whatever it is
 *              -DFILLED  what is read may be put into the memory by showing it, in
 *                        one mapping
 *              -DSHOWN   a trap may say that its page was shown: it is un-protected,
 *                        and that is all; or, as one of many, it is hidden before
 *                        it is shown writable
 *              -DDISC    the page is discarded, again and again; the store may
 *                        refuse (not with TRUNC)
 *              -DWHOLE   somebody writes the whole page, both locations, without a
 *                        read where it is not in memory; that may fail
 *              -DLODGE   mapping 1 is read-only, and what is read may be put into
 *                        memory of its own: LODGED.  REMAP is of mapping 1 then;
 *                        =2: the program may drop that memory.  With SELF it is
 *                        untrapped as well (not with FILLED)
 *
 *   smaller    -DNHAND=1 one trap handler   -DNOEVICT no evictor
 *              -DSAME both threads use mapping 0
 *              -DSPLIT thread 1 uses mapping 1 only
 *              -DONESTORE thread 0 only loads
 *
 *   mistakes   each puts one back; spin must then find an error
 *     V_GRANT      a write grant does not hold a write pin over its ioctls
 *     V_SHOWNASLEEP  what was shown, and is no more, wakes nobody
 *     V_WPFIRST    write-protect first, DIRTY -> WRITING second
 *     V_INSTALL    a read-only install does not hold a pin over its ioctl
 *     V_WPINDONE   the end of a write ignores write pins
 *     V_UNPIN      dropping a write pin in WRITING does not set REDIRTIED
 *     V_EVICTPIN   eviction looks at the pins before its swap, not in it
 *     V_LATEPUNCH  the word says ABSENT before the hole is punched
 *     V_HALFREAD   a failed read leaves its half-filled page behind
 *     V_PARK       a fault is parked without comparing the word again
 *     V_VMA        the mapping is compared, then the install is done unlocked
 *     V_MSYNC      msync takes WRITING for "being done"
 *     V_COUNTWAKES msync takes its second wake-up for the end of a write
 *     V_EIO        a failed write ends in CLEAN
 *     V_SNAPEARLY  the copy starts before the last mapping is protected
 *     V_PINLOOK    a write looks for pins before its swap, and then spares the
 *                  page the protection
 *     V_REFUSE     a refusal un-protects a page that is shown
 *     V_CUTPINNED  a cut takes the page away under pins
 *     V_SIZE       a read begins without looking at the size again
 *     V_PINSIZE    a pin is taken without looking at the size again
 *     V_LENGTH     a write begins without looking at the size again
 *     V_NOTQUIET   the store is cut while a write of the page is under way
 *     V_DROPFIRST  pages are dropped before the store is cut, which may refuse
 *     V_RANGE      a read begins without looking at what is discarded again
 *     V_GAP        that hole is made while the page may come
 *     V_FILL       where the kernel shows pages, one is filled in two steps
 *     V_FILLRW     what is shown as it comes may be stored to    (FILLED)
 *     V_FILLVMA    the mapping is compared, then it is filled unlocked (FILLED,
 *                  REMAP)
 *     V_FILLEARLY  the word says CLEAN, then the page is filled  (FILLED)
 *     V_ZEROCLEAN  a pinned page is zeroed without a write pin
 *     V_WHOLECLEAN what is written whole is CLEAN first, then DIRTY (WHOLE)
 *     V_WHOLESHORT a part of it could be copied, and it is DIRTY (WHOLE)
 *     V_WHOLEHALF  the same, and it is not taken out of the memory (WHOLE)
 *     V_WHOLEPARTS it comes in two steps, where the kernel shows it (WHOLE, SELF)
 *     V_WHOLEQUIET nobody is told that it has come                (WHOLE)
 *     V_WHOLESIZE  the size is not looked at again                (WHOLE, TRUNC)
 *     V_WHOLERANGE nor what is discarded                          (WHOLE, DISC)
 *     V_WORDFIRST  who pins looks at the word, then announces     (ANNOUNCE)
 *     V_SIZEFIRST  who pins looks at the size, then announces     (TRUNC)
 *     V_NOSLOT     eviction does not look at the slots
 *     V_SLOTFIRST  eviction looks at the slots, then swaps
 *     V_CUTSLOT    a cut does not wait for what is announced      (TRUNC)
 *     V_SIZELATE   a cut waits for it, and then stores the size   (TRUNC)
 *     V_DISCSLOT   a discard does not look at the slots           (DISC)
 *     V_BACKCLEAN  a discard gives back as CLEAN what was DIRTY   (DISC)
 *     V_BACKQUIET  a discard gives a page back and wakes nobody   (DISC)
 *     V_LODGELATE  the word says LODGED after the space's lock was dropped (REMAP)
 *     V_LODGECOUNT it says so before the page is counted
 *     V_LODGEVIS   what is LODGED is taken for visible
 *     V_LODGELEAVE the word says ABSENT before the page is out of its mapping
 *     V_LODGEHOME  the word says CLEAN before it is               (PINS)
 *     V_LODGEMAP   the layout changes while a page is leaving its mapping (REMAP)
 *     V_LODGEGAP   a hole over an absent page goes for that address, too (REMAP,
 *                  GAP)
 *     V_LODGECUT   a cut, or a discard, passes over what is LODGED (TRUNC, DISC)
 */
#ifndef NHAND
#define NHAND 2
#endif

/* states of the page word */
#define ABSENT   0
#define READING  1
#define FAILED   2
#define CLEAN    3
#define DIRTY    4
#define WRITING  5
#define EVICTING 6
#define LODGED   7

/* translations, as the hardware sees them */
#define NONE 0
#define RO   1
#define RW   2
#define NOMAP 3                 /* no mapping: no access under way */
#define COPY 3                  /* private mapping only: the kernel's own copy */
#define OWN  3                  /* mapping 1 only, with LODGE: memory of its own */


/* ---- the page word: one atomic word, so every test-and-change of these five is one step ---- */
byte st = ABSENT;
bit  redirtied;
bit  spared;                    /* the write under way need not protect: there was a write pin */
bit  waiters;
byte rpins;
byte wpins;
#ifdef LODGE
bit  hollow;                    /* EVICTING: it was LODGED, or is a gap */
#endif
#ifdef ANNOUNCE
bit  slot[2];                   /* the page is announced there */
#endif

/* ---- the world ---- */
byte tr[3];                     /* translation per mapping */
bit  present;                   /* the memfd has the page */
bit  mem[2];                    /* 1: the memfd holds the last store to this location */
bit  home[2] = 1;               /* 1: the store does */
byte charged;                   /* pages charged to the budget; it holds one page */
bit  err;                       /* a write failed, and nobody has been told yet */

/* ---- traps.  An event is (mapping, write?), number 2*mapping+write ---- */
byte pend;                      /* set of events delivered and not yet taken */
byte parked;                    /* set of events parked on the page */
byte waited;                    /* set of events that waited for a read of the page */
bit  hslp;                      /* the pinner sleeps on the page */
bit  mslp;                      /* msync sleeps on the page */
bit  busy;                      /* the first handler has an event in hand */
byte slp[2];                    /* program thread: 0 runs, 1+m sleeps on mapping m */
bit  stop;                      /* no new accesses, pins, msyncs */
bit  sig[2];                    /* it was woken to take a SIGBUS */

/* ---- address space ---- */
byte rdlock;                    /* readers of the space lock */
#ifdef LODGE
#define MOVES 1                 /* the mapping that REMAP changes */
#else
#define MOVES 0
#endif
bit  other;                     /* that one shows another object now */
#define ISOURS(m) (!(((m) == MOVES) && other))
#if defined(LODGE) && defined(REMAP)
bit  wrlock;                    /* the space lock is held for writing */
bit  listed = 1;                /* the object has mapping 1 in its list */
#define LOCKABLE (!wrlock)
#else
#define listed 1
#define LOCKABLE 1
#endif

/* ---- what lies in mapping 1 ---- */
#ifdef LODGE
bit own;                        /* 1: its own memory holds the last stores */
bit lodged;                     /* the object counts the page: LODGED, or not out of it yet */
#define STALE own = 0;
#if LODGE > 1
#define LIES (!present && (tr[1] == NONE || (tr[1] == OWN && own)))
#else
#define LIES (!present && tr[1] == OWN && own)
#endif
#else
#define STALE
#endif

/* ---- msync's bookkeeping: location h has a store that a running msync owes ---- */
bit owed[2];

/* ---- object size: 1 when the page lies inside the object ---- */
bit inside = 1;
bit asked;                      /* the read in flight has been handed to the pager */
bit discarding;                 /* the page lies in the range that is being discarded */
bit cut;                        /* the store has been cut, the page not yet dropped: it is void */

/* ---- the places where a single word makes one of the mistakes ---- */
#ifdef V_WPINDONE
#define STILL_PINNED 0
#else
#define STILL_PINNED (wpins > 0)
#endif
#ifdef V_EIO
#define WRITE_FAILED(g) 0
#else
#define WRITE_FAILED(g) (!(g))
#endif
#ifdef SELF
#define SHOWN_BY_KERNEL(m) ((m) == 1 && present)
#else
#define SHOWN_BY_KERNEL(m) 0
#endif
#define GRANTS(m, wr) ((wr) && (m) < 2)         /* a private store needs no grant: the kernel copies */
#ifdef V_PARK
#define PARK_OK 1
#else
#define PARK_OK (st == saw)
#endif
#ifdef V_CUTPINNED
#define UNPINNED 1
#else
#define UNPINNED (rpins == 0 && wpins == 0)
#endif
#define ANNOUNCED (slot[0] || slot[1])
#ifdef V_NOTQUIET
#define CUTTABLE (st == CLEAN || st == DIRTY || st == WRITING)
#else
#define CUTTABLE (st == CLEAN || st == DIRTY)
#endif

/* ============================ the kernel ============================ */

inline k_wake(m)                /* UFFDIO_WAKE: every thread asleep on this page of mapping m */
{
	if :: slp[0] == 1 + (m) -> slp[0] = 0 :: else fi;
	if :: slp[1] == 1 + (m) -> slp[1] = 0 :: else fi
}

/* UFFDIO_CONTINUE.  Fails on an absent page (EFAULT), leaves an existing translation (EEXIST). */
inline k_continue(m, how, eexist)
{
	d_step {
		assert(ISOURS(m));      /* else another object's page would have been made visible */
		eexist = 0;
		if
		:: !present -> k_wake(m)
		:: present && tr[m] != NONE -> eexist = 1
		:: present && tr[m] == NONE ->
			tr[m] = ((m) == 2 -> RO : how);
			k_wake(m)
		fi
	}
}

#ifdef FILLED
/* UFFDIO_COPY: the bytes, whole pages, and the translation.  Wakes nobody. */
inline k_fill(m)
{
	d_step {
		assert(ISOURS(m));
		assert(!present);
		present = 1; mem[0] = home[0]; mem[1] = home[1];
#ifdef V_FILLRW
		if :: tr[m] == NONE -> tr[m] = RW :: else fi
#else
		if :: tr[m] == NONE -> tr[m] = RO :: else fi
#endif
	}
}
#endif

inline k_unprotect(m)           /* UFFDIO_WRITEPROTECT, mode 0; wakes */
{
	d_step {
		assert(ISOURS(m));
		if :: tr[m] == RO -> tr[m] = RW :: else fi;
		k_wake(m)
	}
}

#ifdef SHOWN
inline k_unprotect_only(m)      /* the page was shown, the trap said; it may be so no more */
{
#ifdef V_SHOWNASLEEP
	d_step { if :: tr[m] == RO -> tr[m] = RW; k_wake(m) :: else fi }
#else
	k_unprotect(m)
#endif
}
#endif

#ifdef SHOWN
inline k_hide(m)                /* MADV_DONTNEED, before many pages are shown at once */
{
	d_step { assert(ISOURS(m)); tr[m] = NONE }
}
#endif

inline k_protect(m)             /* UFFDIO_WRITEPROTECT, mode WP: one mapping, one step */
{
	d_step { if :: tr[m] == RW -> tr[m] = RO :: else fi }
}

/* Hole punch: translations vanish one mapping at a time, then page and stragglers together. */
inline k_punch()
{
	d_step { if :: tr[0] != COPY -> tr[0] = NONE :: else fi };
	d_step {
		tr[0] = NONE;
		if :: tr[1] != OWN -> tr[1] = NONE :: else fi;
		if :: tr[2] == RO -> tr[2] = NONE :: else fi;
		present = 0; mem[0] = 0; mem[1] = 0
	}
}

#ifdef LODGE
/* UFFDIO_COPY into a private mapping: memory of its own, and the translation.  Leaves what is shown
 * (EEXIST).  Wakes nobody. */
inline k_lodge(done)
{
	d_step {
		assert(ISOURS(1));
		assert(!present);
		done = (tr[1] == NONE);
		if :: done -> tr[1] = OWN; own = home[0] && home[1] :: else fi
	}
}

/* MADV_DONTNEED, by the address that the object's list has: what is there goes, whosever it is. */
inline k_drop()
{
	d_step {
		assert(!listed || ISOURS(1));
		if :: listed -> tr[1] = NONE; own = 0 :: else fi
	}
}
#endif

#define SOUND   (present && ((mem[0] && mem[1]) || cut))
#define AT_HOME ((home[0] && home[1]) || cut)
#ifdef V_LODGEVIS
#define VISIBLE (st == CLEAN || st == DIRTY || st == WRITING || st == LODGED)
#else
#define VISIBLE (st == CLEAN || st == DIRTY || st == WRITING)
#endif

/* ============================ pieces of the protocol ============================ */

/* Leave a state: the same step that writes the new state takes the WAITERS flag away, and a second
 * step wakes whoever is parked by then, also one who parked on a later state: a wake-up says only
 * "look again". */
inline requeue()
{
	d_step {
		pend = pend | parked;
		parked = 0;
		hslp = 0;
		mslp = 0
	}
}

inline set_state(s, w)
{
	st = s; w = waiters; waiters = 0
#ifdef LODGE
	; hollow = 0
#endif
}

/* Take a page that is not there into READING.  The budget is charged before the page word moves. */
inline start_read()
{
	assert(charged == 0);
	charged = 1; st = READING;
#if !(defined(TRUNC) && !defined(V_SIZE)) && !(defined(DISC) && !defined(V_RANGE))
	asked = 1
#endif
}

/* ... and before the store is asked for it, the size is looked at once more, and what is being
 * discarded: there it waits for a while (-EBUSY). */
inline check_size(w)
{
#if defined(TRUNC) && !defined(V_SIZE)
	if
	:: inside -> asked = 1
	:: !inside -> d_step { charged = 0; set_state(ABSENT, w) };
		if :: w -> requeue() :: else fi
	fi
#elif defined(DISC) && !defined(V_RANGE)
	if
	:: !discarding -> asked = 1
	:: discarding -> d_step { charged = 0; set_state(ABSENT, w) };
		if :: w -> requeue() :: else fi;
		!discarding
	fi
#else
	skip
#endif
}

/* Drop a write pin: one compare-and-swap. */
inline drop_wpin()
{
	d_step {
		assert(wpins > 0 && (st == DIRTY || st == WRITING));
		wpins--;
#ifndef V_UNPIN
		if :: st == WRITING -> redirtied = 1 :: else fi
#endif
	}
}

inline drop_rpin()
{
	d_step { assert(rpins > 0); rpins-- }
}

#ifdef ANNOUNCE
/* hazards_find(): one slot after the other, with no lock. */
inline look_at_slots(found)
{
	if :: slot[0] -> found = 1 :: else fi;
#if ANNOUNCE > 1
	if :: !found && slot[1] -> found = 1 :: else fi
#endif
}
#endif

#ifdef LODGE
/* LODGED -> EVICTING: one compare-and-swap, within the caller's step. */
inline begin_hollow()
{
	assert(LIES && AT_HOME);
	st = EVICTING; hollow = 1
}

/* What has left its mapping is not counted any more, and then it is ABSENT. */
inline end_hollow(w)
{
	lodged = 0;
	d_step { assert(!present); charged = 0; set_state(ABSENT, w) };
	if :: w -> requeue() :: else fi;
	w = 0
}

/* object_drop_lodged() */
inline drop_lodged(w)
{
	if
	:: atomic { st == LODGED -> begin_hollow() }; k_drop(); end_hollow(w)
	:: else
	fi
}

/* object_bring_home(), of a page that is EVICTING.  It may not be there, or not be copied, or be given up as
 * another page of its run could not be.  Whole pages, as they are read. */
inline bring_home(kept, w)
{
	if
	:: d_step { tr[1] == OWN -> kept = 1; present = 1; mem[0] = own; mem[1] = own }
	:: d_step { tr[1] == OWN -> present = 1; mem[0] = own; mem[1] = own }
	:: skip
	fi;
#ifdef V_LODGEHOME
	if :: kept -> lodged = 0; d_step { set_state(CLEAN, w) }; k_drop(); goto told :: else fi;
#endif
	k_drop();
	if
	:: kept -> lodged = 0; d_step { assert(SOUND && tr[1] != OWN); set_state(CLEAN, w) }
	:: !kept -> k_punch(); lodged = 0; d_step { charged = 0; set_state(ABSENT, w) }
	fi;
told:	if :: w -> requeue() :: else fi;
	d_step { kept = 0; w = 0 }
}
#endif

/* One write-back of the page by whoever won DIRTY -> WRITING; good says whether it reached the store. */
inline to_store(h, good)
{
	if
	:: d_step {
		assert(SOUND);
		home[h] = (cut -> 0 : mem[h]);          /* old bytes, where zeros should be */
		owed[h] = 0
	   }
#ifdef WFAIL
	:: d_step { good = 0; err = 1; home[h] = 0 }
#endif
	fi
}

inline write_back(won, good, w)
{
#ifdef V_WPFIRST
	if :: st == DIRTY -> skip :: else -> goto lost fi;
	k_protect(0); k_protect(1);
#endif
#ifdef V_PINLOOK
	spared = (wpins > 0);
#endif
	d_step {
		won = 0; good = 1; w = 0;
		if
		:: st == DIRTY ->
#ifndef V_PINLOOK
			spared = (wpins > 0);
#endif
			st = WRITING; redirtied = 0; won = 1
		:: else
		fi
	};
	if :: !won -> goto lost :: else fi;
#ifndef V_WPFIRST
	if :: spared -> goto copy :: else fi;                   /* it ends DIRTY, by rule 3 */
	k_protect(0);
#ifndef V_SNAPEARLY
	k_protect(1);
#endif
copy:	skip;
#endif
#if defined(TRUNC) && !defined(V_LENGTH)
	if :: inside :: !inside -> good = 0; goto over fi;      /* rule 11: nothing to write */
#endif
	to_store(1, good);
#ifdef V_SNAPEARLY
	k_protect(1);
#endif
	to_store(0, good);
over:	skip;
	d_step {
		assert(st == WRITING);
		if
		:: (redirtied || STILL_PINNED || WRITE_FAILED(good)) -> set_state(DIRTY, w)
		:: else ->
			set_state(CLEAN, w);
			assert(tr[0] != RW && tr[1] != RW && AT_HOME)   /* no store can come without a trap */
		fi;
		redirtied = 0; spared = 0
	};
	if :: w -> requeue() :: else fi;
lost:
	skip
}

/* ============================ actors ============================ */

/* A program thread: loads anywhere, stores to its own location.  Thread 0 uses mapping 0; thread 1
 * either of the shared ones, and the private one.  Choosing and trying is one step. */
inline touch(me, m, wr)
{
	if
	:: sig[me] -> sig[me] = 0; m = NOMAP                    /* the verdict: give up this access */
	:: !sig[me] && tr[m] == NONE && !(ISOURS(m) && inside) -> m = NOMAP     /* not ours now */
	:: !sig[me] && m == 2 && tr[m] == COPY -> m = NOMAP
#ifdef LODGE
	:: !sig[me] && m == 1 && tr[m] == OWN ->
		assert(own && (st != LODGED || !present)); m = NOMAP    /* a load, of its own memory */
#endif
	:: !sig[me] && !wr && (tr[m] == RO || tr[m] == RW) ->
		assert(SOUND); m = NOMAP                        /* a load */
	:: !sig[me] && wr && m < 2 && tr[m] == RW ->
		assert(present && (st == DIRTY || st == WRITING || !inside || (discarding && st == EVICTING)));
		if :: cut :: else -> STALE mem[me] = 1; home[me] = 0 fi;        /* a store; void in a page cut off */
		m = NOMAP
	:: !sig[me] && wr && m == 2 && tr[m] == RO ->
		assert(SOUND); tr[2] = COPY; m = NOMAP          /* the kernel copies on write */
	:: !sig[me] && !wr && ISOURS(m) && inside && tr[m] == NONE && SHOWN_BY_KERNEL(m) ->
		assert(SOUND); tr[m] = RO; m = NOMAP            /* a load, and no trap */
	:: !sig[me] && ISOURS(m) && inside && !SHOWN_BY_KERNEL(m) &&
	   (tr[m] == NONE || (wr && m < 2 && tr[m] == RO)) ->
		slp[me] = 1 + m;                                /* a trap */
		pend = pend | (1 << (2*m + wr))
	:: !sig[me] && !(ISOURS(m) && inside) && wr && m < 2 && tr[m] == RO -> m = NOMAP
	fi
}

proctype program(byte me)
{
	byte m = NOMAP; bit wr;
	do
	:: atomic {
		m == NOMAP && !stop ->
		if
#ifdef SPLIT
		:: me == 0 -> m = 0
#else
		:: m = 0
#endif
#ifndef SAME
		:: me == 1 -> m = 1
#endif
#ifdef PRIV
		:: me == 1 -> m = 2
#endif
		fi;
		if
		:: wr = 0
#ifdef PINS
#ifndef ONESTORE
		:: me == 0 -> wr = 1
#endif
#else
#ifdef ONESTORE
		:: me == 1 -> wr = 1
#else
		:: wr = 1
#endif
#endif
		fi;
#if defined(SELF) || defined(LODGE)
		if :: m == 1 -> wr = 0 :: else fi;
#endif
		touch(me, m, wr);
		if :: m == NOMAP -> wr = 0 :: else fi
	   }
	:: atomic {
		m != NOMAP && slp[me] == 0 ->
		touch(me, m, wr);
		if :: m == NOMAP -> wr = 0 :: else fi
	   }
#ifdef PRIV
	:: d_step { m == NOMAP && me == 1 && tr[2] == COPY -> tr[2] = NONE }    /* copy dropped */
#endif
#if defined(LODGE) && LODGE > 1
	:: d_step { m == NOMAP && me == 1 && tr[1] == OWN -> tr[1] = NONE; own = 0 }    /* MADV_DONTNEED */
#endif
	:: m == NOMAP && stop -> break
	od
}

/* A trap handler.  It holds the space lock for reading from the comparison of the mapping to the end
 * of the install, and never waits while it holds anything. */
#ifdef V_VMA
#define LOCK_SPACE   skip
#define UNLOCK_SPACE skip
#else
#define LOCK_SPACE   rdlock++
#define UNLOCK_SPACE rdlock--
#endif

inline forget()
{
	busy = (second -> busy : 0);
	UNLOCK_SPACE; m = 0; wr = 0; again = 0; ee = 0; saw = 0; w = 0
}

proctype handler(bit second)
{
	byte m; bit wr, again, ee, w; byte saw;
end:	do
	:: atomic {
		pend != 0 && LOCKABLE && (!second || busy) ->   /* alike, so the second waits for the first */
		busy = (second -> busy : 1);
		if
		:: pend &  1 -> m = 0; wr = 0
		:: pend &  2 -> m = 0; wr = 1
		:: pend &  4 -> m = 1; wr = 0
		:: pend &  8 -> m = 1; wr = 1
#ifdef PRIV
		:: pend & 16 -> m = 2; wr = 0
		:: pend & 32 -> m = 2; wr = 1
#endif
		fi;
		again = (waited >> (2*m + wr)) & 1;
		pend   = pend   & ~(1 << (2*m + wr));
		waited = waited & ~(1 << (2*m + wr));
		LOCK_SPACE;
		if :: !ISOURS(m) -> k_wake(m); goto out :: else fi  /* compared under the lock */
#if defined(REMAP) || defined(TRUNC)
	   };
look:
#ifdef TRUNC
	   if :: inside :: !inside -> atomic { k_wake(m); goto out } fi;    /* retried, it gets SIGBUS */
#endif
	   atomic {                                             /* one load, one compare-and-swap */
#else
look:
#endif
		ee = 0;
		if
		:: st == ABSENT || (st == FAILED && !again) ->
			start_read(); saw = READING; goto started
		:: st == FAILED && again -> goto verdict       /* the read that it waited for failed */
		:: st == READING || st == EVICTING -> saw = st; goto park
#if defined(LODGE) && !defined(V_LODGEVIS)
		:: st == LODGED -> goto lies
#endif
		:: VISIBLE ->
			if
			:: GRANTS(m, wr) ->
#ifdef V_GRANT
				if
				:: st == CLEAN -> st = DIRTY
				:: st == WRITING -> redirtied = 1
				:: st == DIRTY
				fi;
#else
				if :: st == CLEAN -> st = DIRTY :: else fi;
				wpins++;
#endif
				goto grant
			:: else ->
#ifndef V_INSTALL
				rpins++;
#endif
				goto install
			fi
		fi
	   };
started:
	   check_size(w);
park:
	   /* under the queue's lock, set WAITERS by compare-and-swap if the state is still the one seen */
	   atomic {
		if
		:: PARK_OK ->
			waiters = 1; parked = parked | (1 << (2*m + wr));
#ifdef RFAIL
			if :: saw == READING -> waited = waited | (1 << (2*m + wr)) :: else fi;
#endif
			goto out
		:: !PARK_OK ->
#ifdef RFAIL
			again = (saw == READING);
#endif
			goto look
		fi
	   };
#ifdef LODGE
lies:
	   /* It is shown there; or it was read for this, and the next touch finds it or traps; or it goes,
	    * without the lock. */
	   if
	   :: atomic { k_wake(m); goto out }
	   :: !(m == 1 && tr[1] == OWN) -> UNLOCK_SPACE
	   fi;
	   drop_lodged(w);
	   atomic {
		LOCKABLE -> LOCK_SPACE;
		if :: ISOURS(m) -> goto look :: else -> k_wake(m); goto out fi
	   };
#endif
verdict:
	   skip;
	   /* No install runs meanwhile (the lock is held for writing), and only what shows nothing is
	    * refused: what is there may have come from another read. */
#ifdef V_REFUSE
	   d_step { if :: tr[m] == RO && m < 2 -> tr[m] = RW :: else fi };
	   skip;
#endif
	   atomic {
		if
		:: tr[m] == NONE && !VISIBLE ->
			if :: slp[0] == 1 + m -> sig[0] = 1 :: else fi;
			if :: slp[1] == 1 + m -> sig[1] = 1 :: else fi
		:: else
		fi;
		k_wake(m); goto out
	   };
install:
#ifdef TRUNC
	   if :: inside :: !inside -> atomic {                 /* rule 11: store, then look */
#ifndef V_INSTALL
		drop_rpin();
#endif
		k_wake(m); goto out } fi;
#endif
#ifdef FILLED
	   if :: d_step { k_wake(m) } :: k_continue(m, RO, ee) fi;      /* it was read for this */
#elif defined(SELF)
	   if :: m == 1 -> d_step { k_wake(m) } :: k_continue(m, RO, ee) fi;
#else
	   k_continue(m, RO, ee);
#endif
	   atomic {
		if :: ee -> k_wake(m) :: else fi;
#ifndef V_INSTALL
		drop_rpin();
#endif
		goto out
	   };
grant:
#ifdef TRUNC
	   if :: inside :: !inside -> k_wake(m); goto granted fi;
#endif
#ifdef SHOWN
	   if :: k_unprotect_only(m); goto granted :: k_hide(m) :: skip fi;
#endif
	   k_continue(m, RW, ee);
	   if :: ee -> k_unprotect(m) :: else fi;
granted:
	   atomic {
#ifndef V_GRANT
		drop_wpin();
#endif
		skip;
out:		forget()
	   }
	od
}

#ifdef FILLED
/* fault_fill(): the lock of the space is tried, and nothing is waited for. */
inline fill(m)
{
	atomic {
		ISOURS(m) ->
		assert(charged == 1 && st == READING && !cut);
		asked = 0;
#ifndef V_FILLVMA
		rdlock++
#endif
	};
	k_fill(m);
#ifndef V_FILLVMA
	rdlock--;
#endif
	skip
}
#endif

/* The pager's completion side: fills through the window, which makes the page present at once. */
proctype pager()
{
	bit w;
#ifdef LODGE
	bit lies;
#endif
end:	do
#ifdef FILLED
#ifdef V_FILLEARLY
	:: asked -> d_step { asked = 0; set_state(CLEAN, w) };
	   if :: w -> requeue() :: else fi;
	   w = 0;
	   k_fill(0)
#else
	:: asked ->
	   if :: fill(0) :: fill(1) fi;
	   d_step { set_state(CLEAN, w); assert(SOUND) };
	   if :: w -> requeue() :: else fi;
	   w = 0
#endif
#endif
#ifdef LODGE
	:: atomic {                                             /* the lock of the space is tried */
		asked && LOCKABLE && ISOURS(1) ->
		assert(charged == 1 && st == READING && !cut);
		asked = 0; rdlock++
	   };
	   k_lodge(lies);
	   if :: lies :: else -> d_step { asked = 1; rdlock-- }; goto next fi;     /* elsewhere, then */
#ifdef V_LODGELATE
	   rdlock--;
#endif
#ifndef V_LODGECOUNT
	   lodged = 1;
#endif
	   d_step { set_state(LODGED, w)
#ifndef V_LODGELATE
		; assert(LIES)
#endif
	   };
#ifdef V_LODGECOUNT
	   lodged = 1;
#endif
#ifndef V_LODGELATE
	   rdlock--;
#endif
	   if :: w -> requeue() :: else fi;
	   d_step { w = 0; lies = 0 };
next:	   skip
#endif
	:: asked ->
	   d_step {
		assert(charged == 1 && st == READING && !cut);
		asked = 0; present = 1; mem[0] = home[0];
#if defined(SELF) && !defined(V_FILL)
		mem[1] = home[1]        /* whole pages, out of a buffer */
#endif
	   };
	   if
	   :: d_step { mem[1] = home[1] };
	      d_step { set_state(CLEAN, w); assert(SOUND) }
#ifdef RFAIL
	   :: 
#ifndef V_HALFREAD
	      k_punch();
#endif
	      if
	      :: d_step { charged = 0; set_state(FAILED, w) }
	      :: d_step { charged = 0; set_state(ABSENT, w) }   /* a run of several pages */
	      fi
#endif
	   fi;
	   if :: w -> requeue() :: else fi;
	   w = 0
	od
}

#ifdef WHOLE
/* object_put(): READING and not asked for, so that nobody sees it and no store is asked; the bytes; DIRTY.
 * What it stores is the last of both locations from the moment that they are there: nobody else can store
 * then.  What is in memory already is a pinner's matter. */
proctype putter()
{
	bit w;
	do
	:: !stop && inside ->
	   atomic {
		if
		:: st == ABSENT || st == FAILED -> assert(charged == 0); charged = 1; st = READING
		:: else -> goto next
		fi
	   };
#if defined(TRUNC) && !defined(V_WHOLESIZE)
	   if :: inside :: !inside -> goto back fi;             /* rule 11: store, then look */
#endif
#if defined(DISC) && !defined(V_WHOLERANGE)
	   if :: !discarding :: discarding -> goto back fi;
#endif
	   if
#ifdef V_WHOLEPARTS
	   :: d_step { present = 1; mem[0] = 1; home[0] = 0 };
	      d_step { mem[1] = 1; home[1] = 0 }
#else
	   :: d_step {
		assert(st == READING && !asked && !present && !cut);
		STALE present = 1; mem[0] = 1; mem[1] = 1; home[0] = 0; home[1] = 0 };
	      if
	      :: true
	      :: d_step { home[0] = 1; home[1] = 1 }; goto fail /* another page of its run: it was not written */
	      fi
#endif
#ifndef SELF
	   :: d_step { present = 1; mem[0] = 1; mem[1] = 0 };   /* a part of it */
#ifdef V_WHOLESHORT
	      home[0] = 0; home[1] = 0; goto come;
#endif
	      goto fail
#endif
	   :: goto fail
	   fi;
#ifdef V_WHOLECLEAN
	   d_step { set_state(CLEAN, w) };
	   if :: w -> requeue() :: else fi;
	   atomic { if :: st == CLEAN -> st = DIRTY :: else fi };
	   goto next;
#endif
come:	   atomic { assert(SOUND); set_state(DIRTY, w) };
#ifdef V_WHOLEQUIET
	   w = 0;
#endif
	   goto told;
fail:	   skip;
#ifndef V_WHOLEHALF
	   k_punch();                                           /* rule 6 */
#endif
back:	   atomic { charged = 0; set_state(ABSENT, w) };
told:	   if :: w -> requeue() :: else fi;
next:	   w = 0
	:: stop -> break
	od;
}
#endif

/* Writes back whenever the page is dirty. */
proctype flusher()
{
	bit won, good, w;
end:	do
	:: st == DIRTY -> write_back(won, good, w); d_step { won = 0; good = 0; w = 0 }
#ifdef BESIDE
	:: tr[0] == RW -> k_protect(0)
	:: tr[1] == RW -> k_protect(1)
#endif
	od
}

/* Throws the page out whenever it may. */
proctype evictor()
{
	bit w;
#ifdef ANNOUNCE
	bit found;
#endif
end:	do
	:: atomic {
		st == CLEAN && rpins == 0 && wpins == 0 ->
#if !defined(V_EVICTPIN) && !defined(V_SLOTFIRST)
		st = EVICTING
#endif
	   };
#ifdef V_EVICTPIN
	   if :: atomic { st == CLEAN -> st = EVICTING } :: else -> goto next fi;
#endif
#ifdef V_SLOTFIRST
	   look_at_slots(found);
	   if :: found -> goto next :: else fi;
	   if :: atomic { st == CLEAN && rpins == 0 && wpins == 0 -> st = EVICTING } :: else -> goto next fi;
#endif
	   d_step { assert(rpins == 0 && wpins == 0 && AT_HOME && SOUND) };
#if defined(ANNOUNCE) && !defined(V_NOSLOT) && !defined(V_SLOTFIRST)
	   look_at_slots(found);
	   if
	   :: found -> d_step { set_state(CLEAN, w) }; goto tell /* it stays, as if it were counted */
	   :: else
	   fi;
#endif
#ifdef V_LATEPUNCH
	   d_step { set_state(ABSENT, w); charged = 0 };
	   k_punch();
#else
	   k_punch();
	   d_step { assert(rpins == 0 && wpins == 0); set_state(ABSENT, w); charged = 0 };
#endif
tell:	   if :: w -> requeue() :: else fi;
next:	   w = 0
#ifdef ANNOUNCE
	   ; found = 0
#endif
#ifdef LODGE
	:: atomic { st == LODGED -> begin_hollow() };
#if defined(ANNOUNCE) && !defined(V_NOSLOT)
	   look_at_slots(found);
	   if
	   :: found -> d_step { set_state(LODGED, w); found = 0 };
		if :: w -> requeue() :: else fi;
		w = 0; goto next
	   :: else
	   fi;
#endif
#ifdef V_LODGELEAVE
	   end_hollow(w); k_drop()
#else
	   if :: lodged -> k_drop() :: else fi;                 /* nothing of the object is LODGED */
	   end_hollow(w)
#endif
#endif
#ifdef GAP
#ifdef V_GAP
	:: st == ABSENT -> k_punch()
#else
#ifdef LODGE
	:: atomic { st == ABSENT -> st = EVICTING; hollow = 1 };
#ifdef V_LODGEGAP
	   k_drop();                                            /* as other pages are LODGED */
#endif
#else
	:: atomic { st == ABSENT -> st = EVICTING };
#endif
	   k_punch();
	   d_step { set_state(ABSENT, w) };
	   if :: w -> requeue() :: else fi;
	   w = 0
#endif
#endif
	od
}

#define KEPT (!cut)                             /* what was pinned is not cut off */

#ifdef ANNOUNCE
/* pin_announced(), hazard_drop(): announces, then looks at the size and at the word.  Where there are no
 * bytes it counts, which is the pinner's matter. */
proctype announcer(bit me)
{
	do
	:: atomic {
		!stop ->
#if !defined(V_WORDFIRST) && !defined(V_SIZEFIRST)
		slot[me] = 1
#endif
	   };
#ifdef V_SIZEFIRST
	   if :: inside :: !inside -> goto drop fi;
	   slot[me] = 1;
#endif
#if defined(TRUNC) && !defined(V_PINSIZE) && !defined(V_SIZEFIRST)
	   if :: inside :: !inside -> goto drop fi;             /* rule 11: store, then look */
#endif
	   if :: VISIBLE :: !VISIBLE -> goto drop fi;
#ifdef V_WORDFIRST
	   slot[me] = 1;
#endif
	   d_step { assert(SOUND && KEPT) };
	   d_step { assert(SOUND && KEPT) };
drop:	   slot[me] = 0
	:: stop -> break
	od
}
#endif

#ifdef PINS
/* object_hold(): takes a pin where there are bytes, then looks at the size; else sees to a read, or
 * parks and sleeps.  Owns location 1.  A copy is a short pin: in a write pin, out a read pin. */
proctype pinner()
{
	bit w, wr;
#ifdef RFAIL
	bit blame;
#endif
#ifdef LODGE
	bit kept;
#endif
	do
	:: atomic {
		!stop -> if :: wr = 0 :: wr = 1 fi;
look:		if
		:: VISIBLE ->
			if
			:: wr -> if :: st == CLEAN -> st = DIRTY :: else fi; wpins++
			:: !wr -> rpins++
			fi;
			goto taken
#ifdef RFAIL
		:: st == FAILED && blame -> goto next           /* its error is returned */
		:: st == FAILED && !blame && inside -> start_read(); blame = 1; goto begun
#endif
		:: st == ABSENT && inside -> start_read(); goto begun
		:: (st == ABSENT || st == FAILED) && !inside -> goto next
		:: st == READING || st == EVICTING ->
			waiters = 1; hslp = 1;
#ifdef RFAIL
			blame = (st == READING);
#endif
			goto asleep
#if defined(LODGE) && !defined(V_LODGEVIS)
		:: st == LODGED -> begin_hollow(); goto lies
#endif
		fi
	   };
#ifdef LODGE
lies:	   bring_home(kept, w); goto again;
#endif
begun:	   check_size(w); w = 0; goto again;
asleep:	   hslp == 0;
again:	   atomic { skip; goto look };
taken:
#if defined(TRUNC) && !defined(V_PINSIZE)
	   if :: inside :: !inside -> goto drop fi;             /* rule 11: store, then look */
#endif
	   if
	   :: !wr -> d_step { assert(SOUND && KEPT) }; d_step { assert(SOUND && KEPT) }
	   :: wr ->
		do                                              /* stores without any trap */
		:: d_step {
			assert(present && (st == DIRTY || st == WRITING) && KEPT);
			STALE mem[1] = 1; home[1] = 0 }
		:: break
		od
	   fi;
drop:	   if :: wr -> drop_wpin() :: !wr -> drop_rpin() fi;
next:	   atomic { wr = 0;
#ifdef RFAIL
		blame = 0;
#endif
		w = 0 }
	:: stop -> break
	od;
}
#endif

#ifdef MSYNC
/* msync(MS_SYNC): every store finished before its start is at home when it returns 0.  That the page
 * is looked at at all is dirty.pml's matter. */
proctype msync()
{
	bit won, good, w;
#ifdef V_COUNTWAKES
	byte wakes;
#endif
	do
	:: d_step { owed[0] = !home[0]; owed[1] = !home[1] };
	   do
	   :: st == DIRTY -> write_back(won, good, w);
		if :: won -> break :: else fi
#ifdef V_MSYNC
	   :: st == WRITING -> break
#else
	   :: atomic { st == WRITING -> waiters = 1; mslp = 1 };  /* perhaps begun before us */
		mslp == 0;
#ifdef V_COUNTWAKES
		wakes++;
		if :: wakes == 2 -> break :: else fi
#endif
#endif
	   :: else -> break
	   od;
	   atomic {
		assert(err || (!owed[0] && !owed[1]));          /* else it returns EIO, once */
		owed[0] = 0; owed[1] = 0; err = 0; won = 0; good = 0; w = 0
#ifdef V_COUNTWAKES
		; wakes = 0
#endif
	   }
	:: stop -> break
	od;
}
#endif

#ifdef REMAP
/* MAP_FIXED over mapping 0, and back.  Translations go, sleepers are woken. */
#ifndef LODGE
proctype remapper()
{
	do
	:: atomic { rdlock == 0 -> other = 1; tr[0] = NONE; k_wake(0) };
	   atomic { rdlock == 0 -> other = 0; tr[0] = NONE; k_wake(0) }
	:: stop -> break
	od;
}
#else
/* Of mapping 1.  Before the host is told, all that lies there goes, and who is about to drop some of it by
 * its address is waited for; the object's list follows after.  Where nothing is counted nothing is looked
 * for: other pages may be. */
proctype remapper()
{
	bit w;
	do
	:: atomic { rdlock == 0 -> wrlock = 1 };
	   do
	   :: atomic { st == LODGED -> begin_hollow() }; k_drop(); end_hollow(w)
#ifdef V_LODGEMAP
	   :: st != LODGED -> break
#else
	   :: st == EVICTING && hollow -> !(st == EVICTING && hollow)
	   :: st != LODGED && !(st == EVICTING && hollow) -> break
	   :: !lodged -> break
#endif
	   od;
	   atomic { assert(st != LODGED); other = 1; tr[1] = NONE; own = 0; k_wake(1) };
	   d_step { listed = 0; wrlock = 0 };
	   atomic { rdlock == 0 -> wrlock = 1 };
	   d_step { other = 0; tr[1] = NONE; k_wake(1) };
	   d_step { listed = 1; wrlock = 0 }
	:: stop -> break
	od;
}
#endif
#endif

#if defined(TRUNC) && defined(ANNOUNCE)
inline await_slots()
{
	!slot[0];
#if ANNOUNCE > 1
	!slot[1]
#endif
}
#endif

#ifdef TRUNC
/* EVICTING -> hole -> ABSENT, from CLEAN or DIRTY without pins. */
inline drop_page(w)
{
	do
	:: atomic { (st == CLEAN || st == DIRTY) && UNPINNED -> st = EVICTING };
		k_punch();
		d_step { charged = 0; set_state(ABSENT, w) };
		if :: w -> requeue() :: else fi; w = 0; break
	:: st == ABSENT || st == FAILED -> break
#ifdef LODGE
#ifdef V_LODGECUT
	:: st == LODGED -> break
#else
	:: st == LODGED -> drop_lodged(w)
#endif
#endif
	od;
	skip
}

/* Shrinks to nothing and grows again.  The size first, so that nobody new comes in; what is under
 * way ends; a pin refuses.  Then the store is cut, which may refuse as well: the old size comes back,
 * and nothing is lost.  Then the page goes, and last its memory. */
proctype resizer()
{
	bit w;
	do
#ifdef V_SIZELATE
	:: await_slots();
	   inside = 0;
#else
	:: inside = 0;
#if defined(ANNOUNCE) && !defined(V_CUTSLOT)
	   if
	   :: await_slots()
	   :: ANNOUNCED -> goto restore                         /* EBUSY */
	   fi;
#endif
#endif
settle:	   if
	   :: st == ABSENT || st == FAILED
#ifdef LODGE
#ifdef V_LODGECUT
	   :: st == LODGED
#else
	   :: st == LODGED -> drop_lodged(w); goto settle
#endif
#endif
	   :: CUTTABLE && UNPINNED
	   :: rpins > 0 || wpins > 0 -> goto restore            /* EBUSY */
	   fi;
#ifdef V_DROPFIRST
	   drop_page(w);
#endif
	   if
	   :: d_step { STALE cut = 1; home[0] = 1; home[1] = 1 }        /* zeros are the last value now */
	   :: goto restore                                      /* the store refuses */
	   fi;
	   drop_page(w);
	   d_step { assert(!present && tr[1] != OWN); mem[0] = 0; mem[1] = 0; cut = 0 };
	   inside = 1;                                          /* the store first, of zeros */
	   goto next;
restore:   inside = 1;
next:	   skip
	:: stop -> break
	od;
}
#endif

#ifdef DISC
/* object_discard(): the range is stored, then the page is looked at; what is under way ends.  Who begins
 * to read looks the other way round.  Zeros are the last value from the moment that the store has them,
 * or, of a page that stays pinned, from the moment that they are put there. */
proctype discarder()
{
	bit w, dirty;
#ifdef ANNOUNCE
	bit found;
#endif
	do
	:: discarding = 1;
look:	   if
	   :: st == ABSENT || st == FAILED ->
		d_step { home[0] = 1; home[1] = 1; mem[0] = 0; mem[1] = 0 }
#ifdef LODGE
#ifdef V_LODGECUT
	   :: d_step { st == LODGED -> STALE home[0] = 1; home[1] = 1 }
#else
	   :: st == LODGED -> drop_lodged(w); goto look
#endif
#endif
	   :: atomic { (st == CLEAN || st == DIRTY) && UNPINNED -> dirty = (st == DIRTY); st = EVICTING };
#if defined(ANNOUNCE) && !defined(V_DISCSLOT)
		look_at_slots(found);
		if
		:: found ->                                     /* not now: it looks again */
#ifdef V_BACKCLEAN
			dirty = 0;
#endif
			d_step { set_state((dirty -> DIRTY : CLEAN), w); found = 0; dirty = 0 };
#ifdef V_BACKQUIET
			w = 0;
#endif
			if :: w -> requeue() :: else fi;
			w = 0; goto look
		:: else
		fi;
#endif
		if
		:: d_step { cut = 1; home[0] = 1; home[1] = 1 };
		   k_punch();
		   d_step { charged = 0; cut = 0; set_state(ABSENT, w) }
		:: d_step { set_state((dirty -> DIRTY : CLEAN), w) }    /* the store refuses */
		fi;
		if :: w -> requeue() :: else fi
#if defined(PINS) || defined(ANNOUNCE)
#ifdef ANNOUNCE
	   :: atomic { VISIBLE ->                               /* the slot that it has seen may be free by now */
#else
	   :: atomic { VISIBLE && !UNPINNED ->
#endif
#ifndef V_ZEROCLEAN
		wpins++; if :: st == CLEAN -> st = DIRTY :: else fi
#endif
	      };
		d_step { home[0] = 0; home[1] = 0 };            /* zeros, and not what was stored last */
		d_step { mem[0] = present; mem[1] = present };  /* but now they are; home is to be written */
#ifndef V_ZEROCLEAN
		d_step { home[0] = 0; home[1] = 0 };
		drop_wpin()
#endif
#endif
	   fi;
	   d_step { discarding = 0; w = 0; dirty = 0 }
	:: stop -> break
	od;
}
#endif

/* At some moment nobody begins anything new.  When nothing can move any more, everybody has finished, and home holds every store. */
proctype judge()
{
	stop = 1;
	timeout ->
	d_step {
		assert(slp[0] == 0 && slp[1] == 0 && pend == 0 && parked == 0 && !hslp && !mslp);
		assert(rpins == 0 && wpins == 0 && rdlock == 0);
#ifdef LODGE
		assert(st == CLEAN || st == ABSENT || st == FAILED || st == LODGED);
		assert(st != LODGED || LIES);
		assert(tr[1] != OWN || st == LODGED);
		assert(lodged == (st == LODGED) && !hollow);
		assert(charged == (present || st == LODGED));
#else
		assert(st == CLEAN || st == ABSENT || st == FAILED);
		assert(charged == present);
#endif
		assert(st != CLEAN || SOUND);
#ifdef ANNOUNCE
		assert(!ANNOUNCED);
#endif
		assert(AT_HOME)
	}
}

init {
	atomic {
		run program(0); run program(1);
		run handler(0);
#if NHAND > 1
		run handler(1);
#endif
		run pager(); run flusher();
#ifndef NOEVICT
		run evictor();
#endif
#ifdef PINS
		run pinner();
#endif
#ifdef WHOLE
		run putter();
#endif
#ifdef ANNOUNCE
		run announcer(0);
#if ANNOUNCE > 1
		run announcer(1);
#endif
#endif
#ifdef MSYNC
		run msync();
#endif
#ifdef REMAP
		run remapper();
#endif
#ifdef TRUNC
		run resizer();
#endif
#ifdef DISC
		run discarder();
#endif
		run judge()
	}
}
