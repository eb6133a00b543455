/* soak.h - what the processes of the soak share */
/* SPDX-License-Identifier: MIT */
/*
 * Each slot owns RANGE bytes of every page of every file, so that 64 processes
 * store into the same pages and each byte has one writer.  What a slot has
 * stored stands in the model; what it is about to store stands in its journal
 * before, so that after its death each byte is known to be the old or the new
 * one.  All of it is anonymous shared memory, which outlives a killed process.
 */
#ifndef QUIRE_TESTS_PROGRAMS_SOAK_H
#define QUIRE_TESTS_PROGRAMS_SOAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define SLOTS 64u
#define RANGE (PAGE / SLOTS)
#define FILES 3u
#define FIRST_PAGES 64u
#define PAGES_MAX 4096u
#define FILE_BYTES ((size_t)PAGES_MAX * PAGE)

/* What was done to a slot's bytes; for whoever finds them wrong. */
struct deed {
	uint64_t offset;
	uint64_t when_ns; /* when it was over */
	uint32_t file;
	uint32_t length;
	int process;
	char what; /* s: store, w: pwrite, o, n: left old or new by a death */
	uint8_t first; /* its first byte */
};

#define DEEDS 4096u /* of a slot that are remembered */

struct journal {
	_Atomic uint32_t pending; /* what follows may be stored in part */
	uint32_t file;
	uint64_t offset;
	uint32_t length;
	uint8_t bytes[RANGE];
	char what;
	uint64_t deeds; /* all of them; the last DEEDS are there */
	struct deed deed[DEEDS];
	_Atomic uint64_t steps; /* of this slot, all its processes */
	_Atomic uint64_t forks;
};

struct shared {
	_Atomic bool failed; /* somebody has said what */
	_Atomic bool stop;
	_Atomic uint64_t size[FILES]; /* of the file at least */
	struct journal journal[SLOTS];
	uint8_t model[FILES][FILE_BYTES];
};

struct random {
	uint64_t state;
};

extern struct shared *shared;

/* soak_model.c */
uint64_t random_next(struct random *random);
/* In [0, bound). */
uint64_t random_below(struct random *random, uint64_t bound);
/* Prints it, with the errno, and has all stop. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* As fail(), and ends this process. */
void die(const char *format, ...)
	__attribute__((format(printf, 1, 2), noreturn));
int open_file(uint32_t file);
/* The journal of slot has what is about to be stored, or (what: 'w') written. */
void journal_begin(uint32_t slot, uint32_t file, uint64_t offset,
		   const uint8_t *bytes, uint32_t length);
void journal_is(uint32_t slot, char what);
/* It is stored: it goes into the model. */
void journal_end(uint32_t slot);
/* The slot's processes are dead: what they left is what the file has now. */
void journal_resolve(uint32_t slot);
/* bytes are those of the model; how says where they were seen. */
bool matches(uint32_t slot, uint32_t file, uint64_t offset,
	     const uint8_t *bytes, uint32_t length, const char *how);
void raise_size(uint32_t file, uint64_t size);

/* soak_worker.c */
/* A process of slot, until shared->stop. */
void work(uint32_t slot, uint64_t seed) __attribute__((noreturn));

#endif
