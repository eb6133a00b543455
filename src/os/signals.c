/* signals.c - SIGSEGV and SIGBUS, shared with the program's own handlers */
/* SPDX-License-Identifier: MIT */
#include "os/signals.h"

#include "base/base.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

static _Atomic(bool (*)(int, const siginfo_t *)) hook;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* What the program had, per signal; written before our handler stands. */
static struct sigaction before_segv;
static struct sigaction before_bus;

static struct sigaction *before(int signal)
{
	return signal == SIGSEGV ? &before_segv : &before_bus;
}

/*
 * As if we were not there.  A handler of the old kind gets the signal alone;
 * without a handler the default is put back, and the access, tried again,
 * meets it.
 */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	const struct sigaction *action = before(signal);
	struct sigaction fallback = { .sa_handler = SIG_DFL };
	bool sent = info->si_code <= 0; /* by kill(): no access comes again */

	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(signal, info, context);
	else if (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN)
		action->sa_handler(signal);
	else if (sigaction(signal, &fallback, NULL) == 0 && sent)
		raise(signal);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	bool (*function)(int, const siginfo_t *) = atomic_load(&hook);
	int saved = errno;

	if (!function || !function(signal, info)) {
		errno = saved;
		pass_on(signal, info, context);
	}
	errno = saved;
}

static int install(int signal)
{
	struct sigaction now, ours;

	if (sigaction(signal, NULL, &now))
		return -errno;
	if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == handler)
		return 0;
	*before(signal) = now;
	ours = now; /* the program's mask and stack go on to hold */
	ours.sa_sigaction = handler;
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER |
			(now.sa_flags & SA_RESTART);
	return sigaction(signal, &ours, NULL) ? -errno : 0;
}

int signals_hook(bool (*function)(int signal, const siginfo_t *info))
{
	int error;

	pthread_mutex_lock(&lock);
	atomic_store(&hook, function);
	error = install(SIGSEGV);
	if (!error)
		error = install(SIGBUS);
	pthread_mutex_unlock(&lock);
	return error;
}
