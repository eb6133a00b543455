/* room.c - how far a file may grow while it is open */
/* SPDX-License-Identifier: MIT */
/*
 * What it may grow by has addresses of ours from the beginning: plenty, as the
 * file is the kernel's to make longer; but all files together have no more than
 * a quarter of those that there are.
 */
#include "server/server_private.h"

#include <errno.h>

#define ROOM_LEAST (UINT64_C(64) << 30)
#define ROOM_OF_ALL (UINT64_C(32) << 40)

/* 0: the engine shall choose. */
static uint64_t reserve(struct server *server, struct server_file *file,
			const struct file_access *access)
{
	uint64_t room = ROOM_LEAST;

	if (access->size > ROOM_OF_ALL / 4 || access->reach > ROOM_OF_ALL / 4)
		return 0;
	if (room < 4 * access->size)
		room = 4 * access->size;
	if (room < access->reach)
		room = access->reach;
	lock_take(&server->lock);
	if (room > ROOM_OF_ALL - server->room)
		room = 0;
	file->room = room;
	server->room += room;
	lock_drop(&server->lock);
	return room;
}

void room_return(struct server *server, struct server_file *file)
{
	server->room -= file->room;
	file->room = 0;
}

int room_open(struct server *server, struct server_file *file, int fd,
	      const struct file_access *access, struct quire_object **handle)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.capacity = reserve(server, file, access),
	};
	int error = -ENOMEM;

	/* Where addresses are short (RLIMIT_AS). */
	for (; error == -ENOMEM && options.capacity > access->size;
	     options.capacity /= 2)
		error = quire_object_open_fd(server->quire, fd, &options,
					     handle);
	if (error == -ENOMEM)
		error = quire_object_open_fd(server->quire, fd, NULL, handle);
	return error;
}
