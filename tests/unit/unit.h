/* unit.h - what the unit tests share: cmocka, random numbers, threads, deaths */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_UNIT_H
#define QUIRE_TESTS_UNIT_H

/* cmocka.h wants these four before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* xorshift64*: the same numbers on every machine.  The seed is not 0. */
static inline uint64_t next_random(uint64_t *seed)
{
	*seed ^= *seed >> 12;
	*seed ^= *seed << 25;
	*seed ^= *seed >> 27;
	return *seed * UINT64_C(0x2545f4914f6cdd1d);
}

/*
 * Where a random test begins: QUIRE_SEED, or standard if that is not set.  A
 * test that takes it has 'random' in meson.build, and `make soak` repeats it.
 */
static inline uint64_t first_seed(uint64_t standard)
{
	const char *text = getenv("QUIRE_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : standard;

	print_message("QUIRE_SEED=%llu\n", (unsigned long long)seed);
	return seed ? seed : 1;
}

static inline pthread_t start_thread(void *(*run)(void *), void *argument)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run, argument), 0);
	return thread;
}

static inline void join_thread(pthread_t thread)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What a child wrote to standard error, and how it ended. */
struct child_end {
	char text[2048];
	int status;
};

/*
 * Runs body(argument) in a child.  A child that survives ends with status 0,
 * without the exit handlers of the test.
 */
static inline void run_in_child(void (*body)(void *), void *argument,
				struct child_end *end)
{
	const struct rlimit none = { 0, 0 };
	size_t length = 0;
	ssize_t got;
	int ends[2];
	pid_t child;

	assert_return_code(pipe(ends), 0);
	child = fork();
	assert_return_code(child, 0);
	if (child == 0) {
		signal(SIGABRT, SIG_DFL); /* cmocka's would go on */
		setrlimit(RLIMIT_CORE, &none);
		dup2(ends[1], STDERR_FILENO);
		body(argument);
		_exit(0);
	}
	close(ends[1]);
	while (length < sizeof(end->text) - 1 &&
	       (got = read(ends[0], end->text + length,
			   sizeof(end->text) - 1 - length)) > 0)
		length += (size_t)got;
	end->text[length] = '\0';
	close(ends[0]);
	assert_int_equal(waitpid(child, &end->status, 0), child);
}

/* body(argument) must end by check_failed() with words in its line. */
static inline void assert_check_fails(void (*body)(void *), void *argument,
				      const char *words)
{
	struct child_end end;

	run_in_child(body, argument, &end);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGABRT);
	assert_non_null(strstr(end.text, words));
}

/* body(argument) must end by itself. */
static inline void assert_survives(void (*body)(void *), void *argument)
{
	struct child_end end;

	run_in_child(body, argument, &end);
	assert_true(WIFEXITED(end.status));
	assert_int_equal(WEXITSTATUS(end.status), 0);
	assert_string_equal(end.text, "");
}

#endif
