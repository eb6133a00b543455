/* ring_turns.c - which of a ring's operations goes to the kernel next */
/* SPDX-License-Identifier: MIT */
#include "os/ring_turns.h"

/* Somebody waits for a read; but of so many one is not for a read's turn. */
#define READS_FIRST 8
/* Of what is no read, in flight: a read that comes does not stand behind
 * hundreds.  Where none has come for as many others as QUIET, more of them: a
 * disk may be served by turns, all that is there at a time. */
#define OTHERS_MAX 16
#define OTHERS_QUIET 128
#define QUIET 128
#define USER_SHARE 16
/* A read of more bytes is a long one.  While short ones come as well no more
 * than so many bytes of long ones are in flight, or a little more, as a device
 * may serve a read after all that it was given before. */
#define SHORT_MOST (UINT64_C(64) << 10)
#define LONG_MOST (UINT64_C(1) << 20)
/* Short ones that somebody waits for come no more, after so many long ones. */
#define LONG_QUIET 64

static uint64_t op_bytes(const struct ring_op *op)
{
	uint64_t bytes = 0;

	for (unsigned i = 0; i < op->iov_count; i++)
		bytes += op->iov[i].iov_len;
	return bytes;
}

static bool is_long(const struct ring_op *op)
{
	return op->operation == RING_READV && op_bytes(op) > SHORT_MOST;
}

static struct ring_user *user_of(struct ring_turns *turns,
				 const struct ring_op *op)
{
	return op->user ? op->user : &turns->nobody;
}

/* Where it waits. */
static struct list *queue_for(struct ring_turns *turns,
			      const struct ring_op *op)
{
	struct ring_user *user;

	if (op->operation == RING_READV)
		return is_long(op) ? &turns->long_reads : &turns->reads;
	user = user_of(turns, op);
	if (list_empty(&user->waiting))
		list_add_tail(&turns->users, &user->link);
	return &user->waiting;
}

void ring_user_init(struct ring_user *user)
{
	list_init(&user->waiting);
	user->in_flight = 0;
}

void turns_init(struct ring_turns *turns)
{
	*turns = (struct ring_turns){ .turn = 0 };
	list_init(&turns->reads);
	list_init(&turns->long_reads);
	list_init(&turns->users);
	ring_user_init(&turns->nobody);
}

void turns_add(struct ring_turns *turns, struct ring_op *op, bool again)
{
	if (again)
		list_add_head(queue_for(turns, op), &op->link);
	else
		list_add_tail(queue_for(turns, op), &op->link);
}

static struct list *pop_long(struct ring_turns *turns)
{
	bool free = turns->since_short >= LONG_QUIET ||
		    turns->long_bytes < LONG_MOST;

	return free ? list_pop(&turns->long_reads) : NULL;
}

static struct list *pop_other(struct ring_turns *turns)
{
	unsigned most = turns->since_read < QUIET ? OTHERS_MAX : OTHERS_QUIET;
	unsigned used = turns->others_in_flight;
	unsigned room = most > used ? most - used : 0;
	struct list *link, *next;

	if (used >= OTHERS_QUIET)
		return NULL;
	list_for_each(link, &turns->users) {
		struct ring_user *user =
			container_of(link, struct ring_user, link);
		unsigned own = user->in_flight;

		if (own > 0 && room < own / USER_SHARE + 1)
			continue;
		next = list_pop(&user->waiting);
		list_remove(link);
		if (!list_empty(&user->waiting))
			list_add_tail(&turns->users, link);
		return next;
	}
	return NULL;
}

static struct list *pop(struct ring_turns *turns)
{
	bool turn = ++turns->turn % READS_FIRST == 0;
	struct list *link = turn ? pop_other(turns) : NULL;

	if (!link && turn)
		link = pop_long(turns);
	if (!link)
		link = list_pop(&turns->reads);
	if (!link)
		link = pop_long(turns);
	return link ? link : pop_other(turns);
}

static void begin(struct ring_turns *turns, const struct ring_op *op)
{
	turns->in_flight++;
	if (op->operation != RING_READV) {
		turns->others_in_flight++;
		user_of(turns, op)->in_flight++;
		turns->since_read++;
		return;
	}
	turns->since_read = 0;
	if (is_long(op)) {
		turns->long_bytes += op_bytes(op);
		turns->since_short++;
	} else if (!op->ahead) {
		turns->since_short = 0;
	}
}

struct ring_op *turns_next(struct ring_turns *turns)
{
	struct list *link = pop(turns);
	struct ring_op *op;

	if (!link)
		return NULL;
	op = container_of(link, struct ring_op, link);
	begin(turns, op);
	return op;
}

void turns_end(struct ring_turns *turns, const struct ring_op *op)
{
	turns->in_flight--;
	if (op->operation != RING_READV) {
		turns->others_in_flight--;
		user_of(turns, op)->in_flight--;
	} else if (is_long(op)) {
		turns->long_bytes -= op_bytes(op);
	}
}
