/* reconcile.c - what the client's kernel says it has mapped */
/* SPDX-License-Identifier: MIT */
/*
 * A mapping that the layout does not have can trap: it came by a system call
 * that no library saw, or what was mapped there before was unmapped by another
 * thread, whose event came after MAPPED.
 */
#include "server/server_private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

static bool find_line(pid_t pid, uint64_t address, struct line *line)
{
	char path[32];
	char *text = NULL;
	size_t room = 0;
	bool found = false;
	FILE *stream;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	stream = fopen(path, "re");
	if (!stream)
		return false;
	while (!found && getline(&text, &room, stream) > 0)
		found = parse(text, line) && line->start <= address &&
			address < line->end;
	free(text);
	fclose(stream);
	return found;
}

bool layout_reconcile(struct layout *layout, uint64_t address)
{
	struct client *client = layout->client;
	struct layout_piece piece = { .file = NULL };
	struct line line;

	if (client->pid == 0 || layout->ended ||
	    !find_line(client->pid, address, &line))
		return false;
	piece.file = file_of_memory(client->server, line.device, line.inode);
	if (!piece.file)
		return false;
	piece.address = line.start;
	piece.length = line.end - line.start;
	piece.offset = line.offset;
	piece.shared = line.shared;
	/* A memfd for readers cannot be mapped and watched shared. */
	piece.writable = line.shared;
	return layout_map(layout, &piece) == 0;
}
