/* demo.c - maps a file four times as large as its memory, and proves it */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <quire/quire.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define SHARE 4 /* of the file, that fits in the budget */
#define EXIT_USAGE 2

static const char *const arm_names[ARM_COUNT] = { "Quire", "kernel mmap",
						  "pread" };

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "demo: %s: %s\n", what, why);
	return EXIT_FAILURE;
}

static bool size_read(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (end == text || *text == '-' || errno)
		return false;
	if (!*end)
		return true;
	unit = strchr(units, *end);
	if (!unit || end[1] || *bytes >> (54 - 10 * (unit - units)))
		return false;
	*bytes <<= 10 * (unit - units + 1);
	return true;
}

static const char *input_check(struct input *input)
{
	struct stat status;

	if (stat(input->path, &status))
		return strerror(errno);
	if (!S_ISREG(status.st_mode))
		return "is not a regular file";
	input->size = (uint64_t)status.st_size;
	if (input->size < (uint64_t)SHARE * PAGE)
		return "is too small: four pages is the least";
	if (!input->budget)
		input->budget = input->size / SHARE / PAGE * PAGE;
	return NULL;
}

static void progress(const char *what)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r  %s ...\033[K", what);
}

static void progress_end(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static void print_head(const struct input *input, const char *why_no_copy)
{
	struct utsname system;

	uname(&system);
	printf("\n  Quire %s: one work, done three ways\n\n", quire_version());
	printf("  file      %s, %.1f MiB\n", input->path,
	       (double)input->size / 1048576);
	printf("  budget    %.1f MiB, %.2f of the file\n",
	       (double)input->budget / 1048576,
	       (double)input->budget / (double)input->size);
	if (input->copy)
		printf("  changes   go to a private copy, %s; the file is only "
		       "read\n",
		       input->copy);
	else
		printf("  changes   are left out: no private copy could be "
		       "made "
		       "(%s)\n",
		       why_no_copy);
	printf("  machine   %s %s, %ld processors\n", system.sysname,
	       system.release, sysconf(_SC_NPROCESSORS_ONLN));
	fflush(stdout);
}

static void run_all(const struct input *input, struct result *results)
{
	for (enum arm arm = 0; arm < ARM_COUNT; arm++) {
		struct result *result = &results[arm];

		progress(arm_names[arm]);
		arm_run(arm, input, result);
		if (!result->done || !input->copy)
			continue;
		result->done = copy_prove(input, arm, result) &&
			       copy_restore(input, arm, result);
	}
	progress_end();
}

/* All arms must have read the same, and done all. */
static int verdict(const struct result *results)
{
	int status = EXIT_SUCCESS;

	for (enum arm arm = 0; arm < ARM_COUNT; arm++) {
		if (!results[arm].done)
			status = fail(arm_names[arm], results[arm].failure);
		else if (results[arm].scan_sum != results[0].scan_sum ||
			 results[arm].random_sum != results[0].random_sum)
			status = fail(arm_names[arm],
				      "read something else than Quire");
	}
	if (!status)
		printf("\n  All three read the same bytes: checksums %016jx "
		       "and %016jx.\n\n",
		       (uintmax_t)results[0].scan_sum,
		       (uintmax_t)results[0].random_sum);
	return status;
}

/* A gigabyte should not be left behind by an interrupt. */
static char copy_path[4096];

static void interrupt(int number)
{
	unlink(copy_path);
	signal(number, SIG_DFL);
	raise(number);
}

static void copy_try(struct input *input, const char *folder, const char **why)
{
	int fd;

	snprintf(copy_path, sizeof(copy_path), "%s/quire-demo.XXXXXX", folder);
	fd = mkostemp(copy_path, O_CLOEXEC);
	if (fd < 0) {
		*why = strerror(errno);
		return;
	}
	signal(SIGINT, interrupt);
	signal(SIGTERM, interrupt);
	signal(SIGHUP, interrupt);
	signal(SIGPIPE, interrupt);
	progress("making a private copy");
	if (copy_make(input, fd, why))
		input->copy = copy_path;
	else
		unlink(copy_path);
	close(fd);
	progress_end();
}

static int demo(struct input *input, const char *folder)
{
	struct result *results = mmap(NULL, ARM_COUNT * sizeof(*results),
				      PROT_READ | PROT_WRITE,
				      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const char *why_no_copy = NULL;
	int status;

	if (results == MAP_FAILED)
		return fail("memory", strerror(errno));
	copy_try(input, folder, &why_no_copy);
	print_head(input, why_no_copy);
	run_all(input, results);
	table_print(input, results);
	status = verdict(results);
	if (input->copy)
		unlink(input->copy);
	return status;
}

static int usage(void)
{
	fputs("usage: demo [--budget SIZE] [--folder FOR-THE-COPY] FILE\n",
	      stderr);
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "budget", required_argument, NULL, 'b' },
		{ "folder", required_argument, NULL, 'f' },
		{ 0 },
	};
	const char *folder = ".";
	struct input input = { 0 };
	const char *wrong;
	int sign;

	while ((sign = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (sign == 'f')
			folder = optarg;
		else if (sign != 'b' || !size_read(optarg, &input.budget))
			return usage();
	}
	if (optind != argc - 1)
		return usage();
	input.path = argv[optind];
	wrong = input_check(&input);
	if (wrong)
		return fail(input.path, wrong);
	return demo(&input, folder);
}
