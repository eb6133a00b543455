/* executor.h - something that does what an op says: any two can be compared */
/* SPDX-License-Identifier: MIT */
/*
 * An executor owns a window of addresses at WINDOW in each of its processes,
 * and its own copies of the files.  begin() starts a sequence: one process,
 * nothing mapped, fresh files; end() forgets all of it.
 *
 * An error of the executor itself (no memory, a child that died) ends the
 * program with a sentence: nothing could be compared any more.
 */
#ifndef QUIRE_JUDGE_EXECUTOR_H
#define QUIRE_JUDGE_EXECUTOR_H

#include "model/judge/op.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAPS_BYTES 16384

/* What a load of a page gives: its first bytes, and all of them as a hash. */
struct page_look {
	bool wanted;
	int signal; /* 0: it was read */
	uint64_t first[2];
	uint64_t hash;
};

struct executor;

struct executor_ops {
	const char *name;
	/* Can fork, and places by itself within the window. */
	bool can_fork;
	bool places;
	void (*begin)(struct executor *executor);
	void (*end)(struct executor *executor);
	/* The process of the op lives. */
	void (*execute)(struct executor *executor, const struct op *op,
			struct outcome *outcome);
	/* The window's lines, as /proc/PID/maps has them, but for this: the
	 * device and inode of body N are "fd:N 0", and its name is "bN". */
	void (*maps)(struct executor *executor, unsigned process, char *text);
	/* Fills what is wanted of WINDOW_PAGES. */
	void (*look)(struct executor *executor, unsigned process,
		     struct page_look *pages);
	/* The process in which a sequence was going on has died: what is left
	 * of it elsewhere ends. */
	void (*abandon)(struct executor *executor);
	void (*destroy)(struct executor *executor);
};

struct executor {
	const struct executor_ops *ops;
};

/* The kernel.  To be made before anything that has threads. */
struct executor *kernel_executor_create(void);
/* The library: a space on the software MMU, or the process's own. */
struct executor *quire_executor_create(bool soft, uint64_t budget_pages);
/* Another one (which it owns) that gives one wrong result, at a step. */
struct executor *spoiling_executor_create(struct executor *inner,
					  uint64_t step);

uint64_t hash_bytes(const void *bytes, size_t length);
/* mincore's bytes as bits; the last bit: there was something else in one. */
uint64_t vector_bits(const unsigned char *vector);
void look_at_bytes(struct page_look *look, const void *bytes);

/* Ends the program. */
__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format,
							 ...);

#endif
