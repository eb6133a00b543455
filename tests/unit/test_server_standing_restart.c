/* test_server_standing_restart.c - what stands when another server comes */
/* SPDX-License-Identifier: MIT */
/*
 * The test is the keeper; the servers are its children, and so is the client.
 * The second one's patience has no end: whatever is taken for a write under way
 * keeps its pages from going home for ever.
 */
#include "server_stage.h"
#include "standing_world.h"

#include "cli/keep.h"

static struct keep keep;
static pid_t server;
static int listening;
static unsigned patience_ms; /* of the first server */

static void serve(int socket, bool restarts)
{
	struct server_options options = {
		.socket = listening,
		.keeper = socket,
		.restarts = restarts,
		.write_ms = restarts ? 3600000 : patience_ms,
		.engine = { .size = sizeof(options.engine),
			    .flags = QUIRE_NO_REPORT,
			    .flush_interval_ms = 3600000 },
	};
	struct server *created;

	if (server_create(&options, &created))
		_exit(1);
	_exit(server_run(created, false) != 0);
}

static void start_server(bool restarts)
{
	int ends[2];

	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), errno);
	server = fork();
	assert_return_code(server, errno);
	if (server == 0) {
		close(ends[0]);
		serve(ends[1], restarts);
	}
	close(ends[1]);
	if (restarts)
		assert_true(keep_hand_over(&keep, ends[0]));
	else
		keep_begin(&keep, ends[0]);
}

static void kill_server(void)
{
	keep_take(&keep);
	assert_int_equal(kill(server, SIGKILL), 0);
	assert_int_equal(waitpid(server, NULL, 0), server);
	keep_take(&keep);
	close(keep.socket);
	assert_false(keep.incomplete);
}

static int begin_with(unsigned patience)
{
	patience_ms = patience;
	memset(&world, 0, sizeof(world));
	strcpy(world.directory, "/var/tmp/quire-test-XXXXXX");
	assert_non_null(mkdtemp(world.directory));
	snprintf(world.socket, sizeof(world.socket), "%s/socket",
		 world.directory);
	snprintf(world.file, sizeof(world.file), "%s/file", world.directory);
	world_fill(world.file, FILE_PAGES);
	listening = world_listen(&world);
	start_server(false);
	return 0;
}

static int begin_test(void **state)
{
	(void)state;
	return begin_with(3600000);
}

static int begin_impatient(void **state)
{
	(void)state;
	return begin_with(1);
}

static int end_test(void **state)
{
	(void)state;
	kill_server();
	keep_finish(&keep);
	close(listening);
	unlink(world.file);
	unlink(world.socket);
	rmdir(world.directory);
	return 0;
}

static void await_client(void)
{
	char turn;

	assert_int_equal(read(line[0], &turn, 1), 1);
}

static struct ledger *map_ledger(void)
{
	struct ledger *ledger = MAP_FAILED;

	for (size_t i = 0; i < keep.count; i++)
		if (keep.kept[i].message.type == KEEPER_TABLES)
			ledger = mmap(NULL, sizeof(*ledger),
				      PROT_READ | PROT_WRITE, MAP_SHARED,
				      keep.kept[i].fds[1], 0);
	assert_ptr_not_equal(ledger, MAP_FAILED);
	return ledger;
}

/* It knows of no words: what was of the first write's is where the second's
 * would be. */
static void as_of_an_older_server(void)
{
	struct ledger *ledger = map_ledger();

	assert_true(atomic_load(&ledger->write[0].word));
	assert_true(atomic_load(&ledger->write[1].id));
	atomic_store(&ledger->write[1].word,
		     atomic_load(&ledger->write[0].word));
	assert_int_equal(munmap(ledger, sizeof(*ledger)), 0);
}

/* The client has two turns: the server is dead, and there is another one. */
static void run_over_two(client_body *body, bool greets, void (*between)(void))
{
	pid_t child;

	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, line), errno);
	child = start_client(&world, body, greets, line[1]);
	await_client();
	kill_server();
	assert_int_equal(write(line[0], "g", 1), 1);
	await_client();
	if (between)
		between();
	start_server(true);
	assert_int_equal(write(line[0], "g", 1), 1);
	assert_succeeds(child);
	close(line[0]);
	close(line[1]);
}

static void run_over_two_servers(client_body *body)
{
	run_over_two(body, true, NULL);
}

/* The reply's flags. */
static uint32_t come_back(struct user *user)
{
	struct call call = { .request = { .type = REQUEST_HELLO,
					  .flags = HELLO_AGAIN },
			     .fd = -1,
			     .bytes = "" };

	await_turn();
	close(user->channel);
	user->channel = user_connect(user->world);
	expect(ask(user, &call) == 0);
	for (unsigned i = 0; i < call.fd_count; i++)
		close(call.fds[i]);
	return call.reply.flags;
}

/* Nothing keeps the page from going home. */
static void goes_home(const struct standing *one, size_t page,
		      unsigned char byte)
{
	one->at[at_page(page)] = byte;
	expect(user_sync(one->user, one->at + at_page(page), PAGE_SIZE,
			 MS_SYNC) == 0);
	expect(byte_in_file(one->user->world->file, at_page(page)) == byte);
}

static void is_idle(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	await_turn();
	expect(come_back(user) & REPLY_RETURNED);
	expect(!take_word(&one, 1, 1));
	goes_home(&one, 0, 100);
	expect(end_standing(&one, 0, 1, 0) == -EINVAL);
	must_stand(&one);
	write_by_word(&one, 1, 'B');
	expect(end_standing(&one, 1, 1, 0) == 0 && one.at[1] == 'B');
	expect(one.stands);
}

static void test_one_that_is_idle_is_over(void **state)
{
	(void)state;
	run_over_two_servers(is_idle);
}

static void is_none(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	atomic_store(&one.words->word[0], STANDING_NONE);
	await_turn();
	expect(come_back(user) & REPLY_RETURNED);
	goes_home(&one, 0, 100);
	expect(end_standing(&one, 0, 1, 0) == -EINVAL);
}

static void test_one_that_was_taken_away_is_over(void **state)
{
	(void)state;
	run_over_two_servers(is_none);
}

/* Its pages are kept from going home, and it is ended as ever. */
static void ends_it(struct standing *one)
{
	expect(one->at[at_page(1)] == 2);
	one->at[2] = 102;
	put(one, 1, 'C');
	expect(user_sync(one->user, one->at, PAGE_SIZE, MS_ASYNC) == 0);
	expect(end_standing(one, 1, 1, 0) == 0);
	expect(one->at[1] == 'C' && one->at[2] == 102);
	expect(byte_in_file(one->user->world->file, 1) == 'C');
	goes_home(one, 0, 100);
	expect(byte_in_file(one->user->world->file, 1) == 'C');
	expect(byte_in_file(one->user->world->file, 2) == 102);
}

static void is_under_way(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	write_by_word(&one, 1, 'B');
	await_turn();
	expect(come_back(user) & REPLY_RETURNED);
	ends_it(&one);
}

static void test_one_that_is_under_way_goes_on(void **state)
{
	(void)state;
	run_over_two_servers(is_under_way);
}

/* When there is no server. */
static void begins_meanwhile(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	await_turn();
	write_by_word(&one, 1, 'B');
	expect(come_back(user) & REPLY_RETURNED);
	ends_it(&one);
}

static void test_one_that_begins_between_two_servers(void **state)
{
	(void)state;
	run_over_two_servers(begins_meanwhile);
}

/* Its word says nothing any more, and its client writes on. */
static void is_stopped(struct user *user)
{
	struct standing one = begin_standing(user);

	must_stand(&one);
	write_by_word(&one, 1, 'B');
	goes_home(&one, 0, 100); /* it is overtaken */
	expect(word_of(&one) == STANDING_NONE);
	put(&one, 1, 'C');
	await_turn();
	expect(come_back(user) & REPLY_RETURNED);
	expect(end_standing(&one, 1, 1, WRITE_REPEATS) == -ESTALE);
	goes_home(&one, 0, 101);
}

static void test_one_that_was_stopped_goes_on(void **state)
{
	(void)state;
	run_over_two_servers(is_stopped);
}

/* Beside one that stands: that says nothing of it. */
static void begins_as_any(struct user *user)
{
	struct standing one = begin_standing(user);
	uint64_t id;

	must_stand(&one);
	id = write_begin(user, one.fd, at_page(1), 1);
	await_turn();
	expect(come_back(user) & REPLY_RETURNED);
	expect(one.at[at_page(1)] == 2);
	put(&one, at_page(1), 'B');
	expect(write_end(user, id, at_page(1), 1, 0) == 0);
	expect(one.at[at_page(1)] == 'B');
}

static void test_one_that_an_older_server_has_begun(void **state)
{
	(void)state;
	run_over_two(begins_as_any, true, as_of_an_older_server);
}

static pid_t start_mapper(struct user *user, int *end)
{
	int ends[2];
	pid_t child;
	char byte;

	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	child = fork();
	if (child == 0) {
		struct user other;

		close(ends[0]);
		user_begin(&other, user->world);
		(void)user_map(&other, O_RDWR);
		expect(write(ends[1], "r", 1) == 1);
		_exit(read(ends[1], &byte, 1) != 0);
	}
	close(ends[1]);
	expect(read(ends[0], &byte, 1) == 1);
	*end = ends[0];
	return child;
}

/* The keeper holds no words of one that has mapped nothing: it is a write of the
 * whole file then. */
static void maps_nothing(struct user *user)
{
	struct call call = { .request = { .type = REQUEST_HELLO },
			     .fd = -1,
			     .bytes = "" };
	struct standing one = { .user = user };
	int mapper, status;
	pid_t child = start_mapper(user, &mapper);

	user->channel = user_connect(user->world);
	expect(ask(user, &call) == 0);
	one.fd = open(user->world->file, O_RDWR | O_CLOEXEC);
	one.id = write_begin(user, one.fd, 5, 1);
	put(&one, 5, 'a');
	expect(end_standing(&one, 5, 1, 0) == 0 && one.stands);
	await_turn();
	expect(!(come_back(user) & REPLY_RETURNED));
	expect(take_word(&one, 1, 1)); /* of the other server's */
	put(&one, 1, 'B');
	expect(end_standing(&one, 1, 1, 0) == 0);
	close(mapper);
	expect(waitpid(child, &status, 0) == child && status == 0);
}

static void test_one_whose_client_maps_nothing(void **state)
{
	(void)state;
	run_over_two(maps_nothing, false, NULL);
}

#define RESTARTS(name) \
	cmocka_unit_test_setup_teardown(name, begin_test, end_test)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RESTARTS(test_one_that_is_idle_is_over),
		RESTARTS(test_one_that_was_taken_away_is_over),
		RESTARTS(test_one_that_is_under_way_goes_on),
		RESTARTS(test_one_that_begins_between_two_servers),
		cmocka_unit_test_setup_teardown(
			test_one_that_was_stopped_goes_on, begin_impatient,
			end_test),
		RESTARTS(test_one_that_an_older_server_has_begun),
		RESTARTS(test_one_whose_client_maps_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
