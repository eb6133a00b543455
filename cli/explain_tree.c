/* explain_tree.c - the VMAs of a space, from the library's report */
/* SPDX-License-Identifier: MIT */
#include "explain_picture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_BLANKS 4 /* of each level of the report */

/* A scratch file by its own name, not by where it lies for a while. */
static char *object_name(const struct scene *scene, const char *name)
{
	size_t length = strlen(scene->directory);

	if (strncmp(name, scene->directory, length) == 0 && name[length] == '/')
		name += length + 1;
	return strdup(name);
}

/* "a b": what the script calls the mappings that begin in here. */
static char *names_in(const struct scene *scene,
		      const struct area_picture *area)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	const char *between = "";

	if (!stream)
		return NULL;
	for (size_t i = 0; i < scene->script->mapping_count; i++)
		if (scene->mapped[i] && scene->addresses[i] >= area->start &&
		    scene->addresses[i] < area->end) {
			fprintf(stream, "%s%s", between,
				scene->script->mappings[i]);
			between = " ";
		}
	return fclose(stream) ? NULL : text;
}

/* "        \ 1fffd000-1ffff000 rw-p 00001000 [3 below] data.txt" */
static bool read_line(const struct scene *scene, const char *line,
		      struct area_picture *area)
{
	size_t blanks = strspn(line, " ");
	int name = 0;

	*area = (struct area_picture){
		.depth = (unsigned int)(blanks / STEP_BLANKS),
	};
	line += blanks;
	if (*line == '/' || *line == '\\') {
		area->side = *line == '/' ? 'l' : 'r';
		line += 2;
	}
	if (sscanf(line, "%jx-%jx %4s %jx [%ju below]%n",
		   (uintmax_t *)&area->start, (uintmax_t *)&area->end,
		   area->rights, (uintmax_t *)&area->offset,
		   (uintmax_t *)&area->gap_pages, &name) < 5 ||
	    !name)
		return false;
	area->object = object_name(scene, line[name] ? line + name + 1 : "");
	area->names = names_in(scene, area);
	return true;
}

static int read_report(const struct scene *scene, char *text,
		       struct space_picture *space)
{
	char *rest = text, *line = strsep(&rest, "\n"); /* a heading */

	while ((line = strsep(&rest, "\n")) != NULL) {
		struct area_picture area, *areas;

		if (!read_line(scene, line, &area))
			continue; /* of free pages, or the end */
		areas = realloc(space->areas,
				(space->area_count + 1) * sizeof(*areas));
		if (!areas || !area.object || !area.names) {
			free(area.object);
			free(area.names);
			space->areas = areas ? areas : space->areas;
			return -ENOMEM;
		}
		space->areas = areas;
		areas[space->area_count++] = area;
	}
	return 0;
}

int space_picture_areas(const struct scene *scene, uint32_t process,
			struct space_picture *space)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	int error;

	if (!stream)
		return -ENOMEM;
	error = quire_space_report(scene->engine->spaces[process],
				   QUIRE_REPORT_TREE, stream);
	if (fclose(stream) && !error)
		error = -ENOMEM;
	if (!error)
		error = read_report(scene, text, space);
	free(text);
	return error;
}
