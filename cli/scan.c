/* scan.c - `quire scan`: reads all of it through a mapping, and measures */
/* SPDX-License-Identifier: MIT */
#include "scan.h"
#include "cli.h"
#include "base/json.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_THREADS 1024 /* beyond, a mistyped number is likelier */

/* MiB a second; what took no time at all has no rate. */
static double rate(const struct scan *scan)
{
	if (scan->seconds <= 0)
		return 0;
	return (double)scan->mapped.length / 1048576 / scan->seconds;
}

static void print_table(const struct scan *scan,
			const struct quire_statistics *counts)
{
	printf("bytes          %ju\n", (uintmax_t)scan->mapped.length);
	printf("seconds        %.3f\n", scan->seconds);
	printf("MiB/s          %.1f\n", rate(scan));
	printf("threads        %u%s\n", scan->threads,
	       scan->random ? ", random order" : "");
	printf("traps          %ju\n", (uintmax_t)counts->traps);
	printf("hits           %ju\n", (uintmax_t)counts->hits);
	printf("misses         %ju\n", (uintmax_t)counts->misses);
	printf("reads          %ju\n", (uintmax_t)counts->reads);
	printf("pages read     %ju\n", (uintmax_t)counts->pages_read);
	printf("evictions      %ju\n", (uintmax_t)counts->evictions);
	printf("peak resident  %ju\n", (uintmax_t)counts->resident_peak);
	printf("budget         %ju\n", (uintmax_t)counts->budget);
	printf("checksum       %016jx\n", (uintmax_t)scan->checksum);
	if (scan->verify)
		puts("verified       every byte, against read(2)");
}

static void print_json(const struct scan *scan,
		       const struct quire_statistics *counts)
{
	struct json json = { .stream = stdout };
	char checksum[17];

	snprintf(checksum, sizeof(checksum), "%016jx",
		 (uintmax_t)scan->checksum);
	json_object_begin(&json, NULL);
	json_string(&json, "uri", scan->uri);
	json_integer(&json, "bytes", scan->mapped.length);
	json_number(&json, "seconds", scan->seconds);
	json_number(&json, "mib_per_second", rate(scan));
	json_integer(&json, "threads", scan->threads);
	json_boolean(&json, "random", scan->random);
	json_boolean(&json, "verified", scan->verify);
	json_string(&json, "checksum", checksum);
	json_string(&json, "trap_mode", quire_trap_mode(scan->mapped.quire));
	json_integer(&json, "traps", counts->traps);
	json_integer(&json, "hits", counts->hits);
	json_integer(&json, "misses", counts->misses);
	json_integer(&json, "reads", counts->reads);
	json_integer(&json, "pages_read", counts->pages_read);
	json_integer(&json, "pages_ahead", counts->pages_ahead);
	json_integer(&json, "evictions", counts->evictions);
	json_integer(&json, "resident_peak", counts->resident_peak);
	json_integer(&json, "budget", counts->budget);
	json_object_end(&json);
}

static int report(const struct scan *scan)
{
	struct quire_statistics counts = { .size = sizeof(counts) };
	int error = quire_get_statistics(scan->mapped.quire, &counts);

	if (error)
		return fail("%s", sentence(error));
	if (scan->json)
		print_json(scan, &counts);
	else
		print_table(scan, &counts);
	return EXIT_SUCCESS;
}

static int scan_mapped(struct scan *scan)
{
	int status;

	scan->pages = scan->mapped.length / QUIRE_PAGE_SIZE +
		      (scan->mapped.length % QUIRE_PAGE_SIZE != 0);
	page_order_init(&scan->order, scan->pages);
	status = scan_read(scan);
	return status ? status : report(scan);
}

static int scan_uri(struct quire *quire, struct scan *scan)
{
	int status;

	if (mapped_open(quire, scan->uri, &scan->mapped))
		return EXIT_FAILURE;
	if (scan->verify) {
		scan->verify_fd =
			open(uri_path(scan->uri), O_RDONLY | O_CLOEXEC);
		if (scan->verify_fd < 0)
			return mapped_close(&scan->mapped,
					    fail("%s: %s", scan->uri,
						 strerror(errno)));
	}
	status = scan_mapped(scan);
	if (scan->verify)
		close(scan->verify_fd);
	return mapped_close(&scan->mapped, status);
}

int scan_run(const struct command *command, int argc, char **argv)
{
	struct scan scan = { .threads = 1, .verify_fd = -1 };
	const struct option_rule rules[] = {
		{ "budget", OPTION_BUDGET, &scan.budget, 0 },
		{ "random", OPTION_FLAG, &scan.random, 0 },
		{ "threads", OPTION_COUNT, &scan.threads, MOST_THREADS },
		{ "verify", OPTION_FLAG, &scan.verify, 0 },
		{ "json", OPTION_FLAG, &scan.json, 0 },
	};
	struct arguments arguments = {
		.rules = rules,
		.rule_count = sizeof(rules) / sizeof(rules[0]),
		.least = 1,
		.most = 1,
		.names = "URI",
	};
	struct quire *quire;

	if (!options_parse(command, &arguments, argc, argv))
		return arguments.status;
	scan.uri = arguments.operands[0];
	if (scan.verify && !uri_path(scan.uri))
		return wrong(command, "--verify needs a file, and %s is none",
			     scan.uri);
	if (engine_open(scan.budget, &quire))
		return EXIT_FAILURE;
	return engine_close(quire, scan_uri(quire, &scan));
}
