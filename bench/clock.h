/* SPDX-License-Identifier: MIT */
/* clock.h - what time it is, and what asking costs */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Sleeps are for pacing progress lines and for polling other processes, never for the cache. */
static inline void clock_sleep_us(uint64_t us)
{
	struct timespec ts = {(time_t)(us / 1000000), (long)(us % 1000000 * 1000)};

	nanosleep(&ts, NULL);
}

/* What a pair of clock_ns() adds to the difference between them: the smallest one ever seen. */
static inline uint64_t clock_cost_ns(void)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 20000; i++) {
		uint64_t start = clock_ns();
		uint64_t cost = clock_ns() - start;

		if (cost < least)
			least = cost;
	}
	return least;
}

#endif
