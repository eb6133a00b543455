/* request.c - which request is what, and what it must bring */
/* SPDX-License-Identifier: MIT */
/*
 *   received whole -> version, type, descriptors, bytes -> done on the loop,
 *   or by a worker -> end() on the loop -> the reply
 *
 * What a client may not say at all ends its channels, without a reply; but for
 * a wrong version, which is told ours.
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rule {
	/* On the loop: never blocks.  The error is the reply's. */
	int (*now)(struct job *job);
	/* Or: on the loop, if it is not NULL; an error ends it. */
	int (*prepare)(struct job *job);
	/* Then on a worker, and then end() on the loop. */
	int (*run)(struct job *job);
	void (*end)(struct job *job);
	unsigned least_fds;
	unsigned most_fds;
	uint32_t most_bytes;
	bool slow;   /* it waits for a store, or for who writes past it */
	bool ends;   /* nobody may wait for it on a worker */
	bool silent; /* no reply */
};

/* ---- on the loop ---- */

void request_fill_hello(struct job *job)
{
	struct server *server = job->client->server;

	job->reply_bytes = server->settings;
	job->reply_length = (uint32_t)strlen(server->settings);
	job->reply_fds[job->reply_fd_count++] = server->taken_readable;
	if (server->device >= 0) {
		job->reply_fds[job->reply_fd_count++] = server->device;
		job->reply.flags |= REPLY_HAS_DEVICE;
	}
	/* Opened anew: whom it tells is said for each opening. */
	if (server->options.lifeline > 0)
		job->own_fd = server_reopen(server->options.lifeline,
					    O_RDONLY | O_NONBLOCK);
	if (job->own_fd >= 0) {
		job->reply_fds[job->reply_fd_count++] = job->own_fd;
		job->reply.flags |= REPLY_HAS_LIFELINE;
	}
}

static int hello(struct job *job)
{
	if (job->request.flags & HELLO_AGAIN)
		client_return(job);
	job->client->greeted = true;
	request_fill_hello(job);
	if (job->reply.flags & REPLY_HAS_USERFAULT)
		job->reply_fds[job->reply_fd_count++] =
			mmu_remote_descriptor(job->client->layout->space.mmu);
	return 0;
}

static int take_fd(struct job *job)
{
	return job->fds[--job->fd_count];
}

static const char no_events[] =
	"forks are followed only where the library sees them (for all of them "
	"the server needs CAP_SYS_PTRACE)";

static int attach(struct job *job)
{
	struct client *client = job->client;
	struct mmu_remote_features features;
	int error;

	if (client->layout && (job->request.flags & ATTACH_AGAIN)) {
		if (client->layout->follows_forks)
			job->reply.flags |= REPLY_FOLLOWS_FORKS;
		return 0;
	}
	if (client->layout || client->gone)
		return -EBUSY;
	error = mmu_remote_enable(job->fds[0], &features);
	if (error)
		return error;
	error = layout_create(client, take_fd(job), &features, &client->layout);
	if (error)
		return error;
	keeper_keep(client->server, client->layout, client->pid,
		    client->alive.fd);
	if (features.forks)
		job->reply.flags |= REPLY_FOLLOWS_FORKS;
	else
		note_add(client->server, no_events, sizeof(no_events) - 1);
	return fork_inherit(client);
}

static int add_channel(struct job *job)
{
	return client_add_channel(job->client, take_fd(job), NULL);
}

static int forking(struct job *job)
{
	return fork_announced(job->client, job->request.id);
}

static int forked(struct job *job)
{
	return fork_claimed(job->client, job->request.id, take_fd(job));
}

static int add_note(struct job *job)
{
	note_add(job->client->server, job->bytes, job->length);
	return 0;
}

static const struct rule rules[REQUEST_TYPES] = {
	[REQUEST_HELLO] = { .now = hello },
	[REQUEST_ATTACH] = { .now = attach, .least_fds = 1, .most_fds = 1 },
	[REQUEST_CHANNEL] = { .now = add_channel,
			      .least_fds = 1,
			      .most_fds = 1 },
	[REQUEST_FORKING] = { .now = forking },
	[REQUEST_FORKED] = { .now = forked,
			     .least_fds = 1,
			     .most_fds = 1,
			     .silent = true },
	[REQUEST_OPEN] = { .run = file_open_run,
			   .end = file_open_end,
			   .least_fds = 1,
			   .most_fds = 1 },
	[REQUEST_MAPPED] = { .now = mapped_request },
	[REQUEST_RELEASE] = { .now = release_request },
	[REQUEST_SYNC] = { .prepare = layout_prepare,
			   .run = sync_run,
			   .slow = true },
	[REQUEST_FILE_SYNC] = { .run = file_sync_run,
				.most_fds = 1,
				.slow = true },
	[REQUEST_WRITE_BEGIN] = { .prepare = write_begin_prepare,
				  .run = write_begin_run,
				  .end = write_begin_end,
				  .least_fds = 1,
				  .most_fds = 1 },
	[REQUEST_WRITE_END] = { .prepare = write_end_prepare,
				.run = write_end_run,
				.ends = true },
	[REQUEST_TRUNCATE] = { .run = truncate_run,
			       .least_fds = 1,
			       .most_fds = 1 },
	[REQUEST_LOCK] = { .prepare = layout_prepare,
			   .run = lock_run,
			   .slow = true },
	[REQUEST_UNLOCK] = { .prepare = layout_prepare, .run = unlock_run },
	[REQUEST_ADVISE] = { .prepare = layout_prepare,
			     .run = advise_run,
			     .slow = true },
	[REQUEST_KEEP] = { .prepare = keep_prepare,
			   .run = keep_run,
			   .end = keep_end,
			   .slow = true },
	[REQUEST_KERNELS] = { .run = kernels_run,
			      .least_fds = 1,
			      .most_fds = 1 },
	[REQUEST_NOTE] = { .now = add_note, .most_bytes = SERVER_NOTE_BYTES },
	[REQUEST_BOUND_OPEN] = { .run = bound_open_run,
				 .end = bound_open_end,
				 .most_bytes = PROTOCOL_BYTES_MAX },
	[REQUEST_BOUND_READ] = { .run = bound_read_run,
				 .least_fds = 1,
				 .most_fds = 1,
				 .slow = true },
	[REQUEST_BOUND_WRITE] = { .run = bound_write_run,
				  .least_fds = 1,
				  .most_fds = 1,
				  .slow = true,
				  .most_bytes = PROTOCOL_BYTES_MAX },
};

/* ---- jobs ---- */

struct closing {
	struct work work;
	int fd;
};

static void run_closing(struct work *work)
{
	struct closing *closing = container_of(work, struct closing, work);

	close(closing->fd);
	free(closing);
}

void server_close_later(struct server *server, int fd)
{
	struct closing *closing = malloc(sizeof(*closing));

	if (!closing || !server->workers) {
		free(closing);
		close(fd);
		return;
	}
	closing->fd = fd;
	closing->work.run = run_closing;
	worker_submit(server->workers, &closing->work);
}

void job_destroy(struct job *job)
{
	struct server *server = job->client->server;

	for (unsigned i = 0; i < job->fd_count; i++)
		server_close_later(server, job->fds[i]);
	if (job->own_fd >= 0)
		server_close_later(server, job->own_fd);
	if (job->reply_bytes != server->settings)
		free(job->reply_bytes);
	free(job->bytes);
	free(job);
}

/* Where a job is begun, its client is settled only when it is done. */
static void finish(struct job *job, bool silent)
{
	struct client *client = job->client;

	client->working--;
	if (job->channel && silent) {
		job->channel->job = NULL;
		if (!channel_resume(job->channel))
			channel_destroy(job->channel);
	} else if (job->channel) {
		channel_reply(job->channel, job);
	}
	job_destroy(job);
}

static const struct rule *rule_of(const struct job *job)
{
	return &rules[job->request.type];
}

/* ---- workers ---- */

static void run_job(struct work *work)
{
	struct job *job = container_of(work, struct job, work);
	struct server *server = job->client->server;

	error_clear();
	job->reply.error = job->run(job);
	/* Here it may wait. */
	while (job->fd_count > 0)
		close(job->fds[--job->fd_count]);
	lock_take(&server->lock);
	list_add_tail(&server->done, &job->link);
	lock_drop(&server->lock);
	loop_wake(server);
}

static enum job_kind kind_of(const struct job *job)
{
	return rule_of(job)->slow ? JOB_SLOW : JOB_QUICK;
}

static void begin(struct job *job)
{
	struct server *server = job->client->server;
	enum job_kind kind = kind_of(job);

	job->work.run = run_job;
	if (rule_of(job)->ends) {
		worker_submit(server->enders, &job->work);
		return;
	}
	if (job->client->begun[kind] >= SERVER_JOBS) {
		list_add_tail(&job->client->queued[kind], &job->link);
		return;
	}
	job->client->begun[kind]++;
	worker_submit(kind == JOB_SLOW ? server->slow : server->workers,
		      &job->work);
}

static void begin_next(struct client *client, enum job_kind kind)
{
	struct list *link;

	client->begun[kind]--;
	link = list_pop(&client->queued[kind]);
	if (link)
		begin(container_of(link, struct job, link));
}

static struct job *next_done(struct server *server)
{
	struct list *link;

	lock_take(&server->lock);
	link = list_pop(&server->done);
	lock_drop(&server->lock);
	return link ? container_of(link, struct job, link) : NULL;
}

void request_finish_done(struct server *server)
{
	struct job *job;

	while ((job = next_done(server))) {
		if (!rule_of(job)->ends)
			begin_next(job->client, kind_of(job));
		if (job->end)
			job->end(job);
		finish(job, false);
	}
}

/* ---- what was received ---- */

static bool is_allowed(const struct job *job)
{
	const struct request *request = &job->request;
	const struct rule *rule;

	if (request->type == 0 || request->type >= REQUEST_TYPES)
		return false;
	rule = rule_of(job);
	if (!job->client->greeted && request->type != REQUEST_HELLO)
		return false;
	/* A dead process's channel is there for its children. */
	if (job->client->gone && request->type != REQUEST_FORKED)
		return false;
	return job->fd_count >= rule->least_fds &&
	       job->fd_count <= rule->most_fds &&
	       job->length <= rule->most_bytes;
}

static void refuse(struct job *job)
{
	struct client *client = job->client;

	job->last = true;
	if (client->gone) { /* sent before it died: no fault of its own */
		finish(job, false);
		return;
	}
	count_refused(client->server);
	if (job->request.version != PROTOCOL_VERSION) {
		job->reply.error = -EPROTO;
		finish(job, false);
		return;
	}
	client_hang_up(client);
	finish(job, false); /* to nobody */
}

void request_take(struct job *job)
{
	const struct rule *rule;

	job->own_fd = -1;
	if (job->request.version != PROTOCOL_VERSION || !is_allowed(job)) {
		refuse(job);
		return;
	}
	rule = rule_of(job);
	job->run = rule->run;
	job->end = rule->end;
	if (rule->now)
		job->reply.error = rule->now(job);
	else if (rule->prepare)
		job->reply.error = rule->prepare(job);
	if (job->at_once && job->end)
		job->end(job);
	if (rule->now || job->reply.error || job->at_once) {
		finish(job, rule->silent);
		return;
	}
	if (job->channel)
		channel_pause(job->channel);
	begin(job);
}
