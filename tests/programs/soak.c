/* soak.c - 64 processes that map, write, fork and are killed at random */
/* SPDX-License-Identifier: MIT */
/*
 * soak SECONDS SEED [meet] [lie]
 *
 * In the current folder, with files of its own.  When the time is over the
 * files are compared with the model, in a mapping and by reading, and the model
 * is written to model-N beside file-N, for who looks after all have ended.
 *
 * meet   prints "begun" before the first process and "ended" after the last,
 *        and waits for a line each time: for who counts what is in use
 * lie    one byte of the model is changed before the end: it must be found
 */
#include "soak.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEATH_LIMIT_MS 120000 /* of a slot's last process, on a busy machine */
#define IDLE_LIMIT_S 120

/* A slot as the parent knows it. */
struct slot {
	pid_t process;
	int alive; /* end of file: nobody of the slot is left */
	uint64_t steps;
	time_t progress; /* when steps were seen to change */
};

struct shared *shared;
static struct slot slots[SLOTS];
static struct random chance;
static uint64_t kills;

static time_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static void start(uint32_t number)
{
	struct slot *slot = &slots[number];
	uint64_t seed = random_next(&chance);
	int alive[2];

	if (pipe2(alive, O_CLOEXEC))
		die("pipe");
	slot->process = fork();
	if (slot->process < 0)
		die("fork");
	if (slot->process == 0) {
		setpgid(0, 0);
		work(number, seed);
	}
	setpgid(slot->process, slot->process);
	close(alive[1]);
	slot->alive = alive[0];
	slot->progress = now();
}

/* Waits for all processes of the slot, orphans too. */
static void wait_for_end(uint32_t number)
{
	struct slot *slot = &slots[number];
	struct pollfd end = { .fd = slot->alive, .events = POLLIN };
	int status;

	if (waitpid(slot->process, &status, 0) != slot->process)
		fail("waitpid");
	else if (!WIFSIGNALED(status) && status != 0)
		fail("slot %u: exit status %d", number, WEXITSTATUS(status));
	else if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
		fail("slot %u: signal %d", number, WTERMSIG(status));
	if (poll(&end, 1, DEATH_LIMIT_MS) != 1)
		fail("slot %u: a process of it does not end", number);
	close(slot->alive);
	slot->process = 0;
	journal_resolve(number);
}

/* The whole slot, or its first process alone: a child of it goes on then, and
 * ends by itself. */
static void kill_slot(uint32_t number)
{
	pid_t process = slots[number].process;

	if (random_below(&chance, 4))
		kill(-process, SIGKILL);
	else
		kill(process, SIGKILL);
	kills++;
	wait_for_end(number);
}

/* Somebody who ended without being killed, or who does nothing any more. */
static void watch(uint32_t number)
{
	struct slot *slot = &slots[number];
	uint64_t steps = atomic_load(&shared->journal[number].steps);
	siginfo_t ended = { 0 };

	if (steps != slot->steps) {
		slot->steps = steps;
		slot->progress = now();
	} else if (now() - slot->progress > IDLE_LIMIT_S) {
		fail("slot %u, process %d: no step for %d s", number,
		     slot->process, IDLE_LIMIT_S);
	}
	if (waitid(P_PID, (id_t)slot->process, &ended,
		   WEXITED | WNOHANG | WNOWAIT) == 0 &&
	    ended.si_pid && !atomic_load(&shared->stop))
		fail("slot %u ended by itself: code %d, status %d", number,
		     ended.si_code, ended.si_status);
}

static void soak(time_t duration_s)
{
	time_t end = now() + duration_s;

	for (uint32_t i = 0; i < SLOTS; i++)
		start(i);
	while (now() < end && !atomic_load(&shared->stop)) {
		struct timespec pause = {
			.tv_nsec =
				(long)(1 + random_below(&chance, 30)) * 1000000
		};
		uint32_t number = (uint32_t)random_below(&chance, SLOTS);

		nanosleep(&pause, 0);
		for (uint32_t i = 0; i < SLOTS; i++)
			watch(i);
		if (atomic_load(&shared->failed))
			break;
		kill_slot(number);
		start(number);
	}
	/* Half of them end in the middle of something. */
	for (uint32_t i = 0; i < SLOTS; i += 2)
		kill(-slots[i].process, SIGKILL);
	atomic_store(&shared->stop, true);
	for (uint32_t i = 0; i < SLOTS; i++)
		wait_for_end(i);
}

static void write_model(uint32_t file, size_t size)
{
	char name[32];
	size_t done = 0;
	int fd;

	snprintf(name, sizeof(name), "model-%u", file);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		die("open %s", name);
	while (done < size) {
		ssize_t written =
			write(fd, shared->model[file] + done, size - done);

		if (written <= 0)
			die("write %s", name);
		done += (size_t)written;
	}
	close(fd);
}

static void compare_read(uint32_t file, int fd, size_t size)
{
	static uint8_t bytes[1 << 16];

	for (size_t done = 0; done < size;) {
		ssize_t length = pread(fd, bytes, sizeof(bytes), (off_t)done);

		if (length <= 0) {
			fail("pread of file %u at %zu", file, done);
			return;
		}
		if (!matches(SLOTS, file, done, bytes, (uint32_t)length,
			     "read at the end"))
			return;
		done += (size_t)length;
	}
}

static void compare(uint32_t file)
{
	int fd = open_file(file);
	struct stat status;
	size_t size;
	uint8_t *bytes;

	if (fstat(fd, &status))
		die("fstat");
	size = (size_t)status.st_size;
	if (size < atomic_load(&shared->size[file]) || size > FILE_BYTES)
		die("file %u has %zu bytes, not %llu", file, size,
		    (unsigned long long)atomic_load(&shared->size[file]));
	bytes = mmap(0, size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		die("mmap");
	matches(SLOTS, file, 0, bytes, (uint32_t)size, "mapped at the end");
	munmap(bytes, size);
	compare_read(file, fd, size);
	close(fd);
	write_model(file, size);
}

/* Every file once, as the processes will have it. */
static void make(uint32_t file)
{
	int fd = open_file(file);
	uint8_t *bytes;

	if (ftruncate(fd, FIRST_PAGES * PAGE))
		die("ftruncate");
	raise_size(file, FIRST_PAGES * PAGE);
	bytes = mmap(0, FIRST_PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
		     fd, 0);
	if (bytes == MAP_FAILED)
		die("mmap");
	for (size_t i = 0; i < FIRST_PAGES; i++)
		bytes[i * PAGE] = shared->model[file][i * PAGE] = (uint8_t)i;
	munmap(bytes, FIRST_PAGES * PAGE);
	close(fd);
}

static void meet(bool wanted, const char *word)
{
	char answer;

	if (!wanted)
		return;
	printf("%s\n", word);
	fflush(stdout);
	while (read(STDIN_FILENO, &answer, 1) == 1 && answer != '\n')
		;
}

static bool is_said(int count, char **arguments, const char *word)
{
	for (int i = 3; i < count; i++)
		if (strcmp(arguments[i], word) == 0)
			return true;
	return false;
}

static void print_sums(void)
{
	uint64_t steps = 0, forks = 0;

	for (uint32_t i = 0; i < SLOTS; i++) {
		steps += atomic_load(&shared->journal[i].steps);
		forks += atomic_load(&shared->journal[i].forks);
	}
	printf("%llu stores, %llu forks, %llu killed: %s\n",
	       (unsigned long long)steps, (unsigned long long)forks,
	       (unsigned long long)kills,
	       atomic_load(&shared->failed) ? "FAILED" : "as the model");
}

int main(int count, char **arguments)
{
	if (count < 3) {
		fprintf(stderr, "usage: soak SECONDS SEED [meet] [lie]\n");
		return 2;
	}
	chance.state = strtoull(arguments[2], 0, 10);
	shared = mmap(0, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("soak: mmap");
		return 1;
	}
	for (uint32_t i = 0; i < FILES; i++)
		make(i);
	meet(is_said(count, arguments, "meet"), "begun");
	soak((time_t)strtoull(arguments[1], 0, 10));
	if (is_said(count, arguments, "lie"))
		shared->model[FILES - 1][FIRST_PAGES * PAGE / 2] ^= 1;
	for (uint32_t i = 0; i < FILES; i++)
		compare(i);
	meet(is_said(count, arguments, "meet"), "ended");
	print_sums();
	return atomic_load(&shared->failed);
}
