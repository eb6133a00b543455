/* mmu_uffd_private.h - what the files of the userfaultfd MMU share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_MMU_MMU_UFFD_PRIVATE_H
#define QUIRE_MMU_MMU_UFFD_PRIVATE_H

#include "mmu/mmu.h"
#include "os/uffd.h"

/* ---- mmu_uffd_layout.c: mmu_map() and mmu_move(), but that nobody is woken,
 * which the caller must do ---- */

int uffd_host_map(const struct uffd *uffd, const struct mmu_mapping *mapping);
int uffd_host_move(const struct uffd *uffd, const struct mmu_move *move);

#endif
