/* map.c - mmap and munmap */
/* SPDX-License-Identifier: MIT */
/*
 * A mapping is taken in steps:
 *
 *	OPEN     the server's memfd in place of the file
 *	mmap     of it, PROT_NONE: the kernel finds the place and checks
 *	register on our userfaultfd; MAPPED: the server knows it
 *	mprotect as asked: only now can anybody get at a page
 *
 * What is wrong with a request is for the kernel to say: the requests that are
 * not ours to take go to it with the program's own descriptor.
 */
#include "map.h"

#include "client.h"
#include "look.h"
#include "ranges.h"
#include "raw.h"
#include "real.h"
#include "settings.h"
#include "take.h"
#include "userfault.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>

/* Neither the server's nor ever going to be. */
static void *map_plain(const struct wish *wish)
{
	long got = raw(SYS_mmap, wish->address, wish->length, wish->protection,
		       wish->flags, wish->fd, wish->offset);

	/* what was ours there is gone, by MAP_FIXED or behind our back */
	if (!raw_failed(got) && ranges_reach((void *)got, wish->length)) {
		ranges_lock();
		if (table_reserve(&ranges, 1) == 0)
			ranges_forget((void *)got, wish->length);
		ranges_unlock();
	}
	return (void *)raw_return(got);
}

static bool is_shared(int flags)
{
	int type = flags & MAP_TYPE;

	return type == MAP_SHARED || type == MAP_SHARED_VALIDATE;
}

/* Could the kernel grant it?  What it would refuse it shall refuse itself. */
static bool is_sound(const struct wish *wish, int *access)
{
	int type = wish->flags & MAP_TYPE;
	long mode = raw(SYS_fcntl, wish->fd, F_GETFL);

	if (wish->length == 0 || wish->offset < 0 || wish->offset % 4096 ||
	    whole_pages(wish->length) == 0)
		return false;
	if (type != MAP_PRIVATE && !is_shared(wish->flags))
		return false;
	if (raw_failed(mode) || mode & O_PATH || (mode & O_ACCMODE) == O_WRONLY)
		return false;
	*access = (int)mode & O_ACCMODE;
	return !(is_shared(wish->flags) && wish->protection & PROT_WRITE &&
		 *access != O_RDWR);
}

static bool is_memory(int fd)
{
	struct statfs status;

	return !raw_failed(raw(SYS_fstatfs, fd, &status)) &&
	       (status.f_type == TMPFS_MAGIC || status.f_type == RAMFS_MAGIC ||
		status.f_type == HUGETLBFS_MAGIC);
}

/* A short mapping whose file may grow: were it the kernel's, so would be all
 * that the file becomes, for as long as it is mapped. */
static bool may_grow(const struct wish *wish, int access)
{
	return wish->shared && access == O_RDWR && !is_memory(wish->fd);
}

static bool is_asked_for(int fd)
{
	char path[PATH_MAX];

	if (!client_settings.maps)
		return true;
	path_of(fd, path, sizeof(path));
	return settings_is_mapped(&client_settings, path);
}

static bool is_worth_asking(const struct wish *wish, const struct look *look,
			    int access)
{
	if (look->entry)
		return true;
	return !(wish->protection & PROT_EXEC) &&
	       (wish->length >= client_settings.least ||
		may_grow(wish, access)) &&
	       is_asked_for(wish->fd);
}

void *map_mmap(void *address, size_t length, int protection, int flags, int fd,
	       off_t offset)
{
	struct wish wish = {
		.address = address,
		.length = length,
		.protection = protection,
		.flags = flags,
		.fd = fd,
		.offset = offset,
	};
	struct look look;
	int access = O_RDONLY;
	bool asked;
	int error;

	if (flags & MAP_ANONYMOUS || fd < 0 || !client_ready())
		return map_plain(&wish);
	look_at(fd, &look);
	if (!look.regular || !is_sound(&wish, &access))
		return map_plain(&wish);
	wish.shared = is_shared(flags);
	asked = is_worth_asking(&wish, &look, access);
	error = asked ? take(&wish) : -EAGAIN;
	/* what the kernel maps must not be taken later; and not by now */
	if (error == -EAGAIN && (wish.shared || asked)) {
		error = leave_to_kernel(&wish, &look);
		if (error == -EBUSY)
			error = take(&wish) ? -ENODEV : 0;
		else
			return map_plain(&wish);
	}
	if (error == -EAGAIN)
		return map_plain(&wish);
	return error ? (void *)raw_return(error) : wish.result;
}
EXPORT(mmap, map_mmap);
EXPORT(mmap64, map_mmap);

int map_munmap(void *address, size_t length)
{
	long error;

	if (!ranges_reach(address, whole_pages(length)))
		return (int)raw_return(raw(SYS_munmap, address, length));
	ranges_lock();
	error = table_reserve(&ranges, 1);
	if (!error)
		error = raw(SYS_munmap, address, length);
	if (!error)
		ranges_forget(address, length);
	ranges_unlock();
	return (int)raw_return(error);
}
EXPORT(munmap, map_munmap);
