/* cgroup.c - a memory cgroup for one child: the kernel's own budget */
/* SPDX-License-Identifier: MIT */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where each version is mounted on all systems of today. */
#define ROOT_1 "/sys/fs/cgroup/memory"
#define ROOT_2 "/sys/fs/cgroup"

static bool put(const char *folder, const char *file, const char *text)
{
	char path[320];
	bool written;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	written = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return written;
}

static bool limit_set(const struct cgroup *cgroup, uint64_t limit)
{
	char bytes[24];

	if (!limit)
		return true;
	snprintf(bytes, sizeof(bytes), "%" PRIu64, limit);
	return put(cgroup->path,
		   cgroup->version2 ? "memory.max" : "memory.limit_in_bytes",
		   bytes);
}

static bool make(struct cgroup *cgroup, const char *root, const char *name)
{
	snprintf(cgroup->path, sizeof(cgroup->path), "%s/%s-%d", root, name,
		 (int)getpid());
	return mkdir(cgroup->path, 0755) == 0 || errno == EEXIST;
}

bool cgroup_create(struct cgroup *cgroup, const char *name, uint64_t limit)
{
	cgroup->version2 = access(ROOT_1 "/memory.limit_in_bytes", F_OK) != 0;
	if (cgroup->version2)
		/* harmless when it is on already */
		put(ROOT_2, "cgroup.subtree_control", "+memory");
	if (make(cgroup, cgroup->version2 ? ROOT_2 : ROOT_1, name)) {
		if (limit_set(cgroup, limit))
			return true;
		rmdir(cgroup->path);
	}
	cgroup->path[0] = '\0';
	return false;
}

bool cgroup_enter(const struct cgroup *cgroup)
{
	return put(cgroup->path, "cgroup.procs", "0");
}

uint64_t cgroup_peak(const struct cgroup *cgroup)
{
	char path[320];
	uint64_t bytes = 0;
	FILE *file;

	if (!cgroup->path[0])
		return 0;
	snprintf(path, sizeof(path), "%s/%s", cgroup->path,
		 cgroup->version2 ? "memory.peak"
				  : "memory.max_usage_in_bytes");
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%" SCNu64, &bytes) != 1)
		bytes = 0;
	fclose(file);
	return bytes;
}

void cgroup_remove(struct cgroup *cgroup)
{
	if (cgroup->path[0])
		rmdir(cgroup->path);
	cgroup->path[0] = '\0';
}
