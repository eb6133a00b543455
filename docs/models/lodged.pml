/* lodged.pml - a clean page whose bytes lie in the mapping that shows it */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/object/lodged.c, src/fault/show.c (pager), src/fault/resolve.c
 * (reader), src/object/hold.c (storer), src/page/reclaim.c (evictor),
 * src/space/vma.c and unmap.c (layout).  What a page's life is otherwise
 * page.pml has; here reads succeed, and a write-back is one step.
 *
 * One page of an object, and one mapping of it, where nobody may store.  The
 * bytes may be in the memfd (present), or in the mapping (own).  Contents are kept
 * relative to the last store, as in page.pml: mem, ownv and home are 1 where the
 * last store is.  Whoever unmaps the mapping has a stranger at its address at
 * once, while the object still lists it: nothing there may be dropped then.
 *
 *   parts      -DGAP      the page lies between two that leave, while it is absent;
 *                         another page of the object comes and goes in its own mapping
 *              -DDROPS    the program drops what the mapping shows, by a madvise() of
 *                         its own
 *
 *   mistakes   each puts one back; spin must then find an error
 *     V_LATE      the word says LODGED after the lock of the space was dropped
 *     V_VISIBLE   who stores takes LODGED for bytes in the memfd
 *     V_HOMEFIRST CLEAN first, and then out of the mapping
 *     V_GONEFIRST ABSENT first, and then out of the mapping
 *     V_NOLOOK    the layout changes without a look at what is lodged
 *     V_NOWAIT    it does not wait for what is leaving
 *     V_GAP       what lies between is dropped from the mapping, too      (GAP)
 *     V_COPY      brought home without a look whether it is there       (DROPS)
 */

#define ABSENT   0
#define READING  1
#define CLEAN    2
#define DIRTY    3
#define EVICTING 4
#define LODGED   5

/* ---- the word ---- */
byte st = ABSENT;
bit  hollow;                    /* EVICTING, and the memfd has nothing of it */
bit  wpin;

/* ---- the world ---- */
bit  present;                   /* the memfd has the page */
bit  mem;
bit  own;                       /* the mapping has it */
bit  ownv;
bit  shown;                     /* the memfd's page is shown */
bit  home = 1;

/* ---- the address space ---- */
bit  ours = 1;                  /* the host has our mapping at the address */
bit  listed = 1;                /* the object has it in its list */
byte readers;                   /* the lock of the space */
bit  writer;
byte count;                     /* object->lodged */

#define LOCK_READ    atomic { !writer -> readers++ }
#define UNLOCK_READ  readers--
#define LOCK_WRITE   atomic { !writer && readers == 0 -> writer = 1 }
#define UNLOCK_WRITE writer = 0

/* leave_mappings(): by address, where the list says that the mapping is. */
inline leave_mapping()
{
	d_step {
		if
		:: listed ->
			assert(ours);           /* else a stranger's memory is gone */
			own = 0
		:: else
		fi
	}
}

/* It is EVICTING, from LODGED: to ABSENT. */
inline drop()
{
#ifdef V_GONEFIRST
	d_step { count--; hollow = 0; st = ABSENT };
	leave_mapping()
#else
	leave_mapping();
	d_step { assert(!own); count--; hollow = 0; st = ABSENT }
#endif
}

/* ---- actors ---- */

/* The end of a read.  The lock is only tried. */
active proctype pager()
{
end:	do
	:: st == READING ->
		if
		:: atomic { !writer -> readers++ };
			if
			:: ours ->
				d_step { assert(!present && !own); own = 1; ownv = home };
#ifdef V_LATE
				UNLOCK_READ;
				d_step { count++; st = LODGED }
#else
				d_step { count++; st = LODGED };
				UNLOCK_READ
#endif
			:: !ours -> UNLOCK_READ;
				d_step { present = 1; mem = home; st = CLEAN }
			fi
		:: d_step { present = 1; mem = home; st = CLEAN }       /* mapped twice, or the lock is taken */
		fi
	od
}

/* Who loads through the mapping; a trap is resolved under the lock of the space. */
active proctype reader()
{
end:	do
	:: atomic { ours && own -> assert(ownv) }
	:: atomic { ours && !own && shown -> assert(present && mem) }
	:: ours && !own && !shown ->
		LOCK_READ;
		if
		:: !ours || own -> UNLOCK_READ
		:: ours && !own ->
			if
			:: atomic { st == ABSENT -> st = READING }; UNLOCK_READ
			:: atomic { st == CLEAN || st == DIRTY -> shown = 1 }; UNLOCK_READ
			:: atomic { st == LODGED -> st = EVICTING; hollow = 1 };
				UNLOCK_READ;
				drop()
			:: st == READING || st == EVICTING -> UNLOCK_READ
			fi
		fi
	od
}

/* A copy in, by another handle: a write pin, and a store to the memfd. */
active proctype storer()
{
	bit copied;
end:	do
	:: atomic { st == ABSENT -> st = READING }
#ifdef V_VISIBLE
	:: atomic { st == CLEAN || st == DIRTY || st == LODGED ->
#else
	:: atomic { st == CLEAN || st == DIRTY ->
#endif
		st = DIRTY; wpin = 1 };
		d_step {
			assert(present);
			mem = 1; home = 0;
			ownv = 0                /* older by now, if it is there */
		};
		wpin = 0
	:: atomic { st == LODGED -> st = EVICTING; hollow = 1 };
		/* mincore(), and the copy, which may fail */
		if
#ifdef V_COPY
		:: d_step { present = 1; mem = (own -> ownv : 0); copied = 1 }
#else
		:: d_step { own -> present = 1; mem = ownv; copied = 1 }
#endif
		:: copied = 0
		fi;
		if
		:: copied ->
#ifdef V_HOMEFIRST
			d_step { count--; hollow = 0; st = CLEAN };
			leave_mapping()
#else
			leave_mapping();
			d_step { assert(!own && present && mem); count--; hollow = 0; st = CLEAN }
#endif
		:: !copied -> drop()
		fi;
		copied = 0
	od
}

active proctype flusher()
{
end:	do
	:: atomic { st == DIRTY && !wpin -> home = mem; st = CLEAN }
	od
}

active proctype evictor()
{
end:	do
	:: atomic { st == LODGED -> st = EVICTING; hollow = 1 };
		drop()
	:: atomic { st == CLEAN && !wpin -> st = EVICTING };
		d_step { assert(home && !own); present = 0; shown = 0; mem = 0 };
		st = ABSENT
#ifdef GAP
	:: atomic { st == ABSENT -> st = EVICTING; hollow = 1 };
#ifdef V_GAP
		if :: count > 0 -> leave_mapping() :: else fi;
#endif
		d_step { hollow = 0; st = ABSENT }
#endif
	od
}

/* munmap(), and mmap() at some later time. */
active proctype layout()
{
end:	do
	:: LOCK_WRITE;
#ifndef V_NOLOOK
settle:	if
	:: count == 0
	:: atomic { count > 0 && st == LODGED -> st = EVICTING; hollow = 1 };
		drop();
		goto settle
#ifndef V_NOWAIT
	:: count > 0 && st == EVICTING && hollow -> !(st == EVICTING && hollow); goto settle
	:: count > 0 && !(st == LODGED || (st == EVICTING && hollow))
#else
	:: count > 0 && st != LODGED
#endif
	fi;
#endif
	d_step { ours = 0; own = 0; shown = 0 };        /* a stranger has the address */
	listed = 0;
	UNLOCK_WRITE;
	LOCK_WRITE;
	d_step { ours = 1; listed = 1 };
	UNLOCK_WRITE
	od
}

#ifdef GAP
/* Another page, in a mapping that stays. */
active proctype another()
{
end:	do
	:: LOCK_READ;
		count++;
		UNLOCK_READ;
		count--
	od
}
#endif

#ifdef DROPS
active proctype program()
{
end:	do
	:: atomic { ours && own -> own = 0 }
	od
}
#endif
