/* engine.c - an engine is opened and closed */
/* SPDX-License-Identifier: MIT */
#include "engine/engine.h"

#include "fault/guard.h"
#include "mmu/mmu_sigsegv.h"
#include "mmu/mmu_uffd.h"
#include "os/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BUDGET (UINT64_C(256) << 20)
#define DEFAULT_IO_THREADS 8
#define DEFAULT_DIRTY_PERCENT 25
#define DEFAULT_FLUSH_MS 1000
#define DEFAULT_FULL_MS 2000
#define RING_DEPTH 160 /* 128 may be no reads: ring_turns.c */
#define COPIERS 2      /* memory is no faster with more */
#define MS UINT64_C(1000000)

static const char *const full_mode =
	"userfaultfd, resolved by threads: accesses from inside system calls "
	"work as well";
static const char *const user_mode =
	"userfaultfd for user mode only: a system call that is handed an "
	"absent or protected page fails with EFAULT, or comes back short "
	"(for all of it: CAP_SYS_PTRACE, vm.unprivileged_userfaultfd=1, or "
	"the right to open /dev/userfaultfd)";

static const char *const signal_mode =
	"signals: mprotect() and SIGSEGV, as there is no userfaultfd or none "
	"was wanted: a system call that is handed an absent or protected page "
	"fails with EFAULT, or comes back short; a thread that blocks SIGSEGV "
	"dies of such a page";
static const char *const sigbus_mode =
	"userfaultfd, resolved by the thread whose access it is (SIGBUS): a "
	"system call that is handed an absent or protected page fails with "
	"EFAULT, or comes back short; a thread that blocks SIGBUS dies of such "
	"a page";

const char *quire_trap_mode(const struct quire *quire)
{
	return quire->trap_mode;
}

const char *quire_version(void)
{
	return QUIRE_VERSION;
}

const char *quire_strerror_last(void)
{
	return error_sentence();
}

/* ---- what is called upwards ---- */

static void on_dirtied(void *context)
{
	struct quire *quire = context;

	/* Half way to the bound is the time to begin. */
	if (writeback_dirty(&quire->writeback) >= quire->writeback.bound / 2)
		writeback_kick(&quire->writeback, false);
}

static uint64_t on_fill(void *context, struct object *object, uint64_t index,
			uint64_t count, struct object_fill *fill)
{
	struct quire *quire = context;

	return fault_fill(&quire->faults, object, index, count, fill);
}

static void on_arrived(void *context, struct object *object, uint64_t index,
		       uint64_t count)
{
	struct quire *quire = context;

	fault_show(&quire->faults, object, index, count);
}

static int on_throttle(void *context, const struct object *object)
{
	struct quire *quire = context;

	return writeback_throttle(&quire->writeback, object);
}

static bool on_managed(void *context, const void *address, size_t length)
{
	struct quire *quire = context;
	struct space *space = &quire->host_space.space;
	uint64_t start = (uint64_t)(uintptr_t)address;
	bool managed;

	rwlock_take_read(&space->lock);
	if (length > UINT64_MAX - start)
		length = UINT64_MAX - start;
	managed = space_find_intersection(space, start, start + length);
	rwlock_drop_read(&space->lock);
	return managed;
}

static int on_copy(void *context, void *to, const void *from, size_t length,
		   bool to_managed)
{
	struct quire *quire = context;

	return to_managed ? guard_copy_in(&quire->faults, to, from, length)
			  : guard_copy_out(&quire->faults, from, to, length);
}

static void on_cut(void *context, struct object *object, uint64_t index)
{
	soft_cut(context, object, index);
}

static void on_pressure(void *context)
{
	struct quire *quire = context;

	writeback_kick(&quire->writeback, true);
}

static void on_trace(void *context, const char *station, const char *line)
{
	struct quire *quire = context;

	quire->trace_sink(quire->trace_context, station, line);
}

static bool on_ring_traps(void *context)
{
	struct quire *quire = context;

	return fault_handler_take_traps(&quire->faults);
}

static void on_ring_batch(void *context)
{
	struct quire *quire = context;

	fault_handler_drain(&quire->faults);
}

/* ---- options ---- */

static uint32_t or_default(uint32_t value, uint32_t otherwise)
{
	return value ? value : otherwise;
}

/* Options of an older program are shorter: what it does not know is 0. */
static int read_options(const struct quire_options *given,
			struct quire_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given) {
		if (given->size < sizeof(size_t) ||
		    given->size > sizeof(*options))
			return error_say(-EINVAL,
					 "quire_options of %zu bytes: set size "
					 "to sizeof(struct quire_options)",
					 given->size);
		memcpy(options, given, given->size);
	}
	if (options->budget == 0)
		options->budget = DEFAULT_BUDGET;
	if (options->budget < PAGE_SIZE)
		return error_say(
			-EINVAL,
			"a budget of %llu byte%s is less than one page "
			"of 4096",
			(unsigned long long)options->budget,
			options->budget == 1 ? "" : "s");
	options->trap_threads = or_default(options->trap_threads, 1);
	options->io_threads =
		or_default(options->io_threads, DEFAULT_IO_THREADS);
	options->dirty_percent =
		or_default(options->dirty_percent, DEFAULT_DIRTY_PERCENT);
	options->flush_interval_ms =
		or_default(options->flush_interval_ms, DEFAULT_FLUSH_MS);
	options->full_wait_ms =
		or_default(options->full_wait_ms, DEFAULT_FULL_MS);
	if (!options->swap_directory)
		options->swap_directory = "/var/tmp";
	if (options->log_level == 0)
		options->log_level = QUIRE_LOG_WARNING;
	return 0;
}

static int check_options(const struct quire_options *options)
{
	if (options->trap_threads > TRAP_THREADS_MAX)
		return error_say(-EINVAL, "more than %u trap threads",
				 TRAP_THREADS_MAX);
	if (options->io_threads > 1024)
		return error_say(-EINVAL, "more than 1024 I/O threads");
	if (options->dirty_percent > 100)
		return error_say(-EINVAL, "dirty_percent is above 100");
	if (options->io > QUIRE_IO_THREADS)
		return error_say(-EINVAL, "no such kind of I/O: %d",
				 (int)options->io);
	if (options->trap > QUIRE_TRAP_SIGBUS)
		return error_say(-EINVAL, "no such kind of traps: %d",
				 (int)options->trap);
	if (options->flags & ~QUIRE_NO_REPORT)
		return error_say(-EINVAL, "unknown flags 0x%x", options->flags);
	if (options->log_level > QUIRE_LOG_DEBUG)
		return error_say(-EINVAL, "no such log level: %d",
				 (int)options->log_level);
	return 0;
}

/* ---- opening ---- */

static void sink(void *context, int level, const char *line)
{
	const struct quire_options *options = context;

	options->log(options->log_context, (enum quire_log_level)level, line);
}

/* The sink's context is a copy of the options: it lives with the engine. */
static int open_log(struct quire *quire, const struct quire_options *options)
{
	quire->log.level = (enum log_level)options->log_level;
	if (!options->log)
		return 0;
	quire->log.context = malloc(sizeof(*options));
	if (!quire->log.context)
		return -ENOMEM;
	memcpy(quire->log.context, options, sizeof(*options));
	quire->log.sink = sink;
	return 0;
}

static int open_ring(struct quire *quire, const struct quire_options *options)
{
	int error;

	if (options->io == QUIRE_IO_THREADS)
		return 0;
	error = ring_create(RING_DEPTH, on_ring_batch, quire, &quire->ring);
	if (!error)
		return 0;
	quire->ring = NULL;
	if (options->io == QUIRE_IO_URING)
		return error_say(error, "no io_uring to be had: %s",
				 strerror(-error));
	log_line(&quire->log, LOG_INFO,
		 "no io_uring to be had (%s): %u threads read and write",
		 strerror(-error), options->io_threads);
	return 0;
}

static int open_stores(struct quire *quire, const struct quire_options *options)
{
	int error;

	quire->swap_directory = strdup(options->swap_directory);
	if (!quire->swap_directory)
		return -ENOMEM;
	error = worker_pool_create(options->io_threads, "quire-io",
				   &quire->workers);
	if (error)
		return error;
	error = open_ring(quire, options);
	if (error)
		worker_pool_destroy(quire->workers);
	/* Without them the ring's thread copies. */
	if (!error && quire->ring)
		worker_pool_create(COPIERS, "quire-copy", &quire->host.copiers);
	quire->stores.ring = quire->ring;
	quire->stores.workers = quire->workers;
	return error;
}

static void close_stores(struct quire *quire)
{
	ring_destroy(quire->ring);
	worker_pool_destroy(quire->host.copiers); /* they end its reads */
	worker_pool_destroy(quire->workers);
}

static void init_cache(struct quire *quire, const struct quire_options *options)
{
	cache_init(&quire->cache, options->budget >> PAGE_SHIFT,
		   &quire->counters);
	quire->cache.pressure = on_pressure;
	quire->cache.pressure_context = quire;
	/* Without the thread everybody makes room for himself. */
	(void)cache_reclaim_ahead(&quire->cache);
	object_host_init(&quire->host, &quire->cache, &quire->counters,
			 &quire->log);
	quire->host.full_wait_ns = options->full_wait_ms * MS;
	quire->host.dirtied = on_dirtied;
	quire->host.throttle = on_throttle;
	quire->host.cut = on_cut;
	quire->host.fill = on_fill;
	quire->host.arrived = on_arrived;
	quire->host.managed = on_managed;
	quire->host.copy = on_copy;
	quire->host.context = quire;
}

static void finish_cache(struct quire *quire)
{
	cache_stop_reclaim(&quire->cache);
	object_host_finish(&quire->host);
	cache_finish(&quire->cache);
}

/* True: what is missing is userfaultfd, and not room for one. */
static bool lacks_uffd(int error)
{
	return error && error != -ENOMEM && error != -EMFILE &&
	       error != -ENFILE;
}

static const char *uffd_mode(const struct mmu *mmu)
{
	if (mmu->in_place)
		return sigbus_mode;
	return mmu_uffd_traps(mmu)->kernel_mode ? full_mode : user_mode;
}

static int open_mmu(struct quire *quire, enum quire_trap trap)
{
	int error = 0;

	if (trap != QUIRE_TRAP_SIGNALS) {
		error = mmu_uffd_create(trap == QUIRE_TRAP_SIGBUS, &quire->mmu);
		if (!error)
			quire->trap_mode = uffd_mode(quire->mmu);
		if (trap != QUIRE_TRAP_AUTO || !lacks_uffd(error))
			return error;
		log_line(&quire->log, LOG_INFO, "%s", error_sentence());
		error_clear();
	}
	quire->trap_mode = signal_mode;
	error = mmu_sigsegv_create(&quire->mmu);
	return error ? error_say(error, "no traps by signals: %s",
				 strerror(-error))
		     : 0;
}

static int open_space(struct quire *quire, enum quire_trap trap)
{
	struct space_options options = {
		.map = memory_pool_map,
		.unmap = memory_unmap,
	};
	int error = open_mmu(quire, trap);

	if (error)
		return error;
	options.mmu = quire->mmu;
	space_init(&quire->host_space.space, &options);
	quire->host_space.quire = quire;
	quire->host_space.mmu = quire->mmu;
	space_set_limit(&quire->host_space.space, SPACE_LIMIT_COMMIT,
			memory_total());
	if (quire->trap_mode != full_mode && trap <= QUIRE_TRAP_USERFAULTFD)
		log_line(&quire->log, LOG_WARNING, "%s", quire->trap_mode);
	return 0;
}

/* At least one page may be dirty, or no store would ever be let in. */
static uint64_t dirty_bound(const struct quire *quire,
			    const struct quire_options *options)
{
	uint64_t bound = quire->cache.budget * options->dirty_percent / 100;

	return bound ? bound : 1;
}

static int open_threads(struct quire *quire,
			const struct quire_options *options)
{
	/* One thread for traps and disk: nobody has to wake the other. */
	bool by_ring = quire->ring && options->trap_threads == 1;
	int error = writeback_init(&quire->writeback, &quire->host,
				   dirty_bound(quire, options),
				   options->flush_interval_ms * MS);

	if (error)
		return error;
	error = fault_handler_init(&quire->faults, &quire->host_space.space,
				   &quire->host, &quire->writeback,
				   options->trap_threads, by_ring);
	if (error) {
		writeback_stop(&quire->writeback);
		writeback_finish(&quire->writeback);
	} else if (by_ring && !quire->mmu->in_place)
		ring_watch(quire->ring, mmu_traps_fd(quire->mmu),
			   on_ring_traps);
	return error;
}

static int open_all(struct quire *quire, const struct quire_options *options)
{
	int error = open_stores(quire, options);

	if (error)
		return error;
	init_cache(quire, options);
	error = open_space(quire, options->trap);
	if (error)
		goto undo_cache;
	error = open_threads(quire, options);
	if (error)
		goto undo_space;
	return 0;

undo_space:
	space_finish(&quire->host_space.space);
	mmu_destroy(quire->mmu);
undo_cache:
	finish_cache(quire);
	close_stores(quire);
	return error;
}

static void destroy(struct quire *quire)
{
	lock_finish(&quire->opening);
	lock_finish(&quire->spaces_lock);
	free(quire->log.context);
	free(quire->swap_directory);
	free(quire);
}

int quire_open(const struct quire_options *given, struct quire **quire)
{
	struct quire_options options;
	struct quire *new;
	int error;

	error_clear();
	error = read_options(given, &options);
	if (!error)
		error = check_options(&options);
	if (error)
		return error;
	new = calloc(1, sizeof(*new));
	if (!new)
		return error_say(-ENOMEM, "no memory for an engine");
	new->report_socket = -1;
	lock_init(&new->opening, LOCK_RANK_ENGINE);
	lock_init(&new->spaces_lock, LOCK_RANK_SPACES);
	list_init(&new->all_pins);
	list_init(&new->soft_spaces);
	error = open_log(new, &options);
	if (!error)
		error = open_all(new, &options);
	if (error) {
		destroy(new);
		return error_say_first(error, "the engine did not open: %s",
				       strerror(-error));
	}
	engines_add(new);
	if (options.trace) {
		new->trace_sink = options.trace;
		new->trace_context = options.trace_context;
		trace_set(on_trace, new);
	}
	if (!(options.flags & QUIRE_NO_REPORT))
		report_start(new);
	*quire = new;
	return 0;
}

/* ---- closing ---- */

/* Objects that outlived their last handle, as they could not be written. */
static int end_orphans(struct quire *quire)
{
	struct object *object;
	int error, first = 0;

	while ((object = object_next(&quire->host, NULL))) {
		error = object_discards(object)
				? 0
				: writeback_sync(&quire->writeback, object, 0,
						 UINT64_MAX, true);
		if (error && !first)
			first = error;
		/* The flusher may be seeing to its end. */
		if (object_orphan(object)) {
			object_release(object);
			object_end(object, true);
		} else {
			object_release(object);
		}
	}
	return first;
}

int quire_close(struct quire *quire)
{
	int error;

	if (!quire)
		return 0;
	error = engine_check(quire);
	if (error)
		return error;
	error_clear();
	if (atomic_load(&quire->open_handles) > 0)
		return error_say(
			-EBUSY, "%llu object(s) are still open",
			(unsigned long long)atomic_load(&quire->open_handles));
	if (atomic_load(&quire->pins) > 0)
		return error_say(-EBUSY, "%llu pin(s) are still held",
				 (unsigned long long)atomic_load(&quire->pins));
	if (soft_any_open(quire))
		return error_say(-EBUSY, "a space is still open");
	report_stop(quire);
	engines_remove(quire);
	trace_unset(quire);
	space_unmap_all(&quire->host_space.space);
	backing_finish(&quire->host_space.space.backing);
	soft_finish(quire);
	error = end_orphans(quire);
	writeback_stop(&quire->writeback);
	/* The ring's thread may still be about to drain ready faults. */
	fault_handler_stop(&quire->faults);
	close_stores(quire);
	fault_handler_finish(&quire->faults);
	writeback_finish(&quire->writeback);
	space_finish(&quire->host_space.space);
	if (quire->backing_taken)
		memory_unmap(quire->backing_taken, quire->backing_bytes);
	finish_cache(quire);
	mmu_destroy(quire->mmu);
	destroy(quire);
	return error;
}

struct quire_space *quire_host_space(struct quire *quire)
{
	return &quire->host_space;
}
