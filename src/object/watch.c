/* watch.c - who wants to know when pages go home */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

void object_watch_writes(struct object *object, struct write_watch *watch)
{
	lock_take(&object->watch_lock);
	object->watch = watch;
	while (!watch && object->watching > 0)
		condition_wait(&object->watched, &object->watch_lock);
	lock_drop(&object->watch_lock);
}

struct write_watch *object_writes_begin(struct object *object)
{
	struct write_watch *watch;

	lock_take(&object->watch_lock);
	watch = object->watch;
	if (watch)
		object->watching++;
	lock_drop(&object->watch_lock);
	if (watch)
		watch->begin(watch);
	return watch;
}

void object_writes_end(struct object *object, struct write_watch *watch)
{
	if (!watch)
		return;
	watch->end(watch);
	lock_take(&object->watch_lock);
	object->watching--;
	condition_wake_all(&object->watched);
	lock_drop(&object->watch_lock);
}
