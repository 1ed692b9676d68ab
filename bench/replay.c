/* SPDX-License-Identifier: MIT */
/* replay.c - a trace through the cache, and through exact reference caches
 *
 * METHOD   For each request: get, and set on a miss, one process, full speed. A small trace is
 *          enlarged: R copies of every request, one after the other, whose keys are disjoint, on a
 *          region that is R times as large. Each copy sees the same reuse distances in relation to
 *          the region, so the miss ratio is that of one copy, without the grain of a tiny region.
 *          R is the smallest number that makes the region 32 MiB, or the largest that keeps the
 *          number of requests within its limit if that is smaller.
 * FAIRNESS The references see the same requests and sizes. Given the bytes of keys and values that
 *          the cache held at its peak, they judge its choice of victims; given the whole region,
 *          its overhead too.
 * VALUES   A value has the size of the request that stores it; the cache's maximum cuts it, for the
 *          references too. Every value that is read is verified.
 */
#include "replay.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "sim.h"
#include "spawn.h"

static const struct sizes replay_kvcache = {SIZES_KVCACHE, 0, 0};

struct replay {
	const struct replay_spec *spec;
	struct replay_result *result;
	uint64_t n_requests; /* of the trace that are used */
	uint32_t max_value;
	uint32_t *value_size; /* of each request of the trace */
	unsigned char *value; /* room for the largest value, twice: to write and to read */
	uint64_t next_sample, sample_step;
};

static uint32_t replay_size(const struct replay_spec *spec, const struct trace_request *request)
{
	if (spec->sizes)
		return sizes_of(spec->sizes, spec->trace->id[request->object]);
	if (spec->trace->has_sizes)
		return request->size;
	return sizes_of(&replay_kvcache, spec->trace->id[request->object]);
}

/* The bytes of all objects, each with the size of its first request. */
static uint64_t replay_footprint(const struct replay_spec *spec, uint64_t n_requests)
{
	uint64_t bytes = 0;
	uint32_t next = 0;

	for (uint64_t i = 0; i < n_requests; i++) {
		const struct trace_request *request = &spec->trace->request[i];

		if (request->object != next)
			continue;
		next++;
		bytes += REPLAY_KEY_BYTES + replay_size(spec, request);
	}
	return bytes;
}

static void replay_plan(struct replay *replay)
{
	const struct replay_spec *spec = replay->spec;
	uint64_t n = spec->trace->n_requests;
	uint64_t one, region, copies;

	if (n > spec->max_requests)
		n = spec->max_requests;
	replay->n_requests = n;
	one = replay_footprint(spec, n);
	region = (uint64_t)((double)one * spec->capacity_percent / 100);
	copies = spec->copies;
	if (!copies) {
		copies = (REPLAY_MIN_REGION + region) / (region + 1);
		if (copies > spec->max_requests / n)
			copies = spec->max_requests / n;
		if (copies > (SIM_NIL - 1) / spec->trace->n_objects)
			copies = (SIM_NIL - 1) / spec->trace->n_objects;
	}
	replay->result->copies = (uint32_t)copies;
	replay->result->requests = n * copies;
	replay->result->footprint_bytes = one * copies;
	replay->result->region_bytes =
		(uint64_t)((double)(one * copies) * spec->capacity_percent / 100);
}

/* The sizes that the run really uses. */
static int replay_set_sizes(struct replay *replay, uint64_t max_value)
{
	uint32_t largest = KEYVAL_HEAD;

	replay->value_size = calloc(replay->n_requests, sizeof(*replay->value_size));
	if (!replay->value_size)
		return -ENOMEM;
	for (uint64_t i = 0; i < replay->n_requests; i++) {
		uint32_t size = replay_size(replay->spec, &replay->spec->trace->request[i]);

		if (size > max_value) {
			size = (uint32_t)max_value;
			replay->result->clamped++;
		}
		if (size > largest)
			largest = size;
		replay->value_size[i] = size;
	}
	replay->max_value = largest;
	replay->value = malloc(2 * (size_t)largest);
	return replay->value ? 0 : -ENOMEM;
}

static void replay_progress(const struct replay *replay, const char *what, uint64_t done)
{
	if (replay->spec->progress)
		fprintf(stderr, "\r%s: %s %3.0f %% ", replay->spec->progress, what,
			100.0 * (double)done / (double)replay->result->requests);
}

static void replay_progress_end(const struct replay *replay)
{
	if (replay->spec->progress)
		fprintf(stderr, "\r\033[K");
}

/* ---------------------------------------------------------------- references */

static double replay_lru(const struct replay *replay, uint64_t capacity)
{
	const struct trace *trace = replay->spec->trace;
	uint32_t copies = replay->result->copies;
	struct sim_lru *sim = sim_lru_new(trace->n_objects * copies, capacity);
	uint64_t misses = 0;

	if (!sim)
		return NAN;
	for (uint64_t i = 0; i < replay->n_requests; i++) {
		uint32_t first = trace->request[i].object * copies;
		uint32_t size = REPLAY_KEY_BYTES + replay->value_size[i];

		for (uint32_t copy = 0; copy < copies; copy++)
			misses += !sim_lru_access(sim, first + copy, size);
	}
	sim_lru_free(sim);
	return (double)misses / (double)replay->result->requests;
}

static double replay_s3fifo(const struct replay *replay, uint64_t capacity)
{
	const struct trace *trace = replay->spec->trace;
	uint32_t copies = replay->result->copies;
	struct sim_s3fifo *sim;
	uint64_t misses = 0;

	if (replay->spec->skip_s3fifo)
		return NAN;
	sim = sim_s3fifo_new(trace->n_objects * copies, capacity);
	if (!sim)
		return NAN;
	for (uint64_t i = 0; i < replay->n_requests; i++) {
		uint32_t first = trace->request[i].object * copies;
		uint32_t size = REPLAY_KEY_BYTES + replay->value_size[i];

		for (uint32_t copy = 0; copy < copies; copy++)
			misses += !sim_s3fifo_access(sim, first + copy, size);
	}
	sim_s3fifo_free(sim);
	return (double)misses / (double)replay->result->requests;
}

static void replay_references(const struct replay *replay)
{
	struct replay_result *result = replay->result;

	replay_progress(replay, "reference caches", 0);
	if (result->live_bytes) {
		result->lru = replay_lru(replay, result->live_bytes);
		result->s3fifo = replay_s3fifo(replay, result->live_bytes);
	}
	if (!replay->spec->skip_region) {
		result->lru_region = replay_lru(replay, result->region_bytes);
		result->s3fifo_region = replay_s3fifo(replay, result->region_bytes);
	}
	replay_progress_end(replay);
}

/* ---------------------------------------------------------------- the cache */

static void replay_error(struct replay *replay, int error)
{
	if (replay->result->errors++ == 0)
		replay->result->first_error = error;
}

/* Return: 1 on a miss, 0 on a hit. */
static unsigned replay_request(struct replay *replay, struct larder *cache, uint64_t id,
			       uint32_t size)
{
	unsigned char key[REPLAY_KEY_BYTES];
	unsigned char *read = replay->value + replay->max_value;
	size_t len = replay->max_value;
	int r;

	keyval_key(key, sizeof(key), id);
	r = larder_get(cache, key, sizeof(key), read, &len);
	if (r == LARDER_OK) {
		replay->result->wrong += (unsigned)keyval_verify(read, len, id);
		return 0;
	}
	if (r != LARDER_MISS)
		replay_error(replay, r);
	keyval_value(replay->value, size, id, 1);
	r = larder_set(cache, key, sizeof(key), replay->value, size, 0);
	if (r != LARDER_OK)
		replay_error(replay, r);
	return 1;
}

static void replay_sample(struct replay *replay, struct larder *cache, uint64_t done)
{
	struct counters counters;

	replay->next_sample = done + replay->sample_step;
	replay_progress(replay, "replay", done);
	if (counters_read(cache, &counters) != 0)
		return;
	if (counters.live_bytes > replay->result->live_bytes)
		replay->result->live_bytes = counters.live_bytes;
	replay->result->evictions = counters.evictions;
}

static void replay_all(struct replay *replay, struct larder *cache)
{
	const struct trace *trace = replay->spec->trace;
	struct replay_result *result = replay->result;
	uint64_t start = clock_ns();
	uint64_t misses = 0, done = 0;

	replay->sample_step = result->requests / 1000 + 1;
	for (uint64_t i = 0; i < replay->n_requests; i++) {
		uint64_t first = (uint64_t)trace->request[i].object * result->copies;

		for (uint32_t copy = 0; copy < result->copies; copy++)
			misses +=
				replay_request(replay, cache, first + copy, replay->value_size[i]);
		done += result->copies;
		if (done >= replay->next_sample)
			replay_sample(replay, cache, done);
	}
	replay_sample(replay, cache, done);
	result->seconds = (double)(clock_ns() - start) / 1e9;
	result->miss_ratio = (double)misses / (double)result->requests;
	replay_progress_end(replay);
}

/* A daemon refuses to be smaller than this. */
#define REPLAY_LEAST_MEMORY (UINT64_C(1) << 20)

static int replay_spawn(struct replay *replay, struct spawn *spawn, struct larder **cachep)
{
	uint64_t bytes = replay->result->region_bytes;
	char memory[48], policy[48];
	const char *const settings[] = {memory, policy, NULL};

	if (bytes < REPLAY_LEAST_MEMORY)
		bytes = REPLAY_LEAST_MEMORY;
	snprintf(memory, sizeof(memory), "memory=%lluK", (unsigned long long)bytes / 1024);
	snprintf(policy, sizeof(policy), "policy=%s", replay->spec->policy);
	return spawn_start(spawn, settings, cachep);
}

static int replay_with_cache(struct replay *replay)
{
	struct larder_info info;
	struct larder *cache;
	struct spawn spawn;
	int r;

	r = replay_spawn(replay, &spawn, &cache);
	if (r < 0)
		return r;
	r = larder_info(cache, &info);
	if (r == 0) {
		replay->result->region_bytes = info.region_bytes;
		r = replay_set_sizes(replay, info.max_value_bytes);
	}
	if (r == 0) {
		if (replay->spec->stop_daemon)
			kill((pid_t)info.daemon_pid, SIGSTOP);
		replay_all(replay, cache);
		if (replay->spec->stop_daemon)
			kill((pid_t)info.daemon_pid, SIGCONT);
	}
	larder_close(cache);
	spawn_stop(&spawn);
	return r;
}

int replay_measure(const struct replay_spec *spec, struct replay_result *result)
{
	struct replay replay = {.spec = spec, .result = result};
	int r;

	*result = (struct replay_result){.miss_ratio = NAN,
					 .lru = NAN,
					 .s3fifo = NAN,
					 .lru_region = NAN,
					 .s3fifo_region = NAN};
	replay_plan(&replay);
	if (spec->policy)
		r = replay_with_cache(&replay);
	else
		r = replay_set_sizes(&replay, UINT32_MAX);
	if (r == 0)
		replay_references(&replay);
	else
		fprintf(stderr, "larder-bench: replay: %s\n", larder_strerror(r));
	free(replay.value_size);
	free(replay.value);
	return r;
}
