/* server_world.h - a server on a thread, and clients that speak by hand */
/* SPDX-License-Identifier: MIT */
/*
 * A client is a real process: a child that closes all it has inherited,
 * connects, makes a userfaultfd, and maps.  It ends with status 0 if all that
 * it expected was so.
 */
#ifndef QUIRE_TESTS_SERVER_WORLD_H
#define QUIRE_TESTS_SERVER_WORLD_H

#include "server/server_private.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#define FILE_PAGES 64
#define FILE_BYTES ((size_t)FILE_PAGES * PAGE_SIZE)

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00)
#endif

/* ---- the server ---- */

struct world {
	struct server *server;
	pthread_t thread;
	int run_error;
	char directory[64];
	char socket[96];
	char file[96];
};

static void *world_run(void *argument)
{
	struct world *world = argument;

	world->run_error = server_run(world->server, false);
	return NULL;
}

static int world_listen(struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	assert_return_code(fd, errno);
	strcpy(address.sun_path, world->socket);
	assert_return_code(
		bind(fd, (struct sockaddr *)&address, sizeof(address)), errno);
	assert_return_code(listen(fd, 64), errno);
	return fd;
}

/* Page i of the file is full of the byte i + 1. */
static void world_fill(const char *path, size_t pages)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	char page[PAGE_SIZE];

	assert_return_code(fd, errno);
	for (size_t i = 0; i < pages; i++) {
		memset(page, (int)(i + 1), sizeof(page));
		assert_int_equal(write(fd, page, sizeof(page)), sizeof(page));
	}
	close(fd);
}

static void world_begin_with(struct world *world,
			     const struct server_options *given)
{
	struct server_options options = *given;

	memset(world, 0, sizeof(*world));
	strcpy(world->directory, "/var/tmp/quire-test-XXXXXX");
	assert_non_null(mkdtemp(world->directory));
	snprintf(world->socket, sizeof(world->socket), "%s/socket",
		 world->directory);
	snprintf(world->file, sizeof(world->file), "%s/file", world->directory);
	world_fill(world->file, FILE_PAGES);
	options.socket = world_listen(world);
	options.engine.size = sizeof(options.engine);
	options.engine.flags = QUIRE_NO_REPORT;
	if (options.engine.flush_interval_ms == 0)
		options.engine.flush_interval_ms = 3600000;
	assert_int_equal(server_create(&options, &world->server), 0);
	assert_int_equal(pthread_create(&world->thread, NULL, world_run, world),
			 0);
}

static inline void world_begin(struct world *world)
{
	world_begin_with(world, &(struct server_options){ .keeper = -1 });
}

/* What was stored is in the files then. */
static int world_finish(struct world *world)
{
	server_stop(world->server);
	assert_int_equal(pthread_join(world->thread, NULL), 0);
	assert_int_equal(world->run_error, 0);
	return server_finish(world->server);
}

static void world_remove(struct world *world)
{
	server_destroy(world->server);
	unlink(world->file);
	unlink(world->socket);
	rmdir(world->directory);
}

static inline void world_end(struct world *world)
{
	assert_int_equal(world_finish(world), 0);
	world_remove(world);
}

/* Of a page, in bytes. */
static inline size_t at_page(size_t index)
{
	return index * PAGE_SIZE;
}

/* In a test, and in its children; -1: it cannot be read. */
static inline int byte_in_file(const char *path, size_t offset)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	unsigned char byte = 0;
	ssize_t got = pread(fd, &byte, 1, (off_t)offset);

	close(fd);
	return got == 1 ? byte : -1;
}

/* ---- a client: in a child ---- */

struct user {
	const struct world *world;
	int channel;
	int device;
	int userfault;
	bool follows_forks;
	struct taken_table *taken;
	char settings[4096];
};

/* In a child nothing of cmocka's works. */
#define expect(condition)                                                   \
	do {                                                                \
		if (!(condition)) {                                         \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, \
				__LINE__, #condition, errno);               \
			_exit(1);                                           \
		}                                                           \
	} while (0)

/* A request with at most one descriptor, and what it brings back. */
struct call {
	struct request request;
	int fd; /* -1: none */
	const char *bytes;
	size_t length;
	struct reply reply;
	int fds[4];
	unsigned fd_count;
	char text[PROTOCOL_BYTES_MAX];
	size_t text_length;
};

static inline bool send_fds(int channel, const void *bytes, size_t length,
			    const int *fds, unsigned count)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 32)];
		struct cmsghdr align;
	} control = { .bytes = { 0 } };
	struct iovec iov = { (void *)(uintptr_t)bytes, length };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
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
	return sendmsg(channel, &header, MSG_NOSIGNAL) == (ssize_t)length;
}

/* False: the server has hung up. */
static inline bool receive_reply(int channel, struct call *call)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 4)];
		struct cmsghdr align;
	} control;
	struct iovec iov[] = { { &call->reply, sizeof(call->reply) },
			       { call->text, sizeof(call->text) } };
	struct msghdr header = { .msg_iov = iov,
				 .msg_iovlen = 2,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&header);

	if (got <= 0)
		return false;
	expect((size_t)got >= sizeof(call->reply));
	call->text_length = (size_t)got - sizeof(call->reply);
	call->fd_count = 0;
	if (cmsg) {
		size_t bytes = cmsg->cmsg_len - CMSG_LEN(0);

		memcpy(call->fds, CMSG_DATA(cmsg), bytes);
		call->fd_count = (unsigned)(bytes / sizeof(int));
	}
	return true;
}

static inline bool send_call(int channel, struct call *call)
{
	char bytes[sizeof(struct request) + PROTOCOL_BYTES_MAX];

	if (call->request.version == 0)
		call->request.version = PROTOCOL_VERSION;
	memcpy(bytes, &call->request, sizeof(call->request));
	memcpy(bytes + sizeof(call->request), call->bytes, call->length);
	return send_fds(channel, bytes, sizeof(call->request) + call->length,
			&call->fd, call->fd >= 0 ? 1 : 0);
}

/* The reply's error; the server must be there. */
static inline int ask(struct user *user, struct call *call)
{
	expect(send_call(user->channel, call));
	expect(receive_reply(user->channel, call));
	return call->reply.error;
}

static inline int ask_simply(struct user *user, struct request request, int fd)
{
	struct call call = { .request = request, .fd = fd, .bytes = "" };

	return ask(user, &call);
}

static inline int user_connect(const struct world *world)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, world->socket);
	expect(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
	return fd;
}

static inline void user_greeted(struct user *user, const struct call *call)
{
	expect(call->fd_count >= 1);
	memcpy(user->settings, call->text, call->text_length);
	user->settings[call->text_length] = '\0';
	user->taken = mmap(NULL, sizeof(*user->taken), PROT_READ, MAP_SHARED,
			   call->fds[0], 0);
	expect(user->taken != MAP_FAILED);
	user->device = call->reply.flags & REPLY_HAS_DEVICE ? call->fds[1] : -1;
}

static inline int make_userfault(const struct user *user)
{
	if (user->device >= 0)
		return ioctl(user->device, USERFAULTFD_IOC_NEW,
			     O_CLOEXEC | O_NONBLOCK);
	return (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
}

static inline void user_attach(struct user *user)
{
	struct call call = { .request = { .type = REQUEST_ATTACH },
			     .bytes = "" };

	user->userfault = call.fd = make_userfault(user);
	expect(user->userfault >= 0);
	expect(ask(user, &call) == 0);
	user->follows_forks = call.reply.flags & REPLY_FOLLOWS_FORKS;
}

static inline void user_begin(struct user *user, const struct world *world)
{
	struct call call = { .request = { .type = REQUEST_HELLO },
			     .fd = -1,
			     .bytes = "" };

	memset(user, 0, sizeof(*user));
	user->world = world;
	user->channel = user_connect(world);
	expect(ask(user, &call) == 0);
	user_greeted(user, &call);
	user_attach(user);
}

static inline void user_register(const struct user *user, void *address,
				 size_t length, bool shared)
{
	struct uffdio_register range = {
		.range = { (uint64_t)(uintptr_t)address, length },
		.mode = UFFDIO_REGISTER_MODE_MISSING |
			UFFDIO_REGISTER_MODE_MINOR |
			(shared ? UFFDIO_REGISTER_MODE_WP : 0),
	};

	expect(!ioctl(user->userfault, UFFDIO_REGISTER, &range));
}

static inline int user_mapped(struct user *user, uint64_t id, void *address,
			      size_t length, uint32_t flags)
{
	return ask_simply(user,
			  (struct request){
				  .type = REQUEST_MAPPED,
				  .id = id,
				  .address = (uint64_t)(uintptr_t)address,
				  .length = length,
				  .flags = flags,
			  },
			  -1);
}

static inline int user_open(struct user *user, int fd, struct call *call)
{
	*call = (struct call){ .request = { .type = REQUEST_OPEN },
			       .fd = fd,
			       .bytes = "" };
	return ask(user, call);
}

/* All of an open file, as a preload library does it. */
static inline unsigned char *user_map_fd(struct user *user, int fd,
					 size_t length, bool shared,
					 uint64_t *id)
{
	static struct call call;
	bool reads_only;
	unsigned char *at;

	expect(user_open(user, fd, &call) == 0);
	reads_only = call.reply.flags & REPLY_READ_ONLY;
	shared = shared && !reads_only;
	at = mmap(NULL, length, PROT_NONE, shared ? MAP_SHARED : MAP_PRIVATE,
		  call.fds[0], 0);
	expect(at != MAP_FAILED);
	close(call.fds[0]);
	user_register(user, at, length, shared);
	expect(user_mapped(user, call.reply.id, at, length,
			   (shared ? MAPPED_SHARED : 0) |
				   (reads_only ? 0 : MAPPED_WRITABLE)) == 0);
	expect(!mprotect(at, length,
			 reads_only ? PROT_READ : PROT_READ | PROT_WRITE));
	if (id)
		*id = call.reply.id;
	return at;
}

static inline unsigned char *user_map(struct user *user, int flags)
{
	int fd = open(user->world->file, flags | O_CLOEXEC);
	unsigned char *at;

	expect(fd >= 0);
	at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	close(fd);
	return at;
}

static inline int user_sync(struct user *user, void *address, size_t length,
			    int flags)
{
	return ask_simply(user,
			  (struct request){
				  .type = REQUEST_SYNC,
				  .address = (uint64_t)(uintptr_t)address,
				  .length = length,
				  .flags = (uint32_t)flags,
			  },
			  -1);
}

/* ---- children ---- */

typedef void client_body(struct user *user);

static inline void close_inherited(int keep)
{
	close_range(3, (unsigned)keep - 1, 0);
	close_range((unsigned)keep + 1, ~0u, 0);
}

/* keep: a descriptor that the child may use; -1: none. */
static inline pid_t start_client(const struct world *world, client_body *body,
				 bool greets, int keep)
{
	pid_t child = fork();
	struct user user;

	assert_return_code(child, errno);
	if (child > 0)
		return child;
	signal(SIGABRT, SIG_DFL);
	signal(SIGSEGV, SIG_DFL);
	if (keep > 3)
		close_inherited(keep);
	else if (keep < 0)
		close_range(3, ~0u, 0);
	alarm(60); /* a client that hangs is a failure */
	memset(&user, 0, sizeof(user));
	user.world = world;
	if (greets)
		user_begin(&user, world);
	body(&user);
	_exit(0);
}

static inline void assert_succeeds(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int line[2]; /* between the test and one client */

/* In that client: the test goes on, and lets it go on. */
static inline void await_turn(void)
{
	char turn;

	expect(write(line[1], "r", 1) == 1);
	expect(read(line[1], &turn, 1) == 1);
}

/* It asks for something after its turn, and is gone before anybody has come to
 * it: the file must be found first. */
static inline void run_client_that_dies(const struct world *world,
					client_body *body)
{
	pid_t child;
	char turn;

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, line), errno);
	child = start_client(world, body, true, line[1]);
	assert_int_equal(read(line[0], &turn, 1), 1);
	lock_take(&world->server->lock);
	assert_int_equal(write(line[0], "g", 1), 1);
	assert_succeeds(child);
	lock_drop(&world->server->lock);
	close(line[0]);
	close(line[1]);
}

static inline void run_client(const struct world *world, client_body *body)
{
	assert_succeeds(start_client(world, body, true, -1));
}

/* One that does not say HELLO by itself. */
static inline void run_stranger(const struct world *world, client_body *body)
{
	assert_succeeds(start_client(world, body, false, -1));
}

#endif
