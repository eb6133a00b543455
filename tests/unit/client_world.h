/* client_world.h - a process that maps a memfd and does as it is told */
/* SPDX-License-Identifier: MIT */
/*
 *   test  <-- socket: orders, answers -->  client, a forked process
 *     '------ its userfaultfd ------------ maps the memory twice:
 *                                          shared, and private
 *
 * An order is given, what it causes is seen to, and then its answer is awaited:
 * a client that waits for its page has not answered.  A child of the client's
 * (ORDER_FORK) obeys on a socket of its own.
 */
#ifndef QUIRE_TESTS_CLIENT_WORLD_H
#define QUIRE_TESTS_CLIENT_WORLD_H

#include "mmu/mmu_remote.h"
#include "os/memory.h"
#include "os/uffd.h"
#include "unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#define CLIENT_PAGES 16
#define CLIENT_LENGTH (CLIENT_PAGES * PAGE_SIZE)

enum order_type {
	ORDER_LOAD,
	ORDER_STORE, /* byte */
	ORDER_UNMAP,
	ORDER_MOVE,    /* to somewhere free: the answer says where */
	ORDER_ADVISE,  /* advice in byte; count times */
	ORDER_PROTECT, /* prot in byte */
	ORDER_REPLACE, /* by anonymous memory */
	ORDER_AGAIN,   /* the memory once more, shared, registered */
	ORDER_FORK,
	ORDER_EXEC,
};

struct order {
	enum order_type type;
	uint64_t address;
	uint64_t length;
	unsigned count;
	unsigned char byte;
};

struct answer {
	int error;
	int signal; /* that a load or store got */
	unsigned char byte;
	uint64_t address;
};

struct client {
	pid_t pid;
	int socket;
	int child_socket; /* of the child it may make */
	int userfaultfd;  /* to be taken over */
	uint64_t shared;  /* where the memory is mapped */
	uint64_t private;
};

/* ---- in the client; what fails there ends it ---- */

static int client_memory, client_uffd, client_child_socket;
static sigjmp_buf client_jump;
static volatile sig_atomic_t client_signal;

static inline void client_need(bool good)
{
	if (!good)
		_exit(99);
}

static inline void client_caught(int signal)
{
	client_signal = signal;
	siglongjmp(client_jump, 1);
}

static inline void client_touch(const struct order *order,
				struct answer *answer)
{
	volatile unsigned char *byte =
		(unsigned char *)(uintptr_t)order->address;

	client_signal = 0;
	if (sigsetjmp(client_jump, 1) == 0) {
		if (order->type == ORDER_STORE)
			*byte = order->byte;
		else
			answer->byte = *byte;
	}
	answer->signal = client_signal;
}

/* As a client of the server maps: nothing may be touched before it traps. */
static inline uint64_t client_map(bool shared)
{
	struct uffd uffd = { .fd = client_uffd };
	void *place = mmap(NULL, CLIENT_LENGTH, PROT_NONE,
			   shared ? MAP_SHARED : MAP_PRIVATE, client_memory, 0);
	uint64_t address = (uint64_t)(uintptr_t)place;

	client_need(place != MAP_FAILED);
	madvise(place, CLIENT_LENGTH, MADV_NOHUGEPAGE);
	client_need(uffd_register(&uffd, address, CLIENT_LENGTH,
				  UFFD_TRAPS_MINOR | (shared ? UFFD_TRAPS_STORES
							     : 0)) == 0);
	client_need(mprotect(place, CLIENT_LENGTH, PROT_READ | PROT_WRITE) ==
		    0);
	return address;
}

static inline int client_move(const struct order *order, struct answer *answer)
{
	void *old = (void *)(uintptr_t)order->address;
	void *to = mmap(NULL, order->length, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	client_need(to != MAP_FAILED);
	to = mremap(old, order->length, order->length,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	answer->address = (uint64_t)(uintptr_t)to;
	return to == MAP_FAILED ? -errno : 0;
}

static inline int client_change(const struct order *order,
				struct answer *answer)
{
	void *at = (void *)(uintptr_t)order->address;
	int error = 0;

	switch (order->type) {
	case ORDER_UNMAP:
		return munmap(at, order->length) ? -errno : 0;
	case ORDER_MOVE:
		return client_move(order, answer);
	case ORDER_ADVISE:
		for (unsigned i = 0; i < order->count && !error; i++)
			error = madvise(at, order->length, order->byte);
		return error ? -errno : 0;
	case ORDER_PROTECT:
		return mprotect(at, order->length, order->byte) ? -errno : 0;
	case ORDER_REPLACE:
		at = mmap(at, order->length, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		return at == MAP_FAILED ? -errno : 0;
	default:
		answer->address = client_map(true);
		return 0;
	}
}

static inline void client_obey(int socket);

static inline void client_do(const struct order *order, struct answer *answer)
{
	pid_t child;

	switch (order->type) {
	case ORDER_LOAD:
	case ORDER_STORE:
		client_touch(order, answer);
		break;
	case ORDER_FORK:
		child = fork();
		client_need(child >= 0);
		if (child == 0)
			client_obey(client_child_socket);
		break;
	case ORDER_EXEC:
		execl("/bin/sleep", "sleep", "1000", NULL);
		client_need(false);
		break;
	default:
		answer->error = client_change(order, answer);
	}
}

/* Until the other side is gone. */
static inline void client_obey(int socket)
{
	struct order order;

	while (read(socket, &order, sizeof(order)) == sizeof(order)) {
		struct answer answer = { .error = 0 };

		client_do(&order, &answer);
		client_need(write(socket, &answer, sizeof(answer)) ==
			    sizeof(answer));
	}
	_exit(0);
}

static inline void client_send_descriptor(int socket, int descriptor)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 }, byte = 0;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);

	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
	client_need(sendmsg(socket, &message, 0) == 1);
}

static inline void client_main(int socket)
{
	struct sigaction action = { .sa_handler = client_caught };
	uint64_t places[2];
	char enabled;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	client_uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (client_uffd < 0) /* not allowed: it will do for loads and stores */
		client_uffd = (int)syscall(SYS_userfaultfd,
					   O_CLOEXEC | O_NONBLOCK |
						   UFFD_USER_MODE_ONLY);
	client_need(client_uffd >= 0);
	client_send_descriptor(socket, client_uffd);
	client_need(read(socket, &enabled, 1) == 1);
	places[0] = client_map(true);
	places[1] = client_map(false);
	client_need(write(socket, places, sizeof(places)) == sizeof(places));
	client_obey(socket);
}

/* ---- in the test ---- */

static inline int client_take_descriptor(int socket)
{
	char control[CMSG_SPACE(sizeof(int))], byte;
	struct iovec part = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control,
				  .msg_controllen = sizeof(control) };
	int descriptor = -1;

	assert_int_equal(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), 1);
	assert_non_null(CMSG_FIRSTHDR(&message));
	memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
	return descriptor;
}

/* Close-on-exec, so that whoever holds the other ends sees the end. */
static inline void client_sockets(int ends[2])
{
	assert_return_code(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
}

/* Its userfaultfd is enabled; *forks: with events of forks. */
static inline struct client client_start(int memory, bool *forks)
{
	struct mmu_remote_features features;
	struct client client;
	int own[2], childs[2];
	uint64_t places[2];

	client_sockets(own);
	client_sockets(childs);
	client_memory = memory;
	client_child_socket = childs[1];
	client.pid = fork();
	assert_return_code(client.pid, 0);
	if (client.pid == 0) {
		close(own[0]);
		close(childs[0]);
		client_main(own[1]);
	}
	close(own[1]);
	close(childs[1]);
	client.socket = own[0];
	client.child_socket = childs[0];
	client.userfaultfd = client_take_descriptor(client.socket);
	assert_int_equal(mmu_remote_enable(client.userfaultfd, &features), 0);
	assert_int_equal(write(client.socket, "", 1), 1);
	assert_int_equal(read(client.socket, places, sizeof(places)),
			 sizeof(places));
	client.shared = places[0];
	client.private = places[1];
	*forks = features.forks;
	return client;
}

static inline void client_kill(struct client *client)
{
	int status;

	kill(client->pid, SIGKILL);
	assert_int_equal(waitpid(client->pid, &status, 0), client->pid);
	client->pid = 0;
}

/* Whatever it is at; its child sees that the socket is closed. */
static inline void client_end(struct client *client)
{
	if (client->pid)
		client_kill(client);
	close(client->socket);
	close(client->child_socket);
}

static inline void give(int socket, struct order order)
{
	assert_int_equal(write(socket, &order, sizeof(order)), sizeof(order));
}

static inline void give_load(int socket, uint64_t address)
{
	give(socket, (struct order){ .type = ORDER_LOAD, .address = address });
}

static inline void give_store(int socket, uint64_t address, unsigned char byte)
{
	give(socket, (struct order){ .type = ORDER_STORE,
				     .address = address,
				     .byte = byte });
}

static inline void give_advice(int socket, uint64_t address, int advice)
{
	give(socket, (struct order){ .type = ORDER_ADVISE,
				     .address = address,
				     .length = PAGE_SIZE,
				     .count = 1,
				     .byte = (unsigned char)advice });
}

static inline struct answer answer(int socket)
{
	struct answer answer;

	assert_int_equal(read(socket, &answer, sizeof(answer)), sizeof(answer));
	assert_int_equal(answer.error, 0);
	return answer;
}

/* Something waits in the mmu's descriptor, sooner or later. */
static inline void await_message(const struct mmu *mmu)
{
	struct pollfd polled = { .fd = mmu_traps_fd(mmu), .events = POLLIN };

	assert_int_equal(poll(&polled, 1, -1), 1);
	assert_int_equal(polled.revents, POLLIN);
}

#endif
