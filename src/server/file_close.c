/* file_close.c - files that nobody uses, and what is remembered of them */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- what it did ---- */

static uint64_t get(const _Atomic uint64_t *count)
{
	/* relaxed: numbers for people */
	return atomic_load_explicit(count, memory_order_relaxed);
}

static void add_counts(struct file_counts *to, const struct file_counts *from)
{
	to->hits += from->hits;
	to->misses += from->misses;
	to->reads += from->reads;
	to->pages_read += from->pages_read;
	to->writes += from->writes;
	to->pages_written += from->pages_written;
	to->evictions += from->evictions;
	to->resident += from->resident;
	if (to->resident_peak < from->resident_peak)
		to->resident_peak = from->resident_peak;
	to->stalled_ns += from->stalled_ns;
}

static void add_live(struct file_counts *to, struct object *object)
{
	const struct object_counts *live = object_counts(object);
	struct file_counts now = {
		.hits = get(&live->hits),
		.misses = get(&live->misses),
		.reads = get(&live->reads),
		.pages_read = get(&live->pages_read),
		.writes = get(&live->writes),
		.pages_written = get(&live->pages_written),
		.evictions = get(&live->evictions),
		.resident = get(&live->resident),
		.resident_peak = get(&live->resident_peak),
		.stalled_ns = get(&live->stalled_ns),
	};

	add_counts(to, &now);
}

/* [s] */
void file_facts(const struct server_file *file, struct file_facts *facts)
{
	*facts = (struct file_facts){
		.path = file->binding ? file->binding->path : file->path,
		.device = file->device,
		.inode = file->inode,
		.size = file->size,
		.mapped = file->mapped,
		.mapped_peak = file->mapped_peak,
		.bound = file->binding != NULL,
		.counts = file->past,
	};
	if (!file->reader.handle)
		return;
	facts->size = object_size(file_object(file));
	add_live(&facts->counts, file_object(file));
}

void server_each_file(struct server *server,
		      void (*each)(void *context,
				   const struct file_facts *facts),
		      void *context)
{
	struct file_facts facts;

	lock_take(&server->lock);
	for (unsigned i = 0; i < SERVER_BUCKETS; i++) {
		struct list *link;

		list_for_each(link, &server->files[i]) {
			const struct server_file *file =
				container_of(link, struct server_file, link);

			file_facts(file, &facts);
			if (file->entry) /* else it was never open */
				each(context, &facts);
		}
	}
	if (server->forgotten.size > 0)
		each(context, &server->forgotten);
	lock_drop(&server->lock);
}

/* ---- lists; [s] ---- */

void file_unlist(struct server *server, struct server_file *file)
{
	if (!file->listed)
		return;
	list_remove(&file->idle);
	file->listed = false;
	if (file->state == FILE_CLOSED)
		server->closed_count--;
	else
		server->idle_count--;
}

static void forget(struct server *server, struct server_file *file)
{
	struct file_facts facts;

	file_facts(file, &facts);
	server->forgotten.size += facts.size;
	if (server->forgotten.mapped_peak < facts.mapped_peak)
		server->forgotten.mapped_peak = facts.mapped_peak;
	add_counts(&server->forgotten.counts, &facts.counts);
	file_unlist(server, file);
	list_remove(&file->link);
	lock_finish(&file->merging);
	lock_finish(&file->sizing);
	free(file->path);
	free(file);
}

static void list_closed(struct server *server, struct server_file *file)
{
	list_add_tail(&server->closed, &file->idle);
	file->listed = true;
	server->closed_count++;
	/* At the end all are there, and are walked over. */
	if (server->closed_count > SERVER_RECORDS && server->workers)
		forget(server, container_of(server->closed.next,
					    struct server_file, idle));
}

static void list_idle(struct server *server, struct server_file *file)
{
	if (file->users > 0 || file->mapped > 0 || file->listed ||
	    file->state != FILE_OPEN || file->binding)
		return;
	list_add_tail(&server->idle, &file->idle);
	file->listed = true;
	server->idle_count++;
}

/* ---- closing ---- */

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* The first is told at the end. */
static void note_failure(struct server *server, int error)
{
	int none = 0;

	if (error)
		atomic_compare_exchange_strong(&server->failed, &none, error);
}

void file_close(struct server *server, struct server_file *file)
{
	struct quire_object *reader, *writer;

	if (file->reader.handle)
		object_watch_writes(file_object(file), NULL);
	lock_take(&server->lock);
	reader = file->reader.handle;
	writer = file->writer.handle;
	if (reader) {
		file->size = object_size(reader->object);
		add_live(&file->past, reader->object);
		file->past.resident = 0;
		list_remove(&file->reader.link);
	}
	if (writer)
		list_remove(&file->writer.link);
	if (file->memory_inode)
		list_remove(&file->memory);
	file->memory_inode = 0;
	file->reader.handle = file->writer.handle = NULL;
	file->writable = false;
	room_return(server, file);
	lock_drop(&server->lock);
	note_failure(server, quire_object_close(writer));
	note_failure(server, quire_object_close(reader));
	keeper_let_go_of_file(server, file);
	close_fd(&file->own_fd);
	close_fd(&file->kept_fd);
	close_fd(&file->memory_readable);
	close_fd(&file->memory_writable);
	lock_take(&server->lock);
	/* Last: until here it was ours to write. */
	if (file->entry)
		taken_set(server, file->entry, 0);
	file_settle(server, file, FILE_CLOSED);
	list_closed(server, file);
	lock_drop(&server->lock);
}

/* Who waited for it finds it closed, and may try himself. */
void file_give_up(struct server *server, struct server_file *file)
{
	lock_take(&server->lock);
	file->users--;
	file->state = FILE_CLOSING;
	lock_drop(&server->lock);
	file_close(server, file);
}

/* ---- sweeping, on a worker ---- */

/*
 * One that has no name is held for nothing.  One that may be executed cannot
 * be (ETXTBSY) while we have it open for writing.
 */
static bool must_go(const struct server_file *file)
{
	struct stat status;

	if (fstat(file->own_fd, &status))
		return true;
	return status.st_nlink == 0 ||
	       (file_has_writer(file) && (status.st_mode & 0111));
}

/* What is dirty goes home first.  If it does not, the file stays. */
static void close_idle(struct server *server, struct server_file *file)
{
	int error = writeback_sync(&server->quire->writeback, file_object(file),
				   0, UINT64_MAX, false);

	if (!error) {
		file_close(server, file);
		return;
	}
	lock_take(&server->lock);
	file_settle(server, file, FILE_OPEN);
	list_idle(server, file);
	lock_drop(&server->lock);
}

/* The next of the idle that was not looked at; it has one user. */
static struct server_file *next_idle(struct server *server, unsigned *left,
				     bool *old)
{
	struct server_file *file = NULL;

	lock_take(&server->lock);
	if (*left > server->idle_count)
		*left = server->idle_count;
	if (*left > 0) {
		file = container_of(server->idle.next, struct server_file,
				    idle);
		*old = server->idle_count > SERVER_IDLE_FILES;
		file_unlist(server, file);
		file->users++;
		(*left)--;
	} else {
		server->sweeping = false;
	}
	lock_drop(&server->lock);
	return file;
}

static void sweep(struct work *work)
{
	struct server *server = container_of(work, struct server, sweeper);
	unsigned left = UINT32_MAX;
	struct server_file *file;
	bool old;

	while ((file = next_idle(server, &left, &old))) {
		bool goes = old || must_go(file);

		lock_take(&server->lock);
		file->users--;
		goes = goes && file->users == 0 && file->mapped == 0 &&
		       file->state == FILE_OPEN && !file->listed;
		if (goes)
			file->state = FILE_CLOSING;
		else
			list_idle(server, file);
		lock_drop(&server->lock);
		if (goes)
			close_idle(server, file);
	}
}

bool file_any_idle(struct server *server)
{
	bool any;

	lock_take(&server->lock);
	any = server->idle_count > 0;
	lock_drop(&server->lock);
	return any;
}

void file_sweep(struct server *server)
{
	bool start;

	lock_take(&server->lock);
	start = server->idle_count > 0 && !server->sweeping && server->slow;
	if (start)
		server->sweeping = true;
	lock_drop(&server->lock);
	if (!start)
		return;
	server->sweeper.run = sweep;
	worker_submit(server->slow, &server->sweeper);
}

/* ---- who uses it ---- */

void file_use(struct server *server, struct server_file *file)
{
	lock_take(&server->lock);
	file->users++;
	lock_drop(&server->lock);
}

static bool let_go(struct server *server, struct server_file *file)
{
	list_idle(server, file);
	return file->listed && file->state == FILE_OPEN;
}

void file_release(struct server *server, struct server_file *file)
{
	bool idle;

	lock_take(&server->lock);
	file->users--;
	idle = let_go(server, file);
	lock_drop(&server->lock);
	if (idle)
		file_sweep(server);
}

void file_mapped(struct server *server, struct server_file *file, uint64_t more,
		 uint64_t less)
{
	bool idle;

	lock_take(&server->lock);
	if (more > 0)
		file_unlist(server, file);
	file->mapped += more;
	file->mapped -= less;
	if (file->mapped_peak < file->mapped)
		file->mapped_peak = file->mapped;
	idle = let_go(server, file);
	lock_drop(&server->lock);
	if (idle)
		file_sweep(server);
}

/* ---- the end ---- */

/* While what is written is still counted. */
static void write_home(struct server *server, struct server_file *file)
{
	struct object *object = file_object(file);

	if (!object_discards(object))
		note_failure(server,
			     writeback_sync(&server->quire->writeback, object,
					    0, UINT64_MAX, false));
}

void file_close_all(struct server *server)
{
	for (unsigned i = 0; i < SERVER_BUCKETS; i++) {
		struct list *link, *after;

		list_for_each_safe(link, after, &server->files[i]) {
			struct server_file *file =
				container_of(link, struct server_file, link);

			if (file->state == FILE_CLOSED)
				continue;
			lock_take(&server->lock);
			file_unlist(server, file);
			lock_drop(&server->lock);
			write_home(server, file);
			file_close(server, file);
		}
	}
}

void file_forget_all(struct server *server)
{
	for (unsigned i = 0; i < SERVER_BUCKETS; i++)
		while (!list_empty(&server->files[i]))
			forget(server, container_of(server->files[i].next,
						    struct server_file, link));
}
