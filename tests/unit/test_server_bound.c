/* test_server_bound.c - paths bound to objects, the keeper, the settings */
/* SPDX-License-Identifier: MIT */
#include "server_world.h"

static struct world world;

static const struct server_binding bindings[] = {
	{ "/bound/zeros", "anon:65536" },
	{ "/bound/missing", "file:/nonexistent/file" },
};
static const char *const globs[] = { "*.dat", "/data/*" };

static int keeper[2]; /* the server's end, and the keeper's */

static int setup(void **state)
{
	struct server_options options = {
		.bindings = bindings,
		.binding_count = 2,
		.globs = globs,
		.glob_count = 2,
		.least = 4096,
		.record = true,
	};

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				      keeper),
			   errno);
	options.keeper = keeper[0];
	world_begin_with(&world, &options);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	world_remove(&world);
	close(keeper[0]);
	close(keeper[1]);
	return 0;
}

/* ---- settings ---- */

static void reads_settings(struct user *user)
{
	expect(!strcmp(user->settings, "least 4096\n"
				       "map *.dat\n"
				       "map /data/*\n"
				       "bind /bound/zeros\n"
				       "bind /bound/missing\n"));
}

static void test_settings(void **state)
{
	(void)state;
	run_client(&world, reads_settings);
	assert_int_equal(world_finish(&world), 0);
}

static void test_settings_that_are_refused(void **state)
{
	struct server_binding binding = { "relative", "mem:1" };
	struct server_options options = {
		.socket = -1,
		.bindings = &binding,
		.binding_count = 1,
		.engine = { .size = sizeof(options.engine),
			    .flags = QUIRE_NO_REPORT },
	};
	struct server *server;

	(void)state;
	assert_int_equal(server_create(&options, &server), -EINVAL);
	binding.path = "/two\nlines";
	assert_int_equal(server_create(&options, &server), -EINVAL);
	options.binding_count = 0;
	/* Not a socket at all. */
	assert_true(server_create(&options, &server) < 0);
}

/* ---- bound objects ---- */

static int bound_open(struct user *user, const char *path, int flags,
		      struct call *call)
{
	*call = (struct call){ .request = { .type = REQUEST_BOUND_OPEN,
					    .flags = (uint32_t)flags },
			       .fd = -1,
			       .bytes = path,
			       .length = strlen(path) };
	return ask(user, call);
}

static int64_t bound_write(struct user *user, int fd, const char *text,
			   size_t offset, uint32_t flags)
{
	struct call call = { .request = { .type = REQUEST_BOUND_WRITE,
					  .offset = offset,
					  .flags = flags },
			     .fd = fd,
			     .bytes = text,
			     .length = strlen(text) };
	int error = ask(user, &call);

	return error ? error : (int64_t)call.reply.value;
}

static int64_t bound_read(struct user *user, int fd, size_t offset,
			  size_t length, struct call *call)
{
	int error;

	*call = (struct call){ .request = { .type = REQUEST_BOUND_READ,
					    .offset = offset,
					    .length = length },
			       .fd = fd,
			       .bytes = "" };
	error = ask(user, call);
	return error ? error : (int64_t)call->reply.value;
}

static void uses_a_binding(struct user *user)
{
	static struct call call;
	struct stat status;
	unsigned char *at;
	int fd;

	expect(bound_open(user, "/bound/zeros", O_RDWR, &call) == 0);
	expect(call.reply.value == 65536);
	fd = call.fds[0];
	expect(!fstat(fd, &status) && status.st_size == 65536);
	expect(atomic_load(
		       &taken_find(user->taken, status.st_dev, status.st_ino)
				->state) == (TAKEN_USED | TAKEN_BOUND));
	expect(bound_write(user, fd, "hello", 100, 0) == 5);
	at = user_map_fd(user, fd, 65536, true, NULL);
	expect(!memcmp(at + 100, "hello", 5));
	at[100] = 'j';
	expect(bound_read(user, fd, 100, 5, &call) == 5);
	expect(call.text_length == 5 && !memcmp(call.text, "jello", 5));
	/* Behind the end, and growing. */
	expect(bound_read(user, fd, 65536, 5, &call) == 0);
	expect(bound_write(user, fd, "end", 0, FILE_APPEND) == 3);
	expect(!fstat(fd, &status) && status.st_size == 65539);
	expect(bound_write(user, fd, "x", 70000, 0) == 1);
	expect(bound_read(user, fd, 65536, 3, &call) == 3);
	expect(!memcmp(call.text, "end", 3));
	expect(ask_simply(user,
			  (struct request){ .type = REQUEST_TRUNCATE,
					    .length = 10 },
			  fd) == 0);
	expect(!fstat(fd, &status) && status.st_size == 10);
}

static void refuses_bindings(struct user *user)
{
	static struct call call;
	int file = open(user->world->file, O_RDWR), fd;

	expect(bound_open(user, "/elsewhere", O_RDONLY, &call) == -ENOENT);
	expect(bound_open(user, "/bound/missing", O_RDONLY, &call) == -ENOENT);
	expect(bound_open(user, "/bound/zeros", O_RDWR | O_CREAT | O_EXCL,
			  &call) == -EEXIST);
	expect(bound_open(user, "/bound/zeros", O_RDONLY, &call) == 0);
	fd = call.fds[0];
	expect(bound_write(user, fd, "x", 0, 0) == -EBADF);
	expect(bound_read(user, file, 0, 1, &call) == -EINVAL);
	expect(bound_write(user, file, "x", 0, 0) == -EINVAL);
	/* Another one's bytes are still there. */
	expect(bound_read(user, fd, 0, 3, &call) == 3);
}

static void dies_writing(struct user *user)
{
	static struct call call;
	struct call late = { .request = { .type = REQUEST_BOUND_WRITE },
			     .bytes = "late",
			     .length = 4 };

	expect(bound_open(user, "/bound/zeros", O_RDWR, &call) == 0);
	late.fd = call.fds[0];
	await_turn();
	expect(send_call(user->channel, &late));
}

static void finds_nothing_late(struct user *user)
{
	static struct call call;

	expect(bound_open(user, "/bound/zeros", O_RDONLY, &call) == 0);
	expect(bound_read(user, call.fds[0], 0, 4, &call) == 4);
	expect(memcmp(call.text, "late", 4) != 0);
}

static void test_a_dead_process_writes_nothing(void **state)
{
	(void)state;
	run_client_that_dies(&world, dies_writing);
	run_client(&world, finds_nothing_late);
	assert_int_equal(world_finish(&world), 0);
}

static void test_bound_objects(void **state)
{
	(void)state;
	run_client(&world, uses_a_binding);
	run_client(&world, refuses_bindings);
	assert_int_equal(world_finish(&world), 0);
}

/* ---- the keeper ---- */

static unsigned receive_kept(struct keeper_message *message, int *fds)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * KEEPER_DESCRIPTORS)];
		struct cmsghdr align;
	} control;
	struct iovec iov = { message, sizeof(*message) };
	struct msghdr header = { .msg_iov = &iov,
				 .msg_iovlen = 1,
				 .msg_control = control.bytes,
				 .msg_controllen = sizeof(control) };
	struct cmsghdr *cmsg;
	size_t bytes;

	assert_int_equal(recvmsg(keeper[1], &header, 0), sizeof(*message));
	cmsg = CMSG_FIRSTHDR(&header);
	if (!cmsg)
		return 0;
	bytes = cmsg->cmsg_len - CMSG_LEN(0);
	memcpy(fds, CMSG_DATA(cmsg), bytes);
	return (unsigned)(bytes / sizeof(int));
}

static void maps(struct user *user)
{
	expect(user_map(user, O_RDWR)[0] == 1);
}

/* The next message, without a gap before it. */
static void expect_kept(enum keeper_type type, unsigned count,
			struct keeper_message *message)
{
	static uint64_t last;
	int fds[KEEPER_DESCRIPTORS];

	assert_int_equal(receive_kept(message, fds), count);
	assert_int_equal(message->type, type);
	assert_int_equal(message->version, KEEPER_VERSION);
	assert_int_equal(message->sequence, ++last);
	for (unsigned i = 0; i < count; i++)
		close(fds[i]);
}

static void test_keeper_is_told(void **state)
{
	struct keeper_message message;
	uint64_t number, file;
	pid_t child;

	(void)state;
	expect_kept(KEEPER_TABLES, 2, &message);
	child = start_client(&world, maps, true, -1);
	expect_kept(KEEPER_KEEP, 2, &message);
	assert_int_equal(message.pid, child);
	number = message.number;
	/* The memory, its record, the file for reading, and for writing. */
	expect_kept(KEEPER_FILE, 4, &message);
	assert_int_equal(message.flags, KEEPER_WRITER);
	file = message.number;
	assert_succeeds(child);
	expect_kept(KEEPER_LET_GO, 0, &message);
	assert_int_equal(message.number, number);
	assert_int_equal(world_finish(&world), 0);
	expect_kept(KEEPER_LET_GO, 0, &message);
	assert_int_equal(message.number, file);
}

/* ---- what the summary is made of ---- */

struct found {
	unsigned files;
	struct file_facts facts;
};

static void find_file(void *context, const struct file_facts *facts)
{
	struct found *found = context;

	if (!facts->path || strcmp(facts->path, world.file) != 0)
		return;
	found->files++;
	found->facts = *facts;
}

static void maps_twice(struct user *user)
{
	unsigned char *at = user_map(user, O_RDWR);
	unsigned char *again = user_map(user, O_RDWR);

	for (unsigned i = 0; i < FILE_PAGES; i++)
		at[at_page(i)] = again[at_page(i)];
}

static void test_facts_of_a_file(void **state)
{
	struct found found = { 0 };

	(void)state;
	run_client(&world, maps_twice);
	assert_int_equal(world_finish(&world), 0);
	server_each_file(world.server, find_file, &found);
	assert_int_equal(found.files, 1);
	assert_int_equal(found.facts.size, FILE_BYTES);
	assert_int_equal(found.facts.mapped, 0);
	assert_int_equal(found.facts.mapped_peak, 2 * FILE_BYTES);
	assert_int_equal(found.facts.counts.resident, 0);
	assert_true(found.facts.counts.pages_read >= FILE_PAGES);
	assert_true(found.facts.counts.pages_written >= FILE_PAGES);
	assert_non_null(server_recorder(world.server));
	assert_non_null(server_engine(world.server));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_settings),
		cmocka_unit_test(test_settings_that_are_refused),
		TEST(test_bound_objects),
		TEST(test_a_dead_process_writes_nothing),
		TEST(test_keeper_is_told),
		TEST(test_facts_of_a_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
