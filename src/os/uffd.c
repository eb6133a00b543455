/* uffd.c - userfaultfd: traps delivered to a descriptor */
/* SPDX-License-Identifier: MIT */
#include "os/uffd.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

#define LAYOUT_EVENTS                                           \
	(UFFD_FEATURE_EVENT_REMAP | UFFD_FEATURE_EVENT_REMOVE | \
	 UFFD_FEATURE_EVENT_UNMAP)

#define MESSAGES_AT_ONCE 32

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

int uffd_open(struct uffd *uffd, bool sigbus)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = NEEDED | (sigbus ? UFFD_FEATURE_SIGBUS : 0),
	};
	int error = open_best(uffd);

	if (error)
		return error_say(error,
				 "no userfaultfd to be had: %s (Quire needs "
				 "Linux 6.6 or newer, and userfaultfd allowed "
				 "by seccomp)",
				 strerror(-error));
	uffd->kernel_mode &= !sigbus;
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
		  unsigned traps)
{
	struct uffdio_register registration = {
		.range = { .start = start, .len = length },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			(traps & UFFD_TRAPS_MINOR ? UFFDIO_REGISTER_MODE_MINOR
						  : 0) |
			(traps & UFFD_TRAPS_STORES ? UFFDIO_REGISTER_MODE_WP
						   : 0),
	};

	return ioctl(uffd->fd, UFFDIO_REGISTER, &registration) ? -errno : 0;
}

/* How many, or a negative errno. */
static int count_of(ssize_t got)
{
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	return (int)((size_t)got / sizeof(struct uffd_msg));
}

static struct uffd_trap trap_of(const struct uffd_msg *message)
{
	uint64_t flags = message->arg.pagefault.flags;

	return (struct uffd_trap){
		.address = message->arg.pagefault.address,
		.write = flags &
			 (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP),
		.shown = flags & UFFD_PAGEFAULT_FLAG_WP,
	};
}

int uffd_read(const struct uffd *uffd, struct uffd_trap *traps, int count)
{
	struct uffd_msg messages[MESSAGES_AT_ONCE];
	int most = count < MESSAGES_AT_ONCE ? count : MESSAGES_AT_ONCE;
	int got = count_of(
		read(uffd->fd, messages, (size_t)most * sizeof(messages[0])));
	int taken = 0;

	/* No event was asked for. */
	for (int i = 0; i < got; i++)
		if (messages[i].event == UFFD_EVENT_PAGEFAULT)
			traps[taken++] = trap_of(&messages[i]);
	return got < 0 ? got : taken;
}

/* ---- of another process ---- */

static bool is_userfaultfd(int fd)
{
	char link[32], target[32];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = '\0';
	return strcmp(target, "anon_inode:[userfaultfd]") == 0;
}

static int start_api(int fd, uint64_t features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };

	return ioctl(fd, UFFDIO_API, &api) ? -errno : 0;
}

int uffd_enable(int fd, bool *forks)
{
	uint64_t features = NEEDED | LAYOUT_EVENTS;
	int flags = fcntl(fd, F_GETFL);
	int error;

	if (flags < 0 || !is_userfaultfd(fd))
		return error_say(-EINVAL, "this is no userfaultfd");
	if (fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		return -errno;
	*forks = true;
	error = start_api(fd, features | UFFD_FEATURE_EVENT_FORK);
	if (error != -EPERM)
		return error;
	*forks = false;
	return start_api(fd, features);
}

/* False: nothing that was asked for. */
static bool translate(const struct uffd_msg *from, struct uffd_message *to)
{
	*to = (struct uffd_message){ .descriptor = -1 };
	switch (from->event) {
	case UFFD_EVENT_PAGEFAULT:
		to->type = UFFD_TRAPPED;
		to->trap = trap_of(from);
		return true;
	case UFFD_EVENT_FORK:
		to->type = UFFD_FORKED;
		to->descriptor = (int)from->arg.fork.ufd;
		return true;
	case UFFD_EVENT_REMAP:
		to->type = UFFD_MOVED;
		to->start = from->arg.remap.from;
		to->end = from->arg.remap.from + from->arg.remap.len;
		to->to = from->arg.remap.to;
		return true;
	case UFFD_EVENT_REMOVE:
	case UFFD_EVENT_UNMAP:
		to->type = from->event == UFFD_EVENT_REMOVE ? UFFD_DROPPED
							    : UFFD_UNMAPPED;
		to->start = from->arg.remove.start;
		to->end = from->arg.remove.end;
		return true;
	default:
		return false;
	}
}

/* O_NONBLOCK is in the hands of all who have the descriptor; a kernel that
 * does not know RWF_NOWAIT here has nothing better. */
static ssize_t read_at_once(int fd, void *buffer, size_t length)
{
	struct iovec part = { .iov_base = buffer, .iov_len = length };
	ssize_t got = preadv2(fd, &part, 1, -1, RWF_NOWAIT);

	if (got < 0 && (errno == EOPNOTSUPP || errno == ESPIPE))
		return read(fd, buffer, length);
	return got;
}

int uffd_read_messages(const struct uffd *uffd, struct uffd_message *messages,
		       int count)
{
	struct uffd_msg read[MESSAGES_AT_ONCE];
	int most = count < MESSAGES_AT_ONCE ? count : MESSAGES_AT_ONCE;
	int got = count_of(
		read_at_once(uffd->fd, read, (size_t)most * sizeof(read[0])));
	int taken = 0;

	for (int i = 0; i < got; i++)
		taken += translate(&read[i], &messages[taken]);
	return got < 0 ? got : taken;
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

int uffd_copy(const struct uffd *uffd, uint64_t start, const void *bytes,
	      uint64_t length, bool protect, uint64_t *done)
{
	struct uffdio_copy request = {
		.dst = start,
		.src = (uint64_t)(uintptr_t)bytes,
		.len = length,
		.mode = (protect ? UFFDIO_COPY_MODE_WP : 0) |
			UFFDIO_COPY_MODE_DONTWAKE,
	};
	int error = ioctl(uffd->fd, UFFDIO_COPY, &request) ? -errno : 0;

	*done = request.copy > 0 ? (uint64_t)request.copy : 0;
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
