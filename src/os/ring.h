/* ring.h - an io_uring with a thread that reaps it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_RING_H
#define QUIRE_OS_RING_H

#include "base/base.h"

#include <stdint.h>
#include <sys/uio.h>

struct ring;

enum ring_operation {
	RING_READV,
	RING_WRITEV,
	RING_FSYNC, /* data only: fdatasync */
};

/*
 * Whoever submits, as a file: what one has in flight that is no read leaves
 * places for others.  Lives as long as its operations.
 */
struct ring_user {
	struct list waiting; /* the ring's lock */
	struct list link;    /* the same: among those that have some waiting */
	unsigned in_flight;  /* the ring's thread */
};

void ring_user_init(struct ring_user *user);

/*
 * The caller's, until complete() is called: once, on the ring's thread, which
 * must not be blocked.  result: bytes, or a negative errno.
 */
struct ring_op {
	enum ring_operation operation;
	int fd;
	const struct iovec *iov;
	unsigned iov_count;
	uint64_t offset;
	struct ring_user *user; /* NULL: whoever has none */
	bool ahead; /* nobody waits for it yet: long ones need not be few */
	void (*complete)(struct ring_op *op, int64_t result);
	struct list link; /* the ring's: waiting for a free entry */
	unsigned tries;   /* the ring's: EAGAIN and EINTR met so far */
};

/*
 * depth: operations in flight at most; more wait in a queue of the ring.
 * after_batch (may be NULL) is called on the ring's thread when a batch of
 * completions has been handed out, with no lock held.
 * -ENOSYS, -EPERM, -ENOMEM: no io_uring here.  -EINVAL: no such depth.
 */
int ring_create(unsigned depth, void (*after_batch)(void *context),
		void *context, struct ring **ring);
/* Any thread; never blocks, never fails, never mallocs.  The ring's own thread
 * alone enters the io_uring (why: ring.c). */
void ring_submit(struct ring *ring, struct ring_op *op);
/*
 * A plug keeps back what its thread submits, so that many operations wake the
 * ring once and go to the kernel in one call:
 *
 *   ring_plug_begin(plug)    from here on ring_submit() of this thread ...
 *   ring_plug_end(plug)      ... to here keeps the operation in the plug
 *   ring_plug_release(plug)  and here the ring gets them
 *
 * What is kept has not begun: release before waiting for anything that may
 * wait for one of them.  PLUG_MOST are given to the ring by themselves.  Plugs
 * of one thread may lie within each other; the innermost keeps.
 */
#define PLUG_MOST 16

struct ring_plug {
	struct list ops;
	unsigned count;
	struct ring *ring; /* of all in ops */
	struct ring_plug *outer;
};

void ring_plug_init(struct ring_plug *plug);
void ring_plug_begin(struct ring_plug *plug);
void ring_plug_end(struct ring_plug *plug);
void ring_plug_release(struct ring_plug *plug);
/*
 * Has ready() called on the ring's thread, followed by after_batch, whenever
 * fd can be read, until the ring ends, and at other times too: it must not
 * block, and says whether anything was there.  Once for a ring.  A thread that
 * waits for both its disk and its traps need not be woken by another one.
 */
void ring_watch(struct ring *ring, int fd, bool (*ready)(void *context));
/* True on the thread of a ring, which must not be kept from its work. */
bool ring_on_thread(void);
/* Waits for what is in flight.  NULL is allowed. */
void ring_destroy(struct ring *ring);

#endif
