/* test_worker.c - base/worker.h */
/* SPDX-License-Identifier: MIT */
#include "base/worker.h"

#include "base/lock.h"
#include "unit/unit.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#define JOBS 500

struct job {
	struct work work;
	struct board *board;
	int number;
};

/* What the jobs leave behind. */
struct board {
	struct lock lock;
	struct condition changed;
	int order[JOBS]; /* [lock] numbers as they ran */
	int count;       /* [lock] */
	int present;     /* [lock] jobs that wait for each other */
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

static void note(struct work *work)
{
	struct job *job = container_of(work, struct job, work);
	struct board *board = job->board;

	lock_take(&board->lock);
	board->order[board->count++] = job->number;
	lock_drop(&board->lock);
}

static void submit_all(struct worker_pool *pool, struct board *board,
		       struct job *jobs)
{
	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct job){ { .run = note }, board, i };
		worker_submit(pool, &jobs[i].work);
	}
}

static void test_one_thread_keeps_the_order(void **state)
{
	static struct board board;
	static struct job jobs[JOBS];
	struct worker_pool *pool;

	(void)state;
	board_init(&board);
	assert_int_equal(worker_pool_create(1, "worker", &pool), 0);
	submit_all(pool, &board, jobs);
	worker_pool_destroy(pool);
	assert_int_equal(board.count, JOBS);
	for (int i = 0; i < JOBS; i++)
		assert_int_equal(board.order[i], i);
	board_finish(&board);
}

static void test_destroy_runs_what_was_submitted(void **state)
{
	static struct board board;
	static struct job jobs[JOBS];
	bool seen[JOBS] = { false };
	struct worker_pool *pool;

	(void)state;
	board_init(&board);
	assert_int_equal(worker_pool_create(4, "worker", &pool), 0);
	submit_all(pool, &board, jobs);
	worker_pool_destroy(pool);
	assert_int_equal(board.count, JOBS);
	for (int i = 0; i < JOBS; i++) {
		assert_false(seen[board.order[i]]);
		seen[board.order[i]] = true;
	}
	board_finish(&board);
}

/* Ends only when four jobs run at once. */
static void meet(struct work *work)
{
	struct board *board = container_of(work, struct job, work)->board;

	lock_take(&board->lock);
	board->present++;
	condition_wake_all(&board->changed);
	while (board->present < 4)
		condition_wait(&board->changed, &board->lock);
	lock_drop(&board->lock);
}

static void test_threads_run_side_by_side(void **state)
{
	static struct board board;
	static struct job jobs[4];
	struct worker_pool *pool;

	(void)state;
	board_init(&board);
	assert_int_equal(worker_pool_create(4, "worker", &pool), 0);
	for (int i = 0; i < 4; i++) {
		jobs[i] = (struct job){ { .run = meet }, &board, i };
		worker_submit(pool, &jobs[i].work);
	}
	worker_pool_destroy(pool);
	assert_int_equal(board.present, 4);
	board_finish(&board);
}

static struct worker_share share;

/* Ends only when another job has run. */
static void hang(struct work *work)
{
	struct board *board = container_of(work, struct job, work)->board;

	lock_take(&board->lock);
	board->present++;
	while (board->count == 0)
		condition_wait(&board->changed, &board->lock);
	lock_drop(&board->lock);
	worker_share_done(&share);
}

static void free_all(struct work *work)
{
	note(work);
	condition_wake_all(
		&container_of(work, struct job, work)->board->changed);
}

/* Eight that wait for the one behind them, and four threads. */
static void test_a_share_leaves_threads(void **state)
{
	static struct board board;
	static struct job jobs[9];
	struct worker_pool *pool;

	(void)state;
	board_init(&board);
	assert_int_equal(worker_pool_create(4, "worker", &pool), 0);
	worker_share_init(&share, pool);
	for (int i = 0; i < 8; i++) {
		jobs[i] = (struct job){ { .run = hang }, &board, i };
		worker_share_submit(&share, &jobs[i].work);
	}
	jobs[8] = (struct job){ { .run = free_all }, &board, 8 };
	worker_submit(pool, &jobs[8].work);
	worker_pool_destroy(pool); /* also what waits for its share */
	assert_int_equal(board.present, 8);
	assert_int_equal(share.taken, 0);
	board_finish(&board);
}

struct chain {
	struct work work;
	struct worker_pool *pool;
	int left;
};

/* The work may be used anew as soon as it runs: here, by itself. */
static void run_chain(struct work *work)
{
	struct chain *chain = container_of(work, struct chain, work);

	if (--chain->left > 0)
		worker_submit(chain->pool, &chain->work);
}

static void test_work_may_submit_itself_again(void **state)
{
	struct chain chain = { { .run = run_chain }, NULL, 100 };

	(void)state;
	assert_int_equal(worker_pool_create(2, "worker", &chain.pool), 0);
	worker_submit(chain.pool, &chain.work);
	worker_pool_destroy(chain.pool); /* also what is submitted meanwhile */
	assert_int_equal(chain.left, 0);
}

static void test_pool_without_work(void **state)
{
	struct worker_pool *pool;

	(void)state;
	assert_int_equal(worker_pool_create(3, "worker", &pool), 0);
	worker_pool_destroy(pool);
	worker_pool_destroy(NULL);
}

/* ---- thread_start ---- */

static void *look_at_signals(void *argument)
{
	sigset_t *blocked = argument;

	pthread_sigmask(SIG_BLOCK, NULL, blocked);
	return NULL;
}

static void test_thread_blocks_signals(void **state)
{
	static const int signals[] = { SIGINT,  SIGTERM, SIGUSR1,
				       SIGALRM, SIGCHLD, SIGHUP };
	static const int faults[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL };
	sigset_t before, blocked, after;
	pthread_t thread;

	(void)state;
	pthread_sigmask(SIG_BLOCK, NULL, &before);
	assert_int_equal(
		thread_start(&thread, "signals", look_at_signals, &blocked), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_sigmask(SIG_BLOCK, NULL, &after);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		assert_true(sigismember(&blocked, signals[i]));
		assert_int_equal(sigismember(&after, signals[i]),
				 sigismember(&before, signals[i]));
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		assert_false(sigismember(&blocked, faults[i]));
}

static atomic_bool may_end;

static void *stay(void *argument)
{
	while (!atomic_load(&may_end))
		sched_yield();
	return argument;
}

static void test_thread_has_its_name_cut(void **state)
{
	char name[32] = "";
	pthread_t thread;

	(void)state;
	assert_int_equal(
		thread_start(&thread, "a-name-that-is-long", stay, name), 0);
	assert_int_equal(pthread_getname_np(thread, name, sizeof(name)), 0);
	atomic_store(&may_end, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_string_equal(name, "a-name-that-is-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread_keeps_the_order),
		cmocka_unit_test(test_destroy_runs_what_was_submitted),
		cmocka_unit_test(test_threads_run_side_by_side),
		cmocka_unit_test(test_a_share_leaves_threads),
		cmocka_unit_test(test_work_may_submit_itself_again),
		cmocka_unit_test(test_pool_without_work),
		cmocka_unit_test(test_thread_blocks_signals),
		cmocka_unit_test(test_thread_has_its_name_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
