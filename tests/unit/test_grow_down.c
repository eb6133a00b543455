/* test_grow_down.c - mappings that grow downwards, touched by the processor */
/* SPDX-License-Identifier: MIT */
/*
 * Each case runs on the host's space and on the kernel's own mappings: what an
 * access gets, and where the mapping begins then, must be the same.
 */
#include "unit/grow_down_world.h"

#include <ucontext.h>

/* ---- it grows ---- */

static void test_page_by_page(void **state)
{
	(void)state;
	for (size_t i = 1; i <= 20; i++) {
		*(volatile char *)(stack - i * PAGE) = (char)i;
		assert_int_equal(pages_of_stack(), STACK_PAGES + i);
	}
	for (size_t i = 1; i <= 20; i++)
		assert_int_equal(*(stack - i * PAGE), i);
}

static void test_by_a_jump(void **state)
{
	(void)state;
	/* A load shows zeros, all the way up. */
	assert_int_equal(*(volatile char *)(stack - 30 * PAGE + 5), 0);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 30);
	for (size_t i = 1; i <= 30; i++)
		assert_int_equal(*(volatile char *)(stack - i * PAGE), 0);
	/* and by half a page more: an access that lies in two */
	memset(stack - 31 * PAGE - 100, 7, PAGE);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 32);
}

/* More than the budget goes in. */
static void test_more_than_the_budget(void **state)
{
	(void)state;
	for (size_t i = 1; i <= 200; i++)
		*(volatile char *)(stack - i * PAGE) = (char)i;
	for (size_t i = 1; i <= 200; i++)
		assert_int_equal(*(stack - i * PAGE), (char)i);
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	errno = EDOM;
	*(volatile char *)(stack - PAGE) = 1;
	assert_int_equal(errno, EDOM);
}

/* ---- it does not ---- */

/*
 *   |-other-|~~~~ guard gap ~~~~|<- as far as here
 */
static void guard_gap(int prot, size_t expected)
{
	size_t room_below = GUARD_GAP + 10; /* between the two */
	char *other = stack - (room_below + 1) * PAGE;

	map_at(other, 1, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	with_own_handler();
	assert_int_equal(try_to_store(stack - 11 * PAGE, 1),
			 prot ? SIGSEGV : 0);
	if (prot)
		assert_int_equal(got.si_code, SEGV_MAPERR);
	assert_int_equal(try_to_store(stack - 10 * PAGE, 1), 0);
	assert_int_equal(pages_of_stack(), STACK_PAGES + expected);
	sigaction(SIGSEGV, &before, NULL);
}

static void test_guard_gap(void **state)
{
	(void)state;
	guard_gap(RW, 10);
}

/* What nobody can touch does not mind. */
static void test_no_guard_gap(void **state)
{
	(void)state;
	guard_gap(PROT_NONE, 11);
}

static void test_stack_limit(void **state)
{
	(void)state;
	with_own_handler();
	set_stack_limit(STACK_PAGES + 8);
	assert_int_equal(try_to_store(stack - 9 * PAGE, 1), SIGSEGV);
	assert_int_equal(got.si_code, SEGV_MAPERR);
	assert_ptr_equal(got.si_addr, stack - 9 * PAGE);
	assert_int_equal(pages_of_stack(), STACK_PAGES);
	assert_int_equal(try_to_load(stack - 8 * PAGE), 0);
	assert_int_equal(try_to_load(stack - 8 * PAGE - 1), SIGSEGV);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 8);
	set_stack_limit(STACK_PAGES + 20);
	assert_int_equal(try_to_store(stack - 9 * PAGE, 1), 0);
	sigaction(SIGSEGV, &before, NULL);
}

/* Far below, and what does not grow at all. */
static void test_no_growth(void **state)
{
	char *plain;

	(void)state;
	with_own_handler();
	set_stack_limit(ROOM / 2);
	assert_int_equal(try_to_store(room, 1), SIGSEGV);
	assert_int_equal(got.si_code, SEGV_MAPERR);
	assert_int_equal(try_to_load((char *)8), SIGSEGV);
	plain = map_at(stack - 100 * PAGE, 1, RW,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED);
	assert_int_equal(try_to_store(plain - 1, 1), SIGSEGV);
	assert_int_equal(got.si_code, SEGV_MAPERR);
	assert_int_equal(pages_of_stack(), STACK_PAGES);
	sigaction(SIGSEGV, &before, NULL);
}

/* Mapped, but not for that: no growth, and no round and round. */
static void test_rights(void **state)
{
	(void)state;
	unmap(stack, STACK_PAGES);
	map_at(stack, STACK_PAGES, PROT_READ, STACK | MAP_FIXED);
	with_own_handler();
	assert_int_equal(try_to_store(stack, 1), SIGSEGV);
	assert_int_equal(got.si_code, SEGV_ACCERR);
	assert_int_equal(try_to_store(stack - PAGE, 1), SIGSEGV);
	assert_int_equal(try_to_load(stack - PAGE), 0);
	sigaction(SIGSEGV, &before, NULL);
}

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* A guard inside: mapped, and still a SIGSEGV each time. */
static void test_guarded_page(void **state)
{
	int done = space ? quire_madvise(space, stack, PAGE, MADV_GUARD_INSTALL)
			 : madvise(stack, PAGE, MADV_GUARD_INSTALL);

	(void)state;
	if (done) /* a kernel of old has none */
		skip();
	with_own_handler();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(try_to_store(stack, 1), SIGSEGV);
		assert_int_equal(try_to_load(stack + 5), SIGSEGV);
	}
	assert_int_equal(try_to_store(stack - PAGE, 1), 0);
	assert_int_equal(pages_of_stack(), STACK_PAGES + 1);
	sigaction(SIGSEGV, &before, NULL);
}

/* ---- a stack that is run on ---- */

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
static ucontext_t here, there;
static char *deepest;

/* Three quarters of a page each. */
static size_t descend(size_t depth)
{
	volatile char frame[3 * QUIRE_PAGE_SIZE / 4];

	frame[0] = (char)depth;
	deepest = (char *)(uintptr_t)&frame[0];
	return depth ? descend(depth - 1) + (size_t)frame[0] - depth + 1 : 0;
}

static size_t depth_reached;

static void run_on_stack(void)
{
	depth_reached = descend(100);
}

/* The handler needs a stack of its own. */
static void test_run_on_it(void **state)
{
	static char signal_stack[1 << 16];
	stack_t ours = { .ss_sp = signal_stack,
			 .ss_size = sizeof(signal_stack) },
		old;

	(void)state;
	assert_return_code(sigaltstack(&ours, &old), errno);
	assert_return_code(getcontext(&there), errno);
	there.uc_stack.ss_sp = stack;
	there.uc_stack.ss_size = STACK_PAGES * PAGE;
	there.uc_link = &here;
	makecontext(&there, run_on_stack, 0);
	assert_return_code(swapcontext(&here, &there), errno);
	assert_int_equal(depth_reached, 100);
	assert_true(deepest < stack - 60 * PAGE);
	assert_true(pages_of_stack() >= STACK_PAGES + 60);
	sigaltstack(&old, NULL);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(test_page_by_page),
		BOTH(test_by_a_jump),
		BOTH(test_more_than_the_budget),
		BOTH(test_errno_is_kept),
		BOTH(test_guard_gap),
		BOTH(test_no_guard_gap),
		BOTH(test_stack_limit),
		BOTH(test_no_growth),
		BOTH(test_rights),
		BOTH(test_guarded_page),
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
		BOTH(test_run_on_it),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
