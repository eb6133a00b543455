/* record.c - which pages of its mapped files a program touches, in order */
/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD=trace-record.so TRACE_RAW=FILE PROGRAM...
 *
 * Files of 64 KiB or more that are mapped are kept without access.  A touch is
 * a SIGSEGV, which notes the page and lets the program at it; the page that was
 * let in WINDOW touches before loses its access again.  More than one must have
 * it: an instruction may touch several, and would never end.
 *
 * FILE is mapped by all the processes that the program starts, so they write
 * one trace, in which a file has the same numbers whoever maps it.
 *
 * Not for programs that give such a mapping to a system call (it would say
 * EFAULT), change its access with mprotect(), or handle SIGSEGV themselves.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096ul
#define SHORTEST (64ul << 10)
#define WINDOW 8
#define FILES 1024
#define RANGES 4096
#define TOUCHES (16u << 20)
/* A fault where access was just given: another thread gave it, unless it goes
 * on. */
#define PATIENCE 1000

/* Of a file: its place in the trace. */
struct file {
	dev_t device;
	ino_t inode;
	uint32_t base, pages;
};

/* What FILE holds.  record.sh knows the first two. */
struct record {
	uint32_t count;
	uint32_t touch[TOUCHES];
	uint32_t last; /* touched */
	uint32_t files, pages;
	struct file file[FILES];
	atomic_flag lock; /* of all this, and of what each process has */
};

/* Mapped pages that are watched. */
struct range {
	uintptr_t start, end;
	uint32_t page; /* in the trace, of start */
	int protection;
};

static struct record *record;
static struct range ranges[RANGES];
static unsigned range_count;
static uintptr_t window[WINDOW]; /* pages with access; 0: none */
static unsigned window_next, patience;

static void lock(void)
{
	while (atomic_flag_test_and_set_explicit(&record->lock,
						 memory_order_acquire))
		;
}

static void unlock(void)
{
	atomic_flag_clear_explicit(&record->lock, memory_order_release);
}

static void give(uintptr_t page, int protection)
{
	syscall(SYS_mprotect, page, PAGE, protection);
}

static uintptr_t round_up(uintptr_t length)
{
	return (length + PAGE - 1) & ~(PAGE - 1);
}

/* ---- touches ---- */

static struct range *range_of(uintptr_t address)
{
	for (unsigned i = 0; i < range_count; i++)
		if (address >= ranges[i].start && address < ranges[i].end)
			return &ranges[i];
	return NULL;
}

static void note(uint32_t page)
{
	if (page == record->last && record->count)
		return;
	record->last = page;
	if (record->count < TOUCHES)
		record->touch[record->count++] = page;
}

static bool in_window(uintptr_t page)
{
	for (unsigned i = 0; i < WINDOW; i++)
		if (window[i] == page)
			return true;
	return false;
}

static void let_in(const struct range *range, uintptr_t page)
{
	uintptr_t *place = &window[window_next++ % WINDOW];

	if (*place)
		give(*place, PROT_NONE);
	*place = page;
	give(page, range->protection);
	note(range->page + (uint32_t)((page - range->start) / PAGE));
}

/* False: it is the program's own fault. */
static bool touch(uintptr_t address)
{
	uintptr_t page = address & ~(PAGE - 1);
	const struct range *range = range_of(address);

	if (!range || range->protection == PROT_NONE)
		return false;
	if (in_window(page))
		return ++patience < PATIENCE;
	patience = 0;
	let_in(range, page);
	return true;
}

static void on_fault(int number, siginfo_t *info, void *context)
{
	bool good;

	(void)context;
	lock();
	good = touch((uintptr_t)info->si_addr);
	unlock();
	if (!good)
		signal(number, SIG_DFL); /* it comes again, and kills */
}

/* ---- mappings ---- */

static void range_add(struct range range)
{
	if (range.start < range.end && range_count < RANGES)
		ranges[range_count++] = range;
}

/* Part of a range, or nothing. */
static struct range range_cut(const struct range *range, uintptr_t start,
			      uintptr_t end)
{
	struct range part = *range;

	if (start > range->start)
		part.start = start;
	if (end < range->end)
		part.end = end;
	part.page += (uint32_t)((part.start - range->start) / PAGE);
	return part;
}

/* What is mapped there is another's now, or nobody's. */
static void forget(uintptr_t start, uintptr_t end)
{
	for (unsigned i = range_count; i-- > 0;) {
		struct range range = ranges[i];

		if (range.end <= start || range.start >= end)
			continue;
		ranges[i] = ranges[--range_count];
		range_add(range_cut(&range, 0, start));
		range_add(range_cut(&range, end, UINTPTR_MAX));
	}
	for (unsigned i = 0; i < WINDOW; i++)
		if (window[i] >= start && window[i] < end)
			window[i] = 0;
}

/* The file's place in the trace, the same for all mappings of it.  Clusters of
 * 16 pages are one file's. */
static struct file *file_of(const struct stat *status)
{
	struct file *file = record->file;

	for (unsigned i = 0; i < record->files; i++, file++)
		if (file->device == status->st_dev &&
		    file->inode == status->st_ino)
			return file;
	if (record->files == FILES)
		return NULL;
	*file = (struct file){
		.device = status->st_dev,
		.inode = status->st_ino,
		.base = record->pages,
		.pages =
			(uint32_t)(round_up((uintptr_t)status->st_size) / PAGE),
	};
	record->files++;
	record->pages += (file->pages + 15) & ~15u;
	return file;
}

/* As much of the mapping as there was file, when first it was mapped. */
static void watch(struct range range, const struct stat *status,
		  uint64_t offset)
{
	const struct file *file = file_of(status);
	uint64_t first = offset / PAGE;

	/* The other half is for ranges that are cut in two. */
	if (!file || first >= file->pages || range_count >= RANGES / 2)
		return;
	range.page = file->base + (uint32_t)first;
	if ((range.end - range.start) / PAGE > file->pages - first)
		range.end = range.start + (file->pages - first) * PAGE;
	range_add(range);
	syscall(SYS_mprotect, range.start, range.end - range.start, PROT_NONE);
}

static bool is_of_interest(size_t length, int fd, struct stat *status)
{
	return length >= SHORTEST && fd >= 0 && fstat(fd, status) == 0 &&
	       S_ISREG(status->st_mode);
}

#define EXPORT __attribute__((visibility("default")))

EXPORT void *mmap(void *wish, size_t length, int protection, int flags, int fd,
		  off_t offset)
{
	struct stat status;
	uintptr_t start = (uintptr_t)syscall(SYS_mmap, wish, length, protection,
					     flags, fd, offset);
	struct range range = { start, start + round_up(length), 0, protection };

	if (!record || (void *)start == MAP_FAILED)
		return (void *)start;
	lock();
	forget(range.start, range.end); /* MAP_FIXED */
	if (!(flags & MAP_ANONYMOUS) && is_of_interest(length, fd, &status))
		watch(range, &status, (uint64_t)offset);
	unlock();
	return (void *)start;
}

EXPORT __typeof__(mmap) mmap64 __attribute__((alias("mmap")));

EXPORT int munmap(void *address, size_t length)
{
	uintptr_t start = (uintptr_t)address;

	if (record) {
		lock();
		forget(start, start + round_up(length));
		unlock();
	}
	return (int)syscall(SYS_munmap, address, length);
}

/* Moved, it is not watched any longer. */
EXPORT void *mremap(void *address, size_t old, size_t new, int flags, ...)
{
	uintptr_t start = (uintptr_t)address;
	const struct range *range;
	va_list list;
	void *wish;

	va_start(list, flags);
	wish = flags & MREMAP_FIXED ? va_arg(list, void *) : NULL;
	va_end(list);
	if (record) {
		lock();
		range = range_of(start);
		if (range)
			syscall(SYS_mprotect, start, round_up(old),
				range->protection);
		forget(start, start + round_up(old));
		unlock();
	}
	return (void *)syscall(SYS_mremap, address, old, new, flags, wish);
}

__attribute__((constructor)) static void begin(void)
{
	struct sigaction action = { .sa_sigaction = on_fault,
				    .sa_flags = SA_SIGINFO };
	const char *path = getenv("TRACE_RAW");
	int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666) : -1;
	void *memory = MAP_FAILED;

	if (fd >= 0 && ftruncate(fd, sizeof(struct record)) == 0)
		memory = (void *)syscall(SYS_mmap, NULL, sizeof(struct record),
					 PROT_READ | PROT_WRITE, MAP_SHARED, fd,
					 0L);
	if (fd >= 0)
		close(fd);
	if (memory == MAP_FAILED)
		return;
	sigfillset(&action.sa_mask); /* the lock is held there */
	sigaction(SIGSEGV, &action, NULL);
	record = memory;
}
