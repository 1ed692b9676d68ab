/* SPDX-License-Identifier: MIT
 *
 * tiny.c - a region as small as the code allows, without a daemon
 */
#include "tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "geometry.h"
#include "index.h"
#include "segment.h"

static _Noreturn void die(const char *what)
{
	perror(what);
	abort();
}

static void plan(struct tiny *t, const struct tiny_options *opt)
{
	struct shm_geometry *geo = &t->geo;

	memset(geo, 0, sizeof(*geo));
	geo->n_segs = opt->n_segs;
	geo->n_slots = opt->n_slots;
	geo->seg_shift = 12;
	geo->unit_shift = 3;
	geo->bucket_shift = opt->bucket_shift;
	geo->n_levels = opt->n_levels;
	geo->chunk_shift = opt->bucket_shift;
	geo->test_clock = 1;
	geo->reserve = 2;
	geo->max_value = (uint64_t)opt->n_segs << 9;
	geometry_place(geo);
	geo->max_memory = geometry_fixed_bytes(geo) + ((uint64_t)geo->n_segs << geo->seg_shift);
}

static void list_parts(struct tiny *t)
{
	const struct shm_geometry *geo = &t->geo;
	unsigned last = geo->n_levels - 1;

	t->part[0].off = 0;
	t->part[0].len = geo->off_ns;
	t->part[1].off = geo->off_level[0];
	t->part[1].len = geo->off_level[last] - geo->off_level[0] +
			 geometry_buckets(geo, last) * sizeof(struct shm_bucket);
	t->part[2].off = geo->off_data;
	t->part[2].len = (uint64_t)geo->n_segs << geo->seg_shift;
	for (unsigned i = 0; i < TINY_PARTS; i++)
		t->image_bytes += t->part[i].len;
}

static const uint8_t uuid[16] = "tiny region";

void tiny_init(struct tiny *t, const struct tiny_options *opt)
{
	memset(t, 0, sizeof(*t));
	plan(t, opt);
	list_parts(t);
	t->base = mmap(NULL, t->geo.file_bytes, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->base == MAP_FAILED)
		die("mmap");
	region_format(t->base, &t->geo, uuid, opt->seed);
	if (mapping_new(&t->map, t->base, t->geo.file_bytes, false) != 0)
		die("mapping_new");
}

void tiny_deinit(struct tiny *t)
{
	mapping_put(t->map);
	t->map = NULL;
}

void tiny_reset(struct tiny *t)
{
	uint64_t ns_bytes = SHM_NAMESPACES * sizeof(struct shm_ns);

	for (unsigned i = 0; i < TINY_PARTS; i++)
		memset(t->base + t->part[i].off, 0, t->part[i].len);
	if (madvise(t->base + t->geo.off_ns, ns_bytes, MADV_REMOVE) != 0)
		die("madvise");
	region_format(t->base, &t->geo, uuid, t->map->seed);
}

void tiny_save(const struct tiny *t, uint8_t *image)
{
	for (unsigned i = 0; i < TINY_PARTS; image += t->part[i++].len)
		memcpy(image, t->base + t->part[i].off, t->part[i].len);
}

void tiny_load(struct tiny *t, const uint8_t *image)
{
	for (unsigned i = 0; i < TINY_PARTS; image += t->part[i++].len)
		memcpy(t->base + t->part[i].off, image, t->part[i].len);
}

bool tiny_same(const struct tiny *t, const uint8_t *image)
{
	for (unsigned i = 0; i < TINY_PARTS; image += t->part[i++].len)
		if (memcmp(image, t->base + t->part[i].off, t->part[i].len) != 0)
			return false;
	return true;
}

struct larder *tiny_enter(struct tiny *t, uint32_t slot, uint32_t random)
{
	struct larder *h = handle_new();
	struct shm_header *hdr = (struct shm_header *)(void *)t->base;

	if (h == NULL)
		die("handle_new");
	/* As the daemon: before the slot is handed out. */
	if (load_relaxed_u32(&hdr->slots_high) <= slot)
		store_release_u32(&hdr->slots_high, slot + 1);
	h->random = random;
	if (handle_bind(h, t->map, slot) != 0)
		die("handle_bind");
	return h;
}

void tiny_leave(struct larder *h)
{
	handle_free(h);
}

static int do_commit(void *ctx, uint64_t off, uint64_t len)
{
	(void)ctx;
	(void)off;
	(void)len;
	return 0;
}

static int do_punch(void *ctx, uint64_t off, uint64_t len)
{
	struct tiny *t = ctx;

	memset(t->base + off, 0, len);
	return 0;
}

struct growth_ops tiny_growth(struct tiny *t)
{
	return (struct growth_ops){.commit = do_commit, .punch = do_punch, .ctx = t};
}

void tiny_wrap_generations(struct tiny *t, uint64_t turns)
{
	struct shm_segment *segs = (struct shm_segment *)(void *)(t->base + t->geo.off_segs);

	for (uint32_t i = 0; i < t->geo.n_segs; i++) {
		uint64_t w = load_acquire(&segs[i].word);

		/* What SLOT_GEN_MASK + 1 rounds of FREE -> OFFLINE -> FREE do. */
		if (seg_state(w) == SEG_FREE)
			cas(&segs[i].word, w,
			    seg_make(SEG_FREE, false, 0, seg_gen(w) + SLOT_GEN_MASK + 1 - turns));
	}
}

uint64_t tiny_stat(const struct tiny *t, enum counter stat)
{
	const struct shm_slot *slots =
		(const struct shm_slot *)(void *)(t->base + t->geo.off_slots);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < t->geo.n_slots; i++)
		sum += load_relaxed(&slots[i].count[stat]);
	return sum;
}

static unsigned count_bucket(struct larder *h, const struct shm_bucket *b)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SHM_WORDS; i++) {
		uint64_t w = load_acquire(&b->word[i]);
		struct hit hit;

		n += slot_kind(w) == SLOT_COMMITTED && !slot_frozen(w) &&
		     index_load(h, w, &hit) == FIND_HIT;
	}
	return n;
}

uint64_t tiny_count_items(struct larder *h)
{
	uint64_t last = index_mask(h, h->n_levels - 1);
	uint64_t n = 0;

	for (uint64_t hash = 0; hash <= last; hash++)
		index_locate(h, hash);
	for (unsigned level = 0; level < h->n_levels; level++)
		for (uint64_t i = 0; i <= index_mask(h, level); i++)
			n += count_bucket(h, &h->level[level][i]);
	return n;
}

static unsigned count_view(struct larder *h, const struct key *k, bool alt)
{
	uint64_t words[SHM_WORDS];
	bool ignored;
	unsigned n = 0;

	if (!split_view(h, alt ? k->hash2 : k->hash, words, &ignored))
		return 0;
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		struct hit hit;

		n += (words[i] & SLOT_MATCH_MASK) == key_pattern(k, alt) &&
		     index_examine(h, k, words[i], &hit) == FIND_HIT;
	}
	return n;
}

unsigned tiny_count_words(struct larder *h, const void *key, size_t klen)
{
	struct key k;

	key_init(h, &k, key, klen);
	return count_view(h, &k, false) + count_view(h, &k, true);
}
