/* lifeline.c - this process does not outlive all servers */
/* SPDX-License-Identifier: MIT */
/*
 * An end of a pipe whose other one the server has, and who goes on if it dies.
 * When both are gone nobody would ever answer an access to an absent page: then
 * the kernel kills this process, as it is asked to by F_SETSIG.  Nothing is ever
 * read or written there.  Not while nothing is mapped: it need not die then.
 */
#include "lifeline.h"

#include "client.h"
#include "client_private.h"
#include "own.h"
#include "raw.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <time.h>

static struct {
	struct lock lock;
	int fd;
	uint64_t inode;
	bool armed;
} lifeline = { .fd = -1 };

static bool has_hung_up(void)
{
	struct pollfd polled = { .fd = lifeline.fd };
	const struct timespec now = { 0 };

	return raw(SYS_ppoll, &polled, 1, &now, NULL, 0) == 1;
}

/* The program may have closed it, and have another one there. */
static bool is_alive(void)
{
	struct stat status;

	return lifeline.fd >= 0 &&
	       !raw_failed(raw(SYS_fstat, lifeline.fd, &status)) &&
	       S_ISFIFO(status.st_mode) && status.st_ino == lifeline.inode;
}

static void arm(void)
{
	raw(SYS_fcntl, lifeline.fd, F_SETOWN, client_process());
	raw(SYS_fcntl, lifeline.fd, F_SETSIG, SIGKILL);
	raw(SYS_fcntl, lifeline.fd, F_SETFL, O_NONBLOCK | O_ASYNC);
	if (has_hung_up()) /* before: nobody is told any more */
		raw(SYS_kill, client_process(), SIGKILL);
}

void lifeline_take(int fd)
{
	struct stat status = { .st_ino = 0 };

	if (fd < 0)
		return;
	lock_take(&lifeline.lock);
	if (is_alive() && !has_hung_up()) {
		raw(SYS_close, fd);
	} else {
		if (is_alive())
			own_close(lifeline.fd);
		lifeline.fd = own_take(fd);
		raw(SYS_fstat, lifeline.fd, &status);
		lifeline.inode = status.st_ino;
		if (lifeline.armed)
			arm();
	}
	lock_drop(&lifeline.lock);
}

void lifeline_follow(bool mapped)
{
	if (mapped == lifeline.armed)
		return;
	lock_take(&lifeline.lock);
	lifeline.armed = mapped;
	if (is_alive() && mapped)
		arm();
	else if (is_alive())
		raw(SYS_fcntl, lifeline.fd, F_SETFL, O_NONBLOCK);
	lock_drop(&lifeline.lock);
}

void lifeline_after_fork(void)
{
	lock_reset(&lifeline.lock);
	if (is_alive())
		own_close(lifeline.fd);
	lifeline.fd = -1;
	lifeline.armed = false;
}
