/* process.h - which process this is, without a system call */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_PROCESS_H
#define QUIRE_OS_PROCESS_H

#include <stdbool.h>

/*
 * This process is the one that it happens in.  Any thread, and in a signal
 * handler: no lock, no malloc.  0 or a negative errno.
 */
int process_mark(void);
/*
 * True in that process, and in a child that has its memory (vfork()); false in
 * one that has a copy, however it came to be, until that marks itself, and where
 * nobody has.  Any thread, and in a signal handler.
 */
bool process_is_marked(void);

#endif
