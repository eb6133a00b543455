/* readahead.c - what to read at a touch, and what next */
/* SPDX-License-Identifier: MIT */
/*
 * A stream is a reader who comes in equal steps: 1, -1, or some pages at once.
 * It was seen last at one page and has asked for some steps from there on; a
 * touch from mark on asks for the next window, so that the store works while
 * the program does:
 *
 *      last          may be shown          in memory or on its way, not shown
 *        |--------------------------------|------------------------------|
 *                                        mark                          asked
 *
 * The mark of the widest windows is the first page of the one that was asked for
 * last, so that two are asked for; the others of such windows may be shown as
 * they come.  Who has caught up, and waits for such a window, has the next one
 * asked for when it has come, before it is put into memory: so the store has
 * something to do meanwhile.
 *
 * The window doubles with each request, and halves when pages of it leave memory
 * unused (ahead.c).  A touch that no stream expected begins one only where misses
 * form a row (pattern.c): a random reader never reads ahead.
 */
#include "object/object_private.h"

#define FIRST_WINDOW 4 /* steps */
/* Each page of a wide step is a request and a cluster of its own: as many as are
 * useful in flight at once, and do not fill what newcomers have of the cache. */
#define WIDE_WINDOW 32
#define WIDE_SHARE 32  /* of the budget, one part */
#define EARLY_SHARE 32 /* and of those that are asked for early */
#define LINKS 2        /* of a row, at least */
#define LEFT_OUT 8     /* steps, by a reader who does not need every page */

/* A touch. */
struct touch {
	struct object *object;
	uint64_t index;
	enum read_advice advice;
	bool shows; /* who touches is shown his window as it comes */
	enum page_state state;
	struct read_plan *plan;
};

/* The widest window, and what is said of it. */
static uint64_t window_most(const struct touch *touch,
			    const struct stream *stream)
{
	const struct object *object = touch->object;
	uint64_t most = object->parameters.readahead;
	unsigned caution = ahead_caution(object);
	bool wide = stream->step != 1 && stream->step != -1;
	uint64_t share = wide ? object->host->cache->budget / WIDE_SHARE
			      : stream_window_most(touch->object, stream);

	if (touch->advice == READ_SEQUENTIAL)
		most *= 2;
	if (wide && most > WIDE_WINDOW)
		most = WIDE_WINDOW;
	most >>= 2 * caution;
	if (caution && most < FIRST_WINDOW)
		most = FIRST_WINDOW;
	if (most > share)
		most = share;
	return most ? most : 1;
}

static void widen(const struct touch *touch, struct stream *stream)
{
	uint64_t most = window_most(touch, stream);
	uint64_t window = stream->window * 2;

	if (window < FIRST_WINDOW)
		window = FIRST_WINDOW;
	stream->window = window < most ? window : most;
}

/* Steps from a page to the object's end, or beginning. */
static uint64_t steps_left(const struct object *object, uint64_t index,
			   int64_t step)
{
	uint64_t pages = object_pages(object);

	if (step < 0)
		return index / (uint64_t)-step;
	return index < pages ? (pages - 1 - index) / (uint64_t)step : 0;
}

/* How many steps may be asked for beyond those that are. */
static uint64_t may_ask(const struct touch *touch, const struct stream *stream,
			uint64_t steps)
{
	uint64_t left = steps_left(touch->object, touch->index, stream->step);

	left = left > stream->asked ? left - stream->asked : 0;
	if (steps > left)
		steps = left;
	return steps ? stream_may_ask(touch->object, stream, steps) : 0;
}

/* While a window as wide as it may be is copied, the store reads another, where
 * that is little of the budget. */
static bool asks_early(const struct touch *touch, const struct stream *stream)
{
	const struct object *object = touch->object;
	uint64_t window = stream->window;

	return stream->step == 1 && window >= window_most(touch, stream) &&
	       window <= object->host->cache->budget / EARLY_SHARE &&
	       !ahead_caution(object);
}

/* Where the next window is to be asked for: where a touch is seen. */
static uint64_t next_mark(const struct stream *stream, bool early)
{
	uint64_t asked = stream->asked;

	if (early && asked >= stream->newest)
		return asked + 1 - stream->newest;
	return early && !stream->shown ? asked / 2 + 1 : asked + 1;
}

/* A window beyond all that was asked for. */
static void ask_on(const struct touch *touch, struct stream *stream, bool show)
{
	struct read_plan *plan = touch->plan;
	uint64_t next =
		touch->index + (uint64_t)stream->step * (stream->asked + 1);
	uint64_t count = may_ask(touch, stream, stream->window);

	stream->asked += count;
	if (count) {
		stream->newest = count;
		stream->shown = show;
	}
	plan->show_ahead = show;
	plan->ahead_count = count;
	if (stream->step == -1) { /* one run, if from its other end */
		plan->ahead_index = next + 1 - count;
		return;
	}
	plan->ahead_index = next;
	plan->ahead_step = stream->step;
}

/*
 * Who waits for a window that is on its way, with another one behind it, has to
 * wait anyway: what he needs next is asked for when it has come
 * (object_window_come()).  Many devices tell of nothing while there is something
 * left to read, so a third one would keep the first one back.
 */
static bool comes_soon(const struct touch *touch, const struct stream *stream)
{
	return stream->shown && touch->state == PAGE_READING &&
	       touch->index >= stream->come && stream->asked >= stream->newest;
}

/* As far as is right for a reader who is seen here. */
static void ask_ahead(const struct touch *touch, struct stream *stream)
{
	bool early = asks_early(touch, stream);

	stream->mark = next_mark(stream, early);
	if (!early || !comes_soon(touch, stream))
		ask_on(touch, stream, early && touch->shows);
}

/* At a page that was not asked for: the window from there on. */
static void ask_here(const struct touch *touch, struct stream *stream)
{
	stream->asked = 0;
	if (stream->step == 1 && stream->window > 1)
		stream->asked = may_ask(touch, stream, stream->window - 1);
	stream->mark = stream->asked + 1;
	stream->newest = stream->mark;
	stream->shown = false;
	touch->plan->count = stream->mark;
}

/* How many steps it is from where the stream was seen last; false: none. */
static bool steps_to(const struct stream *stream, uint64_t index,
		     uint64_t *steps)
{
	uint64_t width =
		(uint64_t)(stream->step < 0 ? -stream->step : stream->step);
	uint64_t distance = stream->step < 0 ? stream->last - index
					     : index - stream->last;

	if (width == 0 || distance > (stream->asked + 1) * width)
		return false;
	*steps = width == 1 ? distance : distance / width;
	return *steps * width == distance;
}

/*
 * The reader may leave some pages out.  Whoever touches one that was asked for
 * far beyond the mark is somebody else; but for the first page of the last
 * window, if what lies before it was shown to whoever came there.
 */
static bool expects(const struct stream *stream, uint64_t steps)
{
	return steps <= stream->mark + LEFT_OUT || steps == stream->asked + 1 ||
	       (stream->shown && steps == stream->asked + 1 - stream->newest);
}

static struct stream *find(struct object *object, uint64_t index,
			   uint64_t *steps)
{
	for (int i = 0; i < STREAMS; i++)
		if (steps_to(&object->streams[i], index, steps) &&
		    expects(&object->streams[i], *steps))
			return &object->streams[i];
	return NULL;
}

static struct stream *oldest(struct object *object)
{
	struct stream *oldest = &object->streams[0];

	for (int i = 1; i < STREAMS; i++)
		if (object->streams[i].used < oldest->used)
			oldest = &object->streams[i];
	return oldest;
}

static void begin(const struct touch *touch, int64_t step)
{
	struct object *object = touch->object;
	struct stream *stream = oldest(object);

	stream_end(object, stream);
	stream->step = step;
	stream->last = touch->index;
	stream->come = 0;
	stream->used = ++object->touches;
	widen(touch, stream);
	ask_here(touch, stream);
	if (step != 1)
		ask_ahead(touch, stream);
	else
		touch->plan->install_end = touch->index + stream->mark;
	stream_hold(object, stream, stream->asked);
	/* relaxed: a hint for ahead_gone() */
	atomic_store_explicit(&object->streaming, true, memory_order_relaxed);
}

/* It was asked for, and had to leave before it was used, shown or not. */
static bool was_lost(const struct touch *touch, const struct stream *stream,
		     uint64_t steps)
{
	return steps > 0 && steps <= stream->asked &&
	       (touch->state == PAGE_ABSENT || touch->state == PAGE_FAILED);
}

/* The page alone, and from there on with a narrower window. */
static void begin_anew(const struct touch *touch, struct stream *stream)
{
	stream->last = touch->index;
	stream->asked = 0;
	stream->mark = 1;
	stream->window = (stream->window + 1) / 2;
}

/* The window after the one that was asked for last. */
static void go_on(const struct touch *touch, struct stream *stream,
		  uint64_t steps)
{
	struct read_plan *plan = touch->plan;
	bool exactly = steps == stream->mark || steps > stream->asked;

	stream->last = touch->index;
	if (exactly) {
		ahead_used(touch->object,
			   steps > stream->asked ? stream->asked : steps);
		widen(touch, stream);
	}
	if (steps <= stream->asked) {
		stream->asked -= steps;
		ask_ahead(touch, stream);
		return;
	}
	ask_here(touch, stream);
	ask_ahead(touch, stream);
	if (stream->step == 1 && plan->ahead_count) {
		/* Once more from here: where a page is in memory already the
		 * read for this one will stop short.  So its first page is not
		 * that of the next window, where a touch must be seen. */
		plan->ahead_index = touch->index + 1;
		plan->ahead_count = stream->asked;
		plan->show_ahead = stream->shown = false;
	}
}

/*
 * A stream has expected the touch.  Where what comes is shown nobody traps
 * before the next mark: who is seen here has come through what lies before, and
 * goes on to there.
 */
static void follow(const struct touch *touch, struct stream *stream,
		   uint64_t steps)
{
	uint64_t reached = stream->last + stream->mark;
	bool shown = stream->shown;

	if (was_lost(touch, stream, steps))
		begin_anew(touch, stream);
	else if (steps >= stream->mark)
		go_on(touch, stream, steps);
	if (stream->step == 1)
		touch->plan->install_end = stream->last + stream->mark;
	if (shown)
		ahead_reached(touch->object, reached, touch->plan->install_end);
	stream->used = ++touch->object->touches;
	stream->advice = touch->advice;
	stream_hold(touch->object, stream, stream->asked);
}

/* The step of who begins here to read in a row, or 0. */
static int64_t new_step(const struct touch *touch)
{
	/* By caution. */
	static const unsigned links_more[] = { 0, 1, 2, 4 };

	if (touch->advice == READ_SEQUENTIAL)
		return 1;
	/* What is there says nothing: it may be shown with its neighbours. */
	if (word_resident(touch->state))
		return 0;
	return pattern_step(touch->object, touch->index,
			    LINKS + links_more[ahead_caution(touch->object)]);
}

/* A sequential reader's next window was asked for: the one that lies two
 * windows behind him is the next that may leave. */
static void leave_behind(struct object *object, uint64_t index,
			 const struct read_plan *plan)
{
	uint64_t behind = 2 * plan->ahead_count;

	if (plan->ahead_count && plan->ahead_index > index && index >= behind)
		object_deactivate(object, index - behind, plan->ahead_count);
}

void object_plan_advised(struct object *object, uint64_t index,
			 enum read_advice advice, bool shows,
			 struct read_plan *plan)
{
	struct touch touch = { object, index, advice, shows, .plan = plan };
	struct stream *stream;
	uint64_t steps;
	int64_t step;

	/* One page, and what happens to be there around it. */
	*plan = (struct read_plan){
		.count = 1,
		.ahead_step = 1,
		.install_end = (index | (CLUSTER_PAGES - 1)) + 1,
	};
	if (advice == READ_RANDOM || object->parameters.readahead <= 1)
		return;
	touch.state = word_state(atomic_load(object_word(object, index)));
	lock_take(&object->lock);
	stream = find(object, index, &steps);
	step = stream ? 0 : new_step(&touch);
	if (stream)
		follow(&touch, stream, steps);
	else if (step)
		begin(&touch, step);
	lock_drop(&object->lock);
	if (advice == READ_SEQUENTIAL)
		leave_behind(object, index, plan);
}

void object_plan(struct object *object, uint64_t index, struct read_plan *plan)
{
	object_plan_advised(object, index, READ_AS_IT_COMES, false, plan);
}

void object_follow_plan(struct object *object, const struct read_plan *plan,
			uint64_t address)
{
	if (plan->ahead_step == 1) {
		object_read_window(object, plan->ahead_index, plan->ahead_count,
				   plan->show_ahead ? address : 0);
		return;
	}
	for (uint64_t i = 0; i < plan->ahead_count; i++)
		object_read_ahead(
			object,
			plan->ahead_index + (uint64_t)plan->ahead_step * i, 1);
}

static struct stream *find_shown(struct object *object, uint64_t index)
{
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &object->streams[i];

		if (stream->step == 1 && stream->shown &&
		    index >= stream->last &&
		    index - stream->last <= stream->asked)
			return stream;
	}
	return NULL;
}

/* If its reader waits for the page, and nothing was asked for since that lies
 * beyond his next mark.  True: he will need what is in the plan. */
static bool ask_after(struct touch *touch, struct stream *stream)
{
	touch->advice = stream->advice;
	if (stream->last != touch->index ||
	    stream->asked + 1 > stream->mark + stream->newest ||
	    !asks_early(touch, stream))
		return false;
	ask_on(touch, stream, true);
	stream_hold(touch->object, stream, stream->asked);
	return true;
}

void object_window_come(struct object *object, uint64_t index, uint64_t count,
			uint64_t address)
{
	struct read_plan plan = { .ahead_count = 0 };
	struct touch touch = { .object = object,
			       .index = index,
			       .plan = &plan };
	struct stream *stream;
	bool asks = false;

	lock_take(&object->lock);
	stream = find_shown(object, index);
	if (stream) {
		stream->come = index + count;
		asks = ask_after(&touch, stream);
	}
	lock_drop(&object->lock);
	if (!asks)
		return;
	if (touch.advice == READ_SEQUENTIAL)
		leave_behind(object, index, &plan);
	object_follow_plan(object, &plan,
			   address +
				   ((plan.ahead_index - index) << PAGE_SHIFT));
}
