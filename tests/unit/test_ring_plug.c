/* test_ring_plug.c - os/ring.h: operations that are kept back, and given */
/* SPDX-License-Identifier: MIT */
#include "unit/ring_world.h"

#define SCATTERED 100

static void submit_kept(struct ring *ring, struct ring_plug *plug,
			struct task *task)
{
	ring_plug_begin(plug);
	ring_submit(ring, &task->op);
	ring_plug_end(plug);
}

/* What is submitted outside overtakes what is kept. */
static void begins_when_released(void **state)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct ring_plug plug;
	struct task tasks[3], outside;
	char bytes[3];
	int fd = new_file();

	(void)state;
	ring_plug_init(&plug);
	ring_plug_release(&plug); /* nothing is kept */
	prepare_writes(tasks, 3, &board, fd, bytes);
	for (unsigned i = 0; i < 3; i++)
		submit_kept(ring, &plug, &tasks[i]);
	prepare(&outside, &board, fd, RING_FSYNC);
	ring_submit(ring, &outside.op);
	board_wait(&board, 1);
	assert_int_equal(outside.place, 1);
	assert_int_equal(lseek(fd, 0, SEEK_END), 0);
	ring_plug_release(&plug);
	board_wait(&board, 4);
	assert_written(fd, bytes, 3);
	close(fd);
	end_ring(ring, &board);
}

/* PLUG_MOST of them begin without a word; what is left is released. */
static void a_full_plug_empties_itself(void **state)
{
	struct board board;
	struct ring *ring = new_ring(128, &board);
	struct ring_plug plug;
	struct task tasks[SCATTERED];
	char bytes[SCATTERED];
	int fd = new_file();
	unsigned full = SCATTERED / PLUG_MOST * PLUG_MOST;

	(void)state;
	ring_plug_init(&plug);
	prepare_writes(tasks, SCATTERED, &board, fd, bytes);
	ring_plug_begin(&plug);
	for (unsigned i = 0; i < SCATTERED; i++)
		ring_submit(ring, &tasks[i].op);
	ring_plug_end(&plug);
	board_wait(&board, full);
	assert_written(fd, bytes, full);
	assert_int_equal(plug.count, SCATTERED - full);
	ring_plug_release(&plug);
	board_wait(&board, SCATTERED);
	assert_written(fd, bytes, SCATTERED);
	close(fd);
	end_ring(ring, &board);
}

/* The neighbours of one that fails are none the worse. */
static void one_of_them_fails(void **state)
{
	struct board board;
	struct ring *ring = new_ring(4, &board);
	struct ring_plug plug;
	struct task tasks[3];
	char bytes[3];
	int fd = new_file(), ends[2];

	(void)state;
	new_pipe(ends);
	close_pipe(ends);
	ring_plug_init(&plug);
	prepare_writes(tasks, 3, &board, fd, bytes);
	tasks[1].op.fd = ends[0];
	ring_plug_begin(&plug);
	for (unsigned i = 0; i < 3; i++)
		ring_submit(ring, &tasks[i].op);
	ring_plug_end(&plug);
	ring_plug_release(&plug);
	board_wait(&board, 3);
	assert_int_equal(tasks[0].result, 1);
	assert_int_equal(tasks[1].result, -EBADF);
	assert_int_equal(tasks[2].result, 1);
	close(fd);
	end_ring(ring, &board);
}

/* The kernel refuses what comes at once, and takes it later. */
static void refused_and_not_lost(void **state)
{
	struct board board;
	struct ring *ring = new_ring(64, &board);
	struct ring_plug plug;
	struct task tasks[PLUG_MOST];
	char bytes[PLUG_MOST];
	int fd = new_file();

	(void)state;
	atomic_store(&refusal, -EAGAIN);
	atomic_store(&refusals, 3);
	ring_plug_init(&plug);
	prepare_writes(tasks, PLUG_MOST, &board, fd, bytes);
	ring_plug_begin(&plug);
	for (unsigned i = 0; i < PLUG_MOST; i++)
		ring_submit(ring, &tasks[i].op);
	ring_plug_end(&plug);
	board_wait(&board, PLUG_MOST);
	assert_written(fd, bytes, PLUG_MOST);
	assert_int_equal(atomic_load(&refusals), 0);
	close(fd);
	end_ring(ring, &board);
}

/* The innermost plug keeps; one ring's operations never get to another. */
static void within_each_other_and_for_two_rings(void **state)
{
	struct board boards[2];
	struct ring *rings[2] = { new_ring(4, &boards[0]),
				  new_ring(4, &boards[1]) };
	struct ring_plug outer, inner;
	struct task tasks[3];
	char bytes[3];
	int fd = new_file();

	(void)state;
	ring_plug_init(&outer);
	ring_plug_init(&inner);
	prepare_writes(tasks, 3, &boards[0], fd, bytes);
	tasks[2].board = &boards[1];
	ring_plug_begin(&outer);
	ring_submit(rings[0], &tasks[0].op);
	submit_kept(rings[0], &inner, &tasks[1]);
	assert_int_equal(outer.count, 1);
	assert_int_equal(inner.count, 1);
	/* Another ring's: the first is given to its own. */
	ring_submit(rings[1], &tasks[2].op);
	ring_plug_end(&outer);
	board_wait(&boards[0], 1);
	assert_int_equal(tasks[0].result, 1);
	ring_plug_release(&outer);
	board_wait(&boards[1], 1);
	assert_int_equal(tasks[2].result, 1);
	ring_plug_release(&inner);
	board_wait(&boards[0], 2);
	assert_written(fd, bytes, 3);
	close(fd);
	end_ring(rings[0], &boards[0]);
	end_ring(rings[1], &boards[1]);
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_when_released),
		cmocka_unit_test(a_full_plug_empties_itself),
		cmocka_unit_test(one_of_them_fails),
		cmocka_unit_test(refused_and_not_lost),
		cmocka_unit_test(within_each_other_and_for_two_rings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_kernels(run_group);
}
