/* report_sample.c - writes the page of a run that is known beforehand */
/* SPDX-License-Identifier: MIT */
/*
 * report_sample scan|two|nothing > PAGE.html
 *
 * scan: 256 MiB are read from their start to their end within eight seconds,
 * by runs of 32 pages; what lies 64 MiB behind leaves.
 * two: that, and a file of 64 MiB whose page 12,288 and those behind it, one
 * 32nd of the file, are touched and written all the time.  Its name would end
 * the script that the data lie in, if that were not seen to.
 */
#include "server/report_html.h"

#include <stdlib.h>
#include <string.h>

#define MIB_PAGES UINT64_C(256)
#define RUN 32
#define SCANNED (256 * MIB_PAGES)
#define BEHIND (64 * MIB_PAGES)
#define LASTS_NS UINT64_C(8000000000)

#define HOT_FILE (64 * MIB_PAGES)
#define HOT (48 * MIB_PAGES)
#define HOT_PAGES (2 * MIB_PAGES)

static const struct object_identity scanned = { .name = "/data/scanned.dat",
						.device = 1,
						.inode = 10 };
static const struct object_identity hot = { .name = "/data/</script><b>hot",
					    .device = 1,
					    .inode = 11 };

static void note(struct recorder *recorder,
		 const struct object_identity *identity, uint64_t index,
		 struct record_event event)
{
	event.index = index;
	event.count = RUN;
	recorder_note(recorder, identity, &event);
}

static void scan(struct recorder *recorder)
{
	for (uint64_t index = 0; index < SCANNED; index += RUN) {
		struct record_event event = {
			.what = OBJECT_READ,
			.time_ns = index * (LASTS_NS / SCANNED),
		};

		note(recorder, &scanned, index, event);
		recorder_note_stall(recorder, &scanned, 100000);
		event.what = OBJECT_EVICTED;
		if (index >= BEHIND)
			note(recorder, &scanned, index - BEHIND, event);
	}
}

static void keep_hot(struct recorder *recorder)
{
	struct record_event event = { .what = OBJECT_READ };

	for (uint64_t index = 0; index < HOT_FILE; index += RUN)
		note(recorder, &hot, index, event);
	for (uint64_t i = 0; i < 1024; i++) {
		uint64_t index = HOT + i % 4 * (HOT_PAGES / 4);

		event.time_ns = i * (LASTS_NS / 1024);
		event.what = OBJECT_TOUCHED;
		note(recorder, &hot, index, event);
		event.what = OBJECT_WRITTEN;
		note(recorder, &hot, index, event);
	}
	recorder_note_stall(recorder, &hot, 3000000);
}

static void map(struct recorder *recorder,
		const struct object_identity *identity, uint64_t pages)
{
	const struct record_mapping mapping = {
		.pid = 4711,
		.address = UINT64_C(0x7fffe0000000),
		.length = pages << 12,
		.shared = true,
		.writable = identity == &hot,
	};

	recorder_note_mapping(recorder, identity, &mapping);
}

int main(int argc, char **argv)
{
	const struct report_facts facts = {
		.program = "sample --of </script> \"a\" program",
		.budget = UINT64_C(64) << 20,
		.resident_peak = UINT64_C(63) << 20,
		.duration_ns = LASTS_NS,
		.traps = 2048,
	};
	struct recorder *recorder;
	int error;

	if (argc != 2 || recorder_create(&recorder))
		return EXIT_FAILURE;
	if (strcmp(argv[1], "nothing")) {
		map(recorder, &scanned, SCANNED);
		scan(recorder);
	}
	if (!strcmp(argv[1], "two")) {
		map(recorder, &hot, HOT_FILE);
		keep_hot(recorder);
	}
	error = report_html(recorder, &facts, stdout);
	recorder_destroy(recorder);
	return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
