/* SPDX-License-Identifier: MIT */
/* rng.h - seeded random numbers
 *
 * Every random choice of the harness comes from a seed that the report prints, so a run can be
 * repeated. splitmix64: one multiply chain, no state beyond a counter, good enough to choose keys.
 */
#ifndef BENCH_RNG_H
#define BENCH_RNG_H

#include <stdint.h>

struct rng {
	uint64_t state;
};

/* A bijection of 64-bit numbers: distinct inputs give distinct outputs. */
static inline uint64_t rng_mix(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9u;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t rng_next(struct rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15u;
	return rng_mix(rng->state);
}

/* 0 to n - 1; the bias is below n / 2^64. */
static inline uint64_t rng_below(struct rng *rng, uint64_t n)
{
	return (uint64_t)(((__uint128_t)rng_next(rng) * n) >> 64);
}

/* 0 <= result < 1 */
static inline double rng_unit(struct rng *rng)
{
	return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

#endif
