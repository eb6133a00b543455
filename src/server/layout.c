/* layout.c - what a client has mapped, as its kernel tells it */
/* SPDX-License-Identifier: MIT */
/*
 * What is mapped changes by the loop alone: by MAPPED, by events, by the end.
 * What is mapped already, and so may show pages, is never mapped once more: for
 * a moment its object would not know of it, and a write home could miss it.
 */
#include "server/server_private.h"

#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The client's own kernel has its limit. */
#define LAYOUT_MAPPINGS (UINT64_C(1) << 22)
#define TURNS_AT_ONCE 8
#define MS UINT64_C(1000000)

/* ---- pieces ---- */

static void fill_piece(const struct vma *vma, uint64_t start, uint64_t end,
		       struct layout_piece *piece)
{
	if (start < vma->mapping.start)
		start = vma->mapping.start;
	if (end > vma->mapping.end)
		end = vma->mapping.end;
	piece->address = start;
	piece->length = end - start;
	piece->offset = vma_index_at(vma, start) << PAGE_SHIFT;
	piece->shared = vma->mapping.shared;
	piece->writable = vma->flags & VM_WRITE;
	piece->locked = vma->flags & VM_LOCKED;
}

bool layout_next(struct layout *layout, uint64_t address, uint64_t end,
		 struct layout_piece *piece)
{
	struct space *space = &layout->space.space;
	struct server *server = layout->client->server;
	const struct vma *vma;

	rwlock_take_read(&space->lock);
	vma = space_find_intersection(space, address, end);
	if (vma)
		fill_piece(vma, address, end, piece);
	rwlock_drop_read(&space->lock);
	/* The mapping holds the handle, and the loop alone unmaps. */
	if (vma)
		piece->file = file_of_handle(server, vma->handle);
	return vma != NULL;
}

bool layout_is_empty(struct layout *layout)
{
	struct layout_piece piece;

	return !layout_next(layout, 0, UINT64_MAX, &piece);
}

/* What is mapped in the range is so no more, or (more) also elsewhere. */
static void count_range(struct layout *layout, uint64_t start, uint64_t end,
			bool more)
{
	struct server *server = layout->client->server;
	struct layout_piece piece;

	while (start < end && layout_next(layout, start, end, &piece)) {
		file_mapped(server, piece.file, more ? piece.length : 0,
			    more ? 0 : piece.length);
		start = piece.address + piece.length;
	}
}

/* ---- map ---- */

static int map_part(struct layout *layout, const struct layout_piece *piece,
		    uint64_t start, uint64_t end)
{
	struct server *server = layout->client->server;
	struct space_map_request request = {
		.address = start,
		.length = end - start,
		.prot = PROT_READ,
		.flags = MAP_FIXED | MAP_NORESERVE,
		.handle = file_handle(piece->file,
				      piece->shared && piece->writable),
		.offset = piece->offset + (start - piece->address),
	};
	uint64_t at;
	int error;

	request.flags |= piece->shared ? MAP_SHARED : MAP_PRIVATE;
	if (piece->locked)
		request.flags |= MAP_LOCKED;
	if (piece->writable)
		request.prot |= PROT_WRITE;
	robust_forget(layout, start, end);
	/* Counted first: a file that is mapped is never closed. */
	file_mapped(server, piece->file, end - start, 0);
	count_range(layout, start, end, false);
	error = space_map(&layout->space.space, &request, &at);
	if (error) {
		count_range(layout, start, end, true);
		file_mapped(server, piece->file, 0, end - start);
	}
	return error;
}

static bool is_same(const struct layout_piece *there,
		    const struct layout_piece *piece)
{
	return there->file == piece->file && there->shared == piece->shared &&
	       there->offset ==
		       piece->offset + (there->address - piece->address);
}

int layout_map(struct layout *layout, const struct layout_piece *piece)
{
	uint64_t at = piece->address, end = at + piece->length;
	int error = 0;

	while (!error && at < end) {
		struct layout_piece there;
		uint64_t next = end;

		if (!layout_next(layout, at, end, &there)) {
			error = map_part(layout, piece, at, end);
		} else if (there.address > at) {
			next = there.address;
			error = map_part(layout, piece, at, next);
		} else {
			next = there.address + there.length;
			if (!is_same(&there, piece))
				error = map_part(layout, piece, at, next);
		}
		at = next;
	}
	return error;
}

int layout_unmap(struct layout *layout, uint64_t start, uint64_t end)
{
	int error;

	start = page_round_down(start);
	if (end <= start)
		return 0;
	robust_forget(layout, start, end);
	count_range(layout, start, end, false);
	error = space_unmap(&layout->space.space, start, end - start);
	if (error)
		count_range(layout, start, end, true);
	return error;
}

/* ---- events ---- */

/* [start, end) is at to as well. */
static int move(struct layout *layout, const struct mmu_event *event)
{
	uint64_t at = event->start;
	struct layout_piece piece;
	int error = 0;

	while (!error && at < event->end &&
	       layout_next(layout, at, event->end, &piece)) {
		at = piece.address + piece.length;
		piece.address = event->to + (piece.address - event->start);
		error = layout_map(layout, &piece);
	}
	return error;
}

static int apply(struct layout *layout, const struct mmu_event *event)
{
	switch (event->type) {
	case MMU_EVENT_UNMAP:
		return layout_unmap(layout, event->start, event->end);
	case MMU_EVENT_MOVE:
		return move(layout, event);
	case MMU_EVENT_FORK:
		fork_happened(layout->client, event);
		return 0;
	case MMU_EVENT_DROP: /* what is dropped traps again */
	default:
		return 0;
	}
}

static bool apply_events(struct layout *layout)
{
	struct mmu *mmu = layout->space.mmu;
	struct mmu_event event;
	bool any = false;

	while (mmu_remote_event(mmu, &event)) {
		int error = apply(layout, &event);

		mmu_remote_applied(mmu);
		any = true;
		if (!error)
			continue;
		/* It would be served what it has not mapped. */
		log_line(&layout->client->server->quire->log, LOG_ERROR,
			 "process %d cannot be followed and is killed: %s",
			 (int)layout->client->pid, strerror(-error));
		client_kill(layout->client);
	}
	return any;
}

void layout_follow(struct layout *layout)
{
	if (layout->ended)
		return;
	/* Traps may have been read with them, and wake nobody any more. */
	if (mmu_remote_pump(layout->space.mmu))
		layout->due_ns = 0;
	apply_events(layout);
}

void layout_turn(struct layout *layout)
{
	int pause = 0;
	bool again = true;

	for (int i = 0; again && i < TURNS_AT_ONCE; i++) {
		if (layout->ended)
			return;
		layout_follow(layout);
		pause = fault_handler_poll(&layout->faults);
		again = apply_events(layout);
	}
	if (again)
		pause = 0;
	layout->due_ns = pause < 0 ? UINT64_MAX
				   : clock_now_ns() + (uint64_t)pause * MS;
}

static void on_traps(struct watch *watch)
{
	layout_turn(container_of(watch, struct layout, traps));
}

static void on_wakes(struct watch *watch)
{
	struct layout *layout = container_of(watch, struct layout, wakes);

	if (layout->ended)
		layout_end(layout);
	else
		layout_turn(layout);
}

/* ---- life ---- */

/* As soon as it is read: its last holder must not be this process alone. */
static uint64_t on_child(void *context, int descriptor)
{
	return keeper_keep_child(context, descriptor);
}

static bool on_unknown(void *context, uint64_t address)
{
	return layout_reconcile(context, address);
}

static void init_space(struct layout *layout, struct mmu *mmu)
{
	struct space_options options = {
		.mmu = mmu,
		.map = memory_pool_map,
		.unmap = memory_unmap,
		.map_count_limit = LAYOUT_MAPPINGS,
		.flags = SPACE_MAY_LOCK,
		.overcommit = SPACE_OVERCOMMIT_ALWAYS,
	};

	space_init(&layout->space.space, &options);
	layout->space.quire = layout->client->server->quire;
	layout->space.mmu = mmu;
}

static int watch_all(struct layout *layout)
{
	struct server *server = layout->client->server;
	int error = loop_watch(server, &layout->wakes, layout->faults.wake_fd,
			       on_wakes);

	if (!error)
		error = loop_watch(server, &layout->traps,
				   mmu_traps_fd(layout->space.mmu), on_traps);
	if (error)
		loop_unwatch(server, &layout->wakes);
	return error;
}

static int open_handler(struct layout *layout)
{
	struct quire *quire = layout->space.quire;
	int error = fault_handler_init(&layout->faults, &layout->space.space,
				       &quire->host, &quire->writeback, 0,
				       true);

	if (error)
		return error;
	layout->faults.unknown = on_unknown;
	layout->faults.unknown_context = layout;
	mmu_remote_set_kick(layout->space.mmu, layout->faults.wake_fd);
	mmu_remote_set_child(layout->space.mmu, on_child, layout);
	error = watch_all(layout);
	if (error)
		fault_handler_finish(&layout->faults);
	return error;
}

int layout_create(struct client *client, int descriptor,
		  const struct mmu_remote_features *features,
		  struct layout **created)
{
	struct layout *layout = calloc(1, sizeof(*layout));
	struct mmu *mmu;
	int error;

	if (!layout) {
		close(descriptor);
		return -ENOMEM;
	}
	error = mmu_remote_create(descriptor, &mmu);
	if (error) {
		free(layout);
		return error;
	}
	layout->client = client;
	layout->due_ns = UINT64_MAX;
	layout->follows_forks = features->forks;
	layout->traps.fd = layout->wakes.fd = -1;
	list_init(&layout->robust);
	init_space(layout, mmu);
	error = open_handler(layout);
	if (error) {
		space_finish(&layout->space.space);
		mmu_destroy(mmu);
		free(layout);
		return error;
	}
	lock_take(&client->server->lock);
	client->server->facts.follows_forks = features->forks;
	lock_drop(&client->server->lock);
	*created = layout;
	return 0;
}

int layout_fork(struct layout *parent, struct layout *child)
{
	int error = space_fork(&parent->space.space, &child->space.space);

	count_range(child, 0, UINT64_MAX, true);
	return error;
}

void layout_wake(struct layout *layout)
{
	struct layout_piece piece;
	uint64_t at = 0;

	while (layout_next(layout, at, UINT64_MAX, &piece)) {
		mmu_wake(layout->space.mmu, piece.address, piece.length);
		at = piece.address + piece.length;
	}
}

bool layout_end(struct layout *layout)
{
	if (!layout->ended) {
		layout->ended = true;
		layout->due_ns = UINT64_MAX;
		loop_unwatch(layout->client->server, &layout->traps);
		robust_forget(layout, 0, UINT64_MAX);
		count_range(layout, 0, UINT64_MAX, false);
		space_unmap_all(&layout->space.space);
	}
	return fault_handler_abandon(&layout->faults);
}

void layout_destroy(struct layout *layout)
{
	struct server *server = layout->client->server;

	loop_unwatch(server, &layout->wakes);
	fault_handler_finish(&layout->faults);
	space_finish(&layout->space.space);
	mmu_destroy(layout->space.mmu);
	keeper_let_go(server, layout->number);
	/* Freed with what the batch in hand may still point to. */
	list_add_tail(&server->graves, &layout->grave);
}
