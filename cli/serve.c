/* serve.c - `quire serve`: one cache for the programs of a machine */
/* SPDX-License-Identifier: MIT */
/*
 * As `quire run`, this process keeps what the server must not lose; the server
 * is a child.  If that dies, or shall be replaced, another one goes on with
 * it: clients wait meanwhile.  If none can its clients are killed, and a new one
 * begins on the same socket.
 */
#include "keep.h"
#include "run_options.h"

#include <errno.h>
#include <limits.h>
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
	const struct service_settings *settings;
	bool may_restart;
	struct service_patience patience;
	char **program; /* what replaces the server: argv, argv[0] a path */
	int signals;    /* signalfd */
	bool asked;     /* to end */
	bool replacing; /* it was told to leave */
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

/* A terminal that is gone ends it. */
static bool asks_to_replace(const struct signalfd_siginfo *info)
{
	return info->ssi_signo == SIGHUP && info->ssi_code != SI_KERNEL;
}

static void handle_signal(struct serving *serving,
			  const struct signalfd_siginfo *info)
{
	if (info->ssi_signo == SIGCHLD)
		return;
	if (asks_to_replace(info) && serving->may_restart) {
		if (!serving->asked && !serving->replacing) {
			serving->replacing = true;
			service_leave(&serving->service);
		}
		return;
	}
	service_stop(&serving->service);
	serving->asked = true;
}

static void handle_signals(struct serving *serving)
{
	struct signalfd_siginfo info;

	while (read(serving->signals, &info, sizeof(info)) == sizeof(info))
		handle_signal(serving, &info);
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

/* ---- one server after the other ---- */

/* Can it, at all? */
static bool may_go_on(struct serving *serving)
{
	bool ended_well = service_outcome(serving->status) == EXIT_SUCCESS;

	keep_take(&serving->keep);
	if (!serving->may_restart || serving->keep.incomplete || serving->asked)
		return false;
	if (WIFEXITED(serving->status) && !(serving->replacing && ended_well))
		return false;
	return service_may_restart(&serving->patience);
}

static bool try_to_go_on(struct serving *serving)
{
	bool replace = serving->replacing;

	if (!may_go_on(serving))
		return false;
	serving->replacing = false;
	if (!WIFEXITED(serving->status))
		service_say_killed(serving->status, SERVICE_GOES_ON);
	return service_restart(serving->settings, &serving->place,
			       &serving->keep,
			       replace ? serving->program : NULL,
			       &serving->service) == 0;
}

static void await_server(struct serving *serving)
{
	serving->over = false;
	while (!serving->over)
		attend(serving);
}

/* Until nobody goes on.  true: clients had to be killed, and one with none
 * shall begin. */
static bool serve_once(struct serving *serving, int *status)
{
	keep_begin(&serving->keep, serving->service.keeper);
	do
		await_server(serving);
	while (try_to_go_on(serving));
	*status = service_outcome(serving->status);
	if (*status < 0)
		service_say_killed(serving->status, SERVICE_LOST);
	/* One that ended by itself with clients left is as bad as a dead one. */
	if (*status < 0 || !serving->asked)
		keep_kill(&serving->keep);
	keep_finish(&serving->keep);
	service_finish(&serving->service);
	if (*status >= 0 && !serving->replacing)
		return false;
	serving->replacing = false;
	*status = EXIT_FAILURE;
	return !serving->asked;
}

static int serve_on(struct run_options *options, char **program)
{
	struct serving serving = { .settings = &options->settings,
				   .may_restart = !options->no_restart,
				   .program = program,
				   .signals = -1 };
	int status;

	if (make_place(options, &serving.place))
		return EXIT_FAILURE;
	status = catch_signals(&serving);
	while (status == 0) {
		status = service_start(&options->settings, &serving.place, NULL,
				       NULL, &serving.service);
		if (status || !serve_once(&serving, &status))
			break;
		status = 0;
	}
	place_remove(&serving.place);
	return status;
}

/* The same command line, of what stands then where this program stood. */
static char **find_program(int argc, char **argv)
{
	static char path[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char **program = calloc((size_t)argc + 2, sizeof(*program));

	if (!program || length <= 0)
		return NULL;
	path[length] = '\0';
	program[0] = path;
	memcpy(program + 1, argv, (size_t)argc * sizeof(*argv));
	return program;
}

int serve_run(const struct command *command, int argc, char **argv)
{
	static struct run_options options; /* large */
	struct arguments arguments = { .names = "" };
	char **program;
	int status;

	if (!run_options_parse(command, RUN_SERVER, &options, &arguments, argc,
			       argv))
		return arguments.status;
	if (run_options_open(&options))
		return EXIT_FAILURE;
	service_inherited(&options.settings);
	program = find_program(argc, argv);
	status = program ? serve_on(&options, program)
			 : fail("no memory for a command line");
	free(program);
	run_options_close(&options);
	return status;
}
