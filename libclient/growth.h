/* SPDX-License-Identifier: MIT
 *
 * growth.h - when and where the index grows; runs in the daemon only
 *
 * The bucket split itself is index.h's and anybody's. This part commits the memory of children ahead
 * of need, drives the split of chunk after chunk when the load is high, moves the hint, and punches
 * chunks whose splits are all done.
 */
#ifndef LARDER_GROWTH_H
#define LARDER_GROWTH_H

#include "handle.h"

struct growth_ops {
	/* fallocate [off, off + len) of the region: 0 or -errno */
	int (*commit)(void *ctx, uint64_t off, uint64_t len);
	/* punch a hole */
	int (*punch)(void *ctx, uint64_t off, uint64_t len);
	void *ctx;
};

#define GROWTH_MORE 1	  /* there is more to do now */
#define GROWTH_RELEASED 2 /* so there is, and memory of the index was given back to segments */

/*
 * growth_run - one bounded step (about a millisecond)
 * Keeps committed memory within max_memory by taking segments OFFLINE and back.
 * Return: GROWTH_MORE; GROWTH_RELEASED; 0 nothing to do; -errno of commit.
 */
int growth_run(struct larder *h, const struct growth_ops *ops);

/* Bytes of the region that are committed now, as the words say. */
uint64_t growth_committed(const struct larder *h);

/* Of them, the index. */
uint64_t growth_index_bytes(const struct larder *h);

#endif
