/* SPDX-License-Identifier: MIT
 *
 * displace.c - making room in two full buckets
 *
 * DESIGN	Both buckets of the key that is being inserted are full and the home cannot be split. Each of
 *		the 14 entries there has another bucket of its own, and most of those have room. One entry X
 *		that lies in its home is moved: (1) X's word goes PENDING into its second bucket, like the word of an insert; (2) the
 *		caller's PENDING word takes X's place by CAS; (3) X's new word is committed by the rules of
 *		an insert: a second survey of X's key, then CAS(PENDING -> COMMITTED). The item itself stays
 *		where it is. (Cuckoo hashing's move, Pagh and Rodler 2001, with the two-phase insert in the
 *		place of a lock.)
 *		Moves go from the home to the second bucket and never back: who looks at the home first and
 *		at the second bucket then cannot miss X between the two looks, and a scan that visits all
 *		home words before all others meets it.
 *		Between (2) and (3) X is nowhere: a reader that finds a PENDING word of its tag looks again,
 *		and after a short spin removes it (index_settle): X is then evicted, counted by the mover
 *		when it goes on. Whoever stores or deletes X from (1) on meets the PENDING word and kills it, or
 *		changed X's old word, so that (2) fails: an older value cannot come back. A cleaner
 *		looks at the home first too.
 *		If no entry can be moved, the least recent one is evicted.
 * INVARIANTS	I6, I7, I8. No word is placed without the overflow count.
 * FAILURE	Killed between (1) and (2): R3. Between (2) and (3): X is gone as if evicted; the counters
 *		miss one eviction.
 */
#include "displace.h"

#include "extent.h"
#include "hazard.h"
#include "policy.h"
#include "write.h"

/* An entry that may go to its other bucket. */
struct mover {
	struct hit hit;	  /* where it is */
	struct key key;	  /* data points to the item's key: it stands still under H1 */
	struct survey at; /* of its key */
	unsigned to;	  /* position there */
	uint64_t pending; /* its word in the other bucket */
	uint8_t recency;
};

static bool load_entry(struct larder *h, const struct survey *s, unsigned pos, struct hit *hit)
{
	uint64_t word = survey_word(s, pos);

	if (slot_kind(word) != SLOT_COMMITTED || slot_frozen(word) ||
	    index_load(h, word, hit) != FIND_HIT)
		return false;
	hit->bucket = s->bucket[pos / SHM_WORDS];
	hit->i = pos % SHM_WORDS;
	return write_protect(h, hit);
}

static unsigned empty_entry(const struct survey *s, unsigned side)
{
	for (unsigned i = 0; i < SHM_WORDS; i++)
		if (survey_word(s, side * SHM_WORDS + i) == SLOT_EMPTY_WORD)
			return side * SHM_WORDS + i;
	return NOWHERE;
}

/* Under H1 on the entry's segment. Return: false: it cannot be moved. */
static bool plan_move(struct larder *h, struct mover *m)
{
	const uint8_t *key = item_key(h, m->hit.seg, m->hit.off, &m->hit.it);

	m->key.data = key;
	m->key.len = m->hit.it.klen;
	m->key.ns = m->hit.it.ns;
	m->key.hash = hash_key(hash_seed(h->map->seed, m->key.ns), key, m->key.len);
	m->key.tag = hash_tag(m->key.hash, h->bucket_mask0);
	m->key.hash2 = m->key.hash ^ hash_spread(m->key.tag, h->bucket_mask0);
	if (m->key.tag != slot_tag(m->hit.word) || !survey_locate(h, &m->key, &m->at) ||
	    m->at.bucket[0] != m->hit.bucket)
		return false;
	m->to = empty_entry(&m->at, 1);
	m->pending = slot_with_kind(m->hit.word, SLOT_PENDING) | SLOT_ALT;
	m->recency = load_relaxed_u8(&m->hit.bucket->recency[m->hit.i]);
	return m->to != NOWHERE;
}

/* (1) */
static bool announce_move(struct larder *h, struct mover *m)
{
	struct shm_bucket *b = m->at.bucket[m->to / SHM_WORDS];
	bool alt = m->to >= SHM_WORDS;

	if (alt && !overflow_up(h, m->at.bucket[0]))
		return false;
	/* [I1] release, pairs with [I2] in survey_entry(): placed before X's old word goes */
	if (handle_alive(h) && cas(&b->word[m->to % SHM_WORDS], SLOT_EMPTY_WORD, m->pending))
		return true;
	if (alt)
		overflow_down(h, m->pending, m->at.low[1]);
	return false;
}

static void account_evicted(struct larder *h, const struct hit *victim)
{
	if (victim->it.type == ITEM_EXTENTS)
		extent_drop(h, victim);
	stat_add(h, STAT_evicted_index, 1);
	stat_add(h, STAT_evicted_bytes, victim->it.klen + victim->it.vlen);
	write_account_out(h, victim);
}

/* (3) */
static void finish_move(struct larder *h, struct mover *m)
{
	struct shm_bucket *b = m->at.bucket[m->to / SHM_WORDS];
	uint64_t word = slot_with_kind(m->pending, SLOT_COMMITTED);

	if (survey_key(h, &m->key, &m->at, m->to, false) != SURVEY_NONE) {
		survey_unlink(h, &m->at, m->to, m->pending);
		account_evicted(h, &m->hit);
		return;
	}
	/* relaxed: a hint; before the word, so that the entry is not taken for an old one */
	store_relaxed_u8(&b->recency[m->to % SHM_WORDS], m->recency);
	/* [P1] release, pairs with [A1] in index_examine(): the item was published before */
	if (!handle_alive(h) || !cas(&b->word[m->to % SHM_WORDS], m->pending, word))
		account_evicted(h, &m->hit);
}

/* (2) Return: the caller's word stands where @hit was. */
static bool take_place(struct larder *h, const struct survey *s, unsigned pos,
		       const struct hit *hit, uint64_t pending)
{
	bool alt = pos >= SHM_WORDS;

	if (alt && !overflow_up(h, s->bucket[0]))
		return false;
	pending |= alt ? SLOT_ALT : 0;
	if (!handle_alive(h) || !cas(&hit->bucket->word[hit->i], hit->word, pending)) {
		if (alt)
			overflow_down(h, pending, s->low[1]);
		return false;
	}
	if (slot_alt(hit->word))
		overflow_down(h, hit->word, s->low[alt]);
	return true;
}

static bool move_entry(struct larder *h, const struct survey *s, unsigned pos, uint64_t pending)
{
	struct mover m;

	if (!load_entry(h, s, pos, &m.hit) || !plan_move(h, &m) || !announce_move(h, &m))
		return false;
	if (!take_place(h, s, pos, &m.hit, pending)) {
		survey_unlink(h, &m.at, m.to, m.pending);
		return false;
	}
	finish_move(h, &m);
	return true;
}

/* The least recent committed entry of both buckets. */
static unsigned oldest_entry(const struct larder *h, const struct survey *s)
{
	unsigned best = NOWHERE;
	int best_age = -1;

	for (unsigned pos = 0; pos < BOTH; pos++) {
		int age = policy_age(h, s->bucket[pos / SHM_WORDS], pos % SHM_WORDS);
		uint64_t word = survey_word(s, pos);

		if (age > best_age && !slot_frozen(word) && slot_kind(word) == SLOT_COMMITTED) {
			best = pos;
			best_age = age;
		}
	}
	return best;
}

/* As many bits of the hash of a home word's second bucket as any level uses; they follow from the word. */
static uint64_t other_hash(const struct larder *h, const struct survey *s, unsigned pos,
			   uint64_t word)
{
	unsigned shift = hash_bits(h->bucket_mask0);
	uint64_t spread = hash_spread(slot_tag(word), h->bucket_mask0);
	uint64_t low = s->low[pos / SHM_WORDS];
	uint64_t home = (low & h->bucket_mask0) | (uint64_t)(slot_tag(word) & 7) << shift;

	return home ^ spread;
}

/* Before anything is loaded of the item: does its other bucket have room? */
static bool other_has_room(const struct larder *h, const struct survey *s, unsigned pos)
{
	uint64_t word = survey_word(s, pos);
	const struct shm_bucket *b = index_hinted(h, other_hash(h, s, pos, word));

	if (slot_alt(word))
		return false;
	for (unsigned i = 0; i < SHM_WORDS; i++)
		if (load_relaxed(&b->word[i]) == SLOT_EMPTY_WORD)
			return true;
	return slot_frozen(load_relaxed(&b->word[0]));
}

unsigned displace_move(struct larder *h, const struct survey *s, uint64_t pending, unsigned tries)
{
	for (unsigned pos = 0; pos < tries; pos++)
		if (other_has_room(h, s, pos) && move_entry(h, s, pos, pending))
			return pos;
	return NOWHERE;
}

bool displace_split(struct larder *h, const struct survey *s, bool deep)
{
	for (unsigned pos = 0; pos < BOTH; pos++)
		if (!slot_alt(survey_word(s, pos)) &&
		    split_on_demand(h, other_hash(h, s, pos, survey_word(s, pos)), deep))
			return true;
	return false;
}

/* Words of dropped segments are room. Return: one was removed. */
static bool clear_any_stale(struct larder *h, const struct survey *s)
{
	for (unsigned pos = 0; pos < BOTH; pos++) {
		uint64_t word = survey_word(s, pos);
		struct hit hit;

		if (!slot_names_item(word) || slot_frozen(word) ||
		    index_load(h, word, &hit) == FIND_HIT || word_fresh(word, hit.seg_word))
			continue;
		survey_clear_stale(h, s, pos, &hit);
		return true;
	}
	return false;
}

unsigned displace_evict(struct larder *h, const struct survey *s, uint64_t pending)
{
	struct hit victim;
	unsigned pos = oldest_entry(h, s);

	if (clear_any_stale(h, s) || pos == NOWHERE || !load_entry(h, s, pos, &victim) ||
	    !take_place(h, s, pos, &victim, pending))
		return NOWHERE;
	account_evicted(h, &victim);
	return pos;
}
