/* sandbox.c - runs a program with some system calls refused */
/* SPDX-License-Identifier: MIT */
/*
 * sandbox RULE... -- PROGRAM ARGUMENT...
 *
 *   no-ring       io_uring_setup() is EPERM
 *   no-uffd       userfaultfd(), and the device's ioctl for it, are EPERM
 *   no-full-uffd  the same, but for userfaultfd(... UFFD_USER_MODE_ONLY)
 *   files=N       at most N open descriptors
 *   memory=N      at most N MiB of addresses
 *
 * A seccomp filter made by hand, as containers have it.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST_STEPS 32
#define USER_MODE_ONLY 1 /* UFFD_USER_MODE_ONLY */
#define NEW_UFFD 0xaa00u /* USERFAULTFD_IOC_NEW */

static struct sock_filter steps[MOST_STEPS];
static unsigned short count;

static void add(unsigned code, unsigned value, unsigned yes, unsigned no)
{
	if (count == MOST_STEPS) {
		fprintf(stderr, "sandbox: too many rules\n");
		exit(99);
	}
	steps[count++] = (struct sock_filter)BPF_JUMP((unsigned short)code,
						      value, (unsigned char)yes,
						      (unsigned char)no);
}

static void load(size_t offset)
{
	add(BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

/* Goes on with the next step if it is so, else skips that many. */
static void go_on_if(unsigned test, unsigned value, unsigned skipped)
{
	add(BPF_JMP | test | BPF_K, value, 0, skipped);
}

static void refuse(void)
{
	add(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM, 0, 0);
}

static void refuse_call(unsigned number)
{
	load(offsetof(struct seccomp_data, nr));
	go_on_if(BPF_JEQ, number, 1);
	refuse();
}

/* The lower half of an argument, on a little-endian machine. */
static void load_argument(unsigned index)
{
	load(offsetof(struct seccomp_data, args) + 8 * index);
}

static void refuse_device(void)
{
	load(offsetof(struct seccomp_data, nr));
	go_on_if(BPF_JEQ, SYS_ioctl, 3);
	load_argument(1);
	go_on_if(BPF_JEQ, NEW_UFFD, 1);
	refuse();
}

static void refuse_full_uffd(void)
{
	load(offsetof(struct seccomp_data, nr));
	go_on_if(BPF_JEQ, SYS_userfaultfd, 3);
	load_argument(0);
	add(BPF_JMP | BPF_JSET | BPF_K, USER_MODE_ONLY, 1, 0);
	refuse();
}

static void limit(__rlimit_resource_t resource, const char *text, rlim_t unit)
{
	rlim_t value = strtoul(text, NULL, 10) * unit;
	struct rlimit both = { value, value };

	if (setrlimit(resource, &both)) {
		perror("sandbox: setrlimit");
		exit(99);
	}
}

static void add_rule(const char *rule)
{
	if (!strcmp(rule, "no-ring")) {
		refuse_call(SYS_io_uring_setup);
	} else if (!strcmp(rule, "no-uffd")) {
		refuse_call(SYS_userfaultfd);
		refuse_device();
	} else if (!strcmp(rule, "no-full-uffd")) {
		refuse_full_uffd();
		refuse_device();
	} else if (!strncmp(rule, "files=", 6)) {
		limit(RLIMIT_NOFILE, rule + 6, 1);
	} else if (!strncmp(rule, "memory=", 7)) {
		limit(RLIMIT_AS, rule + 7, 1 << 20);
	} else {
		fprintf(stderr, "sandbox: unknown rule %s\n", rule);
		exit(99);
	}
}

static void enter(void)
{
	struct sock_fprog program = { .filter = steps };

	add(BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	program.len = count;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		perror("sandbox: seccomp");
		exit(77);
	}
}

int main(int argc, char **argv)
{
	int at = 1;

	for (; at < argc && strcmp(argv[at], "--") != 0; at++)
		add_rule(argv[at]);
	if (at + 1 >= argc) {
		fprintf(stderr, "usage: sandbox RULE... -- PROGRAM...\n");
		return 99;
	}
	enter();
	execv(argv[at + 1], argv + at + 1);
	perror(argv[at + 1]);
	return 99;
}
