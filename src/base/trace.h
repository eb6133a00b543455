/* trace.h - stations that an operation passed, for who wants to see them */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BASE_TRACE_H
#define QUIRE_BASE_TRACE_H

#include <stdbool.h>
#include <stddef.h>

typedef void trace_function(void *context, const char *station,
			    const char *line);

/* One sink a process; NULL: none.  Whoever sets it sees to it that no traced
 * operation is under way. */
void trace_set(trace_function *sink, void *context);
/* Takes the sink away if it is this one. */
void trace_unset(const void *context);
bool trace_on(void);

/* Any thread, under any lock.  Nothing is formatted while nobody looks. */
#define trace(station, ...)                                 \
	do {                                                \
		if (trace_on())                             \
			trace_line((station), __VA_ARGS__); \
	} while (0)

void trace_line(const char *station, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
