/* taken.c - the table that tells clients which files are taken */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include "os/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int server_reopen(int fd, int flags)
{
	char path[32];
	int own;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own = open(path, flags | O_CLOEXEC | O_NOCTTY);
	return own < 0 ? -errno : own;
}

static int make_memory(struct server *server)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	server->taken_memory =
		memfd_create("quire-taken", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (server->taken_memory < 0)
		return -errno;
	/* Another user's process cannot open it anew for writing. */
	if (fchmod(server->taken_memory, 0400) ||
	    ftruncate(server->taken_memory, sizeof(struct taken_table)) ||
	    fcntl(server->taken_memory, F_ADD_SEALS, seals))
		return -errno;
	return 0;
}

int taken_create(struct server *server, int memory)
{
	void *view;
	int error = 0;

	/* Clients have it mapped. */
	server->taken_memory = memory;
	if (memory < 0)
		error = make_memory(server);
	if (error)
		return error;
	error = memory_file_view(server->taken_memory,
				 sizeof(struct taken_table), &view);
	if (error)
		return error;
	server->taken = view;
	server->taken_readable = server_reopen(server->taken_memory, O_RDONLY);
	return server->taken_readable < 0 ? server->taken_readable : 0;
}

void taken_destroy(struct server *server)
{
	if (server->taken)
		memory_unmap(server->taken, sizeof(struct taken_table));
	if (server->taken_readable >= 0)
		close(server->taken_readable);
	if (server->taken_memory >= 0)
		close(server->taken_memory);
}

/* One that nobody has opened again is not ours. */
static uint64_t restore_entry(struct server *server, struct taken_entry *entry)
{
	struct server_file *file = file_lookup(server,
					       atomic_load(&entry->device),
					       atomic_load(&entry->inode));

	if (file && file->entry == entry)
		return 1;
	atomic_store(&entry->state, 0);
	atomic_store(&entry->dirty, 0);
	return 0;
}

/* Where the table has never had anything it is not touched. */
void taken_restore(struct server *server)
{
	const uint64_t first = offsetof(struct taken_table, entry);
	uint64_t count = 0, at = 0;
	off_t data = 0;

	while (at < TAKEN_SLOTS) {
		uint64_t end;

		data = lseek(server->taken_memory,
			     (off_t)(first + at * sizeof(struct taken_entry)),
			     SEEK_DATA);
		if (data < 0)
			break;
		if ((uint64_t)data > first)
			at = ((uint64_t)data - first) /
			     sizeof(struct taken_entry);
		end = at + PAGE_SIZE / sizeof(struct taken_entry);
		for (; at < end && at < TAKEN_SLOTS; at++)
			if (atomic_load(&server->taken->entry[at].state))
				count += restore_entry(
					server, &server->taken->entry[at]);
	}
	atomic_store(&server->taken->count, count);
}

struct taken_entry *taken_entry(struct server *server, uint64_t device,
				uint64_t inode)
{
	uint32_t slot = taken_slot(device, inode);
	struct taken_entry *entry = taken_find(server->taken, device, inode);

	if (entry || inode == 0)
		return entry;
	for (uint32_t i = 0; i < TAKEN_PROBES; i++) {
		entry = &server->taken->entry[(slot + i) & (TAKEN_SLOTS - 1)];
		if (atomic_load(&entry->inode) != 0)
			continue;
		/* The inode last: with it the entry is found. */
		atomic_store(&entry->device, device);
		atomic_store(&entry->inode, inode);
		return entry;
	}
	return NULL;
}

void taken_set(struct server *server, struct taken_entry *entry, uint64_t state)
{
	bool was = atomic_load(&entry->state) != 0;

	/* Counted before it is in use, and until after: who sees a count of
	 * none need not look. */
	if (state && !was)
		atomic_fetch_add(&server->taken->count, 1);
	atomic_store(&entry->state, state);
	if (!state && was)
		atomic_fetch_sub(&server->taken->count, 1);
}
