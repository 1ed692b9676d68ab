/* SPDX-License-Identifier: MIT
 *
 * read_simple.h - the fast path of get and mget
 */
#ifndef LARDER_READ_SIMPLE_H
#define LARDER_READ_SIMPLE_H

#include "clock.h"
#include "read.h"

/* What a plain header is compared with: no extension but META, no type but plain. */
#define NOT_SIMPLE ((uint64_t)(0xff0000u | (0xffu & ~ITEM_META) << 8) << 16)

/*
 * The common case in one piece, without the general decoder: the home bucket's first match is the key,
 * in the default namespace, its item is plain with at most a deadline, and the value fits. The steps
 * and their orders are those of index_find_read(), index_examine() and read_round(); whatever is
 * different goes there.
 * Return: done: r->len, version and flags are set and the value is copied; it counts as a hit.
 */
static inline __attribute__((always_inline)) bool
read_simple(struct larder *h, uint64_t hash, const void *key, size_t klen, struct read *r)
{
	struct shm_bucket *b = index_hinted(h, hash);
	uint64_t pattern = (uint64_t)SLOT_COMMITTED << SLOT_KIND_SHIFT |
			   (uint64_t)hash_tag(hash, h->bucket_mask0) << SLOT_TAG_SHIFT;
	unsigned m = bucket_match(b, pattern);
	const struct shm_segment *segment;
	uint64_t word, seg_word, header, vlen;
	uint32_t seg, off, off_key = ITEM_HEADER;
	uint32_t uflags = 0;
	const uint8_t *p;

	if (UNLIKELY(m == 0))
		return false;
	/* [A1] acquire, pairs with [P1] in write.c: the item's bytes are seen with the word */
	word = load_acquire(&b->word[__builtin_ctz(m)]);
	if (UNLIKELY((word & SLOT_MATCH_MASK) != pattern || !word_place(h, word, &seg, &off)))
		return false;
	segment = &h->segs[seg];
	seg_word = load_acquire(&segment->word);
	p = seg_base(h, seg) + off;
	header = load_relaxed((const shm_u64 *)(const void *)p);
	vlen = header & 0xffff;
	if (UNLIKELY(!word_fresh(word, seg_word) || (header & NOT_SIMPLE) != 0 ||
		     (header >> 16 & 0xff) != klen || vlen > r->room || seg_body(seg_word) ||
		     load_relaxed(&segment->epoch) < load_acquire(&h->hdr->flushed_at0)))
		return false;
	if (header & (uint64_t)ITEM_META << 24) {
		uint64_t meta = load_relaxed((const shm_u64 *)(const void *)(p + ITEM_HEADER));
		uint64_t expiry = meta & ITEM_EXPIRY_MASK;

		off_key += ITEM_META_BYTES;
		uflags = (uint32_t)(meta >> 56) |
			 (uint32_t)(load_relaxed((const shm_u64 *)(const void *)(p + 16)) >> 40)
				 << 8;
		if ((meta >> 40 & 0xffff) != 0 ||
		    (expiry != 0 && (expiry == ITEM_EXPIRED || clock_passed(h, expiry))))
			return false;
	}
	if (UNLIKELY(off + off_key + klen + vlen > h->seg_bytes ||
		     !shared_equal(p + off_key, key, klen)))
		return false;
	copy_out(r->buf, p + off_key + klen, vlen);
	/* [S2] acquire fence, pairs with [S1] in segment.c */
	fence_acquire();
	if (UNLIKELY(seg_gen(load_acquire(&segment->word) ^ seg_word) != 0))
		return false;
	if (LIKELY(!h->rdonly))
		index_recent(h, b, (unsigned)__builtin_ctz(m));
	add_own(&h->ns_count->hits, 1);
	r->len = vlen;
	r->flags = uflags;
	r->version = version_make(seg_gen(seg_word), slot_place(word));
	return true;
}

#endif
