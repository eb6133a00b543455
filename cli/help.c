/* help.c - `quire help` and `quire version` */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "options.h"

#include <quire/quire.h>
#include <stdio.h>
#include <stdlib.h>

void help_print(const char *const *lines)
{
	for (; *lines; lines++)
		puts(*lines);
}

static void print_overview(void)
{
	puts("usage: quire COMMAND [ARGUMENT...]\n");
	for (size_t i = 0; i < command_count; i++)
		printf("  %-9s %s\n", commands[i].name, commands[i].summary);
	puts("\n`quire help COMMAND` or `quire COMMAND --help` shows a "
	     "command's manual.");
}

int help_command_run(const struct command *command, int argc, char **argv)
{
	const struct command *subject;
	struct arguments arguments = {
		.least = 0,
		.most = 1,
		.names = "[COMMAND]",
	};

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	if (arguments.count == 0) {
		print_overview();
		return EXIT_SUCCESS;
	}
	subject = command_find(arguments.operands[0]);
	if (!subject)
		return wrong(NULL, "there is no command '%s'",
			     arguments.operands[0]);
	help_print(subject->help);
	return EXIT_SUCCESS;
}

int version_run(const struct command *command, int argc, char **argv)
{
	struct arguments arguments = { .names = "" };

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	printf("quire %s\n", quire_version());
	return EXIT_SUCCESS;
}
