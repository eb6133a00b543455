/* explain_kernel.h - does the steps of a script in processes of the kernel's */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_KERNEL_H
#define QUIRE_CLI_EXPLAIN_KERNEL_H

#include "explain_operation.h"

struct kernel {
	size_t count; /* of processes that the script has; 0: not started */
	int ours[SCRIPT_PROCESSES];   /* our end to each; -1: it is closed */
	int theirs[SCRIPT_PROCESSES]; /* the processes' own */
	bool alive[SCRIPT_PROCESSES];
};

/* Before any thread is started.  Says what went wrong; 0 or negative errno. */
int kernel_start(struct kernel *kernel, size_t processes);
void kernel_stop(struct kernel *kernel);

/*
 * What came of it in Quire tells where a mapping went: it is put there.  0, or
 * a negative errno: a process has ended, and was not to.
 */
int kernel_do(struct kernel *kernel, const struct operation *operation,
	      const struct outcome *quire, struct outcome *outcome);

/* The same result, error, place, bytes and signal. */
bool kernel_agrees(const struct outcome *quire, const struct outcome *kernel);

#endif
