/* standing.c - a write that is one after the other */
/* SPDX-License-Identifier: MIT */
/*
 * A program that writes by write(2) what it has mapped would ask twice for each.
 * When one has ended at once (at_once.c), and nothing of the file is dirty, it
 * stands: the client says by a word in memory that it shares with us when it
 * writes next, and asks once, at the end.
 *
 *	BEGIN, write, END --> stands --> word, write, END --> stands --> ...
 *	                        |          |
 *	                        |          '-- something is dirty, or not at once:
 *	                        |              it ends as any
 *	                        '-- somebody dirties a page: the word is NONE, and
 *	                            the client begins as ever; soon it is ended
 *
 * Between two of them it is nobody's change (file_begin_change()), keeps no page
 * from going home, and is of use only while the file is mapped.  At END, if its
 * client is gone, or if others wait too long, it is first made a write as any, of
 * the pages that its word says (write_stop()).  It has another id each time: so an
 * END that is sent again, to another server, is done once.
 *
 * That one is given the words.  It takes all away that are idle, and one that is
 * NONE by then, of a write that stood, has nothing under way; what has is for that
 * server a write of all the file.
 */
#include "server/server_private.h"

#include "os/memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(STANDING_NONE == FOREIGN_NONE && STANDING_IDLE == FOREIGN_IDLE,
	       "what a client says is what the object hears");

static int make_memory(int *memory)
{
	const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

	*memory = memfd_create("quire-words", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*memory < 0)
		return -errno;
	if (ftruncate(*memory, PAGE_SIZE) ||
	    fcntl(*memory, F_ADD_SEALS, seals)) {
		close(*memory);
		return -errno;
	}
	return 0;
}

static bool have_words(struct client *client)
{
	void *view;

	if (client->words)
		return true;
	if (make_memory(&client->words_fd))
		return false;
	if (memory_file_view(client->words_fd, PAGE_SIZE, &view)) {
		close(client->words_fd);
		return false;
	}
	client->words = view;
	if (client->layout)
		keeper_keep(client->server, client->layout, client->pid,
			    client->alive.fd);
	return true;
}

void standing_adopt(struct client *client, int memory)
{
	void *view;

	if (memory < 0)
		return;
	if (memory_file_view(memory, PAGE_SIZE, &view)) {
		close(memory);
		return;
	}
	client->words_fd = memory;
	client->words = view;
	for (unsigned i = 0; i < STANDING_WORDS; i++) {
		uint64_t idle = STANDING_IDLE;

		atomic_compare_exchange_strong(&client->words->word[i], &idle,
					       STANDING_NONE);
	}
}

bool standing_is_over(const struct client *client, uint64_t word)
{
	return client->words && word < STANDING_WORDS &&
	       atomic_load(&client->words->word[word]) == STANDING_NONE;
}

void standing_destroy(struct client *client)
{
	if (!client->words)
		return;
	memory_unmap(client->words, PAGE_SIZE);
	close(client->words_fd);
	client->words = NULL;
}

static bool is_used(const struct client *client, const _Atomic uint64_t *word)
{
	struct list *link;

	list_for_each(link, &client->writes)
		if (container_of(link, struct server_write, link)->word == word)
			return true;
	return false;
}

_Atomic uint64_t *standing_place(struct job *job)
{
	const struct request *request = &job->request;
	struct client *client = job->client;
	_Atomic uint64_t *word;

	if (!(request->flags & WRITE_STAND) ||
	    (uint32_t)request->advice >= STANDING_WORDS ||
	    client->server->standing >= SERVER_STANDING || !have_words(client))
		return NULL;
	word = &client->words->word[request->advice];
	return is_used(client, word) ? NULL : word;
}

void write_stands(struct job *job)
{
	struct client *client = job->client;
	struct server *server = client->server;
	struct server_write *write = job->write;

	file_end_change(server, write->file);
	write->seen = false;
	write->channel = NULL; /* it lasts as long as its client */
	write->id = ++server->next_write;
	ledger_stand(write, (uint64_t)(write->word - client->words->word));
	server->standing++;
	list_add_tail(&client->writes, &write->link);
	client->write_count++;
	job->reply.id = write->id;
	job->reply.flags |= REPLY_STANDS;
	if (job->request.flags & WRITE_WANTS_WORDS)
		job->reply_fds[job->reply_fd_count++] = client->words_fd;
}

void write_stop(struct server_write *write, uint64_t changed_ns)
{
	struct server_file *file = write->file;

	/* First: a word that is NONE after that says nothing. */
	atomic_store(&write->place->word, 0);
	object_foreign_stop(file_object(file), &write->foreign);
	write->word = NULL;
	write->offset = write->foreign.index << PAGE_SHIFT;
	write->length = write->foreign.count << PAGE_SHIFT;
	write->server->standing--;
	if (changed_ns)
		file_begin_seen_change(write->server, file, changed_ns);
	else
		file_begin_change(write->server, file);
}

static bool is_mapped(struct server *server, const struct server_file *file)
{
	bool mapped;

	lock_take(&server->lock);
	mapped = file->mapped > 0;
	lock_drop(&server->lock);
	return mapped;
}

bool write_see_to_standing(struct client *client, struct server_write *write,
			   uint64_t now)
{
	if (!foreign_is_active(&write->foreign)) {
		/* Nobody would close its file; or the client goes on as any,
		 * and, if it does not, others may wait for what it says. */
		if ((!is_mapped(write->server, write->file) ||
		     object_dirty_pages(file_object(write->file)) > 0) &&
		    object_foreign_retire(file_object(write->file),
					  &write->foreign))
			write_give_up(client, write);
		return true;
	}
	if (!write->seen) /* since when, nobody knows: from now on */
		write->begun_ns = now;
	write->seen = true;
	return false;
}
