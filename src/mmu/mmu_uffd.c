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
 *   POISON    EEXIST  something is there: shown, or a write-protect mark
 *
 * CONTINUE erases a write-protect mark and replaces poison.
 */
#include "mmu/mmu_uffd.h"

#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#define LOWEST UINT64_C(0x10000)         /* vm.mmap_min_addr's default */
#define HIGHEST UINT64_C(0x7ffffffff000) /* of 47 bits of address */

/*
 * Far from the heap, the stack and what the kernel places by itself, so that
 * free ranges here stay free.  Thread sanitizer knows three stretches only.
 */
#if defined(__SANITIZE_THREAD__)
#define ARENA UINT64_C(0x7e8000000000)
#define ARENA_END UINT64_C(0x7f0000000000)
#else
#define ARENA UINT64_C(0x200000000000)
#define ARENA_END UINT64_C(0x500000000000)
#endif

struct mmu_uffd {
	struct mmu mmu;
	struct uffd uffd;
};

static struct mmu_uffd *own(struct mmu *mmu)
{
	return container_of(mmu, struct mmu_uffd, mmu);
}

static void wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	uffd_wake(&own(mmu)->uffd, start, length);
}

/*
 * Inaccessible until it is registered: a touch before that would be answered
 * by the kernel, with zeros that then stand in the memfd.
 */
static int map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	int error = memory_map_at(mapping->start, mapping->length, PROT_NONE,
				  mapping->shared, mapping->memory,
				  mapping->offset, mapping->replace);

	if (error)
		return error;
	error = uffd_register(&own(mmu)->uffd, mapping->start, mapping->length,
			      mapping->shared);
	if (!error)
		error = memory_protect(mapping->start, mapping->length,
				       mapping->prot);
	if (error)
		memory_unmap_at(mapping->start, mapping->length);
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

static int install(struct mmu *mmu, uint64_t start, uint64_t length,
		   bool shared)
{
	uint64_t done;
	int error = show(&own(mmu)->uffd, start, length, shared, &done);

	if (done > 0)
		return 0;
	if (error == -EEXIST) {
		wake(mmu, start, PAGE_SIZE);
		return 0;
	}
	return error;
}

static int grant(struct mmu *mmu, uint64_t start, uint64_t length)
{
	const struct uffd *uffd = &own(mmu)->uffd;

	while (length > 0) {
		uint64_t done;
		int error = show(uffd, start, length, false, &done);

		if (error == -EEXIST) {
			/* Shown, protected: un-protecting wakes. */
			error = uffd_write_protect(uffd, start, PAGE_SIZE,
						   false);
			done = PAGE_SIZE;
		}
		if (error && !(error == -EAGAIN && done > 0))
			return error;
		start += done;
		length -= done;
	}
	return 0;
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

static int write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	const struct uffd *uffd = &own(mmu)->uffd;
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
	if (error != -EEXIST)
		return error;
	wake(mmu, start, PAGE_SIZE);
	return 0;
}

static void destroy(struct mmu *mmu)
{
	uffd_close(&own(mmu)->uffd);
	free(own(mmu));
}

static const struct mmu_ops ops = {
	.map = map,
	.unmap = unmap,
	.protect = protect,
	.install = install,
	.grant = grant,
	.write_protect = write_protect,
	.refuse = refuse,
	.wake = wake,
	.destroy = destroy,
};

int mmu_uffd_create(struct mmu **mmu)
{
	struct mmu_uffd *new = calloc(1, sizeof(*new));
	int error;

	if (!new)
		return -ENOMEM;
	error = uffd_open(&new->uffd);
	if (error) {
		free(new);
		return error;
	}
	new->mmu.ops = &ops;
	new->mmu.lowest = LOWEST;
	new->mmu.highest = HIGHEST;
	new->mmu.arena = ARENA;
	new->mmu.arena_end = ARENA_END;
	*mmu = &new->mmu;
	return 0;
}

const struct uffd *mmu_uffd_traps(const struct mmu *mmu)
{
	return &container_of(mmu, const struct mmu_uffd, mmu)->uffd;
}
