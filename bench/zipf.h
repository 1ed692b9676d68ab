/* SPDX-License-Identifier: MIT */
/* zipf.h - ranks with probability proportional to 1 / (rank + 1)^theta */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <stdint.h>

#include "rng.h"

struct zipf {
	uint64_t n;
	double theta;
	double h_first;	 /* the integral below the first rank */
	double h_last;	 /* and up to the last one */
	double shortcut; /* distance to the rank within which no test is needed */
};

/* @n > 0; @theta > 0, 1 included */
void zipf_init(struct zipf *zipf, uint64_t n, double theta);

/* A rank from 0 (the hottest) to n - 1, in expected constant time, without a table. */
uint64_t zipf_next(const struct zipf *zipf, struct rng *rng);

#endif
