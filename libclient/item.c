/* SPDX-License-Identifier: MIT
 *
 * item.c - encoding and decoding of one item
 *
 * Decoding never believes a length before it has compared it with the segment's end. The header is
 * one word, loaded once; each extension is loaded once. What comes out is a private copy that cannot
 * change any more; whether it was the item that the index meant is decided by the segment's
 * generation, which the caller looks at again after it has copied the value.
 */
#include "item.h"

#include "clock.h"

static uint64_t load_word(const uint8_t *p)
{
	return load_relaxed((const shm_u64 *)(const void *)p);
}

static void store_word(uint8_t *p, uint64_t v)
{
	/* relaxed: memory of the writer alone until the publishing CAS */
	store_relaxed((shm_u64 *)(void *)p, v);
}

static uint64_t pad(const struct larder *h, uint64_t n)
{
	uint64_t unit = 1ULL << h->unit_shift;

	return (n + unit - 1) & ~(unit - 1);
}

static uint32_t extension_bytes(uint8_t flags)
{
	return (flags & ITEM_LONG ? 8u : 0) + (flags & ITEM_META ? ITEM_META_BYTES : 0) +
	       (flags & ITEM_TAGS ? 16u : 0) + (flags & ITEM_ORIG ? 8u : 0);
}

static uint64_t stored_bytes(const struct larder *h, const struct item *it)
{
	if (LIKELY(it->type != ITEM_EXTENTS))
		return it->vlen;
	return extent_count(h, it->klen, it->vlen) * 8 + extent_tail(h, it->klen, it->vlen);
}

static const uint8_t *decode_meta(const uint8_t *p, struct item *it)
{
	uint64_t a = load_word(p);
	uint64_t b = load_word(p + 8);

	it->expiry = a & ITEM_EXPIRY_MASK;
	it->ns = (uint16_t)(a >> 40);
	it->stamp = b & ITEM_STAMP_MASK;
	it->uflags = (uint32_t)(a >> 56) | (uint32_t)(b >> 40) << 8;
	return p + ITEM_META_BYTES;
}

static void decode_extensions(const uint8_t *p, struct item *it, bool is_long)
{
	if (is_long) {
		uint64_t w = load_word(p);

		it->klen = (uint32_t)(w >> 48);
		it->vlen = w & 0xffffffffffULL;
		p += 8;
	}
	it->expiry = it->stamp = 0;
	it->ns = 0;
	it->uflags = 0;
	if (it->flags & ITEM_META)
		p = decode_meta(p, it);
	if (it->flags & ITEM_TAGS)
		p += 16;
	if (it->flags & ITEM_ORIG)
		it->version = load_word(p);
}

bool item_decode(const struct larder *h, uint32_t seg, uint32_t off, uint64_t gen, struct item *it)
{
	const uint8_t *p = seg_base(h, seg) + off;
	uint64_t room = h->seg_bytes - off;
	uint64_t w;

	if (UNLIKELY(room < ITEM_HEADER))
		return false;
	w = load_word(p);
	it->check = (uint32_t)(w >> 40);
	it->type = (uint8_t)(w >> 32) & ITEM_TYPE_MASK;
	it->flags = (uint8_t)(w >> 24);
	it->klen = (uint32_t)(w >> 16) & 0xff;
	it->vlen = w & 0xffff;
	it->off_key = ITEM_HEADER + extension_bytes(it->flags);
	if (UNLIKELY(it->off_key > room))
		return false;
	it->version = version_make(gen, ((uint64_t)seg << h->place_shift) + (off >> h->unit_shift));
	decode_extensions(p + ITEM_HEADER, it, it->flags & ITEM_LONG);
	it->stored = stored_bytes(h, it);
	it->bytes = pad(h, it->off_key + (uint64_t)it->klen + it->stored);
	return LIKELY(it->klen != 0 && it->bytes <= room);
}

void item_layout(const struct larder *h, struct item *it, bool orig)
{
	it->flags = 0;
	it->stored = stored_bytes(h, it);
	if (it->klen > 0xff || it->vlen > 0xffff || it->type == ITEM_EXTENTS)
		it->flags |= ITEM_LONG;
	if (it->expiry != 0 || it->ns != 0 || it->uflags != 0)
		it->flags |= ITEM_META;
	if (orig)
		it->flags |= ITEM_ORIG;
	it->off_key = ITEM_HEADER + extension_bytes(it->flags);
	it->bytes = pad(h, it->off_key + (uint64_t)it->klen + it->stored);
}

void item_encode(uint8_t *p, const struct item *it)
{
	bool is_long = it->flags & ITEM_LONG;

	store_word(p, (uint64_t)it->check << 40 | (uint64_t)it->type << 32 |
			      (uint64_t)it->flags << 24 |
			      (is_long ? 0 : (uint64_t)it->klen << 16 | it->vlen));
	p += ITEM_HEADER;
	if (is_long) {
		store_word(p, (uint64_t)it->klen << 48 | it->vlen);
		p += 8;
	}
	if (it->flags & ITEM_META) {
		store_word(p, it->expiry | (uint64_t)it->ns << 40 | (uint64_t)it->uflags << 56);
		store_word(p + 8, it->stamp | (uint64_t)(it->uflags >> 8) << 40);
		p += ITEM_META_BYTES;
	}
	if (it->flags & ITEM_ORIG)
		store_word(p, it->version);
}

bool item_flushed(const struct larder *h, const struct item *it, uint64_t epoch)
{
	const struct shm_ns *ns;

	if (LIKELY(it->ns == 0))
		return UNLIKELY(epoch < load_acquire(&h->hdr->flushed_at0));
	ns = (const struct shm_ns *)(const void *)((const uint8_t *)h->hdr + h->map->geo.off_ns);
	return UNLIKELY(it->stamp < load_acquire(&ns[it->ns].flushed_at) ||
			it->stamp < load_acquire(&h->hdr->flushed_all));
}

bool item_expired(struct larder *h, const struct item *it)
{
	return it->expiry != 0 && (it->expiry == ITEM_EXPIRED || clock_passed(h, it->expiry));
}

bool item_current(struct larder *h, const struct item *it, uint64_t epoch)
{
	return !item_flushed(h, it, epoch) && !item_expired(h, it);
}
