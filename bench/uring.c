/* uring.c - what the device gives: O_DIRECT reads at a depth */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct slot {
	unsigned char *buffer;
	uint64_t offset;
};

struct direct {
	const struct setting *setting;
	const struct direct_reads *reads;
	struct run *run;
	struct io_uring ring;
	struct slot *slots;
	uint64_t next;
	int fd;
};

static void submit(struct direct *direct, struct slot *slot)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&direct->ring);

	slot->offset = direct->reads->offset(direct->setting, direct->next++);
	io_uring_prep_read(sqe, direct->fd, slot->buffer,
			   (unsigned int)direct->reads->length, slot->offset);
	io_uring_sqe_set_data(sqe, slot);
}

static void complete(struct direct *direct)
{
	const struct direct_reads *reads = direct->reads;
	struct io_uring_cqe *cqe;
	struct slot *slot;
	int error = io_uring_submit_and_wait(&direct->ring, 1);

	if (error < 0 || io_uring_peek_cqe(&direct->ring, &cqe))
		run_fail(direct->run, "io_uring: %s", strerror(-error));
	slot = io_uring_cqe_get_data(cqe);
	if (cqe->res != (int)reads->length)
		run_fail(direct->run, "O_DIRECT read at %ju: %s",
			 (uintmax_t)slot->offset,
			 cqe->res < 0 ? strerror(-cqe->res) : "short");
	io_uring_cqe_seen(&direct->ring, cqe);
	direct->run->checksum +=
		reads->sum(slot->buffer, reads->length, slot->offset);
	if (direct->next < reads->count)
		submit(direct, slot);
}

static void slots_make(struct direct *direct)
{
	direct->slots = calloc(direct->reads->depth, sizeof(*direct->slots));
	for (unsigned int i = 0; direct->slots && i < direct->reads->depth;
	     i++) {
		void *buffer;

		if (posix_memalign(&buffer, PAGE, direct->reads->length))
			run_fail(direct->run, "out of memory");
		memset(buffer, 0, direct->reads->length);
		direct->slots[i].buffer = buffer;
	}
	if (!direct->slots)
		run_fail(direct->run, "out of memory");
}

void arm_direct(const struct setting *setting, const struct direct_reads *reads,
		struct run *run)
{
	struct direct direct = {
		.setting = setting,
		.reads = reads,
		.run = run,
		.fd = open(setting->data, O_RDONLY | O_DIRECT | O_CLOEXEC),
	};
	int error;

	if (direct.fd < 0)
		run_fail(run, "%s by O_DIRECT: %s", setting->data,
			 strerror(errno));
	error = io_uring_queue_init(reads->depth, &direct.ring, 0);
	if (error)
		run_fail(run, "io_uring: %s", strerror(-error));
	slots_make(&direct);
	run_begin(run);
	for (unsigned int i = 0; i < reads->depth && i < reads->count; i++)
		submit(&direct, &direct.slots[i]);
	for (uint64_t done = 0; done < reads->count; done++)
		complete(&direct);
	run_end(run);
	io_uring_queue_exit(&direct.ring);
	close(direct.fd);
}
