/* SPDX-License-Identifier: MIT */
/* bars_speed.c - one process against the bare table
 *
 * Each run measures both sides one right after the other, in turns of which is first, and takes the
 * median pass of each; the figure is the median of the runs' ratios. So a change of the machine's
 * speed hits both sides, and a pass in which another process ran hits none.
 */
#include <stdlib.h>
#include <string.h>

#include "absl.h"
#include "bars.h"
#include "bed.h"
#include "clock.h"
#include "counters.h"
#include "keyval.h"
#include "rng.h"

#define SPEED_KEYS 10000
#define SPEED_MEMORY (UINT64_C(64) << 20) /* what a daemon has that is told nothing */
#define SPEED_HOUR_MS (INT64_C(3600) * 1000)

/* One kind of table and the keys that are asked for. */
struct speed_side {
	bed_pass_fn *pass;
	void *table;
	unsigned char (*keys)[BED_KEY];
	bool is_absent; /* none of the keys is there, else all are */
};

struct speed_outcome {
	struct bars_samples ratio, ns; /* of the first side */
	uint64_t wrong; /* keys that were missed, or found, and should not have been */
};

static double speed_block(const struct speed_side *side, unsigned passes, uint64_t *wrongp)
{
	uint64_t hits = 0;
	double ns = bed_block(side->pass, side->table, side->keys, SPEED_KEYS, passes, &hits);

	*wrongp += side->is_absent ? hits : (uint64_t)SPEED_KEYS * passes - hits;
	return ns;
}

/* The first side against the second one. */
static void speed_compare(const struct bars *bars, const struct speed_side *first,
			  const struct speed_side *second, struct speed_outcome *out)
{
	unsigned runs = bars_quick(bars) ? 15 : 41;
	unsigned passes = bars_quick(bars) ? 15 : 41;

	*out = (struct speed_outcome){.wrong = 0};
	for (unsigned run = 0; run < runs; run++) {
		double ns[2] = {0, 0};

		if (run & 1)
			ns[1] = speed_block(second, passes, &out->wrong);
		ns[0] = speed_block(first, passes, &out->wrong);
		if (!(run & 1))
			ns[1] = speed_block(second, passes, &out->wrong);
		bars_sample(&out->ratio, ns[0] / ns[1]);
		bars_sample(&out->ns, ns[0] / SPEED_KEYS);
	}
}

/* ---------------------------------------------------------------- get */

static void speed_get(struct bars *bars, const char *id, int64_t ttl_ms)
{
	struct speed_outcome out;
	struct bed bed;

	if (bed_open(&bed, SPEED_MEMORY, SPEED_KEYS, ttl_ms) < 0)
		return;
	speed_compare(bars, &(struct speed_side){bed_pass_cache, bed.cache, bed.keys, false},
		      &(struct speed_side){bed_pass_bare, bed.bare, bed.keys, false}, &out);
	bed_close(&bed);
	if (out.wrong)
		bars_missing(bars, id, "keys were missing although nothing was evicted");
	else
		bars_report(bars, id, &out.ratio, "%.1f ns a get", bars_median(&out.ns));
}

void bars_get_hit(struct bars *bars)
{
	speed_get(bars, "get-hit", 0);
}

void bars_get_ttl(struct bars *bars)
{
	speed_get(bars, "get-ttl", SPEED_HOUR_MS);
}

/*
 * The load that the index is designed for is the one that it has when the region is full: the keys
 * that hit are the last ones stored.
 */
void bars_get_miss(struct bars *bars)
{
	uint64_t n = SPEED_MEMORY / (BED_KEY + BED_VALUE) * 5 / 4;
	unsigned char(*present)[BED_KEY] = bed_keys(n - SPEED_KEYS, SPEED_KEYS);
	unsigned char(*absent)[BED_KEY] = bed_keys(UINT64_C(1) << 40, SPEED_KEYS);
	struct speed_outcome out = {.wrong = 0};
	struct counters counters = {0};
	struct larder *cache = NULL;
	struct spawn spawn = {.guard = 0};
	int r = -1;

	if (present && absent && spawn_start_memory(&spawn, SPEED_MEMORY, &cache) == 0) {
		r = bed_store(cache, 0, n, 0);
		if (r == 0)
			r = counters_read(cache, &counters);
		if (r == 0)
			speed_compare(
				bars, &(struct speed_side){bed_pass_cache, cache, absent, true},
				&(struct speed_side){bed_pass_cache, cache, present, false}, &out);
	}
	larder_close(cache);
	spawn_stop(&spawn);
	free(present);
	free(absent);
	if (r == 0 && out.wrong)
		bars_missing(bars, "get-miss", "keys were missing, or found that nobody stored");
	else if (r == 0)
		bars_report(bars, "get-miss", &out.ratio, "%.1f ns a miss, %llu items in the index",
			    bars_median(&out.ns), (unsigned long long)counters.live_items);
}

/* ---------------------------------------------------------------- the yardstick itself */

static struct absl_map *absl_filled(void)
{
	unsigned char key[BED_KEY], value[BED_VALUE];
	struct absl_map *map = absl_map_new(SPEED_KEYS, BED_KEY + BED_VALUE);

	for (uint64_t id = 0; map && id < SPEED_KEYS; id++) {
		keyval_key(key, BED_KEY, id);
		keyval_value(value, BED_VALUE, id, 1);
		absl_map_add(map, key, BED_KEY, value, BED_VALUE);
	}
	return map;
}

static uint64_t absl_pass(void *table, unsigned char (*keys)[BED_KEY], uint64_t n, uint64_t *hitsp)
{
	unsigned char value[BED_VALUE];
	const struct absl_map *map = table;
	uint64_t start = clock_ns(), hits = 0;

	for (uint64_t i = 0; i < n; i++) {
		size_t len = sizeof(value);

		hits += absl_map_get(map, keys[i], BED_KEY, value, &len) == 0;
	}
	*hitsp += hits;
	return clock_ns() - start;
}

void bars_bare_absl(struct bars *bars)
{
	struct speed_outcome out = {.wrong = 0};
	struct absl_map *map;
	struct bed bed;

	if (!absl_map_new) {
		bars_missing(bars, "bare-absl", "built without libabsl-dev");
		return;
	}
	if (bed_open(&bed, SPEED_MEMORY, SPEED_KEYS, 0) < 0)
		return;
	map = absl_filled();
	if (map) {
		speed_compare(bars, &(struct speed_side){bed_pass_bare, bed.bare, bed.keys, false},
			      &(struct speed_side){absl_pass, map, bed.keys, false}, &out);
		absl_map_free(map);
	}
	bed_close(&bed);
	if (out.wrong || !out.ratio.n)
		bars_missing(bars, "bare-absl", "one of the tables lost keys");
	else
		bars_report(bars, "bare-absl", &out.ratio, "%.1f ns a bare get",
			    bars_median(&out.ns));
}

/* ---------------------------------------------------------------- mget */

#define MGET_BATCH 32
#define MGET_PIECE 12800 /* keys */
#define MGET_PIECES 50

struct mget_side {
	struct larder *cache; /* NULL: the bare table */
	const struct bare *bare;
};

/* The same passes as in bed.h, in batches. @n: a multiple of MGET_BATCH */
static uint64_t mget_pass(const struct mget_side *side, unsigned char (*keys)[BED_KEY], uint64_t n,
			  uint64_t *hitsp)
{
	static unsigned char values[MGET_BATCH][BED_VALUE];
	struct larder_op ops[MGET_BATCH];
	uint64_t start = clock_ns();

	memset(ops, 0, sizeof(ops));
	for (uint64_t i = 0; i < n; i += MGET_BATCH) {
		for (unsigned k = 0; k < MGET_BATCH; k++) {
			ops[k].key = keys[i + k];
			ops[k].klen = BED_KEY;
			ops[k].buf = values[k];
			ops[k].len = BED_VALUE;
			ops[k].result = LARDER_MISS;
		}
		if (!side->cache)
			bare_mget(side->bare, ops, MGET_BATCH);
		else if (larder_mget(side->cache, ops, MGET_BATCH) < 0)
			continue; /* none of them counts as found */
		for (unsigned k = 0; k < MGET_BATCH; k++)
			*hitsp += ops[k].result == LARDER_OK;
	}
	return clock_ns() - start;
}

/* Different keys in each piece, so that none is warm; the median piece. */
static double mget_pieces(const struct mget_side *side, unsigned char (*keys)[BED_KEY],
			  uint64_t *hitsp)
{
	struct bars_samples ns = {.n = 0};

	*hitsp = 0;
	for (unsigned i = 0; i < MGET_PIECES; i++)
		bars_sample(&ns, (double)mget_pass(side, keys + (size_t)i * MGET_PIECE, MGET_PIECE,
						   hitsp));
	return bars_median(&ns) / MGET_PIECE;
}

/* Uniform draws of the ids 0 to @n_ids - 1, as keys. */
static unsigned char (*mget_draws(uint64_t n_ids, uint64_t n))[BED_KEY]
{
	unsigned char(*keys)[BED_KEY] = calloc(n, BED_KEY);
	struct rng rng = {5};

	for (uint64_t i = 0; keys && i < n; i++)
		keyval_key(keys[i], BED_KEY, rng_below(&rng, n_ids));
	return keys;
}

void bars_mget(struct bars *bars)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	bool is_quick = bars_quick(bars);
	uint64_t n_ids = is_quick ? 1000000 : 5000000;
	uint64_t draws = (uint64_t)MGET_PIECE * MGET_PIECES;
	uint64_t hits[2] = {0, 0}, missing = 0;
	unsigned char(*keys)[BED_KEY];
	struct bed bed;

	if (bed_open(&bed, (is_quick ? UINT64_C(256) : UINT64_C(1024)) << 20, n_ids, 0) < 0)
		return;
	keys = mget_draws(n_ids, draws);
	for (unsigned run = 0; keys && run < 11; run++) {
		const struct mget_side ours = {bed.cache, NULL}, bare = {NULL, bed.bare};
		double time[2] = {0, 0};

		if (run & 1)
			time[1] = mget_pieces(&bare, keys, &hits[1]);
		time[0] = mget_pieces(&ours, keys, &hits[0]);
		if (!(run & 1))
			time[1] = mget_pieces(&bare, keys, &hits[1]);
		missing += hits[1] - hits[0];
		bars_sample(&ratio, time[0] / time[1]);
		bars_sample(&ns, time[0]);
	}
	free(keys);
	bed_close(&bed);
	bars_report(bars, "mget", &ratio, "%.1f ns a key, %.1f M keys, %.3f %% of them missing",
		    bars_median(&ns), (double)n_ids / 1e6,
		    100.0 * (double)missing / (double)draws / (ratio.n ? ratio.n : 1));
}

/* ---------------------------------------------------------------- set */

/* All keys once. Return: nanoseconds; 0 on an error. */
static uint64_t set_all(struct bed *bed)
{
	static const unsigned char value[BED_VALUE] = {1};
	uint64_t start = clock_ns();

	for (uint64_t i = 0; i < bed->n_keys; i++)
		if (larder_set(bed->cache, bed->keys[i], BED_KEY, value, BED_VALUE, 0) != LARDER_OK)
			return 0;
	return clock_ns() - start;
}

#define SET_ROUND 10 /* passes over the keys between two looks at bare */

/*
 * One run: the region is overwritten three times. Bare has one pass that does not count in each
 * round, because the sets have pushed it out of the processor's caches. Return: false on an error.
 */
static bool set_run(struct bed *bed, struct bars_samples *ratio, struct bars_samples *ns)
{
	uint64_t item_bytes = BED_KEY + BED_VALUE;
	unsigned rounds = (unsigned)(3 * SPEED_MEMORY / SPEED_KEYS / item_bytes / SET_ROUND + 1);
	uint64_t set = 0, hits = 0;
	double bare = 0;

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned pass = 0; pass < SET_ROUND; pass++) {
			uint64_t one = set_all(bed);

			if (!one)
				return false;
			set += one;
		}
		bare += SET_ROUND * bed_block(bed_pass_bare, bed->bare, bed->keys, SPEED_KEYS,
					      SET_ROUND, &hits);
	}
	bars_sample(ratio, (double)set / bare);
	bars_sample(ns, (double)set / rounds / SET_ROUND / SPEED_KEYS);
	return true;
}

void bars_set(struct bars *bars)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	struct bed bed;
	bool is_good = true;

	if (bed_open(&bed, SPEED_MEMORY, SPEED_KEYS, 0) < 0)
		return;
	for (unsigned run = 0; run < 7 && is_good; run++)
		is_good = set_run(&bed, &ratio, &ns);
	bed_close(&bed);
	if (is_good)
		bars_report(bars, "set", &ratio,
			    "%.1f ns a set; each run overwrites the region 3 times",
			    bars_median(&ns));
	else
		bars_missing(bars, "set", "a set failed");
}
