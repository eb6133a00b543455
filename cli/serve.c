/* serve.c - `quire serve`: one cache for the programs of a machine */
/* SPDX-License-Identifier: MIT */
/*
 * As `quire run`, this process keeps what the server must not lose; the server
 * is a child.  If that dies its clients are killed, and a new one begins on the
 * same socket: who connects meanwhile waits.
 */
#include "keep.h"
#include "run_options.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct serving {
	struct socket_place place;
	struct service service;
	struct keep keep;
	int signals; /* signalfd */
	bool asked;  /* to end */
	bool over;
	int status; /* of wait(2) */
};

static int make_place(const struct run_options *options,
		      struct socket_place *place)
{
	const char *folder = getenv("XDG_RUNTIME_DIR");
	char path[SOCKET_PATH_SIZE + 16];

	if (place_inherit(place))
		return EXIT_FAILURE;
	if (place->fd >= 0)
		return 0;
	if (options->socket)
		return place_make_at(place, options->socket,
				     options->everybody);
	if (!folder || !*folder)
		return fail("which socket? --socket says, or XDG_RUNTIME_DIR "
			    "where");
	snprintf(path, sizeof(path), "%.107s/quire.sock", folder);
	return place_make_at(place, path, options->everybody);
}

static int catch_signals(struct serving *serving)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, NULL);
	serving->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return serving->signals < 0
		       ? fail("cannot wait for signals: %s", strerror(errno))
		       : 0;
}

static void handle_signals(struct serving *serving)
{
	struct signalfd_siginfo info;

	while (read(serving->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD)
			continue;
		service_stop(&serving->service);
		serving->asked = true;
	}
}

static void attend(struct serving *serving)
{
	struct pollfd polled[] = {
		{ .fd = serving->signals, .events = POLLIN },
		{ .fd = keep_poll_fd(&serving->keep), .events = POLLIN },
	};

	if (poll(polled, 2, -1) < 0)
		return;
	handle_signals(serving);
	keep_take(&serving->keep);
	serving->over = waitpid(serving->service.pid, &serving->status,
				WNOHANG) == serving->service.pid;
}

/* One server's life.  true: it died, its clients are dead, and another one
 * shall begin. */
static bool serve_once(struct serving *serving, int *status)
{
	keep_begin(&serving->keep, serving->service.keeper);
	serving->over = false;
	while (!serving->over)
		attend(serving);
	*status = service_outcome(serving->status);
	/* One that ended by itself with clients left is as bad as a dead one. */
	if (*status < 0 || !serving->asked)
		keep_kill(&serving->keep);
	keep_finish(&serving->keep);
	service_finish(&serving->service);
	if (*status >= 0)
		return false;
	*status = EXIT_FAILURE;
	return !serving->asked;
}

static int serve_on(struct run_options *options)
{
	struct serving serving = { .signals = -1 };
	int status;

	if (make_place(options, &serving.place))
		return EXIT_FAILURE;
	status = catch_signals(&serving);
	while (status == 0) {
		status = service_start(&options->settings, &serving.place,
				       &serving.service);
		if (status || !serve_once(&serving, &status))
			break;
		status = 0;
	}
	place_remove(&serving.place);
	return status;
}

int serve_run(const struct command *command, int argc, char **argv)
{
	static struct run_options options; /* large */
	struct arguments arguments = { .names = "" };
	int status;

	if (!run_options_parse(command, RUN_SERVER, &options, &arguments, argc,
			       argv))
		return arguments.status;
	if (run_options_open(&options))
		return EXIT_FAILURE;
	status = serve_on(&options);
	run_options_close(&options);
	return status;
}
