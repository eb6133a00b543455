/* arm_quire.c - the work through Quire */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <fcntl.h>
#include <quire/quire.h>
#include <string.h>

struct quire_state {
	struct quire *quire;
	struct quire_object *object;
	unsigned char *bytes;
	uint64_t length; /* mapped; with room to grow */
};

static bool say(struct view *view)
{
	return view_fail(view, "%s", quire_strerror_last());
}

static const unsigned char *look(struct view *view, uint64_t offset,
				 size_t length, void *buffer)
{
	struct quire_state *state = view->state;

	(void)length;
	(void)buffer;
	return state->bytes + offset;
}

static bool change(struct view *view, uint64_t offset, const void *bytes,
		   size_t length)
{
	struct quire_state *state = view->state;

	memcpy(state->bytes + offset, bytes, length);
	return true;
}

static bool sync_all(struct view *view)
{
	struct quire_state *state = view->state;

	return quire_msync(quire_host_space(state->quire), state->bytes,
			   state->length, MS_SYNC) == 0 ||
	       say(view);
}

/* The mapping stays where it is: what was past the end becomes bytes. */
static bool grow(struct view *view, uint64_t size)
{
	struct quire_state *state = view->state;

	if (quire_object_resize(state->object, size))
		return say(view);
	view->size = size;
	return true;
}

static bool guard(struct view *view, void (*body)(void *), void *argument)
{
	struct quire_state *state = view->state;

	return quire_guard(quire_host_space(state->quire), body, argument,
			   NULL) == 0 ||
	       say(view);
}

static const struct view_ops ops = {
	.look = look,
	.change = change,
	.sync = sync_all,
	.grow = grow,
	.guard = guard,
};

static bool with_file(struct quire *quire, const struct input *input,
		      struct result *result, work_function *work, bool writing)
{
	struct quire_state state = { .quire = quire };
	struct quire_space *space = quire_host_space(quire);
	int prot = writing ? PROT_READ | PROT_WRITE : PROT_READ;
	struct view view = { &ops, result, input->size, &state };
	bool passed;

	if (quire_object_open(quire, writing ? input->copy : input->path,
			      writing ? O_RDWR : O_RDONLY, NULL, &state.object))
		return say(&view);
	state.length = input->size + (writing ? APPEND_BYTES : 0);
	state.bytes = quire_mmap(space, NULL, state.length, prot, MAP_SHARED,
				 state.object, 0);
	passed = state.bytes == MAP_FAILED ? say(&view) : work(&view, input);
	if (state.bytes != MAP_FAILED)
		quire_munmap(space, state.bytes, state.length);
	if (quire_object_close(state.object))
		return say(&view);
	return passed;
}

static void count(struct quire *quire, struct result *result)
{
	struct quire_statistics counts = { .size = sizeof(counts) };

	if (quire_get_statistics(quire, &counts))
		return;
	snprintf(result->trap_mode, sizeof(result->trap_mode), "%s",
		 quire_trap_mode(quire));
	result->data_peak = counts.resident_peak;
	result->traps = counts.traps;
	result->hits = counts.hits;
	result->misses = counts.misses;
	result->reads = counts.reads;
	result->read_bytes = counts.pages_read * PAGE;
	result->write_pages = counts.pages_written;
	result->evictions = counts.evictions;
}

bool arm_quire(const struct input *input, struct result *result,
	       work_function *reading, work_function *writing)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = input->budget,
		.log_level = QUIRE_LOG_ERROR, /* the trap mode is printed */
	};
	struct view view = { .result = result };
	struct quire *quire;
	bool passed;

	if (quire_open(&options, &quire))
		return say(&view);
	passed = with_file(quire, input, result, reading, false) &&
		 (!input->copy ||
		  with_file(quire, input, result, writing, true));
	count(quire, result);
	if (quire_close(quire))
		return say(&view);
	return passed;
}
