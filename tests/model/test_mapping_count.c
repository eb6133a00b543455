/* test_mapping_count.c - more mappings than there may be */
/* SPDX-License-Identifier: MIT */
/*
 * A space and the kernel are filled with mappings until they take no more;
 * then both refuse the same and allow the same.
 */
#include <quire/quire.h>

#include "unit/unit.h"

#include <errno.h>
#include <sys/mman.h>

#define PAGE ((size_t)QUIRE_PAGE_SIZE)
#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
/* Where the kernel places nothing by itself. */
#define FAR UINT64_C(0x210000000000)

/* What either does here. */
struct mapper {
	void *(*map)(void *address, size_t length, int prot);
	int (*unmap)(void *address, size_t length);
	int (*protect)(void *address, size_t length, int prot);
	size_t (*count)(void);
};

static struct quire_space *many;

static void *quire_map_one(void *address, size_t length, int prot)
{
	return quire_mmap(many, address, length, prot, ANONYMOUS | MAP_FIXED,
			  NULL, 0);
}

static int quire_unmap_one(void *address, size_t length)
{
	return quire_munmap(many, address, length);
}

static int quire_protect_one(void *address, size_t length, int prot)
{
	return quire_mprotect(many, address, length, prot);
}

static size_t lines_of(FILE *stream)
{
	size_t count = 0;
	int character;

	while ((character = fgetc(stream)) != EOF)
		count += character == '\n';
	return count;
}

static size_t quire_count(void)
{
	FILE *stream = tmpfile();
	size_t count;

	assert_non_null(stream);
	assert_int_equal(quire_space_report(many, QUIRE_REPORT_MAPS, stream),
			 0);
	rewind(stream);
	count = lines_of(stream);
	fclose(stream);
	return count;
}

static void *kernel_map_one(void *address, size_t length, int prot)
{
	return mmap(address, length, prot, ANONYMOUS | MAP_FIXED, -1, 0);
}

/* But for the page of old system calls, which is no mapping. */
static size_t kernel_count(void)
{
	FILE *stream = fopen("/proc/self/maps", "r");
	size_t count = stream ? lines_of(stream) : 0;

	if (stream)
		fclose(stream);
	stream = fopen("/proc/self/maps", "r");
	for (char line[512]; stream && fgets(line, sizeof(line), stream);)
		if (strstr(line, "[vsyscall]"))
			count--;
	if (stream)
		fclose(stream);
	return count;
}

static const struct mapper by_quire = { quire_map_one, quire_unmap_one,
					quire_protect_one, quire_count };
static const struct mapper by_kernel = { kernel_map_one, munmap, mprotect,
					 kernel_count };

static void *far(uint64_t page)
{
	return (void *)(uintptr_t)(FAR + page * PAGE);
}

/* What was answered where there is no room for another mapping. */
struct crowd {
	size_t mappings; /* when mmap first said no */
	int map;         /* errno, each */
	int unmap_middle;
	int unmap_end;
	int protect_middle;
	int protect_whole;
	int map_after;
	size_t mappings_after;
};

static int error_of(int result)
{
	return result ? errno : 0;
}

/*   |rw rw rw|r|rw|r|rw|r ...  until there are too many */
static struct crowd crowd(const struct mapper *mapper)
{
	struct crowd crowd = { 0 };
	uint64_t page = 3;
	int prot = PROT_READ;

	if (mapper->map(far(0), 3 * PAGE, RW) == MAP_FAILED)
		return crowd;
	while (mapper->map(far(page), PAGE, prot) != MAP_FAILED) {
		prot ^= PROT_WRITE;
		page++;
	}
	crowd.map = errno;
	crowd.mappings = mapper->count();
	crowd.unmap_middle = error_of(mapper->unmap(far(1), PAGE));
	crowd.protect_middle =
		error_of(mapper->protect(far(1), PAGE, PROT_NONE));
	crowd.protect_whole =
		error_of(mapper->protect(far(0), 3 * PAGE, PROT_NONE));
	crowd.unmap_end = error_of(mapper->unmap(far(0), PAGE));
	mapper->unmap(far(4), 2 * PAGE);
	crowd.map_after = mapper->map(far(4), PAGE, PROT_NONE) == MAP_FAILED;
	crowd.mappings_after = mapper->count();
	return crowd;
}

/* In a child: this process has mappings enough of its own. */
static struct crowd crowd_of_kernel(void)
{
	struct crowd result = { 0 };
	int ends[2];
	pid_t child;

	assert_return_code(pipe(ends), errno);
	child = fork();
	assert_return_code(child, errno);
	if (child == 0) {
		result = crowd(&by_kernel);
		_exit(write(ends[1], &result, sizeof(result)) !=
		      sizeof(result));
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &result, sizeof(result)),
			 sizeof(result));
	close(ends[0]);
	assert_int_equal(waitpid(child, NULL, 0), child);
	return result;
}

static uint64_t limit_of_kernel(void)
{
	FILE *stream = fopen("/proc/sys/vm/max_map_count", "r");
	unsigned long long limit_there = 0;

	assert_non_null(stream);
	assert_int_equal(fscanf(stream, "%llu", &limit_there), 1);
	fclose(stream);
	return limit_there;
}

static void test_number_of_mappings(void **state)
{
	struct quire_options options = { .size = sizeof(options),
					 .flags = QUIRE_NO_REPORT };
	struct quire *quire;
	struct crowd theirs, ours;

	(void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	/* The sanitizer maps memory of its own, and ends where it gets none. */
	skip();
#endif
	theirs = crowd_of_kernel();
	assert_int_equal(quire_open(&options, &quire), 0);
	assert_int_equal(quire_space_create(quire, NULL, &many), 0);
	if (limit_of_kernel() != 65530) /* the default of both */
		assert_int_equal(quire_space_set_limit(many,
						       QUIRE_LIMIT_MAPPINGS,
						       limit_of_kernel()),
				 0);
	ours = crowd(&by_quire);
	assert_int_equal(ours.mappings, limit_of_kernel() + 1);
	assert_int_equal(ours.map, ENOMEM);
	assert_int_equal(ours.unmap_middle, ENOMEM);
	assert_int_equal(ours.protect_middle, ENOMEM);
	assert_int_equal(ours.protect_whole, 0);
	assert_memory_equal(&ours, &theirs, sizeof(ours));
	quire_space_close(many);
	assert_int_equal(quire_close(quire), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_number_of_mappings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
