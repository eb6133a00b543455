/* test_server_sizes.c - a file is cut, or grows, under its mappings */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

static sigjmp_buf after_bus;

static void on_bus(int number)
{
	(void)number;
	siglongjmp(after_bus, 1);
}

static bool faults(const volatile unsigned char *at)
{
	if (sigsetjmp(after_bus, 1))
		return true;
	(void)*at;
	return false;
}

static void truncates(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct stat status;

	signal(SIGBUS, on_bus);
	at[at_page(30)] = 9;
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, at_page(20) + 100) ==
	       0);
	expect(!fstat(fd, &status));
	expect((size_t)status.st_size == at_page(20) + 100);
	expect(faults(at + at_page(30)));
	expect(!faults(at + at_page(20)));
	expect(at[at_page(20) + 99] == 21);
	expect(at[at_page(20) + 100] == 0);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, FILE_BYTES) == 0);
	expect(!faults(at + at_page(30)));
	expect(at[at_page(30)] == 0);
	expect(at[at_page(20) + 100] == 0);
	at[at_page(30)] = 10;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, at_page(30)) == 10);
}

static void test_truncate_under_a_mapping(void **state)
{
	(void)state;
	run(truncates);
}

/* Nobody can have stored to it: the kernel cuts, with a descriptor that may
 * only write. */
static void truncates_for_readers(struct user *user)
{
	int fd = open(user->world->file, O_RDONLY);
	int writer = open(user->world->file, O_WRONLY);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);

	signal(SIGBUS, on_bus);
	expect(at[at_page(30)] == 31);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, PAGE_SIZE) ==
	       -EINVAL);
	expect(file_request(user, REQUEST_TRUNCATE, writer, 0, PAGE_SIZE) == 0);
	expect(faults(at + at_page(30)));
	expect(at[0] == 1);
	expect(file_request(user, REQUEST_TRUNCATE, STDERR_FILENO, 0, 1) ==
	       -EAGAIN);
}

static void test_truncate_where_all_only_read(void **state)
{
	(void)state;
	run(truncates_for_readers);
}

/* Who asks has seen the file so long. */
static struct call size_call(int fd, uint64_t saw, uint64_t size)
{
	return (struct call){ .request = { .type = REQUEST_TRUNCATE,
					   .flags = TRUNCATE_SAW_SIZE,
					   .offset = saw,
					   .length = size },
			      .fd = fd,
			      .bytes = "" };
}

static long ask_for_size(struct user *user, int fd, uint64_t saw, uint64_t size)
{
	struct call call = size_call(fd, saw, size);

	return ask(user, &call);
}

/* Whoever saw a smaller file wanted it to grow, and it has; whoever saw this one
 * wants it cut. */
static void grows_too_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct stat status;

	expect(at[at_page(30)] == 31);
	expect(ask_for_size(user, fd, at_page(10), at_page(20)) == 0);
	expect(!fstat(fd, &status));
	expect((size_t)status.st_size == FILE_BYTES);
	expect(at[at_page(30)] == 31);
	expect(ask_for_size(user, fd, FILE_BYTES, at_page(20)) == 0);
	expect(!fstat(fd, &status));
	expect((size_t)status.st_size == at_page(20));
	expect(ask_for_size(user, fd, at_page(20), at_page(25)) == 0);
	expect(!fstat(fd, &status));
	expect((size_t)status.st_size == at_page(25));
}

static void test_growth_that_comes_too_late(void **state)
{
	(void)state;
	run(grows_too_late);
}

/* To a length between what is mapped and what the file has. */
static void cuts_beside_others(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct stat status;

	at[at_page(30)] = 9;
	expect(pwrite(fd, "x", 1, FILE_BYTES + 900) == 1);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, FILE_BYTES + 500) ==
	       0);
	expect(!fstat(fd, &status));
	expect((size_t)status.st_size == FILE_BYTES + 500);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, at_page(30)) == 9);
}

static void test_a_cut_of_what_others_made_longer(void **state)
{
	(void)state;
	run(cuts_beside_others);
}

static void dies_cutting(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	struct call call = size_call(fd, FILE_BYTES, PAGE_SIZE);

	user_map_fd(user, fd, FILE_BYTES, true, NULL);
	await_turn();
	expect(send_call(user->channel, &call));
}

static void test_a_dead_process_cuts_nothing(void **state)
{
	struct stat status;

	(void)state;
	run_client_that_dies(&world, dies_cutting);
	assert_int_equal(world_finish(&world), 0);
	assert_return_code(stat(world.file, &status), errno);
	assert_int_equal(status.st_size, FILE_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_truncate_under_a_mapping),
		TEST(test_truncate_where_all_only_read),
		TEST(test_growth_that_comes_too_late),
		TEST(test_a_cut_of_what_others_made_longer),
		TEST(test_a_dead_process_cuts_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
