/* SPDX-License-Identifier: MIT
 *
 * geometry.c - sizes and offsets of a region
 *
 * Segments: memory / 1024 as a power of two between 256 KiB and 2 MiB; memory / 128 below 32 MiB, so
 * that a small cache still has segments to choose a victim from; larger than 2 MiB only where an
 * extent's 20-bit segment number would not reach. Index level 0 is 1/64 of the memory, rounded up to
 * a power of two; three doublings follow as items come. The unit of a place grows with the data
 * area, because a place has 34 bits: 8 bytes up to 128 GiB.
 *
 * CONCURRENCY	label  store                    load                          orders
 *		M1/M2  magic in region_format   region_header_check           whole region -> magic
 */
#include "geometry.h"

#include <errno.h>
#include <string.h>

#include "atomic.h"
#include "words.h"

#define SEG_SHIFT_MIN 12u
#define SEG_SHIFT_MAX 23u
#define SLOTS_SMALL 2048u
#define SLOTS_LARGE_FROM (1ULL << 30)
#define MAX_VALUE (64ULL << 20)
#define CHUNK_BUCKETS_MIN 64u /* one page */

static uint64_t align_page(uint64_t n)
{
	return (n + SHM_PAGE - 1) & ~(uint64_t)(SHM_PAGE - 1);
}

static unsigned log2_floor(uint64_t n)
{
	return 63u - (unsigned)__builtin_clzll(n);
}

static unsigned log2_ceil(uint64_t n)
{
	return n <= 1 ? 0 : log2_floor(n - 1) + 1;
}

static unsigned plan_seg_shift(uint64_t memory)
{
	unsigned shift;

	if (memory >= 32ULL << 20) {
		shift = log2_floor(memory / 1024);
		shift = shift < 18 ? 18 : shift > 21 ? 21 : shift;
	} else {
		shift = log2_floor(memory / 128);
	}
	while (memory >> shift > 1ULL << 20)
		shift++;
	return shift;
}

void geometry_place(struct shm_geometry *geo)
{
	uint64_t off = SHM_PAGE;

	geo->off_segs = off;
	off += align_page((uint64_t)geo->n_segs * sizeof(struct shm_segment));
	geo->off_table = off;
	off += align_page((uint64_t)geo->n_segs * sizeof(struct shm_table));
	geo->off_slots = off;
	off += align_page((uint64_t)geo->n_slots * sizeof(struct shm_slot));
	geo->off_ns = off;
	off += SHM_NAMESPACES * sizeof(struct shm_ns);
	geo->off_ns_name = off;
	off += SHM_NAMESPACES * sizeof(struct shm_ns_name);
	for (unsigned i = 0; i < SHM_LEVELS; i++) {
		geo->off_level[i] = off;
		off += align_page(geometry_buckets(geo, i) * sizeof(struct shm_bucket));
	}
	off = (off + (2ULL << 20) - 1) & ~((2ULL << 20) - 1); /* huge pages for the data */
	geo->off_data = off;
	geo->file_bytes = off + ((uint64_t)geo->n_segs << geo->seg_shift);
}

uint64_t geometry_fixed_bytes(const struct shm_geometry *geo)
{
	return geo->off_slots + geometry_buckets(geo, 0) * sizeof(struct shm_bucket);
}

/* An eighth of the memory, and no more than a head of a quarter segment can list. */
static uint64_t max_value(const struct shm_geometry *geo)
{
	uint64_t listed = geometry_seg_bytes(geo) / 4 / 8 * geometry_seg_bytes(geo);
	uint64_t max = geo->max_memory / 8 < MAX_VALUE ? geo->max_memory / 8 : MAX_VALUE;

	return listed < max ? listed : max;
}

int geometry_plan(struct shm_geometry *geo, const struct geometry_options *opt)
{
	uint64_t memory = opt->max_memory;
	uint64_t n_segs;

	if (memory < GEOMETRY_MEMORY_MIN || memory > GEOMETRY_MEMORY_MAX)
		return -ERANGE;
	memset(geo, 0, sizeof(*geo));
	geo->max_memory = memory;
	geo->seg_shift =
		opt->segment_bytes ? log2_floor(opt->segment_bytes) : plan_seg_shift(memory);
	if (geo->seg_shift < SEG_SHIFT_MIN || geo->seg_shift > SEG_SHIFT_MAX ||
	    (opt->segment_bytes && opt->segment_bytes != 1ULL << geo->seg_shift))
		return -ERANGE;
	geo->bucket_shift = log2_ceil(memory / 64 / sizeof(struct shm_bucket));
	geo->n_levels = SHM_LEVELS;
	geo->n_slots = memory >= SLOTS_LARGE_FROM ? SHM_SLOTS_MAX : SLOTS_SMALL;
	geo->test_clock = opt->test_clock;

	n_segs = memory >> geo->seg_shift;
	do {
		if (n_segs < 16 || n_segs > 1u << 20)
			return -ERANGE;
		geo->n_segs = (uint32_t)n_segs--;
		geometry_place(geo);
	} while (geometry_fixed_bytes(geo) + ((uint64_t)geo->n_segs << geo->seg_shift) > memory);

	while (((uint64_t)geo->n_segs << geo->seg_shift) >> geo->unit_shift > SLOT_PLACE_MASK ||
	       geo->unit_shift < 3)
		geo->unit_shift++;
	geo->chunk_shift = geo->seg_shift - 1 - log2_floor(sizeof(struct shm_bucket));
	if (geo->chunk_shift < log2_floor(CHUNK_BUCKETS_MIN))
		geo->chunk_shift = log2_floor(CHUNK_BUCKETS_MIN);
	if (geo->chunk_shift > geo->bucket_shift)
		geo->chunk_shift = geo->bucket_shift;
	geo->reserve = 2;
	geo->max_value = max_value(geo);
	return 0;
}

/* The offsets follow from the sizes: recompute instead of trusting them. */
int geometry_check(const struct shm_geometry *geo, uint64_t file_bytes)
{
	struct shm_geometry want = *geo;

	if (geo->seg_shift < SEG_SHIFT_MIN || geo->seg_shift > SEG_SHIFT_MAX || geo->n_segs < 2 ||
	    geo->n_segs > 1u << 20 || geo->n_slots < 1 || geo->n_slots > SHM_SLOTS_MAX ||
	    geo->bucket_shift > 33 || geo->bucket_shift < 2 ||
	    geo->chunk_shift > geo->bucket_shift || geo->unit_shift < 3 || geo->unit_shift > 12 ||
	    geo->n_levels < 1 || geo->n_levels > SHM_LEVELS || geo->reserve > geo->n_segs ||
	    geo->max_value > MAX_VALUE || geo->test_clock > 1)
		return -EPROTO;
	if (((uint64_t)geo->n_segs << geo->seg_shift) >> geo->unit_shift > SLOT_PLACE_MASK)
		return -EPROTO;
	geometry_place(&want);
	if (memcmp(&want, geo, sizeof(want)) != 0 || geo->file_bytes != file_bytes)
		return -EPROTO;
	return 0;
}

static void format_level0(uint8_t *base, const struct shm_geometry *geo)
{
	struct shm_bucket *b = (struct shm_bucket *)(void *)(base + geo->off_level[0]);
	uint64_t n = geometry_buckets(geo, 0);

	for (uint64_t i = 0; i < n; i++) {
		for (unsigned j = 0; j < SHM_WORDS; j++)
			store_relaxed(&b[i].word[j], SLOT_EMPTY_WORD);
		store_relaxed_u8(&b[i].overflow, OVERFLOW_NONE);
	}
}

void region_format(void *base, const struct shm_geometry *geo, const uint8_t uuid[16],
		   uint64_t seed)
{
	struct shm_header *hdr = base;
	struct shm_segment *segs = (struct shm_segment *)(void *)((uint8_t *)base + geo->off_segs);

	hdr->major = LAYOUT_MAJOR;
	hdr->minor = LAYOUT_MINOR;
	hdr->signature = LAYOUT_SIGNATURE;
	memcpy(hdr->uuid, uuid, 16);
	hdr->seed = seed;
	hdr->geo = *geo;
	for (uint32_t i = 0; i < geo->n_segs; i++)
		store_relaxed(&segs[i].word, seg_make(SEG_FREE, false, 0, 1));
	format_level0(base, geo);
	store_relaxed_u32(&hdr->slots_high, 1);
	/* [M1] release, pairs with [M2] in region_header_check(): whoever sees the magic sees a
	 * complete region. */
	store_release(&hdr->magic, LAYOUT_MAGIC);
}

int region_header_check(const void *base, uint64_t file_bytes, struct shm_geometry *geo,
			uint8_t uuid[16], uint64_t *seed)
{
	const struct shm_header *hdr = base;

	if (file_bytes < SHM_PAGE)
		return -EPROTO;
	/* [M2] acquire, pairs with [M1] in region_format() */
	if (load_acquire(&hdr->magic) != LAYOUT_MAGIC)
		return -EPROTO;
	copy_out(geo, &hdr->geo, sizeof(*geo));
	copy_out(uuid, hdr->uuid, 16);
	copy_out(seed, &hdr->seed, sizeof(*seed));
	if (hdr->major != LAYOUT_MAJOR || hdr->signature != LAYOUT_SIGNATURE)
		return -EPROTO;
	return geometry_check(geo, file_bytes);
}
