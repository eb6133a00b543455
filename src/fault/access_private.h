/* access_private.h - what the files of an access share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_FAULT_ACCESS_PRIVATE_H
#define QUIRE_FAULT_ACCESS_PRIVATE_H

#include "fault/access.h"

#include "mmu/mmu_soft.h"

/*
 * handle_mm_fault(): there is no translation of the page, or it does not allow
 * this.  seen: what there was.  True: look again; false: *verdict is set.
 * Blocks, with no lock held.
 */
bool soft_fault(const struct soft_context *context, enum access_kind kind,
		uint64_t address, struct access_verdict *verdict);

/*
 * do_wp_page() and do_cow_fault(): the private page at address gets bytes of
 * its own, copied from what seen shows.  True: done, or look again.
 */
bool soft_copy_on_write(const struct soft_context *context, uint64_t address,
			const struct soft_translation *seen,
			struct access_verdict *verdict);

/*
 * The page lies past the object's end.  True: a cut was under way, and is
 * decided now: look again.  Blocks, with no lock and no pin held.
 */
bool soft_await_cut(const struct soft_context *context, uint64_t address);

/* Sets the verdict; false. */
bool access_refuse(struct access_verdict *verdict, int signal, int code,
		   uint64_t address, int error);

#endif
