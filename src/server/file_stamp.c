/* file_stamp.c - what outsiders have changed of a file is seen */
/* SPDX-License-Identifier: MIT */
/*
 * Size and times as they were seen last.  Our own write-back changes them as
 * well, at any time: so what differs may be ours, and clean pages are read
 * anew for nothing.  Dirty ones stay: they are newer.
 */
#include "server/server_private.h"

#include <sys/stat.h>

static bool read_stamp(const struct server_file *file, struct file_stamp *stamp)
{
	struct stat status;

	if (file->binding || fstat(file->own_fd, &status))
		return false;
	stamp->size = (uint64_t)status.st_size;
	stamp->modified = status.st_mtim;
	stamp->changed = status.st_ctim;
	return true;
}

static bool same_time(const struct timespec *one, const struct timespec *other)
{
	return one->tv_sec == other->tv_sec && one->tv_nsec == other->tv_nsec;
}

static bool is_same(const struct file_stamp *one,
		    const struct file_stamp *other)
{
	return one->size == other->size &&
	       same_time(&one->modified, &other->modified) &&
	       same_time(&one->changed, &other->changed);
}

void file_check_stamp(struct server *server, struct server_file *file)
{
	struct object *object = file_object(file);
	struct file_stamp now;
	bool changed;

	if (!read_stamp(file, &now))
		return;
	lock_take(&server->lock);
	changed = file->doubtful || !is_same(&file->stamp, &now);
	file->stamp = now;
	file->doubtful = false;
	lock_drop(&server->lock);
	if (now.size != object_size(object))
		(void)object_follow_size(object);
	if (changed)
		object_invalidate(object, 0, object_pages(object));
}

void file_begin_change(struct server *server, struct server_file *file)
{
	struct file_stamp now;

	if (!read_stamp(file, &now))
		return;
	lock_take(&server->lock);
	if (!is_same(&file->stamp, &now))
		file->doubtful = true;
	lock_drop(&server->lock);
}

void file_end_change(struct server *server, struct server_file *file)
{
	struct file_stamp now;

	if (!read_stamp(file, &now))
		return;
	lock_take(&server->lock);
	if (!file->doubtful)
		file->stamp = now;
	lock_drop(&server->lock);
}
