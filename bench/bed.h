/* SPDX-License-Identifier: MIT */
/* bed.h - the same keys and values in the cache and in a bare table, side by side
 *
 * 16-byte keys, 100-byte values. The keys stand in one array, in random order, and both sides walk
 * it: what it costs to have a key is the same for both.
 */
#ifndef BENCH_BED_H
#define BENCH_BED_H

#include <stdint.h>

#include <larder/larder.h>

#include "bare.h"
#include "spawn.h"

#define BED_KEY 16
#define BED_VALUE 100

struct bed {
	struct spawn spawn;
	struct larder *cache;
	struct bare *bare;
	unsigned char (*keys)[BED_KEY];
	uint64_t n_keys;
};

/*
 * A private daemon with @memory, ids 0 to @n_keys - 1 in it and in a bare table.
 * Return: 0; -errno (said on stderr), then nothing is left. bed_close() is idempotent.
 */
int bed_open(struct bed *bed, uint64_t memory, uint64_t n_keys, int64_t ttl_ms);
void bed_close(struct bed *bed);

/* Stores ids @from to @to - 1 in the cache. Return: 0; the first error. */
int bed_store(struct larder *cache, uint64_t from, uint64_t to, int64_t ttl_ms);

/* Keys of the ids @first + (0 to @n - 1), in random order; NULL without memory. free() it. */
unsigned char (*bed_keys(uint64_t first, uint64_t n))[BED_KEY];

/*
 * One pass of gets over @n keys on a table of some kind. @hitsp: added to: how many were there.
 * Return: nanoseconds.
 */
typedef uint64_t bed_pass_fn(void *table, unsigned char (*keys)[BED_KEY], uint64_t n,
			     uint64_t *hitsp);
bed_pass_fn bed_pass_cache; /* table: struct larder */
bed_pass_fn bed_pass_bare;  /* table: struct bare */

#define BED_PASSES_MAX 64

/*
 * @passes passes (at most BED_PASSES_MAX) in a row, after one that does not count.
 * The median pass: one in which the scheduler took the processor away says nothing about the table.
 * @hitsp: out: of all passes that count. Return: nanoseconds of one pass.
 */
double bed_block(bed_pass_fn *pass, void *table, unsigned char (*keys)[BED_KEY], uint64_t n,
		 unsigned passes, uint64_t *hitsp);

#endif
