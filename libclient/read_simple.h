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

#define SIMPLE_KEY_MAX 0xffu /* longer keys have the LONG extension */

/* What a read found besides the value. */
struct read_found {
	size_t len;
	uint64_t version;
	uint32_t flags;
};

/* The META of an item of the default namespace. Return: false: another namespace, or expired. */
static inline bool read_simple_meta(struct larder *h, const uint8_t *p, struct read_found *found)
{
	const shm_u64 *meta = (const shm_u64 *)(const void *)p;
	uint64_t a = load_relaxed(&meta[0]);
	uint64_t expiry = a & ITEM_EXPIRY_MASK;

	found->flags = (uint32_t)(a >> 56) | (uint32_t)(load_relaxed(&meta[1]) >> 40) << 8;
	return (a >> 40 & 0xffff) == 0 &&
	       (expiry == 0 || (expiry != ITEM_EXPIRED && !clock_passed(h, expiry)));
}

/*
 * The common case in one piece, without the general decoder: the home bucket's first match is the key,
 * in the default namespace, at most 255 bytes, its item is plain with at most a deadline, and the value
 * fits. The steps
 * and their orders are those of index_find_read(), index_examine() and read_round(); whatever is
 * different goes there.
 * Return: done: the value is copied, @found is set, and it counts as a hit.
 */
static inline __attribute__((always_inline)) bool read_simple(struct larder *h, uint64_t hash,
							      const void *key, size_t klen,
							      void *buf, size_t room,
							      struct read_found *found)
{
	uint64_t pattern = (uint64_t)SLOT_COMMITTED << SLOT_KIND_SHIFT |
			   (uint64_t)hash_tag_of(hash, h->bucket_bits) << SLOT_TAG_SHIFT;
	struct shm_bucket *b = index_hinted(h, hash);
	unsigned m = bucket_match(b, pattern);
	unsigned i = (unsigned)__builtin_ctz(m | 0x80);
	const struct shm_segment *segment;
	uint64_t word, seg_word, header, vlen, at, end;
	const uint8_t *p;

	if (UNLIKELY(m == 0))
		return false;
	/* [A1] acquire, pairs with [P1] in write.c: the item's bytes are seen with the word */
	word = load_acquire(&b->word[i]);
	at = slot_place(word) << h->unit_shift;
	if (UNLIKELY((word & SLOT_MATCH_MASK) != pattern || slot_place(word) >= h->n_places))
		return false;
	segment = &h->segs[at >> h->seg_shift];
	seg_word = load_acquire(&segment->word);
	p = h->data + at;
	header = load_relaxed((const shm_u64 *)(const void *)p);
	vlen = header & 0xffff;
	if (UNLIKELY(((slot_gen(word) ^ seg_word) & SLOT_GEN_MASK) != 0 ||
		     (header & (NOT_SIMPLE | 0xff0000u)) != klen << 16 || vlen > room ||
		     load_relaxed(&segment->epoch) < load_acquire(&h->hdr->flushed_at0)))
		return false;
	p += ITEM_HEADER;
	end = (at & h->seg_mask) + ITEM_HEADER + klen + vlen;
	found->flags = 0;
	if (header & (uint64_t)ITEM_META << 24) {
		end += ITEM_META_BYTES;
		if (UNLIKELY(end > h->seg_bytes || !read_simple_meta(h, p, found)))
			return false;
		p += ITEM_META_BYTES;
	}
	if (UNLIKELY(end > h->seg_bytes || !shared_equal(p, key, klen)))
		return false;
	copy_out(buf, p + klen, vlen);
	/* [S2] acquire fence, pairs with [S1] in segment.c */
	fence_acquire();
	if (UNLIKELY(seg_gen(load_acquire(&segment->word) ^ seg_word) != 0))
		return false;
	index_recent(h, b, i);
	add_own(&h->ns_count->hits, 1);
	found->len = vlen;
	found->version = version_make(seg_gen(seg_word), slot_place(word));
	return true;
}

/* As read_absent(), for a home that has words in second buckets. */
static inline bool read_absent_second(const struct larder *h, uint64_t hash, uint64_t pattern,
				      const struct shm_bucket *home)
{
	uint64_t spread = hash_spread(hash_tag_of(hash, h->bucket_bits), h->bucket_mask0);
	const struct shm_bucket *alt = index_hinted(h, hash ^ spread);

	if (bucket_match(alt, slot_with_kind(pattern, SLOT_PENDING) | SLOT_ALT) != 0)
		return false;
	/* [A1] acquire fence, pairs with [P1] in displace.c: PENDING is looked for first */
	fence_acquire();
	return bucket_match(alt, pattern | SLOT_ALT) == 0 && bucket_live(alt) && bucket_live(home);
}

/* The short way to a miss, with the steps of index_find_read(): no entry with the key's tag, in buckets
 * that nobody splits. Return: the key is absent; false: look properly. */
static inline bool read_absent(const struct larder *h, uint64_t hash)
{
	uint64_t pattern = (uint64_t)SLOT_COMMITTED << SLOT_KIND_SHIFT |
			   (uint64_t)hash_tag_of(hash, h->bucket_bits) << SLOT_TAG_SHIFT;
	const struct shm_bucket *home = index_hinted(h, hash);

	if (bucket_match(home, pattern) != 0 || !bucket_live(home))
		return false;
	/* [O2] acquire, pairs with [O1] in overflow_up(): loaded after the home scan */
	return LIKELY(!overflow_any(home)) || read_absent_second(h, hash, pattern, home);
}

#endif
