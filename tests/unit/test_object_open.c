/* test_object_open.c - what a URI and flags make of a file */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <dlfcn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/vfs.h>

static bool refuse_fstatfs;

/* Stands in the place of libc's, for the library as for all. */
int fstatfs(int fd, struct statfs *found)
{
	int (*real)(int, struct statfs *);

	*(void **)&real = dlsym(RTLD_NEXT, "fstatfs");
	errno = EIO;
	return refuse_fstatfs ? -1 : real(fd, found);
}

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

static void assert_refused(const char *uri, int flags, int error,
			   const char *words)
{
	struct quire_object *object = NULL;
	int before = open_descriptors();

	assert_int_equal(quire_object_open(quire, uri, flags, NULL, &object),
			 error);
	assert_sentence(words);
	assert_null(object);
	assert_int_equal(open_descriptors(), before);
}

static off_t size_of_file(int fd)
{
	struct stat status;

	assert_return_code(fstat(fd, &status), errno);
	return status.st_size;
}

/* ---- URIs ---- */

static void test_path(void **state)
{
	struct quire_object *object = open_object(quire, file.path, O_RDONLY);

	(void)state;
	assert_int_equal(quire_object_size(object), 4 * PAGE);
	assert_int_equal(byte_of(object, 3 * PAGE + 5), byte_at(3 * PAGE + 5));
	assert_int_equal(quire_object_close(object), 0);
}

static void test_file_scheme(void **state)
{
	struct quire_object *object;
	char uri[80];

	(void)state;
	snprintf(uri, sizeof(uri), "file:%s", file.path);
	object = open_object(quire, uri, O_RDONLY);
	assert_int_equal(byte_of(object, 77), byte_at(77));
	assert_int_equal(quire_object_close(object), 0);
}

/* A colon in a path does not make a scheme, unless letters alone precede. */
static void test_path_with_a_colon(void **state)
{
	struct quire_object *object;
	char path[80];

	(void)state;
	snprintf(path, sizeof(path), "%s:x", file.path);
	assert_return_code(rename(file.path, path), errno);
	object = open_object(quire, path, O_RDONLY);
	assert_int_equal(quire_object_size(object), 4 * PAGE);
	assert_int_equal(quire_object_close(object), 0);
	assert_return_code(rename(path, file.path), errno);
}

static void check_memory(const char *uri, uint64_t size)
{
	struct quire_object *object = open_object(quire, uri, O_RDWR);

	assert_int_equal(quire_object_size(object), size);
	assert_int_equal(byte_of(object, size - 1), 0);
	assert_int_equal(quire_object_pwrite(object, "q", 1, size - 1), 1);
	assert_int_equal(byte_of(object, size - 1), 'q');
	assert_int_equal(quire_object_close(object), 0);
}

static void test_memory(void **state)
{
	(void)state;
	check_memory("anon:64K", 64 << 10);
	check_memory("anon:1", 1);
	check_memory("mem:64K", 64 << 10);
	check_memory("mem:5000", 5000);
	check_memory("anon:1T", UINT64_C(1) << 40);
}

/* More than the budget goes through them. */
static void test_memory_beyond_the_budget(void **state)
{
	const char *const uris[] = { "anon:1M", "mem:1M" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct quire_object *object =
			open_object(quire, uris[i], O_RDWR);

		for (uint64_t at = 0; at < 1 << 20; at += PAGE)
			assert_int_equal(quire_object_pwrite(object, &at,
							     sizeof(at), at),
					 sizeof(at));
		for (uint64_t at = 0; at < 1 << 20; at += PAGE) {
			uint64_t found;

			assert_int_equal(quire_object_pread(object, &found,
							    sizeof(found), at),
					 sizeof(found));
			assert_int_equal(found, at);
		}
		assert_int_equal(quire_object_close(object), 0);
	}
	assert_true(statistics_of(quire).resident_peak <= 64 * PAGE);
}

static void test_unknown_scheme(void **state)
{
	(void)state;
	assert_refused("nosuch://host/x", O_RDONLY, -EINVAL, "'nosuch'");
	assert_refused("nosuch:", O_RDONLY, -EINVAL, "file:PATH");
	assert_refused("nosuch:", O_RDONLY, -EINVAL, "anon:SIZE");
	assert_refused("nosuch:", O_RDONLY, -EINVAL, "mem:SIZE");
}

static void test_bad_sizes(void **state)
{
	static const char *const sizes[] = {
		"",    "x",   "-1",
		"1X",  " 1",  "1.5M",
		"1MM", "16E", "99999999999999999999"
	};
	char uri[40];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		snprintf(uri, sizeof(uri), "anon:%s", sizes[i]);
		assert_refused(uri, O_RDWR, -EINVAL, "is no size");
		snprintf(uri, sizeof(uri), "mem:%s", sizes[i]);
		assert_refused(uri, O_RDWR, -EINVAL, "is no size");
	}
}

static void test_empty_and_missing(void **state)
{
	(void)state;
	assert_refused("", O_RDONLY, -ENOENT, "No such file");
	assert_refused("/nonexistent/file", O_RDONLY, -ENOENT,
		       "/nonexistent/file");
	assert_refused("file:", O_RDONLY, -ENOENT, "No such file");
}

static void test_no_swap_directory(void **state)
{
	struct quire_options options = { .size = sizeof(options),
					 .swap_directory = "/nonexistent" };
	struct quire_object *object = NULL;
	struct quire *other;

	(void)state;
	assert_int_equal(quire_open(&options, &other), 0);
	assert_int_equal(quire_object_open(other, "anon:4K", O_RDWR, NULL,
					   &object),
			 -ENOENT);
	assert_sentence("/nonexistent");
	assert_int_equal(quire_object_create_anonymous(other, PAGE, NULL,
						       &object),
			 -ENOENT);
	assert_int_equal((int)(quire_mmap(quire_host_space(other), NULL, PAGE,
					  PROT_READ,
					  MAP_PRIVATE | MAP_ANONYMOUS, NULL,
					  0) == MAP_FAILED),
			 1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(quire_close(other), 0);
}

/* ---- flags ---- */

static void test_create(void **state)
{
	struct quire_object_options options = { .size = sizeof(options),
						.mode = 0640 };
	struct quire_object *object;
	struct stat status;

	(void)state;
	unlink(file.path);
	assert_int_equal(quire_object_open(quire, file.path,
					   O_RDWR | O_CREAT | O_EXCL, &options,
					   &object),
			 0);
	assert_int_equal(quire_object_size(object), 0);
	assert_return_code(stat(file.path, &status), errno);
	assert_int_equal(status.st_mode & 0777, 0640);
	assert_int_equal(quire_object_resize(object, 100), 0);
	assert_int_equal(quire_object_pwrite(object, "new", 3, 97), 3);
	assert_int_equal(quire_object_close(object), 0);
	assert_return_code(stat(file.path, &status), errno);
	assert_int_equal(status.st_size, 100);
	assert_refused(file.path, O_RDWR | O_CREAT | O_EXCL, -EEXIST,
		       "File exists");
	/* O_CREAT alone takes what is there. */
	object = open_object(quire, file.path, O_RDWR | O_CREAT);
	assert_int_equal(quire_object_size(object), 100);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_refused_flags(void **state)
{
	(void)state;
	assert_refused(file.path, O_WRONLY, -EINVAL, "open for reading");
	assert_refused(file.path, O_RDWR | O_WRONLY, -EINVAL, "for reading");
	assert_refused(file.path, O_RDONLY | O_TRUNC, -EINVAL, "O_TRUNC");
	assert_int_equal(size_of_file(file.fd), 4 * PAGE);
}

/* Bytes that nobody has synced go with the rest. */
static void test_truncate(void **state)
{
	struct quire_object *object =
		open_object(quire, file.path, O_RDWR | O_TRUNC);

	(void)state;
	assert_int_equal(quire_object_size(object), 0);
	assert_int_equal(size_of_file(file.fd), 0);
	assert_int_equal(quire_object_close(object), 0);
}

struct touch {
	unsigned char *bytes;
	unsigned char seen;
};

static void load(void *argument)
{
	struct touch *touch = argument;

	touch->seen = *(volatile unsigned char *)touch->bytes;
}

/* The first holder's mapping stays, and ends at once. */
static void test_truncate_an_open_object(void **state)
{
	struct quire_object *first = open_object(quire, file.path, O_RDWR);
	struct touch touch = { .bytes = map_object(quire, first, 4 * PAGE,
						   PROT_READ | PROT_WRITE) };
	struct quire_object *second;

	(void)state;
	touch.bytes[0] = 'x';
	second = open_object(quire, file.path, O_RDWR | O_TRUNC);
	assert_int_equal(quire_object_size(first), 0);
	assert_int_equal(quire_guard(quire_host_space(quire), load, &touch,
				     NULL),
			 -ENXIO);
	assert_int_equal(quire_object_resize(second, PAGE), 0);
	assert_int_equal(quire_object_size(first), PAGE);
	assert_int_equal(touch.bytes[0], 0);
	assert_int_equal(quire_object_close(second), 0);
	assert_int_equal(quire_object_close(first), 0);
	assert_int_equal(quire_munmap(quire_host_space(quire), touch.bytes,
				      4 * PAGE),
			 0);
	assert_int_equal(size_of_file(file.fd), PAGE);
	assert_int_equal(byte_in_file(file.fd, 0), 0);
}

/* Nothing is cut under a pin, and the handle is not handed out. */
static void test_truncate_a_pinned_object(void **state)
{
	struct quire_object *object = open_object(quire, file.path, O_RDWR);
	struct quire_object *other = NULL;
	struct quire_pin pin;

	(void)state;
	assert_int_equal(quire_object_pin(object, PAGE, 10, PROT_READ, &pin),
			 0);
	assert_int_equal(quire_object_open(quire, file.path, O_RDWR | O_TRUNC,
					   NULL, &other),
			 -EBUSY);
	assert_sentence("pinned");
	assert_int_equal(quire_object_size(object), 4 * PAGE);
	assert_int_equal(size_of_file(file.fd), 4 * PAGE);
	assert_int_equal(*(unsigned char *)pin.address, byte_at(PAGE));
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_close(object), 0);
}

/* ---- one file, one object ---- */

static void test_reader_then_writer(void **state)
{
	struct quire_object *reader = open_object(quire, file.path, O_RDONLY);
	const unsigned char *seen =
		map_object(quire, reader, 4 * PAGE, PROT_READ);
	struct quire_object *writer;
	unsigned char *bytes;

	(void)state;
	assert_int_equal(seen[0], byte_at(0));
	assert_int_equal(quire_object_pwrite(reader, "x", 1, 0), -EACCES);
	writer = open_object(quire, file.path, O_RDWR);
	bytes = map_object(quire, writer, 4 * PAGE, PROT_READ | PROT_WRITE);
	bytes[0] = 0xb7;
	bytes[3 * PAGE] = 0xb8;
	assert_int_equal(seen[0], 0xb7);
	assert_int_equal(seen[3 * PAGE], 0xb8);
	assert_int_equal(byte_of(reader, 0), 0xb7);
	/* The first handle is what it was. */
	assert_int_equal(quire_object_pwrite(reader, "x", 1, 0), -EACCES);
	assert_sentence("reading only");
	assert_int_equal(quire_object_close(writer), 0);
	assert_int_equal(quire_object_sync(reader, 0, 0, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 3 * PAGE), 0xb8);
	assert_int_equal(quire_object_close(reader), 0);
	quire_munmap(quire_host_space(quire), bytes, 4 * PAGE);
	quire_munmap(quire_host_space(quire), (void *)(uintptr_t)seen,
		     4 * PAGE);
}

/* By another name it is the same file. */
static void test_hard_link(void **state)
{
	struct quire_object *one = open_object(quire, file.path, O_RDWR);
	struct quire_object *two;
	char name[80];

	(void)state;
	snprintf(name, sizeof(name), "%s-link", file.path);
	assert_return_code(link(file.path, name), errno);
	two = open_object(quire, name, O_RDWR);
	assert_int_equal(quire_object_pwrite(one, "abc", 3, 10), 3);
	assert_int_equal(byte_of(two, 12), 'c');
	assert_int_equal(quire_object_close(one), 0);
	assert_int_equal(quire_object_close(two), 0);
	unlink(name);
}

/* Dirty pages at the end of the table: capacity is the size. */
static void test_no_room_to_grow(void **state)
{
	struct quire_object_options options = { .size = sizeof(options),
						.capacity = 4 * PAGE };
	struct quire_object *object;
	unsigned char *bytes;

	(void)state;
	assert_int_equal(quire_object_open(quire, file.path, O_RDWR, &options,
					   &object),
			 0);
	bytes = map_object(quire, object, 4 * PAGE, PROT_READ | PROT_WRITE);
	memset(bytes, 0x77, 4 * PAGE);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 4 * PAGE - 1), 0x77);
	assert_int_equal(quire_object_resize(object, 4 * PAGE + 1), -EFBIG);
	assert_sentence("capacity");
	assert_int_equal(quire_object_size(object), 4 * PAGE);
	assert_int_equal(quire_object_close(object), 0);
	quire_munmap(quire_host_space(quire), bytes, 4 * PAGE);
}

/* ---- what cannot be mapped ---- */

static void test_kinds_of_files(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int socket_fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	assert_refused("/", O_RDONLY, -EISDIR, "directory");
	assert_refused("/", O_RDWR, -EISDIR, "directory");
	assert_refused("/proc/version", O_RDONLY, -ENODEV, "makes it up");
	assert_refused("/dev/null", O_RDONLY, -ENODEV, "cannot be mapped");
	assert_refused("/dev/null", O_RDWR, -ENODEV, "cannot be mapped");
	unlink(file.path);
	assert_return_code(mkfifo(file.path, 0600), errno);
	assert_refused(file.path, O_RDONLY, -ENODEV, "cannot be mapped");
	assert_refused(file.path, O_RDWR, -ENODEV, "cannot be mapped");
	unlink(file.path);
	strcpy(name.sun_path, file.path);
	assert_return_code(
		bind(socket_fd, (struct sockaddr *)&name, sizeof(name)), errno);
	assert_refused(file.path, O_RDONLY, -ENODEV, "cannot be mapped");
	close(socket_fd);
}

/* As somebody else if this is root; the engine is the child's own. */
static void open_forbidden(void *path)
{
	struct quire_object *object;
	struct quire *own;

	if (geteuid() == 0)
		need(setresuid(65534, 65534, 65534) == 0);
	own = open_engine(0);
	need(own);
	need(quire_object_open(own, path, O_RDONLY, NULL, &object) == -EACCES);
	need(strstr(quire_strerror_last(), "Permission denied"));
	need(quire_object_open(own, path, O_RDWR, NULL, &object) == -EACCES);
	need(quire_close(own) == 0);
}

static void test_no_permission(void **state)
{
	(void)state;
	assert_return_code(fchmod(file.fd, geteuid() ? 0 : 0600), errno);
	/* No threads may run at a fork whose child starts threads. */
	assert_int_equal(quire_close(quire), 0);
	assert_survives(open_forbidden, file.path);
	quire = new_engine(64 * PAGE);
}

/* It forbids nothing, then. */
static void test_a_file_system_that_says_nothing(void **state)
{
	struct quire_object *object;
	void *code;

	(void)state;
	refuse_fstatfs = true;
	object = open_object(quire, file.path, O_RDONLY);
	refuse_fstatfs = false;
	assert_int_equal(byte_of(object, 3 * PAGE + 5), byte_at(3 * PAGE + 5));
	code = quire_mmap(quire_host_space(quire), NULL, PAGE,
			  PROT_READ | PROT_EXEC, MAP_PRIVATE, object, 0);
	assert_true(code != MAP_FAILED);
	quire_munmap(quire_host_space(quire), code, PAGE);
	assert_int_equal(quire_object_close(object), 0);
}

/* Is what lies in place, a mount, mapped to be executed? */
static void assert_executable(const char *place, bool may)
{
	struct quire_space *space = quire_host_space(quire);
	struct quire_object *object;
	char path[64];
	void *code;
	int fd;

	snprintf(path, sizeof(path), "%s/f", place);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_return_code(fd, errno);
	assert_return_code(ftruncate(fd, PAGE), errno);
	close(fd);
	object = open_object(quire, path, O_RDONLY);
	code = quire_mmap(space, NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE,
			  object, 0);
	assert_true(may == (code != MAP_FAILED));
	if (!may)
		assert_int_equal(errno, EPERM);
	else
		assert_int_equal(quire_munmap(space, code, PAGE), 0);
	assert_int_equal(quire_object_close(object), 0);
}

static void test_a_file_system_without_programs(void **state)
{
	char place[] = "/var/tmp/quire-test-noexec-XXXXXX";
	bool mounted;

	(void)state;
	assert_non_null(mkdtemp(place));
	mounted = !mount("test", place, "tmpfs", MS_NOEXEC, "size=64k");
	if (mounted) {
		assert_executable(place, false);
		assert_return_code(mount("test", place, "tmpfs", MS_REMOUNT,
					 "size=64k"),
				   errno);
		assert_executable(place, true); /* nothing is remembered */
		umount2(place, MNT_DETACH);
	}
	rmdir(place);
	if (!mounted)
		skip();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_path),
		TEST(test_file_scheme),
		TEST(test_path_with_a_colon),
		TEST(test_memory),
		TEST(test_memory_beyond_the_budget),
		TEST(test_unknown_scheme),
		TEST(test_bad_sizes),
		TEST(test_empty_and_missing),
		TEST(test_no_swap_directory),
		TEST(test_create),
		TEST(test_refused_flags),
		TEST(test_truncate),
		TEST(test_truncate_an_open_object),
		TEST(test_truncate_a_pinned_object),
		TEST(test_reader_then_writer),
		TEST(test_hard_link),
		TEST(test_no_room_to_grow),
		TEST(test_kinds_of_files),
		TEST(test_no_permission),
		TEST(test_a_file_system_that_says_nothing),
		TEST(test_a_file_system_without_programs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
