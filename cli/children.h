/* children.h - which processes are children of this one */
/* SPDX-License-Identifier: MIT */
/*
 * A subreaper has at least one child as long as it has any descendant: what
 * loses its parent becomes its own.
 */
#ifndef QUIRE_CLI_CHILDREN_H
#define QUIRE_CLI_CHILDREN_H

#include <stdbool.h>
#include <sys/types.h>

/* There is one besides except; those not waited for count. */
bool children_left(pid_t except);
/* Sends the signal to each but except. */
void children_signal(pid_t except, int signal);

#endif
