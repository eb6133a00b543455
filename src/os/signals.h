/* signals.h - SIGSEGV and SIGBUS, shared with the program's own handlers */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_SIGNALS_H
#define QUIRE_OS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <ucontext.h>

/*
 * Has function asked at each SIGSEGV and SIGBUS, before whatever the program
 * has installed: true means that it does not return or that all is done;
 * false passes the signal on to the program's handler (or to what would have
 * happened without one).  To be called again whenever the hook must be in
 * place, as the program may have installed a handler since.  0 or -errno.
 */
int signals_hook(bool (*function)(int signal, const siginfo_t *info));

/*
 * The same for each that an access raised, and asked before that: true means
 * that the access is to be tried again in context.  Every function that was
 * given here is asked, the first one first, until one says so; all signals are
 * blocked meanwhile, unless it lets them in.  May be called by a hook of traps.
 */
typedef bool signals_trap_hook(const siginfo_t *info, ucontext_t *context);
int signals_hook_traps(signals_trap_hook *function);

#endif
