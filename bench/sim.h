/* SPDX-License-Identifier: MIT */
/* sim.h - exact reference caches, by bytes, for comparing miss ratios
 *
 * Objects are numbers from 0 to n_objects - 1. An object has the size that it was inserted with.
 * An access is a get, and an insertion when it misses. One caller at a time.
 */
#ifndef BENCH_SIM_H
#define BENCH_SIM_H

#include <stdbool.h>
#include <stdint.h>

#define SIM_NIL UINT32_MAX

/* Doubly linked by number: every object is in at most one list of a simulator. */
struct sim_link {
	uint32_t prev;
	uint32_t next;
};

struct sim_list {
	uint32_t newest;
	uint32_t oldest;
	uint64_t bytes;
};

static inline void sim_list_init(struct sim_list *list)
{
	list->newest = SIM_NIL;
	list->oldest = SIM_NIL;
	list->bytes = 0;
}

static inline void sim_list_push(struct sim_list *list, struct sim_link *link, uint32_t object,
				 uint32_t size)
{
	link[object].prev = SIM_NIL;
	link[object].next = list->newest;
	if (list->newest != SIM_NIL)
		link[list->newest].prev = object;
	else
		list->oldest = object;
	list->newest = object;
	list->bytes += size;
}

static inline void sim_list_remove(struct sim_list *list, struct sim_link *link, uint32_t object,
				   uint32_t size)
{
	struct sim_link at = link[object];

	if (at.prev != SIM_NIL)
		link[at.prev].next = at.next;
	else
		list->newest = at.next;
	if (at.next != SIM_NIL)
		link[at.next].prev = at.prev;
	else
		list->oldest = at.prev;
	list->bytes -= size;
}

struct sim_lru;

/* Return: NULL without memory. */
struct sim_lru *sim_lru_new(uint32_t n_objects, uint64_t capacity_bytes);
void sim_lru_free(struct sim_lru *sim);
/* Return: true on a hit. */
bool sim_lru_access(struct sim_lru *sim, uint32_t object, uint32_t size);

struct sim_s3fifo;

struct sim_s3fifo *sim_s3fifo_new(uint32_t n_objects, uint64_t capacity_bytes);
void sim_s3fifo_free(struct sim_s3fifo *sim);
bool sim_s3fifo_access(struct sim_s3fifo *sim, uint32_t object, uint32_t size);

#endif
