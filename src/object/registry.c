/* registry.c - all objects of an engine, and who uses them */
/* SPDX-License-Identifier: MIT */
#include "object/object_private.h"

#include "os/memory.h"

/* In pages.  With less of them buffers of 2 MiB would be much beside it. */
#define HUGE_BUDGET 4096

void object_release(struct object *object)
{
	struct object_registry *registry = &object->host->registry;

	if (atomic_fetch_sub(&object->users, 1) > 2)
		return;
	/* Perhaps only object_end() is left; the object may be gone already,
	 * the registry is not. */
	lock_take(&registry->lock);
	condition_wake_all(&registry->idle);
	lock_drop(&registry->lock);
}

void object_use(struct object *object)
{
	atomic_fetch_add(&object->users, 1);
}

struct object *object_lookup(struct object_host *host, uint64_t device,
			     uint64_t inode)
{
	struct object_registry *registry = &host->registry;
	struct object *found = NULL;
	struct list *link;

	lock_take(&registry->lock);
	list_for_each(link, &registry->objects) {
		struct object *object = container_of(link, struct object, link);

		if (object->parameters.identity.inode == inode &&
		    object->parameters.identity.device == device) {
			object->handles++;
			found = object;
			break;
		}
	}
	lock_drop(&registry->lock);
	return found;
}

bool object_drop_handle(struct object *object)
{
	struct object_registry *registry = &object->host->registry;
	bool last;

	lock_take(&registry->lock);
	last = --object->handles == 0 && !object->ending;
	if (last) {
		object->ending = true;
		object_use(object);
	}
	lock_drop(&registry->lock);
	return last;
}

bool object_orphan(struct object *object)
{
	struct object_registry *registry = &object->host->registry;
	bool orphan;

	lock_take(&registry->lock);
	orphan = object->handles == 0 && !object->ending;
	if (orphan) {
		object->ending = true;
		object_use(object);
	}
	lock_drop(&registry->lock);
	return orphan;
}

struct object *object_next(struct object_host *host, struct object *previous)
{
	struct object_registry *registry = &host->registry;
	struct object *next = NULL;
	struct list *link;

	lock_take(&registry->lock);
	link = previous ? previous->link.next : registry->objects.next;
	if (link != &registry->objects) {
		next = container_of(link, struct object, link);
		object_use(next);
	}
	lock_drop(&registry->lock);
	if (previous)
		object_release(previous);
	return next;
}

void object_host_init(struct object_host *host, struct cache *cache,
		      struct counters *counters, const struct log *log)
{
	host->cache = cache;
	atomic_store(&host->got_home, 0);
	host->counters = counters;
	host->log = log;
	staging_pool_init(&host->staging, cache->budget >= HUGE_BUDGET);
	object_reads_init(host);
	foreseen_init(&host->foreseen, cache->budget);
	lock_init(&host->registry.lock, LOCK_RANK_REGISTRY);
	condition_init(&host->registry.idle);
	list_init(&host->registry.objects);
}

void object_host_finish(struct object_host *host)
{
	check(list_empty(&host->registry.objects), "all objects have ended");
	condition_finish(&host->registry.idle);
	lock_finish(&host->registry.lock);
	foreseen_finish(&host->foreseen);
	pool_finish(&host->reads);
	staging_pool_finish(&host->staging);
}

uint64_t object_host_progress(const struct object_host *host)
{
	return count_get(host->counters, COUNT_EVICTIONS) +
	       atomic_load(&host->got_home);
}
