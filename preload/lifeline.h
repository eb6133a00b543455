/* lifeline.h - this process does not outlive all servers */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_LIFELINE_H
#define QUIRE_PRELOAD_LIFELINE_H

#include <stdbool.h>

/* What a greeting brought; -1: nothing.  Another one that holds stays. */
void lifeline_take(int fd);
/* Something is mapped, or nothing any more.  Under the lock of the ranges. */
void lifeline_follow(bool mapped);
/* In a child: what it has is its parent's. */
void lifeline_after_fork(void);

#endif
