/* sync.c - msync(2) of what a client has mapped */
/* SPDX-License-Identifier: MIT */
/*
 * As quire_msync(); but all clients of a file share its handle, and each is to
 * be told of a failed write (told.c).
 */
#include "server/server_private.h"

#include "engine/sync.h"
#include "space/advise.h"

#include <errno.h>
#include <sys/mman.h>

struct sync {
	struct client *client;
	uint64_t at;
	uint64_t end;
	uint32_t flags;
	bool hole; /* met one */
};

/* Outsiders' changes are seen, and dirty pages stay: they are newer. */
static void invalidate(struct server *server, struct server_file *file,
		       const struct space_run *run)
{
	object_invalidate(file_object(file), run->index, space_run_pages(run));
	file_check_stamp(server, file);
}

static int sync_file(const struct sync *sync, struct server_file *file,
		     const struct space_run *run)
{
	struct server *server = sync->client->server;
	struct writeback *writeback = &server->quire->writeback;
	int error = 0, told = 0;

	if (sync->flags & MS_SYNC) {
		error = writeback_sync(writeback, file_object(file), run->index,
				       space_run_pages(run), true);
		told = told_tell(sync->client, file);
	} else if (sync->flags & MS_ASYNC) {
		writeback_kick(writeback, true);
	}
	if (sync->flags & MS_INVALIDATE)
		invalidate(server, file, run);
	return error ? error : told;
}

static int sync_run_at(struct sync *sync, const struct space_run *run)
{
	struct server *server = sync->client->server;
	struct server_file *file;
	int error;

	if (run->start > sync->at)
		sync->hole = true;
	sync->at = run->end;
	if ((sync->flags & MS_INVALIDATE) && (run->flags & VM_LOCKED))
		return -EBUSY;
	file = run->handle ? file_use_of_handle(server, run->handle) : NULL;
	if (!file)
		return 0;
	error = sync_file(sync, file, run);
	file_release(server, file);
	return error;
}

static int sync_mapped(struct sync *sync)
{
	struct space *space = &sync->client->layout->space.space;
	struct space_run run;
	int error = 0;

	while (!error && sync->at < sync->end &&
	       space_run_at(space, sync->at, sync->end, &run)) {
		error = sync_run_at(sync, &run);
		space_run_drop(&run);
	}
	if (sync->at < sync->end)
		sync->hole = true;
	return !error && sync->hole ? -ENOMEM : error;
}

int sync_run(struct job *job)
{
	const struct request *request = &job->request;
	struct sync sync = {
		.client = job->client,
		.at = request->address,
		.end = request->address + page_round_up(request->length),
		.flags = request->flags,
	};
	int error = sync_check_flags((int)request->flags);

	if (!error && (sync.at & PAGE_MASK))
		error = -EINVAL;
	if (!error && sync.end < sync.at)
		error = -ENOMEM;
	if (!error)
		error = sync_mapped(&sync);
	if (!error && (sync.flags & MS_INVALIDATE))
		fault_handler_retry(&job->client->layout->faults);
	return error;
}
