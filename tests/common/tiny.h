/* SPDX-License-Identifier: MIT
 *
 * tiny.h - a region as small as the code allows, without a daemon
 *
 * For tests that turn a region over many times, or compare all of it after every step.
 */
#ifndef TINY_H
#define TINY_H

#include <larder/larder.h>
#include <larder/layout.h>
#include <stdbool.h>

#include "growth.h"
#include "handle.h"

struct tiny_options {
	uint32_t n_segs;       /* of 4 KiB */
	uint32_t bucket_shift; /* at least 2: four buckets at level 0 */
	uint32_t n_levels;
	uint32_t n_slots;
	uint64_t seed; /* of the hashes */
};

#define TINY_PARTS 3

struct tiny {
	struct mapping *map;
	struct shm_geometry geo;
	uint8_t *base;
	/* What is ever stored to, but for namespaces. */
	struct {
		uint64_t off, len;
	} part[TINY_PARTS];
	uint64_t image_bytes; /* of all parts */
};

/* Aborts on failure. The region is MAP_SHARED: children of a fork work on the same one. */
void tiny_init(struct tiny *t, const struct tiny_options *opt);
void tiny_deinit(struct tiny *t);

/* Format it anew; the handles that are bound to it must be gone. */
void tiny_reset(struct tiny *t);

/* All parts, into or out of image_bytes. */
void tiny_save(const struct tiny *t, uint8_t *image);
void tiny_load(struct tiny *t, const uint8_t *image);
bool tiny_same(const struct tiny *t, const uint8_t *image);

/* A handle that owns @slot; @random fixes what it would draw. NULL while detached: see tiny_leave(). */
struct larder *tiny_enter(struct tiny *t, uint32_t slot, uint32_t random);

/* Release the memory of a handle without touching the region, as the death of its process does. */
void tiny_leave(struct larder *h);

/* Commit and punch for growth_run(): everything is committed, a hole reads zeros. */
struct growth_ops tiny_growth(struct tiny *t);

/* Let all FREE segments pass as many generations as brings the 12 bits of the index's words back to
 * what they were before the last @turns reuses. */
void tiny_wrap_generations(struct tiny *t, uint64_t turns);

/* A counter, summed over all slots. */
uint64_t tiny_stat(const struct tiny *t, enum counter stat);

/* Linked items, as a walk over the index finds them. Finishes splits; nobody else may be at work. */
uint64_t tiny_count_items(struct larder *h);

/* The committed words that a reader could choose for a key; more than one is a violation of I7. */
unsigned tiny_count_words(struct larder *h, const void *key, size_t klen);

#endif
