/* worker.c - a pool of threads for work that blocks */
/* SPDX-License-Identifier: MIT */
#include "base/worker.h"

#include "base/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define THREAD_NAME 16 /* the kernel's limit, with the end */

struct worker_pool {
	struct lock lock;
	struct condition more; /* work arrived, or ending was set */
	struct list queue;     /* [lock] of struct work */
	bool ending;           /* [lock] no work comes any more */
	unsigned count;        /* [I] once the pool is created */
	pthread_t threads[];   /* [I] */
};

/* What an access raises stays open: blocked, it would end the process, and a
 * caller's pager may touch what traps by such a signal. */
static void fill_mask(sigset_t *mask)
{
	sigfillset(mask);
	sigdelset(mask, SIGSEGV);
	sigdelset(mask, SIGBUS);
	sigdelset(mask, SIGFPE);
	sigdelset(mask, SIGILL);
}

int thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
		 void *argument)
{
	char cut[THREAD_NAME];
	sigset_t mask, before;
	int error;

	snprintf(cut, sizeof(cut), "%s", name);
	fill_mask(&mask);
	/* A thread inherits the mask, so no signal ever finds it open. */
	pthread_sigmask(SIG_SETMASK, &mask, &before);
	error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	pthread_setname_np(*thread, cut); /* a nameless thread works too */
	return 0;
}

/* NULL: the pool ends and its queue is empty. */
static struct work *next_work(struct worker_pool *pool)
{
	struct list *link;

	lock_take(&pool->lock);
	while (list_empty(&pool->queue) && !pool->ending)
		condition_wait(&pool->more, &pool->lock);
	link = list_pop(&pool->queue);
	lock_drop(&pool->lock);
	return link ? container_of(link, struct work, link) : NULL;
}

static void *worker_main(void *argument)
{
	struct worker_pool *pool = argument;
	struct work *work;

	while ((work = next_work(pool)))
		work->run(work);
	return NULL;
}

static struct worker_pool *pool_alloc(unsigned count)
{
	struct worker_pool *pool =
		calloc(1, sizeof(*pool) + count * sizeof(pool->threads[0]));

	if (!pool)
		return NULL;
	lock_init(&pool->lock, LOCK_RANK_WORKER);
	condition_init(&pool->more);
	list_init(&pool->queue);
	return pool;
}

int worker_pool_create(unsigned count, const char *name,
		       struct worker_pool **result)
{
	struct worker_pool *pool = pool_alloc(count);
	int error = 0;

	if (!pool)
		return -ENOMEM;
	while (pool->count < count && !error) {
		error = thread_start(&pool->threads[pool->count], name,
				     worker_main, pool);
		if (!error)
			pool->count++;
	}
	if (error) {
		worker_pool_destroy(pool);
		return error;
	}
	*result = pool;
	return 0;
}

/* The lock is held. */
static void enqueue(struct worker_pool *pool, struct list *link)
{
	list_add_tail(&pool->queue, link);
	condition_wake_one(&pool->more);
}

void worker_submit(struct worker_pool *pool, struct work *work)
{
	lock_take(&pool->lock);
	enqueue(pool, &work->link);
	lock_drop(&pool->lock);
}

void worker_share_init(struct worker_share *share, struct worker_pool *pool)
{
	share->pool = pool;
	list_init(&share->waiting);
	share->taken = 0;
}

void worker_share_submit(struct worker_share *share, struct work *work)
{
	struct worker_pool *pool = share->pool;

	lock_take(&pool->lock);
	if (share->taken == 0 || share->taken < pool->count * 3 / 4) {
		share->taken++;
		enqueue(pool, &work->link);
	} else {
		list_add_tail(&share->waiting, &work->link);
	}
	lock_drop(&pool->lock);
}

void worker_share_done(struct worker_share *share)
{
	struct worker_pool *pool = share->pool;
	struct list *next;

	lock_take(&pool->lock);
	next = list_pop(&share->waiting);
	if (next)
		enqueue(pool, next);
	else
		share->taken--;
	lock_drop(&pool->lock);
}

void worker_pool_destroy(struct worker_pool *pool)
{
	if (!pool)
		return;
	lock_take(&pool->lock);
	pool->ending = true;
	condition_wake_all(&pool->more);
	lock_drop(&pool->lock);
	for (unsigned i = 0; i < pool->count; i++)
		pthread_join(pool->threads[i], NULL);
	condition_finish(&pool->more);
	lock_finish(&pool->lock);
	free(pool);
}
