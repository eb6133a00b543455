/* uffd.c - userfaultfd: traps delivered to a descriptor */
/* SPDX-License-Identifier: MIT */
#include "os/uffd.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Debian 12's header is older than the kernels that Quire needs. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED (1 << 13)
#endif
#ifndef UFFD_FEATURE_POISON
#define UFFD_FEATURE_POISON (1 << 14)
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP ((__u64)1 << 1)
#endif
#ifndef UFFDIO_POISON
#define _UFFDIO_POISON (0x08)
struct uffdio_poison {
	struct uffdio_range range;
	__u64 mode;
	__s64 updated;
};
#define UFFDIO_POISON _IOWR(UFFDIO, _UFFDIO_POISON, struct uffdio_poison)
#endif

#define NEEDED                                                         \
	(UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_MISSING_SHMEM | \
	 UFFD_FEATURE_MINOR_SHMEM | UFFD_FEATURE_WP_HUGETLBFS_SHMEM |  \
	 UFFD_FEATURE_WP_UNPOPULATED | UFFD_FEATURE_POISON)

/* By the system call, then by the device: whichever this process may. */
static int open_full(void)
{
	int flags = O_CLOEXEC | O_NONBLOCK; /* a blocking one polls as error */
	int fd = (int)syscall(SYS_userfaultfd, flags);
	int device;

	if (fd >= 0)
		return fd;
	device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (device < 0)
		return -1;
	fd = ioctl(device, USERFAULTFD_IOC_NEW, flags);
	close(device);
	return fd;
}

static int open_best(struct uffd *uffd)
{
	uffd->kernel_mode = true;
	uffd->fd = open_full();
	if (uffd->fd >= 0)
		return 0;
	uffd->kernel_mode = false;
	uffd->fd = (int)syscall(SYS_userfaultfd,
				O_CLOEXEC | O_NONBLOCK | UFFD_USER_MODE_ONLY);
	return uffd->fd >= 0 ? 0 : -errno;
}

int uffd_open(struct uffd *uffd)
{
	struct uffdio_api api = { .api = UFFD_API, .features = NEEDED };
	int error = open_best(uffd);

	if (error)
		return error_say(error,
				 "no userfaultfd to be had: %s (Quire needs "
				 "Linux 6.6 or newer, and userfaultfd allowed "
				 "by seccomp)",
				 strerror(-error));
	if (ioctl(uffd->fd, UFFDIO_API, &api) == 0)
		return 0;
	uffd_close(uffd);
	return error_say(-ENOSYS,
			 "this kernel's userfaultfd lacks what Quire needs "
			 "(minor traps and write-protection of shared memory, "
			 "poison: Linux 6.6 or newer)");
}

void uffd_close(struct uffd *uffd)
{
	if (uffd->fd >= 0)
		close(uffd->fd);
	uffd->fd = -1;
}

int uffd_register(const struct uffd *uffd, uint64_t start, uint64_t length,
		  bool shared)
{
	struct uffdio_register registration = {
		.range = { .start = start, .len = length },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR |
			(shared ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	return ioctl(uffd->fd, UFFDIO_REGISTER, &registration) ? -errno : 0;
}

int uffd_read(const struct uffd *uffd, struct uffd_trap *traps, int count)
{
	struct uffd_msg messages[32];
	size_t most = (size_t)(count < 32 ? count : 32) * sizeof(messages[0]);
	ssize_t got = read(uffd->fd, messages, most);
	int taken = 0;

	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (int i = 0; i < (int)((size_t)got / sizeof(messages[0])); i++) {
		const struct uffd_msg *message = &messages[i];

		if (message->event != UFFD_EVENT_PAGEFAULT)
			continue; /* no other event was asked for */
		traps[taken].address = message->arg.pagefault.address;
		traps[taken].write =
			message->arg.pagefault.flags &
			(UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP);
		taken++;
	}
	return taken;
}

int uffd_continue(const struct uffd *uffd, uint64_t start, uint64_t length,
		  bool protect, uint64_t *done)
{
	struct uffdio_continue request = {
		.range = { .start = start, .len = length },
		.mode = protect ? UFFDIO_CONTINUE_MODE_WP : 0,
	};
	int error = ioctl(uffd->fd, UFFDIO_CONTINUE, &request) ? -errno : 0;

	*done = request.mapped > 0 ? (uint64_t)request.mapped : 0;
	return error;
}

int uffd_write_protect(const struct uffd *uffd, uint64_t start, uint64_t length,
		       bool on)
{
	struct uffdio_writeprotect request = {
		.range = { .start = start, .len = length },
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd->fd, UFFDIO_WRITEPROTECT, &request) ? -errno : 0;
}

int uffd_poison(const struct uffd *uffd, uint64_t start, uint64_t length)
{
	struct uffdio_poison request = {
		.range = { .start = start, .len = length },
	};

	return ioctl(uffd->fd, UFFDIO_POISON, &request) ? -errno : 0;
}

void uffd_wake(const struct uffd *uffd, uint64_t start, uint64_t length)
{
	struct uffdio_range range = { .start = start, .len = length };

	ioctl(uffd->fd, UFFDIO_WAKE, &range);
}
