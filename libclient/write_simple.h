/* SPDX-License-Identifier: MIT
 *
 * write_simple.h - the fast path of set
 */
#ifndef LARDER_WRITE_SIMPLE_H
#define LARDER_WRITE_SIMPLE_H

#include "item.h"
#include "read_simple.h"
#include "segment.h"
#include "write.h"

/* The old item of a fast set, as far as the accounts need it. */
struct simple_old {
	struct shm_bucket *bucket;
	unsigned i;
	uint64_t word;
	uint64_t seg_word;
	uint32_t seg;
	uint64_t bytes; /* key and value */
	uint64_t padded;
};

/* The key's word is the first match of its home, and its item has no extension but META. */
static inline __attribute__((always_inline)) bool
simple_find(const struct larder *h, uint64_t hash, const struct key *k, struct simple_old *old)
{
	uint64_t pattern = key_pattern(k, false);
	unsigned m;
	uint64_t at, header, size;
	const uint8_t *p;

	old->bucket = index_hinted(h, hash);
	m = bucket_match(old->bucket, pattern);
	old->i = (unsigned)__builtin_ctz(m | 0x80);
	if (UNLIKELY(m == 0))
		return false;
	/* [A1] acquire, pairs with [P1] in write.c: the item's bytes are seen with the word */
	old->word = load_acquire(&old->bucket->word[old->i]);
	if (UNLIKELY((old->word & SLOT_MATCH_MASK) != pattern ||
		     slot_place(old->word) >= h->n_places))
		return false;
	at = slot_place(old->word) << h->unit_shift;
	old->seg = (uint32_t)(at >> h->seg_shift);
	/* H1, then look: from here on the word cannot go and come back. */
	hazard_set(h, &h->slot->h1, (uint64_t)old->seg + 1);
	old->seg_word = load_acquire(&h->segs[old->seg].word);
	if (UNLIKELY(load_acquire(&old->bucket->word[old->i]) != old->word ||
		     ((slot_gen(old->word) ^ old->seg_word) & SLOT_GEN_MASK) != 0 ||
		     seg_body(old->seg_word)))
		return false;
	p = h->data + at;
	header = load_relaxed((const shm_u64 *)(const void *)p);
	if (UNLIKELY((header & NOT_SIMPLE) != 0 || (header >> 16 & 0xff) != k->len))
		return false;
	size = ITEM_HEADER;
	if (header & (uint64_t)ITEM_META << 24) {
		size += ITEM_META_BYTES;
		if ((at & h->seg_mask) + size > h->seg_bytes ||
		    (load_relaxed((const shm_u64 *)(const void *)(p + 8)) >> 40 & 0xffff) != 0)
			return false;
	}
	old->bytes = k->len + (header & 0xffff);
	old->padded = (size + old->bytes + (1u << h->unit_shift) - 1) >> h->unit_shift
										 << h->unit_shift;
	return LIKELY((at & h->seg_mask) + size + old->bytes <= h->seg_bytes &&
		      shared_equal(p + size, k->data, k->len));
}

/* The frame of segment_begin(), where nothing has to be changed for it. */
static inline bool simple_begin(const struct larder *h, uint64_t bytes)
{
	const struct lease *lease = &h->lease;

	if (UNLIKELY(lease->seg == NO_SEGMENT || !lease->started ||
		     lease->off + bytes > h->seg_bytes ||
		     lease->epoch < load_acquire(&h->hdr->flushed_at0)))
		return false;
	hazard_set(h, &h->slot->h0, (uint64_t)lease->seg + 1);
	return LIKELY(load_acquire(&h->segs[lease->seg].word) == lease->word);
}

/* Header, META, key and value at the lease's next place. */
static inline void simple_build(struct larder *h, const struct write *w, bool meta, uint64_t bytes)
{
	struct lease *lease = &h->lease;
	uint8_t *p = seg_base(h, lease->seg) + lease->off;
	shm_u64 *head = (shm_u64 *)(void *)p;

	/* relaxed: memory of the writer alone until the publishing CAS */
	store_relaxed(head, (uint64_t)item_check(w->key.hash, w->key.len, w->vlen) << 40 |
				    (uint64_t)(meta ? ITEM_META : 0) << 24 |
				    (uint64_t)w->key.len << 16 | w->vlen);
	p += ITEM_HEADER;
	if (meta) {
		store_relaxed(head + 1, w->expiry);
		store_relaxed(head + 2, 0);
		p += ITEM_META_BYTES;
	}
	copy_in(p, w->key.data, w->key.len);
	if (w->vlen != 0)
		copy_in(p + w->key.len, w->value, w->vlen);
	segment_cover(h, lease, bytes, w->expiry);
}

/* The caller has just looked: one look for all counters, because six would be a twentieth of a set. */
static inline void simple_account(struct larder *h, const struct write *w, uint64_t bytes,
				  const struct simple_old *old)
{
	segment_commit(&h->lease, bytes);
	add_own(&h->slot->count[STAT_set], 1);
	add_own(&h->ns_count->sets, 1);
	add_own(&h->slot->count[STAT_items_in], 1);
	add_own(&h->slot->count[STAT_items_out], 1);
	add_own(&h->slot->count[STAT_bytes_in], w->key.len + w->vlen);
	add_own(&h->slot->count[STAT_bytes_out], old->bytes);
	segment_dead(h, old->seg, old->padded);
}

/*
 * set of a key that is there, in the default namespace, with a plain value: write_round() and replace()
 * in one piece, in their order and with their hazards. Whatever is different goes there.
 * Return: done and counted, w->version is set. Not done: nothing was changed, no hazard stands; or this is
 * the child of a fork inside, for which write_run() has the answer.
 */
static inline bool write_simple(struct larder *h, struct write *w)
{
	bool meta = w->expiry != 0;
	uint64_t bytes = ITEM_HEADER + (meta ? ITEM_META_BYTES : 0) + w->key.len + w->vlen;
	struct simple_old old;
	bool done = false;

	bytes = (bytes + (1u << h->unit_shift) - 1) >> h->unit_shift << h->unit_shift;
	if (UNLIKELY(w->key.len > 0xff || w->vlen > 0xffff || bytes > write_piece_max(h) ||
		     w->uflags != 0 || w->key.ns != 0))
		return false;
	if (LIKELY(simple_begin(h, bytes) && simple_find(h, w->key.hash, &w->key, &old))) {
		if (UNLIKELY(!handle_alive(h)))
			return false;
		simple_build(h, w, meta, bytes);
		w->version = lease_version(h, &h->lease, h->lease.off);
		/* No flush since the lease: looked at before the CAS, as write.c says at flushed_meanwhile().
		 * [P1] release, pairs with [A1] in index_examine(): the item's bytes before its word */
		done = h->lease.epoch >= load_acquire(&h->hdr->flushed_at0) && handle_alive(h) &&
		       cas(&old.bucket->word[old.i], old.word,
			   lease_slot_word(h, &h->lease, w->key.tag, bytes));
		if (UNLIKELY(!done))
			segment_uncover(h, &h->lease);
	}
	if (UNLIKELY(!handle_alive(h)))
		return false;
	if (LIKELY(done)) {
		simple_account(h, w, bytes, &old);
		index_recent(h, old.bucket, old.i);
	}
	segment_end(h);
	return done;
}

#endif
