/* table.c - the figures of the arms, side by side */
/* SPDX-License-Identifier: MIT */
#include "demo.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CELL 24
#define NONE "-"

/* One figure of one arm, as text. */
typedef void figure(const struct input *input, const struct result *result,
		    enum arm arm, char cell[CELL]);

__attribute__((format(printf, 2, 3))) static void put(char cell[CELL],
						      const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cell, CELL, format, arguments);
	va_end(arguments);
}

/* 1234567 as 1,234,567 */
static void put_count(char cell[CELL], uint64_t count)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%ju", (uintmax_t)count);
	char *to = cell;

	for (int i = 0; i < length && to < cell + CELL - 2; i++) {
		if (i && (length - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
}

static void put_rate(char cell[CELL], double amount, double seconds)
{
	if (seconds <= 0)
		put(cell, NONE);
	else
		put_count(cell, (uint64_t)(amount / seconds + 0.5));
}

static void put_mib(char cell[CELL], uint64_t bytes)
{
	if (bytes)
		put(cell, "%.1f", (double)bytes / 1048576);
	else
		put(cell, NONE);
}

static void allowed(const struct input *input, const struct result *result,
		    enum arm arm, char cell[CELL])
{
	if (arm == ARM_QUIRE)
		put_mib(cell, input->budget);
	else if (result->memory_limit)
		put_mib(cell, result->memory_limit);
	else
		put(cell, "unlimited");
}

static void scan(const struct input *input, const struct result *result,
		 enum arm arm, char cell[CELL])
{
	(void)arm;
	put_rate(cell, (double)input->size / 1048576, result->scan_s);
}

static void random_reads(const struct input *input, const struct result *result,
			 enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_rate(cell, THREADS * READS_PER_THREAD, result->random_s);
}

static void change(const struct input *input, const struct result *result,
		   enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_rate(cell, (double)result->changed, result->change_s);
}

static void append(const struct input *input, const struct result *result,
		   enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_rate(cell, (double)APPEND_BYTES / 1048576, result->append_s);
}

static void processor(const struct input *input, const struct result *result,
		      enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put(cell, "%.2f", result->cpu_s);
}

static void data_peak(const struct input *input, const struct result *result,
		      enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_mib(cell, result->data_peak);
}

static void memory_peak(const struct input *input, const struct result *result,
			enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_mib(cell, result->memory_peak);
}

static void traps(const struct input *input, const struct result *result,
		  enum arm arm, char cell[CELL])
{
	(void)input;
	if (arm == ARM_PREAD)
		put(cell, NONE);
	else
		put_count(cell, result->traps);
}

static void hits(const struct input *input, const struct result *result,
		 enum arm arm, char cell[CELL])
{
	(void)input;
	if (arm == ARM_PREAD)
		put(cell, NONE);
	else
		put_count(cell, result->hits);
}

static void misses(const struct input *input, const struct result *result,
		   enum arm arm, char cell[CELL])
{
	(void)input;
	if (arm == ARM_PREAD)
		put(cell, NONE);
	else
		put_count(cell, result->misses);
}

static void reads(const struct input *input, const struct result *result,
		  enum arm arm, char cell[CELL])
{
	(void)input;
	if (arm == ARM_QUIRE)
		put_count(cell, result->reads);
	else
		put(cell, NONE);
}

static void read_bytes(const struct input *input, const struct result *result,
		       enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_mib(cell, result->read_bytes);
}

static void written(const struct input *input, const struct result *result,
		    enum arm arm, char cell[CELL])
{
	(void)input;
	(void)arm;
	put_count(cell, result->write_pages);
}

static void evictions(const struct input *input, const struct result *result,
		      enum arm arm, char cell[CELL])
{
	(void)input;
	if (arm == ARM_QUIRE)
		put_count(cell, result->evictions);
	else
		put(cell, NONE);
}

static void verified(const struct input *input, const struct result *result,
		     enum arm arm, char cell[CELL])
{
	(void)arm;
	put(cell, result->verified == input->size ? "yes" : "NO");
}

static void proven(const struct input *input, const struct result *result,
		   enum arm arm, char cell[CELL])
{
	(void)arm;
	put(cell, !input->copy ? NONE : result->proven ? "yes" : "NO");
}

static void print_row(const char *name, figure *show, const struct input *input,
		      const struct result *results)
{
	printf("  %-36s", name);
	for (enum arm arm = 0; arm < ARM_COUNT; arm++) {
		char cell[CELL];

		show(input, &results[arm], arm, cell);
		printf(" %13s", results[arm].done ? cell : "failed");
	}
	putchar('\n');
}

void table_print(const struct input *input, const struct result *results)
{
	static const struct {
		const char *name;
		figure *figure;
	} rows[] = {
		{ "memory allowed, MiB", allowed },
		{ "peak of the data in memory, MiB", data_peak },
		{ "peak of all its memory, MiB [1]", memory_peak },
		{ "", NULL },
		{ "scan, MiB/s", scan },
		{ "random 4 KiB reads by 4 threads, /s", random_reads },
		{ "scattered changes with msync, pages/s", change },
		{ "append 16 MiB with msync, MiB/s", append },
		{ "processor time of it all, s", processor },
		{ "", NULL },
		{ "traps [2]", traps },
		{ "hits [2]", hits },
		{ "misses [2]", misses },
		{ "read requests", reads },
		{ "read, MiB", read_bytes },
		{ "pages written back", written },
		{ "evictions", evictions },
		{ "", NULL },
		{ "every byte equal to read(2)", verified },
		{ "changed: those bytes and no other", proven },
	};

	printf("\n  %-36s %13s %13s %13s\n", "", "Quire", "kernel mmap",
	       "pread");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].figure)
			print_row(rows[i].name, rows[i].figure, input, results);
		else
			putchar('\n');
	}
	printf("\n  [1] as the memory cgroup of each counts it, page cache "
	       "included\n"
	       "  [2] of the kernel's mmap: page faults, minor and major\n");
	if (*results[ARM_QUIRE].trap_mode)
		printf("  Quire's traps: %s\n", results[ARM_QUIRE].trap_mode);
}
