/* memory.c - host memory: anonymous, memfd, mapped; by raw system calls */
/* SPDX-License-Identifier: MIT */
#include "os/memory.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/memfd.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/uio.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

/* Debian 12's header is older than the kernels that Quire runs on. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

#define MEMORY_PAGE 4096u
#define HUGE_PAGE (UINT64_C(2) << 20)

/* 0 or a negative errno, of a system call that returns -1 and errno. */
static int outcome(long returned)
{
	return returned < 0 ? -errno : 0;
}

/*
 * The kernel puts an unmap before the map that gets the place; of raw calls
 * the thread sanitizer has to be told that.
 */
#if defined(__SANITIZE_THREAD__)
static char unmapped;
#define NOTE_UNMAP() __tsan_release(&unmapped)
#define NOTE_MAP() __tsan_acquire(&unmapped)
#else
#define NOTE_UNMAP() ((void)0)
#define NOTE_MAP() ((void)0)
#endif

/* As mmap(2), but the errno negative and the address in *address. */
static int map(uint64_t *address, size_t length, int prot, int flags, int fd,
	       uint64_t offset)
{
	long mapped = syscall(SYS_mmap, *address, length, prot, flags, fd,
			      (off_t)offset);

	if (mapped == -1)
		return -errno;
	NOTE_MAP();
	*address = (uint64_t)mapped;
	return 0;
}

static int advise(uint64_t address, size_t length, int advice)
{
	return outcome(syscall(SYS_madvise, address, length, advice));
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/*
 * Private to this process: a child must see SIGSEGV there, never zeros or a
 * stale copy.  shared_file: keep 4 KiB pages, as traps and holes are of that
 * size; a kernel without huge pages refuses that advice, and needs none.
 */
static int settle(uint64_t address, size_t length, bool shared_file)
{
	int error = advise(address, length, MADV_DONTFORK);

	if (error || !shared_file)
		return error;
	error = advise(address, length, MADV_NOHUGEPAGE);
	return error == -EINVAL ? 0 : error;
}

/* map() and settle(), or nothing. */
static int map_settled(uint64_t *address, size_t length, int prot, int flags,
		       int fd, uint64_t offset)
{
	int error = map(address, length, prot, flags, fd, offset);

	if (error)
		return error;
	error = settle(*address, length, fd >= 0);
	if (error)
		memory_unmap_at(*address, length);
	return error;
}

int memory_map(size_t bytes, void **memory)
{
	uint64_t address = 0;
	int error = map_settled(&address, bytes, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
				0);

	if (!error)
		*memory = pointer(address);
	return error;
}

void memory_unmap(void *memory, size_t bytes)
{
	memory_unmap_at((uint64_t)(uintptr_t)memory, bytes);
}

/* As memory_map(), beginning at a huge page. */
static int map_huge(size_t bytes, void **memory)
{
	uint64_t start, aligned;
	int error = memory_map(bytes + HUGE_PAGE, memory);

	if (error)
		return error;
	start = (uint64_t)(uintptr_t)*memory;
	aligned = (start + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
	if (aligned > start)
		memory_unmap_at(start, aligned - start);
	if (aligned < start + HUGE_PAGE)
		memory_unmap_at(aligned + bytes, start + HUGE_PAGE - aligned);
	/* A wish: a kernel without huge pages refuses it. */
	(void)advise(aligned, bytes, MADV_HUGEPAGE);
	*memory = pointer(aligned);
	return 0;
}

void *memory_pool_map(size_t bytes)
{
	bool huge = bytes && bytes % HUGE_PAGE == 0;
	void *memory;

	if (huge && !map_huge(bytes, &memory))
		return memory;
	return memory_map(bytes, &memory) ? NULL : memory;
}

void memory_clear(void *memory, size_t bytes)
{
	advise((uint64_t)(uintptr_t)memory, bytes, MADV_DONTNEED);
}

int memory_file_create(const char *name, int *result)
{
	long fd =
		syscall(SYS_memfd_create, name, MFD_CLOEXEC | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL) /* before Linux 6.3 */
		fd = syscall(SYS_memfd_create, name, MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* Nobody who is handed it may seal it.  EPERM: it is so already. */
	syscall(SYS_fcntl, (int)fd, F_ADD_SEALS, F_SEAL_SEAL);
	*result = (int)fd;
	return 0;
}

/* Beyond RLIMIT_FSIZE the kernel would not only say no, but send SIGXFSZ. */
bool memory_file_fits(int fd, uint64_t size)
{
	struct rlimit limit;
	struct stat status;

	return getrlimit(RLIMIT_FSIZE, &limit) || size <= limit.rlim_cur ||
	       fstat(fd, &status) || size <= (uint64_t)status.st_size;
}

int memory_file_resize(int fd, uint64_t size)
{
	int error;

	if (!memory_file_fits(fd, size))
		return -EFBIG;
	do
		error = outcome(syscall(SYS_ftruncate, fd, (off_t)size));
	while (error == -EINTR);
	return error;
}

int memory_file_punch(int fd, uint64_t offset, uint64_t length)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	int error;

	do
		error = outcome(syscall(SYS_fallocate, fd, mode, (off_t)offset,
					(off_t)length));
	while (error == -EINTR);
	return error;
}

int memory_file_write(int fd, const void *bytes, size_t length, uint64_t offset)
{
	const char *from = bytes;

	while (length > 0) {
		long moved =
			syscall(SYS_pwrite64, fd, from, length, (off_t)offset);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0)
			return moved < 0 ? -errno : -EIO;
		from += moved;
		offset += (uint64_t)moved;
		length -= (size_t)moved;
	}
	return 0;
}

int memory_file_read(int fd, void *bytes, size_t length, uint64_t offset)
{
	char *to = bytes;

	while (length > 0) {
		long moved =
			syscall(SYS_pread64, fd, to, length, (off_t)offset);

		if (moved < 0 && errno == EINTR)
			continue;
		if (moved <= 0) /* 0: the file ends before the range does */
			return moved < 0 ? -errno : -EIO;
		to += moved;
		offset += (uint64_t)moved;
		length -= (size_t)moved;
	}
	return 0;
}

static int map_view(int fd, size_t length, int prot, void **view)
{
	uint64_t address = 0;
	int error = map_settled(&address, length, prot, MAP_SHARED, fd, 0);

	if (!error)
		*view = pointer(address);
	return error;
}

int memory_file_view(int fd, size_t length, void **view)
{
	return map_view(fd, length, PROT_READ | PROT_WRITE, view);
}

int memory_file_view_read(int fd, size_t length, void **view)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur != RLIM_INFINITY)
		return -ENOMEM;
	return map_view(fd, length, PROT_READ, view);
}

int memory_map_at(uint64_t address, size_t length, int prot, bool shared,
		  int fd, uint64_t offset, bool replace)
{
	int flags = replace ? MAP_FIXED : MAP_FIXED_NOREPLACE;
	uint64_t mapped = address;
	int error;

	if (fd < 0) {
		prot = PROT_NONE;
		offset = 0;
		flags |= MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	} else {
		flags |= shared ? MAP_SHARED : MAP_PRIVATE;
	}
	error = map_settled(&mapped, length, prot, flags, fd, offset);
	/* A kernel before 4.17 reads NOREPLACE as a hint. */
	if (!error && mapped != address) {
		memory_unmap_at(mapped, length);
		return -EEXIST;
	}
	return error;
}

int memory_unmap_at(uint64_t address, size_t length)
{
	NOTE_UNMAP();
	return outcome(syscall(SYS_munmap, address, length));
}

int memory_protect(uint64_t address, size_t length, int prot)
{
	return outcome(syscall(SYS_mprotect, address, length, prot));
}

#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

int memory_forget(uint64_t address, size_t length)
{
	int error = advise(address, length, MADV_DONTNEED_LOCKED);

	/* Before Linux 5.18 there is none for locked memory. */
	return error == -EINVAL ? advise(address, length, MADV_DONTNEED)
				: error;
}

/* Linux 6.14: this process, without a descriptor of it. */
#define PIDFD_OF_SELF (-10000)

static size_t forget_many(const struct iovec *ranges, unsigned count)
{
	long done = syscall(SYS_process_madvise, PIDFD_OF_SELF, ranges,
			    (size_t)count, MADV_DONTNEED_LOCKED, 0);

	return done > 0 ? (size_t)done : 0;
}

void memory_forget_many(const struct iovec *ranges, unsigned count)
{
	(void)forget_many(ranges, count);
}

void memory_drop_many(const struct iovec *ranges, unsigned count)
{
	size_t done = count > 1 ? forget_many(ranges, count) : 0;

	for (unsigned i = 0; i < count; i++) {
		size_t length = ranges[i].iov_len;
		uint64_t address = (uint64_t)(uintptr_t)ranges[i].iov_base;
		int error = done < length ? memory_forget(address, length) : 0;

		/* Whoever has unmapped it behind our back has dropped it. */
		check(error == 0 || error == -ENOMEM, "memory can be dropped");
		done -= done < length ? done : length;
	}
}

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

int memory_populate(uint64_t address, size_t length, bool write)
{
	return outcome(
		syscall(SYS_madvise, address, length,
			write ? MADV_POPULATE_WRITE : MADV_POPULATE_READ));
}

int memory_resident(uint64_t address, size_t length, unsigned char *vector)
{
	return outcome(syscall(SYS_mincore, address, length, vector));
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

int memory_guard(uint64_t address, size_t length, bool guard)
{
	return outcome(syscall(SYS_madvise, address, length,
			       guard ? MADV_GUARD_INSTALL : MADV_GUARD_REMOVE));
}

#define PAGEMAP_ENTRY sizeof(uint64_t)
#define PAGEMAP_GUARD (UINT64_C(1) << 58)
#define PAGEMAP_AT_ONCE 64 /* pages */

int memory_pagemap_open(int *fd)
{
	long opened = syscall(SYS_openat, AT_FDCWD, "/proc/self/pagemap",
			      O_RDONLY | O_CLOEXEC);

	*fd = (int)opened;
	return outcome(opened);
}

/* Of the first pages; most <= PAGEMAP_AT_ONCE. */
static size_t unguarded(int pagemap, uint64_t address, size_t most)
{
	uint64_t entry[PAGEMAP_AT_ONCE];
	uint64_t offset = address / MEMORY_PAGE * PAGEMAP_ENTRY;
	size_t count = 0;

	/* What cannot be told is no guard's. */
	if (memory_file_read(pagemap, entry, most * PAGEMAP_ENTRY, offset))
		return most;
	while (count < most && !(entry[count] & PAGEMAP_GUARD))
		count++;
	return count;
}

size_t memory_unguarded(int pagemap, uint64_t address, size_t pages)
{
	size_t count = 0;

	while (count < pages) {
		size_t most = pages - count < PAGEMAP_AT_ONCE ? pages - count
							      : PAGEMAP_AT_ONCE;
		size_t found =
			unguarded(pagemap, address + count * MEMORY_PAGE, most);

		count += found;
		if (found < most)
			break;
	}
	return count;
}

uint64_t memory_total(void)
{
	struct sysinfo info;

	if (sysinfo(&info))
		return UINT64_MAX;
	return ((uint64_t)info.totalram + info.totalswap) * info.mem_unit;
}

int memory_give(void *to, const void *from, size_t length)
{
	struct iovec source = { (void *)(uintptr_t)from, length };
	struct iovec target = { to, length };
	long moved;

	if (length == 0)
		return 0;
	moved = syscall(SYS_process_vm_writev, getpid(), &source, 1UL, &target,
			1UL, 0UL);
	if (moved < 0 && (errno == ENOSYS || errno == EPERM)) {
		memcpy(to, from, length); /* a sandbox: as any function does */
		return 0;
	}
	return moved == (long)length ? 0 : -EFAULT;
}

int memory_fetch(void *to, uint64_t from, size_t length)
{
	struct iovec source = { pointer(from), length };
	struct iovec target = { to, length };
	long moved = syscall(SYS_process_vm_readv, getpid(), &target, 1UL,
			     &source, 1UL, 0UL);

	if (moved < 0)
		return -errno;
	return moved == (long)length ? 0 : -EFAULT;
}
