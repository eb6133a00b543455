/* load.c - a trace from a file */
/* SPDX-License-Identifier: MIT */
#include "policy.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the numbers are read from. */
struct source {
	FILE *lines;
	pid_t child; /* 0: none */
};

static bool is_packed(int fd)
{
	static const unsigned char magic[] = { 0xfd, '7', 'z', 'X', 'Z', 0 };
	unsigned char begin[sizeof(magic)];

	return pread(fd, begin, sizeof(begin), 0) == sizeof(begin) &&
	       !memcmp(begin, magic, sizeof(magic));
}

/* Starts xz between the file and a pipe, whose other end is returned. */
static int unpack(int fd, pid_t *child)
{
	char *arguments[] = { "xz", "-dcqq", NULL };
	posix_spawn_file_actions_t actions;
	int ends[2];
	int error;

	if (pipe2(ends, O_CLOEXEC))
		return -1;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	error = posix_spawnp(child, "xz", &actions, NULL, arguments, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (!error)
		return ends[0];
	close(ends[0]);
	return -1;
}

static bool source_open(struct source *source, const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);
	int plain = file;

	source->child = 0;
	if (file >= 0 && is_packed(file)) {
		plain = unpack(file, &source->child);
		close(file);
	}
	source->lines = plain < 0 ? NULL : fdopen(plain, "r");
	return source->lines != NULL;
}

/* False: xz found an error, which it does at the end. */
static bool source_close(struct source *source)
{
	int status = 0;

	fclose(source->lines);
	if (source->child)
		waitpid(source->child, &status, 0);
	return status == 0;
}

static bool append(struct trace *trace, size_t *room, unsigned long page)
{
	if (page >= NOWHERE - 16)
		return false;
	if (trace->length == *room) {
		size_t more = *room ? 2 * *room : 65536;
		uint32_t *pages =
			realloc(trace->page, more * sizeof(*trace->page));

		if (!pages)
			return false;
		trace->page = pages;
		*room = more;
	}
	trace->page[trace->length++] = (uint32_t)page;
	if (page >= trace->pages)
		trace->pages = (uint32_t)page + 1;
	return true;
}

static bool read_lines(FILE *lines, struct trace *trace)
{
	unsigned long page;
	size_t room = 0;

	while (fscanf(lines, "%lu", &page) == 1)
		if (!append(trace, &room, page))
			return false;
	return feof(lines) && trace->length > 0;
}

static void set_name(struct trace *trace, const char *path)
{
	const char *slash = strrchr(path, '/');

	if (slash)
		path = slash + 1;
	snprintf(trace->name, sizeof(trace->name), "%s", path);
}

bool trace_load(const char *path, struct trace *trace)
{
	struct source source;
	bool good;

	*trace = (struct trace){ .pages = 1 };
	set_name(trace, path);
	if (!source_open(&source, path))
		return false;
	good = read_lines(source.lines, trace);
	good = source_close(&source) && good;
	if (!good)
		trace_free(trace);
	return good;
}

void trace_free(struct trace *trace)
{
	free(trace->page);
	trace->page = NULL;
}
