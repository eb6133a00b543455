/* cases.h - operations of the judge, with what they must answer */
/* SPDX-License-Identifier: MIT */
/*
 * Each case is a few operations (op.h) that the kernel and a space do, on the
 * software MMU or the process's own: both must answer the same, show the same
 * maps and the same bytes; and the answer must be the one that is expected,
 * which is what mmap(2) and its kin promise.
 */
#ifndef QUIRE_JUDGE_CASES_H
#define QUIRE_JUDGE_CASES_H

#include "model/judge/trial.h"

#include "unit/unit.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANONYMOUS (MAP_PRIVATE | MAP_ANONYMOUS)
/* Handles, as files.c has them. */
#define ONE 0
#define ONE_READ_ONLY 2

/* The kernel, and one of the two spaces. */
extern struct trial trial;
extern struct executor *case_soft, *case_host;

/* Each on the software MMU and on the process's own. */
#define BOTH(test) SOFT(test), HOST(test)
#define SOFT(test) CASE(test, " (soft)", case_soft)
#define HOST(test) CASE(test, " (host)", case_host)
#define CASE(test, where, executor)                                  \
	{                                                            \
#test where, test, case_begin, case_end, &(executor) \
	}

/* Makes the executors; the argument is the list of differences.  Not 0: how
 * the program is to end. */
int case_prepare(int argc, char **argv);
void case_finish(void);

/* Set-up and tear-down of a test, whose state is one of the executors. */
int case_begin(void **state);
int case_end(void **state);

/* Both do it and agree, on all that there is to see. */
const struct outcome *case_step(const struct op *op);
/* The same, and this is the answer; error 0: it succeeds. */
void expect(const struct op *op, int64_t result, int error);

uint64_t at(uint64_t page);
struct op on_pages(enum op_kind kind, uint64_t page, uint64_t pages);
/* With MAP_FIXED, at offset 0. */
struct op map_op(uint64_t page, uint64_t pages, int prot, int flags,
		 unsigned file);

/* These succeed, */
void map_pages(uint64_t page, uint64_t pages, int prot, int flags,
	       unsigned file);
void unmap_pages(uint64_t page, uint64_t pages);
void store_word(uint64_t page, uint64_t value);
uint64_t load_word(uint64_t page);
void move_pages(uint64_t page, uint64_t pages, uint64_t new_pages, int flags,
		uint64_t new_page);
void set_limit_to(enum limit_kind kind, uint64_t pages);
/* these do if error is 0, */
void protect_pages(uint64_t page, uint64_t pages, int prot, int error);
void advise_pages(uint64_t page, uint64_t pages, int advice, int error);
void sync_pages(uint64_t page, uint64_t pages, int flags, int error);
/* and these do not. */
void move_fails(uint64_t page, uint64_t pages, uint64_t new_pages, int flags,
		int error);
void expect_signal(enum op_kind kind, uint64_t page, int signal, int code);

/* The word at offset of a file, as read(2) has it. */
void assert_file_says(unsigned file, uint64_t offset, uint64_t word);
/* As files.c fills the first one. */
uint64_t word_of_one(uint64_t offset);

#endif
