/* explain_files.c - the scratch files of a script */
/* SPDX-License-Identifier: MIT */
/*
 * Whoever is interrupted leaves nothing behind: a signal that would end the
 * process has the files removed first.
 */
#include "explain_files.h"

#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODE 0600

static struct scratch *to_remove; /* by a signal; NULL: nothing */

static void remove_all(const struct scratch *scratch)
{
	for (size_t i = 0; i < scratch->count; i++)
		unlink(scratch->paths[i]);
	rmdir(scratch->directory);
}

static void on_signal(int number)
{
	if (to_remove)
		remove_all(to_remove);
	signal(number, SIG_DFL);
	raise(number);
}

static void catch_signals(void (*handler)(int))
{
	static const int numbers[] = { SIGHUP, SIGINT, SIGTERM };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		struct sigaction now;

		/* What is ignored stays so, as nohup wants it. */
		if (sigaction(numbers[i], NULL, &now) == 0 &&
		    now.sa_handler != SIG_IGN)
			signal(numbers[i], handler);
	}
}

int scratch_open(struct scratch *scratch)
{
	const char *parent = getenv("TMPDIR");
	int length;

	memset(scratch, 0, sizeof(*scratch));
	for (size_t i = 0; i < SCRIPT_FILES; i++)
		scratch->descriptors[i] = -1;
	length = snprintf(scratch->directory, sizeof(scratch->directory),
			  "%s/quire-explain.XXXXXX",
			  parent && *parent ? parent : "/var/tmp");
	if ((size_t)length >= sizeof(scratch->directory))
		errno = ENAMETOOLONG;
	else if (mkdtemp(scratch->directory)) {
		to_remove = scratch;
		catch_signals(on_signal);
		return 0;
	}
	length = errno;
	fail("cannot make a directory like %s: %s", scratch->directory,
	     strerror(length));
	scratch->directory[0] = '\0';
	return -length;
}

void scratch_close(struct scratch *scratch)
{
	if (!scratch->directory[0])
		return;
	catch_signals(SIG_DFL);
	to_remove = NULL;
	for (size_t i = 0; i < SCRIPT_FILES; i++)
		if (scratch->descriptors[i] >= 0)
			close(scratch->descriptors[i]);
	remove_all(scratch);
}

void scratch_path(const struct scratch *scratch, const struct script *script,
		  uint32_t file, bool kernel, char *path)
{
	/* No name of a script's has a comma. */
	snprintf(path, SCRATCH_PATH, "%s/%s%s", scratch->directory,
		 kernel ? "," : "", script->files[file]);
}

/* The text again and again, as far as the size goes; then it is cut. */
static int fill(int fd, const struct statement *statement)
{
	char page[SCRIPT_PAGE];
	uint64_t done = 0;

	while (done < statement->length && statement->text_length) {
		size_t count = 0;
		ssize_t written;

		while (count < sizeof(page) &&
		       done + count < statement->length) {
			page[count] = statement->text[(done + count) %
						      statement->text_length];
			count++;
		}
		written = pwrite(fd, page, count, (off_t)done);
		if (written < 0)
			return -errno;
		done += (uint64_t)written;
	}
	return ftruncate(fd, (off_t)statement->length) ? -errno : 0;
}

static int make(struct scratch *scratch, const char *path,
		const struct statement *statement)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
	int error = fd < 0 ? -errno : 0;

	if (!error) {
		snprintf(scratch->paths[scratch->count++], SCRATCH_PATH, "%s",
			 path);
		error = fill(fd, statement);
		/* What is dirty in the kernel's cache is not what is looked
		 * for on the disk. */
		if (!error && fsync(fd))
			error = -errno;
		close(fd);
	}
	if (error)
		fail("cannot make %s: %s", path, strerror(-error));
	return error;
}

/* Past the kernel's cache, if the file system can. */
static int open_to_look(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);

	return fd < 0 ? open(path, O_RDONLY | O_CLOEXEC) : fd;
}

int scratch_make(struct scratch *scratch, const struct script *script,
		 const struct statement *statement, char *path)
{
	int error;

	scratch_path(scratch, script, statement->target, true, path);
	error = make(scratch, path, statement);
	if (error)
		return error;
	scratch_path(scratch, script, statement->target, false, path);
	error = make(scratch, path, statement);
	if (error)
		return error;
	scratch->descriptors[statement->target] = open_to_look(path);
	if (scratch->descriptors[statement->target] >= 0)
		return 0;
	error = -errno;
	fail("cannot open %s: %s", path, strerror(-error));
	return error;
}
