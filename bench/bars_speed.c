/* SPDX-License-Identifier: MIT */
/* bars_speed.c - one process against the bare table
 *
 * Each run measures both sides one right after the other, in turns of which is first; the figure is
 * the median of the runs' ratios, so that a change of the machine's speed hits both.
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
#define SPEED_MEMORY (UINT64_C(64) << 20)
#define SPEED_HOUR_MS (INT64_C(3600) * 1000)

static unsigned speed_runs(const struct bars *bars)
{
	return bars_quick(bars) ? 11 : 31;
}

static unsigned speed_times(const struct bars *bars)
{
	return bars_quick(bars) ? 10 : 40;
}

/* ---------------------------------------------------------------- get */

static void speed_get(struct bars *bars, const char *id, int64_t ttl_ms)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	unsigned times = speed_times(bars);
	double calls = (double)SPEED_KEYS * times;
	uint64_t hits = 0, bare_hits, total = 0;
	struct bed bed;

	if (bed_open(&bed, SPEED_MEMORY, SPEED_KEYS, ttl_ms) < 0)
		return;
	bed_gets(bed.cache, bed.keys, SPEED_KEYS, times, &hits);
	bed_bare_gets(bed.bare, bed.keys, SPEED_KEYS, times, &bare_hits);
	for (unsigned run = 0; run < speed_runs(bars); run++) {
		uint64_t bare = 0, ours;

		if (run & 1)
			bare = bed_bare_gets(bed.bare, bed.keys, SPEED_KEYS, times, &bare_hits);
		ours = bed_gets(bed.cache, bed.keys, SPEED_KEYS, times, &hits);
		if (!(run & 1))
			bare = bed_bare_gets(bed.bare, bed.keys, SPEED_KEYS, times, &bare_hits);
		total += hits;
		bars_sample(&ratio, (double)ours / (double)bare);
		bars_sample(&ns, (double)ours / calls);
	}
	bed_close(&bed);
	if (total != (uint64_t)calls * ratio.n)
		bars_missing(bars, id, "keys were missing although nothing was evicted");
	else
		bars_report(bars, id, &ratio, "%.1f ns a get", bars_median(&ns));
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
 * Present and absent keys in turns. @wrongp: out: present keys that were missed, absent ones that
 * were found.
 */
static void speed_misses(struct bars *bars, struct larder *cache, unsigned char (*present)[BED_KEY],
			 unsigned char (*absent)[BED_KEY], struct bars_samples *ratio,
			 struct bars_samples *ns, uint64_t *wrongp)
{
	unsigned times = speed_times(bars);
	uint64_t hits, false_hits;

	*wrongp = 0;
	for (unsigned run = 0; run < speed_runs(bars); run++) {
		uint64_t miss = 0, hit;

		if (run & 1)
			miss = bed_gets(cache, absent, SPEED_KEYS, times, &false_hits);
		hit = bed_gets(cache, present, SPEED_KEYS, times, &hits);
		if (!(run & 1))
			miss = bed_gets(cache, absent, SPEED_KEYS, times, &false_hits);
		*wrongp += false_hits + ((uint64_t)SPEED_KEYS * times - hits);
		bars_sample(ratio, (double)miss / (double)hit);
		bars_sample(ns, (double)miss / SPEED_KEYS / times);
	}
}

/*
 * The load that the index is designed for is the one that it has when the region is full: the keys
 * that hit are the last ones stored.
 */
void bars_get_miss(struct bars *bars)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	uint64_t n = SPEED_MEMORY / (BED_KEY + BED_VALUE) * 5 / 4;
	unsigned char(*present)[BED_KEY] = bed_keys(n - SPEED_KEYS, SPEED_KEYS);
	unsigned char(*absent)[BED_KEY] = bed_keys(UINT64_C(1) << 40, SPEED_KEYS);
	struct counters counters = {0};
	struct larder *cache = NULL;
	struct spawn spawn = {.guard = 0};
	uint64_t wrong = 0;
	int r = -1;

	if (present && absent && spawn_start_memory(&spawn, SPEED_MEMORY, &cache) == 0) {
		r = bed_store(cache, 0, n, 0);
		if (r == 0)
			r = counters_read(cache, &counters);
		if (r == 0)
			speed_misses(bars, cache, present, absent, &ratio, &ns, &wrong);
	}
	larder_close(cache);
	spawn_stop(&spawn);
	free(present);
	free(absent);
	if (r == 0 && wrong)
		bars_missing(bars, "get-miss", "keys were missing, or found that nobody stored");
	else if (r == 0)
		bars_report(bars, "get-miss", &ratio, "%.1f ns a miss, %llu items in the index",
			    bars_median(&ns), (unsigned long long)counters.live_items);
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

static uint64_t absl_gets(const struct absl_map *map, unsigned char (*keys)[BED_KEY],
			  unsigned times, uint64_t *hitsp)
{
	unsigned char value[BED_VALUE];
	uint64_t start = clock_ns(), hits = 0;

	while (times--) {
		for (uint64_t i = 0; i < SPEED_KEYS; i++) {
			size_t len = sizeof(value);

			hits += absl_map_get(map, keys[i], BED_KEY, value, &len) == 0;
		}
	}
	*hitsp = hits;
	return clock_ns() - start;
}

void bars_bare_absl(struct bars *bars)
{
	struct bars_samples ratio = {.n = 0}, ns = {.n = 0};
	unsigned times = speed_times(bars);
	uint64_t hits, absl_hits;
	struct absl_map *map;
	struct bed bed;

	if (!absl_map_new) {
		bars_missing(bars, "bare-absl", "built without libabsl-dev");
		return;
	}
	if (bed_open(&bed, SPEED_MEMORY, SPEED_KEYS, 0) < 0)
		return;
	map = absl_filled();
	for (unsigned run = 0; map && run < speed_runs(bars); run++) {
		uint64_t absl = 0, bare;

		if (run & 1)
			absl = absl_gets(map, bed.keys, times, &absl_hits);
		bare = bed_bare_gets(bed.bare, bed.keys, SPEED_KEYS, times, &hits);
		if (!(run & 1))
			absl = absl_gets(map, bed.keys, times, &absl_hits);
		if (hits == absl_hits)
			bars_sample(&ratio, (double)bare / (double)absl);
		bars_sample(&ns, (double)bare / SPEED_KEYS / times);
	}
	if (map)
		absl_map_free(map);
	bed_close(&bed);
	bars_report(bars, "bare-absl", &ratio, "%.1f ns a bare get", bars_median(&ns));
}

/* ---------------------------------------------------------------- mget */

#define MGET_BATCH 32

struct mget_side {
	struct larder *cache; /* NULL: the bare table */
	const struct bare *bare;
};

/* All @n keys of the sequence, in batches. Return: nanoseconds. */
static uint64_t mget_all(const struct mget_side *side, unsigned char (*keys)[BED_KEY], uint64_t n,
			 uint64_t *hitsp)
{
	static unsigned char values[MGET_BATCH][BED_VALUE];
	struct larder_op ops[MGET_BATCH];
	uint64_t start = clock_ns();

	memset(ops, 0, sizeof(ops));
	*hitsp = 0;
	for (uint64_t i = 0; i + MGET_BATCH <= n; i += MGET_BATCH) {
		for (unsigned k = 0; k < MGET_BATCH; k++) {
			ops[k].key = keys[i + k];
			ops[k].klen = BED_KEY;
			ops[k].buf = values[k];
			ops[k].len = BED_VALUE;
		}
		if (!side->cache)
			bare_mget(side->bare, ops, MGET_BATCH);
		else if (larder_mget(side->cache, ops, MGET_BATCH) < 0)
			return 0;
		for (unsigned k = 0; k < MGET_BATCH; k++)
			*hitsp += ops[k].result == LARDER_OK;
	}
	return clock_ns() - start;
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
	uint64_t draws = is_quick ? 320000 : 1280000;
	uint64_t hits[2], missing = 0;
	unsigned char(*keys)[BED_KEY];
	struct bed bed;

	if (bed_open(&bed, (is_quick ? UINT64_C(256) : UINT64_C(1024)) << 20, n_ids, 0) < 0)
		return;
	keys = mget_draws(n_ids, draws);
	for (unsigned run = 0; keys && run < 11; run++) {
		const struct mget_side ours = {bed.cache, NULL}, bare = {NULL, bed.bare};
		uint64_t time[2];

		if (run & 1)
			time[1] = mget_all(&bare, keys, draws, &hits[1]);
		time[0] = mget_all(&ours, keys, draws, &hits[0]);
		if (!(run & 1))
			time[1] = mget_all(&bare, keys, draws, &hits[1]);
		missing += hits[1] - hits[0];
		bars_sample(&ratio, (double)time[0] / (double)time[1]);
		bars_sample(&ns, (double)time[0] / (double)draws);
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
	uint64_t set = 0, bare = 0, hits;

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned pass = 0; pass < SET_ROUND; pass++) {
			uint64_t one = set_all(bed);

			if (!one)
				return false;
			set += one;
		}
		bed_bare_gets(bed->bare, bed->keys, SPEED_KEYS, 1, &hits);
		bare += bed_bare_gets(bed->bare, bed->keys, SPEED_KEYS, SET_ROUND, &hits);
	}
	bars_sample(ratio, (double)set / (double)bare);
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
