/* meanwhile.c - a file is mapped while a system call changes it */
/* SPDX-License-Identifier: MIT */
/*
 * The thread that makes the call has a filter of its own (seccomp): main() is
 * asked before the kernel does it, and maps the file then, and looks at the old
 * bytes.
 */
#include "signals.h"

#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>

#define CHANGED ((off_t)(8 * PAGE)) /* where it is, and how long */

static int file;

/* ---- calls that are asked about ---- */

/* Of this thread, from now on: this one, and the two by which somebody could
 * look what has come of it.  -1: it may not be. */
static int filter_calls(unsigned int number)
{
	struct sock_filter steps[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fstat, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lseek, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(steps) / sizeof(steps[0]), steps };

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

struct asked {
	int filter;
	struct seccomp_notif notice;
};

/* False: its thread has ended. */
static bool await_call(struct asked *asked)
{
	struct pollfd poll_it = { .fd = asked->filter, .events = POLLIN };

	must(poll(&poll_it, 1, -1) > 0);
	if (!(poll_it.revents & POLLIN))
		return false;
	memset(&asked->notice, 0, sizeof(asked->notice));
	must(ioctl(asked->filter, SECCOMP_IOCTL_NOTIF_RECV, &asked->notice) ==
	     0);
	return true;
}

static void let_go(const struct asked *asked)
{
	struct seccomp_notif_resp answer = {
		.id = asked->notice.id,
		.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE,
	};

	must(ioctl(asked->filter, SECCOMP_IOCTL_NOTIF_SEND, &answer) == 0);
}

struct change {
	long number; /* of its system call */
	void (*run)(void);
	void (*check)(volatile unsigned char *bytes);
	_Atomic int filter; /* NOT_YET */
};

#define NOT_YET (-2)

static void *run_change(void *argument)
{
	struct change *change = argument;

	change->filter = filter_calls((unsigned int)change->number);
	change->run();
	return NULL;
}

/* Its system call is about to be made. */
static pthread_t begin_change(struct change *change, struct asked *asked)
{
	pthread_t thread;

	change->filter = NOT_YET;
	must(pthread_create(&thread, NULL, run_change, change) == 0);
	while (change->filter == NOT_YET)
		sched_yield();
	asked->filter = change->filter;
	while (await_call(asked) && asked->notice.data.nr != change->number)
		let_go(asked);
	return thread;
}

/* meanwhile: done once between the call and its end. */
static void end_change(pthread_t thread, struct asked *asked,
		       void (*meanwhile)(void))
{
	let_go(asked);
	while (await_call(asked)) {
		if (meanwhile)
			meanwhile();
		meanwhile = NULL;
		let_go(asked);
	}
	if (meanwhile)
		meanwhile();
	must(pthread_join(thread, NULL) == 0);
	close(asked->filter);
}

/* ---- the changes ---- */

static void cut(void)
{
	must(ftruncate(file, CHANGED) == 0);
}

static void cut_by_name(void)
{
	must(truncate("meanwhile", CHANGED) == 0);
}

static void is_cut(volatile unsigned char *bytes)
{
	must(bytes[CHANGED - 1] == pattern(CHANGED - 1));
	must(load_signal(bytes + CHANGED) == SIGBUS);
	must(ftruncate(file, FILE_BYTES) == 0);
	must(bytes[CHANGED] == 0);
}

static void lengthen(void)
{
	must(ftruncate(file, 2 * FILE_BYTES) == 0);
}

static void is_longer(volatile unsigned char *bytes)
{
	must(bytes[2 * FILE_BYTES - 1] == 0);
	bytes[2 * FILE_BYTES - 1] = 5;
}

static void punch(void)
{
	must(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       CHANGED, CHANGED) == 0);
}

static void is_punched(volatile unsigned char *bytes)
{
	must(bytes[CHANGED - 1] == pattern(CHANGED - 1));
	must(bytes[CHANGED] == 0 && bytes[2 * CHANGED - 1] == 0);
	must(bytes[2 * CHANGED] == pattern(2 * CHANGED));
}

static void copy(void)
{
	int from = open("other", O_RDONLY);
	off_t to = CHANGED;

	must(copy_file_range(from, NULL, file, &to, PAGE, 0) == (ssize_t)PAGE);
	close(from);
}

static void send(void)
{
	int from = open("other", O_RDONLY);

	must(lseek(file, CHANGED, SEEK_SET) == CHANGED);
	must(sendfile(file, from, NULL, PAGE) == (ssize_t)PAGE);
	close(from);
}

static void overwrite(void)
{
	static unsigned char page[4096];

	fill(page, PAGE, 0);
	must(pwrite(file, page, PAGE, CHANGED) == (ssize_t)PAGE);
}

static void is_copied(volatile unsigned char *bytes)
{
	must(is_pattern(bytes + CHANGED, PAGE, 0));
	must(bytes[CHANGED - 1] == pattern(CHANGED - 1));
	must(bytes[CHANGED + PAGE] == pattern(CHANGED + PAGE));
}

static int more;

static void append(void)
{
	must(write(more, "more", 4) == 4);
}

static void has_more(volatile unsigned char *bytes)
{
	must(bytes[FILE_BYTES] == 'm' && bytes[FILE_BYTES + 3] == 'e');
	must(bytes[FILE_BYTES + 4] == 0);
}

/* ---- how each is done ---- */

static void do_meanwhile(struct change *change)
{
	volatile unsigned char *bytes;
	struct asked asked;
	pthread_t thread;
	int other;

	file = make_file("meanwhile", FILE_BYTES);
	other = open("meanwhile", O_RDWR);
	more = open("meanwhile", O_WRONLY | O_APPEND);
	must(other >= 0 && more >= 0);
	thread = begin_change(change, &asked);
	bytes = map_file(other, 2 * FILE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED);
	must(is_pattern(bytes, FILE_BYTES, 0));
	end_change(thread, &asked, NULL);
	change->check(bytes);
	must(munmap((void *)bytes, 2 * FILE_BYTES) == 0);
	must(unlink("meanwhile") == 0);
	close(more);
	close(other);
	close(file);
}

/* ---- two that share a position, or the file's end ---- */

static unsigned char page[4096];
static int second; /* by which the other one writes */

static void write_first(void)
{
	static unsigned char mine[4096];

	memset(mine, 'A', PAGE);
	must(write(file, mine, PAGE) == (ssize_t)PAGE);
}

static void write_second(void)
{
	must(write(second, page, PAGE) == (ssize_t)PAGE);
}

/* The first one's bytes are at at, and the second one's behind them. */
static void write_both(off_t at)
{
	struct change change = { .number = SYS_write, .run = write_first };
	int other = open("shared", O_RDWR);
	volatile unsigned char *bytes;
	struct asked asked;
	pthread_t thread;

	memset(page, 'B', PAGE);
	thread = begin_change(&change, &asked);
	bytes = map_file(other, 2 * FILE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_SHARED);
	must(is_pattern(bytes, FILE_BYTES, 0));
	end_change(thread, &asked, write_second);
	must(bytes[at] == 'A' && bytes[at + (off_t)PAGE - 1] == 'A');
	must(bytes[at + (off_t)PAGE] == 'B');
	must(bytes[at + 2 * (off_t)PAGE - 1] == 'B');
	must(bytes[at - 1] == pattern((size_t)at - 1));
	must(munmap((void *)bytes, 2 * FILE_BYTES) == 0);
	must(unlink("shared") == 0);
	close(other);
}

static void share_a_position(void)
{
	second = file = make_file("shared", FILE_BYTES);
	must(lseek(file, CHANGED, SEEK_SET) == CHANGED);
	write_both(CHANGED);
	close(file);
}

static void share_the_end(void)
{
	close(make_file("shared", FILE_BYTES));
	file = open("shared", O_WRONLY | O_APPEND);
	second = open("shared", O_WRONLY | O_APPEND);
	must(file >= 0 && second >= 0);
	write_both(FILE_BYTES);
	close(second);
	close(file);
}

/* ---- */

static void *try_to_filter(void *argument)
{
	*(int *)argument = filter_calls(SYS_ftruncate);
	return NULL;
}

static bool can_be_filtered(void)
{
	pthread_t thread;
	int filter = -1;

	must(pthread_create(&thread, NULL, try_to_filter, &filter) == 0);
	must(pthread_join(thread, NULL) == 0);
	return filter >= 0 && close(filter) == 0;
}

int main(int count, char **arguments)
{
	static struct change changes[] = {
		{ .number = SYS_ftruncate, .run = cut, .check = is_cut },
		{ .number = SYS_truncate, .run = cut_by_name, .check = is_cut },
		{ .number = SYS_ftruncate, .run = lengthen, .check = is_longer },
		{ .number = SYS_fallocate, .run = punch, .check = is_punched },
		{ .number = SYS_copy_file_range,
		  .run = copy,
		  .check = is_copied },
		{ .number = SYS_sendfile, .run = send, .check = is_copied },
		{ .number = SYS_pwrite64, .run = overwrite, .check = is_copied },
		{ .number = SYS_write, .run = append, .check = has_more },
	};
	unsigned char *bytes;

	begin(count, arguments);
	signals_begin();
	/* Something is taken, but not what is changed. */
	bytes = map_shared(make_file("other", FILE_BYTES));
	must(bytes[0] == pattern(0));
	if (!can_be_filtered())
		return 0;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++)
		do_meanwhile(&changes[i]);
	share_a_position();
	share_the_end();
	return 0;
}
