/* connect.c - the first channel: from the environment, and over forks */
/* SPDX-License-Identifier: MIT */
#include "client.h"

#include "channel.h"
#include "client_private.h"
#include "fork.h"
#include "lifeline.h"
#include "own.h"
#include "raw.h"
#include "real.h"
#include "settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#define HELLOS 4 /* so many servers in a row are killed while they hear one */

struct settings client_settings;

/* What a greeting brings, in its order: the table, the device, the lifeline, the
 * child's userfaultfd. */
struct greeting {
	int table;
	int device;
	int lifeline;
	int userfault;
};

void client_see_forks(uint32_t flags)
{
	if (flags & REPLY_FOLLOWS_FORKS)
		client.follows_forks = true;
}

static bool greeting_of(struct call *call, struct greeting *greeting)
{
	int next = 0;
	uint32_t flags = call->reply.flags;

	greeting->device = greeting->userfault = greeting->table = -1;
	greeting->lifeline = -1;
	if (call->got_count != 1 + !!(flags & REPLY_HAS_DEVICE) +
				       !!(flags & REPLY_HAS_LIFELINE) +
				       !!(flags & REPLY_HAS_USERFAULT)) {
		call_drop(call, 0);
		return false;
	}
	greeting->table = call->got[next++];
	if (flags & REPLY_HAS_DEVICE)
		greeting->device = call->got[next++];
	if (flags & REPLY_HAS_LIFELINE)
		greeting->lifeline = call->got[next++];
	if (flags & REPLY_HAS_USERFAULT)
		greeting->userfault = call->got[next];
	client_see_forks(flags);
	return true;
}

/* At one place for all the process's life, and its children's. */
static bool map_table(int fd)
{
	struct taken_table *there = atomic_load(&client_table);
	long mapped = raw(SYS_mmap, there, sizeof(struct taken_table),
			  PROT_READ,
			  MAP_SHARED | MAP_NORESERVE | (there ? MAP_FIXED : 0),
			  fd, 0);

	if (raw_failed(mapped))
		return false;
	atomic_store(&client_table, (struct taken_table *)mapped);
	return true;
}

static bool make_mark(void)
{
	long page = raw(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (raw_failed(page) ||
	    raw_failed(raw(SYS_madvise, page, 4096, MADV_WIPEONFORK)))
		return false;
	client.mark = (_Atomic int *)page;
	return true;
}

bool client_is_new_process(void)
{
	/* relaxed: this process's own memory since it began */
	return client.mark &&
	       atomic_load_explicit(client.mark, memory_order_relaxed) == 0;
}

static int connect_socket(void)
{
	long fd = raw(SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	long error;

	if (raw_failed(fd))
		return (int)fd;
	error = raw(SYS_connect, fd, &client.address, sizeof(client.address));
	if (!raw_failed(error))
		return (int)fd;
	raw(SYS_close, fd);
	return (int)error;
}

static void keep_greeting(const struct greeting *greeting, int fd)
{
	raw(SYS_close, greeting->table);
	own_close(client.device);
	client.device = -1;
	if (greeting->device >= 0)
		client.device = own_take(greeting->device);
	lifeline_take(greeting->lifeline);
	channel_set(&client.first, own_take(fd));
}

/* A channel on which that was said and answered, or a negative errno. */
static int greet(struct call *call, struct greeting *greeting)
{
	int fd = connect_socket();
	int error;

	if (fd < 0)
		return fd;
	call->request.type = REQUEST_HELLO;
	error = channel_exchange(fd, call, true);
	if (!error)
		error = call->reply.error;
	if (!error &&
	    (!greeting_of(call, greeting) || !map_table(greeting->table)))
		error = -EPROTO;
	if (error)
		raw(SYS_close, fd);
	return error ? error : fd;
}

static int hello(void)
{
	struct settings *settings = &client_settings;
	struct call call = {
		.answer = settings->text,
		.answer_size = sizeof(settings->text) - 1,
	};
	struct greeting greeting = { .table = -1 };
	int fd = -EIO;

	/* Who takes nobody more hangs up on each of them. */
	for (int i = 0; fd == -EIO && i < HELLOS; i++)
		fd = greet(&call, &greeting);
	if (fd < 0)
		return fd;
	settings->length = call.answer_count;
	settings_parse(settings);
	if (greeting.userfault >= 0)
		raw(SYS_close, greeting.userfault);
	keep_greeting(&greeting, fd);
	return 0;
}

/* While the next server begins it waits at the door.  What is lost in the midst
 * of it is tried once more, as long as anybody listens. */
static int greet_again(struct call *call, struct greeting *greeting)
{
	int fd;

	do {
		call->request.flags = HELLO_AGAIN;
		fd = greet(call, greeting);
	} while (fd == -EIO);
	return fd;
}

/* first_lock is held.  The settings are the same. */
static int return_to_server(void)
{
	struct call call = { .answer_size = 0 };
	struct channel lost = client.first;
	struct greeting greeting = { .table = -1 };
	int fd = greet_again(&call, &greeting);

	if (fd < 0)
		return -EIO;
	if (!(call.reply.flags & REPLY_RETURNED))
		atomic_store(&client.lost_userfault, true);
	if (greeting.userfault >= 0)
		raw(SYS_close, greeting.userfault);
	keep_greeting(&greeting, fd);
	if (channel_is_alive(&lost))
		own_close(lost.fd);
	atomic_fetch_add(&client.generation, 1);
	return 0;
}

int client_reconnect(uint64_t generation)
{
	int error = 0;

	lock_take(&client.first_lock);
	if (atomic_load(&client.generation) == generation)
		error = return_to_server();
	lock_drop(&client.first_lock);
	return error;
}

bool client_lost_userfault(void)
{
	return atomic_exchange(&client.lost_userfault, false);
}

static void say_unreachable(const char *path, int error)
{
	char text[256];
	int length = snprintf(text, sizeof(text),
			      "quire: no server at %s (error %d): "
			      "mappings are the kernel's\n",
			      path, -error);

	if (length > (int)sizeof(text) - 1)
		length = (int)sizeof(text) - 1;
	raw(SYS_write, 2, text, length);
}

static void connect_by_environment(void)
{
	const char *path = getenv(PROTOCOL_SOCKET_VARIABLE);
	int error = -ENAMETOOLONG;

	if (!path || !*path)
		return;
	client.address.sun_family = AF_UNIX;
	if (strlen(path) < sizeof(client.address.sun_path)) {
		strcpy(client.address.sun_path, path);
		client_close_channels();
		error = make_mark() ? hello() : -ENOMEM;
	}
	if (error) {
		say_unreachable(path, error);
		return;
	}
	atomic_store(client.mark, 1);
	fork_watch();
}

/* Early, so that other libraries' constructors find it at work. */
__attribute__((constructor(101))) static void begin(void)
{
	int before = errno;

	real_resolve();
	connect_by_environment();
	errno = before;
}

void client_begin_anew(void)
{
	atomic_store(client.mark, 1);
	client_close_channels();
	fork_unseen();
	hello();
}

void client_forking(void)
{
	struct call call = { .request.type = REQUEST_FORKING };
	int error;

	lock_take(&client.first_lock);
	call.request.id = atomic_fetch_add(&client.forks, 1) + 1;
	do
		error = channel_is_alive(&client.first)
				? channel_exchange(client.first.fd, &call, true)
				: -EIO;
	while (error == -EIO && return_to_server() == 0);
}

void client_forked_parent(void)
{
	lock_drop(&client.first_lock);
}

/* Says FORKED on the parent's channel, and hears on its own. */
static int say_forked(struct call *answer)
{
	struct call call = { .request.type = REQUEST_FORKED };
	int other = -1;
	int fd = -1;
	int error = channel_pair(&fd, &other);

	if (error)
		return error;
	call.request.id = atomic_load(&client.forks);
	call.send[0] = other;
	call.send_count = 1;
	error = channel_is_alive(&client.first)
			? channel_exchange(client.first.fd, &call, false)
			: -EIO;
	raw(SYS_close, other);
	if (!error)
		error = channel_receive(fd, answer);
	if (!error)
		error = answer->reply.error;
	if (error)
		raw(SYS_close, fd);
	return error ? error : fd;
}

/* The parent's server is lost: the next one is told whose child this is. */
static int say_forked_again(struct call *answer, struct greeting *greeting,
			    int parent)
{
	answer->request.id = atomic_load(&client.forks);
	answer->request.address = (uint64_t)parent;
	return greet_again(answer, greeting);
}

bool client_forked_child(int *userfault, bool *follows_forks)
{
	struct call answer = { .answer_size = 0 };
	struct greeting greeting;
	uint64_t signals = client.first_lock.signals;
	int parent = client_process();
	int fd = say_forked(&answer);
	bool lost = fd == -EIO;

	client_close_channels();
	signals_restore(signals);
	if (lost)
		fd = say_forked_again(&answer, &greeting, parent);
	if (fd < 0)
		return false;
	if (!lost && !greeting_of(&answer, &greeting)) {
		raw(SYS_close, fd);
		return false;
	}
	keep_greeting(&greeting, fd);
	*userfault = greeting.userfault;
	*follows_forks = client.follows_forks &&
			 (!lost || greeting.userfault >= 0);
	atomic_store(client.mark, 1);
	return true;
}
