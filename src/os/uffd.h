/* uffd.h - userfaultfd: traps delivered to a descriptor */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_UFFD_H
#define QUIRE_OS_UFFD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct uffd {
	int fd;
	bool kernel_mode; /* accesses from inside system calls trap too */
};

struct uffd_trap {
	uint64_t address;
	bool write;
};

/*
 * Opens one with all that a page cache needs (missing, minor and
 * write-protect traps of shared memory, poison); the best kind that this
 * process may have.  -ENOSYS, -EPERM, -EMFILE, each with its sentence.
 */
int uffd_open(struct uffd *uffd);
void uffd_close(struct uffd *uffd);

/* shared: trap stores as well (write-protection). */
int uffd_register(const struct uffd *uffd, uint64_t start, uint64_t length,
		  bool shared);

/*
 * Reads at most count traps; returns how many, 0 if there is none now, or a
 * negative errno.
 */
int uffd_read(const struct uffd *uffd, struct uffd_trap *traps, int count);

/*
 * The ioctls.  *done: bytes from start that were dealt with, also on failure.
 * The errno as the kernel gives it (see docs/architecture.md for what each
 * means).
 */
int uffd_continue(const struct uffd *uffd, uint64_t start, uint64_t length,
		  bool protect, uint64_t *done);
int uffd_write_protect(const struct uffd *uffd, uint64_t start, uint64_t length,
		       bool on);
int uffd_poison(const struct uffd *uffd, uint64_t start, uint64_t length);
void uffd_wake(const struct uffd *uffd, uint64_t start, uint64_t length);

#endif
