/* SPDX-License-Identifier: MIT
 *
 * check_index.c - the part of larder_check() that walks the index
 *
 * DESIGN	All buckets that the hint has not passed are visited, level by level below each level-0 bucket;
 *		punched ones and those without memory are not touched. A bucket has the *form* that its splits
 *		leave at any instant, however many helpers were killed: words are frozen from the front and
 *		filled from the front, the overflow byte is frozen last and filled first, and a child is filled
 *		only once its parent is frozen altogether.
 *		A word counts if it is COMMITTED, not stale and, if frozen, not yet in a child. A broken one is
 *		reported if it and its segment's generation stood still while it was looked at: items never
 *		change, so then it was broken all the time.
 * INVARIANTS	Each value is loaded once and bounds-checked; O(index + items).
 */
#include "check.h"

#define AT_LEVEL_SHIFT 56
#define STILL_TRIES 16
#define ALT_LIST 128u /* more than a count that is not saturated */

static uint64_t at_make(unsigned level, uint64_t number, unsigned i)
{
	return (uint64_t)level << AT_LEVEL_SHIFT | number << 3 | i;
}

static unsigned at_level(uint64_t at)
{
	return (unsigned)(at >> AT_LEVEL_SHIFT);
}

static uint64_t at_number(uint64_t at)
{
	return (at & ((1ULL << AT_LEVEL_SHIFT) - 1)) >> 3;
}

static struct shm_bucket *at_bucket(const struct larder *h, uint64_t at)
{
	return &h->level[at_level(at)][at_number(at)];
}

/* Whose live bucket does the hint see at a higher level? It may be punched: not to be touched. */
static bool hint_passed(const struct larder *h, unsigned level, uint64_t number)
{
	return index_hinted_level(h, number) > level;
}

/* ------------------------------------------------------------------ I9, I10: the form of a bucket */

struct form {
	uint64_t words[SHM_WORDS];
	uint64_t overflow; /* as wide as the words: no padding to compare */
};

static void load_form(const struct shm_bucket *b, struct form *f)
{
	for (unsigned i = 0; i < SHM_WORDS; i++)
		f->words[i] = load_acquire(&b->word[i]);
	f->overflow = load_acquire_u8(&b->overflow);
}

/* Return: false if it changes all the time. */
static bool load_still(const struct shm_bucket *b, struct form *f)
{
	struct form again;

	load_form(b, f);
	for (int tries = 0; tries < STILL_TRIES; tries++) {
		load_form(b, &again);
		if (memcmp(f, &again, sizeof(again)) == 0)
			return true;
		*f = again;
	}
	return false;
}

static unsigned count_virgin(const struct form *f)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHM_WORDS; i++)
		n += slot_kind(f->words[i]) == SLOT_VIRGIN;
	return n;
}

static bool all_frozen(const struct form *f)
{
	for (unsigned i = 0; i < SHM_WORDS; i++)
		if (!slot_frozen(f->words[i]))
			return false;
	return true;
}

/* Unused bits are 0; frozen and filled from the front; the overflow byte frozen last. */
static bool well_formed(const struct form *f)
{
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		uint64_t w = f->words[i];
		uint64_t before = i > 0 ? f->words[i - 1] : SLOT_FROZEN;

		if (slot_kind(w) == SLOT_VIRGIN ? w != 0 : i > 0 && before == 0)
			return false;
		if (slot_kind(w) == SLOT_EMPTY && (w & ~SLOT_FROZEN) != SLOT_EMPTY_WORD)
			return false;
		if (slot_frozen(w) && !slot_frozen(before))
			return false;
	}
	return (f->overflow & OVERFLOW_FROZEN) == 0 || all_frozen(f);
}

/* The hint is loaded last: it passes a parent before the parent is punched. */
static bool parent_done(const struct larder *h, unsigned level, uint64_t number)
{
	uint64_t parent = number & index_mask(h, level - 1);
	struct form f;

	if (hint_passed(h, level - 1, parent))
		return true;
	load_form(&h->level[level - 1][parent], &f);
	return (all_frozen(&f) && (f.overflow & OVERFLOW_FROZEN)) ||
	       hint_passed(h, level - 1, parent);
}

static unsigned look_at_form(struct check *c, uint64_t at)
{
	const struct larder *h = c->h;
	unsigned level = at_level(at);
	uint64_t number = at_number(at);
	struct form f;
	unsigned virgin;

	if (!load_still(at_bucket(h, at), &f) || hint_passed(h, level, number))
		return 0;
	if (!well_formed(&f))
		return 9;
	virgin = count_virgin(&f);
	if (virgin != 0 && level <= index_hinted_level(h, number))
		return level == 0 ? 9 : 10;
	return virgin < SHM_WORDS && level > 0 && !parent_done(h, level, number) ? 9 : 0;
}

static void check_form(struct check *c, uint64_t at)
{
	unsigned found = check_persists(c, look_at_form, at);
	unsigned level = at_level(at);
	unsigned long long number = at_number(at);

	if (found == 9)
		check_tell(c, 9, "bucket %llu of level %u: no split leaves it like this", number,
			   level);
	else if (found == 10)
		check_tell(c, 10, "bucket %llu of level %u is missing: its parent was split",
			   number, level);
}

static unsigned look_at_hint(struct check *c, uint64_t at)
{
	uint64_t hint = load_acquire(&c->h->hdr->index);
	uint64_t level = hint >> AT_LEVEL_SHIFT;
	uint64_t split = hint & ((1ULL << AT_LEVEL_SHIFT) - 1);

	(void)at;
	if (level >= c->h->n_levels || split > index_mask(c->h, (unsigned)level))
		return 10;
	return split != 0 && level + 1 >= c->h->n_levels ? 10 : 0;
}

/* ------------------------------------------------------------------ I4 to I7, I13, I15: words */

/* Has a frozen word arrived in the child? Only one child gets it, the other an EMPTY. */
static bool in_child(const struct larder *h, uint64_t at, unsigned i)
{
	unsigned level = at_level(at);
	const struct shm_bucket *child;

	if (level + 1 >= h->n_levels)
		return false;
	child = &h->level[level + 1][at_number(at)];
	return load_acquire(&child->word[i]) != 0 &&
	       load_acquire(&child[index_mask(h, level) + 1].word[i]) != 0;
}

/* Entries of one of the two buckets that name an item of this key. */
static unsigned count_matches(struct larder *h, const struct key *k, bool alt, bool *overflow)
{
	uint64_t words[SHM_WORDS];
	unsigned n = 0;

	if (!split_view(h, alt ? k->hash2 : k->hash, words, overflow))
		return 0;
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		struct hit hit;

		n += (words[i] & SLOT_MATCH_MASK) == key_pattern(k, alt) &&
		     index_examine(h, k, words[i], &hit) == FIND_HIT;
	}
	return n;
}

/* From the home one sees both buckets, from the second bucket only itself. */
static bool has_twin(struct larder *h, const struct key *k, bool alt)
{
	bool overflow = false, ignored;
	unsigned n = count_matches(h, k, alt, &overflow);

	if (!alt && overflow)
		n += count_matches(h, k, true, &ignored);
	return n > 1;
}

/* A generation that a segment has not reached, or in which it is not a body. */
static bool bad_extent(const struct larder *h, uint64_t extent)
{
	uint64_t seg = extent >> EXTENT_SEG_SHIFT;
	uint64_t gen = extent & EXTENT_GEN_MASK;
	uint64_t w, now;

	if (seg >= h->n_segs)
		return true;
	w = load_acquire(&h->segs[seg].word);
	now = seg_gen(w) & EXTENT_GEN_MASK;
	return gen > now || (gen == now && !seg_body(w));
}

static bool bad_extents(const struct larder *h, const struct hit *hit)
{
	const uint8_t *list = item_value(h, hit->seg, hit->off, &hit->it);
	uint64_t n = hit->it.type == ITEM_EXTENTS ? extent_count(h, hit->it.klen, hit->it.vlen) : 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t extent;

		copy_out(&extent, list + i * sizeof(extent), sizeof(extent));
		if (bad_extent(h, extent))
			return true;
	}
	return false;
}

static void key_of(const struct larder *h, const struct hit *hit, struct key *k)
{
	k->data = item_key(h, hit->seg, hit->off, &hit->it);
	k->len = hit->it.klen;
	k->ns = hit->it.ns;
	k->hash = hash_key(hash_seed(h->map->seed, k->ns), k->data, k->len);
	k->tag = hash_tag(k->hash, h->bucket_mask0);
	k->hash2 = k->hash ^ hash_spread(k->tag, h->bucket_mask0);
}

/* The segment of a word that is not stale, and the item in it. */
static unsigned judge_place(const struct larder *h, struct hit *hit)
{
	enum seg_state state = seg_state(hit->seg_word);

	if (state == SEG_FREE || state == SEG_OFFLINE || state == SEG_LIMBO ||
	    seg_body(hit->seg_word))
		return 4;
	if (!item_decode(h, hit->seg, hit->off, seg_gen(hit->seg_word), &hit->it))
		return 5;
	return hit->off + hit->it.bytes > load_acquire_u32(&h->table[hit->seg].fill) ? 5 : 0;
}

static unsigned judge_item(struct check *c, uint64_t at, struct hit *hit, struct key *k)
{
	struct larder *h = c->h;
	bool alt = slot_alt(hit->word);
	unsigned found = judge_place(h, hit);

	if (found != 0)
		return found;
	key_of(h, hit, k);
	if (((alt ? k->hash2 : k->hash) & index_mask(h, at_level(at))) != at_number(at) ||
	    k->tag != slot_tag(hit->word) ||
	    hit->it.check != item_check(k->hash, k->len, hit->it.vlen))
		return 6;
	if (has_twin(h, k, alt))
		return 7;
	if (bad_extents(h, hit))
		return 13;
	return hit->it.stamp > load_acquire(&h->hdr->flush_seq) ? 16 : 0;
}

/* Return: as check_look. hit->seg is NO_SEGMENT if the entry names no item that counts. */
static unsigned judge_word(struct check *c, uint64_t at, struct hit *hit, struct key *k)
{
	struct larder *h = c->h;
	const shm_u64 *entry = &at_bucket(h, at)->word[at & 7];
	uint64_t word = load_acquire(entry);
	unsigned found;

	hit->seg = NO_SEGMENT;
	hit->word = word & ~SLOT_FROZEN;
	if (slot_kind(word) != SLOT_COMMITTED ||
	    (slot_frozen(word) && in_child(h, at, (unsigned)(at & 7))))
		return 0;
	if (!word_place(h, word, &hit->seg, &hit->off)) {
		hit->seg = NO_SEGMENT;
		return 4;
	}
	hit->seg_word = load_acquire(&h->segs[hit->seg].word);
	found = word_fresh(word, hit->seg_word) ? judge_item(c, at, hit, k) : 0;
	if (word_fresh(word, hit->seg_word) && hit_intact(h, hit) &&
	    (load_acquire(entry) & ~SLOT_FROZEN) == hit->word)
		return found;
	hit->seg = NO_SEGMENT;
	return 0;
}

static unsigned look_at_entry(struct check *c, uint64_t at)
{
	struct hit hit;
	struct key k;

	return judge_word(c, at, &hit, &k);
}

/* What the other checks need to know about a linked item. */
static void note_item(struct check *c, const struct hit *hit, const struct key *k)
{
	struct check_reach *reach = &c->reach[hit->seg];
	uint64_t gen = seg_gen(hit->seg_word);
	uint64_t home = k->hash & index_mask(c->h, c->h->n_levels - 1);

	if (reach->gen != gen)
		*reach = (struct check_reach){.gen = gen};
	if (reach->end <= hit->off)
		reach->end = hit->off + 1;
	if (slot_alt(hit->word) && c->alt[home] < 255)
		c->alt[home]++;
	c->ns_seen[k->ns / 8] |= (uint8_t)(1u << (k->ns % 8));
}

static void check_entry(struct check *c, uint64_t at)
{
	static const char *const text[CHECK_INVARIANTS + 1] = {
		[4] = "names no segment of items that is in use",
		[5] = "names an item beyond its segment's end",
		[6] = "names an item of another bucket",
		[7] = "has a twin: its key is there twice",
		[13] = "lists an extent that never was",
		[16] = "is ahead of the sequence of flushes",
	};
	struct hit hit;
	struct key k;
	unsigned found = judge_word(c, at, &hit, &k);

	if (found != 0)
		found = check_persists(c, look_at_entry, at);
	else if (hit.seg != NO_SEGMENT)
		note_item(c, &hit, &k);
	if (found != 0)
		check_tell(c, found, "entry %u in bucket %llu of level %u %s", (unsigned)(at & 7),
			   (unsigned long long)at_number(at), at_level(at), text[found]);
}

/* ------------------------------------------------------------------ the walk */

typedef void visit_fn(struct check *c, uint64_t at);

/* Children have memory where the parent is frozen, or as far as the count says. */
static bool has_children(const struct larder *h, unsigned level, uint64_t number)
{
	if (level + 1 >= h->n_levels)
		return false;
	return hint_passed(h, level, number) ||
	       slot_frozen(load_acquire(&h->level[level][number].word[0])) ||
	       number < load_acquire(&h->hdr->commit[level]);
}

/* The buckets that grew out of a level-0 bucket, and that one. Bit p of here: root + p * level-0 size. */
static void visit(struct check *c, uint64_t root, visit_fn *fn)
{
	uint64_t size0 = c->h->bucket_mask0 + 1;
	unsigned here = 1;

	for (unsigned level = 0; level < c->h->n_levels; level++) {
		unsigned next = 0;

		for (unsigned p = 0; p < 1u << level; p++) {
			uint64_t number = root + p * size0;

			if (!(here >> p & 1))
				continue;
			if (!hint_passed(c->h, level, number))
				fn(c, at_make(level, number, 0));
			if (has_children(c->h, level, number))
				next |= (1u | 1u << (1u << level)) << p;
		}
		here = next;
	}
}

static void check_bucket(struct check *c, uint64_t at)
{
	check_form(c, at);
	for (unsigned i = 0; i < SHM_WORDS; i++)
		check_entry(c, at | i);
}

void check_index(struct check *c)
{
	if (check_persists(c, look_at_hint, 0) != 0)
		check_tell(c, 10, "the hint points outside the index");
	for (uint64_t number = 0; number <= c->h->bucket_mask0; number++)
		visit(c, number, check_bucket);
}

/* ------------------------------------------------------------------ I8 */

/* The valid alt words of a home, up to ALT_LIST. */
static unsigned list_alts(struct larder *h, unsigned level, uint64_t number,
			  uint64_t list[ALT_LIST])
{
	unsigned shift = (unsigned)__builtin_popcountll(h->bucket_mask0);
	uint32_t known = (1u << level) - 1; /* split bits that the number tells */
	unsigned n = 0;

	for (uint32_t tag = 0; tag <= SLOT_TAG_MASK; tag++) {
		uint64_t home = (number & h->bucket_mask0) | (uint64_t)(tag & 7) << shift;
		struct key k = {.tag = tag};
		uint64_t words[SHM_WORDS];
		bool ignored;

		if (((tag ^ number >> shift) & known) != 0 ||
		    !split_view(h, home ^ hash_spread(tag, h->bucket_mask0), words, &ignored))
			continue;
		for (unsigned i = 0; i < SHM_WORDS && n < ALT_LIST; i++) {
			uint32_t seg, off;

			if ((words[i] & SLOT_MATCH_MASK) == key_pattern(&k, true) &&
			    word_place(h, words[i], &seg, &off) &&
			    word_fresh(words[i], load_acquire(&h->segs[seg].word)))
				list[n++] = words[i];
		}
	}
	return n;
}

/* A word that is there before and after the count was loaded was there when it was. */
static bool overflow_short(struct larder *h, unsigned level, uint64_t number)
{
	const struct shm_bucket *b = &h->level[level][number];
	uint64_t before[ALT_LIST], after[ALT_LIST];
	unsigned n = list_alts(h, level, number, before);
	uint8_t count = load_acquire_u8(&b->overflow);
	unsigned m = list_alts(h, level, number, after);
	unsigned both = 0;

	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < m; j++)
			both += before[i] == after[j];
	return count < OVERFLOW_SATURATED && count < both + 1 && bucket_live(b) &&
	       !hint_passed(h, level, number);
}

static void check_count(struct check *c, uint64_t at)
{
	const struct larder *h = c->h;
	unsigned level = at_level(at);
	uint64_t number = at_number(at);
	const struct shm_bucket *b = at_bucket(h, at);
	uint8_t count = load_acquire_u8(&b->overflow);
	unsigned want = 1;

	if (!bucket_live(b))
		return;
	for (uint64_t i = number; i <= index_mask(h, h->n_levels - 1);
	     i += index_mask(h, level) + 1)
		want += c->alt[i];
	if (count >= OVERFLOW_SATURATED || count >= want || c->recounts == 0)
		return;
	c->recounts--;
	if (overflow_short(c->h, level, number))
		check_tell(c, 8, "bucket %llu of level %u counts %d words in second buckets",
			   (unsigned long long)number, level, (int)count - 1);
}

void check_overflow(struct check *c)
{
	for (uint64_t number = 0; number <= c->h->bucket_mask0; number++)
		visit(c, number, check_count);
}
