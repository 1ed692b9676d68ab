/* SPDX-License-Identifier: MIT */
/* sims3fifo.c - exact S3-FIFO, by bytes
 *
 * The algorithm with the parameters of libCacheSim: a small FIFO of 10 % of the bytes, a main FIFO
 * of the rest whose objects have a 2-bit counter (reinsertion), and a ghost FIFO that remembers
 * evicted objects worth 90 %. An object enters main if the ghost knows it, else small; it leaves
 * small for main if it was hit at least twice there, else for the ghost. Small may grow beyond its
 * share while the whole cache is not full. An object is in one of the three lists or in none.
 */
#include <stdlib.h>

#include "sim.h"

#define S3_MOVE_TO_MAIN 2
#define S3_FREQ_MAX 3

enum s3_place { S3_NONE, S3_SMALL, S3_MAIN, S3_GHOST };

struct sim_s3fifo {
	uint64_t capacity, small_capacity, main_capacity, ghost_capacity;
	struct sim_list list[4]; /* by enum s3_place; the first is not used */
	struct sim_link *link;
	uint32_t *size;
	uint8_t *place;
	uint8_t *freq;
};

struct sim_s3fifo *sim_s3fifo_new(uint32_t n_objects, uint64_t capacity_bytes)
{
	struct sim_s3fifo *sim = calloc(1, sizeof(*sim));

	if (!sim)
		return NULL;
	sim->capacity = capacity_bytes;
	sim->small_capacity = capacity_bytes / 10;
	sim->main_capacity = capacity_bytes - sim->small_capacity;
	sim->ghost_capacity = capacity_bytes - capacity_bytes / 10;
	for (unsigned i = 0; i < 4; i++)
		sim_list_init(&sim->list[i]);
	sim->link = calloc(n_objects, sizeof(*sim->link));
	sim->size = calloc(n_objects, sizeof(*sim->size));
	sim->place = calloc(n_objects, sizeof(*sim->place));
	sim->freq = calloc(n_objects, sizeof(*sim->freq));
	if (sim->link && sim->size && sim->place && sim->freq)
		return sim;
	sim_s3fifo_free(sim);
	return NULL;
}

void sim_s3fifo_free(struct sim_s3fifo *sim)
{
	if (!sim)
		return;
	free(sim->link);
	free(sim->size);
	free(sim->place);
	free(sim->freq);
	free(sim);
}

static void s3_leave(struct sim_s3fifo *sim, uint32_t object)
{
	struct sim_list *list = &sim->list[sim->place[object]];

	sim_list_remove(list, sim->link, object, sim->size[object]);
	sim->place[object] = S3_NONE;
}

static void s3_enter(struct sim_s3fifo *sim, uint32_t object, enum s3_place place)
{
	sim_list_push(&sim->list[place], sim->link, object, sim->size[object]);
	sim->place[object] = (uint8_t)place;
}

static void s3_remember(struct sim_s3fifo *sim, uint32_t object)
{
	struct sim_list *ghost = &sim->list[S3_GHOST];

	if (sim->size[object] > sim->ghost_capacity)
		return;
	while (ghost->bytes + sim->size[object] > sim->ghost_capacity)
		s3_leave(sim, ghost->oldest);
	s3_enter(sim, object, S3_GHOST);
}

/* Until one object is out, or small is empty. */
static void s3_evict_small(struct sim_s3fifo *sim)
{
	struct sim_list *small = &sim->list[S3_SMALL];

	while (small->oldest != SIM_NIL) {
		uint32_t object = small->oldest;

		s3_leave(sim, object);
		if (sim->freq[object] < S3_MOVE_TO_MAIN) {
			s3_remember(sim, object);
			return;
		}
		sim->freq[object] = 0;
		s3_enter(sim, object, S3_MAIN);
	}
}

static void s3_evict_main(struct sim_s3fifo *sim)
{
	struct sim_list *queue = &sim->list[S3_MAIN];

	while (queue->oldest != SIM_NIL) {
		uint32_t object = queue->oldest;

		s3_leave(sim, object);
		if (sim->freq[object] == 0)
			return;
		sim->freq[object]--;
		s3_enter(sim, object, S3_MAIN);
	}
}

static void s3_make_room(struct sim_s3fifo *sim, uint32_t size)
{
	const struct sim_list *small = &sim->list[S3_SMALL];
	const struct sim_list *queue = &sim->list[S3_MAIN];

	while (small->bytes + queue->bytes + size > sim->capacity) {
		if (queue->bytes > sim->main_capacity || small->oldest == SIM_NIL)
			s3_evict_main(sim);
		else
			s3_evict_small(sim);
	}
}

bool sim_s3fifo_access(struct sim_s3fifo *sim, uint32_t object, uint32_t size)
{
	enum s3_place target = S3_SMALL;

	if (sim->place[object] == S3_SMALL || sim->place[object] == S3_MAIN) {
		if (sim->freq[object] < S3_FREQ_MAX)
			sim->freq[object]++;
		return true;
	}
	if (sim->place[object] == S3_GHOST) {
		s3_leave(sim, object);
		target = S3_MAIN;
	}
	if (size >= sim->small_capacity)
		return false;
	s3_make_room(sim, size);
	sim->size[object] = size;
	sim->freq[object] = 0;
	s3_enter(sim, object, target);
	return false;
}
