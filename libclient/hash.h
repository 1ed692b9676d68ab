/* SPDX-License-Identifier: MIT
 *
 * hash.h - the hash of a key, and what the index derives from it
 *
 * XXH3-64 (Yann Collet, BSD-2; compiled in), seeded per region against hash flooding, with the
 * namespace mixed into the seed. The tag's low 3 bits are the hash bits above the level-0 bucket
 * number, so that a bucket can be split by what its words carry (layout.h 6).
 */
#ifndef LARDER_HASH_H
#define LARDER_HASH_H

#include <stdint.h>

#define XXH_INLINE_ALL
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#define NAMESPACE_MIX 0x9E3779B97F4A7C15ULL

static inline uint64_t hash_seed(uint64_t region_seed, uint16_t ns)
{
	return region_seed ^ (uint64_t)ns * NAMESPACE_MIX;
}

/* The same function for all lengths; the short ones, which most keys are, without its dispatch. */
static __attribute__((noinline, unused)) uint64_t hash_other(uint64_t seed, const void *key,
							     size_t klen)
{
	return XXH3_64bits_withSeed(key, klen, seed);
}

static inline __attribute__((always_inline)) uint64_t hash_key(uint64_t seed, const void *key,
							       size_t klen)
{
	if (__builtin_expect(klen - 9 <= 16 - 9, 1))
		return XXH3_len_9to16_64b(key, klen, XXH3_kSecret, seed);
	return hash_other(seed, key, klen);
}

/* log2 of the number of level-0 buckets. */
static inline unsigned hash_bits(uint64_t mask0)
{
	return 64u - (unsigned)__builtin_clzll(mask0);
}

static inline uint32_t hash_tag_of(uint64_t hash, unsigned bits)
{
	return (uint32_t)(hash >> bits & 7) | (uint32_t)(hash >> 55) << 3;
}

static inline uint32_t hash_tag(uint64_t hash, uint64_t mask0)
{
	return hash_tag_of(hash, hash_bits(mask0));
}

/* What is xored onto the hash to find the second bucket: never 0 in the level-0 bits. */
static inline uint64_t hash_spread(uint32_t tag, uint64_t mask0)
{
	/* the finalizer of MurmurHash3, on tag + 1 */
	uint64_t x = ((uint64_t)tag + 1) * 0xff51afd7ed558ccdULL;

	x ^= x >> 32;
	return (x & mask0) != 0 ? x : x | 1;
}

#endif
