/* check.c - the end of a program whose own invariant broke */
/* SPDX-License-Identifier: MIT */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CHECK_LINE 512

/* Neither stdio nor malloc: either may be what broke, or be in use here. */
_Noreturn void check_failed(const char *what, const char *file, int line)
{
	char text[CHECK_LINE];
	int length = snprintf(text, sizeof(text), "quire: %s:%d: %s\n", file,
			      line, what);

	if (length >= (int)sizeof(text)) {
		length = (int)sizeof(text) - 1;
		text[length - 1] = '\n';
	}
	if (length > 0 && write(STDERR_FILENO, text, (size_t)length) < 0)
		_exit(134); /* nobody can be told: end all the same */
	abort();
}
