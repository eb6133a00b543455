/* test_cli_keep.c - cli/keep.h: what the server sent is held, and let go */
/* SPDX-License-Identifier: MIT */
#include "cli/keep.h"

#include "server/keeper.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/*
 * For a userfaultfd stands the end of a pipe: while somebody holds it, the
 * other end has no hang-up.
 */
struct world {
	struct keep keep;
	int server; /* the server's end */
	uint64_t sequence;
};

static int begin(void **state)
{
	struct world *world = calloc(1, sizeof(*world));
	int ends[2];

	assert_non_null(world);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	keep_begin(&world->keep, ends[0]);
	world->server = ends[1];
	*state = world;
	return 0;
}

static int end(void **state)
{
	struct world *world = *state;

	keep_finish(&world->keep);
	close(world->keep.socket);
	close(world->server);
	free(world);
	return 0;
}

static void send_message(struct world *world,
			 const struct keeper_message *given, const int *fds,
			 size_t count)
{
	struct keeper_message numbered = *given, *message = &numbered;
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(KEEPER_DESCRIPTORS * sizeof(int))];
	} control = { .bytes = { 0 } };
	struct iovec part = { (void *)(uintptr_t)message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };
	struct cmsghdr *first;

	message->version = KEEPER_VERSION;
	message->sequence = ++world->sequence;
	if (count) {
		header.msg_control = &control;
		header.msg_controllen = CMSG_SPACE(count * sizeof(int));
		first = CMSG_FIRSTHDR(&header);
		first->cmsg_level = SOL_SOCKET;
		first->cmsg_type = SCM_RIGHTS;
		first->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(first), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(world->server, &header, 0), sizeof(*message));
}

/* The end that remains here; the other one is the keeper's alone. */
static int send_kept(struct world *world, uint64_t number, pid_t pid,
		     bool with_pidfd)
{
	struct keeper_message message = {
		.type = KEEPER_KEEP,
		.pid = pid,
		.number = number,
	};
	int ends[2];
	int fds[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	fds[0] = ends[1];
	fds[1] = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(fds[1] >= 0);
	send_message(world, &message, fds, with_pidfd ? 2 : 1);
	close(fds[0]);
	close(fds[1]);
	return ends[0];
}

static bool is_held(int remaining)
{
	struct pollfd polled = { .fd = remaining };

	assert_true(poll(&polled, 1, 0) >= 0);
	return !(polled.revents & POLLHUP);
}

static void let_go(struct world *world, uint64_t number)
{
	send_message(world,
		     &(struct keeper_message){ .type = KEEPER_LET_GO,
					       .number = number },
		     NULL, 0);
}

static void test_what_is_sent_is_held_until_let_go(void **state)
{
	struct world *world = *state;
	int fds[100];

	for (uint64_t i = 0; i < 100; i++)
		fds[i] = send_kept(world, i, getpid(), i % 2);
	keep_take(&world->keep);
	assert_int_equal(world->keep.count, 100);
	for (uint64_t i = 0; i < 100; i += 3)
		let_go(world, i);
	keep_take(&world->keep);
	assert_int_equal(world->keep.count, 66);
	for (uint64_t i = 0; i < 100; i++)
		assert_int_equal(is_held(fds[i]), i % 3 != 0);
	keep_finish(&world->keep);
	for (uint64_t i = 0; i < 100; i++) {
		assert_false(is_held(fds[i]));
		close(fds[i]);
	}
}

/* The server is dead, and nobody has looked at the socket before. */
static void test_what_waits_in_the_socket_is_held(void **state)
{
	struct world *world = *state;
	int fd = send_kept(world, 1, getpid(), true);

	close(world->server);
	assert_true(is_held(fd));
	assert_int_equal(keep_poll_fd(&world->keep), world->keep.socket);
	keep_take(&world->keep);
	assert_true(is_held(fd));
	assert_int_equal(keep_poll_fd(&world->keep), -1);
	world->server = -1;
	close(fd);
}

static void test_garbage_is_nothing(void **state)
{
	struct world *world = *state;
	struct keeper_message message = { .type = 77 };
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	send_message(world, &message, &ends[1], 1);
	message.type = KEEPER_KEEP; /* without a descriptor */
	send_message(world, &message, NULL, 0);
	let_go(world, 5); /* was never kept */
	close(ends[1]);
	keep_take(&world->keep);
	assert_int_equal(world->keep.count, 0);
	assert_false(is_held(ends[0]));
	close(ends[0]);
}

static pid_t start_client(void)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	assert_true(pid > 0);
	return pid;
}

static void assert_killed(pid_t pid)
{
	int status;

	/* It is dead already: nothing to wait for. */
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void test_clients_are_dead_before_anything_is_let_go(void **state)
{
	struct world *world = *state;
	pid_t known = start_client();
	pid_t by_number = start_client();
	int fds[2];

	fds[0] = send_kept(world, 1, known, true);
	fds[1] = send_kept(world, 2, by_number, false);
	assert_int_equal(keep_kill(&world->keep), 2);
	assert_killed(known);
	assert_killed(by_number);
	assert_false(is_held(fds[0]));
	assert_false(is_held(fds[1]));
	close(fds[0]);
	close(fds[1]);
}

static void test_nobody_is_killed_who_was_let_go(void **state)
{
	struct world *world = *state;
	pid_t client = start_client();
	int fd = send_kept(world, 1, client, true);

	let_go(world, 1);
	assert_int_equal(keep_kill(&world->keep), 0);
	assert_int_equal(kill(client, 0), 0);
	assert_int_equal(waitpid(client, NULL, WNOHANG), 0);
	kill(client, SIGKILL);
	waitpid(client, NULL, 0);
	close(fd);
}

/* ---- another server ---- */

/* What the next server hears; how many descriptors came. */
static size_t hear(int socket, struct keeper_message *message, int *fds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(KEEPER_DESCRIPTORS * sizeof(int))];
	} control;
	struct iovec part = { message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &part,
				 .msg_iovlen = 1,
				 .msg_control = &control,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *first;
	size_t bytes;

	assert_int_equal(recvmsg(socket, &header, 0), sizeof(*message));
	first = CMSG_FIRSTHDR(&header);
	if (!first)
		return 0;
	bytes = first->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(first), bytes);
	return bytes / sizeof(int);
}

static void expect_to_hear(int socket, enum keeper_type type, uint64_t number,
			   size_t count)
{
	struct keeper_message message;
	int fds[KEEPER_DESCRIPTORS];

	assert_int_equal(hear(socket, &message, fds), count);
	assert_int_equal(message.type, type);
	assert_int_equal(message.number, number);
	for (size_t i = 0; i < count; i++)
		close(fds[i]);
}

static void test_another_server_is_told_all(void **state)
{
	struct world *world = *state;
	struct keeper_message file = { .type = KEEPER_FILE, .number = 7 };
	struct keeper_message tables = { .type = KEEPER_TABLES, .number = 1 };
	const int fds[] = { 0, 1, 2, 0 };
	int client = send_kept(world, 3, getpid(), true);
	int gone = send_kept(world, 4, getpid(), true);
	int ends[2];

	send_message(world, &file, fds, 3);
	send_message(world, &file, fds, 4); /* once more: instead */
	send_message(world, &tables, fds, 2);
	let_go(world, 4);
	keep_take(&world->keep);
	assert_false(world->keep.incomplete);
	assert_int_equal(keep_clients(&world->keep), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_true(keep_hand_over(&world->keep, ends[0]));
	expect_to_hear(ends[1], KEEPER_TABLES, 1, 2);
	expect_to_hear(ends[1], KEEPER_FILE, 7, 4);
	expect_to_hear(ends[1], KEEPER_KEEP, 3, 2);
	expect_to_hear(ends[1], KEEPER_END, 1, 0);
	assert_true(is_held(client));
	assert_false(is_held(gone));
	close(client);
	close(gone);
	close(ends[0]);
	close(ends[1]);
}

static void test_a_server_that_dies_of_it(void **state)
{
	struct world *world = *state;
	int client = send_kept(world, 3, getpid(), true), ends[2];

	keep_take(&world->keep);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	close(ends[1]);
	assert_false(keep_hand_over(&world->keep, ends[0]));
	assert_true(is_held(client));
	close(ends[0]);
	close(client);
}

static void test_what_is_missing_is_known(void **state)
{
	struct world *world = *state;
	struct keeper_message lost = { .type = KEEPER_LOST };
	int client = send_kept(world, 3, getpid(), true);

	keep_take(&world->keep);
	assert_false(world->keep.incomplete);
	world->sequence++; /* one that could not be sent */
	let_go(world, 77);
	keep_take(&world->keep);
	assert_true(world->keep.incomplete);
	world->keep.incomplete = false;
	send_message(world, &lost, NULL, 0);
	keep_take(&world->keep);
	assert_true(world->keep.incomplete);
	close(client);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(test_what_is_sent_is_held_until_let_go),
		TEST(test_what_waits_in_the_socket_is_held),
		TEST(test_garbage_is_nothing),
		TEST(test_clients_are_dead_before_anything_is_let_go),
		TEST(test_nobody_is_killed_who_was_let_go),
		TEST(test_another_server_is_told_all),
		TEST(test_a_server_that_dies_of_it),
		TEST(test_what_is_missing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
