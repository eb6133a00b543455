/* record_heat.h - bins of offset and time that grow coarser */
/* SPDX-License-Identifier: MIT */
/*
 * A map has RECORD_TIMES bins of 2^time_shift ns and RECORD_OFFSETS bins of
 * 2^offset_shift pages.  What lies beyond makes neighbours merge, by pairs:
 * counts stay what they are together.
 */
#ifndef QUIRE_SERVER_RECORD_HEAT_H
#define QUIRE_SERVER_RECORD_HEAT_H

#include "server/record.h"

/* The first bins: a run of a quarter of a second fills the map. */
#define HEAT_FIRST_SHIFT 20

/* Bins become as wide as these need; time_ns has one, and all of pages. */
void heat_reach_time(struct record_file *file, uint64_t time_ns);
void heat_reach_pages(struct record_file *file, uint64_t pages);
/* Both were reached. */
void heat_add(struct record_file *file, const struct record_event *event);

#endif
