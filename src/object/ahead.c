/* ahead.c - what readahead has in memory that nobody has used */
/* SPDX-License-Identifier: MIT */
/*
 * All streams of an engine together may have asked for a quarter of the budget
 * that was not reached yet: so what they bring does not push out what they
 * brought, nor much of what others use.  A stream that nobody follows any more
 * would hold its part for ever: after the others have wanted the share some
 * times over it holds none.  That is told by generations; the last two count.
 * How many streams there are is told by shorter ones.
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
static uint64_t all_of(const struct ahead_sum *sum)
{
	int64_t all = 0;

	for (int i = 0; i < 2; i++)
		all += atomic_load_explicit(&sum->of[i], memory_order_relaxed);
	return all > 0 ? (uint64_t)all : 0;
}

static uint32_t generation_of(const struct ahead_sum *sum)
{
	return atomic_load_explicit(&sum->generation, memory_order_relaxed);
}

/* So many pages more are wanted, of those that a generation has. */
static void count_wanted(struct ahead_sum *sum, uint64_t pages, uint64_t most)
{
	uint64_t wanted = atomic_fetch_add_explicit(&sum->wanted, pages,
						    memory_order_relaxed);
	uint32_t next;

	if (wanted + pages < most || wanted >= most)
		return; /* not the one that ends it */
	next = generation_of(sum) + 1;
	atomic_store_explicit(&sum->of[next & 1], 0, memory_order_relaxed);
	atomic_store_explicit(&sum->generation, next, memory_order_relaxed);
	atomic_store_explicit(&sum->wanted, 0, memory_order_relaxed);
}

/* What of the sum it still is. */
static uint64_t part_of(const struct ahead_sum *sum,
			const struct ahead_part *part)
{
	return generation_of(sum) - part->generation < 2 ? part->amount : 0;
}

static void add(struct ahead_sum *sum, uint32_t generation, int64_t amount)
{
	atomic_fetch_add_explicit(&sum->of[generation & 1], amount,
				  memory_order_relaxed);
}

static void set_part(struct ahead_sum *sum, struct ahead_part *part,
		     uint64_t amount)
{
	uint32_t now = generation_of(sum);
	uint64_t before = part_of(sum, part);

	if (before)
		add(sum, part->generation, -(int64_t)before);
	if (amount)
		add(sum, now, (int64_t)amount);
	*part = (struct ahead_part){ amount, now };
}

void stream_hold(struct object *object, struct stream *stream, uint64_t pages)
{
	struct ahead_share *ahead = &object->host->ahead;

	set_part(&ahead->held, &stream->held, pages);
	set_part(&ahead->streams, &stream->counted, pages > 0);
}

uint64_t stream_may_ask(struct object *object, const struct stream *stream,
			uint64_t pages)
{
	struct object_host *host = object->host;
	struct ahead_share *ahead = &host->ahead;
	uint64_t share = share_of(host), held, own, left;
	uint64_t least = share / LEAST;

	count_wanted(&ahead->held, pages, GENERATION * share);
	count_wanted(&ahead->streams, pages, share);
	held = all_of(&ahead->held);
	own = part_of(&ahead->held, &stream->held);
	held = (held > own ? held - own : 0) + stream->asked;
	left = held < share ? share - held : 0;
	if (left < least)
		left = least;
	return pages < left ? pages : left;
}

/*
 * Who goes on alone may have an eighth of the budget in one window; of many each
 * has two of the same width, and all together no more than that.  Who has not
 * been seen while the others wanted a share or two is none of them.
 */
uint64_t stream_window_most(struct object *object, const struct stream *stream)
{
	struct object_host *host = object->host;
	uint64_t streams = all_of(&host->ahead.streams);
	uint64_t most = host->cache->budget / WINDOWS;

	if (!part_of(&host->ahead.streams, &stream->counted))
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
			    stream->held.amount > count
				    ? stream->held.amount - count
				    : 0);
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
