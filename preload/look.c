/* look.c - is this file one that the server has? */
/* SPDX-License-Identifier: MIT */
#include "look.h"

#include "raw.h"

#include <sys/stat.h>

bool look_again(struct look *look)
{
	struct taken_table *table = atomic_load(&client_table);
	uint64_t state = 0;

	look->entry = NULL;
	look->bound = false;
	if (!table || !look->regular)
		return false;
	look->entry = taken_find(table, look->device, look->inode);
	if (look->entry)
		state = atomic_load(&look->entry->state);
	if (!(state & (TAKEN_USED | TAKEN_BOUND)))
		look->entry = NULL;
	look->bound = look->entry && (state & TAKEN_BOUND);
	return look->entry;
}

static bool look_in(struct look *look, const struct stat *status)
{
	look->regular = S_ISREG(status->st_mode);
	look->device = status->st_dev;
	look->inode = status->st_ino;
	look->size = (uint64_t)status->st_size;
	look->changed_ns = (uint64_t)status->st_ctim.tv_sec * 1000000000 +
			   (uint64_t)status->st_ctim.tv_nsec;
	return look_again(look);
}

bool look_at(int fd, struct look *look)
{
	struct stat status;

	*look = (struct look){ .entry = NULL };
	if (raw_failed(raw(SYS_fstat, fd, &status)))
		return false;
	return look_in(look, &status);
}

bool look_at_path(int folder, const char *path, int flags, struct look *look)
{
	struct stat status;

	*look = (struct look){ .entry = NULL };
	if (raw_failed(raw(SYS_newfstatat, folder, path, &status, flags)))
		return false;
	return look_in(look, &status);
}

int look_before_read(const struct look *look, int fd, off_t offset,
		     size_t length)
{
	struct call call = {
		.request.type = REQUEST_FILE_SYNC,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.send = { fd },
		.send_count = 1,
	};

	if (!look->entry || atomic_load(&look->entry->dirty) == 0)
		return 0;
	return client_call(&call);
}
