/* map_private.h - what map.c and map_kind.c share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SPACE_MAP_PRIVATE_H
#define QUIRE_SPACE_MAP_PRIVATE_H

#include "space/space_private.h"

/* A mapping in the making. */
struct making {
	struct space *space;
	const struct space_map_request *request;
	struct quire_object *file; /* as Linux has it: NULL: anonymous */
	uint64_t address;
	uint64_t length; /* whole pages */
	uint64_t offset; /* bytes of the object, or as the address says */
	int prot;
	struct vma *vma;      /* its flags, to begin with */
	struct vma *replaced; /* the first one in its place, or NULL */
};

/*
 * Shared or private, and is it allowed?  => sets the VMA's flags, and the
 * offset that anonymous memory has.  -EPERM, -EAGAIN, -EOVERFLOW, -EOPNOTSUPP,
 * -EACCES, -ETXTBSY, -ENODEV, -EINVAL.
 */
int map_check_kind(struct making *making);

#endif
