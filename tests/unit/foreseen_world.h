/* foreseen_world.h - rows of stores, and a store that counts what is written */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_UNIT_FORESEEN_WORLD_H
#define QUIRE_UNIT_FORESEEN_WORLD_H

#include "unit/engine_tools.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

#define PAGES 1024
#define SIZE (PAGES * PAGE)
#define AMPLE (64u << 20) /* a budget with slots */
#define ROW \
	5 /* stores one after the other, four of them before the last one: */
#define FORESEEN 4    /* as many more pages are foreseen */
#define SEEN ROW      /* the first of these */
#define NEVER 3600000 /* ms */
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *host;
static struct quire_object *object;
static unsigned char *mapped;

/* ---- the store: it may refuse, and somebody else may write there ---- */

static unsigned char home[SIZE];
static _Atomic unsigned written[PAGES];
static _Atomic int refusal; /* of a write */
static _Atomic int flush_refusal;

static ssize_t home_read(void *context, void *buffer, size_t length,
			 uint64_t offset)
{
	(void)context;
	memcpy(buffer, home + offset, length);
	return (ssize_t)length;
}

static ssize_t home_write(void *context, const void *buffer, size_t length,
			  uint64_t offset)
{
	(void)context;
	if (refusal)
		return refusal;
	memcpy(home + offset, buffer, length);
	for (size_t i = 0; i < length; i += PAGE)
		written[(offset + i) / PAGE]++;
	return (ssize_t)length;
}

static int home_resize(void *context, uint64_t size)
{
	(void)context;
	(void)size;
	return 0;
}

static int home_flush(void *context)
{
	(void)context;
	return flush_refusal;
}

static const struct quire_pager_ops home_ops = {
	.size = sizeof(home_ops),
	.read = home_read,
	.write = home_write,
	.flush = home_flush,
	.resize = home_resize,
};

/* ---- the world ---- */

static inline void open_with(uint64_t budget, uint32_t flush_interval_ms)
{
	memset((void *)written, 0, sizeof(written));
	refusal = 0;
	flush_refusal = 0;
	quire = open_flushing_engine(budget, flush_interval_ms);
	assert_non_null(quire);
	host = quire_host_space(quire);
	assert_int_equal(quire_object_create(quire, "home", SIZE, &home_ops,
					     NULL, NULL, &object),
			 0);
	mapped = map_object(quire, object, SIZE, RW);
}

static inline void fill_home(void)
{
	for (size_t i = 0; i < SIZE; i++)
		home[i] = byte_at(i);
}

static inline int open_ample(void **state)
{
	(void)state;
	fill_home();
	open_with(AMPLE, NEVER);
	return 0;
}

static inline int close_all(void **state)
{
	(void)state;
	if (mapped)
		assert_int_equal(quire_munmap(host, mapped, SIZE), 0);
	if (object)
		assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static inline void store(size_t page, unsigned char byte)
{
	*(volatile unsigned char *)(mapped + page * PAGE + 5) = byte;
}

static inline unsigned char load(size_t page)
{
	return *(volatile unsigned char *)(mapped + page * PAGE + 5);
}

static inline unsigned char *at_home(size_t page)
{
	return home + page * PAGE + 5;
}

/* In memory, so that nothing but the stores themselves counts. */
static inline void row(size_t first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		load(first + i + 1);
	for (size_t i = 0; i < count; i++)
		store(first + i, 'x');
}

static inline uint64_t foreseen(void)
{
	return statistics_of(quire).stores_foreseen;
}

static inline uint64_t unused(void)
{
	return statistics_of(quire).stores_foreseen_unused;
}

/* Counted by whoever made them CLEAN, perhaps a moment later. */
static inline void await_unused(uint64_t count)
{
	while (unused() < count)
		sched_yield();
	assert_int_equal(unused(), count);
}

/* Read, and a row stored to before them: they are foreseen.  The last trap is
 * after them: what has shown them has let go of them. */
static inline void foresee(void)
{
	uint64_t before;

	for (size_t i = 0; i < 64; i++)
		load(i);
	before = foreseen();
	row(0, ROW);
	load(PAGES / 2);
	assert_int_equal(foreseen(), before + FORESEEN);
}

static inline void sync_all(void)
{
	assert_int_equal(quire_msync(host, mapped, SIZE, MS_SYNC), 0);
}

#define ample(test) cmocka_unit_test_setup_teardown(test, open_ample, close_all)

#endif
