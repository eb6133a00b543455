/* test_mmu_soft_model.c - mmu/mmu_soft.h against a plain array of pages */
/* SPDX-License-Identifier: MIT */
/*
 * The window has eight huge leaves' worth of pages, on both sides of a border
 * of all levels' tables:
 *
 *         512 GiB - 8 MiB      512 GiB       512 GiB + 8 MiB
 *         |     |     |     |     |     |     |     |     |
 *
 * The model knows of each page what it translates to, and of each stretch of
 * 2 MiB whether it is one leaf.
 */
#include "unit/soft_world.h"

#define STRETCHES 8
#define WINDOW ((uint64_t)STRETCHES * PAGES_OF_HUGE)
#define BASE (512 * GIANT - STRETCHES / 2 * HUGE)
#define STEPS 6000
#define MARKS (SOFT_ACCESSED | SOFT_DIRTY)

struct model {
	struct mmu *mmu;
	struct soft_translation pages[WINDOW];
	bool huge[STRETCHES];
	int holds[SLOTS];
	uint64_t seed;
};

static uint64_t below(struct model *model, uint64_t bound)
{
	return next_random(&model->seed) % bound;
}

static uint64_t address_of(uint64_t page)
{
	return BASE + page * PAGE_SIZE;
}

/* ---- the model ---- */

static void model_drop(struct model *model, uint64_t page)
{
	if (model->pages[page].flags & SOFT_PRIVATE)
		model->holds[model->pages[page].index]--;
	memset(&model->pages[page], 0, sizeof(model->pages[page]));
}

static void model_split(struct model *model, uint64_t stretch)
{
	if (!model->huge[stretch])
		return;
	model->huge[stretch] = false;
	for (uint64_t i = 0; i < PAGES_OF_HUGE; i++)
		model->pages[stretch * PAGES_OF_HUGE + i].flags &= ~SOFT_HUGE;
}

/* Changes one page's flags, or drops it (0): the leaf is split, if it does not
 * lie in [first, last) as a whole. */
static void model_change(struct model *model, uint64_t page, uint64_t first,
			 uint64_t last, uint32_t flags)
{
	const uint64_t stretch = page / PAGES_OF_HUGE;

	if (flags == model->pages[page].flags)
		return;
	if (first > stretch * PAGES_OF_HUGE ||
	    last < (stretch + 1) * PAGES_OF_HUGE) {
		model_split(model, stretch);
		flags &= ~SOFT_HUGE;
	}
	if (flags == 0) {
		model->huge[stretch] = false;
		model_drop(model, page);
	}
	model->pages[page].flags = flags;
}

/* ---- comparing ---- */

static void compare_page(struct model *model, uint64_t page)
{
	const struct soft_translation *expected = &model->pages[page];
	const struct soft_translation found =
		soft_look(model->mmu, address_of(page));

	assert_int_equal(found.flags, expected->flags);
	assert_int_equal(found.index, expected->index);
	assert_ptr_equal(found.owner, expected->owner);
}

static void compare(struct model *model)
{
	struct soft_translation found;
	uint64_t at = 0;
	uint64_t leaves = 0;

	for (uint64_t page = 0; page < WINDOW; page++) {
		compare_page(model, page);
		leaves += model->pages[page].flags != 0;
		if (!model->pages[page].flags)
			continue;
		assert_true(soft_next(model->mmu, &at, HIGHEST, &found));
		assert_int_equal(at, address_of(page));
		at += PAGE_SIZE;
	}
	assert_false(soft_next(model->mmu, &at, HIGHEST, &found));
	for (int i = 0; i < STRETCHES; i++)
		leaves -= model->huge[i] ? PAGES_OF_HUGE - 1 : 0;
	assert_int_equal(counts_of(model->mmu).translations, leaves);
	assert_memory_equal(model->holds, world_holds, sizeof(world_holds));
}

/* ---- steps ---- */

struct part {
	uint64_t first;
	uint64_t last;
};

/* Short, or up to all; every fourth on borders of huge leaves. */
static struct part some_part(struct model *model)
{
	const uint64_t first = below(model, WINDOW);
	const uint64_t most = below(model, 2) ? 20 : WINDOW;
	uint64_t last = first + 1 + below(model, most);
	struct part part = { first, last < WINDOW ? last : WINDOW };

	if (below(model, 4) == 0) {
		part.first -= part.first % PAGES_OF_HUGE;
		part.last += PAGES_OF_HUGE - 1;
		part.last -= part.last % PAGES_OF_HUGE;
	}
	return part;
}

static uint32_t some_rights(struct model *model)
{
	return (uint32_t)below(model, SOFT_RIGHTS + 1);
}

static void step_set(struct model *model)
{
	const uint64_t page = below(model, WINDOW);
	struct soft_translation translation =
		shared_page(below(model, 1u << 20), some_rights(model));

	if (below(model, 3) == 0) {
		translation =
			private_page(below(model, SLOTS), some_rights(model));
		model->holds[translation.index]++;
	}
	set(model->mmu, address_of(page), translation);
	model_split(model, page / PAGES_OF_HUGE);
	model_drop(model, page);
	model->pages[page] = translation;
}

static void step_set_huge(struct model *model)
{
	const uint64_t stretch = below(model, STRETCHES);
	const uint64_t first = stretch * PAGES_OF_HUGE;
	struct soft_translation translation = shared_page(
		below(model, 1u << 20), some_rights(model) | SOFT_HUGE);

	set(model->mmu, address_of(first), translation);
	for (uint64_t i = 0; i < PAGES_OF_HUGE; i++) {
		model_drop(model, first + i);
		model->pages[first + i] = translation;
		translation.index++;
	}
	model->huge[stretch] = true;
}

static void step_run(struct model *model)
{
	const struct part part = some_part(model);
	struct soft_translation translation =
		shared_page(below(model, 1u << 20), some_rights(model));
	int64_t set = soft_set_run(model->mmu, address_of(part.first),
				   part.last - part.first, &translation);

	for (uint64_t i = part.first; i < part.last; i++) {
		if (!model->pages[i].flags) {
			model->pages[i] = translation;
			set--;
		}
		translation.index++;
	}
	assert_int_equal(set, 0);
}

static void step_drop(struct model *model)
{
	const struct part part = some_part(model);
	const bool private_only = below(model, 2);

	soft_drop(model->mmu, address_of(part.first), address_of(part.last),
		  private_only);
	for (uint64_t i = part.first; i < part.last; i++) {
		if (!private_only || model->pages[i].flags & SOFT_PRIVATE)
			model_change(model, i, part.first, part.last, 0);
	}
}

static void step_protect(struct model *model)
{
	const struct part part = some_part(model);
	const bool readable = below(model, 2);

	mmu_protect(model->mmu, address_of(part.first),
		    (part.last - part.first) * PAGE_SIZE,
		    readable ? PROT_READ : PROT_NONE);
	for (uint64_t i = part.first; i < part.last; i++) {
		uint32_t flags = model->pages[i].flags;

		flags &= ~SOFT_RIGHTS;
		if (flags)
			model_change(model, i, part.first, part.last,
				     flags | (readable ? SOFT_READ : 0));
	}
}

static void step_write_protect(struct model *model)
{
	const struct part part = some_part(model);

	mmu_write_protect(model->mmu, address_of(part.first),
			  (part.last - part.first) * PAGE_SIZE);
	for (uint64_t i = part.first; i < part.last; i++) {
		const uint32_t flags = model->pages[i].flags;

		if (!(flags & SOFT_PRIVATE))
			model_change(model, i, part.first, part.last,
				     flags & ~(SOFT_WRITE | SOFT_DIRTY));
	}
}

static void mark(struct model *model, uint64_t page, uint32_t marks)
{
	uint64_t count = 1;

	if (model->huge[page / PAGES_OF_HUGE]) {
		page -= page % PAGES_OF_HUGE;
		count = PAGES_OF_HUGE;
	}
	while (count-- > 0)
		model->pages[page++].flags |= marks;
}

/* Many times in few places, so that TLBs are used. */
static void step_translate(struct model *model)
{
	const uint32_t rights[] = { SOFT_READ, SOFT_WRITE, SOFT_EXECUTE };
	const uint64_t first = below(model, WINDOW - 8);

	for (int i = 0; i < 32; i++) {
		const uint64_t page = first + below(model, 8);
		const uint32_t right = rights[below(model, 3)];
		const bool allowed = model->pages[page].flags & right;
		struct soft_translation found;

		assert_int_equal(soft_translate(model->mmu, address_of(page),
						right, &found),
				 allowed);
		if (allowed)
			mark(model, page,
			     right == SOFT_WRITE ? MARKS : SOFT_ACCESSED);
		assert_int_equal(found.index, model->pages[page].index);
		/* A TLB may know less of what has been marked since. */
		assert_int_equal(found.flags & ~MARKS,
				 model->pages[page].flags & ~MARKS);
		compare_page(model, page);
	}
}

/* The new place is emptied first.  A leaf stays one if it lies in the range
 * and its new place is one for a leaf. */
static void step_move(struct model *model)
{
	const struct part part = some_part(model);
	const uint64_t length = part.last - part.first;
	const uint64_t to = below(model, WINDOW);
	const bool fits = (to - part.first) % PAGES_OF_HUGE == 0;

	if (to + length > WINDOW ||
	    (to < part.last && part.first < to + length))
		return;
	soft_drop(model->mmu, address_of(to), address_of(to + length), false);
	for (uint64_t i = to; i < to + length; i++)
		model_change(model, i, to, to + length, 0);
	assert_int_equal(soft_move(model->mmu, address_of(part.first),
				   address_of(to), length * PAGE_SIZE),
			 0);
	for (uint64_t i = part.first; i < part.last; i++) {
		const uint64_t stretch = i / PAGES_OF_HUGE;
		const bool whole = fits &&
				   part.first <= stretch * PAGES_OF_HUGE &&
				   part.last >= (stretch + 1) * PAGES_OF_HUGE;
		struct soft_translation *page = &model->pages[i];

		if (!whole)
			model_split(model, stretch);
		if (model->huge[stretch] && i % PAGES_OF_HUGE == 511) {
			model->huge[stretch] = false;
			model->huge[(i - part.first + to) / PAGES_OF_HUGE] =
				true;
		}
		model->pages[i - part.first + to] = *page;
		memset(page, 0, sizeof(*page));
	}
}

/* A child that lives for a moment, and loses what it has. */
static void step_fork(struct model *model)
{
	const struct part part = some_part(model);
	struct mmu *child = world_create();

	assert_int_equal(soft_copy(model->mmu, child, address_of(part.first),
				   address_of(part.last)),
			 0);
	for (uint64_t i = 0; i < WINDOW; i++) {
		const bool copied = i >= part.first && i < part.last;
		struct soft_translation *page = &model->pages[i];
		const struct soft_translation found =
			soft_look(child, address_of(i));

		if (copied && page->flags & SOFT_PRIVATE)
			page->flags &= ~SOFT_WRITE;
		assert_int_equal(found.flags & ~SOFT_HUGE,
				 copied ? page->flags & ~SOFT_HUGE : 0);
		assert_int_equal(found.index, copied ? page->index : 0);
	}
	mmu_destroy(child);
}

static void one_step(struct model *model)
{
	void (*const steps[])(struct model *) = {
		step_set,       step_set,           step_set,
		step_set_huge,  step_run,           step_drop,
		step_protect,   step_write_protect, step_translate,
		step_translate, step_translate,     step_translate,
		step_move,      step_fork,
	};

	steps[below(model, sizeof(steps) / sizeof(steps[0]))](model);
}

static void run_model(uint64_t seed)
{
	static struct model model;

	memset(&model, 0, sizeof(model));
	model.seed = seed;
	model.mmu = world_create();
	for (int i = 0; i < STEPS; i++) {
		one_step(&model);
		if (i % 16 == 0)
			compare(&model);
	}
	compare(&model);
	world_destroy(model.mmu);
}

static void test_against_model(void **state)
{
	const uint64_t seed = first_seed(42);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		run_model(seed + i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
