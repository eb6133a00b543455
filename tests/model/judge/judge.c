/* judge.c - Quire and Linux, given the same to do */
/* SPDX-License-Identifier: MIT */
#include "model/judge/access.h"
#include "model/judge/differences.h"
#include "model/judge/generate.h"
#include "model/judge/isolate.h"
#include "model/judge/shrink.h"
#include "model/judge/trial.h"

#include "unit/unit.h"

#include <getopt.h>
#include <time.h>

#define AMPLE_BUDGET 16384
/* A sequence takes far less, even where others work beside it. */
#define PATIENCE_S 100

static const char usage[] =
	"usage: judge [OPTION]...\n"
	"Gives several executors the same random operations on an address\n"
	"space, and compares what they answer, their maps, and their bytes.\n"
	"\n"
	"  --seed S            of the first sequence; default 1; or clock\n"
	"  --steps N           default 2000\n"
	"  --seconds N         go on for so long instead\n"
	"  --sequence N        steps between restarts; default 200\n"
	"  --executors LIST    of kernel, soft, host; default "
	"soft,host,kernel\n"
	"  --budget PAGES      default 16384\n"
	"  --differences FILE  those that are meant\n"
	"  --only LIST         these operations alone\n"
	"  --not LIST          all operations but these\n"
	"  --without FILE      leaves out a file\n"
	"  --never FLAG        leaves out a flag of mmap\n"
	"  --spoil N           one executor is wrong at its Nth operation\n"
	"  --trace             print each step before it is done\n"
	"  --no-shrink         print the whole sequence that differs\n"
	"\n"
	"Exit status: 0: they agree; 1: they do not; 2: wrong usage; 3: the\n"
	"judge itself failed.\n";

struct judge {
	struct trial trial;
	uint64_t first_seed;
	uint64_t seed; /* of the sequence */
	uint64_t steps;
	uint64_t seconds;
	uint64_t length;
	uint64_t budget;
	uint64_t spoil; /* UINT64_MAX: never */
	const char *executors;
	uint64_t allowed;
	int never; /* flags of mmap */
	bool shrinks;
	bool traces;

	/* A sequence: */
	struct op *ops;
	size_t count;
	bool forks;
	bool same;
	struct generator generator;

	uint64_t steps_done;
	uint64_t sequences;
};

/* ---- options ---- */

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 0);

	if (end == text || *end) {
		fprintf(stderr, "judge: no number: %s\n", text);
		exit(2);
	}
	return value;
}

static uint64_t op_bits(const char *list)
{
	uint64_t bits = 0;

	while (*list) {
		size_t length = strcspn(list, ",");
		int kind = op_by_name(list, length);

		if (kind < 0) {
			fprintf(stderr, "judge: no operation: %s\n", list);
			exit(2);
		}
		bits |= UINT64_C(1) << kind;
		list += length + (list[length] == ',');
	}
	return bits;
}

static void take_never(struct judge *judge, const char *name)
{
	int flag = flag_by_name(name, strlen(name));

	if (flag <= 0) {
		fprintf(stderr, "judge: no flag: %s\n", name);
		exit(2);
	}
	judge->never |= flag;
}

static void take_option(struct judge *judge, int option)
{
	switch (option) {
	case 's':
		judge->seed = strcmp(optarg, "clock")
				      ? number(optarg)
				      : (uint64_t)time(NULL) * 1000;
		break;
	case 'n':
		judge->steps = number(optarg);
		break;
	case 't':
		judge->seconds = number(optarg);
		break;
	case 'q':
		judge->length = number(optarg);
		break;
	case 'e':
		judge->executors = optarg;
		break;
	case 'b':
		judge->budget = number(optarg);
		break;
	case 'd':
		differences_read(optarg);
		break;
	case 'o':
		judge->allowed = op_bits(optarg);
		break;
	case 'a':
		judge->allowed &= ~op_bits(optarg);
		break;
	case 'w':
		if (body_leave_out(optarg))
			break;
		fprintf(stderr, "judge: no file: %s\n", optarg);
		exit(2);
	case 'f':
		take_never(judge, optarg);
		break;
	case 'p':
		judge->spoil = number(optarg);
		break;
	case 'v':
		judge->traces = true;
		break;
	case 'x':
		judge->shrinks = false;
		break;
	case 'h':
		fputs(usage, stdout);
		exit(0);
	default:
		fputs(usage, stderr);
		exit(2);
	}
}

static void take_options(struct judge *judge, int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "steps", required_argument, NULL, 'n' },
		{ "seconds", required_argument, NULL, 't' },
		{ "sequence", required_argument, NULL, 'q' },
		{ "executors", required_argument, NULL, 'e' },
		{ "budget", required_argument, NULL, 'b' },
		{ "differences", required_argument, NULL, 'd' },
		{ "only", required_argument, NULL, 'o' },
		{ "not", required_argument, NULL, 'a' },
		{ "without", required_argument, NULL, 'w' },
		{ "never", required_argument, NULL, 'f' },
		{ "spoil", required_argument, NULL, 'p' },
		{ "trace", no_argument, NULL, 'v' },
		{ "no-shrink", no_argument, NULL, 'x' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		take_option(judge, option);
	if (optind < argc || judge->length == 0) {
		fputs(usage, stderr);
		exit(2);
	}
}

/* ---- executors ---- */

static struct executor *kernel_of(const struct judge *judge)
{
	(void)judge;
	return kernel_executor_create();
}

static struct executor *soft_of(const struct judge *judge)
{
	return quire_executor_create(true, judge->budget);
}

static struct executor *host_of(const struct judge *judge)
{
	return quire_executor_create(false, judge->budget);
}

/* In the order in which they are made: the kernel needs a process without
 * threads, and leads; who cannot fork is the last. */
static const struct {
	const char *name;
	struct executor *(*make)(const struct judge *judge);
} kinds[] = {
	{ "kernel", kernel_of },
	{ "soft", soft_of },
	{ "host", host_of },
};

static void add_each(struct judge *judge, size_t kind)
{
	struct trial *trial = &judge->trial;
	const char *list = judge->executors;

	while (*list) {
		size_t length = strcspn(list, ",");

		if (strlen(kinds[kind].name) == length &&
		    !strncmp(list, kinds[kind].name, length)) {
			if (trial->executors == EXECUTORS)
				die("too many executors: %s", judge->executors);
			trial->executor[trial->executors++] =
				kinds[kind].make(judge);
		}
		list += length + (list[length] == ',');
	}
}

static void make_executors(struct judge *judge)
{
	struct trial *trial = &judge->trial;

	if (!files_probe())
		die("the files cannot be made");
	access_init();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		add_each(judge, i);
	if (trial->executors < 2)
		die("two executors at least are wanted: %s", judge->executors);
	if (judge->spoil != UINT64_MAX)
		trial->executor[1] = spoiling_executor_create(
			trial->executor[1], judge->spoil);
	trial->small_budget = judge->budget < WINDOW_PAGES;
}

static bool has_two_that_fork(const struct trial *trial)
{
	unsigned count = 0;

	for (unsigned i = 0; i < trial->executors; i++)
		count += trial->executor[i]->ops->can_fork;
	return count >= 2;
}

/* ---- sequences ---- */

/* Each seed has a sequence of its own. */
static bool start(struct judge *judge)
{
	const uint64_t forking = UINT64_C(1) << OP_FORK | UINT64_C(1)
								  << OP_EXIT;
	struct generator *generator = &judge->generator;
	bool forks;

	memset(generator, 0, sizeof(*generator));
	generator->state = judge->seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	for (int i = 0; i < 4; i++)
		next_random(&generator->state);
	forks = has_two_that_fork(&judge->trial) &&
		(judge->allowed & forking) &&
		next_random(&generator->state) >> 62 == 0;
	generator->allowed = judge->allowed;
	generator->never = judge->never;
	generator->short_of_memory = judge->trial.small_budget;
	if (!forks)
		generator->allowed &= ~forking;
	if (!access_can_fetch())
		generator->allowed &= ~(UINT64_C(1) << OP_FETCH);
	trial_begin(&judge->trial, forks);
	return forks;
}

static struct op next_op(struct judge *judge)
{
	struct generator *generator = &judge->generator;
	struct trial *trial = &judge->trial;
	unsigned process;
	struct op op;

	memcpy(generator->alive, trial->alive, sizeof(trial->alive));
	process = generate_process(generator);
	trial_read_maps(trial, process);
	memcpy(generator->lines, trial->lines, sizeof(trial->lines));
	generator->line_count = trial->line_count;
	do
		op = generate_op(generator, process);
	while (trial_is_void(trial, &op));
	generator->forks += op.kind == OP_FORK;
	return op;
}

static void print_difference(const struct judge *judge, size_t count)
{
	for (size_t i = 0; i < count; i++)
		op_print(&judge->ops[i], stdout);
	printf("%s", judge->trial.words);
}

static void report(struct judge *judge, size_t count, bool forks)
{
	size_t left = count;

	printf("seed %llu, step %zu:\n", (unsigned long long)judge->seed,
	       count - 1);
	op_print(&judge->ops[count - 1], stdout);
	printf("%s", judge->trial.words);
	fflush(stdout);
	if (judge->shrinks) {
		left = shrink(&judge->trial, judge->ops, count, forks);
		/* Once more, for its words. */
		if (shrink_try(&judge->trial, judge->ops, left, forks) == left)
			printf("it does not always happen\n");
	}
	printf("%zu of %zu steps suffice:\n", left, count);
	print_difference(judge, left);
}

/* In a child; what is found is in memory that is shared. */
static void sequence_body(void *argument)
{
	struct judge *judge = argument;
	struct trial *trial = &judge->trial;
	bool same = true;

	judge->count = 0;
	judge->forks = start(judge);
	while (same && judge->count < judge->length && !trial->over) {
		struct op *op = &judge->ops[judge->count];

		*op = next_op(judge);
		judge->count++;
		if (judge->traces)
			op_print(op, stdout);
		same = trial_step(trial, op);
	}
	judge->same = same && trial_look(trial);
	trial_end(trial);
}

/* False: they differ, and it was said how. */
static bool run_sequence(struct judge *judge)
{
	enum isolated how;
	int signal;

	how = isolate(sequence_body, judge, PATIENCE_S, false, &signal);
	if (how != ISOLATED_DONE) {
		trial_crashed(&judge->trial,
			      how == ISOLATED_CRASHED ? CRASHED : HUNG, signal);
		judge->same = false;
	}
	judge->steps_done += judge->count;
	judge->sequences++;
	if (!judge->same)
		report(judge, judge->count, judge->forks);
	return judge->same;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* One line, as a record of what was done. */
static void print_figures(const struct judge *judge, double seconds)
{
	uint64_t met = differences_print(stdout);

	printf("judge: %llu steps in %llu sequences, %.1f s, %.0f steps/s, "
	       "%llu listed differences met, first seed %llu, "
	       "last seed %llu\n",
	       (unsigned long long)judge->steps_done,
	       (unsigned long long)judge->sequences, seconds,
	       (double)judge->steps_done / seconds, (unsigned long long)met,
	       (unsigned long long)judge->first_seed,
	       (unsigned long long)judge->seed);
}

static bool run(struct judge *judge)
{
	double begin = now();
	bool same = true;

	judge->first_seed = judge->seed;
	while (same) {
		same = run_sequence(judge);
		if (judge->seconds ? now() - begin >= (double)judge->seconds
				   : judge->steps_done >= judge->steps)
			break;
		if (same)
			judge->seed++;
	}
	print_figures(judge, now() - begin);
	return same;
}

int main(int argc, char **argv)
{
	static const struct judge standard = {
		.seed = 1,
		.steps = 2000,
		.length = 200,
		.budget = AMPLE_BUDGET,
		.spoil = UINT64_MAX,
		.executors = "soft,host,kernel",
		.allowed = (UINT64_C(1) << OP_KINDS) - 1,
		.shrinks = true,
	};
	struct judge *judge = isolate_memory(sizeof(*judge));
	bool same;

	setvbuf(stdout, NULL, _IOLBF, 0);
	*judge = standard;
	take_options(judge, argc, argv);
	judge->ops = isolate_memory(judge->length * sizeof(*judge->ops));
	make_executors(judge);
	same = run(judge);
	for (unsigned i = judge->trial.executors; i-- > 0;)
		judge->trial.executor[i]->ops->destroy(
			judge->trial.executor[i]);
	return same ? 0 : 1;
}
