/* signals.c - SIGSEGV and SIGBUS, shared with the program's own handlers */
/* SPDX-License-Identifier: MIT */
/*
 * What the program had when ours came is kept, oldest first.  A handler that
 * the program installs later replaces ours, and ours goes before it when it is
 * wanted again; that handler may pass on what it does not know to the one it
 * found, which was ours.  So a signal that comes back to us while it is being
 * passed on goes to the next older action.
 */
#include "os/signals.h"

#include "base/base.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <ucontext.h>

#define ACTIONS_KEPT 8
/* The mmu by signals, what grows downwards, what is resolved in place. */
#define TRAP_HOOKS 3
#define PAGE_FAULT 14 /* the processor's number for it */

struct actions {
	_Atomic unsigned count; /* written last, under the lock */
	struct sigaction kept[ACTIONS_KEPT];
	/* SA_RESETHAND, and it was called: the default stands there now. */
	_Atomic bool used_up[ACTIONS_KEPT];
};

static _Atomic(bool (*)(int, const siginfo_t *)) hook;
static _Atomic(signals_trap_hook *) trap_hooks[TRAP_HOOKS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct actions for_segv, for_bus;

static struct actions *actions_for(int signal)
{
	return signal == SIGSEGV ? &for_segv : &for_bus;
}

/* How often the signal was passed on: in the tail of its description, which
 * the kernel fills with zeros.  A long jump out of a handler leaves none. */
static unsigned *times_passed_on(siginfo_t *info)
{
	return (unsigned *)(info + 1) - 1;
}

/* NULL: nobody is left to ask.  What is to be called once is so, as the kernel
 * does it; but our own handler stays. */
static const struct sigaction *next_action(int signal, siginfo_t *info)
{
	struct actions *actions = actions_for(signal);
	unsigned passed_on = (*times_passed_on(info))++;
	unsigned count = atomic_load(&actions->count);
	const struct sigaction *action;

	if (passed_on >= count)
		return NULL;
	action = &actions->kept[count - 1 - passed_on];
	if ((action->sa_flags & (int)SA_RESETHAND) &&
	    atomic_exchange(&actions->used_up[count - 1 - passed_on], true))
		return NULL;
	return action;
}

static void put_default_back(int signal)
{
	struct sigaction fallback = { .sa_handler = SIG_DFL };

	sigaction(signal, &fallback, NULL);
}

/* With its mask, as the kernel does it. */
static void call(const struct sigaction *action, int signal, siginfo_t *info,
		 void *context)
{
	sigset_t blocked = action->sa_mask, before;

	if (!(action->sa_flags & SA_NODEFER))
		sigaddset(&blocked, signal);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	if (action->sa_flags & SA_SIGINFO)
		action->sa_sigaction(signal, info, context);
	else
		action->sa_handler(signal);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/*
 * As if we were not there.  Without a handler the default is put back, and the
 * access, tried again, meets it.
 */
static void pass_on(int signal, siginfo_t *info, void *context)
{
	const struct sigaction *action = next_action(signal, info);
	bool sent = info->si_code <= 0; /* by kill(): no access comes again */

	if (action && ((action->sa_flags & SA_SIGINFO) ||
		       (action->sa_handler != SIG_DFL &&
			action->sa_handler != SIG_IGN))) {
		call(action, signal, info, context);
		return;
	}
	/* Only what was sent can be ignored. */
	if (sent && action && action->sa_handler == SIG_IGN)
		return;
	put_default_back(signal);
	if (sent)
		raise(signal);
}

static void handler(int signal, siginfo_t *info, void *context);

static int put_ours(int signal, const struct sigaction *before)
{
	struct sigaction ours = { .sa_sigaction = handler };

	/* For the hooks of traps; whoever is asked after them has the mask of
	 * before, as a guard leaves by a long jump. */
	sigfillset(&ours.sa_mask);
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER |
			(before->sa_flags & SA_RESTART);
	return sigaction(signal, &ours, NULL) ? -errno : 0;
}

/*
 * Where the kernel describes a signal that an access has raised it says twice
 * which access.
 */
static bool describes(const siginfo_t *info, int signal,
		      const ucontext_t *context)
{
#if defined(__x86_64__)
	const greg_t *registers = context->uc_mcontext.gregs;

	return info->si_signo == signal && info->si_code > 0 &&
	       registers[REG_TRAPNO] == PAGE_FAULT &&
	       info->si_addr == (void *)registers[REG_CR2];
#else
	(void)info, (void)signal, (void)context;
	return false;
#endif
}

/*
 * A program that puts us back by signal(), which knows no flags, has us called
 * without a description: what is there instead may be anything, a description
 * of the same access at best.  The access comes again, and then has one; what
 * was sent by somebody is lost.
 */
static bool lacks_description(int signal, const siginfo_t *info,
			      const ucontext_t *context)
{
	struct sigaction now;

	return !describes(info, signal, context) &&
	       sigaction(signal, NULL, &now) == 0 &&
	       now.sa_sigaction == handler && !(now.sa_flags & SA_SIGINFO) &&
	       put_ours(signal, &now) == 0;
}

static bool trapped(const siginfo_t *info, void *context)
{
	bool again = false;

	if (info->si_code <= 0)
		return false;
	for (unsigned i = 0; i < TRAP_HOOKS && !again; i++) {
		signals_trap_hook *function = atomic_load(&trap_hooks[i]);

		again = function && function(info, context);
	}
	return again;
}

static void handler(int signal, siginfo_t *info, void *context)
{
	bool (*function)(int, const siginfo_t *) = atomic_load(&hook);
	const ucontext_t *interrupted = context;
	int saved = errno;

	if (lacks_description(signal, info, interrupted) ||
	    trapped(info, context)) {
		errno = saved;
		return;
	}
	/* A guard leaves by a long jump, and takes the mask with it. */
	pthread_sigmask(SIG_SETMASK, &interrupted->uc_sigmask, NULL);
	if (!function || !function(signal, info)) {
		errno = saved;
		pass_on(signal, info, context);
	}
	errno = saved;
}

/* The handler shares its place with the one of three arguments. */
static bool same_action(const struct sigaction *one,
			const struct sigaction *other)
{
	return one->sa_handler == other->sa_handler &&
	       one->sa_flags == other->sa_flags;
}

/* The lock is held.  An action that comes back takes its old place. */
static void keep(struct actions *actions, const struct sigaction *action)
{
	unsigned count = atomic_load(&actions->count), place = 0;

	while (place < count && !same_action(&actions->kept[place], action))
		place++;
	if (place == ACTIONS_KEPT)
		place--;
	actions->kept[place] = *action;
	atomic_store(&actions->used_up[place], false); /* next_action() */
	atomic_store(&actions->count, place + 1); /* read by next_action() */
}

static int install(int signal)
{
	struct sigaction now;

	if (sigaction(signal, NULL, &now))
		return -errno;
	if (now.sa_sigaction == handler) {
		if (now.sa_flags & SA_SIGINFO)
			return 0;
	} else {
		keep(actions_for(signal), &now);
	}
	return put_ours(signal, &now);
}

static void lock_for_fork(void)
{
	pthread_mutex_lock(&lock);
}

static void unlock_after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void watch_forks(void)
{
	pthread_atfork(lock_for_fork, unlock_after_fork, unlock_after_fork);
}

static int install_both(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	int error;

	pthread_once(&once, watch_forks);
	pthread_mutex_lock(&lock);
	error = install(SIGSEGV);
	if (!error)
		error = install(SIGBUS);
	pthread_mutex_unlock(&lock);
	return error;
}

int signals_hook(bool (*function)(int signal, const siginfo_t *info))
{
	atomic_store(&hook, function); /* handler() */
	return install_both();
}

/* Without a lock: a trap may lead here (mmu_map() of what grows). */
static void add_trap_hook(signals_trap_hook *function)
{
	unsigned i = 0;

	while (i < TRAP_HOOKS) {
		signals_trap_hook *there = NULL;

		/* trapped() */
		if (atomic_compare_exchange_strong(&trap_hooks[i], &there,
						   function) ||
		    there == function)
			break;
		i++;
	}
	check(i < TRAP_HOOKS, "each hook of traps has its place");
}

int signals_hook_traps(signals_trap_hook *function)
{
	add_trap_hook(function);
	return install_both();
}
