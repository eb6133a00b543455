/* explain.c - `quire explain`: a script of calls and accesses, step by step */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "explain_page.h"
#include "explain_show.h"
#include "options.h"

#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPT_MOST (1u << 20) /* bytes of a script */
#define LESSONS (sizeof(lessons) / sizeof(lessons[0]))

struct request {
	const char *lesson;
	const char *html;
	const char *colour;
	bool list;
	bool check;
	bool json;
	/* What is read, and what it is called. */
	const char *name;
	char *text;
	size_t length;
};

/* ---- scripts ---- */

static int read_stream(FILE *stream, struct request *request)
{
	FILE *memory = open_memstream(&request->text, &request->length);
	char buffer[4096];
	size_t got, total = 0;

	if (!memory)
		return fail("out of memory");
	while ((got = fread(buffer, 1, sizeof(buffer), stream)) > 0 &&
	       (total += got) <= SCRIPT_MOST)
		fwrite(buffer, 1, got, memory);
	if (ferror(stream)) {
		int error = errno;

		fclose(memory);
		return fail("cannot read %s: %s", request->name,
			    strerror(error));
	}
	if (fclose(memory))
		return fail("out of memory");
	if (total > SCRIPT_MOST)
		return fail("%s is longer than %u bytes: this is no script",
			    request->name, SCRIPT_MOST);
	return EXIT_SUCCESS;
}

static int read_file(const char *path, struct request *request)
{
	FILE *stream;
	int status;

	request->name = path;
	if (strcmp(path, "-") == 0) {
		request->name = "standard input";
		return read_stream(stdin, request);
	}
	stream = fopen(path, "re");
	if (!stream)
		return fail("cannot open %s: %s", path, strerror(errno));
	status = read_stream(stream, request);
	fclose(stream);
	return status;
}

static const struct lesson *find_lesson(const char *name)
{
	for (size_t i = 0; i < LESSONS; i++)
		if (strcmp(lessons[i].name, name) == 0)
			return &lessons[i];
	return NULL;
}

static int read_lesson(const struct command *command, struct request *request)
{
	const struct lesson *lesson = find_lesson(request->lesson);
	FILE *memory;

	request->name = request->lesson;
	if (!lesson)
		return wrong(command,
			     "there is no lesson '%s': --list has "
			     "their names",
			     request->lesson);
	memory = open_memstream(&request->text, &request->length);
	if (!memory)
		return fail("out of memory");
	for (const char *const *line = lesson->lines; *line; line++)
		fprintf(memory, "%s\n", *line);
	return fclose(memory) ? fail("out of memory") : EXIT_SUCCESS;
}

static int read_script(const struct command *command,
		       const struct arguments *arguments,
		       struct request *request)
{
	if (request->lesson && arguments->count)
		return wrong(command, "a script or a lesson, not both");
	if (request->lesson)
		return read_lesson(command, request);
	if (arguments->count)
		return read_file(arguments->operands[0], request);
	if (isatty(STDIN_FILENO))
		return wrong(command, "which script? or --lesson NAME");
	return read_file("-", request);
}

static int list_lessons(void)
{
	for (size_t i = 0; i < LESSONS; i++) {
		const char *title = lessons[i].lines[0];

		/* The first line of each is its title, in quotes. */
		title = strchr(title, '"') + 1;
		printf("%-20s %.*s\n", lessons[i].name,
		       (int)strcspn(title, "\""), title);
	}
	return EXIT_SUCCESS;
}

/* ---- output ---- */

static bool wants_colour(const struct request *request)
{
	const char *none = getenv("NO_COLOR");

	if (request->colour)
		return strcmp(request->colour, "always") == 0 ||
		       (strcmp(request->colour, "auto") == 0 &&
			isatty(STDOUT_FILENO) && !(none && *none));
	return isatty(STDOUT_FILENO) && !(none && *none);
}

static bool check_colour(const struct request *request)
{
	return !request->colour || strcmp(request->colour, "always") == 0 ||
	       strcmp(request->colour, "never") == 0 ||
	       strcmp(request->colour, "auto") == 0;
}

static int tell(void *context, const struct story *story,
		const struct step *step)
{
	const struct paper *paper = context;

	if (paper && step->number == 1)
		paper_begin(paper, story->script);
	if (paper)
		paper_step(paper, story, step);
	return 0;
}

static int write_page(const struct story *story, const char *path)
{
	FILE *stream = fopen(path, "we");
	int error = stream ? story_html(story, stream) : -errno;

	if (stream && ferror(stream) && !error)
		error = -EIO;
	if (stream && fclose(stream) && !error)
		error = -errno;
	if (error)
		return fail("cannot write %s: %s", path, strerror(-error));
	return EXIT_SUCCESS;
}

static int run_story(const struct request *request, const struct script *script)
{
	struct story story = {
		.script = script,
		.name = request->name,
		.check = request->check,
	};
	struct paper paper = {
		.stream = stdout,
		.colour = wants_colour(request),
		.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
	bool text = !request->json && !request->html;
	int status = EXIT_SUCCESS;

	if (story_run(&story, tell, text ? &paper : NULL))
		status = EXIT_FAILURE;
	else if (text)
		paper_end(&paper, &story);
	if (status == EXIT_SUCCESS && request->json)
		story_json(&story, stdout);
	if (status == EXIT_SUCCESS && request->html)
		status = write_page(&story, request->html);
	if (!story.held || !story.agrees)
		status = EXIT_FAILURE;
	story_free(&story);
	return status;
}

static int explain(const struct request *request)
{
	struct script script;
	int status,
		error = script_read(&script, request->text, request->length);

	if (!error) {
		status = run_story(request, &script);
	} else if (error == -EINVAL) {
		fail("%s, line %u, column %u: %s", request->name, script.line,
		     script.column, script.complaint);
		status = EXIT_USAGE;
	} else {
		status = fail("out of memory");
	}
	script_free(&script);
	return status;
}

int explain_run(const struct command *command, int argc, char **argv)
{
	struct request request = { .list = false };
	const struct option_rule rules[] = {
		{ "lesson", OPTION_TEXT, &request.lesson, 0 },
		{ "list", OPTION_FLAG, &request.list, 0 },
		{ "html", OPTION_TEXT, &request.html, 0 },
		{ "json", OPTION_FLAG, &request.json, 0 },
		{ "check", OPTION_FLAG, &request.check, 0 },
		{ "color", OPTION_TEXT, &request.colour, 0 },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = sizeof(rules) / sizeof(rules[0]),
		.most = 1,
		.names = "[SCRIPT]",
	};
	int status;

	/* Characters only: numbers are the same in every language. */
	setlocale(LC_CTYPE, "");
	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	if (!check_colour(&request))
		return wrong(command,
			     "--color: '%s' is not always, never or "
			     "auto",
			     request.colour);
	if (request.list)
		return list_lessons();
	status = read_script(command, &arguments, &request);
	if (status == EXIT_SUCCESS)
		status = explain(&request);
	free(request.text);
	return status;
}
