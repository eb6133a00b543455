/* requests_memory.c - requests about what a client has mapped */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include "space/advise.h"

#include <errno.h>
#include <sys/mman.h>

#define HOLD_PAGES 16

int layout_prepare(struct job *job)
{
	return job->client->layout ? 0 : -ENOMEM; /* nothing is mapped */
}

/* ---- MAPPED, RELEASE ---- */

/* A child maps what its parent held: it must have it mapped, then. */
static bool find_inherited(struct client *client, uint64_t id,
			   struct layout_piece *piece)
{
	uint64_t at = 0;

	while (layout_next(client->layout, at, UINT64_MAX, piece)) {
		at = piece->address + piece->length;
		if (piece->file->id == id)
			return true;
	}
	return false;
}

static int find_file(struct client *client, uint64_t id,
		     struct layout_piece *piece)
{
	const struct client_id *held = client_find_id(client, id);

	if (held) {
		piece->file = held->file;
		piece->writable = held->writable;
		return 0;
	}
	if (!find_inherited(client, id, piece))
		return -EINVAL;
	piece->writable = piece->shared && piece->writable;
	return 0;
}

static int check_place(const struct request *request)
{
	uint64_t bits = request->address | request->offset;

	if ((bits & PAGE_MASK) || request->length == 0 ||
	    request->length > INT64_MAX - PAGE_MASK ||
	    request->address > INT64_MAX - request->length ||
	    request->offset > INT64_MAX - request->length)
		return -EINVAL;
	return 0;
}

/* Pages that the file has, and that cannot be had. */
static bool is_beyond(const struct layout_piece *piece)
{
	return atomic_load(&piece->file->beyond) && /* file_follow_size() */
	       piece->offset + piece->length >
		       object_capacity(file_object(piece->file));
}

static void record(const struct client *client,
		   const struct layout_piece *piece)
{
	struct record_mapping mapping = {
		.pid = client->pid,
		.address = piece->address,
		.length = piece->length,
		.offset = piece->offset,
		.shared = piece->shared,
		.writable = piece->writable,
	};

	if (client->server->recorder)
		recorder_mapped(client->server->recorder,
				file_object(piece->file), &mapping);
}

int mapped_request(struct job *job)
{
	const struct request *request = &job->request;
	struct client *client = job->client;
	struct layout_piece piece = { .file = NULL };
	int error = layout_prepare(job);

	if (!error)
		error = check_place(request);
	if (error)
		return error;
	error = find_file(client, request->id, &piece);
	/* A server before this one had given it; the kernel knows. */
	if (error && client->server->options.restarts &&
	    layout_reconcile(client->layout, request->address))
		return 0;
	if (error)
		return error;
	/* Who may only read has nothing that could be stored to. */
	piece.shared = piece.writable && (request->flags & MAPPED_SHARED);
	piece.writable = request->flags & MAPPED_WRITABLE;
	piece.address = request->address;
	piece.length = page_round_up(request->length);
	piece.offset = request->offset;
	piece.locked = false;
	if (is_beyond(&piece))
		return -ENOMEM;
	error = layout_map(client->layout, &piece);
	if (!error)
		record(client, &piece);
	return error;
}

int release_request(struct job *job)
{
	uint64_t count = job->request.length ? job->request.length : 1;

	return client_release_holds(job->client, job->request.id, count);
}

/* ---- LOCK, UNLOCK ---- */

/* As in engine/: others need some pages, too. */
static uint64_t room(const struct server *server)
{
	uint64_t budget = server->quire->cache.budget;

	return budget - (budget + 7) / 8;
}

static int hold_run(const struct space_run *run)
{
	uint64_t pages = run->object ? object_pages(run->object) : 0;
	uint64_t index = run->index, end = index + space_run_pages(run);
	int error = 0;

	if (end > pages)
		end = pages;
	while (!error && index < end) {
		uint64_t count = end - index;

		if (count > HOLD_PAGES)
			count = HOLD_PAGES;
		error = object_hold(run->object, index, count, false);
		if (!error)
			object_let_go(run->object, index, count, false);
		index += count;
	}
	return error;
}

static int bring_in(struct space *space, uint64_t start, uint64_t end)
{
	struct space_run run;
	int error = 0;

	while (!error && start < end && space_run_at(space, start, end, &run)) {
		if (!(run.flags & VM_LOCKONFAULT))
			error = hold_run(&run);
		start = run.end;
		space_run_drop(&run);
	}
	return error ? -ENOMEM : 0;
}

static int check_range(const struct request *request)
{
	if (request->length > INT64_MAX ||
	    request->address > INT64_MAX - request->length)
		return -ENOMEM;
	return 0;
}

int lock_run(struct job *job)
{
	const struct request *request = &job->request;
	struct space *space = &job->client->layout->space.space;
	uint64_t flags = VM_LOCKED;
	int error = check_range(request);

	if (!error && (request->flags & ~(uint32_t)MLOCK_ONFAULT))
		error = -EINVAL;
	if (request->flags & MLOCK_ONFAULT)
		flags |= VM_LOCKONFAULT;
	if (!error)
		error = space_lock(space, request->address, request->length,
				   flags, room(job->client->server));
	if (error)
		return error;
	return bring_in(space, page_round_down(request->address),
			page_round_up(request->address + request->length));
}

int unlock_run(struct job *job)
{
	const struct request *request = &job->request;
	int error = check_range(request);

	if (error)
		return error;
	return space_unlock(&job->client->layout->space.space, request->address,
			    request->length);
}

/* ---- ADVISE ---- */

static void *address_of(const struct request *request)
{
	return (void *)(uintptr_t)request->address;
}

int advise_run(struct job *job)
{
	const struct request *request = &job->request;

	switch (request->advice) {
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_COLD:
	case MADV_PAGEOUT:
	case MADV_REMOVE:
		break;
	default: /* the client's kernel does it, or nobody */
		return -EINVAL;
	}
	if (quire_madvise(&job->client->layout->space, address_of(request),
			  request->length, request->advice))
		return -errno;
	return 0;
}
