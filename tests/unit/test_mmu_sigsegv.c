/* test_mmu_sigsegv.c - mmu/mmu_sigsegv.c against the kernel */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_sigsegv.h"

#include "mmu/mmu_host.h"
#include "mmu/mmu_sigsegv_private.h"
#include "unit/mmu_moves.h"
#include "unit/mmu_scenarios.h"

#include <sys/syscall.h>
#include <ucontext.h>

static void arm(void)
{
	assert_int_equal(traps_arm(), 0);
}

static int open_mmu(void **state)
{
	(void)state;
	assert_int_equal(mmu_sigsegv_create(&mmu), 0);
	arm_traps = arm;
	base = mmu->arena + (UINT64_C(1) << 30);
	return 0;
}

/* ---- whose is the signal? ---- */

/* Loads from, or stores to, a page that is not the mmu's. */
static void touch_foreign(uint64_t address, bool write)
{
	struct touch touch;

	if (write)
		start_store(&touch, address, 'X');
	else
		start_load(&touch, address);
	finish_by(&touch, SIGSEGV);
	assert_int_equal(touch.code, SEGV_ACCERR);
}

static void test_a_stranger_beside_ours(void **state)
{
	uint64_t stranger = base + LENGTH;

	map(*(int *)*state, true);
	assert_int_equal(memory_map_at(stranger, PAGE_SIZE, PROT_NONE, false,
				       -1, 0, false),
			 0);
	touch_foreign(stranger, false);
	touch_foreign(stranger, true);
	assert_int_equal(memory_unmap_at(stranger, PAGE_SIZE), 0);
	expect_no_trap();
}

static void test_nothing_is_mapped_there(void **state)
{
	struct touch touch;

	map(*(int *)*state, true);
	start_load(&touch, base - PAGE_SIZE);
	finish_by(&touch, SIGSEGV);
	assert_int_equal(touch.code, SEGV_MAPERR);
	start_load(&touch, UINT64_C(0x800000000000)); /* not an address */
	finish_by(&touch, SIGSEGV);
	start_load(&touch, 8);
	finish_by(&touch, SIGSEGV);
}

/* As the kernel: who may not is told before anything is read. */
static void test_rights_come_first(void **state)
{
	struct mmu_mapping mapping = mapping_of(*(int *)*state, true);
	struct touch touch;

	mapping.prot = PROT_READ;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	start_store(&touch, base, 'X');
	finish_by(&touch, SIGSEGV);
	assert_int_equal(touch.code, SEGV_ACCERR);
	assert_int_equal(mmu_protect(mmu, base, LENGTH, PROT_NONE), 0);
	start_load(&touch, base);
	finish_by(&touch, SIGSEGV);
	expect_no_trap();
}

/* A mapping for stores alone can be loaded from, on this kind of processor. */
static void test_store_only(void **state)
{
	int memory = *(int *)*state;
	struct mmu_mapping mapping = mapping_of(memory, true);

	fill_page(memory, 0);
	mapping.prot = PROT_WRITE;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(load(base), 'a');
}

static sig_atomic_t sent;

static void on_sent(int signal)
{
	(void)signal;
	sent++;
}

/* Somebody's kill() is no access, whatever it was before. */
static void test_a_signal_that_was_sent(void **state)
{
	struct sigaction action = { .sa_handler = on_sent };

	map(*(int *)*state, true);
	sent = 0;
	sigaction(SIGSEGV, &action, NULL);
	arm_traps();
	assert_int_equal(raise(SIGSEGV), 0);
	assert_int_equal(sent, 1);
	expect_no_trap();
}

/* signal() forgets that our handler wants to be told of the address. */
static void test_put_back_by_signal(void **state)
{
	int memory = *(int *)*state;
	void (*ours)(int);
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	ours = signal(SIGSEGV, SIG_DFL);
	assert_ptr_not_equal(ours, SIG_DFL);
	signal(SIGSEGV, ours);
	touch = (struct touch){ .address = base };
	assert_int_equal(pthread_create(&touch.thread, NULL, touch_it, &touch),
			 0);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

/* ---- SIGBUS ---- */

static _Atomic uint64_t bus_address;

/* Where the access was, and then a page: so it goes on. */
static void on_bus(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	atomic_store(&bus_address, (uint64_t)(uintptr_t)info->si_addr);
	mmu_install(mmu, base, PAGE_SIZE, true);
}

static void *load_with_errno(void *argument)
{
	const volatile unsigned char *byte = argument;

	errno = EDOM;
	return (void *)(uintptr_t)(*byte + (errno == EDOM ? 0u : 1000u));
}

/* The handler finds the program at the access, which is then tried again. */
static void test_sigbus_as_if_raised(void **state)
{
	int memory = *(int *)*state;
	struct sigaction action = { .sa_sigaction = on_bus,
				    .sa_flags = SA_SIGINFO };
	pthread_t thread;
	void *result;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_refuse(mmu, base, true), 0);
	sigaction(SIGBUS, &action, NULL);
	arm_traps();
	assert_int_equal(pthread_create(&thread, NULL, load_with_errno,
					(void *)(uintptr_t)(base + 3)),
			 0);
	pthread_join(thread, &result);
	assert_int_equal((uintptr_t)result, 0); /* byte 3 of the page */
	assert_int_equal(atomic_load(&bus_address), base + 3);
}

static void load_with_sigbus_blocked(void *argument)
{
	sigset_t only;

	(void)argument;
	sigemptyset(&only);
	sigaddset(&only, SIGBUS);
	pthread_sigmask(SIG_BLOCK, &only, NULL);
	touch_it(&(struct touch){ .address = base });
}

/* A child has no mapping: it makes one of its own. */
static void refused_in_child(void *argument)
{
	int memory = *(int *)argument;

	if (mmu_sigsegv_create(&mmu))
		_exit(3);
	map(memory, true);
	mmu_refuse(mmu, base, true);
	load_with_sigbus_blocked(NULL);
}

static void test_sigbus_blocked_kills(void **state)
{
	struct mmu *here = mmu;
	struct child_end end;

	map(*(int *)*state, true);
	run_in_child(refused_in_child, *state, &end);
	mmu = here;
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGBUS);
}

/* ---- a child ---- */

static void load_in_child(void *argument)
{
	(void)argument;
	signal(SIGBUS, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	arm_traps();
	(void)*(volatile unsigned char *)(uintptr_t)base;
}

static void test_child_has_nothing(void **state)
{
	int memory = *(int *)*state;
	struct child_end end;

	fill_page(memory, 0);
	map(memory, true);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	run_in_child(load_in_child, NULL, &end);
	assert_true(WIFSIGNALED(end.status));
	assert_int_equal(WTERMSIG(end.status), SIGSEGV);
	assert_int_equal(load(base), 'a');
}

/* ---- signals while it sleeps ---- */

static _Atomic bool interrupted;
static _Thread_local sigjmp_buf away;

static void on_user_signal(int signal)
{
	atomic_store(&interrupted, true);
	if (signal == SIGUSR2)
		siglongjmp(away, 1);
}

static void *load_or_leave(void *argument)
{
	struct touch *touch = argument;

	if (sigsetjmp(away, 1))
		return NULL;
	return touch_it(touch);
}

static void interrupt(struct touch *touch, int signal)
{
	struct sigaction action = { .sa_handler = on_user_signal };

	atomic_store(&interrupted, false);
	sigaction(signal, &action, NULL);
	pthread_kill(touch->thread, signal);
	while (!atomic_load(&interrupted))
		sched_yield();
}

static void test_a_handler_interrupts_the_sleep(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, true);
	start_load(&touch, base);
	expect_trap(base, false);
	interrupt(&touch, SIGUSR1);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

/* It leaves nothing behind that an mmu's end would wait for. */
static void test_a_handler_leaves_the_sleep(void **state)
{
	struct touch touch = { .address = base };

	map(*(int *)*state, true);
	arm_traps();
	assert_int_equal(
		pthread_create(&touch.thread, NULL, load_or_leave, &touch), 0);
	expect_trap(base, false);
	interrupt(&touch, SIGUSR2);
	pthread_join(touch.thread, NULL);
}

static void *load_on_signal_stack(void *argument)
{
	static unsigned char stack[1 << 16];
	stack_t before, ours = { .ss_sp = stack, .ss_size = sizeof(stack) };

	assert_return_code(sigaltstack(&ours, &before), errno);
	touch_it(argument);
	sigaltstack(&before, NULL); /* a sanitizer's */
	return NULL;
}

static void test_on_a_signal_stack(void **state)
{
	int memory = *(int *)*state;
	struct touch touch = { .address = base };

	fill_page(memory, 0);
	map(memory, true);
	arm_traps();
	assert_int_equal(pthread_create(&touch.thread, NULL,
					load_on_signal_stack, &touch),
			 0);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(finish(&touch), 'a');
}

/* ---- system calls ---- */

static void test_a_system_call_gets_efault(void **state)
{
	int memory = *(int *)*state;
	int ends[2];

	fill_page(memory, 0);
	map(memory, true);
	assert_return_code(pipe(ends), errno);
	assert_int_equal(
		syscall(SYS_write, ends[1], (void *)(uintptr_t)base, 1), -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	assert_int_equal(
		syscall(SYS_write, ends[1], (void *)(uintptr_t)base, 1), 1);
	close(ends[0]);
	close(ends[1]);
}

/* ---- guards ---- */

static void test_guard(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 1);
	map(memory, true);
	assert_int_equal(mmu_guard(mmu, base + PAGE_SIZE, PAGE_SIZE, true), 0);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	touch_foreign(base + PAGE_SIZE, false);
	assert_int_equal(mmu_guard(mmu, base + PAGE_SIZE, PAGE_SIZE, false), 0);
	start_load(&touch, base + PAGE_SIZE);
	expect_trap(base + PAGE_SIZE, false);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(finish(&touch), 'b');
}

/*   [ shown | guard | hidden ... ]: what lies beside a page is shown with it */
static void show_around_a_guard(int memory, bool shared)
{
	uint64_t guarded = base + PAGE_SIZE;
	struct touch touch;

	fill_page(memory, 0);
	fill_page(memory, 1);
	fill_page(memory, 2);
	map(memory, shared);
	assert_int_equal(mmu_guard(mmu, guarded, PAGE_SIZE, true), 0);
	assert_int_equal(mmu_install(mmu, base, 3 * PAGE_SIZE, shared), 0);
	assert_int_equal(load(base), 'a');
	touch_foreign(guarded, false);
	assert_int_equal(mmu_grant(mmu, base, 3 * PAGE_SIZE, false), 0);
	store(base, 'A');
	touch_foreign(guarded, true);
	start_load(&touch, base + 2 * PAGE_SIZE);
	expect_trap(base + 2 * PAGE_SIZE, false);
	assert_int_equal(
		mmu_install(mmu, base + 2 * PAGE_SIZE, PAGE_SIZE, shared), 0);
	assert_int_equal(finish(&touch), 'c');
}

static void test_guard_in_a_run(void **state)
{
	show_around_a_guard(*(int *)*state, true);
}

static void test_guard_in_a_private_run(void **state)
{
	show_around_a_guard(*(int *)*state, false);
}

static void test_forget_drops_the_private_copy(void **state)
{
	int memory = *(int *)*state;
	struct touch touch;

	fill_page(memory, 0);
	map(memory, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, false), 0);
	store(base, 'P');
	assert_int_equal(mmu_forget(mmu, base, PAGE_SIZE, false), 0);
	start_load(&touch, base);
	expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, false), 0);
	assert_int_equal(finish(&touch), 'a');
}

/* ---- moves ---- */

static void move_and_look(int memory, bool shared, unsigned char byte)
{
	struct mmu_move move = {
		.from = base,
		.length = LENGTH,
		.to = mapping_of(memory, shared),
	};
	struct touch touch;

	fill_page(memory, 0);
	map(memory, shared);
	assert_int_equal(shared ? mmu_grant(mmu, base, PAGE_SIZE, false)
				: mmu_install(mmu, base, PAGE_SIZE, false),
			 0);
	store(base, 'M');
	assert_int_equal(mmu_guard(mmu, base + 3 * PAGE_SIZE, PAGE_SIZE, true),
			 0);
	move.to.start = base + 4 * LENGTH;
	assert_int_equal(mmu_move(mmu, &move), 0);
	start_load(&touch, base);
	finish_by(&touch, SIGSEGV);
	start_load(&touch, move.to.start);
	expect_trap(move.to.start, false);
	assert_int_equal(mmu_install(mmu, move.to.start, PAGE_SIZE, shared), 0);
	assert_int_equal(finish(&touch), byte);
	touch_foreign(move.to.start + 3 * PAGE_SIZE, false);
	assert_int_equal(mmu_unmap(mmu, move.to.start, LENGTH), 0);
}

static void test_move_shared(void **state)
{
	move_and_look(*(int *)*state, true, 'M');
}

static void test_move_private(void **state)
{
	move_and_look(*(int *)*state, false, 'M');
}

/* ---- pieces ---- */

#define MANY UINT64_C(100000) /* more than the kernel allows mappings */

/* Every second page is shown: a mapping of the kernel's each, if all were. */
static void test_more_pieces_than_the_kernel_allows(void **state)
{
	struct mmu_mapping mapping = mapping_of(*(int *)*state, true);
	uint64_t far = base + (UINT64_C(1) << 36);
	uint64_t most = 0;

	assert_int_equal(memory_file_resize(mapping.memory, MANY * PAGE_SIZE),
			 0);
	fill_page(mapping.memory, 2);
	mapping.start = far;
	mapping.length = MANY * PAGE_SIZE;
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	for (uint64_t i = 0; i < MANY; i += 2) {
		assert_int_equal(mmu_grant(mmu, far + i * PAGE_SIZE, PAGE_SIZE,
					   false),
				 0);
		if (shadow_borders() > most)
			most = shadow_borders();
	}
	assert_true(most > 1000);
	assert_true(most < 65530);
	/* The last is shown, the first was hidden for its sake. */
	assert_int_equal(load(far + (MANY - 2) * PAGE_SIZE), 0);
	assert_int_equal(shadow_at(far + 4 * PAGE_SIZE) & SHADOW_SHOWN, 0);
	assert_int_equal(mmu_hide(mmu, far, MANY * PAGE_SIZE), 0);
	assert_int_equal(shadow_borders(), 0);
	assert_int_equal(mmu_unmap(mmu, far, MANY * PAGE_SIZE), 0);
}

#define SPENT (UINT64_C(1) << 18) /* pages */

/* Of a stranger, who leaves the kernel no mapping to give. */
static uint64_t spend_mappings(void)
{
	uint64_t start = base + (UINT64_C(1) << 37);
	uint64_t end = start + SPENT * PAGE_SIZE, at = start;

	assert_int_equal(memory_map_at(start, SPENT * PAGE_SIZE, PROT_NONE,
				       false, -1, 0, false),
			 0);
	while (at < end && !memory_protect(at, PAGE_SIZE, PROT_READ))
		at += 2 * PAGE_SIZE;
	if (at >= end) { /* there are more than that */
		memory_unmap_at(start, SPENT * PAGE_SIZE);
		skip();
	}
	return start;
}

/* [ shown | unmapped by the program | shown ]: one of them is to be hidden. */
static void test_hide_beside_a_hole_without_mappings(void **state)
{
	int memory = *(int *)*state, error;
	struct touch touch;
	uint64_t spent;

	fill_page(memory, 0);
	fill_page(memory, 5);
	map(memory, true);
	assert_int_equal(mmu_grant(mmu, base, LENGTH, false), 0);
	assert_int_equal(memory_unmap_at(base + 3 * PAGE_SIZE, PAGE_SIZE), 0);
	spent = spend_mappings();
	error = mmu_hide(mmu, base + 5 * PAGE_SIZE, PAGE_SIZE);
	assert_int_equal(memory_unmap_at(spent, SPENT * PAGE_SIZE), 0);
	assert_int_equal(error, 0);
	/* What was hidden with it is noted. */
	for (uint64_t i = 0; i < PAGES; i += 5) {
		uint64_t address = base + i * PAGE_SIZE;

		start_load(&touch, address);
		expect_trap(address, false);
		assert_int_equal(mmu_install(mmu, address, PAGE_SIZE, true), 0);
		assert_int_equal(finish(&touch), 'a' + i);
	}
}

/* Neighbours of one kind are one piece. */
static void test_borders(void **state)
{
	map(*(int *)*state, true);
	assert_int_equal(shadow_borders(), 0);
	assert_int_equal(mmu_install(mmu, base + PAGE_SIZE, PAGE_SIZE, true),
			 0);
	assert_int_equal(shadow_borders(), 2);
	assert_int_equal(mmu_install(mmu, base, 3 * PAGE_SIZE, true), 0);
	assert_int_equal(shadow_borders(), 1);
	assert_int_equal(mmu_grant(mmu, base + PAGE_SIZE, PAGE_SIZE, false), 0);
	assert_int_equal(shadow_borders(), 3);
	assert_int_equal(mmu_write_protect(mmu, base, LENGTH), 0);
	assert_int_equal(shadow_borders(), 1);
	assert_int_equal(mmu_hide(mmu, base, LENGTH), 0);
	assert_int_equal(shadow_borders(), 0);
}

/* ---- many at once ---- */

/* With the handlers that are there: none stands before ours for a moment. */
static void start_again(struct touch *touch)
{
	assert_int_equal(pthread_create(&touch->thread, NULL, touch_it, touch),
			 0);
}

#define THREADS 8

/* All sleep on one page; one answer is enough for all of them. */
static void test_many_wait_for_one_page(void **state)
{
	int memory = *(int *)*state;
	struct touch touch[THREADS];

	fill_page(memory, 0);
	map(memory, true);
	arm_traps();
	for (unsigned i = 0; i < THREADS; i++) {
		touch[i] = (struct touch){ .address = base };
		start_again(&touch[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		expect_trap(base, false);
	assert_int_equal(mmu_install(mmu, base, PAGE_SIZE, true), 0);
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(finish(&touch[i]), 'a');
}

static void test_engines_beyond_the_last(void **state)
{
	struct mmu *more[64];
	int count = 0, error = 0;

	(void)state;
	while (count < 64 && !(error = mmu_sigsegv_create(&more[count])))
		count++;
	assert_int_equal(error, -EAGAIN);
	assert_int_equal(count, 63); /* and the one of all tests */
	while (count > 0)
		mmu_destroy(more[--count]);
	assert_int_equal(mmu_sigsegv_create(&more[0]), 0);
	mmu_destroy(more[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MMU_SCENARIOS,
		MMU_MOVES,
		TEST(test_a_stranger_beside_ours),
		TEST(test_nothing_is_mapped_there),
		TEST(test_rights_come_first),
		TEST(test_store_only),
		TEST(test_a_signal_that_was_sent),
		TEST(test_put_back_by_signal),
		TEST(test_sigbus_as_if_raised),
		TEST(test_sigbus_blocked_kills),
		TEST(test_child_has_nothing),
		TEST(test_a_handler_interrupts_the_sleep),
		TEST(test_a_handler_leaves_the_sleep),
		TEST(test_on_a_signal_stack),
		TEST(test_a_system_call_gets_efault),
		TEST(test_guard),
		TEST(test_guard_in_a_run),
		TEST(test_guard_in_a_private_run),
		TEST(test_forget_drops_the_private_copy),
		TEST(test_move_shared),
		TEST(test_move_private),
		TEST(test_more_pieces_than_the_kernel_allows),
		TEST(test_hide_beside_a_hole_without_mappings),
		TEST(test_borders),
		TEST(test_many_wait_for_one_page),
		cmocka_unit_test(test_engines_beyond_the_last),
	};

	return cmocka_run_group_tests(tests, open_mmu, close_mmu);
}
