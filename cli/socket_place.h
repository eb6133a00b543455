/* socket_place.h - where a server's socket is, and that it goes away */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_CLI_SOCKET_PLACE_H
#define QUIRE_CLI_SOCKET_PLACE_H

#include <stdbool.h>
#include <sys/un.h>

#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

struct socket_place {
	int fd;                           /* listening */
	int lifeline;                     /* see server.h */
	char path[SOCKET_PATH_SIZE];      /* empty: somebody else's */
	char directory[SOCKET_PATH_SIZE]; /* empty: not made for it */
};

/* All three: 0, or EXIT_FAILURE and a sentence. */

/* In a directory of its own that only this user can enter. */
int place_make_private(struct socket_place *place);
/* At path; everybody: who may connect.  A socket that nobody listens on any
 * more is replaced. */
int place_make_at(struct socket_place *place, const char *path, bool everybody);
/* The one that systemd made, see sd_listen_fds(3).  fd is -1: there is none. */
int place_inherit(struct socket_place *place);

/* Takes socket and directory away; what is gone already is no error. */
void place_remove(const struct socket_place *place);

/* A descriptor connected to the server at path, or a negative errno. */
int place_connect(const char *path);

#endif
