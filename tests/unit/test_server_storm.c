/* test_server_storm.c - clients map, store, fork, and are killed at random */
/* SPDX-License-Identifier: MIT */
/*
 * Each client has pages of its own in two files that all of them map, far
 * beyond the budget, and notes in memory that it shares with the test what it
 * has stored.  After all of it the files say the same.
 */
#include "server_world.h"

#define CLIENTS 6
#define ROUNDS 8
#define PAGES_EACH 64
#define PAGES (CLIENTS * PAGES_EACH)
#define STORES 400

struct noted {
	_Atomic unsigned char before[PAGES]; /* stored, perhaps */
	_Atomic unsigned char after[PAGES];  /* stored for sure */
};

static struct world world;
static struct noted *noted;
static uint64_t seed;
static unsigned number; /* of the client */

static int setup(void **state)
{
	const struct server_options options = {
		.engine = { .budget = 48 * PAGE_SIZE, .flush_interval_ms = 5 },
		.keeper = -1,
	};

	(void)state;
	world_begin_with(&world, &options);
	world_fill(world.file, PAGES);
	noted = mmap(NULL, sizeof(*noted), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(noted != MAP_FAILED);
	for (unsigned i = 0; i < PAGES; i++) {
		noted->before[i] = (unsigned char)(i + 1);
		noted->after[i] = (unsigned char)(i + 1);
	}
	seed = first_seed(20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	munmap(noted, sizeof(*noted));
	world_remove(&world);
	return 0;
}

/* One byte of a page of the client's own, as it must be, and changed. */
static void store(unsigned char *at, uint64_t *random)
{
	unsigned page = number * PAGES_EACH +
			(unsigned)(next_random(random) % PAGES_EACH);
	unsigned char value = (unsigned char)next_random(random);
	unsigned char is = at[at_page(page)];

	expect(is == noted->after[page] || is == noted->before[page]);
	noted->before[page] = value;
	at[at_page(page)] = value;
	noted->after[page] = value;
}

static void act(struct user *user, unsigned char *at, uint64_t *random)
{
	pid_t child;

	switch (next_random(random) % 32) {
	case 0:
		expect(user_sync(user, at, at_page(PAGES), MS_SYNC) == 0);
		break;
	case 1:
		child = fork();
		if (child == 0) {
			for (unsigned i = 0; i < 8; i++)
				store(at, random);
			_exit(0);
		}
		waitpid(child, NULL, 0);
		break;
	case 2:
		if (next_random(random) % 8 == 0)
			raise(SIGKILL);
		break;
	default:
		store(at, random);
	}
}

static void storms(struct user *user)
{
	int fd = open(user->world->file, O_RDWR);
	unsigned char *at = user_map_fd(user, fd, at_page(PAGES), true, NULL);
	uint64_t random = seed;

	for (unsigned i = 0; i < STORES; i++)
		act(user, at, &random);
}

static void check_end(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
		    (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

static void test_storm(void **state)
{
	pid_t child[CLIENTS];

	(void)state;
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (number = 0; number < CLIENTS; number++) {
			next_random(&seed);
			child[number] = start_client(&world, storms, true, -1);
		}
		for (unsigned i = 0; i < CLIENTS; i++)
			check_end(child[i]);
	}
	assert_int_equal(world_finish(&world), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		int is = byte_in_file(world.file, at_page(i));

		assert_true(is == noted->before[i] || is == noted->after[i]);
		assert_int_equal(byte_in_file(world.file, at_page(i) + 9),
				 (unsigned char)(i + 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_storm, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
