/* ring_world.h - rings over a kernel that refuses, and operations that tell */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_RING_WORLD_H
#define QUIRE_TESTS_RING_WORLD_H

#include "os/ring.h"

#include "unit/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

/* ---- a kernel that refuses ---- */

static atomic_int refusals;      /* of the calls to come */
static atomic_int refusal;       /* with this */
static atomic_int interruptions; /* of the completions to come */
static atomic_int interruption;  /* with this */

static unsigned unknown_flags; /* of io_uring_queue_init(): an old kernel */

/* In the place of liburing's. */
int io_uring_queue_init(unsigned entries, struct io_uring *uring,
			unsigned flags)
{
	int (*real)(unsigned, struct io_uring *, unsigned);

	if (flags & unknown_flags)
		return -EINVAL;
	*(void **)&real = dlsym(RTLD_NEXT, "io_uring_queue_init");
	return real(entries, uring, flags);
}

/* Puts an interruption in the place of a completion's result. */
static inline void interrupt(struct io_uring *uring)
{
	struct io_uring_cqe *entry;
	unsigned head;

	io_uring_for_each_cqe(uring, head, entry)
	{
		if (!io_uring_cqe_get_data(entry) || entry->res < 0 ||
		    atomic_load(&interruptions) == 0)
			continue;
		atomic_fetch_sub(&interruptions, 1);
		entry->res = atomic_load(&interruption);
	}
}

/* In the place of liburing's: refuses first, then does the real thing. */
int io_uring_submit_and_wait(struct io_uring *uring, unsigned wait)
{
	int (*real)(struct io_uring *, unsigned);
	int result;

	if (atomic_load(&refusals) > 0) {
		atomic_fetch_sub(&refusals, 1);
		return atomic_load(&refusal);
	}
	*(void **)&real = dlsym(RTLD_NEXT, "io_uring_submit_and_wait");
	result = real(uring, wait);
	interrupt(uring);
	return result;
}

/* ---- operations that tell when they end ---- */

/* Where operations of a test meet. */
struct board {
	struct lock lock;
	struct condition changed;
	unsigned done;      /* [lock] */
	unsigned batches;   /* [lock] after_batch calls with something new */
	unsigned batch_saw; /* [lock] done, as the last of these found it */
};

struct task {
	struct ring_op op;
	struct iovec iov;
	struct board *board;
	struct ring *ring;
	unsigned again;   /* submit it anew so many times */
	int64_t result;   /* [board] */
	unsigned place;   /* [board] in the order of completions, from 1 */
	pthread_t thread; /* [board] that completed it */
};

static inline void board_init(struct board *board)
{
	memset(board, 0, sizeof(*board));
	lock_init(&board->lock, LOCK_RANK_STORE);
	condition_init(&board->changed);
}

static inline void board_finish(struct board *board)
{
	condition_finish(&board->changed);
	lock_finish(&board->lock);
}

static inline void board_wait(struct board *board, unsigned count)
{
	lock_take(&board->lock);
	while (board->done < count)
		condition_wait(&board->changed, &board->lock);
	lock_drop(&board->lock);
}

static inline void board_after_batch(void *context)
{
	struct board *board = context;

	lock_take(&board->lock);
	board->batches += board->done > board->batch_saw;
	board->batch_saw = board->done;
	condition_wake_all(&board->changed);
	lock_drop(&board->lock);
}

static inline void complete(struct ring_op *op, int64_t result)
{
	struct task *task = container_of(op, struct task, op);
	struct board *board = task->board;

	if (task->again > 0) {
		task->again--;
		ring_submit(task->ring, op);
		return;
	}
	lock_take(&board->lock);
	task->result = result;
	task->place = ++board->done;
	task->thread = pthread_self();
	condition_wake_all(&board->changed);
	lock_drop(&board->lock);
}

static inline void prepare(struct task *task, struct board *board, int fd,
			   enum ring_operation operation)
{
	memset(task, 0, sizeof(*task));
	task->board = board;
	task->op.operation = operation;
	task->op.fd = fd;
	task->op.iov = &task->iov;
	task->op.iov_count = 1;
	task->op.complete = complete;
}

static inline void prepare_bytes(struct task *task, struct board *board, int fd,
				 enum ring_operation operation, void *bytes)
{
	prepare(task, board, fd, operation);
	task->iov.iov_base = bytes;
	task->iov.iov_len = 1;
}

/* Prepares count writes of a byte each, at offset 0, 1, ... */
static inline void prepare_writes(struct task *tasks, unsigned count,
				  struct board *board, int fd, char *bytes)
{
	for (unsigned i = 0; i < count; i++) {
		bytes[i] = (char)('a' + i % 26);
		prepare_bytes(&tasks[i], board, fd, RING_WRITEV, &bytes[i]);
		tasks[i].op.offset = i;
	}
}

/* ---- fixtures ---- */

static inline struct ring *new_ring(unsigned depth, struct board *board)
{
	struct ring *ring;

	board_init(board);
	assert_int_equal(ring_create(depth, board_after_batch, board, &ring),
			 0);
	return ring;
}

static inline void end_ring(struct ring *ring, struct board *board)
{
	ring_destroy(ring);
	board_finish(board);
}

static inline int new_file(void)
{
	char path[] = "/var/tmp/quire-test-ring-XXXXXX";
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	return fd;
}

/* The first bytes of fd, 100 at most. */
static inline void assert_written(int fd, const char *bytes, unsigned count)
{
	char found[100];

	assert_int_equal(pread(fd, found, count, 0), count);
	assert_memory_equal(found, bytes, count);
}

static inline void new_pipe(int ends[2])
{
	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
}

static inline void close_pipe(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static inline void put_byte(int ends[2], char byte)
{
	assert_int_equal(write(ends[1], &byte, 1), 1);
}

/* The same tests, on kernels that know ever less; group runs them. */
static inline int run_on_kernels(int (*group)(void))
{
	static const unsigned unknown[] = {
		0,
		IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN,
		~0u,
	};
	struct ring *ring;
	int failed = 0;

	if (ring_create(1, NULL, NULL, &ring)) {
		puts("skipped: no io_uring here");
		return 77;
	}
	ring_destroy(ring);
	for (unsigned i = 0; i < 4; i++) {
		unknown_flags = unknown[i];
		failed += group();
	}
	return failed;
}

#endif
