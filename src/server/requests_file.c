/* requests_file.c - requests about files: open, written, synced, cut */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- OPEN ---- */

int file_open_run(struct job *job)
{
	struct server *server = job->client->server;
	struct file_access access;
	int error = file_access(job->fds[0], &access);

	if (error)
		return error;
	if (!access.readable)
		return -EACCES;
	if (job->request.length <= INT64_MAX &&
	    job->request.offset <= INT64_MAX)
		access.reach = job->request.offset + job->request.length;
	error = file_take(server, job->fds[0], &access, &job->file);
	if (error)
		return error;
	told_meet(job->client, job->file);
	job->writable = access.writable;
	job->reply_fds[0] = file_memory(server, job->file, access.writable);
	if (job->reply_fds[0] < 0)
		return job->reply_fds[0];
	job->reply_fd_count = 1;
	job->reply.id = job->file->id;
	job->reply.value = object_size(file_object(job->file));
	if (!access.writable)
		job->reply.flags |= REPLY_READ_ONLY;
	return 0;
}

void file_open_end(struct job *job)
{
	struct client *client = job->client;

	if (!job->file)
		return;
	if (!job->reply.error && job->channel)
		job->reply.error =
			client_hold(client, job->file, job->writable);
	if (!job->reply.error && job->channel)
		return;
	file_release(client->server, job->file);
	job->reply_fd_count = 0;
}

/* ---- FILE_SYNC ---- */

static int sync_everything(struct server *server, bool durable)
{
	struct object_host *host = &server->quire->host;
	struct object *object = object_next(host, NULL);
	int first = 0;

	for (; object; object = object_next(host, object)) {
		int error = object_discards(object)
				    ? 0
				    : writeback_sync(&server->quire->writeback,
						     object, 0, UINT64_MAX,
						     durable);

		if (!first)
			first = error;
	}
	return first;
}

/* Pages; length 0: to the end of all. */
static uint64_t page_count(uint64_t offset, uint64_t length)
{
	uint64_t index = offset >> PAGE_SHIFT;
	uint64_t last = UINT64_MAX >> PAGE_SHIFT;

	if (length > 0 && length - 1 <= UINT64_MAX - offset)
		last = (offset + length - 1) >> PAGE_SHIFT;
	return last - index + 1;
}

/* The taken file of the job's first descriptor; NULL: it is not taken. */
static int find_file(struct job *job, struct file_access *access,
		     struct server_file **file)
{
	int error = file_access(job->fds[0], access);

	*file = NULL;
	if (error)
		return error == -EAGAIN ? 0 : error;
	*file = file_find(job->client->server, access);
	return 0;
}

int file_sync_run(struct job *job)
{
	struct server *server = job->client->server;
	const struct request *request = &job->request;
	bool durable = request->flags & FILE_DURABLE;
	struct file_access access;
	struct server_file *file;
	int error, told;

	if (job->fd_count == 0)
		return sync_everything(server, durable);
	error = find_file(job, &access, &file);
	if (error || !file)
		return error;
	error = writeback_sync(&server->quire->writeback, file_object(file),
			       request->offset >> PAGE_SHIFT,
			       page_count(request->offset, request->length),
			       durable);
	/* Who only reads asks for what is there now. */
	told = durable ? told_tell(job->client, file) : 0;
	file_release(server, file);
	return error ? error : told;
}

/* ---- WRITE_BEGIN, WRITE_END ---- */

int write_begin_prepare(struct job *job)
{
	struct client *client = job->client;
	struct list *link, *after;

	list_for_each_safe(link, after, &client->writes) {
		struct server_write *write =
			container_of(link, struct server_write, link);

		/* It was begun, and the server that did it has not said so. */
		if (write->token && write->token == job->request.id)
			job->reply.id = write->id;
		else if (write->id == job->request.address)
			write_give_up(client, write);
	}
	if (client->write_count >= SERVER_WRITES)
		return -ENOBUFS;
	write_begin_at_once(job);
	return 0;
}

int write_make(struct job *job, struct server_file *file)
{
	struct server_write *write = calloc(1, sizeof(*write));

	if (!write) {
		file_release(job->client->server, file);
		return -ENOMEM;
	}
	told_meet(job->client, file);
	write->server = job->client->server;
	write->file = file;
	write->token = job->request.id;
	write->offset = job->request.offset;
	write->length = job->request.length;
	object_foreign_list(file_object(file), &write->foreign,
			    write->offset >> PAGE_SHIFT,
			    page_count(write->offset, write->length));
	job->write = write;
	return 0;
}

void write_has_begun(struct server_write *write)
{
	file_begin_change(write->server, write->file);
	write->begun_ns = clock_now_ns();
}

static int find_and_make(struct job *job)
{
	struct file_access access;
	struct server_file *file;
	int error = find_file(job, &access, &file);

	if (error || !file)
		return error;
	if (access.writable)
		return write_make(job, file);
	file_release(job->client->server, file);
	return -EBADF;
}

int write_begin_run(struct job *job)
{
	int error = job->reply.id || job->write ? 0 : find_and_make(job);

	if (error || !job->write)
		return error;
	object_foreign_await(file_object(job->write->file),
			     &job->write->foreign);
	write_remember(job->write);
	write_has_begun(job->write);
	return 0;
}

void write_begin_end(struct job *job)
{
	struct client *client = job->client;

	if (!job->write)
		return;
	if (!job->channel) { /* nobody will say that it is over */
		write_abandon(job->write);
		return;
	}
	job->write->channel = job->channel;
	job->write->id = ++client->server->next_write;
	job->reply.error =
		ledger_add_write(client->server, job->write, client->pid);
	if (job->reply.error) {
		write_abandon(job->write);
		return;
	}
	job->reply.id = job->write->id;
	list_add_tail(&client->writes, &job->write->link);
	client->write_count++;
}

int write_end_prepare(struct job *job)
{
	struct client *client = job->client;
	struct list *link;

	list_for_each(link, &client->writes) {
		struct server_write *write =
			container_of(link, struct server_write, link);

		if (write->id != job->request.id)
			continue;
		list_remove(link);
		client->write_count--;
		job->write = write;
		if (write_is_standing(write))
			write_stop(write, job->request.address);
		write_end_at_once(job);
		return 0;
	}
	return -EINVAL;
}

/* The mappings of what was written are not as they should be. */
static void note_failure(struct server *server, int error)
{
	char text[SERVER_NOTE_BYTES];
	int length = snprintf(text, sizeof(text),
			      "a mapping could not follow a write: %s",
			      strerror(-error));

	if (error && error != -ESTALE)
		note_add(server, text, (size_t)length);
}

void write_follow_size(struct server *server, struct server_file *file)
{
	struct stat status;

	if (file->binding || fstat(file->own_fd, &status) ||
	    (uint64_t)status.st_size == object_size(file_object(file)))
		return;
	robust_cut(server, file, (uint64_t)status.st_size);
	note_failure(server, file_follow_size(server, file));
}

void write_has_ended(struct server_write *write)
{
	struct server *server = write->server;
	struct server_file *file = write->file;

	object_foreign_end(file_object(file), &write->foreign);
	file_end_change(server, file);
	file_release(server, file);
	ledger_remove_write(write);
	free(write);
}

struct server_write *write_restore(struct client *client,
				   struct server_file *file,
				   struct ledger_write *place)
{
	struct server_write *write = calloc(1, sizeof(*write));

	if (!write)
		return NULL;
	write->server = client->server;
	write->file = file;
	write->place = place;
	write->id = atomic_load(&place->id);
	write->token = place->token;
	write->offset = place->offset;
	write->length = place->length;
	write->begun_ns = clock_now_ns();
	/* Then it is stale whatever comes: nobody knows what has gone home. */
	write->doubtful = atomic_load(&place->overtaken);
	file_use(client->server, file);
	object_foreign_begin(file_object(file), &write->foreign,
			     write->offset >> PAGE_SHIFT,
			     page_count(write->offset, write->length));
	/* As it is now: of what was stored before nobody knows. */
	write_remember(write);
	file_begin_change(client->server, file);
	list_add_tail(&client->writes, &write->link);
	client->write_count++;
	return write;
}

/* What was written comes into memory; or, if it may be gone and comes once
 * more, nothing that stores have made newer goes. */
static int refresh(struct server_write *write, const struct request *request)
{
	struct object *object = file_object(write->file);
	uint64_t offset = request->offset, length = request->length;
	int error;

	if (request->flags & WRITE_UNSURE)
		(void)object_refresh_clean(object, 0, INT64_MAX);
	if (length > INT64_MAX) /* to the end of all */
		length = INT64_MAX;
	if (length == 0 || offset > INT64_MAX)
		return 0;
	if (!(request->flags & WRITE_REPEATS) || !write_is_stale(write))
		return write_merge(write, offset, length);
	error = object_refresh_clean(object, offset, length);
	return error ? error : -ESTALE;
}

int write_end_run(struct job *job)
{
	struct server_write *write = job->write;
	int error;

	write_take_back(write);
	write_follow_size(write->server, write->file);
	error = refresh(write, &job->request);
	note_failure(write->server, error);
	write_forget_all(write);
	write_has_ended(write);
	return error;
}

static void run_abandoned(struct work *work)
{
	struct server_write *write =
		container_of(work, struct server_write, work);

	write_take_back(write);
	write_follow_size(write->server, write->file);
	write_recover(write);
	write_forget_all(write);
	write_has_ended(write);
}

void write_abandon(struct server_write *write)
{
	write->work.run = run_abandoned;
	if (write->server->enders)
		worker_submit(write->server->enders, &write->work);
	else
		run_abandoned(&write->work);
}

/* ---- TRUNCATE ---- */

/* Nobody could store to what lies behind the end, so nothing is dirty there. */
static int cut_by_kernel(struct server *server, struct server_file *file,
			 int fd, uint64_t length)
{
	if (ftruncate(fd, (off_t)length))
		return -errno;
	return file_follow_size(server, file);
}

static int cut(struct server *server, struct server_file *file, int fd,
	       uint64_t length)
{
	struct object *object = file_object(file);
	bool same = object_size(object) == length;
	int error;

	if (!file->binding && (same || !file_has_writer(file) ||
			       length > object_capacity(object)))
		return cut_by_kernel(server, file, fd, length);
	error = object_resize(object, length);
	if (!error)
		atomic_store(&file->beyond, false);
	/* What shows its size. */
	if (!error && file->binding && ftruncate(file->own_fd, (off_t)length))
		error = -errno;
	return error;
}

/*
 * The request may come to its turn after its process was killed, and its locks
 * are another's: then it is not done at all.  And what was to be growth is none
 * any more if others have made the file longer since: theirs came later.
 * 1: go on; else what to say.
 */
static int still_wanted(const struct job *job)
{
	const struct request *request = &job->request;
	struct stat status;

	if (fstat(job->fds[0], &status))
		return -errno;
	if (client_has_ended(job->client))
		return -ESRCH;
	if ((request->flags & TRUNCATE_SAW_SIZE) &&
	    request->length >= request->offset &&
	    (uint64_t)status.st_size > request->length)
		return 0;
	return 1;
}

static int set_size(struct job *job, struct server_file *file)
{
	struct server *server = job->client->server;
	int error;

	file_begin_change(server, file);
	/* What is a cut of the file is none of the object that is behind. */
	write_follow_size(server, file);
	robust_cut(server, file, job->request.length);
	error = cut(server, file, job->fds[0], job->request.length);
	file_end_change(server, file);
	return error;
}

int truncate_run(struct job *job)
{
	struct server *server = job->client->server;
	struct file_access access;
	struct server_file *file;
	int error = find_file(job, &access, &file);

	if (error)
		return error;
	if (!file)
		return -EAGAIN;
	if (!access.writable || job->request.length > INT64_MAX)
		error = -EINVAL;
	if (!error) {
		lock_take(&file->sizing);
		error = still_wanted(job);
		if (error == 1)
			error = set_size(job, file);
		lock_drop(&file->sizing);
	}
	file_release(server, file);
	return error;
}

/* ---- KERNELS ---- */

int kernels_run(struct job *job)
{
	struct file_access access;
	int error = file_access(job->fds[0], &access);

	if (error) /* what is no file is nobody's business */
		return error == -EAGAIN ? 0 : error;
	return claim_add(job->client, access.device, access.inode);
}
