/* SPDX-License-Identifier: MIT */
/* test_bench_sim.c - the reference caches and the trace reader of the harness
 *
 * The fast simulators are compared, access by access, with the plainest form of the same algorithm:
 * arrays that are searched and shifted.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zstd.h>

#include "../../bench/rng.h"
#include "../../bench/sim.h"
#include "../../bench/trace.h"

#define N_OBJECTS 200

struct entry {
	uint32_t object, size;
	unsigned freq;
};

struct fifo {
	struct entry at[N_OBJECTS]; /* oldest first */
	unsigned n;
	uint64_t bytes;
};

static int fifo_find(const struct fifo *fifo, uint32_t object)
{
	for (unsigned i = 0; i < fifo->n; i++)
		if (fifo->at[i].object == object)
			return (int)i;
	return -1;
}

static struct entry fifo_take(struct fifo *fifo, unsigned i)
{
	struct entry entry = fifo->at[i];

	memmove(&fifo->at[i], &fifo->at[i + 1], (--fifo->n - i) * sizeof(entry));
	fifo->bytes -= entry.size;
	return entry;
}

static void fifo_put(struct fifo *fifo, struct entry entry)
{
	fifo->at[fifo->n++] = entry;
	fifo->bytes += entry.size;
}

static bool plain_lru(struct fifo *cache, uint64_t capacity, uint32_t object, uint32_t size)
{
	int i = fifo_find(cache, object);

	if (i >= 0) {
		fifo_put(cache, fifo_take(cache, (unsigned)i));
		return true;
	}
	if (size > capacity)
		return false;
	while (cache->bytes + size > capacity)
		fifo_take(cache, 0);
	fifo_put(cache, (struct entry){object, size, 0});
	return false;
}

struct plain_s3 {
	struct fifo small, main, ghost;
};

static void plain_s3_evict(struct plain_s3 *s3, uint64_t capacity)
{
	struct entry e;

	if (s3->main.bytes > capacity - capacity / 10 || s3->small.n == 0) {
		while (s3->main.n && s3->main.at[0].freq) {
			e = fifo_take(&s3->main, 0);
			e.freq = (e.freq < 3 ? e.freq : 3) - 1;
			fifo_put(&s3->main, e);
		}
		if (s3->main.n)
			fifo_take(&s3->main, 0);
		return;
	}
	while (s3->small.n && s3->small.at[0].freq >= 2) {
		e = fifo_take(&s3->small, 0);
		e.freq = 0;
		fifo_put(&s3->main, e);
	}
	if (!s3->small.n)
		return;
	e = fifo_take(&s3->small, 0);
	while (s3->ghost.bytes + e.size > capacity - capacity / 10)
		fifo_take(&s3->ghost, 0);
	fifo_put(&s3->ghost, e);
}

static bool plain_s3_access(struct plain_s3 *s3, uint64_t capacity, uint32_t object, uint32_t size)
{
	struct entry entry = {object, size, 0};
	bool was_ghost = false;
	int i;

	if ((i = fifo_find(&s3->small, object)) >= 0) {
		s3->small.at[i].freq++;
		return true;
	}
	if ((i = fifo_find(&s3->main, object)) >= 0) {
		s3->main.at[i].freq++;
		return true;
	}
	if ((i = fifo_find(&s3->ghost, object)) >= 0) {
		fifo_take(&s3->ghost, (unsigned)i);
		was_ghost = true;
	}
	if (size >= capacity / 10)
		return false;
	while (s3->small.bytes + s3->main.bytes + size > capacity)
		plain_s3_evict(s3, capacity);
	if (was_ghost)
		fifo_put(&s3->main, entry);
	else
		fifo_put(&s3->small, entry);
	return false;
}

/* Squared: low numbers are hot. The size of an object is always the same. */
static uint32_t draw(struct rng *rng, uint32_t *sizep)
{
	double u = rng_unit(rng);
	uint32_t object = (uint32_t)(u * u * N_OBJECTS);

	*sizep = 10 + (uint32_t)(rng_mix(object + 1) % 90);
	return object;
}

static void test_lru_is_exact(void **state)
{
	(void)state;
	for (uint64_t capacity = 50; capacity < 9000; capacity = capacity * 3 / 2) {
		struct sim_lru *sim = sim_lru_new(N_OBJECTS, capacity);
		struct fifo plain = {.n = 0};
		struct rng rng = {capacity};

		assert_non_null(sim);
		for (unsigned i = 0; i < 20000; i++) {
			uint32_t size, object = draw(&rng, &size);
			bool want = plain_lru(&plain, capacity, object, size);

			assert_int_equal(sim_lru_access(sim, object, size), want);
		}
		sim_lru_free(sim);
	}
}

static void test_s3fifo_is_exact(void **state)
{
	(void)state;
	for (uint64_t capacity = 500; capacity < 9000; capacity = capacity * 4 / 3) {
		struct sim_s3fifo *sim = sim_s3fifo_new(N_OBJECTS, capacity);
		struct plain_s3 plain = {.small = {.n = 0}};
		struct rng rng = {capacity};

		assert_non_null(sim);
		for (unsigned i = 0; i < 20000; i++) {
			uint32_t size, object = draw(&rng, &size);
			bool want = plain_s3_access(&plain, capacity, object, size);

			assert_int_equal(sim_s3fifo_access(sim, object, size), want);
		}
		sim_s3fifo_free(sim);
	}
}

static void put_le(unsigned char *p, uint64_t v, unsigned n)
{
	while (n--) {
		*p++ = (unsigned char)v;
		v >>= 8;
	}
}

#define N_RECORDS 10000

static void make_records(unsigned char *buf)
{
	for (uint64_t i = 0; i < N_RECORDS; i++) {
		put_le(buf + i * 24, i, 4);
		put_le(buf + i * 24 + 4, UINT64_C(0xfeed000000000000) + (i * i) % 5003, 8);
		put_le(buf + i * 24 + 12, 1 + i % 7, 4);
		put_le(buf + i * 24 + 16, UINT64_MAX, 8);
	}
}

static int load_bytes(struct trace *trace, const void *buf, size_t len)
{
	char path[] = "/tmp/larder-trace.XXXXXX";
	int fd = mkstemp(path);
	int r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, len), (ssize_t)len);
	close(fd);
	r = trace_load(trace, path);
	unlink(path);
	return r;
}

static void check_records(const struct trace *trace)
{
	assert_int_equal(trace->n_requests, N_RECORDS);
	assert_true(trace->has_sizes);
	for (uint64_t i = 0; i < N_RECORDS; i++) {
		uint32_t object = trace->request[i].object;

		assert_true(object < trace->n_objects);
		assert_int_equal(trace->id[object], UINT64_C(0xfeed000000000000) + (i * i) % 5003);
		assert_int_equal(trace->request[i].size, 1 + i % 7);
	}
	for (uint32_t i = 0, next = 0; i < N_RECORDS; i++) {
		assert_true(trace->request[i].object <= next);
		next += trace->request[i].object == next;
	}
}

static void test_trace_plain_and_compressed(void **state)
{
	unsigned char *buf = malloc(N_RECORDS * 24);
	size_t room = ZSTD_compressBound(N_RECORDS * 24);
	unsigned char *packed = malloc(room);
	struct trace trace;
	size_t n;

	(void)state;
	assert_non_null(buf);
	assert_non_null(packed);
	make_records(buf);
	assert_int_equal(load_bytes(&trace, buf, N_RECORDS * 24), 0);
	check_records(&trace);
	trace_free(&trace);
	n = ZSTD_compress(packed, room, buf, N_RECORDS * 24, 3);
	assert_int_equal(load_bytes(&trace, packed, n), 0);
	check_records(&trace);
	trace_free(&trace);
	assert_int_equal(load_bytes(&trace, packed, n / 2), -EBADMSG);
	packed[n / 2] ^= 0xff;
	assert_int_not_equal(load_bytes(&trace, packed, n / 2), 0);
	assert_int_equal(load_bytes(&trace, buf, 25), -EBADMSG);
	assert_int_equal(load_bytes(&trace, buf, 0), -EBADMSG);
	assert_int_equal(trace_load(&trace, "/nonexistent/trace"), -ENOENT);
	free(buf);
	free(packed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lru_is_exact),
		cmocka_unit_test(test_s3fifo_is_exact),
		cmocka_unit_test(test_trace_plain_and_compressed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
