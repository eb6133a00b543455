/* maps.c - maps texts in one form */
/* SPDX-License-Identifier: MIT */
#include "model/judge/maps.h"

#include "model/judge/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

/* What stands for device, inode and name. */
static const char *owner_of(const struct file_set *files, unsigned high,
			    unsigned low, uint64_t inode, const char *name)
{
	for (unsigned i = 0; i < BODIES; i++)
		if (files->body[i] >= 0 && files->inode[i] == inode &&
		    major(files->device[i]) == high &&
		    minor(files->device[i]) == low)
			return body_label(i);
	if (!strcmp(name, "/dev/zero (deleted)"))
		return "shared anonymous";
	return *name || inode ? name : "anonymous";
}

/* Up to the first of blank, dash, colon; the number, in this base. */
static uint64_t take_number(const char **at, int base)
{
	char *rest;
	uint64_t number = strtoull(*at, &rest, base);

	*at = *rest ? rest + 1 : rest;
	return number;
}

static size_t copy_text(char *to, size_t room, const char *from, size_t length)
{
	if (length >= room)
		length = room ? room - 1 : 0;
	memcpy(to, from, length);
	to[length] = '\0';
	return length;
}

size_t maps_add_line(const struct file_set *files, const char *line, char *text,
		     size_t room)
{
	const char *at = line;
	const char *numbers_end;
	const char *owner;
	unsigned high, low;
	uint64_t inode;
	size_t used;

	take_number(&at, 16); /* start */
	take_number(&at, 16); /* end */
	at += 5;              /* rights */
	take_number(&at, 16); /* offset */
	numbers_end = at;
	high = (unsigned)take_number(&at, 16);
	low = (unsigned)take_number(&at, 16);
	inode = take_number(&at, 10);
	at += strspn(at, " ");
	owner = owner_of(files, high, low, inode, at);
	used = copy_text(text, room, line, (size_t)(numbers_end - line));
	used += copy_text(text + used, room - used, owner, strlen(owner));
	used += copy_text(text + used, room - used, "\n", 1);
	return used;
}

static const char *parse_line(const char *at, struct maps_line *line)
{
	const char *end = strchr(at, '\n');

	line->start = take_number(&at, 16);
	line->end = take_number(&at, 16);
	memcpy(line->rights, at, 4);
	line->rights[4] = '\0';
	at += 5;
	line->offset = take_number(&at, 16);
	copy_text(line->name, sizeof(line->name), at,
		  end ? (size_t)(end - at) : strlen(at));
	return end ? end + 1 : NULL;
}

size_t maps_parse(const char *text, struct maps_line *lines)
{
	size_t count = 0;

	while (text && *text && count < MAPS_LINES)
		text = parse_line(text, &lines[count++]);
	return count;
}

static bool goes_on(const struct maps_line *line, const struct maps_line *next)
{
	if (line->end != next->start || strcmp(line->rights, next->rights) ||
	    strcmp(line->name, next->name))
		return false;
	return !strcmp(line->name, "anonymous") ||
	       (line->offset == ANY_OFFSET && next->offset == ANY_OFFSET) ||
	       line->offset + (line->end - line->start) == next->offset;
}

size_t maps_join(struct maps_line *lines, size_t count, bool private_only)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct maps_line *last = kept ? &lines[kept - 1] : NULL;

		if (last && goes_on(last, &lines[i]) &&
		    (!private_only || last->rights[3] == 'p'))
			last->end = lines[i].end;
		else
			lines[kept++] = lines[i];
	}
	return kept;
}
