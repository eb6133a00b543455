/* advice.c - madvise, mlock and msync, and that bytes stay what they are */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <sys/resource.h>

static void dont_need(int fd)
{
	unsigned char *shared = map_shared(fd);
	unsigned char *private =
		map_file(fd, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	shared[5 * PAGE] = 0x51;
	private[6 * PAGE] = 0x52;
	must(madvise(shared, FILE_BYTES, MADV_DONTNEED) == 0);
	must(shared[5 * PAGE] == 0x51 && private[5 * PAGE] == 0x51);
	must(madvise(private, FILE_BYTES, MADV_DONTNEED) == 0);
	must(private[6 * PAGE] == pattern(6 * PAGE));
	must(posix_madvise(shared, FILE_BYTES, POSIX_MADV_DONTNEED) == 0);
	must(posix_madvise(shared, FILE_BYTES, POSIX_MADV_SEQUENTIAL) == 0);
	must(posix_madvise(shared + 1, PAGE, POSIX_MADV_WILLNEED) == EINVAL);
	must(madvise(shared, FILE_BYTES, MADV_RANDOM) == 0);
	must(madvise(shared, FILE_BYTES, MADV_WILLNEED) == 0);
	must(madvise(shared, FILE_BYTES, MADV_PAGEOUT) == 0 || errno == EINVAL);
	must(shared[5 * PAGE] == 0x51);
	must(munmap(private, FILE_BYTES) == 0);
	must(munmap(shared, FILE_BYTES) == 0);
}

static void removed(int fd)
{
	unsigned char *shared = map_shared(fd);
	unsigned char bytes[8];

	shared[20 * PAGE] = 1;
	if (madvise(shared + 20 * PAGE, 2 * PAGE, MADV_REMOVE) == 0) {
		must(shared[20 * PAGE] == 0 && shared[22 * PAGE - 1] == 0);
		must(shared[22 * PAGE] == pattern(22 * PAGE));
		must(pread(fd, bytes, 8, 20 * PAGE) == 8 && bytes[0] == 0);
	} else {
		must(errno == EOPNOTSUPP);
	}
	must(munmap(shared, FILE_BYTES) == 0);
}

static void not_in_children(int fd)
{
	unsigned char *bytes = map_shared(fd);
	int status = 0;
	pid_t child;

	must(madvise(bytes, FILE_BYTES, MADV_DONTFORK) == 0);
	child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		_exit(*(volatile unsigned char *)bytes);
	}
	must(waitpid(child, &status, 0) == child);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	must(bytes[0] == pattern(0));
	must(munmap(bytes, FILE_BYTES) == 0);
}

static void locked(int fd)
{
	unsigned char *bytes = map_shared(fd);
	unsigned char *more;

	must(mlock(bytes, FILE_BYTES) == 0);
	bytes[7 * PAGE] = 0x57;
	must(mlock2(bytes, PAGE, MLOCK_ONFAULT) == 0);
	must(munlock(bytes, 32 * PAGE) == 0);
	more = map_file(fd, FILE_BYTES, PROT_READ, MAP_SHARED | MAP_LOCKED);
	must(more[7 * PAGE] == 0x57);
	must(munmap(more, FILE_BYTES) == 0);
	more = map_file(fd, FILE_BYTES, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_POPULATE);
	must(more[7 * PAGE] == 0x57);
	must(munmap(more, FILE_BYTES) == 0);
	must(munlockall() == 0);
	must(munmap(bytes, FILE_BYTES) == 0);
}

/* More than there is memory for it: pages come and go. */
static void larger_than_memory(void)
{
	const size_t length = (size_t)24 << 20;
	int fd = make_file("large", length);
	unsigned char *bytes =
		map_file(fd, length, PROT_READ | PROT_WRITE, MAP_SHARED);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < length; i += PAGE) {
			must(bytes[i + 1] == pattern(i + 1));
			bytes[i] = (unsigned char)(i / PAGE + (size_t)round);
		}
	}
	must(msync(bytes, length, MS_ASYNC) == 0);
	for (size_t i = 0; i < length; i += PAGE)
		must(bytes[i] == (unsigned char)(i / PAGE + 1));
	must(msync(bytes, length, MS_SYNC | MS_INVALIDATE) == 0);
	must(munmap(bytes, length) == 0);
	close(fd);
}

int main(int count, char **arguments)
{
	int fd;

	begin(count, arguments);
	fd = make_file("advice", FILE_BYTES);
	dont_need(fd);
	removed(fd);
	not_in_children(fd);
	locked(fd);
	larger_than_memory();
	return 0;
}
