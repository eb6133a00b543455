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
	bool shown; /* the page was, write-protected */
};

/* What is read from the descriptor of another process. */
enum uffd_message_type {
	UFFD_TRAPPED,
	UFFD_FORKED,   /* descriptor: the child's, which is the reader's now */
	UFFD_MOVED,    /* [start, end) has gone to to, by mremap(2) */
	UFFD_DROPPED,  /* [start, end) is about to be dropped, by madvise(2) */
	UFFD_UNMAPPED, /* [start, end) */
};

struct uffd_message {
	enum uffd_message_type type;
	struct uffd_trap trap;
	uint64_t start;
	uint64_t end;
	uint64_t to;
	int descriptor;
};

/*
 * Opens one with all that a page cache needs (missing, minor and
 * write-protect traps of shared memory, poison); the best kind that this
 * process may have.  sigbus: no trap is delivered, the thread gets SIGBUS
 * (BUS_ADRERR), and system calls EFAULT.  -ENOSYS, -EPERM, -EMFILE, each with
 * its sentence.
 */
int uffd_open(struct uffd *uffd, bool sigbus);
void uffd_close(struct uffd *uffd);

/*
 * Makes ready for use what another process has opened and not used yet, with
 * events for what becomes of its layout; non-blocking from now on.  *forks:
 * forks are among them, for which this process needs CAP_SYS_PTRACE.
 * -EINVAL: it is something else, or used already, or this kernel lacks
 * something.
 */
int uffd_enable(int fd, bool *forks);

/* What traps, besides pages that are absent from memory. */
enum uffd_traps {
	UFFD_TRAPS_MINOR = 1, /* pages that are there, and not shown */
	UFFD_TRAPS_STORES = 2 /* write-protection: shared mappings only */
};

/* Anew as well, if more is to trap; what traps already goes on to. */
int uffd_register(const struct uffd *uffd, uint64_t start, uint64_t length,
		  unsigned traps);

/*
 * Reads at most count traps; returns how many, 0 if there is none now, or a
 * negative errno.
 */
int uffd_read(const struct uffd *uffd, struct uffd_trap *traps, int count);

/*
 * As above, of one that uffd_enable() was called for: traps and events.  Never
 * blocks, whatever another holder of the descriptor does with its flags.
 * -EMFILE: a fork's event stays unread, as there is no descriptor for it.
 */
int uffd_read_messages(const struct uffd *uffd, struct uffd_message *messages,
		       int count);

/*
 * The ioctls.  *done: bytes from start that were dealt with, also on failure.
 * The errno as the kernel gives it (see docs/architecture.md for what each
 * means).
 */
int uffd_continue(const struct uffd *uffd, uint64_t start, uint64_t length,
		  bool protect, uint64_t *done);
/* Puts length bytes into memory that has nothing there (of a private mapping
 * into anonymous pages of its own), and shows them; nobody is woken. */
int uffd_copy(const struct uffd *uffd, uint64_t start, const void *bytes,
	      uint64_t length, bool protect, uint64_t *done);
int uffd_write_protect(const struct uffd *uffd, uint64_t start, uint64_t length,
		       bool on);
int uffd_poison(const struct uffd *uffd, uint64_t start, uint64_t length);
void uffd_wake(const struct uffd *uffd, uint64_t start, uint64_t length);

#endif
