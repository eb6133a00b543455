/* error.h - the sentence behind an error, a thread's own */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_ERROR_H
#define QUIRE_BASE_ERROR_H

/*
 * Keeps the sentence for the calling thread and returns error (a negative
 * errno) as it was, so that `return error_say(-EINVAL, "...")` reads well.
 * A sentence has no full stop and no newline; it is cut at 511 bytes.
 */
int error_say(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* As error_say(), but only if nothing was said since error_clear(). */
int error_say_first(int error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

const char *error_sentence(void); /* never NULL; "" if there is none */

#define ERROR_SENTENCE 512
extern _Thread_local char error_own_sentence[ERROR_SENTENCE];

static inline void error_clear(void)
{
	error_own_sentence[0] = '\0';
}

#endif
