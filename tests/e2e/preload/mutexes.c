/* mutexes.c - process-shared and robust mutexes in a shared mapping */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>
#include <stddef.h>

#define ROUNDS 2000
#define CHILDREN 4

struct shared {
	pthread_mutex_t mutex;
	pthread_mutex_t robust;
	pthread_cond_t changed;
	int count;
	int turn;
};

static void count_up(void *memory)
{
	struct shared *shared = memory;

	for (int i = 0; i < ROUNDS; i++) {
		must(pthread_mutex_lock(&shared->mutex) == 0);
		shared->count++;
		must(pthread_mutex_unlock(&shared->mutex) == 0);
	}
}

static void make_mutexes(struct shared *shared)
{
	pthread_mutexattr_t attributes;
	pthread_condattr_t condition;

	must(pthread_mutexattr_init(&attributes) == 0);
	must(pthread_mutexattr_setpshared(&attributes,
					  PTHREAD_PROCESS_SHARED) == 0);
	must(pthread_mutex_init(&shared->mutex, &attributes) == 0);
	must(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) ==
	     0);
	must(pthread_mutex_init(&shared->robust, &attributes) == 0);
	must(pthread_condattr_init(&condition) == 0);
	must(pthread_condattr_setpshared(&condition, PTHREAD_PROCESS_SHARED) ==
	     0);
	must(pthread_cond_init(&shared->changed, &condition) == 0);
}

static void die_with_it(struct shared *shared)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		must(pthread_mutex_lock(&shared->robust) == 0);
		kill(getpid(), SIGKILL);
		_exit(1);
	}
	must(waitpid(child, &status, 0) == child);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	must(pthread_mutex_lock(&shared->robust) == EOWNERDEAD);
	must(pthread_mutex_consistent(&shared->robust) == 0);
	must(pthread_mutex_unlock(&shared->robust) == 0);
	must(pthread_mutex_lock(&shared->robust) == 0);
	must(pthread_mutex_unlock(&shared->robust) == 0);
}

static void take_turns(struct shared *shared, int mine, int rounds)
{
	must(pthread_mutex_lock(&shared->mutex) == 0);
	for (int i = 0; i < rounds; i++) {
		while (shared->turn != mine)
			must(pthread_cond_wait(&shared->changed,
					       &shared->mutex) == 0);
		shared->turn = !mine;
		must(pthread_cond_broadcast(&shared->changed) == 0);
	}
	must(pthread_mutex_unlock(&shared->mutex) == 0);
}

int main(int count, char **arguments)
{
	struct shared *shared;
	pid_t child[CHILDREN];
	int fd;

	begin(count, arguments);
	fd = make_file("mutexes", FILE_BYTES);
	shared = (struct shared *)map_shared(fd);
	memset(shared, 0, sizeof(*shared));
	make_mutexes(shared);
	for (int i = 0; i < CHILDREN; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			count_up(shared);
			_exit(0);
		}
	}
	for (int i = 0; i < CHILDREN; i++)
		must_end_well(child[i]);
	must(shared->count == CHILDREN * ROUNDS);
	die_with_it(shared);
	child[0] = fork();
	if (child[0] == 0) {
		take_turns(shared, 1, 200);
		_exit(0);
	}
	take_turns(shared, 0, 200);
	must_end_well(child[0]);
	/* What they leave in the file depends on who waited when. */
	memset(shared, 0, offsetof(struct shared, count));
	return 0;
}
