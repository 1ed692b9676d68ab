/* SPDX-License-Identifier: MIT */
/* perm.h - a random order of 0 to n - 1 without a table */
#ifndef BENCH_PERM_H
#define BENCH_PERM_H

#include <stdint.h>

struct perm {
	uint64_t n;
	uint64_t seed;
	unsigned half_bits;
};

void perm_init(struct perm *perm, uint64_t n, uint64_t seed);

/* The element at place @i, 0 <= i < n. Each element has exactly one place. */
uint64_t perm_at(const struct perm *perm, uint64_t i);

#endif
