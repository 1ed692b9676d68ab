/* SPDX-License-Identifier: MIT */
/* workload.h - which operation, which key, which size */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "keyval.h"
#include "perm.h"
#include "rng.h"
#include "zipf.h"

enum workload_op {
	WORKLOAD_GET,
	WORKLOAD_SET,
	WORKLOAD_ADD,
	WORKLOAD_TOUCH,
	WORKLOAD_DELETE,
	WORKLOAD_INCR,
	WORKLOAD_EXISTS,
	WORKLOAD_MGET,
	WORKLOAD_MSET,
	WORKLOAD_OPS,
};

/* Counters have keys of their own: a value that is a pattern is not a number. */
#define WORKLOAD_COUNTER_ID (UINT64_C(1) << 62)

struct workload {
	uint64_t n_keys;
	uint32_t key_size;
	struct sizes sizes;
	double theta;		    /* of the zipf distribution; 0 = uniform */
	unsigned mix[WORKLOAD_OPS]; /* weights */
	uint32_t batch;		    /* keys in one mget or mset */
	int64_t ttl_ms;
	bool fill; /* a get that misses is followed by a set */
	uint64_t seed;

	unsigned mix_total; /* from here on by workload_init() */
	struct zipf zipf;
	struct perm order; /* of a pre-fill */
};

/* After the fields above are set. Return: 0; -EINVAL no operation in the mix, or no keys. */
int workload_init(struct workload *workload);

enum workload_op workload_op(const struct workload *workload, struct rng *rng);

/* The id of a key, 0 to n_keys - 1. */
uint64_t workload_key(const struct workload *workload, struct rng *rng);

/* "get", "set", ...; NULL beyond the last. */
const char *workload_op_name(unsigned op);

#endif
