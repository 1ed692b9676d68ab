/* SPDX-License-Identifier: MIT */
/* counters.h - the counters of a cache that the harness looks at */
#ifndef BENCH_COUNTERS_H
#define BENCH_COUNTERS_H

#include <stdint.h>

#include <larder/larder.h>

struct counters {
	uint64_t live_bytes; /* keys and values that are linked now */
	uint64_t live_items;
	uint64_t evictions;	  /* all causes */
	uint64_t evictions_index; /* of them, for want of room in the index and not in the region */
};

/* Return: 0; as larder_stats(); -ENODATA the library has no such counters. */
int counters_read(struct larder *cache, struct counters *counters);

#endif
