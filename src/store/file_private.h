/* file_private.h - what the files of the file store share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_STORE_FILE_PRIVATE_H
#define QUIRE_STORE_FILE_PRIVATE_H

#include "store/store.h"

/* Opens the file behind fd anew, with other flags; a descriptor or -errno. */
int file_reopen(int fd, int flags);

/*
 * A second descriptor of fd's file that bypasses the kernel's page cache, or
 * -1 where that can't be had.
 */
int file_open_direct(int fd, bool writable);

/*
 * Cuts io's step to its leading part whose offset, lengths and buffers are
 * aligned for a direct transfer.  False, and the step as it was: there is
 * none.
 */
bool file_trim_to_aligned(struct store_io *io);

#endif
