/* SPDX-License-Identifier: MIT
 *
 * growth.c - when and where the index grows; runs in the daemon only
 *
 * DESIGN	Memory that no item needs yet is kept ready for the index: while more than an eighth of the
 *		segments is FREE, the children of all levels are committed, and an inserter that finds both
 *		its buckets full splits one on the spot. When FREE falls below a sixteenth, what was not used
 *		is punched again and becomes segments. So a burst of small items never meets a full index
 *		while there is memory, and large items do not pay for one that they do not need.
 *		When the live level is loaded beyond LOAD_HIGH, its buckets are split chunk by chunk, the hint
 *		moves over the chunk, and the parents' memory is punched.
 *		Committed = fixed parts + index + segments that are not OFFLINE, at most max_memory: segments
 *		go OFFLINE before the index takes their memory.
 * INVARIANTS	I10. hint, commit and punched move in this order: a parent is punched after the hint has
 *		passed it and nobody is announced as splitting; a level's commit count is lowered before
 *		its unused children are punched.
 * FAILURE	R9. Killed between a commit and its count, or between a count and its punch: up to two chunks
 *		of memory are allocated that nobody counts, until the chunk's turn comes again.
 */
#include "growth.h"

#include <stdlib.h>

#include "geometry.h"
#include "hazard.h"
#include "index.h"
#include "segment.h"

#define LOAD_HIGH 80 /* per cent */
#define SAMPLE_BUCKETS 128
#define COUNT_MASK ((1ULL << 56) - 1)
#define SEGMENTS_A_RUN 64

struct progress {
	unsigned level; /* of the hint */
	uint64_t split;
	uint64_t buckets; /* of that level */
	uint64_t chunk;	  /* buckets of a growth step */
};

static struct progress read_progress(const struct larder *h)
{
	uint64_t hint = load_acquire(&h->hdr->index);
	struct progress p = {
		.level = (unsigned)(hint >> 56) & (SHM_LEVELS - 1),
		.split = hint & COUNT_MASK,
	};

	p.buckets = index_mask(h, p.level) + 1;
	if (p.split > p.buckets)
		p.split = p.buckets;
	p.chunk = 1ULL << h->map->geo.chunk_shift;
	return p;
}

static uint64_t committed_children(const struct larder *h, unsigned level)
{
	uint64_t n = load_acquire(&h->hdr->commit[level]);

	return n <= index_mask(h, level) + 1 ? n : index_mask(h, level) + 1;
}

static uint64_t punched_of(const struct larder *h, unsigned level)
{
	uint64_t w = load_acquire(&h->hdr->punched);
	unsigned at = (unsigned)(w >> 56);

	if (level < at)
		return index_mask(h, level) + 1;
	return level == at ? w & COUNT_MASK : 0;
}

uint64_t growth_index_bytes(const struct larder *h)
{
	uint64_t buckets = index_mask(h, 0) + 1;

	for (unsigned i = 0; i + 1 < h->n_levels; i++)
		buckets += 2 * committed_children(h, i);
	for (unsigned i = 0; i < h->n_levels; i++)
		buckets -= punched_of(h, i) < buckets ? punched_of(h, i) : buckets;
	return buckets * sizeof(struct shm_bucket);
}

uint64_t growth_committed(const struct larder *h)
{
	struct segment_counts n;

	segment_count(h, &n);
	return h->map->geo.off_slots + growth_index_bytes(h) +
	       ((uint64_t)(h->n_segs - n.by_state[SEG_OFFLINE]) << h->seg_shift);
}

/* ------------------------------------------------------------------ segments for index, and back */

static int take_offline(struct larder *h, const struct growth_ops *ops)
{
	uint32_t seg;

	if (segment_offline(h, &seg) != 0)
		return LARDER_MISS;
	return ops->punch(ops->ctx, h->map->geo.off_data + ((uint64_t)seg << h->seg_shift),
			  h->seg_bytes);
}

static int bring_online(struct larder *h, const struct growth_ops *ops)
{
	uint64_t seg = 0;
	uint32_t taken;
	int r;

	while (seg < h->n_segs && seg_state(load_acquire(&h->segs[seg].word)) != SEG_OFFLINE)
		seg++;
	if (seg == h->n_segs)
		return LARDER_MISS;
	h->free_hint = (uint32_t)seg; /* where segment_online() looks first */
	r = ops->commit(ops->ctx, h->map->geo.off_data + (seg << h->seg_shift), h->seg_bytes);
	return r < 0 ? r : segment_online(h, &taken);
}

/* Make room for @extra bytes of index, or give back what is not needed. Return: 0; LARDER_MISS there is
 * no FREE segment to take; -errno. */
static int balance(struct larder *h, const struct growth_ops *ops, uint64_t extra)
{
	for (int i = 0; i < SEGMENTS_A_RUN; i++) {
		uint64_t want = growth_committed(h) + extra;
		int r;

		if (want > h->map->geo.max_memory)
			r = take_offline(h, ops);
		else if (want + h->seg_bytes <= h->map->geo.max_memory)
			r = bring_online(h, ops);
		else
			return 0;
		if (r != 0)
			return r == LARDER_MISS && want <= h->map->geo.max_memory ? 0 : r;
	}
	return growth_committed(h) + extra > h->map->geo.max_memory ? LARDER_MISS : 0;
}

/* ------------------------------------------------------------------ committing children */

/* The two places where a chunk's children lie, in the file. */
static void child_ranges(const struct larder *h, unsigned level, uint64_t number, uint64_t off[2])
{
	uint64_t base = h->map->geo.off_level[level + 1];

	off[0] = base + number * sizeof(struct shm_bucket);
	off[1] = base + (number + index_mask(h, level) + 1) * sizeof(struct shm_bucket);
}

static int commit_chunk(struct larder *h, const struct growth_ops *ops, unsigned level,
			uint64_t chunk)
{
	uint64_t number = committed_children(h, level);
	uint64_t bytes = chunk * sizeof(struct shm_bucket);
	uint64_t off[2];
	int r = balance(h, ops, 2 * bytes);

	if (r != 0)
		return r;
	child_ranges(h, level, number, off);
	r = ops->commit(ops->ctx, off[0], bytes);
	if (r == 0)
		r = ops->commit(ops->ctx, off[1], bytes);
	if (r == 0)
		/* [G1] release, pairs with the acquire [G2] in split_on_demand(): memory before count */
		store_release(&h->hdr->commit[level], number + chunk);
	return r;
}

static bool untouched(const struct larder *h, unsigned level, uint64_t number, uint64_t chunk)
{
	const struct shm_bucket *b = &h->level[level + 1][number];
	const struct shm_bucket *c = b + index_mask(h, level) + 1;

	for (uint64_t i = 0; i < chunk; i++)
		if (load_acquire(&b[i].word[0]) != 0 || load_acquire(&c[i].word[0]) != 0 ||
		    load_acquire_u8(&b[i].overflow) != 0 || load_acquire_u8(&c[i].overflow) != 0)
			return false;
	return true;
}

/* Nobody is inside a split now, and whoever starts one sees what was stored before this call. */
static bool nobody_splits(struct larder *h)
{
	size_t words = ((size_t)h->n_segs + 63) / 64;
	struct hazard_set set;
	bool none;

	set.own = calloc(2 * words, sizeof(uint64_t));
	if (set.own == NULL)
		return false;
	set.any = set.own + words;
	none = hazard_barrier(h);
	if (none) {
		hazard_scan(h, &set);
		none = !set.splitting;
	}
	free(set.own);
	return none;
}

/* Give the last committed chunk of a level back if no bucket of it was split. */
static int release_chunk(struct larder *h, const struct growth_ops *ops, unsigned level,
			 uint64_t floor, uint64_t chunk)
{
	uint64_t n = committed_children(h, level);
	uint64_t bytes = chunk * sizeof(struct shm_bucket);
	uint64_t off[2];

	if (n < floor + chunk)
		return LARDER_MISS;
	store_release(&h->hdr->commit[level], n - chunk);
	if (!nobody_splits(h) || !untouched(h, level, n - chunk, chunk)) {
		store_release(&h->hdr->commit[level], n);
		return LARDER_MISS;
	}
	child_ranges(h, level, n - chunk, off);
	ops->punch(ops->ctx, off[0], bytes);
	ops->punch(ops->ctx, off[1], bytes);
	return 0;
}

/* ------------------------------------------------------------------ splitting */

static unsigned load_percent(struct larder *h)
{
	unsigned used = 0;

	for (unsigned s = 0; s < SAMPLE_BUCKETS; s++) {
		uint64_t hash = (uint64_t)handle_random(h) << 24 ^ handle_random(h);
		const struct shm_bucket *b = index_locate(h, hash);

		for (unsigned i = 0; b != NULL && i < SHM_WORDS; i++)
			used += slot_kind(load_relaxed(&b->word[i])) == SLOT_COMMITTED;
	}
	return used * 100 / (SAMPLE_BUCKETS * SHM_WORDS);
}

/* Some buckets of the hinted level have been split on demand: is the level as a whole on its way? */
static bool split_ahead(struct larder *h, const struct progress *p)
{
	unsigned frozen = 0;

	for (unsigned s = 0; s < SAMPLE_BUCKETS; s++) {
		uint64_t b = p->split + handle_random(h) % (p->buckets - p->split);

		frozen += slot_frozen(load_acquire(&h->level[p->level][b].word[0]));
	}
	return frozen * 4 > SAMPLE_BUCKETS;
}

static void advance_hint(struct larder *h, const struct progress *p, uint64_t split)
{
	uint64_t hint = split < p->buckets ? (uint64_t)p->level << 56 | split
					   : (uint64_t)(p->level + 1) << 56;

	/* [G3] release, pairs with the relaxed hint, which readers check against the bucket itself */
	store_release(&h->hdr->index, hint);
}

static int split_chunk(struct larder *h, const struct growth_ops *ops, const struct progress *p)
{
	if (committed_children(h, p->level) < p->split + p->chunk) {
		int r = commit_chunk(h, ops, p->level, p->chunk);

		if (r != 0)
			return r;
	}
	for (uint64_t i = 0; i < p->chunk; i++)
		split_bucket(h, p->level, p->split + i);
	advance_hint(h, p, p->split + p->chunk);
	return 0;
}

/* Punch the next chunk of parents that the hint has passed. Return: one was. */
static bool punch_parents(struct larder *h, const struct growth_ops *ops)
{
	struct progress p = read_progress(h);
	uint64_t w = load_acquire(&h->hdr->punched);
	unsigned level = (unsigned)(w >> 56) & (SHM_LEVELS - 1);
	uint64_t done = w & COUNT_MASK;
	uint64_t passed = level < p.level ? index_mask(h, level) + 1 : p.split;
	uint64_t off = h->map->geo.off_level[level] + done * sizeof(struct shm_bucket);

	if (level > p.level || done >= passed || !nobody_splits(h))
		return false;
	ops->punch(ops->ctx, off, p.chunk * sizeof(struct shm_bucket));
	done += p.chunk;
	store_release(&h->hdr->punched, done <= index_mask(h, level) ? (uint64_t)level << 56 | done
								     : (uint64_t)(level + 1) << 56);
	return true;
}

/* ------------------------------------------------------------------ the step */

static int prepare_children(struct larder *h, const struct growth_ops *ops,
			    const struct progress *p)
{
	for (unsigned i = p->level; i + 1 < h->n_levels; i++) {
		int r;

		if (committed_children(h, i) > index_mask(h, i))
			continue;
		r = commit_chunk(h, ops, i, p->chunk);
		return r == 0 ? 1 : r < 0 ? r : 0;
	}
	return 0;
}

static int release_children(struct larder *h, const struct growth_ops *ops,
			    const struct progress *p)
{
	for (unsigned i = h->n_levels - 1; i-- > p->level;)
		if (release_chunk(h, ops, i, i == p->level ? p->split : 0, p->chunk) == 0) {
			int r = balance(h, ops, 0);

			return r < 0 ? r : 1;
		}
	return 0;
}

int growth_run(struct larder *h, const struct growth_ops *ops)
{
	struct progress p = read_progress(h);
	struct segment_counts n;
	bool may_grow = p.level + 1 < h->n_levels;
	int r;

	if (punch_parents(h, ops)) {
		r = balance(h, ops, 0);
		return r < 0 ? r : 1;
	}
	if (may_grow && (load_percent(h) > LOAD_HIGH || split_ahead(h, &p))) {
		r = split_chunk(h, ops, &p);
		return r == 0 ? 1 : r < 0 ? r : 0;
	}
	segment_count(h, &n);
	if (may_grow && n.by_state[SEG_FREE] > h->n_segs / 8)
		return prepare_children(h, ops, &p);
	if (may_grow && n.by_state[SEG_FREE] < h->n_segs / 16)
		return release_children(h, ops, &p);
	return 0;
}
