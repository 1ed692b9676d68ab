/* SPDX-License-Identifier: MIT
 *
 * cleaner.c - making room: victims, survivors, LIMBO
 *
 * DESIGN	A step takes a few victims (SEALED -> CLEANING(me)), makes every process pass a barrier, and
 *		collects all hazards. A victim that some H0 names goes back: its writer may still publish
 *		there. The others are walked item by item; an item that the index still names survives
 *		(copied into the cleaner's own lease, CAS(word -> word of the copy)) or goes (CAS(word ->
 *		EMPTY), counted by cause). Then the generation moves: LIMBO. What was in LIMBO before the
 *		barrier and is named by nobody becomes FREE.
 * VICTIMS	All expired; else the most dead from MOSTLY_DEAD on; else the youngest from COMPACT_DEAD on;
 *		else the oldest. Leases that have been idle for half a turn are revoked.
 *		A victim that is taken for its dead bytes makes room by them: all its live items survive, and
 *		none goes while others hold memory that is dead. Youngest first, because the oldest are the
 *		most dead too: taken first, they would meet the need for room, and the dead bytes of all
 *		others would stay.
 * POLICY	lru: an item survives if its recency byte is newer than a cutoff, the 70th percentile of the
 *		ages of a sample of the index, or up to the 80th where many are of one age. The sample is
 *		drawn anew in each step: no state to lose.
 * INVARIANTS	I4, I6, I7; every item that leaves with a segment was unlinked and counted by the walk.
 * CONCURRENCY	Two cleaners never share a victim. A word found in a victim cannot come back while this
 *		process has the victim in CLEANING, so its CAS needs no H1.
 * FAILURE	R7: the victim stays CLEANING until the daemon learns of the death; the walk is idempotent.
 *		R8: anybody moves LIMBO on. A copy that was not linked is dead bytes.
 */
#include "cleaner.h"

#include <stdlib.h>

#include "clock.h"
#include "extent.h"
#include "hazard.h"
#include "policy.h"
#include "write.h"

#define VICTIMS_MAX 8u
#define LIMBO_MAX 64u
#define COMPACT_DEAD 56u /* of 256: a segment is worth cleaning for its dead bytes alone */
#define MOSTLY_DEAD 128u /* of 256 */
#define WALK_GROUP 16u
#define STACK_SEGMENTS 4096u /* a region of 8 GiB */
#define MOVE_ROUNDS 8

struct pick {
	uint32_t seg;
	uint64_t word;
	uint64_t score;
};

struct step {
	struct pick victim[VICTIMS_MAX]; /* sorted, best first */
	unsigned n_victims;
	struct pick limbo[LIMBO_MAX];
	unsigned n_limbo;
	struct hazard_set set;
	uint16_t lru;	  /* the policy's cutoff */
	uint16_t cutoff;  /* for the victim at hand */
	bool harsh;	  /* nothing survives */
	bool last_resort; /* what should survive and has no room goes */
	unsigned freed;
};

/* ------------------------------------------------------------------ choosing */

static uint64_t age_of(const struct larder *h, uint32_t seg, uint64_t now_seq)
{
	uint64_t seq = load_relaxed(&h->table[seg].lease_seq);

	return now_seq > seq ? now_seq - seq : 0;
}

/* Scores: a class, and an order within it. Higher is better. */
#define SCORE_OLD (1ULL << 60)
#define SCORE_COMPACT (2ULL << 60)
#define SCORE_DEAD (3ULL << 60)
#define SCORE_EXPIRED (4ULL << 60)

/* The share of a segment, in 256ths, that cleaning wins without losing anything live. One that was
 * sealed before it was half full (by a handle that was closed, or a flush) has its empty part too. */
static uint64_t wasted(const struct larder *h, uint64_t dead, uint64_t fill)
{
	if (fill < h->seg_bytes / 2)
		return (dead + h->seg_bytes - fill) * 256 / h->seg_bytes;
	return dead * 256 / fill;
}

static uint64_t score_of(struct larder *h, uint32_t seg, uint64_t word, uint64_t now_seq)
{
	const struct shm_table *t = &h->table[seg];
	uint64_t fill = load_relaxed_u32(&t->fill);
	uint64_t dead = load_relaxed_u32(&t->dead);
	uint64_t expiry = load_relaxed(&t->expiry);
	uint64_t age = age_of(h, seg, now_seq);

	if (!seg_body(word)) {
		if (fill == 0 || (expiry != UINT64_MAX && clock_passed(h, expiry)))
			return SCORE_EXPIRED;
		dead = wasted(h, dead, fill);
		if (dead >= MOSTLY_DEAD)
			return SCORE_DEAD | (dead < 256 ? dead : 256) << 48 | (age & 0xffffffff);
		if (dead >= COMPACT_DEAD)
			return SCORE_COMPACT | (~age & 0xffffffff);
	}
	return SCORE_OLD | (age < 1ULL << 56 ? age : 1ULL << 56);
}

/* What goes of this victim: by age where it is taken for its age. */
static uint16_t cutoff_of(const struct step *s, const struct pick *p)
{
	if (s->harsh)
		return 0;
	return p->score < SCORE_COMPACT ? s->lru : UINT16_MAX;
}

/* Keep the best @max, best first. */
static void insert_pick(struct step *s, unsigned max, struct pick p)
{
	unsigned i;

	if (s->n_victims < max)
		s->n_victims++;
	else if (max == 0 || s->victim[max - 1].score >= p.score)
		return;
	for (i = s->n_victims - 1; i > 0 && s->victim[i - 1].score < p.score; i--)
		s->victim[i] = s->victim[i - 1];
	s->victim[i] = p;
}

/* @revoke: leases count too, not only those that are long idle. */
static void survey_segments(struct larder *h, struct step *s, unsigned max, bool revoke)
{
	uint64_t now_seq = load_relaxed(&h->hdr->lease_seq);

	s->n_victims = s->n_limbo = 0;
	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		uint64_t word = load_acquire(&h->segs[seg].word);
		enum seg_state state = seg_state(word);

		if (state == SEG_LIMBO && s->n_limbo < LIMBO_MAX)
			s->limbo[s->n_limbo++] = (struct pick){.seg = seg, .word = word};
		if (state == SEG_LEASED && seg != h->survivors.seg &&
		    (revoke || age_of(h, seg, now_seq) > h->n_segs / 2))
			state = SEG_SEALED;
		if (state != SEG_SEALED)
			continue;
		insert_pick(s, max,
			    (struct pick){.seg = seg,
					  .word = word,
					  .score = score_of(h, seg, word, now_seq)});
	}
}

/* SEALED (a lease first) -> CLEANING(me). */
static bool take_victim(struct larder *h, struct pick *p)
{
	uint64_t gen = seg_gen(p->word);

	if (seg_state(p->word) == SEG_LEASED) {
		if (!segment_edge(h, p->seg, p->word, SEG_SEALED, 0, gen))
			return false;
		p->word = seg_make(SEG_SEALED, seg_body(p->word), 0, gen);
	}
	if (!segment_edge(h, p->seg, p->word, SEG_CLEANING, h->me, gen))
		return false;
	p->word = seg_make(SEG_CLEANING, seg_body(p->word), h->me, gen);
	return true;
}

static void take_victims(struct larder *h, struct step *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->n_victims; i++)
		if (take_victim(h, &s->victim[i]))
			s->victim[n++] = s->victim[i];
	s->n_victims = n;
}

static void give_back(struct larder *h, const struct pick *p)
{
	segment_edge(h, p->seg, p->word, SEG_SEALED, 0, seg_gen(p->word));
}

/* The word of a victim after its items are gone. */
static uint64_t to_limbo(struct larder *h, const struct pick *p)
{
	uint64_t limbo = seg_make(SEG_LIMBO, false, 0, seg_gen(p->word) + 1);

	segment_empty(h, p->seg);
	/* [S1] release, pairs with [S2] in hit_intact(): the generation moves before the next lease */
	if (!handle_alive(h) || !cas(&h->segs[p->seg].word, p->word, limbo))
		return 0;
	stat_add(h, STAT_cleaned, 1);
	return limbo;
}

/* ------------------------------------------------------------------ the walk */

/* An item of the victim, with what its key leads to. */
struct walked {
	struct hit hit; /* of the victim; bucket, i and word once found */
	uint64_t hash, hash2;
};

static void account_gone(struct larder *h, const struct hit *hit, enum counter cause)
{
	uint64_t bytes = hit->it.klen + hit->it.vlen;

	if (hit->it.type == ITEM_EXTENTS)
		extent_drop(h, hit);
	stat_add(h, cause, 1);
	if (cause == STAT_evicted)
		stat_add(h, STAT_evicted_bytes, bytes);
	segment_dead(h, hit->seg, hit->it.bytes);
	stat_add(h, STAT_items_out, 1);
	stat_add(h, STAT_bytes_out, bytes);
}

/* The victim's item in one bucket. @bp: out: the bucket that was live while it was scanned. */
static bool find_in(struct larder *h, struct walked *x, uint64_t hash, const struct shm_bucket **bp)
{
	const uint64_t mask = SLOT_PLACE_MASK | (uint64_t)SLOT_GEN_MASK << SLOT_GEN_SHIFT;
	uint64_t place = ((uint64_t)x->hit.seg << h->place_shift) + (x->hit.off >> h->unit_shift);
	uint64_t want = place | (seg_gen(x->hit.seg_word) & SLOT_GEN_MASK) << SLOT_GEN_SHIFT;

	/* A bucket that is split meanwhile shows nothing: on to its child. */
	for (unsigned look = 0; look <= h->n_levels; look++) {
		struct shm_bucket *b = index_locate(h, hash);

		*bp = b;
		for (unsigned i = 0; b != NULL && i < SHM_WORDS; i++) {
			uint64_t word = load_acquire(&b->word[i]);

			if ((word & mask) != want || !slot_names_item(word) || slot_frozen(word))
				continue;
			x->hit.bucket = b;
			x->hit.i = i;
			x->hit.word = word;
			return true;
		}
		if (b == NULL || bucket_live(b))
			return false;
	}
	return false;
}

/* Home, then second: the way a key is displaced, and counted before. */
static bool find_word(struct larder *h, struct walked *x)
{
	const struct shm_bucket *home, *second;

	if (find_in(h, x, x->hash, &home))
		return true;
	return home != NULL && overflow_any(home) && find_in(h, x, x->hash2, &second);
}

static uint64_t low_of(const struct larder *h, const struct walked *x)
{
	return (slot_alt(x->hit.word) ? x->hash2 : x->hash) & h->bucket_mask0;
}

static bool unlink(struct larder *h, const struct walked *x)
{
	return index_unlink(h, x->hit.bucket, x->hit.i, x->hit.word, low_of(h, x));
}

/* The copy is no younger than its source: `age` stays an upper bound. */
static void keep_birth(struct larder *h, uint32_t from, uint32_t to)
{
	uint32_t born = load_relaxed_u32(&h->table[from].born_s);

	if (load_relaxed_u32(&h->table[to].born_s) > born)
		handle_store_u32(h, &h->table[to].born_s, born);
}

/* Copy an item into the survivors' lease. Return: the word of the copy, 0 if there is no room. */
static uint64_t copy_survivor(struct larder *h, const struct walked *x, struct item *it)
{
	struct lease *lease = &h->survivors;
	uint8_t *p;

	*it = x->hit.it;
	item_layout(h, it, true);
	if (it->bytes > h->seg_bytes || segment_begin(h, lease, LEASE_SURVIVORS, it->bytes) != 0)
		return 0;
	if (it->ns == 0 && x->hit.epoch != lease->epoch)
		return 0; /* flushed while we looked */
	p = seg_base(h, lease->seg) + lease->off;
	if (UNLIKELY(!handle_alive(h)))
		return 0;
	item_encode(p, it);
	handle_copy_in(h, p + it->off_key, item_key(h, x->hit.seg, x->hit.off, &x->hit.it),
		       it->klen + it->stored);
	keep_birth(h, x->hit.seg, lease->seg);
	segment_cover(h, lease, it->bytes, it->expiry);
	return lease_slot_word(h, lease, slot_tag(x->hit.word), it->bytes) |
	       (x->hit.word & SLOT_ALT);
}

/* FATE_FULL: it should survive, and there is no segment for survivors. */
enum fate { FATE_DONE, FATE_AGAIN, FATE_GO, FATE_FULL };

static enum fate move(struct larder *h, const struct walked *x)
{
	enum fate fate = FATE_FULL;
	struct item it;
	uint64_t word = copy_survivor(h, x, &it);

	if (word != 0) {
		fate = FATE_AGAIN;
		/* [P1] release, pairs with [A1] in index_examine(): the copy before its word */
		if (handle_alive(h) && cas(&x->hit.bucket->word[x->hit.i], x->hit.word, word)) {
			segment_commit(&h->survivors, it.bytes);
			stat_add(h, STAT_moved, 1);
			stat_add(h, STAT_moved_bytes, it.bytes);
			segment_dead(h, x->hit.seg, x->hit.it.bytes);
			fate = FATE_DONE;
		} else {
			segment_uncover(h, &h->survivors);
		}
	}
	segment_end(h);
	return fate;
}

static enum fate settle(struct larder *h, const struct step *s, const struct walked *x)
{
	enum counter cause = STAT_evicted;

	if (slot_kind(x->hit.word) == SLOT_PENDING) {
		if (unlink(h, x))
			stat_add(h, STAT_pending_killed, 1);
		return FATE_AGAIN; /* its inserter may have committed it just before */
	}
	if (item_flushed(h, &x->hit.it, x->hit.epoch)) {
		cause = STAT_flushed;
	} else if (item_expired(h, &x->hit.it)) {
		cause = STAT_expired;
	} else if (policy_survives(h, x->hit.bucket, x->hit.i, s->cutoff)) {
		enum fate fate = move(h, x);

		if (fate != FATE_FULL || !s->last_resort)
			return fate;
	}
	if (!unlink(h, x))
		return FATE_AGAIN;
	account_gone(h, &x->hit, cause);
	return FATE_DONE;
}

/* Return: false: the item should survive and cannot. */
static bool walk_item(struct larder *h, const struct step *s, struct walked *x)
{
	for (int round = 0; round < MOVE_ROUNDS; round++) {
		enum fate fate;

		if (!find_word(h, x))
			return true;
		fate = settle(h, s, x);
		if (fate != FATE_AGAIN)
			return fate == FATE_DONE;
	}
	/* Lost eight races: somebody replaces this key all the time, so the word is another one's by
	 * now; if not, it becomes stale with the generation and counts as gone. */
	if (find_word(h, x))
		account_gone(h, &x->hit, STAT_evicted);
	return true;
}

/* Decode the next item at *off. Return: false at the end, or at damage. */
static bool next_item(struct larder *h, const struct pick *p, uint32_t fill, uint32_t *off,
		      struct walked *x)
{
	struct hit *hit = &x->hit;
	uint64_t seed;

	if (*off >= fill)
		return false;
	hit->seg = p->seg;
	hit->off = *off;
	hit->seg_word = p->word;
	hit->epoch = load_relaxed(&h->segs[p->seg].epoch);
	if (!item_decode(h, p->seg, *off, seg_gen(p->word), &hit->it) ||
	    hit->it.bytes > fill - *off) {
		stat_add(h, STAT_damage, 1);
		return false;
	}
	*off += (uint32_t)hit->it.bytes;
	seed = hash_seed(h->map->seed, hit->it.ns);
	x->hash = hash_key(seed, item_key(h, p->seg, hit->off, &hit->it), hit->it.klen);
	x->hash2 = x->hash ^ hash_spread(hash_tag(x->hash, h->bucket_mask0), h->bucket_mask0);
	__builtin_prefetch(index_hinted(h, x->hash));
	return true;
}

/* Return: false: survivors are left and there is no segment for them; the victim must stay. */
static bool walk(struct larder *h, const struct step *s, const struct pick *p)
{
	struct walked group[WALK_GROUP];
	uint32_t fill = load_relaxed_u32(&h->table[p->seg].fill);
	uint32_t off = 0;
	unsigned n;

	if (fill > h->seg_bytes)
		fill = h->seg_bytes;
	do {
		for (n = 0; n < WALK_GROUP && next_item(h, p, fill, &off, &group[n]); n++)
			;
		for (unsigned i = 0; i < n; i++)
			if (!walk_item(h, s, &group[i]) || !handle_alive(h))
				return false;
	} while (n == WALK_GROUP);
	return true;
}

/* A body goes with its head: the head is old, or there is none. Return: it may go. */
static bool body_goes(struct larder *h, const struct step *s, const struct pick *p)
{
	struct hit head;
	enum extent_link link = extent_linked(h, p->seg, seg_gen(p->word), &head);
	bool goes = true;

	if (link == EXTENT_ORPHAN)
		return true;
	if (link == EXTENT_UNSURE || !write_protect(h, &head) ||
	    (item_current(h, &head.it, head.epoch) &&
	     policy_survives(h, head.bucket, head.i, s->cutoff))) {
		goes = false;
	} else {
		uint64_t hash = load_relaxed(&h->table[p->seg].expiry);
		struct walked x = {.hit = head, .hash = hash};

		x.hash2 = hash ^ hash_spread(slot_tag(head.word), h->bucket_mask0);
		goes = unlink(h, &x);
		if (goes)
			account_gone(h, &head, STAT_evicted);
	}
	hazard_drop(h, &h->slot->h1);
	if (!goes)
		/* relaxed: a hint; it was seen linked just now */
		handle_store(h, &h->table[p->seg].lease_seq, load_relaxed(&h->hdr->lease_seq));
	return goes;
}

/* ------------------------------------------------------------------ the step */

/* Bitmaps of all segments: on the stack up to STACK_SEGMENTS, so that a set that cleans calls no malloc. */
static bool marks_ready(struct larder *h, struct hazard_set *set, uint64_t *stack)
{
	size_t words = ((size_t)h->n_segs + 63) / 64;

	if (h->n_segs <= STACK_SEGMENTS) {
		set->own = stack;
		set->any = stack + words;
		return true;
	}
	if (h->scratch_room < 2 * words * sizeof(uint64_t)) {
		void *p = realloc(h->scratch, 2 * words * sizeof(uint64_t));

		if (p == NULL)
			return false;
		h->scratch = p;
		h->scratch_room = 2 * words * sizeof(uint64_t);
	}
	set->own = h->scratch;
	set->any = set->own + words;
	return true;
}

static void free_limbo(struct larder *h, struct step *s)
{
	for (unsigned i = 0; i < s->n_limbo; i++) {
		const struct pick *p = &s->limbo[i];

		if (!hazard_bit(s->set.any, p->seg) &&
		    segment_edge(h, p->seg, p->word, SEG_FREE, 0, seg_gen(p->word)))
			s->freed++;
	}
	s->n_limbo = 0;
}

/* Every byte is of an item that was replaced or deleted: nothing to walk. The count can only be too low,
 * because every unlink is counted once, under H1, and lost updates are lost; it is read after the scan of
 * H0, when no item can be added any more. */
static bool all_dead(const struct larder *h, uint32_t seg)
{
	return load_relaxed_u32(&h->table[seg].dead) >= load_relaxed_u32(&h->table[seg].fill);
}

static void clean_victims(struct larder *h, struct step *s)
{
	for (unsigned i = 0; i < s->n_victims && handle_alive(h); i++) {
		struct pick *p = &s->victim[i];
		uint64_t limbo;

		/* Without a FREE segment nothing can survive; then the first victim goes as a whole. */
		s->cutoff = cutoff_of(s, p);
		s->last_resort = s->harsh || (s->freed == 0 && s->n_limbo == 0);
		if (hazard_bit(s->set.own, p->seg) ||
		    !(seg_body(p->word) ? body_goes(h, s, p)
					: all_dead(h, p->seg) || walk(h, s, p))) {
			give_back(h, p);
			continue;
		}
		limbo = to_limbo(h, p);
		if (limbo != 0 && s->n_limbo < LIMBO_MAX)
			s->limbo[s->n_limbo++] = (struct pick){.seg = p->seg, .word = limbo};
	}
}

unsigned cleaner_step(struct larder *h, unsigned victims, bool harsh)
{
	unsigned max = victims < VICTIMS_MAX ? victims : VICTIMS_MAX;
	uint64_t stack[2 * STACK_SEGMENTS / 64];
	struct step s = {.freed = 0, .harsh = harsh};

	if (!marks_ready(h, &s.set, stack))
		return 0;
	survey_segments(h, &s, max, false);
	if (s.n_victims == 0)
		survey_segments(h, &s, max, true);
	take_victims(h, &s);
	if (s.n_victims + s.n_limbo == 0)
		return 0;
	if (!hazard_barrier(h)) {
		for (unsigned i = 0; i < s.n_victims; i++)
			give_back(h, &s.victim[i]);
		return 0;
	}
	hazard_scan(h, &s.set);
	free_limbo(h, &s);
	if (s.n_victims != 0 && s.victim[s.n_victims - 1].score < SCORE_COMPACT)
		s.lru = policy_cutoff(h);
	clean_victims(h, &s);
	/* What was dropped just now needs a barrier of its own. */
	if (s.n_limbo != 0 && hazard_barrier(h)) {
		hazard_scan(h, &s.set);
		free_limbo(h, &s);
	}
	return s.freed;
}

unsigned cleaner_reap(struct larder *h, uint32_t slot)
{
	struct shm_slot *s =
		(struct shm_slot *)(void *)((uint8_t *)h->hdr + h->map->geo.off_slots) + slot;
	unsigned n = 0;

	hazard_clear(&s->h0);
	hazard_clear(&s->h1);
	hazard_clear(&s->splitting);
	for (unsigned i = 0; i < SHM_PINS; i++)
		hazard_clear(&s->pin[i]);
	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		uint64_t w = load_acquire(&h->segs[seg].word);

		if (seg_owner(w) != slot ||
		    (seg_state(w) != SEG_LEASED && seg_state(w) != SEG_CLEANING))
			continue;
		n += segment_edge(h, seg, w, SEG_SEALED, 0, seg_gen(w));
	}
	return n;
}
