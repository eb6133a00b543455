/* isolate.c - what may crash or hang is done in a child */
/* SPDX-License-Identifier: MIT */
#include "model/judge/isolate.h"

#include "model/judge/executor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void *isolate_memory(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		die("no memory to share: %s", strerror(errno));
	return memory;
}

__attribute__((noreturn)) static void run(void (*body)(void *), void *argument,
					  bool quiet)
{
	const struct rlimit none = { 0, 0 };
	int fd;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &none);
	if (quiet && (fd = open("/dev/null", O_WRONLY)) >= 0)
		dup2(fd, STDERR_FILENO);
	body(argument);
	fflush(NULL);
	_exit(0);
}

/* False: it has not ended by then. */
static bool ends_within(pid_t child, unsigned seconds)
{
	struct pollfd poll_fd = {
		.fd = (int)syscall(SYS_pidfd_open, child, 0),
		.events = POLLIN,
	};
	int ended;

	if (poll_fd.fd < 0)
		die("no descriptor of a child: %s", strerror(errno));
	do
		ended = poll(&poll_fd, 1, (int)seconds * 1000);
	while (ended < 0 && errno == EINTR);
	close(poll_fd.fd);
	return ended > 0;
}

enum isolated isolate(void (*body)(void *), void *argument, unsigned seconds,
		      bool quiet, int *signal)
{
	pid_t child;
	bool ended;
	int status;

	fflush(NULL);
	child = fork();
	if (child < 0)
		die("no process: %s", strerror(errno));
	if (child == 0)
		run(body, argument, quiet);
	ended = ends_within(child, seconds);
	if (!ended)
		kill(child, SIGKILL);
	if (waitpid(child, &status, 0) != child)
		die("a child is lost");
	if (!ended)
		return ISOLATED_HUNG;
	*signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 3)
		_exit(3);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return ISOLATED_DONE;
	return ISOLATED_CRASHED;
}
