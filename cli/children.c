/* children.c - which processes are children of this one */
/* SPDX-License-Identifier: MIT */
#include "children.h"

#include <ctype.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct visit {
	pid_t except;
	int signal; /* 0: only looks */
	bool found;
};

static void visit(struct visit *visit, pid_t child)
{
	if (child == visit->except)
		return;
	visit->found = true;
	if (visit->signal)
		kill(child, visit->signal);
}

/* The kernel's own list; false: this one has none (CONFIG_PROC_CHILDREN). */
static bool visit_list(struct visit *state)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int child;

	if (!list)
		return false;
	while (fscanf(list, "%d", &child) == 1)
		visit(state, (pid_t)child);
	fclose(list);
	return true;
}

/* From /proc/PID/stat; -1: it is gone.  The name before may hold anything. */
static pid_t parent_of(const char *name)
{
	char path[64];
	char line[512] = "";
	const char *after;
	FILE *file;
	int parent = -1;

	snprintf(path, sizeof(path), "/proc/%.20s/stat", name);
	file = fopen(path, "re");
	if (!file)
		return -1;
	if (fgets(line, sizeof(line), file)) {
		after = strrchr(line, ')');
		if (after)
			sscanf(after + 1, " %*c %d", &parent);
	}
	fclose(file);
	return (pid_t)parent;
}

static void visit_all(struct visit *state)
{
	DIR *processes = opendir("/proc");
	struct dirent *entry;

	if (!processes)
		return;
	while ((entry = readdir(processes)))
		if (isdigit((unsigned char)*entry->d_name) &&
		    parent_of(entry->d_name) == getpid())
			visit(state, (pid_t)atoi(entry->d_name));
	closedir(processes);
}

static bool visit_children(struct visit *state)
{
	if (!visit_list(state))
		visit_all(state);
	return state->found;
}

bool children_left(pid_t except)
{
	return visit_children(&(struct visit){ .except = except });
}

void children_signal(pid_t except, int signal)
{
	visit_children(&(struct visit){ .except = except, .signal = signal });
}
