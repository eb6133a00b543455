/* past_end.c - behind the end of the file, and when the end moves */
/* SPDX-License-Identifier: MIT */
#include "program.h"
#include "signals.h"

static void behind_the_end(void)
{
	int fd = make_file("short", 10 * PAGE + 100);
	volatile unsigned char *bytes = map_shared(fd);

	must(bytes[10 * PAGE + 99] == pattern(10 * PAGE + 99));
	for (size_t i = 100; i < PAGE; i++)
		must(bytes[10 * PAGE + i] == 0);
	must(load_signal(bytes + 11 * PAGE + 5) == SIGBUS);
	must(signals_seen.si_code == BUS_ADRERR);
	must(signals_seen.si_addr == bytes + 11 * PAGE + 5);
	must(store_signal(bytes + 63 * PAGE) == SIGBUS);
	close(fd);
}

static void the_end_moves(void)
{
	int fd = make_file("moving", FILE_BYTES);
	volatile unsigned char *bytes = map_shared(fd);

	must(is_pattern(bytes, FILE_BYTES, 0));
	bytes[20 * PAGE + 1] = 0x55; /* behind the new end, and dirty */
	must(ftruncate(fd, 20 * PAGE - 10) == 0);
	must(load_signal(bytes + 20 * PAGE) == SIGBUS);
	must(load_signal(bytes + 63 * PAGE) == SIGBUS);
	must(bytes[20 * PAGE - 11] == pattern(20 * PAGE - 11));
	must(bytes[20 * PAGE - 10] == 0 && bytes[20 * PAGE - 1] == 0);
	must(ftruncate(fd, 40 * PAGE) == 0);
	must(load_signal(bytes + 20 * PAGE + 1) == 0);
	must(bytes[20 * PAGE + 1] == 0 && bytes[39 * PAGE] == 0);
	must(load_signal(bytes + 40 * PAGE) == SIGBUS);
	must(pwrite(fd, "x", 1, 50 * PAGE) == 1);
	must(bytes[50 * PAGE] == 'x' && bytes[45 * PAGE] == 0);
	must(load_signal(bytes + 51 * PAGE) == SIGBUS);
	must(fallocate(fd, 0, 0, FILE_BYTES) == 0 || errno == EOPNOTSUPP);
	must(ftruncate(fd, FILE_BYTES) == 0);
	bytes[63 * PAGE] = 3;
	must(bytes[63 * PAGE] == 3);
	must(truncate("moving", PAGE) == 0);
	must(load_signal(bytes + PAGE) == SIGBUS);
	must(bytes[0] == pattern(0));
	close(fd);
}

/* What is stored behind the end in the last page does not come to the file. */
static void the_tail(void)
{
	int fd = make_file("tail", FILE_BYTES - 50);
	volatile unsigned char *bytes = map_shared(fd);
	struct stat status;
	unsigned char read_back[50];

	bytes[FILE_BYTES - 10] = 0x66;
	bytes[FILE_BYTES - 60] = 0x67;
	must(msync((void *)bytes, FILE_BYTES, MS_SYNC) == 0);
	must(fstat(fd, &status) == 0);
	must(status.st_size == (off_t)FILE_BYTES - 50);
	must(pread(fd, read_back, 50, FILE_BYTES - 60) == 10);
	must(read_back[0] == 0x67);
	close(fd);
}

static void made_empty(void)
{
	int fd = make_file("empty", FILE_BYTES);
	volatile unsigned char *bytes = map_shared(fd);
	int again;

	must(bytes[PAGE] == pattern(PAGE));
	again = open("empty", O_RDWR | O_TRUNC);
	must(again >= 0);
	must(load_signal(bytes) == SIGBUS);
	must(write(again, "new", 3) == 3);
	must(memcmp((void *)bytes, "new", 4) == 0);
	must(load_signal(bytes + PAGE) == SIGBUS);
	close(again);
	close(fd);
}

/* Mapped when there is nothing, and then there is. */
static void grown_from_nothing(void)
{
	int fd = make_file("nothing", 0);
	volatile unsigned char *bytes = map_shared(fd);

	must(load_signal(bytes) == SIGBUS);
	must(ftruncate(fd, FILE_BYTES) == 0);
	bytes[5 * PAGE] = 9;
	must(bytes[5 * PAGE] == 9 && bytes[0] == 0);
	close(fd);
}

int main(int count, char **arguments)
{
	begin(count, arguments);
	signals_begin();
	behind_the_end();
	the_end_moves();
	the_tail();
	made_empty();
	grown_from_nothing();
	return 0;
}
