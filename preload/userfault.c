/* userfault.c - this process's userfaultfd, which the server listens to */
/* SPDX-License-Identifier: MIT */
/*
 * Our copy of the descriptor is what keeps absent pages from reading as zeros
 * if the server dies: accesses wait, until another server goes on, or somebody ends
 * this process (lifeline.c).
 */
#include "userfault.h"

#include "client.h"
#include "own.h"
#include "ranges.h"
#include "raw.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

static int userfault = -1;
static bool user_mode;

bool userfault_user_mode(void)
{
	return user_mode;
}

/* With kernel-mode traps if there is any way to have them. */
static int make(void)
{
	const int flags = O_CLOEXEC | O_NONBLOCK;
	long fd = -ENODEV;

	user_mode = false;
	if (client_device() >= 0)
		fd = raw(SYS_ioctl, client_device(), USERFAULTFD_IOC_NEW,
			 flags);
	if (raw_failed(fd))
		fd = raw(SYS_userfaultfd, flags);
	if (fd != -EPERM)
		return (int)fd;
	user_mode = true;
	return (int)raw(SYS_userfaultfd, flags | UFFD_USER_MODE_ONLY);
}

int userfault_begin(void)
{
	struct call call = { .request.type = REQUEST_ATTACH };
	bool lost;
	int error;
	int fd;

	lost = client_lost_userfault();
	if (userfault >= 0 && (!lost || ranges.count))
		return 0;
	userfault_adopt(-1);
	do {
		fd = make();
		if (fd < 0)
			return fd;
		call.send[0] = fd;
		call.send_count = 1;
		call.again = false;
		call.request.flags = 0;
		error = client_call(&call);
		/* A server has used it, and was lost before it knew. */
		if (error == -EINVAL && call.again)
			raw(SYS_close, fd);
	} while (error == -EINVAL && call.again);
	if (error) {
		raw(SYS_close, fd);
		return error;
	}
	client_see_forks(call.reply.flags);
	userfault = own_take(fd);
	if (user_mode)
		client_note("user-mode traps only: system calls that get "
			    "pages which are not there fail with EFAULT");
	return 0;
}

int userfault_register(uintptr_t start, uintptr_t end, bool shared)
{
	struct uffdio_register ask = {
		.range = { .start = start, .len = end - start },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR,
	};
	long error;

	if (shared)
		ask.mode |= UFFDIO_REGISTER_MODE_WP;
	error = raw(SYS_ioctl, userfault, UFFDIO_REGISTER, &ask);
	return raw_failed(error) ? (int)error : 0;
}

void userfault_adopt(int descriptor)
{
	own_close(userfault);
	userfault = descriptor >= 0 ? own_take(descriptor) : -1;
}

void userfault_inherit(void)
{
	userfault_adopt(-1);
	if (!ranges.count || userfault_begin())
		return;
	for (size_t i = 0; i < ranges.count; i++) {
		const struct range *range = &ranges.range[i];

		userfault_register(range->start, range->end,
				   range->flags == RANGE_SHARED);
	}
}
