/* SPDX-License-Identifier: MIT
 *
 * survey.h - looking at every entry that may hold a key
 */
#ifndef LARDER_SURVEY_H
#define LARDER_SURVEY_H

#include "index.h"

#define BOTH (2 * SHM_WORDS)
#define NOWHERE BOTH

/* Both buckets of a key; position 0..6 home, 7..13 second. */
struct survey {
	struct shm_bucket *bucket[2];
	uint64_t low[2];
	unsigned first_empty[2]; /* positions; NOWHERE */
	bool locked_out;	 /* a bucket is being split: look again */
};

enum survey_result { SURVEY_NONE, SURVEY_FOUND, SURVEY_WITHDRAW, SURVEY_AGAIN };

/* survey_locate - the two live buckets of a key. Return: false in a damaged region. */
bool survey_locate(struct larder *h, const struct key *k, struct survey *s);

/*
 * survey_key - look at every entry that may hold this key, remove what is stale or unfinished of it
 * @self: this handle's own PENDING position; NOWHERE in a first survey
 * @need_room: count the empty entries of the second bucket too, where that matters
 * SURVEY_NONE: the key has no committed word and no PENDING one that comes before @self.
 */
enum survey_result survey_key(struct larder *h, const struct key *k, struct survey *s,
			      unsigned self, bool need_room);

/* survey_clear_stale - remove the word in @hit, which named a dropped segment when it was loaded; under a
 * hazard of its own, because H1 may stand for another item. Return: SURVEY_AGAIN. */
enum survey_result survey_clear_stale(struct larder *h, const struct survey *s, unsigned pos,
				      const struct hit *hit);

/* survey_choose - the empty entry to insert into; NOWHERE if both buckets are full */
unsigned survey_choose(const struct survey *s);

static inline uint64_t survey_word(const struct survey *s, unsigned pos)
{
	return load_acquire(&s->bucket[pos / SHM_WORDS]->word[pos % SHM_WORDS]);
}

static inline bool survey_unlink(struct larder *h, const struct survey *s, unsigned pos,
				 uint64_t word)
{
	return index_unlink(h, s->bucket[pos / SHM_WORDS], pos % SHM_WORDS, word,
			    s->low[pos / SHM_WORDS]);
}

#endif
