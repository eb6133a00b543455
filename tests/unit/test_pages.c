/* test_pages.c - quire_object_pages(), quire_space_page(), quire_flush() */
/* SPDX-License-Identifier: MIT */
#include "unit/engine_tools.h"

#include <pthread.h>

static struct quire *quire;
static struct quire_space *space;
static struct quire_object *memory; /* 8 pages, read as 'a', 'b' ... */

#define PAGES 8
static char home[PAGES * QUIRE_PAGE_SIZE];
static bool broken; /* the store refuses writes */

static ssize_t read_home(void *context, void *buffer, size_t length,
			 uint64_t offset)
{
	(void)context;
	memcpy(buffer, home + offset, length);
	return (ssize_t)length;
}

static ssize_t write_home(void *context, const void *buffer, size_t length,
			  uint64_t offset)
{
	(void)context;
	if (broken)
		return -EIO;
	memcpy(home + offset, buffer, length);
	return (ssize_t)length;
}

static int setup(void **state)
{
	const struct quire_pager_ops ops = {
		.size = sizeof(ops),
		.read = read_home,
		.write = write_home,
	};
	const struct quire_object_options options = {
		.size = sizeof(options),
		.readahead = QUIRE_PAGE_SIZE,
	};
	struct quire_options engine = {
		.size = sizeof(engine),
		.flush_interval_ms = 3600000,
		.flags = QUIRE_NO_REPORT,
		.log = log_nothing,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(home); i++)
		home[i] = (char)('a' + i / QUIRE_PAGE_SIZE);
	broken = false;
	assert_int_equal(quire_open(&engine, &quire), 0);
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	assert_int_equal(quire_object_create(quire, "home", sizeof(home), &ops,
					     NULL, &options, &memory),
			 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	broken = false;
	quire_space_close(space);
	assert_int_equal(quire_object_close(memory), 0);
	assert_int_equal(quire_close(quire), 0);
	return 0;
}

static char *map(int flags, struct quire_object *object)
{
	void *address = quire_mmap(space, NULL, sizeof(home),
				   PROT_READ | PROT_WRITE, flags, object, 0);

	assert_ptr_not_equal(address, MAP_FAILED);
	return address;
}

static enum quire_page_state state_at(uint64_t page)
{
	unsigned char state = 0xff;

	assert_int_equal(quire_object_pages(memory, page * PAGE, 1, &state), 0);
	return (enum quire_page_state)state;
}

static struct quire_page page_at(const char *address)
{
	struct quire_page page;

	memset(&page, 0xff, sizeof(page));
	assert_int_equal(quire_space_page(space, address, &page), 0);
	return page;
}

static void store(char *address, char byte)
{
	assert_int_equal(quire_poke(space, address, &byte, 1), 0);
}

static void load(const char *address)
{
	char byte;

	assert_int_equal(quire_peek(space, address, &byte, 1), 0);
}

/* absent --load--> clean --store--> dirty --msync--> clean */
static void test_states(void **state)
{
	char *address = map(MAP_SHARED, memory);
	unsigned char states[PAGES + 2];

	(void)state;
	assert_int_equal(state_at(0), QUIRE_PAGE_ABSENT);
	load(address);
	assert_int_equal(state_at(0), QUIRE_PAGE_CLEAN);
	store(address, 'X');
	assert_int_equal(state_at(0), QUIRE_PAGE_DIRTY);
	store(address + 3 * PAGE, 'X');
	assert_int_equal(quire_object_pages(memory, 0, sizeof(states) * PAGE,
					    states),
			 0);
	assert_memory_equal(states, "\4\0\0\4\0\0\0\0\7\7", sizeof(states));
	assert_int_equal(quire_msync(space, address, PAGE, MS_SYNC), 0);
	assert_int_equal(state_at(0), QUIRE_PAGE_CLEAN);
	assert_int_equal(state_at(3), QUIRE_PAGE_DIRTY);
}

/* A part of a page is a page; no length is none. */
static void test_lengths(void **state)
{
	unsigned char states[3] = { 9, 9, 9 };

	(void)state;
	assert_int_equal(quire_object_pages(memory, PAGE, PAGE + 1, states), 0);
	assert_memory_equal(states, "\0\0\x9", 3);
	states[0] = 9;
	assert_int_equal(quire_object_pages(memory, 0, 0, states), 0);
	assert_int_equal(states[0], 9);
}

static void test_refused(void **state)
{
	unsigned char byte;
	struct quire_page page = { .index = 42 };

	(void)state;
	assert_int_equal(quire_object_pages(memory, 1, 1, &byte), -EINVAL);
	assert_int_equal(quire_object_pages(memory, UINT64_MAX - 4095, 2 * PAGE,
					    &byte),
			 -EINVAL);
	assert_int_equal(quire_space_page(space, (void *)(64 * PAGE), &page),
			 -ENOMEM);
	assert_int_equal(quire_space_page(quire_host_space(quire), &page,
					  &page),
			 -EOPNOTSUPP);
	assert_string_not_equal(quire_strerror_last(), "");
	assert_int_equal(page.index, 42);
}

/* none --load--> object's --store--> private */
static void test_entries_of_a_private_mapping(void **state)
{
	char *address = map(MAP_PRIVATE, memory);
	struct quire_page page = page_at(address + 2 * PAGE + 5);

	(void)state;
	assert_int_equal(page.source, QUIRE_SOURCE_NONE);
	assert_int_equal(page.prot, PROT_NONE);
	load(address + 2 * PAGE);
	page = page_at(address + 2 * PAGE + 5);
	assert_int_equal(page.source, QUIRE_SOURCE_OBJECT);
	assert_int_equal(page.index, 2);
	assert_int_equal(page.prot, PROT_READ);
	assert_int_equal(page.state, QUIRE_PAGE_CLEAN);
	assert_true(page.accessed);
	assert_false(page.stored);
	store(address + 2 * PAGE, 'X');
	page = page_at(address + 2 * PAGE);
	assert_int_equal(page.source, QUIRE_SOURCE_PRIVATE);
	assert_int_equal(page.prot, PROT_READ | PROT_WRITE);
	assert_int_equal(page.state, QUIRE_PAGE_DIRTY);
	assert_int_equal(page.holders, 1);
	assert_true(page.stored);
	assert_int_equal(state_at(2), QUIRE_PAGE_CLEAN);
}

static void test_holders_after_a_fork(void **state)
{
	char *address = map(MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	struct quire_space *child;
	struct quire_page page;

	(void)state;
	load(address);
	assert_int_equal(page_at(address).source, QUIRE_SOURCE_ZEROS);
	store(address, 'X');
	assert_int_equal(quire_space_fork(space, &child), 0);
	assert_int_equal(page_at(address).holders, 2);
	assert_int_equal(page_at(address).prot, PROT_READ);
	assert_int_equal(quire_space_page(child, address, &page), 0);
	assert_int_equal(page.index, page_at(address).index);
	store(address, 'Y');
	assert_int_equal(quire_space_page(child, address, &page), 0);
	assert_int_equal(page.holders, 1);
	assert_int_not_equal(page.index, page_at(address).index);
	quire_space_close(child);
}

/* Not a count, not a page, not a mark differs afterwards. */
static void test_looking_brings_nothing_in(void **state)
{
	char *address = map(MAP_SHARED, memory);
	struct quire_statistics before = { .size = sizeof(before) };
	struct quire_statistics after = { .size = sizeof(after) };
	unsigned char states[PAGES];

	(void)state;
	assert_int_equal(quire_get_statistics(quire, &before), 0);
	for (int i = 0; i < PAGES; i++)
		page_at(address + (size_t)i * PAGE);
	assert_int_equal(quire_object_pages(memory, 0, sizeof(home), states),
			 0);
	assert_int_equal(quire_get_statistics(quire, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

/* Shared, private and scratch pages: all clean, the private ones in swap. */
static void test_flush(void **state)
{
	char *shared = map(MAP_SHARED, memory);
	char *private = map(MAP_PRIVATE | MAP_ANONYMOUS, NULL);
	struct quire_statistics now = { .size = sizeof(now) };

	(void)state;
	assert_int_equal(quire_flush(quire), 0);
	store(shared + PAGE, 'X');
	store(private, 'Y');
	store(private + PAGE, 'Z');
	assert_int_equal(quire_get_statistics(quire, &now), 0);
	assert_int_equal(now.dirty, 3 * PAGE);
	assert_int_equal(quire_flush(quire), 0);
	assert_int_equal(quire_get_statistics(quire, &now), 0);
	assert_int_equal(now.dirty, 0);
	assert_int_equal(page_at(private).state, QUIRE_PAGE_CLEAN);
	assert_int_equal(home[PAGE], 'X');
}

static void test_flush_fails(void **state)
{
	char *shared = map(MAP_SHARED, memory);

	(void)state;
	store(shared, 'X');
	broken = true;
	assert_int_equal(quire_flush(quire), -EIO);
	assert_non_null(strstr(quire_strerror_last(), "home"));
	assert_int_equal(state_at(0), QUIRE_PAGE_DIRTY);
	/* The holder is told, too, and once. */
	broken = false;
	assert_int_equal(quire_object_sync(memory, 0, 0, MS_SYNC), -EIO);
	assert_int_equal(quire_object_sync(memory, 0, 0, MS_SYNC), 0);
	assert_int_equal(home[0], 'X');
}

#define ROUNDS 300

static void *look_on(void *argument)
{
	char *address = argument;
	unsigned char states[PAGES];
	struct quire_page page;

	for (int i = 0; i < ROUNDS; i++) {
		if (quire_object_pages(memory, 0, sizeof(states) * PAGE,
				       states))
			return "no states";
		for (size_t j = 0; j < PAGES; j++)
			if (states[j] > QUIRE_PAGE_PAST_END)
				return "a state that there is not";
		/* It may be mapped at the moment, or not. */
		if (quire_space_page(space, address, &page) == 0 &&
		    page.source == QUIRE_SOURCE_OBJECT && page.index != 0)
			return "a page of another place";
		if (quire_flush(quire))
			return "no flush";
	}
	return NULL;
}

static void test_others_are_at_work(void **state)
{
	char *address = map(MAP_SHARED, memory);
	pthread_t thread;
	void *complaint;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, look_on, address), 0);
	for (int i = 0; i < ROUNDS; i++) {
		store(address, (char)i);
		store(address + PAGE, (char)i);
		assert_int_equal(quire_munmap(space, address, sizeof(home)), 0);
		assert_ptr_equal(quire_mmap(space, address, sizeof(home),
					    PROT_READ | PROT_WRITE,
					    MAP_SHARED | MAP_FIXED, memory, 0),
				 address);
	}
	assert_int_equal(pthread_join(thread, &complaint), 0);
	if (complaint)
		fail_msg("%s", (const char *)complaint);
	assert_int_equal(quire_flush(quire), 0);
	assert_int_equal(home[0], (char)(ROUNDS - 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_states),
		TEST(test_lengths),
		TEST(test_refused),
		TEST(test_entries_of_a_private_mapping),
		TEST(test_holders_after_a_fork),
		TEST(test_looking_brings_nothing_in),
		TEST(test_flush),
		TEST(test_flush_fails),
		TEST(test_others_are_at_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
