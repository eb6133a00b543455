/* take.c - a mapping becomes the server's */
/* SPDX-License-Identifier: MIT */
#include "take.h"

#include "client.h"
#include "map.h"
#include "ranges.h"
#include "raw.h"
#include "stdio_watch.h"
#include "userfault.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

/* What OPEN brought. */
struct opened {
	struct table_file file;
	int memory;
	bool read_only;
	char path[PATH_MAX];
};

void path_of(int fd, char *path, size_t size)
{
	char link[32];
	long length;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = raw(SYS_readlinkat, AT_FDCWD, link, path, size - 1);
	path[raw_failed(length) ? 0 : length] = '\0';
}

static void release(uint64_t id)
{
	struct call call = {
		.request.type = REQUEST_RELEASE,
		.request.id = id,
		.request.length = 1,
	};

	client_call(&call);
}

static int open_object(const struct wish *wish, const struct look *look,
		       struct opened *opened)
{
	struct call call = {
		.request.type = REQUEST_OPEN,
		.request.offset = (uint64_t)wish->offset,
		.request.length = wish->length,
		.send = { wish->fd },
		.send_count = 1,
	};
	int error;

	path_of(wish->fd, opened->path, sizeof(opened->path));
	if (!look->entry && strncmp(opened->path, "/memfd:", 7) == 0)
		return -EAGAIN; /* memory already, and nobody's file */
	error = client_call(&call);
	if (error)
		return error;
	if (call.got_count != 1) {
		call_drop(&call, 0);
		release(call.reply.id);
		return -EMFILE;
	}
	opened->file = (struct table_file){
		.id = call.reply.id,
		.device = look->device,
		.inode = look->inode,
		.path = opened->path,
	};
	opened->memory = call.got[0];
	opened->read_only = wish->shared && call.reply.flags & REPLY_READ_ONLY;
	return 0;
}

static int say_mapped(const struct range *range, uint64_t id, bool writable)
{
	struct call call = {
		.request.type = REQUEST_MAPPED,
		.request.id = id,
		.request.address = range->start,
		.request.length = range->end - range->start,
		.request.offset = range->offset,
	};

	if (range->flags == RANGE_SHARED)
		call.request.flags |= MAPPED_SHARED;
	if (writable)
		call.request.flags |= MAPPED_WRITABLE;
	return client_call(&call);
}

/* Nobody can get at it yet. */
static int map_closed(const struct wish *wish, const struct opened *opened,
		      struct range *range)
{
	int flags = wish->flags & ~(MAP_POPULATE | MAP_NONBLOCK);
	long got;

	if (opened->read_only)
		flags = (flags & ~MAP_TYPE) | MAP_PRIVATE;
	got = raw(SYS_mmap, wish->address, wish->length, PROT_NONE, flags,
		  opened->memory, wish->offset);
	if (raw_failed(got))
		return (int)got;
	range->start = (uintptr_t)got;
	range->end = range->start + whole_pages(wish->length);
	range->offset = (uint64_t)wish->offset;
	range->flags = wish->shared ? RANGE_SHARED : 0;
	if (opened->read_only)
		range->flags |= RANGE_READ_ONLY;
	ranges_forget((void *)got, wish->length);
	return 0;
}

static int open_up(const struct wish *wish, const struct range *range)
{
	size_t length = range->end - range->start;
	long error = 0;

	if (wish->protection != PROT_NONE)
		error = raw(SYS_mprotect, range->start, length,
			    wish->protection);
	return (int)error;
}

/* The kernel has it; 0: the server, too, and the table. */
static int hand_over(const struct wish *wish, struct opened *opened,
		     struct range *range)
{
	size_t length = range->end - range->start;
	bool writable = !opened->read_only;
	int error = userfault_register(range->start, range->end,
				       range->flags == RANGE_SHARED);
	long file;

	if (!error)
		error = say_mapped(range, opened->file.id, writable);
	if (!error)
		error = open_up(wish, range);
	if (error) {
		raw(SYS_munmap, range->start, length);
		return error;
	}
	file = table_hold(&ranges, &opened->file);
	if (file < 0) {
		raw(SYS_munmap, range->start, length);
		return (int)file;
	}
	range->file = (uint32_t)file;
	table_insert(&ranges, *range);
	return 0;
}

static int take_locked(struct wish *wish, struct opened *opened)
{
	struct range range;
	int error = table_reserve(&ranges, 2);

	if (!error)
		error = userfault_begin();
	if (error)
		return error == -ENOMEM ? -ENOMEM : -EAGAIN;
	error = map_closed(wish, opened, &range);
	if (!error)
		error = hand_over(wish, opened, &range);
	if (error)
		return error == -EAGAIN && wish->flags & MAP_LOCKED ? -EAGAIN
								    : error;
	wish->result = (void *)range.start;
	lock_new_range(wish->result, range.end - range.start, wish->flags);
	return 0;
}

/* As the kernel does it: stores for private memory that may be stored to. */
static void populate(const struct wish *wish)
{
	bool store = !wish->shared && wish->protection & PROT_WRITE;

	if (!(wish->flags & MAP_POPULATE) || wish->flags & MAP_NONBLOCK ||
	    !(wish->protection & (PROT_READ | PROT_WRITE)))
		return;
	raw(SYS_madvise, wish->result, whole_pages(wish->length),
	    store ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
}

static int take_once(struct wish *wish)
{
	struct opened opened;
	struct look look;
	int error;

	look_at(wish->fd, &look);
	error = open_object(wish, &look, &opened);
	if (error)
		return error == -EAGAIN || look.entry ? error : -EAGAIN;
	ranges_lock();
	error = take_locked(wish, &opened);
	ranges_unlock();
	raw(SYS_close, opened.memory);
	if (error) {
		release(opened.file.id);
		return error;
	}
	stdio_watch_taken(look.device, look.inode, opened.path);
	populate(wish);
	return 0;
}

int take(struct wish *wish)
{
	uint64_t generation;
	int error;

	/* An id of a server that is lost may be nobody's. */
	do {
		generation = client_generation();
		error = take_once(wish);
	} while (error && generation != client_generation());
	return error;
}

/* Which files the server has heard of already: a few words, two to an entry,
 * which may be forgotten. */
#define LEFT_COUNT 256
static _Atomic uint64_t left[LEFT_COUNT];

static uint64_t left_word(const struct look *look)
{
	uint64_t word = (look->inode ^ look->device << 40) *
			UINT64_C(0x9e3779b97f4a7c15);

	return word ? word : 1;
}

int leave_to_kernel(const struct wish *wish, const struct look *look)
{
	struct call call = {
		.request.type = REQUEST_KERNELS,
		.send = { wish->fd },
		.send_count = 1,
	};
	uint64_t word = left_word(look);
	_Atomic uint64_t *place = &left[(word >> 56) % LEFT_COUNT];
	int error;

	/* relaxed: a word says all that it means */
	if (atomic_load_explicit(place, memory_order_relaxed) == word)
		return 0;
	error = client_call(&call);
	if (!error)
		atomic_store_explicit(place, word, memory_order_relaxed);
	return error;
}

void take_after_fork(void)
{
	for (size_t i = 0; i < LEFT_COUNT; i++)
		atomic_store_explicit(&left[i], 0, memory_order_relaxed);
}
