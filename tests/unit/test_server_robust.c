/* test_server_robust.c - pages that clients have kept (KEEP) */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

#define MUCH ((size_t)2048) /* pages: more than the budget */
#define MANY (SERVER_ROBUST + 1)

/* 256 pages. */
static int setup_small(void **state)
{
	struct server_options options = { .keeper = -1 };

	(void)state;
	options.engine.budget = UINT64_C(1) << 20;
	world_begin_with(&world, &options);
	return 0;
}

static int keep(struct user *user, const void *address)
{
	return ask_simply(user,
			  (struct request){
				  .type = REQUEST_KEEP,
				  .address = (uint64_t)(uintptr_t)address,
			  },
			  -1);
}

/* Does the kernel have the page for this process, to be stored to?  As it asks
 * itself when it may not wait. */
static bool is_writable(const void *address)
{
	struct {
		uint64_t words[1];
	} entry;
	int fd = open("/proc/self/pagemap", O_RDONLY);
	off_t at = (off_t)((uintptr_t)address / PAGE_SIZE * 8);

	expect(fd >= 0);
	expect(pread(fd, &entry, 8, at) == 8);
	close(fd);
	/* bit 63: present; bit 57: write-protected by userfaultfd */
	return (entry.words[0] >> 63 & 1) && !(entry.words[0] >> 57 & 1);
}

static void stays_writable(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	at[at_page(3)] = 1;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(!is_writable(at + at_page(3)));
	expect(keep(user, at + at_page(3) + 100) == 0);
	at[at_page(3)] = 2;
	at[at_page(2)] = at[at_page(4)] = 2;
	for (int i = 3; i < 6; i++) {
		expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
		expect(byte_in_file(user->world->file, at_page(3)) == i - 1);
		expect(is_writable(at + at_page(3)));
		/* Its neighbours are protected as ever. */
		expect(!is_writable(at + at_page(2)));
		expect(!is_writable(at + at_page(4)));
		at[at_page(3)] = (unsigned char)i;
	}
}

static void test_a_kept_page_is_never_protected(void **state)
{
	(void)state;
	run(stays_writable);
	assert_int_equal(byte_in_file(world.file, at_page(3)), 5);
}

static int large_file(const struct user *user)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/other", user->world->directory);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	expect(fd >= 0);
	expect(!ftruncate(fd, (off_t)at_page(MUCH)));
	expect(!unlink(path));
	return fd;
}

/* Also while others wait for room: they get it. */
static void stays_in_memory(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR), *other;
	int fd = large_file(user);

	other = user_map_fd(user, fd, at_page(MUCH), true, NULL);
	expect(keep(user, at) == 0);
	at[0] = 7;
	for (size_t i = 0; i < MUCH; i++)
		other[at_page(i)] = (unsigned char)i;
	expect(is_writable(at));
	for (size_t i = 0; i < MUCH; i++)
		expect(other[at_page(i)] == (unsigned char)i);
	expect(is_writable(at));
	expect(at[0] == 7);
}

static void test_a_kept_page_does_not_leave(void **state)
{
	(void)state;
	run(stays_in_memory);
	assert_int_equal(byte_in_file(world.file, 0), 7);
}

static void unmaps(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	unsigned char *other = user_map_fd(user, fd, FILE_BYTES, true, NULL);

	expect(keep(user, at + at_page(3)) == 0);
	expect(keep(user, at + at_page(3)) == 0);
	expect(keep(user, other + at_page(3)) == 0);
	at[at_page(3)] = 9;
	other[at_page(3)] = 9;
	expect(!munmap(at, FILE_BYTES));
	expect(user_sync(user, other, FILE_BYTES, MS_SYNC) == 0);
	expect(is_writable(other + at_page(3)));
	expect(!munmap(other + at_page(3), PAGE_SIZE));
	/* Nobody pins it any more. */
	other = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	other[at_page(3)] = 10;
	expect(user_sync(user, other, FILE_BYTES, MS_SYNC) == 0);
	expect(!is_writable(other + at_page(3)));
	expect(byte_in_file(user->world->file, at_page(3)) == 10);
}

static void test_it_is_let_go_when_it_is_unmapped(void **state)
{
	(void)state;
	run(unmaps);
}

static void cuts(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	struct request request = { .type = REQUEST_TRUNCATE,
				   .length = at_page(2) };

	expect(keep(user, at + at_page(1)) == 0);
	expect(keep(user, at + at_page(3)) == 0);
	at[at_page(1)] = at[at_page(3)] = 9;
	/* Not -EBUSY, as under a pin of another kind. */
	expect(ask_simply(user, request, fd) == 0);
	request.length = FILE_BYTES;
	expect(ask_simply(user, request, fd) == 0);
	expect(at[at_page(1)] == 9 && at[at_page(3)] == 0);
	expect(is_writable(at + at_page(1)));
	/* And may be kept again. */
	expect(keep(user, at + at_page(3)) == 0);
	at[at_page(3)] = 11;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(is_writable(at + at_page(3)));
}

static void test_a_kept_page_can_be_cut_off(void **state)
{
	(void)state;
	run(cuts);
	assert_int_equal(byte_in_file(world.file, at_page(3)), 11);
}

static void dies(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	expect(keep(user, at + at_page(3)) == 0);
	at[at_page(3)] = 12;
	raise(SIGKILL);
}

static void stores_there(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	expect(at[at_page(3)] == 12);
	at[at_page(3)] = 13;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

static void test_a_dead_client_keeps_nothing(void **state)
{
	struct server_facts facts;
	pid_t child;

	(void)state;
	child = start_client(&world, dies, true, -1);
	assert_int_equal(waitpid(child, NULL, 0), child);
	do {
		server_facts(world.server, &facts);
	} while (facts.clients > 0);
	assert_int_equal(world.server->robust_count, 0);
	run(stores_there);
	assert_int_equal(byte_in_file(world.file, at_page(3)), 13);
}

static void asks_badly(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), other = large_file(user);
	unsigned char *own = user_map_fd(user, fd, FILE_BYTES, false, NULL);
	unsigned char *at = user_map_fd(user, other, at_page(MUCH), true, NULL);

	expect(keep(user, NULL) == -ENOMEM);
	expect(keep(user, (void *)~(uintptr_t)0) == -ENOMEM);
	expect(keep(user, own) == -EINVAL); /* private */
	expect(!ftruncate(other, (off_t)at_page(MUCH)));
	for (size_t i = 0; i < SERVER_ROBUST; i++)
		expect(keep(user, at + at_page(i)) == 0);
	expect(keep(user, at + at_page(MANY)) == -ENOSPC);
	expect(keep(user, at) == 0); /* is so already */
	expect(!munmap(at, PAGE_SIZE));
	expect(keep(user, at + at_page(MANY)) == 0);
}

static void test_what_is_refused(void **state)
{
	(void)state;
	run(asks_badly);
}

/* Of a small budget most is for others. */
static void keeps_too_much(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	size_t kept = 0;
	int error = 0;

	while (!error && kept < FILE_PAGES) {
		error = keep(user, at + at_page(kept));
		kept += !error;
	}
	expect(error == -ENOSPC);
	for (size_t i = 0; i < FILE_PAGES; i++)
		at[at_page(i)] = 14;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

static void test_not_all_of_the_budget_is_kept(void **state)
{
	(void)state;
	run(keeps_too_much);
	assert_int_equal(byte_in_file(world.file, at_page(63)), 14);
}

#define SMALL(name) cmocka_unit_test_setup_teardown(name, setup_small, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_kept_page_is_never_protected),
		SMALL(test_a_kept_page_does_not_leave),
		TEST(test_it_is_let_go_when_it_is_unmapped),
		TEST(test_a_kept_page_can_be_cut_off),
		TEST(test_a_dead_client_keeps_nothing),
		TEST(test_what_is_refused),
		SMALL(test_not_all_of_the_budget_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
