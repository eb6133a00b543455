/* cat.c - `quire cat`: an object's bytes, through a mapping, to the output */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "mapped.h"
#include "options.h"
#include "progress.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (256u << 10) /* fits in the second cache beside the mapping */

/* Somebody may have made our output non-blocking: then wait for it. */
static int output_wait(void)
{
	struct pollfd output = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&output, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int output(const unsigned char *bytes, size_t length)
{
	while (length) {
		ssize_t written = write(STDOUT_FILENO, bytes, length);

		if (written >= 0) {
			bytes += written;
			length -= (size_t)written;
		} else if (errno == EAGAIN) {
			int error = output_wait();

			if (error)
				return error;
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

static int output_failed(int error)
{
	if (error == -EPIPE)
		return EXIT_FAILURE; /* the reader has enough: no news */
	return fail("cannot write to standard output: %s", strerror(-error));
}

/* All that can be read is written, up to the page that cannot. */
static int cat_chunks(const struct mapped *mapped, const char *uri,
		      unsigned char *buffer, struct progress *progress)
{
	for (uint64_t offset = 0; offset < mapped->length; offset += CHUNK) {
		uint64_t left = mapped->length - offset;
		size_t length = left < CHUNK ? (size_t)left : CHUNK;
		size_t copied;
		int read_error = mapped_copy(mapped->quire, buffer,
					     mapped->address + offset, length,
					     &copied);
		int error = output(buffer, copied);

		if (error)
			return output_failed(error);
		if (read_error)
			return fail("cannot read %s at byte %ju: %s", uri,
				    (uintmax_t)(offset + copied),
				    sentence(read_error));
		progress_add(progress, length);
	}
	return EXIT_SUCCESS;
}

static int cat_uri(struct quire *quire, const char *uri)
{
	struct progress progress;
	struct mapped mapped;
	unsigned char *buffer;
	int status;

	if (mapped_open(quire, uri, &mapped))
		return EXIT_FAILURE;
	buffer = malloc(CHUNK);
	if (!buffer)
		return mapped_close(&mapped, fail("out of memory"));
	progress_start(&progress, uri, mapped.length);
	status = cat_chunks(&mapped, uri, buffer, &progress);
	progress_stop(&progress);
	free(buffer);
	return mapped_close(&mapped, status);
}

int cat_run(const struct command *command, int argc, char **argv)
{
	uint64_t budget = 0;
	const struct option_rule rules[] = {
		{ "budget", OPTION_BUDGET, &budget, 0 },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = 1,
		.least = 1,
		.most = 1,
		.names = "URI",
	};
	struct quire *quire;

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	if (engine_open(budget, &quire))
		return EXIT_FAILURE;
	return engine_close(quire, cat_uri(quire, arguments.operands[0]));
}
