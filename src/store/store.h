/* store.h - where bytes live: addressed by byte, moved asynchronously */
/* SPDX-License-Identifier: MIT */
/*
 * A store knows nothing of pages.  All transfers of one store may be in
 * flight at once and end in any order.
 *
 *   caller                         store
 *     store_submit(store, io) ----->  begins; never blocks for the transfer
 *     ...                             all of it, or an end, or an error:
 *     io->complete(io, result) <----  once, on any thread, or inside submit
 *
 * store_submit() is the one caller of ops->submit: it checks before (range,
 * direction, alignment of nothing) and after (a short transfer is carried on
 * from where it stopped, until all is moved, nothing moves, or an error).
 */
#ifndef QUIRE_STORE_STORE_H
#define QUIRE_STORE_STORE_H

#include "base/base.h"
#include "os/ring.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define STORE_IOV_MAX 16

enum store_operation {
	STORE_READ,
	STORE_WRITE,
	STORE_FLUSH, /* what was written before is durable after */
};

/* Who waits for it. */
enum store_urgency {
	STORE_AWAITED, /* somebody, elsewhere */
	/* The caller, in any case: a store that can may block, move the bytes on
	 * this thread, and save two switches. */
	STORE_NOW,
	STORE_AHEAD, /* nobody yet */
};

/*
 * One transfer.  The caller's, and constant, until complete() is called.
 * result: bytes moved in all, or a negative errno.  A read ends short only at
 * the end of the store; a write never ends short.
 */
struct store_io {
	enum store_operation operation;
	uint64_t offset;
	struct iovec iov[STORE_IOV_MAX]; /* buffers aligned to 4096 bytes */
	unsigned iov_count;
	enum store_urgency urgency;
	void (*complete)(struct store_io *io, int64_t result);

	/* store.c's and the store's own, while in flight */
	struct store *store;
	void (*step_complete)(struct store_io *io, int64_t result);
	struct iovec step_iov[STORE_IOV_MAX];
	unsigned step_iov_count;
	uint64_t step_offset;
	uint64_t moved;
	unsigned tries; /* interruptions since the last progress */
	union {
		struct ring_op ring;
		struct work work;
	} step;
};

struct store_ops {
	/* Begins io's step: step_iov at step_offset; ends by step_complete(). */
	void (*submit)(struct store *store, struct store_io *io);
	/* These block. */
	int (*size)(struct store *store, uint64_t *size);
	int (*resize)(struct store *store, uint64_t size);
	int (*allocate)(struct store *store, uint64_t offset, uint64_t length);
	int (*discard)(struct store *store, uint64_t offset, uint64_t length);
	void (*destroy)(struct store *store);
};

struct store {
	const struct store_ops *ops;
	bool writable;
};

/* What the stores of an engine share.  Exactly one of ring, workers serves
 * files; workers is always there. */
struct store_context {
	struct ring *ring; /* NULL: none to be had */
	struct worker_pool *workers;
	/* Others write to the files, too, through the kernel's page cache. */
	bool others_write;
};

void store_submit(struct store *store, struct store_io *io);
int store_size(struct store *store, uint64_t *size);
int store_resize(struct store *store, uint64_t size);
int store_allocate(struct store *store, uint64_t offset, uint64_t length);
/*
 * The range reads as zeros afterwards and takes no room, if the store can do
 * without; the size stays.  Nothing of it is being moved meanwhile.
 * -EOPNOTSUPP: it cannot, and nothing has changed.  After another error each
 * byte is zero or what it was.
 */
int store_discard(struct store *store, uint64_t offset, uint64_t length);
void store_destroy(struct store *store); /* NULL is allowed */

/* Submits and waits; for callers that may block.  Result as complete()'s. */
int64_t store_transfer(struct store *store, struct store_io *io);

/* ---- the stores ---- */

/*
 * An open regular file or block device.  fd is taken over (also when this
 * fails).  O_DIRECT where the file system can; what is not aligned (the last
 * bytes of a file) goes through the kernel's page cache.
 */
int file_store_create(const struct store_context *context, int fd,
		      bool writable, struct store **store);

/* size bytes of zeros in memory; pages never written take none. */
int memory_store_create(uint64_t size, struct store **store);

/* A caller's own functions, run on worker threads. */
struct callback_store_ops {
	ssize_t (*read)(void *context, void *buffer, size_t length,
			uint64_t offset);
	ssize_t (*write)(void *context, const void *buffer, size_t length,
			 uint64_t offset);
	int (*flush)(void *context);
	int (*resize)(void *context, uint64_t size);
	void (*close)(void *context);
};
int callback_store_create(const struct store_context *context, uint64_t size,
			  const struct callback_store_ops *ops, void *argument,
			  struct store **store);

/*
 * Wraps another store (and owns it, unless this fails) and spoils it by
 * script; each step of a transfer that is carried on counts.  A script is
 * statements separated by ';', tried in order for each operation, the first
 * that matches is applied:
 *
 *   OP [FROM-TO] [every N] [after N] [times N] do ACTION
 *   OP      read | write | flush | any
 *   FROM-TO byte range the operation must touch
 *   every N only each Nth that matches;  after N: skip the first N that match
 *   times N at most N times
 *   ACTION  fail ERRNO-NAME | delay MS | short BYTES | lose | hold
 *
 * short: moves that many bytes, then says so.  lose: says success, moves
 * nothing (a lost write).  hold: does not complete until faulty_store_release.
 */
int faulty_store_create(const struct store_context *context,
			struct store *inner, const char *script,
			struct store **store);
/* Replaces the script at any time.  -EINVAL: which statement, by error_say. */
int faulty_store_script(struct store *store, const char *script);
/* Lets what is held go on; returns how many were held. */
unsigned faulty_store_release(struct store *store);
/* How many operations are held now. */
unsigned faulty_store_held(struct store *store);

#endif
