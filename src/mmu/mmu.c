/* mmu.c - the one caller of an mmu's table: checks, then calls */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu.h"

#include "base/probe.h"

static void check_range(const struct mmu *mmu, uint64_t start, uint64_t length)
{
	debug_check(!((start | length) & PAGE_MASK) && length > 0,
		    "an mmu's ranges are whole pages");
	debug_check(start >= mmu->lowest && length <= mmu->highest - start,
		    "an mmu's ranges lie in its space");
	(void)mmu;
	(void)start;
	(void)length;
}

int mmu_map(struct mmu *mmu, const struct mmu_mapping *mapping)
{
	check_range(mmu, mapping->start, mapping->length);
	return mmu->ops->map(mmu, mapping);
}

int mmu_unmap(struct mmu *mmu, uint64_t start, uint64_t length)
{
	check_range(mmu, start, length);
	return mmu->ops->unmap(mmu, start, length);
}

int mmu_protect(struct mmu *mmu, uint64_t start, uint64_t length, int prot)
{
	check_range(mmu, start, length);
	return mmu->ops->protect(mmu, start, length, prot);
}

int mmu_install(struct mmu *mmu, uint64_t start, uint64_t length, bool protect)
{
	check_range(mmu, start, length);
	probe3(install, start, length, false);
	return mmu->ops->install(mmu, start, length, protect);
}

int mmu_grant(struct mmu *mmu, uint64_t start, uint64_t length, bool shown)
{
	check_range(mmu, start, length);
	probe3(install, start, length, true);
	return mmu->ops->grant(mmu, start, length, shown);
}

bool mmu_fills(const struct mmu *mmu)
{
	return mmu->ops->fill;
}

uint64_t mmu_fill(struct mmu *mmu, uint64_t start, const void *bytes,
		  uint64_t length, bool protect)
{
	check_range(mmu, start, length);
	probe3(install, start, length, false);
	return mmu->ops->fill(mmu, start, bytes, length, protect);
}

int mmu_write_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	check_range(mmu, start, length);
	return mmu->ops->write_protect(mmu, start, length);
}

int mmu_refuse(struct mmu *mmu, uint64_t start, bool shared)
{
	check_range(mmu, start, PAGE_SIZE);
	return mmu->ops->refuse(mmu, start, shared);
}

int mmu_move(struct mmu *mmu, const struct mmu_move *move)
{
	check_range(mmu, move->from, move->length);
	check_range(mmu, move->to.start, move->to.length);
	return mmu->ops->move(mmu, move);
}

int mmu_forget(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	check_range(mmu, start, length);
	return mmu->ops->forget(mmu, start, length, shared);
}

int mmu_guard(struct mmu *mmu, uint64_t start, uint64_t length, bool guard)
{
	check_range(mmu, start, length);
	return mmu->ops->guard(mmu, start, length, guard);
}

int mmu_copy_guards(struct mmu *mmu, uint64_t from, uint64_t to,
		    uint64_t length)
{
	check_range(mmu, from, length);
	check_range(mmu, to, length);
	return mmu->ops->copy_guards
		       ? mmu->ops->copy_guards(mmu, from, to, length)
		       : 0;
}

bool mmu_must_hide(const struct mmu *mmu)
{
	return mmu->ops->hide != NULL;
}

int mmu_hide(struct mmu *mmu, uint64_t start, uint64_t length)
{
	check_range(mmu, start, length);
	return mmu->ops->hide(mmu, start, length);
}

int mmu_trap_all(struct mmu *mmu, uint64_t start, uint64_t length, bool lodges)
{
	check_range(mmu, start, length);
	return mmu->ops->trap_all(mmu, start, length, lodges);
}

void mmu_wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	mmu->ops->wake(mmu, start, length);
}

int mmu_traps_fd(const struct mmu *mmu)
{
	return mmu->ops->traps_fd(mmu);
}

int mmu_take_traps(struct mmu *mmu, struct mmu_trap *traps, int most)
{
	return mmu->ops->take_traps(mmu, traps, most);
}

void mmu_destroy(struct mmu *mmu)
{
	if (mmu)
		mmu->ops->destroy(mmu);
}
