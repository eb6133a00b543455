/* claim.c - files that a client has mapped by the kernel */
/* SPDX-License-Identifier: MIT */
#include "server/server_private.h"

#include <errno.h>
#include <stdlib.h>

static struct claim *find(struct server *server, uint64_t device,
			  uint64_t inode)
{
	struct list *bucket = &server->claims[server_bucket(device, inode)];
	struct list *link;

	list_for_each(link, bucket) {
		struct claim *claim = container_of(link, struct claim, link);

		if (claim->device == device && claim->inode == inode)
			return claim;
	}
	return NULL;
}

bool claim_exists(struct server *server, uint64_t device, uint64_t inode)
{
	return find(server, device, inode) != NULL;
}

static bool has(const struct client *client, uint64_t device, uint64_t inode)
{
	const struct list *link;

	list_for_each(link, &client->claims) {
		const struct claim *claim =
			container_of(link, struct claim, client_link);

		if (claim->device == device && claim->inode == inode)
			return true;
	}
	return false;
}

static void enter(struct client *client, struct claim *claim, uint64_t device,
		  uint64_t inode)
{
	struct server *server = client->server;

	claim->device = device;
	claim->inode = inode;
	list_add_tail(&server->claims[server_bucket(device, inode)],
		      &claim->link);
	list_add_tail(&client->claims, &claim->client_link);
	client->claim_count++;
}

static int add(struct client *client, uint64_t device, uint64_t inode)
{
	struct server *server = client->server;
	struct claim *claim;

	if (has(client, device, inode))
		return 0;
	/* At the limit it is taken: so it is coherent all the same. */
	if (client->claim_count >= SERVER_CLAIMS)
		return -EBUSY;
	claim = calloc(1, sizeof(*claim));
	if (!claim)
		return -ENOMEM;
	claim->place = ledger_add_claim(server, client->pid, device, inode);
	if (!claim->place) {
		free(claim);
		return -EBUSY;
	}
	enter(client, claim, device, inode);
	return 0;
}

int claim_restore(struct client *client, struct ledger_claim *place)
{
	struct claim *claim = calloc(1, sizeof(*claim));

	if (!claim)
		return -ENOMEM;
	claim->place = place;
	enter(client, claim, place->device, place->inode);
	return 0;
}

void claim_identify(struct client *client)
{
	struct list *link;

	lock_take(&client->server->lock);
	list_for_each(link, &client->claims)
		atomic_store(&container_of(link, struct claim, client_link)
				      ->place->pid,
			     client->pid);
	lock_drop(&client->server->lock);
}

int claim_add(struct client *client, uint64_t device, uint64_t inode)
{
	struct server *server = client->server;
	int error;

	lock_take(&server->lock);
	if (file_is_taken(server, device, inode))
		error = -EBUSY;
	else
		error = add(client, device, inode);
	lock_drop(&server->lock);
	return error;
}

int claim_inherit(struct client *child, const struct client *parent)
{
	struct server *server = child->server;
	const struct list *link;
	int error = 0;

	lock_take(&server->lock);
	list_for_each(link, &parent->claims) {
		const struct claim *claim =
			container_of(link, struct claim, client_link);

		error = add(child, claim->device, claim->inode);
		if (error)
			break;
	}
	lock_drop(&server->lock);
	return error;
}

void claim_drop_all(struct client *client)
{
	struct server *server = client->server;
	struct list *link;

	lock_take(&server->lock);
	while ((link = list_pop(&client->claims))) {
		struct claim *claim =
			container_of(link, struct claim, client_link);

		list_remove(&claim->link);
		ledger_remove_claim(claim->place);
		free(claim);
	}
	client->claim_count = 0;
	lock_drop(&server->lock);
}
