/* SPDX-License-Identifier: MIT */
/* hist.c - a log-linear histogram of nanoseconds
 *
 * Values below 128 have a bucket each. Above, the top 7 bits below the leading one choose the
 * bucket within its power of two.
 */
#include "hist.h"

#include <string.h>

#define HIST_SUB (UINT64_C(1) << HIST_SUB_BITS)

static unsigned hist_index(uint64_t ns)
{
	unsigned shift;

	if (ns < HIST_SUB)
		return (unsigned)ns;
	if (ns >> HIST_MAX_BITS)
		return HIST_BUCKETS - 1;
	shift = 63 - (unsigned)__builtin_clzll(ns) - HIST_SUB_BITS;
	return ((shift + 1) << HIST_SUB_BITS) + (unsigned)((ns >> shift) & (HIST_SUB - 1));
}

/* The largest value that falls into a bucket. */
static uint64_t hist_limit(unsigned index)
{
	unsigned shift = index >> HIST_SUB_BITS;
	uint64_t low = index & (HIST_SUB - 1);

	if (shift == 0)
		return low;
	return ((HIST_SUB + low + 1) << (shift - 1)) - 1;
}

void hist_reset(struct hist *hist)
{
	memset(hist, 0, sizeof(*hist));
}

void hist_add(struct hist *hist, uint64_t ns)
{
	hist->n++;
	hist->sum += ns;
	if (ns > hist->max)
		hist->max = ns;
	hist->bucket[hist_index(ns)]++;
}

void hist_merge(struct hist *into, const struct hist *from)
{
	into->n += from->n;
	into->sum += from->sum;
	if (from->max > into->max)
		into->max = from->max;
	for (unsigned i = 0; i < HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
	double want = (double)hist->n * percent / 100;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HIST_BUCKETS; i++) {
		seen += hist->bucket[i];
		if (seen && (double)seen >= want)
			return hist_limit(i) < hist->max ? hist_limit(i) : hist->max;
	}
	return hist->max;
}

double hist_mean(const struct hist *hist)
{
	return hist->n ? (double)hist->sum / (double)hist->n : 0;
}
