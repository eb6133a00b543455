/* handlers.c - the program's own signal handlers */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>

static unsigned char *_Atomic bytes;
static _Atomic int faults;
static int file;

/* As garbage collectors do it: opens the page, and the store is repeated. */
static void open_page(int number, siginfo_t *info, void *context)
{
	uintptr_t page = (uintptr_t)info->si_addr & ~(uintptr_t)4095;

	(void)number;
	(void)context;
	if (info->si_code != SEGV_ACCERR ||
	    info->si_addr != bytes + 5 * PAGE + 3)
		_exit(3);
	faults++;
	mprotect((void *)page, PAGE, PROT_READ | PROT_WRITE);
}

static void *store_there(void *argument)
{
	(void)argument;
	bytes[5 * PAGE + 3] = 0x12;
	return NULL;
}

static void retried(void)
{
	struct sigaction action = {
		.sa_sigaction = open_page,
		.sa_flags = SA_SIGINFO,
	};
	pthread_t thread;

	bytes = map_shared(file);
	must(sigaction(SIGSEGV, &action, NULL) == 0);
	for (int i = 0; i < 10; i++) {
		must(mprotect(bytes, FILE_BYTES,
			      i % 2 ? PROT_READ : PROT_NONE) == 0);
		must(pthread_create(&thread, NULL, store_there, NULL) == 0);
		must(pthread_join(thread, NULL) == 0);
		must(faults == i + 1);
		must(mprotect(bytes, FILE_BYTES, PROT_READ) == 0);
		must(bytes[5 * PAGE + 3] == 0x12);
	}
	must(munmap(bytes, FILE_BYTES) == 0);
}

static _Atomic int handled;

/* Maps, reads and unmaps, whatever it has interrupted. */
static void map_in_handler(int number)
{
	int before = errno;
	unsigned char *mine;
	unsigned char byte = 0;

	(void)number;
	mine = mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);
	if (mine == MAP_FAILED || mine[30 * PAGE] != pattern(30 * PAGE))
		_exit(4);
	if (pread(file, &byte, 1, 31 * PAGE) != 1 || byte != pattern(31 * PAGE))
		_exit(5);
	if (munmap(mine, FILE_BYTES) != 0)
		_exit(6);
	handled++;
	errno = before;
}

static _Atomic bool done;

static void *map_on(void *argument)
{
	(void)argument;
	while (!done) {
		unsigned char *mine =
			mmap(NULL, FILE_BYTES, PROT_READ, MAP_SHARED, file, 0);

		must(mine != MAP_FAILED);
		must(mine[40 * PAGE] == pattern(40 * PAGE));
		must(pwrite(file, mine + 41 * PAGE, 10, 41 * PAGE) == 10);
		must(munmap(mine, FILE_BYTES) == 0);
	}
	return NULL;
}

static void mapped_in_handlers(void)
{
	struct sigaction action = {
		.sa_handler = map_in_handler,
		.sa_flags = SA_RESTART,
	};
	pthread_t thread;

	must(sigaction(SIGUSR1, &action, NULL) == 0);
	must(pthread_create(&thread, NULL, map_on, NULL) == 0);
	for (int i = 0; i < 200; i++) {
		int before = handled;

		must(pthread_kill(thread, SIGUSR1) == 0);
		while (handled == before)
			sched_yield();
	}
	done = true;
	must(pthread_join(thread, NULL) == 0);
	must(handled == 200);
}

int main(int count, char **arguments)
{
	begin(count, arguments);
	file = make_file("handlers", FILE_BYTES);
	retried();
	must(pwrite(file, "", 0, 0) == 0);
	close(file);
	file = make_file("handled", FILE_BYTES);
	mapped_in_handlers();
	return 0;
}
