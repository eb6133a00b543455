/* test_server_slow.c - a server whose clients keep others waiting */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

#include <linux/sockios.h>

#define USERS 6
#define CHANNELS 8
#define MANY 30

/* At once, if somebody may wait for it. */
static int setup_hasty(void **state)
{
	(void)state;
	world_begin_with(&world, &(struct server_options){ .keeper = -1,
							   .write_ms = 1 });
	return 0;
}

/* ---- who waits keeps nobody else waiting ---- */

/* One more client, of the same process. */
static void user_greet(struct user *user, const struct world *of)
{
	struct call call = { .request = { .type = REQUEST_HELLO },
			     .fd = -1,
			     .bytes = "" };

	memset(user, 0, sizeof(*user));
	user->world = of;
	user->channel = user_connect(of);
	expect(ask(user, &call) == 0);
}

/* On a channel of its own, which is returned: the server has it in hand. */
static int send_sync(struct user *user, int fd)
{
	struct call call = { .request = { .type = REQUEST_FILE_SYNC,
					  .length = PAGE_SIZE },
			     .fd = fd,
			     .bytes = "" };
	int channel = add_channel(user), unread = 1;

	expect(send_call(channel, &call));
	while (unread > 0) {
		expect(!ioctl(channel, SIOCOUTQ, &unread));
		sched_yield();
	}
	return channel;
}

static void await_sync(int channel)
{
	struct call call;

	expect(receive_reply(channel, &call));
	expect(call.reply.error == 0);
	close(channel);
}

static int other_file(const struct user *user)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/other", user->world->directory);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	expect(fd >= 0);
	expect(!ftruncate(fd, (off_t)FILE_BYTES));
	expect(!unlink(path));
	return fd;
}

/* All that a program needs of another file. */
static void uses_another_file(struct user *user)
{
	int fd = other_file(user);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[0] = 7;
	id = write_begin(user, fd, at_page(1), 1);
	expect(write_end(user, id, 0, 0, 0) == 0);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, at_page(8)) == 0);
	expect(at[0] == 7);
	close(fd);
}

static void all_wait_for_a_write(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct user others[USERS];
	int channels[USERS * CHANNELS];
	uint64_t id;

	at[0] = 100;
	id = write_begin(user, fd, 0, 10);
	for (int i = 0; i < USERS * CHANNELS; i++) {
		struct user *other = &others[i / CHANNELS];

		if (i % CHANNELS == 0)
			user_greet(other, user->world);
		channels[i] = send_sync(other, fd);
	}
	uses_another_file(user);
	expect(write_end(user, id, 0, 0, 0) == 0);
	for (int i = 0; i < USERS * CHANNELS; i++)
		await_sync(channels[i]);
	expect(byte_in_file(user->world->file, 0) == 100);
}

static void test_waiting_syncs_stop_no_other_file(void **state)
{
	(void)state;
	run(all_wait_for_a_write);
}

static void one_waits_often(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), other = other_file(user);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	unsigned char *beside =
		user_map_fd(user, other, FILE_BYTES, true, NULL);
	struct user waits;
	int channels[MANY];
	unsigned char byte;
	uint64_t id;

	user_greet(&waits, user->world);
	at[0] = 100;
	beside[0] = 101;
	id = write_begin(user, fd, 0, 10);
	for (int i = 0; i < MANY; i++)
		channels[i] = send_sync(&waits, fd);
	expect(user_sync(user, beside, PAGE_SIZE, MS_SYNC) == 0);
	expect(pread(other, &byte, 1, 0) == 1 && byte == 101);
	expect(write_end(user, id, 0, 0, 0) == 0);
	for (int i = 0; i < MANY; i++)
		await_sync(channels[i]);
}

static void test_one_client_does_not_stop_all_syncs(void **state)
{
	(void)state;
	run(one_waits_often);
}

/* ---- a write that is overtaken ---- */

/* Its client is stopped before the kernel has begun: what it then writes may
 * be gone over, and so it writes once more. */
static void writes_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 100, 4);
	/* Would wait for ever. */
	expect(file_request(user, REQUEST_FILE_SYNC, fd, 0, 1) == 0);
	expect(byte_in_file(user->world->file, 10) == 210);
	at[11] = 211;
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	expect(write_end(user, id, 100, 4, WRITE_REPEATS) == -ESTALE);
	expect(at[11] == 211);
	id = write_begin(user, fd, 100, 4);
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	expect(write_end(user, id, 100, 4, WRITE_REPEATS) == 0);
	expect(!memcmp(at + 100, "ABCD", 4));
	expect(at[10] == 210 && at[11] == 211);
}

static void test_an_overtaken_write_comes_once_more(void **state)
{
	(void)state;
	run(writes_late);
	assert_int_equal(byte_in_file(world.file, 11), 211);
	assert_int_equal(byte_in_file(world.file, 103), 'D');
}

/* What the file got of it is seen when it is overtaken. */
static void await_byte(const volatile unsigned char *at, unsigned char byte)
{
	while (*at != byte)
		sched_yield();
}

static void ends_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 100, 8);
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	await_byte(at + 100, 'A');
	expect(pwrite(fd, "EFGH", 4, 104) == 4);
	/* Nothing went home meanwhile: nothing of it can be lost. */
	expect(write_end(user, id, 100, 8, WRITE_REPEATS) == 0);
	expect(!memcmp(at + 100, "ABCDEFGH", 8));
	expect(at[10] == 210);
}

static void test_an_overtaken_write_that_lost_nothing(void **state)
{
	(void)state;
	run(ends_late);
	assert_int_equal(byte_in_file(world.file, 10), 210);
	assert_int_equal(byte_in_file(world.file, 107), 'H');
}

/* A store to what came into memory when it was overtaken is newer. */
static void is_seen_first(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 100, 4);
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	await_byte(at + 100, 'A');
	at[101] = 'S';
	expect(write_end(user, id, 100, 4, WRITE_REPEATS) == 0);
	expect(!memcmp(at + 100, "ASCD", 4) && at[10] == 210);
}

static void test_a_store_to_what_was_overtaken(void **state)
{
	(void)state;
	run(is_seen_first);
	assert_int_equal(byte_in_file(world.file, 101), 'S');
}

/* As splice(2): what is in the file comes into memory. */
static void ends_late_for_good(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 100, 4);
	expect(file_request(user, REQUEST_FILE_SYNC, fd, 0, 1) == 0);
	at[11] = 211;
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	expect(write_end(user, id, 100, 4, 0) == 0);
	expect(write_end(user, id, 100, 4, 0) == -EINVAL);
	expect(!memcmp(at + 100, "ABCD", 4));
	expect(at[10] == 210 && at[11] == 211);
}

static void test_an_overtaken_write_that_cannot_be_repeated(void **state)
{
	(void)state;
	run(ends_late_for_good);
	assert_int_equal(byte_in_file(world.file, 11), 211);
	assert_int_equal(byte_in_file(world.file, 100), 'A');
}

static void grows_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, 2 * FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 0, 0);
	expect(file_request(user, REQUEST_FILE_SYNC, fd, 0, 1) == 0);
	expect(pwrite(fd, "Z", 1, (off_t)FILE_BYTES) == 1);
	expect(write_end(user, id, FILE_BYTES, 1, 0) == 0);
	expect(at[FILE_BYTES] == 'Z');
}

static void test_an_overtaken_write_that_appends(void **state)
{
	(void)state;
	run(grows_late);
}

static void dies_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);

	at[10] = 210;
	expect(at[at_page(1)] == 2);
	write_begin(user, fd, 0, at_page(2));
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	await_byte(at + 100, 'A');
	expect(pwrite(fd, "E", 1, (off_t)at_page(1)) == 1);
	raise(SIGKILL);
}

static void sees_it(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(!memcmp(at + 100, "ABCD", 4));
	await_byte(at + at_page(1), 'E');
	expect(at[10] == 210);
}

static void test_death_after_it_was_overtaken(void **state)
{
	pid_t child;

	(void)state;
	child = start_client(&world, dies_late, true, -1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	run(sees_it);
	assert_int_equal(byte_in_file(world.file, 10), 210);
	assert_int_equal(byte_in_file(world.file, 103), 'D');
}

#define PATIENT(name) \
	cmocka_unit_test_setup_teardown(name, setup_patient, teardown)
#define HASTY(name) cmocka_unit_test_setup_teardown(name, setup_hasty, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATIENT(test_waiting_syncs_stop_no_other_file),
		PATIENT(test_one_client_does_not_stop_all_syncs),
		HASTY(test_an_overtaken_write_comes_once_more),
		HASTY(test_an_overtaken_write_that_lost_nothing),
		HASTY(test_a_store_to_what_was_overtaken),
		HASTY(test_an_overtaken_write_that_cannot_be_repeated),
		HASTY(test_an_overtaken_write_that_appends),
		HASTY(test_death_after_it_was_overtaken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
