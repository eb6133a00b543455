/* told.c - which client was told of which failed writes */
/* SPDX-License-Identifier: MIT */
/*
 * As the kernel's errseq_t: whoever uses a file is told of a write that failed
 * since he first did, once, by his next fsync(2) or msync(2).  Who comes later is
 * told of it only if nobody was yet.  A client is one user of a file, however
 * many descriptors it has.
 */
#include "server/server_private.h"

#include <stdlib.h>

#define MOST_TOLD 1024u /* files of a client; the one used longest ago goes */

struct told {
	struct list link; /* [s] in its client, the one used last first */
	uint64_t file_id;
	uint64_t generation; /* of the file's object */
	uint64_t seen;       /* of its errors */
};

/* [s] */
static struct told *find(struct client *client, const struct server_file *file)
{
	struct list *link;

	list_for_each(link, &client->told) {
		struct told *told = container_of(link, struct told, link);

		if (told->file_id == file->id)
			return told;
	}
	return NULL;
}

/* [s] */
static void limit(struct client *client)
{
	struct told *oldest;

	if (client->told_count < MOST_TOLD)
		return;
	oldest = container_of(client->told.prev, struct told, link);
	list_remove(&oldest->link);
	client->told_count--;
	free(oldest);
}

/* [s] NULL: no memory; it is told of what the others are told of. */
static struct told *meet(struct client *client, struct server_file *file)
{
	struct told *told = find(client, file);

	if (told) {
		list_remove(&told->link);
	} else {
		limit(client);
		told = calloc(1, sizeof(*told));
		if (!told)
			return NULL;
		told->file_id = file->id;
		client->told_count++;
	}
	list_add_head(&client->told, &told->link);
	if (told->generation != file->generation) {
		told->generation = file->generation;
		told->seen = file->errors_told;
	}
	return told;
}

void told_meet(struct client *client, struct server_file *file)
{
	struct server *server = client->server;

	lock_take(&server->lock);
	meet(client, file);
	lock_drop(&server->lock);
}

/* [s] Then the end need not tell of it. */
static void somebody_knows(struct server_file *file, uint64_t seen)
{
	if (file->errors_told < seen)
		file->errors_told = seen;
	(void)handle_report_error(file->reader.handle);
	if (file->writer.handle)
		(void)handle_report_error(file->writer.handle);
}

int told_tell(struct client *client, struct server_file *file)
{
	struct server *server = client->server;
	/* A holder as any other, but that it lives here. */
	struct quire_object holder = { .object = file_object(file) };
	struct told *told;
	uint64_t seen;
	int error = 0;

	lock_take(&server->lock);
	told = meet(client, file);
	seen = told ? told->seen : file->errors_told;
	atomic_store(&holder.errors_seen, seen);
	error = handle_report_error(&holder);
	seen = atomic_load(&holder.errors_seen);
	if (told)
		told->seen = seen;
	if (error)
		somebody_knows(file, seen);
	lock_drop(&server->lock);
	return error;
}

void told_forget_all(struct client *client)
{
	struct list *link;

	while ((link = list_pop(&client->told)))
		free(container_of(link, struct told, link));
	client->told_count = 0;
}
