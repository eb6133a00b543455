/* program.c - the program that is run */
/* SPDX-License-Identifier: MIT */
#include "program.h"
#include "cli.h"
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns only if it fails: a negative errno. */
static int become(const struct program *program)
{
	int error = preload_environment(program->library, program->socket);

	if (error)
		return error;
	signal(SIGPIPE, inherited_sigpipe);
	signal(SIGCHLD, program->on_child);
	sigprocmask(SIG_SETMASK, program->mask, NULL);
	execvp(program->words[0], program->words);
	return -errno;
}

static int cannot_run(const struct program *program, int error)
{
	fail("cannot run %s: %s", program->words[0], strerror(-error));
	if (error == -ENOENT)
		return EXIT_NOT_FOUND;
	return EXIT_CANNOT_RUN;
}

int program_become(const struct program *program)
{
	return cannot_run(program, become(program));
}

/* The error with which exec failed in the child; 0: the pipe was closed by a
 * successful one. */
static int hear_of_exec(int pipe_end)
{
	int error = 0;
	ssize_t length;

	do
		length = read(pipe_end, &error, sizeof(error));
	while (length < 0 && errno == EINTR);
	return length == sizeof(error) ? error : 0;
}

static void tell_of_exec(int pipe_end, int error)
{
	(void)!write(pipe_end, &error, sizeof(error));
	_exit(EXIT_CANNOT_RUN);
}

int program_start(const struct program *program, pid_t *pid)
{
	int ends[2];
	int error;

	if (pipe2(ends, O_CLOEXEC))
		return fail("cannot make a pipe: %s", strerror(errno));
	fflush(NULL);
	*pid = fork();
	if (*pid == 0)
		tell_of_exec(ends[1], become(program));
	error = *pid < 0 ? -errno : 0;
	close(ends[1]);
	if (error) {
		close(ends[0]);
		return fail("cannot start a process: %s", strerror(-error));
	}
	error = hear_of_exec(ends[0]);
	close(ends[0]);
	if (!error)
		return 0;
	while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
		;
	return cannot_run(program, error);
}

int program_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
					: WEXITSTATUS(wait_status);
}
