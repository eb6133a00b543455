/* soak_model.c - what the files must hold, and who is about to change it */
/* SPDX-License-Identifier: MIT */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t random_next(struct random *random)
{
	uint64_t value = random->state += UINT64_C(0x9e3779b97f4a7c15);

	value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
	return value ^ (value >> 31);
}

uint64_t random_below(struct random *random, uint64_t bound)
{
	return random_next(random) % bound;
}

static void say(const char *format, va_list arguments)
{
	int error = errno;
	char line[400];

	vsnprintf(line, sizeof(line), format, arguments);
	dprintf(STDERR_FILENO, "soak: process %d: %s (errno: %s)\n", getpid(),
		line, strerror(error));
	atomic_store(&shared->failed, true);
	atomic_store(&shared->stop, true);
}

void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
}

void die(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(format, arguments);
	va_end(arguments);
	_exit(1);
}

int open_file(uint32_t file)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "file-%u", file);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		die("open %s", name);
	return fd;
}

void journal_begin(uint32_t slot, uint32_t file, uint64_t offset,
		   const uint8_t *bytes, uint32_t length)
{
	struct journal *journal = &shared->journal[slot];

	journal->file = file;
	journal->offset = offset;
	journal->length = length;
	journal->what = 's';
	memcpy(journal->bytes, bytes, length);
	/* Read after this process's death only: program order is enough. */
	atomic_store(&journal->pending, 1);
}

void journal_is(uint32_t slot, char what)
{
	shared->journal[slot].what = what;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(struct journal *journal, char what)
{
	journal->deed[journal->deeds % DEEDS] = (struct deed){
		.offset = journal->offset,
		.when_ns = now_ns(),
		.file = journal->file,
		.length = journal->length,
		.process = getpid(),
		.what = what,
		.first = journal->bytes[0],
	};
	journal->deeds++;
}

/* The last deeds that changed the byte, the last one first. */
static void print_deeds(const struct journal *journal, uint32_t file,
			uint64_t offset)
{
	uint64_t now = now_ns();
	int left = 8;

	for (uint64_t i = 0; i < DEEDS && i < journal->deeds && left; i++) {
		const struct deed *deed =
			&journal->deed[(journal->deeds - 1 - i) % DEEDS];

		if (deed->file != file || offset < deed->offset ||
		    offset >= deed->offset + deed->length)
			continue;
		left--;
		dprintf(STDERR_FILENO,
			"soak:   %c at %llu, %u bytes, first %02x, by %d, %llu "
			"us ago, %llu deeds ago\n",
			deed->what, (unsigned long long)deed->offset,
			deed->length, deed->first, deed->process,
			(unsigned long long)(now - deed->when_ns) / 1000,
			(unsigned long long)i);
	}
}

void journal_end(uint32_t slot)
{
	struct journal *journal = &shared->journal[slot];

	memcpy(&shared->model[journal->file][journal->offset], journal->bytes,
	       journal->length);
	note(journal, journal->what);
	atomic_store(&journal->pending, 0);
	atomic_fetch_add(&journal->steps, 1);
}

/* Each byte of the journal is the old one or the new one. */
static void settle(uint32_t slot, const uint8_t *found)
{
	struct journal *journal = &shared->journal[slot];
	uint8_t *model = &shared->model[journal->file][journal->offset];

	for (uint32_t i = 0; i < journal->length; i++) {
		if (found[i] != model[i] && found[i] != journal->bytes[i]) {
			fail("slot %u, killed while it stored: file %u, offset "
			     "%llu: %02x, neither %02x nor %02x",
			     slot, journal->file,
			     (unsigned long long)journal->offset + i, found[i],
			     model[i], journal->bytes[i]);
			return;
		}
		model[i] = found[i];
	}
}

void journal_resolve(uint32_t slot)
{
	struct journal *journal = &shared->journal[slot];
	uint8_t found[RANGE] = { 0 };
	int fd;

	if (!atomic_load(&journal->pending))
		return;
	fd = open_file(journal->file);
	/* Behind the end there is nothing yet: zeros, as in the model. */
	if (pread(fd, found, journal->length, (off_t)journal->offset) < 0)
		fail("pread");
	close(fd);
	note(journal,
	     memcmp(found, journal->bytes, journal->length) ? 'o' : 'n');
	settle(slot, found);
	atomic_store(&journal->pending, 0);
}

bool matches(uint32_t slot, uint32_t file, uint64_t offset,
	     const uint8_t *bytes, uint32_t length, const char *how)
{
	const uint8_t *model = &shared->model[file][offset];

	for (uint32_t i = 0; i < length; i++) {
		if (bytes[i] == model[i])
			continue;
		errno = 0;
		fail("slot %u, %s: file %u, offset %llu (page %llu): %02x "
		     "instead of %02x",
		     slot, how, file, (unsigned long long)offset + i,
		     (unsigned long long)(offset + i) / PAGE, bytes[i],
		     model[i]);
		if (slot < SLOTS)
			print_deeds(&shared->journal[slot], file, offset + i);
		else
			print_deeds(
				&shared->journal[(offset + i) % PAGE / RANGE],
				file, offset + i);
		return false;
	}
	return true;
}

void raise_size(uint32_t file, uint64_t size)
{
	uint64_t known = atomic_load(&shared->size[file]);

	while (known < size &&
	       !atomic_compare_exchange_weak(&shared->size[file], &known, size))
		;
}
