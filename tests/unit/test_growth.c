/* SPDX-License-Identifier: MIT */
/* test_growth.c - small items fill the memory without an eviction; memory stays within its bound */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "geometry.h"
#include "local.h"
#include "segment.h"

static struct local local;
static struct larder *h;

static void start(uint64_t memory)
{
	local_init(&local, &(struct local_options){.memory = memory});
	h = local_open(&local);
}

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "%014u", i);
}

/* Distinct keys; growth_run() before the first and then before every @every-th. */
static void set_keys(unsigned n, size_t vlen, unsigned every)
{
	static uint8_t value[9000];
	char key[16];

	for (unsigned i = 0; i < n; i++) {
		if (i % every == 0)
			assert_int_equal(local_grow(&local), 0);
		memcpy(value, &i, sizeof(i));
		assert_int_equal(larder_set(h, key, make_key(key, i), value, vlen, 0), 0);
	}
}

static void assert_all_there(unsigned n, size_t vlen)
{
	static uint8_t value[9000];
	char key[16];

	for (unsigned i = 0; i < n; i++) {
		size_t len = sizeof(value);

		assert_int_equal(larder_get(h, key, make_key(key, i), value, &len), 0);
		assert_int_equal(len, vlen);
		assert_memory_equal(value, &i, sizeof(i));
	}
}

static uint64_t evictions(void)
{
	return local_stat(&local, STAT_evicted) + local_stat(&local, STAT_evicted_index);
}

/* 60 % of the region in items of 64 bytes: 8 header, 14 key, 42 value. */
static void fill_small(uint64_t memory, unsigned every)
{
	unsigned n = (unsigned)(memory * 6 / 10 / 64);

	start(memory);
	set_keys(n, 42, every);
	assert_all_there(n, 42);
	assert_int_equal(evictions(), 0);
	assert_int_equal(local_stat(&local, STAT_items_in), n);
	assert_true(growth_committed(local.daemon) <= memory);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

static void test_small_items(void **state)
{
	(void)state;
	fill_small(160 << 20, 100000);
}

static void test_small_items_grown_before(void **state)
{
	(void)state;
	fill_small(16 << 20, UINT32_MAX);
}

/* Larger items fill the data area; the index gives back what it does not need, if it is asked before
 * a quarter of the memory was written. */
static void fill_large(size_t vlen)
{
	uint64_t memory = 32 << 20;
	unsigned n = (unsigned)(memory * 8 / 10 / (vlen + 24));

	start(memory);
	set_keys(n, vlen, (unsigned)(memory / 32 / vlen));
	assert_all_there(n, vlen);
	assert_int_equal(evictions(), 0);
	assert_true(growth_committed(local.daemon) <= memory);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

static void test_500_bytes(void **state)
{
	(void)state;
	fill_large(500);
}

static void test_8_kib(void **state)
{
	(void)state;
	fill_large(8192);
}

static unsigned in_state(enum seg_state state)
{
	struct segment_counts n;

	segment_count(h, &n);
	return n.by_state[state];
}

/* While memory is free it is lent to the index; when items need it, they get it. */
static void test_lent_memory(void **state)
{
	uint64_t memory = 16 << 20, ready;

	(void)state;
	start(memory);
	assert_int_equal(growth_index_bytes(local.daemon), 64 * (index_mask(h, 0) + 1));
	assert_int_equal(local_grow(&local), 0);
	ready = growth_index_bytes(local.daemon);
	assert_true(ready > 64 * (index_mask(h, 0) + 1));
	assert_true(growth_committed(local.daemon) <= memory);
	assert_true(in_state(SEG_OFFLINE) > 0);
	set_keys(1500, 8192, 50);
	assert_true(growth_index_bytes(local.daemon) < ready);
	assert_true(local.punches > 0);
	assert_true(growth_committed(local.daemon) <= memory);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

/* The hint moves over what was split, and the parents' memory is given back. */
static void test_hint_and_punch(void **state)
{
	unsigned n = 60000; /* of 28,672 entries at level 0 */
	uint64_t hint, punched;

	(void)state;
	start(16 << 20);
	set_keys(n, 42, 2000);
	hint = load_relaxed(&h->hdr->index);
	punched = load_relaxed(&h->hdr->punched);
	assert_true(hint >> 56 >= 1);
	assert_true(punched != 0);
	assert_true(punched <= hint);
	assert_true(local_stat(&local, STAT_splits) >= index_mask(h, 0) + 1);
	/* It reads as never written. */
	assert_int_equal(load_relaxed(&h->level[0][0].word[0]), 0);
	assert_all_there(n, 42);
	assert_int_equal(evictions(), 0);
	assert_int_equal(local_grow(&local), 0);
	assert_all_there(n, 42);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

/* Nobody's memory is taken while it splits. */
static void test_splitter_holds_punch(void **state)
{
	struct larder *sleeper;

	(void)state;
	start(16 << 20);
	sleeper = local_open(&local);
	assert_int_equal(local_grow(&local), 0);
	store_release(&sleeper->slot->splitting, 1);
	set_keys(60000, 42, 2000);
	assert_int_equal(load_relaxed(&h->hdr->punched), 0);
	store_release(&sleeper->slot->splitting, 0);
	assert_int_equal(local_grow(&local), 0);
	assert_true(load_relaxed(&h->hdr->punched) > 0);
	assert_all_there(60000, 42);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

/* Without memory the index stays as it is; what does not fit it is evicted and counted. */
static void test_commit_fails(void **state)
{
	unsigned present = 0, n = 40000;
	char key[16];

	(void)state;
	start(16 << 20);
	local.fail_commit = -ENOMEM;
	assert_int_equal(growth_run(local.daemon, &local.ops), -ENOMEM);
	assert_int_equal(load_relaxed(&h->hdr->commit[0]), 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(larder_set(h, key, make_key(key, i), &i, sizeof(i), 0), 0);
	for (unsigned i = 0; i < n; i++)
		present += larder_exists(h, key, make_key(key, i)) == 0;
	assert_int_equal(n - present, evictions());
	assert_true(present > 7 * (index_mask(h, 0) + 1) * 9 / 10);
	assert_true(local_sound(&local));
	local.fail_commit = 0;
	assert_int_equal(local_grow(&local), 0);
	assert_true(load_relaxed(&h->hdr->commit[0]) > 0);
	assert_true(local_sound(&local));
	local_deinit(&local);
}

/* Counts that nobody stored: no access outside, and an end. */
static void test_hostile_header(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		start(1 << 20);
		store_relaxed(i < 3    ? &h->hdr->commit[i]
			      : i == 3 ? &h->hdr->index
			      : i == 4 ? &h->hdr->punched
				       : &h->hdr->index,
			      i == 5 ? 3ULL << 56 : UINT64_MAX);
		for (unsigned n = 0; n < 200; n++)
			(void)!growth_run(local.daemon, &local.ops);
		(void)!larder_set(h, "k", 1, "v", 1, 0);
		(void)!larder_exists(h, "k", 1);
		(void)!larder_check(h, NULL, NULL);
		local_deinit(&local);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_items),
		cmocka_unit_test(test_small_items_grown_before),
		cmocka_unit_test(test_500_bytes),
		cmocka_unit_test(test_8_kib),
		cmocka_unit_test(test_lent_memory),
		cmocka_unit_test(test_hint_and_punch),
		cmocka_unit_test(test_splitter_holds_punch),
		cmocka_unit_test(test_commit_fails),
		cmocka_unit_test(test_hostile_header),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
