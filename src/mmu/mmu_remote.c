/* mmu_remote.c - the hardware MMU of another process, by its userfaultfd */
/* SPDX-License-Identifier: MIT */
/*
 * What the kernel answers is the same as for one's own process (mmu_uffd.c),
 * and EAGAIN besides, of all but WAKE: an event is unread, or was read and the
 * thread that caused it has not run yet.
 */
#include "mmu/mmu_remote_private.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* All addresses a program can have, but for the first page. */
#define REMOTE_LOWEST PAGE_SIZE
#define REMOTE_HIGHEST (UINT64_C(1) << 56)

/* Where nobody maps what is registered: the end of the stack. */
#define PROBED UINT64_C(0x7fffffffe000)

static int traps_fd(const struct mmu *mmu)
{
	return mmu_remote_descriptor(mmu);
}

/* ---- the layout: what the process has done already ---- */

static int map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	(void)mmu;
	(void)mapping;
	return 0;
}

static int unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	(void)start;
	(void)length;
	return 0;
}

static int protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot)
{
	(void)mmu;
	(void)start;
	(void)length;
	(void)prot;
	return 0;
}

static int move(struct mmu *mmu, const struct mmu_move *move)
{
	(void)mmu;
	(void)move;
	return 0;
}

static int forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	(void)mmu;
	(void)start;
	(void)length;
	(void)shared;
	return 0;
}

static int guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard)
{
	(void)mmu;
	(void)start;
	(void)length;
	(void)guard;
	return -EOPNOTSUPP;
}

/* ---- pages ---- */

static void wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	uffd_wake(&remote_of(mmu)->uffd, start, length);
}

/* Where the layout has one mapping the kernel may have several, of other
 * rights.  The first page has no border. */
static int show(const struct uffd *uffd, uint64_t start, uint64_t length,
		bool protect, uint64_t *done)
{
	int error = uffd_continue(uffd, start, length, protect, done);

	if (error == -ENOENT && length > PAGE_SIZE)
		error = uffd_continue(uffd, start, PAGE_SIZE, protect, done);
	return error;
}

static int install_pages(const struct uffd *uffd, uint64_t start,
			 uint64_t length, bool shared)
{
	uint64_t done;
	int error = show(uffd, start, length, shared, &done);

	if (done > 0)
		return 0;
	if (error != -EEXIST)
		return error;
	uffd_wake(uffd, start, PAGE_SIZE);
	return 0;
}

static int grant_pages(const struct uffd *uffd, uint64_t start, uint64_t length,
		       bool shown)
{
	while (length > 0) {
		uint64_t done;
		int error = shown ? -EEXIST
				  : show(uffd, start, length, false, &done);

		shown = false; /* of the first page alone it is known */
		if (error == -EEXIST) {
			/* Shown, protected: un-protecting wakes. */
			error = uffd_write_protect(uffd, start, PAGE_SIZE,
						   false);
			done = error ? 0 : PAGE_SIZE;
		}
		if (error && !(error == -EAGAIN && done > 0))
			return error;
		start += done;
		length -= done;
	}
	return 0;
}

/* True: the layout is what it says; the gate is held.  False: it is not. */
static bool enter(struct mmu_remote *remote)
{
	lock_take(&remote->gate);
	if (remote->event_count == 0)
		return true;
	lock_drop(&remote->gate);
	return false;
}

static int install(struct mmu *mmu, uint64_t start, uint64_t length,
		   bool shared)
{
	struct mmu_remote *remote = remote_of(mmu);
	int error;

	if (!enter(remote))
		return -EAGAIN;
	error = install_pages(&remote->uffd, start, length, shared);
	lock_drop(&remote->gate);
	return error;
}

static int grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown)
{
	struct mmu_remote *remote = remote_of(mmu);
	int error;

	if (!enter(remote))
		return -EAGAIN;
	error = grant_pages(&remote->uffd, start, length, shown);
	lock_drop(&remote->gate);
	return error;
}

/*
 * POISON wants an empty entry, without the mark that write-protection leaves.
 * Of an absent page that is all there can be: so un-protecting shows nothing.
 */
static int refuse_page(const struct uffd *uffd, uint64_t start, bool shared)
{
	int error = 0;

	if (shared)
		error = uffd_write_protect(uffd, start, PAGE_SIZE, false);
	if (!error)
		error = uffd_poison(uffd, start, PAGE_SIZE);
	if (error != -EEXIST)
		return error;
	if (shared) {
		uffd_write_protect(uffd, start, PAGE_SIZE, true);
		return -EOPNOTSUPP;
	}
	uffd_wake(uffd, start, PAGE_SIZE);
	return 0;
}

static int refuse(struct mmu *mmu, uint64_t start, bool shared)
{
	struct mmu_remote *remote = remote_of(mmu);
	int error;

	if (!enter(remote))
		return -EAGAIN;
	error = refuse_page(&remote->uffd, start, shared);
	lock_drop(&remote->gate);
	return error;
}

/* ENOENT: something unregistered; what came before it is protected. */
static int protect_all(const struct uffd *uffd, uint64_t start, uint64_t length)
{
	int error = uffd_write_protect(uffd, start, length, true);

	if (error != -ENOENT)
		return error;
	for (uint64_t at = start; at < start + length; at += PAGE_SIZE) {
		error = uffd_write_protect(uffd, at, PAGE_SIZE, true);
		if (error && error != -ENOENT)
			return error;
	}
	return 0;
}

static void kick(const struct mmu_remote *remote)
{
	uint64_t one = 1;
	int descriptor = atomic_load(&remote->kick);
	ssize_t written = 0;

	if (descriptor >= 0)
		written = write(descriptor, &one, sizeof(one));
	(void)written; /* full: it is awake */
}

/*
 * Without the gate, as the kernel lets it wait for the process's fork.  What
 * was protected before the fork is so in the child; what was not may be in the
 * child only, and that is told by the event.
 */
static int write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	struct mmu_remote *remote = remote_of(mmu);
	uint64_t seen;
	int error;

	if (!enter(remote))
		return -EAGAIN;
	seen = remote->events_read;
	lock_drop(&remote->gate);
	error = protect_all(&remote->uffd, start, length);
	if (error == -ESRCH) /* nobody stores there any more */
		return 0;
	if (error == -EAGAIN || error == -EINTR) {
		if (mmu_remote_pump(mmu))
			kick(remote);
		return -EAGAIN;
	}
	hook_point(HOOK_REMOTE_PROTECTED, remote, 0);
	lock_take(&remote->gate);
	if (remote->events_read != seen)
		error = -EAGAIN;
	lock_drop(&remote->gate);
	return error;
}

/* ---- its beginning and end ---- */

bool mmu_remote_is_gone(struct mmu *mmu)
{
	return uffd_write_protect(&remote_of(mmu)->uffd, PROBED, PAGE_SIZE,
				  true) == -ESRCH;
}

void mmu_remote_set_kick(struct mmu *mmu, int event_descriptor)
{
	atomic_store(&remote_of(mmu)->kick, event_descriptor); /* kick() */
}

void mmu_remote_set_child(struct mmu *mmu,
			  uint64_t (*child)(void *context, int descriptor),
			  void *context)
{
	struct mmu_remote *remote = remote_of(mmu);

	remote->child_context = context;
	remote->child = child;
}

int mmu_remote_descriptor(const struct mmu *mmu)
{
	return container_of(mmu, const struct mmu_remote, mmu)->uffd.fd;
}

static void destroy(struct mmu *mmu)
{
	struct mmu_remote *remote = remote_of(mmu);

	for (unsigned i = 0; i < remote->event_count; i++) {
		unsigned place = (remote->first_event + i) % REMOTE_KEPT;

		if (remote->events[place].descriptor >= 0)
			close(remote->events[place].descriptor);
	}
	uffd_close(&remote->uffd);
	lock_finish(&remote->gate);
	free(remote);
}

static const struct mmu_ops ops = {
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.install = install,
	.grant = grant,
	.write_protect = write_protect,
	.refuse = refuse,
	.move = move,
	.forget = forget,
	.guard = guard,
	.wake = wake,
	.traps_fd = traps_fd,
	.take_traps = remote_take_traps,
	.destroy = destroy,
};

int mmu_remote_enable(int descriptor, struct mmu_remote_features *features)
{
	return uffd_enable(descriptor, &features->forks);
}

int mmu_remote_create(int descriptor, struct mmu **mmu)
{
	struct mmu_remote *new = calloc(1, sizeof(*new));

	if (!new) {
		close(descriptor);
		return error_say(-ENOMEM, "no memory for a client's mmu");
	}
	new->uffd.fd = descriptor;
	atomic_init(&new->kick, -1);
	lock_init(&new->gate, LOCK_RANK_MMU);
	new->mmu.ops = &ops;
	new->mmu.remote = true;
	new->mmu.lowest = new->mmu.arena = REMOTE_LOWEST;
	new->mmu.highest = new->mmu.arena_end = REMOTE_HIGHEST;
	*mmu = &new->mmu;
	return 0;
}
