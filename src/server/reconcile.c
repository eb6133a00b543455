/* reconcile.c - what the client's kernel says it has mapped */
/* SPDX-License-Identifier: MIT */
/*
 * A mapping that the layout does not have can trap: it came by a system call
 * that no library saw, or what was mapped there before was unmapped by another
 * thread, whose event came after MAPPED.
 */
#include "server/server_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* One line of /proc/PID/maps. */
struct line {
	uint64_t start;
	uint64_t end;
	uint64_t offset;
	uint64_t device;
	uint64_t inode;
	bool shared;
};

static bool parse(const char *text, struct line *line)
{
	unsigned long long start, end, offset, inode;
	unsigned major_number, minor_number;
	char rights[5];

	if (sscanf(text, "%llx-%llx %4s %llx %x:%x %llu", &start, &end, rights,
		   &offset, &major_number, &minor_number, &inode) != 7)
		return false;
	line->start = start;
	line->end = end;
	line->offset = offset;
	line->device = makedev(major_number, minor_number);
	line->inode = inode;
	line->shared = rights[3] == 's';
	return true;
}

/* NULL: there is no such thread, or it has ended. */
static FILE *open_maps_of(pid_t pid, const char *thread)
{
	char path[sizeof(struct dirent) + 64];
	FILE *stream;
	int first;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/maps", (int)pid, thread);
	stream = fopen(path, "re");
	if (!stream)
		return NULL;
	first = getc(stream);
	if (first != EOF) {
		ungetc(first, stream);
		return stream;
	}
	fclose(stream);
	return NULL;
}

/* By any of its threads: the first may have ended, and then it has none. */
static FILE *open_maps(pid_t pid)
{
	FILE *stream = NULL;
	struct dirent *thread;
	char path[32];
	DIR *threads;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	while (threads && !stream && (thread = readdir(threads)))
		if (thread->d_name[0] != '.')
			stream = open_maps_of(pid, thread->d_name);
	if (threads)
		closedir(threads);
	return stream;
}

static bool find_line(pid_t pid, uint64_t address, struct line *line)
{
	FILE *stream = open_maps(pid);
	char *text = NULL;
	size_t room = 0;
	bool found = false;

	if (!stream)
		return false;
	while (!found && getline(&text, &room, stream) > 0)
		found = parse(text, line) && line->start <= address &&
			address < line->end;
	free(text);
	fclose(stream);
	return found;
}

static bool is_memory(const char *text)
{
	return strstr(text, "/memfd:quire-object") != NULL;
}

static int map_line(struct layout *layout, const struct line *line)
{
	struct layout_piece piece = {
		.file = file_of_memory(layout->client->server, line->device,
				       line->inode),
		.address = line->start,
		.length = line->end - line->start,
		.offset = line->offset,
		.shared = line->shared,
		/* A memfd for readers cannot be mapped and watched shared. */
		.writable = line->shared,
	};

	return piece.file ? layout_map(layout, &piece) : -ENOENT;
}

int layout_rebuild(struct layout *layout)
{
	FILE *stream = open_maps(layout->client->pid);
	char *text = NULL;
	struct line line;
	size_t room = 0;
	int error = 0;

	if (!stream)
		return -ESRCH;
	while (!error && getline(&text, &room, stream) > 0)
		if (is_memory(text) && parse(text, &line))
			error = map_line(layout, &line);
	free(text);
	fclose(stream);
	return error;
}

bool layout_reconcile(struct layout *layout, uint64_t address)
{
	struct client *client = layout->client;
	struct line line;

	if (client->pid == 0 || layout->ended ||
	    !find_line(client->pid, address, &line))
		return false;
	return map_line(layout, &line) == 0;
}
