/* size.c - sizes as people write them */
/* SPDX-License-Identifier: MIT */
#include "base/size.h"

#include <errno.h>
#include <string.h>

/* The number at the start of *text, which then points behind it. */
static int parse_number(const char **text, uint64_t *number)
{
	const char *digit = *text;
	uint64_t value = 0;

	if (*digit < '0' || *digit > '9')
		return -EINVAL;
	for (; *digit >= '0' && *digit <= '9'; digit++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *digit - '0', &value))
			return -ERANGE;
	}
	*text = digit;
	*number = value;
	return 0;
}

/* How far suffix shifts to the left, or -EINVAL. */
static int suffix_shift(const char *suffix)
{
	static const char letters[] = "KMGT";
	const char *letter;

	if (!*suffix)
		return 0;
	letter = strchr(letters, *suffix);
	if (!letter || suffix[1])
		return -EINVAL;
	return 10 * (int)(letter - letters + 1);
}

int size_parse(const char *text, uint64_t *bytes)
{
	uint64_t number;
	int shift;
	int error = parse_number(&text, &number);

	if (error)
		return error;
	shift = suffix_shift(text);
	if (shift < 0)
		return shift;
	if (number > UINT64_MAX >> shift)
		return -ERANGE;
	*bytes = number << shift;
	return 0;
}
