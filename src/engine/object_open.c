/* object_open.c - what a URI names becomes an object */
/* SPDX-License-Identifier: MIT */
#include "engine/object_open.h"
#include "engine/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* /dev/zero has no end; a space has. */
#define ZERO_BYTES (UINT64_C(1) << 40)
#define LEAST_CAPACITY (UINT64_C(16) << 30)
#define DEFAULT_READAHEAD (UINT32_C(1) << 20)
#define KNOWN_SCHEMES "file:PATH, anon:SIZE, mem:SIZE, or a plain path"

static int read_options(const struct quire_object_options *given,
			struct quire_object_options *options)
{
	memset(options, 0, sizeof(*options));
	if (given) {
		if (given->size < sizeof(size_t) ||
		    given->size > sizeof(*options))
			return error_say(-EINVAL,
					 "quire_object_options of %zu bytes: "
					 "set size to sizeof(struct "
					 "quire_object_options)",
					 given->size);
		memcpy(options, given, given->size);
	}
	if (options->policy > QUIRE_DISCARD)
		return error_say(-EINVAL, "no such policy: %d",
				 (int)options->policy);
	if (options->error_policy > QUIRE_ERROR_CALLBACK)
		return error_say(-EINVAL, "no such error policy: %d",
				 (int)options->error_policy);
	if (options->error_policy == QUIRE_ERROR_CALLBACK &&
	    !options->error_function)
		return error_say(-EINVAL, "no error_function to call");
	if (options->readahead == 0)
		options->readahead = DEFAULT_READAHEAD;
	if (options->mode == 0)
		options->mode = 0644;
	return object_check_flags(options);
}

int object_open_begin(const struct quire *quire,
		      const struct quire_object_options *given,
		      struct quire_object_options *options)
{
	int error = engine_check(quire);

	if (error)
		return error;
	error_clear();
	return read_options(given, options);
}

/* ---- handles ---- */

static struct quire_object *new_handle(struct object *object, bool writable)
{
	struct quire_object *handle = calloc(1, sizeof(*handle));

	if (!handle)
		return NULL;
	atomic_store(&handle->references, 1);
	handle->object = object;
	handle->readable = true;
	handle->writable = writable;
	handle->last_drop = engine_last_drop;
	return handle;
}

/* Nothing has been stored through it: nothing can fail. */
static void forsake(struct object *object)
{
	if (object_drop_handle(object))
		object_end(object, object_discards(object));
}

/* The object with one handle counted becomes the caller's handle. */
static int give_handle(struct quire *quire, struct object *object,
		       bool writable,
		       const struct quire_object_options *options,
		       struct quire_object **handle)
{
	*handle = new_handle(object, writable);
	if (!*handle || handle_set_options(*handle, options)) {
		free(*handle);
		forsake(object);
		return error_say(-ENOMEM, "no memory for a handle");
	}
	atomic_store(&(*handle)->errors_seen, object_errors(object));
	atomic_fetch_add(&quire->open_handles, 1);
	return 0;
}

/* What give_handle() gave, with the sentence of what failed kept. */
static void take_back(struct quire *quire, struct quire_object **handle)
{
	atomic_fetch_sub(&quire->open_handles, 1);
	handle_drop(*handle);
	*handle = NULL;
}

int engine_last_drop(struct quire_object *handle)
{
	struct object *object = handle->object;
	struct quire *quire = engine_of(handle);
	bool discards = object_discards(object), last;
	int error = 0, reported = 0;

	/* Once this handle is gone, who drops the last one may end it. */
	object_use(object);
	last = object_drop_handle(object);
	if (last && !discards)
		error = writeback_sync(&quire->writeback, object, 0, UINT64_MAX,
				       false);
	if (!last || !discards)
		reported = handle_report_error(handle);
	object_release(object);
	if (last)
		object_end(object, discards);
	/* What was not even begun is recorded nowhere. */
	if (reported)
		error = reported;
	handle_forget_options(handle);
	pins_destroy(atomic_load(&handle->pins));
	free(handle);
	return error;
}

/* ---- objects ---- */

uint64_t object_capacity_for(const struct quire_object_options *options,
			     uint64_t size)
{
	uint64_t capacity = options->capacity;

	if (capacity == 0)
		capacity = size < LEAST_CAPACITY / 2 ? LEAST_CAPACITY
						     : 2 * size;
	if (capacity < size)
		capacity = size;
	return capacity < PAGE_SIZE ? PAGE_SIZE : capacity;
}

static void fill_parameters(struct object_parameters *parameters,
			    const struct quire_object_options *options,
			    uint64_t size)
{
	parameters->size = size;
	parameters->capacity = object_capacity_for(options, size);
	/* What was asked for in so many words is had, or is an error. */
	parameters->least_capacity =
		options->capacity ? parameters->capacity
				  : (size < PAGE_SIZE ? PAGE_SIZE : size);
	parameters->readahead = options->readahead >> PAGE_SHIFT;
	parameters->discard = options->policy == QUIRE_DISCARD;
	parameters->error_policy =
		(enum object_error_policy)options->error_policy;
	/* The enums have the same values and size. */
	parameters->error_function = (enum object_error_policy(*)(
		void *, uint64_t, int))options->error_function;
	parameters->error_context = options->error_context;
}

static int over_pager(struct quire *quire, struct object_parameters *parameters,
		      struct pager *pager,
		      const struct quire_object_options *options,
		      struct quire_object **handle)
{
	bool writable = pager->writable;
	struct object *object;
	int error;

	parameters->lasting = quire->lasting;
	error = object_create(&quire->host, parameters, pager, &object);
	return error ? error
		     : give_handle(quire, object, writable, options, handle);
}

int object_over_pager(struct quire *quire, const char *name, uint64_t size,
		      struct pager *pager,
		      const struct quire_object_options *options,
		      struct quire_object **handle)
{
	struct object_parameters parameters = {
		.identity = { .name = name },
	};

	fill_parameters(&parameters, options, size);
	return over_pager(quire, &parameters, pager, options, handle);
}

int object_over_store(struct quire *quire, const char *name,
		      const struct stat *identity, uint64_t size,
		      struct store *store,
		      const struct quire_object_options *options,
		      struct quire_object **handle)
{
	struct object_parameters parameters = {
		.identity = { .name = name },
	};
	struct pager *pager;
	int error = direct_pager_create(store, &pager);

	if (error) {
		store_destroy(store);
		return error;
	}
	if (identity) {
		parameters.identity.device = identity->st_dev;
		parameters.identity.inode = identity->st_ino;
	}
	fill_parameters(&parameters, options, size);
	return over_pager(quire, &parameters, pager, options, handle);
}

/* ---- files ---- */

/* One object for a file that is open already, under whatever name. */
static int join(struct quire *quire, struct object *object, int fd,
		bool writable, const struct quire_object_options *options,
		struct quire_object **handle)
{
	struct store *store;
	struct pager *pager;
	int error;

	if (!writable || object_writable(object)) {
		close(fd);
		return give_handle(quire, object, writable, options, handle);
	}
	error = file_store_create(&quire->stores, fd, true, &store);
	if (!error) {
		error = direct_pager_create(store, &pager);
		if (error)
			store_destroy(store);
	}
	if (error) {
		forsake(object);
		return error;
	}
	object_set_writer(object, pager);
	return give_handle(quire, object, true, options, handle);
}

static int look_up_or_create(struct quire *quire,
			     const struct opened_file *file, bool writable,
			     const struct quire_object_options *options,
			     struct quire_object **handle)
{
	struct quire_object_options own = *options;
	struct object *object;
	struct store *store;
	uint64_t size;
	int error = object_check_kind(file);

	if (error) {
		close(file->fd);
		return error;
	}
	object = object_lookup(&quire->host, file->status.st_dev,
			       file->status.st_ino);
	if (object)
		return join(quire, object, file->fd, writable, options, handle);
	/* Who cannot write has no say in what becomes of another's stores. */
	if (!writable)
		own.policy = QUIRE_WRITEBACK;
	error = file_store_create(&quire->stores, file->fd, writable, &store);
	if (error)
		return error;
	error = store_size(store, &size);
	if (error) {
		store_destroy(store);
		return error;
	}
	return object_over_store(quire, file->name, &file->status, size, store,
				 &own, handle);
}

/*
 * /dev/zero: zeros that nobody can store to.  A shared mapping of it is
 * anonymous memory (map_calls.c); what is written to it is gone.
 */
static bool is_zero_device(const struct stat *status)
{
	return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 5);
}

static int open_zero(struct quire *quire, const struct opened_file *file,
		     bool writable, const struct quire_object_options *options,
		     struct quire_object **handle)
{
	int error;

	close(file->fd);
	error = object_over_swap(quire, "/dev/zero", ZERO_BYTES, options,
				 handle);
	if (error)
		return error;
	object_set_identity((*handle)->object, file->status.st_dev,
			    file->status.st_ino);
	(*handle)->flags |= HANDLE_ZERO | HANDLE_NO_LAST_OFFSET;
	(*handle)->writable = writable;
	return 0;
}

int object_over_file(struct quire *quire, const char *name, int fd,
		     bool writable, const struct quire_object_options *options,
		     struct quire_object **handle)
{
	struct opened_file file = { .name = name, .fd = fd };
	uint32_t flags;
	int error;

	if (fstat(fd, &file.status)) {
		error = -errno;
		close(fd);
		return error_say(error, "%s: %s", name, strerror(-error));
	}
	if (is_zero_device(&file.status))
		return open_zero(quire, &file, writable, options, handle);
	if (fstatfs(fd, &file.file_system))
		memset(&file.file_system, 0, sizeof(file.file_system));
	flags = object_flags_of_file(&file);
	lock_take(&quire->opening);
	error = look_up_or_create(quire, &file, writable, options, handle);
	lock_drop(&quire->opening);
	if (!error)
		(*handle)->flags |= flags;
	return error;
}

/* O_TRUNC must not cut a file under an object that others have open. */
static int truncate_object(struct quire_object *handle)
{
	return object_resize(handle->object, 0);
}

static int open_path(struct quire *quire, const char *path, int flags,
		     const struct quire_object_options *options,
		     struct quire_object **handle)
{
	bool writable = (flags & O_ACCMODE) == O_RDWR;
	int fd = open(path,
		      (flags & (O_ACCMODE | O_CREAT | O_EXCL)) | O_CLOEXEC |
			      O_NOCTTY | O_NONBLOCK,
		      options->mode);
	int error;

	if (fd < 0) {
		error = -errno;
		if (error == -ENXIO) /* a socket, or a device without one */
			return error_say(-ENODEV, "%s cannot be mapped", path);
		return error_say(error, "%s: %s", path, strerror(-error));
	}
	error = object_over_file(quire, path, fd, writable, options, handle);
	if (error || !(flags & O_TRUNC))
		return error;
	error = truncate_object(*handle);
	if (error)
		take_back(quire, handle);
	return error;
}

/* ---- URIs ---- */

static int read_size(const char *uri, const char *text, uint64_t *size)
{
	if (size_parse(text, size) == 0 && *size <= INT64_MAX)
		return 0;
	return error_say(-EINVAL,
			 "%s: '%s' is no size (a number with an optional "
			 "K, M, G or T)",
			 uri, text);
}

static int open_sized(struct quire *quire, const char *uri, const char *text,
		      bool swap, const struct quire_object_options *options,
		      struct quire_object **handle)
{
	uint64_t size;
	int error = read_size(uri, text, &size);

	if (error)
		return error;
	return swap ? object_over_swap(quire, uri, size, options, handle)
		    : object_over_memory(quire, uri, size, options, handle);
}

/* The scheme of uri: letters before a colon; 0: it is a plain path. */
static size_t scheme_length(const char *uri)
{
	size_t length = strspn(uri, "abcdefghijklmnopqrstuvwxyz+");

	return length > 0 && uri[length] == ':' ? length : 0;
}

static bool scheme_is(const char *uri, size_t length, const char *scheme)
{
	return strlen(scheme) == length && !strncmp(uri, scheme, length);
}

static int say_unknown(const char *uri, size_t length)
{
	return error_say(-EINVAL, "%s: unknown scheme '%.*s' (known: %s)", uri,
			 (int)length, uri, KNOWN_SCHEMES);
}

int object_check_uri(const char *uri)
{
	size_t length = scheme_length(uri);
	uint64_t size;

	if (length == 0 || scheme_is(uri, length, "file"))
		return 0;
	if (scheme_is(uri, length, "anon") || scheme_is(uri, length, "mem"))
		return read_size(uri, uri + length + 1, &size);
	return say_unknown(uri, length);
}

static int open_uri(struct quire *quire, const char *uri, int flags,
		    const struct quire_object_options *options,
		    struct quire_object **handle)
{
	size_t length = scheme_length(uri);
	const char *rest = uri + length + 1;

	if (length == 0)
		return open_path(quire, uri, flags, options, handle);
	if (scheme_is(uri, length, "file"))
		return open_path(quire, rest, flags, options, handle);
	if (scheme_is(uri, length, "anon"))
		return open_sized(quire, uri, rest, true, options, handle);
	if (scheme_is(uri, length, "mem"))
		return open_sized(quire, uri, rest, false, options, handle);
	return say_unknown(uri, length);
}

int quire_object_open(struct quire *quire, const char *uri, int open_flags,
		      const struct quire_object_options *given,
		      struct quire_object **object)
{
	struct quire_object_options options;
	int error = object_open_begin(quire, given, &options);

	if (error)
		return error;
	if ((open_flags & O_ACCMODE) != O_RDONLY &&
	    (open_flags & O_ACCMODE) != O_RDWR)
		return error_say(-EINVAL,
				 "%s: what is mapped must be open for reading",
				 uri);
	if ((open_flags & O_TRUNC) && (open_flags & O_ACCMODE) != O_RDWR)
		return error_say(-EINVAL, "%s: O_TRUNC wants O_RDWR", uri);
	error = open_uri(quire, uri, open_flags, &options, object);
	return error ? error_say_first(error, "%s: %s", uri, strerror(-error))
		     : 0;
}

/*
 * A descriptor of our own, by opening the file again: a duplicate would share
 * the caller's flags, and with O_APPEND every write would go to the end.
 */
static int reopen(int fd, int access)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, access | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (own >= 0)
		return own;
	if (fcntl(fd, F_GETFL) & O_APPEND)
		return -1;
	return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static void name_of(int fd, char *name, size_t size)
{
	char path[32];
	ssize_t length;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	length = readlink(path, name, size - 1);
	if (length < 0)
		length = snprintf(name, size, "fd:%d", fd);
	name[length] = '\0';
}

int quire_object_open_fd(struct quire *quire, int fd,
			 const struct quire_object_options *given,
			 struct quire_object **object)
{
	struct quire_object_options options;
	char name[4096];
	int error = object_open_begin(quire, given, &options);
	int flags, own;

	if (error)
		return error;
	flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return error_say(-EBADF, "descriptor %d is not open", fd);
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH))
		return error_say(-EBADF,
				 "descriptor %d is not open for reading", fd);
	name_of(fd, name, sizeof(name));
	own = reopen(fd, flags & O_ACCMODE);
	if (own < 0) {
		error = -errno;
		return error_say(error, "%s: no descriptor of our own: %s",
				 name, strerror(-error));
	}
	error = object_over_file(quire, name, own,
				 (flags & O_ACCMODE) == O_RDWR, &options,
				 object);
	return error ? error_say_first(error, "%s: %s", name, strerror(-error))
		     : 0;
}

/* ---- what an earlier engine has left ---- */

static int over_kept(struct quire *quire, const char *name, int fd,
		     bool writable, const struct object_kept *kept,
		     struct quire_object **handle)
{
	struct object_parameters parameters = { .identity = { .name = name },
						.kept = kept };
	struct quire_object_options options;
	struct stat status;
	struct store *store;
	struct pager *pager;
	int error = object_open_begin(quire, NULL, &options);

	if (!error && fstat(fd, &status))
		error = -errno;
	if (error) {
		close(fd);
		return error;
	}
	error = file_store_create(&quire->stores, fd, writable, &store);
	if (error)
		return error;
	error = direct_pager_create(store, &pager);
	if (error) {
		store_destroy(store);
		return error;
	}
	fill_parameters(&parameters, &options, 0);
	parameters.identity.device = status.st_dev;
	parameters.identity.inode = status.st_ino;
	return over_pager(quire, &parameters, pager, &options, handle);
}

int object_over_kept(struct quire *quire, int fd, bool writable,
		     const struct object_kept *kept,
		     struct quire_object **handle)
{
	char name[4096];
	int own = reopen(fd, writable ? O_RDWR : O_RDONLY), error;

	name_of(fd, name, sizeof(name));
	if (own < 0) {
		error = -errno;
		return error_say(error, "%s: no descriptor of our own: %s",
				 name, strerror(-error));
	}
	lock_take(&quire->opening);
	error = over_kept(quire, name, own, writable, kept, handle);
	lock_drop(&quire->opening);
	return error;
}
