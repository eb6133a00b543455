/* places.c - where mappings lie, are cut, moved, and replaced */
/* SPDX-License-Identifier: MIT */
#include "program.h"
#include "signals.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

static void *anonymous(size_t length, void *at, int flags)
{
	return mmap(at, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);
}

static void over_what_is_there(int fd)
{
	unsigned char *foreign = anonymous(FILE_BYTES * 2, NULL, 0);
	unsigned char *bytes;

	must(foreign != MAP_FAILED);
	memset(foreign, 0x5a, FILE_BYTES * 2);
	must(mmap(foreign, FILE_BYTES, PROT_READ,
		  MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED);
	must(errno == EEXIST && foreign[0] == 0x5a);
	bytes = mmap(foreign + 32 * PAGE, FILE_BYTES, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, 0);
	must(bytes == foreign + 32 * PAGE);
	must(foreign[32 * PAGE - 1] == 0x5a && foreign[96 * PAGE] == 0x5a);
	must(is_pattern(bytes, FILE_BYTES, 0));
	must(anonymous(4 * PAGE, bytes + 10 * PAGE, MAP_FIXED) ==
	     bytes + 10 * PAGE);
	must(bytes[10 * PAGE] == 0 && bytes[14 * PAGE - 1] == 0);
	must(bytes[14 * PAGE] == pattern(14 * PAGE));
	bytes[11 * PAGE] = 1; /* memory of its own now */
	must(anonymous(PAGE, bytes, MAP_FIXED_NOREPLACE) == MAP_FAILED);
	must(mmap(bytes + 20 * PAGE, 2 * PAGE, PROT_READ,
		  MAP_PRIVATE | MAP_FIXED, fd, 0) == bytes + 20 * PAGE);
	must(bytes[20 * PAGE] == pattern(0));
	must(bytes[22 * PAGE] == pattern(22 * PAGE));
	must(munmap(foreign, FILE_BYTES * 2) == 0);
	must(load_signal(bytes) == SIGSEGV);
}

static void hints(int fd)
{
	unsigned char *free_place = anonymous(FILE_BYTES, NULL, 0);
	unsigned char *bytes;

	must(munmap(free_place, FILE_BYTES) == 0);
	bytes = mmap(free_place, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	must(bytes == free_place && bytes[5] == pattern(5));
	must(munmap(bytes, FILE_BYTES) == 0);
#ifdef MAP_32BIT
	bytes = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED | MAP_32BIT, fd,
		     0);
	must(bytes != MAP_FAILED && (uintptr_t)bytes < UINT32_MAX);
	must(bytes[5] == pattern(5));
	must(munmap(bytes, FILE_BYTES) == 0);
#endif
}

static void pieces(int fd)
{
	volatile unsigned char *bytes = map_shared(fd);

	must(munmap((void *)(bytes + 10 * PAGE), 5 * PAGE) == 0);
	must(load_signal(bytes + 12 * PAGE) == SIGSEGV);
	must(bytes[10 * PAGE - 1] == pattern(10 * PAGE - 1));
	must(bytes[15 * PAGE] == pattern(15 * PAGE));
	must(munmap((void *)bytes, PAGE) == 0);
	must(munmap((void *)(bytes + 63 * PAGE), PAGE) == 0);
	must(bytes[PAGE] == pattern(PAGE));
	must(mprotect((void *)(bytes + 20 * PAGE), 2 * PAGE, PROT_NONE) == 0);
	must(load_signal(bytes + 20 * PAGE) == SIGSEGV);
	must(mprotect((void *)(bytes + 30 * PAGE), PAGE, PROT_READ) == 0);
	must(store_signal(bytes + 30 * PAGE) == SIGSEGV);
	must(bytes[30 * PAGE] == pattern(30 * PAGE));
	/* over the gap: what is before it has changed, and it is an error */
	must(mprotect((void *)(bytes + 8 * PAGE), 10 * PAGE, PROT_READ) == -1);
	must(errno == ENOMEM);
	must(store_signal(bytes + 9 * PAGE) == SIGSEGV);
	must(store_signal(bytes + 16 * PAGE) == 0);
	must(bytes[17 * PAGE] == pattern(17 * PAGE));
	must(munmap((void *)bytes, FILE_BYTES) == 0);
	must(munmap((void *)bytes, FILE_BYTES) == 0);
}

static void moved(int fd)
{
	unsigned char *bytes = map_shared(fd);
	unsigned char *room = anonymous(FILE_BYTES * 2, NULL, 0);
	unsigned char *other;

	bytes[5 * PAGE] = 0x15;
	must(mremap(bytes, FILE_BYTES, 32 * PAGE, 0) == bytes);
	must(load_signal(bytes + 32 * PAGE) == SIGSEGV);
	other = mremap(bytes, 32 * PAGE, FILE_BYTES,
		       MREMAP_MAYMOVE | MREMAP_FIXED, room);
	must(other == room && other[5 * PAGE] == 0x15);
	must(is_pattern(other + 32 * PAGE, 32 * PAGE, 32 * PAGE));
	must(load_signal(bytes) == SIGSEGV);
	other[40 * PAGE] = 0x16;
	must(mremap(other, 0, FILE_BYTES, MREMAP_MAYMOVE) != MAP_FAILED);
	bytes = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	must(bytes[40 * PAGE] == 0x16);
	must(munmap(bytes, FILE_BYTES) == 0);
	must(mremap(other, FILE_BYTES, 2 * FILE_BYTES, 0) == MAP_FAILED);
	must(errno == ENOMEM); /* the rest of the room is in the way */
	must(munmap(room + FILE_BYTES, FILE_BYTES) == 0);
	must(mremap(other, FILE_BYTES, FILE_BYTES + PAGE, 0) == other);
	must(load_signal(other + FILE_BYTES) == SIGBUS);
	must(ftruncate(fd, FILE_BYTES + PAGE) == 0);
	must(other[FILE_BYTES] == 0);
	other[FILE_BYTES] = 3;
	must(munmap(other, FILE_BYTES + PAGE) == 0);
	must(ftruncate(fd, FILE_BYTES) == 0);
}

#define SMALL ((size_t)3000)

/* Each of another page, so that no two can be one. */
static void thousands(int fd)
{
	static unsigned char *bytes[SMALL];
	unsigned char *whole = map_shared(fd);

	for (size_t i = 0; i < SMALL; i++) {
		size_t page = i * 7 % FILE_PAGES;

		bytes[i] = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
				fd, (off_t)(page * PAGE));
		must(bytes[i] != MAP_FAILED);
		if (i % 3 == 0)
			bytes[i][i % PAGE] = whole[page * PAGE + i % PAGE];
	}
	for (size_t i = 0; i < SMALL; i++) {
		size_t page = i * 7 % FILE_PAGES;

		must(bytes[i][3] == whole[page * PAGE + 3]);
		must(munmap(bytes[i], PAGE) == 0);
	}
	must(munmap(whole, FILE_BYTES) == 0);
}

/* A last page that is mapped in part only is mapped whole. */
static void odd_lengths(int fd)
{
	unsigned char *bytes =
		mmap(NULL, 17 * PAGE + 1, PROT_READ, MAP_PRIVATE, fd, 3 * PAGE);

	must(bytes != MAP_FAILED);
	must(bytes[18 * PAGE - 1] == pattern(21 * PAGE - 1));
	must(munmap(bytes, 17 * PAGE + 1) == 0);
	must(load_signal(bytes + 17 * PAGE) == SIGSEGV);
}

int main(int count, char **arguments)
{
	int fd;

	begin(count, arguments);
	signals_begin();
	fd = make_file("places", FILE_BYTES);
	over_what_is_there(fd);
	hints(fd);
	pieces(fd);
	odd_lengths(make_file("odd", FILE_BYTES));
	moved(fd);
	thousands(fd);
	return 0;
}
