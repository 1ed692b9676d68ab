/* SPDX-License-Identifier: MIT
 *
 * hazard.h - announcing what must not be reused, and looking for announcements
 *
 * A handle stores the number of a segment (+ 1) into its own line and only then checks that the
 * segment is still what it was. The reclaimer changes the segment's word first, then makes every
 * running thread pass a barrier, and only then reads the lines: either the handle's check sees the
 * change, or the reclaimer sees the announcement. With membarrier(2) on the reclaimer's side the
 * announcement costs a plain store (0.2 ns); where a process may not call it, a full fence (5 ns)
 * follows each announcement of that process (slot.mode 1), and a reclaimer that may not call it frees
 * nothing unless all attached processes are in that mode.
 *
 * CONCURRENCY	label  store                    load                          orders
 *		H1/H2  hazard_clear             hazard_scan                   stores under a hazard -> reuse
 *		H3/H4  fence after hazard_set   fence in hazard_barrier       announcement or check, see above
 */
#ifndef LARDER_HAZARD_H
#define LARDER_HAZARD_H

#include "handle.h"

static inline void hazard_set(const struct larder *h, shm_u64 *word, uint64_t value)
{
	/* relaxed: ordered against the check below by the fence, or by the reclaimer's membarrier */
	handle_store(h, word, value);
	if (UNLIKELY(h->full_fence))
		/* [H3] full fence, pairs with [H4] in hazard_barrier(): announce, then check */
		fence_full();
	else
		fence_compiler();
}

static inline void hazard_clear(shm_u64 *word)
{
	/* [H1] release, pairs with [H2] in hazard_scan(): whoever sees it clear sees all that was
	 * stored under it */
	store_release(word, 0);
}

/* The same of this handle's own, from inside a call: a child of a fork leaves its parent's alone. */
static inline void hazard_drop(const struct larder *h, shm_u64 *word)
{
	if (LIKELY(handle_alive(h)))
		hazard_clear(word);
}

/* The segments that some handle names: one bit each for H0 and for anything. */
struct hazard_set {
	uint64_t *own;	/* bit s: an H0 names segment s */
	uint64_t *any;	/* bit s: an H0, H1 or pin names it */
	bool splitting; /* some handle is inside a split */
};

/*
 * hazard_barrier - make every thread of every attached process pass a full barrier
 * Return: false if that is not possible now: nothing may be freed.
 */
bool hazard_barrier(struct larder *h);

/*
 * hazard_scan - collect all announcements; @set's bitmaps hold n_segs bits and are cleared first
 * Call after hazard_barrier().
 */
void hazard_scan(const struct larder *h, struct hazard_set *set);

static inline bool hazard_bit(const uint64_t *bits, uint32_t seg)
{
	return bits[seg / 64] >> (seg % 64) & 1;
}

#endif
