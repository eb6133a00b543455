/* explain_kernel_child.c - a process that does operations by the kernel */
/* SPDX-License-Identifier: MIT */
#include "explain_kernel_child.h"

#include "explain_operation.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RETURN_INSTRUCTION 0xc3 /* of x86 */

static int files[SCRIPT_FILES];
static sigjmp_buf landing;
static volatile siginfo_t landed;

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static int error_of(int result)
{
	return result ? errno : 0;
}

/* ---- accesses ---- */

static void on_signal(int number, siginfo_t *information, void *context)
{
	(void)number;
	(void)context;
	landed.si_signo = information->si_signo;
	landed.si_code = information->si_code;
	landed.si_addr = information->si_addr;
	siglongjmp(landing, 1);
}

static void catch_signals(void)
{
	struct sigaction action = {
		.sa_sigaction = on_signal,
		.sa_flags = SA_SIGINFO,
	};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGILL, &action, NULL);
}

static void do_read(const struct operation *operation, struct outcome *outcome)
{
	const volatile char *from = pointer(operation->address);

	for (uint64_t i = 0; i < operation->length; i++)
		outcome->bytes[i] = from[i];
	outcome->length = (uint32_t)operation->length;
}

static void do_write(const struct operation *operation)
{
	volatile char *to = pointer(operation->address);

	for (uint64_t done = 0; done < operation->length;
	     done += operation_chunk(operation, operation->address, done))
		for (uint32_t i = 0; i < operation->text_length; i++)
			to[done + i] = operation->text[i];
}

static void do_touch(const struct operation *operation)
{
	const volatile char *from = pointer(operation->address);

	for (uint64_t done = 0; done < operation->length;
	     done += operation_chunk(operation, operation->address, done))
		(void)from[done];
}

/*
 * To fetch an instruction is to run it.  Where it will not come to that, or it
 * does nothing but return, that can be tried.
 */
static void do_fetch(const struct operation *operation, struct outcome *outcome)
{
	const volatile unsigned char *code = pointer(operation->address);
	void (*call)(void);
	void *address = pointer(operation->address);

#if defined(__x86_64__)
	if (!operation->expects_signal && *code != RETURN_INSTRUCTION) {
		outcome->skipped = true;
		return;
	}
	memcpy(&call, &address, sizeof(call));
	call();
#else
	(void)code, (void)call, (void)address;
	outcome->skipped = true;
#endif
}

static void do_access(const struct operation *operation,
		      struct outcome *outcome)
{
	if (sigsetjmp(landing, 1)) {
		outcome->signal = landed.si_signo;
		outcome->signal_code = landed.si_code;
		outcome->signal_address = (uint64_t)(uintptr_t)landed.si_addr;
		outcome->length = 0;
		return;
	}
	if (operation->kind == STATEMENT_READ)
		do_read(operation, outcome);
	else if (operation->kind == STATEMENT_WRITE)
		do_write(operation);
	else if (operation->kind == STATEMENT_TOUCH)
		do_touch(operation);
	else
		do_fetch(operation, outcome);
}

/* ---- calls ---- */

static int do_file(const struct operation *operation)
{
	int fd = open(operation->text,
		      (operation->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC);

	if (fd < 0)
		return errno;
	files[operation->target] = fd;
	return 0;
}

static int mapped_at(void *address, struct outcome *outcome)
{
	if (address == MAP_FAILED)
		return errno;
	outcome->address = (uint64_t)(uintptr_t)address;
	return 0;
}

static int do_map(const struct operation *operation, struct outcome *outcome)
{
	int fd = operation->file == SCRIPT_NOWHERE ? -1
						   : files[operation->file];

	return mapped_at(mmap(pointer(operation->address), operation->length,
			      operation->prot, operation->flags, fd,
			      (off_t)operation->offset),
			 outcome);
}

static int do_call(const struct operation *operation, struct outcome *outcome)
{
	void *address = pointer(operation->address);
	size_t length = operation->length;

	switch (operation->kind) {
	case STATEMENT_FILE:
		return do_file(operation);
	case STATEMENT_MAP:
		return do_map(operation, outcome);
	case STATEMENT_PROTECT:
		return error_of(mprotect(address, length, operation->prot));
	case STATEMENT_UNMAP:
		return error_of(munmap(address, length));
	case STATEMENT_REMAP:
		return mapped_at(mremap(address, length, operation->new_length,
					operation->flags,
					pointer(operation->to)),
				 outcome);
	case STATEMENT_ADVISE:
		return error_of(madvise(address, length, operation->advice));
	case STATEMENT_LOCK:
		return error_of(
			mlock2(address, length, (unsigned)operation->flags));
	case STATEMENT_UNLOCK:
		return error_of(munlock(address, length));
	case STATEMENT_SYNC:
		return error_of(msync(address, length, operation->flags));
	case STATEMENT_RESIZE:
		return error_of(
			ftruncate(files[operation->target], (off_t)length));
	default:
		return ENOSYS;
	}
}

static void do_operation(const struct operation *operation,
			 struct outcome *outcome)
{
	switch (operation->kind) {
	case STATEMENT_READ:
	case STATEMENT_WRITE:
	case STATEMENT_TOUCH:
	case STATEMENT_FETCH:
		do_access(operation, outcome);
		break;
	default:
		outcome->error = do_call(operation, outcome);
	}
}

/* ---- a process ---- */

/* The one that asked answers; the child goes on with an end of its own. */
static int do_fork(const int *ends, size_t count, int end, uint32_t target,
		   struct outcome *outcome)
{
	pid_t parent = getpid(), pid = fork();

	if (pid < 0)
		outcome->error = errno;
	if (pid) {
		/* Else nobody would notice that it has ended. */
		close(ends[target]);
		return end;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || target >= count)
		_exit(1);
	close(end); /* for the same reason */
	return ends[target];
}

_Noreturn void kernel_child(const int *ends, size_t count, pid_t parent)
{
	static struct operation operation;
	static struct outcome outcome;
	int end = ends[0];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	catch_signals();
	while (recv(end, &operation, sizeof(operation), 0) ==
	       sizeof(operation)) {
		int asked = end;

		memset(&outcome, 0, sizeof(outcome));
		if (operation.kind == STATEMENT_FORK)
			end = do_fork(ends, count, end, operation.target,
				      &outcome);
		else
			do_operation(&operation, &outcome);
		if (end == asked && send(end, &outcome, sizeof(outcome),
					 MSG_NOSIGNAL) != sizeof(outcome))
			break;
	}
	/* Its own children's ends are closed, too. */
	while (wait(NULL) > 0)
		;
	_exit(0);
}
