/* SPDX-License-Identifier: MIT */
/* bare.c - the least that any hash table must do: the yardstick of the speed bars
 *
 * Open addressing with linear probing at half load, slots of 8 bytes {tag 16 | place 48}, items in
 * one array, XXH3, memcmp, memcpy. Private to the process; no safety, no expiry, no eviction. It is
 * called like the library, from another translation unit, so that neither side is inlined into the
 * loop that measures.
 */
#include "bare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define BARE_GROUP 32
#define BARE_PLACE_MASK ((UINT64_C(1) << 48) - 1)

struct bare_item {
	uint32_t klen;
	uint32_t vlen;
	unsigned char data[]; /* key, value */
};

struct bare {
	uint64_t n_slots;
	uint64_t *slot; /* 0 = free; the place is counted from 8, so it is never 0 */
	unsigned char *items;
	uint64_t used;
	uint64_t room;
	uint64_t slot_bytes;
};

static void *bare_map(uint64_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

struct bare *bare_new(uint64_t n_items, uint32_t item_bytes)
{
	struct bare *bare = calloc(1, sizeof(*bare));

	if (!bare)
		return NULL;
	bare->n_slots = 2 * n_items;
	bare->slot_bytes = bare->n_slots * 8;
	bare->used = 8;
	bare->room = 8 + n_items * ((sizeof(struct bare_item) + item_bytes + 7) & ~UINT64_C(7));
	bare->slot = bare_map(bare->slot_bytes);
	bare->items = bare_map(bare->room);
	if (bare->slot && bare->items)
		return bare;
	bare_free(bare);
	return NULL;
}

void bare_free(struct bare *bare)
{
	if (!bare)
		return;
	if (bare->slot)
		munmap(bare->slot, bare->slot_bytes);
	if (bare->items)
		munmap(bare->items, bare->room);
	free(bare);
}

/* The lower half of the hash, scaled to the table: half load for every number of items. */
static inline uint64_t bare_home(const struct bare *bare, uint64_t hash)
{
	return ((hash & UINT32_MAX) * bare->n_slots) >> 32;
}

static inline uint64_t bare_next(const struct bare *bare, uint64_t at)
{
	return at + 1 == bare->n_slots ? 0 : at + 1;
}

static inline struct bare_item *bare_item(const struct bare *bare, uint64_t slot)
{
	return (struct bare_item *)(void *)(bare->items + (slot & BARE_PLACE_MASK));
}

int bare_add(struct bare *bare, const void *key, size_t klen, const void *val, size_t vlen)
{
	uint64_t hash = XXH3_64bits(key, klen);
	uint64_t size = (sizeof(struct bare_item) + klen + vlen + 7) & ~UINT64_C(7);
	uint64_t at = bare_home(bare, hash);
	struct bare_item *item;

	if (bare->used + size > bare->room)
		return -ENOSPC;
	item = bare_item(bare, bare->used);
	item->klen = (uint32_t)klen;
	item->vlen = (uint32_t)vlen;
	memcpy(item->data, key, klen);
	memcpy(item->data + klen, val, vlen);
	while (bare->slot[at])
		at = bare_next(bare, at);
	bare->slot[at] = (hash & ~BARE_PLACE_MASK) | bare->used;
	bare->used += size;
	return 0;
}

/* From the slot at @at on, the first with the tag; 0 at a free one. */
static inline uint64_t bare_probe(const struct bare *bare, uint64_t hash, uint64_t *at)
{
	uint64_t slot;

	while ((slot = bare->slot[*at]) != 0) {
		if (((slot ^ hash) & ~BARE_PLACE_MASK) == 0)
			return slot;
		*at = bare_next(bare, *at);
	}
	return 0;
}

static inline int bare_copy(const struct bare *bare, uint64_t hash, const void *key, size_t klen,
			    void *buf, size_t *lenp)
{
	uint64_t at = bare_home(bare, hash);
	uint64_t slot;

	while ((slot = bare_probe(bare, hash, &at)) != 0) {
		const struct bare_item *item = bare_item(bare, slot);

		if (item->klen == klen && memcmp(item->data, key, klen) == 0) {
			memcpy(buf, item->data + klen, item->vlen < *lenp ? item->vlen : *lenp);
			*lenp = item->vlen;
			return LARDER_OK;
		}
		at = bare_next(bare, at);
	}
	*lenp = 0;
	return LARDER_MISS;
}

int bare_get(const struct bare *bare, const void *key, size_t klen, void *buf, size_t *lenp)
{
	return bare_copy(bare, XXH3_64bits(key, klen), key, klen, buf, lenp);
}

static void bare_mget_group(const struct bare *bare, struct larder_op *ops, size_t n)
{
	uint64_t hash[BARE_GROUP];

	for (size_t i = 0; i < n; i++) {
		hash[i] = XXH3_64bits(ops[i].key, ops[i].klen);
		__builtin_prefetch(&bare->slot[bare_home(bare, hash[i])]);
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t at = bare_home(bare, hash[i]);
		uint64_t slot = bare_probe(bare, hash[i], &at);

		if (!slot)
			continue;
		__builtin_prefetch(bare_item(bare, slot));
		__builtin_prefetch((const char *)bare_item(bare, slot) + 64);
	}
	for (size_t i = 0; i < n; i++)
		ops[i].result =
			bare_copy(bare, hash[i], ops[i].key, ops[i].klen, ops[i].buf, &ops[i].len);
}

void bare_mget(const struct bare *bare, struct larder_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i += BARE_GROUP)
		bare_mget_group(bare, ops + i, n - i < BARE_GROUP ? n - i : BARE_GROUP);
}
