/* peer.c - asks the engines of another process */
/* SPDX-License-Identifier: MIT */
/*
 * Engine N of process PID listens on the abstract Unix socket "quire/PID/N".
 * It is asked one line, "maps", "stat" or "files", answers with text, and closes.  Any
 * process may take any abstract name: the kernel's word for who listens is
 * what counts.
 */
#include "peer.h"
#include "cli.h"
#include "options.h"
#include "peer_server.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define MOST_ENGINES 16      /* that report, in one process */
#define PATIENCE_S 10        /* a process that is stopped never answers */
#define MOST_TEXT (1u << 30) /* nobody has so much to say */

bool pid_read(const char *text, pid_t *pid)
{
	uint32_t number;

	if (!count_read(text, INT_MAX, &number))
		return false;
	*pid = (pid_t)number;
	return true;
}

/* Who hears the answers. */
struct asked {
	void (*each)(void *context, unsigned int engine, char *text);
	void *context;
	unsigned int *engine;
};

static int connect_to(pid_t pid, unsigned int engine)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int length;
	int error;

	if (fd < 0)
		return -errno;
	length = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1,
			  "quire/%d/%u", (int)pid, engine);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				(size_t)length)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* -EPERM: the socket is another process's. */
static int check_listener(int fd, pid_t pid)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return -errno;
	return peer.pid == pid ? 0 : -EPERM;
}

/* Everything until the other side closes, in a string of its own. */
static int read_all(int fd, char **text)
{
	size_t room = 0;
	size_t length = 0;
	ssize_t got = 1;
	char *more;

	*text = NULL;
	while (got > 0) {
		if (length + 1 >= room) {
			room = 2 * room + 4096;
			more = room < MOST_TEXT ? realloc(*text, room) : NULL;
			if (!more) {
				free(*text);
				return -ENOMEM;
			}
			*text = more;
		}
		got = read(fd, *text + length, room - length - 1);
		if (got > 0)
			length += (size_t)got;
		else if (got < 0 && errno == EINTR)
			got = 1;
	}
	if (got < 0 || length == 0) {
		int error = got < 0 ? -errno : -EPIPE;

		free(*text);
		return error;
	}
	(*text)[length] = '\0';
	return 0;
}

static int ask(int fd, pid_t pid, const char *question, char **text)
{
	size_t length = strlen(question);
	ssize_t sent;
	int error = check_listener(fd, pid);

	if (error)
		return error;
	sent = send(fd, question, length, MSG_NOSIGNAL);
	if (sent != (ssize_t)length)
		return sent < 0 ? -errno : -EPIPE;
	return read_all(fd, text);
}

int peer_failed(pid_t pid, unsigned int engine, int error)
{
	if (error == -ESRCH)
		return fail("process %d has no Quire engine", (int)pid);
	if (error == -EPERM)
		return fail("another process listens in the name of process "
			    "%d: not asked",
			    (int)pid);
	if (error == -EAGAIN)
		return fail("engine %u of process %d does not answer", engine,
			    (int)pid);
	return fail("engine %u of process %d broke off: %s", engine, (int)pid,
		    strerror(-error));
}

static int query(pid_t pid, const char *question,
		 void (*each)(void *context, unsigned int engine, char *text),
		 void *context, unsigned int *engine)
{
	unsigned int found = 0;

	for (*engine = 0; *engine < MOST_ENGINES; ++*engine) {
		int fd = connect_to(pid, *engine);
		char *text = NULL;
		int error;

		if (fd == -ECONNREFUSED)
			continue; /* that number is free */
		if (fd < 0)
			return fd;
		error = ask(fd, pid, question, &text);
		close(fd);
		if (error)
			return error;
		each(context, *engine, text);
		found++;
	}
	return found ? 0 : -ESRCH;
}

/* "maps" is asked about the client, all else about the server. */
static int query_server(pid_t server, pid_t client, const char *question,
			struct asked *asked)
{
	char of_client[32];

	snprintf(of_client, sizeof(of_client), "maps %d\n", (int)client);
	return query(server,
		     strcmp(question, "maps\n") == 0 ? of_client : question,
		     asked->each, asked->context, asked->engine);
}

int peer_query(pid_t pid, const char *question,
	       void (*each)(void *context, unsigned int engine, char *text),
	       void *context, unsigned int *engine)
{
	struct asked asked = { each, context, engine };
	int error = query(pid, question, each, context, engine);
	pid_t server;

	if (error != -ESRCH)
		return error;
	server = peer_supervised(pid);
	if (server > 0)
		return query(server, question, each, context, engine);
	server = peer_server(pid);
	return server > 0 ? query_server(server, pid, question, &asked)
			  : -ESRCH;
}

int peer_ask(pid_t pid, const char *question,
	     void (*each)(void *context, unsigned int engine, char *text),
	     void *context)
{
	unsigned int engine;
	int error = peer_query(pid, question, each, context, &engine);

	return error ? peer_failed(pid, engine, error) : EXIT_SUCCESS;
}
