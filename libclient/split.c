/* SPDX-License-Identifier: MIT
 *
 * split.c - one bucket of a level becomes two of the next
 *
 * DESIGN	Freeze every word of the parent (a bit, by CAS; a PENDING one is killed), then its overflow
 *		byte; then give both children the overflow byte and each word its place: CAS(VIRGIN -> word)
 *		in the child that the word's next bit selects, CAS(VIRGIN -> EMPTY) in the other. VIRGIN
 *		occurs once in the life of a child's word, so a late helper's CAS fails whatever happened to
 *		the entry since. Anybody may split or help; nobody has to wait.
 *
 *		A parent's chunk is punched when its splits are done, and reads VIRGIN again. A helper that
 *		slept through two generations of that could store into a child that was itself split and
 *		punched. So it announces itself (slot.splitting) and only then checks that the parent is not
 *		VIRGIN; whoever punches a chunk first makes sure by membarrier and scan that nobody is
 *		announced (growth.c), and parents are punched before their children.
 *
 * INVARIANTS	I9. A frozen word never changes. While a child's entry is VIRGIN, the frozen word counts.
 *		Both children inherit the overflow count: too high by what belongs to the other, never too
 *		low; a frozen count is never changed, the child's is.
 * CONCURRENCY	label  store                    load                          orders
 *		F1/F2  freeze_word              bucket_live after a scan      frozen word -> edits of children
 *		F3/F4  fill_word                words of the child            count of the child -> its words
 *		G1/G2  commit_chunk (growth.c)  split_on_demand               memory -> count
 * FAILURE	R9: killed anywhere, the next writer that meets a frozen word finishes the split.
 */
#include "hazard.h"
#include "index.h"

static uint64_t frozen_form(uint64_t w)
{
	return (slot_kind(w) == SLOT_PENDING ? SLOT_EMPTY_WORD : w) | SLOT_FROZEN;
}

/* Return: false if the parent is not there any more. */
static bool freeze_word(struct larder *h, struct shm_bucket *parent, unsigned i, uint64_t low)
{
	for (int tries = 0; tries < WRITE_ROUNDS * 64; tries++) {
		uint64_t w = load_acquire(&parent->word[i]);

		if (slot_frozen(w))
			return true;
		if (slot_kind(w) == SLOT_VIRGIN)
			return false;
		/* [F1] release, pairs with [F2] in bucket_live(): frozen before any child is changed */
		if (!handle_alive(h) || !cas(&parent->word[i], w, frozen_form(w)))
			continue;
		if (slot_kind(w) == SLOT_PENDING) {
			stat_add(h, STAT_pending_killed, 1);
			if (slot_alt(w))
				overflow_down(h, w, low);
		}
		return true;
	}
	return false;
}

/* Whoever freezes the overflow byte counts the split. */
static bool freeze_overflow(struct larder *h, struct shm_bucket *parent)
{
	for (int tries = 0; tries < WRITE_ROUNDS * 64; tries++) {
		uint8_t v = load_acquire_u8(&parent->overflow);

		if (v & OVERFLOW_FROZEN)
			return true;
		if (v == 0)
			return false;
		/* [F1] release, pairs with [F2] in bucket_live(): as the words, which are frozen before */
		if (handle_alive(h) && cas_u8(&parent->overflow, v, v | OVERFLOW_FROZEN)) {
			stat_add(h, STAT_splits, 1);
			return true;
		}
	}
	return false;
}

/* Which child: the next bit of the hash that led here. */
static unsigned child_bit(const struct larder *h, uint64_t word, unsigned level)
{
	unsigned shift = hash_bits(h->bucket_mask0) + level;
	uint32_t tag = slot_tag(word);
	unsigned bit = tag >> level & 1;

	return slot_alt(word) ? bit ^ ((unsigned)(hash_spread(tag, h->bucket_mask0) >> shift) & 1)
			      : bit;
}

/* CAS(VIRGIN -> word), with a look first: a helper that comes late finds all of it done. */
static bool fill_word(const struct larder *h, shm_u64 *word, uint64_t w)
{
	/* [F3] release, pairs with [F4] in complete(): the child's count is there before its words */
	return load_acquire(word) == 0 && handle_alive(h) && cas(word, 0, w);
}

static void fill_children(const struct larder *h, const struct shm_bucket *parent,
			  struct shm_bucket *child[2], unsigned level)
{
	uint8_t overflow = load_acquire_u8(&parent->overflow) & OVERFLOW_VALUE;

	for (unsigned c = 0; c < 2; c++)
		if (load_acquire_u8(&child[c]->overflow) == 0 && handle_alive(h))
			/* [O3] release, pairs with [O2] in index_find_read(): before the alt words */
			cas_u8(&child[c]->overflow, 0, overflow);
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		uint64_t w = load_acquire(&parent->word[i]) & ~SLOT_FROZEN;
		unsigned c = child_bit(h, w, level);

		if (slot_kind(w) == SLOT_VIRGIN)
			return; /* punched: the split was finished long ago */
		if (fill_word(h, &child[c]->word[i], w))
			/* relaxed: a hint */
			store_relaxed_u8(&child[c]->recency[i],
					 load_relaxed_u8(&parent->recency[i]));
		fill_word(h, &child[!c]->word[i], SLOT_EMPTY_WORD);
	}
}

void split_bucket(struct larder *h, unsigned level, uint64_t number)
{
	struct shm_bucket *parent = &h->level[level][number];
	struct shm_bucket *child[2] = {
		&h->level[level + 1][number],
		&h->level[level + 1][number + index_mask(h, level) + 1],
	};
	uint64_t nested = load_private(&h->slot->splitting);
	bool frozen = true;

	hazard_set(h, &h->slot->splitting, 1);
	for (unsigned i = 0; i < SHM_WORDS && frozen; i++)
		frozen = freeze_word(h, parent, i, number & h->bucket_mask0);
	if (frozen && freeze_overflow(h, parent))
		fill_children(h, parent, child, level);
	if (nested == 0)
		hazard_drop(h, &h->slot->splitting);
}

bool split_on_demand(struct larder *h, uint64_t hash, bool deep)
{
	uint64_t hint = load_relaxed(&h->hdr->index); /* 0: the daemon has not begun */
	unsigned level = index_hinted_level(h, hash);
	uint64_t number;
	bool may;

	while (level + 1 < h->n_levels && !bucket_live(index_at(h, level, hash)))
		level++;
	if (level + 1 >= h->n_levels || (hint != 0 && level == (hint >> 56) + 1 && !deep))
		return false;
	number = hash & index_mask(h, level);
	/* Announced first: the daemon lowers the count, looks for announcements, and only then takes
	 * the children's memory away. */
	hazard_set(h, &h->slot->splitting, 1);
	/* [G2] acquire, pairs with [G1] in growth.c: the children's memory is there */
	may = number < load_acquire(&h->hdr->commit[level]);
	if (may)
		split_bucket(h, level, number);
	hazard_drop(h, &h->slot->splitting);
	return may;
}

static bool complete(const struct shm_bucket *b)
{
	for (unsigned i = 0; i < SHM_WORDS; i++)
		/* [F4] acquire, pairs with [F3] in fill_word() */
		if (slot_kind(load_acquire(&b->word[i])) == SLOT_VIRGIN)
			return false;
	return true;
}

static void merge_view(const struct shm_bucket *parent, const struct shm_bucket *child,
		       uint64_t words[SHM_WORDS], bool *overflow)
{
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		uint64_t w = load_acquire(&parent->word[i]);
		uint64_t c = slot_frozen(w) ? load_acquire(&child->word[i]) : 0;

		/* A child may already be freezing while some of its words are still to come. */
		words[i] = (slot_kind(c) != SLOT_VIRGIN ? c : w) & ~SLOT_FROZEN;
	}
	*overflow = overflow_any(parent) || overflow_any(child);
}

bool split_view(const struct larder *h, uint64_t hash, uint64_t words[SHM_WORDS], bool *overflow)
{
	for (unsigned level = index_hinted_level(h, hash); level < h->n_levels; level++) {
		const struct shm_bucket *b = index_at(h, level, hash);
		const struct shm_bucket *child;

		if (slot_kind(load_acquire(&b->word[0])) == SLOT_VIRGIN)
			continue;
		child = level + 1 < h->n_levels ? index_at(h, level + 1, hash) : b;
		if (child != b && slot_frozen(load_acquire(&b->word[0])) && complete(child))
			continue;
		merge_view(b, child, words, overflow);
		return true;
	}
	return false;
}
