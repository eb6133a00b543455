/* userfault.h - this process's userfaultfd, which the server listens to */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_USERFAULT_H
#define QUIRE_PRELOAD_USERFAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All under ranges_lock(), but for userfault_user_mode(). */

/* Makes it and hands it over, if that was not done.  0 or a negative errno. */
int userfault_begin(void);
/* Traps of [start, end) are the server's; shared: stores to clean pages, too.
 * 0 or a negative errno. */
int userfault_register(uintptr_t start, uintptr_t end, bool shared);
/* System calls do not trap: they fail with EFAULT where a page is not there. */
bool userfault_user_mode(void);

/* In a child whose forks are events: its own, or -1. */
void userfault_adopt(int descriptor);
/* In another child: begins anew, with what is in ranges. */
void userfault_inherit(void);

#endif
