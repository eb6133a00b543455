/* test_ring_plug.c - os/ring.h: operations that are kept back, and given */
/* SPDX-License-Identifier: MIT */
#include "unit/ring_world.h"

#define SCATTERED 100

/* Prepares count writes of a byte each, at offset 0, 1, ... */
static void prepare_writes(struct task *tasks, unsigned count,
			   struct board *board, int fd, char *bytes)
{
	for (unsigned i = 0; i < count; i++) {
		bytes[i] = (char)('a' + i % 26);
		prepare_bytes(&tasks[i], board, fd, RING_WRITEV, &bytes[i]);
		tasks[i].op.offset = i;
	}
}

static void submit_kept(struct ring *ring, struct ring_plug *plug,
			struct task *task)
{
	ring_plug_begin(plug);
	ring_submit(ring, &task->op);
	ring_plug_end(plug);
}

static void assert_written(int fd, const char *bytes, unsigned count)
{
	char found[SCATTERED];

	assert_int_equal(pread(fd, found, count, 0), count);
	assert_memory_equal(found, bytes, count);
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

/*
 * depth 1, and what waits behind the first read:  write write write read
 * The read comes next, as somebody waits for it; but of many reads one is not
 * first.
 */
static void reads_go_first(void **state)
{
	struct board board;
	struct ring *ring = new_ring(1, &board);
	struct task first, tasks[3], reads[20];
	char bytes[3], byte, in[20];
	int fd = new_file(), ends[2];

	(void)state;
	new_pipe(ends);
	prepare_bytes(&first, &board, ends[0], RING_READV, &byte);
	ring_submit(ring, &first.op);
	prepare_writes(tasks, 3, &board, fd, bytes);
	for (unsigned i = 0; i < 3; i++)
		ring_submit(ring, &tasks[i].op);
	for (unsigned i = 0; i < 20; i++) {
		prepare_bytes(&reads[i], &board, fd, RING_READV, &in[i]);
		ring_submit(ring, &reads[i].op);
	}
	put_byte(ends, 'f');
	board_wait(&board, 24);
	assert_int_equal(first.place, 1);
	assert_true(tasks[0].place > 2);
	assert_true(tasks[0].place < reads[19].place);
	assert_true(tasks[0].place < tasks[1].place);
	assert_true(reads[0].place < tasks[2].place);
	for (unsigned i = 1; i < 20; i++)
		assert_true(reads[i - 1].place < reads[i].place);
	assert_written(fd, bytes, 3);
	close(fd);
	close_pipe(ends);
	end_ring(ring, &board);
}

/* A pipe that takes nothing more. */
static void new_full_pipe(int ends[2])
{
	static const char page[4096];

	new_pipe(ends);
	assert_int_equal(fcntl(ends[1], F_SETPIPE_SZ, sizeof(page)),
			 sizeof(page));
	assert_int_equal(write(ends[1], page, sizeof(page)), sizeof(page));
}

static void empty_pipe(int ends[2])
{
	char page[4096];

	assert_int_equal(read(ends[0], page, sizeof(page)), sizeof(page));
}

#define MANY 40 /* more than go beside reads */

/*
 * That many writes wait for pipes, and behind them is one that need not wait:
 * it ends first if it has begun beside all of them.
 */
static void check_last(struct ring *ring, struct board *board, int fd,
		       bool begins)
{
	struct task tasks[MANY + 1];
	unsigned done = board->done;
	int ends[MANY][2];
	char byte = 'x';

	for (unsigned i = 0; i < MANY; i++) {
		new_full_pipe(ends[i]);
		prepare_bytes(&tasks[i], board, ends[i][1], RING_WRITEV, &byte);
		ring_submit(ring, &tasks[i].op);
	}
	prepare_bytes(&tasks[MANY], board, fd, RING_WRITEV, &byte);
	ring_submit(ring, &tasks[MANY].op);
	if (!begins)
		empty_pipe(ends[0]);
	board_wait(board, done + 1);
	assert_int_equal(tasks[begins ? MANY : 0].place, done + 1);
	for (unsigned i = begins ? 0 : 1; i < MANY; i++)
		empty_pipe(ends[i]);
	board_wait(board, done + MANY + 1);
	for (unsigned i = 0; i < MANY; i++)
		close_pipe(ends[i]);
}

/* Until a read comes. */
static void many_writes_where_nobody_reads(void **state)
{
	static struct task tasks[200], reading;
	static char bytes[200];
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = new_file();

	(void)state;
	prepare_writes(tasks, 200, &board, fd, bytes);
	for (unsigned i = 0; i < 200; i++)
		ring_submit(ring, &tasks[i].op);
	board_wait(&board, 200);
	check_last(ring, &board, fd, true);
	prepare_bytes(&reading, &board, fd, RING_READV, bytes);
	ring_submit(ring, &reading.op);
	board_wait(&board, 200 + MANY + 2);
	check_last(ring, &board, fd, false);
	close(fd);
	end_ring(ring, &board);
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(begins_when_released),
		cmocka_unit_test(a_full_plug_empties_itself),
		cmocka_unit_test(one_of_them_fails),
		cmocka_unit_test(refused_and_not_lost),
		cmocka_unit_test(within_each_other_and_for_two_rings),
		cmocka_unit_test(reads_go_first),
		cmocka_unit_test(many_writes_where_nobody_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_kernels(run_group);
}
