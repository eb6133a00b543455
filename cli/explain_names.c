/* explain_names.c - names of flags, advice, errors and signals */
/* SPDX-License-Identifier: MIT */
#include "explain_words.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

/* Newer than the headers of some systems. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define ADVICE_GUARD_INSTALL 102
#define ADVICE_GUARD_REMOVE 103

const struct named_value named_advice[] = {
	{ "normal", MADV_NORMAL },
	{ "random", MADV_RANDOM },
	{ "sequential", MADV_SEQUENTIAL },
	{ "willneed", MADV_WILLNEED },
	{ "dontneed", MADV_DONTNEED },
	{ "free", MADV_FREE },
	{ "remove", MADV_REMOVE },
	{ "dontfork", MADV_DONTFORK },
	{ "dofork", MADV_DOFORK },
	{ "wipeonfork", MADV_WIPEONFORK },
	{ "keeponfork", MADV_KEEPONFORK },
	{ "cold", MADV_COLD },
	{ "pageout", MADV_PAGEOUT },
	{ "populate_read", MADV_POPULATE_READ },
	{ "populate_write", MADV_POPULATE_WRITE },
	{ "hugepage", MADV_HUGEPAGE },
	{ "nohugepage", MADV_NOHUGEPAGE },
	{ "collapse", MADV_COLLAPSE },
	{ "guard_install", ADVICE_GUARD_INSTALL },
	{ "guard_remove", ADVICE_GUARD_REMOVE },
	{ NULL, 0 },
};

const struct named_value named_map_flags[] = {
	{ "fixed", MAP_FIXED },
	{ "noreplace", MAP_FIXED_NOREPLACE },
	{ "hint", 0 }, /* what an address is without a flag */
	{ "populate", MAP_POPULATE },
	{ "locked", MAP_LOCKED },
	{ "noreserve", MAP_NORESERVE },
	{ "growsdown", MAP_GROWSDOWN },
	{ "validate", MAP_SHARED_VALIDATE },
	{ NULL, 0 },
};

#define NAMED(value)          \
	{                     \
#value, value \
	}

const struct named_value named_errors[] = {
	NAMED(EACCES), NAMED(EAGAIN),    NAMED(EBADF),      NAMED(EBUSY),
	NAMED(EEXIST), NAMED(EFAULT),    NAMED(EFBIG),      NAMED(EINVAL),
	NAMED(EIO),    NAMED(ENODEV),    NAMED(ENOENT),     NAMED(ENOMEM),
	NAMED(ENOSPC), NAMED(ENOSYS),    NAMED(EOPNOTSUPP), NAMED(ENXIO),
	NAMED(EPERM),  NAMED(EOVERFLOW), NAMED(ETXTBSY),    { NULL, 0 },
};

const struct named_value named_signals[] = {
	NAMED(SIGBUS),
	NAMED(SIGSEGV),
	{ NULL, 0 },
};

bool named_value_find(const struct named_value *table, const char *name,
		      int *value)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0) {
			*value = table->value;
			return true;
		}
	return false;
}

const char *named_value_name(const struct named_value *table, int value)
{
	for (; table->name; table++)
		if (table->value == value)
			return table->name;
	return "?";
}
