/* service_process.c - the inside of the server's process */
/* SPDX-License-Identifier: MIT */
#include "service_process.h"
#include "cli.h"
#include "mapped.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* What the thread that listens to the supervisor knows. */
struct listener {
	struct server *server;
	int control;
	_Atomic bool hushed;
	_Atomic bool orphaned; /* the supervisor is gone without a word */
};

/* Numbers of descriptors, in order. */
static int compare(const void *left, const void *right)
{
	return *(const int *)left - *(const int *)right;
}

/*
 * A pipe that the program reads or writes ends when the program's side does,
 * not when ours is: we hold none of what we inherited.
 */
static void close_others(int *kept, size_t count)
{
	unsigned int next = STDERR_FILENO + 1;

	qsort(kept, count, sizeof(*kept), compare);
	for (size_t i = 0; i < count; i++) {
		if (kept[i] < (int)next)
			continue; /* -1, or standard error */
		if ((unsigned int)kept[i] > next)
			close_range(next, (unsigned int)kept[i] - 1, 0);
		next = (unsigned int)kept[i] + 1;
	}
	close_range(next, ~0u, 0);
}

static int file_number(FILE *stream)
{
	return stream ? fileno(stream) : -1;
}

static void keep_needed(const struct service_settings *settings,
			const struct socket_place *place, int control,
			int keeper)
{
	int kept[] = { place->fd,
		       place->lifeline,
		       control,
		       keeper,
		       file_number(settings->stats),
		       file_number(settings->report) };

	leave_standard_streams();
	close_others(kept, sizeof(kept) / sizeof(kept[0]));
}

/* The terminal's signals are not for us, nor is what stops all at once: we end
 * after our clients.  A limit on files is an error of a write. */
static void leave_terminal(void)
{
	static const int ignored[] = { SIGTERM, SIGINT,  SIGQUIT, SIGHUP,
				       SIGTSTP, SIGTTOU, SIGXFSZ, SIGPIPE };

	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	setsid();
	prctl(PR_SET_NAME, SERVICE_NAME);
}

static void say_ready(int control, int error)
{
	struct service_ready ready = { .failed = error != 0 };

	if (error)
		snprintf(ready.sentence, sizeof(ready.sentence), "%s",
			 sentence(error));
	(void)!send(control, &ready, sizeof(ready), MSG_NOSIGNAL);
}

/* Ends with the process. */
static void *listen_to_supervisor(void *argument)
{
	struct listener *listener = argument;
	ssize_t length;
	char word;

	for (;;) {
		length = recv(listener->control, &word, 1, 0);
		if (length < 0 && errno == EINTR)
			continue;
		if (length <= 0)
			break;
		/* release, and acquire where they are read: after the stop */
		if (word == SERVICE_HUSH)
			atomic_store_explicit(&listener->hushed, true,
					      memory_order_release);
		else if (word == SERVICE_LEAVE)
			server_leave(listener->server);
		else
			server_stop(listener->server);
	}
	atomic_store_explicit(&listener->orphaned, true, memory_order_release);
	server_stop(listener->server);
	return NULL;
}

static int start_listener(struct listener *listener)
{
	pthread_t thread;
	int error =
		pthread_create(&thread, NULL, listen_to_supervisor, listener);

	if (!error)
		pthread_detach(thread);
	return -error;
}

/* A page, or a part of one, that never arrived is a failure. */
static int write_to(FILE *stream, const char *what, struct server *server,
		    int (*writer)(struct server *, FILE *))
{
	int error;

	if (!stream)
		return EXIT_SUCCESS;
	error = writer(server, stream);
	if (ferror(stream) && !error)
		error = -EIO;
	if (fclose(stream) && !error)
		error = -errno;
	if (error)
		return fail("cannot write the %s: %s", what, strerror(-error));
	return EXIT_SUCCESS;
}

static int print_all(struct server *server,
		     const struct service_settings *settings)
{
	int status = EXIT_SUCCESS;

	if (!settings->quiet) {
		server_summary(server, stderr);
		fflush(stderr);
	}
	status |= write_to(settings->stats, "statistics", server, server_json);
	status |= write_to(settings->report, "report", server, server_report);
	return status;
}

static int serve(struct listener *listener,
		 const struct service_settings *settings)
{
	int error = server_run(listener->server, true);
	int status = EXIT_SUCCESS;
	int unwritten;

	if (error)
		status = fail("the server cannot go on: %s", sentence(error));
	else if (server_has_left(listener->server))
		return EXIT_SUCCESS;
	unwritten = server_finish(listener->server);
	if (unwritten)
		status = fail("not everything could be written: %s",
			      strerror(-unwritten));
	if (!atomic_load_explicit(&listener->hushed, memory_order_acquire))
		status |= print_all(listener->server, settings);
	return status;
}

_Noreturn void service_process(const struct service_settings *settings,
			       const struct socket_place *place, int control,
			       int keeper, bool restarts)
{
	struct server_options options = settings->server;
	struct listener listener = { .control = control };
	int error;
	int status;

	leave_terminal();
	keep_needed(settings, place, control, keeper);
	/* So that clients, and who asks about them, see this process there,
	 * not the one that made the socket. */
	listen(place->fd, SERVICE_WAITING);
	options.socket = place->fd;
	options.keeper = keeper;
	options.lifeline = place->lifeline;
	options.restarts = restarts;
	options.record = settings->report != NULL;
	error = server_create(&options, &listener.server);
	if (!error)
		error = start_listener(&listener);
	say_ready(control, error);
	if (error)
		_exit(EXIT_FAILURE);
	status = serve(&listener, settings);
	if (atomic_load_explicit(&listener.orphaned, memory_order_acquire))
		place_remove(place);
	/* Not destroyed: the thread that listens may be about to call it, and
	 * the process's end frees all. */
	_exit(status);
}
