/* SPDX-License-Identifier: MIT */
/* perm.c - a random order of 0 to n - 1 without a table
 *
 * A Feistel network is a bijection of the smallest even number of bits that holds n; places outside
 * 0..n-1 are walked on until they fall inside ("cycle walking"), which keeps it a bijection. Keys
 * stored in this order show no pattern to an allocator or an index, and two phases of a run can
 * name the same keys without remembering them.
 */
#include "perm.h"

#include "rng.h"

#define PERM_ROUNDS 4

void perm_init(struct perm *perm, uint64_t n, uint64_t seed)
{
	perm->n = n;
	perm->seed = rng_mix(seed + 1);
	perm->half_bits = 1;
	while (perm->half_bits < 32 && (UINT64_C(1) << (2 * perm->half_bits)) < n)
		perm->half_bits++;
}

static uint64_t perm_once(const struct perm *perm, uint64_t x)
{
	uint64_t mask = (UINT64_C(1) << perm->half_bits) - 1;
	uint64_t left = x >> perm->half_bits;
	uint64_t right = x & mask;

	for (unsigned round = 0; round < PERM_ROUNDS; round++) {
		uint64_t mixed = rng_mix(right + perm->seed + ((uint64_t)round << 40));
		uint64_t next = left ^ ((mixed >> 32) & mask);

		left = right;
		right = next;
	}
	return (left << perm->half_bits) | right;
}

uint64_t perm_at(const struct perm *perm, uint64_t i)
{
	do
		i = perm_once(perm, i);
	while (i >= perm->n);
	return i;
}
