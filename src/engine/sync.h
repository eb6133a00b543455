/* sync.h - msync, by object and by address */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_SYNC_H
#define QUIRE_ENGINE_SYNC_H

#include "engine/engine.h"

/* -EINVAL as msync(2) says. */
int sync_check_flags(int flags);
/* length 0: to the end.  See quire_object_sync(). */
int sync_handle(struct quire_object *handle, uint64_t offset, uint64_t length,
		int flags);

#endif
