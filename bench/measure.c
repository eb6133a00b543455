/* measure.c - clocks, threads, latencies: what is timed, and how */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- numbers ---- */

uint64_t mix(uint64_t value)
{
	value = (value + 1) * UINT64_C(0x9e3779b97f4a7c15);
	value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
	return value ^ value >> 31;
}

/*
 * As fast as memory, and no byte is left out.  Two that changed places show,
 * as the seed is where they are.  length is a multiple of 8.
 */
uint64_t words_sum(const unsigned char *bytes, size_t length, uint64_t seed)
{
	uint64_t sum = 1;

	for (size_t at = 0; at < length; at += sizeof(uint64_t)) {
		uint64_t word;

		memcpy(&word, bytes + at, sizeof(word));
		sum += word;
	}
	return sum * (seed + 1);
}

uint64_t random_page(const struct setting *setting, uint64_t number)
{
	return mix(number) % (setting->size / PAGE) * PAGE;
}

uint64_t reads_at_first(const struct setting *setting)
{
	(void)setting;
	return 10000;
}

uint64_t direct_sum(const struct setting *setting, const unsigned char *bytes,
		    size_t length, uint64_t offset)
{
	(void)setting;
	return words_sum(bytes, length, offset);
}

uint64_t memory_kib(const char *field)
{
	FILE *file = fopen("/proc/self/status", "re");
	size_t length = strlen(field);
	uint64_t kib = 0;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, field, length) && line[length] == ':')
			kib = strtoull(line + length + 1, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

/* ---- a run ends early ---- */

static void say(struct run *run, const char *format, va_list arguments)
{
	run->done = false;
	vsnprintf(run->why_not, sizeof(run->why_not), format, arguments);
}

void run_fail(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(run, format, arguments);
	va_end(arguments);
	_exit(0);
}

void run_impossible(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(run, format, arguments);
	va_end(arguments);
	run->impossible = true;
	_exit(0);
}

/* ---- clocks ---- */

uint64_t clock_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
	       ((double)usage.ru_utime.tv_usec +
		(double)usage.ru_stime.tv_usec) /
		       1e6;
}

void run_begin(struct run *run)
{
	run->cpu_s = -cpu_seconds();
	run->seconds = -(double)clock_ns() / 1e9;
}

void run_end(struct run *run)
{
	run->seconds += (double)clock_ns() / 1e9;
	run->cpu_s += cpu_seconds();
	run->done = true;
}

void run_figure(struct run *run, const char *name, double value, double most)
{
	struct figure *figure = &run->figure[run->figures];

	if (run->figures == MOST_FIGURES)
		run_fail(run, "more than %d figures", MOST_FIGURES);
	snprintf(figure->name, sizeof(figure->name), "%s", name);
	figure->value = value;
	figure->most = most;
	run->figures++;
}

/* ---- latencies ---- */

static int compare(const void *a, const void *b)
{
	uint64_t first = *(const uint64_t *)a;
	uint64_t second = *(const uint64_t *)b;

	return (first > second) - (first < second);
}

static void latency_figures(const struct question *question,
			    const struct setting *setting, uint64_t *latency_ns,
			    struct run *run)
{
	static const struct {
		const char *name;
		double part;
	} parts[] = {
		{ "p50", .5 }, { "p99", .99 }, { "p99.9", .999 }, { "max", 1 }
	};
	uint64_t last = setting->operations - 1;

	qsort(latency_ns, setting->operations, sizeof(*latency_ns), compare);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		uint64_t at = (uint64_t)((double)last * parts[i].part);
		char name[32];

		snprintf(name, sizeof(name), "%s_%s_us", question->latency_name,
			 parts[i].name);
		run_figure(run, name, (double)latency_ns[at] / 1e3,
			   at == last ? question->latency_most_us : 0);
	}
}

/* ---- threads ---- */

struct worker {
	struct job job;
	uint64_t (*work)(struct job *job);
	pthread_barrier_t *start;
	uint64_t result;
	pthread_t thread;
};

struct team {
	const struct question *question;
	const struct view *view;
	struct run *run;
	struct worker *workers;
	struct worker beside;
	pthread_barrier_t start;
	atomic_bool stop;
};

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	pthread_barrier_wait(worker->start);
	worker->result = worker->work(&worker->job);
	return NULL;
}

static void worker_start(struct team *team, struct worker *worker)
{
	worker->start = &team->start;
	worker->job.view = team->view;
	worker->job.stop = &team->stop;
	if (pthread_create(&worker->thread, NULL, worker_main, worker))
		run_fail(team->run, "no more threads to be had");
}

static void team_start(struct team *team, const struct setting *setting,
		       uint64_t *latency_ns)
{
	const struct question *question = team->question;
	bool peer = !team->view->quire && question->peer_work;
	uint64_t share = setting->operations / setting->threads;

	for (unsigned int i = 0; i < setting->threads; i++) {
		struct worker *worker = &team->workers[i];

		worker->work = peer ? question->peer_work : question->work;
		worker->job.setting = setting;
		worker->job.first = i * share;
		worker->job.last = (i + 1) * share;
		worker->job.thread = i;
		worker->job.latency_ns = latency_ns;
		worker_start(team, worker);
	}
	if (!question->beside)
		return;
	team->beside.work = question->beside;
	team->beside.job.setting = setting;
	worker_start(team, &team->beside);
}

static void team_run(struct team *team, const struct setting *setting)
{
	struct run *run = team->run;
	uint64_t longest_ns = 0;

	run_begin(run);
	pthread_barrier_wait(&team->start);
	for (unsigned int i = 0; i < setting->threads; i++) {
		struct worker *worker = &team->workers[i];

		pthread_join(worker->thread, NULL);
		run->checksum += worker->result;
		if (worker->job.longest_ns > longest_ns)
			longest_ns = worker->job.longest_ns;
	}
	run_end(run);
	if (team->question->longest_name)
		run_figure(run, team->question->longest_name,
			   (double)longest_ns / 1e6, 0);
	if (!team->question->beside)
		return;
	/* relaxed: it orders nothing */
	atomic_store_explicit(&team->stop, true, memory_order_relaxed);
	pthread_join(team->beside.thread, NULL);
	if (team->question->beside_name)
		run_figure(run, team->question->beside_name,
			   (double)team->beside.result / run->seconds, 0);
}

void measure(const struct question *question, const struct setting *setting,
	     const struct view *view, struct run *run)
{
	struct team team = {
		.question = question,
		.view = view,
		.run = run,
		.workers = calloc(setting->threads, sizeof(*team.workers)),
	};
	uint64_t *latency_ns = NULL;

	if (question->latency_name) {
		latency_ns = calloc(setting->operations, sizeof(*latency_ns));
		if (latency_ns) /* here, and not while it is measured */
			memset(latency_ns, 1,
			       setting->operations * sizeof(*latency_ns));
	}
	if (!team.workers || (question->latency_name && !latency_ns))
		run_fail(run, "out of memory");
	if (question->prepare)
		question->prepare(setting, view);
	pthread_barrier_init(&team.start, NULL,
			     setting->threads + 1 + (question->beside != NULL));
	team_start(&team, setting, latency_ns);
	team_run(&team, setting);
	if (latency_ns)
		latency_figures(question, setting, latency_ns, run);
	free(latency_ns);
	free(team.workers);
}
