/* spoil.c - an executor that is wrong once: so that the judge can be judged */
/* SPDX-License-Identifier: MIT */
#include "model/judge/executor.h"

#include "model/judge/isolate.h"

#include <errno.h>
#include <sys/mman.h>

struct spoiling_executor {
	struct executor executor;
	struct executor_ops ops;
	struct executor *inner;
	uint64_t left; /* steps until the one that is spoilt */
	bool found;
	struct op spoilt; /* whenever it is done again */
};

static struct spoiling_executor *own(struct executor *executor)
{
	return (struct spoiling_executor *)executor;
}

static void spoiling_begin(struct executor *executor)
{
	own(executor)->inner->ops->begin(own(executor)->inner);
}

static void spoiling_end(struct executor *executor)
{
	own(executor)->inner->ops->end(own(executor)->inner);
}

static bool is_spoilt(struct spoiling_executor *spoiling, const struct op *op)
{
	if (spoiling->found)
		return op->kind == spoiling->spoilt.kind &&
		       op->address == spoiling->spoilt.address;
	if (spoiling->left-- > 0)
		return false;
	spoiling->found = true;
	spoiling->spoilt = *op;
	return true;
}

static void spoiling_execute(struct executor *executor, const struct op *op,
			     struct outcome *outcome)
{
	struct spoiling_executor *spoiling = own(executor);

	spoiling->inner->ops->execute(spoiling->inner, op, outcome);
	if (!is_spoilt(spoiling, op))
		return;
	outcome->error = outcome->error == EIO ? ENXIO : EIO;
	outcome->result = -1;
	outcome->code++;
}

static void spoiling_maps(struct executor *executor, unsigned process,
			  char *text)
{
	own(executor)->inner->ops->maps(own(executor)->inner, process, text);
}

static void spoiling_look(struct executor *executor, unsigned process,
			  struct page_look *pages)
{
	own(executor)->inner->ops->look(own(executor)->inner, process, pages);
}

static void spoiling_abandon(struct executor *executor)
{
	own(executor)->inner->ops->abandon(own(executor)->inner);
}

static void spoiling_destroy(struct executor *executor)
{
	own(executor)->inner->ops->destroy(own(executor)->inner);
	munmap(own(executor), sizeof(struct spoiling_executor));
}

struct executor *spoiling_executor_create(struct executor *inner, uint64_t step)
{
	/* What it has found, children must know. */
	struct spoiling_executor *spoiling = isolate_memory(sizeof(*spoiling));

	spoiling->ops = *inner->ops;
	spoiling->ops.begin = spoiling_begin;
	spoiling->ops.end = spoiling_end;
	spoiling->ops.execute = spoiling_execute;
	spoiling->ops.maps = spoiling_maps;
	spoiling->ops.look = spoiling_look;
	spoiling->ops.abandon = spoiling_abandon;
	spoiling->ops.destroy = spoiling_destroy;
	spoiling->executor.ops = &spoiling->ops;
	spoiling->inner = inner;
	spoiling->left = step;
	return &spoiling->executor;
}
