/* test_process.c - os/process.h: which process this is */
/* SPDX-License-Identifier: MIT */
#include "os/process.h"
#include "unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* As the child sees it: 1, 0; and after it has marked itself: 2 more. */
static int see(void)
{
	int seen = process_is_marked();

	if (process_mark() == 0 && process_is_marked())
		seen += 2;
	return seen;
}

static void assert_child_sees(pid_t child, int seen)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, __WALL), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), seen);
}

/* No room for the page of the mark. */
static int mark_without_memory(void)
{
	struct rlimit before, none;
	int error;

	assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_AS, &none), 0);
	error = process_mark();
	assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
	return error;
}

static void nobody_has_marked(void **state)
{
	(void)state;
	assert_false(process_is_marked());
	assert_int_equal(mark_without_memory(), -ENOMEM);
	assert_false(process_is_marked());
	assert_int_equal(process_mark(), 0);
	assert_true(process_is_marked());
	assert_int_equal(process_mark(), 0); /* again */
	assert_true(process_is_marked());
}

static void child_of_fork(void **state)
{
	pid_t child = fork();

	(void)state;
	if (child == 0)
		_exit(see());
	assert_child_sees(child, 2);
	assert_true(process_is_marked()); /* the child's mark is its own */
}

/* Which runs no handlers of pthread_atfork(). */
static void child_of_clone(void **state)
{
	long child = syscall(SYS_clone, (long)SIGCHLD, NULL, NULL, NULL, NULL);

	(void)state;
	if (child == 0)
		syscall(SYS_exit_group, see());
	assert_child_sees((pid_t)child, 2);
}

static int see_and_end(void *argument)
{
	(void)argument;
	return process_is_marked();
}

/* As vfork() makes it: what is in memory is the parent's. */
static void child_with_our_memory(void **state)
{
	static char stack[65536] __attribute__((aligned(16)));
	pid_t child = clone(see_and_end, stack + sizeof(stack),
			    CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);

	(void)state;
	assert_child_sees(child, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_has_marked),
		cmocka_unit_test(child_of_fork),
		cmocka_unit_test(child_of_clone),
		cmocka_unit_test(child_with_our_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
