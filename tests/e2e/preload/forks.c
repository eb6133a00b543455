/* forks.c - what a child shares, and what it has for itself */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>
#include <sys/syscall.h>

struct maps {
	volatile unsigned char *shared;
	volatile unsigned char *private;
	int fd;
};

static void child_stores(void *memory)
{
	const struct maps *maps = memory;

	must(maps->shared[3 * PAGE] == 0x21);
	must(maps->private[3 * PAGE] == 0x22);
	must(maps->private[4 * PAGE] == pattern(4 * PAGE));
	maps->shared[5 * PAGE] = 0x23;
	maps->private[3 * PAGE] = 0x24;
	maps->private[6 * PAGE] = 0x25;
	must(is_pattern(maps->shared + 8 * PAGE, 40 * PAGE, 8 * PAGE));
}

/* A child's child, which maps on its own as well. */
static void child_forks(void *memory)
{
	const struct maps *maps = memory;
	volatile unsigned char *more = map_shared(maps->fd);

	must(more[3 * PAGE] == 0x21);
	more[50 * PAGE] = 0x31;
	must(maps->shared[50 * PAGE] == 0x31);
	maps->shared[51 * PAGE] = 0x32;
	in_child(child_stores, memory);
	must(more[5 * PAGE] == 0x23);
	must(munmap((void *)more, FILE_BYTES) == 0);
}

static void bare_child(struct maps *maps, pid_t child)
{
	if (child == 0) {
		volatile unsigned char *more;

		must(maps->shared[3 * PAGE] == 0x21);
		must(maps->private[3 * PAGE] == 0x22);
		maps->shared[60 * PAGE] = 0x41;
		maps->private[60 * PAGE] = 0x42;
		more = map_shared(maps->fd);
		must(more[60 * PAGE] == 0x41);
		must(munmap((void *)more, FILE_BYTES) == 0);
		_exit(0);
	}
	must_end_well(child);
	must(maps->shared[60 * PAGE] == 0x41);
	must(maps->private[60 * PAGE] == pattern(60 * PAGE) ||
	     maps->private[60 * PAGE] == 0x41);
	maps->shared[60 * PAGE] = 0;
}

static void *store_on(void *memory)
{
	struct maps *maps = memory;

	for (int i = 0; i < 20000; i++)
		maps->shared[(size_t)(i % 8) * PAGE + 100] = (unsigned char)i;
	return NULL;
}

/* While other threads store, and fork themselves. */
static void *fork_on(void *memory)
{
	struct maps *maps = memory;

	for (int i = 0; i < 20; i++) {
		pid_t child = fork();

		if (child == 0) {
			maps->shared[30 * PAGE] = 0x71;
			_exit(maps->private[3 * PAGE] == 0x22 ? 0 : 1);
		}
		must_end_well(child);
	}
	return NULL;
}

static void many_at_once(struct maps *maps)
{
	pthread_t thread[3];

	must(pthread_create(&thread[0], NULL, store_on, maps) == 0);
	must(pthread_create(&thread[1], NULL, fork_on, maps) == 0);
	must(pthread_create(&thread[2], NULL, fork_on, maps) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_join(thread[i], NULL) == 0);
	must(maps->shared[7 * PAGE + 100] == (unsigned char)19999);
}

int main(int count, char **arguments)
{
	struct maps maps;

	begin(count, arguments);
	maps.fd = make_file("forks", FILE_BYTES);
	maps.shared = map_shared(maps.fd);
	maps.private = map_file(maps.fd, FILE_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE);
	maps.shared[3 * PAGE] = 0x21;
	maps.private[3 * PAGE] = 0x22;
	in_child(child_stores, &maps);
	must(maps.shared[5 * PAGE] == 0x23);
	must(maps.private[3 * PAGE] == 0x22);
	must(maps.private[6 * PAGE] == pattern(6 * PAGE));
	in_child(child_forks, &maps);
	must(maps.shared[50 * PAGE] == 0x31 && maps.shared[51 * PAGE] == 0x32);
	bare_child(&maps, _Fork());
	bare_child(&maps, (pid_t)syscall(SYS_fork));
	many_at_once(&maps);
	return 0;
}
