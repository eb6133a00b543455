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

/* "    1fffd000-1ffff000 [3 free]" */
static bool read_node(const char *line, struct node_picture *node)
{
	size_t blanks = strspn(line, " ");

	*node = (struct node_picture){
		.depth = (unsigned int)(blanks / STEP_BLANKS),
	};
	return sscanf(line, "%jx-%jx [%ju free]", (uintmax_t *)&node->start,
		      (uintmax_t *)&node->end,
		      (uintmax_t *)&node->gap_pages) == 3;
}

/* "        1fffd000-1ffff000 rw-p 00001000 data.txt" */
static bool read_area(const struct scene *scene, const char *line,
		      struct area_picture *area)
{
	size_t blanks = strspn(line, " ");
	int name = 0;

	*area = (struct area_picture){
		.depth = (unsigned int)(blanks / STEP_BLANKS),
	};
	if (sscanf(line, "%jx-%jx %4s %jx%n", (uintmax_t *)&area->start,
		   (uintmax_t *)&area->end, area->rights,
		   (uintmax_t *)&area->offset, &name) < 4 ||
	    !name)
		return false;
	area->object = object_name(scene, line[name] ? line + name + 1 : "");
	area->names = names_in(scene, area);
	return true;
}

static int add_node(struct space_picture *space,
		    const struct node_picture *node)
{
	struct node_picture *nodes =
		realloc(space->nodes, (space->node_count + 1) * sizeof(*nodes));

	if (!nodes)
		return -ENOMEM;
	space->nodes = nodes;
	nodes[space->node_count++] = *node;
	return 0;
}

/* Takes over what area has. */
static int add_area(struct space_picture *space,
		    const struct area_picture *area)
{
	struct area_picture *areas =
		realloc(space->areas, (space->area_count + 1) * sizeof(*areas));

	if (areas)
		space->areas = areas;
	if (!areas || !area->object || !area->names) {
		free(area->object);
		free(area->names);
		return -ENOMEM;
	}
	areas[space->area_count++] = *area;
	return 0;
}

/* Other lines are of free pages, or the end. */
static int read_report(const struct scene *scene, char *text,
		       struct space_picture *space)
{
	char *rest = text, *line = strsep(&rest, "\n"); /* a heading */
	int error = 0;

	while (!error && (line = strsep(&rest, "\n")) != NULL) {
		struct area_picture area;
		struct node_picture node;

		if (read_node(line, &node))
			error = add_node(space, &node);
		else if (read_area(scene, line, &area))
			error = add_area(space, &area);
	}
	return error;
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
