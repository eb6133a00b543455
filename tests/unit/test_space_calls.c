/* test_space_calls.c - mmap, munmap, mprotect and msync answer as the kernel */
/* SPDX-License-Identifier: MIT */
/*
 * Each call is made twice: on the kernel's own mapping of a file, and on
 * Quire's of the same one.  What is returned and errno must be the same.
 */
#include "unit/engine_tools.h"

#define PAGES 16 /* of the file */

#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static int read_fd;
static struct quire_object *writer, *reader;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(256 * PAGE);
	space = quire_host_space(quire);
	make_file(&file, PAGES * PAGE);
	read_fd = open(file.path, O_RDONLY | O_CLOEXEC);
	assert_return_code(read_fd, errno);
	writer = open_object(quire, file.path, O_RDWR);
	reader = open_object(quire, file.path, O_RDONLY);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(writer), 0);
	assert_int_equal(quire_object_close(reader), 0);
	assert_int_equal(quire_close(quire), 0);
	close(read_fd);
	end_file(&file);
	return 0;
}

/* 0, or the errno of a call that returned -1. */
static int outcome(int returned)
{
	return returned ? errno : 0;
}

/* Each failure has its sentence. */
static void assert_said(int error)
{
	if (!quire_strerror_last()[0])
		fail_msg("nothing is said about %s", strerror(error));
}

/* ---- mmap ---- */

enum which {
	NOTHING,
	READER,
	WRITER
};

struct map_call {
	size_t length;
	int prot;
	int flags;
	enum which which;
	off_t offset;
	int error; /* that POSIX, or the kernel, has for it */
};

static void *kernel_maps(const struct map_call *call, void *address)
{
	int fd = call->which == WRITER   ? file.fd
		 : call->which == READER ? read_fd
					 : -1;

	return mmap(address, call->length, call->prot, call->flags, fd,
		    call->offset);
}

static void *quire_maps(const struct map_call *call, void *address)
{
	struct quire_object *object = call->which == WRITER   ? writer
				      : call->which == READER ? reader
							      : NULL;

	return quire_mmap(space, address, call->length, call->prot, call->flags,
			  object, call->offset);
}

static void assert_same(const struct map_call *call, void *address)
{
	void *kernel = kernel_maps(call, address);
	int kernel_error = kernel == MAP_FAILED ? errno : 0;
	void *ours;
	int our_error;

	if (!kernel_error)
		munmap(kernel, call->length);
	ours = quire_maps(call, address);
	our_error = ours == MAP_FAILED ? errno : 0;
	if (our_error)
		assert_said(our_error);
	else
		assert_int_equal(quire_munmap(space, ours, call->length), 0);
	if (kernel_error != call->error || our_error != call->error)
		fail_msg("length 0x%zx prot 0x%x flags 0x%x offset 0x%llx: "
			 "kernel %s, quire %s, expected %s",
			 call->length, (unsigned)call->prot,
			 (unsigned)call->flags,
			 (unsigned long long)call->offset,
			 strerror(kernel_error), strerror(our_error),
			 strerror(call->error));
}

#define READ PROT_READ
#define BOTH (PROT_READ | PROT_WRITE)
#define LAST_OFFSET (INT64_MAX & ~(off_t)(QUIRE_PAGE_SIZE - 1))

static const struct map_call map_calls[] = {
	{ PAGE, READ, MAP_SHARED, WRITER, 0, 0 },
	{ PAGE, BOTH, MAP_SHARED, WRITER, 0, 0 },
	{ PAGE, PROT_NONE, MAP_SHARED, WRITER, 0, 0 },
	{ PAGE, BOTH, MAP_PRIVATE, READER, 0, 0 },
	{ PAGE, BOTH, MAP_SHARED_VALIDATE, WRITER, 0, 0 },
	{ PAGE, BOTH, MAP_SHARED | MAP_NORESERVE, WRITER, 0, 0 },
	{ 1, READ, MAP_SHARED, READER, PAGE, 0 },
	{ 64 * PAGE, READ, MAP_SHARED, READER, 0, 0 },
	{ PAGE, READ, MAP_SHARED, READER, 1 << 30, 0 },
	{ PAGE, READ, MAP_SHARED, NOTHING, 0, EBADF },
	{ PAGE, BOTH, MAP_SHARED, READER, 0, EACCES },
	{ PAGE, PROT_WRITE, MAP_SHARED, READER, 0, EACCES },
	{ PAGE, BOTH, MAP_SHARED_VALIDATE, READER, 0, EACCES },
	{ 0, READ, MAP_SHARED, READER, 0, EINVAL },
	{ PAGE, READ, MAP_SHARED, READER, 1, EINVAL },
	{ PAGE, READ, MAP_SHARED, READER, PAGE - 1, EINVAL },
	{ PAGE, READ, 0, READER, 0, EINVAL },
	{ PAGE, READ, MAP_PRIVATE | MAP_GROWSDOWN, READER, 0, EINVAL },
	{ PAGE, READ, MAP_PRIVATE | MAP_HUGETLB, READER, 0, EINVAL },
	{ SIZE_MAX, READ, MAP_SHARED, READER, 0, ENOMEM },
	{ SIZE_MAX - PAGE + 1, READ, MAP_SHARED, READER, 0, ENOMEM },
	{ SIZE_MAX / 2, READ, MAP_SHARED, READER, 0, ENOMEM },
	{ (size_t)1 << 47, READ, MAP_SHARED, READER, 0, ENOMEM },
	{ 2 * PAGE, READ, MAP_SHARED, READER, LAST_OFFSET, EOVERFLOW },
	{ PAGE, READ, MAP_SHARED_VALIDATE | MAP_SYNC, READER, 0, EOPNOTSUPP },
	{ PAGE, READ, MAP_SHARED_VALIDATE | (1 << 25), READER, 0, EOPNOTSUPP },
	{ PAGE, READ, MAP_SHARED | (1 << 25), READER, 0, 0 },
	{ PAGE, READ, MAP_PRIVATE | (1 << 25), READER, 0, 0 },
	{ PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, NOTHING, 0, 0 },
	{ PAGE, BOTH, MAP_SHARED | MAP_ANONYMOUS, NOTHING, 0, 0 },
	{ 0, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, NOTHING, 0, EINVAL },
	{ PAGE, BOTH, MAP_ANONYMOUS, NOTHING, 0, EINVAL },
	{ PAGE, BOTH, MAP_SHARED_VALIDATE | MAP_ANONYMOUS, NOTHING, 0, EINVAL },
	{ PAGE, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, NOTHING, 1, EINVAL },
	{ SIZE_MAX, BOTH, MAP_PRIVATE | MAP_ANONYMOUS, NOTHING, 0, ENOMEM },
};

static void test_mmap(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(map_calls) / sizeof(map_calls[0]); i++)
		assert_same(&map_calls[i], NULL);
}

static void test_mmap_at_bad_addresses(void **state)
{
	struct map_call call = { PAGE,   READ, MAP_SHARED | MAP_FIXED,
				 READER, 0,    EINVAL };

	(void)state;
	assert_same(&call, (void *)(uintptr_t)(0x200000000000 + 1));
	call.error = ENOMEM;
	assert_same(&call, (void *)(uintptr_t)0x7ffffffff000);
	assert_same(&call, (void *)(uintptr_t)0xffffffff00000000);
	call.flags = MAP_SHARED | MAP_FIXED_NOREPLACE;
	assert_same(&call, (void *)(uintptr_t)0x7ffffffff000);
}

/* ---- where there are mappings ---- */

/* 8 pages, mapped but for pages 5 and 6.  Page 4 is of another object. */
struct place {
	unsigned char *kernel;
	unsigned char *ours;
};

/* Below what the kernel chooses by itself, for whichever thread: no stranger
 * comes into the hole. */
#define KERNEL_PLACE ((unsigned char *)(uintptr_t)0x180000000000)
#define OUR_PLACE ((unsigned char *)(uintptr_t)0x190000000000)

static void make_place(struct place *place)
{
	const struct map_call lower = { 5 * PAGE, BOTH, MAP_SHARED | MAP_FIXED,
					WRITER,   0,    0 };
	const struct map_call upper = { PAGE,   READ, MAP_SHARED | MAP_FIXED,
					READER, 0,    0 };

	place->kernel = KERNEL_PLACE;
	assert_ptr_equal(kernel_maps(&lower, place->kernel), place->kernel);
	assert_ptr_equal(kernel_maps(&upper, place->kernel + 7 * PAGE),
			 place->kernel + 7 * PAGE);
	place->ours = OUR_PLACE;
	assert_ptr_equal(quire_maps(&lower, place->ours), place->ours);
	assert_ptr_equal(quire_maps(&upper, place->ours + 7 * PAGE),
			 place->ours + 7 * PAGE);
}

static void end_place(struct place *place)
{
	munmap(place->kernel, 8 * PAGE);
	assert_int_equal(quire_munmap(space, place->ours, 8 * PAGE), 0);
}

/* offset: from the place; SIZE_MAX - x: x bytes before the end of addresses */
struct range_call {
	size_t offset;
	size_t length;
	int how; /* prot, or flags */
	int error;
};

static void *at(unsigned char *place, size_t offset)
{
	return offset > SIZE_MAX / 2 ? (void *)(uintptr_t)offset
				     : place + offset;
}

typedef int range_function(void *address, size_t length, int how);

static int kernel_unmaps(void *address, size_t length, int how)
{
	(void)how;
	return munmap(address, length);
}

static int quire_unmaps(void *address, size_t length, int how)
{
	(void)how;
	return quire_munmap(space, address, length);
}

static int kernel_protects(void *address, size_t length, int how)
{
	return mprotect(address, length, how);
}

static int quire_protects(void *address, size_t length, int how)
{
	return quire_mprotect(space, address, length, how);
}

static int kernel_syncs(void *address, size_t length, int how)
{
	return msync(address, length, how);
}

static int quire_syncs(void *address, size_t length, int how)
{
	return quire_msync(space, address, length, how);
}

/* Each call on a place of its own. */
static void compare(const struct range_call *calls, size_t count,
		    range_function *kernel, range_function *ours)
{
	for (size_t i = 0; i < count; i++) {
		const struct range_call *call = &calls[i];
		struct place place;
		int kernel_error, our_error;

		make_place(&place);
		kernel_error = outcome(kernel(at(place.kernel, call->offset),
					      call->length, call->how));
		our_error = outcome(ours(at(place.ours, call->offset),
					 call->length, call->how));
		if (our_error)
			assert_said(our_error);
		if (kernel_error != call->error || our_error != call->error)
			fail_msg("call %zu: kernel %s, quire %s, expected %s",
				 i, strerror(kernel_error), strerror(our_error),
				 strerror(call->error));
		end_place(&place);
	}
}

#define COUNT(calls) (sizeof(calls) / sizeof((calls)[0]))

static void test_munmap(void **state)
{
	static const struct range_call calls[] = {
		{ 0, 8 * PAGE, 0, 0 },
		{ 0, PAGE, 0, 0 },
		{ PAGE, 1, 0, 0 },
		{ 5 * PAGE, 2 * PAGE, 0, 0 }, /* a hole */
		{ 0, 0, 0, EINVAL },
		{ 1, PAGE, 0, EINVAL },
		{ 0, SIZE_MAX, 0, EINVAL },
		{ 0, (size_t)1 << 47, 0, EINVAL },
		{ SIZE_MAX - PAGE + 1, PAGE, 0, EINVAL },
	};

	(void)state;
	compare(calls, COUNT(calls), kernel_unmaps, quire_unmaps);
}

static void test_mprotect(void **state)
{
	static const struct range_call calls[] = {
		{ 0, 5 * PAGE, READ, 0 },
		{ PAGE, PAGE, PROT_NONE, 0 },
		{ PAGE, 1, BOTH, 0 },
		{ 7 * PAGE, PAGE, PROT_NONE, 0 },
		{ 0, 0, READ, 0 },
		{ 1, 0, READ, EINVAL },
		{ 1, PAGE, READ, EINVAL },
		{ 0, PAGE, 0x40, EINVAL },
		{ 0, PAGE, PROT_GROWSDOWN | PROT_GROWSUP, EINVAL },
		{ 0, PAGE, READ | PROT_GROWSDOWN, EINVAL },
		{ 7 * PAGE, PAGE, BOTH, EACCES },
		{ 0, 6 * PAGE, READ, ENOMEM },
		{ 5 * PAGE, PAGE, READ, ENOMEM },
		{ 0, SIZE_MAX, READ, ENOMEM },
		{ 0, SIZE_MAX - PAGE + 1, READ, ENOMEM },
	};

	(void)state;
	compare(calls, COUNT(calls), kernel_protects, quire_protects);
}

static void test_msync(void **state)
{
	static const struct range_call calls[] = {
		{ 0, 5 * PAGE, MS_SYNC, 0 },
		{ 0, 5 * PAGE, MS_ASYNC, 0 },
		{ 0, 5 * PAGE, MS_INVALIDATE, 0 },
		{ 0, 5 * PAGE, MS_SYNC | MS_INVALIDATE, 0 },
		{ 0, 5 * PAGE, 0, 0 },
		{ 7 * PAGE, 1, MS_SYNC, 0 },
		{ 0, 0, MS_SYNC, 0 },
		{ 5 * PAGE, 0, MS_SYNC, 0 },
		{ 0, PAGE, MS_SYNC | MS_ASYNC, EINVAL },
		{ 0, PAGE, 0x8, EINVAL },
		{ 0, 0, 0x8, EINVAL },
		{ 1, PAGE, MS_SYNC, EINVAL },
		{ 1, 0, MS_SYNC, EINVAL },
		{ 0, 8 * PAGE, MS_SYNC, ENOMEM },
		{ 4 * PAGE, 2 * PAGE, MS_SYNC, ENOMEM },
		{ 5 * PAGE, PAGE, MS_SYNC, ENOMEM },
		{ 6 * PAGE, 2 * PAGE, MS_ASYNC, ENOMEM },
		{ 0, SIZE_MAX - PAGE + 1, MS_SYNC, ENOMEM },
	};

	(void)state;
	compare(calls, COUNT(calls), kernel_syncs, quire_syncs);
}

/* Both sides of a hole are synced, though the answer is ENOMEM. */
static void test_msync_across_a_hole(void **state)
{
	struct quire_object *other = open_object(quire, "mem:32K", O_RDWR);
	unsigned char *bytes = map_object(quire, writer, 8 * PAGE, BOTH);

	(void)state;
	assert_int_equal(quire_munmap(space, bytes + 3 * PAGE, PAGE), 0);
	bytes[2 * PAGE] = 0xaa;
	bytes[4 * PAGE] = 0xbb;
	assert_int_equal(quire_msync(space, bytes, 8 * PAGE, MS_SYNC), -1);
	assert_int_equal(errno, ENOMEM);
	assert_sentence("nothing is mapped");
	assert_int_equal(byte_in_file(file.fd, 2 * PAGE), 0xaa);
	assert_int_equal(byte_in_file(file.fd, 4 * PAGE), 0xbb);
	assert_int_equal(quire_munmap(space, bytes, 8 * PAGE), 0);
	assert_int_equal(quire_object_close(other), 0);
}

/* What the file got behind Quire's back is seen after MS_INVALIDATE. */
static void test_msync_invalidates(void **state)
{
	unsigned char *bytes = map_object(quire, writer, 2 * PAGE, BOTH);

	(void)state;
	assert_int_equal(bytes[0], byte_at(0));
	bytes[PAGE] = 0xcc;
	assert_int_equal(pwrite(file.fd, "new", 3, 0), 3);
	assert_int_equal(quire_msync(space, bytes, 2 * PAGE, MS_INVALIDATE), 0);
	assert_int_equal(bytes[0], 'n');
	assert_int_equal(bytes[PAGE], 0xcc); /* dirty: newer than the file */
	assert_int_equal(quire_munmap(space, bytes, 2 * PAGE), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mmap),
		TEST(test_mmap_at_bad_addresses),
		TEST(test_munmap),
		TEST(test_mprotect),
		TEST(test_msync),
		TEST(test_msync_across_a_hole),
		TEST(test_msync_invalidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
