/* helper.c - a child with our memory, for what we must not do ourselves */
/* SPDX-License-Identifier: MIT */
/*
 * As a child of vfork(): we stand still until it has ended.  It has descriptors
 * and signal handlers of its own.
 */
#include "helper.h"

#include "raw.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define STACK_BYTES ((size_t)64 << 10)

/* 0, or a negative errno: it could not be sent. */
static int send_out(int (*run)(void *), void *errand)
{
	uint64_t signals = signals_block();
	int before = errno;
	int status = 0;
	int error = 0;
	pid_t child;
	long stack = raw(SYS_mmap, NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_failed(stack)) {
		error = (int)stack;
	} else {
		child = clone(run, (char *)stack + STACK_BYTES,
			      CLONE_VM | CLONE_VFORK, errand);
		if (child < 0)
			error = -errno;
		else
			while (raw(SYS_wait4, child, &status, __WCLONE, NULL) ==
			       -EINTR)
				;
		raw(SYS_munmap, stack, STACK_BYTES);
	}
	errno = before;
	signals_restore(signals);
	return error;
}

struct truncate_errand {
	const char *path;
	off_t length;
	long result;
};

static int run_truncate(void *argument)
{
	struct truncate_errand *errand = argument;
	long fd = raw(SYS_openat, AT_FDCWD, errand->path,
		      O_WRONLY | O_CLOEXEC | O_NONBLOCK);

	errand->result = fd;
	if (!raw_failed(fd))
		errand->result = size_truncate_taken((int)fd, errand->length);
	return 0;
}

int helper_truncate(const char *path, off_t length)
{
	struct truncate_errand errand = { path, length, -EIO };
	int error = send_out(run_truncate, &errand);

	return error ? error : (int)errand.result;
}

struct touch_errand {
	char *address;
	size_t length;
	bool store;
};

static void stop_touching(int number)
{
	(void)number;
	raw(SYS_exit_group, 0);
}

static int run_touch(void *argument)
{
	const struct touch_errand *errand = argument;
	struct sigaction action = { .sa_handler = stop_touching };
	const uint64_t none = 0;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, sizeof(none));
	for (size_t i = 0; i < errand->length;) {
		_Atomic char *byte = (_Atomic char *)(errand->address + i);

		/* relaxed: nothing changes */
		if (errand->store)
			atomic_fetch_add_explicit(byte, 0,
						  memory_order_relaxed);
		else
			(void)atomic_load_explicit(byte, memory_order_relaxed);
		i = ((uintptr_t)byte | 4095) + 1 - (uintptr_t)errand->address;
	}
	return 0;
}

void helper_touch(void *address, size_t length, bool store)
{
	struct touch_errand errand = { address, length, store };

	send_out(run_touch, &errand);
}
