/* soak_worker.c - one process of the soak: maps, stores, looks, forks */
/* SPDX-License-Identifier: MIT */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VIEWS 4u
#define VIEW_PAGES_MAX 512u
#define HOT_PAGES 8u

struct view {
	uint8_t *address; /* 0: not mapped */
	size_t length;
	uint32_t file;
	uint64_t offset;
};

struct worker {
	uint32_t slot;
	struct random random;
	int fd[FILES];
	int lock;
	struct view view[VIEWS];
};

/* Some bytes of the slot's own. */
struct place {
	uint32_t file;
	uint32_t length;
	uint64_t offset;
};

static uint64_t below(struct worker *worker, uint64_t bound)
{
	return random_below(&worker->random, bound);
}

/* In [first, end) of a file; false: the slot has nothing there. */
static bool choose(struct worker *worker, struct place *place, uint64_t first,
		   uint64_t end)
{
	uint64_t start = worker->slot * RANGE;
	uint64_t pages = end / PAGE - first / PAGE;
	uint64_t page;
	uint32_t skipped = (uint32_t)below(worker, RANGE);

	if (end <= first || pages == 0)
		return false;
	if (pages > HOT_PAGES && below(worker, 2))
		pages = HOT_PAGES;
	page = first / PAGE + below(worker, pages);
	place->offset = page * PAGE + start + skipped;
	place->length = 1 + (uint32_t)below(worker, RANGE - skipped);
	return true;
}

static bool choose_in_view(struct worker *worker, struct view **view,
			   struct place *place)
{
	struct view *chosen = &worker->view[below(worker, VIEWS)];
	uint64_t size = atomic_load(&shared->size[chosen->file]);
	uint64_t end = chosen->offset + chosen->length;

	*view = chosen;
	place->file = chosen->file;
	return chosen->address &&
	       choose(worker, place, chosen->offset, end < size ? end : size);
}

static bool choose_in_file(struct worker *worker, struct place *place)
{
	place->file = (uint32_t)below(worker, FILES);
	return choose(worker, place, 0,
		      atomic_load(&shared->size[place->file]));
}

static uint8_t *at(const struct view *view, const struct place *place)
{
	return view->address + (place->offset - view->offset);
}

static void fill(struct worker *worker, uint8_t *bytes, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)random_next(&worker->random);
}

static void store(struct worker *worker)
{
	struct view *view;
	struct place place;
	uint8_t bytes[RANGE];

	if (!choose_in_view(worker, &view, &place))
		return;
	fill(worker, bytes, place.length);
	journal_begin(worker->slot, place.file, place.offset, bytes,
		      place.length);
	memcpy(at(view, &place), bytes, place.length);
	journal_end(worker->slot);
}

static void write_place(struct worker *worker, const struct place *place)
{
	uint8_t bytes[RANGE];

	fill(worker, bytes, place->length);
	journal_begin(worker->slot, place->file, place->offset, bytes,
		      place->length);
	journal_is(worker->slot, 'w');
	if (pwrite(worker->fd[place->file], bytes, place->length,
		   (off_t)place->offset) != (ssize_t)place->length)
		die("slot %u: pwrite", worker->slot);
	journal_end(worker->slot);
}

static void write_by_descriptor(struct worker *worker)
{
	struct place place;

	if (choose_in_file(worker, &place))
		write_place(worker, &place);
}

static void look_in_view(struct worker *worker)
{
	struct view *view;
	struct place place;

	if (choose_in_view(worker, &view, &place) &&
	    !matches(worker->slot, place.file, place.offset, at(view, &place),
		     place.length, "loaded"))
		_exit(1);
}

static void read_by_descriptor(struct worker *worker)
{
	struct place place;
	uint8_t bytes[RANGE];

	if (!choose_in_file(worker, &place))
		return;
	if (pread(worker->fd[place.file], bytes, place.length,
		  (off_t)place.offset) != (ssize_t)place.length)
		die("slot %u: pread of file %u, offset %llu", worker->slot,
		    place.file, (unsigned long long)place.offset);
	if (!matches(worker->slot, place.file, place.offset, bytes,
		     place.length, "read"))
		_exit(1);
}

static void map(struct worker *worker)
{
	struct view *view = &worker->view[below(worker, VIEWS)];

	if (view->address && munmap(view->address, view->length))
		die("munmap");
	view->file = (uint32_t)below(worker, FILES);
	view->length = (16 + below(worker, VIEW_PAGES_MAX - 16)) * PAGE;
	/* Behind the end, too: the file will grow. */
	view->offset =
		below(worker, 2)
			? 0
			: below(worker,
				atomic_load(&shared->size[view->file]) / PAGE) *
				  PAGE;
	view->address = mmap(0, view->length, PROT_READ | PROT_WRITE,
			     MAP_SHARED, worker->fd[view->file],
			     (off_t)view->offset);
	if (view->address == MAP_FAILED)
		die("slot %u: mmap of %zu bytes", worker->slot, view->length);
}

static void remap(struct worker *worker)
{
	struct view *view = &worker->view[below(worker, VIEWS)];
	size_t length = (16 + below(worker, VIEW_PAGES_MAX - 16)) * PAGE;
	void *moved;

	if (!view->address)
		return;
	moved = mremap(view->address, view->length, length, MREMAP_MAYMOVE);
	if (moved == MAP_FAILED)
		die("slot %u: mremap from %zu to %zu", worker->slot,
		    view->length, length);
	view->address = moved;
	view->length = length;
}

static void protect(struct worker *worker)
{
	struct view *view = &worker->view[below(worker, VIEWS)];

	if (view->address &&
	    (mprotect(view->address, view->length, PROT_READ) ||
	     mprotect(view->address, view->length, PROT_READ | PROT_WRITE)))
		die("mprotect");
}

static void make_durable(struct worker *worker)
{
	struct view *view = &worker->view[below(worker, VIEWS)];
	uint64_t how = below(worker, 6);

	if (how == 0 && fdatasync(worker->fd[below(worker, FILES)]))
		die("fdatasync");
	if (how > 0 && view->address &&
	    msync(view->address, view->length, how < 3 ? MS_SYNC : MS_ASYNC))
		die("slot %u: msync", worker->slot);
}

static void drop(struct worker *worker)
{
	struct view *view = &worker->view[below(worker, VIEWS)];

	if (view->address &&
	    madvise(view->address, view->length, MADV_DONTNEED))
		die("slot %u: madvise", worker->slot);
}

/* What is stored in a private mapping nobody else sees. */
static void use_private(struct worker *worker)
{
	struct place place;
	uint8_t *address;
	size_t length;

	if (!choose_in_file(worker, &place))
		return;
	length = (place.offset + place.length + PAGE - 1) / PAGE * PAGE;
	address = mmap(0, length, PROT_READ | PROT_WRITE, MAP_PRIVATE,
		       worker->fd[place.file], 0);
	if (address == MAP_FAILED)
		die("slot %u: private mmap", worker->slot);
	if (!matches(worker->slot, place.file, place.offset,
		     address + place.offset, place.length, "private"))
		_exit(1);
	fill(worker, address + place.offset, place.length);
	read_by_descriptor(worker);
	look_in_view(worker);
	if (munmap(address, length))
		die("private munmap");
}

/* Under a lock, since a file that grows twice at once may shrink. */
static void grow(struct worker *worker)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	uint32_t file = (uint32_t)below(worker, FILES);
	struct place place = { .file = file, .length = 1 };
	struct stat status;
	uint64_t page;

	while (fcntl(worker->lock, F_SETLKW, &lock))
		if (errno != EINTR)
			die("lock");
	if (fstat(worker->fd[file], &status))
		die("fstat");
	page = (uint64_t)status.st_size / PAGE + 1 + below(worker, 16);
	if (page < PAGES_MAX - 1) {
		if (below(worker, 2)) {
			place.offset = page * PAGE + worker->slot * RANGE;
			write_place(worker, &place);
			raise_size(file, place.offset + place.length);
		} else if (ftruncate(worker->fd[file], (off_t)(page * PAGE))) {
			die("slot %u: ftruncate", worker->slot);
		} else {
			raise_size(file, page * PAGE);
		}
	}
	lock.l_type = F_UNLCK;
	if (fcntl(worker->lock, F_SETLK, &lock))
		die("unlock");
}

static void wait_for(struct worker *worker, pid_t child)
{
	int status;

	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (status)
		die("slot %u: a child's status is %x", worker->slot, status);
}

static void step(struct worker *worker, bool may_fork);

/* The child has the mappings as they were, and the same slot, while the parent
 * waits. */
static void fork_child(struct worker *worker)
{
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0) {
		uint64_t steps = below(worker, 40);

		for (uint64_t i = 0; i < steps; i++)
			step(worker, i == 7);
		_exit(0);
	}
	atomic_fetch_add(&shared->journal[worker->slot].forks, 1);
	wait_for(worker, child);
	/* It drew other numbers than this process does now. */
	random_next(&worker->random);
}

static void run_program(struct worker *worker)
{
	char *arguments[] = { "true", 0 };
	extern char **environ;
	pid_t child;

	if (below(worker, 2)) {
		if (posix_spawn(&child, "/bin/true", 0, 0, arguments, environ))
			die("posix_spawn");
	} else {
		child = fork();
		if (child < 0)
			die("fork");
		if (child == 0) {
			execv("/bin/true", arguments);
			_exit(127);
		}
	}
	wait_for(worker, child);
}

static void step(struct worker *worker, bool may_fork)
{
	uint64_t kind = below(worker, 1000);

	if (kind < 420)
		store(worker);
	else if (kind < 560)
		write_by_descriptor(worker);
	else if (kind < 720)
		look_in_view(worker);
	else if (kind < 820)
		read_by_descriptor(worker);
	else if (kind < 870)
		map(worker);
	else if (kind < 890)
		remap(worker);
	else if (kind < 905)
		protect(worker);
	else if (kind < 935)
		make_durable(worker);
	else if (kind < 950)
		drop(worker);
	else if (kind < 975)
		use_private(worker);
	else if (kind < 982)
		grow(worker);
	else if (may_fork && kind < 997)
		fork_child(worker);
	else if (may_fork)
		run_program(worker);
}

void work(uint32_t slot, uint64_t seed)
{
	struct worker worker = { .slot = slot, .random = { .state = seed } };

	for (uint32_t file = 0; file < FILES; file++)
		worker.fd[file] = open_file(file);
	worker.lock = open("lock", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (worker.lock < 0)
		die("open lock");
	while (!atomic_load(&shared->stop))
		step(&worker, true);
	_exit(0);
}
