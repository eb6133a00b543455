/* bound.c - a path of the program stands for an object of ours (--bind) */
/* SPDX-License-Identifier: MIT */
/*
 * The program gets a stand-in: a memfd as long as the object, with no bytes.
 * Its device and inode are in the taken table, marked: whoever has it mapped,
 * read or written asks here.
 */
#include "server/server_private.h"
#include "engine/object_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int server_check_uri(const char *uri)
{
	error_clear();
	return object_check_uri(uri);
}

/* ---- the first time ---- */

static int make_stand_in(const char *path, uint64_t size, struct stat *status)
{
	const char *name = strrchr(path, '/') + 1;
	int fd = memfd_create(name, MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) || ftruncate(fd, (off_t)size) ||
	    fstat(fd, status)) {
		int error = -errno;

		close(fd);
		return error;
	}
	return fd;
}

static int open_object(struct server *server, const char *uri,
		       struct quire_object **handle, bool *writable)
{
	int error = quire_object_open(server->quire, uri, O_RDWR, NULL, handle);

	*writable = !error;
	if (error == -EACCES || error == -EROFS || error == -EPERM)
		error = quire_object_open(server->quire, uri, O_RDONLY, NULL,
					  handle);
	return error;
}

static int add_file(struct server *server, const struct server_binding *binding,
		    struct quire_object *handle, bool writable,
		    struct server_file **added)
{
	struct server_file *file;
	struct stat status;
	int stand_in = make_stand_in(binding->path, object_size(handle->object),
				     &status);

	if (stand_in < 0)
		return stand_in;
	lock_take(&server->lock);
	file = file_create(server, status.st_dev, status.st_ino, binding->path);
	if (file) {
		file->binding = binding;
		file->own_fd = stand_in;
		file->writable = writable;
		file->entry = taken_entry(server, file->device, file->inode);
		file_add_handle(server, file, &file->reader, handle);
	}
	lock_drop(&server->lock);
	if (!file)
		close(stand_in);
	*added = file;
	return file ? 0 : -ENOMEM;
}

static void show(struct server *server, struct server_file *file)
{
	lock_take(&server->lock);
	file_settle(server, file, FILE_OPEN);
	if (file->entry)
		taken_set(server, file->entry, TAKEN_USED | TAKEN_BOUND);
	server->facts.files_ever++;
	lock_drop(&server->lock);
}

/* Another server has to find the same file; what is no file has nothing that
 * would be left. */
static void keep_open(const struct server *server, struct server_file *file)
{
	const struct object_identity *identity =
		object_identity(file_object(file));
	const char *path = file->binding->uri;
	struct stat status;
	int fd;

	if (server->options.keeper <= 0 || !identity->inode)
		return;
	if (!strncmp(path, "file:", 5))
		path += 5;
	fd = open(path, (file->writable ? O_RDWR : O_RDONLY) | O_CLOEXEC |
				O_NOCTTY | O_NONBLOCK);
	if (fd >= 0 && !fstat(fd, &status) &&
	    status.st_dev == identity->device &&
	    status.st_ino == identity->inode)
		file->kept_fd = fd;
	else if (fd >= 0)
		close(fd);
}

static int open_binding(struct server *server,
			const struct server_binding *binding,
			struct server_file **file)
{
	struct quire_object *handle;
	bool writable;
	int error = open_object(server, binding->uri, &handle, &writable);

	if (error)
		return error;
	error = add_file(server, binding, handle, writable, file);
	if (error) {
		quire_object_close(handle);
		return error;
	}
	error = file_learn_memory(server, *file);
	keep_open(server, *file);
	keeper_keep_file(server, *file);
	show(server, *file);
	return error;
}

/* One at a time: two opened at once would be two objects. */
static struct server_file *begin(struct server *server, size_t number)
{
	struct server_file *file;

	lock_take(&server->lock);
	while (server->binding)
		condition_wait(&server->settled, &server->lock);
	file = server->bound[number];
	if (file)
		file->users++;
	else
		server->binding = true;
	lock_drop(&server->lock);
	return file;
}

int file_take_bound(struct server *server, size_t number,
		    struct server_file **file)
{
	int error = 0;

	*file = begin(server, number);
	if (*file)
		return 0;
	error = open_binding(server, &server->options.bindings[number], file);
	lock_take(&server->lock);
	server->binding = false;
	if (!error) {
		server->bound[number] = *file;
		(*file)->users++;
	}
	condition_wake_all(&server->settled);
	lock_drop(&server->lock);
	return error;
}

/* ---- BOUND_OPEN ---- */

static int find_binding(const struct server *server, const char *path,
			size_t *number)
{
	for (size_t i = 0; i < server->options.binding_count; i++)
		if (!strcmp(server->options.bindings[i].path, path)) {
			*number = i;
			return 0;
		}
	return -ENOENT;
}

/* [sizing] */
static int resize(struct server_file *file, uint64_t size)
{
	int error = object_resize(file_object(file), size);

	if (!error && ftruncate(file->own_fd, (off_t)size))
		error = -errno;
	return error;
}

static int open_stand_in(struct job *job)
{
	const int kept = O_ACCMODE | O_APPEND | O_NONBLOCK | O_DSYNC;
	struct server_file *file = job->file;
	int flags = (int)job->request.flags;
	bool writes = (flags & O_ACCMODE) != O_RDONLY;
	int error = 0;

	if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (writes && !file_has_writer(file))
		return -EACCES;
	if (writes && (flags & O_TRUNC)) {
		lock_take(&file->sizing);
		error = resize(file, 0);
		lock_drop(&file->sizing);
	}
	if (error)
		return error;
	job->own_fd = server_reopen(file->own_fd, flags & kept);
	return job->own_fd < 0 ? job->own_fd : 0;
}

int bound_open_run(struct job *job)
{
	struct server *server = job->client->server;
	size_t number;
	int error = strlen(job->bytes) == job->length ? 0 : -EINVAL;

	if (!error)
		error = find_binding(server, job->bytes, &number);
	if (!error)
		error = file_take_bound(server, number, &job->file);
	if (!error)
		error = open_stand_in(job);
	if (error)
		return error;
	job->reply_fds[0] = job->own_fd;
	job->reply_fd_count = 1;
	job->reply.id = job->file->id;
	job->reply.value = object_size(file_object(job->file));
	return 0;
}

/* The stand-in is what it has; OPEN gives a hold. */
void bound_open_end(struct job *job)
{
	if (job->file)
		file_release(job->client->server, job->file);
}

/* ---- BOUND_READ, BOUND_WRITE ---- */

static int find(struct job *job, struct file_access *access,
		struct server_file **found)
{
	struct server *server = job->client->server;
	int error = file_access(job->fds[0], access);
	struct server_file *file;

	if (error)
		return error == -EAGAIN ? -EINVAL : error;
	file = file_find(server, access);
	if (file && !file->binding) {
		file_release(server, file);
		file = NULL;
	}
	*found = file;
	return file ? 0 : -EINVAL;
}

static int read_bytes(struct job *job, struct server_file *file)
{
	uint64_t length = job->request.length;
	int64_t moved;

	if (length > PROTOCOL_BYTES_MAX)
		length = PROTOCOL_BYTES_MAX;
	job->reply_bytes = malloc(length + 1);
	if (!job->reply_bytes)
		return -ENOMEM;
	moved = object_copy_out(file_object(file), job->reply_bytes, length,
				job->request.offset);
	if (moved < 0)
		return (int)moved;
	job->reply.value = (uint64_t)moved;
	job->reply_length = (uint32_t)moved;
	return 0;
}

int bound_read_run(struct job *job)
{
	struct file_access access;
	struct server_file *file;
	int error = find(job, &access, &file);

	if (error)
		return error;
	error = access.readable ? read_bytes(job, file) : -EBADF;
	file_release(job->client->server, file);
	return error;
}

static int append(struct job *job, struct server_file *file)
{
	struct object *object = file_object(file);
	int error;

	lock_take(&file->sizing);
	error = object_append(object, job->bytes, job->length, &job->reply.id);
	if (!error && ftruncate(file->own_fd, (off_t)object_size(object)))
		error = -errno;
	lock_drop(&file->sizing);
	if (!error)
		job->reply.value = job->length;
	return error;
}

static int write_bytes(struct job *job, struct server_file *file)
{
	struct object *object = file_object(file);
	uint64_t offset = job->request.offset;
	int64_t moved;
	int error = 0;

	if (job->length == 0)
		return 0;
	if (job->request.flags & FILE_APPEND)
		return append(job, file);
	if (offset > (uint64_t)INT64_MAX - job->length)
		return -EFBIG;
	lock_take(&file->sizing);
	if (offset + job->length > object_size(object))
		error = resize(file, offset + job->length);
	lock_drop(&file->sizing);
	if (error)
		return error;
	moved = object_copy_in(object, job->bytes, job->length, offset);
	if (moved < 0)
		return (int)moved;
	job->reply.value = (uint64_t)moved;
	job->reply.id = offset;
	return 0;
}

int bound_write_run(struct job *job)
{
	struct file_access access;
	struct server_file *file;
	int error = find(job, &access, &file);

	if (error)
		return error;
	if (!access.writable)
		error = -EBADF;
	else if (!file_has_writer(file))
		error = -EACCES;
	else if (client_has_ended(job->client))
		error = -ESRCH;
	else
		error = write_bytes(job, file);
	file_release(job->client->server, file);
	return error;
}
