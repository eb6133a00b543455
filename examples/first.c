/* first.c - sums the bytes of a file that is larger than its memory */
/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <quire/quire.h>

int main(int argc, char **argv)
{
	struct quire_options options = { .size = sizeof(options),
					 .budget = 16 << 20 };
	const unsigned char *bytes = MAP_FAILED;
	struct quire_object *object;
	struct quire *quire;
	uint64_t sum = 0;

	if (argc == 2 && quire_open(&options, &quire) == 0 &&
	    quire_object_open(quire, argv[1], O_RDONLY, NULL, &object) == 0)
		bytes = quire_mmap(quire_host_space(quire), NULL,
				   quire_object_size(object), PROT_READ,
				   MAP_SHARED, object, 0);
	if (bytes == MAP_FAILED) {
		fprintf(stderr, "first FILE: %s\n", quire_strerror_last());
		return 1;
	}
	for (uint64_t i = 0; i < quire_object_size(object); i++)
		sum += bytes[i];
	printf("sum %ju, with 16 MiB of memory\n", (uintmax_t)sum);
	return quire_object_close(object) || quire_close(quire);
}
