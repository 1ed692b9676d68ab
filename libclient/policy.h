/* SPDX-License-Identifier: MIT
 *
 * policy.h - which items of a victim survive
 */
#ifndef LARDER_POLICY_H
#define LARDER_POLICY_H

#include "index.h"

/* policy_cutoff - the age, in recency ticks, from which on items go; drawn from a sample of the index */
uint8_t policy_cutoff(struct larder *h);

static inline uint8_t policy_age(const struct larder *h, const struct shm_bucket *b, unsigned i)
{
	/* relaxed: hints */
	return (uint8_t)((uint8_t)load_relaxed_u32(&h->hdr->tick) -
			 load_relaxed_u8(&b->recency[i]));
}

static inline bool policy_survives(const struct larder *h, const struct shm_bucket *b, unsigned i,
				   uint8_t cutoff)
{
	return policy_age(h, b, i) < cutoff;
}

#endif
