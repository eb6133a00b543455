/* ask.c - `quire maps` of a client, which has no engine itself */
/* SPDX-License-Identifier: MIT */
/*
 * The engine's reporter takes the question, on its own thread; layouts are the
 * loop's, so the loop writes the answer:
 *
 *	reporter                      loop
 *	question, eventfd ----------> writes
 *	         <------------------- answered, or ended: nobody will
 */
#include "server/server_private.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define QUESTION "maps"

struct asking {
	struct server *server;
	struct report_more more;
	struct watch watch;   /* eventfd: a question is there */
	int answered;         /* eventfd */
	int ended;            /* eventfd: the loop has run for the last time */
	const char *question; /* the reporter's, until it is answered */
	FILE *out;
};

static void signal_event(int fd)
{
	uint64_t one = 1;

	check(write(fd, &one, sizeof(one)) == sizeof(one),
	      "an eventfd takes a one");
}

static void print_client(const struct client *client, FILE *out)
{
	if (client->layout)
		space_report(&client->layout->space.space, SPACE_REPORT_MAPS,
			     out);
}

/* "maps": all, each under a heading; "maps PID": that one. */
static void print_maps(struct server *server, pid_t pid, FILE *out)
{
	struct list *link;

	list_for_each(link, &server->clients) {
		struct client *client = container_of(link, struct client, link);

		if (pid && client->pid != pid)
			continue;
		if (!pid)
			fprintf(out, "process %d:\n", (int)client->pid);
		print_client(client, out);
	}
	/* An answer without a byte would be none. */
	if (ftell(out) == 0)
		fputs("nothing is mapped through this server\n", out);
}

/* On the loop. */
static void on_question(struct watch *watch)
{
	struct asking *asking = container_of(watch, struct asking, watch);
	uint64_t count;

	if (read(watch->fd, &count, sizeof(count)) != sizeof(count))
		return;
	print_maps(asking->server,
		   (pid_t)atoi(asking->question + strlen(QUESTION)),
		   asking->out);
	signal_event(asking->answered);
}

/* On the reporter's thread. */
static bool answer(void *context, const char *question, FILE *out)
{
	struct asking *asking = context;
	struct pollfd polled[] = {
		{ .fd = asking->answered, .events = POLLIN },
		{ .fd = asking->ended, .events = POLLIN },
	};
	uint64_t count;

	if (strncmp(question, QUESTION, strlen(QUESTION)) != 0)
		return false;
	asking->question = question;
	asking->out = out;
	signal_event(asking->watch.fd);
	while (poll(polled, 2, -1) < 0 && errno == EINTR)
		;
	return polled[0].revents &&
	       read(asking->answered, &count, sizeof(count)) == sizeof(count);
}

static void destroy(struct asking *asking)
{
	const int fds[] = { asking->watch.fd, asking->answered, asking->ended };

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(asking);
}

static int open_events(struct asking *asking)
{
	int flags = EFD_CLOEXEC | EFD_NONBLOCK;

	asking->watch.fd = eventfd(0, flags);
	asking->answered = eventfd(0, flags);
	asking->ended = eventfd(0, flags);
	return asking->watch.fd < 0 || asking->answered < 0 || asking->ended < 0
		       ? -errno
		       : 0;
}

int ask_begin(struct server *server)
{
	struct asking *asking = calloc(1, sizeof(*asking));
	int error;

	if (!asking)
		return -ENOMEM;
	asking->server = server;
	error = open_events(asking);
	if (!error)
		error = loop_watch(server, &asking->watch, asking->watch.fd,
				   on_question);
	if (error) {
		destroy(asking);
		return error;
	}
	server->asking = asking;
	asking->more = (struct report_more){ answer, asking };
	report_add(server->quire, &asking->more);
	return 0;
}

void ask_end(struct server *server)
{
	if (server->asking)
		signal_event(server->asking->ended);
}

void ask_destroy(struct server *server)
{
	if (server->asking)
		destroy(server->asking);
	server->asking = NULL;
}
