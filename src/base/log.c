/* log.c - lines for the user's log sink */
/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Long enough for a path and a sentence; a longer line is cut. */
#define LOG_LINE 1024
#define LOG_PREFIX "quire: "
#define LOG_PREFIX_LENGTH (sizeof(LOG_PREFIX) - 1)

/* A thread that resolves traps may not wait for whoever reads a pipe. */
static bool would_block(void)
{
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) != 1 || !(out.revents & POLLOUT);
}

/*
 * text begins with the prefix.  One write, so that lines of several threads
 * do not mix; a line that cannot be written is lost, as nobody could be told.
 */
static void write_line(char *text)
{
	size_t length = strlen(text);

	text[length] = '\n';
	if (would_block())
		return;
	if (write(STDERR_FILENO, text, length + 1) < 0)
		return;
}

void log_line(const struct log *log, enum log_level level, const char *format,
	      ...)
{
	char text[LOG_PREFIX_LENGTH + LOG_LINE + 1] = LOG_PREFIX;
	char *line = text + LOG_PREFIX_LENGTH;
	va_list arguments;
	int saved = errno;
	int length;

	if (level > log->level)
		return;
	va_start(arguments, format);
	length = vsnprintf(line, LOG_LINE, format, arguments);
	va_end(arguments);
	if (length < 0)
		line[0] = '\0';
	if (log->sink)
		log->sink(log->context, (int)level, line);
	else
		write_line(text);
	errno = saved;
}
