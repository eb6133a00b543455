/* test_server_standing.c - writes by descriptor that are begun by a word */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"
#include "standing_world.h"

#include <sys/resource.h>

/* ---- one after the other ---- */

static void writes_on(struct user *user)
{
	struct standing one = begin_standing(user);
	uint64_t before;

	must_stand(&one);
	for (char byte = 'b'; byte < 'g'; byte++) {
		before = one.id;
		write_by_word(&one, at_page(3) + 7, byte);
		expect(end_standing(&one, at_page(3) + 7, 1, 0) == 0);
		expect(one.at[at_page(3) + 7] == byte && one.stands);
		expect(word_of(&one) == STANDING_IDLE);
		/* Sent again it has been done. */
		expect(write_end(user, before, at_page(3) + 7, 1, 0) ==
		       -EINVAL);
	}
	/* Over two pages, and not all of it as it was to be. */
	expect(take_word(&one, at_page(9) - 2, 4));
	expect(pwrite(one.fd, "wxy", 3, (off_t)at_page(9) - 2) == 3);
	expect(end_standing(&one, at_page(9) - 2, 3, 0) == 0);
	expect(!memcmp(one.at + at_page(9) - 2, "wxy\n", 3));
	expect(one.at[at_page(9) + 1] == 10);
	/* The last one: nothing was written, and it stands no more. */
	expect(take_word(&one, 0, 1));
	expect(write_end(user, one.id, 0, 0, 0) == 0);
	expect(word_of(&one) == STANDING_NONE);
	must_stand(&one);
}

static void test_one_write_after_the_other(void **state)
{
	(void)state;
	run(writes_on);
	assert_int_equal(byte_in_file(world.file, at_page(3) + 7), 'f');
}

/* Two of one file, and each sees the other's. */
static void stands_twice(struct user *user)
{
	struct standing one = begin_standing(user), other;

	must_stand(&one);
	other = one;
	stand(&other, 6, 'b'); /* its place is taken */
	expect(!other.stands);
	other.place = STANDING_WORDS;
	stand(&other, 6, 'b'); /* there is no such place */
	expect(!other.stands);
	other.place = STANDING_WORDS - 1;
	stand(&other, 6, 'b');
	expect(other.stands);
	write_by_word(&one, at_page(4), 'c');
	write_by_word(&other, at_page(4) + 1, 'd');
	expect(end_standing(&one, at_page(4), 1, 0) == 0 && one.stands);
	expect(end_standing(&other, at_page(4) + 1, 1, 0) == 0);
	expect(other.stands);
	expect(one.at[at_page(4)] == 'c' && one.at[at_page(4) + 1] == 'd');
}

static void test_two_of_one_file(void **state)
{
	(void)state;
	run(stands_twice);
}

/* ---- beside stores ---- */

static void stores_beside_none(struct user *user)
{
	struct standing one = begin_standing(user);
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .length = 1 },
			     .bytes = "" };

	must_stand(&one);
	one.at[0] = 100;
	expect(word_of(&one) == STANDING_NONE);
	expect(!take_word(&one, 0, 1));
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 100);
	/* With the next one the server hears that it is over. */
	call.fd = one.fd;
	call.request.address = one.id;
	expect(ask(user, &call) == 0);
	expect(write_end(user, one.id, 0, 1, 0) == -EINVAL);
	one.at[1] = 101;
	put(&one, 0, 'b');
	one.id = call.reply.id;
	expect(end_standing(&one, 0, 1, 0) == 0);
	expect(!one.stands); /* something is dirty */
	expect(one.at[0] == 'b' && one.at[1] == 101);
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
	must_stand(&one);
}

static void test_a_store_makes_it_a_write_as_any(void **state)
{
	(void)state;
	run(stores_beside_none);
	assert_int_equal(byte_in_file(world.file, 0), 'b');
	assert_int_equal(byte_in_file(world.file, 1), 101);
}

/* To what was just written, and seen, before the server hears of it; and
 * beside it. */
static void stores_beside_one(struct user *user)
{
	struct standing one = begin_standing(user);
	unsigned char *page = one.at + at_page(9), bytes[PAGE_SIZE];

	must_stand(&one);
	memset(bytes, 'W', sizeof(bytes));
	expect(one.at[at_page(10)] == 11);
	expect(take_word(&one, at_page(9), at_page(1) + 2));
	expect(pwrite(one.fd, bytes, PAGE_SIZE, (off_t)at_page(9)) ==
	       PAGE_SIZE);
	put(&one, at_page(10), 'W');
	put(&one, at_page(10) + 1, 'W');
	expect(page[0] == 'W');
	page[5] = 'S';
	one.at[at_page(10) + 1] = 'T';
	one.at[at_page(10) + 2] = 'U';
	expect(end_standing(&one, at_page(9), at_page(1) + 2, 0) == 0);
	expect(!one.stands && word_of(&one) == STANDING_NONE);
	expect(page[4] == 'W' && page[5] == 'S' && page[6] == 'W');
	expect(one.at[at_page(10)] == 'W');
	expect(one.at[at_page(10) + 1] == 'T');
	expect(one.at[at_page(10) + 2] == 'U');
	expect(user_sync(user, one.at, FILE_BYTES, MS_SYNC) == 0);
}

static void test_stores_beside_what_is_written(void **state)
{
	(void)state;
	run(stores_beside_one);
	assert_int_equal(byte_in_file(world.file, at_page(9) + 5), 'S');
	assert_int_equal(byte_in_file(world.file, at_page(9) + 6), 'W');
	assert_int_equal(byte_in_file(world.file, at_page(10) + 1), 'T');
}

/* Its word is free from the BEGIN on by which the server hears of it. */
static void gives_up(struct user *user)
{
	struct standing one = begin_standing(user);
	struct call call = { .request = { .type = REQUEST_WRITE_BEGIN,
					  .offset = 1,
					  .length = 1 },
			     .bytes = "" };

	must_stand(&one);
	/* Nothing is dirty: only so does the server hear of it. */
	atomic_store(&one.words->word[0], STANDING_NONE);
	call.fd = one.fd;
	call.request.address = one.id;
	expect(ask(user, &call) == 0);
	expect(write_end(user, one.id, 0, 1, 0) == -EINVAL);
	put(&one, 1, 'b');
	one.id = call.reply.id;
	expect(end_standing(&one, 1, 1, 0) == 0);
	expect(one.stands && one.at[1] == 'b');
	write_by_word(&one, 2, 'c');
	expect(end_standing(&one, 2, 1, 0) == 0);
	expect(one.stands && one.at[2] == 'c');
}

static void test_one_that_is_given_up(void **state)
{
	(void)state;
	run(gives_up);
}

/* ---- nobody says END ---- */

/* The channel that began it is closed while its client writes. */
static void hangs_up(struct user *user)
{
	struct standing one = begin_standing(user);
	int first = user->channel;

	user->channel = add_channel(user);
	must_stand(&one);
	write_by_word(&one, 1, 'B');
	close(user->channel);
	user->channel = first;
	for (unsigned i = 0; i < 3; i++) /* it has been seen by then */
		expect(user_sync(user, one.at + at_page(5), PAGE_SIZE,
				 MS_SYNC) == 0);
	expect(word_of(&one) != STANDING_NONE);
	expect(end_standing(&one, 1, 1, 0) == 0);
	expect(one.at[1] == 'B');
	one.at[0] = 100;
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
}

static void test_it_outlasts_its_channel(void **state)
{
	(void)state;
	run(hangs_up);
	assert_int_equal(byte_in_file(world.file, 0), 100);
	assert_int_equal(byte_in_file(world.file, 1), 'B');
}

static void dies(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	expect(one.at[1] == 1);
	write_by_word(&one, 1, 'B');
	raise(SIGKILL);
}

static void lives_on(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	int status;
	pid_t child = fork();

	if (child == 0) {
		struct user other;

		user_begin(&other, user->world);
		dies(&other);
	}
	expect(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
	at[0] = 100;
	expect(user_sync(user, at, PAGE_SIZE, MS_SYNC) == 0);
	expect(at[0] == 100 && at[1] == 'B');
}

static void test_a_client_that_dies(void **state)
{
	(void)state;
	run(lives_on);
	assert_int_equal(byte_in_file(world.file, 1), 'B');
}

/* Its client is stopped: others wait for a moment only. */
static void is_overtaken(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	write_by_word(&one, 1, 'B');
	one.at[0] = 100;
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
	expect(word_of(&one) == STANDING_NONE);
	expect(one.at[1] == 'B');
	put(&one, 1, 'C');
	one.at[0] = 101;
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
	/* It went home over what was written. */
	expect(end_standing(&one, 1, 1, WRITE_REPEATS) == -ESTALE);
	expect(!one.stands);
	expect(one.at[0] == 101 && one.at[1] == 'B');
}

static void test_one_that_is_overtaken(void **state)
{
	(void)state;
	run(is_overtaken);
	assert_int_equal(byte_in_file(world.file, 1), 'B');
}

/* ---- whose change it was ---- */

static uint64_t changed_ns(int fd)
{
	struct stat status;

	expect(!fstat(fd, &status));
	return (uint64_t)status.st_ctim.tv_sec * 1000000000 +
	       (uint64_t)status.st_ctim.tv_nsec;
}

/* As seen by the file's time, however coarse its clock is. */
static void put_later(struct standing *standing, size_t offset, char byte)
{
	standing->changed_ns = changed_ns(standing->fd);
	do
		put(standing, offset, byte);
	while (changed_ns(standing->fd) == standing->changed_ns);
}

static void touch_all(const volatile unsigned char *at)
{
	for (size_t i = 0; i < FILE_PAGES; i++)
		(void)at[at_page(i)];
}

static void writes_alone(struct user *user)
{
	struct standing one = begin_standing(user);

	touch_all(one.at);
	must_stand(&one);
	for (int i = 0; i < 3; i++) {
		expect(take_word(&one, 0, 1));
		put_later(&one, 0, 'w');
		expect(end_standing(&one, 0, 1, 0) == 0 && one.stands);
	}
	touch_all(user_map(user, O_RDWR));
}

static void add_reads(void *context, const struct file_facts *facts)
{
	*(uint64_t *)context += facts->counts.pages_read;
}

static void test_its_own_changes_drop_nothing(void **state)
{
	uint64_t reads = 0;

	(void)state;
	run(writes_alone);
	server_each_file(world.server, add_reads, &reads);
	assert_int_equal(reads, FILE_PAGES);
}

static void writes_after_an_outsider(struct user *user)
{
	struct standing one = begin_standing(user), outsider;

	touch_all(one.at);
	must_stand(&one);
	outsider = one;
	put_later(&outsider, at_page(9), 'o');
	expect(take_word(&one, 0, 1));
	put_later(&one, 0, 'w');
	expect(end_standing(&one, 0, 1, 0) == 0);
	expect(one.at[0] == 'w' && one.at[at_page(9)] == 10);
	user_map(user, O_RDWR);
	expect(one.at[0] == 'w' && one.at[at_page(9)] == 'o');
}

static void test_an_outsider_between_two(void **state)
{
	(void)state;
	run(writes_after_an_outsider);
}

/* ---- for another server ---- */

static void stands_and_waits(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	await_turn();
}

/* It may be any of the file's pages that are being written. */
static void test_what_the_ledger_says(void **state)
{
	const struct ledger *ledger = world.server->ledger;
	pid_t child;
	char turn;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, line), errno);
	child = start_client(&world, stands_and_waits, true, line[1]);
	assert_int_equal(read(line[0], &turn, 1), 1);
	assert_int_equal(atomic_load(&ledger->writes), 1);
	assert_int_not_equal(atomic_load(&ledger->write[0].id), 0);
	assert_int_equal(ledger->write[0].offset, 0);
	assert_int_equal(ledger->write[0].length, 0);
	assert_int_equal(ledger->write[0].pid, child);
	assert_int_equal(write(line[0], "g", 1), 1);
	assert_succeeds(child);
	close(line[0]);
	close(line[1]);
	assert_int_equal(world_finish(&world), 0);
	assert_int_equal(atomic_load(&ledger->write[0].id), 0);
}

/* ---- of no use ---- */

static void unmaps(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	expect(!munmap(one.at, FILE_BYTES));
	while (word_of(&one) != STANDING_NONE)
		sched_yield();
	expect(end_standing(&one, 0, 1, 0) == -EINVAL);
}

static void test_it_keeps_no_file_open(void **state)
{
	(void)state;
	run(unmaps);
}

/* ---- it cannot stand ---- */

/* The server, which is our parent, gets no more descriptors. */
static void limit_parent(rlim_t most, struct rlimit *before)
{
	struct rlimit limit;

	expect(!prlimit(getppid(), RLIMIT_NOFILE, NULL, before));
	limit = *before;
	limit.rlim_cur = most;
	expect(!prlimit(getppid(), RLIMIT_NOFILE, &limit, NULL));
}

static void has_no_words(struct user *user)
{
	struct standing one = begin_standing(user);
	struct rlimit before, now;

	one.id = write_begin(user, one.fd, 5, 1);
	put(&one, 5, 'a');
	limit_parent(3, &before);
	expect(end_standing(&one, 5, 1, 0) == 0);
	limit_parent(before.rlim_cur, &now);
	expect(!one.stands && one.at[5] == 'a');
	must_stand(&one);
}

static void test_where_there_is_no_memory_for_words(void **state)
{
	(void)state;
	run(has_no_words);
}

/* ---- a client that says what is not so ---- */

static void says_anything(struct user *user)
{
	const uint64_t words[] = { UINT64_MAX, UINT64_MAX << 16 | 1,
				   UINT64_C(7) << 16, STANDING_IDLE,
				   STANDING_NONE };
	struct standing one = begin_standing(user);

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		must_stand(&one);
		atomic_store(&one.words->word[0], words[i]);
		put(&one, 1, (char)('A' + i));
		expect(end_standing(&one, 1, 1, 0) == 0);
		expect(one.at[1] == 'A' + i);
		if (one.stands)
			expect(write_end(user, one.id, 0, 0, 0) == 0);
	}
	/* It takes back what it has said, and others may wait for that. */
	must_stand(&one);
	expect(take_word(&one, 1, 1));
	one.at[0] = 100;
	atomic_store(&one.words->word[0], STANDING_IDLE);
	while (word_of(&one) != STANDING_NONE)
		sched_yield();
	expect(user_sync(user, one.at, PAGE_SIZE, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 100);
}

static void test_any_word_of_a_client(void **state)
{
	(void)state;
	run(says_anything);
}

#define PATIENT(name) \
	cmocka_unit_test_setup_teardown(name, setup_patient, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PATIENT(test_one_write_after_the_other),
		PATIENT(test_two_of_one_file),
		PATIENT(test_a_store_makes_it_a_write_as_any),
		PATIENT(test_stores_beside_what_is_written),
		PATIENT(test_one_that_is_given_up),
		PATIENT(test_it_outlasts_its_channel),
		PATIENT(test_a_client_that_dies),
		TEST(test_one_that_is_overtaken),
		PATIENT(test_its_own_changes_drop_nothing),
		PATIENT(test_an_outsider_between_two),
		PATIENT(test_what_the_ledger_says),
		PATIENT(test_it_keeps_no_file_open),
		PATIENT(test_where_there_is_no_memory_for_words),
		PATIENT(test_any_word_of_a_client),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
