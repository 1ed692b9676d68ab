/* SPDX-License-Identifier: MIT */
/* bed.c - the same keys and values in the cache and in a bare table, side by side */
#include "bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "keyval.h"
#include "perm.h"

unsigned char (*bed_keys(uint64_t first, uint64_t n))[BED_KEY]
{
	unsigned char(*keys)[BED_KEY] = calloc(n, BED_KEY);
	struct perm perm;

	perm_init(&perm, n, first + n);
	for (uint64_t i = 0; keys && i < n; i++)
		keyval_key(keys[i], BED_KEY, first + perm_at(&perm, i));
	return keys;
}

int bed_store(struct larder *cache, uint64_t from, uint64_t to, int64_t ttl_ms)
{
	unsigned char key[BED_KEY], value[BED_VALUE];
	int r = 0;

	for (uint64_t id = from; id < to && r == 0; id++) {
		keyval_key(key, BED_KEY, id);
		keyval_value(value, BED_VALUE, id, 1);
		r = larder_set(cache, key, BED_KEY, value, BED_VALUE, ttl_ms);
	}
	return r;
}

static int bed_fill_bare(struct bed *bed)
{
	unsigned char key[BED_KEY], value[BED_VALUE];
	int r = 0;

	bed->bare = bare_new(bed->n_keys, BED_KEY + BED_VALUE);
	if (!bed->bare)
		return -ENOMEM;
	for (uint64_t id = 0; id < bed->n_keys && r == 0; id++) {
		keyval_key(key, BED_KEY, id);
		keyval_value(value, BED_VALUE, id, 1);
		r = bare_add(bed->bare, key, BED_KEY, value, BED_VALUE);
	}
	return r;
}

int bed_open(struct bed *bed, uint64_t memory, uint64_t n_keys, int64_t ttl_ms)
{
	int r;

	*bed = (struct bed){.n_keys = n_keys};
	r = spawn_start_memory(&bed->spawn, memory, &bed->cache);
	if (r < 0)
		return r;
	r = bed_store(bed->cache, 0, n_keys, ttl_ms);
	if (r == 0)
		r = bed_fill_bare(bed);
	if (r == 0) {
		bed->keys = bed_keys(0, n_keys);
		r = bed->keys ? 0 : -ENOMEM;
	}
	if (r != 0) {
		fprintf(stderr, "larder-bench: storing %llu keys: %s\n", (unsigned long long)n_keys,
			larder_strerror(r));
		bed_close(bed);
		return r < 0 ? r : -EIO;
	}
	return 0;
}

void bed_close(struct bed *bed)
{
	larder_close(bed->cache);
	bed->cache = NULL;
	bare_free(bed->bare);
	bed->bare = NULL;
	free(bed->keys);
	bed->keys = NULL;
	spawn_stop(&bed->spawn);
}

uint64_t bed_pass_cache(void *table, unsigned char (*keys)[BED_KEY], uint64_t n, uint64_t *hitsp)
{
	unsigned char value[BED_VALUE];
	struct larder *cache = table;
	uint64_t start = clock_ns(), hits = 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t len = sizeof(value);

		hits += larder_get(cache, keys[i], BED_KEY, value, &len) == LARDER_OK;
	}
	*hitsp += hits;
	return clock_ns() - start;
}

uint64_t bed_pass_bare(void *table, unsigned char (*keys)[BED_KEY], uint64_t n, uint64_t *hitsp)
{
	unsigned char value[BED_VALUE];
	const struct bare *bare = table;
	uint64_t start = clock_ns(), hits = 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t len = sizeof(value);

		hits += bare_get(bare, keys[i], BED_KEY, value, &len) == LARDER_OK;
	}
	*hitsp += hits;
	return clock_ns() - start;
}

static int bed_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

double bed_block(bed_pass_fn *pass, void *table, unsigned char (*keys)[BED_KEY], uint64_t n,
		 unsigned passes, uint64_t *hitsp)
{
	uint64_t ns[BED_PASSES_MAX] = {0};
	unsigned low = (passes - 1) / 2, high = passes / 2;

	pass(table, keys, n, hitsp);
	*hitsp = 0;
	for (unsigned i = 0; i < passes; i++)
		ns[i] = pass(table, keys, n, hitsp);
	qsort(ns, passes, sizeof(*ns), bed_compare);
	return (double)(ns[low] + ns[high]) / 2;
}
