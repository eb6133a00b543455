/* explain_kernel_child.h - a process that does operations by the kernel */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_EXPLAIN_KERNEL_CHILD_H
#define QUIRE_CLI_EXPLAIN_KERNEL_CHILD_H

#include <stddef.h>
#include <sys/types.h>

/* Answers on ends[0] until nobody asks any more; those it forks on the others.
 * Dies with parent. */
_Noreturn void kernel_child(const int *ends, size_t count, pid_t parent);

#endif
