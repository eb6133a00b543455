/* explain_kernel.c - does the steps of a script in processes of the kernel's */
/* SPDX-License-Identifier: MIT */
/*
 * A process of the script's is a child of ours, or a child of that, which
 * waits for operations on a socket of its own and answers each with what came
 * of it.  All sockets are made at the start, so that a fork needs none.
 */
#include "explain_kernel.h"

#include "cli.h"
#include "explain_kernel_child.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

/* The end of one may be kept open by another: then it is not noticed. */
#define PATIENCE_S 60

static void close_all(int *ends, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (ends[i] >= 0)
			close(ends[i]);
		ends[i] = -1;
	}
}

static int make_sockets(struct kernel *kernel, size_t processes)
{
	for (kernel->count = 0; kernel->count < processes; kernel->count++) {
		const struct timeval patience = { .tv_sec = PATIENCE_S };
		int ends[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
			return -errno;
		setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
		kernel->ours[kernel->count] = ends[0];
		kernel->theirs[kernel->count] = ends[1];
	}
	return 0;
}

int kernel_start(struct kernel *kernel, size_t processes)
{
	pid_t parent = getpid();
	int error;
	pid_t pid;

	*kernel = (struct kernel){ .count = 0 };
	error = make_sockets(kernel, processes);
	pid = error ? -1 : fork();
	if (pid < 0) {
		error = error ? error : -errno;
		kernel_stop(kernel);
		fail("cannot start a process to compare with: %s",
		     strerror(-error));
		return error;
	}
	if (pid == 0) {
		close_all(kernel->ours, kernel->count);
		kernel_child(kernel->theirs, kernel->count, parent);
	}
	close_all(kernel->theirs, kernel->count);
	kernel->alive[0] = true;
	return 0;
}

void kernel_stop(struct kernel *kernel)
{
	bool started = kernel->alive[0];

	/* Each ends when its socket has no other end; the first has been ours,
	 * and ends when its own children have. */
	close_all(kernel->ours, kernel->count);
	close_all(kernel->theirs, kernel->count);
	while (started && wait(NULL) < 0 && errno == EINTR)
		;
	*kernel = (struct kernel){ .count = 0 };
}

/* ---- asking ---- */

static int ask(struct kernel *kernel, uint32_t process,
	       const struct operation *operation, struct outcome *outcome)
{
	int end = kernel->ours[process];
	ssize_t length;

	do
		length = send(end, operation, sizeof(*operation), MSG_NOSIGNAL);
	while (length < 0 && errno == EINTR);
	if (length != sizeof(*operation))
		return -EPIPE;
	do
		length = recv(end, outcome, sizeof(*outcome), 0);
	while (length < 0 && errno == EINTR);
	return length == sizeof(*outcome) ? 0 : -EPIPE;
}

/* Where Quire found a place, the kernel is told to take the same. */
static void same_place(struct operation *operation, const struct outcome *quire)
{
	if (!outcome_good(quire))
		return;
	if (operation->kind == STATEMENT_MAP &&
	    !(operation->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		operation->flags |= MAP_FIXED_NOREPLACE;
		operation->address = quire->address;
	}
	if (operation->kind == STATEMENT_REMAP &&
	    quire->address != operation->address) {
		operation->flags |= MREMAP_FIXED;
		operation->to = quire->address;
	}
}

/* A file is made once, and opened in every process that is there. */
static int tell_all(struct kernel *kernel, const struct operation *operation,
		    struct outcome *outcome)
{
	int error = 0;

	for (uint32_t i = 0; i < kernel->count && !error; i++)
		if (kernel->alive[i])
			error = ask(kernel, i, operation, outcome);
	return error;
}

int kernel_do(struct kernel *kernel, const struct operation *given,
	      const struct outcome *quire, struct outcome *outcome)
{
	struct operation operation = *given;
	int error;

	if (operation.kind == STATEMENT_FILE)
		return tell_all(kernel, &operation, outcome);
	operation.expects_signal = quire->signal != 0;
	same_place(&operation, quire);
	error = ask(kernel, operation.process, &operation, outcome);
	if (!error && operation.kind == STATEMENT_FORK && outcome_good(outcome))
		kernel->alive[operation.target] = true;
	return error;
}

bool kernel_agrees(const struct outcome *quire, const struct outcome *kernel)
{
	if (kernel->skipped)
		return true;
	/* The processor tells the byte, and what was tried first is not
	 * promised within a page. */
	return quire->error == kernel->error &&
	       quire->signal == kernel->signal &&
	       quire->signal_code == kernel->signal_code &&
	       quire->signal_address / SCRIPT_PAGE ==
		       kernel->signal_address / SCRIPT_PAGE &&
	       quire->address == kernel->address &&
	       quire->length == kernel->length &&
	       memcmp(quire->bytes, kernel->bytes, quire->length) == 0;
}
