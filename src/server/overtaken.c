/* overtaken.c - a write that takes too long for those who wait for it */
/* SPDX-License-Identifier: MIT */
/*
 * Its client is stopped, or its file system is slow.  Meanwhile no page of the
 * range goes home.  So it is *overtaken*: what is known of it comes into memory
 * as if its client were dead (merge.c), and the pages go home again.
 *
 *   BEGIN          overtaken                        END
 *     |--- excludes ---|---- write-backs as usual ----|-- excludes, refreshes
 *                      '-- none has begun since: what the file has is his,
 *                          and memory follows, as ever
 *                      '-- one has: it may have gone over his bytes, and he is
 *                          told (-ESTALE) to write them once more
 *
 * END may come, or the client die, while a worker is at it: both wait for that.
 */
#include "server/server_private.h"

#include <stdlib.h>

static uint64_t begun_writes(const struct server_write *write)
{
	return atomic_load(&object_counts(file_object(write->file))->writes);
}

static void run_overtake(struct work *work)
{
	struct server_write *write =
		container_of(work, struct server_write, overtake);
	struct server *server = write->server;

	write_follow_size(server, write->file);
	write_recover(write);
	/* Counted before they run: of these pages none runs now. */
	write->writes = begun_writes(write);
	object_foreign_end(file_object(write->file), &write->foreign);
	file_end_change(server, write->file);
	lock_take(&server->lock);
	write->overtaking = false;
	condition_wake_all(&server->settled);
	lock_drop(&server->lock);
}

static void overtake(struct server_write *write)
{
	struct server *server = write->server;

	write->overdue = true;
	if (write_is_standing(write))
		write_stop(write, 0);
	lock_take(&server->lock);
	write->overtaking = write->overtaken = true;
	if (write->place)
		atomic_store(&write->place->overtaken, 1);
	lock_drop(&server->lock);
	write->overtake.run = run_overtake;
	worker_submit(server->enders, &write->overtake);
}

void writes_overtake(struct client *client, uint64_t now)
{
	struct server *server = client->server;
	struct list *link, *after;

	list_for_each_safe(link, after, &client->writes) {
		struct server_write *write =
			container_of(link, struct server_write, link);

		if (write_is_standing(write) &&
		    write_see_to_standing(client, write, now))
			continue;
		/* Where nothing is dirty nobody waits. */
		if (!write->overdue && server->enders &&
		    now - write->begun_ns >= server->patience_ns &&
		    object_dirty_pages(file_object(write->file)) > 0)
			overtake(write);
	}
}

void write_take_back(struct server_write *write)
{
	struct server *server = write->server;
	struct foreign_write *foreign = &write->foreign;
	bool overtaken;

	lock_take(&server->lock);
	while (write->overtaking)
		condition_wait(&server->settled, &server->lock);
	overtaken = write->overtaken;
	lock_drop(&server->lock);
	if (!overtaken)
		return;
	file_begin_change(server, write->file);
	object_foreign_begin(file_object(write->file), foreign, foreign->index,
			     foreign->count);
	object_foreign_remember(file_object(write->file), foreign);
	/* What the file has that it had not may be older than memory. */
	if (begun_writes(write) != write->writes)
		write_forget(write);
}

/* => it was taken back: those that were under way have ended. */
bool write_is_stale(const struct server_write *write)
{
	return write->doubtful ||
	       (write->overtaken && begun_writes(write) != write->writes);
}
