/* grow_down.h - an access below a mapping that grows downwards */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_GROW_DOWN_H
#define QUIRE_FAULT_GROW_DOWN_H

#include "space/space.h"

#include <signal.h>

/*
 * An access to the space has raised SIGSEGV, on this thread, which is in its
 * handler.  True: what grows has grown, and the access is to be tried again.
 */
bool grow_down_try(struct space *space, const siginfo_t *info);

/*
 * May be called in a signal handler: see grow_down.c.  True: address is mapped
 * now by what grows downwards, as that has grown or had it all the time.  May wait for
 * another thread's munmap() to end, a second at most.
 */
bool grow_down(struct space *space, uint64_t address);

#endif
