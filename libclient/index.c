/* SPDX-License-Identifier: MIT
 *
 * index.c - finding an item, and the small edits of buckets
 *
 * DESIGN	A bucket is one cache line of seven words. A key has two buckets; the second is looked
 *		at only if the home's overflow count says that words of it are there. A word names an
 *		item by tag, generation and place. Readers store nothing here but a recency byte.
 * INVARIANTS	I4, I6, I7, I8 of layout.h.
 * CONCURRENCY	label  store                          load                        orders
 *		P1/A1  publishing CAS (write.c)       word in index_examine       item bytes -> word
 *		S1/S2  LIMBO CAS, lease (segment.c)   generation in hit_intact    generation -> new bytes
 *		O1/O2  overflow_up                    overflow_any after home     count -> alt word
 *		O3/O2  pass_overflow, fill_children   overflow_any after home     child's count -> its words
 *		O4/O2  overflow_down                  overflow_any after home     alt word gone -> count
 *		U4/I2  index_unlink                   words in survey_entry       use of the item -> EMPTY
 * FAILURE	A reader that is killed leaves nothing. A remover that is killed between its CAS and
 *		overflow_down leaves the count one too high (R5): an extra line on a miss.
 */
#include "index.h"

#include "hazard.h"

#define SETTLE_SPINS 64 /* about 200 ns: a live process is done by then */

enum find index_load(struct larder *h, uint64_t word, struct hit *hit)
{
	hit->word = word;
	hit->seg_word = 0;
	if (UNLIKELY(!word_place(h, word, &hit->seg, &hit->off))) {
		stat_add(h, STAT_damage, 1);
		return FIND_NONE;
	}
	hit->seg_word = load_acquire(&h->segs[hit->seg].word);
	if (UNLIKELY(!word_fresh(word, hit->seg_word) || seg_body(hit->seg_word)))
		return FIND_NONE;
	/* relaxed: ordered by the word's acquire; validated by the generation like the item */
	hit->epoch = load_relaxed(&h->segs[hit->seg].epoch);
	if (LIKELY(item_decode(h, hit->seg, hit->off, seg_gen(hit->seg_word), &hit->it)))
		return FIND_HIT;
	if (!hit_intact(h, hit))
		return FIND_RETRY;
	stat_add(h, STAT_damage, 1);
	return FIND_NONE;
}

enum find index_examine(struct larder *h, const struct key *k, uint64_t word, struct hit *hit)
{
	enum find r = index_load(h, word, hit);

	if (UNLIKELY(r != FIND_HIT))
		return r;
	if (LIKELY(hit->it.klen == k->len && hit->it.ns == k->ns &&
		   shared_equal(item_key(h, hit->seg, hit->off, &hit->it), k->data, k->len)))
		return FIND_HIT;
	return hit_intact(h, hit) ? FIND_NONE : FIND_RETRY;
}

/* The matching entry of a live bucket. A stale word whose entry has changed since means that the
 * key may have moved to where this scan has been: another round. */
static inline enum find scan_live(struct larder *h, const struct key *k, struct shm_bucket *b,
				  bool alt, struct hit *hit)
{
	uint64_t pattern = key_pattern(k, alt);
	unsigned m = bucket_match(b, pattern);

	for (; m != 0; m &= m - 1) {
		unsigned i = (unsigned)__builtin_ctz(m);
		/* [A1] acquire, pairs with [P1] in write.c: the item's bytes are seen with the word */
		uint64_t word = load_acquire(&b->word[i]);
		enum find r;

		if (UNLIKELY((word & SLOT_MATCH_MASK) != pattern))
			return FIND_RETRY;
		r = index_examine(h, k, word, hit);
		if (LIKELY(r == FIND_HIT)) {
			hit->bucket = b;
			hit->i = i;
			return r;
		}
		if (r == FIND_RETRY || load_acquire(&b->word[i]) != word)
			return FIND_RETRY;
	}
	return FIND_NONE;
}

/* Where the i-th word of a view stands unfrozen: there a reader leaves its recency. */
static struct shm_bucket *view_bucket(const struct larder *h, uint64_t hash, unsigned i,
				      uint64_t word)
{
	for (unsigned level = index_hinted_level(h, hash); level < h->n_levels; level++) {
		struct shm_bucket *b = index_at(h, level, hash);
		/* relaxed: for a hint */
		uint64_t w = load_relaxed(&b->word[i]);

		if (w == word)
			return b;
		if (slot_kind(w) != SLOT_VIRGIN && !slot_frozen(w))
			break;
	}
	return NULL;
}

static enum find scan_view(struct larder *h, const struct key *k, const uint64_t *words, bool alt,
			   struct hit *hit)
{
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		enum find r;

		if ((words[i] & SLOT_MATCH_MASK) != key_pattern(k, alt))
			continue;
		r = index_examine(h, k, words[i], hit);
		if (r == FIND_HIT) {
			hit->bucket = view_bucket(h, alt ? k->hash2 : k->hash, i, words[i]);
			hit->i = i;
		}
		/* A word of a view cannot be loaded again; if its item has moved since, look anew. */
		if (r == FIND_NONE && !word_fresh(words[i], hit->seg_word))
			return FIND_RETRY;
		if (r != FIND_NONE)
			return r;
	}
	return FIND_NONE;
}

static bool view_pending(const struct key *k, const uint64_t *words)
{
	uint64_t pattern = slot_with_kind(key_pattern(k, true), SLOT_PENDING);
	bool seen = false;

	for (unsigned i = 0; i < SHM_WORDS; i++)
		seen |= (words[i] & SLOT_MATCH_MASK) == pattern;
	return seen;
}

/* One of the two buckets is, or was, being split: look through the split. */
static enum find find_in_split(struct larder *h, const struct key *k, struct hit *hit)
{
	uint64_t words[SHM_WORDS];
	bool overflow, ignored, pending = false;
	enum find r;

	if (!split_view(h, k->hash, words, &overflow))
		return FIND_NONE;
	r = scan_view(h, k, words, false, hit);
	if (r == FIND_NONE && overflow) {
		if (!split_view(h, k->hash2, words, &ignored))
			return FIND_NONE;
		pending = view_pending(k, words);
		r = scan_view(h, k, words, true, hit);
	}
	return r == FIND_NONE && pending ? FIND_UNSETTLED : r;
}

/* A PENDING word of this tag in the second bucket: perhaps the key is on its way there (displace.c). */
static inline bool pending_seen(const struct shm_bucket *alt, const struct key *k)
{
	return bucket_match(alt, slot_with_kind(key_pattern(k, true), SLOT_PENDING)) != 0;
}

enum find index_find_read(struct larder *h, const struct key *k, struct hit *hit)
{
	struct shm_bucket *home = index_hinted(h, k->hash);
	struct shm_bucket *alt;
	bool pending;
	enum find r = scan_live(h, k, home, false, hit);

	if (LIKELY(r != FIND_NONE))
		return r;
	if (UNLIKELY(!bucket_live(home)))
		return find_in_split(h, k, hit);
	/* [O2] acquire, pairs with [O1] in overflow_up(), [O3] and [O4]: loaded after the home scan, so a word that
	 * was in the second bucket then is counted now */
	if (LIKELY(!overflow_any(home)))
		return FIND_NONE;
	alt = index_hinted(h, k->hash2);
	/* Before the scan: a key that was displaced is PENDING there first and then committed. */
	pending = pending_seen(alt, k);
	/* [A1] acquire fence, pairs with [P1] in displace.c: PENDING is looked for first */
	fence_acquire();
	r = scan_live(h, k, alt, true, hit);
	if (r != FIND_NONE)
		return r;
	/* The home may have been split meanwhile; what moved is then in the child. */
	if (UNLIKELY(!bucket_live(alt) || !bucket_live(home)))
		return find_in_split(h, k, hit);
	return pending ? FIND_UNSETTLED : FIND_NONE;
}

void index_settle(struct larder *h, const struct key *k)
{
	struct shm_bucket *alt = index_hinted(h, k->hash2);
	uint64_t pattern = slot_with_kind(key_pattern(k, true), SLOT_PENDING);

	for (unsigned i = 0; bucket_live(alt) && i < SHM_WORDS; i++) {
		uint64_t word = load_acquire(&alt->word[i]);
		struct hit hit;
		int spins = SETTLE_SPINS;

		if ((word & SLOT_MATCH_MASK) != pattern ||
		    index_examine(h, k, word, &hit) != FIND_HIT)
			continue;
		while (spins > 0 && load_acquire(&alt->word[i]) == word)
			spins--;
		if (spins == 0 && index_unlink(h, alt, i, word, k->hash2 & h->bucket_mask0))
			stat_add(h, STAT_pending_killed, 1);
	}
}

enum find index_find_write(struct larder *h, const struct key *k, struct hit *hit)
{
	struct shm_bucket *b = index_locate(h, k->hash);
	enum find r;

	if (UNLIKELY(b == NULL))
		return FIND_RETRY;
	r = scan_live(h, k, b, false, hit);
	if (r != FIND_NONE || !overflow_any(b))
		return r;
	b = index_locate(h, k->hash2);
	return UNLIKELY(b == NULL) ? FIND_RETRY : scan_live(h, k, b, true, hit);
}

struct shm_bucket *index_locate(struct larder *h, uint64_t hash)
{
	unsigned level = index_hinted_level(h, hash);
	struct shm_bucket *b = index_at(h, level, hash);

	if (LIKELY(bucket_live(b)))
		return b;
	for (; level < h->n_levels; level++) {
		uint64_t w;

		b = index_at(h, level, hash);
		w = load_acquire(&b->word[0]);
		if (slot_kind(w) == SLOT_VIRGIN)
			continue; /* punched, or not yet in use */
		if (!slot_frozen(w))
			return b;
		if (level + 1 < h->n_levels)
			split_bucket(h, level, hash & index_mask(h, level));
	}
	stat_add(h, STAT_damage, 1);
	return NULL;
}

bool overflow_up(const struct larder *h, struct shm_bucket *home)
{
	for (int tries = 0; tries < WRITE_ROUNDS; tries++) {
		uint8_t v = load_acquire_u8(&home->overflow);

		if (v & OVERFLOW_FROZEN || v == 0)
			return false;
		/* [O1] release, pairs with [O2] in index_find_read(): counted before it is placed */
		if (v == OVERFLOW_SATURATED ||
		    (handle_alive(h) && cas_u8(&home->overflow, v, v + 1)))
			return true;
	}
	return false;
}

/* The home's number follows from the word: the low bits by the spread, the split bits by the tag. */
static uint64_t home_of_alt(const struct larder *h, uint64_t word, uint64_t low)
{
	uint32_t tag = slot_tag(word);
	unsigned shift = hash_bits(h->bucket_mask0);

	return ((low ^ hash_spread(tag, h->bucket_mask0)) & h->bucket_mask0) | (uint64_t)(tag & 7)
										       << shift;
}

/* The home is being split: give both children its final count, and go on in the right one. Splitting
 * the whole bucket from here would recurse through the PENDING words that a split kills. */
static void pass_overflow(struct larder *h, unsigned level, uint64_t hash, uint8_t v)
{
	uint64_t number = hash & index_mask(h, level);

	/* [O3] release, pairs with [O2] in index_find_read(): the count is in the child before the alt
	 * words that it speaks of leave the parent */
	for (unsigned c = 0; c < 2 && handle_alive(h); c++, number += index_mask(h, level) + 1)
		cas_u8(&h->level[level + 1][number].overflow, 0, v & OVERFLOW_VALUE);
}

/* Return: true when the count of this bucket was dealt with; false: it is in the child. */
static bool lower_overflow(const struct larder *h, struct shm_bucket *b, uint8_t *v)
{
	for (int tries = 0; tries < WRITE_ROUNDS; tries++) {
		*v = load_acquire_u8(&b->overflow);
		if (*v & OVERFLOW_FROZEN)
			return false;
		/* [O4] release, pairs with [O2] in index_find_read(): the alt word is gone before */
		if (*v <= OVERFLOW_NONE || *v == OVERFLOW_SATURATED ||
		    (handle_alive(h) && cas_u8(&b->overflow, *v, *v - 1)))
			return true;
	}
	return true;
}

/* The count is frozen: it is passed to the children, announced as a split (split.c says why). */
static void lower_in_child(struct larder *h, uint64_t hash)
{
	uint64_t nested = load_private(&h->slot->splitting);

	hazard_set(h, &h->slot->splitting, 1);
	for (unsigned level = index_hinted_level(h, hash); level < h->n_levels; level++) {
		struct shm_bucket *b = index_at(h, level, hash);
		uint8_t v = load_acquire_u8(&b->overflow);

		if ((v & OVERFLOW_VALUE) == 0)
			continue; /* punched, or not yet in use */
		if (lower_overflow(h, b, &v) || level + 1 >= h->n_levels)
			break;
		pass_overflow(h, level, hash, v);
	}
	if (nested == 0)
		hazard_drop(h, &h->slot->splitting);
}

void overflow_down(struct larder *h, uint64_t word, uint64_t low)
{
	uint64_t hash = home_of_alt(h, word, low);
	struct shm_bucket *home = index_hinted(h, hash);
	uint8_t v = load_acquire_u8(&home->overflow);

	if ((v & OVERFLOW_VALUE) == 0 || !lower_overflow(h, home, &v))
		lower_in_child(h, hash);
}

bool index_unlink(struct larder *h, struct shm_bucket *b, unsigned i, uint64_t word, uint64_t low)
{
	/* [U4] release, pairs with [I2] in survey_entry(): what was read of the item, before its end */
	if (!handle_alive(h) || !cas(&b->word[i], word, SLOT_EMPTY_WORD))
		return false;
	if (slot_alt(word))
		overflow_down(h, word, low);
	return true;
}
