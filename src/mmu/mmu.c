/* mmu.c - the one caller of an mmu's table: checks, then calls */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu.h"

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

int mmu_install(struct mmu *mmu, uint64_t start, uint64_t length, bool shared)
{
	check_range(mmu, start, length);
	return mmu->ops->install(mmu, start, length, shared);
}

int mmu_grant(struct mmu *mmu, uint64_t start, uint64_t length)
{
	check_range(mmu, start, length);
	return mmu->ops->grant(mmu, start, length);
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

void mmu_wake(struct mmu *mmu, uint64_t start, uint64_t length)
{
	mmu->ops->wake(mmu, start, length);
}

void mmu_destroy(struct mmu *mmu)
{
	if (mmu)
		mmu->ops->destroy(mmu);
}
