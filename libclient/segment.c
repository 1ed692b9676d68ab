/* SPDX-License-Identifier: MIT
 *
 * segment.c - leases
 *
 * DESIGN	The data area is a set of equal segments; one 64-bit word each says who may do what. A
 *		writer takes a FREE one with one CAS (taking and tagging are the same store), fills it from
 *		the front with plain stores, and seals it when the next item does not fit. Anybody may
 *		revoke a lease at any time by sealing it; reuse waits until no hazard names the segment.
 * INVARIANTS	I2, I3, I12, I14. The table entry and the epoch are stored only inside the frame (H0 set and
 *		the own lease seen again): a lessee that slept and was revoked must not overwrite the next
 *		one's. fill covers an item before its word is placed.
 * CONCURRENCY	label  store                    load                          orders
 *		S1/S2  LIMBO CAS, lease CAS     generation in hit_intact      generation -> new bytes
 *		S1/S3  FREE, LIMBO CAS          lease CAS, OFFLINE CAS        last use of the memory -> next
 *		H1/H2  hazard_clear             hazard_scan                   stores under a hazard -> reuse
 * FAILURE	R1, R2, R6: a killed lessee's segment is sealed by the daemon (its pidfd) or by any cleaner;
 *		what it published stays.
 */
#include "segment.h"

#include "cleaner.h"
#include "clock.h"

#define BEGIN_ROUNDS 16
#define TICKS_A_TURN 64 /* recency ticks in the time in which all segments are leased once */

void segment_count(const struct larder *h, struct segment_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	for (uint32_t i = 0; i < h->n_segs; i++)
		counts->by_state[seg_state(load_relaxed(&h->segs[i].word)) & 7]++;
}

/* A segment in @state such that at least @spare more are; NO_SEGMENT if there is none. */
static uint32_t find_state(struct larder *h, enum seg_state state, uint32_t spare, uint64_t *word)
{
	uint32_t found = NO_SEGMENT;
	uint32_t seg = h->free_hint < h->n_segs ? h->free_hint : 0;

	for (uint32_t n = 0; n < h->n_segs; n++, seg = seg + 1 < h->n_segs ? seg + 1 : 0) {
		uint64_t w = load_acquire(&h->segs[seg].word);

		if (seg_state(w) != state)
			continue;
		if (found == NO_SEGMENT) {
			found = seg;
			*word = w;
		}
		if (spare-- == 0)
			return found;
	}
	return NO_SEGMENT;
}

int segment_offline(struct larder *h, uint32_t *segp)
{
	for (int tries = 0; tries < BEGIN_ROUNDS; tries++) {
		uint64_t w;
		uint32_t seg = find_state(h, SEG_FREE, 0, &w);

		if (seg == NO_SEGMENT)
			return LARDER_MISS;
		*segp = seg;
		/* [S3] acquire, pairs with [S1]: what is done to its memory comes after */
		if (cas(&h->segs[seg].word, w, seg_make(SEG_OFFLINE, false, 0, seg_gen(w))))
			return 0;
	}
	return LARDER_MISS;
}

int segment_online(struct larder *h, uint32_t *segp)
{
	uint64_t w;
	uint32_t seg = find_state(h, SEG_OFFLINE, 0, &w);

	if (seg == NO_SEGMENT)
		return LARDER_MISS;
	*segp = seg;
	/* [S1] release, pairs with [S2] in hit_intact() and [S3]. The generation moves on: a reader of
	 * the punched bytes must not take zeros for an item. */
	return cas(&h->segs[seg].word, w, seg_make(SEG_FREE, false, 0, seg_gen(w) + 1))
		       ? 0
		       : LARDER_MISS;
}

static void advance_tick(struct larder *h, uint64_t lease_seq)
{
	/* relaxed: a hint; lessees store much the same value */
	handle_store_u32(h, &h->hdr->tick, (uint32_t)(lease_seq * TICKS_A_TURN / h->n_segs) & 0xff);
}

/* Survivors take no number: ticks count what is stored anew. If the cleaner's own work made items older,
 * it would find more to do, and ages would come round their 256 values. */
static uint64_t next_seq(struct larder *h, const struct lease *lease)
{
	if (lease == &h->survivors || !handle_alive(h))
		return load_relaxed(&h->hdr->lease_seq);
	/* [S4] a number; the order of leases is that of their CAS on the segment's word */
	return fetch_add(&h->hdr->lease_seq, 1);
}

/* The first look at a fresh lease, inside the frame. */
static void start_lease(struct larder *h, struct lease *lease)
{
	struct shm_table *t = &h->table[lease->seg];
	uint64_t seq = next_seq(h, lease);

	/* relaxed: read by others only after they loaded a word that this handle publishes later */
	handle_store_u32(h, &t->fill, 0);
	handle_store_u32(h, &t->items, 0);
	handle_store_u32(h, &t->dead, 0);
	handle_store(h, &t->expiry, 0);
	handle_store(h, &t->lease_seq, seq);
	handle_store_u32(h, &t->born_s, (uint32_t)(clock_now_ms(h) / 1000));
	handle_store(h, &h->segs[lease->seg].epoch, lease->epoch);
	advance_tick(h, seq);
	stat_add(h, STAT_leased, 1);
	/* [S1] release, pairs with [S2] in hit_intact(): the generation that came with this lease is
	 * seen by whoever sees a byte that is stored from now on */
	fence_release();
}

/* Take a FREE segment. The frame is not entered. */
static bool take_free(struct larder *h, struct lease *lease, enum lease_kind kind)
{
	uint32_t spare = kind == LEASE_SURVIVORS ? 0 : h->map->geo.reserve;

	for (int tries = 0; tries < BEGIN_ROUNDS; tries++) {
		uint64_t old;
		uint32_t seg = find_state(h, SEG_FREE, spare, &old);
		uint64_t mine;

		if (seg == NO_SEGMENT)
			return false;
		mine = seg_make(SEG_LEASED, kind == LEASE_BODY, h->me, seg_gen(old));
		h->free_hint = seg + 1;
		/* [S3] acquire, pairs with [S1]: what the last owner did comes before */
		if (!handle_alive(h) || !cas(&h->segs[seg].word, old, mine))
			continue;
		lease->seg = seg;
		lease->off = 0;
		lease->word = mine;
		lease->items = 0;
		lease->max_expiry = 0;
		lease->started = false;
		/* Loaded after the CAS and before the first item: see Flush in layout.h. */
		lease->epoch = load_acquire(&h->hdr->flushed_at0);
		return true;
	}
	return false;
}

void segment_seal(struct larder *h, struct lease *lease)
{
	if (lease->seg == NO_SEGMENT)
		return;
	segment_edge(h, lease->seg, lease->word, SEG_SEALED, 0, seg_gen(lease->word));
	lease->seg = NO_SEGMENT;
}

/* Announce, then look: the lease is ours and in time, and stays unused by others while H0 stands. */
static bool enter_lease(struct larder *h, struct lease *lease)
{
	hazard_set(h, &h->slot->h0, (uint64_t)lease->seg + 1);
	if (UNLIKELY(load_acquire(&h->segs[lease->seg].word) != lease->word)) {
		hazard_drop(h, &h->slot->h0);
		lease->seg = NO_SEGMENT; /* revoked */
		return false;
	}
	if (UNLIKELY(!lease->started)) {
		start_lease(h, lease);
		lease->started = true;
	}
	return true;
}

/* Return: 0 look again; LARDER_MISS survivors: nothing left for them. */
static int new_lease(struct larder *h, struct lease *lease, enum lease_kind kind, int round)
{
	segment_seal(h, lease);
	if (take_free(h, lease, kind))
		return 0;
	if (kind == LEASE_SURVIVORS)
		return LARDER_MISS;
	/* The daemon is behind, or away: one bounded step of its work. */
	cleaner_step(h, 4, round >= BEGIN_ROUNDS / 2);
	return 0;
}

int segment_begin(struct larder *h, struct lease *lease, enum lease_kind kind, uint64_t bytes)
{
	for (int round = 0; round < BEGIN_ROUNDS; round++) {
		uint64_t epoch = load_acquire(&h->hdr->flushed_at0);
		int r;

		if (UNLIKELY(!handle_alive(h)))
			return -EAGAIN;
		if (LIKELY(lease->seg != NO_SEGMENT && lease->off + bytes <= h->seg_bytes &&
			   lease->epoch >= epoch)) {
			if (LIKELY(enter_lease(h, lease)))
				return 0;
			continue;
		}
		r = new_lease(h, lease, kind, round);
		if (r != 0)
			return r;
	}
	return -ENOMEM;
}
