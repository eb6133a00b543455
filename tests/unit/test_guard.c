/* test_guard.c - a failed access becomes a return value; others get theirs */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>

#define BOTH (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct quire_space *space;
static struct quire_object *object; /* of 4 pages, mapped 8 pages long */
static unsigned char *bytes;
static _Atomic int read_error; /* of the pager's page 2 */

static ssize_t pager_read(void *context, void *buffer, size_t length,
			  uint64_t offset)
{
	unsigned char *to = buffer;

	(void)context;
	if (read_error && offset <= 2 * PAGE && offset + length > 2 * PAGE)
		return read_error;
	for (size_t i = 0; i < length; i++)
		to[i] = byte_at(offset + i);
	return (ssize_t)length;
}

static ssize_t pager_write(void *context, const void *buffer, size_t length,
			   uint64_t offset)
{
	(void)context;
	(void)buffer;
	(void)offset;
	return (ssize_t)length;
}

static int pager_resize(void *context, uint64_t size)
{
	(void)context;
	(void)size;
	return 0;
}

static int set_up(void **state)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = pager_read,
					     .write = pager_write,
					     .resize = pager_resize };

	(void)state;
	read_error = 0;
	quire = new_engine(64 * PAGE);
	space = quire_host_space(quire);
	assert_int_equal(quire_object_create(quire, "pages", 4 * PAGE, &ops,
					     NULL, NULL, &object),
			 0);
	bytes = map_object(quire, object, 8 * PAGE, BOTH);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

/* ---- what a body does ---- */

struct visit {
	unsigned char *address;
	unsigned char seen;
	bool left; /* the body came to its end */
};

static void load(void *argument)
{
	struct visit *visit = argument;

	visit->seen = *(volatile unsigned char *)visit->address;
	visit->left = true;
}

static void store(void *argument)
{
	struct visit *visit = argument;

	*(volatile unsigned char *)visit->address = 0x77;
	visit->left = true;
}

static void assert_stopped(unsigned char *address, int error, int signal,
			   int code)
{
	struct visit visit = { .address = address };
	struct quire_fault_report report;

	assert_int_equal(quire_guard(space, load, &visit, &report), error);
	assert_false(visit.left);
	assert_ptr_equal(report.address, address);
	assert_int_equal(report.signal, signal);
	if (code)
		assert_int_equal(report.code, code);
	assert_int_equal(report.error, error);
	assert_true(quire_strerror_last()[0]);
}

static void test_body_without_a_fault(void **state)
{
	struct visit visit = { .address = bytes + 5 };
	struct quire_fault_report report = { .error = 1, .signal = 1 };

	(void)state;
	assert_int_equal(quire_guard(space, load, &visit, &report), 0);
	assert_true(visit.left);
	assert_int_equal(visit.seen, byte_at(5));
	assert_int_equal(report.error, 0);
	assert_int_equal(report.signal, 0);
	assert_null(report.address);
	assert_int_equal(quire_guard(space, store, &visit, NULL), 0);
	assert_int_equal(bytes[5], 0x77);
}

static void test_past_the_end(void **state)
{
	(void)state;
	assert_stopped(bytes + 4 * PAGE, -ENXIO, SIGBUS, BUS_ADRERR);
	assert_sentence("past its object's end");
	assert_stopped(bytes + 8 * PAGE - 1, -ENXIO, SIGBUS, BUS_ADRERR);
	/* It grows, and there it is. */
	assert_int_equal(quire_object_resize(object, 5 * PAGE), 0);
	assert_int_equal(bytes[4 * PAGE], byte_at(4 * PAGE));
}

static void test_hole(void **state)
{
	(void)state;
	assert_int_equal(quire_munmap(space, bytes + PAGE, PAGE), 0);
	assert_stopped(bytes + PAGE, -EFAULT, SIGSEGV, SEGV_MAPERR);
	assert_sentence("nothing is mapped");
}

static void test_forbidden(void **state)
{
	struct visit visit = { .address = bytes };

	(void)state;
	assert_int_equal(quire_mprotect(space, bytes, PAGE, PROT_READ), 0);
	assert_int_equal(quire_guard(space, store, &visit, NULL), -EFAULT);
	assert_int_equal(quire_guard(space, load, &visit, NULL), 0);
}

/* What the store says arrives as it was said, and is not for ever. */
static void test_errors_of_the_store(void **state)
{
	static const int errors[] = { -EIO, -ENOTCONN, -ESTALE, -EHOSTUNREACH };
	unsigned char byte;

	(void)state;
	for (int i = 0; i < 4; i++) {
		unsigned char *own =
			map_object(quire, object, 4 * PAGE, PROT_READ);

		read_error = errors[i];
		/* What the engine tries again may still fail as before. */
		while (quire_object_pread(object, &byte, 1, 2 * PAGE) !=
		       errors[i])
			sched_yield();
		assert_stopped(own + 2 * PAGE, errors[i], SIGBUS, 0);
		assert_sentence(strerror(-errors[i]));
		assert_int_equal(own[3 * PAGE], byte_at(3 * PAGE));
		assert_int_equal(own[PAGE], byte_at(PAGE));
		assert_int_equal(quire_munmap(space, own, 4 * PAGE), 0);
	}
	read_error = 0;
	assert_int_equal(byte_of(object, 2 * PAGE), byte_at(2 * PAGE));
}

static void test_full_budget(void **state)
{
	struct quire_options options = { .size = sizeof(options),
					 .budget = 16 * PAGE,
					 .full_wait_ms = 1,
					 .log = log_nothing };
	struct visit visit = { .left = false };
	struct quire_object *large;
	struct quire_space *own;
	struct quire *small;
	struct quire_pin pin;
	unsigned char byte;

	(void)state;
	assert_int_equal(quire_open(&options, &small), 0);
	own = quire_host_space(small);
	large = open_object(small, "mem:1M", O_RDWR);
	visit.address = map_object(small, large, 32 * PAGE, BOTH) + 20 * PAGE;
	assert_int_equal(quire_object_pin(large, 0, 16 * PAGE, PROT_READ, &pin),
			 0);
	assert_int_equal(quire_guard(own, load, &visit, NULL), -ENOMEM);
	assert_sentence("pinned");
	assert_int_equal(quire_peek(own, visit.address + PAGE, &byte, 1),
			 -ENOMEM);
	assert_int_equal(quire_object_pread(large, &byte, 1, 20 * PAGE),
			 -ENOMEM);
	quire_object_unpin(&pin);
	assert_int_equal(quire_object_pread(large, &byte, 1, 20 * PAGE), 1);
	assert_int_equal(quire_peek(own, visit.address + 2 * PAGE, &byte, 1),
			 0);
	assert_int_equal(quire_object_close(large), 0);
	assert_int_equal(quire_close(small), 0);
}

/* ---- nested ---- */

struct nest {
	unsigned char *inner; /* touched inside the inner guard */
	unsigned char *outer; /* touched after it; NULL: nothing */
	int inner_error;
};

static void nested(void *argument)
{
	struct nest *nest = argument;
	struct visit visit = { .address = nest->inner };

	nest->inner_error = quire_guard(space, load, &visit, NULL);
	if (nest->outer) {
		visit.address = nest->outer;
		load(&visit);
	}
}

static void test_nested(void **state)
{
	struct nest nest = { .inner = bytes + 4 * PAGE };
	struct quire_fault_report report;

	(void)state;
	assert_int_equal(quire_guard(space, nested, &nest, &report), 0);
	assert_int_equal(nest.inner_error, -ENXIO);
	assert_int_equal(report.error, 0);
	nest.inner = bytes;
	nest.outer = bytes + 5 * PAGE;
	assert_int_equal(quire_guard(space, nested, &nest, &report), -ENXIO);
	assert_int_equal(nest.inner_error, 0);
	assert_ptr_equal(report.address, bytes + 5 * PAGE);
}

/* ---- peek, poke ---- */

static void test_peek(void **state)
{
	unsigned char copy[2 * QUIRE_PAGE_SIZE];

	(void)state;
	assert_int_equal(quire_peek(space, bytes + 3, copy, sizeof(copy)), 0);
	for (size_t i = 0; i < sizeof(copy); i++)
		assert_int_equal(copy[i], byte_at(i + 3));
	assert_int_equal(quire_peek(space, bytes + 7 * PAGE, copy, 0), 0);
	memset(copy, 0, sizeof(copy));
	assert_int_equal(quire_peek(space, bytes + 4 * PAGE - 10, copy, 20),
			 -ENXIO);
	for (size_t i = 0; i < 10; i++) /* what came before is there */
		assert_int_equal(copy[i], byte_at(4 * PAGE - 10 + i));
	assert_int_equal(copy[10], 0);
	assert_int_equal(quire_munmap(space, bytes + PAGE, PAGE), 0);
	assert_int_equal(quire_peek(space, bytes, copy, PAGE + 1), -EFAULT);
	assert_sentence("nothing is mapped");
	assert_int_equal(copy[9], byte_at(9));
}

static void test_poke(void **state)
{
	static const char text[] = "poked";

	(void)state;
	assert_int_equal(quire_poke(space, bytes + PAGE - 2, text, 5), 0);
	assert_memory_equal(bytes + PAGE - 2, text, 5);
	assert_int_equal(byte_of(object, PAGE), 'k');
	assert_int_equal(quire_poke(space, bytes + 4 * PAGE - 2, text, 5),
			 -ENXIO);
	assert_memory_equal(bytes + 4 * PAGE - 2, "po", 2);
	assert_int_equal(quire_mprotect(space, bytes, PAGE, PROT_READ), 0);
	assert_int_equal(quire_poke(space, bytes, text, 5), -EFAULT);
	assert_int_equal(bytes[0], byte_at(0));
	assert_int_equal(quire_mprotect(space, bytes, PAGE, PROT_NONE), 0);
	assert_int_equal(quire_peek(space, bytes, &(char){ 0 }, 1), -EFAULT);
}

static void test_peek_of_what_the_store_refuses(void **state)
{
	unsigned char copy[2 * QUIRE_PAGE_SIZE];

	(void)state;
	read_error = -ENOTCONN;
	assert_int_equal(quire_peek(space, bytes + PAGE, copy, 2 * PAGE),
			 -ENOTCONN);
	assert_int_equal(copy[PAGE - 1], byte_at(2 * PAGE - 1));
	assert_int_equal(quire_poke(space, bytes + 2 * PAGE, copy, 1),
			 -ENOTCONN);
}

static ssize_t refuse_each(void *context, void *buffer, size_t length,
			   uint64_t offset)
{
	static const int errors[] = { -ENOTCONN, -EHOSTUNREACH, -ESTALE };

	(void)context;
	(void)buffer;
	(void)length;
	return errors[offset / PAGE];
}

/* Zeros in place of three pages: a store is told why those are there. */
static void test_errors_of_pages_with_zeros(void **state)
{
	const struct quire_pager_ops ops = { .size = sizeof(ops),
					     .read = refuse_each,
					     .write = pager_write };
	const struct quire_object_options options = {
		.size = sizeof(options),
		.error_policy = QUIRE_ERROR_ZERO,
		.readahead = PAGE,
	};
	struct quire_object *refused;
	unsigned char *at, byte;

	(void)state;
	assert_int_equal(quire_object_create(quire, "refused", 3 * PAGE, &ops,
					     NULL, &options, &refused),
			 0);
	at = map_object(quire, refused, 3 * PAGE, BOTH);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(quire_peek(space, at + i * PAGE, &byte, 1), 0);
	assert_int_equal(quire_poke(space, at, &byte, 1), -ENOTCONN);
	assert_int_equal(quire_poke(space, at + PAGE, &byte, 1), -EHOSTUNREACH);
	assert_int_equal(quire_poke(space, at + 2 * PAGE, &byte, 1), -ESTALE);
	assert_int_equal(quire_object_close(refused), 0); /* still mapped */
}

/* Memory that is not the space's own is nobody's to look at. */
static void test_peek_of_foreign_memory(void **state)
{
	char own[16] = "mine", copy[16] = "kept";

	(void)state;
	assert_int_equal(quire_peek(space, own, copy, 5), -EFAULT);
	assert_string_equal(copy, "kept");
	assert_int_equal(quire_poke(space, own, "your", 5), -EFAULT);
	assert_string_equal(own, "mine");
	assert_int_equal(quire_peek(space, NULL, copy, 5), -EFAULT);
	assert_int_equal(quire_peek(space, (void *)UINTPTR_MAX, copy, 5),
			 -EFAULT);
}

/* ---- the mask, many threads ---- */

/* The next failure is caught as the first was, and other signals come. */
static void test_mask_stays(void **state)
{
	sigset_t mask;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_stopped(bytes + 4 * PAGE, -ENXIO, SIGBUS, BUS_ADRERR);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
	for (int number = 1; number < 32; number++)
		assert_int_equal(sigismember(&mask, number), 0);
}

static void *guard_often(void *argument)
{
	_Atomic unsigned *good = argument;
	struct visit inside = { .address = bytes + 3 * PAGE };
	struct visit outside = { .address = bytes + 6 * PAGE };

	for (int i = 0; i < 300; i++) {
		unsigned char byte = 0;

		if (quire_guard(space, load, &inside, NULL) == 0 &&
		    inside.seen == byte_at(3 * PAGE) &&
		    quire_guard(space, load, &outside, NULL) == -ENXIO &&
		    quire_peek(space, bytes + PAGE, &byte, 1) == 0 &&
		    byte == byte_at(PAGE))
			atomic_fetch_add(good, 1);
	}
	return NULL;
}

static void test_many_threads(void **state)
{
	_Atomic unsigned good = 0;
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, guard_often,
						&good),
				 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(good, 1200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_body_without_a_fault),
		TEST(test_past_the_end),
		TEST(test_hole),
		TEST(test_forbidden),
		TEST(test_errors_of_the_store),
		TEST(test_full_budget),
		TEST(test_nested),
		TEST(test_peek),
		TEST(test_poke),
		TEST(test_peek_of_what_the_store_refuses),
		TEST(test_errors_of_pages_with_zeros),
		TEST(test_peek_of_foreign_memory),
		TEST(test_mask_stays),
		TEST(test_many_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
