/* SPDX-License-Identifier: MIT */
/* hist.h - a log-linear histogram of nanoseconds
 *
 * 128 linear steps per power of two: a percentile is at most 0.8 % above the true value. No pointers:
 * it can live in memory that a forked worker shares with its parent.
 */
#ifndef BENCH_HIST_H
#define BENCH_HIST_H

#include <stdint.h>

#define HIST_SUB_BITS 7
#define HIST_MAX_BITS 43 /* 2.4 hours; longer times count as that */
#define HIST_BUCKETS ((HIST_MAX_BITS - HIST_SUB_BITS + 1) << HIST_SUB_BITS)

struct hist {
	uint64_t n;
	uint64_t sum;
	uint64_t max;
	uint64_t bucket[HIST_BUCKETS];
};

void hist_reset(struct hist *hist);
void hist_add(struct hist *hist, uint64_t ns);
void hist_merge(struct hist *into, const struct hist *from);

/* The smallest bucket limit that @percent of the samples do not exceed; 0 when empty. */
uint64_t hist_percentile(const struct hist *hist, double percent);
double hist_mean(const struct hist *hist);

#endif
