/* stores_ahead.c - where stores go on, the next pages are made writable, too */
/* SPDX-License-Identifier: MIT */
/*
 * As many as have been stored to right before (object/foreseen.c), so that a row that
 * ends early has shown no more than it has used.  Not in other processes: a server
 * that takes over does not know which of the DIRTY pages were only foreseen.
 */
#include "fault/fault_private.h"

#define ROW_LEAST 4 /* stores one after the other, before any is shown ahead */
#define AHEAD_MOST 63
#define SHARE 4 /* of the room under the dirty bound */

uint64_t fault_take_ahead(const struct fault *fault, struct object *object,
			  uint64_t index, uint64_t most)
{
	struct fault_handler *handler = fault->handler;
	uint64_t pages = object_pages(object);
	uint64_t room = writeback_room(handler->writeback, object) / SHARE;
	uint64_t row;
	bool spent;

	/* Not the last page: what lies behind the end may come by a growth. */
	if (handler->mmu->remote || index + 2 >= pages)
		return 0;
	if (most > pages - index - 2)
		most = pages - index - 2;
	if (most > room)
		most = room;
	if (most > AHEAD_MOST)
		most = AHEAD_MOST;
	row = object_stores_before(object, index, most);
	if (row < ROW_LEAST)
		return 0;
	row = object_foresee(object, index + 1, row, &spent);
	if (spent)
		writeback_kick(handler->writeback, false);
	count_add(handler->host->counters, COUNT_STORES_FORESEEN, row);
	return row;
}
