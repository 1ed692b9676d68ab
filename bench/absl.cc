/* SPDX-License-Identifier: MIT */
/* absl.cc - absl::flat_hash_map behind a C interface, to keep the yardstick honest
 *
 * The same items array as bare.c; the map leads from the key's bytes (not copied a second time) to
 * the item. absl's own hash function.
 */
/* Its checks are for debug builds; the comparison is with what people run. */
#ifndef NDEBUG
#define NDEBUG
#endif
#include <cstdlib>
#include <cstring>

#include "absl/container/flat_hash_map.h"

#include "absl.h"

struct absl_item {
	uint32_t klen;
	uint32_t vlen;
};

struct absl_map {
	absl::flat_hash_map<absl::string_view, const absl_item *> index;
	unsigned char *items;
	uint64_t used;
	uint64_t room;
};

static uint64_t absl_item_size(uint64_t bytes)
{
	return (sizeof(absl_item) + bytes + 7) & ~UINT64_C(7);
}

extern "C" struct absl_map *absl_map_new(uint64_t n_items, uint32_t item_bytes)
{
	absl_map *map = new absl_map;

	map->used = 0;
	map->room = n_items * absl_item_size(item_bytes);
	map->items = static_cast<unsigned char *>(std::malloc(map->room));
	map->index.reserve(n_items);
	return map;
}

extern "C" void absl_map_free(struct absl_map *map)
{
	std::free(map->items);
	delete map;
}

extern "C" int absl_map_add(struct absl_map *map, const void *key, size_t klen, const void *val,
			    size_t vlen)
{
	absl_item *item = reinterpret_cast<absl_item *>(map->items + map->used);
	char *data = reinterpret_cast<char *>(item + 1);

	if (map->used + absl_item_size(klen + vlen) > map->room)
		return -1;
	item->klen = static_cast<uint32_t>(klen);
	item->vlen = static_cast<uint32_t>(vlen);
	std::memcpy(data, key, klen);
	std::memcpy(data + klen, val, vlen);
	map->index.emplace(absl::string_view(data, klen), item);
	map->used += absl_item_size(klen + vlen);
	return 0;
}

extern "C" int absl_map_get(const struct absl_map *map, const void *key, size_t klen, void *buf,
			    size_t *lenp)
{
	auto found = map->index.find(absl::string_view(static_cast<const char *>(key), klen));

	if (found == map->index.end()) {
		*lenp = 0;
		return 1;
	}
	const absl_item *item = found->second;
	std::memcpy(buf, reinterpret_cast<const char *>(item + 1) + item->klen,
		    item->vlen < *lenp ? item->vlen : *lenp);
	*lenp = item->vlen;
	return 0;
}
