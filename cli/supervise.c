/* supervise.c - a program and its server, from first to last process */
/* SPDX-License-Identifier: MIT */
#include "supervise.h"
#include "children.h"
#include "cli.h"
#include "program.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* INT and QUIT are the terminal's, which sends them to the program as well:
 * nothing is done about them. */
static const int awaited[] = { SIGCHLD, SIGTERM, SIGHUP, SIGUSR1,
			       SIGUSR2, SIGCONT, SIGINT, SIGQUIT };

int supervise_begin(struct supervisor *supervisor)
{
	sigset_t set;

	*supervisor = (struct supervisor){ .signals = -1 };
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(awaited) / sizeof(awaited[0]); i++)
		sigaddset(&set, awaited[i]);
	/* Ignored by whoever started us, children would leave no status. */
	supervisor->on_child = signal(SIGCHLD, SIG_DFL);
	sigprocmask(SIG_BLOCK, &set, &supervisor->mask);
	supervisor->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (supervisor->signals < 0)
		return fail("cannot wait for signals: %s", strerror(errno));
	if (prctl(PR_SET_CHILD_SUBREAPER, 1))
		return fail("cannot adopt processes: %s", strerror(errno));
	return 0;
}

/* Among the children; 0: it is none of them any more. */
static pid_t server_pid(const struct supervisor *supervisor)
{
	return supervisor->server_over ? 0 : supervisor->service->pid;
}

/* ---- signals ---- */

static void pass_on(const struct supervisor *supervisor, int number)
{
	if (supervisor->program_over)
		children_signal(server_pid(supervisor), number);
	else
		kill(supervisor->program, number);
}

/* Its last change of state, of those that are asked for. */
static bool has_changed(const struct supervisor *supervisor, int change)
{
	siginfo_t found = { 0 };

	return waitid(P_PID, (id_t)supervisor->program, &found,
		      change | WNOHANG | WNOWAIT) == 0 &&
	       found.si_pid;
}

/* `fg`, or kill -CONT of us alone.  The program has it already if it was sent
 * to the group. */
static void go_on(struct supervisor *supervisor)
{
	bool stopped = !supervisor->program_over &&
		       (has_changed(supervisor, WSTOPPED) ||
			(supervisor->program_stopped &&
			 !has_changed(supervisor, WCONTINUED)));

	supervisor->program_stopped = false;
	if (stopped)
		kill(supervisor->program, SIGCONT);
}

static void handle_signal(struct supervisor *supervisor,
			  const struct signalfd_siginfo *info)
{
	switch (info->ssi_signo) {
	case SIGHUP:
		/* A terminal that is gone tells the whole group. */
		if (info->ssi_code != SI_KERNEL)
			pass_on(supervisor, SIGHUP);
		break;
	case SIGTERM:
	case SIGUSR1:
	case SIGUSR2:
		pass_on(supervisor, (int)info->ssi_signo);
		break;
	case SIGCONT:
		go_on(supervisor);
		break;
	default:
		break;
	}
}

static void handle_signals(struct supervisor *supervisor)
{
	struct signalfd_siginfo info;

	while (read(supervisor->signals, &info, sizeof(info)) == sizeof(info))
		handle_signal(supervisor, &info);
}

/*
 * The program has stopped by itself: the shell that waits for us learns of it
 * only if we do so, too.  Without a shell the kernel lets us go on.
 */
static void stop_with_program(struct supervisor *supervisor, int number)
{
	supervisor->program_stopped = true;
	if (number == SIGTSTP || number == SIGTTIN || number == SIGTTOU)
		raise(number);
}

/* ---- what has ended ---- */

static void reap(struct supervisor *supervisor)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(status)) {
			if (pid == supervisor->program)
				stop_with_program(supervisor, WSTOPSIG(status));
		} else if (pid == server_pid(supervisor)) {
			supervisor->server_over = true;
			supervisor->server_status = status;
		} else if (pid == supervisor->program) {
			supervisor->program_over = true;
			supervisor->program_status = status;
		}
	}
}

/* Waits until something has happened, and sees to it. */
static void attend(struct supervisor *supervisor)
{
	struct pollfd polled[] = {
		{ .fd = supervisor->signals, .events = POLLIN },
		{ .fd = keep_poll_fd(&supervisor->keep), .events = POLLIN },
	};

	if (poll(polled, 2, -1) < 0)
		return;
	handle_signals(supervisor);
	keep_take(&supervisor->keep);
	reap(supervisor);
}

static bool tree_left(const struct supervisor *supervisor)
{
	return !supervisor->program_over ||
	       children_left(server_pid(supervisor));
}

/* A killed process's children become ours: so each round finds the next ones
 * until there are none. */
static void kill_tree(struct supervisor *supervisor)
{
	keep_kill(&supervisor->keep);
	while (children_left(server_pid(supervisor))) {
		children_signal(server_pid(supervisor), SIGKILL);
		attend(supervisor);
	}
}

/* Another server goes on with what this one had. */
static bool serve_again(struct supervisor *supervisor)
{
	keep_take(&supervisor->keep);
	if (!supervisor->may_restart || supervisor->keep.incomplete ||
	    WIFEXITED(supervisor->server_status) ||
	    !service_may_restart(&supervisor->patience))
		return false;
	service_say_killed(supervisor->server_status, SERVICE_GOES_ON);
	if (service_restart(supervisor->settings, supervisor->place,
			    &supervisor->keep, NULL, supervisor->service))
		return false;
	supervisor->server_over = false;
	return true;
}

static void await_server(struct supervisor *supervisor)
{
	/* Now, whoever else may still be connected. */
	service_stop(supervisor->service);
	service_stop(supervisor->service);
	while (!supervisor->server_over)
		attend(supervisor);
}

static int finish(struct supervisor *supervisor, bool lost)
{
	int status = program_status(supervisor->program_status);

	keep_finish(&supervisor->keep);
	service_finish(supervisor->service);
	if (lost)
		return EXIT_FAILURE;
	if (service_outcome(supervisor->server_status) == EXIT_SUCCESS)
		return status;
	return status ? status : EXIT_FAILURE;
}

int supervise(struct supervisor *supervisor, struct service *service,
	      pid_t program)
{
	bool lost;

	supervisor->service = service;
	keep_begin(&supervisor->keep, service->keeper);
	supervisor->program = program;
	leave_standard_streams();
	do
		while (!supervisor->server_over && tree_left(supervisor))
			attend(supervisor);
	while (supervisor->server_over && serve_again(supervisor));
	lost = supervisor->server_over;
	if (lost) {
		if (service_outcome(supervisor->server_status) < 0)
			service_say_killed(supervisor->server_status,
					   SERVICE_LOST);
		kill_tree(supervisor);
	} else {
		await_server(supervisor);
	}
	return finish(supervisor, lost);
}

void supervise_nothing(struct supervisor *supervisor, struct service *service)
{
	supervisor->service = service;
	keep_begin(&supervisor->keep, service->keeper);
	service_hush(service);
	await_server(supervisor);
	finish(supervisor, false);
}
