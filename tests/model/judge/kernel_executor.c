/* kernel_executor.c - the kernel as executor, seen from the judge */
/* SPDX-License-Identifier: MIT */
#include "model/judge/kernel_child.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_S 30

struct kernel_executor {
	struct executor executor;
	struct kernel_slots *slots;
	pid_t server;
	bool alive[PROCESSES];
	/* Whose maps text its slot has already. */
	bool maps_known[PROCESSES];
};

static struct kernel_executor *own(struct executor *executor)
{
	return (struct kernel_executor *)executor;
}

static struct slot *ask(struct kernel_executor *kernel, unsigned index,
			enum request request)
{
	struct slot *slot = &kernel->slots->slot[index];

	slot->request = request;
	slot_give(slot, TURN_CHILD);
	if (!slot_wait(slot, TURN_JUDGE, PATIENCE_S))
		die("the kernel's process %u does not answer", index);
	return slot;
}

/* It does not answer to that. */
static void tell_end(struct kernel_executor *kernel, unsigned index)
{
	kernel->slots->slot[index].request = REQUEST_END;
	slot_give(&kernel->slots->slot[index], TURN_CHILD);
	if (index < PROCESSES)
		kernel->alive[index] = false;
}

static void kernel_begin(struct executor *executor)
{
	struct kernel_executor *kernel = own(executor);

	ask(kernel, SLOT_SERVER, REQUEST_BEGIN);
	memset(kernel->maps_known, 0, sizeof(kernel->maps_known));
	kernel->alive[0] = true;
}

static void kernel_end(struct executor *executor)
{
	struct kernel_executor *kernel = own(executor);

	for (unsigned i = 0; i < PROCESSES; i++)
		if (kernel->alive[i])
			tell_end(kernel, i);
}

/* All that may still be there, once they have done what they were at. */
static void kernel_abandon(struct executor *executor)
{
	struct kernel_executor *kernel = own(executor);

	for (unsigned i = 0; i < PROCESSES; i++)
		if (slot_wait(&kernel->slots->slot[i], TURN_JUDGE, PATIENCE_S))
			tell_end(kernel, i);
}

static void kernel_execute(struct executor *executor, const struct op *op,
			   struct outcome *outcome)
{
	struct kernel_executor *kernel = own(executor);
	struct slot *slot = &kernel->slots->slot[op->process];

	if (op->kind == OP_EXIT) {
		memset(outcome, 0, sizeof(*outcome));
		tell_end(kernel, op->process);
		return;
	}
	slot->op = *op;
	ask(kernel, op->process, REQUEST_OP);
	*outcome = slot->outcome;
	kernel->maps_known[op->process] = true;
	if (op->kind == OP_FORK && outcome->result >= 0) {
		kernel->alive[op->length] = true;
		kernel->maps_known[op->length] = false;
	}
}

static void kernel_maps(struct executor *executor, unsigned process, char *text)
{
	struct kernel_executor *kernel = own(executor);

	if (!kernel->maps_known[process])
		ask(kernel, process, REQUEST_MAPS);
	kernel->maps_known[process] = true;
	memcpy(text, kernel->slots->slot[process].maps, MAPS_BYTES);
}

static void kernel_look(struct executor *executor, unsigned process,
			struct page_look *pages)
{
	struct slot *slot = &own(executor)->slots->slot[process];

	memcpy(slot->pages, pages, sizeof(slot->pages));
	ask(own(executor), process, REQUEST_LOOK);
	memcpy(pages, slot->pages, sizeof(slot->pages));
}

static void kernel_destroy(struct executor *executor)
{
	struct kernel_executor *kernel = own(executor);

	kernel_end(executor);
	tell_end(kernel, SLOT_SERVER);
	waitpid(kernel->server, NULL, 0);
	munmap(kernel->slots, sizeof(*kernel->slots));
	free(kernel);
}

static const struct executor_ops kernel_ops = {
	.name = "kernel",
	.can_fork = true,
	.places = true,
	.begin = kernel_begin,
	.end = kernel_end,
	.execute = kernel_execute,
	.maps = kernel_maps,
	.look = kernel_look,
	.abandon = kernel_abandon,
	.destroy = kernel_destroy,
};

struct executor *kernel_executor_create(void)
{
	struct kernel_executor *kernel = calloc(1, sizeof(*kernel));
	struct slot *slot;

	if (!kernel)
		die("no memory");
	kernel->executor.ops = &kernel_ops;
	kernel->slots = mmap(NULL, sizeof(*kernel->slots),
			     PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			     -1, 0);
	if (kernel->slots == MAP_FAILED)
		die("no memory to share: %s", strerror(errno));
	kernel->slots->judge = getpid();
	slot = &kernel->slots->slot[SLOT_SERVER];
	atomic_store(&slot->turn, TURN_CHILD);
	kernel->server = fork();
	if (kernel->server < 0)
		die("no process for the kernel: %s", strerror(errno));
	if (kernel->server == 0)
		kernel_server(kernel->slots);
	if (!slot_wait(slot, TURN_JUDGE, PATIENCE_S) || slot->outcome.result)
		die("the addresses outside of the window cannot be reserved");
	return &kernel->executor;
}
