/* op.c - operations by name and as C */
/* SPDX-License-Identifier: MIT */
#include "model/judge/op.h"

#include "model/judge/files.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct name {
	int value;
	const char *text;
};

/* Newer than the headers that this is built with. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif
#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define NAME(value)           \
	{                     \
		value, #value \
	}

static const char *const op_names[OP_KINDS] = {
	"mmap",    "munmap", "mprotect", "mremap",  "msync",    "madvise",
	"mincore", "mlock",  "mlock2",   "munlock", "mlockall", "munlockall",
	"load",    "store",  "fetch",    "resize",  "pwrite",   "pread",
	"fork",    "exit",   "limit",
};

static const struct name errno_names[] = {
	NAME(EPERM),     NAME(ENOENT), NAME(EINTR),      NAME(EIO),
	NAME(ENXIO),     NAME(EBADF),  NAME(EAGAIN),     NAME(ENOMEM),
	NAME(EACCES),    NAME(EFAULT), NAME(EBUSY),      NAME(EEXIST),
	NAME(ENODEV),    NAME(EINVAL), NAME(ENFILE),     NAME(EMFILE),
	NAME(ETXTBSY),   NAME(EFBIG),  NAME(ENOSPC),     NAME(EROFS),
	NAME(EOVERFLOW), NAME(ENOSYS), NAME(EOPNOTSUPP), NAME(EHWPOISON),
};

static const struct name advice_names[] = {
	NAME(MADV_NORMAL),         NAME(MADV_RANDOM),
	NAME(MADV_SEQUENTIAL),     NAME(MADV_WILLNEED),
	NAME(MADV_DONTNEED),       NAME(MADV_FREE),
	NAME(MADV_REMOVE),         NAME(MADV_DONTFORK),
	NAME(MADV_DOFORK),         NAME(MADV_MERGEABLE),
	NAME(MADV_UNMERGEABLE),    NAME(MADV_HUGEPAGE),
	NAME(MADV_NOHUGEPAGE),     NAME(MADV_DONTDUMP),
	NAME(MADV_DODUMP),         NAME(MADV_WIPEONFORK),
	NAME(MADV_KEEPONFORK),     NAME(MADV_COLD),
	NAME(MADV_PAGEOUT),        NAME(MADV_POPULATE_READ),
	NAME(MADV_POPULATE_WRITE), NAME(MADV_DONTNEED_LOCKED),
	NAME(MADV_COLLAPSE),       NAME(MADV_HWPOISON),
	NAME(MADV_SOFT_OFFLINE),   NAME(MADV_GUARD_INSTALL),
	NAME(MADV_GUARD_REMOVE),
};

static const struct name map_names[] = {
	NAME(MAP_FIXED),     NAME(MAP_FIXED_NOREPLACE), NAME(MAP_ANONYMOUS),
	NAME(MAP_GROWSDOWN), NAME(MAP_DENYWRITE),       NAME(MAP_EXECUTABLE),
	NAME(MAP_LOCKED),    NAME(MAP_NORESERVE),       NAME(MAP_POPULATE),
	NAME(MAP_NONBLOCK),  NAME(MAP_STACK),           NAME(MAP_HUGETLB),
	NAME(MAP_SYNC),      NAME(MAP_32BIT),
};

static const struct name kind_names[] = {
	NAME(MAP_SHARED),
	NAME(MAP_PRIVATE),
	NAME(MAP_SHARED_VALIDATE),
	{ 8, "MAP_DROPPABLE" },
};

static const struct name prot_names[] = {
	NAME(PROT_READ),      NAME(PROT_WRITE),   NAME(PROT_EXEC),
	NAME(PROT_GROWSDOWN), NAME(PROT_GROWSUP),
};

static const struct name mremap_names[] = {
	NAME(MREMAP_MAYMOVE),
	NAME(MREMAP_FIXED),
	NAME(MREMAP_DONTUNMAP),
};

static const struct name msync_names[] = {
	NAME(MS_ASYNC),
	NAME(MS_INVALIDATE),
	NAME(MS_SYNC),
};

static const struct name limit_names[LIMITS] = {
	{ LIMIT_ADDRESS_SPACE, "ADDRESS_SPACE" },
	{ LIMIT_DATA, "DATA" },
	{ LIMIT_LOCKED, "LOCKED" },
	{ LIMIT_STACK, "STACK" },
};

static const struct name mlockall_names[] = {
	NAME(MCL_CURRENT),
	NAME(MCL_FUTURE),
	NAME(MCL_ONFAULT),
};

static const char *name_of(const struct name *names, size_t count, int value)
{
	for (size_t i = 0; i < count; i++)
		if (names[i].value == value)
			return names[i].text;
	return NULL;
}

static int by_name(const struct name *names, size_t count, const char *name,
		   size_t length)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i].text) == length &&
		    !strncmp(names[i].text, name, length))
			return names[i].value;
	return -1;
}

const char *op_name(enum op_kind kind)
{
	return op_names[kind];
}

int op_by_name(const char *name, size_t length)
{
	for (int kind = 0; kind < OP_KINDS; kind++)
		if (strlen(op_names[kind]) == length &&
		    !strncmp(op_names[kind], name, length))
			return kind;
	return -1;
}

const char *errno_name(int error)
{
	static char number[16];
	const char *name = name_of(errno_names, COUNT(errno_names), error);

	if (name)
		return name;
	snprintf(number, sizeof(number), "E%d", error);
	return number;
}

int errno_by_name(const char *name, size_t length)
{
	return by_name(errno_names, COUNT(errno_names), name, length);
}

const char *advice_name(int advice)
{
	static char number[16];
	const char *name = name_of(advice_names, COUNT(advice_names), advice);

	if (name)
		return name;
	snprintf(number, sizeof(number), "%d", advice);
	return number;
}

int advice_by_name(const char *name, size_t length)
{
	return by_name(advice_names, COUNT(advice_names), name, length);
}

enum limit_kind limit_by_name(const char *name, size_t length)
{
	int value = by_name(limit_names, LIMITS, name, length);

	return value < 0 ? LIMITS : (enum limit_kind)value;
}

int flag_by_name(const char *name, size_t length)
{
	static const struct {
		const struct name *names;
		size_t count;
	} tables[] = {
		{ map_names, COUNT(map_names) },
		{ kind_names, COUNT(kind_names) },
		{ prot_names, COUNT(prot_names) },
		{ mremap_names, COUNT(mremap_names) },
		{ msync_names, COUNT(msync_names) },
		{ mlockall_names, COUNT(mlockall_names) },
	};
	int value = -1;

	for (size_t i = 0; i < COUNT(tables) && value < 0; i++)
		value = by_name(tables[i].names, tables[i].count, name, length);
	return value;
}

/* ---- as C ---- */

static void print_address(uint64_t address, FILE *stream)
{
	uint64_t rest = (address - WINDOW) % PAGE;

	if (address < WINDOW || address > WINDOW_END) {
		fprintf(stream, "0x%llx", (unsigned long long)address);
		return;
	}
	fprintf(stream, "at(%llu)",
		(unsigned long long)((address - WINDOW) / PAGE));
	if (rest)
		fprintf(stream, " + %llu", (unsigned long long)rest);
}

static void print_bytes(uint64_t bytes, FILE *stream)
{
	if (bytes && bytes % PAGE == 0 && bytes < WINDOW)
		fprintf(stream, "%llu * PAGE",
			(unsigned long long)(bytes / PAGE));
	else if (bytes > PAGE && bytes < WINDOW)
		fprintf(stream, "%llu * PAGE + %llu",
			(unsigned long long)(bytes / PAGE),
			(unsigned long long)(bytes % PAGE));
	else
		fprintf(stream, "0x%llx", (unsigned long long)bytes);
}

static void print_flags(const struct name *names, size_t count, int flags,
			FILE *stream)
{
	const char *between = "";

	for (size_t i = 0; i < count; i++) {
		if ((flags & names[i].value) != names[i].value)
			continue;
		fprintf(stream, "%s%s", between, names[i].text);
		between = " | ";
		flags &= ~names[i].value;
	}
	if (flags || !*between)
		fprintf(stream, "%s0x%x", between, (unsigned)flags);
}

static void print_prot(int prot, FILE *stream)
{
	if (prot == PROT_NONE)
		fprintf(stream, "PROT_NONE");
	else
		print_flags(prot_names, COUNT(prot_names), prot, stream);
}

static void print_map_flags(int flags, FILE *stream)
{
	const char *kind =
		name_of(kind_names, COUNT(kind_names), flags & MAP_TYPE);

	if (kind)
		fprintf(stream, "%s", kind);
	else
		fprintf(stream, "0x%x", (unsigned)(flags & MAP_TYPE));
	if (!(flags & ~MAP_TYPE))
		return;
	fprintf(stream, " | ");
	print_flags(map_names, COUNT(map_names), flags & ~MAP_TYPE, stream);
}

static void print_range(const struct op *op, FILE *stream)
{
	print_address(op->address, stream);
	fprintf(stream, ", ");
	print_bytes(op->length, stream);
}

static void print_mmap(const struct op *op, FILE *stream)
{
	print_range(op, stream);
	fprintf(stream, ", ");
	print_prot(op->prot, stream);
	fprintf(stream, ", ");
	print_map_flags(op->flags, stream);
	fprintf(stream, ", %s, ", file_label(op->file));
	print_bytes(op->offset, stream);
}

static void print_mremap(const struct op *op, FILE *stream)
{
	print_range(op, stream);
	fprintf(stream, ", ");
	print_bytes(op->new_length, stream);
	fprintf(stream, ", ");
	print_flags(mremap_names, COUNT(mremap_names), op->flags, stream);
	fprintf(stream, ", ");
	print_address(op->new_address, stream);
}

static void print_file(const struct op *op, FILE *stream)
{
	fprintf(stream, "%s, ", file_label(op->file));
	print_bytes(op->length, stream);
	if (op->kind == OP_RESIZE)
		return;
	fprintf(stream, ", ");
	print_bytes(op->offset, stream);
	if (op->kind == OP_PWRITE)
		fprintf(stream, ", 0x%llx", (unsigned long long)op->value);
}

static void print_limit(const struct op *op, FILE *stream)
{
	fprintf(stream, "%s, ", limit_names[op->flags].text);
	if (op->length == NO_LIMIT)
		fprintf(stream, "NO_LIMIT");
	else
		print_bytes(op->length * PAGE, stream);
}

static void print_arguments(const struct op *op, FILE *stream)
{
	switch (op->kind) {
	case OP_MMAP:
		print_mmap(op, stream);
		break;
	case OP_MREMAP:
		print_mremap(op, stream);
		break;
	case OP_RESIZE:
	case OP_PWRITE:
	case OP_PREAD:
		print_file(op, stream);
		break;
	case OP_LIMIT:
		print_limit(op, stream);
		break;
	case OP_FORK:
		fprintf(stream, "%u", (unsigned)op->length);
		break;
	case OP_MLOCKALL:
		print_flags(mlockall_names, COUNT(mlockall_names), op->flags,
			    stream);
		break;
	case OP_EXIT:
	case OP_MUNLOCKALL:
		break;
	default:
		print_range(op, stream);
	}
}

void op_print(const struct op *op, FILE *stream)
{
	if (op->process)
		fprintf(stream, "/* in process %u */ ", op->process);
	fprintf(stream, "%s(", op_name(op->kind));
	print_arguments(op, stream);
	if (op->kind == OP_MPROTECT) {
		fprintf(stream, ", ");
		print_prot(op->prot, stream);
	} else if (op->kind == OP_MADVISE) {
		fprintf(stream, ", %s", advice_name(op->flags));
	} else if (op->kind == OP_MSYNC) {
		fprintf(stream, ", ");
		print_flags(msync_names, COUNT(msync_names), op->flags, stream);
	} else if (op->kind == OP_MLOCK2) {
		fprintf(stream, ", 0x%x", (unsigned)op->flags);
	} else if (op->kind == OP_STORE) {
		fprintf(stream, ", 0x%llx", (unsigned long long)op->value);
	}
	fprintf(stream, ");%s\n", op->look ? " look();" : "");
}

static void print_signal(const struct outcome *outcome, FILE *stream)
{
	fprintf(stream, "%s, code %d, at ",
		outcome->signal == SIGBUS    ? "SIGBUS"
		: outcome->signal == SIGSEGV ? "SIGSEGV"
					     : "another signal",
		outcome->code);
	print_address(outcome->fault_address, stream);
}

void outcome_print(const struct op *op, const struct outcome *outcome,
		   FILE *stream)
{
	if (outcome->signal) {
		print_signal(outcome, stream);
	} else if (outcome->result == -1) {
		fprintf(stream, "-1, %s", errno_name(outcome->error));
	} else if (op->kind == OP_MMAP || op->kind == OP_MREMAP) {
		print_address((uint64_t)outcome->result, stream);
	} else {
		fprintf(stream, "%lld", (long long)outcome->result);
	}
	if (outcome->value)
		fprintf(stream, ", value 0x%llx",
			(unsigned long long)outcome->value);
	fprintf(stream, "\n");
}

bool op_is_placed_freely(const struct op *op)
{
	if (op->kind == OP_MMAP)
		return !(op->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE));
	return op->kind == OP_MREMAP && (op->flags & MREMAP_MAYMOVE) &&
	       !(op->flags & MREMAP_FIXED);
}
