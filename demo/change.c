/* change.c - the changes: scattered pages, and bytes at the end */
/* SPDX-License-Identifier: MIT */
/*
 * Which pages change, where, and to what, follows from the arm and the page's
 * number alone.  So the proof needs no list: it computes what every page must
 * be now, those that must not have changed included.
 */
#include "demo.h"

#include <stdlib.h>
#include <string.h>

bool change_place(enum arm arm, uint64_t index, size_t *offset,
		  unsigned char bytes[CHANGE_BYTES])
{
	uint64_t word = mix(index, 1000 + arm);

	if (word % CHANGE_ONE_IN)
		return false;
	*offset = word / CHANGE_ONE_IN % (PAGE - CHANGE_BYTES);
	for (size_t i = 0; i < CHANGE_BYTES; i++)
		bytes[i] = (unsigned char)mix(word, i);
	return true;
}

bool change_apply(enum arm arm, uint64_t index, unsigned char *page)
{
	unsigned char bytes[CHANGE_BYTES];
	size_t offset;

	if (!change_place(arm, index, &offset, bytes))
		return false;
	memcpy(page + offset, bytes, sizeof(bytes));
	return true;
}

void append_bytes(enum arm arm, uint64_t offset, unsigned char *bytes,
		  size_t length)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = mix(offset + i, 2000 + arm);
		size_t left = length - i;

		memcpy(bytes + i, &word,
		       left < sizeof(word) ? left : sizeof(word));
	}
}

struct change {
	struct view *view;
	enum arm arm;
	uint64_t old_size;
	unsigned char *buffer;
};

/* The last page may be cut: it stays as it is. */
static void change_body(void *argument)
{
	struct change *change = argument;
	struct view *view = change->view;

	for (uint64_t index = 0; index < view->size / PAGE; index++) {
		unsigned char bytes[CHANGE_BYTES];
		size_t offset;

		if (!change_place(change->arm, index, &offset, bytes))
			continue;
		if (!view->ops->change(view, index * PAGE + offset, bytes,
				       sizeof(bytes)))
			return;
		view->result->changed++;
	}
}

bool work_change(struct view *view, enum arm arm)
{
	struct change change = { .view = view, .arm = arm };
	double start = now();

	if (view->ops->expect)
		view->ops->expect(view, true);
	if (!view->ops->guard(view, change_body, &change) ||
	    *view->result->failure || !view->ops->sync(view))
		return false;
	view->result->change_s = now() - start;
	return true;
}

static void append_body(void *argument)
{
	struct change *change = argument;
	struct view *view = change->view;

	for (uint64_t offset = 0; offset < APPEND_BYTES; offset += CHUNK) {
		append_bytes(change->arm, offset, change->buffer, CHUNK);
		if (!view->ops->change(view, change->old_size + offset,
				       change->buffer, CHUNK))
			return;
	}
}

bool work_append(struct view *view, enum arm arm)
{
	struct change change = {
		.view = view,
		.arm = arm,
		.old_size = view->size,
		.buffer = malloc(CHUNK),
	};
	double start = now();
	bool passed;

	if (!change.buffer)
		return view_fail(view, "out of memory");
	passed = view->ops->grow(view, view->size + APPEND_BYTES) &&
		 view->ops->guard(view, append_body, &change) &&
		 !*view->result->failure && view->ops->sync(view);
	view->result->append_s = now() - start;
	free(change.buffer);
	return passed;
}
