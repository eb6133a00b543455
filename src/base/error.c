/* error.c - the sentence behind an error, a thread's own */
/* SPDX-License-Identifier: MIT */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

_Thread_local char error_own_sentence[ERROR_SENTENCE];

__attribute__((format(printf, 1, 0))) static void say(const char *format,
						      va_list arguments)
{
	char text[ERROR_SENTENCE];

	/* By way of text, as an argument may be the old sentence itself. */
	if (vsnprintf(text, sizeof(text), format, arguments) < 0)
		text[0] = '\0';
	snprintf(error_own_sentence, sizeof(error_own_sentence), "%s", text);
}

int error_say(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return error;
}

int error_say_first(int error, const char *format, ...)
{
	va_list arguments;

	if (error_own_sentence[0])
		return error;
	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	return error;
}

const char *error_sentence(void)
{
	return error_own_sentence;
}
