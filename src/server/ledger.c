/* ledger.c - what another server must know, in memory that outlives this one */
/* SPDX-License-Identifier: MIT */
#include "server/ledger.h"

#include "os/memory.h"
#include "server/server_private.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_memory(struct server *server, int memory)
{
	struct stat status;
	int error;

	server->ledger_memory = memory;
	if (memory >= 0)
		return fstat(memory, &status) ||
				       status.st_size != sizeof(struct ledger)
			       ? -EINVAL
			       : 0;
	error = memory_file_create("quire-ledger", &server->ledger_memory);
	if (!error)
		error = memory_file_resize(server->ledger_memory,
					   sizeof(struct ledger));
	return error;
}

int ledger_create(struct server *server, int memory)
{
	int error = open_memory(server, memory);
	void *view;

	if (!error)
		error = memory_file_view(server->ledger_memory,
					 sizeof(struct ledger), &view);
	if (!error)
		server->ledger = view;
	return error;
}

void ledger_destroy(struct server *server)
{
	if (server->ledger)
		memory_unmap(server->ledger, sizeof(struct ledger));
	if (server->ledger_memory >= 0)
		close(server->ledger_memory);
}

/* The first free one, so that little memory is ever touched. */
int ledger_add_write(struct server *server, struct server_write *write,
		     int64_t pid)
{
	struct ledger *ledger = server->ledger;
	uint64_t at = 0;

	lock_take(&server->lock);
	while (at < LEDGER_WRITES && atomic_load(&ledger->write[at].id))
		at++;
	if (at < LEDGER_WRITES) {
		write->place = &ledger->write[at];
		write->place->file = write->file->id;
		write->place->token = write->token;
		write->place->offset = write->offset;
		write->place->length = write->length;
		write->place->pid = pid;
		atomic_store(&write->place->overtaken, 0);
		if (atomic_load(&ledger->writes) <= at)
			atomic_store(&ledger->writes, at + 1);
		atomic_store(&write->place->id, write->id);
	}
	lock_drop(&server->lock);
	return at < LEDGER_WRITES ? 0 : -ENOBUFS;
}

/* Of all the file: what its client is about to write is not told.  The id last:
 * until then it is the write that has just ended. */
void ledger_stand(struct server_write *write, uint64_t word)
{
	write->place->offset = write->place->length = 0;
	atomic_store(&write->place->word, write->id * STANDING_WORDS + word);
	atomic_store(&write->place->id, write->id);
}

uint64_t ledger_word(const struct ledger_write *place)
{
	return atomic_load(&place->word) -
	       atomic_load(&place->id) * STANDING_WORDS;
}

void ledger_remove_write(struct server_write *write)
{
	if (write->place)
		atomic_store(&write->place->id, 0);
	write->place = NULL;
}

struct ledger_claim *ledger_add_claim(struct server *server, int64_t pid,
				      uint64_t device, uint64_t inode)
{
	struct ledger *ledger = server->ledger;
	struct ledger_claim *claim;
	uint64_t at = 0;

	while (at < LEDGER_CLAIMS && atomic_load(&ledger->claim[at].used))
		at++;
	if (at == LEDGER_CLAIMS)
		return NULL;
	claim = &ledger->claim[at];
	atomic_store(&claim->pid, pid);
	claim->device = device;
	claim->inode = inode;
	if (atomic_load(&ledger->claims) <= at)
		atomic_store(&ledger->claims, at + 1);
	atomic_store(&claim->used, 1);
	return claim;
}

void ledger_remove_claim(struct ledger_claim *claim)
{
	atomic_store(&claim->used, 0);
}
