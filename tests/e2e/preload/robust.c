/* robust.c - owners of robust mutexes die, whatever happened to the page */
/* SPDX-License-Identifier: MIT */
#include "program.h"

#include <pthread.h>
#include <time.h>

#define MUTEXES 4 /* each on a page of its own */
#define OTHER_BYTES ((size_t)4 << 20)

struct page {
	pthread_mutex_t mutex;
	unsigned char rest[4096 - sizeof(pthread_mutex_t)];
};

static struct page *pages;
static unsigned char *other;
static int file;

static void make_mutexes(void)
{
	pthread_mutexattr_t attributes;

	must(pthread_mutexattr_init(&attributes) == 0);
	must(pthread_mutexattr_setpshared(&attributes,
					  PTHREAD_PROCESS_SHARED) == 0);
	must(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) ==
	     0);
	for (int i = 0; i < MUTEXES; i++)
		must(pthread_mutex_init(&pages[i].mutex, &attributes) == 0);
}

/* The child must die holding what it has locked; this process finds out. */
static void must_be_told(pid_t child, int count)
{
	int status;

	must(waitpid(child, &status, 0) == child);
	must(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	for (int i = 0; i < count; i++) {
		must(pthread_mutex_lock(&pages[i].mutex) == EOWNERDEAD);
		must(pthread_mutex_consistent(&pages[i].mutex) == 0);
		must(pthread_mutex_unlock(&pages[i].mutex) == 0);
	}
}

static void die(void)
{
	kill(getpid(), SIGKILL);
	_exit(1);
}

static void write_home(void)
{
	must(msync(pages, FILE_BYTES, MS_SYNC) == 0);
}

/* Each is of no more use now than this. */
static void press_out(void)
{
	for (int round = 0; round < 3; round++)
		for (size_t i = 0; i < OTHER_BYTES; i += PAGE)
			other[i]++;
	must(msync(other, OTHER_BYTES, MS_SYNC) == 0);
}

static void die_after(void (*what)(void))
{
	pid_t child = fork();

	if (child == 0) {
		for (int i = 0; i < MUTEXES; i++)
			must(pthread_mutex_lock(&pages[i].mutex) == 0);
		what();
		die();
	}
	must_be_told(child, MUTEXES);
}

static void die_after_trying(void)
{
	struct timespec until = { .tv_sec = time(NULL) + 1000 };
	pid_t child = fork();

	if (child == 0) {
		must(pthread_mutex_trylock(&pages[0].mutex) == 0);
		must(pthread_mutex_timedlock(&pages[1].mutex, &until) == 0);
		must(pthread_mutex_clocklock(&pages[2].mutex, CLOCK_REALTIME,
					     &until) == 0);
		write_home();
		die();
	}
	must_be_told(child, 3);
}

/* What it locked first was at the same address, and is there no more. */
static void die_in_another_mapping(void)
{
	pid_t child = fork();

	if (child == 0) {
		must(pthread_mutex_lock(&pages[0].mutex) == 0);
		must(pthread_mutex_unlock(&pages[0].mutex) == 0);
		must(munmap(pages, FILE_BYTES) == 0);
		must(mmap(pages, FILE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, file, 0) == pages);
		must(pthread_mutex_lock(&pages[0].mutex) == 0);
		write_home();
		die();
	}
	must_be_told(child, 1);
}

static void *end_with_it(void *argument)
{
	(void)argument;
	must(pthread_mutex_lock(&pages[0].mutex) == 0);
	write_home();
	return NULL;
}

/* No process dies: a thread does. */
static void end_a_thread(void)
{
	pthread_t thread;

	must(pthread_create(&thread, NULL, end_with_it, NULL) == 0);
	must(pthread_join(thread, NULL) == 0);
	must(pthread_mutex_lock(&pages[0].mutex) == EOWNERDEAD);
	must(pthread_mutex_consistent(&pages[0].mutex) == 0);
	must(pthread_mutex_unlock(&pages[0].mutex) == 0);
}

/* Who waits already is told as well. */
static void die_while_waited_for(void)
{
	int ends[2];
	pid_t child;
	char byte = 0;

	must(pipe(ends) == 0);
	child = fork();
	if (child == 0) {
		must(pthread_mutex_lock(&pages[0].mutex) == 0);
		write_home();
		must(write(ends[1], &byte, 1) == 1);
		usleep(50000); /* perhaps somebody waits then */
		die();
	}
	must(read(ends[0], &byte, 1) == 1);
	must(pthread_mutex_lock(&pages[0].mutex) == EOWNERDEAD);
	must(pthread_mutex_consistent(&pages[0].mutex) == 0);
	must(pthread_mutex_unlock(&pages[0].mutex) == 0);
	must(waitpid(child, NULL, 0) == child);
	close(ends[0]);
	close(ends[1]);
}

/* What is kept may be cut off all the same, and is another page then. */
static void cut_it_off(void)
{
	must(pthread_mutex_lock(&pages[1].mutex) == 0);
	must(pthread_mutex_unlock(&pages[1].mutex) == 0);
	must(ftruncate(file, (off_t)PAGE) == 0);
	must(ftruncate(file, (off_t)FILE_BYTES) == 0);
	must(pages[1].rest[0] == 0);
}

int main(int count, char **arguments)
{
	int fd;

	begin(count, arguments);
	alarm(120); /* who is not told waits for ever */
	file = make_file("robust", FILE_BYTES);
	fd = make_file("other", OTHER_BYTES);
	pages = (struct page *)map_shared(file);
	other = map_file(fd, OTHER_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
	memset(pages, 0, FILE_BYTES);
	make_mutexes();
	die_after(write_home);
	die_after(press_out);
	die_after_trying();
	die_in_another_mapping();
	end_a_thread();
	die_while_waited_for();
	cut_it_off();
	memset(pages, 0, FILE_BYTES);
	memset(other, 0, OTHER_BYTES);
	return 0;
}
