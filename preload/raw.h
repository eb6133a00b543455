/* raw.h - system calls that no library can step into */
/* SPDX-License-Identifier: MIT */
/*
 * The functions of libc that this library stands in front of cannot be called
 * from its inside: they would come back.  These need nothing: no errno, no
 * lock, no memory, and no constructor.
 */
#ifndef QUIRE_PRELOAD_RAW_H
#define QUIRE_PRELOAD_RAW_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

/* What the kernel answers: a value, or a negative errno. */
/* Read first: what a sanitizer puts between would spoil the registers. */
#if defined(__x86_64__)
static inline long raw_call(long number, const long argument[6])
{
	const long a = argument[0];
	const long b = argument[1];
	const long c = argument[2];
	const long d = argument[3];
	const long e = argument[4];
	const long f = argument[5];
	register long fourth __asm__("r10") = d;
	register long fifth __asm__("r8") = e;
	register long sixth __asm__("r9") = f;
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth),
			   "r"(fifth), "r"(sixth)
			 : "rcx", "r11", "memory");
	return result;
}
#elif defined(__aarch64__)
static inline long raw_call(long number, const long argument[6])
{
	const long a = argument[0];
	const long b = argument[1];
	const long c = argument[2];
	const long d = argument[3];
	const long e = argument[4];
	const long f = argument[5];
	register long which __asm__("x8") = number;
	register long first __asm__("x0") = a;
	register long second __asm__("x1") = b;
	register long third __asm__("x2") = c;
	register long fourth __asm__("x3") = d;
	register long fifth __asm__("x4") = e;
	register long sixth __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(first)
			 : "r"(which), "r"(second), "r"(third), "r"(fourth),
			   "r"(fifth), "r"(sixth)
			 : "memory");
	return first;
}
#else
#error "this machine's system calls are not known here"
#endif

/* raw(SYS_x, up to six arguments) */
#define raw(...) RAW_PAD(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)
#define RAW_PAD(number, a, b, c, d, e, f, ...)                                \
	raw_call((long)(number),                                              \
		 (const long[6]){ (long)(a), (long)(b), (long)(c), (long)(d), \
				  (long)(e), (long)(f) })

static inline bool raw_failed(long result)
{
	return (unsigned long)result > -4096UL;
}

/* As libc hands it on: -1 and errno, or the value with errno untouched. */
static inline long raw_return(long result)
{
	if (!raw_failed(result))
		return result;
	errno = (int)-result;
	return -1;
}

/* All signals wait between the two: handlers would find locks held, and a
 * longjmp() out of one would leave a request without its answer. */
static inline uint64_t signals_block(void)
{
	const uint64_t all = ~UINT64_C(0);
	uint64_t before = 0;

	raw(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof(all));
	return before;
}

static inline void signals_restore(uint64_t before)
{
	raw(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof(before));
}

#endif
