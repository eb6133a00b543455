/* test_guard_signals.c - SIGSEGV and SIGBUS remain the program's own as well */
/* SPDX-License-Identifier: MIT */
/*
 * Each case is a child with handlers and an engine of its own: it ends with
 * status 0, or with the signal that it must not survive.
 */
#include "unit/engine_tools.h"

static struct quire *quire;
static struct quire_space *space;
static unsigned char *bytes;   /* 1 page of an object, mapped 4 pages long */
static unsigned char *foreign; /* memory of the program's, with no rights */

static void begin(void)
{
	struct quire_object *object;

	quire = open_engine(0);
	need(quire);
	space = quire_host_space(quire);
	need(quire_object_open(quire, "mem:4K", O_RDWR, NULL, &object) == 0);
	bytes = quire_mmap(space, NULL, 4 * PAGE, PROT_READ | PROT_WRITE,
			   MAP_SHARED, object, 0);
	need(bytes != MAP_FAILED);
	foreign =
		mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(foreign != MAP_FAILED);
}

static void touch(void *address)
{
	*(volatile unsigned char *)address = 1;
}

static void nothing(void *argument)
{
	(void)argument;
}

/* A guard is at work: what is the space's is caught, and nobody else sees. */
static void guard_works(void)
{
	need(quire_guard(space, touch, bytes, NULL) == 0);
	need(quire_guard(space, touch, bytes + PAGE, NULL) == -ENXIO);
}

/* ---- the program's handlers ---- */

static volatile sig_atomic_t calls;
static volatile sig_atomic_t calls_before; /* of the one that stood before */
static void *volatile fault_address;
static struct sigaction found; /* what stood before */

/* Repairs what was wrong, so that the access comes to its end. */
static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	calls++;
	fault_address = info->si_addr;
	mprotect(foreign, PAGE, PROT_READ | PROT_WRITE);
}

static void on_fault_old_style(int number)
{
	(void)number;
	calls++;
	mprotect(foreign, PAGE, PROT_READ | PROT_WRITE);
}

/* Knows nothing, and passes everything on to the one before. */
static void on_fault_passed_on(int number, siginfo_t *info, void *context)
{
	calls_before++;
	if (calls_before > 10)
		_exit(3); /* round and round */
	if (found.sa_flags & SA_SIGINFO)
		found.sa_sigaction(number, info, context);
	else if (found.sa_handler != SIG_DFL && found.sa_handler != SIG_IGN)
		found.sa_handler(number);
	else
		_exit(4);
}

static void install(void (*function)(int, siginfo_t *, void *))
{
	struct sigaction action = { .sa_sigaction = function,
				    .sa_flags = SA_SIGINFO };

	/* As careful programs do it. */
	sigfillset(&action.sa_mask);
	need(sigaction(SIGSEGV, &action, &found) == 0);
	need(sigaction(SIGBUS, &action, NULL) == 0);
}

static void forbid(void)
{
	need(mprotect(foreign, PAGE, PROT_NONE) == 0);
}

static void assert_handled(int times)
{
	sigset_t mask;

	need(calls == times);
	need(pthread_sigmask(SIG_SETMASK, NULL, &mask) == 0);
	for (int number = 1; number < 32; number++)
		need(!sigismember(&mask, number));
}

/* ---- cases that survive ---- */

static void handler_before_the_guard(void *argument)
{
	(void)argument;
	begin();
	install(on_fault);
	need(quire_guard(space, touch, foreign, NULL) == 0);
	assert_handled(1);
	need(fault_address == foreign);
	forbid();
	touch(foreign); /* outside any guard */
	assert_handled(2);
	guard_works();
	assert_handled(2);
}

static void old_handler_before_the_guard(void *argument)
{
	(void)argument;
	begin();
	signal(SIGSEGV, on_fault_old_style);
	need(quire_guard(space, touch, foreign, NULL) == 0);
	assert_handled(1);
	forbid();
	touch(foreign);
	assert_handled(2);
	guard_works();
}

static void handler_after_the_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	install(on_fault);
	touch(foreign);
	assert_handled(1);
	guard_works();
	forbid();
	touch(foreign);
	assert_handled(2);
}

static void old_handler_after_the_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	signal(SIGSEGV, on_fault_old_style);
	guard_works();
	touch(foreign);
	assert_handled(1);
}

/* The one that came later passes on to ours, ours to the first one. */
static void handlers_in_a_chain(void *argument)
{
	(void)argument;
	begin();
	install(on_fault);
	guard_works();
	install(on_fault_passed_on);
	guard_works();
	touch(foreign);
	need(calls_before == 1);
	assert_handled(1);
	forbid();
	need(quire_guard(space, touch, foreign, NULL) == 0);
	need(calls_before == 2);
	assert_handled(2);
	/* Without another guard in between it stands before ours. */
	install(on_fault);
	install(on_fault_passed_on);
	forbid();
	touch(foreign);
	assert_handled(3);
}

/* One handler after another, many times: the oldest is still there. */
static void handlers_come_and_go(void *argument)
{
	(void)argument;
	begin();
	for (int i = 0; i < 50; i++) {
		install(on_fault);
		guard_works();
		signal(SIGSEGV, on_fault_old_style);
		guard_works();
		signal(SIGSEGV, SIG_DFL);
		guard_works();
	}
	install(on_fault);
	guard_works();
	touch(foreign);
	assert_handled(1);
}

static void sent_signal_is_handled(void *argument)
{
	(void)argument;
	begin();
	install(on_fault);
	guard_works();
	kill(getpid(), SIGSEGV);
	assert_handled(1);
	kill(getpid(), SIGBUS);
	assert_handled(2);
}

static void sent_signal_is_ignored(void *argument)
{
	(void)argument;
	begin();
	signal(SIGSEGV, SIG_IGN);
	guard_works();
	kill(getpid(), SIGSEGV);
	guard_works();
}

static void signal_sent_inside_a_guard(void *argument)
{
	(void)argument;
	kill(getpid(), SIGSEGV);
	touch(bytes);
}

static void sent_signal_does_not_end_a_guard(void *argument)
{
	(void)argument;
	begin();
	install(on_fault);
	need(quire_guard(space, signal_sent_inside_a_guard, NULL, NULL) == 0);
	assert_handled(1);
	need(bytes[0] == 1);
}

/* Nobody asked for a guard: nothing is installed. */
static void no_handler_without_a_guard(void *argument)
{
	struct sigaction now;

	(void)argument;
	begin();
	touch(bytes);
	need(sigaction(SIGSEGV, NULL, &now) == 0);
	need(!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL);
}

/* ---- cases that do not ---- */

static void foreign_fault_in_a_guard(void *argument)
{
	(void)argument;
	begin();
	quire_guard(space, touch, foreign, NULL);
}

static void foreign_fault_after_a_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	touch(foreign);
}

static void own_fault_after_a_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	touch(bytes + PAGE);
}

static void own_fault_without_a_guard(void *argument)
{
	(void)argument;
	begin();
	touch(bytes + PAGE);
}

static void unmapped_after_a_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	need(quire_munmap(space, bytes, 4 * PAGE) == 0);
	touch(bytes);
}

static void sent_after_a_guard(void *argument)
{
	(void)argument;
	begin();
	guard_works();
	kill(getpid(), SIGSEGV);
}

static void ignored_but_not_sent(void *argument)
{
	(void)argument;
	begin();
	signal(SIGSEGV, SIG_IGN);
	guard_works();
	touch(foreign);
}

static void on_fault_unmoved(int number)
{
	(void)number;
}

/* Wants to be called once: the second time the default comes. */
static void handler_for_one_time(void *argument)
{
	struct sigaction action = { .sa_flags = (int)SA_RESETHAND,
				    .sa_handler = on_fault_unmoved };

	(void)argument;
	begin();
	need(sigaction(SIGSEGV, &action, NULL) == 0);
	quire_guard(space, nothing, NULL, NULL);
	touch(foreign);
}

/* And ours stays: what is touched next traps as ever. */
static void traps_after_one_time(void *argument)
{
	struct quire_options options = { .size = sizeof(options),
					 .budget = 64 * PAGE,
					 .trap = QUIRE_TRAP_SIGBUS };
	struct sigaction action = { .sa_flags = (int)SA_RESETHAND,
				    .sa_handler = on_fault_unmoved };
	struct quire_object *object;

	(void)argument;
	need(sigaction(SIGBUS, &action, NULL) == 0);
	need(quire_open(&options, &quire) == 0);
	need(quire_object_open(quire, "mem:16K", O_RDWR, NULL, &object) == 0);
	bytes = quire_mmap(quire_host_space(quire), NULL, 4 * PAGE,
			   PROT_READ | PROT_WRITE, MAP_SHARED, object, 0);
	need(bytes != MAP_FAILED);
	touch(bytes);
	kill(getpid(), SIGBUS);
	touch(bytes + 2 * PAGE);
}

static void used_up(void *argument)
{
	traps_after_one_time(argument);
	kill(getpid(), SIGBUS); /* the default, now */
}

/* ---- the tests ---- */

/* The sanitizers' own handlers would turn a death into a report. */
static void with_defaults(void *argument)
{
	void (*body)(void *) = *(void (**)(void *))argument;

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	body(NULL);
}

static void survives(void (*body)(void *))
{
	assert_survives(with_defaults, &body);
}

static void dies(void (*body)(void *), int number)
{
	struct child_end end;

	run_in_child(with_defaults, &body, &end);
	if (!WIFSIGNALED(end.status))
		fail_msg("status 0x%x: %s", (unsigned)end.status, end.text);
	assert_int_equal(WTERMSIG(end.status), number);
}

static void test_handlers(void **state)
{
	(void)state;
	survives(handler_before_the_guard);
	survives(old_handler_before_the_guard);
	survives(handler_after_the_guard);
	survives(old_handler_after_the_guard);
}

static void test_many_handlers(void **state)
{
	(void)state;
	survives(handlers_in_a_chain);
	survives(handlers_come_and_go);
}

static void test_sent_signals(void **state)
{
	(void)state;
	survives(sent_signal_is_handled);
	survives(sent_signal_is_ignored);
	survives(sent_signal_does_not_end_a_guard);
	dies(sent_after_a_guard, SIGSEGV);
}

static void test_no_handler_without_a_guard(void **state)
{
	(void)state;
	survives(no_handler_without_a_guard);
}

static void test_defaults(void **state)
{
	(void)state;
	dies(foreign_fault_in_a_guard, SIGSEGV);
	dies(foreign_fault_after_a_guard, SIGSEGV);
	dies(own_fault_after_a_guard, SIGBUS);
	dies(own_fault_without_a_guard, SIGBUS);
	dies(unmapped_after_a_guard, SIGSEGV);
	dies(ignored_but_not_sent, SIGSEGV);
	dies(handler_for_one_time, SIGSEGV);
	survives(traps_after_one_time);
	dies(used_up, SIGBUS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handlers),
		cmocka_unit_test(test_many_handlers),
		cmocka_unit_test(test_sent_signals),
		cmocka_unit_test(test_no_handler_without_a_guard),
		cmocka_unit_test(test_defaults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
