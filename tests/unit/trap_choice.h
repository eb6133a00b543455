/* trap_choice.h - tests of the engine, however its traps come */
/* SPDX-License-Identifier: MIT */
/*
 * QUIRE_TEST_TRAP=signals has every engine that the helpers open take its traps
 * by signals, QUIRE_TEST_TRAP=sigbus by userfaultfd in the thread that ran into
 * them.  cmocka puts a handler of its own before each test, which would be in
 * the place of the engine's; so then signal() puts none there.
 */
#ifndef QUIRE_TESTS_TRAP_CHOICE_H
#define QUIRE_TESTS_TRAP_CHOICE_H

#include "quire/quire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static inline enum quire_trap chosen_trap(void)
{
	const char *choice = getenv("QUIRE_TEST_TRAP");

	if (choice && !strcmp(choice, "signals"))
		return QUIRE_TRAP_SIGNALS;
	if (choice && !strcmp(choice, "sigbus"))
		return QUIRE_TRAP_SIGBUS;
	return QUIRE_TRAP_AUTO;
}

/* Weak, as a test may be made of several files; as glibc's otherwise. */
__attribute__((weak)) void (*signal(int number, void (*handler)(int)))(int)
{
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_RESTART };
	struct sigaction before;

	if ((number == SIGSEGV || number == SIGBUS) && handler != SIG_DFL &&
	    handler != SIG_IGN && chosen_trap() != QUIRE_TRAP_AUTO)
		return handler; /* which is put back, and is none again */
	return sigaction(number, &action, &before) ? SIG_ERR
						   : before.sa_handler;
}

#endif
