/* arms.c - the same bytes through Quire, the kernel's mmap, and memory */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <quire/quire.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

void run_fail(struct run *run, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(run->why_not, sizeof(run->why_not), format, arguments);
	va_end(arguments);
	_exit(0);
}

static double clock_seconds(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
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
	run->seconds = -clock_seconds();
}

void run_end(struct run *run)
{
	run->seconds += clock_seconds();
	run->cpu_s += cpu_seconds();
	run->done = true;
}

struct worker {
	const struct question *question;
	const struct setting *setting;
	const unsigned char *bytes;
	pthread_barrier_t *start;
	uint64_t first;
	uint64_t last;
	uint64_t checksum;
	pthread_t thread;
};

static void *worker_main(void *argument)
{
	struct worker *worker = argument;

	pthread_barrier_wait(worker->start);
	worker->checksum = worker->question->work(
		worker->setting, worker->first, worker->last, worker->bytes);
	return NULL;
}

/* The measured part: all threads start together. */
static void measure(const struct question *question,
		    const struct setting *setting, const unsigned char *bytes,
		    struct run *run)
{
	struct worker *workers = calloc(setting->threads, sizeof(*workers));
	uint64_t share = setting->operations / setting->threads;
	pthread_barrier_t start;

	if (!workers)
		run_fail(run, "out of memory");
	if (question->prepare)
		question->prepare(setting, bytes);
	pthread_barrier_init(&start, NULL, setting->threads + 1);
	for (unsigned int i = 0; i < setting->threads; i++) {
		workers[i] = (struct worker){
			.question = question,
			.setting = setting,
			.bytes = bytes,
			.start = &start,
			.first = i * share,
			.last = (i + 1) * share,
		};
		if (pthread_create(&workers[i].thread, NULL, worker_main,
				   &workers[i]))
			run_fail(run, "no %u threads to be had",
				 setting->threads);
	}
	run_begin(run);
	pthread_barrier_wait(&start);
	for (unsigned int i = 0; i < setting->threads; i++) {
		pthread_join(workers[i].thread, NULL);
		run->checksum += workers[i].checksum;
	}
	run_end(run);
	free(workers);
}

void arm_quire(const struct question *question, const struct setting *setting,
	       struct run *run)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = setting->budget,
	};
	struct quire_object *object;
	struct quire *quire;
	void *bytes;

	if (quire_open(&options, &quire) ||
	    quire_object_open(quire, setting->data, O_RDONLY, NULL, &object))
		run_fail(run, "%s", quire_strerror_last());
	snprintf(run->trap_mode, sizeof(run->trap_mode), "%s",
		 quire_trap_mode(quire));
	bytes = quire_mmap(quire_host_space(quire), NULL, setting->size,
			   PROT_READ, MAP_SHARED, object, 0);
	if (bytes == MAP_FAILED)
		run_fail(run, "%s", quire_strerror_last());
	measure(question, setting, bytes, run);
	quire_munmap(quire_host_space(quire), bytes, setting->size);
	quire_object_close(object);
	quire_close(quire);
}

void arm_mmap(const struct question *question, const struct setting *setting,
	      struct run *run)
{
	int fd = open(setting->data, O_RDONLY | O_CLOEXEC);
	void *bytes = MAP_FAILED;

	if (fd >= 0)
		bytes = mmap(NULL, setting->size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	madvise(bytes, setting->size, question->advice);
	measure(question, setting, bytes, run);
	munmap(bytes, setting->size);
	close(fd);
}

void arm_memory(const struct question *question, const struct setting *setting,
		struct run *run, uint64_t bytes)
{
	int fd = open(setting->data, O_RDONLY | O_CLOEXEC);
	unsigned char *memory = malloc(bytes);
	uint64_t done = 0;

	if (fd < 0 || !memory)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	while (done < bytes) {
		ssize_t got = read(fd, memory + done, bytes - done);

		if (got <= 0)
			run_fail(run, "%s: cannot be read", setting->data);
		done += (uint64_t)got;
	}
	measure(question, setting, memory, run);
	free(memory);
	close(fd);
}
