/* file_stamp.c - what outsiders have changed of a file is seen */
/* SPDX-License-Identifier: MIT */
/*
 * Size and times as they were seen last.  What changes them from here, a
 * client's write(2) or a write-back, is between begin and end:
 *
 *   begin  the first that is under way compares: an outsider's change before
 *          is remembered (doubtful)
 *   end    the last one takes them anew
 *
 * A write that stands is heard of at its end only: its client says what it saw
 * before.  So what an outsider changes while one is under way, and nothing later,
 * is not seen.  If there is doubt clean pages are read anew; dirty ones stay: they are
 * newer.
 */
#include "server/server_private.h"

#include <errno.h>
#include <sys/stat.h>

static const char beyond[] =
	"a file grew beyond what was kept free for it when it was first mapped";

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

int file_follow_size(struct server *server, struct server_file *file)
{
	int error = object_follow_size(file_object(file));

	/* read by mapped_request() */
	if (!error || error == -EFBIG)
		atomic_store(&file->beyond, error == -EFBIG);
	if (error != -EFBIG)
		return error;
	note_add(server, beyond, sizeof(beyond) - 1);
	return 0;
}

void file_check_stamp(struct server *server, struct server_file *file)
{
	struct object *object = file_object(file);
	struct file_stamp now;
	bool changed;

	if (!read_stamp(file, &now))
		return;
	lock_take(&server->lock);
	changed = file->doubtful;
	if (file->changing == 0) {
		changed = changed || !is_same(&file->stamp, &now);
		file->stamp = now;
	}
	file->doubtful = false;
	lock_drop(&server->lock);
	if (now.size != object_size(object)) {
		robust_cut(server, file, now.size);
		(void)file_follow_size(server, file);
	}
	if (changed)
		object_invalidate(object, 0, object_pages(object));
}

void file_begin_change(struct server *server, struct server_file *file)
{
	struct file_stamp now;
	bool known = read_stamp(file, &now);

	lock_take(&server->lock);
	if (file->changing++ == 0 && known && !is_same(&file->stamp, &now))
		file->doubtful = true;
	lock_drop(&server->lock);
}

void file_begin_seen_change(struct server *server, struct server_file *file,
			    uint64_t changed_ns)
{
	const struct timespec *changed = &file->stamp.changed;

	lock_take(&server->lock);
	if (file->changing++ == 0 &&
	    (uint64_t)changed->tv_sec * 1000000000 +
			    (uint64_t)changed->tv_nsec !=
		    changed_ns)
		file->doubtful = true;
	lock_drop(&server->lock);
}

void file_end_change(struct server *server, struct server_file *file)
{
	struct file_stamp now;
	bool known = read_stamp(file, &now);

	lock_take(&server->lock);
	if (--file->changing == 0 && known)
		file->stamp = now;
	lock_drop(&server->lock);
}

/* ---- what the engine writes ---- */

static void begin_home(struct write_watch *watch)
{
	struct file_watch *own = container_of(watch, struct file_watch, watch);

	file_begin_change(own->server, own->file);
}

static void end_home(struct write_watch *watch)
{
	struct file_watch *own = container_of(watch, struct file_watch, watch);

	file_end_change(own->server, own->file);
}

void file_watch(struct server *server, struct server_file *file)
{
	file->watch = (struct file_watch){
		.watch = { .begin = begin_home, .end = end_home },
		.server = server,
		.file = file,
	};
	object_watch_writes(file_object(file), &file->watch.watch);
}
