/* fork.c - children become clients of their own */
/* SPDX-License-Identifier: MIT */
/*
 * fork() of libc, and what in libc forks, calls the handlers: the lock of the
 * ranges is held over the fork, so that the child finds them whole, and no
 * request is under way that belongs to the child's memory as well as to ours.
 * Registered by an early constructor they run last before the fork and first
 * after it.  _Fork() calls no handlers: it is wrapped.  A bare clone() is found
 * out by a page that the kernel leaves empty in children.  vfork() and
 * posix_spawn() need nothing: the child has our memory, and our channels.
 */
#include "fork.h"

#include "client.h"
#include "lifeline.h"
#include "ranges.h"
#include "raw.h"
#include "real.h"
#include "take.h"
#include "userfault.h"

#include <pthread.h>
#include <sys/types.h>

/* The mask of the thread that forks, while it does. */
static uint64_t signals;

static void before_fork(void)
{
	int before = errno;
	uint64_t mask = signals_block();

	ranges_fork_begin();
	signals = mask;
	client_forking();
	errno = before;
}

static void after_in_parent(void)
{
	int before = errno;
	uint64_t mask = signals;

	client_forked_parent();
	ranges_fork_parent();
	signals_restore(mask);
	errno = before;
}

static void after_in_child(void)
{
	int before = errno;
	uint64_t mask = signals;
	bool follows_forks = false;
	int userfault = -1;

	/* another handler may have needed us before */
	if (client_is_new_process()) {
		ranges_after_fork();
		take_after_fork();
		if (!client_forked_child(&userfault, &follows_forks))
			client_begin_anew();
		else if (follows_forks)
			userfault_adopt(userfault);
		else
			userfault_inherit();
		lifeline_follow(ranges.count > 0);
	}
	signals_restore(mask);
	errno = before;
}

void fork_unseen(void)
{
	ranges_after_fork();
	take_after_fork();
	userfault_adopt(-1);
}

void fork_watch(void)
{
	pthread_atfork(before_fork, after_in_parent, after_in_child);
}

static pid_t fork_bare(void)
{
	pid_t child;

	if (!real.fork_bare) {
		errno = ENOSYS;
		return -1;
	}
	if (!client_ready())
		return real.fork_bare();
	before_fork();
	child = real.fork_bare();
	if (child == 0)
		after_in_child();
	else
		after_in_parent();
	return child;
}
EXPORT(_Fork, fork_bare);
