/* object_create.c - objects that no file stands behind */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOTS_SHARE 8 /* of the addresses that a process may have, at most */
#define LEAST_SLOTS UINT64_C(1024)

/* A file without a name: memory within the budget, disk beyond it. */
static int open_swap_file(const struct quire *quire, int *fd)
{
	char path[4096];
	int error;

	*fd = open(quire->swap_directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (*fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "%s/quire-swap-XXXXXX",
		 quire->swap_directory);
	*fd = mkostemp(path, O_CLOEXEC);
	if (*fd >= 0) {
		unlink(path);
		return 0;
	}
	error = -errno;
	return error_say(error, "no file for swapping in %s: %s",
			 quire->swap_directory, strerror(-error));
}

/* A pager over a swap file of size bytes, for an object of at most capacity. */
static int open_swap(const struct quire *quire, uint64_t size,
		     uint64_t capacity, struct pager **pager)
{
	struct store *store;
	int fd, error = open_swap_file(quire, &fd);

	if (error)
		return error;
	error = file_store_create(&quire->stores, fd, true, &store);
	if (error)
		return error;
	if (size)
		error = store_resize(store, size);
	if (!error)
		error = swap_pager_create(
			store, page_round_up(capacity) >> PAGE_SHIFT, pager);
	if (error)
		store_destroy(store);
	return error;
}

int object_over_swap(struct quire *quire, const char *name, uint64_t size,
		     const struct quire_object_options *given,
		     struct quire_object **handle)
{
	struct quire_object_options options = *given;
	struct pager *pager;
	int error;

	options.policy = QUIRE_DISCARD;
	error = open_swap(quire, size, object_capacity_for(&options, size),
			  &pager);
	if (error)
		return error;
	return object_over_pager(quire, name, size, pager, &options, handle);
}

/* As long as all of them, and sparse; a file system that has no files of such
 * a length says so now (-EFBIG). */
static int try_slots(struct quire *quire, uint64_t pages,
		     struct quire_object **handle)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.policy = QUIRE_DISCARD,
		.capacity = pages << PAGE_SHIFT,
		.readahead = PAGE_SIZE, /* neighbours are nobody's business */
	};
	struct pager *pager;
	int error =
		open_swap(quire, options.capacity, options.capacity, &pager);

	if (error)
		return error;
	return object_over_pager(quire, "slots:", options.capacity, pager,
				 &options, handle);
}

/* A limit of the process's addresses is mostly for others. */
static uint64_t slots_allowed(uint64_t most_pages)
{
	struct rlimit limit;
	uint64_t pages;

	/* Beyond it there would be a signal. */
	if (!getrlimit(RLIMIT_FSIZE, &limit) &&
	    limit.rlim_cur >> PAGE_SHIFT < most_pages)
		most_pages = limit.rlim_cur >> PAGE_SHIFT;
	if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
		return most_pages;
	pages = limit.rlim_cur / SLOTS_SHARE >> PAGE_SHIFT;
	if (pages < LEAST_SLOTS)
		pages = LEAST_SLOTS;
	return pages < most_pages ? pages : most_pages;
}

int object_over_slots(struct quire *quire, uint64_t most_pages,
		      struct quire_object **handle)
{
	uint64_t pages = slots_allowed(most_pages);
	int error = try_slots(quire, pages, handle);

	while ((error == -ENOMEM || error == -EFBIG) && pages > LEAST_SLOTS) {
		pages /= 2;
		error = try_slots(quire, pages, handle);
	}
	if (!error)
		error_clear(); /* of what was too large */
	return error;
}

int object_over_memory(struct quire *quire, const char *name, uint64_t size,
		       const struct quire_object_options *options,
		       struct quire_object **handle)
{
	struct store *store;
	int error = memory_store_create(size, &store);

	if (error)
		return error;
	return object_over_store(quire, name, NULL, size, store, options,
				 handle);
}

int quire_object_create_anonymous(struct quire *quire, uint64_t size,
				  const struct quire_object_options *given,
				  struct quire_object **object)
{
	struct quire_object_options options;
	char name[32];
	int error = object_open_begin(quire, given, &options);

	if (error)
		return error;
	if (size > INT64_MAX)
		return error_say(-EFBIG, "%llu bytes are too many",
				 (unsigned long long)size);
	snprintf(name, sizeof(name), "anon:%llu", (unsigned long long)size);
	return object_over_swap(quire, name, size, &options, object);
}

int quire_object_create(struct quire *quire, const char *name, uint64_t size,
			const struct quire_pager_ops *given, void *context,
			const struct quire_object_options *given_options,
			struct quire_object **object)
{
	struct quire_object_options options;
	struct callback_store_ops ops;
	struct store *store;
	int error = object_open_begin(quire, given_options, &options);

	if (error)
		return error;
	if (given->size != sizeof(*given) || !given->read)
		return error_say(-EINVAL,
				 "quire_pager_ops of %zu bytes, or "
				 "without read",
				 given->size);
	if (size > INT64_MAX)
		return error_say(-EFBIG, "%llu bytes are too many",
				 (unsigned long long)size);
	ops = (struct callback_store_ops){
		.read = given->read,
		.write = given->write,
		.flush = given->flush,
		.resize = given->resize,
		.close = given->close,
	};
	error = callback_store_create(&quire->stores, size, &ops, context,
				      &store);
	if (error)
		return error_say_first(error, "%s: %s", name, strerror(-error));
	return object_over_store(quire, name, NULL, size, store, &options,
				 object);
}
