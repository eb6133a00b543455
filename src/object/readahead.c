/* readahead.c - what to read at a touch, and what next */
/* SPDX-License-Identifier: MIT */
/*
 * A stream is a reader that comes page after page.  It has asked for all up
 * to next; a touch from mark on asks for the next window, so that the store
 * works while the program does:
 *
 *        shown to the program      in memory or on its way, not shown
 *      |------------------------|--------------------------------|
 *                               mark                             next
 *
 * The window doubles with each request.  A touch that no stream expected
 * begins a new one, of one page: a random reader never reads ahead.
 */
#include "object/object_private.h"

#define FIRST_WINDOW 4 /* pages */

/* The window, and what is said of it. */
static uint64_t window_most(const struct object *object,
			    enum read_advice advice)
{
	uint64_t most = object->parameters.readahead;
	uint64_t share = object->host->cache->budget / 8;

	if (advice == READ_SEQUENTIAL)
		most *= 2;
	if (most > share)
		most = share;
	return most ? most : 1;
}

static uint64_t grow(const struct object *object, enum read_advice advice,
		     uint64_t window)
{
	uint64_t most = window_most(object, advice);

	window = window < FIRST_WINDOW / 2 ? FIRST_WINDOW : window * 2;
	return window < most ? window : most;
}

static struct stream *find(struct object *object, uint64_t index)
{
	for (int i = 0; i < STREAMS; i++) {
		struct stream *stream = &object->streams[i];

		/* What it was shown lies behind its mark. */
		if (stream->window && index <= stream->next &&
		    index + stream->window + 1 >= stream->mark)
			return stream;
	}
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

static void begin(struct object *object, uint64_t index,
		  enum read_advice advice, struct read_plan *plan)
{
	struct stream *stream = oldest(object);
	/* Who begins at the beginning will probably go on. */
	bool goes_on = index == 0 || advice == READ_SEQUENTIAL;

	stream->window = goes_on ? grow(object, advice, 0) : 1;
	stream->next = index + stream->window;
	stream->mark = stream->next;
	stream->used = ++object->touches;
	plan->count = stream->window;
	plan->install_end = goes_on ? stream->next
				    : (index | (CLUSTER_PAGES - 1)) + 1;
}

/* Asks for one window more. */
static void ask_ahead(struct object *object, struct stream *stream,
		      enum read_advice advice, struct read_plan *plan)
{
	stream->window = grow(object, advice, stream->window);
	plan->ahead_index = stream->next;
	plan->ahead_count = stream->window;
	stream->next += stream->window;
}

static void go_on(struct object *object, struct stream *stream, uint64_t index,
		  enum read_advice advice, struct read_plan *plan)
{
	stream->used = ++object->touches;
	if (index == stream->next) {
		/* It has caught up: this window now, and the one after it. */
		stream->window = grow(object, advice, stream->window);
		plan->count = stream->window;
		stream->next = index + stream->window;
		stream->mark = stream->next;
		ask_ahead(object, stream, advice, plan);
	} else {
		plan->count = stream->next - index;
		if (index >= stream->mark) {
			stream->mark = stream->next;
			ask_ahead(object, stream, advice, plan);
		}
	}
	plan->install_end = stream->mark;
}

/* One page, and what happens to be there around it. */
static void plan_singly(uint64_t index, struct read_plan *plan)
{
	plan->count = 1;
	plan->install_end = (index | (CLUSTER_PAGES - 1)) + 1;
}

/* A sequential reader's next window was asked for: the one that lies two
 * windows behind him is the next that may leave. */
static void leave_behind(struct object *object, uint64_t index,
			 const struct read_plan *plan)
{
	uint64_t behind = 2 * plan->ahead_count;

	if (plan->ahead_count && index >= behind)
		object_deactivate(object, index - behind, plan->ahead_count);
}

void object_plan_advised(struct object *object, uint64_t index,
			 enum read_advice advice, struct read_plan *plan)
{
	struct stream *stream;

	plan->ahead_index = 0;
	plan->ahead_count = 0;
	if (advice == READ_RANDOM || object->parameters.readahead <= 1) {
		plan_singly(index, plan);
		return;
	}
	lock_take(&object->lock);
	stream = find(object, index);
	if (stream)
		go_on(object, stream, index, advice, plan);
	else
		begin(object, index, advice, plan);
	lock_drop(&object->lock);
	if (advice == READ_SEQUENTIAL)
		leave_behind(object, index, plan);
}

void object_plan(struct object *object, uint64_t index, struct read_plan *plan)
{
	object_plan_advised(object, index, READ_AS_IT_COMES, plan);
}
