/* test_file_store.c - the file store of store/store.h */
/* SPDX-License-Identifier: MIT */
#include "store/file_private.h"
#include "unit/refuse_direct.h"
#include "unit/store_tools.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

static struct store_context with_workers;

/* ---- a kernel that refuses ---- */

static atomic_bool refuse_allocate; /* half of it, then ENOSPC */
static atomic_bool appended_meanwhile;
static atomic_int refused_modes; /* of fallocate(2) */
static atomic_int refused_with;  /* and the error */

int fallocate(int fd, int mode, off_t offset, off_t length)
{
	int (*real)(int, int, off_t, off_t);

	if (atomic_load(&refuse_allocate)) {
		/* It, or somebody else meanwhile. */
		if ((!(mode & FALLOC_FL_KEEP_SIZE) ||
		     atomic_load(&appended_meanwhile)) &&
		    ftruncate(fd, offset + length / 2))
			return -1;
		errno = ENOSPC;
		return -1;
	}
	if (mode & atomic_load(&refused_modes)) {
		errno = atomic_load(&refused_with);
		return -1;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "fallocate");
	return real(fd, mode, offset, length);
}

/* ---- fixtures ---- */

static int new_file(int flags)
{
	char path[] = "/var/tmp/quire-test-file-XXXXXX";
	int fd = mkstemp(path);
	int again;

	assert_return_code(fd, errno);
	again = open(path, flags | O_CLOEXEC);
	assert_return_code(again, errno);
	close(fd);
	unlink(path);
	return again;
}

static struct store *store_of(int fd, bool writable)
{
	struct store *store;

	assert_int_equal(file_store_create(&with_workers, fd, writable, &store),
			 0);
	return store;
}

/* Can its file be read and written past the kernel's page cache? */
static bool goes_direct(int fd)
{
	int direct = file_open_direct(fd, true);

	if (direct >= 0)
		close(direct);
	return direct >= 0;
}

/* fd is refused, with a sentence, and closed all the same. */
static void assert_refused(int fd, bool writable, int error)
{
	struct store *store = NULL;

	error_clear();
	assert_int_equal(file_store_create(&with_workers, fd, writable, &store),
			 error);
	assert_string_not_equal(error_sentence(), "");
	assert_null(store);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* ---- tests ---- */

static void only_files_are_taken(void **state)
{
	int ends[2];

	(void)state;
	assert_refused(open("/", O_RDONLY), false, -EISDIR);
	assert_return_code(pipe(ends), errno);
	assert_refused(ends[0], false, -ENODEV);
	close(ends[1]);
	assert_refused(ends[1], false, -EBADF);
	assert_refused(new_file(O_WRONLY), false, -EBADF);
	assert_refused(new_file(O_RDONLY), true, -EACCES);
}

static void a_read_only_file_is_read(void **state)
{
	int fd = new_file(O_RDWR);
	int again;
	char path[64];
	struct store *store;
	unsigned char *bytes = new_buffer(PAGE_SIZE);

	(void)state;
	assert_int_equal(pwrite(fd, "read me", 7, 0), 7);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	assert_return_code(again, errno);
	store = store_of(again, false);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), 7);
	assert_memory_equal(bytes, "read me", 7);
	assert_int_equal(write_at(store, bytes, 7, 0), -EACCES);
	store_destroy(store);
	close(fd);
	free(bytes);
}

/* O_APPEND would move every write to the end. */
static void special_modes_do_no_harm(void **state)
{
	static const int modes[] = { O_APPEND, O_DIRECT };
	unsigned char *bytes = new_buffer(PAGE_SIZE);
	struct store *store;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		store = store_of(new_file(O_RDWR | modes[i]), true);
		assert_int_equal(write_at(store, "0123456789", 10, 0), 10);
		assert_int_equal(write_at(store, "xx", 2, 3), 2);
		assert_int_equal(size_of_store(store), 10);
		assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), 10);
		assert_memory_equal(bytes, "012xx56789", 10);
		store_destroy(store);
	}
	free(bytes);
}

static void a_write_past_the_end_grows_the_file(void **state)
{
	struct store *store = store_of(new_file(O_RDWR), true);

	(void)state;
	assert_int_equal(write_at(store, "end", 3, 10000), 3);
	assert_int_equal(size_of_store(store), 10003);
	store_destroy(store);
}

/* 2 pages and a bit: the pages direct, the bit not. */
static void what_is_aligned_goes_direct(void **state)
{
	const size_t length = 2 * PAGE_SIZE + 100;
	int fd = new_file(O_RDWR);
	unsigned char *in, *out;
	struct store *store;

	(void)state;
	if (!goes_direct(fd)) {
		close(fd);
		skip();
	}
	in = new_buffer(length);
	out = new_buffer(length);
	store = store_of(fd, true);
	fill_random(in, length, 1);
	atomic_store(&direct_count, 0);
	assert_int_equal(write_at(store, in, length, 0), length);
	assert_int_equal(atomic_load(&direct_count), 1);
	assert_int_equal(read_at(store, out, length, 0), length);
	assert_int_equal(atomic_load(&direct_count), 2);
	assert_memory_equal(in, out, length);
	/* Offset, length and memory, each unaligned. */
	assert_int_equal(read_at(store, out, PAGE_SIZE, 1), PAGE_SIZE);
	assert_int_equal(read_at(store, out, PAGE_SIZE - 1, 0), PAGE_SIZE - 1);
	assert_int_equal(read_at(store, out + 1, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(atomic_load(&direct_count), 2);
	assert_memory_equal(in, out + 1, PAGE_SIZE);
	store_destroy(store);
	free(in);
	free(out);
}

/* Pages of the file that are in the kernel's cache, of the first count. */
static unsigned cached_pages(int fd, size_t count)
{
	unsigned char present[64];
	unsigned cached = 0;
	void *view =
		mmap(NULL, count * PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);

	assert_true(view != MAP_FAILED && count <= sizeof(present));
	assert_return_code(mincore(view, count * PAGE_SIZE, present), errno);
	for (size_t i = 0; i < count; i++)
		cached += present[i] & 1;
	munmap(view, count * PAGE_SIZE);
	return cached;
}

static void direct_transfers_bypass_the_cache(void **state)
{
	const size_t length = 64 * PAGE_SIZE;
	int fd = new_file(O_RDWR);
	struct store *store = store_of(dup(fd), true);
	unsigned char *bytes = new_buffer(length);

	(void)state;
	assert_int_equal(write_at(store, bytes, length, 0), length);
	assert_int_equal(read_at(store, bytes, length, 0), length);
	if (goes_direct(fd))
		assert_int_equal(cached_pages(fd, 64), 0);
	else
		assert_true(cached_pages(fd, 64) > 0);
	store_destroy(store);
	close(fd);
	free(bytes);
}

/* Where others write by the cache: no write of ours collides with theirs. */
static void writes_are_buffered_beside_others(void **state)
{
	struct store_context context = with_workers;
	unsigned char *bytes = new_buffer(PAGE_SIZE);
	int fd = new_file(O_RDWR);
	struct store *store;

	(void)state;
	context.others_write = true;
	assert_int_equal(file_store_create(&context, dup(fd), true, &store), 0);
	assert_int_equal(write_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	assert_int_equal(cached_pages(fd, 1), 1);
	assert_int_equal(read_at(store, bytes, PAGE_SIZE, 0), PAGE_SIZE);
	store_destroy(store);
	close(fd);
	free(bytes);
}

/* What the kernel's cache has is taken from there: what is dirty in it need not
 * go home for a read.  The rest is read past it. */
static void reads_beside_others_come_from_the_cache(void **state)
{
	const size_t length = 4 * PAGE_SIZE;
	struct store_context context = with_workers;
	unsigned char *in = new_buffer(length), *out = new_buffer(length);
	int fd = new_file(O_RDWR);
	struct store *store;

	(void)state;
	context.others_write = true;
	fill_random(in, length, 11);
	assert_int_equal(pwrite(fd, in, length, 0), length);
	assert_int_equal(file_store_create(&context, dup(fd), true, &store), 0);
	atomic_store(&direct_count, 0);
	assert_int_equal(read_at(store, out, length, 0), length);
	assert_memory_equal(in, out, length);
	assert_int_equal(atomic_load(&direct_count), 0);
	/* One page of them is dirty, the others are nowhere but at home. */
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	in[PAGE_SIZE]++;
	assert_int_equal(pwrite(fd, in + PAGE_SIZE, PAGE_SIZE, PAGE_SIZE),
			 PAGE_SIZE);
	assert_int_equal(read_at(store, out, length, 0), length);
	assert_memory_equal(in, out, length);
	assert_int_equal(atomic_load(&direct_count), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
	memset(out, 0, length);
	assert_int_equal(read_at(store, out, length, 0), length);
	assert_memory_equal(in, out, length);
	if (goes_direct(fd))
		assert_int_equal(atomic_load(&direct_count), 1);
	store_destroy(store);
	close(fd);
	free(in);
	free(out);
}

static void refused_direct_transfers_are_buffered(void **state)
{
	const size_t length = 4 * PAGE_SIZE;
	struct store *store = store_of(new_file(O_RDWR), true);
	unsigned char *in = new_buffer(length);
	unsigned char *out = new_buffer(length);

	(void)state;
	fill_random(in, length, 9);
	atomic_store(&refuse_direct, true);
	assert_int_equal(write_at(store, in, length, 0), length);
	assert_int_equal(read_at(store, out, length, 0), length);
	atomic_store(&refuse_direct, false);
	assert_memory_equal(in, out, length);
	/* And the direct path sees what was buffered. */
	memset(out, 0, length);
	assert_int_equal(read_at(store, out, length, 0), length);
	assert_memory_equal(in, out, length);
	store_destroy(store);
	free(in);
	free(out);
}

static void a_failed_allocation_leaves_the_size(void **state)
{
	struct store *store = store_of(new_file(O_RDWR), true);

	(void)state;
	assert_int_equal(store_resize(store, 5000), 0);
	atomic_store(&refuse_allocate, true);
	error_clear();
	assert_int_equal(store_allocate(store, 4096, 1 << 20), -ENOSPC);
	assert_int_equal(size_of_store(store), 5000);
	atomic_store(&appended_meanwhile, true);
	assert_int_equal(store_allocate(store, 8192, 8192), -ENOSPC);
	assert_int_equal(size_of_store(store), 12288); /* theirs */
	atomic_store(&appended_meanwhile, false);
	atomic_store(&refuse_allocate, false);
	assert_int_equal(store_resize(store, 5000), 0);
	assert_string_not_equal(error_sentence(), "");
	assert_int_equal(size_of_store(store), 5000);
	assert_int_equal(store_allocate(store, 4096, 1 << 20), 0);
	assert_int_equal(size_of_store(store), 4096 + (1 << 20));
	store_destroy(store);
}

static void the_file_size_limit_is_an_error(void **state)
{
	struct store *store = store_of(new_file(O_RDWR), true);
	unsigned char *bytes = new_buffer(2 * PAGE_SIZE);
	struct rlimit before, limit;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	limit = before;
	limit.rlim_cur = PAGE_SIZE;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
	assert_int_equal(write_at(store, bytes, 2 * PAGE_SIZE, 0), -EFBIG);
	assert_int_equal(store_resize(store, 2 * PAGE_SIZE), -EFBIG);
	assert_int_equal(store_allocate(store, 0, 2 * PAGE_SIZE), -EFBIG);
	assert_int_equal(size_of_store(store), PAGE_SIZE);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
	assert_int_equal(write_at(store, bytes, 2 * PAGE_SIZE, 0),
			 2 * PAGE_SIZE);
	store_destroy(store);
	free(bytes);
}

static atomic_uint limits_met;

static void meet_limit(int number)
{
	(void)number;
	atomic_fetch_add(&limits_met, 1);
}

/* The program's thread is not told of it by a signal, which would end it. */
static void the_limit_raises_nothing_here(void **state)
{
	struct store *store = store_of(new_file(O_RDWR), true);
	struct store_io io = {
		.operation = STORE_WRITE,
		.iov = { { new_buffer(2 * PAGE_SIZE), 2 * PAGE_SIZE } },
		.iov_count = 1,
		.urgency = STORE_NOW,
	};
	struct rlimit before, limit;

	(void)state;
	signal(SIGXFSZ, meet_limit);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	limit = before;
	limit.rlim_cur = PAGE_SIZE;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
	assert_int_equal(store_transfer(store, &io), -EFBIG);
	assert_int_equal(atomic_load(&limits_met), 0);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
	assert_int_equal(store_transfer(store, &io), 2 * PAGE_SIZE);
	signal(SIGXFSZ, SIG_IGN);
	store_destroy(store);
	free(io.iov[0].iov_base);
}

/* A file on a file system of 16 pages, or -1: may not mount. */
static int file_on_a_small_disk(void)
{
	char place[] = "/var/tmp/quire-test-disk-XXXXXX";
	char path[sizeof(place) + 2];
	int fd = -1;

	assert_non_null(mkdtemp(place));
	if (!mount("test", place, "tmpfs", 0, "size=64k")) {
		snprintf(path, sizeof(path), "%s/f", place);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		assert_return_code(fd, errno);
		umount2(place, MNT_DETACH);
	}
	rmdir(place);
	return fd;
}

static void a_full_disk_is_an_error(void **state)
{
	const size_t length = 17 * PAGE_SIZE;
	int fd = file_on_a_small_disk();
	unsigned char *bytes;
	struct store *store;

	(void)state;
	if (fd < 0)
		skip();
	bytes = new_buffer(length);
	assert_false(goes_direct(fd));
	store = store_of(fd, true);
	assert_int_equal(store_allocate(store, 0, length), -ENOSPC);
	assert_int_equal(size_of_store(store), 0);
	assert_int_equal(write_at(store, bytes, length, 0), -ENOSPC);
	assert_int_equal(store_resize(store, 0), 0);
	assert_int_equal(write_at(store, bytes, length - PAGE_SIZE, 0),
			 length - PAGE_SIZE);
	store_destroy(store);
	free(bytes);
}

/* ---- discards ---- */

/* Blocks of 512 bytes that the file takes. */
static uint64_t blocks_of(int fd)
{
	struct stat found;

	assert_return_code(fstat(fd, &found), errno);
	return (uint64_t)found.st_blocks;
}

static void assert_discards(struct store *store, int expected)
{
	unsigned char *bytes = new_buffer(16 * PAGE_SIZE);

	memset(bytes, 5, 16 * PAGE_SIZE);
	assert_int_equal(write_at(store, bytes, 16 * PAGE_SIZE, 0),
			 16 * PAGE_SIZE);
	assert_int_equal(store_discard(store, 0, 8 * PAGE_SIZE), expected);
	assert_int_equal(read_at(store, bytes, 16 * PAGE_SIZE, 0),
			 16 * PAGE_SIZE);
	assert_int_equal(bytes[8 * PAGE_SIZE - 1], expected ? 5 : 0);
	assert_int_equal(bytes[8 * PAGE_SIZE], 5);
	free(bytes);
}

static void a_discard_gives_room_back(void **state)
{
	int fd = new_file(O_RDWR);
	struct store *store = store_of(fd, true);
	uint64_t before;

	(void)state;
	assert_discards(store, 0);
	assert_int_equal(flush_all(store), 0);
	before = blocks_of(fd);
	assert_int_equal(store_discard(store, 8 * PAGE_SIZE, 8 * PAGE_SIZE), 0);
	assert_true(blocks_of(fd) < before);
	assert_int_equal(size_of_store(store), 16 * PAGE_SIZE);
	store_destroy(store);
}

/* No holes: zeros at least.  No zeros either: nothing has changed. */
static void a_file_system_without_holes(void **state)
{
	struct store *store = store_of(new_file(O_RDWR), true);

	(void)state;
	atomic_store(&refused_with, EOPNOTSUPP);
	atomic_store(&refused_modes, FALLOC_FL_PUNCH_HOLE);
	assert_discards(store, 0);
	atomic_store(&refused_modes,
		     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
	assert_discards(store, -EOPNOTSUPP);
	atomic_store(&refused_with, EIO);
	assert_discards(store, -EIO);
	atomic_store(&refused_modes, 0);
	store_destroy(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_files_are_taken),
		cmocka_unit_test(a_read_only_file_is_read),
		cmocka_unit_test(special_modes_do_no_harm),
		cmocka_unit_test(a_write_past_the_end_grows_the_file),
		cmocka_unit_test(what_is_aligned_goes_direct),
		cmocka_unit_test(direct_transfers_bypass_the_cache),
		cmocka_unit_test(writes_are_buffered_beside_others),
		cmocka_unit_test(reads_beside_others_come_from_the_cache),
		cmocka_unit_test(refused_direct_transfers_are_buffered),
		cmocka_unit_test(a_failed_allocation_leaves_the_size),
		cmocka_unit_test(the_file_size_limit_is_an_error),
		cmocka_unit_test(the_limit_raises_nothing_here),
		cmocka_unit_test(a_full_disk_is_an_error),
		cmocka_unit_test(a_discard_gives_room_back),
		cmocka_unit_test(a_file_system_without_holes),
	};
	int failed;

	if (worker_pool_create(2, "test-worker", &with_workers.workers))
		return 1;
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	worker_pool_destroy(with_workers.workers);
	return failed;
}
