/* ranges.c - this process's taken ranges, and their lock */
/* SPDX-License-Identifier: MIT */
#include "ranges.h"

#include "client.h"
#include "lifeline.h"
#include "lock.h"
#include "robust.h"

struct table ranges;
static struct lock lock;

void ranges_lock(void)
{
	if (client_is_new_process())
		client_begin_anew();
	lock_take(&lock);
}

void ranges_unlock(void)
{
	struct call call = { .request.type = REQUEST_RELEASE };
	uint64_t id = 0;
	uint32_t holds = 0;

	lifeline_follow(ranges.count > 0);
	while (table_take_unused(&ranges, &id, &holds)) {
		call.request.id = id;
		call.request.length = holds;
		client_call(&call);
	}
	lock_drop(&lock);
}

bool ranges_reach(const void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;

	return table_may_overlap(&ranges, start, start + length);
}

void ranges_forget(const void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;

	table_remove(&ranges, start, start + whole_pages(length));
	robust_forget();
}

void ranges_after_fork(void)
{
	lock_reset(&lock);
	table_forget_holds(&ranges);
	robust_forget();
}

void ranges_fork_begin(void)
{
	lock_take(&lock);
}

void ranges_fork_parent(void)
{
	lock_drop(&lock);
}
