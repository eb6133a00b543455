/* bound.c - paths that mean something else */
/* SPDX-License-Identifier: MIT */
/*
 * The server gives an open stand-in for the object.  Whether there is a file of
 * that name does not matter: so what asks about the path is answered here, too.
 */
#include "bound.h"

#include "client.h"
#include "path.h"
#include "raw.h"
#include "real.h"
#include "settings.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void own_link(int fd, char *link)
{
	snprintf(link, 64, "/proc/self/fd/%d", fd);
}

/* Where path begins, if it is relative. */
static bool folder_of(int folder, char *result, size_t size)
{
	char link[64];
	long length;

	if (folder == AT_FDCWD)
		strcpy(link, "/proc/self/cwd");
	else
		own_link(folder, link);
	length = raw(SYS_readlinkat, AT_FDCWD, link, result, size - 1);
	if (raw_failed(length))
		return false;
	result[length] = '\0';
	return true;
}

static bool absolute(int folder, const char *path, char *result)
{
	char base[PATH_MAX] = "/";

	if (!path || !*path ||
	    (*path != '/' && !folder_of(folder, base, sizeof(base))))
		return false;
	return path_absolute(base, path, result, PATH_MAX) &&
	       settings_is_bound(&client_settings, result);
}

bool bound_is(int folder, const char *path)
{
	char name[PATH_MAX];

	return client_settings.binds && absolute(folder, path, name);
}

static int ask_for(const char *name, int flags)
{
	struct call call = {
		.request.type = REQUEST_BOUND_OPEN,
		.request.flags = (uint32_t)flags,
		.bytes = name,
		.byte_count = strlen(name),
	};
	int error = client_call(&call);

	if (error)
		return error;
	if (call.got_count != 1) {
		call_drop(&call, 0);
		return -EMFILE;
	}
	if (!(flags & O_CLOEXEC))
		raw(SYS_fcntl, call.got[0], F_SETFD, 0);
	return call.got[0];
}

bool bound_open(int folder, const char *path, int flags, int *fd)
{
	char name[PATH_MAX];

	if (!client_settings.binds || !absolute(folder, path, name))
		return false;
	if (flags & O_CREAT && flags & O_EXCL)
		*fd = -EEXIST;
	else if (flags & O_DIRECTORY)
		*fd = -ENOTDIR;
	else
		*fd = ask_for(name, flags);
	*fd = (int)raw_return(*fd);
	return true;
}
