/* SPDX-License-Identifier: MIT
 *
 * check.c - larder_check(): the invariants of layout.h, looked for in the bytes
 *
 * DESIGN	One function for each invariant looks at one place and says which invariant is broken there. A
 *		place that looks broken is looked at CHECK_LOOKS times, with a yield in between, and reported if
 *		each look agrees. The looks themselves load in an order that excuses every running operation,
 *		and a state that a killed process may leave behind (R1 to R14) is not broken. The index comes
 *		first (check_index.c): it says how far each segment must be walkable.
 *		Here: header, segment words, slots, walks, namespaces.
 * INVARIANTS	Stores nothing but counters. Each value is loaded once and compared with the private geometry
 *		before it is used; no loop is bounded by a shared value: O(region), whatever stands in it.
 * FAILURE	-ENOMEM before the first look.
 */
#include "check.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clock.h"
#include "geometry.h"
#include "ns.h"

#define TEXT_MAX 160
#define BEATING_MS 2000u /* a control page that is older than this tells nothing about owners */
#define NS_PER_PAGE (SHM_PAGE / sizeof(struct shm_ns))
#define NS_PAGES (SHM_NAMESPACES / NS_PER_PAGE)

/* ------------------------------------------------------------------ findings */

unsigned check_persists(struct check *c, check_look *look, uint64_t at)
{
	unsigned found = look(c, at);

	for (unsigned n = 1; n < CHECK_LOOKS && found != 0; n++) {
		if (c->told[found] > CHECK_TOLD_MAX)
			return 0;
		sched_yield();
		if (look(c, at) != found)
			return 0;
	}
	return found;
}

void check_tell(struct check *c, unsigned invariant, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;

	if (c->told[invariant]++ > CHECK_TOLD_MAX || c->fn == NULL)
		return;
	if (c->told[invariant] > CHECK_TOLD_MAX) {
		c->fn(c->ctx, invariant, "and there may be more of this kind");
		return;
	}
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->fn(c->ctx, invariant, text);
}

/* ------------------------------------------------------------------ I1 */

static unsigned look_at_header(struct check *c, uint64_t at)
{
	const struct mapping *map = c->h->map;
	struct shm_geometry geo;
	uint8_t uuid[16];
	uint64_t seed;

	(void)at;
	if (region_header_check(map->base, map->geo.file_bytes, &geo, uuid, &seed) != 0)
		return 1;
	return memcmp(&geo, &map->geo, sizeof(geo)) != 0 || memcmp(uuid, map->uuid, 16) != 0 ||
			       seed != map->seed
		       ? 1
		       : 0;
}

static void check_header(struct check *c)
{
	if (check_persists(c, look_at_header, 0) != 0)
		check_tell(c, 1, "the header is not the one that this handle attached to");
}

/* ------------------------------------------------------------------ I2, I3, I14: segment words */

static bool owned(enum seg_state state)
{
	return state == SEG_LEASED || state == SEG_CLEANING;
}

static unsigned look_at_word(struct check *c, uint64_t seg)
{
	uint64_t w = load_acquire(&c->h->segs[seg].word);
	enum seg_state state = seg_state(w);

	if (state > SEG_LIMBO || seg_owner(w) >= c->h->map->geo.n_slots)
		return 2;
	if (!owned(state) && seg_owner(w) != 0)
		return 2;
	return seg_body(w) && !owned(state) && state != SEG_SEALED ? 2 : 0;
}

static bool beats(const struct ctl_page *ctl)
{
	return load_acquire(&ctl->heartbeat_ms) + BEATING_MS > clock_coarse_ms();
}

/* The owner is looked at after the word, and counts if the word is still there then. */
static unsigned look_at_owner(struct check *c, uint64_t seg)
{
	const struct ctl_page *ctl = c->h->map->ctl;
	uint64_t w = load_acquire(&c->h->segs[seg].word);
	uint32_t owner = seg_owner(w);
	bool attached;

	if (!owned(seg_state(w)) || owner >= c->h->map->geo.n_slots)
		return 0;
	attached = owner < load_acquire_u32(&c->h->hdr->slots_high);
	if (attached && ctl != NULL && beats(ctl))
		attached = load_acquire_u32(&ctl->slots[owner].state) != CTL_SLOT_FREE;
	return !attached && load_acquire(&c->h->segs[seg].word) == w ? 3 : 0;
}

static void check_segment_words(struct check *c)
{
	uint32_t damaged = 0;

	for (uint32_t seg = 0; seg < c->h->n_segs; seg++) {
		uint64_t w = load_relaxed(&c->h->segs[seg].word);

		if (check_persists(c, look_at_word, seg) != 0)
			check_tell(c, 2, "segment %u: word %#llx", seg, (unsigned long long)w);
		if (check_persists(c, look_at_owner, seg) != 0)
			check_tell(c, 3, "segment %u belongs to slot %u, which nobody has", seg,
				   seg_owner(w));
		damaged += seg_state(w) > SEG_LIMBO;
	}
	if (damaged != 0)
		check_tell(c, 14, "%u segments are in no state", damaged);
}

/* ------------------------------------------------------------------ I11: hazards */

static const struct shm_slot *slot_at(const struct larder *h, uint64_t i)
{
	const uint8_t *base = (const uint8_t *)h->hdr + h->map->geo.off_slots;

	return (const struct shm_slot *)(const void *)base + i;
}

static unsigned look_at_hazards(struct check *c, uint64_t at)
{
	const struct shm_slot *s = slot_at(c->h, at);
	uint64_t n = c->h->n_segs;

	for (unsigned i = 0; i < SHM_PINS; i++)
		if (load_acquire(&s->pin[i]) > n)
			return 11;
	return load_acquire(&s->h0) > n || load_acquire(&s->h1) > n ||
			       load_acquire(&s->splitting) > 1
		       ? 11
		       : 0;
}

/* Slots that were never handed out are not backed by memory: they are not looked at. */
static void check_hazards(struct check *c)
{
	uint32_t n_slots = c->h->map->geo.n_slots;
	uint32_t high = load_acquire_u32(&c->h->hdr->slots_high);

	if (high > n_slots)
		check_tell(c, 11, "%u slots in use of %u", high, n_slots);
	for (uint32_t i = 0; i < high && i < n_slots; i++)
		if (check_persists(c, look_at_hazards, i) != 0)
			check_tell(c, 11, "slot %u announces what is not a segment", i);
}

/* ------------------------------------------------------------------ I12: walks */

/* The item at @off ends within @fill and is what its header says. */
static bool walkable(const struct check *c, uint32_t seg, uint32_t off, uint32_t fill,
		     struct item *it)
{
	const struct larder *h = c->h;
	uint64_t hash;

	if (!item_decode(h, seg, off, 0, it) || it->bytes > fill - off)
		return false;
	hash = hash_key(hash_seed(h->map->seed, it->ns), item_key(h, seg, off, it), it->klen);
	return it->check == item_check(hash, it->klen, it->vlen);
}

/*
 * A writer that was killed between two tries of one write leaves a header and a fill that do not
 * fit together (R2), so a walk may break off; but not before the last item that the index names.
 */
static unsigned look_at_walk(struct check *c, uint64_t at)
{
	const struct larder *h = c->h;
	uint32_t seg = (uint32_t)at;
	uint64_t w = load_acquire(&h->segs[seg].word);
	uint32_t fill = load_acquire_u32(&h->table[seg].fill);
	const struct check_reach *reach = &c->reach[seg];
	struct item it;
	uint32_t off = 0;

	if (fill > h->seg_bytes)
		return 12;
	if (seg_body(w) || reach->gen != seg_gen(w) ||
	    (!owned(seg_state(w)) && seg_state(w) != SEG_SEALED))
		return 0;
	while (off < reach->end && off < fill && walkable(c, seg, off, fill, &it))
		off += (uint32_t)it.bytes;
	return off < reach->end && seg_gen(load_acquire(&h->segs[seg].word)) == reach->gen ? 12 : 0;
}

static void check_walks(struct check *c)
{
	for (uint32_t seg = 0; seg < c->h->n_segs; seg++)
		if (check_persists(c, look_at_walk, seg) != 0)
			check_tell(c, 12, "segment %u: its %u bytes are not a chain of items", seg,
				   load_relaxed_u32(&c->h->table[seg].fill));
}

/* ------------------------------------------------------------------ I15, I16: namespaces, flushes */

static unsigned look_at_name(const struct larder *h, uint32_t id, uint64_t word, bool must)
{
	char name[LARDER_NAMESPACE_MAX];
	uint64_t hash;
	/* [N2] acquire, pairs with [N1] in ns.c: the bytes are there when the length is */
	uint8_t len = load_acquire_u8(&ns_name(h, id)->len);

	if (len == 0)
		return must ? 15 : 0; /* its creator was killed: R12 */
	copy_out(name, ns_name(h, id)->name, len);
	hash = XXH3_64bits_withSeed(name, len, h->map->seed);
	return (hash != 0 ? hash : 1) == word ? 0 : 15;
}

unsigned check_namespace(struct check *c, uint64_t id)
{
	const struct larder *h = c->h;
	bool named = c->ns_seen[id / 8] >> (id % 8) & 1;
	uint64_t word = load_acquire(&ns_entry(h, (uint32_t)id)->word);
	uint64_t flushed = load_acquire(&ns_entry(h, (uint32_t)id)->flushed_at);

	if (flushed > load_acquire(&h->hdr->flush_seq))
		return 16;
	if (id == 0)
		return 0;
	if (word == 0)
		return named ? 15 : 0;
	return look_at_name(h, (uint32_t)id, word, named);
}

static unsigned look_at_flushes(struct check *c, uint64_t at)
{
	const struct shm_header *hdr = c->h->hdr;
	uint64_t all = load_acquire(&hdr->flushed_all);
	uint64_t at0 = load_acquire(&hdr->flushed_at0);
	uint64_t seq = load_acquire(&hdr->flush_seq); /* last: it is raised first */

	(void)at;
	return all > seq || at0 > seq ? 16 : 0;
}

static unsigned look_at_epoch(struct check *c, uint64_t seg)
{
	uint64_t epoch = load_acquire(&c->h->segs[seg].epoch);

	return epoch > load_acquire(&c->h->hdr->flush_seq) ? 16 : 0;
}

static void check_flushes(struct check *c)
{
	if (check_persists(c, look_at_flushes, 0) != 0)
		check_tell(c, 16, "a flush is ahead of the sequence of flushes");
	for (uint32_t seg = 0; seg < c->h->n_segs; seg++)
		if (check_persists(c, look_at_epoch, seg) != 0)
			check_tell(c, 16, "segment %u is ahead of the sequence of flushes", seg);
}

static void check_ns_page(struct check *c, uint32_t first)
{
	for (uint32_t id = first; id < first + NS_PER_PAGE; id++) {
		unsigned found = check_persists(c, check_namespace, id);

		if (found == 15)
			check_tell(c, 15, "namespace %u has no name, or another one's", id);
		else if (found == 16)
			check_tell(c, 16, "namespace %u is ahead of the sequence of flushes", id);
	}
}

/* The table is sparse: pages that nobody wrote are not touched. */
static void check_namespaces(struct check *c)
{
	unsigned char here[NS_PAGES];

	if (mincore(ns_entry(c->h, 0), (size_t)NS_PAGES * SHM_PAGE, here) != 0)
		memset(here, 1, sizeof(here));
	for (uint32_t page = 0; page < NS_PAGES; page++) {
		uint32_t first = page * (uint32_t)NS_PER_PAGE;
		bool named = false;

		for (uint32_t i = 0; i < NS_PER_PAGE / 8; i++)
			named |= c->ns_seen[first / 8 + i] != 0;
		if (named || (here[page] & 1))
			check_ns_page(c, first);
	}
}

/* ------------------------------------------------------------------ the call */

static int check_run(struct check *c)
{
	size_t homes = (size_t)index_mask(c->h, c->h->n_levels - 1) + 1;
	bool damaged = false;

	c->alt = calloc(homes, 1);
	c->reach = calloc(c->h->n_segs, sizeof(*c->reach));
	if (c->alt == NULL || c->reach == NULL)
		return -ENOMEM;
	check_header(c);
	check_segment_words(c);
	check_index(c);
	check_overflow(c);
	check_hazards(c);
	check_walks(c);
	check_namespaces(c);
	check_flushes(c);
	for (unsigned i = 1; i <= CHECK_INVARIANTS; i++)
		damaged |= c->told[i] != 0;
	return damaged ? LARDER_DAMAGED : 0;
}

int larder_check(struct larder *h, larder_check_fn *fn, void *ctx)
{
	struct check *c;
	int r = handle_enter(h);

	if (r != 0)
		return r;
	c = calloc(1, sizeof(*c));
	if (c == NULL) {
		handle_leave(h);
		return -ENOMEM;
	}
	c->h = h;
	c->fn = fn;
	c->ctx = ctx;
	c->recounts = CHECK_RECOUNTS;
	r = check_run(c);
	free(c->alt);
	free(c->reach);
	free(c);
	handle_leave(h);
	return r;
}
