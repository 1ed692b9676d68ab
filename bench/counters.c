/* SPDX-License-Identifier: MIT */
/* counters.c - the counters of a cache that the harness looks at
 *
 * Counters are found by name, once: their order is the library's business. Live is linked minus
 * unlinked; the two are read one after the other while clients work, so a difference can come out
 * below zero for a moment and is then 0.
 */
#include "counters.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define COUNTERS_MAX 256

static uint64_t counters_difference(uint64_t in, uint64_t out)
{
	return in > out ? in - out : 0;
}

static bool counters_named(const char *name, const uint64_t *values, unsigned n, uint64_t *valuep)
{
	for (unsigned i = 0; i < n; i++) {
		if (strcmp(larder_stat_name(i), name) == 0) {
			*valuep = values[i];
			return true;
		}
	}
	return false;
}

int counters_read(struct larder *cache, struct counters *counters)
{
	uint64_t values[COUNTERS_MAX] = {0};
	unsigned n = larder_stat_count();
	uint64_t bytes_in, bytes_out, items_in, items_out, evicted, evicted_index;
	int r;

	if (n > COUNTERS_MAX)
		n = COUNTERS_MAX;
	r = larder_stats(cache, values, n);
	if (r != 0)
		return r;
	if (!counters_named("bytes_in", values, n, &bytes_in) ||
	    !counters_named("bytes_out", values, n, &bytes_out) ||
	    !counters_named("items_in", values, n, &items_in) ||
	    !counters_named("items_out", values, n, &items_out) ||
	    !counters_named("evicted", values, n, &evicted) ||
	    !counters_named("evicted_index", values, n, &evicted_index))
		return -ENODATA;
	counters->live_bytes = counters_difference(bytes_in, bytes_out);
	counters->live_items = counters_difference(items_in, items_out);
	counters->evictions = evicted + evicted_index;
	counters->evictions_index = evicted_index;
	return 0;
}
