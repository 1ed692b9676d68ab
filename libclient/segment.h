/* SPDX-License-Identifier: MIT
 *
 * segment.h - the state machine of segments, leases, and appending to them
 */
#ifndef LARDER_SEGMENT_H
#define LARDER_SEGMENT_H

#include "handle.h"
#include "words.h"

struct segment_counts {
	uint32_t by_state[8]; /* index: enum seg_state; 6 and 7 are damage */
};

/* Count the segments in each state. O(n_segs), no store. */
void segment_count(const struct larder *h, struct segment_counts *counts);

/*
 * segment_offline, segment_online - take a FREE segment out of service, or bring one back
 * The caller (the daemon) punches or commits its memory after, or before.
 * @segp: out: which one
 * Return: 0; LARDER_MISS none in that state.
 */
int segment_offline(struct larder *h, uint32_t *segp);
int segment_online(struct larder *h, uint32_t *segp);

#endif
