/* harness.c - runs the arms in turns, each in a child of its own */
/* SPDX-License-Identifier: MIT */
#include "harness.h"
#include "cgroup.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * What the kernel's arm has beside its data: libraries, page tables of 1 GiB
 * (2 MiB), what the kernel charges for its records, and a stack a thread.
 */
#define FIXED_OVERHEAD (16u << 20)
#define THREAD_OVERHEAD (64u << 10)

#define LEAST_DATA (UINT64_C(64) << 20)
#define MOST_DATA (UINT64_C(1) << 40)
#define LONGEST_RUN_S 300 /* of a child that hangs */

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
	bool is_long;
	bool written; /* something stands in it */
	bool failed;
};

const struct variant variants_threads[] = {
	{ .threads = 1 }, { .threads = 4 }, { .threads = 16 }, { .threads = 0 }
};

static void child(const struct bench *bench, enum arm arm)
{
	const struct question *question = bench->question;
	const struct setting *setting = &bench->setting;
	struct run *run = bench->shared;

	switch (arm) {
	case ARM_QUIRE:
		(question->quire ? question->quire : arm_quire)(question,
								setting, run);
		break;
	case ARM_PEER:
		(question->peer ? question->peer : arm_mmap)(question, setting,
							     run);
		break;
	case ARM_LIMIT:
		question->limit(question, setting, run);
		break;
	}
	if (question->verify && run->done)
		question->verify(setting, run);
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

static void report_failure(struct bench *bench, enum arm arm)
{
	const struct run *run = bench->shared;

	if (run->done || run->impossible || arm == ARM_LIMIT)
		return;
	fprintf(stderr, "%s: %s arm failed: %s\n", bench->question->id,
		arm == ARM_QUIRE ? "Quire's" : "the peer's", run->why_not);
	bench->failed = true;
}

/* cgroup NULL: the arm's memory is bounded by itself, or is no question. */
static struct run run_arm(struct bench *bench, enum arm arm,
			  const struct cgroup *cgroup)
{
	struct run *run = bench->shared;
	pid_t pid;

	if (!bench->question->no_data)
		data_drop(bench->setting.data);
	memset(run, 0, sizeof(*run));
	bench->setting.round++;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(LONGEST_RUN_S);
		if (cgroup && !cgroup_enter(cgroup))
			run_fail(run, "cannot enter its cgroup");
		child(bench, arm);
		_exit(0);
	}
	if (pid > 0)
		child_wait(pid, run);
	else
		snprintf(run->why_not, sizeof(run->why_not), "fork: %s",
			 strerror(errno));
	report_failure(bench, arm);
	return *run;
}

static struct run run_peer(struct bench *bench)
{
	uint64_t limit = bench->setting.budget + FIXED_OVERHEAD +
			 bench->setting.threads * (uint64_t)THREAD_OVERHEAD;
	struct cgroup cgroup;
	struct run run = { .why_not = "no memory cgroup can be made here" };

	if (bench->question->unbounded)
		return run_arm(bench, ARM_PEER, NULL);
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

/*
 * The warm-up: also tells how much work makes a run long enough.  false:
 * Quire's arm cannot, and *quire has the reason.
 */
static bool calibrate(struct bench *bench, struct run *quire)
{
	const struct question *question = bench->question;
	struct setting *setting = &bench->setting;
	struct run peer;
	double seconds;

	setting->operations = question->operations(setting) / setting->threads *
			      setting->threads;
	*quire = run_arm(bench, ARM_QUIRE, NULL);
	if (!quire->done)
		return false;
	peer = run_peer(bench);
	seconds = slower(quire, &peer);
	if (question->has_size || seconds <= 0)
		return true;
	setting->operations = (uint64_t)((double)setting->operations *
					 bench->seconds / seconds) /
				      setting->threads * setting->threads +
			      setting->threads;
	return true;
}

/* Is the checksum of this run, if it has one, that of the first? */
static bool same(const struct pairs *pairs, const struct run *run)
{
	return !run->done || run->checksum == pairs->quire[0].checksum;
}

static void run_pairs(struct bench *bench, struct pairs *pairs)
{
	const struct run *quire = pairs->quire, *peer = pairs->peer;

	for (unsigned int i = 0; i < bench->pairs; i++) {
		pairs->quire[i] = run_arm(bench, ARM_QUIRE, NULL);
		pairs->peer[i] = run_peer(bench);
		if (bench->question->limit)
			pairs->limit[i] = run_arm(bench, ARM_LIMIT, NULL);
		pairs->count++;
		if (!quire[i].done)
			pairs->skipped = quire[i].why_not;
		else if (!peer[i].done)
			pairs->skipped = peer[i].why_not;
		if (!same(pairs, &quire[i]) || !same(pairs, &peer[i]) ||
		    !same(pairs, &pairs->limit[i]))
			pairs->same = false;
		if (!quire[i].done)
			break;
	}
	if (!pairs->same)
		bench->failed = true;
}

static void run_variant(struct bench *bench, const struct variant *variant)
{
	struct pairs *pairs = calloc(1, sizeof(*pairs));

	if (!pairs) {
		bench->failed = true;
		return;
	}
	pairs->same = true;
	bench->setting.variant = variant;
	bench->setting.threads = variant->threads;
	if (calibrate(bench, &pairs->quire[0])) {
		run_pairs(bench, pairs);
	} else {
		pairs->count = 1;
		pairs->skipped = pairs->quire[0].why_not;
	}
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
		{ "mib", required_argument, NULL, 'm' },
		{ 0 },
	};
	int sign;

	while ((sign = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (sign == 'd')
			bench->setting.data = optarg;
		else if (sign == 'j')
			bench->json = optarg;
		else if (sign == 'l')
			bench->is_long = true;
		else if (sign == 'm')
			bench->setting.size = strtoull(optarg, NULL, 10) << 20;
		else
			return false;
	}
	return optind == argc && bench->setting.size >= LEAST_DATA &&
	       bench->setting.size <= MOST_DATA;
}

static void settle(struct bench *bench)
{
	const struct question *question = bench->question;

	bench->setting.budget = bench->setting.size / 4;
	bench->seconds = bench->is_long ? 5 : 0.35;
	bench->pairs = 5;
	if (bench->is_long)
		bench->pairs = 9;
	else if (question->pairs)
		bench->pairs = question->pairs;
}

int bench_main(const struct question *question, int argc, char **argv)
{
	struct bench bench = {
		.question = question,
		.setting = { .data = "build/bench/data",
			     .size = UINT64_C(1) << 30 },
	};

	if (!options_read(&bench, argc, argv)) {
		fprintf(stderr,
			"usage: %s [--data PATH] [--json PATH] [--long] "
			"[--mib SIZE]\n",
			argv[0]);
		return 2;
	}
	settle(&bench);
	bench.shared = mmap(NULL, sizeof(*bench.shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (bench.shared == MAP_FAILED ||
	    (!question->no_data &&
	     !data_make(bench.setting.data, bench.setting.size)))
		return EXIT_FAILURE;
	if (bench.json)
		unlink(bench.json);
	report_head(question, &bench.setting);
	for (const struct variant *variant = question->variants;
	     variant->threads; variant++)
		if (bench.is_long || !variant->only_long)
			run_variant(&bench, variant);
	return bench.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
