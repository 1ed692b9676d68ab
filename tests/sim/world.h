/* SPDX-License-Identifier: MIT
 *
 * world.h - a cache in the simulated machine: clients, a daemon, deaths, and what must hold
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stdint.h>

struct world_result {
	uint64_t accesses, calls;
	uint64_t evicted, moved, cleaned, splits, pending_killed, failed;
	unsigned kills, stops, given_up;
};

/*
 * world_run - one history from one seed, which also draws the shape of the world
 * Return: true all held; false: sched_failure() says what did not.
 */
bool world_run(uint64_t seed, struct world_result *result);

/* What the seed drew, to standard error. */
void world_describe(void);

#endif
