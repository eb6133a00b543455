/* peer_server.c - the server of a process that has no engine */
/* SPDX-License-Identifier: MIT */
#include "peer_server.h"
#include "server/protocol.h"
#include "service.h"
#include "socket_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static FILE *open_of(pid_t pid, const char *name)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return fopen(path, "re");
}

static bool is_server(pid_t pid)
{
	FILE *file = open_of(pid, "comm");
	char name[32] = "";

	if (!file)
		return false;
	if (!fgets(name, sizeof(name), file))
		*name = '\0';
	fclose(file);
	return strcmp(name, SERVICE_NAME "\n") == 0;
}

pid_t peer_supervised(pid_t pid)
{
	char list[64];
	FILE *file;
	int child;
	pid_t server = 0;

	snprintf(list, sizeof(list), "task/%d/children", (int)pid);
	file = open_of(pid, list);
	if (!file)
		return 0;
	while (!server && fscanf(file, "%d", &child) == 1)
		if (is_server((pid_t)child))
			server = (pid_t)child;
	fclose(file);
	return server;
}

/* The kernel's word for it. */
static pid_t listener_at(const char *path)
{
	struct ucred peer = { .pid = 0 };
	socklen_t size = sizeof(peer);
	int fd = place_connect(path);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		peer.pid = 0;
	close(fd);
	return peer.pid;
}

pid_t peer_server(pid_t pid)
{
	static const char start[] = PROTOCOL_SOCKET_VARIABLE "=";
	FILE *file = open_of(pid, "environ");
	size_t size = 0;
	char *word = NULL;
	pid_t server = 0;

	if (!file)
		return 0;
	while (!server && getdelim(&word, &size, '\0', file) > 0)
		if (strncmp(word, start, strlen(start)) == 0)
			server = listener_at(word + strlen(start));
	free(word);
	fclose(file);
	return server;
}
