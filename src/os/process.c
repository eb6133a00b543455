/* process.c - which process this is, without a system call */
/* SPDX-License-Identifier: MIT */
/*
 * The mark is a page that the kernel wipes in a child's copy.  (A handler of
 * pthread_atfork() does not run where a child is made by clone() itself.)
 */
#include "os/process.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARK_BYTES 4096UL

static _Atomic(_Atomic bool *) mark;

static int map_mark(_Atomic bool **page)
{
	long mapped = syscall(SYS_mmap, NULL, MARK_BYTES,
			      PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);

	if (mapped == -1)
		return -errno;
	if (syscall(SYS_madvise, mapped, MARK_BYTES, MADV_WIPEONFORK)) {
		int error = -errno;

		syscall(SYS_munmap, mapped, MARK_BYTES);
		return error;
	}
	*page = (_Atomic bool *)(uintptr_t)mapped;
	return 0;
}

int process_mark(void)
{
	_Atomic bool *page = atomic_load(&mark), *there = NULL;

	if (!page) {
		int error = map_mark(&page);

		if (error)
			return error;
		/* process_is_marked(); of two threads one has been here first */
		if (!atomic_compare_exchange_strong(&mark, &there, page)) {
			syscall(SYS_munmap, page, MARK_BYTES);
			page = there;
		}
	}
	atomic_store(page, true);
	return 0;
}

bool process_is_marked(void)
{
	const _Atomic bool *page = atomic_load(&mark);

	return page && atomic_load(page);
}
