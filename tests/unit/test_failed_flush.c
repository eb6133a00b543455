/* test_failed_flush.c - a real disk that has no room, and then has */
/* SPDX-License-Identifier: MIT */
/*
 * A file system on a sparse file whose own place is full: the kernel takes the
 * bytes, and fdatasync(2) fails; then it takes them for written.  The file is
 * no whole page long, so that it is written through the kernel's cache.
 */
#include "unit/engine_tools.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char place[] = "/var/tmp/quire-test-flush-XXXXXX";

static int sh(const char *format)
{
	char command[1024];

	snprintf(command, sizeof(command), format, place, place, place, place,
		 place, place, place, place, place);
	return system(command);
}

static int set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(place));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sh("exec 2>/dev/null; umount -l %s/on; umount -l %s/under; rm -rf %s");
	return 0;
}

/* Root, a loop device and mkfs.ext4. */
static bool make_disk(void)
{
	return sh("exec >/dev/null 2>&1; mkdir %s/under %s/on && "
		  "mount -t tmpfs -o size=20M none %s/under && "
		  "truncate -s 64M %s/under/disk && "
		  "mkfs.ext4 -q -F %s/under/disk && "
		  "mount -o loop %s/under/disk %s/on && "
		  "fallocate -l 3000 %s/on/file && sync -f %s/on/file") == 0;
}

static bool fill_it(void)
{
	return sh("dd if=/dev/zero of=%s/under/filler bs=64k 2>/dev/null; "
		  "test $(df --output=avail %s/under | tail -n 1) -eq 0") == 0;
}

static bool file_has(const char *text)
{
	char path[256], found[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/on/file", place);
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	assert_int_equal(pread(fd, found, strlen(text), 0), strlen(text));
	close(fd);
	return !strcmp(found, text);
}

static void test_nothing_is_lost(void **state)
{
	struct quire_object *object;
	struct quire *quire;
	char path[256];

	(void)state;
	if (!make_disk() || !fill_it())
		skip();
	quire = new_engine(64 * PAGE);
	snprintf(path, sizeof(path), "%s/on/file", place);
	object = open_object(quire, path, O_RDWR);
	assert_int_equal(quire_object_pwrite(object, "hello", 5, 0), 5);
	assert_true(quire_object_sync(object, 0, 0, MS_SYNC) < 0);
	assert_int_equal(sh("rm %s/under/filler"), 0);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	assert_true(file_has("hello"));
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	assert_true(file_has("hello"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
