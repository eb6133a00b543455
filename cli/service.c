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

#define STARTS 4
#define RESTARTS 100u /* in so much time */
#define RESTARTS_SECONDS 60

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

static int say_not_started(int error)
{
	return fail("cannot start a process: %s", strerror(-error));
}

static void undo_start(struct service *service, struct keep *keep)
{
	while (waitpid(service->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (keep) /* what it may have come to have */
		keep_take(keep);
	service_finish(service);
}

/* In the child.  What it needs is not closed by exec, and named. */
static void become(char *const *program, const struct socket_place *place,
		   int control, int keeper)
{
	const int fds[] = { place->fd, place->lifeline, control, keeper };
	char text[sizeof(place->path) + 64];

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		fcntl(fds[i], F_SETFD, 0);
	snprintf(text, sizeof(text), "%d %d %d %d %s", place->fd,
		 place->lifeline, control, keeper, place->path);
	setenv(SERVICE_VARIABLE, text, 1);
	execv(program[0], program);
	_exit(EXIT_FAILURE); /* found out by waiting for its word */
}

void service_inherited(const struct service_settings *settings)
{
	const char *text = getenv(SERVICE_VARIABLE);
	struct socket_place place = { .fd = -1 };
	int control, keeper, length = 0;

	if (!text || sscanf(text, "%d %d %d %d %n", &place.fd, &place.lifeline,
			    &control, &keeper, &length) != 4)
		return;
	snprintf(place.path, sizeof(place.path), "%s", text + length);
	unsetenv(SERVICE_VARIABLE);
	service_process(settings, &place, control, keeper, true);
}

int service_start(const struct service_settings *settings,
		  const struct socket_place *place, struct keep *keep,
		  char *const *program, struct service *service)
{
	int control[2], keeper[2];
	int error = make_pairs(control, keeper);

	if (error)
		return fail("cannot make a socket: %s", strerror(-error));
	fflush(NULL); /* else what waits to be printed would be so twice */
	service->pid = fork();
	error = -errno;
	if (service->pid == 0 && program)
		become(program, place, control[1], keeper[1]);
	if (service->pid == 0)
		service_process(settings, place, control[1], keeper[1],
				keep != NULL);
	close(control[1]);
	close(keeper[1]);
	service->control = control[0];
	service->keeper = keeper[0];
	if (service->pid < 0) {
		service_finish(service);
		return say_not_started(error);
	}
	/* If it does not take it, it is not ready either. */
	if (keep)
		keep_hand_over(keep, service->keeper);
	if (await_ready(service) == 0)
		return 0;
	undo_start(service, keep);
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

void service_leave(const struct service *service)
{
	tell(service, SERVICE_LEAVE);
}

void service_hush(const struct service *service)
{
	tell(service, SERVICE_HUSH);
}

int service_outcome(int wait_status)
{
	if (WIFEXITED(wait_status))
		return WEXITSTATUS(wait_status) ? EXIT_FAILURE : EXIT_SUCCESS;
	return -1;
}

void service_say_killed(int wait_status, enum service_loss loss)
{
	int number = WTERMSIG(wait_status);

	fail("the server was killed by signal %d (%s): %s", number,
	     strsignal(number),
	     loss == SERVICE_GOES_ON
		     ? "another one goes on"
		     : "its clients are killed, as they would read zeros");
}

int service_restart(const struct service_settings *settings,
		    const struct socket_place *place, struct keep *keep,
		    char *const *program, struct service *service)
{
	service_finish(service);
	for (int i = 0; i < STARTS; i++) {
		if (service_start(settings, place, keep, program, service) == 0)
			return 0;
		program = NULL; /* this one has worked before */
	}
	return EXIT_FAILURE;
}

bool service_may_restart(struct service_patience *patience)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (now.tv_sec - patience->since >= RESTARTS_SECONDS) {
		patience->since = now.tv_sec;
		patience->count = 0;
	}
	return ++patience->count <= RESTARTS;
}

void service_finish(struct service *service)
{
	if (service->control >= 0)
		close(service->control);
	if (service->keeper >= 0)
		close(service->keeper);
	service->control = service->keeper = -1;
}
