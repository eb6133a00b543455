/* replay.c - runs a fuzzer over its corpus: a plain test, without a fuzzer */
/* SPDX-License-Identifier: MIT */
/* Arguments: folders of inputs, or single inputs. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t bytes[1 << 20];

/* False: there is no such file. */
static int replay(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t size;

	if (!file) {
		perror(path);
		return 0;
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	printf("%s: %zu bytes\n", path, size);
	fflush(stdout); /* the last line names the one that fails */
	LLVMFuzzerTestOneInput(bytes, size);
	return 1;
}

static int by_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many were replayed. */
static int replay_all(const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, by_name, alphasort);
	int good = 0;

	if (count < 0)
		return replay(path);
	for (int i = 0; i < count; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
		good += replay(name);
		free(entries[i]);
	}
	free(entries);
	return good;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_all(argv[i]);
	printf("%d inputs\n", count);
	return count == 0;
}
