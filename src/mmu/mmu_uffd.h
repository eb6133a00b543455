/* mmu_uffd.h - the hardware MMU, by userfaultfd */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_MMU_MMU_UFFD_H
#define QUIRE_MMU_MMU_UFFD_H

#include "mmu/mmu.h"
#include "os/uffd.h"

/*
 * This process's own address space.  sigbus: its traps are not to be taken, but
 * resolved by whoever gets the signal (os/uffd.h); who cannot, sleeps on the
 * page (os/page_sleep.h), and is woken here.  The errors of uffd_open().
 */
int mmu_uffd_create(bool sigbus, struct mmu **mmu);
/* Where its traps are read. */
const struct uffd *mmu_uffd_traps(const struct mmu *mmu);

#endif
