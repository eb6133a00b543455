/* test_zero_between.c - what comes between the steps of pages that become zeros */
/* SPDX-License-Identifier: MIT */
/*
 *   16 pages DIRTY -> 16 more -> ... -> 64: shown, to be stored to -> the next 64
 *                 ^
 *                 an append, a write-back, a cut, a discard
 */
#include "unit/between.h"
#include "unit/engine_tools.h"

#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>

#ifdef QUIRE_DEBUG
#define PAGES 72
#define PART 16  /* pages that become zeros by one step */
#define PIECE 64 /* that are shown by one */
#define SIZE (PAGES * PAGE)
#define RW (PROT_READ | PROT_WRITE)

static struct quire *quire;
static struct test_file file;
static struct quire_object *object;
static unsigned char *mapped;

static int set_up(void **state)
{
	(void)state;
	make_file(&file, SIZE);
	quire = open_flushing_engine(0, 3600000);
	assert_non_null(quire);
	object = open_object(quire, file.path, O_RDWR);
	mapped = map_object(quire, object, SIZE, RW);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	hook_register(NULL);
	assert_int_equal(quire_munmap(quire_host_space(quire), mapped, SIZE),
			 0);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_close(quire), 0);
	end_file(&file);
	return 0;
}

static void zero(uint64_t length)
{
	struct quire_range range = { .offset = 0, .length = length };

	assert_int_equal(quire_object_zero(object, &range, 1), 0);
}

/* With that done when the first part is dirty, and no other yet. */
static void zero_beside(uint64_t length, void (*function)(void))
{
	arm(HOOK_READ_FILLED, PART, function);
	zero(length);
	disarm();
}

static bool is_shown(void) /* each page that is shown costs a call there */
{
	return !strncmp(quire_trap_mode(quire), "userfaultfd", 11);
}

/* How many traps it takes. */
static uint64_t store(uint64_t first, uint64_t count, unsigned char byte)
{
	uint64_t before = statistics_of(quire).traps;

	for (uint64_t i = first; i < first + count; i++)
		*(volatile unsigned char *)(mapped + i * PAGE + 5) = byte;
	return statistics_of(quire).traps - before;
}

static void assert_stored(uint64_t first, uint64_t count, unsigned char byte)
{
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	for (uint64_t i = first; i < first + count; i++) {
		assert_int_equal(byte_of(object, i * PAGE + 5), byte);
		assert_int_equal(byte_in_file(file.fd, i * PAGE + 5), byte);
		assert_int_equal(byte_in_file(file.fd, i * PAGE + 6), 0);
	}
}

static void append(void)
{
	char bytes[PAGE];

	memset(bytes, 'a', PAGE);
	assert_int_equal(quire_object_append(object, bytes, PAGE, 0, NULL), 0);
}

/* What is appended while all of an object becomes zeros does not. */
static void test_an_append(void **state)
{
	(void)state;
	zero_beside(UINT64_MAX, append);
	assert_int_equal(quire_object_size(object), SIZE + PAGE);
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	for (uint64_t i = 0; i < SIZE + PAGE; i += 100) {
		assert_int_equal(byte_of(object, i), i < SIZE ? 0 : 'a');
		assert_int_equal(byte_in_file(file.fd, i), i < SIZE ? 0 : 'a');
	}
}

static void sync_one(void)
{
	assert_int_equal(quire_object_sync(object, 3 * PAGE, PAGE, MS_SYNC), 0);
}

/* It is clean, and remains so until a store; the others are shown. */
static void test_what_gets_home(void **state)
{
	(void)state;
	zero_beside(PIECE * PAGE, sync_one);
	assert_int_equal(statistics_of(quire).dirty, (PIECE - 1) * PAGE);
	if (is_shown()) {
		assert_int_equal(store(0, 3, 8), 0);
		assert_int_equal(store(4, PIECE - 4, 8), 0);
	}
	store(0, PIECE, 9);
	assert_int_equal(statistics_of(quire).dirty, PIECE * PAGE);
	assert_stored(0, PIECE, 9);
}

static void cut(void)
{
	assert_int_equal(quire_object_resize(object, 40 * PAGE - 100), 0);
}

/* Zeros up to the new end, and no further. */
static void test_a_cut(void **state)
{
	(void)state;
	zero_beside(SIZE, cut);
	assert_int_equal(quire_object_size(object), 40 * PAGE - 100);
	if (is_shown())
		assert_int_equal(store(0, 40, 9), 0);
	store(0, 40, 9);
	assert_stored(0, 40, 9);
	assert_int_equal(lseek(file.fd, 0, SEEK_END), 40 * PAGE - 100);
}

static void discard(void)
{
	assert_int_equal(quire_madvise(quire_host_space(quire),
				       mapped + 2 * PAGE, 4 * PAGE,
				       MADV_REMOVE),
			 0);
}

/* What has gone is not shown, what has not is; and each store gets home. */
static void test_a_discard(void **state)
{
	(void)state;
	zero_beside(PIECE * PAGE, discard);
	assert_int_equal(statistics_of(quire).dirty, (PIECE - 4) * PAGE);
	if (is_shown())
		assert_int_equal(store(6, PIECE - 6, 9), 0);
	store(0, PIECE, 9);
	assert_stored(0, PIECE, 9);
}

static sem_t arrived, go;

static void stop_here(void)
{
	sem_post(&arrived);
	sem_wait(&go);
}

static void *sync_all(void *argument)
{
	(void)argument;
	assert_int_equal(quire_object_sync(object, 0, 0, MS_SYNC), 0);
	return NULL;
}

/* What is on its way home is shown as well, and goes once more. */
static void test_a_write_back(void **state)
{
	pthread_t thread;
	uint64_t traps;

	(void)state;
	sem_init(&arrived, 0, 0);
	sem_init(&go, 0, 0);
	zero(PAGE);
	arm(HOOK_WRITE_GUARDED, 0, stop_here);
	assert_int_equal(pthread_create(&thread, NULL, sync_all, NULL), 0);
	sem_wait(&arrived);
	zero(PAGE);
	traps = store(0, 1, 9);
	sem_post(&go);
	pthread_join(thread, NULL);
	if (is_shown())
		assert_int_equal(traps, 0);
	assert_stored(0, 1, 9);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#endif

int main(void)
{
#ifdef QUIRE_DEBUG
	const struct CMUnitTest tests[] = {
		TEST(test_an_append),    TEST(test_what_gets_home),
		TEST(test_a_cut),        TEST(test_a_discard),
		TEST(test_a_write_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
#else
	return 77; /* no places to stop at */
#endif
}
