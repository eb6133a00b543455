/* test_urgency.c - who waits for a transfer is handed on by all that it passes */
/* SPDX-License-Identifier: MIT */
#include "unit/object_world.h"

#define PAGES UINT64_C(4)

/* A store that notes what it is told, and moves no bytes. */
static struct {
	struct store store;
	enum store_urgency seen;
} spy;

static void note(struct store *store, struct store_io *io)
{
	uint64_t bytes = 0;

	(void)store;
	spy.seen = io->urgency;
	for (unsigned i = 0; i < io->step_iov_count; i++)
		bytes += io->step_iov[i].iov_len;
	io->step_complete(io, (int64_t)bytes);
}

static void forget(struct store *store)
{
	(void)store;
}

static const struct store_ops ops = { .submit = note, .destroy = forget };

static void ended(struct pager_io *io, int error)
{
	(void)io;
	assert_int_equal(error, 0);
}

static void assert_handed_on(struct pager *pager,
			     enum pager_operation operation)
{
	static const enum store_urgency all[] = { STORE_NOW, STORE_AHEAD,
						  STORE_AWAITED };
	struct staging_pool pool;
	struct staging *staging;

	staging_pool_init(&pool, false);
	staging = staging_take(&pool, 1);
	assert_non_null(staging);
	for (unsigned i = 0; i < 3; i++) {
		struct pager_io io;

		memset(&io, 0xff, sizeof(io)); /* as used memory */
		io.operation = operation;
		io.index = 1;
		io.length = PAGE_SIZE;
		io.staging = staging;
		io.urgency = all[i];
		io.complete = ended;
		pager_submit(pager, &io);
		assert_int_equal(spy.seen, all[i]);
	}
	staging_drop(&pool, staging);
	staging_pool_finish(&pool);
}

static struct store *new_faulty(void)
{
	struct store *faulty;

	spy.store = (struct store){ .ops = &ops, .writable = true };
	assert_int_equal(faulty_store_create(NULL, &spy.store, NULL, &faulty),
			 0);
	return faulty;
}

static void by_files(void **state)
{
	struct pager *pager;

	(void)state;
	assert_int_equal(direct_pager_create(new_faulty(), &pager), 0);
	assert_handed_on(pager, PAGER_READ);
	assert_handed_on(pager, PAGER_WRITE);
	pager_destroy(pager);
}

static void by_swap(void **state)
{
	struct pager *pager;

	(void)state;
	assert_int_equal(swap_pager_create(new_faulty(), PAGES, &pager), 0);
	assert_handed_on(pager, PAGER_WRITE);
	assert_handed_on(pager, PAGER_READ); /* what was written */
	pager_destroy(pager);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_files),
		cmocka_unit_test(by_swap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
