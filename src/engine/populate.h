/* populate.h - pages are brought in before they are touched */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_ENGINE_POPULATE_H
#define QUIRE_ENGINE_POPULATE_H

#include "engine/engine.h"
#include "space/advise.h"

/*
 * __mm_populate(): what is mapped in [start, end), whole pages, is brought in,
 * private pages that may be stored to with a copy of their own; holes, what is
 * locked only when it is touched, and what lacks one of the flags (VM_...), are
 * passed over.  -EFAULT: a page cannot be had, or the mapping allows no access;
 * -ENOMEM.  Blocks.
 */
int populate_range(struct quire_space *space, uint64_t start, uint64_t end,
		   uint64_t flags, bool ignore_errors);

#endif
