/* robust.h - pages with robust mutexes */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_PRELOAD_ROBUST_H
#define QUIRE_PRELOAD_ROBUST_H

/* Of no page it is known any more that the server keeps it: what is mapped has
 * changed, or this is another process. */
void robust_forget(void);
/* Another server has the place of the one that kept them. */
void robust_ask_again(void);

#endif
