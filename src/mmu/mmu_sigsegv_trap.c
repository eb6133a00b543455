/* mmu_sigsegv_trap.c - SIGSEGV in a program's thread becomes a trap */
/* SPDX-License-Identifier: MIT */
/*
 *   access -> SIGSEGV -> whose is the page, what is it?
 *      not ours, guarded, not allowed:  to whoever had the signal
 *      shown by now:                    the access is tried again
 *      refused, past the end:           SIGBUS for this thread
 *      else: a word into the owner's pipe; sleep until somebody wakes the page
 *
 * All of it is fit for a signal handler: atomics, system calls, no lock.
 *
 * A handler of the program's may interrupt the sleep, and leave by a long jump:
 * nothing is held there.  Nothing may interrupt a handler that is at the pipe.
 */
#include "mmu/mmu_sigsegv_private.h"

#include "os/page_sleep.h"
#include "os/process.h"
#include "os/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define OWNERS 64u

#ifndef SEGV_PKUERR
#define SEGV_PKUERR 4
#endif

enum judgement {
	NOT_OURS,
	TRY_AGAIN,
	REFUSED,
	TRAPPED,
};

struct owner {
	_Atomic bool used;
	_Atomic int pipe;        /* where its traps are written; -1 */
	_Atomic unsigned inside; /* handlers that are at it */
};

struct access {
	uint64_t address;
	bool known; /* which of these it is; else it may be any */
	bool write;
	bool fetch;
};

static struct owner owners[OWNERS];

/* ---- the access ---- */

/* Which rights it wanted: from the processor's error code. */
static struct access access_of(const siginfo_t *info, const ucontext_t *context)
{
	struct access access = {
		.address = (uint64_t)(uintptr_t)info->si_addr,
	};
#if defined(__x86_64__)
	uint64_t code = (uint64_t)context->uc_mcontext.gregs[REG_ERR];

	access.known = true;
	access.write = code & 0x2;
	access.fetch = code & 0x10;
#else
	(void)context;
#endif
	return access;
}

static bool allowed(const struct access *access, uint32_t shadow)
{
	if (access->write)
		return shadow & PROT_WRITE;
	if (access->fetch)
		return shadow & PROT_EXEC;
	return shadow & SHADOW_RIGHTS;
}

/* Where the kind is unknown: a load first, then it must be a store. */
static bool guess(struct access *access, uint32_t shadow)
{
	if (!access->known)
		access->write = shadow & SHADOW_SHOWN;
	return access->write;
}

static enum judgement judge(struct access *access)
{
	uint32_t shadow = shadow_at(access->address);
	bool write = guess(access, shadow);

	if (!shadow_mapped(shadow) || (shadow & SHADOW_GUARDED) ||
	    !allowed(access, shadow))
		return NOT_OURS;
	if (shadow & SHADOW_SHOWN) {
		if (!write || !(shadow & SHADOW_SHARED) ||
		    (shadow & SHADOW_WRITABLE))
			return TRY_AGAIN;
		return TRAPPED;
	}
	if (shadow & SHADOW_REFUSED)
		return REFUSED;
	if (!shadow_past_end(shadow, access->address))
		return TRAPPED;
	return shadow == shadow_at(access->address) ? REFUSED : TRY_AGAIN;
}

/* ---- the pipe ---- */

/* False: it is full, or closed by now. */
static bool write_trap(const struct access *access)
{
	struct owner *owner =
		&owners[shadow_owner(shadow_at(access->address)) % OWNERS];
	uint64_t trap = page_round_down(access->address) | access->write;
	bool written = false;
	int pipe;

	atomic_fetch_add(&owner->inside, 1); /* traps_close() waits for us */
	pipe = atomic_load(&owner->pipe);
	if (pipe >= 0)
		written = syscall(SYS_write, pipe, &trap, sizeof(trap)) ==
			  sizeof(trap);
	atomic_fetch_sub(&owner->inside, 1);
	return written;
}

/*
 * As if the access had raised it: the signal waits until the handler is left,
 * and then finds the program where it was.
 */
static bool send_sigbus(const siginfo_t *info, ucontext_t *context)
{
	siginfo_t bus;
	sigset_t only;

	memset(&bus, 0, sizeof(bus));
	bus.si_signo = SIGBUS;
	bus.si_code = BUS_ADRERR;
	bus.si_addr = info->si_addr;
	sigemptyset(&only);
	sigaddset(&only, SIGBUS);
	if (sigismember(&context->uc_sigmask, SIGBUS)) {
		/* The kernel kills whoever blocks what he raises himself. */
		struct sigaction fallback = { .sa_handler = SIG_DFL };

		sigaction(SIGBUS, &fallback, NULL);
		sigdelset(&context->uc_sigmask, SIGBUS);
	}
	pthread_sigmask(SIG_BLOCK, &only, NULL);
	return syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid),
		       SIGBUS, &bus) == 0;
}

/* Tells the owner, and sleeps; then the access is tried again. */
static void hand_over(const struct access *access, struct page_sleep *sleep,
		      const ucontext_t *context)
{
	bool written = write_trap(access);

	pthread_sigmask(SIG_SETMASK, &context->uc_sigmask, NULL);
	if (written)
		page_sleep(sleep);
	else
		sched_yield();
}

static bool on_sigsegv(const siginfo_t *info, ucontext_t *context)
{
	struct access access = access_of(info, context);
	struct page_sleep sleep;
	enum judgement judgement;

	/* Nothing is mapped, or what a protection key forbids. */
	if (info->si_signo != SIGSEGV || info->si_code == SEGV_MAPERR ||
	    info->si_code == SEGV_PKUERR || !process_is_marked())
		return false;
	page_sleep_prepare(&sleep, access.address);
	judgement = judge(&access);
	if (judgement == TRAPPED)
		hand_over(&access, &sleep, context);
	if (judgement == REFUSED)
		return send_sigbus(info, context);
	return judgement != NOT_OURS;
}

/* ---- owners ---- */

static void forget_in_child(void)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		atomic_store(&owners[i].used, false);
		atomic_store(&owners[i].inside, 0);
	}
}

static void watch_forks(void)
{
	pthread_atfork(NULL, NULL, forget_in_child);
}

int traps_arm(void)
{
	return signals_hook_traps(on_sigsegv);
}

int traps_open(unsigned *owner, int *fd)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	unsigned i = 0;
	int ends[2], error;

	pthread_once(&once, watch_forks);
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	while (i < OWNERS && atomic_exchange(&owners[i].used, true))
		i++;
	error = i < OWNERS ? process_mark() : -EAGAIN;
	if (!error)
		error = traps_arm();
	if (error) {
		if (i < OWNERS)
			atomic_store(&owners[i].used, false);
		close(ends[0]);
		close(ends[1]);
		return error;
	}
	atomic_store(&owners[i].pipe, ends[1]); /* write_trap() */
	*owner = i;
	*fd = ends[0];
	return 0;
}

void traps_close(unsigned number, int fd)
{
	struct owner *owner = &owners[number];
	int pipe = atomic_exchange(&owner->pipe, -1); /* write_trap() */

	while (atomic_load(&owner->inside))
		sched_yield();
	close(pipe);
	close(fd);
	atomic_store(&owner->used, false);
}
