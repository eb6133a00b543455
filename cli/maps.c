/* maps.c - `quire maps`: what a running engine has mapped */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "options.h"
#include "peer.h"

#include <stdio.h>
#include <stdlib.h>

/* The first engine needs no heading: mostly it is the only one. */
static void print_maps(void *context, unsigned int engine, char *text)
{
	(void)context;
	if (engine)
		printf("engine %u:\n", engine);
	fputs(text, stdout);
	free(text);
}

int maps_run(const struct command *command, int argc, char **argv)
{
	struct arguments arguments = { .least = 1, .most = 1, .names = "PID" };
	pid_t pid;

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	if (!pid_read(arguments.operands[0], &pid))
		return wrong(command, "'%s' is not the number of a process",
			     arguments.operands[0]);
	return peer_ask(pid, "maps\n", print_maps, NULL);
}
