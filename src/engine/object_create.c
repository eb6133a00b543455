/* object_create.c - objects that no file stands behind */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

int object_over_swap(struct quire *quire, const char *name, uint64_t size,
		     const struct quire_object_options *given,
		     struct quire_object **handle)
{
	struct quire_object_options options = *given;
	struct store *store;
	int fd, error = open_swap_file(quire, &fd);

	if (error)
		return error;
	options.policy = QUIRE_DISCARD;
	error = file_store_create(&quire->stores, fd, true, &store);
	if (error)
		return error;
	error = store_resize(store, size);
	if (error) {
		store_destroy(store);
		return error;
	}
	return object_over_store(quire, name, NULL, size, store, &options,
				 handle);
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
