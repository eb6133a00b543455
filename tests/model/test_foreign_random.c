/* test_foreign_random.c - a file is written through memory and past it */
/* SPDX-License-Identifier: MIT */
/*
 * One object over a real file, in a budget of a third of it:
 *
 *   words of each page   | 0 | 1 | 2 | 3 | 0 | 1 | 2 | 3 | ...
 *   written by               0, 1: stores into the object
 *                            2, 3: write(2) into the file
 *
 * while others evict and flush, and the file grows by what 3 writes.  Each
 * thread alone writes its words, so it knows what must be there: whoever has
 * stored finds it in the file after a sync, whoever has written finds it in the
 * object at once, and at the end all is in both.
 */
#include "unit/object_world.h"

#include "writeback/writeback.h"

#include <fcntl.h>

#define OWNERS 4
#define FIRST_OF_FILE 2 /* owners from here on write the file */
#define PAGES 24
#define WORDS (PAGES * PAGE_SIZE / sizeof(uint64_t))
#define START (6 * PAGE_SIZE + 104) /* bytes there are at first */
#define BUDGET 8
#define STEPS 2000

static struct object_world *world;
static struct worker_pool *workers;
static struct writeback writeback;
static struct object *object;
static int file;
static _Atomic unsigned at_work; /* owners */
static uint64_t first;           /* seed */

struct owner {
	unsigned which;
	uint64_t seed;
	uint64_t last[WORDS]; /* of what is his: what was written last */
};

static struct owner owners[OWNERS];

static void need_at(bool good, const char *what, uint64_t word)
{
	if (good)
		return;
	fprintf(stderr, "word %llu (page %llu): %s\n", (unsigned long long)word,
		(unsigned long long)(word / 512), what);
	abort();
}

/* One of the owner's words that the object has now. */
static uint64_t choose(struct owner *owner)
{
	uint64_t words = object_size(object) / (OWNERS * sizeof(uint64_t));

	return next_random(&owner->seed) % words * OWNERS + owner->which;
}

static uint64_t in_object(uint64_t word)
{
	uint64_t value = 0;

	need_at(object_copy_out(object, &value, 8, word * 8) == 8,
		"cannot be read", word);
	return value;
}

static uint64_t in_file(uint64_t word)
{
	uint64_t value = 0;

	need_at(pread(file, &value, 8, (off_t)(word * 8)) == 8,
		"is not in the file", word);
	return value;
}

static void check_object(const struct owner *owner, uint64_t word)
{
	need_at(in_object(word) == owner->last[word], "in the object", word);
}

/* ---- through memory ---- */

static void store_step(struct owner *owner, uint64_t value)
{
	uint64_t word = choose(owner), other = choose(owner);

	need_at(object_copy_in(object, &value, 8, word * 8) == 8,
		"cannot be stored", word);
	owner->last[word] = value;
	if (next_random(&owner->seed) % 8 == 0) {
		need_at(writeback_sync(&writeback, object, word / 512, 1,
				       false) == 0,
			"cannot be synced", word);
		need_at(in_file(word) == value, "in the file", word);
	}
	check_object(owner, other);
}

/* ---- past it ---- */

/* Words of this owner's from word on, one after the other. */
static void write_words(struct owner *owner, uint64_t word, uint64_t count,
			uint64_t value)
{
	for (uint64_t i = word; i < word + count * OWNERS; i += OWNERS) {
		need_at(pwrite(file, &value, 8, (off_t)(i * 8)) == 8,
			"cannot be written", i);
		owner->last[i] = value;
	}
}

/* As the server, around a client's write(2) of [word, +count of his). */
static void write_past(struct owner *owner, uint64_t word, uint64_t count,
		       uint64_t value)
{
	uint64_t end = word + (count - 1) * OWNERS + 1;
	struct foreign_write write;
	uint64_t size;

	object_foreign_begin(object, &write, word / 512,
			     (end + 511) / 512 - word / 512);
	for (uint64_t i = word; i < end; i += OWNERS)
		write_words(owner, i, 1, value);
	/* To the byte: what stands between them is others'. */
	for (uint64_t i = word; i < end; i += OWNERS)
		need_at(object_refresh(object, i * 8, 8) == 0,
			"cannot be refreshed", i);
	size = object_size(object);
	if (end * 8 > size)
		need_at(object_follow_size(object) == 0, "cannot grow", word);
	object_foreign_end(object, &write);
	check_object(owner, word);
	check_object(owner, end - 1);
}

static void write_step(struct owner *owner, uint64_t value)
{
	uint64_t word = choose(owner), count = 1;
	uint64_t words = object_size(object) / 8;

	if (owner->which == OWNERS - 1 && value % 16 == 0 &&
	    words + 600 < WORDS) /* one alone makes it longer */
		word = (words + next_random(&owner->seed) % 600) / OWNERS *
			       OWNERS +
		       owner->which;
	else if (word + 4 * OWNERS < words)
		count = 1 + next_random(&owner->seed) % 4;
	write_past(owner, word, count, value);
	check_object(owner, choose(owner));
}

static void *run_owner(void *argument)
{
	struct owner *owner = argument;

	for (uint64_t value = 1; value <= STEPS; value++) {
		if (owner->which < FIRST_OF_FILE)
			store_step(owner, value);
		else
			write_step(owner, value);
	}
	atomic_fetch_sub(&at_work, 1);
	return NULL;
}

/* ---- who disturbs ---- */

static void *disturb(void *argument)
{
	uint64_t seed = first + 99;

	(void)argument;
	while (atomic_load(&at_work) > 0) {
		uint64_t index = next_random(&seed) % PAGES;
		uint64_t count = next_random(&seed) % 6;

		switch (next_random(&seed) % 4) {
		case 0:
			object_drop_clean(object, index, count);
			break;
		case 1:
			writeback_kick(&writeback, false);
			break;
		case 2:
			need_at(writeback_sync(&writeback, object, index, count,
					       true) == 0,
				"cannot be synced", index * 512);
			break;
		default:
			object_lock_pages(object, index, 1);
			object_read_ahead(object, index, count);
			object_unlock_pages(object, index, 1);
		}
	}
	return NULL;
}

/* ---- the world ---- */

static void press(void *context)
{
	(void)context;
	writeback_kick(&writeback, true);
}

static void open_object(void)
{
	const struct store_context context = { .workers = workers };
	struct object_parameters parameters = { .identity.name = "file",
						.size = START,
						.capacity = PAGES * PAGE_SIZE,
						.readahead = 4 };
	struct store *store;
	struct pager *pager;

	assert_int_equal(file_store_create(&context, fcntl(file, F_DUPFD, 0),
					   true, &store),
			 0);
	assert_int_equal(direct_pager_create(store, &pager), 0);
	assert_int_equal(
		object_create(&world->host, &parameters, pager, &object), 0);
}

static int open_here(void **state)
{
	char path[] = "/var/tmp/quire-test-XXXXXX";

	(void)state;
	file = mkostemp(path, O_CLOEXEC);
	assert_return_code(file, errno);
	unlink(path);
	assert_return_code(ftruncate(file, START), errno);
	assert_int_equal(worker_pool_create(2, "test-io", &workers), 0);
	world = world_open(BUDGET);
	world->host.full_wait_ns = 60000 * MS;
	open_object();
	assert_int_equal(writeback_init(&writeback, &world->host, BUDGET / 2,
					5 * MS),
			 0);
	world->cache.pressure = press;
	return 0;
}

static int close_here(void **state)
{
	(void)state;
	writeback_stop(&writeback);
	writeback_finish(&writeback);
	assert_true(object_drop_handle(object));
	assert_true(object_end(object, true));
	worker_pool_destroy(workers);
	world_close(world);
	close(file);
	return 0;
}

static void check_all(void)
{
	for (uint64_t word = 0; word < object_size(object) / 8; word++) {
		uint64_t last = owners[word % OWNERS].last[word];

		need_at(in_object(word) == last, "in the object, last", word);
		need_at(in_file(word) == last, "in the file, last", word);
	}
}

static void test_nothing_is_lost(void **state)
{
	pthread_t threads[OWNERS], disturber;

	(void)state;
	first = first_seed(7);
	memset(owners, 0, sizeof(owners));
	atomic_store(&at_work, OWNERS);
	for (unsigned i = 0; i < OWNERS; i++) {
		owners[i].which = i;
		owners[i].seed = first + i;
		threads[i] = start_thread(run_owner, &owners[i]);
	}
	disturber = start_thread(disturb, NULL);
	for (unsigned i = 0; i < OWNERS; i++)
		join_thread(threads[i]);
	join_thread(disturber);
	assert_int_equal(
		writeback_sync(&writeback, object, 0, UINT64_MAX, true), 0);
	assert_int_equal(object_dirty_pages(object), 0);
	assert_true(object_size(object) > START);
	check_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_is_lost, open_here,
						close_here),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
