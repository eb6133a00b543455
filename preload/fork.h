/* fork.h - children become clients of their own */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_FORK_H
#define QUIRE_PRELOAD_FORK_H

/* From now on; once. */
void fork_watch(void);
/* In a child that no handler has seen, with new channels or without. */
void fork_unseen(void);

#endif
