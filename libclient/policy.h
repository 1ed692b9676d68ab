/* SPDX-License-Identifier: MIT
 *
 * policy.h - which items of a victim survive
 */
#ifndef LARDER_POLICY_H
#define LARDER_POLICY_H

#include "index.h"

/* policy_cutoff - which items go, by age: { recency ticks 8 | part of that tick 8 }; drawn from a
 * sample of the index */
uint16_t policy_cutoff(struct larder *h);

static inline uint8_t policy_age(const struct larder *h, const struct shm_bucket *b, unsigned i)
{
	/* relaxed: hints */
	return (uint8_t)((uint8_t)load_relaxed_u32(&h->hdr->tick) -
			 load_relaxed_u8(&b->recency[i]));
}

/* Items of one tick draw lots, anew in each place that they are moved to. */
static inline bool policy_survives(const struct larder *h, const struct shm_bucket *b, unsigned i,
				   uint16_t cutoff)
{
	unsigned lot = (unsigned)(load_relaxed(&b->word[i]) * 0x9e3779b97f4a7c15ULL >> 56);

	return ((unsigned)policy_age(h, b, i) << 8 | lot) < cutoff;
}

#endif
