/* SPDX-License-Identifier: MIT
 *
 * extent.c - values that are larger than half a segment
 *
 * DESIGN	The value is cut into whole segments, anywhere in the data area, and a tail. The head is an
 *		ordinary item whose bytes are { segment, generation } of each extent and the tail. A body is
 *		leased, filled under H0 and sealed at once, so a stopped writer holds one segment. A reader
 *		checks each extent's generation after it has copied it: a value is never torn, at worst a
 *		counted miss.
 *		A body's table entry carries the hash of the head's key. A cleaner takes the body to
 *		CLEANING first and only then looks for a linked head that lists it; found, it goes back to
 *		SEALED. A writer looks at every body before it publishes its head, and starts anew unless each
 *		is exactly {SEALED, body, gen}; and again after, and then takes its own head away, which counts
 *		as an eviction. So no linked head keeps a reclaimed body, and orphans (R10, R11) are found without
 *		asking who is alive.
 * INVARIANTS	I13.
 * FAILURE	R10 killed before the head is published, R11 after it was unlinked: orphans.
 */
#include "extent.h"

#include <errno.h>
#include <stdlib.h>

#define STORE_TRIES 4

static uint64_t extent_word(uint32_t seg, uint64_t gen)
{
	return (uint64_t)seg << EXTENT_SEG_SHIFT | (gen & EXTENT_GEN_MASK);
}

/* The body's segment word if it is still this extent's, else 0. */
static uint64_t body_word(const struct larder *h, uint64_t extent, uint32_t *segp)
{
	uint64_t seg = extent >> EXTENT_SEG_SHIFT;
	uint64_t w;

	if (seg >= h->n_segs)
		return 0;
	*segp = (uint32_t)seg;
	w = load_acquire(&h->segs[seg].word);
	return seg_body(w) && (seg_gen(w) & EXTENT_GEN_MASK) == (extent & EXTENT_GEN_MASK) ? w : 0;
}

/* Bytes of the value in its i-th extent. */
static uint64_t body_bytes(const struct larder *h, uint64_t vlen, uint64_t i)
{
	return i < vlen >> h->seg_shift ? h->seg_bytes : extent_rest(h, vlen);
}

static void drop_body(struct larder *h, uint64_t extent)
{
	uint32_t seg;
	uint64_t w = body_word(h, extent, &seg);

	if (w == 0 || seg_state(w) != SEG_SEALED ||
	    !segment_edge(h, seg, w, SEG_CLEANING, h->me, seg_gen(w)))
		return; /* somebody else has it */
	w = seg_make(SEG_CLEANING, true, h->me, seg_gen(w));
	segment_empty(h, seg);
	/* [S1] release, pairs with [S2] in hit_intact(): the generation moves before the next lease */
	if (handle_alive(h))
		cas(&h->segs[seg].word, w, seg_make(SEG_LIMBO, false, 0, seg_gen(w) + 1));
}

/* The i-th extent of a head; its list is inside the item, which item_decode() has checked. */
static uint64_t head_extent(const struct larder *h, const struct hit *hit, uint64_t i)
{
	uint64_t e;

	copy_out(&e, item_value(h, hit->seg, hit->off, &hit->it) + i * 8, sizeof(e));
	return e;
}

void extent_drop(struct larder *h, const struct hit *hit)
{
	uint64_t n = extent_count(h, hit->it.klen, hit->it.vlen);

	for (uint64_t i = 0; i < n; i++)
		drop_body(h, head_extent(h, hit, i));
}

bool extent_read(const struct larder *h, const struct hit *hit, void *dst, size_t room)
{
	uint64_t n = extent_count(h, hit->it.klen, hit->it.vlen);
	uint64_t tail = extent_tail(h, hit->it.klen, hit->it.vlen);
	uint8_t *out = dst;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t e = head_extent(h, hit, i);
		size_t whole = body_bytes(h, hit->it.vlen, i);
		size_t part = room < whole ? room : whole;
		uint32_t seg;

		if (body_word(h, e, &seg) == 0)
			return false;
		if (part != 0)
			copy_out(out, seg_base(h, seg), part);
		/* [S2] acquire fence, pairs with [S1] in segment.c */
		fence_acquire();
		if (body_word(h, e, &seg) == 0)
			return false;
		out += part;
		room -= part;
	}
	if (room > tail)
		room = tail;
	if (room != 0)
		copy_out(out, item_value(h, hit->seg, hit->off, &hit->it) + n * 8, room);
	return true;
}

/* ------------------------------------------------------------------ storing */

static int write_body(struct larder *h, const struct write *w, const uint8_t *value, uint64_t i,
		      uint64_t *extent)
{
	uint64_t bytes = body_bytes(h, w->vlen, i);
	struct lease body = {.seg = NO_SEGMENT};
	struct shm_table *t;
	int r = segment_begin(h, &body, LEASE_BODY, h->seg_bytes);

	if (r != 0)
		return r;
	t = &h->table[body.seg];
	handle_copy_in(h, seg_base(h, body.seg), value + (i << h->seg_shift), bytes);
	/* relaxed: read by a cleaner after its CAS on the sealed word */
	handle_store_u32(h, &t->fill, (uint32_t)bytes);
	handle_store(h, &t->expiry, w->key.hash);
	*extent = extent_word(body.seg, seg_gen(body.word));
	segment_seal(h, &body);
	segment_end(h);
	return 0;
}

static void drop_bodies(struct larder *h, const uint64_t *list, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		drop_body(h, list[i]);
}

static int write_bodies(struct larder *h, const struct write *w, const uint8_t *value,
			uint64_t *list, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		int r = write_body(h, w, value, i, &list[i]);

		if (r != 0) {
			drop_bodies(h, list, i);
			return r;
		}
	}
	return 0;
}

static bool bodies_stand(const struct larder *h, const uint64_t *list, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		uint32_t seg;
		uint64_t w = body_word(h, list[i], &seg);

		if (w == 0 || seg_state(w) != SEG_SEALED)
			return false;
	}
	return true;
}

/*
 * A body went while the head was published. The store has taken effect: somebody may have seen the head,
 * or overwritten it. To store once more would be a second effect of one call; so the value is evicted.
 */
static void evict_own_head(struct larder *h, const struct write *w)
{
	if (write_delete(h, &w->key, w->version) != 0)
		return;
	stat_add(h, STAT_evicted, 1);
	stat_add(h, STAT_evicted_bytes, w->key.len + w->vlen);
}

/* Bodies, then the head. -EAGAIN also if a body was reclaimed before the head was published. */
static int store_once(struct larder *h, struct write *w, const uint8_t *value, uint8_t *image)
{
	uint64_t n = extent_count(h, w->key.len, w->vlen);
	uint64_t tail = extent_tail(h, w->key.len, w->vlen);
	uint64_t *list = (uint64_t *)(void *)image;
	int r = write_bodies(h, w, value, list, n);

	if (r != 0)
		return r;
	memcpy(image + n * 8, value + w->vlen - tail, tail);
	w->value = image;
	w->type = ITEM_EXTENTS;
	r = bodies_stand(h, list, n) ? write_run(h, w) : -EAGAIN;
	if (r != 0) {
		drop_bodies(h, list, n);
	} else if (!bodies_stand(h, list, n)) {
		evict_own_head(h, w);
		drop_bodies(h, list, n);
	}
	return r;
}

int extent_store(struct larder *h, struct write *w)
{
	const uint8_t *value = w->value;
	uint8_t *image = malloc(extent_count(h, w->key.len, w->vlen) * 8 +
				extent_tail(h, w->key.len, w->vlen));
	int r = -EAGAIN;

	if (image == NULL)
		return -ENOMEM;
	for (int tries = 0; r == -EAGAIN && tries < STORE_TRIES; tries++)
		r = store_once(h, w, value, image);
	free(image);
	return r;
}

/* ------------------------------------------------------------------ orphans */

static bool head_lists(const struct larder *h, const struct hit *hit, uint64_t extent)
{
	uint64_t n = extent_count(h, hit->it.klen, hit->it.vlen);

	for (uint64_t i = 0; i < n; i++)
		if (head_extent(h, hit, i) == extent)
			return hit_intact(h, hit);
	return false;
}

/* A head that the cleaner moves, or that is displaced, changes its word or its entry, not its list: what
 * cannot be read in peace may be it. */
static enum extent_link entry_lists(struct larder *h, const struct key *k, bool alt,
				    uint64_t extent, const shm_u64 *entry, struct hit *head)
{
	/* [A1] acquire, pairs with [P1] in write.c: the head's bytes are seen with its word */
	uint64_t word = load_acquire(entry);
	uint64_t match = word & SLOT_MATCH_MASK & ~SLOT_FROZEN;
	enum find found;

	if (match == slot_with_kind(key_pattern(k, alt), SLOT_PENDING))
		return EXTENT_UNSURE;
	if (match != key_pattern(k, alt))
		return EXTENT_ORPHAN;
	found = slot_frozen(word) ? FIND_RETRY : index_load(h, word, head);
	if (found == FIND_RETRY)
		return EXTENT_UNSURE;
	if (found == FIND_HIT && head->it.type == ITEM_EXTENTS && head_lists(h, head, extent))
		return EXTENT_LINKED;
	return load_acquire(entry) == word ? EXTENT_ORPHAN : EXTENT_UNSURE;
}

static enum extent_link bucket_lists(struct larder *h, const struct key *k, bool alt,
				     uint64_t extent, struct hit *head)
{
	struct shm_bucket *b = index_locate(h, alt ? k->hash2 : k->hash);
	enum extent_link link = EXTENT_ORPHAN;

	for (unsigned i = 0; b != NULL && i < SHM_WORDS && link == EXTENT_ORPHAN; i++) {
		link = entry_lists(h, k, alt, extent, &b->word[i], head);
		head->bucket = b;
		head->i = i;
	}
	/* A bucket that was split meanwhile shows nothing. */
	if (link == EXTENT_ORPHAN && b != NULL && !bucket_live(b))
		return EXTENT_UNSURE;
	return link;
}

enum extent_link extent_linked(struct larder *h, uint32_t seg, uint64_t gen, struct hit *head)
{
	struct key k = {.hash = load_relaxed(&h->table[seg].expiry)};
	uint64_t extent = extent_word(seg, gen);
	enum extent_link link;

	k.tag = hash_tag(k.hash, h->bucket_mask0);
	k.hash2 = k.hash ^ hash_spread(k.tag, h->bucket_mask0);
	/* Home first: a head that is displaced goes from there to the second bucket. */
	link = bucket_lists(h, &k, false, extent, head);
	return link != EXTENT_ORPHAN ? link : bucket_lists(h, &k, true, extent, head);
}
