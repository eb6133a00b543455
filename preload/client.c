/* client.c - this process as a client of the server */
/* SPDX-License-Identifier: MIT */
/*
 * One channel, the first, makes the others: the server answers it at once
 * always.  The others wait in a pool; who takes one has it alone until its
 * reply is there.  In the child of a vfork(), whose descriptors are not its
 * parent's, but whose memory is, nothing is put into the pool.  It may be
 * killed at any moment, alone: so each of its requests has a channel of its
 * own, which its death closes, and a place in the pool that it was about to
 * use is found again.
 */
#include "client.h"

#include "channel.h"
#include "client_private.h"
#include "lifeline.h"
#include "own.h"
#include "raw.h"
#include "standing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define POOL_COUNT 32

/* What the state of a place is; or the process that has it, negative. */
#define POOL_EMPTY 0
#define POOL_FREE 1

struct pool_channel {
	_Atomic int state;
	struct channel channel;
};

static struct pool_channel pool[POOL_COUNT];
static _Atomic int process; /* whose descriptors these are */

struct taken_table *_Atomic client_table;
struct client client = { .device = -1, .first.fd = -1 };

/* acquire and release in the pool: who takes a channel sees what the one
 * before has written of it */
static bool pool_change(struct pool_channel *place, int from, int to)
{
	return atomic_compare_exchange_strong_explicit(&place->state, &from, to,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

static int this_process(void)
{
	return (int)raw(SYS_getpid);
}

/* It has our memory, and not our descriptors. */
static bool is_guest(void)
{
	return this_process() != atomic_load(&process);
}

static struct pool_channel *pool_get(int state)
{
	int self = this_process();

	for (size_t i = 0; i < POOL_COUNT; i++) {
		if (pool_change(&pool[i], state, -self))
			return &pool[i];
	}
	return NULL;
}

/* A place whose process has died in the midst of it, empty. */
static struct pool_channel *pool_recover(void)
{
	int self = this_process();

	for (size_t i = 0; i < POOL_COUNT; i++) {
		int state = atomic_load(&pool[i].state);

		if (state >= 0 || state == -self ||
		    raw(SYS_kill, -state, 0) != -ESRCH ||
		    !pool_change(&pool[i], state, -self))
			continue;
		own_close(pool[i].channel.fd);
		return &pool[i];
	}
	return NULL;
}

static void pool_put(struct pool_channel *place, int state)
{
	atomic_store_explicit(&place->state, state, memory_order_release);
}

void client_close_channels(void)
{
	for (size_t i = 0; i < POOL_COUNT; i++) {
		if (atomic_load(&pool[i].state) != POOL_EMPTY &&
		    channel_is_alive(&pool[i].channel))
			own_close(pool[i].channel.fd);
		atomic_store(&pool[i].state, POOL_EMPTY);
	}
	if (client.first.fd >= 0 && channel_is_alive(&client.first))
		own_close(client.first.fd);
	client.first.fd = -1;
	lock_reset(&client.first_lock);
	lifeline_after_fork();
	standing_after_fork();
	atomic_store(&process, this_process());
}

static int exchange_first(struct call *call)
{
	int error;

	lock_take(&client.first_lock);
	error = channel_is_alive(&client.first)
			? channel_exchange(client.first.fd, call, true)
			: -EIO;
	lock_drop(&client.first_lock);
	return error;
}

/* Not the first one, if it can be: its lock would be the dead one's. */
static int exchange_as_guest(struct call *call)
{
	struct pool_channel *place = pool_get(POOL_FREE);
	int error = -EIO;

	if (place && channel_is_alive(&place->channel))
		error = channel_exchange(place->channel.fd, call, true);
	if (place)
		pool_put(place, POOL_FREE);
	return error == -EIO ? exchange_first(call) : error;
}

/* A socket of which the server has the other end now. */
static int channel_ask(int *result)
{
	struct call call = { .request.type = REQUEST_CHANNEL };
	int other = -1;
	int error = channel_pair(result, &other);

	if (error)
		return error;
	call.send[0] = other;
	call.send_count = 1;
	error = is_guest() ? exchange_as_guest(&call) : exchange_first(&call);
	if (!error)
		error = call.reply.error;
	raw(SYS_close, other);
	if (error)
		raw(SYS_close, *result);
	return error;
}

/* For this request only; or for all of the line's, which end with it. */
static int call_on_own_channel(struct call *call, int *line)
{
	int fd = -1;
	int error = channel_ask(&fd);

	if (error)
		return error;
	error = channel_exchange(fd, call, true);
	if (line)
		*line = fd;
	else
		raw(SYS_close, fd);
	return error;
}

static int pool_fill(struct pool_channel *place)
{
	int fd = -1;
	int error = channel_ask(&fd);

	if (!error)
		error = channel_set(&place->channel, own_take(fd));
	if (error)
		pool_put(place, POOL_EMPTY);
	return error;
}

/* With a channel that is the caller's alone. */
static int call_from_pool(struct call *call, struct pool_channel *place)
{
	int error;

	if (!channel_is_alive(&place->channel)) {
		error = pool_fill(place);
		if (error)
			return error;
	}
	error = channel_exchange(place->channel.fd, call, true);
	if (error == -EIO) {
		own_close(place->channel.fd);
		pool_put(place, POOL_EMPTY);
	} else {
		pool_put(place, POOL_FREE);
	}
	return error;
}

/* -EBUSY: all of the pool are in use, and there can be no more. */
static int call_once(struct call *call, int *line)
{
	struct pool_channel *place;
	int error;

	if (is_guest())
		return call_on_own_channel(call, line);
	place = pool_get(POOL_FREE);
	if (place)
		return call_from_pool(call, place);
	place = pool_get(POOL_EMPTY);
	if (!place)
		place = pool_recover();
	if (!place) {
		error = call_on_own_channel(call, line);
		return error == -EMFILE ? -EBUSY : error;
	}
	if (pool_fill(place))
		return -EIO;
	return call_from_pool(call, place);
}

static int call_somehow(struct call *call, int *line)
{
	const struct timespec moment = { .tv_nsec = 1000000 };
	int error;

	if (line && *line >= 0)
		return channel_exchange(*line, call, true);
	while ((error = call_once(call, line)) == -EBUSY)
		raw(SYS_ppoll, NULL, 0, &moment, NULL, 0);
	return error;
}

int client_process(void)
{
	return atomic_load(&process);
}

uint64_t client_generation(void)
{
	return atomic_load(&client.generation);
}

/*
 * A request that the lost server may have done already: twice is as good as
 * once, but for what is appended.  What was held is so no more.
 */
static bool may_repeat(const struct call *call)
{
	switch (call->request.type) {
	case REQUEST_RELEASE:
		return false;
	case REQUEST_BOUND_WRITE:
		return !(call->request.flags & FILE_APPEND);
	default:
		return true;
	}
}

static int call_until_heard(struct call *call, int *line)
{
	uint64_t generation;
	int error;

	for (;;) {
		generation = client_generation();
		error = call_somehow(call, line);
		if (error == -EIO && line)
			client_line_close(line);
		if (error != -EIO || is_guest() || !may_repeat(call) ||
		    client_reconnect(generation))
			return error;
		call->again = true;
		if (call->request.type == REQUEST_ATTACH)
			call->request.flags |= ATTACH_AGAIN;
	}
}

int client_call_on(struct call *call, int *line)
{
	uint64_t signals;
	int error;

	if (!client_ready())
		return -EIO;
	signals = signals_block();
	error = call_until_heard(call, line);
	signals_restore(signals);
	if (error)
		return error;
	if (call->reply.error)
		call_drop(call, 0);
	return call->reply.error;
}

int client_call(struct call *call)
{
	return client_call_on(call, NULL);
}

void client_line_close(int *line)
{
	if (*line >= 0)
		raw(SYS_close, *line);
	*line = -1;
}

void call_drop(struct call *call, int keep)
{
	while (call->got_count > keep)
		raw(SYS_close, call->got[--call->got_count]);
}

bool client_ready(void)
{
	if (!atomic_load_explicit(&client_table, memory_order_relaxed))
		return false;
	if (client_is_new_process())
		client_begin_anew();
	return client.first.fd >= 0;
}

int client_device(void)
{
	return client.device;
}

void client_note(const char *text)
{
	struct call call = {
		.request.type = REQUEST_NOTE,
		.bytes = text,
		.byte_count = strlen(text),
	};

	client_call(&call);
}
