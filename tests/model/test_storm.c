/* test_storm.c - many threads fault where others change the layout */
/* SPDX-License-Identifier: MIT */
/*
 * A few ranges of a space are mapped, unmapped, protected, moved and forked by
 * some threads, while many others load and store there at random, on the
 * software MMU with a budget far below what is touched.
 *
 * Each store writes which page of which range it was for.  A load may see
 * zeros (the page is new), or such a word of that very page; an access may be
 * denied.  A word of another page, or a torn one, is a translation that was
 * kept for too long, a page used twice, or bytes lost on the way from swap.
 */
#include "unit/engine_tools.h"

#include <pthread.h>
#include <stdatomic.h>

#define RANGES 4
#define PAGES 8 /* of a range */
#define READERS 24
#define CHANGERS 3
#define ACCESSES 1500 /* of each reader */
#define CHANGES 400   /* of each changer */
#define BASE UINT64_C(0x10000000)
#define AWAY UINT64_C(0x20000000) /* where a moved range stands meanwhile */
#define STEP UINT64_C(0x100000)   /* from range to range */

static struct quire *quire;
static struct quire_space *space;
static struct quire_object *object;
static pthread_mutex_t range_lock[RANGES];
static _Atomic unsigned denied, done;

static char *home(uint64_t range)
{
	return (char *)(uintptr_t)(BASE + range * STEP);
}

static char *away(uint64_t range)
{
	return (char *)(uintptr_t)(AWAY + range * STEP);
}

/* What a store to this page says: nothing else may be read there. */
static uint64_t word_of(uint64_t range, uint64_t page, uint64_t count)
{
	return (range + 1) << 56 | (page + 1) << 48 | (count & 0xffff) |
	       (count & 0xffff) << 24;
}

static void check_word(uint64_t range, uint64_t page, uint64_t word)
{
	if (word == 0)
		return;
	need(word == word_of(range, page, word & 0xffff));
}

static void check_in(struct quire_space *in, char *address, uint64_t range,
		     uint64_t page)
{
	uint64_t word;

	if (quire_peek(in, address + page * PAGE + 64, &word, sizeof(word)))
		atomic_fetch_add(&denied, 1);
	else
		check_word(range, page, word);
	atomic_fetch_add(&done, 1);
}

static void *reader(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument * 7919 + 1;

	for (uint64_t i = 0; i < ACCESSES; i++) {
		uint64_t range = next_random(&seed) % RANGES;
		uint64_t page = next_random(&seed) % PAGES;
		char *address = next_random(&seed) % 8 ? home(range)
						       : away(range);
		uint64_t word = word_of(range, page, i);

		if (next_random(&seed) % 2)
			check_in(space, address, range, page);
		else if (quire_poke(space, address + page * PAGE + 64, &word,
				    sizeof(word)))
			atomic_fetch_add(&denied, 1);
	}
	return NULL;
}

static void map_anew(uint64_t range, int flags)
{
	need(quire_mmap(space, home(range), PAGES * PAGE,
			PROT_READ | PROT_WRITE, flags | MAP_FIXED,
			flags & MAP_ANONYMOUS ? NULL : object,
			(off_t)(range * PAGES * PAGE)) == home(range));
}

static void move_there_and_back(uint64_t range)
{
	size_t length = PAGES * PAGE;

	if (quire_mremap(space, home(range), length, length,
			 MREMAP_MAYMOVE | MREMAP_FIXED,
			 away(range)) == MAP_FAILED)
		return; /* cut in pieces by mprotect */
	quire_mremap(space, away(range), length, length,
		     MREMAP_MAYMOVE | MREMAP_FIXED, home(range));
}

static void fork_and_look(uint64_t range)
{
	struct quire_space *child;

	need(quire_space_fork(space, &child) == 0);
	for (uint64_t page = 0; page < PAGES; page++) {
		uint64_t word = word_of(range, page, page);

		check_in(child, home(range), range, page);
		(void)quire_poke(child, home(range) + page * PAGE + 64, &word,
				 sizeof(word));
	}
	quire_space_close(child);
}

/* A page that somebody holds for long refuses it, and nothing is lost. */
static void resize(uint64_t size)
{
	int error = quire_object_resize(object, size);

	need(error == 0 || error == -EBUSY);
}

static void change(uint64_t *seed, uint64_t range)
{
	char *part = home(range) + next_random(seed) % PAGES * PAGE;

	switch (next_random(seed) % 10) {
	case 0:
		quire_munmap(space, home(range), PAGES * PAGE);
		map_anew(range, MAP_PRIVATE | MAP_ANONYMOUS);
		break;
	case 1:
		map_anew(range, MAP_PRIVATE);
		break;
	case 2:
		map_anew(range, MAP_SHARED);
		break;
	case 3:
		quire_mprotect(space, part, PAGE, PROT_READ);
		break;
	case 4:
		quire_mprotect(space, part, PAGE, PROT_NONE);
		break;
	case 5:
		quire_mprotect(space, home(range), PAGES * PAGE,
			       PROT_READ | PROT_WRITE);
		break;
	case 6:
		move_there_and_back(range);
		break;
	case 7:
		quire_madvise(space, part, PAGE, MADV_DONTNEED);
		break;
	case 8: /* private copies behind the end go, and slots with them */
		resize(next_random(seed) % RANGES * PAGES * PAGE);
		resize(RANGES * PAGES * PAGE);
		break;
	default:
		fork_and_look(range);
	}
}

static void *changer(void *argument)
{
	uint64_t seed = (uint64_t)(uintptr_t)argument * 104729 + 3;

	for (int i = 0; i < CHANGES; i++) {
		uint64_t range = next_random(&seed) % RANGES;

		pthread_mutex_lock(&range_lock[range]);
		change(&seed, range);
		pthread_mutex_unlock(&range_lock[range]);
	}
	return NULL;
}

static void run(uint64_t seed)
{
	pthread_t threads[READERS + CHANGERS];

	for (uint64_t i = 0; i < RANGES; i++) {
		pthread_mutex_init(&range_lock[i], NULL);
		map_anew(i, MAP_PRIVATE | MAP_ANONYMOUS);
	}
	for (uint64_t i = 0; i < READERS + CHANGERS; i++)
		need(pthread_create(&threads[i], NULL,
				    i < READERS ? reader : changer,
				    (void *)(uintptr_t)(seed + i)) == 0);
	for (int i = 0; i < READERS + CHANGERS; i++)
		pthread_join(threads[i], NULL);
}

static void test_storm(void **state)
{
	struct quire_statistics statistics = { .size = sizeof(statistics) };
	uint64_t seed = first_seed(1) & 0xffffff;

	(void)state;
	quire = new_engine(16 * PAGE);
	assert_int_equal(quire_object_create_anonymous(
				 quire, RANGES * PAGES * PAGE, NULL, &object),
			 0);
	assert_int_equal(quire_space_create(quire, NULL, &space), 0);
	run(seed);
	assert_true(atomic_load(&done) > 0);
	quire_space_close(space);
	assert_int_equal(quire_object_close(object), 0);
	assert_int_equal(quire_get_statistics(quire, &statistics), 0);
	assert_int_equal(statistics.resident, 0); /* every page went back */
	assert_int_equal(quire_close(quire), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
