/* test_ring.c - os/ring.h */
/* SPDX-License-Identifier: MIT */
#include "unit/ring_world.h"

#define OPERATIONS 400
#define THREADS 4

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

/* ---- a watched descriptor ---- */

static int watched[2]; /* a pipe */

static bool take_byte(void *context)
{
	struct board *board = context;
	char byte;

	if (read(watched[0], &byte, 1) != 1) {
		assert_int_equal(errno, EAGAIN);
		return false;
	}
	lock_take(&board->lock);
	board->done++;
	lock_drop(&board->lock);
	return true;
}

#define READS 24
#define BUSY 8 /* reads in flight: no more are served without a look */

/* What a ring's thread does between the looks at what it watches. */
static struct {
	struct board board;
	bool open;
	/* Completions between two looks, as long as more than BUSY are left. */
	unsigned looks, done, most;
} gate;

static bool look(void *context)
{
	char byte;
	bool got = read(watched[0], &byte, 1) == 1;

	(void)context;
	lock_take(&gate.board.lock);
	if (gate.looks++ && gate.board.done <= READS - BUSY &&
	    gate.board.done - gate.done > gate.most)
		gate.most = gate.board.done - gate.done;
	gate.done = gate.board.done;
	condition_wake_all(&gate.board.changed);
	lock_drop(&gate.board.lock);
	return got;
}

/* Keeps the ring's thread, until it is open. */
static void pass(struct ring_op *op, int64_t result)
{
	complete(op, result);
	lock_take(&gate.board.lock);
	while (!gate.open)
		condition_wait(&gate.board.changed, &gate.board.lock);
	lock_drop(&gate.board.lock);
}

static void wait_for_look(void)
{
	lock_take(&gate.board.lock);
	while (gate.looks == 0)
		condition_wait(&gate.board.changed, &gate.board.lock);
	lock_drop(&gate.board.lock);
}

static void open_gate(void)
{
	lock_take(&gate.board.lock);
	gate.open = true;
	condition_wake_all(&gate.board.changed);
	lock_drop(&gate.board.lock);
}

/* A trap has come, and while the thread is kept all reads end at once, and more
 * traps come. */
static void serve_at_once(unsigned traps)
{
	struct task first, tasks[READS];
	int ends[READS + 1][2];
	char bytes[READS], byte;
	struct ring *ring;

	memset(&gate, 0, sizeof(gate));
	ring = new_ring(32, &gate.board);
	assert_int_equal(pipe2(watched, O_NONBLOCK), 0);
	assert_int_equal(write(watched[1], "a", 1), 1);
	ring_watch(ring, watched[0], look);
	wait_for_look();
	for (unsigned i = 0; i < READS; i++) {
		new_pipe(ends[i]);
		prepare_bytes(&tasks[i], &gate.board, ends[i][0], RING_READV,
			      &bytes[i]);
		ring_submit(ring, &tasks[i].op);
	}
	new_pipe(ends[READS]);
	prepare_bytes(&first, &gate.board, ends[READS][0], RING_READV, &byte);
	first.op.complete = pass;
	ring_submit(ring, &first.op);
	put_byte(ends[READS], 'g');
	board_wait(&gate.board, 1);
	for (unsigned i = 0; i < READS; i++)
		put_byte(ends[i], 'x');
	for (unsigned i = 0; i < traps; i++)
		put_byte(watched, 't');
	open_gate();
	board_wait(&gate.board, READS + 1);
	ring_destroy(ring);
	board_finish(&gate.board);
	for (unsigned i = 0; i <= READS; i++)
		close_pipe(ends[i]);
	close(watched[0]);
	close(watched[1]);
}

/* It looks for more of them before it has served all. */
static void looks_between_completions(void **state)
{
	(void)state;
	serve_at_once(READS);
	assert_true(gate.looks >= 1 + READS - BUSY);
	assert_int_equal(gate.most, 1);
}

/* Two looks in vain, and the rest is served together. */
static void no_looks_where_no_traps_come(void **state)
{
	(void)state;
	serve_at_once(0);
	assert_int_equal(gate.looks, 1 + 2);
}

/* A byte a time is taken, so the ring must see by itself that more are left;
 * and one that comes later wakes it. */
static void watched_descriptor_is_told_of(void **state)
{
	struct board board;
	struct ring *ring = new_ring(2, &board);

	(void)state;
	assert_int_equal(pipe2(watched, O_NONBLOCK), 0);
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
	assert_int_equal(pipe2(watched, O_NONBLOCK), 0);
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

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves_bytes_and_flushes),
		cmocka_unit_test(errors_reach_complete),
		cmocka_unit_test(no_more_than_depth_in_flight),
		cmocka_unit_test(many_threads_many_operations),
		cmocka_unit_test(complete_may_submit),
		cmocka_unit_test(batches_are_announced),
		cmocka_unit_test(destroy_waits_for_what_is_in_flight),
		cmocka_unit_test(watched_descriptor_is_told_of),
		cmocka_unit_test(looks_between_completions),
		cmocka_unit_test(no_looks_where_no_traps_come),
		cmocka_unit_test(watching_takes_no_operations_place),
		cmocka_unit_test(bad_depth_is_refused),
		cmocka_unit_test(idle_rings_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_kernels(run_group);
}
