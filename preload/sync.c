/* sync.c - fsync and its like: what was stored by mapping goes home, too */
/* SPDX-License-Identifier: MIT */
#include "file.h"

#include "look.h"
#include "raw.h"
#include "real.h"

#include <unistd.h>

/* fd -1: everything. */
static int bring_home(int fd, off_t offset, size_t length, uint32_t flags)
{
	struct call call = {
		.request.type = REQUEST_FILE_SYNC,
		.request.offset = (uint64_t)offset,
		.request.length = length,
		.request.flags = flags,
		.send = { fd },
		.send_count = fd >= 0,
	};
	struct look look;

	if (!client_has_taken() || (fd >= 0 && !look_at(fd, &look)))
		return 0;
	return client_call(&call);
}

int file_fsync(int fd)
{
	int error = bring_home(fd, 0, 0, FILE_DURABLE);

	return error ? (int)raw_return(error) : real.fsync(fd);
}
EXPORT(fsync, file_fsync);

int file_fdatasync(int fd)
{
	int error = bring_home(fd, 0, 0, FILE_DURABLE);

	return error ? (int)raw_return(error) : real.fdatasync(fd);
}
EXPORT(fdatasync, file_fdatasync);

static int file_sync_range(int fd, off_t offset, off_t length,
			   unsigned int flags)
{
	int error = 0;

	if (offset >= 0 && length >= 0)
		error = bring_home(fd, offset, (size_t)length, 0);
	if (error)
		return (int)raw_return(error);
	return real.sync_file_range(fd, offset, length, flags);
}
EXPORT(sync_file_range, file_sync_range);

/* All files of a file system, or all of them: the server does not ask which. */
static int file_syncfs(int fd)
{
	int error = bring_home(-1, 0, 0, FILE_DURABLE);
	long result = raw(SYS_syncfs, fd);

	return (int)raw_return(result ? result : error);
}
EXPORT(syncfs, file_syncfs);

static void file_sync(void)
{
	bring_home(-1, 0, 0, FILE_DURABLE);
	raw(SYS_sync);
}
EXPORT(sync, file_sync);
