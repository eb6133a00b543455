/* harness.c - runs the arms in turns, each in a child of its own */
/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "cgroup.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What the kernel's arm has beside its data: libraries, page tables of 1 GiB
 * (2 MiB), what the kernel charges for its records, and a stack a thread.
 */
#define FIXED_OVERHEAD (16u << 20)
#define THREAD_OVERHEAD (64u << 10)

enum arm {
	ARM_QUIRE,
	ARM_PEER,
	ARM_LIMIT,
};

struct bench {
	const struct question *question;
	struct setting setting;
	struct run *shared; /* a run that is under way */
	unsigned int pairs;
	double seconds;   /* that a run shall take */
	const char *json; /* NULL: none is wanted */
	bool written;     /* something stands in it */
	bool failed;
};

static void child(const struct bench *bench, enum arm arm)
{
	const struct question *question = bench->question;

	switch (arm) {
	case ARM_QUIRE:
		arm_quire(question, &bench->setting, bench->shared);
		break;
	case ARM_PEER:
		arm_mmap(question, &bench->setting, bench->shared);
		break;
	case ARM_LIMIT:
		question->limit(question, &bench->setting, bench->shared);
		break;
	}
}

static void child_wait(pid_t pid, struct run *run)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFSIGNALED(status))
		return;
	run->done = false;
	snprintf(run->why_not, sizeof(run->why_not), "ended by a signal: %s",
		 strsignal(WTERMSIG(status)));
}

/* cgroup NULL: the arm's memory is bounded by itself, or is no question. */
static struct run run_arm(struct bench *bench, enum arm arm,
			  const struct cgroup *cgroup)
{
	pid_t pid;

	data_drop(bench->setting.data);
	memset(bench->shared, 0, sizeof(*bench->shared));
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		if (cgroup && !cgroup_enter(cgroup))
			run_fail(bench->shared, "cannot enter its cgroup");
		child(bench, arm);
		_exit(0);
	}
	if (pid > 0)
		child_wait(pid, bench->shared);
	else
		snprintf(bench->shared->why_not, sizeof(bench->shared->why_not),
			 "fork: %s", strerror(errno));
	if (!bench->shared->done && arm != ARM_LIMIT) {
		fprintf(stderr, "%s: %s arm failed: %s\n", bench->question->id,
			arm == ARM_QUIRE ? "Quire's" : "the kernel's",
			bench->shared->why_not);
		bench->failed = true;
	}
	return *bench->shared;
}

static struct run run_peer(struct bench *bench)
{
	uint64_t limit = bench->setting.budget + FIXED_OVERHEAD +
			 bench->setting.threads * (uint64_t)THREAD_OVERHEAD;
	struct cgroup cgroup;
	struct run run = { .why_not = "no memory cgroup can be made here" };

	if (cgroup_create(&cgroup, "quire-bench", limit)) {
		run = run_arm(bench, ARM_PEER, &cgroup);
		cgroup_remove(&cgroup);
	}
	return run;
}

static double slower(const struct run *a, const struct run *b)
{
	return a->seconds > b->seconds ? a->seconds : b->seconds;
}

/* The warm-up: also tells how much work makes a run long enough. */
static void calibrate(struct bench *bench)
{
	const struct question *question = bench->question;
	struct setting *setting = &bench->setting;
	struct run quire;
	struct run peer;
	double seconds;

	setting->operations = question->operations(setting) / setting->threads *
			      setting->threads;
	quire = run_arm(bench, ARM_QUIRE, NULL);
	peer = run_peer(bench);
	seconds = slower(&quire, &peer);
	if (question->has_size || seconds <= 0)
		return;
	setting->operations = (uint64_t)((double)setting->operations *
					 bench->seconds / seconds) /
				      setting->threads * setting->threads +
			      setting->threads;
}

static void run_pairs(struct bench *bench, struct pairs *pairs)
{
	uint64_t checksum = 0;

	pairs->count = bench->pairs;
	pairs->same = true;
	pairs->skipped = NULL;
	for (unsigned int i = 0; i < pairs->count; i++) {
		pairs->quire[i] = run_arm(bench, ARM_QUIRE, NULL);
		pairs->peer[i] = run_peer(bench);
		pairs->limit[i] = run_arm(bench, ARM_LIMIT, NULL);
		if (!pairs->peer[i].done)
			pairs->skipped = pairs->peer[i].why_not;
		if (i == 0)
			checksum = pairs->quire[0].checksum;
		if (pairs->quire[i].checksum != checksum ||
		    (pairs->peer[i].done &&
		     pairs->peer[i].checksum != checksum) ||
		    (pairs->limit[i].done &&
		     pairs->limit[i].checksum != checksum))
			pairs->same = false;
	}
	if (!pairs->same)
		bench->failed = true;
}

static void run_variant(struct bench *bench, unsigned int threads)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs));

	if (!pairs) {
		bench->failed = true;
		return;
	}
	bench->setting.threads = threads;
	calibrate(bench);
	run_pairs(bench, pairs);
	report_pairs(bench->question, &bench->setting, pairs);
	if (bench->json &&
	    !report_json(bench->json, bench->written, bench->question,
			 &bench->setting, pairs))
		bench->failed = true;
	bench->written = true;
	free(pairs);
}

static bool options_read(struct bench *bench, int argc, char **argv)
{
	static const struct option options[] = {
		{ "data", required_argument, NULL, 'd' },
		{ "json", required_argument, NULL, 'j' },
		{ "long", no_argument, NULL, 'l' },
		{ 0 },
	};
	int sign;

	while ((sign = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (sign == 'd') {
			bench->setting.data = optarg;
		} else if (sign == 'j') {
			bench->json = optarg;
		} else if (sign == 'l') {
			bench->seconds = 5;
			bench->pairs = 9;
		} else {
			return false;
		}
	}
	return optind == argc;
}

int bench_main(const struct question *question, int argc, char **argv)
{
	struct bench bench = {
		.question = question,
		.setting = {
			.data = "build/bench/data",
			.size = UINT64_C(1) << 30,
			.budget = UINT64_C(256) << 20,
		},
		.pairs = 5,
		.seconds = 0.7,
	};

	if (!options_read(&bench, argc, argv)) {
		fprintf(stderr,
			"usage: %s [--data PATH] [--json PATH] "
			"[--long]\n",
			argv[0]);
		return 2;
	}
	bench.shared = mmap(NULL, sizeof(*bench.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench.shared == MAP_FAILED ||
	    !data_make(bench.setting.data, bench.setting.size))
		return EXIT_FAILURE;
	if (bench.json)
		unlink(bench.json);
	report_head(question, &bench.setting);
	for (const unsigned int *threads = question->threads; *threads;
	     threads++)
		run_variant(&bench, *threads);
	return bench.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
