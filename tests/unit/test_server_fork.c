/* test_server_fork.c - clients fork, with and without a word about it */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

static void await_child(pid_t child)
{
	int status;

	expect(waitpid(child, &status, 0) == child);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void announce(struct user *user, uint64_t number)
{
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_FORKING,
					    .id = number },
			  -1) == 0);
}

/* The child has a channel of its own then. */
static void claim(struct user *user, uint64_t number, struct call *call)
{
	int ends[2];

	*call = (struct call){
		.request = { .type = REQUEST_FORKED, .id = number }, .bytes = ""
	};
	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
	call->fd = ends[1];
	expect(send_call(user->channel, call));
	close(ends[1]);
	close(user->channel);
	user->channel = ends[0];
	expect(receive_reply(user->channel, call));
	expect(call->reply.error == 0);
}

/* ---- a child that says so ---- */

static void child_of_event(struct user *user, unsigned char *at)
{
	static struct call call;

	claim(user, 1, &call);
	expect(call.reply.flags & REPLY_HAS_USERFAULT);
	user->userfault = call.fds[call.fd_count - 1];
	expect(at[0] == 40);
	expect(at[at_page(5)] == 6); /* not shown before the fork */
	at[at_page(1)] = 41;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, at_page(1)) == 41);
	/* A mapping of its own, on the userfaultfd that it was given. */
	expect(user_map(user, O_RDWR)[at_page(1)] == 41);
	at[at_page(1)] = 42;
	_exit(0);
}

static void forks(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	pid_t child;

	expect(user->follows_forks);
	at[0] = 40;
	announce(user, 1);
	child = fork();
	if (child == 0)
		child_of_event(user, at);
	await_child(child);
	expect(at[at_page(1)] == 42);
	at[at_page(2)] = 43;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, at_page(1)) == 42);
	expect(byte_in_file(user->world->file, at_page(2)) == 43);
}

static void test_fork_by_event(void **state)
{
	struct server_facts facts;

	(void)state;
	run_client(&world, forks);
	assert_int_equal(world_finish(&world), 0);
	server_facts(world.server, &facts);
	assert_int_equal(facts.clients_ever, 2);
	assert_int_equal(facts.clients, 0);
}

/* ---- one that does not ---- */

static void forks_silently(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	pid_t child;

	at[0] = 44;
	child = fork();
	if (child == 0) {
		expect(at[0] == 44 && at[at_page(7)] == 8);
		at[at_page(3)] = 45;
		/* And a grandchild. */
		child = fork();
		if (child == 0) {
			expect(at[at_page(3)] == 45);
			at[at_page(4)] = 46;
			_exit(0);
		}
		await_child(child);
		_exit(0);
	}
	await_child(child);
	expect(at[at_page(3)] == 45 && at[at_page(4)] == 46);
}

static void test_fork_without_a_word(void **state)
{
	(void)state;
	run_client(&world, forks_silently);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, at_page(3)), 45);
	assert_int_equal(byte_in_file(world.file, at_page(4)), 46);
}

/* A page shown writable to both is written, then stored to by either. */
static void forks_with_dirty_pages(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	int ends[2];
	pid_t child;
	char byte = 0;

	expect(!pipe(ends));
	at[0] = 1;
	child = fork();
	if (child == 0) {
		expect(read(ends[0], &byte, 1) == 1);
		at[1] = 48; /* must trap, though it was writable at the fork */
		_exit(0);
	}
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(write(ends[1], &byte, 1) == 1);
	await_child(child);
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 1) == 48);
}

static void test_write_back_protects_the_child_too(void **state)
{
	(void)state;
	run_client(&world, forks_with_dirty_pages);
	assert_int_equal(world_finish(&world), 0);
}

/* The parent dies before its child says who it is. */
static void dies_after_fork(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	static struct call call;
	int ends[2];
	char byte;

	expect(!pipe(ends));
	at[0] = 47;
	announce(user, 9);
	if (fork() > 0)
		raise(SIGKILL);
	close(ends[1]);
	expect(read(ends[0], &byte, 1) == 0); /* the parent is gone */
	claim(user, 9, &call);
	expect(at[0] == 47);
	at[1] = 49;
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
}

static void test_child_of_a_dead_parent(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = start_client(&world, dies_after_fork, true, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	while (byte_in_file(world.file, 1) != 49)
		sched_yield();
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 0), 47);
}

/* ---- where forks are no events ---- */

static void child_without_event(struct user *user, unsigned char *at,
				uint64_t number)
{
	static struct call call;

	claim(user, number, &call);
	expect(!(call.reply.flags & REPLY_HAS_USERFAULT));
	user_attach(user);
	/* It is watched here from now on, and the server knows it. */
	user_register(user, at, FILE_BYTES, true);
	expect(at[0] == 40);
	at[at_page(1)] = 71;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, at_page(1)) == 71);
	_exit(0);
}

/* Attached without a fork event: by hand, without the server's privilege. */
static void forks_by_snapshot(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	pid_t child;

	expect(!user->follows_forks);
	at[0] = 40;
	announce(user, 5);
	child = fork();
	if (child == 0)
		child_without_event(user, at, 5);
	await_child(child);
	expect(at[at_page(1)] == 71);
	/* More than are kept: the oldest go. */
	for (uint64_t i = 10; i < 10 + 2 * SERVER_SNAPSHOTS; i++)
		announce(user, i);
}

#define CAP_SYS_PTRACE_BIT 19

/* The server's thread may have no event: as a server without privilege. */
static void *run_without_privilege(void *argument)
{
	struct {
		uint32_t version;
		int pid;
	} header = { 0x20080522, 0 };
	uint32_t sets[6];

	assert_int_equal(syscall(SYS_capget, &header, sets), 0);
	sets[0] &= ~(UINT32_C(1) << CAP_SYS_PTRACE_BIT);
	sets[1] &= ~(UINT32_C(1) << CAP_SYS_PTRACE_BIT);
	assert_int_equal(syscall(SYS_capset, &header, sets), 0);
	return world_run(argument);
}

static void test_fork_by_snapshot(void **state)
{
	(void)state;
	server_stop(world.server);
	assert_int_equal(pthread_join(world.thread, NULL), 0);
	atomic_store(&world.server->stops, 0);
	assert_int_equal(pthread_create(&world.thread, NULL,
					run_without_privilege, &world),
			 0);
	run_client(&world, forks_by_snapshot);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, at_page(1)), 71);
	assert_int_equal(byte_in_file(world.file, 0), 40);
}

/* ---- a child that says so to another server ---- */

/* False: it was given no userfaultfd. */
static bool comes_back(struct user *user, pid_t parent)
{
	static struct call call;

	call = (struct call){ .request = { .type = REQUEST_HELLO,
					   .id = 1,
					   .address = (uint64_t)parent,
					   .flags = HELLO_AGAIN },
			      .fd = -1,
			      .bytes = "" };
	close(user->channel);
	user->channel = user_connect(user->world);
	expect(ask(user, &call) == 0);
	return call.reply.flags & REPLY_HAS_USERFAULT;
}

static void child_and_its_own(struct user *user, pid_t parent,
			      unsigned char *at)
{
	pid_t stranger = fork();

	if (stranger == 0) {
		expect(!comes_back(user, parent));
		_exit(0);
	}
	await_child(stranger);
	expect(comes_back(user, parent));
	expect(at[0] == 40);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	_exit(0);
}

static void is_claimed_by_others(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	pid_t self = getpid(), child;

	at[0] = 40;
	announce(user, 1);
	child = fork();
	if (child == 0)
		child_and_its_own(user, self, at);
	await_child(child);
}

/* It would get what reaches into the child's memory. */
static void test_nobody_else_comes_back_as_a_child(void **state)
{
	(void)state;
	run(is_claimed_by_others);
	assert_int_equal(byte_in_file(world.file, 0), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nobody_else_comes_back_as_a_child),
		TEST(test_fork_by_event),
		TEST(test_fork_without_a_word),
		TEST(test_write_back_protects_the_child_too),
		TEST(test_child_of_a_dead_parent),
		TEST(test_fork_by_snapshot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
