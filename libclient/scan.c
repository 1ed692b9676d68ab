/* SPDX-License-Identifier: MIT
 *
 * scan.c - visiting all keys of a namespace in bounded steps
 *
 * The cursor counts level-0 buckets, twice. Whatever the level of the live buckets, those that grew out of one
 * level-0 bucket are visited together, at most 8 of them, so a split between two steps neither hides a
 * key nor moves it to a part that the cursor has passed. Replaces and moves by the cleaner happen in
 * place. A word moves to another bucket only by displacement, from its home to its second bucket: so the
 * cursor passes all buckets twice, first for home words, then for the others. Inside a split, a parent's frozen word counts
 * while its place in the child is VIRGIN; the children are visited after the parent, so a key that was
 * copied in between is seen there (and perhaps twice).
 */
#include <stdlib.h>

#include "read.h"

#define STEPS_MAX 65536u
#define EMIT_ROUNDS 64

struct scan {
	larder_scan_fn *fn;
	void *ctx;
	uint8_t *key; /* LARDER_KEY_MAX bytes */
	bool alt;     /* second pass */
	bool stopped;
};

/* Show the item of a word that was just loaded from @b. Return: false: load the word again. */
static bool emit(struct larder *h, struct scan *s, uint64_t word)
{
	struct larder_meta meta;
	struct hit hit;
	enum find f;

	if (slot_kind(word) != SLOT_COMMITTED || slot_alt(word) != s->alt)
		return true;
	f = index_load(h, word & ~SLOT_FROZEN, &hit);
	if (f == FIND_RETRY)
		return false;
	if (f == FIND_NONE)
		return word_fresh(word,
				  load_acquire(&h->segs[hit.seg < h->n_segs ? hit.seg : 0].word));
	if (hit.it.ns != h->ns)
		return hit_intact(h, &hit);
	copy_out(s->key, item_key(h, hit.seg, hit.off, &hit.it), hit.it.klen);
	read_describe(h, &hit, &meta);
	if (!hit_intact(h, &hit))
		return false;
	if (item_current(h, &hit.it, hit.epoch) && s->fn(s->ctx, s->key, hit.it.klen, &meta) != 0)
		s->stopped = true;
	return true;
}

/* Has a frozen word arrived in the child? Only one child gets it, the other an EMPTY. */
static bool in_child(const struct larder *h, unsigned level, uint64_t number, unsigned i)
{
	const struct shm_bucket *c = &h->level[level + 1][number];
	const struct shm_bucket *d = c + index_mask(h, level) + 1;

	return load_acquire(&c->word[i]) != 0 && load_acquire(&d->word[i]) != 0;
}

/* Return: the entry is frozen or punched, so the children must be visited. */
static bool visit_entry(struct larder *h, struct scan *s, unsigned level, uint64_t number,
			unsigned i)
{
	const struct shm_bucket *b = &h->level[level][number];

	for (int round = 0; round < EMIT_ROUNDS; round++) {
		uint64_t word = load_acquire(&b->word[i]);

		if (slot_kind(word) == SLOT_VIRGIN)
			return true;
		if (slot_frozen(word) && level + 1 < h->n_levels) {
			if (!in_child(h, level, number, i))
				emit(h, s, word);
			return true;
		}
		if (emit(h, s, word))
			return false;
	}
	return false;
}

/* Return: the children of this bucket must be visited. */
static bool visit_bucket(struct larder *h, struct scan *s, unsigned level, uint64_t number)
{
	uint64_t split = load_acquire(&h->hdr->index);
	/* Punched, or complete: only the children count. */
	bool children = (split >> 56) > level ||
			((split >> 56) == level && number < (split & ((1ULL << 56) - 1)));

	if (!children)
		for (unsigned i = 0; i < SHM_WORDS; i++)
			children |= visit_entry(h, s, level, number, i);
	/* Whoever is here came through a split parent: VIRGIN means punched since the hint was loaded. */
	return children && level + 1 < h->n_levels;
}

/* A bucket of level 0 and all that grew out of it, at most 8 a level, parents before children. */
static void visit(struct larder *h, struct scan *s, uint64_t number)
{
	uint32_t todo = 1; /* bit k: number + k times the buckets of level 0 */

	for (unsigned level = 0; todo != 0; level++) {
		uint32_t children = 0;

		for (unsigned k = 0; k < 1u << level; k++)
			if (todo >> k & 1 &&
			    visit_bucket(h, s, level, number + k * (h->bucket_mask0 + 1)))
				children |= 1u << k | 1u << (k + (1u << level));
		todo = children;
	}
}

int larder_scan(struct larder *h, uint64_t *cursor, uint32_t steps, larder_scan_fn *fn, void *ctx)
{
	struct scan s = {.fn = fn, .ctx = ctx};
	int r;

	if (cursor == NULL || fn == NULL || steps == 0 || steps > STEPS_MAX)
		return -EINVAL;
	r = handle_enter(h);
	if (r != 0)
		return r;
	if (*cursor > 2 * h->bucket_mask0 + 1) {
		handle_leave(h);
		return -EINVAL;
	}
	s.key = malloc(LARDER_KEY_MAX);
	if (s.key == NULL) {
		handle_leave(h);
		return -ENOMEM;
	}
	stat_add(h, STAT_scan, 1);
	for (; steps > 0 && !s.stopped; steps--) {
		s.alt = *cursor > h->bucket_mask0;
		visit(h, &s, *cursor & h->bucket_mask0);
		*cursor = *cursor < 2 * h->bucket_mask0 + 1 ? *cursor + 1 : 0;
		if (*cursor == 0)
			break;
	}
	free(s.key);
	handle_leave(h);
	return 0;
}
