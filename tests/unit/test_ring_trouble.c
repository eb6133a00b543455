/* test_ring_trouble.c - os/ring.h where the kernel interrupts, refuses, or stops */
/* SPDX-License-Identifier: MIT */
#include "unit/ring_world.h"

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

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interrupted_operations_go_on),
		cmocka_unit_test(refused_submissions_are_not_lost),
		cmocka_unit_test(submitter_stuck_in_the_kernel_delays_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_kernels(run_group);
}
