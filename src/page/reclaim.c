/* reclaim.c - which pages leave, and how they leave in runs */
/* SPDX-License-Identifier: MIT */
#include "page/hazard.h"
#include "page/page_private.h"

/* Evicting a little more than asked spreads the cost of the calls. */
#define RECLAIM_LEAST 32
#define RECLAIM_BATCH 256
#define RECLAIM_RUNS 64
#define RUN_MOST 64 /* bits of page_run.leaves */

#define WORDS_MOST 64

/* Some words; count may be more than there is room for. */
struct words {
	const page_word *word[WORDS_MOST];
	unsigned count;
};

struct victims {
	struct page_run run[RECLAIM_RUNS];
	struct page_table *table[RECLAIM_RUNS]; /* of each run */
	unsigned runs;
	uint64_t pages;
	struct words announced; /* as it began to choose: they stay */
	struct words spared;    /* chosen, and announced by then */
};

static void add_word(struct words *words, const page_word *word)
{
	if (words->count < WORDS_MOST)
		words->word[words->count] = word;
	words->count++;
}

static bool has_word(const struct words *words, const page_word *word)
{
	for (unsigned i = 0; i < words->count && i < WORDS_MOST; i++)
		if (words->word[i] == word)
			return true;
	return false;
}

static void begin_victims(struct victims *victims)
{
	const page_word *word;
	unsigned at = 0;

	victims->runs = 0;
	victims->pages = 0;
	victims->announced.count = 0;
	victims->spared.count = 0;
	while ((word = hazards_next(&at)))
		add_word(&victims->announced, word);
}

/* A page that is EVICTING; a gap, if it only lies between two that leave. */
static void add_page(struct victims *victims, struct page_table *table,
		     uint64_t index, bool leaves)
{
	unsigned end = victims->runs;
	struct page_run *last = end ? &victims->run[end - 1] : NULL;

	if (!last || victims->table[end - 1] != table ||
	    last->index + last->count != index || last->count == RUN_MOST) {
		last = &victims->run[end];
		*last = (struct page_run){ .index = index };
		victims->table[end] = table;
		victims->runs++;
	}
	last->leaves |= (uint64_t)leaves << last->count;
	last->count++;
	victims->pages += leaves;
}

/* A cluster may need half as many runs as it has pages. */
static bool room_for_cluster(const struct victims *victims)
{
	return victims->runs + CLUSTER_PAGES / 2 <= RECLAIM_RUNS;
}

static uint64_t first_page(const struct cluster *cluster)
{
	return (uint64_t)(cluster - cluster->table->clusters) << CLUSTER_SHIFT;
}

static bool cluster_forgiven(struct cluster *cluster, uint64_t first)
{
	bool referenced = false;

	for (uint64_t i = 0; i < CLUSTER_PAGES; i++)
		if (page_forgive(&cluster->table->words[first + i]))
			referenced = true;
	return referenced;
}

/* CLEAN without pins -> EVICTING. */
static bool begin_page(const struct victims *victims, struct page_table *table,
		       uint64_t index)
{
	const struct words *announced = &victims->announced;
	page_word *word = &table->words[index];

	if (has_word(announced, word) ||
	    (announced->count > WORDS_MOST && hazards_find(table, &index, 1)))
		return false;
	return page_begin_evict(word);
}

/* Begins the eviction of what may leave, as bits from index on; where it
 * stopped, at most pages. */
static uint64_t begin_pages(const struct victims *victims,
			    struct page_table *table, uint64_t index,
			    uint64_t most, uint32_t *leaves)
{
	uint64_t first = index, end = index + CLUSTER_PAGES;

	if (end > table->pages)
		end = table->pages;
	*leaves = 0;
	for (; index < end && most > 0; index++)
		if (begin_page(victims, table, index)) {
			*leaves |= 1u << (index - first);
			most--;
		}
	return index;
}

/*
 * One hole for several pages costs little more than for one, even if there is
 * nothing between them.  Nothing may come there before it is made; the words
 * stay, as a page of the cluster is charged.
 */
static uint64_t take_pages(struct victims *victims, struct page_table *table,
			   uint64_t first, uint64_t count, uint32_t *leaves)
{
	uint64_t stopped = begin_pages(victims, table, first,
				       count - victims->pages, leaves);
	bool open = false; /* the page before it is in a run */

	for (unsigned i = 0; *leaves >> i; i++) {
		bool page = *leaves >> i & 1;

		open = page ||
		       (open && page_begin_gap(&table->words[first + i]));
		if (open)
			add_page(victims, table, first + i, page);
	}
	return stopped;
}

/* A page of the cluster is being read. */
static bool is_coming(const struct page_table *table, uint64_t first)
{
	for (uint64_t i = first; i < first + CLUSTER_PAGES && i < table->pages;
	     i++)
		if (word_state(atomic_load(&table->words[i])) == PAGE_READING)
			return true;
	return false;
}

/* Takes what may leave of a cluster, which was taken out of its queue. */
static void take_cluster(struct cache *cache, struct victims *victims,
			 struct cluster *cluster, enum cluster_queue from,
			 uint64_t count)
{
	struct page_table *table = cluster->table;
	uint64_t first = first_page(cluster);
	uint32_t leaves;
	uint64_t stopped = take_pages(victims, table, first, count, &leaves);

	if (stopped < first + CLUSTER_PAGES && stopped < table->pages)
		victims_first(cache, cluster, from, leaves);
	else if (leaves)
		victims_chosen(cache, cluster, from, leaves);
	else
		victims_keep(cache, cluster, from, is_coming(table, first));
}

static void choose_in_round(struct cache *cache, struct victims *victims,
			    uint64_t count, bool forgive)
{
	struct victim_round round;
	struct cluster *cluster;

	victims_begin_round(cache, &round);
	while (victims->pages < count && room_for_cluster(victims) &&
	       (cluster = victims_next(cache, &round))) {
		if (cluster_forgiven(cluster, first_page(cluster)) && forgive)
			victims_forgive(cache, cluster);
		else
			take_cluster(cache, victims, cluster, round.from,
				     count);
	}
}

/*
 * Twice round all clusters at most, as whoever finds nothing goes to sleep: the
 * first time round forgives what was referenced, the second takes it.
 */
static void choose(struct cache *cache, struct victims *victims, uint64_t count)
{
	begin_victims(victims);
	lock_take(&cache->lock);
	choose_in_round(cache, victims, count, true);
	choose_in_round(cache, victims, count, false);
	lock_drop(&cache->lock);
}

/* The stretch without gaps from i on; false: there is none. */
static bool next_stretch(const struct page_run *run, uint64_t *i,
			 uint64_t *count)
{
	*i += *count;
	while (*i < run->count && !(run->leaves >> *i & 1))
		++*i;
	for (*count = 0; *i + *count < run->count; ++*count)
		if (!(run->leaves >> (*i + *count) & 1))
			break;
	return *count > 0;
}

/* Those that leave, or the others. */
static uint64_t end_some(struct page_table *table, const struct page_run *run,
			 bool leaves, enum page_state state)
{
	uint64_t waiters = 0;

	for (uint64_t i = 0; i < run->count; i++)
		if ((run->leaves >> i & 1) == leaves &&
		    page_end_evict(&table->words[run->index + i], state))
			waiters |= UINT64_C(1) << i;
	return waiters;
}

/* Gaps first: while a page is EVICTING, and so charged, the words are there.
 * Bits: somebody waits. */
static uint64_t end_pages(struct page_table *table, const struct page_run *run,
			  enum page_state state)
{
	uint64_t waiters = end_some(table, run, false, PAGE_ABSENT);

	return waiters | end_some(table, run, true, state);
}

/* ---- pins that were announced as their page was chosen ---- */

/* The pages of the run stay, and the gaps end. */
static void give_run_back(struct cache *cache, struct page_table *table,
			  const struct page_run *run)
{
	uint64_t waiters = end_pages(table, run, PAGE_CLEAN);

	for (uint64_t i = 0; i < run->count; i++)
		cache_wake(cache, table, run->index + i, waiters >> i & 1);
}

/* From there on; the run keeps what is before. */
static struct page_run split_off(struct page_run *run, uint64_t from)
{
	struct page_run rest = {
		.index = run->index + from,
		.count = run->count - from,
		.leaves = from < RUN_MOST ? run->leaves >> from : 0,
	};

	run->count = from;
	run->leaves &= (UINT64_C(1) << from) - 1;
	return rest;
}

/* Puts a run behind another one; no room: its pages stay, and whoever looked for
 * a victim meanwhile looks again. */
static void insert_run(struct cache *cache, struct victims *victims,
		       unsigned before, const struct page_run *run)
{
	struct page_table *table = victims->table[before];

	if (victims->runs == RECLAIM_RUNS) {
		victims->pages -= (unsigned)__builtin_popcountll(run->leaves);
		give_run_back(cache, table, run);
		cache_encourage(cache);
		return;
	}
	for (unsigned i = victims->runs++; i > before + 1; i--) {
		victims->run[i] = victims->run[i - 1];
		victims->table[i] = victims->table[i - 1];
	}
	victims->run[before + 1] = *run;
	victims->table[before + 1] = table;
}

static void remove_run(struct victims *victims, unsigned number)
{
	victims->runs--;
	for (unsigned i = number; i < victims->runs; i++) {
		victims->run[i] = victims->run[i + 1];
		victims->table[i] = victims->table[i + 1];
	}
}

/* The page of a run stays, and so divides it: gaps that remain alone end
 * before it. */
static void spare_page(struct cache *cache, struct victims *victims,
		       unsigned number, uint64_t page)
{
	struct page_table *table = victims->table[number];
	struct page_run *run = &victims->run[number];
	struct page_run alone = split_off(run, page);
	struct page_run rest = split_off(&alone, 1);

	victims->pages--;
	if (run->leaves == 0)
		give_run_back(cache, table, run);
	if (rest.leaves == 0)
		give_run_back(cache, table, &rest);
	give_run_back(cache, table, &alone);
	if (rest.leaves && run->leaves)
		insert_run(cache, victims, number, &rest);
	else if (rest.leaves)
		*run = rest;
	else if (run->leaves == 0)
		remove_run(victims, number);
}

static void spare_word(struct cache *cache, struct victims *victims,
		       const page_word *word)
{
	for (unsigned i = 0; i < victims->runs; i++) {
		const struct page_run *run = &victims->run[i];
		uintptr_t first =
			(uintptr_t)&victims->table[i]->words[run->index];
		uint64_t page = ((uintptr_t)word - first) / sizeof(*word);

		if (page >= run->count || !(run->leaves >> page & 1))
			continue;
		add_word(&victims->spared, word);
		spare_page(cache, victims, i, page);
		return;
	}
}

static bool settle_tables(const struct victims *victims)
{
	for (unsigned i = 0; i < victims->runs; i++)
		if (hazards_settle(victims->table[i]))
			return true; /* it is for all */
	return false;
}

/*
 * All is EVICTING: from the barrier on nobody announces it any more and goes on
 * (hazard.h), and what was announced before it stays.
 */
static void spare_announced(struct cache *cache, struct victims *victims)
{
	const page_word *word;
	unsigned at = 0;

	if (victims->runs)
		hook_point(HOOK_EVICT_CHOSEN, victims->table[0],
			   victims->run[0].index);
	if (!settle_tables(victims))
		return;
	while ((word = hazards_next(&at)))
		spare_word(cache, victims, word);
}

/*
 * Whoever looked for a victim meanwhile did not see what we had and gave back.
 * If its pin has gone since, and told nobody, he has to look again.  A pin that
 * told nobody went before his barrier (hazards_await()), and so is seen gone.
 */
static void tell_of_spared(struct cache *cache, const struct victims *victims)
{
	const struct words *spared = &victims->spared;
	struct words still = { .count = 0 };
	const page_word *word;
	unsigned at = 0, held = 0;

	if (spared->count == 0 || !atomic_load(&cache->hungry))
		return;
	while ((word = hazards_next(&at)))
		add_word(&still, word);
	for (unsigned i = 0; i < spared->count && i < WORDS_MOST; i++)
		held += has_word(&still, spared->word[i]);
	if (held < spared->count)
		cache_encourage(cache);
}

/* ---- leaving ---- */

static uint64_t end_run(struct cache *cache, struct page_table *table,
			const struct page_run *run, int error)
{
	const struct page_owner_ops *owner = table->owner;
	uint64_t waiters, gone = 0, i = 0, count = 0;

	while (!error && next_stretch(run, &i, &count)) {
		if (owner->gone)
			owner->gone(table, run->index + i, count);
		gone += count;
	}
	waiters = end_pages(table, run, error ? PAGE_CLEAN : PAGE_ABSENT);
	count_add(cache->counters, COUNT_EVICTIONS, gone);
	i = count = 0;
	while (!error && next_stretch(run, &i, &count))
		cache_uncharge(cache, table, run->index + i, count, false);
	for (i = 0; i < run->count; i++)
		cache_wake(cache, table, run->index + i, waiters >> i & 1);
	return gone;
}

/*
 * EVICTING -> ABSENT (rule 5): the memory first, the word, the budget last.  The
 * runs follow each other without a page between them: one hole.
 */
static uint64_t evict_runs(struct cache *cache, struct page_table *table,
			   const struct page_run *runs, unsigned count)
{
	uint64_t index = runs[0].index, gone = 0;
	uint64_t end = runs[count - 1].index + runs[count - 1].count;
	int error;

	hook_point(HOOK_EVICT_BEGUN, table, index);
	error = table->owner->evict(table, index, end - index);
	hook_point(HOOK_EVICTED, table, index);
	for (unsigned i = 0; i < count; i++)
		gone += end_run(cache, table, &runs[i], error);
	return gone;
}

static uint64_t evict_all(struct cache *cache, const struct victims *victims)
{
	uint64_t evicted = 0;
	unsigned first = 0, end;

	for (; first < victims->runs; first = end) {
		const struct page_run *run = victims->run;
		struct page_table *table = victims->table[first];

		for (end = first + 1; end < victims->runs; end++)
			if (victims->table[end] != table ||
			    run[end].index !=
				    run[end - 1].index + run[end - 1].count)
				break;
		evicted += evict_runs(cache, table, &run[first], end - first);
	}
	return evicted;
}

/* Those that follow each other are one table's, mostly. */
static void leave(const struct victims *victims)
{
	unsigned first = 0, end;

	for (; first < victims->runs; first = end) {
		struct page_table *table = victims->table[first];

		for (end = first + 1; end < victims->runs; end++)
			if (victims->table[end] != table)
				break;
		if (table->owner->leave)
			table->owner->leave(table, &victims->run[first],
					    end - first);
	}
}

/* What was chosen; how many left. */
static uint64_t let_leave(struct cache *cache, struct victims *victims)
{
	uint64_t evicted;

	spare_announced(cache, victims);
	leave(victims);
	evicted = evict_all(cache, victims);
	tell_of_spared(cache, victims);
	return evicted;
}

/* How many to ask for at once, of so many that are still lacking. */
static uint64_t batch_for(const struct cache *cache, uint64_t lacking)
{
	uint64_t want = lacking;

	if (want < RECLAIM_LEAST)
		want = RECLAIM_LEAST;
	if (want > cache->budget / 4 + 1)
		want = cache->budget / 4 + 1;
	return want < RECLAIM_BATCH ? want : RECLAIM_BATCH;
}

uint64_t cache_reclaim(struct cache *cache, uint64_t count)
{
	struct victims victims;
	uint64_t evicted = 0, before;

	do {
		before = evicted;
		choose(cache, &victims, batch_for(cache, count - evicted));
		evicted += let_leave(cache, &victims);
		/* What an owner cannot give up now would be chosen again. */
	} while (evicted < count &&
		 (evicted > before || victims.spared.count > 0));
	return evicted;
}

uint64_t cache_evict_range(struct cache *cache, struct page_table *table,
			   uint64_t index, uint64_t count)
{
	uint64_t end = index + count, evicted = 0;
	struct victims victims;

	while (index < end) {
		begin_victims(&victims);
		while (index < end && victims.runs < RECLAIM_RUNS &&
		       victims.pages < RECLAIM_BATCH) {
			bool begun = begin_page(&victims, table, index);

			if (begun)
				add_page(&victims, table, index, true);
			index = begun ? index + 1
				      : page_table_next(table, index + 1);
		}
		evicted += let_leave(cache, &victims);
	}
	return evicted;
}

static void deactivate(struct cache *cache, struct page_table *table,
		       uint64_t index, uint64_t end)
{
	struct cluster *cluster = &table->clusters[index >> CLUSTER_SHIFT];

	for (; index < end; index++)
		page_forgive(&table->words[index]);
	lock_take(&cache->lock);
	if (cluster->charged > 0)
		victims_unwanted(cache, cluster);
	lock_drop(&cache->lock);
}

void cache_deactivate(struct cache *cache, struct page_table *table,
		      uint64_t index, uint64_t count)
{
	uint64_t end = index + count, next;

	if (end > table->pages)
		end = table->pages;
	while ((index = page_table_next(table, index)) < end) {
		next = ((index >> CLUSTER_SHIFT) + 1) << CLUSTER_SHIFT;
		if (next > end)
			next = end;
		deactivate(cache, table, index, next);
		index = next;
	}
}
