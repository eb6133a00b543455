/* test_server_writes.c - writes by descriptor that end as nobody expects */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

#define FAR ((off_t)80 << 30) /* more than a file may grow by */

/* ---- whose channel has gone ---- */

static void hangs_up(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), first = user->channel;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[0] = 100;
	user->channel = add_channel(user);
	id = write_begin(user, fd, 0, 0);
	expect(pwrite(fd, "B", 1, 1) == 1);
	close(user->channel);
	user->channel = first;
	/* Waits for a write that is under way. */
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(at[0] == 100 && at[1] == 'B');
	expect(write_end(user, id, 0, 1, 0) == -EINVAL);
}

static void test_a_write_ends_with_its_channel(void **state)
{
	(void)state;
	run(hangs_up);
	assert_int_equal(byte_in_file(world.file, 0), 100);
	assert_int_equal(byte_in_file(world.file, 1), 'B');
}

/* In the page of a write that nobody ends another one is ended, and some of its
 * bytes are stored to; so are some of what was written and not ended. */
static void stores_after_writes(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), first = user->channel;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[0] = 100; /* dirty */
	user->channel = add_channel(user);
	write_begin(user, fd, 10, 4);
	expect(pwrite(fd, "ABCD", 4, 10) == 4);
	id = write_begin(user, fd, 20, 4);
	expect(pwrite(fd, "EFGH", 4, 20) == 4);
	expect(write_end(user, id, 20, 4, 0) == 0);
	at[21] = 101;
	at[11] = 102;
	close(user->channel);
	user->channel = first;
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(at[0] == 100 && at[20] == 'E' && at[21] == 101);
	expect(at[10] == 'A' && at[11] == 102 && at[12] == 'C');
}

static void test_no_store_is_lost_to_a_write_without_an_end(void **state)
{
	(void)state;
	run(stores_after_writes);
	assert_int_equal(byte_in_file(world.file, 11), 102);
	assert_int_equal(byte_in_file(world.file, 13), 'D');
	assert_int_equal(byte_in_file(world.file, 21), 101);
}

/* The same, where a byte is what it was when the first one began: it was written
 * to and stored to since, and that is known. */
static void stores_the_same(struct user *user, size_t offset, size_t length)
{
	int fd = open(user->world->file, O_RDWR), first = user->channel;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	at[20] = 100; /* dirty */
	user->channel = add_channel(user);
	write_begin(user, fd, offset, length);
	expect(pwrite(fd, "ABCD", 4, 10) == 4);
	id = write_begin(user, fd, 20, 1);
	expect(pwrite(fd, "E", 1, 20) == 1);
	expect(write_end(user, id, 20, 1, 0) == 0);
	expect(at[20] == 'E');
	at[20] = 100;
	close(user->channel);
	user->channel = first;
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(at[10] == 'A' && at[13] == 'D');
	expect(at[20] == 100);
}

static void stores_beside_the_known(struct user *user)
{
	stores_the_same(user, 10, 4);
}

static void stores_in_what_may_be_written(struct user *user)
{
	stores_the_same(user, 0, 0);
}

/* What is written is what memory has already (e is 101); and the page was clean
 * when the first write began. */
static void stores_what_is_written(struct user *user)
{
	int fd = open(user->world->file, O_RDWR), first = user->channel;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	expect(at[20] == 1);
	user->channel = add_channel(user);
	write_begin(user, fd, 0, 0);
	expect(pwrite(fd, "ABCD", 4, 10) == 4);
	at[20] = 101;
	id = write_begin(user, fd, 20, 1);
	expect(pwrite(fd, "e", 1, 20) == 1);
	expect(write_end(user, id, 20, 1, 0) == 0);
	expect(at[20] == 'e');
	at[20] = 1;
	close(user->channel);
	user->channel = first;
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(at[10] == 'A' && at[13] == 'D');
	expect(at[20] == 1);
}

static void test_what_was_written_is_stored(void **state)
{
	(void)state;
	run(stores_what_is_written);
	assert_int_equal(byte_in_file(world.file, 20), 1);
}

static void test_the_same_is_stored_again(void **state)
{
	(void)state;
	run(stores_beside_the_known);
	assert_int_equal(byte_in_file(world.file, 20), 100);
}

static void test_the_same_is_stored_where_it_may_be_written(void **state)
{
	(void)state;
	run(stores_in_what_may_be_written);
	assert_int_equal(byte_in_file(world.file, 20), 100);
}

/* Begun where nothing is dirty; one alone, then two beside each other, of which
 * the second is stored beside. */
static void writes_where_all_is_clean(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	int writer = open(user->world->file, O_WRONLY);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t first, second;

	expect(at[10] == byte_in_file(user->world->file, 10));
	first = write_begin(user, fd, 10, 4);
	expect(pwrite(fd, "abcd", 4, 10) == 4);
	expect(write_end(user, first, 10, 4, 0) == 0);
	expect(!memcmp(at + 10, "abcd", 4));
	/* Over the border of a page that is in memory, and one that is not. */
	first = write_begin(user, fd, PAGE_SIZE - 2, 4);
	expect(pwrite(fd, "wxyz", 4, PAGE_SIZE - 2) == 4);
	expect(write_end(user, first, PAGE_SIZE - 2, 4, 0) == 0);
	expect(!memcmp(at + PAGE_SIZE - 2, "wxyz", 4));
	/* By a descriptor that may only write. */
	first = write_begin(user, writer, 30, 4);
	expect(pwrite(writer, "efgh", 4, 30) == 4);
	expect(write_end(user, first, 30, 4, 0) == 0);
	expect(!memcmp(at + 30, "efgh", 4));

	first = write_begin(user, fd, 10, 4);
	second = write_begin(user, fd, 20, 4);
	expect(pwrite(fd, "ABCD", 4, 10) == 4);
	expect(write_end(user, first, 10, 4, 0) == 0);
	expect(at[10] == 'A' && at[13] == 'D');
	at[21] = 101;
	at[10] = 102;
	expect(pwrite(fd, "EFGH", 4, 20) == 4);
	expect(write_end(user, second, 20, 4, 0) == 0);
	expect(at[20] == 'E' && at[21] == 101 && at[22] == 'G');
	expect(at[10] == 102 && at[11] == 'B');
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
}

static void test_writes_where_all_is_clean(void **state)
{
	(void)state;
	run(writes_where_all_is_clean);
	assert_int_equal(byte_in_file(world.file, 10), 102);
	assert_int_equal(byte_in_file(world.file, 11), 'B');
	assert_int_equal(byte_in_file(world.file, 20), 'E');
	assert_int_equal(byte_in_file(world.file, 21), 101);
}

/* An end that is heard late: what was stored since stays, all else is written;
 * also where the file has had just these bytes, and memory newer ones. */
static void ends_late(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;
	char had;

	expect(pread(fd, &had, 1, 12) == 1);
	at[12] = (unsigned char)(had + 1);
	id = write_begin(user, fd, 10, 4);
	expect(pwrite(fd, "AB", 2, 10) == 2 && pwrite(fd, &had, 1, 12) == 1);
	expect(pwrite(fd, "D", 1, 13) == 1);
	at[11] = 102;
	expect(write_end(user, id, 10, 4, 0) == 0);
	expect(at[10] == 'A' && at[11] == 102 && at[12] == had);
	expect(at[13] == 'D');
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
}

static void test_an_end_that_is_heard_late(void **state)
{
	(void)state;
	run(ends_late);
	assert_int_equal(byte_in_file(world.file, 10), 'A');
	assert_int_equal(byte_in_file(world.file, 11), 102);
	assert_int_equal(byte_in_file(world.file, 12), 1);
}

/* A whole page that was not in memory: what was stored to it after its new
 * bytes were seen is newer than they are, whenever the end is heard. */
static void is_seen_first(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	unsigned char *page = at + at_page(9), bytes[2 * PAGE_SIZE];
	uint64_t id;

	memset(bytes, 'W', sizeof(bytes));
	expect(at[at_page(10)] == 11);
	id = write_begin(user, fd, at_page(9), sizeof(bytes));
	at[at_page(10) + 5] = 'O';
	expect(pwrite(fd, bytes, sizeof(bytes), (off_t)at_page(9)) ==
	       sizeof(bytes));
	expect(page[0] == 'W');
	page[5] = 'S';
	expect(write_end(user, id, at_page(9), sizeof(bytes), 0) == 0);
	expect(page[4] == 'W' && page[5] == 'S' && page[6] == 'W');
	expect(at[at_page(10)] == 'W' && at[at_page(10) + 4] == 'W');
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

static void test_a_store_to_what_was_just_written(void **state)
{
	(void)state;
	run(is_seen_first);
	assert_int_equal(byte_in_file(world.file, at_page(9) + 5), 'S');
	assert_int_equal(byte_in_file(world.file, at_page(10) + 6), 'W');
}

/* Begun over one, ended over the other, which lasts. */
static void changes_channels(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	int first = user->channel, second = add_channel(user);
	uint64_t id;

	expect(at[0] == 1);
	id = write_begin(user, fd, 0, 1);
	expect(pwrite(fd, "C", 1, 0) == 1);
	user->channel = second;
	expect(write_end(user, id, 0, 1, 0) == 0);
	expect(at[0] == 'C');
	id = write_begin(user, fd, 0, 1);
	user->channel = first;
	expect(write_end(user, id, 0, 0, 0) == 0);
	user->channel = second;
	expect(write_end(user, id, 0, 0, 0) == -EINVAL);
}

static void test_a_write_is_ended_by_another_channel(void **state)
{
	(void)state;
	run(changes_channels);
}

/* ---- of an earlier server ---- */

static struct server_file *take_file(void)
{
	int fd = open(world.file, O_RDWR | O_CLOEXEC);
	struct file_access access;
	struct server_file *file;

	assert_int_equal(file_access(fd, &access), 0);
	assert_int_equal(file_take(world.server, fd, &access, &file), 0);
	close(fd);
	return file;
}

static unsigned changes_of(struct server_file *file)
{
	unsigned changes;

	lock_take(&world.server->lock);
	changes = file->changing;
	lock_drop(&world.server->lock);
	return changes;
}

/* In memory; 0: it is stored to. */
static unsigned char touch(struct server_file *file, size_t offset,
			   unsigned char byte)
{
	struct object *object = file_object(file);

	if (byte)
		assert_int_equal(object_copy_in(object, &byte, 1, offset), 1);
	assert_int_equal(object_copy_out(object, &byte, 1, offset), 1);
	return byte;
}

/* It is a change from here until it has ended; what was stored since it goes on
 * stays. */
static void test_a_write_that_goes_on(void **state)
{
	struct client client = { .server = world.server };
	struct server_write begun = { .server = world.server,
				      .offset = 10,
				      .length = 4 };
	struct server_file *file = begun.file = take_file();
	struct job job = { .request = { .offset = 10, .length = 4 } };
	int fd = open(world.file, O_WRONLY | O_CLOEXEC);

	(void)state;
	list_init(&client.writes);
	assert_int_equal(ledger_add_write(world.server, &begun, 1), 0);
	touch(file, 9, 'M');
	job.write = write_restore(&client, file, begun.place);
	assert_non_null(job.write);
	assert_int_equal(changes_of(file), 1);
	touch(file, 11, 'S');
	assert_int_equal(pwrite(fd, "ABCD", 4, 10), 4);
	assert_int_equal(write_end_run(&job), 0);
	assert_int_equal(changes_of(file), 0);
	assert_int_equal(touch(file, 9, 0), 'M');
	assert_int_equal(touch(file, 10, 0), 'A');
	assert_int_equal(touch(file, 11, 0), 'S');
	assert_int_equal(touch(file, 12, 0), 'C');
	file_release(world.server, file);
	close(fd);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(byte_in_file(world.file, 11), 'S');
}

/* ---- where it went is not known ---- */

static void is_not_sure(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	uint64_t id;

	expect(at[at_page(9)] == 10 && at[at_page(20)] == 21);
	at[at_page(20)] = 200;
	expect(pwrite(fd, "U", 1, (off_t)at_page(9)) == 1);
	expect(pwrite(fd, "V", 1, (off_t)at_page(20) + 1) == 1);
	expect(at[at_page(9)] == 10);
	id = write_begin(user, fd, 0, 0);
	expect(write_end(user, id, at_page(20) + 1, 1, WRITE_UNSURE) == 0);
	expect(at[at_page(9)] == 'U');
	expect(at[at_page(20)] == 200 && at[at_page(20) + 1] == 'V');
}

static void test_a_write_whose_place_is_not_sure(void **state)
{
	(void)state;
	run(is_not_sure);
	assert_int_equal(byte_in_file(world.file, at_page(20)), 200);
}

/* ---- further than it may grow ---- */

static int map_at(struct user *user, uint64_t id, off_t offset)
{
	struct request request = {
		.type = REQUEST_MAPPED,
		.id = id,
		.address = UINT64_C(1) << 40,
		.length = PAGE_SIZE,
		.offset = (uint64_t)offset,
		.flags = MAPPED_SHARED | MAPPED_WRITABLE,
	};

	return ask_simply(user, request, -1);
}

static off_t size_of(int fd)
{
	struct stat status;

	expect(!fstat(fd, &status));
	return status.st_size;
}

static void grows_too_far(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	uint64_t number, id;
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, &number);

	at[0] = 100;
	id = write_begin(user, fd, (size_t)FAR, 3);
	expect(pwrite(fd, "far", 3, FAR) == 3);
	expect(write_end(user, id, (size_t)FAR, 3, 0) == 0);
	expect(map_at(user, number, FAR) == -ENOMEM);
	expect(map_at(user, number, (off_t)FILE_BYTES) == 0);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, (size_t)FAR * 2) ==
	       0);
	expect(size_of(fd) == 2 * FAR && at[0] == 100);
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, FILE_BYTES) == 0);
	expect(size_of(fd) == (off_t)FILE_BYTES);
	/* It is as it was. */
	expect(map_at(user, number, FAR) == 0);
	expect(at[0] == 100 && at[at_page(1)] == 2);
}

static void test_a_file_that_grows_too_far(void **state)
{
	(void)state;
	run(grows_too_far);
	assert_int_equal(byte_in_file(world.file, 0), 100);
}

static int open_far(struct user *user, int fd, uint64_t *number)
{
	struct call call = { .request = { .type = REQUEST_OPEN,
					  .offset = (uint64_t)FAR,
					  .length = PAGE_SIZE },
			     .fd = fd,
			     .bytes = "" };

	expect(ask(user, &call) == 0);
	*number = call.reply.id;
	return call.fds[0];
}

/* Who said at once how far it will be mapped has room for it. */
static void reaches_far(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	uint64_t number, id;
	int memory = open_far(user, fd, &number);
	unsigned char *at;

	id = write_begin(user, fd, (size_t)FAR, 3);
	expect(pwrite(fd, "far", 3, FAR) == 3);
	expect(write_end(user, id, (size_t)FAR, 3, 0) == 0);
	at = mmap(NULL, PAGE_SIZE, PROT_NONE, MAP_SHARED, memory, FAR);
	expect(at != MAP_FAILED);
	user_register(user, at, PAGE_SIZE, true);
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_MAPPED,
					    .id = number,
					    .address = (uintptr_t)at,
					    .length = PAGE_SIZE,
					    .offset = (uint64_t)FAR,
					    .flags = MAPPED_SHARED },
			  -1) == 0);
	expect(!mprotect(at, PAGE_SIZE, PROT_READ));
	expect(!memcmp(at, "far", 3));
	expect(!munmap(at, PAGE_SIZE));
	expect(file_request(user, REQUEST_TRUNCATE, fd, 0, FILE_BYTES) == 0);
}

static void test_a_file_that_was_to_grow_far(void **state)
{
	(void)state;
	run(reaches_far);
}

#define PATIENT(name) \
	cmocka_unit_test_setup_teardown(name, setup_patient, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATIENT(test_a_write_ends_with_its_channel),
		PATIENT(test_no_store_is_lost_to_a_write_without_an_end),
		PATIENT(test_what_was_written_is_stored),
		PATIENT(test_the_same_is_stored_again),
		PATIENT(test_the_same_is_stored_where_it_may_be_written),
		PATIENT(test_writes_where_all_is_clean),
		PATIENT(test_an_end_that_is_heard_late),
		PATIENT(test_a_store_to_what_was_just_written),
		PATIENT(test_a_write_is_ended_by_another_channel),
		PATIENT(test_a_write_that_goes_on),
		PATIENT(test_a_write_whose_place_is_not_sure),
		PATIENT(test_a_file_that_grows_too_far),
		PATIENT(test_a_file_that_was_to_grow_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
