/* test_ambush.c - the mistakes of the protocol, each one provoked */
/* SPDX-License-Identifier: MIT */
#include "model/ambush.h"

#ifdef QUIRE_DEBUG

/* V_GRANT: write-back from beginning to end, while a grant is on its way. */
static void writeback_during_a_grant(void **state)
{
	(void)state;
	assert_int_equal(quire_object_pwrite(here.handle, "a", 1, 0), 1);
	lay(0, HOOK_GRANT, 0, sync_here);
	mapped[1] = 11;
	assert_sprung(0);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	assert_home(1, 11);
	/* The translation is not left writable either. */
	mapped[2] = 12;
	assert_home(2, 12);
}

static void drop_and_look(void)
{
	drop_clean();
	require(state_of(here.handle, 0) == PAGE_CLEAN);
	require(word_of(here.handle, 0) & WORD_RPINS);
}

/* In memory, and not shown: a touch is answered by an install. */
static void bring_first(void)
{
	unsigned char byte;

	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_int_equal(byte, home_byte(0));
}

/* V_INSTALL: eviction, while an install is on its way. */
static void eviction_during_an_install(void **state)
{
	(void)state;
	bring_first();
	lay(0, HOOK_INSTALL, 0, drop_and_look);
	assert_int_equal(mapped[7], home_byte(7));
	assert_sprung(0);
}

/* Also the trap thread is through with it. */
static void store_settled(uint64_t offset, unsigned char byte)
{
	mapped[offset] = byte;
	wait_until(!word_pinned(word_of(here.handle, offset / PAGE)));
}

static void store_first(void)
{
	store_settled(0, 21);
}

static void store_second(void)
{
	store_settled(1, 22);
}

static void write_with_stores_between_its_steps(void)
{
	store_settled(2, 20);
	lay(0, HOOK_WRITE_BEGUN, 0, store_first);
	lay(1, HOOK_WRITE_GUARDED, 0, store_second);
	sync_here();
	assert_sprung(0);
	assert_sprung(1);
}

/* V_SNAPEARLY: what is stored between the steps of a write is not lost. */
static void stores_between_the_steps_of_a_write(void **state)
{
	(void)state;
	write_with_stores_between_its_steps();
	assert_home(0, 21);
	assert_home(1, 22);
	assert_home(2, 20);
}

/* V_WPFIRST: nor does it leave the page writable and CLEAN. */
static void store_after_such_a_write(void **state)
{
	(void)state;
	write_with_stores_between_its_steps();
	sync_here();
	store_settled(3, 23);
	assert_home(3, 23);
	assert_home(1, 22);
}

static void pin_must_wait(void)
{
	page_word *word = object_word(here.handle->object, 0);

	require(page_take_rpin(word, true) == PAGE_NOT_VISIBLE);
	require(page_take_wpin(word, true, true) == PAGE_NOT_VISIBLE);
}

/* Shown, and let go of by the thread that shows it. */
static void bring_in(uint64_t page)
{
	assert_int_equal(mapped[page * PAGE], home_byte(page * PAGE));
	wait_until(!word_pinned(word_of(here.handle, page)));
}

/* V_EVICTPIN: between the swap and the hole nobody gets a pin. */
static void pin_during_an_eviction(void **state)
{
	(void)state;
	bring_in(0);
	lay(0, HOOK_EVICT_BEGUN, 0, pin_must_wait);
	drop_clean();
	assert_sprung(0);
	assert_int_equal(state_of(here.handle, 0), PAGE_ABSENT);
	assert_int_equal(mapped[0], home_byte(0));
}

static void prefetch_first(void)
{
	struct quire_range range = { 0, PAGE };

	quire_object_prefetch(here.handle, &range, 1);
}

/* V_LATEPUNCH: nobody fills the page before the hole is made. */
static void fill_during_an_eviction(void **state)
{
	(void)state;
	bring_in(0);
	lay(0, HOOK_EVICTED, 0, prefetch_first);
	drop_clean();
	assert_sprung(0);
	assert_int_equal(mapped[0], home_byte(0));
}

static void end_the_read(void)
{
	script(&here, "");
	require(faulty_store_release(here.faulty) == 1);
	require(state_of(here.handle, 0) == PAGE_CLEAN);
}

/* V_PARK: the page changes between look and park. */
static void fault_parks_too_late(void **state)
{
	(void)state;
	script(&here, "read do hold");
	lay(0, HOOK_PARK, 0, end_the_read);
	assert_int_equal(mapped[0], home_byte(0));
	assert_sprung(0);
}

static void thread_parks_too_late(void **state)
{
	unsigned char byte;

	(void)state;
	script(&here, "read do hold");
	lay(0, HOOK_PARK, 0, end_the_read);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_int_equal(byte, home_byte(0));
	assert_sprung(0);
}

static pthread_t pinner;

static void *pin_what_is_cut(void *argument)
{
	struct quire_pin pin;

	(void)argument;
	require(quire_object_pin(here.handle, PAGE, 1, PROT_READ, &pin) ==
		-EINVAL);
	require(object_hold(here.handle->object, 1, 1, true) == -ENXIO);
	return NULL;
}

static void pin_beside(void)
{
	require(pthread_create(&pinner, NULL, pin_what_is_cut, NULL) == 0);
}

/* V_TRUNC: after the size is stored nobody gets in; he waits for the store. */
static void pin_during_a_cut(void **state)
{
	(void)state;
	mapped[PAGE] = 31;
	lay(0, HOOK_SIZE_STORED, 1, pin_beside);
	assert_int_equal(quire_object_resize(here.handle, PAGE), 0);
	assert_sprung(0);
	assert_int_equal(pthread_join(pinner, NULL), 0);
	assert_int_equal(quire_object_resize(here.handle, PAGES * PAGE), 0);
	assert_zeros_from(PAGE);
}

static void cut_below(void)
{
	resize_beside(PAGE);
	wait_until(quire_object_size(here.handle) == PAGE);
}

/* V_SIZE: the cut comes when a read has just begun. */
static void cut_during_the_start_of_a_read(void **state)
{
	unsigned char byte;

	(void)state;
	lay(0, HOOK_READ_BEGUN, 3, cut_below);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 3 * PAGE),
			 0);
	assert_sprung(0);
	assert_int_equal(statistics_of(here.quire).reads, 0);
	grow_back();
	assert_zeros_from(PAGE);
}

/* ---- V_VMA: another object at the address ---- */

static struct faulty_object other;
static _Atomic bool remapped;
static _Atomic pthread_t remapper;

static void *remap_main(void *argument)
{
	(void)argument;
	require(quire_mmap(quire_host_space(here.quire), mapped, PAGE,
			   PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
			   other.handle, 0) == mapped);
	atomic_store(&remapped, true);
	return NULL;
}

static void remap_beside(void)
{
	remapper = thread_of(remap_main, NULL);
	give_way(&remapped);
	require(!atomic_load(&remapped));
}

/* While a mapping is replaced there is none: an access says so. */
static void store_here(unsigned char byte)
{
	wait_until(store(here.quire, mapped, byte) == 0);
}

static void mapping_changes_at(enum hook point)
{
	struct quire_object_options options = object_options();

	other = faulty_object_open(here.quire, PAGE, &options);
	atomic_store(&remapped, false);
	lay(0, point, 0, remap_beside);
	store_here(251);
	assert_sprung(0);
	join(remapper);
	sync_here();
	assert_int_equal(quire_object_sync(other.handle, 0, 0, MS_SYNC), 0);
	/* In one of the two, and not in both. */
	assert_true((home_at(&here, 0) == 251) != (home_at(&other, 0) == 251));
	store_here(252);
	assert_int_equal(quire_object_sync(other.handle, 0, 0, MS_SYNC), 0);
	assert_int_equal(home_at(&other, 0), 252);
	assert_int_equal(quire_object_close(other.handle), 0);
}

static void mapping_changes_during_a_grant(void **state)
{
	(void)state;
	mapping_changes_at(HOOK_GRANT);
}

static void load_here(void)
{
	unsigned char byte;

	wait_until(load(here.quire, mapped, &byte) == 0);
	assert_int_equal(byte, home_byte(0)); /* of both objects */
}

static void mapping_changes_during_a_load(enum hook point)
{
	struct quire_object_options options = object_options();

	other = faulty_object_open(here.quire, PAGE, &options);
	atomic_store(&remapped, false);
	lay(0, point, 0, remap_beside);
	load_here();
	assert_sprung(0);
	join(remapper);
	store_here(253);
	assert_int_equal(quire_object_sync(other.handle, 0, 0, MS_SYNC), 0);
	assert_int_equal(home_at(&other, 0), 253);
	assert_int_equal(home_at(&here, 0), home_byte(0));
	assert_int_equal(quire_object_close(other.handle), 0);
}

static void mapping_changes_during_an_install(void **state)
{
	(void)state;
	bring_first();
	mapping_changes_during_a_load(HOOK_INSTALL);
}

/* V_FILLVMA. */
static void mapping_changes_during_a_fill(void **state)
{
	(void)state;
	skip_unless_filled();
	mapping_changes_during_a_load(HOOK_FILL);
}

/* ---- what the set of dirty pages and a wake-up mean ---- */

static _Atomic bool stored_and_synced;
static _Atomic pthread_t second_writer;

static void *store_and_sync(void *argument)
{
	(void)argument;
	require(quire_object_pwrite(here.handle, "s", 1, 1) == 1);
	sync_here();
	require(home_at(&here, 1) == 's');
	atomic_store(&stored_and_synced, true);
	return NULL;
}

static void store_and_sync_beside(void)
{
	second_writer = thread_of(store_and_sync, NULL);
	give_way(&stored_and_synced);
}

/* One makes the page dirty, another one stores to it, and syncs. */
static void page_is_found_dirty_by_whoever_stored_to_it(void **state)
{
	(void)state;
	assert_int_equal(mapped[0], home_byte(0));
	atomic_store(&stored_and_synced, false);
	lay(0, HOOK_DIRTY, 0, store_and_sync_beside);
	assert_int_equal(quire_object_pwrite(here.handle, "f", 1, 0), 1);
	assert_sprung(0);
	join(second_writer);
	assert_home(0, 'f');
}

static struct {
	_Atomic bool reached;
	_Atomic bool go_on;
} late;

static void wake_late(void)
{
	atomic_store(&late.reached, true);
	wait_until(atomic_load(&late.go_on));
}

static void *release_main(void *argument)
{
	(void)argument;
	faulty_store_release(here.faulty);
	return NULL;
}

static _Atomic unsigned parks;

/* Counts who comes to park on page 0, beside the ambushes. */
static void spring_and_count(enum hook point, const void *thing, uint64_t index)
{
	if (point == HOOK_PARK && index == 0 &&
	    thing == object_table(here.handle->object))
		atomic_fetch_add(&parks, 1);
	spring(point, thing, index);
}

/*
 * A write ends, and who waited for it is woken late: by then another write is
 * in flight that is older than the store of whoever waits now.
 */
static void late_wakeup_ends_no_msync(void **state)
{
	_Atomic bool first, waited = false, second, third = false;
	pthread_t thread[4], releaser;

	(void)state;
	mapped[0] = 1;
	thread[0] = hold_write(&first);
	thread[1] = thread_of(sync_main, &waited);
	wait_until(awaited(0));
	mapped[0] = 2;
	atomic_store(&late.reached, false);
	atomic_store(&late.go_on, false);
	lay(0, HOOK_WAKE, 0, wake_late);
	hook_register(spring_and_count);
	script(&here, "write do hold");
	releaser = thread_of(release_main, NULL);
	wait_until(atomic_load(&late.reached));
	thread[2] = thread_of(sync_main, &second);
	wait_until(faulty_store_held(here.faulty) == 1);
	mapped[0] = 3;
	script(&here, "");
	atomic_store(&parks, 0);
	thread[3] = thread_of(sync_main, &third);
	wait_until(atomic_load(&parks) >= 1 && awaited(0));
	atomic_store(&late.go_on, true);
	wait_until(atomic_load(&parks) >= 2);
	faulty_store_release(here.faulty);
	join(thread[3]);
	assert_int_equal(home_at(&here, 0), 3);
	for (unsigned i = 0; i < 3; i++)
		join(thread[i]);
	join(releaser);
}

/* ---- failures ---- */

static void still_writing(void)
{
	require(state_of(here.handle, 0) == PAGE_WRITING);
	require(object_errors(here.handle->object) == 0);
	drop_clean();
}

static void failed_write_is_told_before_the_page_is_dirty(void **state)
{
	(void)state;
	mapped[0] = 41;
	script(&here, "write do fail ENOSPC");
	lay(0, HOOK_WRITE_FAILED, 0, still_writing);
	assert_int_equal(quire_object_sync(here.handle, 0, 0, MS_SYNC),
			 -ENOSPC);
	assert_sprung(0);
	script(&here, "");
	assert_home(0, 41);
}

static void *load_again(void *argument)
{
	(void)argument;
	require(mapped[PAGE] == home_byte(PAGE));
	return NULL;
}

/* The store has recovered; somebody else has the page shown by now. */
static void recover_and_show(void)
{
	unsigned char byte;

	script(&here, "");
	require(quire_object_pread(here.handle, &byte, 1, 0) == 1);
	join(thread_of(load_again, NULL));
	require(byte == home_byte(0));
	require(load(here.quire, mapped, &byte) == 0);
}

static _Atomic bool refused;

/* A refusal is logged when it is over. */
static void see_refusal(void *context, enum quire_log_level level,
			const char *line)
{
	(void)context;
	(void)level;
	if (strstr(line, "refused"))
		atomic_store(&refused, true);
}

static int open_two_trap_threads(void **state)
{
	(void)state;
	atomic_store(&refused, false);
	open_here(2 * PAGES, 2, see_refusal);
	return 0;
}

/* A refusal must not make writable what has come meanwhile. */
static void refusal_comes_after_the_page(void **state)
{
	unsigned char byte;

	(void)state;
	script(&here, "read do fail EIO");
	lay(0, HOOK_REFUSE, 0, recover_and_show);
	assert_int_equal(load(here.quire, mapped, &byte), 0);
	assert_sprung(0);
	assert_int_equal(byte, home_byte(0));
	wait_until(atomic_load(&refused));
	assert_int_equal(store(here.quire, mapped, 51), 0);
	assert_int_equal(state_of(here.handle, 0), PAGE_DIRTY);
	assert_home(0, 51);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ambushed(writeback_during_a_grant),
		ambushed(eviction_during_an_install),
		ambushed(stores_between_the_steps_of_a_write),
		ambushed(store_after_such_a_write),
		ambushed(pin_during_an_eviction),
		ambushed(fill_during_an_eviction),
		ambushed(fault_parks_too_late),
		ambushed(thread_parks_too_late),
		ambushed(pin_during_a_cut),
		ambushed(cut_during_the_start_of_a_read),
		ambushed(mapping_changes_during_a_grant),
		ambushed(mapping_changes_during_an_install),
		ambushed(mapping_changes_during_a_fill),
		ambushed(page_is_found_dirty_by_whoever_stored_to_it),
		ambushed(late_wakeup_ends_no_msync),
		ambushed(failed_write_is_told_before_the_page_is_dirty),
		cmocka_unit_test_setup_teardown(refusal_comes_after_the_page,
						open_two_trap_threads,
						leave_ambush),
	};

	alarm(120); /* a thread that sleeps for ever fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void)
{
	return 77; /* skipped: the places exist in debug builds only */
}

#endif
