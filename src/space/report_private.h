/* report_private.h - what the files of the reports share */
/* SPDX-License-Identifier: MIT */
#ifndef QUIRE_SPACE_REPORT_PRIVATE_H
#define QUIRE_SPACE_REPORT_PRIVATE_H

#include "space/space_private.h"

/* A text in memory of the space's; what does not fit is counted only. */
struct text {
	char *bytes;
	size_t size;
	size_t length; /* that would be needed, as snprintf() counts */
};

/* One line, or a part of it, without names: at most 200 bytes. */
void text_print(struct text *text, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A newline in a name is \012, as the kernel has it. */
void text_add_name(struct text *text, const char *name);

/* A VMA's line of /proc/PID/maps. */
void report_maps_line(struct text *text, const struct space *space,
		      const struct vma *vma);

/* => under the space's lock, for reading */
void report_smaps(struct text *text, const struct space *space);
void report_pages(struct text *text, const struct space *space);

#endif
