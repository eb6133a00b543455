/* run_options.c - the options of `quire run` and `quire serve` */
/* SPDX-License-Identifier: MIT */
#include "run_options.h"
#include "preload/path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As the program's paths are told from others, malloc'ed; NULL: no memory, no
 * working directory, or too long. */
static char *absolute(const char *path)
{
	char folder[PATH_MAX];
	char whole[PATH_MAX];

	if (!getcwd(folder, sizeof(folder)))
		return NULL;
	errno = ENAMETOOLONG;
	return path_absolute(folder, path, whole, sizeof(whole)) ? strdup(whole)
								 : NULL;
}

/* "PATH=URI": at the first sign, as a URI may hold one. */
static bool bind_one(const struct command *command, struct run_options *options,
		     size_t i, struct arguments *arguments)
{
	const char *text = options->bindings.text[i];
	const char *sign = strchr(text, '=');
	char *path;

	if (!sign || sign == text || !sign[1]) {
		arguments->status =
			wrong(command, "--bind: '%s' is not PATH=URI", text);
		return false;
	}
	if (server_check_uri(sign + 1)) {
		arguments->status =
			wrong(command, "--bind: %s", quire_strerror_last());
		return false;
	}
	path = strndup(text, (size_t)(sign - text));
	options->bound_text[i] = path ? absolute(path) : NULL;
	free(path);
	if (!options->bound_text[i]) {
		arguments->status = fail("--bind: %s", strerror(errno));
		return false;
	}
	options->bound[i].path = options->bound_text[i];
	options->bound[i].uri = sign + 1;
	return true;
}

/* A running server has its own; true: one of them was given. */
static bool has_settings(const struct run_options *options)
{
	return options->budget || options->least || options->globs.count ||
	       options->bindings.count || options->stats || options->report ||
	       options->quiet || options->no_restart;
}

static bool check_words(const struct command *command, enum run_kind kind,
			const struct run_options *options,
			struct arguments *arguments)
{
	for (size_t i = 0; i < options->globs.count; i++) {
		if (*options->globs.text[i])
			continue;
		arguments->status = wrong(command, "--map: an empty pattern");
		return false;
	}
	if (kind == RUN_PROGRAM && options->socket && has_settings(options)) {
		arguments->status = wrong(command,
					  "--socket: that server has settings "
					  "of its own, no other option fits");
		return false;
	}
	return true;
}

static void settle(struct run_options *options, enum run_kind kind)
{
	struct server_options *server = &options->settings.server;

	server->engine.size = sizeof(server->engine);
	server->engine.budget = options->budget;
	server->least = options->least;
	server->globs = options->globs.text;
	server->glob_count = options->globs.count;
	server->bindings = options->bound;
	server->binding_count = options->bindings.count;
	server->everybody = kind == RUN_SERVER && options->everybody;
	options->settings.quiet = options->quiet;
}

bool run_options_parse(const struct command *command, enum run_kind kind,
		       struct run_options *options, struct arguments *arguments,
		       int argc, char **argv)
{
	const struct option_rule rules[] = {
		{ "budget", OPTION_BUDGET, &options->budget, 0 },
		{ "least", OPTION_SIZE, &options->least, 0 },
		{ "map", OPTION_TEXTS, &options->globs, 0 },
		{ "bind", OPTION_TEXTS, &options->bindings, 0 },
		{ "stats", OPTION_TEXT, &options->stats, 0 },
		{ "report", OPTION_TEXT, &options->report, 0 },
		{ "socket", OPTION_TEXT, &options->socket, 0 },
		{ "quiet", OPTION_FLAG, &options->quiet, 0 },
		{ "no-restart", OPTION_FLAG, &options->no_restart, 0 },
		{ "everybody", OPTION_FLAG, &options->everybody, 0 },
	};
	bool good;

	arguments->rules = rules;
	arguments->rule_count = sizeof(rules) / sizeof(rules[0]);
	if (kind == RUN_PROGRAM)
		arguments->rule_count--;
	good = options_parse(command, arguments, argc, argv) &&
	       check_words(command, kind, options, arguments);
	arguments->rules = NULL;
	for (size_t i = 0; good && i < options->bindings.count; i++)
		good = bind_one(command, options, i, arguments);
	if (good)
		settle(options, kind);
	return good;
}

static int open_one(const char *path, FILE **stream)
{
	if (!path)
		return 0;
	*stream = fopen(path, "we");
	if (*stream)
		return 0;
	return fail("cannot write to %s: %s", path, strerror(errno));
}

static void close_one(FILE **stream)
{
	if (*stream)
		fclose(*stream);
	*stream = NULL;
}

int run_options_open(struct run_options *options)
{
	if (open_one(options->stats, &options->settings.stats))
		return EXIT_FAILURE;
	if (open_one(options->report, &options->settings.report) == 0)
		return 0;
	close_one(&options->settings.stats);
	return EXIT_FAILURE;
}

void run_options_close(struct run_options *options)
{
	close_one(&options->settings.stats);
	close_one(&options->settings.report);
	for (size_t i = 0; i < options->bindings.count; i++) {
		free(options->bound_text[i]);
		options->bound_text[i] = NULL;
	}
}
