/* pool.c - a buffer pool as one would write it: one lock, one hash table */
/* SPDX-License-Identifier: MIT */
/*
 * Pages are found by a chained hash table and leave by the clock's hand, all
 * under one mutex, which is held across a read as well: what is measured
 * against it never reads.
 */
#include "pool.h"

#include "harness.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct frame {
	struct frame *next; /* in its chain */
	uint64_t index;
	unsigned int pins;
	bool used; /* since the hand was here */
	bool full;
	unsigned char *bytes;
};

struct pool {
	pthread_mutex_t lock;
	int fd;
	size_t frames;
	size_t hand;
	size_t mask; /* of the chains */
	struct frame **chains;
	struct frame *frame;
	unsigned char *memory;
};

static struct frame **chain_of(struct pool *pool, uint64_t index)
{
	return &pool->chains[mix(index) & pool->mask];
}

static struct frame *find(struct pool *pool, uint64_t index)
{
	struct frame *frame = *chain_of(pool, index);

	while (frame && frame->index != index)
		frame = frame->next;
	return frame;
}

struct pool *pool_create(int fd, size_t frames)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	size_t chains = 1;

	if (!pool)
		return NULL;
	while (chains < frames)
		chains *= 2;
	pthread_mutex_init(&pool->lock, NULL);
	pool->fd = fd;
	pool->frames = frames;
	pool->mask = chains - 1;
	pool->chains = calloc(chains, sizeof(struct frame *));
	pool->frame = calloc(frames, sizeof(*pool->frame));
	pool->memory = aligned_alloc(PAGE, frames * PAGE);
	if (!pool->chains || !pool->frame || !pool->memory) {
		pool_destroy(pool);
		return NULL;
	}
	for (size_t i = 0; i < frames; i++)
		pool->frame[i].bytes = pool->memory + i * PAGE;
	return pool;
}

void pool_destroy(struct pool *pool)
{
	free(pool->chains);
	free(pool->frame);
	free(pool->memory);
	free(pool);
}

static void unlink_frame(struct pool *pool, struct frame *frame)
{
	struct frame **place = chain_of(pool, frame->index);

	while (*place != frame)
		place = &(*place)->next;
	*place = frame->next;
	frame->full = false;
}

/* Twice round: the first forgives what was used. */
static struct frame *victim(struct pool *pool)
{
	for (size_t i = 0; i < 2 * pool->frames; i++) {
		struct frame *frame = &pool->frame[pool->hand];

		pool->hand = (pool->hand + 1) % pool->frames;
		if (!frame->pins && !frame->used)
			return frame;
		frame->used = false;
	}
	return NULL;
}

static struct frame *bring_in(struct pool *pool, uint64_t index)
{
	struct frame *frame = victim(pool);
	struct frame **chain = chain_of(pool, index);

	if (!frame)
		return NULL;
	if (frame->full)
		unlink_frame(pool, frame);
	if (pread(pool->fd, frame->bytes, PAGE, (off_t)(index * PAGE)) != PAGE)
		return NULL;
	frame->index = index;
	frame->full = true;
	frame->next = *chain;
	*chain = frame;
	return frame;
}

unsigned char *pool_pin(struct pool *pool, uint64_t index)
{
	struct frame *frame;

	pthread_mutex_lock(&pool->lock);
	frame = find(pool, index);
	if (!frame)
		frame = bring_in(pool, index);
	if (frame) {
		frame->pins++;
		frame->used = true;
	}
	pthread_mutex_unlock(&pool->lock);
	return frame ? frame->bytes : NULL;
}

void pool_unpin(struct pool *pool, uint64_t index)
{
	pthread_mutex_lock(&pool->lock);
	find(pool, index)->pins--;
	pthread_mutex_unlock(&pool->lock);
}
