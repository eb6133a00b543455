/* record.h - what a run did to its files, in memory of fixed size */
/* SPDX-License-Identifier: MIT */
/*
 * A recorder is told of each page that is touched, read, written or evicted
 * (object_host.record), and of each access that had to wait (.stalled).  All
 * its memory is reserved at the start; what overflows becomes coarser:
 *
 *  - the map of a file, offset by time, merges neighbouring bins by pairs;
 *  - the pages of a bin of time are counted by a sketch (HyperLogLog);
 *  - stack distances are those of a sample of the pages (SHARDS);
 *  - files beyond RECORD_FILES are one, without a map.
 *
 * => the functions that are told may be called on any thread, under any lock
 *    but the log's; they take one leaf lock for a short time, and neither
 *    allocate nor touch managed memory.
 */
#ifndef QUIRE_SERVER_RECORD_H
#define QUIRE_SERVER_RECORD_H

#include "object/object.h"

#include <stdint.h>

#define RECORD_FILES 64
#define RECORD_MAPPINGS 1024
#define RECORD_KINDS 4 /* enum object_record */
#define RECORD_TIMES 256
#define RECORD_OFFSETS 128
#define RECORD_STALLS 32
#define RECORD_NAME 512 /* the end of a longer one is kept */

struct recorder;

/* 0 or -ENOMEM.  Time begins now. */
int recorder_create(struct recorder **recorder);
void recorder_destroy(struct recorder *recorder);

/* For object_host; context is the recorder. */
void recorder_record(void *context, struct object *object, uint64_t index,
		     uint64_t count, enum object_record what);
void recorder_stalled(void *context, struct object *object, uint64_t ns);

/* A client has mapped some of a file; beyond RECORD_MAPPINGS only counted. */
struct record_mapping {
	uint32_t file; /* its number in the recorder; filled in by it */
	int32_t pid;
	uint64_t start_ns; /* since the start; filled in, too */
	uint64_t address;
	uint64_t length;
	uint64_t offset;
	bool shared;
	bool writable;
};

void recorder_mapped(struct recorder *recorder, struct object *object,
		     const struct record_mapping *mapping);

/* ---- the same, of a file by its identity, at a time of one's own ---- */

struct record_event {
	uint64_t index; /* pages [index, index + count) */
	uint64_t count;
	enum object_record what;
	uint64_t time_ns; /* since the start; need not be in order */
};

void recorder_note(struct recorder *recorder,
		   const struct object_identity *identity,
		   const struct record_event *event);
void recorder_note_stall(struct recorder *recorder,
			 const struct object_identity *identity, uint64_t ns);
void recorder_note_mapping(struct recorder *recorder,
			   const struct object_identity *identity,
			   const struct record_mapping *mapping);

/* ---- what was recorded ---- */

/* All of a file; large: it is one of the recorder's own. */
struct record_file {
	char name[RECORD_NAME];
	uint64_t device;
	uint64_t inode;
	uint64_t pages;               /* its end, as far as was seen */
	uint64_t total[RECORD_KINDS]; /* pages */
	uint64_t stalls;
	uint64_t stalled_ns;
	/* [0]: below 1 us; [i]: from 2^(i-1) us on; the last: all beyond. */
	uint64_t stall[RECORD_STALLS];
	unsigned time_shift;   /* a bin of time has 2^time_shift ns */
	unsigned offset_shift; /* a bin of offsets has 2^offset_shift pages */
	/* Pages, not more than UINT32_MAX. */
	uint32_t heat[RECORD_KINDS][RECORD_TIMES][RECORD_OFFSETS];
	/* Of the pages touched or read in that bin of time; record_sketch.h */
	uint8_t sketch[RECORD_TIMES][1024];
};

/*
 * Between these two nothing is recorded: whoever is told waits.  All files
 * have the same bins of time then.
 */
void recorder_hold(struct recorder *recorder);
void recorder_let_go(struct recorder *recorder);

/* At any time. */
uint64_t recorder_elapsed_ns(const struct recorder *recorder);
/* While it is held.  NULL: no file has that number.  The last one may be "other files". */
const struct record_file *recorder_file(const struct recorder *recorder,
					uint32_t number);
/* True: several files, without a map. */
bool recorder_is_rest(const struct recorder *recorder, uint32_t number);
/* Distinct pages of the file touched or read in a bin of time, about. */
double recorder_working_set(const struct record_file *file, unsigned time);
const struct record_mapping *recorder_mapping(const struct recorder *recorder,
					      uint32_t number);
uint64_t recorder_mappings_lost(const struct recorder *recorder);
/* Stack distances over all files; record_distance.h */
const struct distances *recorder_distances(const struct recorder *recorder);

#endif
