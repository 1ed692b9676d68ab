/* SPDX-License-Identifier: MIT
 *
 * write.c - replacing, inserting and removing keys
 *
 * DESIGN	A round: enter the frame (segment.c), find the key.
 *		*Found*: announce the old item's segment in H1 and see the word again: from here on that word
 *		cannot disappear and come back, however long this process sleeps. Build the new item in own
 *		memory, CAS(old word -> new word).
 *		*Not found*: two-phase insert. Survey both buckets (kill unfinished inserts and stale words of
 *		this key), CAS(EMPTY -> PENDING mine), survey again, CAS(PENDING mine -> COMMITTED mine). In the
 *		second survey a committed word of the key, or a PENDING one in a lower position (home before
 *		second bucket), makes this insert withdraw; a PENDING one in a higher position is killed, and
 *		where that CAS fails the entry is read again. PENDING is invisible to readers and anybody may
 *		kill it: a stopped inserter blocks nobody, and its late commit fails.
 * INVARIANTS	I6, I7, I8. Overflow is counted up before an alt word is placed.
 *		Memory that a word named, if only for a moment, is not written again in this incarnation.
 * CONCURRENCY	label  store                           load                      orders
 *		P1/A1  publishing CAS                  index_examine()           item bytes -> word
 *		H1/H2  hazard_clear                    hazard_scan               use of the old item -> reuse
 * FAILURE	R2 before the CAS: dead bytes. R3 between the two CASes of an insert. R4, R5 around the overflow
 *		count. R6 after the publishing CAS: the change is made.
 */
#include "write.h"

#include "displace.h"
#include "extent.h"
#include "hazard.h"
#include "survey.h"

#define AGAIN 0x7fff /* inside this file: another round */
#define CHEAP_MOVES 4u

static void back_off(struct larder *h, int round)
{
	unsigned n = round < 6 ? (unsigned)round : 6;
	unsigned spins = (1u << n) + (handle_random(h) & ((1u << n) - 1));

#ifndef LARDER_SIM
	while (spins-- > 0)
#if defined(__x86_64__)
		__builtin_ia32_pause();
#else
		fence_compiler();
#endif
#else
	(void)spins;
#endif
}

bool write_protect(struct larder *h, const struct hit *hit)
{
	hazard_set(h, &h->slot->h1, (uint64_t)hit->seg + 1);
	return LIKELY(load_acquire(&hit->bucket->word[hit->i]) == hit->word && hit_intact(h, hit));
}

void write_account_out(struct larder *h, const struct hit *hit)
{
	segment_dead(h, hit->seg, hit->it.bytes);
	stat_add(h, STAT_items_out, 1);
	stat_add(h, STAT_bytes_out, hit->it.klen + hit->it.vlen);
}

/* ------------------------------------------------------------------ building the item */

static void plan_item(struct larder *h, struct write *w)
{
	struct item *it = &w->item;

	it->klen = w->key.len;
	it->vlen = w->vlen;
	it->type = w->type;
	it->ns = w->key.ns;
	it->uflags = w->uflags;
	it->expiry = w->expiry;
	it->stamp = w->stamp;
	it->check = item_check(w->key.hash, it->klen, it->vlen);
	item_layout(h, it, false);
}

/* Return: 0; AGAIN the lease is too small, w->need is set; -E2BIG; -EAGAIN in the child of a fork. */
static int build(struct larder *h, struct write *w)
{
	struct lease *lease = &h->lease;
	uint8_t *p = seg_base(h, lease->seg) + lease->off;

	plan_item(h, w);
	if (UNLIKELY(w->item.bytes > write_piece_max(h)))
		return -E2BIG;
	if (UNLIKELY(lease->off + w->item.bytes > h->seg_bytes)) {
		w->need = w->item.bytes;
		return AGAIN;
	}
	if (UNLIKELY(!handle_alive(h)))
		return -EAGAIN;
	item_encode(p, &w->item);
	handle_copy_in(h, p + w->item.off_key, w->key.data, w->key.len);
	if (w->item.stored != 0)
		handle_copy_in(h, p + w->item.off_key + w->key.len, w->value, w->item.stored);
	segment_cover(h, lease, w->item.bytes, w->expiry);
	w->word = lease_slot_word(h, lease, w->key.tag, w->item.bytes);
	w->version = lease_version(h, lease, lease->off);
	return 0;
}

static void account_in(struct larder *h, const struct write *w)
{
	segment_commit(&h->lease, w->item.bytes);
	stat_add(h, STAT_items_in, 1);
	stat_add(h, STAT_bytes_in, w->item.klen + w->item.vlen);
}

/* Memory that was placed and taken back. */
static void abandon(struct larder *h, const struct write *w)
{
	segment_commit(&h->lease, w->item.bytes);
	segment_dead(h, h->lease.seg, w->item.bytes);
}

/*
 * Was there a flush since this item's stamp or lease? Looked at last of all before the publishing CAS, when
 * it is known that nobody else changed the key since it was looked at: then this write can be thought of
 * as just before a flush that begins later. Looking after the CAS and writing once more would make one
 * call take effect twice, with calls of others in between.
 */
static bool flushed_meanwhile(const struct larder *h, const struct write *w)
{
	return UNLIKELY(item_flushed(h, &w->item, h->lease.epoch));
}

static int published(struct larder *h, const struct write *w)
{
	account_in(h, w);
	segment_end(h);
	return 0;
}

/* ------------------------------------------------------------------ the key is there */

static int replace(struct larder *h, struct write *w, struct hit *hit)
{
	const struct hit *old;
	uint64_t word;
	int r;

	if (!write_protect(h, hit))
		return AGAIN;
	old = item_current(h, &hit->it, hit->epoch) ? hit : NULL;
	r = w->decide(h, w, old);
	if (r != WRITE_PUBLISH)
		return r;
	if (w->depends && old != NULL) {
		w->stamp = hit->it.stamp;
		if (w->key.ns == 0 && hit->epoch != h->lease.epoch) {
			segment_seal(h, &h->lease);
			return AGAIN;
		}
	}
	r = build(h, w);
	if (UNLIKELY(r != 0))
		return r;
	word = w->word | (hit->word & SLOT_ALT);
	if (flushed_meanwhile(h, w))
		return AGAIN;
	if (UNLIKELY(!handle_alive(h)))
		return -EAGAIN;
	/* [P1] release, pairs with [A1] in index_examine(): the item's bytes before its word */
	if (UNLIKELY(!cas(&hit->bucket->word[hit->i], hit->word, word)))
		return AGAIN;
	index_recent(h, hit->bucket, hit->i);
	if (UNLIKELY(hit->it.type == ITEM_EXTENTS && !w->keep_bodies))
		extent_drop(h, hit);
	write_account_out(h, hit);
	return published(h, w);
}

/* ------------------------------------------------------------------ the key is not there */

static bool split_either(struct larder *h, const struct write *w, bool deep)
{
	return split_on_demand(h, w->key.hash, deep) || split_on_demand(h, w->key.hash2, deep);
}

/* Both buckets are full. A few cheap moves first, so that an index with room elsewhere does not grow;
 * where they fail it is nearly full, and splitting is cheaper than looking further. Deep splits come
 * last. */
static unsigned make_room(struct larder *h, const struct write *w, const struct survey *s,
			  uint64_t pending)
{
	unsigned pos = displace_move(h, s, pending, CHEAP_MOVES);

	if (pos != NOWHERE || split_either(h, w, false))
		return pos;
	pos = displace_move(h, s, pending, BOTH);
	if (pos != NOWHERE || displace_split(h, s, false) || split_either(h, w, true) ||
	    displace_split(h, s, true))
		return pos;
	return displace_evict(h, s, pending);
}

/* Phase one: PENDING mine in an empty entry, or in one that was made empty. Return: where. */
static unsigned place_pending(struct larder *h, const struct write *w, struct survey *s)
{
	unsigned pos = survey_choose(s);
	uint64_t pending = slot_with_kind(w->word, SLOT_PENDING);

	if (pos == NOWHERE)
		return make_room(h, w, s, pending);
	/* [I1] release, pairs with [I2] in survey_entry(): placed before the second survey */
	if (pos < SHM_WORDS)
		return handle_alive(h) && cas(&s->bucket[0]->word[pos], SLOT_EMPTY_WORD, pending)
			       ? pos
			       : NOWHERE;
	if (!overflow_up(h, s->bucket[0]))
		return NOWHERE;
	pending |= SLOT_ALT;
	if (handle_alive(h) && cas(&s->bucket[1]->word[pos - SHM_WORDS], SLOT_EMPTY_WORD, pending))
		return pos;
	overflow_down(h, pending, s->low[1]);
	return NOWHERE;
}

/* Phase two. Return: the item is linked. */
static bool commit_pending(struct larder *h, const struct write *w, struct survey *s, unsigned pos)
{
	struct shm_bucket *b = s->bucket[pos / SHM_WORDS];
	uint64_t word = w->word | (pos >= SHM_WORDS ? SLOT_ALT : 0);
	uint64_t pending = slot_with_kind(word, SLOT_PENDING);

	if (survey_key(h, &w->key, s, pos, false) != SURVEY_NONE || flushed_meanwhile(h, w)) {
		survey_unlink(h, s, pos, pending);
		return false;
	}
	/* [P1] release, pairs with [A1] in index_examine(): the item's bytes before its word */
	if (!handle_alive(h) || !cas(&b->word[pos % SHM_WORDS], pending, word))
		return false;
	index_recent(h, b, pos % SHM_WORDS);
	return true;
}

static int insert(struct larder *h, struct write *w)
{
	struct survey s;
	unsigned pos;
	int r;

	if (!survey_locate(h, &w->key, &s) ||
	    survey_key(h, &w->key, &s, NOWHERE, true) != SURVEY_NONE)
		return AGAIN;
	r = w->decide(h, w, NULL);
	if (r != WRITE_PUBLISH)
		return r;
	r = build(h, w);
	if (UNLIKELY(r != 0))
		return r;
	if (UNLIKELY(!handle_alive(h)))
		return -EAGAIN;
	pos = place_pending(h, w, &s);
	if (pos == NOWHERE)
		return AGAIN;
	if (commit_pending(h, w, &s, pos))
		return published(h, w);
	abandon(h, w);
	return AGAIN;
}

/* ------------------------------------------------------------------ rounds */

static int write_round(struct larder *h, struct write *w)
{
	struct hit hit;
	int r;

	/* Loaded before the key is looked at: a flush that begins later makes this round's item old. */
	w->stamp = w->key.ns != 0 ? load_acquire(&h->hdr->flush_seq) : 0;
	r = segment_begin(h, &h->lease, LEASE_ITEMS, w->need);
	if (UNLIKELY(r != 0))
		return r;
	switch (index_find_write(h, &w->key, &hit)) {
	case FIND_HIT:
		r = replace(h, w, &hit);
		break;
	case FIND_NONE:
		r = insert(h, w);
		break;
	default:
		r = AGAIN;
		break;
	}
	if (r != 0)
		segment_uncover(h, &h->lease);
	segment_end(h);
	return r;
}

int write_run(struct larder *h, struct write *w)
{
	/* Enough for the extensions; a derived item that is larger asks again. */
	w->need = w->key.len + w->vlen + 64;
	if (w->need > write_piece_max(h))
		w->need = write_piece_max(h);
	for (int round = 0; round < WRITE_ROUNDS; round++) {
		int r = write_round(h, w);

		if (UNLIKELY(!handle_alive(h)))
			break;
		if (LIKELY(r != AGAIN))
			return r;
		stat_add(h, STAT_retries, 1);
		back_off(h, round);
	}
	return -EAGAIN;
}

/* ------------------------------------------------------------------ delete */

static int delete_found(struct larder *h, struct hit *hit, uint64_t want_version, uint64_t low)
{
	bool current;

	if (!write_protect(h, hit))
		return AGAIN;
	current = item_current(h, &hit->it, hit->epoch);
	if (current && want_version != 0 && hit->it.version != want_version)
		return LARDER_EXISTS;
	if (!handle_alive(h))
		return -EAGAIN;
	if (!index_unlink(h, hit->bucket, hit->i, hit->word, low))
		return AGAIN;
	if (hit->it.type == ITEM_EXTENTS)
		extent_drop(h, hit);
	write_account_out(h, hit);
	return current ? 0 : LARDER_MISS;
}

static int delete_round(struct larder *h, const struct key *k, uint64_t want_version)
{
	struct survey s;
	struct hit hit;
	int r;

	switch (index_find_write(h, k, &hit)) {
	case FIND_HIT:
		r = delete_found(h, &hit, want_version,
				 (slot_alt(hit.word) ? k->hash2 : k->hash) & h->bucket_mask0);
		hazard_drop(h, &h->slot->h1);
		return r;
	case FIND_NONE:
		break;
	default:
		return AGAIN;
	}
	if (!survey_locate(h, k, &s) || survey_key(h, k, &s, NOWHERE, false) != SURVEY_NONE)
		return AGAIN;
	return LARDER_MISS;
}

int write_delete(struct larder *h, const struct key *k, uint64_t want_version)
{
	for (int round = 0; round < WRITE_ROUNDS; round++) {
		int r = delete_round(h, k, want_version);

		if (UNLIKELY(!handle_alive(h)))
			break;
		if (LIKELY(r != AGAIN))
			return r;
		stat_add(h, STAT_retries, 1);
		back_off(h, round);
	}
	return -EAGAIN;
}
