/* run.c - `quire run`: a program, its mapped files within a budget */
/* SPDX-License-Identifier: MIT */
#include "interpreter.h"
#include "preload.h"
#include "program.h"
#include "run_options.h"
#include "supervise.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The server is there: the program, and what comes of both. */
static int run_program(struct supervisor *supervisor, struct service *service,
		       const struct program *program)
{
	pid_t pid;
	int status = program_start(program, &pid);

	if (status == 0)
		return supervise(supervisor, service, pid);
	supervise_nothing(supervisor, service);
	return status;
}

static int run_both(struct run_options *options, struct program *program)
{
	struct supervisor supervisor;
	struct socket_place place;
	struct service service;
	int status;

	if (supervise_begin(&supervisor) || place_make_private(&place))
		return EXIT_FAILURE;
	program->socket = place.path;
	program->mask = &supervisor.mask;
	program->on_child = supervisor.on_child;
	supervisor.settings = &options->settings;
	supervisor.place = &place;
	supervisor.may_restart = !options->no_restart;
	status =
		service_start(&options->settings, &place, NULL, NULL, &service);
	if (status == 0)
		status = run_program(&supervisor, &service, program);
	close(place.fd);
	run_options_close(options);
	place_remove(&place);
	return status;
}

/* The command line as the report's title, cut where it is long. */
static const char *title(char *const *words)
{
	static char text[512];
	size_t length = 0;

	for (; *words && length < sizeof(text) - 1; words++) {
		snprintf(text + length, sizeof(text) - length, "%s%s",
			 length ? " " : "", *words);
		length = strlen(text);
	}
	return text;
}

static int run_own(struct run_options *options, struct program *program)
{
	options->settings.server.program = title(program->words);
	if (run_options_open(options))
		return EXIT_FAILURE;
	return run_both(options, program);
}

/* Nothing remains for us to do. */
static int run_connected(const char *path, struct program *program)
{
	static char whole[PATH_MAX]; /* the program may go to another folder */
	int fd = place_connect(path);
	sigset_t mask;

	if (fd < 0)
		return fail("no server answers at %s: %s", path, strerror(-fd));
	close(fd);
	if (!realpath(path, whole) || strlen(whole) >= SOCKET_PATH_SIZE)
		return fail("%s: its whole path is too long for a socket",
			    path);
	sigprocmask(SIG_SETMASK, NULL, &mask);
	program->mask = &mask;
	program->on_child = signal(SIGCHLD, SIG_DFL);
	program->socket = whole;
	return program_become(program);
}

/* It is run all the same: it may start others. */
static void tell_of_static(const char *name)
{
	if (interpreter_lacks(name))
		fail("%s is linked statically: what it maps itself is the "
		     "kernel's",
		     name);
}

int run_run(const struct command *command, int argc, char **argv)
{
	static struct run_options options; /* large */
	char library[PATH_MAX];
	struct arguments arguments = {
		.least = 1,
		.most = INT_MAX,
		.names = "[--] PROGRAM [ARGUMENT...]",
		.program = true,
	};
	struct program program = { .library = library };

	if (!run_options_parse(command, RUN_PROGRAM, &options, &arguments, argc,
			       argv))
		return arguments.status;
	if (preload_find(library, sizeof(library)))
		return EXIT_FAILURE;
	program.words = arguments.operands;
	if (!options.quiet)
		tell_of_static(program.words[0]);
	if (options.socket)
		return run_connected(options.socket, &program);
	return run_own(&options, &program);
}
