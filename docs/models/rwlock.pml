/* rwlock.pml - a read-write lock on two futexes: who sleeps, who wakes whom */
/* SPDX-License-Identifier: MIT */
/*
 * True to src/base/futex_rwlock.c.  Each step is one locked instruction, a
 * load or a system call; Memory is in order, as all of them are sequentially consistent.
 *
 *   sizes    -DREADERS=n, -DWRITERS=n threads (2, 2), each of which takes the
 *            lock -DTIMES=n (2) times; one sleeper is wakened without a reason
 *
 *   mistakes
 *     V_TURNLATE  a writer reads the turns after his last look at the state
 *     V_NOLOOK    he does not look again once he has read them
 *     V_OTHERS    who slept does not say that others may sleep still
 *     V_NOREADERS no writer was asleep, and the readers are not woken
 *     V_BLIND     the last reader wakes nobody
 *     V_NOMARK    a reader falls asleep without a mark
 *     V_FRESH     a reader does not look for who waits
 *     V_KEEPMARK  readers are woken, and their mark stays
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef TIMES
#define TIMES 2
#endif
#define THREADS (READERS + WRITERS)

/* The state, and whether it is what was seen. */
#define COUNT 15                /* readers; all of it: a writer */
#define WRITER 15
#define RWAIT 16
#define WWAIT 32
byte state;
/* Of the turns: whether they are what the writer has read.  2^32 of them do not
 * come between his look and his sleep. */
bool same[THREADS];

#define FREE(s) (((s) & COUNT) == 0)
#ifdef V_FRESH
#define MAY_READ(s) (((s) & COUNT) != WRITER)
#else
#define MAY_READ(s) ((s) < WRITER - 1)
#endif

/* Who sleeps: on the state, or on the turns. */
bool reads[THREADS], writes[THREADS];
byte in_read, in_write;

byte spurious = 1;

/* FUTEX_WAIT: looks and falls asleep in one. */
inline sleep(condition, asleep)
{
	atomic {
		if :: condition -> asleep = true :: else fi;
		s = 0
	};
	atomic {
		if
		:: !asleep
		:: asleep && spurious > 0 -> spurious--; asleep = false
		fi
	}
}

/* FUTEX_WAKE of one, whichever it is. */
inline wake_writer(woken)
{
	d_step {
		same[0] = false; same[1] = false;
#if THREADS > 2
		same[2] = false;
#endif
#if THREADS > 3
		same[3] = false;
#endif
	};
	atomic {
		woken = true;
		if
		:: writes[0] -> writes[0] = false
		:: writes[1] -> writes[1] = false
#if THREADS > 2
		:: writes[2] -> writes[2] = false
#endif
#if THREADS > 3
		:: writes[3] -> writes[3] = false
#endif
		:: else -> woken = false
		fi
	}
}

/* FUTEX_WAKE of all. */
inline wake_readers()
{
	d_step {
		reads[0] = false; reads[1] = false;
#if THREADS > 2
		reads[2] = false;
#endif
#if THREADS > 3
		reads[3] = false;
#endif
	}
}

/* s is free, and somebody waits. */
inline wake_next()
{
	if
	:: s == WWAIT ->
		atomic {
			if
			:: state == s -> state = 0; s = 0
			:: else -> s = state
			fi
		};
		if
		:: s == 0 -> wake_writer(woken); woken = false
		:: else
		fi
	:: else
	fi;
	if
	:: s == (RWAIT | WWAIT) ->
		atomic {
			if
			:: state == s -> state = RWAIT; s = RWAIT
			:: else -> s = 0        /* who has it sees to that */
			fi
		};
		if
		:: s == RWAIT ->
			wake_writer(woken);
#ifdef V_NOREADERS
			woken = true;
#endif
			if
			:: woken -> s = 0
			:: else
			fi
		:: else
		fi
	:: else
	fi;
	if
	:: s == RWAIT ->
#ifdef V_KEEPMARK
		wake_readers()
#else
		atomic {
			if
			:: state == s -> state = 0
			:: else -> s = 0
			fi
		};
		if
		:: s == RWAIT -> wake_readers()
		:: else
		fi
#endif
	:: else
	fi;
	d_step { s = 0; woken = false }
}

active [READERS] proctype reader()
{
	byte s, n;
	bool woken;

again:
	atomic {
		s = state;
		if
		:: MAY_READ(s) -> goto enter
#ifdef V_NOMARK
		:: else -> goto wait
#else
		:: !MAY_READ(s) && (s & RWAIT) -> goto wait
		:: else
#endif
		fi
	};
	atomic { /* mark() */
		if
		:: state == s -> s = s | RWAIT; state = s
		:: else -> s = 0; goto again
		fi
	};
wait:	sleep(state == s, reads[_pid]);
	goto again;
enter:	atomic {
		if
		:: state == s -> state = s + 1; s = 0
		:: else -> s = 0; goto again
		fi
	};
	in_read++;
	assert(in_write == 0);
	in_read--;
	atomic {
		state--;
		if
#ifndef V_BLIND
		:: FREE(state) && (state & WWAIT) -> s = state
#endif
		:: else
		fi
	};
	if :: s != 0 -> wake_next() :: else fi;
	atomic { n++; if :: n < TIMES -> goto again :: else fi }
}

active [WRITERS] proctype writer()
{
	byte s, n, others;
	bool woken;

again:
	atomic {
		s = state;
		if
		:: FREE(s) -> goto enter
		:: !FREE(s) && (s & WWAIT) -> goto wait
		:: else
		fi
	};
	atomic { /* mark() */
		if
		:: state == s -> s = s | WWAIT; state = s
		:: else -> s = 0; goto again
		fi
	};
wait:
#ifndef V_OTHERS
	others = WWAIT;
#endif
#ifndef V_TURNLATE
	same[_pid] = true;
#endif
#ifndef V_NOLOOK
	atomic {
		s = state;
		if
		:: FREE(s) || !(s & WWAIT) -> s = 0; goto again
		:: else
		fi
	};
#endif
#ifdef V_TURNLATE
	same[_pid] = true;
#endif
	sleep(same[_pid], writes[_pid]);
	goto again;
enter:	atomic {
		if
		:: state == s -> state = s | WRITER | others; s = 0
		:: else -> s = 0; goto again
		fi
	};
	others = 0;
	in_write++;
	assert(in_write == 1 && in_read == 0);
	in_write--;
	atomic { state = state - WRITER; s = state };
	if :: s != 0 -> wake_next() :: else fi;
	atomic { n++; if :: n < TIMES -> goto again :: else fi }
}
