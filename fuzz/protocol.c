/* protocol.c - requests to a server, by the bytes given */
/* SPDX-License-Identifier: MIT */
/*
 * One client, which has a channel, and a userfaultfd with nothing registered:
 * what it says that it has mapped is a lie.  Each step sends a message, whole
 * or not, with descriptors of any kind, and turns the server's loop until there
 * is a reply, a hang-up, or nothing for a while.  At the end the client goes,
 * and nothing of it may remain.
 */
#include "server/server_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STEPS_MOST 60
#define TURN_MS 5
#define TURNS_MOST 8
#define FILE_PAGES 16
#define KINDS 8

struct input {
	const unsigned char *bytes;
	size_t left;
};

static struct server *server;
static int kind[KINDS];
static const struct server_binding binding = { "/bound", "anon:32768" };

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length);

/* 0 when the bytes have ended. */
static unsigned next(struct input *input)
{
	if (input->left == 0)
		return 0;
	input->left--;
	return *input->bytes++;
}

/* Mostly a few pages; now and then any number. */
static uint64_t number(struct input *input)
{
	unsigned byte = next(input);

	if (byte < 240)
		return (uint64_t)(byte % (FILE_PAGES + 4)) << PAGE_SHIFT;
	if (byte < 250)
		return byte - 240;
	return ((uint64_t)next(input) << 56) - (byte - 250);
}

/* ---- the server ---- */

static void need(bool condition)
{
	if (!condition)
		abort();
}

static int make_file(char *path)
{
	int fd = mkstemp(path);

	need(fd >= 0 && !ftruncate(fd, FILE_PAGES << PAGE_SHIFT));
	return fd;
}

static void make_kinds(void)
{
	char path[] = "/var/tmp/quire-fuzz-XXXXXX";
	int pipes[2];

	need(!pipe(pipes));
	kind[0] = make_file(path);
	kind[1] = open(path, O_RDONLY);
	kind[2] = open(path, O_WRONLY);
	kind[3] = pipes[0];
	kind[4] = open("/", O_RDONLY | O_DIRECTORY);
	kind[5] = open("/proc/self/maps", O_RDONLY);
	kind[6] = open(path, O_PATH);
	kind[7] = open("/dev/null", O_RDWR);
	unlink(path);
}

static void open_server(void)
{
	struct server_options options = {
		.engine = { .size = sizeof(options.engine),
			    .budget = 8 * PAGE_SIZE,
			    .flags = QUIRE_NO_REPORT,
			    .log_level = QUIRE_LOG_ERROR },
		.bindings = &binding,
		.binding_count = 1,
		.keeper = -1,
	};

	options.socket = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	need(!listen(options.socket, 1) ||
	     !bind(options.socket, &(struct sockaddr){ .sa_family = AF_UNIX },
		   sizeof(sa_family_t)));
	listen(options.socket, 1);
	need(!server_create(&options, &server));
	make_kinds();
}

/* ---- the client ---- */

static void send_message(int channel, const struct iovec *iov, const int *fds,
			 unsigned count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KINDS)];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct msghdr header = { .msg_iov = (struct iovec *)(uintptr_t)iov,
				 .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (count > 0) {
		header.msg_control = control.bytes;
		header.msg_controllen = CMSG_SPACE(sizeof(int) * count);
		cmsg = CMSG_FIRSTHDR(&header);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * count);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * count);
	}
	(void)!sendmsg(channel, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* False: the server has hung up. */
static bool await_reply(int channel)
{
	static char bytes[sizeof(struct reply) + PROTOCOL_BYTES_MAX];
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;

	for (unsigned i = 0; i < TURNS_MOST; i++) {
		struct iovec iov = { bytes, sizeof(bytes) };
		struct msghdr header = { .msg_iov = &iov,
					 .msg_iovlen = 1,
					 .msg_control = control.bytes,
					 .msg_controllen = sizeof(control) };
		struct cmsghdr *cmsg;
		ssize_t got;

		need(!loop_turn(server, TURN_MS));
		got = recvmsg(channel, &header, MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		cmsg = got > 0 ? CMSG_FIRSTHDR(&header) : NULL;
		for (size_t at = CMSG_LEN(0); cmsg && at < cmsg->cmsg_len;
		     at += sizeof(int)) {
			int fd;

			memcpy(&fd, (char *)cmsg + at, sizeof(fd));
			close(fd);
		}
		return got > 0;
	}
	return true; /* it waits for what is not to come, perhaps */
}

static bool step(int channel, struct input *input)
{
	static char bytes[sizeof(struct request) + PROTOCOL_BYTES_MAX + 1];
	unsigned type = next(input), shape = next(input), count = shape % 4;
	struct iovec iov = { bytes, sizeof(struct request) };
	struct request request = {
		.version = shape == 255 ? 9 : PROTOCOL_VERSION,
		.type = type % (REQUEST_TYPES + 2),
		.id = next(input) % 8,
		.address = number(input) + PAGE_SIZE * (shape / 4 % 2),
		.offset = number(input),
		.length = number(input),
		.flags = next(input),
		.advice = (int)(next(input) % 32),
	};
	int fds[4], uffd = -1;

	for (unsigned i = 0; i < count; i++)
		fds[i] = kind[next(input) % KINDS];
	if (request.type == REQUEST_ATTACH && count == 1) {
		uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
		fds[0] = uffd >= 0 ? uffd : fds[0];
	}
	memcpy(bytes, &request, sizeof(request));
	if (shape / 8 % 8 == 7)
		iov.iov_len = next(input);
	if (request.type >= REQUEST_NOTE)
		iov.iov_len += next(input);
	if (request.type == REQUEST_BOUND_OPEN && count == 0) {
		strcpy(bytes + sizeof(request), binding.path);
		iov.iov_len = sizeof(request) + strlen(binding.path);
	}
	send_message(channel, &iov, fds, count);
	if (uffd >= 0)
		close(uffd);
	return await_reply(channel);
}

static void greet(int channel)
{
	struct request request = { .version = PROTOCOL_VERSION,
				   .type = REQUEST_HELLO };
	struct iovec iov = { &request, sizeof(request) };

	send_message(channel, &iov, NULL, 0);
	need(await_reply(channel));
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t length)
{
	struct input input = { bytes, length };
	struct client *client;
	int ends[2];

	if (!server)
		open_server();
	need(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
	/* Of no process: it cannot be killed for what it says. */
	client = client_create(server, 0, -1);
	need(client && !client_add_channel(client, ends[1], NULL));
	greet(ends[0]);
	for (unsigned i = 0; i < STEPS_MOST && input.left > 0; i++)
		if (!step(ends[0], &input))
			break;
	close(ends[0]);
	while (!list_empty(&server->clients)) {
		struct list *link;

		need(!loop_turn(server, TURN_MS));
		list_for_each(link, &server->clients)
			client_end(container_of(link, struct client, link));
	}
	return 0;
}
