/* test_server_told.c - each client is told of a failed write, once */
/* SPDX-License-Identifier: MIT */
/*
 * The server is this process, and may for a while not write beyond half of the
 * file.  A child is several clients, each on a connection of its own.
 */
#include "server_stage.h"

#include <sys/resource.h>

#define HALF ((size_t)FILE_PAGES / 2 * PAGE_SIZE)
#define BEYOND ((size_t)FILE_PAGES - 10)

static int setup_limited(void **state)
{
	signal(SIGXFSZ, SIG_IGN);
	return setup(state);
}

static void limit_server(rlim_t bytes)
{
	const struct rlimit limit = { bytes, RLIM_INFINITY };

	expect(!prlimit(getppid(), RLIMIT_FSIZE, &limit, NULL));
}

static int sync_file(struct user *user, int fd, uint32_t flags)
{
	return ask_simply(user,
			  (struct request){ .type = REQUEST_FILE_SYNC,
					    .flags = flags },
			  fd);
}

/* A page that cannot go home, and whose turn comes later. */
static void fail_once(struct user *user, unsigned char *at)
{
	at[at_page(BEYOND)] = 77;
	limit_server(HALF);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == -EFBIG);
	limit_server(RLIM_INFINITY);
}

static void all_are_told(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR), *others, *late;
	struct user other, later;

	user_begin(&other, user->world);
	others = user_map(&other, O_RDWR);
	fail_once(user, at);
	/* It gets home now; but a write has failed, for all we know of others'
	 * stores. */
	expect(user_sync(&other, others, FILE_BYTES, MS_SYNC) == -EFBIG);
	expect(byte_in_file(user->world->file, at_page(BEYOND)) == 77);
	expect(user_sync(&other, others, FILE_BYTES, MS_SYNC) == 0);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	user_begin(&later, user->world);
	late = user_map(&later, O_RDWR);
	expect(user_sync(&later, late, FILE_BYTES, MS_SYNC) == 0);
	/* And of the next one, all three. */
	fail_once(user, at);
	expect(user_sync(&later, late, FILE_BYTES, MS_SYNC) == -EFBIG);
	expect(user_sync(&other, others, FILE_BYTES, MS_SYNC) == -EFBIG);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

static void test_each_mapping_process_is_told(void **state)
{
	(void)state;
	run(all_are_told);
}

static void writer_is_told(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .length = 1 },
			     .fd = fd,
			     .bytes = "" };
	struct user writer;

	user_begin(&writer, user->world);
	expect(ask(&writer, &call) == 0);
	expect(ask_simply(&writer,
			  (struct request){ .type = REQUEST_WRITE_END,
					    .id = call.reply.id },
			  -1) == 0);
	fail_once(user, at);
	expect(sync_file(&writer, fd, FILE_DURABLE) == -EFBIG);
	expect(sync_file(&writer, fd, FILE_DURABLE) == 0);
	expect(sync_file(user, fd, FILE_DURABLE) == 0);
}

static void test_who_only_writes_is_told(void **state)
{
	(void)state;
	run(writer_is_told);
}

/* As the kernel: whoever comes first is told of what nobody knows. */
static void newcomer_is_told(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct user first, second;

	at[at_page(BEYOND)] = 77;
	limit_server(HALF);
	expect(sync_file(user, fd, 0) == -EFBIG);
	limit_server(RLIM_INFINITY);
	expect(sync_file(user, fd, 0) == 0);
	user_begin(&first, user->world);
	expect(sync_file(&first, fd, FILE_DURABLE) == -EFBIG);
	user_begin(&second, user->world);
	expect(sync_file(&second, fd, FILE_DURABLE) == 0);
	expect(sync_file(user, fd, FILE_DURABLE) == -EFBIG);
	expect(sync_file(user, fd, FILE_DURABLE) == 0);
}

static void test_a_newcomer_is_told_of_what_nobody_knows(void **state)
{
	(void)state;
	run(newcomer_is_told);
}

#define LIMITED(name) \
	cmocka_unit_test_setup_teardown(name, setup_limited, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIMITED(test_each_mapping_process_is_told),
		LIMITED(test_who_only_writes_is_told),
		LIMITED(test_a_newcomer_is_told_of_what_nobody_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
