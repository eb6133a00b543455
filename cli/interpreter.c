/* interpreter.c - is a program one that ld.so loads? */
/* SPDX-License-Identifier: MIT */
/*
 * LD_PRELOAD is ld.so's: what the kernel starts without it, a program that is
 * linked statically, never hears of our library.  As execvp(3) finds a program,
 * and the kernel a script's interpreter.
 */
#include "interpreter.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCRIPTS_MOST 4 /* of interpreters that are scripts, as the kernel */
#define HEADERS_MOST 64
#define LINE_BYTES 256

/* As execvp() does; false: nowhere. */
static bool find(const char *name, char *path, size_t size)
{
	const char *folder = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(path, size, "%s", name) < (int)size;
	if (!folder)
		folder = "/bin:/usr/bin";
	for (;;) {
		int length = (int)strcspn(folder, ":");

		if (snprintf(path, size, "%.*s%s%s", length, folder,
			     length ? "/" : "./", name) < (int)size &&
		    access(path, X_OK) == 0)
			return true;
		if (folder[length] == '\0')
			return false;
		folder += length + 1;
	}
}

/* The interpreter of a script, whose first bytes they are, in place of them. */
static bool is_script(char *line)
{
	char *name = line + 2;

	if (line[0] != '#' || line[1] != '!')
		return false;
	name += strspn(name, " \t");
	name[strcspn(name, " \t\n")] = '\0';
	memmove(line, name, strlen(name) + 1);
	return true;
}

static bool is_elf(const Elf64_Ehdr *header)
{
	return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
	       header->e_ident[EI_CLASS] == ELFCLASS64 &&
	       header->e_phentsize == sizeof(Elf64_Phdr) &&
	       header->e_phnum <= HEADERS_MOST;
}

static bool names_interpreter(int fd, const Elf64_Ehdr *header)
{
	Elf64_Phdr part[HEADERS_MOST];
	size_t bytes = header->e_phnum * sizeof(part[0]);

	if (pread(fd, part, bytes, (off_t)header->e_phoff) != (ssize_t)bytes)
		return true;
	for (unsigned i = 0; i < header->e_phnum; i++)
		if (part[i].p_type == PT_INTERP)
			return true;
	return false;
}

/* *alone: no ld.so loads it, and it is not ld.so itself.  True: it is a script,
 * and path its interpreter now. */
static bool look(char *path, size_t size, bool *alone)
{
	union {
		char line[LINE_BYTES];
		Elf64_Ehdr header;
	} first = { .line = "" };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool script = false;
	ssize_t length;

	if (fd < 0)
		return false;
	length = read(fd, first.line, sizeof(first.line) - 1);
	if (length >= (ssize_t)sizeof(first.header) && is_elf(&first.header))
		*alone = !strstr(path, ".so") &&
			 !names_interpreter(fd, &first.header);
	else if (length > 2)
		script = is_script(first.line);
	close(fd);
	if (script)
		snprintf(path, size, "%s", first.line);
	return script;
}

bool interpreter_lacks(const char *name)
{
	char path[PATH_MAX];
	bool alone = false;
	int scripts = 0;

	if (!find(name, path, sizeof(path)))
		return false;
	while (look(path, sizeof(path), &alone) && scripts++ < SCRIPTS_MOST)
		;
	return alone;
}
