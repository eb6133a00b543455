/* grow_down.h - an access below a mapping that grows downwards */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_GROW_DOWN_H
#define QUIRE_FAULT_GROW_DOWN_H

#include "space/space.h"

/*
 * Has mappings of a space on the host's MMU grow from now on when they are
 * touched below; to be called again before each mapping that may, as the
 * program may have installed a handler since.  0; -EAGAIN: too many spaces of
 * the process have such mappings; -errno of sigaction(2).
 */
int grow_down_watch(struct space *space);
/* Nothing is mapped any more; returns when no handler is at it. */
void grow_down_forget(struct space *space);

/*
 * May be called in a signal handler: see grow_down.c.  True: address is mapped
 * now by what grows downwards, as that has grown or had it all the time.  May wait for
 * another thread's munmap() to end, a second at most.
 */
bool grow_down(struct space *space, uint64_t address);

#endif
