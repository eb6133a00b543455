/* test_server_hostile.c - clients that misbehave: an error, or no channel */
/* SPDX-License-Identifier: MIT */
#include "server_stage.h"

static void works(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	expect(at[0] == 1 && at[at_page(9)] == 10);
	at[0] = 1;
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
}

/* Whatever the hostile one did: another one does not notice. */
static void run_beside(client_body *hostile, bool greets)
{
	if (greets)
		run_client(&world, hostile);
	else
		run_stranger(&world, hostile);
	run_client(&world, works);
	assert_int_equal(world_finish(&world), 0);
}

static bool hung_up(int channel)
{
	struct call call;

	return !receive_reply(channel, &call);
}

/* ---- messages ---- */

static void sends_garbage(struct user *user)
{
	unsigned char bytes[sizeof(struct request)];
	struct request request = { .version = PROTOCOL_VERSION };
	int channel;

	for (size_t length = 1; length < sizeof(struct request); length += 7) {
		memset(bytes, (int)length, sizeof(bytes));
		channel = user_connect(user->world);
		expect(send_fds(channel, bytes, length, NULL, 0));
		expect(hung_up(channel));
		close(channel);
	}
	/* An unknown type, and one before HELLO. */
	for (uint32_t type = 0; type < REQUEST_TYPES + 3; type++) {
		if (type == REQUEST_HELLO)
			continue;
		request.type = type;
		channel = user_connect(user->world);
		expect(send_fds(channel, &request, sizeof(request), NULL, 0));
		expect(hung_up(channel));
		close(channel);
	}
}

static void test_garbage(void **state)
{
	struct server_facts facts;

	(void)state;
	run_beside(sends_garbage, false);
	server_facts(world.server, &facts);
	assert_true(facts.refused > REQUEST_TYPES);
}

static void has_another_version(struct user *user)
{
	struct call call = { .request = { .version = PROTOCOL_VERSION + 1,
					  .type = REQUEST_HELLO },
			     .fd = -1,
			     .bytes = "" };
	int channel = user_connect(user->world);

	expect(send_call(channel, &call));
	expect(receive_reply(channel, &call));
	expect(call.reply.error == -EPROTO);
	expect(call.reply.version == PROTOCOL_VERSION);
	expect(call.fd_count == 0);
	expect(hung_up(channel));
}

static void test_version_mismatch(void **state)
{
	(void)state;
	run_beside(has_another_version, false);
}

static void sends_too_much(struct user *user)
{
	static char bytes[sizeof(struct request) + PROTOCOL_BYTES_MAX + 1];
	struct request request = { .version = PROTOCOL_VERSION,
				   .type = REQUEST_BOUND_OPEN };
	int buffer = 4 * sizeof(bytes);

	setsockopt(user->channel, SOL_SOCKET, SO_SNDBUF, &buffer,
		   sizeof(buffer));
	memcpy(bytes, &request, sizeof(request));
	expect(send_fds(user->channel, bytes, sizeof(bytes), NULL, 0));
	expect(hung_up(user->channel));
	/* Bytes where there are none. */
	user->channel = user_connect(user->world);
	request.type = REQUEST_HELLO;
	memcpy(bytes, &request, sizeof(request));
	expect(send_fds(user->channel, bytes, sizeof(request) + 1, NULL, 0));
	expect(hung_up(user->channel));
}

static void test_too_many_bytes(void **state)
{
	(void)state;
	run_beside(sends_too_much, true);
}

/* As many descriptors as a message can have, with every request. */
static void sends_descriptors(struct user *user)
{
	int fds[30];

	for (unsigned i = 0; i < 30; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	for (uint32_t type = REQUEST_HELLO; type < REQUEST_TYPES; type++)
		for (unsigned count = 2; count <= 30; count += 7) {
			struct request request = { .version = PROTOCOL_VERSION,
						   .type = type };

			expect(send_fds(user->channel, &request,
					sizeof(request), fds, count));
			expect(hung_up(user->channel));
			close(user->channel);
			user->channel = user_connect(user->world);
		}
}

static unsigned open_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 4096; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void await_no_clients(void)
{
	struct server_facts facts;

	do {
		sched_yield();
		server_facts(world.server, &facts);
	} while (facts.clients > 0);
}

static void test_too_many_descriptors(void **state)
{
	unsigned before;

	(void)state;
	before = open_descriptors();
	run_client(&world, sends_descriptors);
	await_no_clients();
	/* Closed by workers, in their time. */
	while (open_descriptors() != before)
		sched_yield();
	assert_int_equal(world_finish(&world), 0);
}

/* ---- descriptors of the wrong kind ---- */

struct wrong {
	int fd;
	int error;
};

static void opens_wrong_things(struct user *user)
{
	const char *file = user->world->file;
	int pipes[2];
	struct call call;
	struct wrong wrong[] = {
		{ open("/proc/self/maps", O_RDONLY), -EAGAIN },
		{ open("/sys/kernel/mm/transparent_hugepage/enabled", O_RDONLY),
		  -EAGAIN },
		{ open("/", O_RDONLY | O_DIRECTORY), -EAGAIN },
		{ open("/dev/null", O_RDWR), -EAGAIN },
		{ socket(AF_UNIX, SOCK_STREAM, 0), -EAGAIN },
		{ memfd_create("mine", 0), -EAGAIN },
		{ open(file, O_PATH), -EBADF },
		{ open(file, O_WRONLY), -EACCES },
		{ user->userfault, -EAGAIN },
	};

	expect(!pipe(pipes));
	expect(user_open(user, pipes[0], &call) == -EAGAIN);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		if (wrong[i].fd >= 0)
			expect(user_open(user, wrong[i].fd, &call) ==
			       wrong[i].error);
	expect(atomic_load(&user->taken->count) == 0);
}

static void test_wrong_things_to_map(void **state)
{
	(void)state;
	run_beside(opens_wrong_things, true);
}

/* Our own memory comes back as if it was a file. */
static void opens_a_memfd_of_ours(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	static struct call call;

	expect(user_open(user, fd, &call) == 0);
	expect(user_open(user, call.fds[0], &call) == -EAGAIN);
}

static void test_memfd_of_ours(void **state)
{
	(void)state;
	run_beside(opens_a_memfd_of_ours, true);
}

static void attaches_wrong_things(struct user *user)
{
	struct request request = { .type = REQUEST_ATTACH };
	struct call call = { .request = { .type = REQUEST_HELLO },
			     .fd = -1,
			     .bytes = "" };
	struct uffdio_api api = { .api = UFFD_API };
	int used;

	user->channel = user_connect(user->world);
	expect(ask(user, &call) == 0);
	user_greeted(user, &call);
	expect(ask_simply(user, request, open("/dev/null", O_RDWR)) < 0);
	expect(ask_simply(user, request, open("/", O_RDONLY)) < 0);
	used = make_userfault(user);
	expect(!ioctl(used, UFFDIO_API, &api));
	expect(ask_simply(user, request, used) == -EINVAL);
	user_attach(user);
	expect(ask_simply(user, request, make_userfault(user)) == -EBUSY);
}

static void test_wrong_things_to_attach(void **state)
{
	(void)state;
	run_beside(attaches_wrong_things, false);
}

static void opens_channels(struct user *user)
{
	struct request request = { .type = REQUEST_CHANNEL };
	int ends[2], last = -1, error = 0;
	unsigned count = 1;

	expect(ask_simply(user, request, open("/dev/null", O_RDWR)) ==
	       -ENOTSOCK);
	expect(!socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	expect(ask_simply(user, request, ends[0]) == -ENOTSOCK);
	while (!error) {
		expect(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends));
		error = ask_simply(user, request, ends[1]);
		if (!error) {
			last = ends[0];
			count++;
		}
		close(ends[1]);
	}
	expect(error == -EMFILE && count == SERVER_CHANNELS);
	/* The last one is as good as the first. */
	close(user->channel);
	user->channel = last;
	works(user);
}

static void test_channels_are_limited(void **state)
{
	(void)state;
	run_beside(opens_channels, true);
}

/* ---- requests that are wrong ---- */

static void asks_nonsense(struct user *user)
{
	static const uint64_t odd[] = { 0,         1,
					PAGE_SIZE, UINT64_MAX,
					INT64_MAX, UINT64_MAX - PAGE_SIZE + 1 };
	const unsigned count = sizeof(odd) / sizeof(odd[0]);
	static const uint32_t types[] = { REQUEST_MAPPED, REQUEST_SYNC,
					  REQUEST_LOCK,   REQUEST_UNLOCK,
					  REQUEST_ADVISE, REQUEST_RELEASE };
	int fd = open(user->world->file, O_RDWR);
	static struct call call;

	expect(user_open(user, fd, &call) == 0);
	for (unsigned i = 0; i < 6 * count * count * count; i++) {
		struct request request = {
			.type = types[i % 6],
			.id = call.reply.id + i % 2,
			.address = odd[i / 6 % count],
			.length = odd[i / 6 / count % count],
			.offset = odd[i / 6 / count / count % count],
			.flags = MAPPED_SHARED,
			.advice = (int)i,
		};

		if (request.type == REQUEST_RELEASE)
			request.id = call.reply.id + 1;
		(void)ask_simply(user, request, -1);
	}
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_RELEASE,
					    .id = call.reply.id,
					    .length = 2 },
			  -1) == -EINVAL);
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_RELEASE,
					    .id = call.reply.id },
			  -1) == 0);
	/* Neither held, nor mapped. */
	expect(user_mapped(user, call.reply.id + 9, (void *)(16 * PAGE_SIZE),
			   PAGE_SIZE, 0) == -EINVAL);
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_SYNC,
					    .flags = MS_SYNC | MS_ASYNC },
			  -1) == -EINVAL);
}

static void test_wrong_numbers(void **state)
{
	(void)state;
	run_beside(asks_nonsense, true);
}

/* A client says that it has mapped what it has not. */
static void lies_about_mappings(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	static struct call call;

	expect(user_open(user, fd, &call) == 0);
	expect(user_mapped(user, call.reply.id, (void *)(uintptr_t)0x10000,
			   FILE_BYTES, MAPPED_SHARED | MAPPED_WRITABLE) == 0);
	at[0] = 99;
	/* Write-protecting finds nothing there: no error. */
	expect(user_sync(user, at, FILE_BYTES, MS_SYNC) == 0);
	expect(byte_in_file(user->world->file, 0) == 99);
	at[0] = 1;
}

static void test_a_mapping_that_is_none(void **state)
{
	(void)state;
	run_beside(lies_about_mappings, true);
}

/* It punches and cuts what it may write. */
static void spoils_its_memfd(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, FILE_BYTES, true, NULL);
	static struct call call;

	expect(user_open(user, fd, &call) == 0);
	for (int seal = F_SEAL_SEAL; seal <= F_SEAL_FUTURE_WRITE; seal *= 2)
		expect(fcntl(call.fds[0], F_ADD_SEALS, seal) == -1);
	at[at_page(40)] = 41;
	expect(!fallocate(call.fds[0],
			  FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)at_page(40), PAGE_SIZE));
	(void)*(volatile unsigned char *)&at[at_page(40)];
	(void)ftruncate(call.fds[0], (off_t)at_page(50));
	fcntl(call.fds[0], F_SETFL, O_APPEND);
	(void)user_sync(user, at, FILE_BYTES, MS_SYNC);
}

static void test_memory_spoilt_by_a_writer(void **state)
{
	(void)state;
	run_client(&world, spoils_its_memfd);
	run_client(&world, works);
	(void)world_finish(&world);
}

/* ---- floods ---- */

static void never_reads(struct user *user)
{
	struct request request = { .version = PROTOCOL_VERSION,
				   .type = REQUEST_RELEASE,
				   .id = 1 };
	struct pollfd polled = { .fd = user->channel, .events = POLLHUP };

	/* Until the server's replies have no room, and it hangs up. */
	while (send_fds(user->channel, &request, sizeof(request), NULL, 0) &&
	       !(poll(&polled, 1, 0) > 0 && polled.revents & POLLHUP))
		;
}

static void test_client_that_never_reads(void **state)
{
	(void)state;
	run_beside(never_reads, true);
}

static void is_still_served(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);

	expect(send_fds(user->channel, "x", 1, NULL, 0));
	expect(hung_up(user->channel));
	/* No channel any more; but never zeros. */
	for (unsigned i = 0; i < FILE_PAGES; i++)
		expect(at[at_page(i)] == i + 1);
	at[1] = 33;
}

static void test_traps_are_served_without_a_channel(void **state)
{
	(void)state;
	run_beside(is_still_served, true);
	assert_int_equal(byte_in_file(world.file, 1), 33);
}

static void writes_notes(struct user *user)
{
	char text[64];
	struct call call = { .request = { .type = REQUEST_NOTE },
			     .fd = -1,
			     .bytes = text };

	for (unsigned i = 0; i < 2 * SERVER_NOTES; i++) {
		call.length = (size_t)snprintf(text, sizeof(text), "reason\n%u",
					       i % 300);
		expect(ask(user, &call) == 0);
	}
}

struct notes {
	unsigned count;
	uint64_t times;
};

static void count_note(void *context, const char *text, uint64_t times)
{
	struct notes *notes = context;

	assert_null(strchr(text, '\n'));
	notes->count++;
	notes->times += times;
}

static void test_notes_are_limited(void **state)
{
	struct notes notes = { 0, 0 };

	(void)state;
	run_beside(writes_notes, true);
	server_each_note(world.server, count_note, &notes);
	assert_int_equal(notes.count, SERVER_NOTES);
	assert_int_equal(notes.times, 2 * SERVER_NOTES);
}

/* Half of a greeting, and no end: others are served meanwhile. */
static void test_silent_connections(void **state)
{
	int channels[100];

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		channels[i] = user_connect(&world);
	run_client(&world, works);
	for (unsigned i = 0; i < 100; i++)
		close(channels[i]);
	assert_int_equal(world_finish(&world), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_garbage),
		TEST(test_version_mismatch),
		TEST(test_too_many_bytes),
		TEST(test_too_many_descriptors),
		TEST(test_wrong_things_to_map),
		TEST(test_memfd_of_ours),
		TEST(test_wrong_things_to_attach),
		TEST(test_channels_are_limited),
		TEST(test_wrong_numbers),
		TEST(test_a_mapping_that_is_none),
		TEST(test_memory_spoilt_by_a_writer),
		TEST(test_client_that_never_reads),
		TEST(test_traps_are_served_without_a_channel),
		TEST(test_notes_are_limited),
		TEST(test_silent_connections),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
