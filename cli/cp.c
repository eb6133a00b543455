/* cp.c - `quire cp`: from one mapping to another, all of it or nothing */
/* SPDX-License-Identifier: MIT */
#include "cli.h"
#include "mapped.h"
#include "options.h"
#include "progress.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (256u << 10) /* how often progress and signals are looked at */

struct cp {
	const char *from;
	const char *to;
	struct mapped source;
	struct mapped target;
	bool created; /* the target was not there before */
};

static volatile sig_atomic_t interrupted;

static void interrupt(int number)
{
	interrupted = number;
}

/* The first signal ends the copy in order; the second one ends us. */
static void signals_catch(void)
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction action = { .sa_handler = interrupt,
				    .sa_flags = (int)SA_RESETHAND };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction before;

		/* Who started us may want it ignored, as nohup does. */
		if (sigaction(numbers[i], NULL, &before) == 0 &&
		    before.sa_handler != SIG_IGN)
			sigaction(numbers[i], &action, NULL);
	}
}

/* Opening the target would empty the source. */
static bool same_file(const char *from, const char *to)
{
	const char *from_path = uri_path(from);
	const char *to_path = uri_path(to);
	struct stat first;
	struct stat second;

	if (!from_path || !to_path || stat(from_path, &first) ||
	    stat(to_path, &second))
		return false;
	return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static mode_t source_mode(const char *uri)
{
	const char *path = uri_path(uri);
	struct stat status;

	if (!path || stat(path, &status))
		return 0;
	/* Nothing for anybody would be taken for no wish: for the owner only. */
	return status.st_mode & 0777 ? status.st_mode & 0777 : 0600;
}

static int target_open(struct cp *cp)
{
	struct quire_object_options options = {
		.size = sizeof(options),
		.capacity = cp->source.length,
		.mode = source_mode(cp->from),
	};
	int flags = O_RDWR | O_CREAT;
	int error;

	cp->target.quire = cp->source.quire;
	error = quire_object_open(cp->target.quire, cp->to, flags | O_EXCL,
				  &options, &cp->target.object);
	cp->created = !error && uri_path(cp->to);
	if (error == -EEXIST)
		error = quire_object_open(cp->target.quire, cp->to,
					  flags | O_TRUNC, &options,
					  &cp->target.object);
	return error ? fail("%s", sentence(error)) : EXIT_SUCCESS;
}

/*
 * Room first: a full disk is known before the first byte is copied, and no
 * write-back can fail for it.
 */
static int target_make_room(struct cp *cp)
{
	uint64_t size = cp->source.length;
	int error = quire_object_resize(cp->target.object, size);

	if (!error && size) {
		error = quire_object_allocate(cp->target.object, 0, size);
		if (error == -EOPNOTSUPP)
			error = 0; /* then the writing itself will tell */
	}
	if (error)
		return fail("cannot make room in %s: %s", cp->to,
			    sentence(error));
	return mapped_map(&cp->target, PROT_READ | PROT_WRITE) ? EXIT_FAILURE
							       : EXIT_SUCCESS;
}

static int copy_chunks(struct cp *cp, struct progress *progress)
{
	uint64_t size = cp->source.length;

	for (uint64_t offset = 0; offset < size; offset += CHUNK) {
		uint64_t left = size - offset;
		size_t length = left < CHUNK ? (size_t)left : CHUNK;
		size_t copied;
		int error = mapped_copy(cp->source.quire,
					cp->target.address + offset,
					cp->source.address + offset, length,
					&copied);

		if (error)
			return fail("cannot copy %s to %s at byte %ju: %s",
				    cp->from, cp->to,
				    (uintmax_t)(offset + copied),
				    sentence(error));
		if (interrupted)
			return fail("interrupted: %s", strsignal(interrupted));
		progress_add(progress, length);
	}
	return EXIT_SUCCESS;
}

static int copy(struct cp *cp)
{
	struct progress progress;
	int status = target_make_room(cp);
	int error;

	if (status)
		return status;
	progress_start(&progress, cp->to, cp->source.length);
	status = copy_chunks(cp, &progress);
	progress_stop(&progress);
	if (status)
		return status;
	error = quire_object_sync(cp->target.object, 0, 0, MS_SYNC);
	if (error)
		return fail("cannot write %s: %s", cp->to, sentence(error));
	return EXIT_SUCCESS;
}

/* No half copy may pass for a whole one. */
static void target_discard(const struct cp *cp)
{
	const char *path = uri_path(cp->to);

	if (!path)
		return;
	if (cp->created ? unlink(path) : truncate(path, 0))
		fail("and %s could not be %s: %s", cp->to,
		     cp->created ? "removed" : "emptied", strerror(errno));
}

static int cp_uris(struct quire *quire, struct cp *cp)
{
	int status;

	if (mapped_open(quire, cp->from, &cp->source))
		return EXIT_FAILURE;
	status = target_open(cp);
	if (!status) {
		status = copy(cp);
		if (status)
			/* what is dirty need not go home any more */
			quire_object_resize(cp->target.object, 0);
		status = mapped_close(&cp->target, status);
		if (status)
			target_discard(cp);
	}
	return mapped_close(&cp->source, status);
}

int cp_run(const struct command *command, int argc, char **argv)
{
	uint64_t budget = 0;
	const struct option_rule rules[] = {
		{ "budget", OPTION_BUDGET, &budget, 0 },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = 1,
		.least = 2,
		.most = 2,
		.names = "URI URI",
	};
	struct cp cp = { 0 };
	struct quire *quire;

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	cp.from = arguments.operands[0];
	cp.to = arguments.operands[1];
	if (same_file(cp.from, cp.to))
		return fail("%s and %s are the same file", cp.from, cp.to);
	signals_catch();
	if (engine_open(budget, &quire))
		return EXIT_FAILURE;
	return engine_close(quire, cp_uris(quire, &cp));
}
