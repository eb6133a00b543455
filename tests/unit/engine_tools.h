/* engine_tools.h - what the tests of the public library share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_TESTS_ENGINE_TOOLS_H
#define QUIRE_TESTS_ENGINE_TOOLS_H

#include "quire/quire.h"
#include "unit/trap_choice.h"
#include "unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define PAGE ((size_t)QUIRE_PAGE_SIZE)

/* In a child, where cmocka does not reach: says what is wrong, and ends. */
#define need(condition)                                                 \
	do {                                                            \
		if (!(condition)) {                                     \
			dprintf(STDERR_FILENO, "%s:%d: %s\n", __FILE__, \
				__LINE__, #condition);                  \
			_exit(1);                                       \
		}                                                       \
	} while (0)

/* A log that nobody reads: what is refused on purpose is no news. */
static inline void log_nothing(void *context, enum quire_log_level level,
			       const char *line)
{
	(void)context;
	(void)level;
	(void)line;
}

/* 0: the default, of both.  NULL, and a sentence in quire_strerror_last(). */
static inline struct quire *open_flushing_engine(uint64_t budget,
						 uint32_t flush_interval_ms)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = budget,
		.flags = QUIRE_NO_REPORT,
		.log = log_nothing,
		.trap = chosen_trap(),
		.flush_interval_ms = flush_interval_ms,
	};
	struct quire *quire = NULL;

	return quire_open(&options, &quire) ? NULL : quire;
}

static inline struct quire *open_engine(uint64_t budget)
{
	return open_flushing_engine(budget, 0);
}

static inline struct quire *new_engine(uint64_t budget)
{
	struct quire *quire = open_engine(budget);

	if (!quire)
		fail_msg("no engine: %s", quire_strerror_last());
	return quire;
}

/* The byte at offset of every file that make_file() makes. */
static inline unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)(offset / QUIRE_PAGE_SIZE * 7 + offset % 251 + 1);
}

static inline void fill_file(int fd, size_t size)
{
	unsigned char page[QUIRE_PAGE_SIZE];

	for (size_t done = 0; done < size; done += PAGE) {
		size_t length = size - done < PAGE ? size - done : PAGE;

		for (size_t i = 0; i < length; i++)
			page[i] = byte_at(done + i);
		assert_int_equal(pwrite(fd, page, length, (off_t)done), length);
	}
}

struct test_file {
	char path[64];
	int fd;
};

/* A file of size bytes; end_file() takes it away. */
static inline void make_file(struct test_file *file, size_t size)
{
	strcpy(file->path, "/var/tmp/quire-test-XXXXXX");
	file->fd = mkostemp(file->path, O_CLOEXEC);
	assert_return_code(file->fd, errno);
	fill_file(file->fd, size);
}

static inline void end_file(struct test_file *file)
{
	close(file->fd);
	unlink(file->path);
}

static inline struct quire_object *open_object(struct quire *quire,
					       const char *uri, int flags)
{
	struct quire_object *object;

	if (quire_object_open(quire, uri, flags, NULL, &object))
		fail_msg("%s", quire_strerror_last());
	return object;
}

static inline unsigned char byte_of(struct quire_object *object,
				    uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(quire_object_pread(object, &byte, 1, offset), 1);
	return byte;
}

/* Straight from the file, behind the object's back. */
static inline unsigned char byte_in_file(int fd, uint64_t offset)
{
	unsigned char byte = 0;

	assert_int_equal(pread(fd, &byte, 1, (off_t)offset), 1);
	return byte;
}

/* The whole object, or length bytes of it, shared. */
static inline unsigned char *map_object(struct quire *quire,
					struct quire_object *object,
					size_t length, int prot)
{
	void *address = quire_mmap(quire_host_space(quire), NULL, length, prot,
				   MAP_SHARED, object, 0);

	if (address == MAP_FAILED)
		fail_msg("%s", quire_strerror_last());
	return address;
}

static inline struct quire_statistics statistics_of(struct quire *quire)
{
	struct quire_statistics now = { .size = sizeof(now) };

	assert_int_equal(quire_get_statistics(quire, &now), 0);
	return now;
}

static inline void assert_sentence(const char *words)
{
	if (!strstr(quire_strerror_last(), words))
		fail_msg("\"%s\" does not say \"%s\"", quire_strerror_last(),
			 words);
}

/* Of this process, but for the one that counts. */
static inline int open_descriptors(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	assert_non_null(folder);
	while (readdir(folder))
		count++;
	closedir(folder);
	return count;
}

#endif
