/* SPDX-License-Identifier: MIT */
/* test_cleaner.c - room is made, survivors stay what they were, and every item that goes is counted */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleaner.h"
#include "local.h"
#include "segment.h"

#define KEYS 3000u

static struct local local;
static struct larder *h;

static int setup(void **state)
{
	(void)state;
	local_init(&local, &(struct local_options){.memory = 4 << 20});
	h = local_open(&local);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "key%u", i);
}

static void set_keys(struct larder *to, unsigned from, unsigned end, size_t vlen)
{
	static uint8_t value[10000];
	char key[16];

	for (unsigned i = from; i < end; i++) {
		local_fill(value, vlen, i);
		assert_int_equal(larder_set(to, key, make_key(key, i), value, vlen, 0), 0);
	}
}

/* Present keys hold what was stored. Return: how many are missing. */
static unsigned missing(unsigned from, unsigned end, size_t vlen)
{
	static uint8_t got[10000];
	unsigned n = 0;
	char key[16];

	for (unsigned i = from; i < end; i++) {
		size_t len = sizeof(got);

		if (larder_get(h, key, make_key(key, i), got, &len) != 0) {
			n++;
			continue;
		}
		assert_int_equal(len, vlen);
		assert_true(local_filled(got, len, i));
	}
	return n;
}

static uint64_t evicted(void)
{
	return local_stat(&local, STAT_evicted) + local_stat(&local, STAT_evicted_index);
}

/* All items were used just now and the tick stands still, so a turn of the cleaner moves most. */
static void clean_gently(unsigned steps)
{
	uint64_t seq = load_relaxed(&h->hdr->lease_seq);

	assert_int_equal(missing(0, KEYS, 100), 0);
	for (unsigned i = 0; i < steps; i++) {
		cleaner_step(local.daemon, 1, false);
		store_relaxed(&h->hdr->lease_seq, seq);
	}
}

static void test_survivors(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .flags = 77, .ttl_ms = 1000000};
	static struct larder_meta before[KEYS];
	uint64_t number;
	char key[16];

	(void)state;
	set_keys(h, 0, KEYS, 100);
	assert_int_equal(larder_put(h, "special", 7, "123", 3, &opt), 0);
	assert_int_equal(larder_incr(h, "special", 7, 1, NULL, &number), 0);
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(larder_get_meta(h, key, make_key(key, i), NULL, NULL, &before[i]),
				 0);
	clean_gently(12);
	assert_true(local_stat(&local, STAT_moved) > KEYS / 2);
	assert_int_equal(missing(0, KEYS, 100), evicted());
	assert_true(evicted() < KEYS / 3);
	for (unsigned i = 0; i < KEYS; i++) {
		struct larder_meta meta;

		if (larder_get_meta(h, key, make_key(key, i), NULL, NULL, &meta) != 0)
			continue;
		assert_int_equal(meta.version, before[i].version);
		assert_true(meta.age_ms >= before[i].age_ms);
	}
	if (larder_get_meta(h, "special", 7, NULL, NULL, &before[0]) == 0) {
		assert_int_equal(before[0].flags, 77);
		assert_int_equal(before[0].counter, 1);
		assert_in_range(before[0].ttl_ms, 900000, 1000000);
	}
	assert_true(local_sound(&local));
}

/* A cas with the version of before the move succeeds: nobody changed the item. Lots are drawn for what
 * is of one age, so the first item may go. */
static void test_cas_after_a_move(void **state)
{
	uint64_t moved = local_stat(&local, STAT_moved);
	struct larder_meta meta = {0};
	char key[16];
	size_t klen = 0;

	(void)state;
	for (unsigned i = 0; i < 20 && local_stat(&local, STAT_moved) == moved; i++) {
		klen = make_key(key, i);
		assert_int_equal(larder_set(h, key, klen, "one", 3, 0), 0);
		assert_int_equal(larder_get_meta(h, key, klen, NULL, NULL, &meta), 0);
		cleaner_step(local.daemon, 1, false);
	}
	assert_int_equal(local_stat(&local, STAT_moved), moved + 1);
	assert_int_equal(larder_cas(h, key, klen, "two", 3, 0, meta.version), 0);
	assert_int_equal(larder_cas(h, key, klen, "three", 5, 0, meta.version), LARDER_EXISTS);
	assert_true(local_sound(&local));
}

/* Dead and expired items first; live ones do not suffer. */
static void test_dead_first(void **state)
{
	char key[16];

	(void)state;
	set_keys(h, 0, 2000, 400);
	for (unsigned i = 0; i < 2000; i++)
		if (i % 4 != 0)
			assert_int_equal(larder_delete(h, key, make_key(key, i)), 0);
	for (unsigned i = 0; i < 30; i++)
		cleaner_step(local.daemon, 1, false);
	assert_true(local_stat(&local, STAT_cleaned) >= 20);
	assert_true(local_stat(&local, STAT_moved) > 100);
	for (unsigned i = 0; i < 2000; i++)
		if (i % 4 != 0)
			assert_int_equal(larder_exists(h, key, make_key(key, i)), LARDER_MISS);
	assert_true(local_sound(&local));
}

/* Keys worth two fifths of the region are overwritten at random: dead bytes make room for it all. */
static void test_overwritten_keys_stay(void **state)
{
	unsigned n = (4 << 20) * 4 / 10 / 532;
	uint64_t random = 1;

	(void)state;
	set_keys(h, 0, n, 500);
	for (unsigned i = 0; i < 10 * n; i++) {
		unsigned k = (unsigned)((random >> 33) % n);

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		set_keys(h, k, k + 1, 500);
	}
	assert_true(local_stat(&local, STAT_cleaned) > h->n_segs);
	assert_int_equal(evicted(), 0);
	assert_int_equal(missing(0, n, 500), 0);
	assert_true(local_sound(&local));
}

static void test_flushed_go(void **state)
{
	struct local_census census;
	uint16_t ns;

	(void)state;
	assert_int_equal(larder_namespace(h, "a", 1, &ns), 0);
	set_keys(h, 0, 500, 100);
	assert_int_equal(larder_select(h, ns), 0);
	set_keys(h, 500, 1000, 100);
	assert_int_equal(larder_select(h, 0), 0);
	assert_int_equal(larder_flush(h), 0);
	for (unsigned i = 0; i < 200; i++)
		cleaner_step(local.daemon, 4, false);
	assert_int_equal(local_stat(&local, STAT_flushed), 500);
	assert_int_equal(missing(0, 500, 100), 500);
	local_census(h, &census);
	assert_int_equal(census.items, 500 - local_stat(&local, STAT_evicted));
	assert_true(local_sound(&local));
}

static void test_harsh(void **state)
{
	(void)state;
	set_keys(h, 0, 1000, 100);
	while (missing(0, 1000, 100) < 1000)
		assert_true(cleaner_step(local.daemon, 8, true) > 0);
	assert_int_equal(local_stat(&local, STAT_moved), 0);
	assert_int_equal(local_stat(&local, STAT_evicted), 1000);
	assert_int_equal(local_stat(&local, STAT_evicted_bytes), local_stat(&local, STAT_bytes_in));
	assert_true(local_sound(&local));
}

/* ------------------------------------------------------------------ without a daemon */

/* One handle alone fills several regions; what is stored last is there. */
static void fill_alone(size_t vlen)
{
	unsigned n = (unsigned)(3 * (4 << 20) / (vlen + 24));

	for (unsigned i = 0; i < n; i++) {
		set_keys(h, i, i + 1, vlen);
		assert_int_equal(missing(i, i + 1, vlen), 0);
	}
	assert_int_equal(missing(0, n, vlen), evicted());
	assert_true(evicted() > 0);
	/* Not less than half of the memory holds items. */
	assert_true((n - evicted()) * (vlen + 24) > (2 << 20) * 9 / 10);
	assert_int_equal(local_stat(&local, STAT_failed), 0);
	assert_true(local_sound(&local));
}

static void test_fill_500(void **state)
{
	(void)state;
	fill_alone(500);
}

static void test_fill_8k(void **state)
{
	(void)state;
	fill_alone(8192);
}

/* Idle handles hold all leases: they are revoked, and find that out by themselves. */
static void test_idle_leases(void **state)
{
	struct larder *idle[40];
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		idle[i] = i % 2 ? local_open(&local) : local_open_other(&local);
		set_keys(idle[i], i, i + 1, 100);
		assert_int_not_equal(idle[i]->lease.seg, NO_SEGMENT);
	}
	set_keys(h, 1000, 21000, 500);
	assert_int_equal(local_stat(&local, STAT_failed), 0);
	for (unsigned i = 0; i < 40; i++) {
		set_keys(idle[i], i, i + 1, 100);
		assert_int_equal(missing(i, i + 1, 100), 0);
		assert_int_equal(larder_delete(idle[i], key, make_key(key, i)), 0);
	}
	assert_true(local_sound(&local));
}

static void test_all_leased(void **state)
{
	struct larder *idle[LOCAL_HANDLES - 3];
	unsigned n = sizeof(idle) / sizeof(idle[0]);

	(void)state;
	local_deinit(&local);
	local_init(&local, &(struct local_options){.memory = 2 << 20, .segment_bytes = 65536});
	h = local_open(&local);
	assert_true(h->n_segs < n);
	for (unsigned i = 0; i < n; i++) {
		idle[i] = local_open(&local);
		set_keys(idle[i], i, i + 1, 100);
		assert_int_equal(missing(i, i + 1, 100), 0);
	}
	set_keys(h, 1000, 1100, 100);
	assert_int_equal(missing(1000, 1100, 100), 0);
	assert_int_equal(local_stat(&local, STAT_failed), 0);
	assert_true(local_sound(&local));
}

/* ------------------------------------------------------------------ deaths */

static void test_reap(void **state)
{
	struct larder *victim = local_open(&local);
	uint32_t held = NO_SEGMENT, cleaning = 0, slot;

	(void)state;
	set_keys(victim, 0, 10, 100);
	set_keys(h, 10, 500, 400);
	held = victim->lease.seg;
	while (seg_state(load_relaxed(&h->segs[cleaning].word)) != SEG_SEALED)
		cleaning++;
	store_relaxed(&h->segs[cleaning].word,
		      seg_make(SEG_CLEANING, false, victim->me,
			       seg_gen(load_relaxed(&h->segs[cleaning].word))));
	hazard_set(victim, &victim->slot->h0, held + 1ULL);
	hazard_set(victim, &victim->slot->h1, 1);
	hazard_set(victim, &victim->slot->splitting, 1);
	hazard_set(victim, &victim->slot->pin[2], 2);
	slot = local_kill(&local, victim);
	assert_int_equal(cleaner_reap(local.daemon, slot), 2);
	assert_int_equal(seg_state(load_relaxed(&h->segs[held].word)), SEG_SEALED);
	assert_int_equal(seg_state(load_relaxed(&h->segs[cleaning].word)), SEG_SEALED);
	assert_int_equal(missing(0, 10, 100) + missing(10, 500, 400), 0);
	for (unsigned i = 0; i < 100; i++)
		cleaner_step(local.daemon, 8, false);
	assert_int_not_equal(seg_gen(load_relaxed(&h->segs[held].word)), 1);
	assert_int_equal(cleaner_reap(local.daemon, slot), 0);
	assert_true(local_sound(&local));
}

/* R7: half of a victim was walked. The next walk finishes it; nothing is counted twice. */
static void test_walk_is_idempotent(void **state)
{
	uint32_t seg;

	(void)state;
	set_keys(h, 0, 400, 400);
	for (unsigned round = 0; round < 20; round++) {
		for (seg = 0; seg_state(load_relaxed(&h->segs[seg].word)) != SEG_SEALED; seg++)
			;
		store_relaxed(&h->segs[seg].word,
			      seg_make(SEG_CLEANING, false, local.daemon->me,
				       seg_gen(load_relaxed(&h->segs[seg].word))));
		cleaner_step(local.daemon, 2, false);
		assert_int_equal(cleaner_reap(local.daemon, local.daemon->me) > 0, 1);
		local.daemon->survivors.seg = NO_SEGMENT;
	}
	assert_int_equal(missing(0, 400, 400), local_stat(&local, STAT_evicted));
	assert_true(local_sound(&local));
}

/* What waits in LIMBO when its cleaner dies is moved on by anybody (R8). */
static void test_limbo_moves_on(void **state)
{
	struct segment_counts n;

	(void)state;
	for (uint32_t seg = 0; seg < 20; seg++)
		store_relaxed(&h->segs[seg].word, seg_make(SEG_LIMBO, false, 0, 2));
	assert_int_equal(cleaner_step(h, 0, false), 20);
	segment_count(h, &n);
	assert_int_equal(n.by_state[SEG_FREE], h->n_segs);
	assert_int_equal(cleaner_step(h, 8, false), 0); /* nothing to clean */
}

static void test_damaged_segment(void **state)
{
	uint32_t seg;

	(void)state;
	set_keys(h, 0, 400, 400);
	for (seg = 0; seg_state(load_relaxed(&h->segs[seg].word)) != SEG_SEALED; seg++)
		;
	memset(seg_base(h, seg) + h->seg_bytes / 2, 0xff, 1000);
	store_relaxed_u32(&h->table[seg].fill, UINT32_MAX);
	for (unsigned i = 0; i < 300; i++)
		cleaner_step(local.daemon, 8, true);
	assert_int_not_equal(seg_gen(load_relaxed(&h->segs[seg].word)), 1);
	assert_true(local_stat(&local, STAT_damage) > 0);
	set_keys(h, 0, 400, 400);
	assert_int_equal(missing(0, 400, 400), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_survivors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cas_after_a_move, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_first, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overwritten_keys_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flushed_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_harsh, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill_500, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fill_8k, setup, teardown),
		cmocka_unit_test_setup_teardown(test_idle_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_leased, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_walk_is_idempotent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limbo_moves_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_segment, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
