/* top.c - `quire top`: what the files of a process do, again and again */
/* SPDX-License-Identifier: MIT */
#include "top.h"
#include "cli.h"
#include "options.h"
#include "peer.h"

#include <stdlib.h>

#define MOST_INTERVAL 3600

static int print_once(pid_t pid)
{
	const struct top_view view = { .pid = pid };
	struct top_sample sample = { .engines = 0 };
	unsigned int engine;
	int error = top_ask(pid, &sample, &engine);

	if (error)
		return peer_failed(pid, engine, error);
	top_sort(&sample, view.sorted);
	top_frame(&view, NULL, &sample, stdout);
	top_forget(&sample);
	return EXIT_SUCCESS;
}

int top_run(const struct command *command, int argc, char **argv)
{
	bool once = false;
	uint32_t interval_s = 1;
	const struct option_rule rules[] = {
		{ "once", OPTION_FLAG, &once, 0 },
		{ "interval", OPTION_COUNT, &interval_s, MOST_INTERVAL },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = sizeof(rules) / sizeof(rules[0]),
		.least = 1,
		.most = 1,
		.names = "PID",
	};
	pid_t pid;

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	if (!pid_read(arguments.operands[0], &pid))
		return wrong(command, "'%s' is not the number of a process",
			     arguments.operands[0]);
	return once ? print_once(pid) : top_screen(pid, interval_s);
}
