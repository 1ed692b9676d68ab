/* SPDX-License-Identifier: MIT
 *
 * segment.h - the state machine of segments, leases, and appending to them
 *
 * A writer works inside a frame: segment_begin() announces its lease in H0 and sees that it still has
 * it; until segment_end() the memory of that lease is not reused, whoever revokes it. An idle handle
 * holds nothing.
 */
#ifndef LARDER_SEGMENT_H
#define LARDER_SEGMENT_H

#include "handle.h"
#include "hazard.h"
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

enum lease_kind {
	LEASE_ITEMS,	 /* a writer's: leaves the reserve alone, cleans when little is free */
	LEASE_SURVIVORS, /* a cleaner's: may use the reserve, never cleans */
	LEASE_BODY,	 /* an extent of a large value: as LEASE_ITEMS */
};

/*
 * segment_begin - enter the frame with room for @bytes in @lease
 * The lease's epoch is that of the header.
 * Return: 0; LARDER_MISS survivors: no segment for them; -ENOMEM; -EAGAIN in the child of a fork.
 */
int segment_begin(struct larder *h, struct lease *lease, enum lease_kind kind, uint64_t bytes);

/* segment_end - leave the frame: H1, then H0 */
static inline void segment_end(struct larder *h)
{
	if (UNLIKELY(!handle_alive(h)))
		return;
	hazard_clear(&h->slot->h1);
	hazard_clear(&h->slot->h0);
}

/*
 * segment_cover - fill reaches over the next @bytes of the lease
 * Before the word of the item there is placed: a walk must find it. Until segment_commit() the same
 * bytes may be written again.
 */
static inline void segment_cover(struct larder *h, struct lease *lease, uint64_t bytes,
				 uint64_t expiry)
{
	struct shm_table *t = &h->table[lease->seg];

	/* relaxed: ordered before the walk by its barrier and scan of H0 */
	handle_store_u32(h, &t->fill, lease->off + (uint32_t)bytes);
	store_relaxed_u32(&t->items, lease->items + 1);
	expiry = expiry == 0 ? UINT64_MAX : expiry;
	if (expiry > lease->max_expiry) {
		lease->max_expiry = expiry;
		handle_store(h, &t->expiry, expiry);
	}
}

/* segment_empty - a segment in CLEANING(me) is about to be dropped: whoever leases it and is killed before its
 * first look leaves nothing that a walk would take for items */
static inline void segment_empty(struct larder *h, uint32_t seg)
{
	/* relaxed: seen with the word that drops it */
	handle_store_u32(h, &h->table[seg].fill, 0);
}

/*
 * segment_uncover - what was covered and not committed will be written again
 * Before segment_end(): a process that is killed while it writes the next item over it leaves nothing
 * half-written below fill.
 */
static inline void segment_uncover(struct larder *h, const struct lease *lease)
{
	/* relaxed: as in segment_cover() */
	if (lease->seg != NO_SEGMENT)
		handle_store_u32(h, &h->table[lease->seg].fill, lease->off);
}

/* segment_commit - the next @bytes are an item that the index named, if only for a moment */
static inline void segment_commit(struct lease *lease, uint64_t bytes)
{
	lease->off += (uint32_t)bytes;
	lease->items++;
}

/* segment_seal - give a lease back: LEASED -> SEALED, unless somebody revoked it */
void segment_seal(struct larder *h, struct lease *lease);

/* segment_dead - @bytes of an item in @seg are dead; under H1 on it. A hint: updates may get lost. */
static inline void segment_dead(struct larder *h, uint32_t seg, uint64_t bytes)
{
	shm_u32 *dead = &h->table[seg].dead;

	/* relaxed: a hint for the choice of victims */
	handle_store_u32(h, dead, load_relaxed_u32(dead) + (uint32_t)bytes);
}

/* One edge of the state machine: CAS from exactly @old to state, body and owner of the same gen. */
static inline bool segment_edge(struct larder *h, uint32_t seg, uint64_t old, enum seg_state state,
				uint32_t owner, uint64_t gen)
{
	/* [S1] release, pairs with [S2] in hit_intact() and [S3]: what was done in the old state */
	return handle_alive(h) &&
	       cas(&h->segs[seg].word, old, seg_make(state, seg_body(old), owner, gen));
}

/* The version of an item at this place of a lease. */
static inline uint64_t lease_version(const struct larder *h, const struct lease *lease,
				     uint32_t off)
{
	return version_make(seg_gen(lease->word),
			    ((uint64_t)lease->seg << h->place_shift) + (off >> h->unit_shift));
}

/* The word of an item of @bytes at the lease's next place; no alt bit. */
static inline uint64_t lease_slot_word(const struct larder *h, const struct lease *lease,
				       uint32_t tag, uint64_t bytes)
{
	uint64_t place = ((uint64_t)lease->seg << h->place_shift) + (lease->off >> h->unit_shift);
	uint64_t lines = (lease->off % SHM_LINE + bytes + SHM_LINE - 1) / SHM_LINE;

	return slot_make(false, tag, seg_gen(lease->word), place, lines);
}

#endif
