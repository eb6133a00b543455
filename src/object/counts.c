/* counts.c - what happened to an object */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

#include "base/probe.h"

struct object_counts *object_counts(struct object *object)
{
	return &object->counts;
}

uint64_t object_pages_written(const struct object *object)
{
	/* relaxed: counts order nothing */
	return atomic_load_explicit(&object->counts.pages_written,
				    memory_order_relaxed);
}

void object_count_come(struct object *object, uint64_t count)
{
	struct object_counts *counts = &object->counts;
	/* relaxed, here and below: counts order nothing */
	uint64_t now = atomic_fetch_add_explicit(&counts->resident, count,
						 memory_order_relaxed) +
		       count;
	uint64_t most = atomic_load_explicit(&counts->resident_peak,
					     memory_order_relaxed);

	while (now > most &&
	       !atomic_compare_exchange_weak_explicit(
		       &counts->resident_peak, &most, now, memory_order_relaxed,
		       memory_order_relaxed))
		;
}

void object_count_gone(struct object *object, uint64_t count)
{
	atomic_fetch_sub_explicit(&object->counts.resident, count,
				  memory_order_relaxed);
}

static void probe(const struct object *object, uint64_t index, uint64_t count,
		  enum object_record what)
{
	const char *name = object->parameters.identity.name;

	switch (what) {
	case OBJECT_READ:
		probe3(read, name, index, count);
		break;
	case OBJECT_EVICTED:
		probe3(evict, name, index, count);
		break;
	case OBJECT_WRITTEN:
		probe3(write, name, index, count);
		break;
	default:
		break;
	}
}

void object_happened(struct object *object, uint64_t index, uint64_t count,
		     enum object_record what)
{
	struct object_host *host = object->host;

	probe(object, index, count, what);

	if (host->record)
		host->record(host->record_context, object, index, count, what);
}
