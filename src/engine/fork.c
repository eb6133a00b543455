/* fork.c - a child of the process finds the engines of its parent dead */
/* SPDX-License-Identifier: MIT */
/*
 * Mappings, windows and tables are not inherited (MADV_DONTFORK): an access
 * in the child is SIGSEGV, and never a page of zeros, which the child would
 * put into the parent's memory as well.  That holds for fork() as for clone()
 * or _Fork(), which run no handler; the handler here makes the functions of
 * the library say so.
 */
#include "engine/engine.h"
#include "engine/pins.h"

#include <errno.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct list engines = { &engines, &engines }; /* [lock] */

static void prepare(void)
{
	pthread_mutex_lock(&lock);
	hazards_begin_fork();
	pins_begin_fork();
}

static void in_parent(void)
{
	pins_end_fork();
	hazards_end_fork();
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	struct list *link, *after;

	list_for_each_safe(link, after, &engines) {
		struct quire *quire = container_of(link, struct quire, link);

		atomic_store(&quire->forked, true);
		pins_in_child(quire);
		list_remove(link);
	}
	lanes_in_child();
	hazards_in_child();
	pins_end_fork();
	hazards_end_fork();
	pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
	pthread_atfork(prepare, in_parent, in_child);
}

void engines_add(struct quire *quire)
{
	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&lock);
	list_add_tail(&engines, &quire->link);
	pthread_mutex_unlock(&lock);
}

void engines_remove(struct quire *quire)
{
	pthread_mutex_lock(&lock);
	list_remove(&quire->link);
	pthread_mutex_unlock(&lock);
}

int engine_check(const struct quire *quire)
{
	/* relaxed: set before the child runs anything else */
	if (!atomic_load_explicit(&quire->forked, memory_order_relaxed))
		return 0;
	return error_say(-ECHILD, "this engine belongs to the parent process: "
				  "open another one after fork()");
}
