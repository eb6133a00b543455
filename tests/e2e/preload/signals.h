/* signals.h - accesses that may end in SIGBUS or SIGSEGV */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_PRELOAD_SIGNALS_H
#define QUIRE_TESTS_PRELOAD_SIGNALS_H

#include "program.h"

#include <setjmp.h>

static sigjmp_buf signals_back;
static siginfo_t signals_seen;
static volatile sig_atomic_t signals_expected;

static inline void signals_handler(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (!signals_expected) {
		signal(number, SIG_DFL);
		return;
	}
	signals_seen = *info;
	siglongjmp(signals_back, number);
}

static inline void signals_begin(void)
{
	struct sigaction action = {
		.sa_sigaction = signals_handler,
		.sa_flags = SA_SIGINFO,
	};

	must(sigaction(SIGBUS, &action, NULL) == 0);
	must(sigaction(SIGSEGV, &action, NULL) == 0);
}

/* The signal that a load from address ends in; 0: none. */
static inline int load_signal(const volatile unsigned char *address)
{
	volatile int number = sigsetjmp(signals_back, 1);

	if (!number) {
		signals_expected = 1;
		(void)*address;
	}
	signals_expected = 0;
	return number;
}

static inline int store_signal(volatile unsigned char *address)
{
	volatile int number = sigsetjmp(signals_back, 1);

	if (!number) {
		signals_expected = 1;
		*address = 1;
	}
	signals_expected = 0;
	return number;
}

#endif
