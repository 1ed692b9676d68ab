/* SPDX-License-Identifier: MIT */
/* simlru.c - exact least recently used, by bytes */
#include <stdlib.h>

#include "sim.h"

struct sim_lru {
	uint64_t capacity;
	struct sim_list list;
	struct sim_link *link;
	uint32_t *size; /* as inserted */
	bool *is_cached;
};

struct sim_lru *sim_lru_new(uint32_t n_objects, uint64_t capacity_bytes)
{
	struct sim_lru *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->capacity = capacity_bytes;
	sim_list_init(&sim->list);
	sim->link = calloc(n_objects, sizeof(*sim->link));
	sim->size = calloc(n_objects, sizeof(*sim->size));
	sim->is_cached = calloc(n_objects, sizeof(*sim->is_cached));
	if (sim->link && sim->size && sim->is_cached)
		return sim;
	sim_lru_free(sim);
	return NULL;
}

void sim_lru_free(struct sim_lru *sim)
{
	if (!sim)
		return;
	free(sim->link);
	free(sim->size);
	free(sim->is_cached);
	free(sim);
}

static void sim_lru_evict(struct sim_lru *sim)
{
	uint32_t victim = sim->list.oldest;

	sim_list_remove(&sim->list, sim->link, victim, sim->size[victim]);
	sim->is_cached[victim] = false;
}

bool sim_lru_access(struct sim_lru *sim, uint32_t object, uint32_t size)
{
	if (sim->is_cached[object]) {
		sim_list_remove(&sim->list, sim->link, object, sim->size[object]);
		sim_list_push(&sim->list, sim->link, object, sim->size[object]);
		return true;
	}
	if (size > sim->capacity)
		return false;
	while (sim->list.bytes + size > sim->capacity)
		sim_lru_evict(sim);
	sim->size[object] = size;
	sim->is_cached[object] = true;
	sim_list_push(&sim->list, sim->link, object, size);
	return false;
}
