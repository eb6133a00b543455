/* harness.h - two arms, the same work, the same memory, in turns */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BENCH_HARNESS_H
#define QUIRE_BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define MOST_PAIRS 25

/* What all arms of a variant get. */
struct setting {
	const char *data; /* the file */
	uint64_t size;    /* of it, bytes */
	uint64_t budget;  /* bytes */
	unsigned int threads;
	uint64_t operations; /* together; a multiple of threads */
};

/* What a run of an arm leaves, in memory shared with its parent. */
struct run {
	bool done;
	char why_not[256];
	double seconds;
	double cpu_s;
	uint64_t checksum;
	char trap_mode[64]; /* of Quire's arm */
};

/*
 * A question.  prepare() and work() see the data as one array of bytes,
 * whoever mapped it.  work() does one thread's operations, numbered
 * [first, last), and returns a checksum; the sum over all threads must not
 * depend on who did which.  prepare() may be NULL; its time does not count.
 */
struct question {
	const char *id;
	const char *title;
	const char *unit; /* of the rate */
	double per_unit;  /* operations in one */
	const char *limit_name;
	const unsigned int *threads; /* 0 last */
	int advice;                  /* madvise() of the kernel's arm */
	void (*prepare)(const struct setting *setting,
			const unsigned char *bytes);
	uint64_t (*work)(const struct setting *setting, uint64_t first,
			 uint64_t last, const unsigned char *bytes);
	/* How fast it could be: an arm of its own. */
	void (*limit)(const struct question *question,
		      const struct setting *setting, struct run *run);
	/* Operations of a first try; the whole work, if it has a size. */
	uint64_t (*operations)(const struct setting *setting);
	bool has_size;
};

/* The whole program of a question: options, pairs, table, JSON. */
int bench_main(const struct question *question, int argc, char **argv);

/* ---- for the arms (arms.c, uring.c); all run in a child ---- */

void arm_quire(const struct question *question, const struct setting *setting,
	       struct run *run);
void arm_mmap(const struct question *question, const struct setting *setting,
	      struct run *run);
/* The first bytes of the data in plain memory: nothing can be faster. */
void arm_memory(const struct question *question, const struct setting *setting,
		struct run *run, uint64_t bytes);

/* Reads that bypass all caches, depth at a time, by one thread. */
struct direct_reads {
	unsigned int depth;
	size_t length; /* of each read */
	uint64_t count;
	uint64_t (*offset)(const struct setting *setting, uint64_t number);
	uint64_t (*sum)(const unsigned char *bytes, size_t length,
			uint64_t offset);
};
void arm_direct(const struct setting *setting, const struct direct_reads *reads,
		struct run *run);

/* Starts and stops the clocks of a run: wall and processor. */
void run_begin(struct run *run);
void run_end(struct run *run);

/* The run ends here, with a sentence.  Does not return. */
__attribute__((format(printf, 2, 3), noreturn)) void run_fail(
	struct run *run, const char *format, ...);

/* ---- numbers ---- */

uint64_t mix(uint64_t value);
uint64_t words_sum(const unsigned char *bytes, size_t length, uint64_t seed);

/* ---- data.c ---- */

/* Makes the file of size bytes unless it is there.  false: a sentence. */
bool data_make(const char *path, uint64_t size);
/* Takes the file out of the kernel's page cache. */
void data_drop(const char *path);

/* ---- report.c ---- */

struct pairs {
	unsigned int count;
	struct run quire[MOST_PAIRS];
	struct run peer[MOST_PAIRS];
	struct run limit[MOST_PAIRS];
	const char *skipped; /* why there is no peer; NULL: there is one */
	bool same;           /* all checksums */
};

void report_head(const struct question *question,
		 const struct setting *setting);
void report_pairs(const struct question *question,
		  const struct setting *setting, const struct pairs *pairs);
/* One JSON object a call; comma: others precede it. */
bool report_json(const char *path, bool comma, const struct question *question,
		 const struct setting *setting, const struct pairs *pairs);

#endif
