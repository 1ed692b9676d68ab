/* SPDX-License-Identifier: MIT */
/* bars_fill.c - how much of the memory becomes cache, and what a set costs when it is full
 *
 * Live bytes are the keys and values that the cache counts as linked. A second, independent count
 * asks for every key that was stored; the smaller of the two is the figure.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bars.h"
#include "clock.h"
#include "counters.h"
#include "keyval.h"
#include "rng.h"

#define FILL_KEY 16
#define FILL_BATCH 32
#define FILL_VALUE_MAX 8192

static uint64_t fill_memory(const struct bars *bars)
{
	return (bars_quick(bars) ? UINT64_C(128) : UINT64_C(1024)) << 20;
}

struct fill_batch {
	unsigned char key[FILL_BATCH][FILL_KEY];
	struct larder_op op[FILL_BATCH];
	unsigned n;
	uint32_t vlen;
};

static unsigned char fill_value[FILL_VALUE_MAX];

static int fill_flush(struct fill_batch *batch, struct larder *cache)
{
	unsigned n = batch->n;
	int r = larder_mset(cache, batch->op, n);

	batch->n = 0;
	for (unsigned i = 0; i < n && r >= 0; i++)
		if (batch->op[i].result < 0)
			r = batch->op[i].result;
	return r < 0 ? r : 0;
}

static int fill_put(struct fill_batch *batch, struct larder *cache, uint64_t id)
{
	keyval_key(batch->key[batch->n], FILL_KEY, id);
	batch->op[batch->n] = (struct larder_op){.key = batch->key[batch->n],
						 .klen = FILL_KEY,
						 .buf = fill_value,
						 .len = batch->vlen};
	return ++batch->n == FILL_BATCH ? fill_flush(batch, cache) : 0;
}

/* Ids 0 to @n - 1; with @window each is followed by an overwrite of one of the last @window ids. */
static int fill_store(struct larder *cache, uint64_t n, uint32_t vlen, uint64_t window)
{
	struct fill_batch batch = {.vlen = vlen};
	struct rng rng = {3};
	int r = 0;

	for (uint64_t id = 0; id < n && r == 0; id++) {
		uint64_t reach = id < window ? id + 1 : window;

		r = fill_put(&batch, cache, id);
		if (r == 0 && window)
			r = fill_put(&batch, cache, id - rng_below(&rng, reach));
	}
	return r ? r : fill_flush(&batch, cache);
}

/* How many of the ids 0 to @n - 1 are there. */
static uint64_t fill_probe(struct larder *cache, uint64_t n)
{
	unsigned char key[FILL_BATCH][FILL_KEY];
	struct larder_op op[FILL_BATCH];
	uint64_t found = 0;

	for (uint64_t id = 0; id < n; id += FILL_BATCH) {
		unsigned k, count = n - id < FILL_BATCH ? (unsigned)(n - id) : FILL_BATCH;

		for (k = 0; k < count; k++) {
			keyval_key(key[k], FILL_KEY, id + k);
			op[k] = (struct larder_op){.key = key[k], .klen = FILL_KEY};
		}
		if (larder_mexists(cache, op, count) < 0)
			return 0;
		for (k = 0; k < count; k++)
			found += op[k].result == LARDER_OK;
	}
	return found;
}

struct fill_outcome {
	double counted, found; /* shares of the region */
	double item_bytes;     /* region bytes per live item */
};

static int fill_once(const struct bars *bars, uint32_t vlen, bool is_churn,
		     struct fill_outcome *out)
{
	struct counters counters = {0};
	struct larder_info info;
	struct larder *cache;
	struct spawn spawn;
	uint64_t n, window;
	int r = spawn_start_memory(&spawn, fill_memory(bars), &cache);

	if (r < 0)
		return r;
	r = larder_info(cache, &info);
	n = 2 * info.region_bytes / (FILL_KEY + vlen);
	window = is_churn ? info.region_bytes / (FILL_KEY + vlen) * 8 / 10 : 0;
	if (r == 0)
		r = fill_store(cache, n, vlen, window);
	if (r == 0) {
		double region = (double)info.region_bytes;

		out->found = (double)(fill_probe(cache, n) * (FILL_KEY + vlen)) / region;
		r = counters_read(cache, &counters); /* after the probe: the cleaner has gone on */
		out->counted = (double)counters.live_bytes / region;
		out->item_bytes = region / (double)counters.live_items;
	}
	if (r != 0)
		fprintf(stderr, "larder-bench: filling the region: %s\n", larder_strerror(r));
	larder_close(cache);
	spawn_stop(&spawn);
	return r;
}

static void fill_bar(struct bars *bars, const char *id, uint32_t vlen, bool is_churn)
{
	struct bars_samples share = {.n = 0};
	struct fill_outcome out = {0};
	unsigned runs = bars_quick(bars) ? 1 : 5;

	for (unsigned run = 0; run < runs; run++) {
		if (fill_once(bars, vlen, is_churn, &out) != 0)
			return;
		bars_sample(&share, fmin(out.counted, out.found));
	}
	bars_report(bars, id, &share,
		    "%llu MiB; counted %.4f, found by asking for every key %.4f; %.1f bytes of "
		    "region per item",
		    (unsigned long long)fill_memory(bars) >> 20, out.counted, out.found,
		    out.item_bytes);
}

void bars_fill_64(struct bars *bars)
{
	fill_bar(bars, "fill-64", 64, false);
}

void bars_fill_500(struct bars *bars)
{
	fill_bar(bars, "fill-500", 500, false);
}

void bars_fill_8k(struct bars *bars)
{
	fill_bar(bars, "fill-8k", 8192, false);
}

void bars_fill_churn(struct bars *bars)
{
	fill_bar(bars, "fill-churn", 500, true);
}

/* ---------------------------------------------------------------- set while evicting */

#define EVICT_VALUE 100

/* Return: nanoseconds of the stores alone; 0 after an error. */
static uint64_t evict_sets(struct larder *cache, uint64_t from, uint64_t to)
{
	unsigned char key[FILL_KEY];
	uint64_t start = clock_ns();

	for (uint64_t id = from; id < to; id++) {
		keyval_key(key, FILL_KEY, id);
		if (larder_set(cache, key, FILL_KEY, fill_value, EVICT_VALUE, 0) != LARDER_OK)
			return 0;
	}
	return clock_ns() - start;
}

/* What making the keys of that loop costs. */
static double evict_key_ns(void)
{
	unsigned char key[FILL_KEY];
	uint64_t start = clock_ns();

	for (uint64_t id = 0; id < 1000000; id++) {
		keyval_key(key, FILL_KEY, id);
		__asm__ volatile("" : : "r"(key) : "memory");
	}
	return (double)(clock_ns() - start) / 1e6;
}

/* A quarter while there is room, a quarter that does not count, and a half while evicting. */
static int evict_once(const struct bars *bars, struct bars_samples *ratio, struct bars_samples *ns)
{
	uint64_t quarter = bars_quick(bars) ? 625000 : 5000000;
	double key_ns = evict_key_ns(), empty_ns, full_ns;
	uint64_t first, middle, last;
	struct larder *cache;
	struct spawn spawn;
	int r = spawn_start_memory(&spawn, fill_memory(bars), &cache);

	if (r < 0)
		return r;
	first = evict_sets(cache, 0, quarter);
	middle = evict_sets(cache, quarter, 2 * quarter);
	last = evict_sets(cache, 2 * quarter, 4 * quarter);
	larder_close(cache);
	spawn_stop(&spawn);
	if (!first || !middle || !last)
		return -EIO;
	empty_ns = (double)first / (double)quarter - key_ns;
	full_ns = (double)last / (double)quarter / 2 - key_ns;
	bars_sample(ns, full_ns);
	bars_sample(ratio, full_ns / empty_ns);
	return 0;
}

void bars_set_evict(struct bars *bars)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	unsigned runs = bars_quick(bars) ? 3 : 5;

	for (unsigned run = 0; run < runs; run++)
		if (evict_once(bars, &ratio, &ns) < 0)
			return;
	bars_report(bars, "set-evict", &ratio, "%.1f ns a set while evicting", bars_median(&ns));
}

/* ---------------------------------------------------------------- overhead of an item */

#define META_VALUE 64

static int meta_put_full(struct larder *cache, uint64_t id)
{
	struct larder_put_options options = {
		.size = sizeof(options), .flags = 7, .ttl_ms = INT64_C(3600) * 1000};
	unsigned char key[FILL_KEY];

	keyval_key(key, FILL_KEY, id);
	return larder_put(cache, key, FILL_KEY, fill_value, META_VALUE, &options);
}

static int meta_put_plain(struct larder *cache, uint64_t id)
{
	unsigned char key[FILL_KEY];

	keyval_key(key, FILL_KEY, id);
	return larder_set(cache, key, FILL_KEY, fill_value, META_VALUE, 0);
}

/* Has the region been full, as far as room for items goes? */
static bool meta_is_full(const struct counters *counters)
{
	return counters->evictions > counters->evictions_index;
}

/* Stores until the cache evicts for room. @usedp: all memory that was in use, whatever for. */
static int meta_fill(struct larder *cache, int (*put)(struct larder *, uint64_t), uint64_t *usedp,
		     struct counters *counters)
{
	struct larder_info info;
	uint64_t id = 0;
	int r;

	do {
		for (unsigned i = 0; i < 1000; i++) {
			r = put(cache, id++);
			if (r != LARDER_OK)
				return r;
		}
		r = larder_info(cache, &info);
		if (r == 0)
			r = counters_read(cache, counters);
		*usedp = info.committed_bytes - info.n_free_segments * info.segment_bytes;
	} while (r == 0 && !meta_is_full(counters));
	return r;
}

static void meta_once(struct bars *bars, const char *id, bool is_full)
{
	struct bars_samples samples = {.n = 0};
	struct counters counters = {0};
	struct larder *cache;
	struct spawn spawn;
	uint64_t used = 0;
	uint16_t ns;
	int r = spawn_start_memory(&spawn, fill_memory(bars), &cache);

	if (r < 0)
		return;
	if (is_full)
		r = larder_namespace(cache, "bench", 5, &ns);
	if (r == 0 && is_full)
		r = larder_select(cache, ns);
	if (r == 0)
		r = meta_fill(cache, is_full ? meta_put_full : meta_put_plain, &used, &counters);
	larder_close(cache);
	spawn_stop(&spawn);
	if (r != 0) {
		fprintf(stderr, "larder-bench: %s: %s\n", id, larder_strerror(r));
		return;
	}
	bars_sample(&samples, (double)(used - counters.live_bytes) / (double)counters.live_items);
	bars_report(bars, id, &samples,
		    "%llu items when the region became full; %llu left before for want of index",
		    (unsigned long long)counters.live_items,
		    (unsigned long long)counters.evictions_index);
}

void bars_meta(struct bars *bars)
{
	meta_once(bars, "meta", false);
	meta_once(bars, "meta-full", true);
}
