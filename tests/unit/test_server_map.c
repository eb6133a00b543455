/* test_server_map.c - real processes map through a server */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

/* ---- load, store, msync ---- */

static void load_store_sync(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	for (unsigned i = 0; i < FILE_PAGES; i++)
		expect(at[at_page(i) + 7] == i + 1);
	at[3 * PAGE_SIZE] = 200;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 3 * PAGE_SIZE) == 200);
	at[4 * PAGE_SIZE] = 201;
}

static void test_map_load_store_sync(void **state)
{
	(void)state;
	run_client(&world, load_store_sync);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 3 * PAGE_SIZE), 200);
	assert_int_equal(byte_in_file(world.file, 4 * PAGE_SIZE), 201);
	assert_int_equal(byte_in_file(world.file, 5 * PAGE_SIZE), 6);
}

/* ---- several ---- */

static int turn[2]; /* a socketpair between two clients */

static void wait_turn(int end)
{
	char byte;

	expect(read(end, &byte, 1) == 1);
}

static void give_turn(int end)
{
	expect(write(end, "x", 1) == 1);
}

static void first_of_two(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	at[100] = 150;
	give_turn(turn[0]);
	wait_turn(turn[0]);
	expect(at[PAGE_SIZE + 100] == 151);
}

static void second_of_two(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	wait_turn(turn[1]);
	expect(at[100] == 150);
	at[PAGE_SIZE + 100] = 151;
	give_turn(turn[1]);
}

static void test_two_clients_see_each_other(void **state)
{
	pid_t one, two;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, turn), errno);
	one = start_client(&world, first_of_two, true, turn[0]);
	two = start_client(&world, second_of_two, true, turn[1]);
	assert_succeeds(one);
	assert_succeeds(two);
	close(turn[0]);
	close(turn[1]);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 100), 150);
	assert_int_equal(byte_in_file(world.file, PAGE_SIZE + 100), 151);
}

/* ---- rights ---- */

static void reads_only(struct user *user)
{
	int fd = open(user->world->file, O_RDONLY);
	static struct call call;
	unsigned char *at;

	expect(user_open(user, fd, &call) == 0);
	expect(call.reply.flags & REPLY_READ_ONLY);
	expect((fcntl(call.fds[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
	expect(mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
		    call.fds[0], 0) == MAP_FAILED);
	expect(ftruncate(call.fds[0], 0) == -1);
	at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	for (unsigned i = 0; i < FILE_PAGES; i++)
		expect(at[at_page(i)] == i + 1);
}

static void test_reader_gets_no_more_than_it_has(void **state)
{
	(void)state;
	run_client(&world, reads_only);
	assert_int_equal(world_finish(&world), 0);
}

static void table_is_sealed(struct user *user)
{
	struct stat status;
	struct taken_entry *entry;
	unsigned char *at = user_map(user, O_RDWR);

	expect(atomic_load(&user->taken->count) == 1);
	expect(!stat(user->world->file, &status));
	entry = taken_find(user->taken, status.st_dev, status.st_ino);
	expect(entry && atomic_load(&entry->state) == TAKEN_USED);
	expect(atomic_load(&entry->dirty) == 0);
	at[0] = 9;
	expect(atomic_load(&entry->dirty) == 1);
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(atomic_load(&entry->dirty) == 0);
	expect(mprotect(user->taken, PAGE_SIZE, PROT_READ | PROT_WRITE) == -1);
}

static void test_taken_table_shows_the_file(void **state)
{
	(void)state;
	run_client(&world, table_is_sealed);
	assert_int_equal(world_finish(&world), 0);
}

/* ---- private ---- */

static void stores_privately(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, false, NULL);

	at[0] = 77;
	expect(at[0] == 77 && at[1] == 1);
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 1);
}

static void test_private_stores_stay_private(void **state)
{
	(void)state;
	run_client(&world, stores_privately);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 0), 1);
}

/* ---- layout events ---- */

static void unmaps(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR), *again;

	at[10 * PAGE_SIZE] = 110;
	at[20 * PAGE_SIZE] = 120;
	expect(!munmap(at + 8 * PAGE_SIZE, 4 * PAGE_SIZE));
	/* -ENOMEM: a hole, of which the server knows. */
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == -ENOMEM);
	expect(at[20 * PAGE_SIZE] == 120);
	again = user_map(user, O_RDWR);
	expect(again[10 * PAGE_SIZE] == 110);
	expect(!munmap(at, 8 * PAGE_SIZE));
	expect(!munmap(at + 12 * PAGE_SIZE, FILE_BYTES - 12 * PAGE_SIZE));
	expect(again[20 * PAGE_SIZE] == 120);
}

static void test_unmapped_parts_are_forgotten(void **state)
{
	(void)state;
	run_client(&world, unmaps);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 10 * PAGE_SIZE), 110);
	assert_int_equal(byte_in_file(world.file, 20 * PAGE_SIZE), 120);
}

static void moves(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	unsigned char *place = mmap(NULL, FILE_BYTES, PROT_NONE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				    -1, 0);
	unsigned char *moved;

	at[0] = 50;
	moved = mremap(at, FILE_BYTES, FILE_BYTES,
		       MREMAP_MAYMOVE | MREMAP_FIXED, place);
	expect(moved == place);
	expect(moved[0] == 50);
	/* Written, so write-protected; then stored to at the new place. */
	expect(user_sync(user, moved, FILE_BYTES, MS_SYNC) == 0);
	moved[0] = 51;
	moved[9 * PAGE_SIZE] = 52;
	expect(user_sync(user, moved, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 51);
	expect(byte_in_file(user->world->file, 9 * PAGE_SIZE) == 52);
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == -ENOMEM);
}

static void test_moved_mappings_are_followed(void **state)
{
	(void)state;
	run_client(&world, moves);
	assert_int_equal(world_finish(&world), 0);
}

static void grows_in_place(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	uint64_t id;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES / 2, true, &id);
	unsigned char *more;

	at[0] = 90;
	more = mremap(at, FILE_BYTES / 2, FILE_BYTES, MREMAP_MAYMOVE);
	expect(more != MAP_FAILED);
	expect(user_mapped(user, id, more, FILE_BYTES,
			   MAPPED_SHARED | MAPPED_WRITABLE) == 0);
	more[FILE_BYTES - 1] = 91;
	expect(user_sync(user, more, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 90);
	expect(byte_in_file(user->world->file, FILE_BYTES - 1) == 91);
}

static void test_grown_mapping_is_mapped_again(void **state)
{
	(void)state;
	run_client(&world, grows_in_place);
	assert_int_equal(world_finish(&world), 0);
}

/* Mapped and registered, and the server was never told. */
static void maps_unseen(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	static struct call call;
	unsigned char *at;

	expect(user_open(user, fd, &call) == 0);
	at = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		  call.fds[0], 0);
	expect(at != MAP_FAILED);
	user_register(user, at, FILE_BYTES, true);
	expect(at[5 * PAGE_SIZE] == 6);
	at[6 * PAGE_SIZE] = 99;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 6 * PAGE_SIZE) == 99);
}

static void test_unknown_mapping_is_found_out(void **state)
{
	(void)state;
	run_client(&world, maps_unseen);
	assert_int_equal(world_finish(&world), 0);
}

/* While it is the only one to have no memory, and gives the process its name. */
static void await_end_of_first(void)
{
	int first = 0;

	while (first != EOF) {
		FILE *maps = fopen("/proc/self/maps", "re");

		expect(maps);
		first = getc(maps);
		fclose(maps);
		sched_yield();
	}
}

static void *maps_alone(void *user)
{
	await_end_of_first();
	maps_unseen(user);
	_exit(0);
}

static void ends_its_first_thread(struct user *user)
{
	pthread_t thread;

	expect(!pthread_create(&thread, NULL, maps_alone, user));
	syscall(SYS_exit, 1);
}

static void test_unknown_mapping_of_another_thread(void **state)
{
	(void)state;
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
	/* The one ends whoever starts a thread after fork(), in the other he may
	 * wait for a lock that a thread of the parent had. */
	assert_int_equal(world_finish(&world), 0);
	skip();
#endif
	run_client(&world, ends_its_first_thread);
	assert_int_equal(world_finish(&world), 0);
}

/* ---- death ---- */

static void stores_and_dies(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	for (unsigned i = 0; i < FILE_PAGES; i++)
		at[at_page(i) + 1] = (unsigned char)(100 + i);
	raise(SIGKILL);
}

static void test_killed_client_loses_nothing(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = start_client(&world, stores_and_dies, true, -1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(world_finish(&world), 0);
	for (unsigned i = 0; i < FILE_PAGES; i++)
		assert_int_equal(byte_in_file(world.file, at_page(i) + 1),
				 100 + i);
}

static void stores_and_executes(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	at[0] = 61;
	execl("/bin/true", "true", (char *)NULL);
	expect(false);
}

static void test_client_that_executes_another_program(void **state)
{
	(void)state;
	run_client(&world, stores_and_executes);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 0), 61);
}

static void hangs_mapped(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	at[0] = 62;
	give_turn(turn[1]);
	pause();
}

/* Never silent zeros: who is served no more is killed. */
static void test_finish_ends_clients_that_are_left(void **state)
{
	pid_t child;
	int status;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, turn), errno);
	child = start_client(&world, hangs_mapped, true, turn[1]);
	wait_turn(turn[0]);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	assert_int_equal(byte_in_file(world.file, 0), 62);
	close(turn[0]);
	close(turn[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_map_load_store_sync),
		TEST(test_two_clients_see_each_other),
		TEST(test_reader_gets_no_more_than_it_has),
		TEST(test_taken_table_shows_the_file),
		TEST(test_private_stores_stay_private),
		TEST(test_unmapped_parts_are_forgotten),
		TEST(test_moved_mappings_are_followed),
		TEST(test_grown_mapping_is_mapped_again),
		TEST(test_unknown_mapping_is_found_out),
		TEST(test_unknown_mapping_of_another_thread),
		TEST(test_killed_client_loses_nothing),
		TEST(test_client_that_executes_another_program),
		TEST(test_finish_ends_clients_that_are_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
