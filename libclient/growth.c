/* SPDX-License-Identifier: MIT
 *
 * growth.c - when and where the index grows; runs in the daemon only
 *
 * DESIGN	Memory that no item needs yet is kept ready for the index: while enough segments are FREE, the
 *		children of all levels are committed, and an inserter that finds both its buckets full splits
 *		one on the spot. When less than an eighth is FREE, what was not used is punched again and
 *		becomes segments, before the writers have used up the rest; from half of the memory on, this
 *		goes for levels that items of the size so far will not reach. So a burst of small items never
 *		meets a full index while there is memory, and large items do not pay for one that they do not
 *		need. What is left FREE after preparing is more than an eighth, so the two do not alternate.
 *		When the buckets of the live level that are not yet split are loaded beyond LOAD_BEGIN, they
 *		are split chunk by chunk, the hint moves over the chunk, and the parents' memory is punched.
 *		The load at which the next chunk goes rises to LOAD_END on the way: the index grows as items
 *		come, and no bucket of the rest becomes so full that inserters split all over the level,
 *		which costs its children's memory as well as its own.
 *		Committed = fixed parts + index + segments that are not OFFLINE, at most max_memory: segments
 *		go OFFLINE before the index takes their memory.
 * INVARIANTS	I10. hint, commit and punched move in this order: a parent is punched after the hint has
 *		passed it and nobody is announced as splitting; a level's commit count is lowered before
 *		its unused children are punched.
 * CONCURRENCY	label  store                    load                          orders
 *		G1/G2  commit_chunk             split_on_demand               memory -> count
 *		G3/G4  advance_hint             index_hinted_level            children -> hint
 * FAILURE	R9. Killed between a commit and its count, or between a count and its punch: up to
 *		RELEASE_CHUNKS pairs of chunks are allocated that nobody counts, until their turn comes again.
 */
#include "growth.h"

#include <stdlib.h>

#include "geometry.h"
#include "hazard.h"
#include "index.h"
#include "segment.h"

#define LOAD_BEGIN 75 /* per cent of the entries of a level are in use: its split begins */
#define LOAD_END 92   /* ... and is done */
#define SAMPLE_BUCKETS 128
#define COUNT_MASK ((1ULL << 56) - 1)
#define SEGMENTS_A_RUN 64
#define RELEASE_CHUNKS 8

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
		/* [G1] release, pairs with [G2] in split_on_demand(): memory before count */
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

/* How many of the last @max committed chunks of a level hold nothing. */
static uint64_t untouched_chunks(const struct larder *h, unsigned level, uint64_t n, uint64_t chunk,
				 uint64_t max)
{
	uint64_t i = 0;

	while (i < max && untouched(h, level, n - (i + 1) * chunk, chunk))
		i++;
	return i;
}

/* Give the last committed chunks of a level back, as far as no bucket of them was split. */
static int release_chunks(struct larder *h, const struct growth_ops *ops, unsigned level,
			  uint64_t floor, uint64_t chunk)
{
	uint64_t n = committed_children(h, level);
	uint64_t max = n > floor ? (n - floor) / chunk : 0;
	uint64_t off[2], found;

	found = untouched_chunks(h, level, n, chunk, max < RELEASE_CHUNKS ? max : RELEASE_CHUNKS);
	if (found == 0)
		return LARDER_MISS;
	/* [G6] lowered before announcements are looked for; the barrier in between orders the two */
	store_release(&h->hdr->commit[level], n - found * chunk);
	/* Somebody may have split there just before. */
	found = nobody_splits(h) ? untouched_chunks(h, level, n, chunk, found) : 0;
	n -= found * chunk;
	store_release(&h->hdr->commit[level], n);
	if (found == 0)
		return LARDER_MISS;
	child_ranges(h, level, n, off);
	ops->punch(ops->ctx, off[0], found * chunk * sizeof(struct shm_bucket));
	ops->punch(ops->ctx, off[1], found * chunk * sizeof(struct shm_bucket));
	return 0;
}

/* ------------------------------------------------------------------ splitting */

/* Per cent of the entries in use in what is not yet split. Buckets split on demand count as full. */
static unsigned load_percent(struct larder *h, const struct progress *p)
{
	unsigned used = 0;

	for (unsigned s = 0; s < SAMPLE_BUCKETS; s++) {
		uint64_t random = (uint64_t)handle_random(h) << 24 ^ handle_random(h);
		const struct shm_bucket *b =
			&h->level[p->level][p->split + random % (p->buckets - p->split)];

		for (unsigned i = 0; i < SHM_WORDS; i++) {
			uint64_t w = load_relaxed(&b->word[i]);

			used += slot_frozen(w) || slot_kind(w) == SLOT_COMMITTED;
		}
	}
	return used * 100 / (SAMPLE_BUCKETS * SHM_WORDS);
}

/* Is it time for the next chunk? */
static bool wants_split(const struct progress *p, unsigned load)
{
	return load > LOAD_BEGIN + (LOAD_END - LOAD_BEGIN) * p->split / p->buckets;
}

/* The levels from this one on would not be reached if the memory were filled up with items of the size
 * so far, or half of it; all levels while that is little to go by. */
static unsigned levels_in_sight(const struct larder *h, const struct progress *p, unsigned load,
				const struct segment_counts *n)
{
	uint32_t idle = n->by_state[SEG_FREE] + n->by_state[SEG_OFFLINE];
	uint64_t full = (uint64_t)load * h->n_segs / (h->n_segs - idle + 1);
	unsigned level = p->level;

	if (idle >= h->n_segs / 2 || p->split != 0)
		return h->n_levels;
	while (level + 1 < h->n_levels && full >> (level - p->level) >= LOAD_BEGIN / 2)
		level++;
	return level + 1;
}

static void advance_hint(struct larder *h, const struct progress *p, uint64_t split)
{
	uint64_t hint = split < p->buckets ? (uint64_t)p->level << 56 | split
					   : (uint64_t)(p->level + 1) << 56;

	/* [G3] release, pairs with [G4] in index_hinted_level(): complete children before the hint */
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
	/* [G5] release, for a daemon that takes over: punched before it is counted */
	store_release(&h->hdr->punched, done <= index_mask(h, level) ? (uint64_t)level << 56 | done
								     : (uint64_t)(level + 1) << 56);
	return true;
}

/* ------------------------------------------------------------------ the step */

/* Segments that the children which are not committed would take. */
static uint64_t children_segments(const struct larder *h, const struct progress *p, unsigned levels)
{
	uint64_t buckets = 0;

	for (unsigned i = p->level; i + 1 < levels; i++)
		buckets += 2 * (index_mask(h, i) + 1 - committed_children(h, i));
	return buckets * sizeof(struct shm_bucket) >> h->seg_shift;
}

static int prepare_children(struct larder *h, const struct growth_ops *ops,
			    const struct progress *p, unsigned levels)
{
	for (unsigned i = p->level; i + 1 < levels; i++) {
		int r;

		if (committed_children(h, i) > index_mask(h, i))
			continue;
		r = commit_chunk(h, ops, i, p->chunk);
		return r == 0 ? GROWTH_MORE : r < 0 ? r : 0;
	}
	return 0;
}

/* Of levels from @levels on. */
static int release_children(struct larder *h, const struct growth_ops *ops,
			    const struct progress *p, unsigned levels)
{
	for (unsigned i = h->n_levels - 1; i-- > levels - 1;)
		if (release_chunks(h, ops, i, i == p->level ? p->split : 0, p->chunk) == 0) {
			int r = balance(h, ops, 0);

			return r < 0 ? r : GROWTH_RELEASED;
		}
	return 0;
}

/* Lend memory to the index, or take it back. */
static int lend(struct larder *h, const struct growth_ops *ops, const struct progress *p,
		unsigned load)
{
	struct segment_counts n;
	unsigned levels;
	int r;

	segment_count(h, &n);
	if (n.by_state[SEG_FREE] < h->n_segs / 8)
		return release_children(h, ops, p, p->level + 1);
	levels = levels_in_sight(h, p, load, &n);
	r = release_children(h, ops, p, levels);
	if (r != 0)
		return r;
	if (n.by_state[SEG_FREE] > h->n_segs / 8 + h->n_segs / 16 + children_segments(h, p, levels))
		return prepare_children(h, ops, p, levels);
	return 0;
}

int growth_run(struct larder *h, const struct growth_ops *ops)
{
	struct progress p = read_progress(h);
	unsigned load;
	int r;

	if (punch_parents(h, ops)) {
		r = balance(h, ops, 0);
		return r < 0 ? r : GROWTH_RELEASED;
	}
	if (p.level + 1 >= h->n_levels || p.split >= p.buckets)
		return 0;
	load = load_percent(h, &p);
	if (!wants_split(&p, load))
		return lend(h, ops, &p, load);
	r = split_chunk(h, ops, &p);
	return r == 0 ? GROWTH_MORE : r < 0 ? r : 0;
}
