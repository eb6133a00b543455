/* robust.c - pages that a client's kernel must be able to store to at any time */
/* SPDX-License-Identifier: MIT */
/*
 * When a process dies, its kernel marks the robust mutexes that it held.  That
 * store cannot trap any more: a page that is not there, or is protected since
 * it was written home, stays as it is, and whoever waits for the mutex waits
 * for ever.  So the client asks, before it locks one, to have the page kept:
 *
 *   KEEP --> a write pin: it does not leave, and what was made writable stays
 *            so (architecture.md, rule 4); a write under way, which may have
 *            begun to protect it, is waited for
 *   unmapped, cut off, or its process is gone: the pin is dropped
 *
 * The process is gone only when its kernel has done with its mutexes.  A kept
 * page is dirty all the time: so they are few.
 */
#include "server/server_private.h"

#include "space/advise.h"

#include <errno.h>
#include <stdlib.h>

struct robust {
	struct list link;         /* [l] in its layout */
	struct list file_link;    /* [s] in its file */
	struct server_file *file; /* one user is this one's; NULL: not yet */
	uint64_t address;
	uint64_t index;
	bool pinned; /* [s] false: the file was cut there */
};

static const char too_many[] =
	"more pages with robust mutexes than can be kept: if their owner is "
	"killed, others may wait for ever";

/* ---- letting go ---- */

/* [s]; the pin is the caller's to drop. */
static bool take_pin(struct server *server, struct robust *robust)
{
	bool pinned = robust->pinned;

	if (pinned) {
		robust->pinned = false;
		list_remove(&robust->file_link);
		server->robust_count--;
	}
	return pinned;
}

static void destroy(struct server *server, struct robust *robust)
{
	bool pinned;

	if (robust->file) {
		lock_take(&server->lock);
		pinned = take_pin(server, robust);
		lock_drop(&server->lock);
		if (pinned)
			object_let_go(file_object(robust->file), robust->index,
				      1, true);
		file_release(server, robust->file);
	}
	free(robust);
}

void robust_forget(struct layout *layout, uint64_t start, uint64_t end)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &layout->robust) {
		struct robust *robust = container_of(link, struct robust, link);

		if (robust->address < start || robust->address >= end)
			continue;
		list_remove(link);
		layout->robust_count--;
		destroy(layout->client->server, robust);
	}
}

/* [s] The first that lies behind; its pin is the caller's. */
static bool take_behind(struct server *server, struct server_file *file,
			uint64_t pages, uint64_t *index)
{
	struct list *link;

	list_for_each(link, &file->robust) {
		struct robust *robust =
			container_of(link, struct robust, file_link);

		*index = robust->index;
		if (robust->index >= pages)
			return take_pin(server, robust);
	}
	return false;
}

void robust_cut(struct server *server, struct server_file *file, uint64_t size)
{
	uint64_t pages = page_round_up(size) >> PAGE_SHIFT, index;
	bool found = true;

	while (found) {
		lock_take(&server->lock);
		found = take_behind(server, file, pages, &index);
		lock_drop(&server->lock);
		if (found)
			object_let_go(file_object(file), index, 1, true);
	}
}

/* ---- KEEP ---- */

static struct robust *find(struct layout *layout, uint64_t address)
{
	struct list *link;

	list_for_each(link, &layout->robust) {
		struct robust *robust = container_of(link, struct robust, link);

		if (robust->address == address)
			return robust;
	}
	return NULL;
}

static bool is_pinned(struct server *server, const struct robust *robust)
{
	bool pinned;

	lock_take(&server->lock);
	pinned = robust->pinned;
	lock_drop(&server->lock);
	return pinned;
}

/* job->robust NULL, without an error: it is kept already. */
int keep_prepare(struct job *job)
{
	struct client *client = job->client;
	struct layout *layout = client->layout;
	uint64_t address = page_round_down(job->request.address);
	struct robust *robust;

	if (!layout || address > INT64_MAX)
		return -ENOMEM;
	robust = find(layout, address);
	if (robust && is_pinned(client->server, robust))
		return 0;
	robust_forget(layout, address, address + 1);
	if (layout->robust_count >= SERVER_ROBUST) {
		note_add(client->server, too_many, sizeof(too_many) - 1);
		return -ENOSPC;
	}
	job->robust = calloc(1, sizeof(*job->robust));
	if (!job->robust)
		return -ENOMEM;
	job->robust->address = address;
	layout->robust_count++;
	return 0;
}

/* They are dirty for good: most of what may be is for others. */
static bool count_one(struct server *server)
{
	uint64_t most = server->quire->writeback.bound / 4 + 1;
	bool fits;

	lock_take(&server->lock);
	fits = server->robust_count < most;
	if (fits)
		server->robust_count++;
	lock_drop(&server->lock);
	if (!fits)
		note_add(server, too_many, sizeof(too_many) - 1);
	return fits;
}

/* A write that began before the pin was there may be protecting the page. */
static void await_write(struct object *object, uint64_t index)
{
	struct wait_table *waits = &object_host(object)->cache->waits;
	page_word *word = object_word(object, index);

	while (word_state(atomic_load(word)) == PAGE_WRITING)
		wait_for_change(waits, object_table(object), index, word,
				PAGE_WRITING);
}

/* The file's user is the kept page's. */
static int pin(struct server *server, struct server_file *file,
	       struct robust *robust, uint64_t index)
{
	int error = count_one(server) ? 0 : -ENOSPC;

	if (error)
		return error;
	error = object_hold(file_object(file), index, 1, true);
	lock_take(&server->lock);
	if (error) {
		server->robust_count--;
	} else {
		robust->file = file;
		robust->index = index;
		robust->pinned = true;
		list_add_tail(&file->robust, &robust->file_link);
	}
	lock_drop(&server->lock);
	if (!error)
		await_write(file_object(file), index);
	return error;
}

int keep_run(struct job *job)
{
	struct server *server = job->client->server;
	struct space *space = &job->client->layout->space.space;
	struct robust *robust = job->robust;
	struct server_file *file;
	struct space_run run;
	int error = -ENOMEM;

	if (!robust)
		return 0;
	if (!space_run_at(space, robust->address, robust->address + PAGE_SIZE,
			  &run))
		return -ENOMEM;
	file = run.handle ? file_use_of_handle(server, run.handle) : NULL;
	if (file) {
		/* What is private is the process's own. */
		error = run.flags & VM_SHARED
				? pin(server, file, robust, run.index)
				: -EINVAL;
		if (error)
			file_release(server, file);
	}
	space_run_drop(&run);
	return error;
}

/* Still there?  What is mapped changes on the loop alone. */
static bool is_mapped(struct layout *layout, const struct robust *robust)
{
	struct layout_piece piece;

	return !layout->ended &&
	       layout_next(layout, robust->address, robust->address + PAGE_SIZE,
			   &piece) &&
	       piece.file == robust->file &&
	       piece.offset >> PAGE_SHIFT == robust->index;
}

void keep_end(struct job *job)
{
	struct layout *layout = job->client->layout;
	struct robust *robust = job->robust;

	if (!robust)
		return;
	if (robust->file && is_mapped(layout, robust)) {
		list_add_tail(&layout->robust, &robust->link);
		return;
	}
	layout->robust_count--;
	destroy(job->client->server, robust);
	if (!job->reply.error)
		job->reply.error = -ENOMEM;
}
