/* mmu_remote_queue.c - traps and events of another process, read and kept */
/* SPDX-License-Identifier: MIT */
/*
 * In two rings.  Where either is full nothing more is read: it stays in the
 * kernel, and who caused it waits there.
 */
#include "mmu/mmu_remote_private.h"

#define MESSAGES_AT_ONCE 32 /* as uffd_read_messages() */

static struct mmu_event event_of(const struct uffd_message *message)
{
	struct mmu_event event = {
		.start = message->start,
		.end = message->end,
		.to = message->to,
		.descriptor = message->descriptor,
	};

	switch (message->type) {
	case UFFD_FORKED:
		event.type = MMU_EVENT_FORK;
		break;
	case UFFD_MOVED:
		event.type = MMU_EVENT_MOVE;
		break;
	case UFFD_DROPPED:
		event.type = MMU_EVENT_DROP;
		break;
	default:
		event.type = MMU_EVENT_UNMAP;
	}
	return event;
}

static void keep(struct mmu_remote *remote, const struct uffd_message *message)
{
	unsigned place;

	if (message->type == UFFD_TRAPPED) {
		place = (remote->first_trap + remote->trap_count++) %
			REMOTE_KEPT;
		remote->traps[place] = (struct mmu_trap){
			.address = message->trap.address,
			.write = message->trap.write,
			.shown = message->trap.shown,
		};
		return;
	}
	place = (remote->first_event + remote->event_count++) % REMOTE_KEPT;
	remote->events[place] = event_of(message);
	if (message->type == UFFD_FORKED && remote->child)
		remote->events[place].number = remote->child(
			remote->child_context, message->descriptor);
	remote->events_read++;
}

/* How many messages there is room for, whatever they are. */
static int room(const struct mmu_remote *remote)
{
	unsigned used = remote->trap_count > remote->event_count
				? remote->trap_count
				: remote->event_count;
	unsigned left = REMOTE_KEPT - used;

	return left < MESSAGES_AT_ONCE ? (int)left : MESSAGES_AT_ONCE;
}

/* The gate is held.  How many were read; *dry: there were no more. */
static int read_some(struct mmu_remote *remote, bool *dry)
{
	struct uffd_message messages[MESSAGES_AT_ONCE];
	int most = room(remote);
	int count = 0;

	if (most > 0)
		count = uffd_read_messages(&remote->uffd, messages, most);
	for (int i = 0; i < count; i++)
		keep(remote, &messages[i]);
	*dry = count < most || most == 0;
	return count;
}

bool mmu_remote_pump(struct mmu *mmu)
{
	struct mmu_remote *remote = remote_of(mmu);
	bool any = false, dry = false;

	lock_take(&remote->gate);
	while (!dry)
		any |= read_some(remote, &dry) > 0;
	lock_drop(&remote->gate);
	return any;
}

bool mmu_remote_event(struct mmu *mmu, struct mmu_event *event)
{
	struct mmu_remote *remote = remote_of(mmu);
	struct mmu_event *first = &remote->events[remote->first_event];
	bool any;

	lock_take(&remote->gate);
	any = remote->event_count > 0;
	if (any) {
		*event = *first;
		first->descriptor = -1;
	}
	lock_drop(&remote->gate);
	return any;
}

void mmu_remote_applied(struct mmu *mmu)
{
	struct mmu_remote *remote = remote_of(mmu);

	lock_take(&remote->gate);
	check(remote->event_count > 0,
	      "an event was read before it is applied");
	remote->first_event = (remote->first_event + 1) % REMOTE_KEPT;
	remote->event_count--;
	lock_drop(&remote->gate);
}

int remote_take_traps(struct mmu *mmu, struct mmu_trap *traps, int most)
{
	struct mmu_remote *remote = remote_of(mmu);
	int taken = 0, error = 0;
	bool dry;

	lock_take(&remote->gate);
	if (remote->trap_count < (unsigned)most)
		error = read_some(remote, &dry);
	while (taken < most && remote->trap_count > 0) {
		traps[taken++] = remote->traps[remote->first_trap];
		remote->first_trap = (remote->first_trap + 1) % REMOTE_KEPT;
		remote->trap_count--;
	}
	lock_drop(&remote->gate);
	return taken == 0 && error < 0 ? error : taken;
}
