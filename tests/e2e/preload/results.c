/* results.c - what a write to a mapped file gives back, and when it ends */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <limits.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#ifndef RWF_APPEND
#define RWF_APPEND 0x10
#endif
#ifndef RWF_NOAPPEND
#define RWF_NOAPPEND 0x20
#endif

#define MANY ((size_t)8 << 20)

static int file;
static volatile unsigned char *bytes;

static void flags_say_where(void)
{
	int more = open("results", O_RDWR | O_APPEND);
	struct iovec part = { (void *)"N", 1 };
	ssize_t done = pwritev2(more, &part, 1, 5, RWF_NOAPPEND);

	must(done == 1 || (done < 0 && errno == EOPNOTSUPP));
	if (done == 1)
		must(bytes[5] == 'N');
	must(pwritev2(file, &part, 1, 6, RWF_APPEND) == 1);
	must(bytes[6] == pattern(6) && bytes[FILE_BYTES] == 'N');
	must(ftruncate(file, FILE_BYTES) == 0);
	must(pwrite(more, "P", 1, 7) == 1); /* Linux appends that, too */
	must(bytes[7] == pattern(7) && bytes[FILE_BYTES] == 'P');
	must(ftruncate(file, FILE_BYTES) == 0);
	close(more);
}

/* Not more parts than there may be, and no part that is not there. */
static void parts_are_counted(void)
{
	static struct iovec parts[IOV_MAX + 1];
	static unsigned char source[2 * IOV_MAX + 4096];
	volatile int none = 0;

	memset(source, 'p', sizeof(source));
	for (int i = 0; i <= IOV_MAX; i++)
		parts[i] = (struct iovec){ source + 2 * i, i % 3 ? 1 : 0 };
	must(pwritev(file, parts, IOV_MAX + 1, 0) == -1 && errno == EINVAL);
	must(pwritev(file, parts, none - 1, 0) == -1 && errno == EINVAL);
	must(pwritev(file, parts, IOV_MAX, PAGE) == 682);
	must(bytes[PAGE] == 'p' && bytes[PAGE + 681] == 'p');
	must(bytes[PAGE + 682] == pattern(PAGE + 682));
	parts[3] = (struct iovec){ (void *)8, PAGE };
	must(pwritev(file, parts, 4, 2 * PAGE) == 2);
	must(bytes[2 * PAGE + 2] == pattern(2 * PAGE + 2));
	must(pwritev(file, parts + 3, 1, 2 * PAGE) == -1 && errno == EFAULT);
	must(pwrite(file, source, PAGE, -1) == -1 && errno == EINVAL);
	must(write(file, source, (size_t)none - 1) == -1);
}

static volatile sig_atomic_t limits_met;

static void meet_limit(int number)
{
	(void)number;
	limits_met++;
}

/* source's bytes, as far as a file may be long; only who begins there is
 * refused. */
static void end_at_the_limit(const void *source, rlim_t limit)
{
	int other = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct rlimit before, now;
	volatile unsigned char *seen;

	must(other >= 0 && ftruncate(other, FILE_BYTES) == 0);
	seen = map_shared(other);
	must(seen[PAGE] == 0);
	must(getrlimit(RLIMIT_FSIZE, &before) == 0);
	now = before;
	now.rlim_cur = limit;
	must(setrlimit(RLIMIT_FSIZE, &now) == 0);
	must(write(other, source, MANY) == (ssize_t)limit);
	must(limits_met == 0);
	must(write(other, source, 1) == -1 && errno == EFBIG);
	must(limits_met == 1);
	must(pwrite(other, source, 10, (off_t)limit - 3) == 3);
	must(ftruncate(other, (off_t)limit + 1) == -1 && errno == EFBIG);
	must(limits_met == 2);
	must(setrlimit(RLIMIT_FSIZE, &before) == 0);
	limits_met = 0;
	must(seen[PAGE] == ((const unsigned char *)source)[PAGE]);
	must(ftruncate(other, 0) == 0);
	must(munmap((void *)seen, FILE_BYTES) == 0);
	close(other);
}

static void limits_hold(void)
{
	int big = make_file("source", MANY);
	unsigned char *source = malloc(MANY);
	unsigned char *mapped = map_file(big, MANY, PROT_READ, MAP_SHARED);

	must(source && signal(SIGXFSZ, meet_limit) != SIG_ERR);
	fill(source, MANY, 0);
	end_at_the_limit(source, 2 << 20);
	end_at_the_limit(source, (2 << 20) + 100);
	end_at_the_limit(mapped, 2 << 20);
	end_at_the_limit(mapped, (2 << 20) + 100);
	must(signal(SIGXFSZ, SIG_DFL) == meet_limit);
	must(munmap(mapped, MANY) == 0 && unlink("source") == 0);
	free(source);
	close(big);
}

/* ---- cancellation ---- */

static void do_write(void)
{
	must(write(file, "W", 1) == 1);
}

static void do_pwritev(void)
{
	struct iovec part = { (void *)"W", 1 };

	must(pwritev(file, &part, 1, 0) == 1);
}

static void do_read(void)
{
	char byte;

	must(read(file, &byte, 1) == 1);
}

static void do_allocate(void)
{
	must(fallocate(file, 0, 0, 1) == 0);
}

static void do_copy(void)
{
	off_t from = 0;
	off_t to = PAGE;

	must(copy_file_range(file, &from, file, &to, 1, 0) == 1);
}

static void do_sync(void)
{
	must(fsync(file) == 0);
}

static void do_msync(void)
{
	must(msync((void *)bytes, PAGE, MS_SYNC) == 0);
}

static void *be_cancelled(void *argument)
{
	void (*const *call)(void) = argument;

	must(pthread_cancel(pthread_self()) == 0);
	(*call)();
	return NULL;
}

/* As with libc's own: a thread that is to end ends there. */
static void calls_are_cancelled(void)
{
	static void (*const calls[])(void) = { do_write, do_pwritev,  do_read,
					       do_sync,  do_allocate, do_copy,
					       do_msync };

	must(lseek(file, 0, SEEK_SET) == 0);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		pthread_t thread;
		void *end;

		must(pthread_create(&thread, NULL, be_cancelled,
				    (void *)(uintptr_t)&calls[i]) == 0);
		must(pthread_join(thread, &end) == 0);
		must(end == PTHREAD_CANCELED);
	}
	must(bytes[0] == pattern(0));
}

/* ---- appending ---- */

#define RECORDS 200
#define RECORD ((size_t)64)

/* Appends, and stores to what it has appended. */
static void append_and_store(void *argument)
{
	unsigned char mark = *(unsigned char *)argument;
	unsigned char record[64];
	int more = open("log", O_RDWR | O_APPEND);
	unsigned char *log = map_file(more, 8 * FILE_BYTES,
				      PROT_READ | PROT_WRITE, MAP_SHARED);

	memset(record, mark, RECORD);
	for (size_t i = 0; i < RECORDS; i++) {
		off_t end;

		must(write(more, record, RECORD) == (ssize_t)RECORD);
		end = lseek(more, 0, SEEK_CUR);
		log[end - 1] = (unsigned char)(mark + 1);
	}
}

static void appenders_keep_their_stores(void)
{
	unsigned char marks[] = { 'a', 'k', 'u' };
	size_t length = FILE_BYTES + sizeof(marks) * RECORDS * RECORD;
	int fd = make_file("log", FILE_BYTES);
	unsigned char *log = map_file(fd, length, PROT_READ, MAP_SHARED);
	pid_t children[3];

	for (int i = 0; i < 3; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			append_and_store(&marks[i]);
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++)
		must_end_well(children[i]);
	for (size_t at = FILE_BYTES; at < length; at += RECORD) {
		must(log[at] == 'a' || log[at] == 'k' || log[at] == 'u');
		must(log[at + RECORD - 2] == log[at]);
		must(log[at + RECORD - 1] == log[at] + 1);
	}
	must(munmap(log, length) == 0 && unlink("log") == 0);
	close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments);
	file = make_file("results", FILE_BYTES);
	bytes = map_file(file, 2 * FILE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED);
	must(is_pattern(bytes, FILE_BYTES, 0));
	calls_are_cancelled();
	flags_say_where();
	parts_are_counted();
	limits_hold();
	appenders_keep_their_stores();
	return 0;
}
