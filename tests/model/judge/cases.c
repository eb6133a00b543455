/* cases.c - operations of the judge, with what they must answer */
/* SPDX-License-Identifier: MIT */
#include "model/judge/cases.h"

#include "model/judge/access.h"
#include "model/judge/differences.h"
#include "model/judge/files.h"

#include <sys/mman.h>

#define BUDGET_PAGES 1024

struct executor *case_soft, *case_host;
struct trial trial;
static struct executor *kernel;

uint64_t at(uint64_t page)
{
	return WINDOW + page * PAGE;
}

int case_begin(void **state)
{
	struct executor *const *other = *state;

	memset(&trial, 0, sizeof(trial));
	trial.executor[0] = kernel;
	trial.executor[1] = *other;
	trial.executors = 2;
	trial_begin(&trial, false);
	return 0;
}

int case_end(void **state)
{
	(void)state;
	trial_end(&trial);
	return 0;
}

/* Both do it and agree, on all that there is to see. */
const struct outcome *case_step(const struct op *op)
{
	if (!trial_step(&trial, op) || !trial_look(&trial)) {
		op_print(op, stderr);
		fail_msg("%s", trial.words);
	}
	return &trial.led;
}

void expect(const struct op *op, int64_t result, int error)
{
	const struct outcome *outcome = case_step(op);

	if (outcome->result == result && outcome->error == error)
		return;
	op_print(op, stderr);
	outcome_print(op, outcome, stderr);
	fail_msg("not what was expected: %lld, %s", (long long)result,
		 error ? errno_name(error) : "no error");
}

/* ---- operations ---- */

struct op on_pages(enum op_kind kind, uint64_t page, uint64_t pages)
{
	return (struct op){ .kind = kind,
			    .address = at(page),
			    .length = pages * PAGE,
			    .file = NO_FILE };
}

struct op map_op(uint64_t page, uint64_t pages, int prot, int flags,
		 unsigned file)
{
	struct op op = on_pages(OP_MMAP, page, pages);

	op.prot = prot;
	op.flags = flags | MAP_FIXED;
	op.file = file;
	return op;
}

void map_pages(uint64_t page, uint64_t pages, int prot, int flags,
	       unsigned file)
{
	struct op op = map_op(page, pages, prot, flags, file);

	expect(&op, (int64_t)at(page), 0);
}

void unmap_pages(uint64_t page, uint64_t pages)
{
	struct op op = on_pages(OP_MUNMAP, page, pages);

	expect(&op, 0, 0);
}

/* error 0: it succeeds. */
void protect_pages(uint64_t page, uint64_t pages, int prot, int error)
{
	struct op op = on_pages(OP_MPROTECT, page, pages);

	op.prot = prot;
	expect(&op, error ? -1 : 0, error);
}

void advise_pages(uint64_t page, uint64_t pages, int advice, int error)
{
	struct op op = on_pages(OP_MADVISE, page, pages);

	op.flags = advice;
	expect(&op, error ? -1 : 0, error);
}

void sync_pages(uint64_t page, uint64_t pages, int flags, int error)
{
	struct op op = on_pages(OP_MSYNC, page, pages);

	op.flags = flags;
	expect(&op, error ? -1 : 0, error);
}

void store_word(uint64_t page, uint64_t value)
{
	struct op op = on_pages(OP_STORE, page, 0);

	op.value = value;
	expect(&op, 0, 0);
}

uint64_t load_word(uint64_t page)
{
	struct op op = on_pages(OP_LOAD, page, 0);

	expect(&op, 0, 0);
	return trial.led.value;
}

void expect_signal(enum op_kind kind, uint64_t page, int signal, int code)
{
	struct op op = on_pages(kind, page, 0);
	const struct outcome *outcome = case_step(&op);

	assert_int_equal(outcome->result, -1);
	assert_int_equal(outcome->signal, signal);
	assert_int_equal(outcome->code, code);
	assert_int_equal(outcome->fault_address, at(page));
}

void move_pages(uint64_t page, uint64_t pages, uint64_t new_pages, int flags,
		uint64_t new_page)
{
	struct op op = on_pages(OP_MREMAP, page, pages);

	op.new_length = new_pages * PAGE;
	op.flags = flags;
	op.new_address = at(new_page);
	expect(&op, (int64_t)at(flags & MREMAP_FIXED ? new_page : page), 0);
}

void move_fails(uint64_t page, uint64_t pages, uint64_t new_pages, int flags,
		int error)
{
	struct op op = on_pages(OP_MREMAP, page, pages);

	op.new_length = new_pages * PAGE;
	op.flags = flags;
	expect(&op, -1, error);
}

void set_limit_to(enum limit_kind kind, uint64_t pages)
{
	struct op op = { .kind = OP_LIMIT,
			 .flags = (int)kind,
			 .length = pages };

	expect(&op, 0, 0);
}

/* The word at offset of a file, as read(2) has it. */
void assert_file_says(unsigned file, uint64_t offset, uint64_t word)
{
	struct op op = {
		.kind = OP_PREAD, .file = file, .offset = offset, .length = 8
	};

	expect(&op, 8, 0);
	assert_int_equal(trial.led.value, hash_bytes(&word, 8));
}

/* As files.c fills them. */
uint64_t word_of_one(uint64_t offset)
{
	return UNIQUE_WORD(UINT64_C(1) << 40 | offset / 8);
}

/* ---- all of them ---- */

int case_prepare(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s DIFFERENCES\n", argv[0]);
		return 2;
	}
	differences_read(argv[1]);
	if (!files_probe())
		die("the files cannot be made");
	access_init();
	kernel = kernel_executor_create(); /* before there are threads */
	case_soft = quire_executor_create(true, BUDGET_PAGES);
	case_host = quire_executor_create(false, BUDGET_PAGES);
	return 0;
}

void case_finish(void)
{
	case_host->ops->destroy(case_host);
	case_soft->ops->destroy(case_soft);
	kernel->ops->destroy(kernel);
}
