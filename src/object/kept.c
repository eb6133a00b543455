/* kept.c - what of an object outlasts its process */
/* SPDX-License-Identifier: MIT */
/*
 * Another process holds two memfds of it: the memory, and the record, which
 * has the bitmap of dirty pages.  A process may end between any two
 * instructions; the record says enough all the same:
 *
 *	a page gets its bit before anybody can store to it without a trap, and
 *	was filled whole before: of a page without one nothing is lost if it is
 *	read anew, and of one with it no part is missing
 *
 *	the bit goes when the store has the page; or when it is cut off or
 *	discarded, and the store has been told
 *
 *	the size is the larger one of the two for as long as pages behind the
 *	smaller may be the object's: pages behind it are nobody's
 *
 * So who takes over keeps the pages with a bit, drops all others from memory,
 * and asks the store for its size.
 */
#include "object/object_private.h"

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RECORD_MAGIC UINT64_C(0x7175697265206f31) /* and the version */
#define BITS_AT PAGE_SIZE

struct kept_record {
	uint64_t magic;
	uint64_t capacity;
	_Atomic uint64_t size;
};

static size_t record_bytes(const struct object *object)
{
	return BITS_AT + page_round_up(bitmap_bytes(
				 pages_of(object->parameters.capacity)));
}

/* ---- life ---- */

static int open_record(struct object *object)
{
	const struct object_kept *kept = object->parameters.kept;
	int error;

	if (kept) {
		object->record_memory = fcntl(kept->record, F_DUPFD_CLOEXEC, 0);
		return object->record_memory < 0 ? -errno : 0;
	}
	error = memory_file_create("quire-record", &object->record_memory);
	if (error)
		return error;
	error = memory_file_resize(object->record_memory, record_bytes(object));
	if (error)
		close(object->record_memory);
	return error;
}

int object_init_record(struct object *object)
{
	void *view;
	int error;

	if (!object->parameters.lasting && !object->parameters.kept)
		return 0;
	error = open_record(object);
	if (error)
		return error;
	error = memory_file_view(object->record_memory, record_bytes(object),
				 &view);
	if (error) {
		close(object->record_memory);
		return error;
	}
	object->record = view;
	if (object->parameters.kept)
		return 0;
	object->record->capacity = object->parameters.capacity;
	object_record_size(object, object->parameters.size);
	object->record->magic = RECORD_MAGIC;
	return 0;
}

void *object_record_bits(const struct object *object)
{
	return (char *)object->record + BITS_AT;
}

void object_finish_record(struct object *object)
{
	if (!object->record)
		return;
	memory_unmap(object->record, record_bytes(object));
	close(object->record_memory);
	object->record = NULL;
}

void object_record_size(struct object *object, uint64_t size)
{
	if (object->record)
		atomic_store(&object->record->size, size); /* read by nobody
							      who runs now */
}

int object_read_record(struct object_parameters *parameters)
{
	struct kept_record record;
	struct stat status;
	int fd = parameters->kept->record;
	int error = memory_file_read(fd, &record, sizeof(record), 0);

	if (error)
		return error;
	if (fstat(fd, &status))
		return -errno;
	parameters->size = atomic_load(&record.size);
	parameters->capacity = record.capacity;
	if (record.magic != RECORD_MAGIC ||
	    parameters->size > parameters->capacity ||
	    bitmap_bytes(pages_of(parameters->capacity)) + BITS_AT >
		    (uint64_t)status.st_size)
		return error_say(-EINVAL, "this is no record of an object's");
	return 0;
}

void object_kept(const struct object *object, struct object_kept *kept)
{
	kept->memory = object->memory;
	kept->record = object->record_memory;
}

/* ---- taking over ---- */

/* What lies behind the end is nobody's: pages, bits, bytes of the last page;
 * and the upper levels of the bitmap may be half done. */
static int trim(struct object *object)
{
	uint64_t size = object_size(object), pages = pages_of(size);
	uint64_t members = BITS_AT + bitmap_member_bytes(pages);
	int error = memory_file_resize(object->memory, page_round_up(size));

	if (!error && members < record_bytes(object))
		error = memory_file_punch(object->record_memory, members,
					  record_bytes(object) - members);
	if (!error)
		bitmap_restore(&object->dirty, pages);
	return error;
}

/* One after the other, ascending: where the memory has bytes. */
struct found {
	uint64_t start; /* bytes, half open */
	uint64_t end;
};

static bool is_there(const struct object *object, uint64_t index,
		     struct found *found)
{
	off_t at = (off_t)(index << PAGE_SHIFT);

	if ((uint64_t)at >= found->end) {
		off_t start = lseek(object->memory, at, SEEK_DATA);
		off_t end = start < 0 ? start
				      : lseek(object->memory, start, SEEK_HOLE);

		found->start = start < 0 ? UINT64_MAX : (uint64_t)start;
		found->end = end < 0 ? UINT64_MAX : (uint64_t)end;
	}
	return (uint64_t)at >= found->start;
}

static int drop_gap(struct object *object, uint64_t index, uint64_t end)
{
	/* Also where nothing is: refusals of pages go with it. */
	return index < end ? object_punch(object, index, end - index) : 0;
}

static void adopt_page(struct object *object, uint64_t index)
{
	cache_charge_anyway(object->host->cache, &object->table, index, 1);
	object_count_come(object, 1);
	/* Nobody knows the object yet; but the page was stored to. */
	atomic_store(object_word(object, index), PAGE_DIRTY | WORD_TOUCHED);
}

static int adopt_pages(struct object *object)
{
	struct found found = { 0, 0 };
	uint64_t next = 0, index = 0, count = 0;
	int error = 0;

	while (!error &&
	       (index = bitmap_next(&object->dirty, index)) != BITMAP_NONE) {
		if (is_there(object, index, &found)) {
			error = drop_gap(object, next, index);
			adopt_page(object, index);
			next = index + 1;
			count++;
		} else { /* it was being dropped */
			bitmap_clear(&object->dirty, index);
		}
		index++;
	}
	if (!error)
		error = drop_gap(object, next, object_pages(object));
	object_found_dirty(object, count);
	return error;
}

static int zero_tail(struct object *object)
{
	static const char zeros[PAGE_SIZE];
	uint64_t size = object_size(object);

	if ((size & PAGE_MASK) == 0 ||
	    !bitmap_test(&object->dirty, size >> PAGE_SHIFT))
		return 0;
	return memory_file_write(object->memory, zeros,
				 PAGE_SIZE - (size & PAGE_MASK), size);
}

int object_adopt(struct object *object, struct foreign_write *hold)
{
	int error;

	object_foreign_begin(object, hold, 0, object->table.pages);
	error = trim(object);
	if (!error)
		error = adopt_pages(object);
	return error ? error : zero_tail(object);
}
