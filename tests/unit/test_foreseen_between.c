/* test_foreseen_between.c - what comes between the steps of what is foreseen */
/* SPDX-License-Identifier: MIT */
/*
 *   shown for a store -> WRITING -> looked at -> protected -> looked at -> CLEAN
 *                    ^           ^            ^            ^
 *                    a cut, the end of an object, stores, copies, memory that is gone
 */
#include "unit/between.h"
#include "unit/foreseen_world.h"

#include "object/object.h"
#include "os/memory.h"

#include <semaphore.h>
#include <unistd.h>

/* ---- cuts ---- */

/* What the cut has taken is stored once more, and not to be taken for what was
 * there before. */
static void test_cut_off_and_stored_again(void **state)
{
	const size_t last = (SEEN + 1) * PAGE - 1;
	unsigned char was = byte_at(last);

	(void)state;
	foresee();
	assert_int_not_equal(was, 0);
	assert_int_equal(quire_object_resize(object, last), 0);
	home[last] = 0;
	assert_int_equal(quire_object_resize(object, SIZE), 0);
	*(volatile unsigned char *)(mapped + last) = was;
	sync_all();
	assert_int_equal(home[last], was);
}

/* ---- a store that is refused ---- */

static void test_invalidate_writes_nothing(void **state)
{
	int error;

	(void)state;
	foresee();
	store(SEEN, 'y');
	*at_home(SEEN + 1) = '#';
	refusal = -EIO;
	error = quire_msync(host, mapped, SIZE, MS_INVALIDATE);
	refusal = 0;
	assert_int_equal(error, 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(written[i], 0);
	assert_int_equal(load(SEEN + 1), '#');
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
}

#ifdef QUIRE_DEBUG
/* ---- between two steps ---- */

static void store_y(void)
{
	store(SEEN, 'y');
}

static void copy_y(void)
{
	assert_int_equal(quire_object_pwrite(object, "y", 1, SEEN * PAGE + 5),
			 1);
}

static void sync_with(enum hook point, void (*function)(void))
{
	foresee();
	arm(point, SEEN, function);
	sync_all();
	disarm();
	sync_all();
	assert_int_equal(*at_home(SEEN), 'y');
	for (size_t i = SEEN + 1; i < PAGES; i++)
		assert_int_equal(written[i], 0);
}

/* Writable still: without a trap. */
static void test_a_store_before_it_is_protected(void **state)
{
	(void)state;
	sync_with(HOOK_UNSTORED, store_y);
}

static void test_a_copy_before_it_is_protected(void **state)
{
	(void)state;
	sync_with(HOOK_UNSTORED, copy_y);
}

static void test_a_copy_after_it_was_protected(void **state)
{
	(void)state;
	sync_with(HOOK_WRITE_GUARDED, copy_y);
}

/* ---- memory that cannot be read ---- */

static unsigned char kept[SIZE];
static _Atomic enum {
	WHOLE,
	CUT,
	RESTORED
} memory_is;

static void cut_memory(void)
{
	int memory = object_memory(object->object);

	assert_int_equal(memory_file_read(memory, kept, SIZE, 0), 0);
	assert_int_equal(memory_file_resize(memory, 0), 0);
}

static void restore_memory(void)
{
	int memory = object_memory(object->object);

	assert_int_equal(memory_file_resize(memory, SIZE), 0);
	assert_int_equal(memory_file_write(memory, kept, SIZE, 0), 0);
}

static void cut_and_restore(enum hook point, const void *thing, uint64_t index)
{
	(void)thing;
	if (point == HOOK_WRITE_BEGUN && index == SEEN && memory_is == WHOLE) {
		cut_memory();
		memory_is = CUT;
	}
	if (point == HOOK_WRITE_GUARDED && memory_is == CUT) {
		restore_memory();
		memory_is = RESTORED;
	}
}

/* Only for the look: then nobody knows, and it goes home. */
static void test_a_look_that_fails(void **state)
{
	(void)state;
	foresee();
	store(SEEN, 'y');
	memory_is = WHOLE;
	hook_register(cut_and_restore);
	sync_all();
	hook_register(NULL);
	assert_int_equal(memory_is, RESTORED);
	assert_int_equal(*at_home(SEEN), 'y');
}

/* ---- the end of an object ---- */

static struct quire_object *next;
static unsigned char *next_bytes;

/* The slots are the other one's, one after the other. */
static void row_in_the_next(void)
{
	uint64_t before = foreseen();

	for (size_t i = 0; i < ROW; i++)
		next_bytes[(PAGES - 64 + i) * PAGE] = 'z';
	assert_int_equal(foreseen(), before + FORESEEN);
}

static void test_slots_of_what_ends(void **state)
{
	unsigned char *mine = mapped;

	(void)state;
	foresee();
	assert_int_equal(quire_object_create(quire, "next", SIZE, &home_ops,
					     NULL, NULL, &next),
			 0);
	next_bytes = map_object(quire, next, SIZE, RW);
	mapped = next_bytes;
	for (size_t i = 0; i < PAGES; i++)
		load(i);
	for (size_t first = 0; foreseen() < 256; first += 12)
		row(first, ROW);
	assert_int_equal(quire_munmap(host, mine, SIZE), 0);
	arm(HOOK_WORDS_GONE, 0, row_in_the_next);
	assert_int_equal(quire_object_close(object), 0);
	disarm();
	object = next;
}

/* ---- while they are shown ---- */

static sem_t arrived, go;

static void stop_here(void)
{
	sem_post(&arrived);
	sem_wait(&go);
}

static void *store_row(void *argument)
{
	(void)argument;
	row(0, ROW);
	return NULL;
}

static unsigned looks;

/* Once more after it was found pinned: now they may be let go of. */
static void act_or_let_go(enum hook point, const void *thing, uint64_t index)
{
	act(point, thing, index);
	if (point == HOOK_UNSTORED && index == SEEN && ++looks == 3)
		sem_post(&go);
}

/* Who has just stored to the last of the row asks: the others may be pinned yet. */
static void test_invalidate_while_they_are_shown(void **state)
{
	pthread_t thread;

	(void)state;
	for (size_t i = 0; i < 64; i++)
		load(i);
	looks = 0;
	sem_init(&arrived, 0, 0);
	sem_init(&go, 0, 0);
	arm(HOOK_GRANT, ROW - 1, stop_here);
	hook_register(act_or_let_go);
	assert_int_equal(pthread_create(&thread, NULL, store_row, NULL), 0);
	sem_wait(&arrived);
	*at_home(SEEN) = '#';
	assert_int_equal(quire_msync(host, mapped, SIZE, MS_INVALIDATE), 0);
	sem_post(&go);
	pthread_join(thread, NULL);
	disarm();
	assert_int_equal(load(SEEN), '#');
	await_unused(FORESEEN); /* each once */
}
#endif

int main(int argc, char **argv)
{
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	const struct CMUnitTest tests[] = {
		ample(test_cut_off_and_stored_again),
		ample(test_invalidate_writes_nothing),
#ifdef QUIRE_DEBUG
		ample(test_a_store_before_it_is_protected),
		ample(test_a_copy_before_it_is_protected),
		ample(test_a_copy_after_it_was_protected),
		ample(test_a_look_that_fails),
		ample(test_slots_of_what_ends),
		ample(test_invalidate_while_they_are_shown),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
