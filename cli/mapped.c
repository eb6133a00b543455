/* mapped.c - an engine, and objects mapped whole, as the commands use them */
/* SPDX-License-Identifier: MIT */
#include "mapped.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

const char *sentence(int error)
{
	const char *last = quire_strerror_last();

	return *last ? last : strerror(-error);
}

const char *uri_path(const char *uri)
{
	if (strncmp(uri, "file:", 5) == 0)
		return uri + 5;
	if (strncmp(uri, "anon:", 5) == 0 || strncmp(uri, "mem:", 4) == 0)
		return NULL;
	return uri;
}

int engine_open(uint64_t budget, struct quire **quire)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = budget,
		/* an error is told by the command, in one sentence */
		.log_level = QUIRE_LOG_ERROR,
	};
	int error = quire_open(&options, quire);

	if (error)
		fail("%s", sentence(error));
	return error;
}

int engine_close(struct quire *quire, int status)
{
	int error = quire_close(quire);

	if (!error)
		return status;
	return fail("%s", sentence(error));
}

int mapped_open(struct quire *quire, const char *uri, struct mapped *mapped)
{
	int error;

	*mapped = (struct mapped){ .quire = quire };
	error = quire_object_open(quire, uri, O_RDONLY, NULL, &mapped->object);
	if (error) {
		fail("%s", sentence(error));
		return error;
	}
	error = mapped_map(mapped, PROT_READ);
	if (error)
		mapped_close(mapped, EXIT_FAILURE);
	return error;
}

int mapped_map(struct mapped *mapped, int prot)
{
	void *address;

	mapped->length = quire_object_size(mapped->object);
	if (mapped->length == 0)
		return 0; /* mmap(2) knows no empty mapping */
	address = quire_mmap(quire_host_space(mapped->quire), NULL,
			     mapped->length, prot, MAP_SHARED, mapped->object,
			     0);
	if (address == MAP_FAILED) {
		int error = -errno;

		fail("%s", sentence(error));
		return error;
	}
	mapped->address = address;
	return 0;
}

int mapped_close(struct mapped *mapped, int status)
{
	int error;

	if (mapped->address)
		quire_munmap(quire_host_space(mapped->quire), mapped->address,
			     mapped->length);
	error = quire_object_close(mapped->object);
	*mapped = (struct mapped){ .quire = mapped->quire };
	if (!error)
		return status;
	return fail("%s", sentence(error));
}

struct copy {
	unsigned char *to;
	const unsigned char *from;
	size_t length;
	size_t copied;
};

static void copy_pages(void *argument)
{
	unsigned char page[QUIRE_PAGE_SIZE];
	struct copy *copy = argument;

	while (copy->copied < copy->length) {
		size_t length = copy->length - copy->copied;

		if (length > sizeof(page))
			length = sizeof(page);
		memcpy(page, copy->from + copy->copied, length);
		memcpy(copy->to + copy->copied, page, length);
		copy->copied += length;
	}
}

int mapped_copy(struct quire *quire, void *to, const void *from, size_t length,
		size_t *copied)
{
	struct copy copy = { .to = to, .from = from, .length = length };
	int error =
		quire_guard(quire_host_space(quire), copy_pages, &copy, NULL);

	*copied = copy.copied;
	return error;
}
