/* service.c - the server in a process of its own: the supervisor's side */
/* SPDX-License-Identifier: MIT */
#include "service.h"
#include "cli.h"
#include "service_process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

void leave_standard_streams(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	if (null > STDERR_FILENO)
		close(null);
}

static int make_pairs(int control[2], int keeper[2])
{
	int kind = SOCK_SEQPACKET | SOCK_CLOEXEC;

	if (socketpair(AF_UNIX, kind, 0, control))
		return -errno;
	if (socketpair(AF_UNIX, kind, 0, keeper) == 0)
		return 0;
	close(control[0]);
	close(control[1]);
	return -errno;
}

/* Waits until it is ready.  EXIT_FAILURE: it said why not, or died. */
static int await_ready(const struct service *service)
{
	struct service_ready ready;
	ssize_t length;

	do
		length = recv(service->control, &ready, sizeof(ready), 0);
	while (length < 0 && errno == EINTR);
	if (length != sizeof(ready))
		return fail("the server ended before it was ready");
	if (!ready.failed)
		return 0;
	ready.sentence[sizeof(ready.sentence) - 1] = '\0';
	return fail("the server cannot start: %s", ready.sentence);
}

static void undo_start(struct service *service)
{
	service_finish(service);
	while (waitpid(service->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

int service_start(const struct service_settings *settings,
		  const struct socket_place *place, struct service *service)
{
	int control[2], keeper[2];
	int error = make_pairs(control, keeper);

	if (error)
		return fail("cannot make a socket: %s", strerror(-error));
	fflush(NULL); /* else what waits to be printed would be so twice */
	service->pid = fork();
	error = -errno;
	if (service->pid == 0)
		service_process(settings, place, control[1], keeper[1]);
	close(control[1]);
	close(keeper[1]);
	service->control = control[0];
	service->keeper = keeper[0];
	if (service->pid < 0) {
		service_finish(service);
		return fail("cannot start a process: %s", strerror(-error));
	}
	if (await_ready(service) == 0)
		return 0;
	undo_start(service);
	return EXIT_FAILURE;
}

/* If nobody hears it, that is found out by waiting for the process. */
static void tell(const struct service *service, char word)
{
	(void)!send(service->control, &word, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

void service_stop(const struct service *service)
{
	tell(service, SERVICE_STOP);
}

void service_hush(const struct service *service)
{
	tell(service, SERVICE_HUSH);
}

int service_outcome(int wait_status)
{
	int number;

	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status) ? EXIT_FAILURE : EXIT_SUCCESS;
	number = WTERMSIG(wait_status);
	fail("the server was killed by signal %d (%s): its clients are killed, "
	     "as they would read zeros",
	     number, strsignal(number));
	return -1;
}

void service_finish(struct service *service)
{
	close(service->control);
	close(service->keeper);
}
