/* SPDX-License-Identifier: MIT
 *
 * index.h - the hash index: finding, placing and removing words
 *
 * GUARANTEES
 *	G1  find_read is wait-free: READ_ROUNDS rounds of constant length, then a counted miss.
 *	G2  A key that is present and not being overwritten is found: its word never moves to another
 *	    bucket, and a replace, a move by the cleaner and a split keep it readable at each instant.
 *	G3  A get that starts after a set of the key returned sees that value or a later one, or the
 *	    key was evicted, and the eviction was counted.
 *	G4  A key never has two committed words (two-phase insert).
 *	G5  Writers never wait: a dead or stopped writer leaves at most a PENDING word, which anybody
 *	    removes. Between live inserters of one key the protocol is obstruction-free, with back-off
 *	    and a bound of WRITE_ROUNDS.
 */
#ifndef LARDER_INDEX_H
#define LARDER_INDEX_H

#include "handle.h"
#include "hash.h"
#include "item.h"
#include "words.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define READ_ROUNDS 4
#define WRITE_ROUNDS 64

/* A key that is being worked on. */
struct key {
	const void *data;
	uint32_t len;
	uint32_t tag;
	uint64_t hash;
	uint64_t hash2; /* finds the second bucket */
	uint16_t ns;
};

/* A word of the index, and the item behind it. */
struct hit {
	struct shm_bucket *bucket; /* NULL if found through a bucket that is being split */
	unsigned i;
	uint64_t word;
	uint64_t seg_word;
	uint64_t epoch;
	uint32_t seg;
	uint32_t off;
	struct item it;
};

/* FIND_UNSETTLED: absent, but an unfinished word of its tag is there; readers look again. */
enum find { FIND_HIT, FIND_NONE, FIND_RETRY, FIND_UNSETTLED };

static inline void key_from_hash(const struct larder *h, struct key *k, const void *data,
				 size_t len, uint64_t hash)
{
	k->data = data;
	k->len = (uint32_t)len;
	k->ns = h->ns;
	k->hash = hash;
	k->tag = hash_tag_of(hash, h->bucket_bits);
	k->hash2 = hash ^ hash_spread(k->tag, h->bucket_mask0);
}

static inline void key_init(const struct larder *h, struct key *k, const void *data, size_t len)
{
	key_from_hash(h, k, data, len, hash_key(h->seed, data, len));
}

static inline uint64_t key_pattern(const struct key *k, bool alt)
{
	return (uint64_t)SLOT_COMMITTED << SLOT_KIND_SHIFT | (alt ? SLOT_ALT : 0) |
	       (uint64_t)k->tag << SLOT_TAG_SHIFT;
}

static inline uint64_t index_mask(const struct larder *h, unsigned level)
{
	return ((h->bucket_mask0 + 1) << level) - 1;
}

/* The bucket of a hash at a level. */
static inline struct shm_bucket *index_at(const struct larder *h, unsigned level, uint64_t hash)
{
	return &h->level[level][hash & index_mask(h, level)];
}

/* The level at which the hint says that the live bucket of a hash is; it may be higher, never lower:
 * what lies below is punched, and not to be touched (a read would allocate it again). */
static inline unsigned index_hinted_level(const struct larder *h, uint64_t hash)
{
	/* [G4] acquire, pairs with [G3] in growth.c: the children are complete when the hint has passed
	 * their parent. An older hint shows VIRGIN or frozen words. */
	uint64_t hint = load_acquire(&h->hdr->index);
	unsigned level = (unsigned)(hint >> 56) & (SHM_LEVELS - 1);
	uint64_t split = hint & ((1ULL << 56) - 1);

	if ((hash & index_mask(h, level)) < split && level + 1 < SHM_LEVELS)
		level++;
	return level;
}

static inline struct shm_bucket *index_hinted(const struct larder *h, uint64_t hash)
{
	uint64_t number = hash & h->hint_mask;

	/* [G4] acquire, as in index_hinted_level(), which takes the same word apart */
	if (LIKELY(load_acquire(&h->hdr->index) == h->hint && number >= h->hint_split))
		return &h->hint_base[number];
	return index_at(h, index_hinted_level(h, hash), hash);
}

/* Bit j of the result: entry j matches in kind, frozen, alt and tag. All of them are in the upper
 * halves of the words, so SSE2 compares seven at once. */
static inline unsigned bucket_match(const struct shm_bucket *b, uint64_t pattern)
{
#if defined(__SSE2__) && !LARDER_TSAN && !defined(LARDER_SIM)
	const __m128i *p = (const __m128i *)(const void *)b;
	__m128 w0 = _mm_castsi128_ps(_mm_load_si128(p)),
	       w1 = _mm_castsi128_ps(_mm_load_si128(p + 1));
	__m128 w2 = _mm_castsi128_ps(_mm_load_si128(p + 2));
	__m128 w3 = _mm_castsi128_ps(_mm_load_si128(p + 3));
	__m128i lo = _mm_castps_si128(_mm_shuffle_ps(w0, w1, 0xdd));
	__m128i hi = _mm_castps_si128(_mm_shuffle_ps(w2, w3, 0xdd));
	__m128i mask = _mm_set1_epi32((int)(uint32_t)(SLOT_MATCH_MASK >> 32));
	__m128i want = _mm_set1_epi32((int)(uint32_t)(pattern >> 32));

	lo = _mm_cmpeq_epi32(_mm_and_si128(lo, mask), want);
	hi = _mm_cmpeq_epi32(_mm_and_si128(hi, mask), want);
	return ((unsigned)_mm_movemask_ps(_mm_castsi128_ps(lo)) |
		(unsigned)_mm_movemask_ps(_mm_castsi128_ps(hi)) << 4) &
	       0x7f;
#else
	unsigned m = 0;

	for (unsigned j = 0; j < SHM_WORDS; j++)
		if ((load_relaxed(&b->word[j]) & SLOT_MATCH_MASK) == pattern)
			m |= 1u << j;
	return m;
#endif
}

/* A splitter freezes word 0 first, and a child's word 0 is its first to lose VIRGIN: a bucket whose
 * word 0, loaded after a scan, is neither frozen nor VIRGIN was live during the scan. */
static inline bool bucket_live(const struct shm_bucket *b)
{
	uint64_t w;

	/* [F2] acquire fence, pairs with [F1] in freeze_word(): the words of the scan before word 0 */
	fence_acquire();
	w = load_acquire(&b->word[0]);
	return !slot_frozen(w) && slot_kind(w) != SLOT_VIRGIN;
}

/* The place of a word: false if it lies outside the data area. */
static inline bool word_place(const struct larder *h, uint64_t word, uint32_t *seg, uint32_t *off)
{
	uint64_t place = slot_place(word);
	uint64_t s = place >> h->place_shift;

	*seg = (uint32_t)s;
	*off = (uint32_t)(place << h->unit_shift) & (h->seg_bytes - 1);
	return LIKELY(s < h->n_segs);
}

/* Is the word's segment still in the word's incarnation? */
static inline bool word_fresh(uint64_t word, uint64_t seg_word)
{
	return slot_gen(word) == (seg_gen(seg_word) & SLOT_GEN_MASK);
}

/* Second look, after everything was copied: the bytes were those of the item. */
static inline bool hit_intact(const struct larder *h, const struct hit *hit)
{
	/* [S2] acquire fence, pairs with [S1] in segment.c: bytes of a later incarnation are stored
	 * after its generation is; whoever copied one sees the generation moved. */
	fence_acquire();
	return LIKELY(seg_gen(load_acquire(&h->segs[hit->seg].word)) == seg_gen(hit->seg_word));
}

/*
 * index_find_read - the item of a key, for a reader
 * On FIND_HIT the caller copies what it wants and calls hit_intact(); false there = another round.
 * FIND_NONE is definite. Liveness of the item (expiry, flush) is the caller's to check.
 */
enum find index_find_read(struct larder *h, const struct key *k, struct hit *hit);

/*
 * index_settle - a reader met FIND_UNSETTLED in each of its rounds: end it
 * A process that stopped while it displaced the key, or inserted it, hides it. Its PENDING word is
 * removed after a short spin: the key is then evicted, or was never stored, and does not come back by
 * itself. Not for read-only handles.
 */
void index_settle(struct larder *h, const struct key *k);

/*
 * index_find_write - the same for a writer: in live buckets only (finishes splits that it meets)
 * FIND_NONE is not definite here: the caller's survey of both buckets decides.
 */
enum find index_find_write(struct larder *h, const struct key *k, struct hit *hit);

/*
 * index_load - the item that a word names, whatever its key
 * FIND_NONE: stale, or damage. FIND_RETRY: it changed underfoot.
 */
enum find index_load(struct larder *h, uint64_t word, struct hit *hit);

/*
 * index_examine - does this word name an item of this key?
 * FIND_RETRY: the word or its segment changed underfoot. Loads the item's header and key.
 */
enum find index_examine(struct larder *h, const struct key *k, uint64_t word, struct hit *hit);

/*
 * index_locate - the live bucket of a hash for a writer; finishes a split that it meets
 * Return: NULL only in a damaged region.
 */
struct shm_bucket *index_locate(struct larder *h, uint64_t hash);

/* Store the recency tick of an entry, if it has moved. */
static inline void index_recent(const struct larder *h, struct shm_bucket *b, unsigned i)
{
	/* relaxed: hints; one byte, so that a late store of a stopped process is harmless */
	uint8_t tick = (uint8_t)load_relaxed_u32(&h->hdr->tick);

	if (UNLIKELY(load_relaxed_u8(&b->recency[i]) != tick && !h->rdonly))
		store_relaxed_u8(&b->recency[i], tick);
}

/*
 * index_unlink - CAS a word of a bucket to EMPTY and correct the overflow count of its home
 * @low: the bucket's number modulo the level-0 size. Return: this call removed it.
 */
bool index_unlink(struct larder *h, struct shm_bucket *b, unsigned i, uint64_t word, uint64_t low);

/*
 * overflow_up - one more alt word is about to be placed for this home
 * Return: false if the home is being split (nothing changed).
 */
bool overflow_up(const struct larder *h, struct shm_bucket *home);
/* overflow_down - one alt word @word in a bucket numbered @low (mod level 0) was removed */
void overflow_down(struct larder *h, uint64_t word, uint64_t low);

static inline bool overflow_any(const struct shm_bucket *b)
{
	/* anything but "in use, none": also VIRGIN, in a bucket whose split is being finished */
	return (load_acquire_u8(&b->overflow) & OVERFLOW_VALUE) != OVERFLOW_NONE;
}

/*
 * split_bucket - split bucket @number of @level into its two children, or help to
 * The children's memory is committed. Idempotent.
 */
void split_bucket(struct larder *h, unsigned level, uint64_t number);

/*
 * split_on_demand - split the live bucket of a hash if its children are committed
 * @deep: also one whose level the daemon is making: a split there holds the memory of one more level.
 *	Two levels ahead of the hint, or before it has moved, the daemon is behind, and any may be split.
 * Return: it was split.
 */
bool split_on_demand(struct larder *h, uint64_t hash, bool deep);

/* split_view - the words that count for a hash while its bucket may be in a split; stores nothing.
 * Words of the other child are among them (no key matches them here). Return: false: damage. */
bool split_view(const struct larder *h, uint64_t hash, uint64_t words[SHM_WORDS], bool *overflow);

#endif
