/* SPDX-License-Identifier: MIT
 *
 * words.h - packing and unpacking of the words that layout.h draws
 */
#ifndef LARDER_WORDS_H
#define LARDER_WORDS_H

#include <larder/layout.h>
#include <stdbool.h>

static inline enum slot_kind slot_kind(uint64_t w)
{
	return (enum slot_kind)(w >> SLOT_KIND_SHIFT);
}

static inline bool slot_frozen(uint64_t w)
{
	return (w & SLOT_FROZEN) != 0;
}

static inline bool slot_alt(uint64_t w)
{
	return (w & SLOT_ALT) != 0;
}

static inline uint32_t slot_tag(uint64_t w)
{
	return (uint32_t)(w >> SLOT_TAG_SHIFT) & SLOT_TAG_MASK;
}

static inline uint32_t slot_gen(uint64_t w)
{
	return (uint32_t)(w >> SLOT_GEN_SHIFT) & SLOT_GEN_MASK;
}

static inline uint64_t slot_place(uint64_t w)
{
	return w & SLOT_PLACE_MASK;
}

static inline uint64_t slot_with_kind(uint64_t w, enum slot_kind kind)
{
	return (w & ~SLOT_KIND_MASK) | (uint64_t)kind << SLOT_KIND_SHIFT;
}

static inline bool slot_names_item(uint64_t w)
{
	enum slot_kind kind = slot_kind(w);

	return kind == SLOT_COMMITTED || kind == SLOT_PENDING;
}

/* A COMMITTED word; lines = 64-byte lines that the item touches. */
static inline uint64_t slot_make(bool alt, uint32_t tag, uint64_t gen, uint64_t place,
				 uint64_t lines)
{
	uint64_t size = lines <= 1 ? 0 : lines <= 3 ? lines - 1 : 3;

	return (uint64_t)SLOT_COMMITTED << SLOT_KIND_SHIFT | (alt ? SLOT_ALT : 0) |
	       size << SLOT_SIZE_SHIFT | (uint64_t)tag << SLOT_TAG_SHIFT |
	       (gen & SLOT_GEN_MASK) << SLOT_GEN_SHIFT | (place & SLOT_PLACE_MASK);
}

static inline enum seg_state seg_state(uint64_t w)
{
	return (enum seg_state)(w >> SEG_STATE_SHIFT);
}

static inline uint32_t seg_owner(uint64_t w)
{
	return (uint32_t)(w >> SEG_OWNER_SHIFT) & SEG_OWNER_MASK;
}

static inline uint64_t seg_gen(uint64_t w)
{
	return w & SEG_GEN_MASK;
}

static inline bool seg_body(uint64_t w)
{
	return (w & SEG_BODY) != 0;
}

static inline uint64_t seg_make(enum seg_state state, bool body, uint32_t owner, uint64_t gen)
{
	return (uint64_t)state << SEG_STATE_SHIFT | (body ? SEG_BODY : 0) |
	       (uint64_t)(owner & SEG_OWNER_MASK) << SEG_OWNER_SHIFT | (gen & SEG_GEN_MASK);
}

static inline uint64_t version_make(uint64_t gen, uint64_t place)
{
	uint64_t v = (gen & VERSION_GEN_MASK) << VERSION_PLACE_BITS | (place & SLOT_PLACE_MASK);

	return v != 0 ? v : 1; /* 0 means "no version"; generations start at 1, so this is a wrap */
}

#endif
