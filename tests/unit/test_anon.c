/* test_anon.c - object/anon.c: private pages, counted */
/* SPDX-License-Identifier: MIT */
#include "object/anon.h"

#include "unit/refuse_maps.h"
#include "unit/swap_world.h"

#define SLOTS UINT64_C(10000)

static struct object_world *world;
static struct scratch scratch;
static struct anon_pool pool;

static int open_pool(void **state)
{
	(void)state;
	error_clear();
	world = world_open(64);
	scratch = scratch_of(world, SLOTS);
	assert_int_equal(anon_pool_init(&pool, scratch.object), 0);
	return 0;
}

static int close_pool(void **state)
{
	(void)state;
	anon_pool_finish(&pool);
	scratch_end(&scratch);
	world_close(world);
	return 0;
}

static uint64_t new_slot(void)
{
	uint64_t slot;

	assert_int_equal(anon_create(&pool, &slot), 0);
	assert_int_equal(anon_holds(&pool, slot), 1);
	return slot;
}

static unsigned char byte_of(uint64_t slot)
{
	return object_byte(scratch.object, slot << PAGE_SHIFT);
}

static void set(uint64_t slot, unsigned char byte)
{
	set_byte(scratch.object, slot << PAGE_SHIFT, byte);
}

/* Neighbours in time are neighbours in the object. */
static void test_in_order(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		assert_int_equal(new_slot(), i);
		assert_int_equal(byte_of(i), 0);
	}
	assert_int_equal(pool.count, 100);
	for (uint64_t i = 0; i < 100; i++)
		anon_drop(&pool, i);
	assert_int_equal(pool.count, 100);
	anon_reap(&pool);
	assert_int_equal(pool.count, 0);
	assert_int_equal(charged(world), 0);
}

static void test_holds(void **state)
{
	uint64_t slot = new_slot();

	(void)state;
	set(slot, 'x');
	anon_hold(&pool, slot);
	anon_hold(&pool, slot);
	assert_int_equal(anon_holds(&pool, slot), 3);
	anon_drop(&pool, slot);
	anon_drop(&pool, slot);
	assert_int_equal(anon_holds(&pool, slot), 1);
	anon_reap(&pool);
	assert_int_equal(byte_of(slot), 'x');
	anon_drop(&pool, slot);
	assert_int_equal(anon_holds(&pool, slot), 0);
	/* Not free before it was reaped. */
	assert_int_equal(new_slot(), slot + 1);
	anon_reap(&pool);
	assert_int_equal(pool.count, 1);
	anon_drop(&pool, slot + 1);
}

/* What was reaped is zeros, at home as well, and is handed out again. */
static void test_reaped_is_zeros(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 40; i++)
		set(new_slot(), 'y');
	swap_out(world, scratch.object);
	for (uint64_t i = 0; i < 40; i += 2)
		set(i, 'z'); /* dirty again */
	for (uint64_t i = 8; i < 24; i++)
		anon_drop(&pool, i);
	anon_reap(&pool);
	for (uint64_t i = 0; i < 40; i++) {
		unsigned char kept = i % 2 ? 'y' : 'z';

		assert_int_equal(byte_of(i), i >= 8 && i < 24 ? 0 : kept);
		assert_int_equal(at_home(scratch.home, i), i < 8 || i >= 24);
	}
	/* The free ones first, in order. */
	for (uint64_t i = 8; i < 24; i++)
		assert_int_equal(new_slot(), i);
	assert_int_equal(new_slot(), 40);
	for (uint64_t i = 0; i <= 40; i++)
		anon_drop(&pool, i);
}

/* Forty pages and a reaper who wrote none of them. */
static void test_nothing_is_written(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 40; i++) {
		set(new_slot(), 'w');
		anon_drop(&pool, i);
	}
	assert_int_equal(faulty_store_script(scratch.faulty, "any do fail EIO"),
			 0);
	anon_reap(&pool);
	assert_int_equal(object_dirty_pages(scratch.object), 0);
	for (uint64_t i = 0; i < 40; i++)
		assert_int_equal(byte_of(new_slot()), 0);
	for (uint64_t i = 0; i < 40; i++)
		anon_drop(&pool, i);
}

static void test_no_slot_is_left(void **state)
{
	uint64_t slot = 77;

	(void)state;
	for (uint64_t i = 0; i < SLOTS; i++)
		assert_int_equal(new_slot(), i);
	assert_int_equal(anon_create(&pool, &slot), -ENOMEM);
	assert_int_equal(slot, 77);
	assert_int_equal(pool.count, SLOTS);
	anon_drop(&pool, 5000);
	assert_int_equal(anon_create(&pool, &slot), -ENOMEM);
	anon_reap(&pool);
	assert_int_equal(new_slot(), 5000);
	for (uint64_t i = 0; i < SLOTS; i++)
		anon_drop(&pool, i);
	anon_reap(&pool); /* in more than one piece */
	assert_int_equal(pool.count, 0);
	assert_int_equal(new_slot(), 5001);
	anon_drop(&pool, 5001);
}

static void test_no_memory(void **state)
{
	struct anon_pool none;

	(void)state;
	maps_allowed = 0;
	assert_int_equal(anon_pool_init(&none, scratch.object), -ENOMEM);
	maps_allowed = -1;
}

/* A discard that the store refuses leaves the slots to the next reaper. */
static void test_a_reaper_that_fails(void **state)
{
	struct thing thing = thing_of(world, 8 * PAGE_SIZE);
	struct anon_pool other;
	uint64_t slot;

	(void)state;
	assert_int_equal(anon_pool_init(&other, thing.object), 0);
	assert_int_equal(anon_create(&other, &slot), 0);
	anon_drop(&other, slot);
	atomic_store(&thing.pager->discard_error, -EIO);
	anon_reap(&other);
	assert_int_equal(other.count, 1);
	atomic_store(&thing.pager->discard_error, 0);
	anon_reap(&other);
	assert_int_equal(other.count, 0);
	anon_pool_finish(&other);
	thing_end(&thing);
}

/* The memory of a pool is not a child's, nor are threads: it makes a pool of
 * its own, over a store that has none. */
static void open_in_child(void)
{
	struct object_parameters parameters = { .identity.name = "child",
						.size = 8 * PAGE_SIZE,
						.capacity = 8 * PAGE_SIZE };
	struct object *object;
	struct pager *pager;

	world = world_open(64);
	if (swap_pager_create(new_memory_store(0), 8, &pager) ||
	    object_create(&world->host, &parameters, pager, &object) ||
	    anon_pool_init(&pool, object))
		_exit(1);
}

static void drop_twice(void *argument)
{
	uint64_t slot;

	(void)argument;
	open_in_child();
	anon_create(&pool, &slot);
	anon_drop(&pool, slot);
	anon_drop(&pool, slot);
}

static void hold_nothing(void *argument)
{
	(void)argument;
	open_in_child();
	anon_hold(&pool, 3);
}

static void finish_held(void *argument)
{
	uint64_t slot;

	(void)argument;
	open_in_child();
	anon_create(&pool, &slot);
	anon_pool_finish(&pool);
}

static void test_checks(void **state)
{
	(void)state;
	assert_check_fails(drop_twice, NULL, "dropped by a holder");
	assert_check_fails(hold_nothing, NULL, "gets one hold more");
	assert_check_fails(finish_held, NULL, "is held any more");
}

/* ---- several spaces at once ---- */

#define THREADS 3
#define STEPS 1500
#define KEPT 24

struct user {
	uint64_t slot[KEPT];
	unsigned char byte[KEPT];
	uint64_t seed;
	bool wrong;
};

/* A slot that comes is zeros, one that is held keeps what was stored. */
static void step(struct user *user, unsigned i)
{
	if (user->byte[i]) {
		if (byte_of(user->slot[i]) != user->byte[i])
			user->wrong = true;
		anon_hold(&pool, user->slot[i]);
		anon_drop(&pool, user->slot[i]);
		anon_drop(&pool, user->slot[i]);
		user->byte[i] = 0;
	} else if (anon_create(&pool, &user->slot[i]) == 0) {
		if (byte_of(user->slot[i]) != 0)
			user->wrong = true;
		user->byte[i] = (unsigned char)(next_random(&user->seed) | 1);
		set(user->slot[i], user->byte[i]);
	}
}

static void *use_slots(void *argument)
{
	struct user *user = argument;

	for (int n = 0; n < STEPS; n++) {
		step(user, (unsigned)(next_random(&user->seed) % KEPT));
		if (n % 50 == 0)
			anon_reap(&pool);
	}
	for (unsigned i = 0; i < KEPT; i++)
		if (user->byte[i])
			step(user, i);
	return NULL;
}

static _Atomic bool over;

/* They have more pages than the budget. */
static void *write_back(void *argument)
{
	(void)argument;
	while (!atomic_load(&over))
		swap_out(world, scratch.object);
	return NULL;
}

static void test_several_users(void **state)
{
	struct user users[THREADS] = { 0 };
	uint64_t seed = first_seed(5);
	pthread_t thread[THREADS], writer;

	(void)state;
	world->host.full_wait_ns = UINT64_C(3600) * 1000 * MS;
	writer = start_thread(write_back, NULL);
	for (int i = 0; i < THREADS; i++) {
		users[i].seed = next_random(&seed) | 1;
		thread[i] = start_thread(use_slots, &users[i]);
	}
	for (int i = 0; i < THREADS; i++) {
		join_thread(thread[i]);
		assert_false(users[i].wrong);
	}
	atomic_store(&over, true);
	join_thread(writer);
	anon_reap(&pool);
	assert_int_equal(pool.count, 0);
	assert_int_equal(object_dirty_pages(scratch.object), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define WITH_POOL(test) \
	cmocka_unit_test_setup_teardown(test, open_pool, close_pool)
		WITH_POOL(test_in_order),
		WITH_POOL(test_holds),
		WITH_POOL(test_reaped_is_zeros),
		WITH_POOL(test_nothing_is_written),
		WITH_POOL(test_no_slot_is_left),
		WITH_POOL(test_no_memory),
		WITH_POOL(test_a_reaper_that_fails),
		WITH_POOL(test_checks),
		WITH_POOL(test_several_users),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
