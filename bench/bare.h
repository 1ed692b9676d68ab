/* SPDX-License-Identifier: MIT */
/* bare.h - the least that any hash table must do: the yardstick of the speed bars */
#ifndef BENCH_BARE_H
#define BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>

#include <larder/larder.h>

struct bare;

/* A table at half load when it holds @n_items (below 2^31), with room for @item_bytes of keys and values each. */
struct bare *bare_new(uint64_t n_items, uint32_t item_bytes);
void bare_free(struct bare *bare);

/* Return: 0; -ENOSPC no room. The key must be new. */
int bare_add(struct bare *bare, const void *key, size_t klen, const void *val, size_t vlen);

/* @lenp: in: room, out: length. Return: LARDER_OK, LARDER_MISS; a longer value is cut. */
int bare_get(const struct bare *bare, const void *key, size_t klen, void *buf, size_t *lenp);

/* The batched form: hash and prefetch slots, find and prefetch items, compare and copy. */
void bare_mget(const struct bare *bare, struct larder_op *ops, size_t n);

#endif
