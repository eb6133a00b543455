/* arms.c - the same bytes through Quire, the kernel, and memory */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int prot_of(const struct question *question)
{
	return question->writable ? PROT_READ | PROT_WRITE : PROT_READ;
}

static int open_flags(const struct question *question)
{
	return question->writable ? O_RDWR : O_RDONLY;
}

void quire_begin(const struct setting *setting, struct run *run,
		 struct view *view)
{
	struct quire_options options = {
		.size = sizeof(options),
		.budget = setting->budget,
		.trap = setting->variant->trap,
	};

	*view = (struct view){ .fd = -1 };
	if (quire_open(&options, &view->quire))
		run_fail(run, "%s", quire_strerror_last());
	snprintf(run->trap_mode, sizeof(run->trap_mode), "%s",
		 quire_trap_mode(view->quire));
	view->space = quire_host_space(view->quire);
}

void quire_begin_data(const struct question *question,
		      const struct setting *setting, struct run *run,
		      struct view *view)
{
	quire_begin(setting, run, view);
	if (quire_object_open(view->quire, setting->data, open_flags(question),
			      NULL, &view->object))
		run_fail(run, "%s", quire_strerror_last());
}

void quire_end(struct view *view)
{
	quire_object_close(view->object);
	quire_close(view->quire);
}

void arm_quire(const struct question *question, const struct setting *setting,
	       struct run *run)
{
	struct view view;
	void *bytes;

	quire_begin_data(question, setting, run, &view);
	bytes = quire_mmap(view.space, NULL, setting->size, prot_of(question),
			   MAP_SHARED, view.object, 0);
	if (bytes == MAP_FAILED)
		run_fail(run, "%s", quire_strerror_last());
	quire_madvise(view.space, bytes, setting->size, question->advice);
	view.bytes = bytes;
	measure(question, setting, &view, run);
	quire_munmap(view.space, bytes, setting->size);
	quire_end(&view);
}

void arm_mmap(const struct question *question, const struct setting *setting,
	      struct run *run)
{
	struct view view = {
		.fd = open(setting->data, open_flags(question) | O_CLOEXEC),
	};
	void *bytes = MAP_FAILED;

	if (view.fd >= 0)
		bytes = mmap(NULL, setting->size, prot_of(question), MAP_SHARED,
			     view.fd, 0);
	if (bytes == MAP_FAILED)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	madvise(bytes, setting->size, question->advice);
	view.bytes = bytes;
	measure(question, setting, &view, run);
	munmap(bytes, setting->size);
	close(view.fd);
}

void arm_file(const struct question *question, const struct setting *setting,
	      struct run *run)
{
	struct view view = {
		.fd = open(setting->data,
			   open_flags(question) | O_DIRECT | O_CLOEXEC),
	};

	if (view.fd < 0)
		run_impossible(run, "%s by O_DIRECT: %s", setting->data,
			       strerror(errno));
	measure(question, setting, &view, run);
	close(view.fd);
}

void arm_memory(const struct question *question, const struct setting *setting,
		struct run *run, uint64_t bytes)
{
	int fd = open(setting->data, O_RDONLY | O_CLOEXEC);
	struct view view = { .bytes = malloc(bytes), .fd = fd };
	uint64_t done = 0;

	if (fd < 0 || !view.bytes)
		run_fail(run, "%s: %s", setting->data, strerror(errno));
	while (done < bytes) {
		ssize_t got = read(fd, view.bytes + done, bytes - done);

		if (got <= 0)
			run_fail(run, "%s: cannot be read", setting->data);
		done += (uint64_t)got;
	}
	measure(question, setting, &view, run);
	free(view.bytes);
	close(fd);
}

static void quire_announce(const struct view *view, const uint64_t *offsets,
			   size_t count, bool anew)
{
	struct quire_range ranges[LIST];

	for (size_t i = 0; i < count; i++)
		ranges[i] = (struct quire_range){ offsets[i], PAGE };
	if (anew)
		quire_object_zero(view->object, ranges, count);
	else
		quire_object_prefetch(view->object, ranges, count);
}

void view_sync(const struct view *view, uint64_t offset, uint64_t length)
{
	if (view->space)
		quire_msync(view->space, view->bytes + offset, length, MS_SYNC);
	else
		msync(view->bytes + offset, length, MS_SYNC);
}

void view_announce(const struct view *view, const uint64_t *offsets,
		   size_t count, bool anew)
{
	while (view->object && count) {
		size_t some = count < LIST ? count : LIST;

		quire_announce(view, offsets, some, anew);
		offsets += some;
		count -= some;
	}
	if (anew)
		return;
	for (size_t i = 0; i < count; i++)
		madvise(view->bytes + offsets[i], PAGE, MADV_WILLNEED);
}

void announce_list(const struct job *job, uint64_t first, bool anew)
{
	uint64_t offsets[LIST];
	size_t count = 0;

	for (; count < LIST && first + count < job->last; count++)
		offsets[count] = random_page(job->setting, first + count);
	view_announce(job->view, offsets, count, anew);
}

/* As many reads as there are pages in the budget, that are none of the run's. */
void fill_budget(const struct setting *setting, const struct view *view)
{
	uint64_t first = UINT64_C(1) << 40, offsets[LIST];

	if (!view->object && !view->bytes)
		return; /* what keeps nothing */
	for (uint64_t i = 0; i < setting->budget / PAGE; i += LIST) {
		for (uint64_t k = 0; k < LIST; k++)
			offsets[k] = random_page(setting, first + i + k);
		view_announce(view, offsets, LIST, false);
		/* Not faster than they come. */
		if (view->object)
			quire_object_pread(view->object, &(char){ 0 }, 1,
					   offsets[LIST - 1]);
	}
}
