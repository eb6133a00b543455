/* pattern.c - which misses look like a reader who will go on */
/* SPDX-License-Identifier: MIT */
/*
 * The last misses of an object are remembered.  A miss that continues a row
 *
 *        x - 3s   ...   x - 2s   ...   x - s   ...   x      (in this order)
 *
 * may be chance: each link of the row is weighed by how improbable it would be
 * were the misses random.  One that lies age misses back is found by chance
 * once in pages / age times; where other misses, which the row does not explain,
 * lie close by, as often as those say.  A row is believed when the product is
 * high enough: so readers who come alone are known at once, several at once a
 * little later, and random ones never.
 */
#include "object/object_private.h"

#define NEAR 64       /* pages: the widest step, too */
#define LINKS_MOST 10 /* more than any caution asks for */
/* One in so many misses may be mistaken for a reader.  There are 126 steps
 * other than 1 and -1, so that they need as much more. */
#define ODDS (UINT64_C(1) << 27)
#define ODDS_OF_STEPS (UINT64_C(1) << 34)
#define ODDS_MOST (UINT64_C(1) << 40)
#define LINK_MOST (UINT64_C(1) << 20) /* so that a product cannot overflow */

/* The misses near to one, newest first. */
struct near {
	unsigned count;
	unsigned age[MISSES];
	int64_t distance[MISSES]; /* from it back to them */
};

struct row {
	const struct object *object;
	const struct near *near;
	uint64_t index;
	unsigned links_least;
};

/* The newest one is of age 1. */
static uint64_t miss_of(const struct object *object, unsigned age)
{
	return object->miss[(object->misses - age) % MISSES];
}

static unsigned misses_kept(const struct object *object)
{
	return object->misses < MISSES ? (unsigned)object->misses : MISSES;
}

/* 0: it was not missed lately. */
static unsigned age_of(const struct object *object, uint64_t index)
{
	unsigned kept = misses_kept(object);

	for (unsigned age = 1; age <= kept; age++)
		if (miss_of(object, age) == index)
			return age;
	return 0;
}

static void find_near(const struct object *object, uint64_t index,
		      struct near *near)
{
	unsigned kept = misses_kept(object);

	near->count = 0;
	for (unsigned age = 1; age <= kept; age++) {
		int64_t distance = (int64_t)(index - miss_of(object, age));

		if (distance < -NEAR || distance > NEAR || distance == 0)
			continue;
		near->age[near->count] = age;
		near->distance[near->count++] = distance;
	}
}

/* How improbable a link of this age would be, after so many others. */
static uint64_t odds_of(const struct row *row, unsigned age, unsigned links)
{
	uint64_t odds = object_pages(row->object) / age;
	unsigned others = 0;

	while (others < row->near->count && row->near->age[others] < age)
		others++;
	if (others > links && odds > NEAR / (others - links + 1))
		odds = NEAR / (others - links + 1);
	if (odds > LINK_MOST)
		odds = LINK_MOST;
	return odds ? odds : 1;
}

static bool believed(const struct row *row, int64_t step, uint64_t needed)
{
	uint64_t at = row->index, odds = 1;
	unsigned links = 0, first = 0, age = 0, next;

	while (links < LINKS_MOST) {
		at -= (uint64_t)step;
		next = age_of(row->object, at);
		if (next == 0)
			break;
		age = next;
		first = first ? first : age;
		odds *= odds_of(row, age, links++);
		odds = odds < ODDS_MOST ? odds : ODDS_MOST;
	}
	/* The other way round it is what a reader leaves behind. */
	return links >= row->links_least && age > first && odds >= needed;
}

static int64_t step_of(const struct row *row)
{
	if (believed(row, 1, ODDS))
		return 1;
	if (believed(row, -1, ODDS))
		return -1;
	for (unsigned i = 0; i < row->near->count; i++) {
		int64_t step = row->near->distance[i];

		if (step != 1 && step != -1 &&
		    believed(row, step, ODDS_OF_STEPS))
			return step;
	}
	return 0;
}

int64_t pattern_step(struct object *object, uint64_t index,
		     unsigned links_least)
{
	struct near near;
	struct row row = {
		.object = object,
		.near = &near,
		.index = index,
		.links_least = links_least,
	};
	/* Who begins at the beginning will probably go on. */
	int64_t step = object->misses == 0 && index == 0;

	find_near(object, index, &near);
	if (near.count > 0)
		step = step_of(&row);
	object->miss[object->misses++ % MISSES] = index;
	return step;
}
