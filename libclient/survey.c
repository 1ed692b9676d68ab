/* SPDX-License-Identifier: MIT
 *
 * survey.c - looking at every entry that may hold a key
 *
 * An operation that relies on a key's absence looks at both buckets entry by entry. What it finds of the
 * key it deals with: a committed word ends the survey; an unfinished insert is killed, or obeyed, by
 * position; a stale word is removed, because an operation that saw it valid may still swap it for a
 * live one. The overflow count is read after the home was looked at.
 *
 * CONCURRENCY	label  store                        load                    orders
 *		I1/I2  place_pending, announce_move  word in survey_entry    PENDING -> a look of one's own
 */
#include "survey.h"

#include "hazard.h"

#define PENDING_SPINS 64 /* about 200 ns: a live inserter is done by then */

unsigned survey_choose(const struct survey *s)
{
	return s->first_empty[0] != NOWHERE ? s->first_empty[0] : s->first_empty[1];
}

/* A PENDING word of this key at @pos. @self: this handle's own position, NOWHERE in a first survey. */
static enum survey_result meet_pending(struct larder *h, struct survey *s, unsigned pos,
				       unsigned self, uint64_t word)
{
	if (self != NOWHERE && pos < self)
		return SURVEY_WITHDRAW;
	if (self == NOWHERE) {
		for (int i = 0; i < PENDING_SPINS; i++)
			if (survey_word(s, pos) != word)
				return SURVEY_AGAIN;
	}
	if (!survey_unlink(h, s, pos, word))
		return SURVEY_AGAIN; /* read that entry again */
	stat_add(h, STAT_pending_killed, 1);
	return SURVEY_NONE;
}

/* A word of a dropped segment. While a hazard names the segment its generation cannot come round, so the word
 * that is removed is stale still. */
enum survey_result survey_clear_stale(struct larder *h, const struct survey *s, unsigned pos,
				      const struct hit *hit)
{
	bool stale = hit->seg >= h->n_segs;
	bool removed;

	if (!stale) {
		hazard_set(h, &h->slot->pin[0], (uint64_t)hit->seg + 1);
		stale = !word_fresh(hit->word, load_acquire(&h->segs[hit->seg].word));
	}
	removed = stale && survey_unlink(h, s, pos, hit->word);
	hazard_drop(h, &h->slot->pin[0]);
	stat_add(h, STAT_stale_cleared, removed);
	return SURVEY_AGAIN; /* the entry is read again: EMPTY, or somebody else's */
}

/* One entry. SURVEY_AGAIN: it must be read again. */
static enum survey_result survey_entry(struct larder *h, const struct key *k, struct survey *s,
				       unsigned pos, unsigned self)
{
	/* [I2] acquire, pairs with [I1] in place_pending() and [U4] in index_unlink() */
	uint64_t word = survey_word(s, pos);
	bool alt = pos >= SHM_WORDS;
	struct hit hit;
	enum find f;

	if (slot_frozen(word) || slot_kind(word) == SLOT_VIRGIN) {
		s->locked_out = true;
		return SURVEY_AGAIN;
	}
	if (slot_kind(word) == SLOT_EMPTY) {
		if (s->first_empty[alt] == NOWHERE)
			s->first_empty[alt] = pos;
		return SURVEY_NONE;
	}
	if (pos == self || slot_tag(word) != k->tag || slot_alt(word) != alt)
		return SURVEY_NONE;
	f = index_examine(h, k, word, &hit);
	if (f == FIND_RETRY)
		return SURVEY_AGAIN;
	if (f == FIND_HIT)
		return slot_kind(word) == SLOT_COMMITTED ? SURVEY_FOUND
							 : meet_pending(h, s, pos, self, word);
	if (word_fresh(word, hit.seg_word))
		return SURVEY_NONE; /* another key with this tag */
	return survey_clear_stale(h, s, pos, &hit);
}

enum survey_result survey_key(struct larder *h, const struct key *k, struct survey *s,
			      unsigned self, bool need_room)
{
	s->first_empty[0] = s->first_empty[1] = NOWHERE;
	s->locked_out = false;
	for (unsigned pos = 0; pos < BOTH; pos++) {
		enum survey_result r = SURVEY_AGAIN;

		if (pos == SHM_WORDS && !overflow_any(s->bucket[0]) &&
		    (!need_room || s->first_empty[0] != NOWHERE))
			break;
		for (int tries = 0; r == SURVEY_AGAIN && tries < READ_ROUNDS && !s->locked_out;
		     tries++)
			r = survey_entry(h, k, s, pos, self);
		if (r != SURVEY_NONE)
			return r;
	}
	return SURVEY_NONE;
}

bool survey_locate(struct larder *h, const struct key *k, struct survey *s)
{
	s->bucket[0] = index_locate(h, k->hash);
	s->bucket[1] = index_locate(h, k->hash2);
	s->low[0] = k->hash & h->bucket_mask0;
	s->low[1] = k->hash2 & h->bucket_mask0;
	return s->bucket[0] != NULL && s->bucket[1] != NULL;
}
