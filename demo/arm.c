/* arm.c - runs one arm in a child of its own, within its memory */
/* SPDX-License-Identifier: MIT */
#include "bench/cgroup.h"
#include "demo.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What a kernel arm has beside its data: stacks, buffers, page tables of 1 GiB
 * (2 MiB), and what the kernel charges for its own records.
 */
#define FIXED_OVERHEAD (16u << 20)

static enum arm running; /* in the child */

static bool reading_work(struct view *view, const struct input *input)
{
	return work_scan(view) && work_random(view) &&
	       work_verify(view, input->path);
}

static bool writing_work(struct view *view, const struct input *input)
{
	(void)input;
	return work_change(view, running) && work_append(view, running);
}

static double seconds(struct timeval time)
{
	return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

/* What the kernel counts for everyone; Quire has better figures of its own. */
static void usage_note(enum arm arm, struct result *result)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	result->cpu_s = seconds(usage.ru_utime) + seconds(usage.ru_stime);
	if (arm == ARM_QUIRE)
		return;
	result->traps = (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
	result->hits = (uint64_t)usage.ru_minflt;
	result->misses = (uint64_t)usage.ru_majflt;
	result->read_bytes = (uint64_t)usage.ru_inblock * 512;
	result->write_pages = (uint64_t)usage.ru_oublock * 512 / PAGE;
}

static _Noreturn void child(enum arm arm, const struct input *input,
			    struct result *result, const struct cgroup *cgroup)
{
	if (cgroup->path[0] && !cgroup_enter(cgroup))
		result->memory_limit = 0;
	running = arm;
	switch (arm) {
	case ARM_QUIRE:
		result->done =
			arm_quire(input, result, reading_work, writing_work);
		break;
	case ARM_MMAP:
		result->done =
			arm_mmap(input, result, reading_work, writing_work);
		break;
	default:
		result->done =
			arm_pread(input, result, reading_work, writing_work);
		break;
	}
	usage_note(arm, result);
	_exit(0);
}

static void wait_for(pid_t pid, struct result *result)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	if (!WIFSIGNALED(status))
		return;
	result->done = false;
	snprintf(result->failure, sizeof(result->failure),
		 "ended by a signal: %s", strsignal(WTERMSIG(status)));
}

void arm_run(enum arm arm, const struct input *input, struct result *result)
{
	/* Quire keeps its budget by itself; its cgroup only counts. */
	uint64_t limit = arm == ARM_QUIRE ? 0 : input->budget + FIXED_OVERHEAD;
	struct cgroup cgroup;
	pid_t pid;

	cache_drop(input->path);
	if (input->copy)
		cache_drop(input->copy);
	if (cgroup_create(&cgroup, "quire-demo", limit))
		result->memory_limit = limit;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		child(arm, input, result, &cgroup);
	if (pid > 0)
		wait_for(pid, result);
	else
		snprintf(result->failure, sizeof(result->failure), "fork: %s",
			 strerror(errno));
	result->memory_peak = cgroup_peak(&cgroup);
	cgroup_remove(&cgroup);
}
