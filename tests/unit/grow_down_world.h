/* grow_down_world.h - a mapping that grows downwards, and room below it */
/* SPDX-License-Identifier: MIT */
/*
 *      far                    below  |
 *       .  limit, guard gap  ........[ stack, 4 pages )
 */
#ifndef QUIRE_TESTS_GROW_DOWN_WORLD_H
#define QUIRE_TESTS_GROW_DOWN_WORLD_H

#include "unit/engine_tools.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define RW (PROT_READ | PROT_WRITE)
#define STACK (MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN)
#define STACK_PAGES ((size_t)4)
#define ROOM ((size_t)1024) /* pages below it, of which some are for growth */
#define GUARD_GAP ((size_t)256)

static struct quire *quire;
static struct quire_space *space; /* NULL: the kernel's */
static char *room, *stack, *top;

/* ---- the two who map ---- */

static char *map_at(char *place, size_t pages, int prot, int flags)
{
	char *address = space ? quire_mmap(space, place, pages * PAGE, prot,
					   flags, NULL, 0)
			      : mmap(place, pages * PAGE, prot, flags, -1, 0);

	if (address == MAP_FAILED)
		fail_msg("%s", space ? quire_strerror_last() : strerror(errno));
	return address;
}

static inline void unmap(char *address, size_t pages)
{
	assert_int_equal(space ? quire_munmap(space, address, pages * PAGE)
			       : munmap(address, pages * PAGE),
			 0);
}

static inline void set_stack_limit(size_t pages)
{
	struct rlimit limit = { pages * PAGE, RLIM_INFINITY };

	if (space)
		assert_int_equal(quire_space_set_limit(space, QUIRE_LIMIT_STACK,
						       pages * PAGE),
				 0);
	else
		assert_return_code(setrlimit(RLIMIT_STACK, &limit), errno);
}

static inline bool is_mapped(const char *address)
{
	unsigned char resident;

	return mincore((void *)(uintptr_t)address, PAGE, &resident) == 0;
}

/* How many pages it has. */
static inline size_t pages_of_stack(void)
{
	size_t pages = 0;

	while (is_mapped(top - (pages + 1) * PAGE))
		pages++;
	return pages;
}

static inline int set_up_stack(void)
{
	room = map_at(NULL, ROOM + STACK_PAGES, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	unmap(room, ROOM + STACK_PAGES);
	stack = room + ROOM * PAGE;
	top = stack + STACK_PAGES * PAGE;
	assert_ptr_equal(map_at(stack, STACK_PAGES, RW, STACK | MAP_FIXED),
			 stack);
	return 0;
}

static inline int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	space = quire_host_space(quire);
	return set_up_stack();
}

static struct rlimit stack_limit;

static inline int set_up_kernel(void **state)
{
	(void)state;
	assert_return_code(getrlimit(RLIMIT_STACK, &stack_limit), errno);
	quire = NULL;
	space = NULL;
	return set_up_stack();
}

static inline int tear_down(void **state)
{
	(void)state;
	unmap(room, ROOM + STACK_PAGES);
	if (quire)
		assert_int_equal(quire_close(quire), 0);
	else
		setrlimit(RLIMIT_STACK, &stack_limit);
	return 0;
}

/* ---- accesses ---- */

static _Thread_local sigjmp_buf after_signal;
static _Thread_local siginfo_t got;

static inline void on_signal(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	got = *info;
	siglongjmp(after_signal, 1);
}

/* The program's own handler, and what it found. */
static struct sigaction before;

/* Stays until with_default_handler(). */
static inline void with_own_handler(void)
{
	struct sigaction action = { .sa_sigaction = on_signal,
				    .sa_flags = SA_SIGINFO | SA_NODEFER };

	assert_return_code(sigaction(SIGSEGV, &action, &before), errno);
	/* Ours goes before it when such a mapping is made. */
	if (space)
		unmap(map_at(NULL, 1, RW, STACK), 1);
}

/* The signal, or 0 and the byte is stored. */
static inline int try_to_store(char *address, char byte)
{
	if (sigsetjmp(after_signal, 1))
		return got.si_signo;
	*(volatile char *)address = byte;
	return 0;
}

static inline int try_to_load(const char *address)
{
	if (sigsetjmp(after_signal, 1))
		return got.si_signo;
	(void)*(const volatile char *)address;
	return 0;
}

/* ---- the lists ---- */

struct grow_case {
	void (*test)(void **state);
};

/* cmocka has put handlers of its own in place: ours goes before them when the
 * next such mapping is made. */
static inline void run_case(void **state)
{
	const struct grow_case *this = *state;

	if (space)
		unmap(map_at(NULL, 1, RW, STACK), 1);
	this->test(state);
}

#define CASE(name, set_up, test)                                       \
	{                                                              \
		name, run_case, set_up, tear_down, &(struct grow_case) \
		{                                                      \
			test                                           \
		}                                                      \
	}
#define EACH(test) CASE(#test, set_up, test)
#define BOTH(test) EACH(test), CASE(#test "_kernel", set_up_kernel, test)

#endif
