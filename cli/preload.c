/* preload.c - the library that goes before a program's own */
/* SPDX-License-Identifier: MIT */
#include "preload.h"
#include "cli.h"
#include "server/protocol.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIBRARY "libquire-preload.so"
#define SEPARATORS ": " /* of LD_PRELOAD, see ld.so(8) */

/* The folder of this program.  false: the kernel does not say. */
static bool own_folder(char *folder, size_t size)
{
	ssize_t length = readlink("/proc/self/exe", folder, size - 1);
	char *slash;

	if (length <= 0)
		return false;
	folder[length] = '\0';
	slash = strrchr(folder, '/');
	if (!slash)
		return false;
	*slash = '\0';
	return true;
}

static bool readable(const char *path)
{
	return access(path, R_OK) == 0;
}

static bool find_beside(char *path, size_t size)
{
	static const char *const places[] = {
		"preload",                   /* as it is built */
		"../" QUIRE_LIBDIR "/quire", /* as it is installed */
	};
	char folder[PATH_MAX];
	char real[PATH_MAX];

	if (!own_folder(folder, sizeof(folder)))
		return false;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int length = snprintf(path, size, "%s/%s/" LIBRARY, folder,
				      places[i]);

		if (length < 0 || (size_t)length >= size || !readable(path))
			continue;
		if (realpath(path, real) && strlen(real) < size)
			strcpy(path, real);
		return true;
	}
	return false;
}

/* ld.so takes it apart there. */
static int check_name(const char *path)
{
	if (!strpbrk(path, SEPARATORS))
		return 0;
	return fail("%s cannot be loaded before a program: its path has a "
		    "blank or a colon",
		    path);
}

int preload_find(char *path, size_t size)
{
	const char *asked = getenv("QUIRE_PRELOAD");

	if (asked && *asked) {
		if (!realpath(asked, path) || !readable(path))
			return fail("QUIRE_PRELOAD: cannot read %s: %s", asked,
				    strerror(errno));
		return check_name(path);
	}
	if (find_beside(path, size))
		return check_name(path);
	snprintf(path, size, "%s",
		 QUIRE_PREFIX "/" QUIRE_LIBDIR "/quire/" //
		 LIBRARY);
	if (readable(path))
		return check_name(path);
	return fail(LIBRARY " is neither beside this program nor at %s: see "
			    "QUIRE_PRELOAD in quire-run(1)",
		    path);
}

int preload_environment(const char *library, const char *socket)
{
	const char *before = getenv("LD_PRELOAD");
	char *list;
	int error;

	if (asprintf(&list, "%s%s%s", library, before && *before ? ":" : "",
		     before ? before : "") < 0)
		return -ENOMEM;
	error = setenv("LD_PRELOAD", list, 1) ||
		setenv(PROTOCOL_SOCKET_VARIABLE, socket, 1);
	free(list);
	return error ? -ENOMEM : 0;
}

static bool is_library(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash ? slash + 1 : path, LIBRARY) == 0;
}

char *preload_without(const char *list)
{
	char *words = strdup(list);
	char *rest = words;
	char *left = calloc(1, strlen(list) + 1);
	char *word;

	if (!words || !left) {
		free(words);
		free(left);
		return NULL;
	}
	while ((word = strsep(&rest, SEPARATORS))) {
		if (!*word || is_library(word))
			continue;
		if (*left)
			strcat(left, ":");
		strcat(left, word);
	}
	free(words);
	return left;
}

void preload_leave(char **argv)
{
	const char *list = getenv("LD_PRELOAD");
	char *left = list ? preload_without(list) : NULL;
	bool loaded = left && strlen(left) < strlen(list) &&
		      strstr(list, LIBRARY);

	if (!loaded) {
		free(left);
		return;
	}
	if (*left)
		setenv("LD_PRELOAD", left, 1);
	else
		unsetenv("LD_PRELOAD");
	free(left);
	unsetenv(PROTOCOL_SOCKET_VARIABLE);
	/* If that fails the program goes on as it is: most commands can. */
	execv("/proc/self/exe", argv);
}
