/* test_mmu_remote.c - mmu/mmu_remote.c: another process, and its kernel */
/* SPDX-License-Identifier: MIT */
#include "mmu/mmu_remote_private.h"

#include "unit/client_world.h"

#include <sys/eventfd.h>

static struct client client;
static struct mmu *mmu;
static int memory = -1, kicks;
static bool forks;

static int open_client(void **state)
{
	(void)state;
	assert_int_equal(memory_file_create("client", &memory), 0);
	assert_int_equal(memory_file_resize(memory, CLIENT_LENGTH), 0);
	client = client_start(memory, &forks);
	assert_int_equal(mmu_remote_create(client.userfaultfd, &mmu), 0);
	kicks = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mmu_remote_set_kick(mmu, kicks);
	return 0;
}

static int close_client(void **state)
{
	(void)state;
	client_end(&client);
	mmu_destroy(mmu);
	close(memory);
	close(kicks);
	return 0;
}

static uint64_t shared_page(uint64_t page)
{
	return client.shared + page * PAGE_SIZE;
}

static uint64_t private_page(uint64_t page)
{
	return client.private + page * PAGE_SIZE;
}

/* Page i begins with 'a' + i. */
static void fill(uint64_t page)
{
	unsigned char byte = (unsigned char)('a' + page);

	assert_int_equal(memory_file_write(memory, &byte, 1, page * PAGE_SIZE),
			 0);
}

static unsigned char memory_byte(uint64_t page)
{
	unsigned char byte;

	assert_int_equal(memory_file_read(memory, &byte, 1, page * PAGE_SIZE),
			 0);
	return byte;
}

static void expect_trap(struct mmu *which, uint64_t address, bool write)
{
	struct mmu_trap trap;

	await_message(which);
	assert_int_equal(mmu_take_traps(which, &trap, 1), 1);
	assert_int_equal(trap.address, address);
	assert_int_equal(trap.write, write);
}

static void expect_event(enum mmu_event_type type, uint64_t start, uint64_t end,
			 uint64_t to)
{
	struct mmu_event event;

	if (!mmu_remote_event(mmu, &event)) {
		await_message(mmu);
		assert_true(mmu_remote_pump(mmu));
		assert_true(mmu_remote_event(mmu, &event));
	}
	assert_int_equal(event.type, type);
	assert_int_equal(event.start, start);
	assert_int_equal(event.end, end);
	assert_int_equal(event.to, to);
	mmu_remote_applied(mmu);
}

static void expect_kick(bool kicked)
{
	uint64_t count;

	assert_int_equal(read(kicks, &count, sizeof(count)),
			 kicked ? (int)sizeof(count) : -1);
}

/* These need no answer of ours, or the test would hang. */
static unsigned char load(uint64_t address)
{
	struct answer got;

	give_load(client.socket, address);
	got = answer(client.socket);
	assert_int_equal(got.signal, 0);
	return got.byte;
}

static void store(uint64_t address, unsigned char byte)
{
	give_store(client.socket, address, byte);
	assert_int_equal(answer(client.socket).signal, 0);
}

/* A store that traps, and is granted. */
static void store_granted(uint64_t address, unsigned char byte)
{
	give_store(client.socket, address, byte);
	expect_trap(mmu, address, true);
	assert_int_equal(mmu_grant(mmu, address, PAGE_SIZE, false), 0);
	assert_int_equal(answer(client.socket).signal, 0);
}

static void give_unmap(uint64_t page, uint64_t count)
{
	give(client.socket, (struct order){ .type = ORDER_UNMAP,
					    .address = shared_page(page),
					    .length = count * PAGE_SIZE });
}

/* ---- what a client may send ---- */

static void assert_no_userfaultfd(int descriptor)
{
	struct mmu_remote_features features;

	assert_return_code(descriptor, 0);
	assert_int_equal(mmu_remote_enable(descriptor, &features), -EINVAL);
	close(descriptor);
}

static void test_enable_refuses(void **state)
{
	struct mmu_remote_features features;
	int ends[2];

	(void)state;
	assert_return_code(pipe(ends), 0);
	assert_no_userfaultfd(ends[0]);
	assert_no_userfaultfd(ends[1]);
	assert_no_userfaultfd(memfd_create("client", 0));
	assert_no_userfaultfd(eventfd(0, 0));
	assert_no_userfaultfd(open("/dev/null", O_RDWR));
	assert_int_equal(mmu_remote_enable(-1, &features), -EINVAL);
	/* It was used: by whom does not matter. */
	assert_no_userfaultfd(dup(client.userfaultfd));
}

static void test_enable_makes_non_blocking(void **state)
{
	int descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
	struct mmu_remote_features features;
	struct mmu_trap trap;
	struct mmu *other;

	(void)state;
	assert_return_code(descriptor, 0);
	assert_int_equal(mmu_remote_enable(descriptor, &features), 0);
	assert_true(fcntl(descriptor, F_GETFL) & O_NONBLOCK);
	assert_int_equal(mmu_remote_create(descriptor, &other), 0);
	assert_int_equal(mmu_remote_descriptor(other), descriptor);
	assert_int_equal(mmu_take_traps(other, &trap, 1), 0);
	mmu_destroy(other);
}

static void enable_as_nobody(void *argument)
{
	struct mmu_remote_features features = { .forks = true };
	int descriptor = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	(void)argument;
	if (setresuid(65534, 65534, 65534) ||
	    mmu_remote_enable(descriptor, &features) || features.forks)
		_exit(1);
}

static void test_enable_without_privilege(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_true(forks);
	assert_survives(enable_as_nobody, NULL);
}

/* ---- pages ---- */

static void test_load_and_store(void **state)
{
	(void)state;
	fill(3);
	give_load(client.socket, shared_page(3));
	expect_trap(mmu, shared_page(3), false);
	assert_int_equal(mmu_install(mmu, shared_page(3), PAGE_SIZE, true), 0);
	assert_int_equal(answer(client.socket).byte, 'd');
	/* Shown for reading: the store traps. */
	store_granted(shared_page(3), 77);
	assert_int_equal(memory_byte(3), 77);
	/* A store to what is not shown at all. */
	fill(5);
	store_granted(shared_page(5), 78);
	assert_int_equal(memory_byte(5), 78);
}

static void test_install_of_a_run(void **state)
{
	(void)state;
	for (uint64_t page = 0; page < 4; page++)
		fill(page);
	assert_int_equal(mmu_install(mmu, shared_page(0), 5 * PAGE_SIZE, true),
			 0);
	for (uint64_t page = 0; page < 4; page++)
		assert_int_equal(load(shared_page(page)), 'a' + page);
	/* Shown already; absent. */
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true), 0);
	assert_int_equal(mmu_install(mmu, shared_page(4), PAGE_SIZE, true),
			 -EFAULT);
	assert_int_equal(mmu_grant(mmu, shared_page(4), PAGE_SIZE, false),
			 -EFAULT);
}

/* The process may have cut its mapping by rights, which the layout does not
 * know. */
static void test_install_across_rights(void **state)
{
	(void)state;
	for (uint64_t page = 0; page < 3; page++)
		fill(page);
	give(client.socket, (struct order){ .type = ORDER_PROTECT,
					    .address = shared_page(1),
					    .length = PAGE_SIZE,
					    .byte = PROT_READ });
	answer(client.socket);
	assert_int_equal(mmu_install(mmu, shared_page(0), 3 * PAGE_SIZE, true),
			 0);
	assert_int_equal(load(shared_page(0)), 'a');
	assert_int_equal(mmu_grant(mmu, shared_page(0), 3 * PAGE_SIZE, true),
			 0);
	store(shared_page(2), 99);
	assert_int_equal(memory_byte(2), 99);
}

static void test_private_mapping(void **state)
{
	(void)state;
	fill(2);
	give_load(client.socket, private_page(2));
	expect_trap(mmu, private_page(2), false);
	assert_int_equal(mmu_install(mmu, private_page(2), PAGE_SIZE, false),
			 0);
	assert_int_equal(answer(client.socket).byte, 'c');
	/* The kernel copies: nobody is asked. */
	store(private_page(2), 55);
	assert_int_equal(load(private_page(2)), 55);
	assert_int_equal(memory_byte(2), 'c');
}

static void test_stores_trap_again(void **state)
{
	(void)state;
	for (uint64_t page = 0; page < 4; page++)
		fill(page);
	store_granted(shared_page(1), 10);
	store_granted(shared_page(2), 20);
	store(shared_page(1), 11);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), CLIENT_LENGTH),
			 0);
	store_granted(shared_page(1), 12);
	store_granted(shared_page(2), 22);
	assert_int_equal(memory_byte(1), 12);
	/* Of what was not shown as well. */
	assert_int_equal(mmu_install(mmu, shared_page(3), PAGE_SIZE, true), 0);
	store_granted(shared_page(3), 33);
	expect_kick(false);
}

/* What is not registered any more is passed by, what lies behind is not. */
static void test_protecting_around_strangers(void **state)
{
	(void)state;
	fill(0);
	fill(7);
	store_granted(shared_page(0), 1);
	store_granted(shared_page(7), 2);
	give(client.socket, (struct order){ .type = ORDER_REPLACE,
					    .address = shared_page(2),
					    .length = 3 * PAGE_SIZE });
	expect_event(MMU_EVENT_UNMAP, shared_page(2), shared_page(5), 0);
	answer(client.socket);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), 8 * PAGE_SIZE),
			 0);
	store_granted(shared_page(0), 3);
	store_granted(shared_page(7), 4);
	assert_int_equal(mmu_install(mmu, shared_page(2), PAGE_SIZE, true),
			 -ENOENT);
}

/* ---- events ---- */

static void test_events_in_order(void **state)
{
	uint64_t to;

	(void)state;
	give_advice(client.socket, shared_page(1), MADV_DONTNEED);
	expect_event(MMU_EVENT_DROP, shared_page(1), shared_page(2), 0);
	answer(client.socket);
	give_unmap(8, 2);
	expect_event(MMU_EVENT_UNMAP, shared_page(8), shared_page(10), 0);
	answer(client.socket);
	give(client.socket, (struct order){ .type = ORDER_MOVE,
					    .address = shared_page(4),
					    .length = 2 * PAGE_SIZE });
	while (remote_of(mmu)->event_count < 2) {
		await_message(mmu);
		mmu_remote_pump(mmu);
	}
	to = answer(client.socket).address;
	expect_event(MMU_EVENT_MOVE, shared_page(4), shared_page(6), to);
	expect_event(MMU_EVENT_UNMAP, shared_page(4), shared_page(6), 0);
	assert_false(mmu_remote_pump(mmu));
	/* It traps where it is now. */
	fill(5);
	store_granted(to + PAGE_SIZE, 88);
	assert_int_equal(memory_byte(5), 88);
}

/* What was asked for before the event was applied, and after. */
static void test_nothing_while_an_event_is_not_applied(void **state)
{
	struct mmu_event event;

	(void)state;
	fill(0);
	give_unmap(8, 1);
	await_message(mmu);
	/* Unread: the kernel itself says so. */
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true),
			 -EAGAIN);
	expect_kick(false);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), PAGE_SIZE),
			 -EAGAIN);
	/* That has read it, and says so to whoever applies it. */
	expect_kick(true);
	answer(client.socket);
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true),
			 -EAGAIN);
	assert_int_equal(mmu_grant(mmu, shared_page(0), PAGE_SIZE, false),
			 -EAGAIN);
	assert_int_equal(mmu_refuse(mmu, shared_page(1), true), -EAGAIN);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), PAGE_SIZE),
			 -EAGAIN);
	expect_kick(false);
	assert_true(mmu_remote_event(mmu, &event));
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true),
			 -EAGAIN);
	mmu_remote_applied(mmu);
	assert_false(mmu_remote_event(mmu, &event));
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true), 0);
	assert_int_equal(mmu_grant(mmu, shared_page(0), PAGE_SIZE, false), 0);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), PAGE_SIZE), 0);
	assert_int_equal(load(shared_page(0)), 'a');
}

/* A trap that was read along with something else is still handed out. */
static void test_traps_are_kept(void **state)
{
	struct mmu_trap traps[4];

	(void)state;
	fill(4);
	give_load(client.socket, shared_page(4));
	await_message(mmu);
	assert_true(mmu_remote_pump(mmu));
	assert_false(mmu_remote_pump(mmu));
	assert_int_equal(mmu_take_traps(mmu, traps, 4), 1);
	assert_int_equal(traps[0].address, shared_page(4));
	assert_int_equal(mmu_take_traps(mmu, traps, 4), 0);
	assert_int_equal(mmu_install(mmu, shared_page(4), PAGE_SIZE, true), 0);
	assert_int_equal(answer(client.socket).byte, 'e');
}

/* No more is read than can be kept: the rest waits in the kernel. */
static void test_events_beyond_the_ring(void **state)
{
	const unsigned count = 2 * REMOTE_KEPT + 10;

	(void)state;
	give(client.socket, (struct order){ .type = ORDER_ADVISE,
					    .address = shared_page(0),
					    .length = PAGE_SIZE,
					    .count = count,
					    .byte = MADV_DONTNEED });
	while (remote_of(mmu)->event_count < REMOTE_KEPT) {
		await_message(mmu);
		assert_true(mmu_remote_pump(mmu));
	}
	await_message(mmu);
	assert_false(mmu_remote_pump(mmu));
	for (unsigned i = 0; i < count; i++)
		expect_event(MMU_EVENT_DROP, shared_page(0), shared_page(1), 0);
	answer(client.socket);
	assert_false(mmu_remote_pump(mmu));
}

/* ---- forks ---- */

static struct mmu *expect_fork(void)
{
	struct mmu_event event;
	struct mmu *child;

	await_message(mmu);
	assert_true(mmu_remote_pump(mmu));
	assert_true(mmu_remote_event(mmu, &event));
	assert_int_equal(event.type, MMU_EVENT_FORK);
	assert_int_equal(mmu_remote_create(event.descriptor, &child), 0);
	mmu_remote_applied(mmu);
	return child;
}

static void give_fork(void)
{
	if (!forks)
		skip();
	give(client.socket, (struct order){ .type = ORDER_FORK });
}

/* What the parent could store to, the child can: both are protected. */
static void test_child_traps_by_itself(void **state)
{
	struct mmu *child;

	(void)state;
	fill(1);
	store_granted(shared_page(1), 5);
	give_fork();
	child = expect_fork();
	answer(client.socket);
	give_store(client.child_socket, shared_page(1), 6);
	answer(client.child_socket);
	assert_int_equal(memory_byte(1), 6);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), CLIENT_LENGTH),
			 0);
	give_store(client.child_socket, shared_page(1), 7);
	answer(client.child_socket);
	assert_int_equal(
		mmu_write_protect(child, shared_page(0), CLIENT_LENGTH), 0);
	give_store(client.child_socket, shared_page(1), 8);
	expect_trap(child, shared_page(1), true);
	assert_int_equal(memory_byte(1), 7);
	assert_int_equal(mmu_grant(child, shared_page(1), PAGE_SIZE, false), 0);
	answer(client.child_socket);
	assert_int_equal(memory_byte(1), 8);
	/* Each ends alone. */
	client_kill(&client);
	assert_true(mmu_remote_is_gone(mmu));
	assert_false(mmu_remote_is_gone(child));
	mmu_destroy(child);
}

/* A child nobody has taken over: its descriptor is closed with the mmu, and
 * it ends with what it is waiting for. */
static void test_fork_that_is_not_taken(void **state)
{
	(void)state;
	give_fork();
	await_message(mmu);
	assert_true(mmu_remote_pump(mmu));
	answer(client.socket);
	assert_int_equal(remote_of(mmu)->event_count, 1);
	assert_true(remote_of(mmu)->events[0].descriptor >= 0);
}

#ifdef QUIRE_DEBUG
/* While the pages were being protected, the process has forked. */
static void fork_meanwhile(enum hook point, const void *thing, uint64_t index)
{
	(void)index;
	if (point != HOOK_REMOTE_PROTECTED || thing != remote_of(mmu) ||
	    remote_of(mmu)->event_count > 0)
		return;
	give(client.socket, (struct order){ .type = ORDER_FORK });
	await_message(mmu);
	mmu_remote_pump(mmu);
}

static void test_fork_while_protecting(void **state)
{
	struct mmu_event event;

	(void)state;
	if (!forks)
		skip();
	hook_register(fork_meanwhile);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), PAGE_SIZE),
			 -EAGAIN);
	hook_register(NULL);
	answer(client.socket);
	assert_true(mmu_remote_event(mmu, &event));
	close(event.descriptor);
	mmu_remote_applied(mmu);
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), PAGE_SIZE), 0);
}
#endif

/* ---- refusals ---- */

static void expect_sigbus(uint64_t address)
{
	give_load(client.socket, address);
	assert_int_equal(answer(client.socket).signal, SIGBUS);
}

static void test_refused_page(void **state)
{
	(void)state;
	/* The mark of an absent page stands in the way of nothing. */
	assert_int_equal(mmu_write_protect(mmu, shared_page(6), PAGE_SIZE), 0);
	give_load(client.socket, shared_page(6));
	expect_trap(mmu, shared_page(6), false);
	assert_int_equal(mmu_refuse(mmu, shared_page(6), true), 0);
	assert_int_equal(answer(client.socket).signal, SIGBUS);
	expect_sigbus(shared_page(6));
	/* It comes after all, and is still protected. */
	fill(6);
	assert_int_equal(mmu_install(mmu, shared_page(6), PAGE_SIZE, true), 0);
	assert_int_equal(load(shared_page(6)), 'g');
	store_granted(shared_page(6), 66);
	/* A private one. */
	give_load(client.socket, private_page(9));
	expect_trap(mmu, private_page(9), false);
	assert_int_equal(mmu_refuse(mmu, private_page(9), false), 0);
	assert_int_equal(answer(client.socket).signal, SIGBUS);
}

static void test_what_is_shown_is_not_refused(void **state)
{
	(void)state;
	fill(1);
	assert_int_equal(mmu_install(mmu, shared_page(1), PAGE_SIZE, true), 0);
	assert_int_equal(mmu_refuse(mmu, shared_page(1), true), -EOPNOTSUPP);
	assert_int_equal(load(shared_page(1)), 'b');
	store_granted(shared_page(1), 9);
	/* It may be the process's own copy: it stays. */
	assert_int_equal(mmu_install(mmu, private_page(1), PAGE_SIZE, false),
			 0);
	assert_int_equal(mmu_refuse(mmu, private_page(1), false), 0);
	assert_int_equal(load(private_page(1)), 9);
}

/* ---- layout calls; the end ---- */

static void test_layout_calls_do_nothing(void **state)
{
	struct mmu_mapping mapping = { .start = shared_page(0),
				       .length = CLIENT_LENGTH,
				       .shared = true,
				       .memory = memory };
	struct mmu_move move = { .from = shared_page(0),
				 .length = PAGE_SIZE,
				 .to = mapping };

	(void)state;
	fill(0);
	store_granted(shared_page(0), 1);
	assert_int_equal(mmu_map(mmu, &mapping), 0);
	assert_int_equal(mmu_move(mmu, &move), 0);
	assert_int_equal(mmu_protect(mmu, shared_page(0), PAGE_SIZE, 0), 0);
	assert_int_equal(mmu_forget(mmu, shared_page(0), PAGE_SIZE, true), 0);
	assert_int_equal(mmu_guard(mmu, shared_page(0), PAGE_SIZE, true),
			 -EOPNOTSUPP);
	assert_int_equal(mmu_unmap(mmu, shared_page(0), CLIENT_LENGTH), 0);
	assert_false(mmu_must_hide(mmu));
	store(shared_page(0), 2);
	assert_int_equal(memory_byte(0), 2);
}

static void test_killed_client(void **state)
{
	(void)state;
	fill(0);
	assert_false(mmu_remote_is_gone(mmu));
	give_load(client.socket, shared_page(0));
	expect_trap(mmu, shared_page(0), false);
	client_kill(&client);
	assert_true(mmu_remote_is_gone(mmu));
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true),
			 -ESRCH);
	assert_int_equal(mmu_grant(mmu, shared_page(0), PAGE_SIZE, false),
			 -ESRCH);
	assert_int_equal(mmu_refuse(mmu, shared_page(1), true), -ESRCH);
	/* Nobody stores there any more. */
	assert_int_equal(mmu_write_protect(mmu, shared_page(0), CLIENT_LENGTH),
			 0);
	mmu_wake(mmu, shared_page(0), PAGE_SIZE);
}

static void test_another_program(void **state)
{
	(void)state;
	give(client.socket, (struct order){ .type = ORDER_EXEC });
	while (!mmu_remote_is_gone(mmu))
		sched_yield();
	assert_int_equal(mmu_install(mmu, shared_page(0), PAGE_SIZE, true),
			 -ESRCH);
}

#define TEST(name) \
	cmocka_unit_test_setup_teardown(name, open_client, close_client)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enable_refuses),
		TEST(test_enable_makes_non_blocking),
		TEST(test_enable_without_privilege),
		TEST(test_load_and_store),
		TEST(test_install_of_a_run),
		TEST(test_install_across_rights),
		TEST(test_private_mapping),
		TEST(test_stores_trap_again),
		TEST(test_protecting_around_strangers),
		TEST(test_events_in_order),
		TEST(test_nothing_while_an_event_is_not_applied),
		TEST(test_traps_are_kept),
		TEST(test_events_beyond_the_ring),
		TEST(test_child_traps_by_itself),
		TEST(test_fork_that_is_not_taken),
#ifdef QUIRE_DEBUG
		TEST(test_fork_while_protecting),
#endif
		TEST(test_refused_page),
		TEST(test_what_is_shown_is_not_refused),
		TEST(test_layout_calls_do_nothing),
		TEST(test_killed_client),
		TEST(test_another_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
