/* test_ring_turns.c - os/ring.h: whose turn it is */
/* SPDX-License-Identifier: MIT */
#include "unit/ring_world.h"

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

/* A write that hangs until end_hanging(). */
static void hang(struct ring *ring, struct board *board, struct task *task,
		 struct ring_user *user, int ends[2])
{
	static char byte = 'x';

	new_full_pipe(ends);
	prepare_bytes(task, board, ends[1], RING_WRITEV, &byte);
	task->op.user = user;
	ring_submit(ring, &task->op);
}

static void end_hanging(struct board *board, int (*ends)[2], unsigned count,
			unsigned others)
{
	for (unsigned i = 0; i < count; i++)
		empty_pipe(ends[i]);
	board_wait(board, count + others);
	for (unsigned i = 0; i < count; i++)
		close_pipe(ends[i]);
}

/* Beside reads one user's writes hang: those of others are made. */
static void what_hangs_leaves_places(void **state)
{
	struct ring_user stuck, other;
	struct task tasks[MANY], last[2];
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = new_file(), ends[MANY][2];
	char byte = 'x';

	(void)state;
	ring_user_init(&stuck);
	ring_user_init(&other);
	for (unsigned i = 0; i < MANY; i++)
		hang(ring, &board, &tasks[i], &stuck, ends[i]);
	for (unsigned i = 0; i < 2; i++) {
		prepare_bytes(&last[i], &board, fd, RING_WRITEV, &byte);
		last[i].op.user = &other;
		ring_submit(ring, &last[i].op);
	}
	board_wait(&board, 2);
	assert_true(last[0].place == 1 && last[1].place == 2);
	end_hanging(&board, ends, MANY, 2);
	close(fd);
	end_ring(ring, &board);
}

#define USERS 140 /* more than may be in flight of what is no read */
#define DEPTH 136

/* However many hang: there are places for reads. */
static void many_that_hang_leave_places_for_reads(void **state)
{
	static struct ring_user users[USERS];
	static struct task tasks[USERS];
	static int ends[USERS][2];
	struct task last;
	struct board board;
	struct ring *ring = new_ring(DEPTH, &board);
	int fd = new_file();
	char byte = 'x', in;

	(void)state;
	assert_int_equal(write(fd, &byte, 1), 1);
	for (unsigned i = 0; i < USERS; i++) {
		ring_user_init(&users[i]);
		hang(ring, &board, &tasks[i], &users[i], ends[i]);
	}
	prepare_bytes(&last, &board, fd, RING_READV, &in);
	ring_submit(ring, &last.op);
	board_wait(&board, 1);
	assert_int_equal(last.place, 1);
	end_hanging(&board, ends, USERS, 1);
	close(fd);
	end_ring(ring, &board);
}

static char long_bytes[3][1 << 19]; /* two are what may be in flight */

static void prepare_long(struct task *task, struct board *board, int fd,
			 unsigned number)
{
	prepare(task, board, fd, RING_READV);
	task->iov = (struct iovec){ long_bytes[number], sizeof(long_bytes[0]) };
}

/*
 * Three long reads of pipes, of which the last has its byte already, and a
 * short one of a file.  beside: short ones come, so that the last one begins
 * when one of the others ends; else all begin at once.
 */
static void check_long(struct ring *ring, struct board *board, int fd,
		       bool beside)
{
	struct task tasks[3], task;
	unsigned done = board->done;
	int ends[3][2];
	char byte;

	for (unsigned i = 0; i < 3; i++) {
		new_pipe(ends[i]);
		prepare_long(&tasks[i], board, ends[i][0], i);
	}
	put_byte(ends[2], 'c');
	for (unsigned i = 0; i < 3; i++)
		ring_submit(ring, &tasks[i].op);
	if (beside) {
		prepare_bytes(&task, board, fd, RING_READV, &byte);
		ring_submit(ring, &task.op);
	}
	board_wait(board, done + 1);
	put_byte(ends[0], 'a');
	board_wait(board, done + 2 + beside);
	put_byte(ends[1], 'b');
	board_wait(board, done + 3 + beside);
	assert_int_equal(tasks[2].place, done + (beside ? 3 : 1));
	assert_int_equal(tasks[0].place, done + 2);
	assert_int_equal(tasks[1].place, done + 3 + beside);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(tasks[i].result, 1);
		assert_int_equal(long_bytes[i][0], "abc"[i]);
		close_pipe(ends[i]);
	}
}

/* A file of a byte, and a short read of it. */
static int after_a_short_read(struct ring *ring, struct board *board)
{
	struct task task;
	int fd = new_file();
	char byte = 'x';

	assert_int_equal(write(fd, &byte, 1), 1);
	prepare_bytes(&task, board, fd, RING_READV, &byte);
	ring_submit(ring, &task.op);
	board_wait(board, 1);
	return fd;
}

/* A short read does not stand behind all that a scan has asked for. */
static void few_long_reads_beside_short_ones(void **state)
{
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = after_a_short_read(ring, &board);

	(void)state;
	check_long(ring, &board, fd, true);
	close(fd);
	end_ring(ring, &board);
}

/* What ended with EINTR is counted once when it is tried again. */
static void long_reads_that_are_tried_again(void **state)
{
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = after_a_short_read(ring, &board);
	struct task task;

	(void)state;
	atomic_store(&interruption, -EINTR);
	for (unsigned i = 0; i < 5; i++) {
		atomic_store(&interruptions, 2);
		prepare_long(&task, &board, fd, 0);
		ring_submit(ring, &task.op);
		board_wait(&board, i + 2);
		assert_int_equal(task.result, 1);
	}
	check_long(ring, &board, fd, true);
	close(fd);
	end_ring(ring, &board);
}

#define MANY_LONG 70 /* until short ones are said to come no more */

static void many_long_reads_where_no_short_ones_come(void **state)
{
	static struct task tasks[MANY_LONG];
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = new_file();

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	for (unsigned i = 0; i < MANY_LONG; i++) {
		prepare_long(&tasks[i], &board, fd, i % 3);
		ring_submit(ring, &tasks[i].op);
	}
	board_wait(&board, MANY_LONG);
	check_long(ring, &board, fd, false);
	close(fd);
	end_ring(ring, &board);
}

/* Few bytes that nobody waits for do not say that somebody does. */
static void short_reads_ahead(void **state)
{
	static struct task tasks[MANY_LONG], task;
	struct board board;
	struct ring *ring = new_ring(64, &board);
	int fd = new_file();
	char byte;

	(void)state;
	assert_int_equal(write(fd, "x", 1), 1);
	for (unsigned i = 0; i < MANY_LONG; i++) {
		prepare_long(&tasks[i], &board, fd, i % 3);
		ring_submit(ring, &tasks[i].op);
	}
	prepare_bytes(&task, &board, fd, RING_READV, &byte);
	task.op.ahead = true;
	ring_submit(ring, &task.op);
	board_wait(&board, MANY_LONG + 1);
	check_long(ring, &board, fd, false);
	close(fd);
	end_ring(ring, &board);
}

static int run_group(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_go_first),
		cmocka_unit_test(many_writes_where_nobody_reads),
		cmocka_unit_test(what_hangs_leaves_places),
		cmocka_unit_test(many_that_hang_leave_places_for_reads),
		cmocka_unit_test(few_long_reads_beside_short_ones),
		cmocka_unit_test(long_reads_that_are_tried_again),
		cmocka_unit_test(many_long_reads_where_no_short_ones_come),
		cmocka_unit_test(short_reads_ahead),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_on_kernels(run_group);
}
