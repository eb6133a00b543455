/* file.c - one struct server_file for each inode: found, opened, joined */
/* SPDX-License-Identifier: MIT */
/*
 *            take                    nobody uses it, and it is old or unlinked
 *   (none) ------> OPENING --> OPEN ---------------------------------> CLOSING
 *                     ^         | | a writer joins                        |
 *                     |         '-'                                       v
 *                     '----------------------- take ------------------ CLOSED
 *
 * Who finds it OPENING or CLOSING waits: on a worker.
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

uint32_t server_bucket(uint64_t one, uint64_t other)
{
	uint64_t hash = (one ^ (other << 32) ^ (other >> 32)) *
			UINT64_C(0x9e3779b97f4a7c15);

	return (uint32_t)(hash >> 40) % SERVER_BUCKETS;
}

/* ---- descriptors ---- */

int file_access(int fd, struct file_access *access)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat status;

	if (flags < 0 || (flags & O_PATH))
		return -EBADF;
	if (fstat(fd, &status))
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EAGAIN;
	access->device = status.st_dev;
	access->inode = status.st_ino;
	access->size = (uint64_t)status.st_size;
	access->reach = 0;
	access->readable = (flags & O_ACCMODE) != O_WRONLY;
	access->writable = (flags & O_ACCMODE) != O_RDONLY;
	return 0;
}

void file_name(int fd, char *name, size_t size)
{
	char path[32];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, name, size - 1);
	name[length < 0 ? 0 : length] = '\0';
}

/*
 * A memfd is memory already, and made to be shared with whoever has it, ours
 * as well; what the kernel makes up while it is read has no pages.
 */
static bool is_kernels(int fd, const char *name)
{
	struct statfs status;

	if (!strncmp(name, "/memfd:", 7) || fstatfs(fd, &status))
		return true;
	switch ((unsigned long)status.f_type) {
	case PROC_SUPER_MAGIC:
	case SYSFS_MAGIC:
	case DEBUGFS_MAGIC:
	case TRACEFS_MAGIC:
	case CGROUP_SUPER_MAGIC:
	case CGROUP2_SUPER_MAGIC:
	case HUGETLBFS_MAGIC:
		return true;
	default:
		return false;
	}
}

/* ---- the table; [s] ---- */

struct server_file *file_lookup(struct server *server, uint64_t device,
				uint64_t inode)
{
	struct list *link;

	list_for_each(link, &server->files[server_bucket(device, inode)]) {
		struct server_file *file =
			container_of(link, struct server_file, link);

		if (file->device == device && file->inode == inode)
			return file;
	}
	return NULL;
}

bool file_is_taken(struct server *server, uint64_t device, uint64_t inode)
{
	struct server_file *file = file_lookup(server, device, inode);

	return file && file->state != FILE_CLOSED;
}

struct server_file *file_await(struct server *server, uint64_t device,
			       uint64_t inode)
{
	struct server_file *file = file_lookup(server, device, inode);

	while (file && file->state != FILE_OPEN && file->state != FILE_CLOSED) {
		condition_wait(&server->settled, &server->lock);
		file = file_lookup(server, device, inode);
	}
	return file;
}

struct server_file *file_create(struct server *server, uint64_t device,
				uint64_t inode, const char *path)
{
	struct server_file *file = calloc(1, sizeof(*file));

	if (!file)
		return NULL;
	file->path = strdup(path);
	if (!file->path) {
		free(file);
		return NULL;
	}
	list_init(&file->robust);
	list_init(&file->begun);
	lock_init(&file->sizing, LOCK_RANK_SIZE);
	lock_init(&file->merging, LOCK_RANK_MERGE);
	file->id = ++server->next_file;
	file->device = device;
	file->inode = inode;
	file->own_fd = file->kept_fd = -1;
	file->memory_readable = file->memory_writable = -1;
	file->state = FILE_OPENING;
	list_add_tail(&server->files[server_bucket(device, inode)],
		      &file->link);
	return file;
}

void file_add_handle(struct server *server, struct server_file *file,
		     struct handle_link *handle, struct quire_object *object)
{
	handle->handle = object;
	handle->file = file;
	list_add_tail(
		&server->handles[server_bucket((uint64_t)(uintptr_t)object, 0)],
		&handle->link);
}

void file_settle(struct server *server, struct server_file *file,
		 enum file_state state)
{
	file->state = state;
	condition_wake_all(&server->settled);
}

/* [s] */
static struct server_file *find_handle(struct server *server,
				       const struct quire_object *handle)
{
	uint32_t bucket = server_bucket((uint64_t)(uintptr_t)handle, 0);
	struct list *link;

	list_for_each(link, &server->handles[bucket]) {
		struct handle_link *entry =
			container_of(link, struct handle_link, link);

		if (entry->handle == handle)
			return entry->file;
	}
	return NULL;
}

struct server_file *file_of_handle(struct server *server,
				   const struct quire_object *handle)
{
	struct server_file *file;

	lock_take(&server->lock);
	file = find_handle(server, handle);
	lock_drop(&server->lock);
	check(file != NULL, "what is mapped is a file's");
	return file;
}

/* [s] NULL is allowed. */
static void use(struct server *server, struct server_file *file)
{
	if (!file)
		return;
	file_unlist(server, file);
	file->users++;
}

struct server_file *file_use_of_handle(struct server *server,
				       const struct quire_object *handle)
{
	struct server_file *file;

	lock_take(&server->lock);
	file = find_handle(server, handle);
	use(server, file);
	lock_drop(&server->lock);
	return file;
}

struct server_file *file_of_memory(struct server *server, uint64_t device,
				   uint64_t inode)
{
	struct server_file *found = NULL;
	struct list *link;

	lock_take(&server->lock);
	list_for_each(link, &server->memories[server_bucket(device, inode)]) {
		struct server_file *file =
			container_of(link, struct server_file, memory);

		if (file->memory_device == device &&
		    file->memory_inode == inode && file->state == FILE_OPEN)
			found = file;
	}
	lock_drop(&server->lock);
	return found;
}

struct object *file_object(const struct server_file *file)
{
	return file->reader.handle->object;
}

struct quire_object *file_handle(const struct server_file *file, bool writable)
{
	return writable && file->writer.handle ? file->writer.handle
					       : file->reader.handle;
}

struct server_file *file_find_local(struct server *server,
				    const struct file_access *access)
{
	struct server_file *file;

	lock_take(&server->lock);
	file = file_lookup(server, access->device, access->inode);
	if (file && (file->state != FILE_OPEN || !file->local))
		file = NULL;
	use(server, file);
	lock_drop(&server->lock);
	return file;
}

struct server_file *file_find(struct server *server,
			      const struct file_access *access)
{
	struct server_file *file;

	lock_take(&server->lock);
	file = file_await(server, access->device, access->inode);
	if (file && file->state == FILE_CLOSED)
		file = NULL;
	use(server, file);
	lock_drop(&server->lock);
	return file;
}

/* ---- opening; the state is OPENING: nobody else does ---- */

int file_learn_memory(struct server *server, struct server_file *file)
{
	int memory = object_memory(file_object(file));
	struct stat status;

	/* Another user's process cannot open it anew with more rights; and no
	 * client seals it, even against us. */
	if (fchmod(memory, 0600) || fstat(memory, &status))
		return -errno;
	if (fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL) && errno != EPERM)
		return -errno;
	lock_take(&server->lock);
	file->generation++;
	file->errors_told = 0;
	file->memory_device = status.st_dev;
	file->memory_inode = status.st_ino;
	list_add_tail(
		&server->memories[server_bucket(status.st_dev, status.st_ino)],
		&file->memory);
	lock_drop(&server->lock);
	file_watch(server, file);
	return 0;
}

static int open_handle(struct server *server, struct server_file *file, int fd,
		       const struct file_access *access)
{
	struct handle_link *link = file->reader.handle ? &file->writer
						       : &file->reader;
	struct quire_object *handle;
	int error = link == &file->reader
			    ? room_open(server, file, fd, access, &handle)
			    : quire_object_open_fd(server->quire, fd, NULL,
						   &handle);

	if (error)
		return error;
	lock_take(&server->lock);
	file_add_handle(server, file, link, handle);
	/* The first one may be both. */
	if (access->writable && link == &file->reader)
		file->writable = true;
	lock_drop(&server->lock);
	if (!access->writable || server->options.keeper <= 0)
		return 0;
	/* What another server would write by. */
	file->kept_fd = server_reopen(fd, O_RDWR);
	if (file->kept_fd < 0)
		file->kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return 0;
}

static int join_writer(struct server *server, struct server_file *file, int fd,
		       const struct file_access *access)
{
	int error = open_handle(server, file, fd, access);

	if (!error)
		keeper_keep_file(server, file);
	return error;
}

static int open_first(struct server *server, struct server_file *file, int fd,
		      const struct file_access *access)
{
	int error = open_handle(server, file, fd, access);

	if (error)
		return error;
	lock_take(&server->lock);
	file->entry = taken_entry(server, file->device, file->inode);
	lock_drop(&server->lock);
	if (!file->entry)
		return -ENOSPC;
	/* Of a description of its own: nobody's locks hang on it. */
	file->own_fd = server_reopen(fd, O_RDONLY);
	if (file->own_fd < 0)
		file->own_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (file->own_fd < 0)
		return -errno;
	file->local = file_is_local(file->own_fd);
	error = file_learn_memory(server, file);
	if (error)
		return error;
	object_show_dirty(file_object(file), &file->entry->dirty);
	keeper_keep_file(server, file);
	lock_take(&server->lock);
	taken_set(server, file->entry, TAKEN_USED);
	server->facts.files_ever++;
	lock_drop(&server->lock);
	return 0;
}

/* ---- taking ---- */

/* [s] The file in state OPENING for us, or OPEN as it should be; one user
 * more. */
static int enter(struct server *server, int fd,
		 const struct file_access *access, struct server_file **entered)
{
	struct server_file *file =
		file_await(server, access->device, access->inode);
	char name[4096];

	if (!file || file->state == FILE_CLOSED) {
		if (claim_exists(server, access->device, access->inode))
			return -EAGAIN;
		file_name(fd, name, sizeof(name));
		if (!file)
			file = file_create(server, access->device,
					   access->inode, name);
		if (!file)
			return -ENOMEM;
		file_unlist(server, file);
		file->state = FILE_OPENING;
	} else if (access->writable && !file_has_writer(file)) {
		file->state = FILE_OPENING;
	}
	file_unlist(server, file);
	file->users++;
	*entered = file;
	return 0;
}

static void note_refusal(struct server *server, int error)
{
	char text[SERVER_NOTE_BYTES];
	int length = snprintf(text, sizeof(text), "could not be taken: %s",
			      strerror(-error));

	note_add(server, text, (size_t)length);
}

static void settle_open(struct server *server, struct server_file *file)
{
	lock_take(&server->lock);
	file_settle(server, file, FILE_OPEN);
	lock_drop(&server->lock);
}

int file_take(struct server *server, int fd, const struct file_access *access,
	      struct server_file **taken)
{
	struct server_file *file = file_find(server, access);
	bool first, mine;
	char name[16];
	int error = 0;

	file_name(fd, name, sizeof(name));
	if (!file && is_kernels(fd, name))
		return -EAGAIN;
	if (file) /* as a whole, below */
		file_release(server, file);
	lock_take(&server->lock);
	error = enter(server, fd, access, &file);
	mine = !error && file->state == FILE_OPENING;
	lock_drop(&server->lock);
	if (error)
		return error;
	first = mine && !file->reader.handle;
	if (first)
		error = open_first(server, file, fd, access);
	else if (mine)
		error = join_writer(server, file, fd, access);
	if (first && error)
		file_give_up(server, file);
	else if (mine)
		settle_open(server, file);
	if (!error) {
		file_check_stamp(server, file);
		*taken = file;
		return 0;
	}
	note_refusal(server, error);
	if (!first)
		file_release(server, file);
	/* What is taken already must not be left to the kernel. */
	return first ? -EAGAIN : error;
}

int file_memory(struct server *server, struct server_file *file, bool writable)
{
	int *fd = writable ? &file->memory_writable : &file->memory_readable;
	int memory;

	lock_take(&server->lock);
	/* Opened anew: flags and offset of ours are not shared. */
	if (*fd < 0)
		*fd = server_reopen(object_memory(file_object(file)),
				    writable ? O_RDWR : O_RDONLY);
	memory = *fd;
	lock_drop(&server->lock);
	return memory;
}
