/* harness.h - two arms, the same work, the same memory, in turns */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_BENCH_HARNESS_H
#define QUIRE_BENCH_HARNESS_H

#include <quire/quire.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u
#define LIST 64u /* so many pages are announced at once */
#define MOST_PAIRS 25
#define MOST_FIGURES 12

/* One line of a question's table. */
struct variant {
	const char *name;     /* NULL: the threads say it */
	unsigned int threads; /* 0: the end of a list */
	uint64_t parameter;   /* the question's own */
	bool only_long;       /* left out of the short form */
	enum quire_trap trap; /* of Quire's arm */
};

/* 1, 4 and 16 threads. */
extern const struct variant variants_threads[];

/* So many threads, each of which resolves its own traps. */
#define IN_PLACE(count)                                                 \
	{                                                               \
		.name = "in the faulting thread, " #count " thread(s)", \
		.threads = count, .trap = QUIRE_TRAP_SIGBUS             \
	}

/* What all arms of a variant get. */
struct setting {
	const char *data; /* the file */
	uint64_t size;    /* of it, bytes */
	uint64_t budget;  /* bytes */
	unsigned int threads;
	uint64_t operations; /* together; a multiple of threads */
	const struct variant *variant;
	uint64_t round; /* no two runs have the same */
};

/* What an arm has found out beside its time. */
struct figure {
	char name[32];
	double value;
	double most; /* what Quire's is to stay within; 0: no bound */
};

/* What a run of an arm leaves, in memory shared with its parent. */
struct run {
	bool done;
	bool impossible; /* not done, as this machine cannot: no failure */
	char why_not[256];
	double seconds;
	double cpu_s;
	uint64_t checksum;
	char trap_mode[160]; /* of Quire's arm */
	unsigned int figures;
	struct figure figure[MOST_FIGURES];
};

/* What an arm reads and writes. */
struct view {
	unsigned char *bytes; /* the data, mapped; NULL: by other ways only */
	struct quire *quire;  /* NULL, as the next two: the peer's arm */
	struct quire_object *object;
	struct quire_space *space;
	int fd;    /* of the peer's arm; -1 */
	void *own; /* the question's */
};

/* A thread's share: operations numbered [first, last). */
struct job {
	const struct setting *setting;
	const struct view *view;
	uint64_t first;
	uint64_t last;
	unsigned int thread;
	uint64_t *latency_ns; /* by an operation's number, if they are kept */
	uint64_t longest_ns;  /* of what longest_name says */
	atomic_bool *stop;    /* for a job beside the others' */
};

/*
 * A question.  work() does a thread's operations and returns a checksum; the
 * sum over all threads must not depend on who did which, nor on the arm.
 * Unless stated, what is NULL or 0 is not wanted.
 */
struct question {
	const char *id;
	const char *title;
	const char *unit;      /* of the rate */
	double per_unit;       /* operations in one */
	const char *peer_name; /* NULL: kernel mmap */
	const char *limit_name;
	const struct variant *variants;
	int advice;         /* madvise() of the kernel's arm */
	bool writable;      /* the mappings */
	bool no_data;       /* there is no file to be made */
	bool unbounded;     /* the peer is not put into a cgroup */
	bool has_size;      /* operations() is the whole work */
	unsigned int pairs; /* of the short form; 0: five */

	/* Its time does not count. */
	void (*prepare)(const struct setting *setting, const struct view *view);
	uint64_t (*work)(struct job *job);
	uint64_t (*peer_work)(struct job *job); /* NULL: as Quire's */
	/* A thread more, until *job->stop; returns how much it did, which
	 * becomes a figure, a second. */
	uint64_t (*beside)(struct job *job);
	const char *beside_name;
	/* After an arm; its time does not count.  May replace the checksum. */
	void (*verify)(const struct setting *setting, struct run *run);

	const char *latency_name; /* percentiles of it are figures, in us */
	double latency_most_us;
	const char *longest_name; /* in ms */

	/* Arms; NULL: arm_quire(), arm_mmap(), no limit. */
	void (*quire)(const struct question *question,
		      const struct setting *setting, struct run *run);
	void (*peer)(const struct question *question,
		     const struct setting *setting, struct run *run);
	void (*limit)(const struct question *question,
		      const struct setting *setting, struct run *run);
	/* Operations of a first try; the whole work, if it has a size. */
	uint64_t (*operations)(const struct setting *setting);
};

static inline const char *peer_name(const struct question *question)
{
	return question->peer_name ? question->peer_name : "kernel mmap";
}

/* The whole program of a question: options, pairs, table, JSON. */
int bench_main(const struct question *question, int argc, char **argv);

/* ---- arms.c; all arms run in a child ---- */

void arm_quire(const struct question *question, const struct setting *setting,
	       struct run *run);
void arm_mmap(const struct question *question, const struct setting *setting,
	      struct run *run);
/* No mapping: only view->fd, by O_DIRECT. */
void arm_file(const struct question *question, const struct setting *setting,
	      struct run *run);
/* The first bytes of the data in plain memory: nothing can be faster. */
void arm_memory(const struct question *question, const struct setting *setting,
		struct run *run, uint64_t bytes);

/* An engine; and the data in it, as view->object. */
void quire_begin(const struct setting *setting, struct run *run,
		 struct view *view);
void quire_begin_data(const struct question *question,
		      const struct setting *setting, struct run *run,
		      struct view *view);
void quire_end(struct view *view);

/* msync(MS_SYNC). */
void view_sync(const struct view *view, uint64_t offset, uint64_t length);
/* Says that the pages at these offsets will be read soon; or written anew, which
 * the peer cannot be told. */
void view_announce(const struct view *view, const uint64_t *offsets,
		   size_t count, bool anew);
/* The same of the job's random pages, a list from number first on. */
void announce_list(const struct job *job, uint64_t first, bool anew);
/* A question's prepare(): random pages come in until the budget is full, so that
 * whoever reads more has to evict. */
void fill_budget(const struct setting *setting, const struct view *view);

/* ---- uring.c: input and output that bypass all caches ---- */

struct direct_jobs {
	unsigned int depth; /* so many at a time, by one thread */
	size_t length;      /* of each */
	uint64_t count;
	uint64_t (*offset)(const struct setting *setting, uint64_t number);
	/* Of what was read, or is to be written. */
	uint64_t (*sum)(const struct setting *setting,
			const unsigned char *bytes, size_t length,
			uint64_t offset);
	/* Not NULL: writes.  fdatasync() after each sync_every. */
	void (*fill)(const struct setting *setting, unsigned char *bytes,
		     uint64_t offset);
	uint64_t sync_every;
};
void arm_direct(const struct setting *setting, const struct direct_jobs *jobs,
		struct run *run);

/* A question's verify(): the checksum is how many of the jobs find in the file what
 * they look for; all are to.  Its time does not count. */
void verify_all(const struct setting *setting, const struct direct_jobs *jobs,
		struct run *run);

/* Random pages, so many reads under way at once. */
void random_reads(const struct setting *setting, unsigned int depth,
		  struct run *run);
/* A limit: one for each thread. */
void limit_random(const struct question *question,
		  const struct setting *setting, struct run *run);

/* ---- measure.c ---- */

/* The measured part: prepares, then all threads start together. */
void measure(const struct question *question, const struct setting *setting,
	     const struct view *view, struct run *run);

/* Starts and stops the clocks of a run: wall and processor. */
void run_begin(struct run *run);
void run_end(struct run *run);
uint64_t clock_ns(void);

void run_figure(struct run *run, const char *name, double value, double most);

/* The run ends here, with a sentence.  Do not return. */
__attribute__((format(printf, 2, 3), noreturn)) void run_fail(
	struct run *run, const char *format, ...);
/* ... as the machine cannot do it. */
__attribute__((format(printf, 2, 3), noreturn)) void run_impossible(
	struct run *run, const char *format, ...);

uint64_t mix(uint64_t value);
uint64_t words_sum(const unsigned char *bytes, size_t length, uint64_t seed);
/* The same, as struct direct_jobs wants it. */
uint64_t direct_sum(const struct setting *setting, const unsigned char *bytes,
		    size_t length, uint64_t offset);
/* Where the number's page is: anywhere in the data. */
uint64_t random_page(const struct setting *setting, uint64_t number);
/* How many reads a run has before it is known how long they take. */
uint64_t reads_at_first(const struct setting *setting);
/* KiB, of /proc/self/status: "VmRSS", "VmHWM"; 0: not to be had. */
uint64_t memory_kib(const char *field);

/* ---- data.c ---- */

/* Makes the file of size bytes unless it is there, and keeps others of its kind
 * away from it.  false: a sentence. */
bool data_make(const char *path, uint64_t size);
/* Takes the file out of the kernel's page cache. */
void data_drop(const char *path);

/* ---- spread.c ---- */

struct spread {
	double min;
	double median;
	double max;
};

struct pairs {
	unsigned int count;
	struct run quire[MOST_PAIRS];
	struct run peer[MOST_PAIRS];
	struct run limit[MOST_PAIRS];
	const char *skipped; /* why there is no ratio; NULL: there is one */
	bool same;           /* all checksums */
};

/* How many times as fast as the other arm of its pair.  false: cannot say. */
bool ratios(const struct run *runs, const struct run *others,
	    unsigned int count, struct spread *result);
/* 0: cannot say. */
double median_rate(const struct question *question,
		   const struct setting *setting, const struct run *runs,
		   unsigned int count);
double median_cpu(const struct setting *setting, const struct run *runs,
		  unsigned int count);
/* Of the figure of that name.  false: not all runs have it. */
bool median_figure(const struct run *runs, unsigned int count, const char *name,
		   double *median);

/* ---- report.c, report_json.c ---- */

/* "4 threads", or the name of a variant. */
const char *variant_name(const struct setting *setting, char *text,
			 size_t size);
void report_head(const struct question *question,
		 const struct setting *setting);
void report_pairs(const struct question *question,
		  const struct setting *setting, const struct pairs *pairs);
/* One JSON object a call; comma: others precede it. */
bool report_json(const char *path, bool comma, const struct question *question,
		 const struct setting *setting, const struct pairs *pairs);

#endif
