/* SPDX-License-Identifier: MIT */
/* workload.c - which operation, which key, which size */
#include "workload.h"

#include <errno.h>
#include <stddef.h>

static const char *const workload_names[WORKLOAD_OPS] = {
	[WORKLOAD_GET] = "get",	      [WORKLOAD_SET] = "set",	    [WORKLOAD_ADD] = "add",
	[WORKLOAD_TOUCH] = "touch",   [WORKLOAD_DELETE] = "delete", [WORKLOAD_INCR] = "incr",
	[WORKLOAD_EXISTS] = "exists", [WORKLOAD_MGET] = "mget",	    [WORKLOAD_MSET] = "mset",
};

const char *workload_op_name(unsigned op)
{
	return op < WORKLOAD_OPS ? workload_names[op] : NULL;
}

int workload_init(struct workload *workload)
{
	workload->mix_total = 0;
	for (unsigned i = 0; i < WORKLOAD_OPS; i++)
		workload->mix_total += workload->mix[i];
	if (workload->mix_total == 0 || workload->n_keys == 0)
		return -EINVAL;
	if (workload->theta > 0)
		zipf_init(&workload->zipf, workload->n_keys, workload->theta);
	perm_init(&workload->order, workload->n_keys, workload->seed);
	return 0;
}

enum workload_op workload_op(const struct workload *workload, struct rng *rng)
{
	uint64_t draw = rng_below(rng, workload->mix_total);
	unsigned op = 0;

	while (draw >= workload->mix[op])
		draw -= workload->mix[op++];
	return (enum workload_op)op;
}

/* A rank is used as the id: the hash of the key spreads hot keys over the cache. */
uint64_t workload_key(const struct workload *workload, struct rng *rng)
{
	if (workload->theta > 0)
		return zipf_next(&workload->zipf, rng);
	return rng_below(rng, workload->n_keys);
}
