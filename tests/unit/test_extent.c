/* SPDX-License-Identifier: MIT */
/* test_extent.c - large values: whole or not at all, and nothing of them stays behind */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleaner.h"
#include "extent.h"
#include "local.h"

static struct local local;
static struct larder *h;
static uint8_t *value, *got;
static size_t big; /* three segments and a tail */

static int setup(void **state)
{
	(void)state;
	local_init(&local, &(struct local_options){.memory = 4 << 20});
	h = local_open(&local);
	big = 3 * (size_t)h->seg_bytes + 100;
	value = malloc(h->max_value);
	got = malloc(h->max_value);
	assert_true(value != NULL && got != NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(value);
	free(got);
	local_deinit(&local);
	return 0;
}

static int set_big(const char *key, size_t len, uint64_t seed)
{
	local_fill(value, len, seed);
	return larder_set(h, key, strlen(key), value, len, 0);
}

static bool holds(const char *key, size_t want, uint64_t seed)
{
	size_t len = h->max_value;

	return larder_get(h, key, strlen(key), got, &len) == 0 && len == want &&
	       local_filled(got, len, seed);
}

static unsigned bodies(void)
{
	unsigned n = 0;

	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		uint64_t w = load_relaxed(&h->segs[seg].word);

		n += seg_state(w) == SEG_SEALED && seg_body(w);
	}
	return n;
}

static void test_store_and_read(void **state)
{
	size_t len = h->seg_bytes + 17;

	(void)state;
	assert_int_equal(set_big("k", big, 1), 0);
	assert_true(holds("k", big, 1));
	assert_int_equal(bodies(), 3);
	assert_int_equal(larder_get(h, "k", 1, got, &len), LARDER_TRUNC);
	assert_int_equal(len, big);
	assert_true(local_filled(got, h->seg_bytes + 17, 1));
	assert_int_equal(local_stat(&local, STAT_bytes_in), big + 1);
	assert_true(local_sound(&local));
}

static void test_bodies_are_given_back(void **state)
{
	(void)state;
	assert_int_equal(set_big("k", big, 1), 0);
	assert_int_equal(set_big("k", big, 2), 0);
	assert_int_equal(bodies(), 3);
	assert_true(holds("k", big, 2));
	assert_int_equal(larder_set(h, "k", 1, "small", 5, 0), 0);
	assert_int_equal(bodies(), 0);
	assert_int_equal(set_big("k", big, 3), 0);
	assert_int_equal(larder_delete(h, "k", 1), 0);
	assert_int_equal(bodies(), 0);
	assert_int_equal(larder_add(h, "k", 1, value, big, 0), 0);
	assert_int_equal(larder_add(h, "k", 1, value, big, 0), LARDER_EXISTS);
	assert_int_equal(bodies(), 3);
	assert_int_equal(larder_replace(h, "none", 4, value, big, 0), LARDER_MISS);
	assert_int_equal(bodies(), 3);
	assert_true(local_sound(&local));
}

/* The new head lists the old one's bodies. */
static void test_touch(void **state)
{
	struct larder_meta meta;

	(void)state;
	assert_int_equal(set_big("k", big, 1), 0);
	assert_int_equal(larder_touch(h, "k", 1, 100000), 0);
	assert_int_equal(bodies(), 3);
	assert_true(holds("k", big, 1));
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_in_range(meta.ttl_ms, 1, 100000);
	assert_int_equal(meta.length, big);
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), -EDOM);
	assert_true(holds("k", big, 1));
	assert_true(local_sound(&local));
}

static void test_largest(void **state)
{
	(void)state;
	assert_int_equal(set_big("k", h->max_value, 1), 0);
	assert_true(holds("k", h->max_value, 1));
	assert_int_equal(set_big("l", h->max_value, 2), 0);
	assert_true(holds("k", h->max_value, 1) && holds("l", h->max_value, 2));
	assert_true(local_sound(&local));
}

/* A body that is gone makes the value a miss; the next set repairs it. */
static void test_lost_body(void **state)
{
	struct hit hit;
	struct key k;
	uint64_t extent;
	uint32_t seg;

	(void)state;
	assert_int_equal(set_big("k", big, 1), 0);
	local_key(h, &k, "k", 1);
	assert_int_equal(index_find_read(h, &k, &hit), FIND_HIT);
	memcpy(&extent, item_value(h, hit.seg, hit.off, &hit.it) + 8, 8);
	seg = (uint32_t)(extent >> EXTENT_SEG_SHIFT);
	store_relaxed(&h->segs[seg].word,
		      seg_make(SEG_LIMBO, false, 0, (extent & EXTENT_GEN_MASK) + 1));
	assert_false(extent_read(h, &hit, got, big));
	assert_false(holds("k", big, 1));
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	assert_int_equal(set_big("k", big, 2), 0);
	assert_true(holds("k", big, 2));
	assert_true(local_sound(&local));
}

static void test_linked(void **state)
{
	struct hit head;
	uint32_t seg = 0;
	uint64_t w;

	(void)state;
	assert_int_equal(set_big("k", big, 1), 0);
	while (!seg_body(load_relaxed(&h->segs[seg].word)))
		seg++;
	w = load_relaxed(&h->segs[seg].word);
	assert_int_equal(extent_linked(h, seg, seg_gen(w), &head), EXTENT_LINKED);
	assert_int_equal(head.it.vlen, big);
	assert_int_equal(extent_linked(h, seg, seg_gen(w) + 1, &head), EXTENT_ORPHAN);
	assert_int_equal(larder_delete(h, "k", 1), 0);
	assert_int_equal(extent_linked(h, seg, seg_gen(w), &head), EXTENT_ORPHAN);
}

/* R10: killed between two bodies. Nobody lists them, so the cleaner takes them as orphans. */
static void test_orphans(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(larder_set(h, "k", 1, "x", 1, 0), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct lease lease = {.seg = NO_SEGMENT};

		assert_int_equal(segment_begin(h, &lease, LEASE_BODY, h->seg_bytes), 0);
		store_relaxed(&h->table[lease.seg].expiry, 4711 + i);
		segment_end(h);
		segment_seal(h, &lease);
	}
	assert_int_equal(bodies(), 2);
	while (bodies() > 0 && n++ < 100)
		cleaner_step(local.daemon, 8, false);
	assert_int_equal(bodies(), 0);
	assert_true(local_sound(&local));
}

/* Large values alone, several times the region: each that is there is whole. */
static void test_many(void **state)
{
	unsigned there = 0;
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(set_big(key, big + i * 37, i), 0);
		assert_true(holds(key, big + i * 37, i));
	}
	for (unsigned i = 0; i < 200; i++) {
		size_t len = h->max_value;

		snprintf(key, sizeof(key), "%u", i);
		if (larder_get(h, key, strlen(key), got, &len) != 0)
			continue;
		there++;
		assert_true(holds(key, big + i * 37, i));
	}
	assert_true(there > 5);
	assert_true(200 - there <= local_stat(&local, STAT_evicted));
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_store_and_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bodies_are_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_largest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_linked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
