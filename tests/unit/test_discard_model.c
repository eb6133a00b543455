/* test_discard_model.c - object/discard.c against a model */
/* SPDX-License-Identifier: MIT */
#include "unit/discard_world.h"

#define OWNERS 2
#define BLOCK 4 /* pages of one owner, then of the other */
#define WORKED UINT64_C(160)
#define STEPS 700

struct owner {
	struct object *object;
	unsigned number;
	uint64_t seed;
	unsigned char byte[WORKED]; /* the model: the first byte of each */
	bool wrong;
};

static _Atomic bool over, written; /* the writer goes last */

static uint64_t page_of_owner(struct owner *owner)
{
	uint64_t n = next_random(&owner->seed) % (WORKED / OWNERS);

	return (n / BLOCK * OWNERS + owner->number) * BLOCK + n % BLOCK;
}

static void check_page(struct owner *owner, uint64_t page)
{
	unsigned char expected = owner->byte[page];

	if (object_byte(owner->object, at(page)) != expected ||
	    object_byte(owner->object, at(page) + PAGE_MASK) != expected)
		owner->wrong = true;
}

static void store_page(struct owner *owner, uint64_t page)
{
	owner->byte[page] = (unsigned char)next_random(&owner->seed);
	set_byte(owner->object, at(page), owner->byte[page]);
	set_byte(owner->object, at(page) + PAGE_MASK, owner->byte[page]);
}

static void discard_block(struct owner *owner, uint64_t page)
{
	uint64_t end = page / BLOCK * BLOCK + BLOCK;

	if (object_discard(owner->object, page, end - page))
		owner->wrong = true;
	for (uint64_t i = page; i < end; i++) {
		owner->byte[i] = 0;
		check_page(owner, i);
	}
}

static void *own_pages(void *argument)
{
	struct owner *owner = argument;

	for (int i = 0; i < STEPS; i++) {
		uint64_t page = page_of_owner(owner);

		switch (next_random(&owner->seed) % 4) {
		case 0:
			discard_block(owner, page);
			break;
		case 1:
			check_page(owner, page);
			break;
		default:
			store_page(owner, page);
		}
	}
	for (uint64_t i = 0; i < WORKED; i++)
		if (i / BLOCK % OWNERS == owner->number)
			check_page(owner, i);
	return NULL;
}

/* Reads, pins of both kinds, locks, eviction: of everybody's pages. */
static void *disturb(void *argument)
{
	struct owner *owner = argument;

	while (!atomic_load(&over)) {
		uint64_t page = next_random(&owner->seed) % (WORKED - 3);
		bool write = page % 2;

		if (object_hold(owner->object, page, 3, write) == 0) {
			sched_yield();
			object_let_go(owner->object, page, 3, write);
		}
		if (page % 16 == 0)
			object_invalidate(owner->object, 0, WORKED);
		if (page % 16 == 1)
			object_deactivate(owner->object, page, 32);
		if (page % 16 == 2 &&
		    object_lock_pages(owner->object, page, 2) == 0)
			object_unlock_pages(owner->object, page, 2);
	}
	return NULL;
}

static void *write_back(void *argument)
{
	while (!atomic_load(&written))
		swap_out(world, argument);
	return NULL;
}

static void compare_with_a_model(struct object *object)
{
	struct owner owners[OWNERS + 1];
	uint64_t seed = first_seed(9);
	pthread_t thread[OWNERS], disturber, writer;

	atomic_store(&over, false);
	atomic_store(&written, false);
	world->host.full_wait_ns = UINT64_C(3600) * 1000 * MS;
	memset(owners, 0, sizeof(owners));
	for (unsigned i = 0; i <= OWNERS; i++) {
		owners[i].object = object;
		owners[i].number = i;
		owners[i].seed = next_random(&seed) | 1;
	}
	disturber = start_thread(disturb, &owners[OWNERS]);
	writer = start_thread(write_back, object);
	for (unsigned i = 0; i < OWNERS; i++)
		thread[i] = start_thread(own_pages, &owners[i]);
	for (unsigned i = 0; i < OWNERS; i++) {
		join_thread(thread[i]);
		assert_false(owners[i].wrong);
	}
	atomic_store(&over, true);
	join_thread(disturber);
	atomic_store(&written, true);
	join_thread(writer);
	swap_out(world, object);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_dirty_pages(object), 0);
}

static void test_scratch_against_a_model(void **state)
{
	(void)state;
	compare_with_a_model(scratch.object);
}

static void test_a_store_against_a_model(void **state)
{
	(void)state;
	assert_int_equal(object_discard(thing.object, 0, PAGES), 0);
	compare_with_a_model(thing.object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_WORLD(test_scratch_against_a_model),
		IN_WORLD(test_a_store_against_a_model),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
