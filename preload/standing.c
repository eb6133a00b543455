/* standing.c - writes that are begun without a message */
/* SPDX-License-Identifier: MIT */
/*
 * What stands is one write of one file after the other (src/server/standing.c).
 * Its word is in memory that the server has given us: from IDLE to the pages that
 * are about to be written is our step, all else the server's.  A word is used by
 * one thread at a time; another one finds it in use, and gets a place of its own.
 *
 *	FREE --> BUSY: begun as any --END: it stands--> STANDS --word--> BUSY
 *	 ^         |           ^                          |
 *	 '---------'           '--------------------------' it does so no more:
 *	   it does not                                      the next BEGIN says so
 *
 * The child of a vfork(), whose death alone nobody would see, begins as ever.
 */
#include "standing.h"

#include "lock.h"
#include "raw.h"

#include <sys/mman.h>

enum state {
	FREE,
	BUSY, /* one thread's, as all that follows */
	STANDS,
};

static struct standing {
	_Atomic int state;
	_Atomic uint64_t device; /* looked at by anybody, as a hint */
	_Atomic uint64_t inode;
	uint64_t id;
	uint64_t server; /* client_generation() of the one that said so */
	_Atomic uint64_t *word;
} places[STANDING_WORDS];

/* Memory of the server of that generation, less one; 0: none. */
static struct lock words_lock; /* who changes them */
static struct standing_words *_Atomic words;
static _Atomic uint64_t words_server;

void standing_after_fork(void)
{
	lock_reset(&words_lock);
	for (size_t i = 0; i < STANDING_WORDS; i++)
		atomic_store(&places[i].state, FREE);
	atomic_store(&words_server, 0);
}

/* acquire and release: who has a place sees what the one before wrote of it */
static bool become_busy(struct standing *place, int from)
{
	return atomic_load_explicit(&place->state, memory_order_relaxed) ==
		       from &&
	       atomic_compare_exchange_strong_explicit(&place->state, &from,
						       BUSY,
						       memory_order_acquire,
						       memory_order_relaxed);
}

static void become(struct standing *place, int state)
{
	atomic_store_explicit(&place->state, state, memory_order_release);
}

static bool is_of(const struct standing *place, const struct look *look)
{
	return atomic_load_explicit(&place->inode, memory_order_relaxed) ==
		       look->inode &&
	       atomic_load_explicit(&place->device, memory_order_relaxed) ==
		       look->device;
}

/* True: it stands no more; the server is told with the next BEGIN. */
static bool is_over(const struct standing *place)
{
	return place->server != client_generation() || !place->word ||
	       atomic_load(place->word) == STANDING_NONE;
}

static bool take_word(const struct standing *place, uint64_t pages)
{
	uint64_t word = STANDING_IDLE;

	return !is_over(place) &&
	       atomic_compare_exchange_strong(place->word, &word, pages);
}

/* => the place is this thread's, and remains it if it is the first that is over:
 * of that the server is told with BEGIN, and the word is free. */
static void let_go(struct begun *begun, int place)
{
	if (begun->place < 0 && is_over(&places[place])) {
		begun->place = place;
		begun->given_up = places[place].id;
	} else {
		become(&places[place], STANDS);
	}
}

static bool find(struct begun *begun, const struct look *look, uint64_t pages)
{
	for (int i = 0; i < (int)STANDING_WORDS; i++) {
		struct standing *place = &places[i];

		if (!is_of(place, look) || !become_busy(place, STANDS))
			continue;
		if (is_of(place, look) && take_word(place, pages)) {
			standing_free(begun); /* no BEGIN: nobody is told */
			begun->id = (int64_t)place->id;
			begun->place = i;
			return true;
		}
		let_go(begun, i);
	}
	return false;
}

static void find_free(struct begun *begun)
{
	for (int i = 0; i < (int)STANDING_WORDS && begun->place < 0; i++)
		if (become_busy(&places[i], FREE))
			begun->place = i;
	/* What stands no more of files that nobody writes now. */
	for (int i = 0; i < (int)STANDING_WORDS && begun->place < 0; i++)
		if (become_busy(&places[i], STANDS))
			let_go(begun, i);
}

bool standing_begin(struct begun *begun, const struct look *look, off_t offset,
		    size_t length)
{
	*begun = (struct begun){ .line = -1, .place = -1 };
	if (!client_ready() || (int)raw(SYS_getpid) != client_process() ||
	    length > STANDING_BYTES || offset >= (off_t)1 << 59)
		return false;
	if (find(begun, look, standing_word((uint64_t)offset, length)))
		return true;
	find_free(begun);
	return false;
}

/* What is over remains so: the server may not have heard of it. */
void standing_free(struct begun *begun)
{
	if (begun->place >= 0)
		become(&places[begun->place], begun->given_up ? STANDS : FREE);
	begun->place = -1;
	begun->given_up = 0;
}

void standing_ask(struct begun *begun, const struct look *look,
		  struct call *call)
{
	/* A line of its own is closed at once. */
	if (!look || begun->place < 0 || begun->line >= 0)
		return;
	begun->server = client_generation();
	call->request.flags |= WRITE_STAND;
	call->request.advice = begun->place;
	call->request.address = look->changed_ns;
	if (atomic_load(&words_server) != begun->server + 1)
		call->request.flags |= WRITE_WANTS_WORDS;
}

/* What other threads look at remains.  A child has none of it. */
static void map_words(struct call *call, uint64_t server)
{
	const size_t size = sizeof(struct standing_words);
	long mapped;

	if (call->got_count == 0)
		return;
	mapped = raw(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		     call->got[0], 0);
	call_drop(call, 0);
	if (raw_failed(mapped))
		return;
	raw(SYS_madvise, mapped, size, MADV_DONTFORK);
	lock_take(&words_lock);
	atomic_store(&words_server, 0);
	atomic_store(&words, (struct standing_words *)mapped);
	atomic_store(&words_server, server + 1);
	lock_drop(&words_lock);
}

/* The place's word at that server; NULL: it is not known. */
static _Atomic uint64_t *word_of(int place, uint64_t server)
{
	bool ours = atomic_load(&words_server) == server + 1;
	struct standing_words *there = atomic_load(&words);

	/* As it was: those are of that server. */
	ours = ours && atomic_load(&words_server) == server + 1;
	return ours ? &there->word[place] : NULL;
}

void standing_end(struct begun *begun, const struct look *look,
		  struct call *call)
{
	struct standing *place;

	if (!look || begun->place < 0)
		return;
	place = &places[begun->place];
	begun->given_up = 0; /* it was told with BEGIN */
	if (call->reply.error || !(call->reply.flags & REPLY_STANDS)) {
		standing_free(begun);
		return;
	}
	map_words(call, begun->server);
	place->device = look->device;
	place->inode = look->inode;
	place->id = call->reply.id;
	place->server = begun->server;
	place->word = word_of(begun->place, begun->server);
	become(place, STANDS);
}
