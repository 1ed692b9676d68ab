/* SPDX-License-Identifier: MIT
 *
 * geometry.h - sizes and offsets of a region: planned once, checked at every attach
 */
#ifndef LARDER_GEOMETRY_H
#define LARDER_GEOMETRY_H

#include <larder/layout.h>
#include <stdbool.h>

#define GEOMETRY_MEMORY_MIN (1ULL << 20)
#define GEOMETRY_MEMORY_MAX (8ULL << 40)

struct geometry_options {
	uint64_t max_memory;	/* bytes, GEOMETRY_MEMORY_MIN to GEOMETRY_MEMORY_MAX */
	uint64_t segment_bytes; /* 0 = by the memory; else a power of two, 4 KiB to 8 MiB */
	bool test_clock;
};

/*
 * geometry_plan - the geometry of a new region
 * Return: 0; -ERANGE memory out of range or too small for that segment size.
 */
int geometry_plan(struct shm_geometry *geo, const struct geometry_options *opt);

/* geometry_place - the offsets and file_bytes, from the sizes */
void geometry_place(struct shm_geometry *geo);

/*
 * geometry_check - is this geometry, copied out of a region of @file_bytes, safe to work with?
 * Return: 0; -EPROTO.
 */
int geometry_check(const struct shm_geometry *geo, uint64_t file_bytes);

/*
 * region_format - write a new region into zeroed, committed memory
 * Commits nothing: [0, off_slots), level 0 and the segments must be allocated by the caller before
 * they are used. All segments become FREE with generation 1. The magic is stored last.
 */
void region_format(void *base, const struct shm_geometry *geo, const uint8_t uuid[16],
		   uint64_t seed);

/*
 * region_header_check - magic, version, signature and geometry of a mapped region
 * @geo: out: the private copy, loaded once
 * Return: 0; -EPROTO.
 */
int region_header_check(const void *base, uint64_t file_bytes, struct shm_geometry *geo,
			uint8_t uuid[16], uint64_t *seed);

/* Bytes of the parts that are committed from the start, index level 0 included. */
uint64_t geometry_fixed_bytes(const struct shm_geometry *geo);

static inline uint64_t geometry_buckets(const struct shm_geometry *geo, unsigned level)
{
	return 1ULL << (geo->bucket_shift + level);
}

static inline uint64_t geometry_seg_bytes(const struct shm_geometry *geo)
{
	return 1ULL << geo->seg_shift;
}

#endif
