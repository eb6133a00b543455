/* mmu_uffd.c - the hardware MMU, by userfaultfd */
/* SPDX-License-Identifier: MIT */
/*
 * What the kernel answers, and what it means (tried on Linux 6.18):
 *
 *   CONTINUE  EEXIST  the first page is shown already; nobody was woken
 *             EAGAIN  some pages were shown, or the address space is changing
 *             EFAULT  not in the memfd
 *             ENOENT  unmapped, or a border of mappings in the range
 *             ESRCH   the process is ending
 *   WRITEPROTECT ENOENT  something unregistered in the range; what came
 *                        before it has been protected, what follows has not
 *   WRITEPROTECT (off) of what is not shown is no error: takes a mark away, wakes
 *   POISON    EEXIST  something is there: shown, or a write-protect mark
 *
 * CONTINUE erases a write-protect mark and replaces poison.  It erases a guard
 * as well, so once there are any it is looked where they are.
 */
#include "mmu/mmu_uffd.h"

#include "mmu/mmu_host.h"
#include "mmu/mmu_uffd_private.h"
#include "os/memory.h"
#include "os/page_sleep.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define TRAPS_AT_ONCE 32

struct mmu_uffd {
	struct mmu mmu;
	struct uffd uffd;
	/* [space's lock] where guards are seen; -1: none was ever put */
	int pagemap;
	struct lock marks; /* LOCK_RANK_MMU: held while marks are put */
};

static struct mmu_uffd *own(struct mmu *mmu)
{
	return container_of(mmu, struct mmu_uffd, mmu);
}

/* Whom the kernel does not know of, as the access got a signal. */
static void wake_sleepers(struct mmu *mmu, uint64_t start, uint64_t length)
{
	if (mmu->in_place)
		page_sleep_wake(start, length);
}

static void wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	if (mmu->in_place)
		wake_sleepers(mmu, start, length);
	else
		uffd_wake(&own(mmu)->uffd, start, length);
}

static int map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	int error = uffd_host_map(&own(mmu)->uffd, mapping);

	/* Threads trapped in what stood here before: not earlier, or they
	 * would meet what is not accessible yet. */
	if (mapping->replace)
		wake(mmu, mapping->start, mapping->length);
	return error;
}

static int unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	int error = memory_unmap_at(start, length);

	if (!error)
		wake(mmu, start, length);
	return error;
}

static int protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot)
{
	(void)mmu;
	return memory_protect(start, length, prot);
}

/*
 * Where the space has one mapping the kernel may have two: private ones that
 * have pages of their own are not joined again.  The first page has no border.
 */
static int show(const struct uffd *uffd, uint64_t start, uint64_t length,
		bool protect, uint64_t *done)
{
	int error = uffd_continue(uffd, start, length, protect, done);

	if (error == -ENOENT && length > PAGE_SIZE)
		error = uffd_continue(uffd, start, PAGE_SIZE, protect, done);
	return error;
}

/* How much of the range lies before the first guard. */
static uint64_t before_guard(struct mmu *mmu, uint64_t start, uint64_t length)
{
	int pagemap = own(mmu)->pagemap;

	if (pagemap < 0)
		return length;
	return memory_unguarded(pagemap, start, length >> PAGE_SHIFT)
	       << PAGE_SHIFT;
}

static int install(struct mmu *mmu, uint64_t start, uint64_t length,
		   bool protect)
{
	uint64_t done;
	int error;

	length = before_guard(mmu, start, length);
	if (length == 0) { /* put while the fault was under way */
		wake(mmu, start, PAGE_SIZE);
		return 0;
	}
	error = show(&own(mmu)->uffd, start, length, protect, &done);
	wake_sleepers(mmu, start, done);
	if (done > 0)
		return 0;
	if (error == -EEXIST) {
		wake(mmu, start, PAGE_SIZE);
		return 0;
	}
	return error;
}

/* All that is shown, if *all is set afterwards; else the first page.  Wakes. */
static int unprotect(const struct uffd *uffd, uint64_t start, uint64_t length,
		     bool *all)
{
	int error = uffd_write_protect(uffd, start, length, false);

	*all = error == 0;
	if (error == -ENOENT && length > PAGE_SIZE) /* two of the kernel's */
		error = uffd_write_protect(uffd, start, PAGE_SIZE, false);
	return error;
}

/*
 * What is un-protected traps no more, but the kernel makes it writable only at its
 * next store, by a fault of its own: a microsecond each.  What is not shown it shows
 * writable, many pages by one call.  So of a row all are hidden first.  Not where an
 * access to what is hidden may fail, in a system call; nor where the program has
 * mapped memory of its own over a part, which would be lost: there is nothing that
 * could be protected.
 */
static bool hide_row(const struct uffd *uffd, uint64_t start, uint64_t length)
{
	return length > PAGE_SIZE && uffd->kernel_mode &&
	       uffd_write_protect(uffd, start, length, true) == 0 &&
	       memory_forget(start, length) == 0;
}

static int grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown)
{
	const struct uffd *uffd = &own(mmu)->uffd;
	uint64_t asked = length;
	bool unprotected = false;

	length = before_guard(mmu, start, length);
	if (length < asked)
		wake(mmu, start + length, asked - length);
	if (hide_row(uffd, start, length))
		shown = false;
	while (length > 0) {
		uint64_t done;
		int error = shown ? -EEXIST
				  : show(uffd, start, length, false, &done);

		shown = false; /* of the first page alone it is known */
		if (error == -EEXIST) { /* shown, protected */
			error = unprotected ? 0
					    : unprotect(uffd, start, length,
							&unprotected);
			done = error ? 0 : PAGE_SIZE;
		}
		wake_sleepers(mmu, start, done);
		if (error && !(error == -EAGAIN && done > 0))
			return error;
		start += done;
		length -= done;
	}
	return 0;
}

static uint64_t fill(struct mmu *mmu, uint64_t start, const void *bytes,
		     uint64_t length, bool protect)
{
	uint64_t done = 0;

	length = before_guard(mmu, start, length);
	if (length > 0)
		uffd_copy(&own(mmu)->uffd, start, bytes, length, protect,
			  &done);
	return done;
}

/* Again for as long as the kernel says that the layout is changing. */
static int protect_range(const struct uffd *uffd, uint64_t start,
			 uint64_t length)
{
	int error;

	do {
		error = uffd_write_protect(uffd, start, length, true);
	} while (error == -EAGAIN || error == -EINTR);
	return error;
}

static int protect_all(const struct uffd *uffd, uint64_t start, uint64_t length)
{
	int error = protect_range(uffd, start, length);

	if (error != -ENOENT)
		return error;
	/* A part is being mapped just now: it shows nothing yet. */
	for (uint64_t at = start; at < start + length; at += PAGE_SIZE) {
		error = protect_range(uffd, at, PAGE_SIZE);
		if (error && error != -ENOENT)
			return error;
	}
	return 0;
}

static int write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	int error;

	lock_take(&own(mmu)->marks);
	error = protect_all(&own(mmu)->uffd, start, length);
	lock_drop(&own(mmu)->marks);
	return error;
}

/*
 * POISON wants an empty entry: without a translation, which a private mapping
 * must keep (it may be the program's own copy), and without the mark that it
 * leaves.  The mark goes last: un-protecting what is shown would let a store
 * through.
 */
static int refuse(struct mmu *mmu, uint64_t start, bool shared)
{
	const struct uffd *uffd = &own(mmu)->uffd;
	int error;

	if (shared) {
		error = memory_forget(start, PAGE_SIZE);
		if (error)
			return error;
		uffd_write_protect(uffd, start, PAGE_SIZE, false);
	}
	error = uffd_poison(uffd, start, PAGE_SIZE);
	if (error == -EEXIST) {
		wake(mmu, start, PAGE_SIZE);
		return 0;
	}
	if (!error)
		wake_sleepers(mmu, start, PAGE_SIZE);
	return error;
}

static int copy_guards(struct mmu *mmu, uint64_t from, uint64_t to,
		       uint64_t length)
{
	int pagemap = own(mmu)->pagemap;
	uint64_t pages = length >> PAGE_SHIFT;
	uint64_t at = 0;
	int error = 0;

	while (pagemap >= 0 && !error) {
		at += memory_unguarded(pagemap, from + (at << PAGE_SHIFT),
				       pages - at);
		if (at >= pages)
			break;
		error = memory_guard(to + (at << PAGE_SHIFT), PAGE_SIZE, true);
		at++;
	}
	return error;
}

/* A shared mapping is mapped anew: its guards are put once more. */
static int move_guarded(struct mmu_uffd *mmu, const struct mmu_move *move)
{
	struct mmu_move kept = *move;
	int error;

	kept.keep = true;
	error = uffd_host_move(&mmu->uffd, &kept);
	if (error)
		return error;
	error = copy_guards(&mmu->mmu, move->from, move->to.start,
			    move->length);
	if (!error && move->keep) /* they have moved */
		error = memory_guard(move->from, move->length, false);
	else if (!error)
		error = memory_unmap_at(move->from, move->length);
	if (error)
		memory_unmap_at(move->to.start, move->to.length);
	return error;
}

static int move(struct mmu *mmu, const struct mmu_move *move)
{
	bool guarded = move->to.shared && own(mmu)->pagemap >= 0;
	int error = guarded ? move_guarded(own(mmu), move)
			    : uffd_host_move(&own(mmu)->uffd, move);

	/* Even if nothing has moved: it was without its rights. */
	wake(mmu, move->from, move->length);
	return error;
}

/* A shared page stays in the memfd, and shows the same bytes again. */
static int forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	(void)mmu;
	return shared ? 0 : memory_forget(start, length);
}

/* The first guard: a kernel that does not tell where they are has none. */
static int need_pagemap(struct mmu_uffd *mmu, uint64_t start)
{
	int error, pagemap;

	if (mmu->pagemap >= 0)
		return 0;
	error = memory_pagemap_open(&pagemap);
	if (error)
		return error;
	if (memory_unguarded(pagemap, start, 1) > 0) {
		close(pagemap);
		return -EINVAL;
	}
	mmu->pagemap = pagemap;
	return 0;
}

/*
 * The kernel puts a guard where nothing is, and makes it so by dropping what is
 * there; but a mark of write-protection survives that, and it would try again
 * for ever.  So the pages are hidden, as in refuse(), and then the marks go.
 * Only shared mappings have marks, and of these not those that lodge.
 */
static int put_guard(struct mmu_uffd *mmu, uint64_t start, uint64_t length)
{
	int error = 0;

	lock_take(&mmu->marks);
	if (protect_range(&mmu->uffd, start, length) == 0) {
		error = memory_forget(start, length);
		if (!error)
			error = uffd_write_protect(&mmu->uffd, start, length,
						   false);
	}
	if (!error)
		error = memory_guard(start, length, true);
	lock_drop(&mmu->marks);
	return error;
}

static int guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard)
{
	int error = guard ? put_guard(own(mmu), start, length)
			  : memory_guard(start, length, false);

	if (!error && guard) {
		error = need_pagemap(own(mmu), start);
		if (error)
			memory_guard(start, length, false);
	}
	/* Who was trapped there finds out for himself. */
	if (!error)
		wake(mmu, start, length);
	return error == -EINVAL ? -EOPNOTSUPP : error;
}

/* Registering waits for the kernel's own faults there: none shows a page after
 * what is shown was dropped. */
static int trap_all(struct mmu *mmu, uint64_t start, uint64_t length,
		    bool lodges)
{
	unsigned traps = UFFD_TRAPS_MINOR | (lodges ? 0 : UFFD_TRAPS_STORES);
	int error = uffd_register(&own(mmu)->uffd, start, length, traps);

	return error || lodges ? error : memory_forget(start, length);
}

static int traps_fd(const struct mmu *mmu)
{
	return container_of(mmu, const struct mmu_uffd, mmu)->uffd.fd;
}

static int take_traps(struct mmu *mmu, struct mmu_trap *traps, int most)
{
	struct uffd_trap taken[TRAPS_AT_ONCE];
	int room = most < TRAPS_AT_ONCE ? most : TRAPS_AT_ONCE;
	int count = uffd_read(&own(mmu)->uffd, taken, room);

	for (int i = 0; i < count; i++) {
		traps[i].address = taken[i].address;
		traps[i].write = taken[i].write;
		traps[i].shown = taken[i].shown;
	}
	return count;
}

static void destroy(struct mmu *mmu)
{
	uffd_close(&own(mmu)->uffd);
	if (own(mmu)->pagemap >= 0)
		close(own(mmu)->pagemap);
	lock_finish(&own(mmu)->marks);
	free(own(mmu));
}

static const struct mmu_ops ops = {
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.install = install,
	.grant = grant,
	.fill = fill,
	.write_protect = write_protect,
	.refuse = refuse,
	.move = move,
	.forget = forget,
	.guard = guard,
	.copy_guards = copy_guards,
	.trap_all = trap_all,
	.wake = wake,
	.traps_fd = traps_fd,
	.take_traps = take_traps,
	.destroy = destroy,
};

int mmu_uffd_create(bool sigbus, struct mmu **mmu)
{
	struct mmu_uffd *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return -ENOMEM;
	error = uffd_open(&new->uffd, sigbus);
	if (error) {
		free(new);
		return error;
	}
	new->pagemap = -1;
	lock_init(&new->marks, LOCK_RANK_MMU);
	new->mmu.ops = &ops;
	new->mmu.in_place = sigbus;
	new->mmu.untraps = true;
	new->mmu.lodges = true;
	mmu_host_places(&new->mmu);
	*mmu = &new->mmu;
	return 0;
}

const struct uffd *mmu_uffd_traps(const struct mmu *mmu)
{
	return &container_of(mmu, const struct mmu_uffd, mmu)->uffd;
}
