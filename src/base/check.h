/* check.h - assertions for our own errors */
/* SPDX-License-Identifier: MIT */
/*
 * check(): always on: its failure means that bytes are at stake.
 * debug_check(): in debug builds only.
 * The text quotes the invariant's number (docs/architecture.md).
 */
#ifndef QUIRE_BASE_CHECK_H
#define QUIRE_BASE_CHECK_H

_Noreturn void check_failed(const char *what, const char *file, int line);

#define check(condition, text) \
	((condition)           \
		 ? (void)0     \
		 : check_failed(text " [" #condition "]", __FILE__, __LINE__))

#ifdef QUIRE_DEBUG
#define debug_check(condition, text) check(condition, text)
#else
#define debug_check(condition, text) ((void)sizeof(condition))
#endif

#endif
