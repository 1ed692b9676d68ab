/* SPDX-License-Identifier: MIT
 *
 * policy_lru.c - least recently used, by recency ticks
 *
 * A tick is 1/64 of the time in which the cache's segments are all leased once. Each entry of the
 * index carries the tick of its last use. Items of a victim that are older than KEEP of all items go;
 * the others are moved. Segments come up for cleaning oldest first, so an item is asked about once a
 * turn, and what was not used for about 0.7 turns is dropped: exact LRU to within that resolution.
 */
#include "policy.h"

#define SAMPLE_ITEMS 448
#define SAMPLE_BUCKETS 4096 /* where items are large the index is sparse, and read at length */
#define KEEP 70		    /* per cent of the items, or more, are newer than the cutoff */
#define KEEP_MAX 80 /* but no more than these, even where most are of one age: moving has a price */

/* The ages of the items in consecutive buckets: keys are spread at random. Return: how many. */
static unsigned sample(struct larder *h, uint16_t count[256])
{
	uint64_t hash = (uint64_t)handle_random(h) << 24 ^ handle_random(h);
	uint64_t last = index_mask(h, index_hinted_level(h, hash));
	unsigned n = 0;

	/* None twice: a small index holds no more than it holds. */
	for (unsigned s = 0; s < SAMPLE_BUCKETS && s <= last && n < SAMPLE_ITEMS; s++) {
		const struct shm_bucket *b = index_locate(h, hash + s);

		for (unsigned i = 0; b != NULL && i < SHM_WORDS; i++) {
			if (slot_kind(load_relaxed(&b->word[i])) != SLOT_COMMITTED)
				continue;
			count[policy_age(h, b, i)]++;
			n++;
		}
	}
	return n;
}

uint16_t policy_cutoff(struct larder *h)
{
	uint16_t count[256] = {0};
	unsigned n = sample(h, count), below = 0, age = 0;

	if (n == 0)
		return UINT16_MAX;
	while (age < 255 && (below + count[age]) * 100 < n * KEEP)
		below += count[age++];
	/* That age as a whole, or as many of it, by lot, as may be kept. */
	if ((below + count[age]) * 100 <= n * KEEP_MAX)
		return (uint16_t)((age + 1) << 8 > UINT16_MAX ? UINT16_MAX : (age + 1) << 8);
	return (uint16_t)(age << 8 | (n * KEEP_MAX - below * 100) * 256 / (100 * count[age]));
}
