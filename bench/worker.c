/* SPDX-License-Identifier: MIT */
/* worker.c - one client: draws an operation, calls the library, verifies what it read
 *
 * Only the call is timed; drawing the key, making the value and verifying are not. Every value that
 * is read is checked completely against its key, whoever stored it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "crew.h"

#define WORKER_FILL_BATCH 32

struct worker {
	struct crew_report *report;
	struct crew_shared *shared;
	const struct crew_spec *spec;
	const struct workload *workload;
	struct larder *cache;
	struct rng rng;
	uint64_t seq; /* of the next value */
	uint64_t until_sample;
	uint64_t start_ns; /* 0 = this call is not timed */
	bool is_recording;
	uint32_t batch, max_value;
	unsigned char *keys, *values; /* room for a batch */
	uint64_t *ids;
	struct larder_op *ops;
};

/* The worker is the only writer: no read-modify-write is needed to be read by the parent. */
static void worker_count(struct worker *worker, enum crew_tally tally, uint64_t n)
{
	_Atomic uint64_t *at = &worker->report->tally[tally];

	atomic_store_explicit(at, atomic_load_explicit(at, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static void worker_error(struct worker *worker, int error)
{
	worker_count(worker, CREW_ERRORS, 1);
	if (!atomic_load(&worker->report->first_error))
		atomic_store(&worker->report->first_error, error);
}

static inline void worker_begin(struct worker *worker)
{
	worker->start_ns = 0;
	if (worker->is_recording && --worker->until_sample == 0) {
		worker->until_sample = worker->spec->sample;
		worker->start_ns = clock_ns();
	}
}

static inline void worker_end(struct worker *worker, unsigned n_keys)
{
	uint64_t ns;

	if (worker->start_ns) {
		ns = clock_ns() - worker->start_ns;
		ns -= ns < worker->spec->timer_ns ? ns : worker->spec->timer_ns;
		hist_add(&worker->report->hist[atomic_load_explicit(&worker->shared->window,
								    memory_order_relaxed)],
			 ns);
	}
	worker_count(worker, CREW_OPS, 1);
	worker_count(worker, CREW_KEYS, n_keys);
}

/* What a read brought. Return: true on a hit. */
static bool worker_check_read(struct worker *worker, uint64_t id, const void *value, size_t len,
			      int result)
{
	worker_count(worker, CREW_READS, 1);
	if (result == LARDER_MISS)
		return false;
	if (result < 0) {
		worker_error(worker, result);
		return false;
	}
	worker_count(worker, CREW_HITS, 1);
	if (result == LARDER_OK && len == sizes_of(&worker->workload->sizes, id) &&
	    keyval_verify(value, len, id) == 0)
		return true;
	worker_count(worker, CREW_WRONG, 1);
	if (!atomic_load(&worker->report->first_wrong))
		atomic_store(&worker->report->first_wrong, id + 1);
	return true;
}

static void worker_check_store(struct worker *worker, int result)
{
	if (result == LARDER_OK)
		worker_count(worker, CREW_STORES, 1);
	else if (result == LARDER_DETACHED)
		worker_count(worker, CREW_DETACHED, 1);
	else if (result < 0)
		worker_error(worker, result);
}

static uint64_t worker_draw_key(struct worker *worker, unsigned place)
{
	uint64_t id = workload_key(worker->workload, &worker->rng);

	worker->ids[place] = id;
	keyval_key(worker->keys + (size_t)place * worker->workload->key_size,
		   worker->workload->key_size, id);
	return id;
}

static size_t worker_make_value(struct worker *worker, unsigned place)
{
	uint64_t id = worker->ids[place];
	size_t len = sizes_of(&worker->workload->sizes, id);

	keyval_value(worker->values + (size_t)place * worker->max_value, len, id, worker->seq++);
	return len;
}

static void worker_store(struct worker *worker)
{
	size_t len = worker_make_value(worker, 0);
	int r;

	worker_begin(worker);
	r = larder_set(worker->cache, worker->keys, worker->workload->key_size, worker->values, len,
		       worker->workload->ttl_ms);
	worker_end(worker, 1);
	worker_check_store(worker, r);
}

static void worker_set(struct worker *worker)
{
	worker_draw_key(worker, 0);
	worker_store(worker);
}

static void worker_get(struct worker *worker)
{
	uint64_t id = worker_draw_key(worker, 0);
	size_t len = worker->max_value;
	int r;

	worker_begin(worker);
	r = larder_get(worker->cache, worker->keys, worker->workload->key_size, worker->values,
		       &len);
	worker_end(worker, 1);
	if (!worker_check_read(worker, id, worker->values, len, r) && worker->workload->fill)
		worker_store(worker);
}

static void worker_add(struct worker *worker)
{
	size_t len;
	int r;

	worker_draw_key(worker, 0);
	len = worker_make_value(worker, 0);
	worker_begin(worker);
	r = larder_add(worker->cache, worker->keys, worker->workload->key_size, worker->values, len,
		       worker->workload->ttl_ms);
	worker_end(worker, 1);
	worker_check_store(worker, r);
}

static void worker_touch(struct worker *worker)
{
	int r;

	worker_draw_key(worker, 0);
	worker_begin(worker);
	r = larder_touch(worker->cache, worker->keys, worker->workload->key_size,
			 worker->workload->ttl_ms);
	worker_end(worker, 1);
	worker_check_store(worker, r);
}

static void worker_delete(struct worker *worker)
{
	int r;

	worker_draw_key(worker, 0);
	worker_begin(worker);
	r = larder_delete(worker->cache, worker->keys, worker->workload->key_size);
	worker_end(worker, 1);
	if (r == LARDER_OK)
		worker_count(worker, CREW_DELETES, 1);
	else
		worker_check_store(worker, r);
}

static void worker_incr(struct worker *worker)
{
	const struct larder_counter_options options = {
		.size = sizeof(options),
		.create = 1,
		.initial = 1,
		.ttl_ms = worker->workload->ttl_ms,
	};
	uint64_t id = workload_key(worker->workload, &worker->rng) | WORKLOAD_COUNTER_ID;
	uint64_t value = 0;
	int r;

	keyval_key(worker->keys, worker->workload->key_size, id);
	worker_begin(worker);
	r = larder_incr(worker->cache, worker->keys, worker->workload->key_size, 1, &options,
			&value);
	worker_end(worker, 1);
	if (r == LARDER_OK && value == 0)
		worker_count(worker, CREW_WRONG, 1);
	worker_check_store(worker, r);
}

static void worker_exists(struct worker *worker)
{
	int r;

	worker_draw_key(worker, 0);
	worker_begin(worker);
	r = larder_exists(worker->cache, worker->keys, worker->workload->key_size);
	worker_end(worker, 1);
	worker_count(worker, CREW_READS, 1);
	if (r == LARDER_OK)
		worker_count(worker, CREW_HITS, 1);
	else if (r < 0)
		worker_error(worker, r);
}

/* Keys and room for a batch; the lengths are those of values to store if @with_values. */
static void worker_draw_batch(struct worker *worker, bool with_values)
{
	uint32_t key_size = worker->workload->key_size;

	for (unsigned i = 0; i < worker->batch; i++) {
		worker_draw_key(worker, i);
		worker->ops[i] = (struct larder_op){
			.key = worker->keys + (size_t)i * key_size,
			.klen = key_size,
			.buf = worker->values + (size_t)i * worker->max_value,
			.len = with_values ? worker_make_value(worker, i) : worker->max_value,
			.ttl_ms = worker->workload->ttl_ms,
		};
	}
}

static void worker_mget(struct worker *worker)
{
	int r;

	worker_draw_batch(worker, false);
	worker_begin(worker);
	r = larder_mget(worker->cache, worker->ops, worker->batch);
	worker_end(worker, worker->batch);
	if (r < 0) {
		worker_error(worker, r);
		return;
	}
	for (unsigned i = 0; i < worker->batch; i++)
		worker_check_read(worker, worker->ids[i], worker->ops[i].buf, worker->ops[i].len,
				  worker->ops[i].result);
}

static void worker_mset(struct worker *worker)
{
	int r;

	worker_draw_batch(worker, true);
	worker_begin(worker);
	r = larder_mset(worker->cache, worker->ops, worker->batch);
	worker_end(worker, worker->batch);
	if (r < 0) {
		worker_error(worker, r);
		return;
	}
	for (unsigned i = 0; i < worker->batch; i++)
		worker_check_store(worker, worker->ops[i].result);
}

static void (*const worker_ops[WORKLOAD_OPS])(struct worker *) = {
	[WORKLOAD_GET] = worker_get,	   [WORKLOAD_SET] = worker_set,
	[WORKLOAD_ADD] = worker_add,	   [WORKLOAD_TOUCH] = worker_touch,
	[WORKLOAD_DELETE] = worker_delete, [WORKLOAD_INCR] = worker_incr,
	[WORKLOAD_EXISTS] = worker_exists, [WORKLOAD_MGET] = worker_mget,
	[WORKLOAD_MSET] = worker_mset,
};

/* ---------------------------------------------------------------- life */

static int worker_init(struct worker *worker, const struct workload *workload, uint32_t batch)
{
	worker->workload = workload;
	worker->batch = batch;
	worker->max_value = sizes_max(&workload->sizes);
	if (worker->max_value < KEYVAL_HEAD)
		worker->max_value = KEYVAL_HEAD;
	worker->until_sample = 1;
	worker->keys = malloc((size_t)batch * workload->key_size);
	worker->values = malloc((size_t)batch * worker->max_value);
	worker->ids = calloc(batch, sizeof(*worker->ids));
	worker->ops = calloc(batch, sizeof(*worker->ops));
	return worker->keys && worker->values && worker->ids && worker->ops ? 0 : -ENOMEM;
}

static void worker_deinit(struct worker *worker)
{
	free(worker->keys);
	free(worker->values);
	free(worker->ids);
	free(worker->ops);
}

/* Warm-up is over: what was counted until now does not count. */
static void worker_begin_recording(struct worker *worker)
{
	for (unsigned i = 0; i < CREW_TALLIES; i++)
		if (i != CREW_WRONG && i != CREW_ERRORS)
			atomic_store_explicit(&worker->report->tally[i], 0, memory_order_relaxed);
	worker->is_recording = true;
}

static void worker_loop(struct worker *worker)
{
	uint64_t left = worker->spec->ops;

	for (;;) {
		enum crew_phase phase = (enum crew_phase)atomic_load_explicit(
			&worker->shared->phase, memory_order_relaxed);

		if (phase == CREW_STOP)
			return;
		if (phase == CREW_WAIT) {
			clock_sleep_us(200);
			continue;
		}
		if (phase == CREW_RUN && !worker->is_recording)
			worker_begin_recording(worker);
		worker_ops[workload_op(worker->workload, &worker->rng)](worker);
		if (worker->is_recording && left && --left == 0)
			return;
	}
}

void worker_run(struct crew_shared *shared, const struct crew_spec *spec, unsigned number,
		struct larder *cache)
{
	struct worker worker = {.shared = shared, .spec = spec, .cache = cache};
	uint32_t batch = spec->workload->batch ? spec->workload->batch : 1;
	int r;

	worker.report = &shared->report[number];
	worker.rng.state = rng_mix(spec->workload->seed + number + 1);
	worker.seq = (uint64_t)(number + 1) << 40;
	r = worker_init(&worker, spec->workload, batch);
	if (r < 0)
		worker_error(&worker, r);
	atomic_fetch_add(&shared->n_ready, 1);
	if (r == 0)
		worker_loop(&worker);
	worker_deinit(&worker);
}

/* Places @from to @from + @n - 1 of the random order, as one mset. */
static int worker_fill_batch(struct worker *worker, uint64_t from, unsigned n)
{
	const struct workload *workload = worker->workload;
	int r;

	for (unsigned i = 0; i < n; i++) {
		unsigned char *key = worker->keys + (size_t)i * workload->key_size;

		worker->ids[i] = perm_at(&workload->order, from + i);
		keyval_key(key, workload->key_size, worker->ids[i]);
		worker->ops[i] = (struct larder_op){
			.key = key,
			.klen = workload->key_size,
			.buf = worker->values + (size_t)i * worker->max_value,
			.len = worker_make_value(worker, i),
			.ttl_ms = workload->ttl_ms,
		};
	}
	r = larder_mset(worker->cache, worker->ops, n);
	for (unsigned i = 0; i < n && r >= 0; i++)
		if (worker->ops[i].result < 0)
			r = worker->ops[i].result;
	return r < 0 ? r : 0;
}

int worker_fill(struct larder *cache, const struct workload *workload, uint64_t from, uint64_t to)
{
	struct worker worker = {.cache = cache};
	int r = worker_init(&worker, workload, WORKER_FILL_BATCH);

	while (r == 0 && from < to) {
		unsigned n =
			to - from < WORKER_FILL_BATCH ? (unsigned)(to - from) : WORKER_FILL_BATCH;

		r = worker_fill_batch(&worker, from, n);
		from += n;
	}
	worker_deinit(&worker);
	return r;
}
