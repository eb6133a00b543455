/* path.c - paths made absolute, in words */
/* SPDX-License-Identifier: MIT */
#include "path.h"

#include <string.h>

/* Appends one name, or goes up by one for "..". */
static bool add_name(char *result, size_t *length, size_t size,
		     const char *name, size_t name_length)
{
	if (name_length == 0 || (name_length == 1 && name[0] == '.'))
		return true;
	if (name_length == 2 && name[0] == '.' && name[1] == '.') {
		while (*length > 0 && result[--*length] != '/')
			;
		return true;
	}
	if (*length + 1 + name_length >= size)
		return false;
	result[(*length)++] = '/';
	memcpy(result + *length, name, name_length);
	*length += name_length;
	return true;
}

static bool add_path(char *result, size_t *length, size_t size,
		     const char *path)
{
	while (*path) {
		size_t name = strcspn(path, "/");

		if (!add_name(result, length, size, path, name))
			return false;
		path += name;
		path += *path == '/';
	}
	return true;
}

bool path_absolute(const char *folder, const char *path, char *result,
		   size_t size)
{
	size_t length = 0;

	if (path[0] != '/' && !add_path(result, &length, size, folder))
		return false;
	if (!add_path(result, &length, size, path))
		return false;
	if (length == 0)
		result[length++] = '/';
	result[length] = '\0';
	return true;
}
