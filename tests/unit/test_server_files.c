/* test_server_files.c - descriptors and mappings of one file, coherently */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

/* ---- writes past the mapping ---- */

/* One page has bytes of both: neither is lost. */
static void writes_beside_a_store(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;                /* dirty */
	expect(at[at_page(1)] == 2); /* clean */
	id = write_begin(user, fd, 0, at_page(2));
	expect(id != 0);
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	expect(pwrite(fd, "EFGH", 4, (off_t)at_page(1)) == 4);
	expect(write_end(user, id, 100, at_page(1) + 4 - 100, 0) == 0);
	expect(!memcmp(at + 100, "ABCD", 4));
	expect(!memcmp(at + at_page(1), "EFGH", 4));
	expect(at[10] == 210);
	at[10] = 211;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 10) == 211);
	expect(byte_in_file(user->world->file, 100) == 'A');
	expect(byte_in_file(user->world->file, at_page(1)) == 'E');
}

static void test_write_beside_a_dirty_page(void **state)
{
	(void)state;
	run(writes_beside_a_store);
	assert_int_equal(byte_in_file(world.file, 10), 211);
	assert_int_equal(byte_in_file(world.file, 103), 'D');
}

static void store_outlives_write(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[10] = 210;
	id = write_begin(user, fd, 100, 4);
	expect(pwrite(fd, "ABCD", 4, 100) == 4);
	expect(write_end(user, id, 100, 4, 0) == 0);
	expect(at[10] == 210);
	expect(!memcmp(at + 100, "ABCD", 4));
}

static void test_store_in_the_same_page_outlives_a_write(void **state)
{
	(void)state;
	run(store_outlives_write);
	assert_int_equal(byte_in_file(world.file, 10), 210);
	assert_int_equal(byte_in_file(world.file, 100), 'A');
}

static void appends(struct user *user)
{
	int fd = open(user->world->file, O_RDWR | O_APPEND);
	unsigned char *at = user_map_fd(user, fd, 2 * FILE_BYTES, true, NULL);
	char page[PAGE_SIZE];
	uint64_t id;

	memset(page, 170, sizeof(page));
	id = write_begin(user, fd, FILE_BYTES, 0);
	expect(write(fd, page, sizeof(page)) == sizeof(page));
	expect(write_end(user, id, FILE_BYTES, PAGE_SIZE, 0) == 0);
	expect(at[FILE_BYTES + 5] == 170);
	at[FILE_BYTES + 6] = 171;
	expect(user_sync(user, at + FILE_BYTES, PAGE_SIZE, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, FILE_BYTES + 6) == 171);
}

static void test_what_was_appended_can_be_touched(void **state)
{
	(void)state;
	run(appends);
}

static void writes_badly(struct user *user)
{
	int reader = open(user->world->file, O_RDONLY);
	int other = open("/dev/null", O_WRONLY);
	int fd = open(user->world->file, O_RDWR);
	uint64_t id;

	/* Not taken, and no file at all. */
	expect(write_begin_any(user, fd, 0, 10) == 0);
	expect(write_begin_any(user, other, 0, 10) == 0);
	user_map_fd(user, fd, FILE_BYTES, true, NULL);
	expect(file_request(user, REQUEST_WRITE_BEGIN, reader, 0, 10) ==
	       -EBADF);
	expect(write_end(user, 77, 0, 10, 0) == -EINVAL);
	id = write_begin(user, fd, 0, 10);
	expect(id != 0);
	expect(write_end(user, id, 0, 0, 0) == 0);
	expect(write_end(user, id, 0, 0, 0) == -EINVAL);
	for (unsigned i = 0; i < SERVER_WRITES; i++)
		expect(write_begin(user, fd, 0, 10) != 0);
	expect(file_request(user, REQUEST_WRITE_BEGIN, fd, 0, 10) == -ENOBUFS);
	/* And ends with all of them begun. */
}

static void test_writes_that_are_refused(void **state)
{
	(void)state;
	run(writes_badly);
}

/* What it wrote is in the file; the cache does not say otherwise. */
static void dies_writing(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);

	at[0] = 100;
	expect(write_begin(user, fd, 0, PAGE_SIZE) != 0);
	expect(pwrite(fd, "Z", 1, 1) == 1);
	raise(SIGKILL);
}

static void looks_again(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	/* MS_SYNC waits for whoever still writes: nobody. */
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(at[1] == 'Z');
}

static void test_death_within_a_write(void **state)
{
	pid_t child;

	(void)state;
	child = start_client(&world, dies_writing, true, -1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	run(looks_again);
	assert_int_equal(byte_in_file(world.file, 1), 'Z');
	assert_int_equal(byte_in_file(world.file, 0), 100);
}

/* The page is clean when the write begins, and dirty, with the old byte, when
 * its death is seen. */
static void dies_writing_beside_a_store(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);

	expect(at[1] != 'Z');
	expect(write_begin(user, fd, 1, 1) != 0);
	expect(pwrite(fd, "Z", 1, 1) == 1);
	at[0] = 100;
	raise(SIGKILL);
}

/* By a position that may move: from the last byte of page 0 into page 1. */
static void dies_writing_at_a_position(struct user *user)
{
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .offset = at_page(1) - 1 },
			     .bytes = "" };
	unsigned char *at;

	call.fd = open(user->world->file, O_RDWR);
	at = user_map_fd(user, call.fd, FILE_BYTES, true, NULL);
	at[1] = 'Z';
	expect(at[at_page(1)] != 'Y');
	expect(ask(user, &call) == 0 && call.reply.id != 0);
	expect(pwrite(call.fd, "XY", 2, (off_t)at_page(1) - 1) == 2);
	at[0] = 100;
	at[at_page(1) + 1] = 101;
	raise(SIGKILL);
}

static void die_beside_a_store(client_body *body)
{
	pid_t child = start_client(&world, body, true, -1);

	assert_int_equal(waitpid(child, NULL, 0), child);
	run(looks_again);
	assert_int_equal(byte_in_file(world.file, 1), 'Z');
	assert_int_equal(byte_in_file(world.file, 0), 100);
}

static void test_death_beside_a_store(void **state)
{
	(void)state;
	die_beside_a_store(dies_writing_beside_a_store);
}

static void test_death_at_a_position(void **state)
{
	(void)state;
	die_beside_a_store(dies_writing_at_a_position);
	assert_int_equal(byte_in_file(world.file, at_page(1) - 1), 'X');
	assert_int_equal(byte_in_file(world.file, at_page(1)), 'Y');
	assert_int_equal(byte_in_file(world.file, at_page(1) + 1), 101);
}

/* It waits for itself, on another channel; and dies of it. */
static void dies_waiting_for_itself(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), ends[2];
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct call call = {
		.request = { .type = REQUEST_SYNC,
			     .address = (uint64_t)(uintptr_t)at,
			     .length = FILE_BYTES,
			     .flags = MS_SYNC },
		.fd = -1,
		.bytes = "",
	};

	at[0] = 100;
	expect(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
	expect(ask_simply(user, (struct request){ .type = REQUEST_CHANNEL },
			  ends[1]) == 0);
	expect(write_begin(user, fd, 0, PAGE_SIZE) != 0);
	expect(send_call(ends[0], &call));
	/* The order of events: that one has been seen. */
	expect(file_request(user, REQUEST_FILE_SYNC, fd, at_page(5), 1) == 0);
	raise(SIGKILL);
}

static void test_death_while_waiting_for_itself(void **state)
{
	pid_t child;

	(void)state;
	child = start_client(&world, dies_waiting_for_itself, true, -1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 0), 100);
}

/* ---- reads past the mapping ---- */

static void reads_what_was_stored(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	unsigned char byte;

	at[at_page(2)] = 130;
	at[at_page(9)] = 131;
	expect(file_request(user, REQUEST_FILE_SYNC, fd, at_page(2), 1) == 0);
	expect(pread(fd, &byte, 1, (off_t)at_page(2)) == 1 && byte == 130);
	expect(file_request(user, REQUEST_FILE_SYNC, -1, 0, 0) == 0);
	expect(pread(fd, &byte, 1, (off_t)at_page(9)) == 1 && byte == 131);
	expect(file_request(user, REQUEST_FILE_SYNC, STDERR_FILENO, 0, 0) == 0);
}

static void test_file_sync_before_a_read(void **state)
{
	(void)state;
	run(reads_what_was_stored);
}

/* ---- outsiders ---- */

static void sees_outsiders(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	int outside = open(user->world->file, O_RDWR);

	expect(at[0] == 1);
	/* As somebody does who is no client. */
	expect(pwrite(outside, "o", 1, 0) == 1);
	expect(user_sync(user, at, PAGE_SIZE, MS_INVALIDATE | MS_SYNC) == 0);
	expect(at[0] == 'o');
	expect(pwrite(outside, "p", 1, 0) == 1);
	expect(user_map_fd(user, fd, FILE_BYTES, true, NULL)[0] == 'p');
	expect(at[0] == 'p');
}

static void test_changes_of_outsiders(void **state)
{
	(void)state;
	run(sees_outsiders);
}

/* ---- the kernel's mappings ---- */

static int turn[2];

static void claims_for_the_kernel(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	char byte = 'x';

	expect(file_request(user, REQUEST_KERNELS, fd, 0, 0) == 0);
	expect(file_request(user, REQUEST_KERNELS, fd, 0, 0) == 0);
	expect(file_request(user, REQUEST_KERNELS, STDERR_FILENO, 0, 0) == 0);
	expect(write(turn[1], &byte, 1) == 1);
	expect(read(turn[1], &byte, 1) == 1);
}

static void is_left_to_the_kernel(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	static struct call call;

	expect(user_open(user, fd, &call) == -EAGAIN);
}

static void may_take_it_again(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);

	user_map_fd(user, fd, FILE_BYTES, true, NULL);
	expect(file_request(user, REQUEST_KERNELS, fd, 0, 0) == -EBUSY);
}

static void test_a_claimed_file_is_not_taken(void **state)
{
	pid_t child;
	char byte;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, turn), errno);
	child = start_client(&world, claims_for_the_kernel, true, turn[1]);
	assert_int_equal(read(turn[0], &byte, 1), 1);
	run_client(&world, is_left_to_the_kernel);
	assert_int_equal(write(turn[0], &byte, 1), 1);
	assert_succeeds(child);
	/* The end of the claim's client is seen before the next one comes:
	 * both are events of one thread, but not in that order for sure. */
	for (;;) {
		struct server_facts facts;

		server_facts(world.server, &facts);
		if (facts.clients == 0)
			break;
		sched_yield();
	}
	run(may_take_it_again);
	close(turn[0]);
	close(turn[1]);
}

/* ---- locks, advice ---- */

static void locks_and_advises(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	struct request request = {
		.type = REQUEST_LOCK,
		.address = (uint64_t)(uintptr_t)at,
		.length = at_page(4),
	};

	expect(ask_simply(user, request, -1) == 0);
	expect(at[at_page(3)] == 4);
	request.type = REQUEST_UNLOCK;
	expect(ask_simply(user, request, -1) == 0);
	request.type = REQUEST_ADVISE;
	at[0] = 5;
	for (unsigned i = 0; i < 6; i++) {
		static const int advice[] = { MADV_WILLNEED,   MADV_RANDOM,
					      MADV_SEQUENTIAL, MADV_NORMAL,
					      MADV_COLD,       MADV_PAGEOUT };

		request.advice = advice[i];
		expect(ask_simply(user, request, -1) == 0);
	}
	expect(at[0] == 5);
	request.advice = MADV_REMOVE;
	expect(ask_simply(user, request, -1) == 0);
	expect(at[0] == 0 && at[at_page(3)] == 0 && at[at_page(4)] == 5);
	request.advice = MADV_DONTFORK;
	expect(ask_simply(user, request, -1) == -EINVAL);
	request.address += FILE_BYTES;
	request.type = REQUEST_LOCK;
	expect(ask_simply(user, request, -1) == -ENOMEM);
}

static void test_lock_and_advice(void **state)
{
	(void)state;
	run(locks_and_advises);
	assert_int_equal(byte_in_file(world.file, 0), 0);
}

/* ---- unlinked ---- */

static void unlinks(struct user *user)
{
	char path[128];
	unsigned char *at;
	int fd;

	snprintf(path, sizeof(path), "%s/other", user->world->directory);
	fd = open(path, O_RDWR | O_CREAT, 0600);
	expect(!ftruncate(fd, (off_t)FILE_BYTES));
	at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	close(fd);
	expect(!unlink(path));
	at[0] = 1;
	expect(at[0] == 1 && at[at_page(8)] == 0);
}

static void test_a_mapping_outlives_its_name(void **state)
{
	(void)state;
	run(unlinks);
}

/* ---- idle files ---- */

static void stores_once(struct user *user)
{
	user_map(user, O_RDWR)[0] = 8;
}

static void await_taken(uint64_t count)
{
	while (atomic_load(&world.server->taken->count) != count)
		sched_yield();
}

/* Open for writing, it could not be executed. */
static void test_idle_program_is_let_go(void **state)
{
	(void)state;
	assert_return_code(chmod(world.file, 0700), errno);
	run_client(&world, stores_once);
	await_taken(0);
	assert_int_equal(byte_in_file(world.file, 0), 8);
	run(stores_once);
}

static void test_idle_file_without_a_name_is_let_go(void **state)
{
	struct server_facts facts;

	(void)state;
	run_client(&world, stores_once);
	do {
		server_facts(world.server, &facts);
	} while (facts.clients > 0);
	assert_int_equal(atomic_load(&world.server->taken->count), 1);
	unlink(world.file);
	await_taken(0);
	assert_int_equal(world_finish(&world), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_write_beside_a_dirty_page),
		TEST(test_store_in_the_same_page_outlives_a_write),
		TEST(test_what_was_appended_can_be_touched),
		TEST(test_writes_that_are_refused),
		TEST(test_death_within_a_write),
		TEST(test_death_beside_a_store),
		TEST(test_death_at_a_position),
		TEST(test_death_while_waiting_for_itself),
		TEST(test_file_sync_before_a_read),
		TEST(test_changes_of_outsiders),
		TEST(test_a_claimed_file_is_not_taken),
		TEST(test_lock_and_advice),
		TEST(test_a_mapping_outlives_its_name),
		TEST(test_idle_program_is_let_go),
		TEST(test_idle_file_without_a_name_is_let_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
