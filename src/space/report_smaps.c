/* report_smaps.c - the smaps text: what is in memory of each mapping */
/* SPDX-License-Identifier: MIT */
/*
 * As /proc/PID/smaps.  On the software MMU its page table says what is mapped,
 * accessed, dirty, private; on the host's nobody here knows what is shown, and
 * what the object has in memory counts.  A page is taken to be mapped once, as
 * nobody counts how often it is: so Pss is Rss, and all is private.
 */
#include "space/report_private.h"

#include "mmu/mmu_soft.h"
#include "page/cache.h"

#include <sys/mman.h>

#define HUGE_SHIFT 21
#define GIANT_SHIFT 30

/* smap_gather_stats(): bytes. */
struct sizes {
	uint64_t resident;
	uint64_t dirty; /* of them */
	uint64_t referenced;
	uint64_t anonymous;
	uint64_t huge;
	uint64_t hugetlb; /* resident, but counted apart */
	uint64_t swap;
};

static void count_page(struct sizes *sizes, const struct vma *vma,
		       const struct soft_translation *page)
{
	if (!object_page_resident(page->owner, page->index)) {
		if (page->flags & SOFT_PRIVATE)
			sizes->swap += PAGE_SIZE;
		return;
	}
	if (vma->flags & VM_HUGETLB) {
		sizes->hugetlb += PAGE_SIZE;
		return;
	}
	sizes->resident += PAGE_SIZE;
	if ((page->flags & SOFT_DIRTY) ||
	    object_next_dirty(page->owner, page->index) == page->index)
		sizes->dirty += PAGE_SIZE;
	if (page->flags & SOFT_ACCESSED)
		sizes->referenced += PAGE_SIZE;
	if (page->flags & SOFT_PRIVATE)
		sizes->anonymous += PAGE_SIZE;
	if (page->flags & (SOFT_HUGE | SOFT_GIANT))
		sizes->huge += PAGE_SIZE;
}

/* Where the leaf that holds address ends, cut off at end. */
static uint64_t leaf_end(uint64_t address, uint64_t end, uint32_t flags)
{
	unsigned shift = flags & SOFT_GIANT  ? GIANT_SHIFT
			 : flags & SOFT_HUGE ? HUGE_SHIFT
					     : PAGE_SHIFT;
	uint64_t leaf = ((address >> shift) + 1) << shift;

	return leaf < end ? leaf : end;
}

/* The page of zeros counts for nothing, and a guard has no page. */
static void count_table(struct sizes *sizes, const struct space *space,
			const struct vma *vma)
{
	uint64_t address = vma->mapping.start;
	uint64_t end = vma->mapping.end;
	struct soft_translation page;

	while (address < end && soft_next(space->mmu, &address, end, &page)) {
		uint64_t next = leaf_end(address, end, page.flags);

		for (;
		     page.owner && !(page.flags & SOFT_GUARD) && address < next;
		     address += PAGE_SIZE, page.index++)
			count_page(sizes, vma, &page);
		address = next;
	}
}

static void count_object(struct sizes *sizes, const struct vma *vma)
{
	struct object *object = vma->handle->object;
	struct page_table *table = object_table(object);
	uint64_t end = vma->mapping.index + vma_pages(vma);
	uint64_t pages = object_pages(object);
	struct soft_translation page = {
		.owner = object,
		.flags = vma_anonymous(vma) ? SOFT_PRIVATE : 0,
	};

	if (end > pages)
		end = pages;
	page.index = page_table_next(table, vma->mapping.index);
	while (page.index < end) {
		/* Absent anonymous pages here were never stored, or are in
		 * the swap file: nobody here knows. */
		if (object_page_resident(object, page.index))
			count_page(sizes, vma, &page);
		page.index = page_table_next(table, page.index + 1);
	}
}

static struct sizes sizes_of(const struct space *space, const struct vma *vma)
{
	struct sizes sizes = { .resident = 0 };

	if (vma->flags & VM_PFNMAP)
		return sizes; /* frames are nobody's pages */
	if (space->mmu->soft)
		count_table(&sizes, space, vma);
	else
		count_object(&sizes, vma);
	return sizes;
}

static void add_size(struct text *text, const char *name, uint64_t bytes)
{
	text_print(text, "%-16s%8llu kB\n", name,
		   (unsigned long long)bytes >> 10);
}

/* show_smap_vma_flags() */
static void add_flags(struct text *text, const struct vma *vma)
{
	static const struct {
		uint64_t flag;
		char name[3];
	} names[] = {
		{ VM_READ, "rd" },        { VM_WRITE, "wr" },
		{ VM_EXEC, "ex" },        { VM_SHARED, "sh" },
		{ VM_MAYREAD, "mr" },     { VM_MAYWRITE, "mw" },
		{ VM_MAYEXEC, "me" },     { VM_MAYSHARE, "ms" },
		{ VM_GROWSDOWN, "gd" },   { VM_PFNMAP, "pf" },
		{ VM_LOCKED, "lo" },      { VM_IO, "io" },
		{ VM_SEQ_READ, "sr" },    { VM_RAND_READ, "rr" },
		{ VM_DONTCOPY, "dc" },    { VM_DONTEXPAND, "de" },
		{ VM_LOCKONFAULT, "lf" }, { VM_ACCOUNT, "ac" },
		{ VM_NORESERVE, "nr" },   { VM_HUGETLB, "ht" },
		{ VM_SYNC, "sf" },        { VM_WIPEONFORK, "wf" },
		{ VM_DONTDUMP, "dd" },    { VM_HUGEPAGE, "hg" },
		{ VM_NOHUGEPAGE, "nh" },  { VM_MERGEABLE, "mg" },
		{ VM_DROPPABLE, "dp" },
	};

	text_print(text, "VmFlags: ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (vma->flags & names[i].flag)
			text_print(text, "%s ", names[i].name);
	text_print(text, "\n");
}

/* __show_smap() */
static void add_sizes(struct text *text, const struct sizes *sizes,
		      const struct vma *vma)
{
	bool locked = vma->flags & VM_LOCKED;
	bool shared = vma->flags & VM_MAYSHARE;
	uint64_t huge = sizes->huge;

	add_size(text, "Rss:", sizes->resident);
	add_size(text, "Pss:", sizes->resident);
	add_size(text, "Pss_Dirty:", sizes->dirty);
	add_size(text, "Shared_Clean:", 0);
	add_size(text, "Shared_Dirty:", 0);
	add_size(text, "Private_Clean:", sizes->resident - sizes->dirty);
	add_size(text, "Private_Dirty:", sizes->dirty);
	add_size(text, "Referenced:", sizes->referenced);
	add_size(text, "Anonymous:", sizes->anonymous);
	add_size(text, "KSM:", 0);
	add_size(text, "LazyFree:", 0);
	add_size(text, "AnonHugePages:", vma_anonymous(vma) ? huge : 0);
	add_size(text, "ShmemPmdMapped:", 0);
	add_size(text, "FilePmdMapped:", vma_anonymous(vma) ? 0 : huge);
	add_size(text, "Shared_Hugetlb:", shared ? sizes->hugetlb : 0);
	add_size(text, "Private_Hugetlb:", shared ? 0 : sizes->hugetlb);
	add_size(text, "Swap:", sizes->swap);
	add_size(text, "SwapPss:", sizes->swap);
	add_size(text, "Locked:", locked ? sizes->resident : 0);
	text_print(text, "THPeligible:    %8u\n", 0u);
}

void report_smaps(struct text *text, const struct space *space)
{
	const struct vma *vma = vma_first(space);

	for (; vma; vma = space_next(vma)) {
		struct sizes sizes = sizes_of(space, vma);
		uint64_t page = UINT64_C(1) << vma_page_shift(vma);

		report_maps_line(text, space, vma);
		add_size(text, "Size:", vma_bytes(vma));
		add_size(text, "KernelPageSize:", page);
		add_size(text, "MMUPageSize:", page);
		add_sizes(text, &sizes, vma);
		add_flags(text, vma);
	}
}
