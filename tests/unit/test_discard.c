/* test_discard.c - object/discard.c: pages become zeros, whatever goes on */
/* SPDX-License-Identifier: MIT */
#include "unit/swap_world.h"

#define PAGES UINT64_C(256)
#define ZERO(page) assert_int_equal(object_byte(thing.object, at(page)), 0)

static struct object_world *world;
static struct thing thing; /* over a store of known bytes */
static struct scratch scratch;

static int open_world(void **state)
{
	(void)state;
	error_clear();
	world = world_open(64);
	thing = thing_of(world, PAGES * PAGE_SIZE);
	scratch = scratch_of(world, PAGES);
	return 0;
}

static int close_world(void **state)
{
	(void)state;
	thing_end(&thing);
	scratch_end(&scratch);
	world_close(world);
	return 0;
}

static uint64_t at(uint64_t page)
{
	return page << PAGE_SHIFT;
}

static void assert_kept(uint64_t page)
{
	assert_int_equal(object_byte(thing.object, at(page)),
			 byte_at(at(page)));
}

/* ---- quiet pages ---- */

/*  page   0  1      2      3       4       5
 *        kept | clean | dirty | absent | dirty, seen | kept */
static void test_all_states(void **state)
{
	(void)state;
	assert_kept(1);
	set_byte(thing.object, at(2), 7);
	set_byte(thing.object, at(4), 7);
	assert_int_equal(object_discard(thing.object, 1, 4), 0);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_dirty_pages(thing.object), 0);
	for (uint64_t i = 1; i < 5; i++) {
		assert_int_equal(state_of(thing.object, i), PAGE_ABSENT);
		assert_false(at_home(thing.home, i));
		ZERO(i);
	}
	assert_kept(0);
	assert_kept(5);
	/* Stored to again, it keeps that. */
	set_byte(thing.object, at(2), 9);
	swap_out(world, thing.object);
	assert_int_equal(object_byte(thing.object, at(2)), 9);
	assert_int_equal(home_byte(&thing, at(2)), 9);
}

static void test_runs_are_one_call(void **state)
{
	(void)state;
	for (uint64_t i = 10; i < 50; i++)
		assert_kept(i);
	assert_int_equal(object_discard(thing.object, 0, PAGES), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 1);
	/* Of more than a chunk, one for each. */
	for (uint64_t i = 10; i < 50; i++)
		ZERO(i);
	assert_int_equal(object_discard(thing.object, 20, 5), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 2);
	assert_int_equal(charged(world), 35);
}

static void test_more_than_a_chunk(void **state)
{
	struct object_world *large = world_open(1024);
	struct thing other = thing_of(large, PAGES * PAGE_SIZE);

	(void)state;
	for (uint64_t i = 0; i < PAGES; i++)
		set_byte(other.object, at(i), (unsigned char)(i + 1));
	assert_int_equal(object_discard(other.object, 1, PAGES - 2), 0);
	assert_int_equal(charged(large), 2);
	assert_true(atomic_load(&other.pager->discards) > 1);
	for (uint64_t i = 1; i < PAGES - 1; i++)
		assert_int_equal(object_byte(other.object, at(i) + 5), 0);
	assert_int_equal(object_byte(other.object, 0), 1);
	thing_end(&other);
	world_close(large);
}

static void test_ranges(void **state)
{
	(void)state;
	assert_int_equal(object_discard(thing.object, PAGES, 1), 0);
	assert_int_equal(object_discard(thing.object, UINT64_MAX, UINT64_MAX),
			 0);
	assert_int_equal(object_discard(thing.object, 3, 0), 0);
	assert_int_equal(atomic_load(&thing.pager->discards), 0);
	assert_kept(3);
	assert_int_equal(object_discard(thing.object, 250, UINT64_MAX), 0);
	ZERO(255);
	assert_kept(249);
}

/* The page in which the object ends is discarded whole. */
static void test_the_last_page(void **state)
{
	struct thing other = thing_of(world, 3 * PAGE_SIZE + 100);

	(void)state;
	assert_int_equal(object_discard(other.object, 3, 1), 0);
	assert_int_equal(size_of_store(other.home), 3 * PAGE_SIZE + 100);
	assert_int_equal(object_byte(other.object, 3 * PAGE_SIZE + 99), 0);
	assert_int_equal(object_byte(other.object, 3 * PAGE_SIZE - 1),
			 byte_at(3 * PAGE_SIZE - 1));
	thing_end(&other);
}

/* The thread sanitizer leaves us few addresses. */
#if defined(__SANITIZE_THREAD__)
#define SPARSE (UINT64_C(1) << 26)
#else
#define SPARSE (UINT64_C(1) << 30)
#endif

/* Four terabytes, of which there are three pages. */
static void test_huge_and_sparse(void **state)
{
	struct object_world *large = world_open(64);
	struct scratch sparse = scratch_of(large, SPARSE);
	uint64_t places[] = { 0, SPARSE / 4, SPARSE - 1 };

	(void)state;
	for (int i = 0; i < 3; i++)
		set_byte(sparse.object, at(places[i]), 5);
	swap_out(large, sparse.object);
	set_byte(sparse.object, at(places[1]), 6);
	assert_int_equal(object_discard(sparse.object, 0, UINT64_MAX), 0);
	assert_int_equal(charged(large), 0);
	for (int i = 0; i < 3; i++) {
		assert_false(at_home(sparse.home, places[i]));
		assert_int_equal(object_byte(sparse.object, at(places[i])), 0);
	}
	scratch_end(&sparse);
	world_close(large);
}

static void test_failed_and_zeroed_pages(void **state)
{
	unsigned char byte;
	uint64_t sequence;

	(void)state;
	set_script(&thing, "read do fail EIO");
	assert_int_equal(object_copy_out(thing.object, &byte, 1, at(4)), -EIO);
	assert_int_equal(state_of(thing.object, 4), PAGE_FAILED);
	assert_int_equal(object_zero_page(thing.object, 5, &sequence), 1);
	set_script(&thing, NULL);
	assert_int_equal(object_discard(thing.object, 4, 2), 0);
	ZERO(4);
	ZERO(5);
	set_byte(thing.object, at(5), 3);
}

/* ---- refused ---- */

static void test_a_pager_that_cannot(void **state)
{
	struct pager_ops ops = *thing.pager->pager.ops;
	const struct pager_ops *before = thing.pager->pager.ops;

	(void)state;
	ops.discard = NULL;
	thing.pager->pager.ops = &ops;
	set_byte(thing.object, at(2), 7);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EOPNOTSUPP);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	thing.pager->pager.ops = before;
	assert_kept(1);
	assert_int_equal(object_byte(thing.object, at(2)), 7);
}

static void test_read_only(void **state)
{
	(void)state;
	atomic_store(&thing.object->writer, NULL);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EACCES);
	atomic_store(&thing.object->writer, &thing.pager->pager);
	assert_kept(0);
}

/* All is as it was: clean, dirty and pinned pages, and the set. */
static void test_a_store_that_fails(void **state)
{
	(void)state;
	assert_kept(1);
	set_byte(thing.object, at(2), 7);
	assert_int_equal(object_hold(thing.object, 3, 1, false), 0);
	assert_int_equal(object_hold(thing.object, 4, 1, true), 0);
	atomic_store(&thing.pager->discard_error, -EIO);
	assert_int_equal(object_discard(thing.object, 0, PAGES), -EIO);
	assert_int_equal(state_of(thing.object, 1), PAGE_CLEAN);
	assert_int_equal(state_of(thing.object, 2), PAGE_DIRTY);
	assert_true(is_dirty(thing.object, 2));
	object_let_go(thing.object, 3, 1, false);
	object_let_go(thing.object, 4, 1, true);
	for (uint64_t i = 0; i < 5; i++)
		if (i != 2)
			assert_kept(i);
	swap_out(world, thing.object);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_byte(thing.object, at(2)), 7);
	atomic_store(&thing.pager->discard_error, 0);
	assert_int_equal(object_discard(thing.object, 0, PAGES), 0);
	ZERO(2);
}

/* ---- something is under way ---- */

static void *discard_four(void *argument)
{
	int *result = argument;

	*result = object_discard(thing.object, 4, 1);
	return NULL;
}

/* Old bytes that are on their way arrive first. */
static void test_it_waits_for_a_read(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	int result = 1;

	(void)state;
	set_script(&thing, "read do hold");
	assert_int_equal(object_start_read(thing.object, 4, 1, &sequence), 1);
	thread = start_thread(discard_four, &result);
	wait_until_waited_for(thing.object, 4);
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(thread);
	assert_int_equal(result, 0);
	assert_int_equal(charged(world), 0);
	ZERO(4);
}

static void *sync_thing(void *argument)
{
	swap_out(world, argument);
	return NULL;
}

static void test_it_waits_for_a_write(void **state)
{
	pthread_t thread, writer;
	int result = 1;

	(void)state;
	set_byte(thing.object, at(4), 7);
	set_script(&thing, "write do hold");
	writer = start_thread(sync_thing, thing.object);
	wait_until_held(&thing, 1);
	thread = start_thread(discard_four, &result);
	while (!atomic_load(&thing.object->unsettled))
		sched_yield();
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(writer);
	join_thread(thread);
	assert_int_equal(result, 0);
	assert_false(at_home(thing.home, 4));
	ZERO(4);
}

/* While a discard is under way nothing of the range is read. */
static void test_a_read_is_put_off(void **state)
{
	uint64_t sequence;
	pthread_t thread;
	int result = 1;

	(void)state;
	set_script(&thing, "read 16384-20480 do hold");
	assert_int_equal(object_start_read(thing.object, 4, 1, &sequence), 1);
	thread = start_thread(discard_four, &result);
	wait_until_waited_for(thing.object, 4);
	/* Neighbours come up to it, and not beyond. */
	assert_int_equal(object_start_read(thing.object, 5, 2, &sequence), 2);
	assert_int_equal(object_before_discard(thing.object, 0, 9), 4);
	assert_int_equal(object_before_discard(thing.object, 4, 9), 0);
	assert_int_equal(object_before_discard(thing.object, 5, 9), 9);
	set_script(&thing, NULL);
	assert_int_equal(faulty_store_release(thing.faulty), 1);
	join_thread(thread);
	assert_int_equal(object_before_discard(thing.object, 0, 9), 9);
	ZERO(4);
	assert_kept(5);
}

#ifdef QUIRE_DEBUG
static _Atomic bool came; /* a hook has done its work */

/* True once, at this point of the thing's pages. */
static bool is_time(enum hook point, enum hook wanted, const void *table)
{
	return point == wanted && table == &thing.object->table &&
	       !atomic_exchange(&came, true);
}

static void arm(hook_function *function)
{
	atomic_store(&came, false);
	hook_register(function);
}

/* In the middle of a discard of pages 4 to 7, of which 5 is taken. */
static int64_t started_inside, started_across;
static pthread_t late_reader;

static void *read_late(void *argument)
{
	(void)argument;
	ZERO(6);
	return NULL;
}

static void read_in_between(enum hook point, const void *thing_table,
			    uint64_t index)
{
	uint64_t sequence;

	(void)index;
	if (!is_time(point, HOOK_EVICT_BEGUN, thing_table))
		return;
	started_inside = object_start_read(thing.object, 4, 1, &sequence);
	started_across = object_start_read(thing.object, 2, 6, &sequence);
	/* Who may wait does, and gets zeros. */
	late_reader = start_thread(read_late, NULL);
}

static void test_reads_in_the_middle(void **state)
{
	(void)state;
	set_byte(thing.object, at(5), 7);
	thing.object->parameters.readahead = 1;
	arm(read_in_between);
	assert_int_equal(object_discard(thing.object, 4, 4), 0);
	hook_register(NULL);
	join_thread(late_reader);
	assert_int_equal(started_inside, -EBUSY);
	assert_int_equal(started_across, 2);
	assert_kept(2);
	assert_kept(3);
	for (uint64_t i = 4; i < 8; i++)
		ZERO(i);
}

/* The range was stored after the reader had looked, before its swap. */
static void discard_in_between(enum hook point, const void *thing_table,
			       uint64_t index)
{
	(void)index;
	if (!is_time(point, HOOK_READ_BEGUN, thing_table))
		return;
	atomic_store(&thing.object->discard_start, 5);
	atomic_store(&thing.object->discard_end, 7);
}

static void test_a_read_that_has_just_begun(void **state)
{
	uint64_t sequence;

	(void)state;
	arm(discard_in_between);
	assert_int_equal(object_start_read(thing.object, 4, 4, &sequence), 1);
	hook_register(NULL);
	assert_int_equal(state_of(thing.object, 5), PAGE_ABSENT);
	assert_int_equal(charged(world), 1);
	atomic_store(&thing.object->discard_end, 0);
	assert_kept(5);
}

/* A sync that passed over a page in the middle of a discard that is refused. */
static pthread_t syncer;

static void sync_in_between(enum hook point, const void *thing_table,
			    uint64_t index)
{
	(void)index;
	if (!is_time(point, HOOK_EVICT_BEGUN, thing_table))
		return;
	assert_int_equal(state_of(thing.object, 4), PAGE_EVICTING);
	syncer = start_thread(sync_thing, thing.object);
}

static void test_a_sync_in_the_middle_of_a_failure(void **state)
{
	(void)state;
	set_byte(thing.object, at(4), 7);
	atomic_store(&thing.pager->discard_error, -EIO);
	arm(sync_in_between);
	assert_int_equal(object_discard(thing.object, 4, 1), -EIO);
	hook_register(NULL);
	join_thread(syncer);
	assert_int_equal(home_byte(&thing, at(4)), 7);
	assert_int_equal(object_dirty_pages(thing.object), 0);
}
#endif

/* ---- pins ---- */

static void test_a_pinned_page_is_zeroed_in_place(void **state)
{
	unsigned char *bytes = object_window(thing.object, at(4));

	(void)state;
	set_byte(thing.object, at(4), 7);
	assert_int_equal(object_hold(thing.object, 4, 1, true), 0);
	assert_int_equal(object_hold(thing.object, 6, 1, false), 0);
	assert_int_equal(object_discard(thing.object, 3, 5), 0);
	for (uint64_t i = 0; i < PAGE_SIZE; i++)
		assert_int_equal(bytes[i], 0);
	assert_int_equal(state_of(thing.object, 4), PAGE_DIRTY);
	bytes[9] = 5;
	object_let_go(thing.object, 4, 1, true);
	object_let_go(thing.object, 6, 1, false);
	swap_out(world, thing.object);
	assert_int_equal(charged(world), 0);
	for (uint64_t i = 3; i < 8; i++)
		ZERO(i);
	assert_int_equal(object_byte(thing.object, at(4) + 9), 5);
}

/* A pin that goes in time keeps nothing. */
static void *let_go_soon(void *argument)
{
	(void)argument;
	while (!atomic_load(&thing.object->unsettled))
		sched_yield();
	object_let_go(thing.object, 4, 1, false);
	return NULL;
}

static void test_a_pin_that_goes(void **state)
{
	pthread_t thread;

	(void)state;
	assert_int_equal(object_hold(thing.object, 4, 1, false), 0);
	thread = start_thread(let_go_soon, NULL);
	assert_int_equal(object_discard(thing.object, 4, 1), 0);
	join_thread(thread);
	ZERO(4);
	assert_false(at_home(thing.home, 4));
}

/* ---- scratch, and lazily ---- */

static void test_scratch_is_forgotten(void **state)
{
	(void)state;
	set_byte(scratch.object, at(3), 8);
	set_byte(scratch.object, at(4), 8);
	swap_out(world, scratch.object);
	assert_true(at_home(scratch.home, 3));
	/* Neither reads nor writes are needed. */
	assert_int_equal(faulty_store_script(scratch.faulty, "any do fail EIO"),
			 0);
	assert_int_equal(object_discard(scratch.object, 3, 1), 0);
	assert_int_equal(object_byte(scratch.object, at(3)), 0);
	assert_false(at_home(scratch.home, 3));
	assert_true(at_home(scratch.home, 4));
}

static void test_freed_lazily(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < 4; i++)
		set_byte(scratch.object, at(i), 8);
	object_free_lazily(scratch.object, 1, 3);
	assert_int_equal(object_dirty_pages(scratch.object), 1);
	/* Not gone yet, and this one is wanted after all. */
	assert_int_equal(object_byte(scratch.object, at(1)), 8);
	set_byte(scratch.object, at(2) + 1, 9);
	swap_out(world, scratch.object);
	assert_int_equal(charged(world), 0);
	assert_int_equal(object_byte(scratch.object, at(0)), 8);
	assert_int_equal(object_byte(scratch.object, at(1)), 0);
	assert_int_equal(object_byte(scratch.object, at(2)), 8);
	assert_int_equal(object_byte(scratch.object, at(2) + 1), 9);
	assert_int_equal(object_byte(scratch.object, at(3)), 0);
	object_free_lazily(scratch.object, UINT64_MAX, 3);
}

/* What was at home before is not what comes back. */
static void test_freed_after_it_was_at_home(void **state)
{
	(void)state;
	set_byte(scratch.object, at(1), 8);
	swap_out(world, scratch.object);
	set_byte(scratch.object, at(1), 9);
	object_free_lazily(scratch.object, 0, PAGES);
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 0);
}

static void test_a_pinned_page_is_not_freed(void **state)
{
	(void)state;
	assert_int_equal(object_hold(scratch.object, 1, 1, true), 0);
	memset(object_window(scratch.object, at(1)), 3, PAGE_SIZE);
	object_free_lazily(scratch.object, 0, PAGES);
	assert_int_equal(object_dirty_pages(scratch.object), 1);
	object_let_go(scratch.object, 1, 1, true);
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 3);
}

static void test_only_scratch_is_freed(void **state)
{
	(void)state;
	set_byte(thing.object, at(1), 8);
	object_free_lazily(thing.object, 0, PAGES);
	assert_true(is_dirty(thing.object, 1));
	swap_out(world, thing.object);
	assert_int_equal(home_byte(&thing, at(1)), 8);
}

/* A mapping that cannot be protected might still be stored through. */
static int refuse_to_protect(struct mmu *mmu, uint64_t start, uint64_t length)
{
	(void)mmu;
	(void)start;
	(void)length;
	return -ENOMEM;
}

static void test_freed_where_it_cannot_be_protected(void **state)
{
	const struct mmu_ops ops = { .write_protect = refuse_to_protect };
	struct mmu mmu = { .ops = &ops };
	struct mapping mapping = { .mmu = &mmu,
				   .start = PAGE_SIZE,
				   .end = 4 * PAGE_SIZE,
				   .shared = true };

	(void)state;
	set_byte(scratch.object, at(1), 8);
	object_attach(scratch.object, &mapping);
	object_free_lazily(scratch.object, 0, PAGES);
	object_detach(scratch.object, &mapping);
	assert_true(is_dirty(scratch.object, 1));
	swap_out(world, scratch.object);
	assert_int_equal(object_byte(scratch.object, at(1)), 8);
}

/* ---- against a model, with everything going on ---- */

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
#define IN_WORLD(test) \
	cmocka_unit_test_setup_teardown(test, open_world, close_world)
		IN_WORLD(test_all_states),
		IN_WORLD(test_runs_are_one_call),
		IN_WORLD(test_more_than_a_chunk),
		IN_WORLD(test_ranges),
		IN_WORLD(test_the_last_page),
		IN_WORLD(test_huge_and_sparse),
		IN_WORLD(test_failed_and_zeroed_pages),
		IN_WORLD(test_a_pager_that_cannot),
		IN_WORLD(test_read_only),
		IN_WORLD(test_a_store_that_fails),
		IN_WORLD(test_it_waits_for_a_read),
		IN_WORLD(test_it_waits_for_a_write),
		IN_WORLD(test_a_read_is_put_off),
#ifdef QUIRE_DEBUG
		IN_WORLD(test_reads_in_the_middle),
		IN_WORLD(test_a_read_that_has_just_begun),
		IN_WORLD(test_a_sync_in_the_middle_of_a_failure),
#endif
		IN_WORLD(test_a_pinned_page_is_zeroed_in_place),
		IN_WORLD(test_a_pin_that_goes),
		IN_WORLD(test_scratch_is_forgotten),
		IN_WORLD(test_freed_lazily),
		IN_WORLD(test_freed_after_it_was_at_home),
		IN_WORLD(test_a_pinned_page_is_not_freed),
		IN_WORLD(test_only_scratch_is_freed),
		IN_WORLD(test_freed_where_it_cannot_be_protected),
		IN_WORLD(test_scratch_against_a_model),
		IN_WORLD(test_a_store_against_a_model),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
