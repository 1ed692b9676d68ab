/* SPDX-License-Identifier: MIT
 *
 * item.h - one item: encoding, and decoding as hostile input
 */
#ifndef LARDER_ITEM_H
#define LARDER_ITEM_H

#include "handle.h"
#include "words.h"

/* What is known about an item; lengths in bytes, offsets from the start of the item. */
struct item {
	uint32_t check;
	uint32_t klen;
	uint64_t vlen;	 /* length of the value (of an extents item: the whole value) */
	uint64_t stored; /* bytes that follow the key: vlen, or extents and tail */
	uint32_t off_key;
	uint8_t type;  /* enum item_type */
	uint8_t flags; /* ITEM_LONG ... */
	uint16_t ns;
	uint32_t uflags;
	uint64_t expiry; /* 0 none */
	uint64_t stamp;
	uint64_t version; /* of ORIG, else of its place */
	uint64_t bytes;	  /* of the whole item, padded */
};

#define ITEM_HEADER 8u
#define ITEM_META_BYTES 16u

/*
 * item_decode - the item at byte @off of segment @seg, loaded once and bounds-checked
 * @gen: the segment's generation, for the version
 * Return: false if it does not fit its segment: damage, or the segment was reused underfoot.
 */
bool item_decode(const struct larder *h, uint32_t seg, uint32_t off, uint64_t gen, struct item *it);

/*
 * item_layout - flags, offsets and the padded size of a new item from klen, vlen, stored, ns, uflags,
 * expiry, type; @orig: it carries a version of its own
 */
void item_layout(const struct larder *h, struct item *it, bool orig);

/* item_encode - write header and extensions; key and value are the caller's */
void item_encode(uint8_t *p, const struct item *it);

/* Is it live: not expired, not flushed? @epoch: of its segment. */
bool item_current(struct larder *h, const struct item *it, uint64_t epoch);
/* The same in two parts, for the cleaner's accounts. */
bool item_flushed(const struct larder *h, const struct item *it, uint64_t epoch);
bool item_expired(struct larder *h, const struct item *it);

/* What an item takes beside key and value, at most. */
static inline uint64_t item_overhead(const struct larder *h)
{
	return ITEM_HEADER + 8 + ITEM_META_BYTES + 8 + (1ULL << h->unit_shift) - 1;
}

/* How an extents item's value is cut: whole segments, then a rest. The rest follows the list in the
 * head; where the head would exceed half a segment, it has an extent of its own. */
static inline uint64_t extent_rest(const struct larder *h, uint64_t vlen)
{
	return vlen & (h->seg_bytes - 1);
}

static inline bool extent_own_rest(const struct larder *h, uint32_t klen, uint64_t vlen)
{
	uint64_t rest = extent_rest(h, vlen);

	return rest != 0 &&
	       item_overhead(h) + klen + (vlen >> h->seg_shift) * 8 + rest > h->seg_bytes / 2;
}

static inline uint64_t extent_count(const struct larder *h, uint32_t klen, uint64_t vlen)
{
	return (vlen >> h->seg_shift) + extent_own_rest(h, klen, vlen);
}

static inline uint64_t extent_tail(const struct larder *h, uint32_t klen, uint64_t vlen)
{
	return extent_own_rest(h, klen, vlen) ? 0 : extent_rest(h, vlen);
}

static inline uint32_t item_check(uint64_t hash, uint32_t klen, uint64_t vlen)
{
	return (uint32_t)(hash ^ hash >> 32 ^ klen ^ vlen * 0x9E3779B1u) & 0xffffffu;
}

static inline const uint8_t *item_key(const struct larder *h, uint32_t seg, uint32_t off,
				      const struct item *it)
{
	return seg_base(h, seg) + off + it->off_key;
}

static inline const uint8_t *item_value(const struct larder *h, uint32_t seg, uint32_t off,
					const struct item *it)
{
	return item_key(h, seg, off, it) + it->klen;
}

#endif
