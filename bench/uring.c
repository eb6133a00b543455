/* uring.c - what the device gives: O_DIRECT reads and writes at a depth */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE ((size_t)2 << 20)

struct slot {
	unsigned char *buffer;
	uint64_t offset;
};

struct direct {
	const struct setting *setting;
	const struct direct_jobs *jobs;
	struct run *run;
	struct io_uring ring;
	struct slot *slots;
	unsigned char *buffers;
	uint64_t next;
	uint64_t end; /* where it goes on only when all before is done */
	int fd;
};

static void submit(struct direct *direct, struct slot *slot)
{
	const struct direct_jobs *jobs = direct->jobs;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&direct->ring);
	unsigned int length = (unsigned int)jobs->length;

	slot->offset = jobs->offset(direct->setting, direct->next++);
	if (jobs->fill) {
		jobs->fill(direct->setting, slot->buffer, slot->offset);
		io_uring_prep_write(sqe, direct->fd, slot->buffer, length,
				    slot->offset);
	} else {
		io_uring_prep_read(sqe, direct->fd, slot->buffer, length,
				   slot->offset);
	}
	io_uring_sqe_set_data(sqe, slot);
}

static void complete(struct direct *direct)
{
	const struct direct_jobs *jobs = direct->jobs;
	struct io_uring_cqe *cqe;
	struct slot *slot;
	int error = io_uring_submit_and_wait(&direct->ring, 1);

	if (error < 0 || io_uring_peek_cqe(&direct->ring, &cqe))
		run_fail(direct->run, "io_uring: %s", strerror(-error));
	slot = io_uring_cqe_get_data(cqe);
	if (cqe->res != (int)jobs->length)
		run_fail(direct->run, "O_DIRECT at %ju: %s",
			 (uintmax_t)slot->offset,
			 cqe->res < 0 ? strerror(-cqe->res) : "short");
	io_uring_cqe_seen(&direct->ring, cqe);
	if (jobs->sum)
		direct->run->checksum += jobs->sum(direct->setting,
						   slot->buffer, jobs->length,
						   slot->offset);
	if (direct->next < direct->end)
		submit(direct, slot);
}

/* In huge pages, if the kernel has some: a device takes a read by its
 * physically contiguous pieces. */
static void slots_make(struct direct *direct)
{
	const struct direct_jobs *jobs = direct->jobs;
	size_t bytes = (jobs->depth * jobs->length + HUGE - 1) / HUGE * HUGE;
	unsigned char *buffers = aligned_alloc(HUGE, bytes);

	direct->slots = calloc(jobs->depth, sizeof(*direct->slots));
	if (!direct->slots || !buffers)
		run_fail(direct->run, "out of memory");
	madvise(buffers, bytes, MADV_HUGEPAGE);
	memset(buffers, 0, bytes);
	direct->buffers = buffers;
	for (unsigned int i = 0; i < jobs->depth; i++)
		direct->slots[i].buffer = buffers + i * jobs->length;
}

/* From where it stands to direct->end. */
static void run_some(struct direct *direct)
{
	uint64_t count = direct->end - direct->next;

	for (unsigned int i = 0;
	     i < direct->jobs->depth && direct->next < direct->end; i++)
		submit(direct, &direct->slots[i]);
	for (; count > 0; count--)
		complete(direct);
}

static void run_all(struct direct *direct)
{
	const struct direct_jobs *jobs = direct->jobs;
	uint64_t step = jobs->sync_every ? jobs->sync_every : jobs->count;

	while (direct->next < jobs->count) {
		direct->end = direct->next + step < jobs->count
				      ? direct->next + step
				      : jobs->count;
		run_some(direct);
		if (jobs->sync_every && fdatasync(direct->fd))
			run_fail(direct->run, "fdatasync: %s", strerror(errno));
	}
}

static void slots_free(struct direct *direct)
{
	free(direct->buffers);
	free(direct->slots);
}

void arm_direct(const struct setting *setting, const struct direct_jobs *jobs,
		struct run *run)
{
	int access = jobs->fill ? O_RDWR : O_RDONLY;
	struct direct direct = {
		.setting = setting,
		.jobs = jobs,
		.run = run,
		.fd = open(setting->data, access | O_DIRECT | O_CLOEXEC),
	};
	int error;

	if (direct.fd < 0)
		run_impossible(run, "%s by O_DIRECT: %s", setting->data,
			       strerror(errno));
	error = io_uring_queue_init(jobs->depth, &direct.ring, 0);
	if (error)
		run_impossible(run, "io_uring: %s", strerror(-error));
	slots_make(&direct);
	run_begin(run);
	run_all(&direct);
	run_end(run);
	slots_free(&direct);
	io_uring_queue_exit(&direct.ring);
	close(direct.fd);
}

void verify_all(const struct setting *setting, const struct direct_jobs *jobs,
		struct run *run)
{
	double seconds = run->seconds, cpu_s = run->cpu_s;

	run->done = false;
	run->checksum = 0;
	arm_direct(setting, jobs, run);
	run->seconds = seconds;
	run->cpu_s = cpu_s;
	if (run->checksum != jobs->count)
		run_fail(run, "%ju of %ju stores are in the file",
			 (uintmax_t)run->checksum, (uintmax_t)jobs->count);
}

void random_reads(const struct setting *setting, unsigned int depth,
		  struct run *run)
{
	const struct direct_jobs reads = {
		.depth = depth,
		.length = PAGE,
		.count = setting->operations,
		.offset = random_page,
		.sum = direct_sum,
	};

	arm_direct(setting, &reads, run);
}

void limit_random(const struct question *question,
		  const struct setting *setting, struct run *run)
{
	(void)question;
	random_reads(setting, setting->threads, run);
}
