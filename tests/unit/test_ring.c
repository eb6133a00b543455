/* test_ring.c - os/ring.h */
/* SPDX-License-Identifier: MIT */
#include "os/ring.h"

#include "unit/unit.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#define OPERATIONS 400
#define THREADS 4

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
static void interrupt(struct io_uring *uring)
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

static void board_init(struct board *board)
{
	memset(board, 0, sizeof(*board));
	lock_init(&board->lock, LOCK_RANK_STORE);
	condition_init(&board->changed);
}

static void board_finish(struct board *board)
{
	condition_finish(&board->changed);
	lock_finish(&board->lock);
}

static void board_wait(struct board *board, unsigned count)
{
	lock_take(&board->lock);
	while (board->done < count)
		condition_wait(&board->changed, &board->lock);
	lock_drop(&board->lock);
}

static void board_after_batch(void *context)
{
	struct board *board = context;

	lock_take(&board->lock);
	board->batches += board->done > board->batch_saw;
	board->batch_saw = board->done;
	condition_wake_all(&board->changed);
	lock_drop(&board->lock);
}

static void complete(struct ring_op *op, int64_t result)
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

static void prepare(struct task *task, struct board *board, int fd,
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

static void prepare_bytes(struct task *task, struct board *board, int fd,
			  enum ring_operation operation, void *bytes)
{
	prepare(task, board, fd, operation);
	task->iov.iov_base = bytes;
	task->iov.iov_len = 1;
}

/* ---- fixtures ---- */

static struct ring *new_ring(unsigned depth, struct board *board)
{
	struct ring *ring;

	board_init(board);
	assert_int_equal(ring_create(depth, board_after_batch, board, &ring),
			 0);
	return ring;
}

static void end_ring(struct ring *ring, struct board *board)
{
	ring_destroy(ring);
	board_finish(board);
}

static int new_file(void)
{
	char path[] = "/var/tmp/quire-test-ring-XXXXXX";
	int fd = mkstemp(path);

	assert_return_code(fd, errno);
	unlink(path);
	return fd;
}

static void new_pipe(int ends[2])
{
	assert_return_code(pipe2(ends, O_CLOEXEC), errno);
}

static void close_pipe(int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

static void put_byte(int ends[2], char byte)
{
	assert_int_equal(write(ends[1], &byte, 1), 1);
}

/* ---- tests ---- */

static void moves_bytes_and_flushes(void **state)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct task write_task, flush_task, read_task;
	char in[] = "scattered", out[16] = "";
	struct iovec pieces[2] = { { out + 3, 2 }, { out + 8, 8 } };
	int fd = new_file();

	(void)state;
	prepare(&write_task, &board, fd, RING_WRITEV);
	write_task.iov = (struct iovec){ in, 9 };
	write_task.op.offset = 100;
	ring_submit(ring, &write_task.op);
	board_wait(&board, 1);
	assert_int_equal(write_task.result, 9);
	prepare(&flush_task, &board, fd, RING_FSYNC);
	ring_submit(ring, &flush_task.op);
	board_wait(&board, 2);
	assert_int_equal(flush_task.result, 0);
	prepare(&read_task, &board, fd, RING_READV);
	read_task.op.iov = pieces;
	read_task.op.iov_count = 2;
	read_task.op.offset = 102;
	ring_submit(ring, &read_task.op);
	board_wait(&board, 3);
	assert_int_equal(read_task.result, 7);
	assert_memory_equal(out + 3, "at", 2);
	assert_memory_equal(out + 8, "tered", 5);
	close(fd);
	end_ring(ring, &board);
}

static void errors_reach_complete(void **state)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct task read_task, flush_task;
	int ends[2];
	char byte;

	(void)state;
	new_pipe(ends);
	close_pipe(ends);
	prepare_bytes(&read_task, &board, ends[0], RING_READV, &byte);
	prepare(&flush_task, &board, ends[0], RING_FSYNC);
	ring_submit(ring, &read_task.op);
	ring_submit(ring, &flush_task.op);
	board_wait(&board, 2);
	assert_int_equal(read_task.result, -EBADF);
	assert_int_equal(flush_task.result, -EBADF);
	end_ring(ring, &board);
}

/* Writes one byte, so many completions being spoilt; the final result. */
static int64_t write_interrupted(int count, int error)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct task task;
	int fd = new_file();
	char byte = 'i';

	prepare_bytes(&task, &board, fd, RING_WRITEV, &byte);
	atomic_store(&interruption, error);
	atomic_store(&interruptions, count);
	ring_submit(ring, &task.op);
	board_wait(&board, 1);
	atomic_store(&interruptions, 0);
	close(fd);
	end_ring(ring, &board);
	return task.result;
}

static void interrupted_operations_go_on(void **state)
{
	(void)state;
	assert_int_equal(write_interrupted(3, -EAGAIN), 1);
	assert_int_equal(write_interrupted(3, -EINTR), 1);
	/* But not for ever. */
	assert_int_equal(write_interrupted(1000, -EAGAIN), -EAGAIN);
	assert_int_equal(write_interrupted(1, -ENODATA), -ENODATA);
}

/*
 * depth 2, and reads of three empty pipes:   in flight: A B   queue: C
 * C has its byte first, but can't end before A or B did.
 */
static void no_more_than_depth_in_flight(void **state)
{
	struct board board;
	struct ring *ring = new_ring(2, &board);
	struct task tasks[3];
	int ends[3][2];
	char bytes[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		new_pipe(ends[i]);
		prepare_bytes(&tasks[i], &board, ends[i][0], RING_READV,
			      &bytes[i]);
		ring_submit(ring, &tasks[i].op);
	}
	put_byte(ends[2], 'c');
	put_byte(ends[1], 'b');
	board_wait(&board, 2);
	put_byte(ends[0], 'a');
	board_wait(&board, 3);
	assert_int_equal(tasks[1].place, 1);
	assert_int_equal(tasks[2].place, 2);
	assert_int_equal(tasks[0].place, 3);
	assert_memory_equal(bytes, "abc", 3);
	for (unsigned i = 0; i < 3; i++)
		close_pipe(ends[i]);
	end_ring(ring, &board);
}

struct submitter {
	pthread_t thread;
	struct ring *ring;
	struct task *tasks;
};

static void *submit_all(void *argument)
{
	struct submitter *submitter = argument;

	for (unsigned i = 0; i < OPERATIONS; i++)
		ring_submit(submitter->ring, &submitter->tasks[i].op);
	return NULL;
}

static void run_submitters(struct ring *ring, struct task *tasks)
{
	struct submitter submitters[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		submitters[i].ring = ring;
		submitters[i].tasks = tasks + (size_t)i * OPERATIONS;
		assert_int_equal(pthread_create(&submitters[i].thread, NULL,
						submit_all, &submitters[i]),
				 0);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(submitters[i].thread, NULL);
}

static void many_threads_many_operations(void **state)
{
	static struct task tasks[THREADS * OPERATIONS];
	static unsigned char in[THREADS * OPERATIONS];
	static unsigned char out[THREADS * OPERATIONS];
	struct board board;
	struct ring *ring = new_ring(7, &board);
	int fd = new_file();

	(void)state;
	for (unsigned i = 0; i < THREADS * OPERATIONS; i++) {
		in[i] = (unsigned char)(i * 7);
		prepare_bytes(&tasks[i], &board, fd, RING_WRITEV, &in[i]);
		tasks[i].op.offset = i;
	}
	run_submitters(ring, tasks);
	board_wait(&board, THREADS * OPERATIONS);
	for (unsigned i = 0; i < THREADS * OPERATIONS; i++)
		assert_int_equal(tasks[i].result, 1);
	assert_int_equal(pread(fd, out, sizeof(out), 0), sizeof(out));
	assert_memory_equal(in, out, sizeof(in));
	close(fd);
	end_ring(ring, &board);
}

static void complete_may_submit(void **state)
{
	struct board board;
	struct ring *ring = new_ring(1, &board);
	struct task task;
	int fd = new_file();
	char byte = 'x';

	(void)state;
	prepare_bytes(&task, &board, fd, RING_WRITEV, &byte);
	task.ring = ring;
	task.again = 1000;
	ring_submit(ring, &task.op);
	board_wait(&board, 1);
	assert_int_equal(task.again, 0);
	assert_int_equal(task.result, 1);
	assert_false(pthread_equal(task.thread, pthread_self()));
	close(fd);
	end_ring(ring, &board);
}

static void batches_are_announced(void **state)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct task task;
	int fd = new_file();

	(void)state;
	prepare(&task, &board, fd, RING_FSYNC);
	ring_submit(ring, &task.op);
	lock_take(&board.lock);
	while (board.batches == 0)
		condition_wait(&board.changed, &board.lock);
	assert_int_equal(board.batch_saw, 1);
	lock_drop(&board.lock);
	close(fd);
	end_ring(ring, &board);
}

/* Much is left when the end begins: in flight, queued, and yet to be queued. */
static void destroy_waits_for_what_is_in_flight(void **state)
{
	struct board board;
	struct ring *ring = new_ring(1, &board);
	struct task tasks[3];
	int fd = new_file();
	char byte = 'x';

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		prepare_bytes(&tasks[i], &board, fd, RING_WRITEV, &byte);
		tasks[i].ring = ring;
		tasks[i].again = 500;
		ring_submit(ring, &tasks[i].op);
	}
	ring_destroy(ring);
	assert_int_equal(board.done, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tasks[i].result, 1);
	close(fd);
	board_finish(&board);
}

static void refused_submissions_are_not_lost(void **state)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -EINTR };
	struct board board;
	struct ring *ring = new_ring(8, &board);
	int fd = new_file();
	char byte = 'r';

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct task tasks[20];

		atomic_store(&refusal, errors[i]);
		atomic_store(&refusals, 5);
		for (unsigned j = 0; j < 20; j++) {
			prepare_bytes(&tasks[j], &board, fd, RING_WRITEV,
				      &byte);
			tasks[j].op.offset = j;
			ring_submit(ring, &tasks[j].op);
		}
		board_wait(&board, 20 * (i + 1));
		for (unsigned j = 0; j < 20; j++)
			assert_int_equal(tasks[j].result, 1);
		assert_int_equal(atomic_load(&refusals), 0);
	}
	close(fd);
	end_ring(ring, &board);
}

/* A completion that frees the thread that submitted its operation. */
struct rescue {
	struct task task;
	struct board board;
	int data[2];
	int free_it[2];
};

static void rescue_complete(struct ring_op *op, int64_t result)
{
	struct rescue *rescue = container_of(op, struct rescue, task.op);

	put_byte(rescue->free_it, 'f');
	complete(op, result);
}

/* In the child of a vfork: has the read end, and waits for its completion. */
static int cause_and_await(struct rescue *rescue)
{
	struct pollfd awaited = { .fd = rescue->free_it[0], .events = POLLIN };

	if (write(rescue->data[1], "d", 1) != 1)
		return 2;
	return poll(&awaited, 1, 10000) == 1 ? 0 : 1;
}

/*
 * vfork() stops the calling thread, inside the kernel, until its child has
 * ended; the child ends when the operation has completed.  So does a trap in
 * the middle of a system call stop a thread until its page has been read.
 */
static void submitter_stuck_in_the_kernel_delays_nothing(void **state)
{
	struct rescue rescue;
	struct ring *ring = new_ring(4, &rescue.board);
	char byte;
	pid_t child;
	int status;

	(void)state;
	new_pipe(rescue.data);
	new_pipe(rescue.free_it);
	prepare_bytes(&rescue.task, &rescue.board, rescue.data[0], RING_READV,
		      &byte);
	rescue.task.op.complete = rescue_complete;
	ring_submit(ring, &rescue.task.op);
	child = vfork();
	if (child == 0)
		_exit(cause_and_await(&rescue));
	assert_return_code(child, errno);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	board_wait(&rescue.board, 1);
	assert_int_equal(rescue.task.result, 1);
	close_pipe(rescue.data);
	close_pipe(rescue.free_it);
	end_ring(ring, &rescue.board);
}

/* ---- a watched descriptor ---- */

static int watched[2]; /* a pipe */

static void take_byte(void *context)
{
	struct board *board = context;
	char byte;

	assert_int_equal(read(watched[0], &byte, 1), 1);
	lock_take(&board->lock);
	board->done++;
	lock_drop(&board->lock);
}

/* A byte a time is taken, so the ring must see by itself that more are left;
 * and one that comes later wakes it. */
static void watched_descriptor_is_told_of(void **state)
{
	struct board board;
	struct ring *ring = new_ring(2, &board);

	(void)state;
	assert_int_equal(pipe(watched), 0);
	assert_int_equal(write(watched[1], "ab", 2), 2);
	ring_watch(ring, watched[0], take_byte);
	board_wait(&board, 2);
	assert_int_equal(write(watched[1], "c", 1), 1);
	board_wait(&board, 3);
	end_ring(ring, &board);
	assert_int_equal(board.batch_saw, 3);
	close(watched[0]);
	close(watched[1]);
}

/* Operations go on beside it, in a ring that is full of them. */
static void watching_takes_no_operations_place(void **state)
{
	struct board board;
	struct ring *ring = new_ring(1, &board);
	struct task tasks[20];
	char path[] = "/tmp/quire-test-ring-XXXXXX", byte = 'x';
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(pipe(watched), 0);
	ring_watch(ring, watched[0], take_byte);
	for (unsigned i = 0; i < 20; i++) {
		prepare_bytes(&tasks[i], &board, fd, RING_WRITEV, &byte);
		tasks[i].op.offset = i;
		ring_submit(ring, &tasks[i].op);
		assert_int_equal(write(watched[1], "w", 1), 1);
	}
	board_wait(&board, 40);
	end_ring(ring, &board);
	close(watched[0]);
	close(watched[1]);
	close(fd);
	unlink(path);
}

static void bad_depth_is_refused(void **state)
{
	struct ring *ring = NULL;

	(void)state;
	assert_int_equal(ring_create(0, NULL, NULL, &ring), -EINVAL);
	assert_int_equal(ring_create(1000000, NULL, NULL, &ring), -EINVAL);
	assert_string_not_equal(error_sentence(), "");
	assert_null(ring);
}

static void idle_rings_end(void **state)
{
	struct ring *ring;

	(void)state;
	ring_destroy(NULL);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(ring_create(16, NULL, NULL, &ring), 0);
		ring_destroy(ring);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_bytes_and_flushes),
		cmocka_unit_test(errors_reach_complete),
		cmocka_unit_test(interrupted_operations_go_on),
		cmocka_unit_test(no_more_than_depth_in_flight),
		cmocka_unit_test(many_threads_many_operations),
		cmocka_unit_test(complete_may_submit),
		cmocka_unit_test(batches_are_announced),
		cmocka_unit_test(destroy_waits_for_what_is_in_flight),
		cmocka_unit_test(refused_submissions_are_not_lost),
		cmocka_unit_test(submitter_stuck_in_the_kernel_delays_nothing),
		cmocka_unit_test(watched_descriptor_is_told_of),
		cmocka_unit_test(watching_takes_no_operations_place),
		cmocka_unit_test(bad_depth_is_refused),
		cmocka_unit_test(idle_rings_end),
	};
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
		failed += cmocka_run_group_tests(tests, NULL, NULL);
	}
	return failed;
}
