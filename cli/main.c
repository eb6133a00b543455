/* main.c - the commands of `quire`, and the way to them */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "help_text.h"
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct command commands[] = {
	{ "scan", "read all of it through a mapping, and measure", help_scan,
	  scan_run },
	{ "cat", "write it to standard output through a mapping", help_cat,
	  cat_run },
	{ "cp", "copy from one mapping to another", help_cp, cp_run },
	{ "run", "run a program, its mapped files within a budget", help_run,
	  run_run },
	{ "serve", "one cache for the programs of a machine", help_serve,
	  serve_run },
	{ "maps", "what a running engine has mapped", help_maps, maps_run },
	{ "stat", "what a running engine counts", help_stat, stat_run },
	{ "top", "what its files do, again and again", help_top, top_run },
	{ "explain", "what calls and accesses do, step by step", help_explain,
	  explain_run },
	{ "version", "the version of the library", help_quire, version_run },
	{ "help", "this text, or a command's manual", help_quire,
	  help_command_run },
};

void (*inherited_sigpipe)(int) = SIG_DFL;

const size_t command_count = sizeof(commands) / sizeof(commands[0]);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int fail(const char *format, ...)
{
	va_list arguments;

	fflush(stdout);
	fputs("quire: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

int wrong(const struct command *command, const char *format, ...)
{
	va_list arguments;

	fputs("quire: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, " (see `quire help%s%s`)\n", command ? " " : "",
		command ? command->name : "");
	return EXIT_USAGE;
}

/* What was printed counts only when it has arrived. */
static int finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	if (errno != EPIPE)
		fail("cannot write to standard output: %s", strerror(errno));
	return status ? status : EXIT_FAILURE;
}

/* `quire --help` and `quire --version` are what everyone tries first. */
static const char *command_name(const char *argument)
{
	if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0)
		return "help";
	if (strcmp(argument, "--version") == 0)
		return "version";
	return argument;
}

/*
 * A descriptor of the library's must not stand where messages go.  The wrong
 * way round: what uses a closed one goes on to fail.  A program that is run
 * finds it closed.
 */
static bool fill_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", (fd ? O_RDONLY : O_WRONLY) | O_CLOEXEC) !=
			    fd)
			return false;
	return true;
}

int main(int argc, char **argv)
{
	const struct command *command;

	if (!fill_standard_descriptors())
		return EXIT_FAILURE;
	preload_leave(argv);
	/* A reader that leaves is an error of write(2), not a death. */
	inherited_sigpipe = signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return wrong(NULL, "which command?");
	command = command_find(command_name(argv[1]));
	if (!command)
		return wrong(NULL, "there is no command '%s'", argv[1]);
	return finish(command->run(command, argc - 1, argv + 1));
}
