/* signals.h - SIGSEGV and SIGBUS, shared with the program's own handlers */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_OS_SIGNALS_H
#define QUIRE_OS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

/*
 * Has function asked at each SIGSEGV and SIGBUS, before whatever the program
 * has installed: true means that it does not return or that all is done;
 * false passes the signal on to the program's handler (or to what would have
 * happened without one).  To be called again whenever the hook must be in
 * place, as the program may have installed a handler since.  0 or -errno.
 */
int signals_hook(bool (*function)(int signal, const siginfo_t *info));

#endif
