/* ring.c - an io_uring with a thread that reaps it */
/* SPDX-License-Identifier: MIT */
/*
 *   any thread         ring thread                         kernel
 *     ring_submit ---> queue ---> submission entries --->  in flight
 *        wakes it if          (at most depth)                 |
 *        it sleeps      complete(), after_batch() <-----------+
 *
 * Only the ring's own thread ever enters the io_uring.  The kernel completes
 * a request in the context of the thread that submitted it.  Were that one
 * of the program's threads, asleep inside a system call in a trap on the very
 * page that is being read, the completion would wait for the thread and the
 * thread for the completion; and its other system calls would end in EINTR.
 */
#include "os/ring.h"

#include "os/ring_turns.h"

#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/* More in flight than this brings no disk any further. */
#define DEPTH_MAX 4096
/* Completions handed out between two looks at the queue. */
#define BATCH 64
/* The same, where more reads than BUSY are in flight and traps come: who has
 * his page soon wants another, and a disk that has nothing to do until all of
 * a batch are served idles for half of the time. */
#define BATCH_BUSY 1
#define BUSY 8
/* Fewer are not submitted while completions wait: each submission is a call to
 * the device, a costly one in a virtual machine. */
#define SUBMIT_LEAST 4
/* So many are given to an idle device at first: it begins while the rest of a
 * long list is prepared. */
#define AT_FIRST 16
/* A look costs a system call: one that finds traps earns so many more, and of
 * those that find nothing no more than LOOKS_MOST are made in a row. */
#define LOOKS_EARNED 2
#define LOOKS_MOST 16
/* EAGAIN and EINTR of one operation before its caller gets to see them. */
#define TRIES_MAX 16

struct ring {
	struct io_uring uring;              /* its thread's, once that runs */
	unsigned depth;                     /* [I] */
	void (*after_batch)(void *context); /* [I] */
	void *context;                      /* [I] */
	pthread_t thread;                   /* [I] */
	int wake_fd; /* [I] an eventfd: written to wake the thread */

	struct lock lock;
	struct ring_turns turns; /* not yet given to the kernel, and in flight:
				    without the wake-up read */
	bool asleep;             /* [lock] the thread won't look at them */
	bool stopping;           /* [lock] */
	int watch_fd;            /* [lock] -1: none */
	bool (*watch_ready)(void *context); /* [lock] */

	/* The thread's own. */
	bool wake_armed;  /* a read of wake_fd is in flight */
	bool watch_armed; /* a poll of watch_fd is in flight */
	bool at_once;     /* there is more to submit: nothing is awaited */
	unsigned looks;   /* by itself, while traps come */
	uint64_t wake_count;
	struct iovec wake_iov;
};

/* Stands for the poll of watch_fd. */
static struct ring_op watch_op;

struct done {
	struct ring_op *op; /* NULL: the wake-up read */
	int64_t result;
};

/* Holds the lock, so that the ring cannot end between the look and the wake. */
static void wake(struct ring *ring)
{
	static const uint64_t one = 1;

	debug_check(lock_held(&ring->lock), "the ring is woken under its lock");
	if (!ring->asleep)
		return;
	ring->asleep = false;
	check(syscall(SYS_write, ring->wake_fd, &one, sizeof(one)) ==
		      sizeof(one),
	      "the ring's thread can be woken");
}

/* The innermost plug of this thread. */
static _Thread_local struct ring_plug *plugged;

void ring_plug_init(struct ring_plug *plug)
{
	list_init(&plug->ops);
	plug->count = 0;
	plug->ring = NULL;
}

void ring_plug_begin(struct ring_plug *plug)
{
	plug->outer = plugged;
	plugged = plug;
}

void ring_plug_end(struct ring_plug *plug)
{
	check(plugged == plug, "the plug that began last ends first");
	plugged = plug->outer;
}

void ring_plug_release(struct ring_plug *plug)
{
	struct ring *ring = plug->ring;
	struct list *link;

	if (plug->count == 0)
		return;
	lock_take(&ring->lock);
	while ((link = list_pop(&plug->ops)))
		turns_add(&ring->turns,
			  container_of(link, struct ring_op, link), false);
	wake(ring);
	lock_drop(&ring->lock);
	plug->count = 0;
}

static void keep(struct ring_plug *plug, struct ring *ring, struct ring_op *op)
{
	if (plug->ring != ring)
		ring_plug_release(plug);
	plug->ring = ring;
	list_add_tail(&plug->ops, &op->link);
	if (++plug->count == PLUG_MOST)
		ring_plug_release(plug);
}

void ring_submit(struct ring *ring, struct ring_op *op)
{
	op->tries = 0;
	if (plugged) {
		keep(plugged, ring, op);
		return;
	}
	lock_take(&ring->lock);
	turns_add(&ring->turns, op, false);
	wake(ring);
	lock_drop(&ring->lock);
}

static struct io_uring_sqe *take_entry(struct ring *ring)
{
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);

	/* There is one for each operation of depth, one to wake, one to watch. */
	check(entry, "the ring has an entry for each operation in flight");
	return entry;
}

static void prepare(struct ring *ring, struct ring_op *op)
{
	struct io_uring_sqe *entry = take_entry(ring);

	switch (op->operation) {
	case RING_READV:
		io_uring_prep_readv(entry, op->fd, op->iov, op->iov_count,
				    op->offset);
		break;
	case RING_WRITEV:
		io_uring_prep_writev(entry, op->fd, op->iov, op->iov_count,
				     op->offset);
		break;
	case RING_FSYNC:
		io_uring_prep_fsync(entry, op->fd, IORING_FSYNC_DATASYNC);
		break;
	}
	io_uring_sqe_set_data(entry, op);
}

static void arm_wake(struct ring *ring)
{
	struct io_uring_sqe *entry;

	if (ring->wake_armed)
		return;
	entry = take_entry(ring);
	io_uring_prep_readv(entry, ring->wake_fd, &ring->wake_iov, 1, 0);
	io_uring_sqe_set_data(entry, NULL);
	ring->wake_armed = true;
}

/* Once a time: the kernel looks at the descriptor when it is armed. */
static void arm_watch(struct ring *ring)
{
	struct io_uring_sqe *entry;

	if (ring->watch_armed || ring->watch_fd < 0)
		return;
	entry = take_entry(ring);
	io_uring_prep_poll_add(entry, ring->watch_fd, POLLIN);
	io_uring_sqe_set_data(entry, &watch_op);
	ring->watch_armed = true;
}

/* Little is to be submitted, and nothing waited for. */
static bool need_not_enter(const struct ring *ring)
{
	return io_uring_sq_ready(&ring->uring) < SUBMIT_LEAST &&
	       io_uring_cq_ready(&ring->uring) > 0;
}

/*
 * Moves what may go from the queue to the entries and falls asleep, as far as
 * ring_submit() is concerned.  False: stopping, and all is done.
 */
static bool fill(struct ring *ring)
{
	unsigned most = ring->depth;
	struct ring_op *op;
	bool go_on;

	if (ring->turns.in_flight == 0 && most > AT_FIRST)
		most = AT_FIRST;
	arm_wake(ring);
	lock_take(&ring->lock);
	arm_watch(ring);
	while (ring->turns.in_flight < most && (op = turns_next(&ring->turns)))
		prepare(ring, op);
	go_on = !ring->stopping || ring->turns.in_flight > 0;
	ring->at_once = ring->turns.in_flight == most && most < ring->depth;
	/* In a full ring the next completion is the wake-up. */
	ring->asleep = ring->turns.in_flight < ring->depth && !ring->at_once &&
		       !need_not_enter(ring);
	lock_drop(&ring->lock);
	return go_on;
}

/*
 * Submits what is prepared and waits for a completion, unless there may be more
 * to submit, or returns early.
 * EAGAIN and EBUSY leave the entries where they are for the next call: the
 * kernel is short of memory, or wants its completions taken first.
 */
static void enter(struct ring *ring)
{
	int result = 0;

	if (!need_not_enter(ring))
		result = io_uring_submit_and_wait(&ring->uring,
						  ring->at_once ? 0 : 1);
	if (result == -EAGAIN || result == -EBUSY)
		sched_yield();
	else
		check(result >= 0 || result == -EINTR,
		      "the kernel takes a well-formed submission");
	lock_take(&ring->lock);
	ring->asleep = false;
	lock_drop(&ring->lock);
}

static bool is_busy(const struct ring *ring)
{
	return ring->looks > 0 &&
	       ring->turns.in_flight - ring->turns.others_in_flight > BUSY;
}

/* A batch of completions at most, their places in the ring freed. */
static unsigned reap(struct ring *ring, struct done *done)
{
	unsigned head, count = 0, most = is_busy(ring) ? BATCH_BUSY : BATCH;
	struct io_uring_cqe *entry;

	io_uring_for_each_cqe(&ring->uring, head, entry)
	{
		done[count].op = io_uring_cqe_get_data(entry);
		done[count].result = entry->res;
		if (++count == most)
			break;
	}
	io_uring_cq_advance(&ring->uring, count);
	return count;
}

/* True if op was put back into the queue instead of being completed. */
static bool try_again(struct ring *ring, struct ring_op *op, int64_t result)
{
	if ((result != -EAGAIN && result != -EINTR) || op->tries == TRIES_MAX)
		return false;
	op->tries++;
	lock_take(&ring->lock);
	turns_add(&ring->turns, op, true);
	lock_drop(&ring->lock);
	return true;
}

static void look(struct ring *ring)
{
	if (!ring->watch_ready(ring->context)) {
		ring->looks -= ring->looks > 0;
		return;
	}
	ring->looks += LOOKS_EARNED;
	if (ring->looks > LOOKS_MOST)
		ring->looks = LOOKS_MOST;
}

static void hand_out(struct ring *ring, const struct done *done, unsigned count)
{
	bool completed = false;

	/* Then it is one. */
	if (is_busy(ring) && count > 0 && done->op && done->op != &watch_op) {
		look(ring);
		completed = true;
	}
	for (unsigned i = 0; i < count; i++) {
		struct ring_op *op = done[i].op;

		if (!op) {
			ring->wake_armed = false;
			continue;
		}
		if (op == &watch_op) {
			ring->watch_armed = false;
			look(ring);
			completed = true;
			continue;
		}
		turns_end(&ring->turns, op);
		if (try_again(ring, op, done[i].result))
			continue;
		op->complete(op, done[i].result); /* op may be gone now */
		completed = true;
	}
	if (completed && ring->after_batch)
		ring->after_batch(ring->context);
}

/*
 * The thread that enables the ring is the one that it will belong to.  By the
 * system call, as liburing 2.3 has this function in its archive alone.
 */
static void enable(struct ring *ring)
{
	if (!(ring->uring.flags & IORING_SETUP_R_DISABLED))
		return;
	check(syscall(SYS_io_uring_register, ring->uring.ring_fd,
		      IORING_REGISTER_ENABLE_RINGS, NULL, 0) == 0,
	      "a ring that was set up can be enabled");
}

static _Thread_local bool on_thread;

bool ring_on_thread(void)
{
	return on_thread;
}

static void *ring_main(void *argument)
{
	struct ring *ring = argument;
	struct done done[BATCH];

	on_thread = true;
	enable(ring);
	while (fill(ring)) {
		enter(ring);
		hand_out(ring, done, reap(ring, done));
	}
	return NULL;
}

/*
 * With a thread of its own for all of it, the kernel need not interrupt that
 * thread for each completion (Linux 6.1); else what each kernel can.
 */
static int setup(struct ring *ring, unsigned depth)
{
	static const unsigned flags[] = {
		IORING_SETUP_CLAMP | IORING_SETUP_R_DISABLED |
			IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_CLAMP | IORING_SETUP_COOP_TASKRUN,
		IORING_SETUP_CLAMP,
		0,
	};
	int error = -EINVAL;

	for (unsigned i = 0; i < 4 && error == -EINVAL; i++)
		error = io_uring_queue_init(depth + 2, &ring->uring, flags[i]);
	return error;
}

/* The kernel must know the operations; a sandbox may have taken some away. */
static int probe(struct ring *ring)
{
	static const int needed[] = { IORING_OP_READV, IORING_OP_WRITEV,
				      IORING_OP_FSYNC, IORING_OP_POLL_ADD };
	struct io_uring_probe *known = io_uring_get_probe_ring(&ring->uring);
	int error = 0;

	if (!known)
		return -ENOSYS;
	for (unsigned i = 0; i < 4; i++)
		if (!io_uring_opcode_supported(known, needed[i]))
			error = -ENOSYS;
	io_uring_free_probe(known);
	return error;
}

static int open_uring(struct ring *ring, unsigned depth)
{
	int error = setup(ring, depth);

	if (error)
		return error == -EINVAL ? -ENOSYS : error;
	error = probe(ring);
	if (!error)
		error = io_uring_ring_dontfork(&ring->uring);
	if (error) {
		io_uring_queue_exit(&ring->uring);
		return error;
	}
	ring->depth = ring->uring.sq.ring_entries - 2;
	if (ring->depth > depth)
		ring->depth = depth;
	return 0;
}

static struct ring *ring_alloc(void (*after_batch)(void *context),
			       void *context)
{
	struct ring *ring = calloc(1, sizeof(*ring));

	if (!ring)
		return NULL;
	lock_init(&ring->lock, LOCK_RANK_RING);
	turns_init(&ring->turns);
	ring->watch_fd = -1;
	ring->after_batch = after_batch;
	ring->context = context;
	ring->wake_iov.iov_base = &ring->wake_count;
	ring->wake_iov.iov_len = sizeof(ring->wake_count);
	return ring;
}

static void ring_free(struct ring *ring)
{
	lock_finish(&ring->lock);
	free(ring);
}

int ring_create(unsigned depth, void (*after_batch)(void *context),
		void *context, struct ring **result)
{
	struct ring *ring;
	int error = -ENOMEM;

	if (depth == 0 || depth > DEPTH_MAX)
		return error_say(-EINVAL,
				 "a ring has 1 to %d operations, "
				 "not %u",
				 DEPTH_MAX, depth);
	ring = ring_alloc(after_batch, context);
	if (!ring)
		return error;
	/* Blocking: the kernel would answer a read of another kind at once. */
	ring->wake_fd = eventfd(0, EFD_CLOEXEC);
	if (ring->wake_fd < 0) {
		error = -errno;
		goto free_ring;
	}
	error = open_uring(ring, depth);
	if (error)
		goto close_wake;
	error = thread_start(&ring->thread, "quire-ring", ring_main, ring);
	if (error)
		goto exit_uring;
	*result = ring;
	return 0;

exit_uring:
	io_uring_queue_exit(&ring->uring);
close_wake:
	close(ring->wake_fd);
free_ring:
	ring_free(ring);
	return error;
}

void ring_watch(struct ring *ring, int fd, bool (*ready)(void *context))
{
	lock_take(&ring->lock);
	ring->watch_ready = ready;
	ring->watch_fd = fd;
	wake(ring);
	lock_drop(&ring->lock);
}

void ring_destroy(struct ring *ring)
{
	if (!ring)
		return;
	lock_take(&ring->lock);
	ring->stopping = true;
	wake(ring);
	lock_drop(&ring->lock);
	pthread_join(ring->thread, NULL);
	io_uring_queue_exit(&ring->uring);
	close(ring->wake_fd);
	ring_free(ring);
}
