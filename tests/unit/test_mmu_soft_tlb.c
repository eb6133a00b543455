/* test_mmu_soft_tlb.c - mmu/mmu_soft.h: nobody gets a stale translation */
/* SPDX-License-Identifier: MIT */
/*
 * The test's own thread and one more use two TLBs.  Both load a translation,
 * one of the two changes it, and both look again.
 */
#include "unit/soft_world.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define READ_WRITE (SOFT_READ | SOFT_WRITE)
#define BASE (4 * GIANT)
#define AWAY (900 * GIANT)
#define ROUNDS 3000

static struct mmu *mmu;
static struct mmu *child;

/* ---- the other thread: does one thing at a time ---- */

static struct {
	pthread_t thread;
	pthread_barrier_t go;
	pthread_barrier_t done;
	void (*body)(void);
} other;

static void *run_other(void *unused)
{
	(void)unused;
	for (;;) {
		pthread_barrier_wait(&other.go);
		if (!other.body)
			return NULL;
		other.body();
		pthread_barrier_wait(&other.done);
	}
}

static void in_other(void (*body)(void))
{
	other.body = body;
	pthread_barrier_wait(&other.go);
	if (body)
		pthread_barrier_wait(&other.done);
}

static int start_other(void **state)
{
	(void)state;
	pthread_barrier_init(&other.go, NULL, 2);
	pthread_barrier_init(&other.done, NULL, 2);
	return pthread_create(&other.thread, NULL, run_other, NULL);
}

static int stop_other(void **state)
{
	(void)state;
	in_other(NULL);
	pthread_join(other.thread, NULL);
	pthread_barrier_destroy(&other.go);
	pthread_barrier_destroy(&other.done);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	mmu = world_create();
	child = world_create();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mmu_destroy(child);
	world_destroy(mmu);
	return 0;
}

/* ---- a change, seen from both ---- */

/* What an access to an address finds. */
struct access {
	uint64_t address;
	uint32_t right;
	bool allowed;
	struct soft_translation found;
};

static struct access asked; /* by whom, and answered to, whose turn it is */

static void ask(void)
{
	asked.allowed =
		soft_translate(mmu, asked.address, asked.right, &asked.found);
}

static void ask_from(bool from_other, uint64_t address, uint32_t right)
{
	asked = (struct access){ .address = address, .right = right };
	if (from_other)
		in_other(ask);
	else
		ask();
}

/* Both have it, marked dirty, in their TLBs: their next accesses hit. */
static void load(uint64_t address, uint32_t right)
{
	struct soft_counts before;

	for (int who = 0; who < 2; who++) {
		ask_from(who, address, right);
		assert_true(asked.allowed);
	}
	before = counts_of(mmu);
	for (int who = 0; who < 2; who++)
		ask_from(who, address, right);
	assert_int_equal(counts_of(mmu).tlb_hits, before.tlb_hits + 2);
	assert_int_equal(counts_of(mmu).tlb_misses, before.tlb_misses);
}

static void assert_both_denied(uint64_t address, uint32_t right)
{
	for (int who = 0; who < 2; who++) {
		ask_from(who, address, right);
		assert_false(asked.allowed);
	}
}

/* And what the table has. */
static void assert_both_get(uint64_t address, uint32_t right, uint64_t index)
{
	for (int who = 0; who < 2; who++) {
		ask_from(who, address, right);
		assert_true(asked.allowed);
		assert_int_equal(asked.found.index, index);
		assert_int_equal(asked.found.flags,
				 soft_look(mmu, address).flags);
	}
}

static void load_page(uint64_t index)
{
	set(mmu, BASE, shared_page(index, READ_WRITE));
	load(BASE, SOFT_WRITE);
}

static void load_private(void)
{
	set(mmu, BASE, private_page(5, READ_WRITE));
	load(BASE, SOFT_WRITE);
}

/* ---- every change in turn; it is made here ---- */

static void test_set(void **state)
{
	(void)state;
	load_page(1);
	set(mmu, BASE, shared_page(2, READ_WRITE));
	assert_both_get(BASE, SOFT_WRITE, 2);
	set(mmu, BASE, shared_page(2, SOFT_READ));
	assert_both_denied(BASE, SOFT_WRITE);
	load(BASE, SOFT_READ);
	set(mmu, BASE, (struct soft_translation){ 0 });
	assert_both_denied(BASE, SOFT_READ);
}

/* A huge leaf comes in the place of many; and a page in that of a huge leaf.
 * What was only split is not called huge any more. */
static void test_set_huge(void **state)
{
	const uint64_t last = BASE + HUGE - PAGE_SIZE;

	(void)state;
	set(mmu, last, shared_page(1, READ_WRITE));
	load(last, SOFT_WRITE);
	set(mmu, BASE, shared_page(1000, READ_WRITE | SOFT_HUGE));
	assert_both_get(last, SOFT_WRITE, 1511);
	load(BASE, SOFT_WRITE);
	set(mmu, BASE, shared_page(2, READ_WRITE));
	assert_both_get(BASE, SOFT_WRITE, 2);
	assert_both_get(last, SOFT_WRITE, 1511);
}

static void test_drop(void **state)
{
	(void)state;
	load_page(1);
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
	assert_both_denied(BASE, SOFT_READ);
	load_private();
	soft_drop(mmu, 0, HIGHEST, true);
	assert_both_denied(BASE, SOFT_READ);
}

/* More pages than a TLB has entries. */
static void test_drop_many(void **state)
{
	const struct soft_translation run = shared_page(0, READ_WRITE);
	const uint64_t count = 200;

	(void)state;
	soft_set_run(mmu, BASE, count, &run);
	for (uint64_t i = 0; i < count; i++)
		load(BASE + i * PAGE_SIZE, SOFT_WRITE);
	soft_drop(mmu, BASE, BASE + (count - 1) * PAGE_SIZE, false);
	assert_both_get(BASE + (count - 1) * PAGE_SIZE, SOFT_WRITE, count - 1);
	for (uint64_t i = 0; i < count - 1; i++)
		assert_both_denied(BASE + i * PAGE_SIZE, SOFT_READ);
}

/* The leaf goes whole: so must what TLBs have of its other pages. */
static void test_drop_without_memory(void **state)
{
	(void)state;
	set(mmu, BASE, shared_page(0, READ_WRITE | SOFT_HUGE));
	load(BASE, SOFT_WRITE);
	world_memory = 0;
	soft_drop(mmu, BASE + PAGE_SIZE, BASE + HUGE, false);
	assert_both_denied(BASE, SOFT_READ);
}

/* A mark that the table has lost is made anew: none is kept in a TLB. */
static void test_marks_are_lost(void **state)
{
	(void)state;
	load_page(1);
	set(mmu, BASE, shared_page(1, READ_WRITE));
	assert_both_get(BASE, SOFT_READ, 1);
	assert_int_equal(soft_look(mmu, BASE).flags,
			 READ_WRITE | SOFT_ACCESSED | SOFT_PRESENT);
	assert_both_get(BASE, SOFT_WRITE, 1);
	assert_true(soft_look(mmu, BASE).flags & SOFT_DIRTY);
	mmu_write_protect(mmu, BASE, PAGE_SIZE);
	assert_both_get(BASE, SOFT_READ, 1);
	assert_false(soft_look(mmu, BASE).flags & SOFT_DIRTY);
	assert_both_denied(BASE, SOFT_WRITE);
}

static void test_move(void **state)
{
	(void)state;
	load_page(1);
	assert_int_equal(soft_move(mmu, BASE, AWAY, HUGE), 0);
	assert_both_denied(BASE, SOFT_READ);
	load(AWAY, SOFT_WRITE);
	assert_int_equal(soft_move(mmu, AWAY, BASE + PAGE_SIZE, HUGE), 0);
	assert_both_denied(AWAY, SOFT_READ);
	assert_both_get(BASE + PAGE_SIZE, SOFT_WRITE, 1);
}

static void test_copy(void **state)
{
	(void)state;
	load_private();
	assert_int_equal(soft_copy(mmu, child, 0, HIGHEST), 0);
	assert_both_denied(BASE, SOFT_WRITE);
	assert_both_get(BASE, SOFT_READ, 5);
}

static void test_protect(void **state)
{
	(void)state;
	load_page(1);
	mmu_protect(mmu, BASE, PAGE_SIZE, PROT_READ);
	assert_both_denied(BASE, SOFT_WRITE);
	load(BASE, SOFT_READ);
	mmu_protect(mmu, BASE, PAGE_SIZE, PROT_NONE);
	assert_both_denied(BASE, SOFT_READ);
	mmu_protect(mmu, BASE, PAGE_SIZE, PROT_EXEC);
	assert_both_get(BASE, SOFT_EXECUTE, 1);
	mmu_protect(mmu, BASE, PAGE_SIZE, PROT_READ);
	assert_both_denied(BASE, SOFT_EXECUTE);
}

static void test_write_protect(void **state)
{
	(void)state;
	load_page(1);
	assert_int_equal(mmu_write_protect(mmu, BASE, PAGE_SIZE), 0);
	assert_both_denied(BASE, SOFT_WRITE);
	assert_both_get(BASE, SOFT_READ, 1);
}

static void test_layout(void **state)
{
	struct mmu_mapping mapping = { .start = BASE,
				       .length = PAGE_SIZE,
				       .replace = true };

	(void)state;
	load_page(1);
	mmu_map(mmu, &mapping);
	assert_both_denied(BASE, SOFT_READ);
	load_page(2);
	mmu_unmap(mmu, BASE, PAGE_SIZE);
	assert_both_denied(BASE, SOFT_READ);
	load_page(3);
	mmu_forget(mmu, BASE, PAGE_SIZE, true);
	assert_both_denied(BASE, SOFT_READ);
	load_page(4);
	mmu_guard(mmu, BASE, PAGE_SIZE, true);
	assert_both_denied(BASE, SOFT_READ);
}

/* ---- what a TLB does ---- */

static void test_counts(void **state)
{
	struct soft_counts counts;

	(void)state;
	set(mmu, BASE, shared_page(1, READ_WRITE));
	ask_from(false, BASE, SOFT_READ); /* misses */
	ask_from(false, BASE + 5, SOFT_READ);
	ask_from(false, BASE, SOFT_WRITE); /* misses: to mark it dirty */
	ask_from(false, BASE, SOFT_WRITE);
	ask_from(false, BASE + 64 * PAGE_SIZE, SOFT_READ); /* nothing there */
	counts = counts_of(mmu);
	assert_int_equal(counts.tlb_hits, 2);
	assert_int_equal(counts.tlb_misses, 3);
	assert_int_equal(counts.shootdowns, 0);
	soft_drop(mmu, BASE + PAGE_SIZE, BASE + GIANT, false);
	assert_int_equal(counts_of(mmu).shootdowns, 0);
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
	assert_int_equal(counts_of(mmu).shootdowns, 1);
	load_page(2);
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
	assert_int_equal(counts_of(mmu).shootdowns, 3);
}

/* Two addresses that have one place: each gets its own. */
static void test_one_place_for_two(void **state)
{
	const uint64_t second = BASE + HUGE;

	(void)state;
	set(mmu, BASE, shared_page(1, SOFT_READ));
	set(mmu, second, shared_page(2, SOFT_READ));
	for (int i = 0; i < 3; i++) {
		assert_both_get(BASE, SOFT_READ, 1);
		assert_both_get(second, SOFT_READ, 2);
	}
	soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
	assert_both_get(second, SOFT_READ, 2);
	soft_drop(mmu, second, second + PAGE_SIZE, false);
	assert_both_denied(second, SOFT_READ);
}

/* ---- all at once ---- */

#define READERS 3

static struct {
	/* Which page may be seen from now on; or how often the page changed
	 * from protected to writable and back. */
	_Atomic uint64_t oldest;
	_Atomic int readers; /* that have begun */
	_Atomic bool end;
	_Atomic uint64_t wrong;
} race;

/* What was read before the access was true then. */
static void *read_race(void *unused)
{
	(void)unused;
	atomic_fetch_add(&race.readers, 1);
	while (!atomic_load(&race.end)) {
		const uint64_t oldest = atomic_load(&race.oldest);
		struct soft_translation found;

		if (!soft_translate(mmu, BASE, SOFT_READ, &found))
			continue;
		if (found.index < oldest)
			atomic_fetch_add(&race.wrong, 1);
	}
	return NULL;
}

/* Pages are numbered: when one is dropped only later ones may be seen. */
static void replace_pages(void)
{
	for (uint64_t i = 1; i <= ROUNDS; i++) {
		const struct soft_translation page = shared_page(i, SOFT_READ);

		soft_set(mmu, BASE, &page);
		if (i % 4 == 0)
			soft_drop(mmu, BASE, BASE + PAGE_SIZE, false);
		else if (i % 4 == 2)
			soft_drop(mmu, 0, HIGHEST, false);
		atomic_store(&race.oldest, i + (i % 2 == 0));
	}
}

static void run_race(void *(*reader)(void *), void (*change)(void))
{
	pthread_t threads[READERS];

	atomic_store(&race.oldest, 0);
	atomic_store(&race.readers, 0);
	atomic_store(&race.end, false);
	atomic_store(&race.wrong, 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, reader, NULL), 0);
	while (atomic_load(&race.readers) < READERS)
		sched_yield();
	change();
	atomic_store(&race.end, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&race.wrong), 0);
}

static void test_race_of_drops(void **state)
{
	(void)state;
	run_race(read_race, replace_pages);
}

/* A store begun while the page was protected, and that ended before it was
 * made writable again, did not go through. */
static void *write_race(void *unused)
{
	(void)unused;
	atomic_fetch_add(&race.readers, 1);
	while (!atomic_load(&race.end)) {
		const uint64_t oldest = atomic_load(&race.oldest);
		struct soft_translation found;

		if (soft_translate(mmu, BASE, SOFT_WRITE, &found) &&
		    oldest % 2 == 1 && atomic_load(&race.oldest) == oldest)
			atomic_fetch_add(&race.wrong, 1);
	}
	return NULL;
}

/* An odd number: protected, until it is even again. */
static void protect_pages(void)
{
	const struct soft_translation page = shared_page(1, READ_WRITE);

	for (int i = 0; i < ROUNDS; i++) {
		soft_set(mmu, BASE, &page);
		mmu_write_protect(mmu, BASE, PAGE_SIZE);
		atomic_fetch_add(&race.oldest, 1);
		if (i % 16 == 0)
			sched_yield(); /* let some try */
		atomic_fetch_add(&race.oldest, 1);
	}
}

static void test_race_of_protection(void **state)
{
	(void)state;
	run_race(write_race, protect_pages);
}

/* ---- main ---- */

#define each(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		each(test_set),
		each(test_set_huge),
		each(test_drop),
		each(test_drop_many),
		each(test_drop_without_memory),
		each(test_marks_are_lost),
		each(test_move),
		each(test_copy),
		each(test_protect),
		each(test_write_protect),
		each(test_layout),
		each(test_counts),
		each(test_one_place_for_two),
		each(test_race_of_drops),
		each(test_race_of_protection),
	};

	return cmocka_run_group_tests(tests, start_other, stop_other);
}
