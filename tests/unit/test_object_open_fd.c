/* test_object_open_fd.c - descriptors and options become objects */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <sys/socket.h>

static struct quire *quire;
static struct test_file file; /* of 4 pages */

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(64 * PAGE);
	make_file(&file, 4 * PAGE);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	end_file(&file);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static off_t size_of_file(int fd)
{
	struct stat status;

	assert_return_code(fstat(fd, &status), errno);
	return status.st_size;
}

/* ---- descriptors ---- */

static struct quire_object *open_fd(int fd)
{
	struct quire_object *object;

	if (quire_object_open_fd(quire, fd, NULL, &object))
		fail_msg("%s", quire_strerror_last());
	return object;
}

static void assert_fd_refused(int fd, int error, const char *words)
{
	struct quire_object *object = NULL;

	assert_int_equal(quire_object_open_fd(quire, fd, NULL, &object), error);
	assert_sentence(words);
	assert_null(object);
}

static void test_refused_descriptors(void **state)
{
	int write_only = open(file.path, O_WRONLY | O_CLOEXEC);
	int place = open(file.path, O_PATH | O_CLOEXEC);
	int ends[2];

	(void)state;
	assert_fd_refused(-1, -EBADF, "-1 is not open");
	assert_fd_refused(write_only, -EBADF, "not open for reading");
	assert_fd_refused(place, -EBADF, "not open for reading");
	close(place);
	assert_fd_refused(place, -EBADF, "is not open");
	close(write_only);
	assert_return_code(pipe(ends), errno);
	assert_fd_refused(ends[0], -ENODEV, "cannot be mapped");
	close(ends[0]);
	close(ends[1]);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), errno);
	assert_fd_refused(ends[0], -ENODEV, "cannot be mapped");
	close(ends[0]);
	close(ends[1]);
}

static void test_descriptor_remains_the_callers(void **state)
{
	int fd = open(file.path, O_RDWR | O_CLOEXEC);
	struct quire_object *object;

	(void)state;
	assert_int_equal(lseek(fd, 123, SEEK_SET), 123);
	object = open_fd(fd);
	assert_int_equal(byte_of(object, 5), byte_at(5));
	assert_int_equal(quire_object_pwrite(object, "!", 1, PAGE), 1);
	/* Neither its place nor its flags have changed. */
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 123);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_DIRECT), 0);
	close(fd);
	assert_int_equal(byte_of(object, 3 * PAGE), byte_at(3 * PAGE));
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, PAGE), '!');
	assert_int_equal(quire_object_close(object), 0);
}

static void test_descriptor_outlives_the_object(void **state)
{
	struct quire_object *object = open_fd(file.fd);

	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(byte_in_file(file.fd, 9), byte_at(9));
}

static void test_read_only_descriptor(void **state)
{
	int fd = open(file.path, O_RDONLY | O_CLOEXEC);
	struct quire_object *object = open_fd(fd);

	(void)state;
	assert_int_equal(quire_object_pwrite(object, "!", 1, 0), -EACCES);
	assert_int_equal(quire_object_resize(object, 0), -EACCES);
	assert_int_equal(byte_of(object, 0), byte_at(0));
	assert_int_equal(quire_object_close(object), 0);
	close(fd);
}

/* Every write goes where the page belongs, and the file keeps its size. */
static void test_appending_descriptor(void **state)
{
	int fd = open(file.path, O_RDWR | O_APPEND | O_CLOEXEC);
	struct quire_object *object = open_fd(fd);

	(void)state;
	assert_int_equal(quire_object_pwrite(object, "here", 4, 2 * PAGE), 4);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(size_of_file(fd), 4 * PAGE);
	assert_int_equal(byte_in_file(fd, 2 * PAGE), 'h');
	assert_int_equal(byte_in_file(fd, 2 * PAGE + 4), byte_at(2 * PAGE + 4));
	assert_true(fcntl(fd, F_GETFL) & O_APPEND);
	close(fd);
}

static void test_unlinked_file(void **state)
{
	int fd = open(file.path, O_RDWR | O_CLOEXEC);
	struct quire_object *object;

	(void)state;
	unlink(file.path);
	object = open_fd(fd);
	assert_int_equal(byte_of(object, 4), byte_at(4));
	assert_int_equal(quire_object_pwrite(object, "gone", 4, 4), 4);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(byte_in_file(fd, 7), 'e');
	close(fd);
}

static void test_path_and_descriptor(void **state)
{
	struct quire_object *by_path = open_object(quire, file.path, O_RDWR);
	struct quire_object *by_fd = open_fd(file.fd);

	(void)state;
	assert_int_equal(quire_object_pwrite(by_path, "one", 3, 0), 3);
	assert_int_equal(byte_of(by_fd, 2), 'e');
	assert_int_equal(quire_object_close(by_path), 0);
	assert_int_equal(quire_object_close(by_fd), 0);
}

/* ---- options ---- */

static enum quire_error_policy decide(void *context, uint64_t offset, int error)
{
	(void)context;
	(void)offset;
	(void)error;
	return QUIRE_ERROR_SIGNAL;
}

static void assert_options_refused(const struct quire_object_options *options,
				   const char *words)
{
	struct quire_object *object = NULL;
	int before = open_descriptors();

	assert_int_equal(quire_object_open(quire, file.path, O_RDWR, options,
					   &object),
			 -EINVAL);
	assert_sentence(words);
	assert_int_equal(quire_object_open_fd(quire, file.fd, options, &object),
			 -EINVAL);
	assert_sentence(words);
	assert_int_equal(quire_object_create_anonymous(quire, PAGE, options,
						       &object),
			 -EINVAL);
	assert_sentence(words);
	assert_null(object);
	assert_int_equal(open_descriptors(), before);
}

static void test_refused_options(void **state)
{
	struct quire_object_options options = { .size = 0 };

	(void)state;
	assert_options_refused(&options, "0 bytes");
	options.size = sizeof(options) + 1;
	assert_options_refused(&options, "set size");
	options.size = sizeof(options);
	options.policy = (enum quire_policy)2;
	assert_options_refused(&options, "policy: 2");
	options.policy = QUIRE_WRITEBACK;
	options.error_policy = (enum quire_error_policy)4;
	assert_options_refused(&options, "error policy: 4");
	options.error_policy = QUIRE_ERROR_CALLBACK;
	assert_options_refused(&options, "error_function");
}

/* A program that knew the size and the policy alone. */
static void test_options_of_an_older_program(void **state)
{
	struct quire_object_options options;
	struct quire_object *object;

	(void)state;
	memset(&options, 0xff, sizeof(options));
	options.size = offsetof(struct quire_object_options, error_policy);
	options.policy = QUIRE_DISCARD;
	assert_int_equal(quire_object_open(quire, file.path, O_RDWR, &options,
					   &object),
			 0);
	assert_int_equal(quire_object_pwrite(object, "scratch", 7, 0), 7);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_all_options(void **state)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.policy = QUIRE_DISCARD,
		.error_policy = QUIRE_ERROR_CALLBACK,
		.error_function = decide,
		.capacity = 1,
		.readahead = 1,
	};
	struct quire_object *object;

	(void)state;
	assert_int_equal(quire_object_open(quire, file.path, O_RDWR, &options,
					   &object),
			 0);
	assert_int_equal(byte_of(object, 4 * PAGE - 1), byte_at(4 * PAGE - 1));
	assert_int_equal(quire_object_close(object), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_refused_descriptors),
		TEST(test_descriptor_remains_the_callers),
		TEST(test_descriptor_outlives_the_object),
		TEST(test_read_only_descriptor),
		TEST(test_appending_descriptor),
		TEST(test_unlinked_file),
		TEST(test_path_and_descriptor),
		TEST(test_refused_options),
		TEST(test_options_of_an_older_program),
		TEST(test_all_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
