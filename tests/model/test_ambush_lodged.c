/* test_ambush_lodged.c - what comes while a page leaves the mapping that it lies in */
/* SPDX-License-Identifier: MIT */
#include "model/ambush.h"

#include "object/object_private.h"

#include <signal.h>
#include <sys/resource.h>

#ifdef QUIRE_DEBUG

static char path[64];
static struct quire_object *writer;
static _Atomic bool done;
static _Atomic pthread_t beside;

/* A file that is opened for reading, mapped once, and all of it lodged. */
static int open_reading(void **state)
{
	struct quire_options options = engine_options(2 * PAGES);
	unsigned char page[PAGE];
	int fd;

	(void)state;
	strcpy(path, "/var/tmp/quire-ambush-XXXXXX");
	fd = mkstemp(path);
	assert_return_code(fd, errno);
	for (unsigned i = 0; i < PAGES; i++) {
		memset(page, (int)i + 1, PAGE);
		assert_int_equal(write(fd, page, PAGE), PAGE);
	}
	close(fd);
	here.quire = engine_open(&options);
	assert_int_equal(quire_object_open(here.quire, path, O_RDONLY, NULL,
					   &here.handle),
			 0);
	assert_int_equal(
		quire_object_open(here.quire, path, O_RDWR, NULL, &writer), 0);
	mapped = quire_mmap(quire_host_space(here.quire), NULL, PAGES * PAGE,
			    PROT_READ, MAP_SHARED, here.handle, 0);
	assert_ptr_not_equal(mapped, MAP_FAILED);
	assert_int_equal(quire_madvise(quire_host_space(here.quire), mapped,
				       PAGES * PAGE, MADV_RANDOM),
			 0);
	atomic_store(&done, false);
	return 0;
}

static int close_reading(void **state)
{
	(void)state;
	hook_register(NULL);
	for (unsigned i = 0; i < 2; i++)
		atomic_store(&ambush[i].armed, false);
	if (here.handle != writer)
		assert_int_equal(quire_object_close(here.handle), 0);
	assert_int_equal(quire_object_close(writer), 0);
	assert_int_equal(quire_close(here.quire), 0);
	unlink(path);
	return 0;
}

static void lodge_first_pages(void)
{
	skip_unless_filled();
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(mapped[i * PAGE], i + 1);
		assert_int_equal(state_of(here.handle, i), PAGE_LODGED);
	}
}

/* From now on what is mapped there is not Quire's. */
static void let_a_stranger_in(void)
{
	require(quire_munmap(quire_host_space(here.quire), mapped,
			     PAGES * PAGE) == 0);
	require(mmap(mapped, PAGES * PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		     0) == mapped);
	memset(mapped, 0x5a, PAGES * PAGE);
	atomic_store(&done, true);
}

static void *stranger_main(void *argument)
{
	(void)argument;
	let_a_stranger_in();
	return NULL;
}

static void assert_stranger_whole(void)
{
	assert_true(atomic_load(&done));
	for (size_t i = 0; i < PAGES * PAGE; i++)
		if (mapped[i] != 0x5a)
			fail_msg("byte %zu of a stranger's is gone", i);
	munmap(mapped, PAGES * PAGE);
}

static void come_beside(void)
{
	beside = thread_of(stranger_main, NULL);
	give_way(&done);
	require(!atomic_load(&done));
}

/* V_NOWAIT: whoever unmaps waits for what is leaving. */
static void unmapped_while_it_leaves(void **state)
{
	(void)state;
	lodge_first_pages();
	lay(0, HOOK_EVICT_CHOSEN, 0, come_beside);
	drop_clean();
	assert_sprung(0);
	join(beside);
	assert_stranger_whole();
}

/* Nobody will want its pages: they are not brought home before. */
static void unmapped_by_the_last_while_it_leaves(void **state)
{
	(void)state;
	lodge_first_pages();
	assert_int_equal(quire_object_close(here.handle), 0);
	here.handle = writer;
	lay(0, HOOK_EVICT_CHOSEN, 0, come_beside);
	drop_clean();
	assert_sprung(0);
	join(beside);
	assert_stranger_whole();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(state_of(writer, i), PAGE_ABSENT);
}

static void unmapped_while_it_is_brought_home(void **state)
{
	unsigned char byte;

	(void)state;
	lodge_first_pages();
	lay(0, HOOK_EVICT_BEGUN, 0, come_beside);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_int_equal(byte, 1);
	assert_sprung(0);
	join(beside);
	assert_stranger_whole();
}

/* V_LATE: as soon as it is filled whoever unmaps sees it. */
static void unmapped_as_its_read_ends(void **state)
{
	struct quire_range range = { .offset = 0, .length = 4 * PAGE };

	(void)state;
	skip_unless_filled();
	lay(0, HOOK_READ_FILLED, 0, let_a_stranger_in);
	assert_true(quire_object_prefetch(here.handle, &range, 1) >= 0);
	wait_until(atomic_load(&done));
	assert_sprung(0);
	wait_until(state_of(here.handle, 0) != PAGE_READING);
	for (unsigned i = 0; i < 4; i++)
		assert_int_not_equal(state_of(here.handle, i), PAGE_LODGED);
	drop_clean();
	assert_stranger_whole();
}

static void *store_main(void *argument)
{
	(void)argument;
	require(quire_object_pwrite(writer, "!", 1, 9) == 1);
	atomic_store(&done, true);
	return NULL;
}

static void store_beside(void)
{
	beside = thread_of(store_main, NULL);
	give_way(&done);
	require(!atomic_load(&done));
}

/* V_HOMEFIRST: nobody stores before it is out of the mapping. */
static void stored_while_it_is_brought_home(void **state)
{
	unsigned char byte;

	(void)state;
	lodge_first_pages();
	lay(0, HOOK_EVICT_BEGUN, 0, store_beside);
	assert_int_equal(quire_object_pread(here.handle, &byte, 1, 0), 1);
	assert_sprung(0);
	join(beside);
	assert_int_equal(mapped[9], '!');
	assert_int_equal(mapped[8], 1);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
}

static void *load_main(void *argument)
{
	(void)argument;
	require(mapped[7] == 1);
	atomic_store(&done, true);
	return NULL;
}

/* It may see it still, or wait: but what it sees is that page. */
static void load_beside(void)
{
	beside = thread_of(load_main, NULL);
	give_way(&done);
}

static void loaded_while_it_leaves(void **state)
{
	(void)state;
	lodge_first_pages();
	lay(0, HOOK_EVICT_BEGUN, 0, load_beside);
	drop_clean();
	assert_sprung(0);
	join(beside);
	assert_int_equal(mapped[7], 1);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
}

static unsigned char *second;

static void map_once_more(void)
{
	second = quire_mmap(quire_host_space(here.quire), NULL, PAGES * PAGE,
			    PROT_READ, MAP_SHARED, here.handle, 0);
	require(second != MAP_FAILED);
}

/* The second mapping comes after the page was read, and before it is lodged. */
static void mapped_once_more_as_its_read_ends(void **state)
{
	(void)state;
	skip_unless_filled();
	lay(0, HOOK_READ_COME, 0, map_once_more);
	assert_int_equal(mapped[7], 1);
	assert_sprung(0);
	assert_int_equal(state_of(here.handle, 0), PAGE_CLEAN);
	assert_int_equal(second[7], 1);
	assert_int_equal(quire_object_pwrite(writer, "!", 1, 9), 1);
	assert_int_equal(mapped[9], '!');
	assert_int_equal(second[9], '!');
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), second,
				      PAGES * PAGE),
			 0);
}

/* As if the second mapping had come between the look at what is lodged and the
 * lock of the space. */
static void two_mappings_of_what_is_lodged(void **state)
{
	_Atomic uint64_t *count = &here.handle->object->lodged;
	uint64_t lodged;
	unsigned char byte;

	(void)state;
	lodge_first_pages();
	lodged = atomic_exchange(count, 0);
	map_once_more();
	atomic_store(count, lodged);
	assert_int_equal(state_of(here.handle, 0), PAGE_LODGED);
	/* What came home from the one is not looked for in the other. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(
			quire_object_pread(here.handle, &byte, 1, i * PAGE), 1);
		assert_int_equal(byte, i + 1);
		assert_int_equal(state_of(here.handle, i), PAGE_CLEAN);
	}
	/* Nor is what is lodged shown by the other: it is read anew. */
	assert_int_equal(second[2 * PAGE], 3);
	assert_int_equal(state_of(here.handle, 2), PAGE_CLEAN);
	/* And it goes with its mapping. */
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(second[i * PAGE], i + 1);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), second,
				      PAGES * PAGE),
			 0);
}

/* ---- no room ---- */

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	assert_return_code(getrlimit(RLIMIT_FSIZE, &limit), errno);
	limit.rlim_cur = bytes;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &limit), errno);
}

/* What cannot come home is read anew, once that can be done; nobody has seen
 * anything else meanwhile. */
static void no_room_at_home(void **state)
{
	unsigned char byte;

	(void)state;
	lodge_first_pages();
	signal(SIGXFSZ, SIG_IGN);
	limit_files(0);
	assert_true(quire_object_pread(here.handle, &byte, 1, 0) < 0);
	assert_int_not_equal(state_of(here.handle, 0), PAGE_CLEAN);
	/* Its neighbours are still shown. */
	assert_int_equal(mapped[PAGE], 2);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(state_of(here.handle, i), PAGE_ABSENT);
	limit_files(RLIM_INFINITY);
	signal(SIGXFSZ, SIG_DFL);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(
			quire_object_pread(here.handle, &byte, 1, i * PAGE), 1);
		assert_int_equal(byte, i + 1);
	}
}

/* ---- what changes the bytes without a look at who maps them ---- */

static void discarded(void **state)
{
	(void)state;
	lodge_first_pages();
	assert_int_equal(object_discard(writer->object, 1, 2), 0);
	assert_int_equal(mapped[0], 1);
	assert_int_equal(mapped[PAGE], 0);
	assert_int_equal(mapped[2 * PAGE], 0);
	assert_int_equal(mapped[3 * PAGE], 4);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
}

static void refreshed(void **state)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	(void)state;
	lodge_first_pages();
	assert_return_code(fd, errno);
	assert_int_equal(pwrite(fd, "!", 1, PAGE + 9), 1);
	close(fd);
	assert_int_equal(mapped[PAGE + 9], 2);
	assert_int_equal(object_refresh(writer->object, PAGE, PAGE), 0);
	assert_int_equal(mapped[PAGE + 9], '!');
	assert_int_equal(mapped[PAGE + 8], 2);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
}

static void cut(void **state)
{
	(void)state;
	lodge_first_pages();
	assert_int_equal(quire_object_resize(writer, 2 * PAGE + 100), 0);
	assert_int_equal(state_of(writer, 3), PAGE_ABSENT);
	assert_int_equal(quire_object_resize(writer, PAGES * PAGE), 0);
	assert_int_equal(mapped[2 * PAGE + 99], 3);
	assert_int_equal(mapped[2 * PAGE + 100], 0);
	assert_int_equal(mapped[3 * PAGE], 0);
	assert_int_equal(quire_munmap(quire_host_space(here.quire), mapped,
				      PAGES * PAGE),
			 0);
}

#define reading(test) \
	cmocka_unit_test_setup_teardown(test, open_reading, close_reading)

int main(void)
{
	const struct CMUnitTest tests[] = {
		reading(unmapped_while_it_leaves),
		reading(unmapped_by_the_last_while_it_leaves),
		reading(unmapped_while_it_is_brought_home),
		reading(unmapped_as_its_read_ends),
		reading(stored_while_it_is_brought_home),
		reading(loaded_while_it_leaves),
		reading(mapped_once_more_as_its_read_ends),
		reading(two_mappings_of_what_is_lodged),
		reading(no_room_at_home),
		reading(discarded),
		reading(refreshed),
		reading(cut),
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
