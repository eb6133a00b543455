/* handle.c - holders of an object, and what they were told */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

#include <string.h>

int handle_drop(struct quire_object *handle)
{
	if (atomic_fetch_sub(&handle->references, 1) > 1)
		return 0;
	return handle->last_drop(handle);
}

/* Invariant 6: once to each holder, whoever of his threads asks first. */
int handle_report_error(struct quire_object *handle)
{
	struct object *object = handle->object;
	uint64_t seen = atomic_load(&handle->errors_seen);
	uint64_t now = atomic_load(&object->errors);
	int error;

	do {
		if (seen >= now)
			return 0;
	} while (!atomic_compare_exchange_weak(&handle->errors_seen, &seen,
					       now));
	error = atomic_load(&object->error);
	return error_say(error, "%s could not be %s: %s%s",
			 object->parameters.identity.name,
			 atomic_load(&object->failed), strerror(-error),
			 object_dirty_pages(object)
				 ? " (dirty pages are kept and tried again)"
				 : "");
}

bool object_may_log(struct object *object)
{
	uint64_t now = clock_now_ns();
	uint64_t last = atomic_load(&object->logged_ns);

	return now - last >= UINT64_C(1000000000) &&
	       atomic_compare_exchange_strong(&object->logged_ns, &last, now);
}

void object_record_error(struct object *object, int error, const char *what)
{
	/* The error first: who sees the count finds it. */
	atomic_store(&object->failed, what);
	atomic_store(&object->error, error);
	atomic_fetch_add(&object->errors, 1);
	if (object_may_log(object))
		log_line(object->host->log, LOG_WARNING,
			 "%s could not be %s: %s",
			 object->parameters.identity.name, what,
			 strerror(-error));
}

void object_write_singly(struct object *object, uint64_t count)
{
	atomic_store(&object->single_writes, (uint32_t)count);
}

bool object_writes_singly(struct object *object)
{
	return take_one(&object->single_writes);
}

uint64_t object_errors(const struct object *object)
{
	return atomic_load(&object->errors);
}
