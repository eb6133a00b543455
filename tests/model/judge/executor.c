/* executor.c - what executors share */
/* SPDX-License-Identifier: MIT */
#include "model/judge/executor.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

uint64_t hash_bytes(const void *bytes, size_t length)
{
	uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ length;
	const unsigned char *from = bytes;

	while (length > 0) {
		uint64_t word = 0;
		size_t piece = length < 8 ? length : 8;

		memcpy(&word, from, piece);
		hash = (hash ^ word) * UINT64_C(0x2545f4914f6cdd1d);
		hash ^= hash >> 29;
		from += piece;
		length -= piece;
	}
	return hash;
}

uint64_t vector_bits(const unsigned char *vector)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i <= WINDOW_PAGES; i++) {
		bits |= (uint64_t)(vector[i] & 1) << i;
		if (vector[i] & ~1)
			bits |= UINT64_C(1) << 63;
	}
	return bits;
}

void look_at_bytes(struct page_look *look, const void *bytes)
{
	look->signal = 0;
	memcpy(look->first, bytes, sizeof(look->first));
	look->hash = hash_bytes(bytes, PAGE);
}

void die(const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "judge: ");
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fprintf(stderr, "\n");
	fflush(NULL);
	_exit(3); /* what is left is nobody's leak */
}
