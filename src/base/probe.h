/* probe.h - trace points for bpftrace, perf and SystemTap (USDT) */
/* SPDX-License-Identifier: MIT */
/*
 * A point costs one instruction that does nothing, until somebody attaches to
 * it from outside; without sys/sdt.h there is none.  Their names and arguments
 * stand in quire(7), and are a promise.
 */
#ifndef QUIRE_BASE_PROBE_H
#define QUIRE_BASE_PROBE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define probe2(name, one, two) DTRACE_PROBE2(quire, name, one, two)
#define probe3(name, one, two, three) \
	DTRACE_PROBE3(quire, name, one, two, three)
#else
#define probe2(name, one, two) ((void)(one), (void)(two))
#define probe3(name, one, two, three) ((void)(one), (void)(two), (void)(three))
#endif

#endif
