/* test_soft_space.c - spaces on the software MMU: accesses, copies, forks */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#define BUDGET (32 * PAGE)
#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)

static struct quire *quire;
static struct quire_space *space;
static struct test_file file;
static struct quire_object *object;

static int set_up(void **state)
{
	(void)state;
	quire = new_engine(BUDGET);
	make_file(&file, 4 * PAGE + 100);
	object = open_object(quire, file.path, O_RDWR);
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	quire_space_close(space);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static char *map(struct quire_space *in, size_t pages, int prot, int flags)
{
	void *address = quire_mmap(in, NULL, pages * PAGE, prot, flags,
				   flags & MAP_ANONYMOUS ? NULL : object, 0);

	if (address == MAP_FAILED)
		fail_msg("%s", quire_strerror_last());
	return address;
}

static unsigned char load(struct quire_space *from, const char *address)
{
	unsigned char byte = 0;

	if (quire_peek(from, address, &byte, 1))
		fail_msg("%s", quire_strerror_last());
	return byte;
}

static void store(struct quire_space *to, char *address, int value)
{
	unsigned char byte = (unsigned char)value;

	if (quire_poke(to, address, &byte, 1))
		fail_msg("%s", quire_strerror_last());
}

static void assert_denied(enum quire_access access, char *address, int signal,
			  int code)
{
	struct quire_fault_report report;
	char byte = 0;
	int error = quire_access(space, access, address, &byte, 1, &report);

	assert_int_equal(error, signal == SIGBUS ? -ENXIO : -EFAULT);
	assert_int_equal(report.error, error);
	assert_int_equal(report.signal, signal);
	assert_int_equal(report.code, code);
	assert_ptr_equal(report.address, address);
	assert_true(quire_strerror_last()[0]);
}

static void test_signals(void **state)
{
	char *none = map(space, 1, PROT_NONE, ANONYMOUS);
	char *read = map(space, 1, PROT_READ, ANONYMOUS);
	char *code = map(space, 1, PROT_EXEC, ANONYMOUS);
	char *bytes = map(space, 8, PROT_READ, MAP_SHARED);

	(void)state;
	assert_denied(QUIRE_LOAD, none + 5, SIGSEGV, SEGV_ACCERR);
	assert_denied(QUIRE_STORE, read + 5, SIGSEGV, SEGV_ACCERR);
	assert_denied(QUIRE_FETCH, read + 5, SIGSEGV, SEGV_ACCERR);
	assert_denied(QUIRE_LOAD, bytes - 4096 * PAGE, SIGSEGV, SEGV_MAPERR);
	assert_denied(QUIRE_LOAD, bytes + 5 * PAGE, SIGBUS, BUS_ADRERR);
	assert_denied(QUIRE_FETCH, bytes + 5 * PAGE, SIGBUS, BUS_ADRERR);
	assert_int_equal(quire_access(space, QUIRE_FETCH, code, NULL, 4, NULL),
			 0);
	assert_int_equal(load(space, code), 0); /* x86: may be read, too */
	assert_int_equal(load(space, bytes + 4 * PAGE + 99),
			 byte_at(4 * PAGE + 99));
	assert_int_equal(load(space, bytes + 4 * PAGE + 100), 0);
}

static void test_wrong_accesses(void **state)
{
	char byte = 0;

	(void)state;
	assert_int_equal(quire_access(space, QUIRE_STORE, NULL, NULL, 1, NULL),
			 -EINVAL);
	assert_int_equal(quire_access(space, (enum quire_access)7, NULL, &byte,
				      1, NULL),
			 -EINVAL);
	assert_int_equal(quire_guard(space, NULL, NULL, NULL), -EOPNOTSUPP);
}

/* On the host's space it is a function still, wherever the address is. */
static void test_foreign_addresses(void **state)
{
	struct quire_space *host = quire_host_space(quire);
	static char strangers[8];
	char *bytes = map(host, 2, PROT_READ, MAP_SHARED);
	char *wild[] = { (char *)16, (char *)-4096, strangers };
	struct quire_fault_report report;
	char byte = 0;

	(void)state;
	for (unsigned i = 0; i < 9; i++) {
		assert_int_equal(quire_access(host, (enum quire_access)(i / 3),
					      wild[i % 3], &byte, 1, &report),
				 -EFAULT);
		assert_int_equal(report.signal, SIGSEGV);
		assert_int_equal(report.code, SEGV_MAPERR);
		assert_ptr_equal(report.address, wild[i % 3]);
	}
	assert_int_equal(quire_access(host, QUIRE_FETCH, bytes + 5, &byte, 1,
				      &report),
			 -EFAULT);
	assert_int_equal(report.code, SEGV_ACCERR);
	assert_ptr_equal(report.address, bytes + 5);
	assert_int_equal(quire_access(host, QUIRE_LOAD, bytes + 5, &byte, 1,
				      &report),
			 0);
	assert_int_equal(byte, (char)byte_at(5));
	/* A vector that is no place. */
	assert_int_equal(quire_mincore(host, bytes, PAGE, (unsigned char *)8),
			 -1);
	assert_int_equal(errno, EFAULT);
	assert_int_equal(quire_munmap(host, bytes, 2 * PAGE), 0);
}

/* What came before the page that cannot be had is copied. */
static void test_partial(void **state)
{
	char *address = map(space, 2, RW, ANONYMOUS);
	char bytes[200];

	(void)state;
	assert_int_equal(quire_munmap(space, address + PAGE, PAGE), 0);
	memset(bytes, 'x', sizeof(bytes));
	assert_int_equal(quire_poke(space, address + PAGE - 100, bytes, 200),
			 -EFAULT);
	assert_int_equal(load(space, address + PAGE - 1), 'x');
	assert_int_equal(load(space, address + PAGE - 101), 0);
}

static void test_shared_and_private(void **state)
{
	char *shared = map(space, 4, RW, MAP_SHARED);
	char *private = map(space, 4, RW, MAP_PRIVATE);

	(void)state;
	store(space, shared, 1);
	assert_int_equal(load(space, private), 1); /* no copy yet */
	store(space, private, 2);
	assert_int_equal(load(space, shared), 1);
	store(space, shared, 3);
	assert_int_equal(load(space, private), 2);
	assert_int_equal(byte_of(object, 0), 3);
	assert_int_equal(quire_msync(space, shared, 4 * PAGE, MS_SYNC), 0);
	assert_int_equal(byte_in_file(file.fd, 0), 3);
	assert_int_equal(load(space, private + PAGE), byte_at(PAGE));
}

/* The two MMUs show one cache. */
static void test_beside_the_host(void **state)
{
	struct quire_space *host = quire_host_space(quire);
	char *soft = map(space, 4, RW, MAP_SHARED);
	char *hard = map(host, 4, RW, MAP_SHARED);

	(void)state;
	store(space, soft + 7, 70);
	assert_int_equal(hard[7], 70);
	hard[PAGE] = 71;
	assert_int_equal(load(space, soft + PAGE), 71);
	/* A buffer that traps itself. */
	assert_int_equal(quire_peek(space, soft, hard + 2 * PAGE, PAGE), 0);
	assert_int_equal(hard[2 * PAGE + 7], 70);
	assert_int_equal(quire_poke(space, soft + 3 * PAGE, hard, PAGE), 0);
	assert_int_equal(hard[3 * PAGE + 7], 70);
	assert_int_equal(quire_munmap(host, hard, 4 * PAGE), 0);
}

static void test_fork(void **state)
{
	char *private = map(space, 2, RW, MAP_PRIVATE);
	char *shared = map(space, 2, RW, MAP_SHARED | MAP_ANONYMOUS);
	char *own = map(space, 2, RW, ANONYMOUS);
	struct quire_space *child, *grandchild;

	(void)state;
	store(space, private, 1);
	store(space, own, 1);
	store(space, shared, 1);
	assert_int_equal(quire_space_fork(space, &child), 0);
	assert_int_equal(quire_space_fork(child, &grandchild), 0);
	assert_int_equal(load(child, own), 1);
	store(space, own, 2);
	assert_int_equal(load(child, own), 1);
	store(child, own, 3);
	assert_int_equal(load(grandchild, own), 1);
	assert_int_equal(load(space, own), 2);
	store(child, private, 4);
	assert_int_equal(load(space, private), 1);
	assert_int_equal(load(grandchild, private), 1);
	store(grandchild, shared, 5);
	assert_int_equal(load(space, shared), 5);
	assert_int_equal(load(child, shared), 5);
	quire_space_close(child);
	assert_int_equal(load(grandchild, own), 1);
	store(grandchild, own, 6);
	assert_int_equal(load(space, own), 2);
	quire_space_close(grandchild);
}

static void test_host_does_not_fork(void **state)
{
	struct quire_space *child;

	(void)state;
	assert_int_equal(quire_space_fork(quire_host_space(quire), &child),
			 -EOPNOTSUPP);
}

/* Ten times the budget: what is private leaves, and comes back. */
static void test_swap(void **state)
{
	size_t pages = 10 * BUDGET / PAGE;
	char *address = map(space, pages, RW, ANONYMOUS);
	struct quire_statistics statistics = { .size = sizeof(statistics) };
	struct quire_space *child;

	(void)state;
	for (size_t i = 0; i < pages; i++)
		store(space, address + i * PAGE, (int)(i % 250 + 1));
	assert_int_equal(quire_space_fork(space, &child), 0);
	for (size_t i = 0; i < pages; i += 3)
		store(space, address + i * PAGE, 255);
	for (size_t i = 0; i < pages; i++) {
		assert_int_equal(load(child, address + i * PAGE), i % 250 + 1);
		assert_int_equal(load(space, address + i * PAGE),
				 i % 3 ? i % 250 + 1 : 255);
	}
	quire_space_close(child);
	assert_int_equal(quire_get_statistics(quire, &statistics), 0);
	assert_true(statistics.resident_peak <= BUDGET);
	assert_true(statistics.pages_written > 0);
}

/* What is unmapped is gone, and takes no budget. */
static void test_pages_go_back(void **state)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };
	char *address;

	(void)state;
	for (int round = 0; round < 20; round++) {
		address = map(space, 8, RW, ANONYMOUS);
		for (size_t i = 0; i < 8; i++) {
			assert_int_equal(load(space, address + i * PAGE), 0);
			store(space, address + i * PAGE, 1);
		}
		assert_int_equal(quire_munmap(space, address, 8 * PAGE), 0);
	}
	assert_int_equal(quire_get_statistics(quire, &statistics), 0);
	assert_int_equal(statistics.resident, 0);
}

/* Private copies behind a cut are gone, as the kernel has it. */
static void test_cut(void **state)
{
	char *private = map(space, 8, RW, MAP_PRIVATE);

	(void)state;
	store(space, private, 1);
	store(space, private + 2 * PAGE, 2);
	assert_int_equal(quire_object_resize(object, PAGE), 0);
	assert_int_equal(load(space, private), 1);
	assert_denied(QUIRE_LOAD, private + 2 * PAGE, SIGBUS, BUS_ADRERR);
	assert_denied(QUIRE_STORE, private + 2 * PAGE, SIGBUS, BUS_ADRERR);
	assert_int_equal(quire_object_resize(object, 4 * PAGE), 0);
	assert_int_equal(load(space, private + 2 * PAGE), 0);
	store(space, private + 2 * PAGE, 3);
	assert_int_equal(load(space, private + 2 * PAGE), 3);
}

static void test_protect(void **state)
{
	char *address = map(space, 3, RW, ANONYMOUS);

	(void)state;
	store(space, address + PAGE, 9);
	assert_int_equal(quire_mprotect(space, address + PAGE, PAGE, PROT_NONE),
			 0);
	assert_denied(QUIRE_LOAD, address + PAGE, SIGSEGV, SEGV_ACCERR);
	assert_int_equal(quire_mprotect(space, address + PAGE, PAGE, PROT_READ),
			 0);
	assert_int_equal(load(space, address + PAGE), 9);
	assert_denied(QUIRE_STORE, address + PAGE, SIGSEGV, SEGV_ACCERR);
	assert_int_equal(quire_mprotect(space, address, 3 * PAGE, RW), 0);
	store(space, address + PAGE, 10);
	assert_int_equal(load(space, address + PAGE), 10);
}

static void test_zero_device(void **state)
{
	struct quire_object *zero = open_object(quire, "/dev/zero", O_RDWR);
	char *private =
		quire_mmap(space, NULL, 2 * PAGE, RW, MAP_PRIVATE, zero, 0);
	char *shared =
		quire_mmap(space, NULL, 2 * PAGE, RW, MAP_SHARED, zero, 0);

	(void)state;
	assert_ptr_not_equal(private, MAP_FAILED);
	assert_ptr_not_equal(shared, MAP_FAILED);
	store(space, private, 1);
	assert_int_equal(load(space, shared), 0);
	store(space, shared + PAGE, 2);
	assert_int_equal(load(space, private + PAGE), 0);
	/* What is written to it is gone, and it has no size to change. */
	assert_int_equal(quire_object_pwrite(zero, "x", 1, 0), 1);
	assert_int_equal(load(space, private + PAGE), 0);
	assert_int_equal(quire_object_resize(zero, PAGE), -EINVAL);
	assert_int_equal(quire_object_allocate(zero, 0, PAGE), -EINVAL);
	assert_int_equal(quire_object_append(zero, "x", 1, 0, NULL), -EINVAL);
	assert_int_equal(quire_object_close(zero), 0);
	assert_int_equal(load(space, shared + PAGE), 2);
}

/* One translation for 2 MiB, until a part goes its own way. */
static void test_huge_pages(void **state)
{
	size_t huge = (size_t)2 << 20;
	char *address = quire_mmap(space, NULL, 2 * huge, RW,
				   MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB,
				   NULL, 0);
	char *private = quire_mmap(space, NULL, huge, RW,
				   ANONYMOUS | MAP_HUGETLB, NULL, 0);
	char text[8192] = "";
	FILE *stream = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_ptr_not_equal(address, MAP_FAILED);
	assert_int_equal((uintptr_t)address % huge, 0);
	store(space, address + 5, 1);
	store(space, address + huge - 1, 2);
	assert_int_equal(load(space, address + 5), 1);
	assert_int_equal(load(space, address + huge / 2), 0);
	assert_int_equal(quire_space_report(space, QUIRE_REPORT_PAGES, stream),
			 0);
	fclose(stream);
	assert_non_null(strstr(text, "huge"));
	assert_int_equal(quire_munmap(space, address, PAGE), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(quire_madvise(space, address, huge, MADV_DONTNEED), 0);
	assert_int_equal(load(space, address + 5), 1);
	store(space, private + huge - 1, 3);
	assert_int_equal(load(space, private + huge - 1), 3);
	assert_int_equal(load(space, private), 0);
	assert_int_equal(quire_munmap(space, address, huge), 0);
	assert_int_equal(load(space, address + huge), 0);
}

static int try_options(uint64_t base, uint64_t end, uint64_t arena,
		       uint32_t flags)
{
	struct quire_space_options options = {
		.size = sizeof(options),
		.base = base,
		.end = end,
		.arena = arena,
		.flags = flags,
	};
	struct quire_space *made;
	int error = quire_space_create(quire, &options, &made);

	if (!error)
		quire_space_close(made);
	return error;
}

static void test_options(void **state)
{
	struct quire_space_options small = { .size = 4 };
	struct quire_space *made;

	(void)state;
	assert_int_equal(try_options(0, 0, 0, 0), 0);
	assert_int_equal(try_options(PAGE, UINT64_C(1) << 48, 0, 3), 0);
	assert_int_equal(try_options(100, 0, 0, 0), -EINVAL);
	assert_int_equal(try_options(4 * PAGE, 2 * PAGE, 0, 0), -EINVAL);
	assert_int_equal(try_options(0, UINT64_C(1) << 49, 0, 0), -EINVAL);
	assert_int_equal(try_options(16 * PAGE, 0, PAGE, 0), -EINVAL);
	assert_int_equal(try_options(0, 0, 0, 4), -EINVAL);
	assert_int_equal(quire_space_create(quire, &small, &made), -EINVAL);
	assert_int_equal(quire_space_set_limit(space, (enum quire_limit)9, 1),
			 -EINVAL);
	quire_space_close(NULL);
}

static void test_engine_stays_open(void **state)
{
	struct quire *other = new_engine(BUDGET);
	struct quire_space *made;

	(void)state;
	assert_int_equal(quire_space_create(other, NULL, &made), 0);
	assert_int_equal(quire_close(other), -EBUSY);
	quire_space_close(made);
	assert_int_equal(quire_close(other), 0);
}

/* Exactly as large as asked for, and nothing outside of it. */
static void test_small_space(void **state)
{
	struct quire_space_options options = {
		.size = sizeof(options),
		.base = 16 * PAGE,
		.end = 20 * PAGE,
	};
	struct quire_space *made;
	char *address;

	(void)state;
	assert_int_equal(quire_space_create(quire, &options, &made), 0);
	address = map(made, 4, RW, ANONYMOUS);
	assert_ptr_equal(address, (char *)(16 * PAGE));
	assert_ptr_equal(quire_mmap(made, NULL, PAGE, RW, ANONYMOUS, NULL, 0),
			 MAP_FAILED);
	assert_int_equal(errno, ENOMEM);
	store(made, address + 4 * PAGE - 1, 1);
	assert_int_equal(load(made, address + 4 * PAGE - 1), 1);
	quire_space_close(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_signals, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_wrong_accesses, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_foreign_addresses, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_partial, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_shared_and_private, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_beside_the_host, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_fork, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_host_does_not_fork, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_swap, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_pages_go_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_cut, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_protect, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_zero_device, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_huge_pages, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_options, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_engine_stays_open, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(test_small_space, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
