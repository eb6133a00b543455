/* cgroup.h - a memory cgroup for one child: the kernel's own budget */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BENCH_CGROUP_H
#define QUIRE_BENCH_CGROUP_H

#include <stdbool.h>
#include <stdint.h>

struct cgroup {
	char path[256]; /* empty: there is none */
	bool version2;
};

/*
 * Makes a cgroup whose members may have limit bytes of memory together, page
 * cache included; 0: as much as they like, but it is counted.  Works for root
 * where a memory controller is mounted, version 1 or 2.  false: no cgroup can
 * be had here, and cgroup->path is empty.
 */
bool cgroup_create(struct cgroup *cgroup, const char *name, uint64_t limit);

/* The calling process moves in, with all it does from now on. */
bool cgroup_enter(const struct cgroup *cgroup);

/* The most memory that was charged to it, in bytes; 0: not known. */
uint64_t cgroup_peak(const struct cgroup *cgroup);

/* Its members have ended.  A cgroup that was never made is allowed. */
void cgroup_remove(struct cgroup *cgroup);

#endif
