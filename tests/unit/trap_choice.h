/* trap_choice.h - tests of the engine, by userfaultfd and by signals */
/* SPDX-License-Identifier: MIT */
/*
 * QUIRE_TEST_TRAP=signals has every engine that the helpers open take its traps
 * by signals.  cmocka puts a handler of its own before each test, which would
 * be in the place of the engine's; so then signal() puts none there.
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

	return choice && !strcmp(choice, "signals") ? QUIRE_TRAP_SIGNALS
						    : QUIRE_TRAP_AUTO;
}

/* Weak, as a test may be made of several files; as glibc's otherwise. */
__attribute__((weak)) void (*signal(int number, void (*handler)(int)))(int)
{
	struct sigaction action = { .sa_handler = handler,
				    .sa_flags = SA_RESTART };
	struct sigaction before;

	if ((number == SIGSEGV || number == SIGBUS) && handler != SIG_DFL &&
	    handler != SIG_IGN && chosen_trap() == QUIRE_TRAP_SIGNALS)
		return handler; /* which is put back, and is none again */
	return sigaction(number, &action, &before) ? SIG_ERR
						   : before.sa_handler;
}

#endif
