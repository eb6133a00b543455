/* w10_sparse.c - opens and maps a sparse file of 1 TiB */
/* SPDX-License-Identifier: MIT */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TIB (UINT64_C(1) << 40)
#define MOST_MS 5
#define MOST_KIB 4096

enum where {
	HOST,
	SOFTWARE,
};

/* Of this process, at the start. */
struct before {
	uint64_t resident_kib;
	uint64_t peak_kib;
	uint64_t begun_ns;
};

static void make_sparse(const struct setting *setting, struct run *run,
			char *path, size_t size)
{
	int fd;

	snprintf(path, size, "%s.sparse", setting->data);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, (off_t)TIB)) {
		int error = errno;

		unlink(path);
		run_impossible(run, "no file of 1 TiB at %s: %s", path,
			       strerror(error));
	}
	close(fd);
}

static void begin(struct before *before, struct run *run)
{
	before->resident_kib = memory_kib("VmRSS");
	before->peak_kib = memory_kib("VmHWM");
	run_begin(run);
}

static void end(const struct before *before, struct run *run)
{
	run_end(run);
	run_figure(run, "open_and_map_ms", run->seconds * 1e3, MOST_MS);
	run_figure(run, "resident_growth_kib",
		   (double)memory_kib("VmRSS") - (double)before->resident_kib,
		   MOST_KIB);
	run_figure(run, "peak_growth_kib",
		   (double)memory_kib("VmHWM") - (double)before->peak_kib,
		   MOST_KIB);
}

/* First, middle and last: not timed, but it must be there. */
static uint64_t touch(const struct view *view, bool software)
{
	static const uint64_t offsets[] = { 0, TIB / 2, TIB - PAGE };
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		const unsigned char *at = view->bytes + offsets[i];
		uint64_t word = UINT64_MAX;

		if (!software)
			memcpy(&word, at, sizeof(word));
		else if (quire_peek(view->space, at, &word, sizeof(word)))
			word = UINT64_MAX;
		sum += word + 1;
	}
	return sum;
}

static void with_quire(const struct question *question,
		       const struct setting *setting, struct run *run)
{
	bool software = setting->variant->parameter == SOFTWARE;
	struct before before;
	struct view view;
	char path[4096];

	(void)question;
	make_sparse(setting, run, path, sizeof(path));
	quire_begin(setting, run, &view);
	begin(&before, run);
	if ((software && quire_space_create(view.quire, NULL, &view.space)) ||
	    quire_object_open(view.quire, path, O_RDONLY, NULL, &view.object))
		run_fail(run, "%s", quire_strerror_last());
	view.bytes = quire_mmap(view.space, NULL, TIB, PROT_READ, MAP_SHARED,
				view.object, 0);
	if (view.bytes == MAP_FAILED)
		run_fail(run, "%s", quire_strerror_last());
	end(&before, run);
	unlink(path);
	run->checksum = touch(&view, software);
	quire_munmap(view.space, view.bytes, TIB);
	if (software)
		quire_space_close(view.space);
	quire_end(&view);
}

static void with_kernel(const struct question *question,
			const struct setting *setting, struct run *run)
{
	struct view view = { .fd = -1 };
	struct before before;
	char path[4096];

	(void)question;
	make_sparse(setting, run, path, sizeof(path));
	begin(&before, run);
	view.fd = open(path, O_RDONLY | O_CLOEXEC);
	view.bytes = mmap(NULL, TIB, PROT_READ, MAP_SHARED, view.fd, 0);
	if (view.bytes == MAP_FAILED)
		run_fail(run, "%s: %s", path, strerror(errno));
	end(&before, run);
	unlink(path);
	run->checksum = touch(&view, false);
	munmap(view.bytes, TIB);
	close(view.fd);
}

static uint64_t operations(const struct setting *setting)
{
	(void)setting;
	return 1;
}

int main(int argc, char **argv)
{
	static const struct variant variants[] = {
		{ "the host's space", 1, HOST, false, QUIRE_TRAP_AUTO },
		{ "a space on the software MMU", 1, SOFTWARE, false,
		  QUIRE_TRAP_AUTO },
		{ .threads = 0 },
	};
	static const struct question question = {
		.id = "W10",
		.title = "opens and maps a sparse file of 1 TiB",
		.unit = "times/s",
		.per_unit = 1,
		.variants = variants,
		.no_data = true,
		.unbounded = true,
		.has_size = true,
		.quire = with_quire,
		.peer = with_kernel,
		.operations = operations,
	};

	return bench_main(&question, argc, argv);
}
