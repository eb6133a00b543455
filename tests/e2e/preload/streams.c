/* streams.c - stdio on files that are mapped */
/* SPDX-License-Identifier: MIT */
#include "program.h"

static void written(unsigned char *bytes)
{
	FILE *stream = fopen("streams", "r+");

	must(stream && fileno(stream) >= 0);
	must(fseek(stream, 5 * PAGE, SEEK_SET) == 0);
	must(fprintf(stream, "number %d", 42) == 9);
	must(fflush(stream) == 0);
	must(memcmp(bytes + 5 * PAGE, "number 42", 9) == 0);
	must(ftell(stream) == 5 * (long)PAGE + 9);
	must(fputs("more", stream) >= 0 && fclose(stream) == 0);
	must(memcmp(bytes + 5 * PAGE + 9, "more", 4) == 0);
	stream = fopen("streams", "a");
	must(stream && fputs("at the end", stream) >= 0);
	must(fclose(stream) == 0);
	must(memcmp(bytes + FILE_BYTES - 100, "at the end", 10) == 0);
}

static void is_read(unsigned char *bytes)
{
	FILE *stream = fopen("streams", "r");
	char text[20] = { 0 };

	memcpy(bytes + 8 * PAGE, "stored\n", 7);
	must(stream && fseek(stream, 8 * PAGE, SEEK_SET) == 0);
	must(fgets(text, sizeof(text), stream));
	must(strcmp(text, "stored\n") == 0);
	must(fputc('x', stream) == EOF);
	must(fclose(stream) == 0);
}

static void opened_again(unsigned char *bytes)
{
	FILE *stream = fopen("streams", "r+");
	char text[20] = { 0 };
	int fd = stream ? fileno(stream) : -1;

	must(stream && freopen("streams", "r", stream) == stream);
	must(fileno(stream) == fd);
	must(fgetc(stream) == bytes[0]);
	must(freopen("elsewhere", "w+", stream) == stream);
	must(fputs("elsewhere", stream) >= 0);
	rewind(stream);
	must(fgets(text, sizeof(text), stream));
	must(strcmp(text, "elsewhere") == 0);
	must(fclose(stream) == 0);
}

static void by_descriptor(int fd, unsigned char *bytes)
{
	int other = dup(fd);
	FILE *stream = fdopen(other, "r+");

	must(dprintf(fd, "%s", "") == 0);
	must(lseek(fd, 12 * PAGE, SEEK_SET) > 0);
	must(dprintf(fd, "line %d\n", 7) == 7);
	must(memcmp(bytes + 12 * PAGE, "line 7\n", 7) == 0);
	must(stream && fseek(stream, 13 * PAGE, SEEK_SET) == 0);
	must(fwrite("block", 1, 5, stream) == 5 && fflush(stream) == 0);
	must(memcmp(bytes + 13 * PAGE, "block", 5) == 0);
	must(fclose(stream) == 0);
	must(fcntl(other, F_GETFD) == -1 && errno == EBADF);
	must(fdopen(799, "r") == NULL && errno == EBADF);
}

/* The stream was there before the mapping. */
static void opened_before(void)
{
	FILE *stream = fopen("before", "w+");
	unsigned char *bytes;

	must(stream && ftruncate(fileno(stream), FILE_BYTES) == 0);
	bytes = map_shared(fileno(stream));
	must(bytes[0] == 0);
	must(fputs("flushed", stream) >= 0 && fflush(stream) == 0);
	must(memcmp(bytes, "flushed", 7) == 0);
	/* what was stored meanwhile stays, in the same page, too */
	bytes[100] = 0x44;
	bytes[PAGE] = 0x45;
	must(fflush(stream) == 0 && fflush(NULL) == 0);
	must(bytes[100] == 0x44 && bytes[PAGE] == 0x45);
	must(fputs("closed", stream) >= 0 && fclose(stream) == 0);
	must(memcmp(bytes + 7, "closed", 6) == 0);
	must(bytes[100] == 0x44 && bytes[PAGE] == 0x45);
	stream = fopen("before", "r");
	must(stream && fseek(stream, 100, SEEK_SET) == 0);
	must(fgetc(stream) == 0x44 && fclose(stream) == 0);
}

/* Reads, writes and appends of such a stream, in turn. */
static void mixed_before(void)
{
	FILE *stream = fopen("mixed", "w+");
	FILE *appending;
	unsigned char *bytes;
	char text[5] = { 0 };

	must(stream && fputs("0123456789", stream) >= 0);
	must(fflush(stream) == 0);
	appending = fopen("mixed", "a");
	bytes = map_shared(fileno(stream));
	bytes[9] = 'n';
	rewind(stream);
	must(fread(text, 1, 4, stream) == 4 && strcmp(text, "0123") == 0);
	must(fseek(stream, 0, SEEK_CUR) == 0);
	must(fputs("four", stream) >= 0 && fflush(stream) == 0);
	must(memcmp(bytes, "0123four8n", 11) == 0);
	must(appending && fputs("ten", appending) >= 0);
	bytes[8] = 'e';
	must(fclose(appending) == 0);
	must(memcmp(bytes,
		    "0123fouren"
		    "ten",
		    14) == 0);
	must(fclose(stream) == 0);
	must(memcmp(bytes,
		    "0123fouren"
		    "ten",
		    14) == 0);
}

static void cut(unsigned char *bytes)
{
	FILE *stream = fopen("streams", "w");

	must(stream && fputs("all new", stream) >= 0 && fclose(stream) == 0);
	must(memcmp(bytes, "all new", 8) == 0);
	must(fopen("no such folder/file", "w") == NULL && errno == ENOENT);
	must(fopen("streams", "wx") == NULL && errno == EEXIST);
}

int main(int count, char **arguments)
{
	unsigned char *bytes;
	int fd;

	begin(count, arguments);
	fd = make_file("streams", FILE_BYTES - 100);
	bytes = map_shared(fd);
	written(bytes);
	is_read(bytes);
	opened_again(bytes);
	by_descriptor(fd, bytes);
	opened_before();
	mixed_before();
	cut(bytes);
	return 0;
}
