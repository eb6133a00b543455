/* socket_place.c - where a server's socket is, and that it goes away */
/* SPDX-License-Identifier: MIT */
#include "socket_place.h"
#include "cli.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAITING 128 /* connections that the server has not accepted yet */
#define NAME "/quire.sock"
#define PRIVATE "/quire-run-XXXXXX"
#define FIRST_INHERITED 3 /* SD_LISTEN_FDS_START */

static int new_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int place_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;
	int error;

	if (strlen(path) >= SOCKET_PATH_SIZE)
		return -ENAMETOOLONG;
	strcpy(address.sun_path, path);
	fd = new_socket();
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

/* The mode is right from the first moment on. */
static int bind_at(int fd, const char *path, mode_t mode)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t mask = umask(0777 & ~mode);
	int error = 0;

	strcpy(address.sun_path, path);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		error = -errno;
	umask(mask);
	return error;
}

/* True: a server that was killed left it there, and it is gone now. */
static bool remove_left_over(const char *path)
{
	struct stat found;
	int fd;

	if (lstat(path, &found) || !S_ISSOCK(found.st_mode))
		return false;
	fd = place_connect(path);
	if (fd >= 0)
		close(fd);
	return fd == -ECONNREFUSED && unlink(path) == 0;
}

/* 0 or a negative errno: then nothing of ours is left at path. */
static int listen_at(int fd, const char *path, mode_t mode)
{
	int error = bind_at(fd, path, mode);

	if (error == -EADDRINUSE && remove_left_over(path))
		error = bind_at(fd, path, mode);
	if (!error && listen(fd, WAITING)) {
		error = -errno;
		unlink(path);
	}
	return error;
}

static int give_name(const char *early, const char *path)
{
	int error = link(early, path) ? -errno : 0;

	if (error == -EEXIST && remove_left_over(path))
		error = link(early, path) ? -errno : 0;
	return error == -EEXIST ? -EADDRINUSE : error;
}

/*
 * Under another name, until it answers: who waits for path may connect as soon
 * as it is there, and no other server takes it for one that was left over.
 */
static int listen_early(int fd, const char *path, mode_t mode)
{
	char early[SOCKET_PATH_SIZE];
	int error;

	if (snprintf(early, sizeof(early), "%s.%d", path, (int)getpid()) >=
	    (int)sizeof(early))
		return listen_at(fd, path, mode);
	error = listen_at(fd, early, mode);
	if (error)
		return error;
	error = give_name(early, path);
	unlink(early);
	return error;
}

/* place->path is set.  0 or a negative errno. */
static int open_place(struct socket_place *place, mode_t mode)
{
	int error;

	place->fd = new_socket();
	if (place->fd < 0)
		return place->fd;
	error = listen_early(place->fd, place->path, mode);
	if (error)
		close(place->fd);
	return error;
}

static bool make_directory(struct socket_place *place, const char *parent)
{
	size_t room = sizeof(place->directory) - sizeof(NAME);

	if (!parent || *parent != '/' ||
	    strlen(parent) + sizeof(PRIVATE) > room)
		return false;
	strcpy(place->directory, parent);
	strcat(place->directory, PRIVATE);
	return mkdtemp(place->directory) != NULL;
}

/* Who has the lifeline's other end cannot open this one by it. */
static void begin(struct socket_place *place)
{
	int ends[2];

	*place = (struct socket_place){ .fd = -1, .lifeline = -1 };
	if (pipe2(ends, O_CLOEXEC))
		return;
	close(ends[0]);
	fchmod(ends[1], S_IRUSR);
	place->lifeline = ends[1];
}

int place_make_private(struct socket_place *place)
{
	int error;

	begin(place);
	if (!make_directory(place, getenv("XDG_RUNTIME_DIR")) &&
	    !make_directory(place, "/tmp")) {
		*place->directory = '\0';
		return fail("cannot make a directory in /tmp: %s",
			    strerror(errno));
	}
	strcpy(place->path, place->directory);
	strcat(place->path, NAME);
	error = open_place(place, 0600);
	if (!error)
		return 0;
	rmdir(place->directory);
	return fail("cannot listen at %s: %s", place->path, strerror(-error));
}

int place_make_at(struct socket_place *place, const char *path, bool everybody)
{
	mode_t mode = everybody ? 0666 : 0600;
	int error;

	begin(place);
	if (strlen(path) >= sizeof(place->path))
		return fail("%s: too long for a socket", path);
	strcpy(place->path, path);
	error = open_place(place, mode);
	if (!error)
		return 0;
	return fail("cannot listen at %s: %s", path,
		    error == -EADDRINUSE ? "something is there already"
					 : strerror(-error));
}

/* Both count from the process that systemd started. */
static bool is_activated(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");
	uint32_t number;

	return pid && count && strcmp(count, "0") != 0 &&
	       count_read(pid, INT_MAX, &number) && (pid_t)number == getpid();
}

int place_inherit(struct socket_place *place)
{
	int kind = 0;
	int listens = 0;
	socklen_t size = sizeof(int);

	*place = (struct socket_place){ .fd = -1 };
	if (!is_activated())
		return 0;
	if (strcmp(getenv("LISTEN_FDS"), "1") != 0)
		return fail("one socket is wanted of systemd, not %s",
			    getenv("LISTEN_FDS"));
	if (getsockopt(FIRST_INHERITED, SOL_SOCKET, SO_TYPE, &kind, &size) ||
	    getsockopt(FIRST_INHERITED, SOL_SOCKET, SO_ACCEPTCONN, &listens,
		       &size) ||
	    kind != SOCK_SEQPACKET || !listens)
		return fail("what systemd handed over is no listening socket "
			    "of ListenSequentialPacket=");
	begin(place);
	fcntl(FIRST_INHERITED, F_SETFD, FD_CLOEXEC);
	place->fd = FIRST_INHERITED;
	return 0;
}

void place_remove(const struct socket_place *place)
{
	if (*place->path)
		unlink(place->path);
	if (*place->directory)
		rmdir(place->directory);
}
