/* server_stage.h - a server for each test, and what clients ask of it */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_SERVER_STAGE_H
#define QUIRE_TESTS_SERVER_STAGE_H

#include "server_world.h"

static struct world world;

static inline int setup(void **state)
{
	(void)state;
	world_begin(&world);
	return 0;
}

/* A write that was begun is never overtaken. */
static inline int setup_patient(void **state)
{
	(void)state;
	world_begin_with(&world, &(struct server_options){
					 .keeper = -1, .write_ms = 3600000 });
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	world_remove(&world);
	return 0;
}

/* The client's body; then the server ends, and all has gone home. */
static inline void run(client_body *body)
{
	run_client(&world, body);
	assert_int_equal(world_finish(&world), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* ---- requests, in a client ---- */

static inline int add_channel(struct user *user)
{
	int ends[2];

	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	expect(ask_simply(user, (struct request){ .type = REQUEST_CHANNEL },
			  ends[1]) == 0);
	close(ends[1]);
	return ends[0];
}

static inline int file_request(struct user *user, uint32_t type, int fd,
			       size_t offset, size_t length)
{
	return ask_simply(user,
			  (struct request){ .type = type,
					    .offset = offset,
					    .length = length },
			  fd);
}

/* The id; 0: the file is not taken. */
static inline uint64_t write_begin_any(struct user *user, int fd, size_t offset,
				       size_t length)
{
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .offset = offset,
					  .length = length },
			     .fd = fd,
			     .bytes = "" };

	expect(ask(user, &call) == 0);
	return call.reply.id;
}

static inline uint64_t write_begin(struct user *user, int fd, size_t offset,
				   size_t length)
{
	uint64_t id = write_begin_any(user, fd, offset, length);

	expect(id != 0);
	return id;
}

static inline int write_end(struct user *user, uint64_t id, size_t offset,
			    size_t length, uint32_t flags)
{
	return ask_simply(user,
			  (struct request){ .type = REQUEST_WRITE_END,
					    .id = id,
					    .offset = offset,
					    .length = length,
					    .flags = flags },
			  -1);
}

#endif
