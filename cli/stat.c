/* stat.c - `quire stat`: what a running engine counts */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "base/json.h"
#include "options.h"
#include "peer.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One line of the answer is "name value". */
struct line {
	char *name;
	char *value;
};

/* Takes the next line off *text, in place.  false: there is none. */
static bool line_take(char **text, struct line *line)
{
	char *start;
	char *blank;

	do
		start = strsep(text, "\n");
	while (start && !*start);
	if (!start)
		return false;
	blank = strchr(start, ' ');
	line->name = start;
	line->value = blank ? blank + 1 : start + strlen(start);
	if (blank)
		*blank = '\0';
	return true;
}

static void print_table(void *context, unsigned int engine, char *text)
{
	char *rest = text;
	struct line line;

	(void)context;
	if (engine)
		printf("engine %u:\n", engine);
	while (line_take(&rest, &line))
		printf("%-22s %s\n", line.name, line.value);
	free(text);
}

static void print_json(void *context, unsigned int engine, char *text)
{
	struct json *json = context;
	char *rest = text;
	struct line line;

	json_object_begin(json, NULL);
	json_integer(json, "engine", engine);
	while (line_take(&rest, &line)) {
		char *end;
		uint64_t value = strtoull(line.value, &end, 10);

		if (end > line.value && !*end)
			json_integer(json, line.name, value);
		else
			json_string(json, line.name, line.value);
	}
	json_object_end(json);
	free(text);
}

/* Complete or not there: a reader of JSON cannot use a part of it. */
static int stat_json(pid_t pid)
{
	char *bytes = NULL;
	size_t size;
	struct json json = { .stream = open_memstream(&bytes, &size) };
	int status;

	if (!json.stream)
		return fail("out of memory");
	json_object_begin(&json, NULL);
	json_integer(&json, "pid", (uint64_t)pid);
	json_array_begin(&json, "engines");
	status = peer_ask(pid, "stat\n", print_json, &json);
	json_array_end(&json);
	json_object_end(&json);
	if (fclose(json.stream))
		status = fail("out of memory");
	if (!status)
		fputs(bytes, stdout);
	free(bytes);
	return status;
}

int stat_run(const struct command *command, int argc, char **argv)
{
	bool as_json = false;
	const struct option_rule rules[] = {
		{ "json", OPTION_FLAG, &as_json, 0 },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = 1,
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
	if (as_json)
		return stat_json(pid);
	return peer_ask(pid, "stat\n", print_table, NULL);
}
