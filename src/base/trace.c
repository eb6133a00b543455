/* trace.c - stations that an operation passed, for who wants to see them */
/* SPDX-License-Identifier: MIT */
#include "base/trace.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#define LINE_BYTES 256

static _Atomic(trace_function *) sink;
static _Atomic(void *) sink_context;

void trace_set(trace_function *function, void *context)
{
	atomic_store(&sink_context, context); /* before the sink is seen */
	atomic_store(&sink, function);
}

void trace_unset(const void *context)
{
	if (atomic_load(&sink_context) == context)
		atomic_store(&sink, NULL);
}

bool trace_on(void)
{
	/* relaxed: who misses the change misses a line */
	return atomic_load_explicit(&sink, memory_order_relaxed) != NULL;
}

void trace_line(const char *station, const char *format, ...)
{
	trace_function *function = atomic_load(&sink);
	char line[LINE_BYTES];
	va_list arguments;

	if (!function)
		return;
	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	function(atomic_load(&sink_context), station, line);
}
