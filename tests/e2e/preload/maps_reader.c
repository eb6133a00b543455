/* maps_reader.c - what /proc/self/maps says of mapped files */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <limits.h>
#include <sys/sysmacros.h>

struct line {
	unsigned long start;
	unsigned long end;
	char access[8];
	unsigned long offset;
	unsigned int major;
	unsigned int minor;
	unsigned long inode;
	char path[PATH_MAX];
};

static bool find_in(FILE *stream, const void *address, struct line *line)
{
	char text[PATH_MAX + 200];

	while (fgets(text, sizeof(text), stream)) {
		line->path[0] = '\0';
		if (sscanf(text, "%lx-%lx %7s %lx %x:%x %lu %4095[^\n]",
			   &line->start, &line->end, line->access,
			   &line->offset, &line->major, &line->minor,
			   &line->inode, line->path) < 7)
			continue;
		if (line->start <= (uintptr_t)address &&
		    line->end > (uintptr_t)address)
			return true;
	}
	return false;
}

static struct line line_of(const char *maps, const void *address)
{
	FILE *stream = fopen(maps, "r");
	struct line line;

	must(stream != NULL);
	must(find_in(stream, address, &line));
	rewind(stream);
	must(find_in(stream, address, &line));
	must(fclose(stream) == 0);
	return line;
}

static void is_as_mapped(const struct line *line, int fd, const char *access,
			 const char *name)
{
	struct stat status;
	char path[PATH_MAX];

	must(fstat(fd, &status) == 0);
	must(strcmp(line->access, access) == 0);
	must(line->inode == status.st_ino);
	must(line->major == major(status.st_dev));
	must(line->minor == minor(status.st_dev));
	must(getcwd(path, sizeof(path) - 20) != NULL);
	strcat(path, name);
	must(strcmp(line->path, path) == 0);
}

int main(int count, char **arguments)
{
	char numbered[64];
	unsigned char *shared;
	unsigned char *private;
	char text[100];
	struct line line;
	int reader;
	int other;
	int fd;

	begin(count, arguments);
	fd = make_file("maps", FILE_BYTES);
	shared = map_shared(fd);
	private = mmap(NULL, 32 * PAGE, PROT_READ, MAP_PRIVATE, fd, 16 * PAGE);
	must(private != MAP_FAILED);
	line = line_of("/proc/self/maps", shared + 5 * PAGE);
	must(line.start == (uintptr_t)shared && line.offset == 0);
	must(line.end == (uintptr_t)shared + FILE_BYTES);
	is_as_mapped(&line, fd, "rw-s", "/maps");
	line = line_of("/proc/self/maps", private);
	must(line.start == (uintptr_t) private && line.offset == 16 * PAGE);
	is_as_mapped(&line, fd, "r--p", "/maps");
	snprintf(numbered, sizeof(numbered), "/proc/%d/maps", getpid());
	must(mprotect(shared + 8 * PAGE, PAGE, PROT_READ) == 0);
	line = line_of(numbered, shared + 8 * PAGE);
	must(line.start == (uintptr_t)shared + 8 * PAGE);
	must(line.offset == 8 * PAGE);
	is_as_mapped(&line, fd, "r--s", "/maps");
	other = open("maps", O_RDONLY);
	shared = map_file(other, FILE_BYTES, PROT_READ, MAP_SHARED);
	line = line_of(numbered, shared);
	is_as_mapped(&line, fd, "r--s", "/maps");
	must(unlink("maps") == 0);
	line = line_of("/proc/self/maps", private);
	is_as_mapped(&line, fd, "r--p", "/maps (deleted)");
	reader = open("/proc/self/maps", O_RDONLY);
	must(reader >= 0 && read(reader, text, sizeof(text)) > 30);
	must(close(reader) == 0);
	return 0;
}
