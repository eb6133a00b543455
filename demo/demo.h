/* demo.h - one work, done three ways */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_DEMO_H
#define QUIRE_DEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define CHUNK (1u << 20)       /* of sequential work */
#define THREADS 4              /* of the random reads */
#define READS_PER_THREAD 16384 /* 256 MiB together */
#define CHANGE_ONE_IN 64       /* pages: scattered, and thousands of 1 GiB */
#define CHANGE_BYTES 64
#define APPEND_BYTES (16u << 20)

enum arm {
	ARM_QUIRE,
	ARM_MMAP,
	ARM_PREAD,
	ARM_COUNT,
};

struct input {
	const char *path; /* is only ever read */
	const char *copy; /* private; NULL: there was no room for one */
	uint64_t size;    /* of both, bytes */
	uint64_t budget;  /* bytes */
};

/* What an arm found and took; in memory that parent and child share. */
struct result {
	bool done;
	char failure[512];   /* empty: none */
	char trap_mode[256]; /* of Quire's arm */
	double scan_s;
	double random_s;
	double change_s; /* with its sync */
	double append_s; /* with its sync */
	double cpu_s;
	uint64_t scan_sum;
	uint64_t random_sum;
	uint64_t verified;     /* bytes equal to what read(2) sees */
	uint64_t changed;      /* pages */
	bool proven;           /* by the parent, through read(2) */
	uint64_t data_peak;    /* resident bytes of data; 0: not known */
	uint64_t memory_peak;  /* all memory, by the cgroup; 0: not known */
	uint64_t memory_limit; /* of the cgroup; 0: none */
	uint64_t traps;        /* or page faults */
	uint64_t hits;
	uint64_t misses;
	uint64_t reads; /* requests; the kernel does not tell its own */
	uint64_t read_bytes;
	uint64_t write_pages;
	uint64_t evictions;
};

/*
 * The bytes of one file, as an arm sees them.  look() gives length bytes at
 * offset: in place, or in buffer.  A failure ends the work: see view_fail().
 */
struct view {
	const struct view_ops *ops;
	struct result *result;
	uint64_t size;
	void *state;
};

struct view_ops {
	const unsigned char *(*look)(struct view *view, uint64_t offset,
				     size_t length, void *buffer);
	bool (*change)(struct view *view, uint64_t offset, const void *bytes,
		       size_t length);
	bool (*sync)(struct view *view);
	bool (*grow)(struct view *view, uint64_t size);
	/* How the coming reads will be; NULL: it finds out for itself. */
	void (*expect)(struct view *view, bool random);
	/* Runs body(argument); false: something could not be read. */
	bool (*guard)(struct view *view, void (*body)(void *), void *argument);
};

/* Keeps the first sentence; returns false.  From any thread. */
__attribute__((format(printf, 2, 3))) bool view_fail(struct view *view,
						     const char *format, ...);

/* The phases: each works through view, and leaves figures in its result. */
bool work_scan(struct view *view);
bool work_random(struct view *view);
bool work_verify(struct view *view, const char *path);
bool work_change(struct view *view, enum arm arm);
bool work_append(struct view *view, enum arm arm);

/*
 * An arm: opens the file, hands a view of it to work(), closes it.  For
 * writing means that it may change and grow by APPEND_BYTES.
 */
typedef bool work_function(struct view *view, const struct input *input);
bool arm_quire(const struct input *input, struct result *result,
	       work_function *reading, work_function *writing);
bool arm_mmap(const struct input *input, struct result *result,
	      work_function *reading, work_function *writing);
bool arm_pread(const struct input *input, struct result *result,
	       work_function *reading, work_function *writing);

/* Runs an arm in a child, in a cgroup of its own where that can be had. */
void arm_run(enum arm arm, const struct input *input, struct result *result);

/*
 * The bytes of the page as the change by arm leaves them: edits page in
 * place.  false: that page is not one that changes.
 */
bool change_apply(enum arm arm, uint64_t index, unsigned char *page);
bool change_place(enum arm arm, uint64_t index, size_t *offset,
		  unsigned char bytes[CHANGE_BYTES]);
void append_bytes(enum arm arm, uint64_t offset, unsigned char *bytes,
		  size_t length);

/* A number that depends on both, and looks random. */
uint64_t mix(uint64_t a, uint64_t b);
uint64_t hash(const unsigned char *bytes, size_t length, uint64_t seed);
double now(void);

/* files.c: all through read(2) and write(2). */
bool copy_make(const struct input *input, int to, const char **why);
bool copy_prove(const struct input *input, enum arm arm, struct result *result);
bool copy_restore(const struct input *input, enum arm arm,
		  struct result *result);
void cache_drop(const char *path);

void table_print(const struct input *input, const struct result *results);

#endif
