/* test_server_stamps.c - whose change of a file it was */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

static int teardown_finishing(void **state)
{
	assert_int_equal(world_finish(&world), 0);
	return teardown(state);
}

static void add_reads(void *context, const struct file_facts *facts)
{
	uint64_t *reads = context;

	*reads += facts->counts.pages_read;
}

/* Of all files, since they were first taken. */
static uint64_t pages_read(void)
{
	uint64_t reads = 0;

	server_each_file(world.server, add_reads, &reads);
	return reads;
}

static void touch_all(const volatile unsigned char *at)
{
	for (size_t i = 0; i < FILE_PAGES; i++)
		(void)at[at_page(i)];
}

/* By somebody whom the server does not know; seen by the file's time, however
 * coarse its clock is. */
static void change_outside(const char *path, size_t offset, char byte)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	struct stat before, now;

	expect(fd >= 0 && !fstat(fd, &before));
	do {
		expect(pwrite(fd, &byte, 1, (off_t)offset) == 1);
		expect(!fstat(fd, &now));
	} while (!memcmp(&now.st_mtim, &before.st_mtim, sizeof(now.st_mtim)));
	close(fd);
}

static void stores_and_syncs(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	touch_all(at);
	at[at_page(3)] = 33;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

static void only_looks(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	touch_all(at);
	expect(at[at_page(3)] == 33);
}

static void test_our_own_write_back_drops_nothing(void **state)
{
	(void)state;
	run_client(&world, stores_and_syncs);
	assert_int_equal(pages_read(), FILE_PAGES);
	run_client(&world, only_looks);
	assert_int_equal(pages_read(), FILE_PAGES);
}

static void outsider_after_write_back(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	touch_all(at);
	at[at_page(3)] = 33;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	change_outside(user->world->file, at_page(9), 'o');
	user_map(user, O_RDWR);
	expect(at[at_page(9)] == 'o');
	expect(at[at_page(3)] == 33);
}

static void test_an_outsider_after_our_write_back(void **state)
{
	(void)state;
	run_client(&world, outsider_after_write_back);
}

/* Our own change of the times must not hide the other one. */
static void outsider_before_write_back(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	touch_all(at);
	at[at_page(3)] = 33;
	change_outside(user->world->file, at_page(9), 'o');
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(at[at_page(9)] == 10);
	user_map(user, O_RDWR);
	expect(at[at_page(9)] == 'o');
	expect(byte_in_file(user->world->file, at_page(3)) == 33);
}

static void test_an_outsider_before_our_write_back(void **state)
{
	(void)state;
	run_client(&world, outsider_before_write_back);
}

static void writes_and_cuts(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .length = 1 },
			     .fd = fd,
			     .bytes = "" };

	touch_all(at);
	expect(ask(user, &call) == 0);
	expect(pwrite(fd, "w", 1, 0) == 1);
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_WRITE_END,
					    .id = call.reply.id,
					    .length = 1 },
			  -1) == 0);
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_TRUNCATE,
					    .length = FILE_BYTES + 1 },
			  fd) == 0);
	user_map(user, O_RDWR);
	touch_all(at);
	expect(at[0] == 'w');
}

static void test_clients_writes_drop_no_more_than_they_must(void **state)
{
	(void)state;
	run_client(&world, writes_and_cuts);
	/* The page that was written stays: it has the new bytes by END. */
	assert_in_range(pages_read(), FILE_PAGES, FILE_PAGES + 2);
}

/* Whatever the times say. */
static void invalidates(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	touch_all(at);
	expect(user_sync(user, at, PAGE_SIZE, MS_INVALIDATE) == 0);
	touch_all(at);
}

static void test_invalidating_drops_always(void **state)
{
	(void)state;
	run_client(&world, invalidates);
	assert_int_equal(pages_read(), FILE_PAGES + 1);
}

#define STAMPED(name) \
	cmocka_unit_test_setup_teardown(name, setup, teardown_finishing)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAMPED(test_our_own_write_back_drops_nothing),
		STAMPED(test_an_outsider_after_our_write_back),
		STAMPED(test_an_outsider_before_our_write_back),
		STAMPED(test_clients_writes_drop_no_more_than_they_must),
		STAMPED(test_invalidating_drops_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
