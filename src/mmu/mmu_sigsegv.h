/* mmu_sigsegv.h - the hardware MMU, by mprotect() and SIGSEGV */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_MMU_MMU_SIGSEGV_H
#define QUIRE_MMU_MMU_SIGSEGV_H

#include "mmu/mmu.h"

/*
 * This process's own address space, where there is no userfaultfd.
 * -ENOMEM, -EMFILE; -EAGAIN: too many engines of this kind.
 */
int mmu_sigsegv_create(struct mmu **mmu);

#endif
