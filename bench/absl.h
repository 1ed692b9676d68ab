/* SPDX-License-Identifier: MIT */
/* absl.h - absl::flat_hash_map behind a C interface, to keep the yardstick honest
 *
 * Weak: a build without a C++ compiler or libabsl-dev leaves absl.cc out, the pointers are NULL, and
 * the comparison is reported as not measured.
 */
#ifndef BENCH_ABSL_H
#define BENCH_ABSL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct absl_map;

#define ABSL_WEAK __attribute__((weak))

ABSL_WEAK struct absl_map *absl_map_new(uint64_t n_items, uint32_t item_bytes);
ABSL_WEAK void absl_map_free(struct absl_map *map);
ABSL_WEAK int absl_map_add(struct absl_map *map, const void *key, size_t klen, const void *val,
			   size_t vlen);
ABSL_WEAK int absl_map_get(const struct absl_map *map, const void *key, size_t klen, void *buf,
			   size_t *lenp);

#ifdef __cplusplus
}
#endif
#endif
