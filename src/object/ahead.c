/* ahead.c - what readahead has in memory that nobody has used */
/* SPDX-License-Identifier: MIT */
/*
 * All streams of an engine together may have asked for a quarter of the budget
 * that was not reached yet: so what they bring does not push out what they
 * brought, nor much of what others use.  A stream that nobody follows any more
 * would hold its part for ever: after the others have wanted the share some
 * times over it holds none.  That is told by generations; the last two count.
 *
 * A page that leaves without WORD_TOUCHED died unused.  It makes the window of
 * the stream that asked for it half as wide; and the more of them an object has
 * seen beside those that were used, the longer a reader of it must go straight
 * on before he is believed, and the narrower his window stays.
 */
#include "object/object_private.h"

#define SHARE 4          /* of the budget, one part */
#define LEAST 64         /* one part of the share is had by any stream */
#define WINDOWS 8        /* of the budget, one part is in windows */
#define GENERATION 16    /* shares wanted */
#define TRIED 1024       /* pages that caution looks back to */
#define FREELY_UNUSED 64 /* pages, until caution begins */

static uint64_t share_of(const struct object_host *host)
{
	uint64_t share = host->cache->budget / SHARE;

	return share ? share : 1;
}

/*
 * Relaxed, here and below: a hint.  What is added and taken away while a
 * generation ends may go astray, until the one after the next.
 */
static uint64_t sum(const _Atomic int64_t of[2])
{
	int64_t sum = 0;

	for (int i = 0; i < 2; i++)
		sum += atomic_load_explicit(&of[i], memory_order_relaxed);
	return sum > 0 ? (uint64_t)sum : 0;
}

static void add(_Atomic int64_t of[2], uint32_t generation, int64_t number)
{
	atomic_fetch_add_explicit(&of[generation & 1], number,
				  memory_order_relaxed);
}

static void count_wanted(struct object_host *host, uint64_t pages)
{
	struct ahead_share *ahead = &host->ahead;
	uint64_t most = GENERATION * share_of(host);
	uint64_t wanted = atomic_fetch_add_explicit(&ahead->wanted, pages,
						    memory_order_relaxed);
	uint32_t next;

	if (wanted + pages < most || wanted >= most)
		return; /* not the one that ends it */
	next = atomic_load_explicit(&ahead->generation, memory_order_relaxed) +
	       1;
	atomic_store_explicit(&ahead->held[next & 1], 0, memory_order_relaxed);
	atomic_store_explicit(&ahead->holders[next & 1], 0,
			      memory_order_relaxed);
	atomic_store_explicit(&ahead->generation, next, memory_order_relaxed);
	atomic_store_explicit(&ahead->wanted, 0, memory_order_relaxed);
}

/* What of the sum is the stream's. */
static uint64_t held_by(const struct ahead_share *ahead,
			const struct stream *stream)
{
	uint32_t now =
		atomic_load_explicit(&ahead->generation, memory_order_relaxed);

	return now - stream->generation < 2 ? stream->held : 0;
}

void stream_hold(struct object *object, struct stream *stream, uint64_t pages)
{
	struct ahead_share *ahead = &object->host->ahead;
	uint32_t now =
		atomic_load_explicit(&ahead->generation, memory_order_relaxed);
	uint64_t held = held_by(ahead, stream);

	if (held) {
		add(ahead->held, stream->generation, -(int64_t)held);
		add(ahead->holders, stream->generation, -1);
	}
	stream->held = pages;
	stream->generation = now;
	if (pages) {
		add(ahead->held, now, (int64_t)pages);
		add(ahead->holders, now, 1);
	}
}

uint64_t stream_may_ask(struct object *object, const struct stream *stream,
			uint64_t pages)
{
	struct object_host *host = object->host;
	uint64_t share = share_of(host), held, own, left;
	uint64_t least = share / LEAST;

	count_wanted(host, pages);
	held = sum(host->ahead.held);
	own = held_by(&host->ahead, stream);
	held = (held > own ? held - own : 0) + stream->asked;
	left = held < share ? share - held : 0;
	if (left < least)
		left = least;
	return pages < left ? pages : left;
}

/*
 * Who goes on alone may have an eighth of the budget in one window; of many each
 * has two of the same width, and all together no more than that.
 */
uint64_t stream_window_most(struct object *object, const struct stream *stream)
{
	struct object_host *host = object->host;
	uint64_t streams = sum(host->ahead.holders);
	uint64_t most = host->cache->budget / WINDOWS;

	if (!held_by(&host->ahead, stream))
		streams++;
	return streams > 1 ? most / (2 * streams) : most;
}

static void look_back(struct object *object)
{
	if (object->ahead_used + object->ahead_unused < TRIED)
		return;
	object->ahead_used /= 2;
	object->ahead_unused /= 2;
}

void ahead_used(struct object *object, uint64_t pages)
{
	object->ahead_used += pages;
	look_back(object);
}

void ahead_reached(struct object *object, uint64_t index, uint64_t end)
{
	for (; index < end; index++) {
		page_word *word = object_word(object, index);
		uint64_t seen = atomic_load(word);

		if ((word_state(seen) == PAGE_READING || word_resident(seen)) &&
		    !(seen & WORD_TOUCHED))
			page_set_touched(word);
	}
}

unsigned ahead_caution(const struct object *object)
{
	uint64_t tried = object->ahead_used + object->ahead_unused;
	unsigned caution = 0;

	tried += FREELY_UNUSED;
	for (unsigned part = 16; part >= 4; part /= 2)
		caution += object->ahead_unused * part > tried;
	return caution;
}

void stream_end(struct object *object, struct stream *stream)
{
	stream_hold(object, stream, 0);
	stream->step = 0;
	stream->asked = 0;
	stream->window = 0;
}

/* True if pages that were asked for are among these. */
static bool asked_for(const struct stream *stream, uint64_t index,
		      uint64_t count)
{
	int64_t far = stream->step * (int64_t)stream->asked;
	uint64_t first = far > 0 ? stream->last + 1
				 : stream->last - (uint64_t)-far;
	uint64_t end = first + (uint64_t)(far > 0 ? far : -far);

	return stream->step && index < end && first < index + count;
}

static void died(struct object *object, uint64_t index, uint64_t count,
		 uint64_t unused)
{
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &object->streams[i];

		if (!asked_for(stream, index, count))
			continue;
		stream_hold(object, stream,
			    stream->held > count ? stream->held - count : 0);
		if (!unused)
			continue;
		stream->window /= 2;
		if (stream->window == 0)
			stream_end(object, stream);
	}
	object->ahead_unused += unused;
	look_back(object);
}

void ahead_gone(struct object *object, uint64_t index, uint64_t count)
{
	uint64_t unused = 0;

	for (uint64_t i = 0; i < count; i++)
		/* relaxed: a hint */
		if (!(atomic_load_explicit(object_word(object, index + i),
					   memory_order_relaxed) &
		      WORD_TOUCHED))
			unused++;
	if (unused) {
		count_add(object->host->counters, COUNT_PAGES_AHEAD_UNUSED,
			  unused);
		object_count(&object->counts.pages_ahead_unused, unused);
	}
	/* relaxed: a stream that begins now has no pages to lose yet */
	if (!unused &&
	    !atomic_load_explicit(&object->streaming, memory_order_relaxed))
		return;
	lock_take(&object->lock);
	died(object, index, count, unused);
	lock_drop(&object->lock);
}

void ahead_finish(struct object *object)
{
	for (int i = 0; i < STREAMS; i++)
		stream_hold(object, &object->streams[i], 0);
}
