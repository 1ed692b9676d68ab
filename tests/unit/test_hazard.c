/* SPDX-License-Identifier: MIT */
/* test_hazard.c - announcements are collected, and nothing is freed under one */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleaner.h"
#include "hazard.h"
#include "local.h"
#include "words.h"

static struct local local;
static struct larder *h;

static int setup(void **state)
{
	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static uint64_t own[64], any[64];

static void scan(struct hazard_set *set)
{
	set->own = own;
	set->any = any;
	assert_true(h->n_segs <= 64 * 64);
	assert_true(hazard_barrier(h));
	hazard_scan(h, set);
}

static unsigned count(const uint64_t *bits)
{
	unsigned n = 0;

	for (uint32_t seg = 0; seg < h->n_segs; seg++)
		n += hazard_bit(bits, seg);
	return n;
}

static void test_scan(void **state)
{
	struct larder *other = local_open_other(&local);
	struct hazard_set set;

	(void)state;
	scan(&set);
	assert_int_equal(count(own) + count(any), 0);
	assert_false(set.splitting);
	hazard_set(h, &h->slot->h0, 1);
	hazard_set(other, &other->slot->h1, 70);
	hazard_set(other, &other->slot->pin[SHM_PINS - 1], h->n_segs);
	scan(&set);
	assert_int_equal(count(own), 1);
	assert_int_equal(count(any), 3);
	assert_true(hazard_bit(own, 0) && hazard_bit(any, 0));
	assert_true(hazard_bit(any, 69) && hazard_bit(any, h->n_segs - 1));
	assert_false(set.splitting);
	hazard_set(other, &other->slot->splitting, 1);
	scan(&set);
	assert_true(set.splitting);
	hazard_clear(&other->slot->splitting);
	hazard_clear(&other->slot->h1);
	hazard_clear(&other->slot->pin[SHM_PINS - 1]);
	hazard_clear(&h->slot->h0);
	scan(&set);
	assert_int_equal(count(own) + count(any), 0);
	assert_false(set.splitting);
}

/* What no handle would store marks nothing; what was never handed out is not read. */
static void test_hostile_slots(void **state)
{
	struct shm_slot *beyond = h->slot + 1;
	struct hazard_set set;

	(void)state;
	hazard_set(h, &h->slot->h0, h->n_segs + 1ULL);
	hazard_set(h, &h->slot->h1, UINT64_MAX);
	store_relaxed(&beyond->h0, 3);
	scan(&set);
	assert_int_equal(count(own) + count(any), 0);
	store_relaxed_u32(&h->hdr->slots_high, UINT32_MAX);
	scan(&set);
	assert_int_equal(count(own), 1);
}

/* Without membarrier(2) a reclaimer relies on the fences of the others, if all have them. */
static void test_fence_mode(void **state)
{
	struct larder *other = local_open(&local);

	(void)state;
	local.daemon->full_fence = true;
	assert_false(hazard_barrier(local.daemon));
	store_relaxed(&h->slot->mode, 1);
	assert_false(hazard_barrier(local.daemon));
	store_relaxed(&other->slot->mode, 1);
	assert_true(hazard_barrier(local.daemon));
}

static void fill(void)
{
	static const char value[1000];
	char key[16];

	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(larder_set(h, key, (size_t)snprintf(key, 16, "%u", i), value,
					    sizeof(value), 0),
				 0);
}

/* No barrier: victims go back, and all items stay. */
static void test_cleaner_without_barrier(void **state)
{
	(void)state;
	fill();
	local.daemon->full_fence = true;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(cleaner_step(local.daemon, 8, false), 0);
	assert_int_equal(local_stat(&local, STAT_cleaned), 0);
	for (uint32_t seg = 0; seg < h->n_segs; seg++)
		assert_int_not_equal(seg_state(load_relaxed(&h->segs[seg].word)), SEG_CLEANING);
	assert_int_equal(larder_exists(h, "7", 1), 0);
	assert_true(local_sound(&local));
}

/* H0 keeps a segment from being walked, H1 from being reused. */
static void test_cleaner_respects_hazards(void **state)
{
	struct larder *sleeper = local_open(&local);
	uint32_t first = NO_SEGMENT;

	(void)state;
	fill();
	for (uint32_t seg = 0; seg < h->n_segs && first == NO_SEGMENT; seg++)
		if (seg_state(load_relaxed(&h->segs[seg].word)) == SEG_SEALED)
			first = seg;
	assert_int_not_equal(first, NO_SEGMENT);
	hazard_set(sleeper, &sleeper->slot->h0, first + 1ULL);
	for (unsigned i = 0; i < 50; i++)
		cleaner_step(local.daemon, 8, false);
	assert_int_equal(seg_state(load_relaxed(&h->segs[first].word)), SEG_SEALED);
	hazard_set(sleeper, &sleeper->slot->h1, first + 1ULL);
	hazard_clear(&sleeper->slot->h0);
	for (unsigned i = 0; i < 50; i++)
		cleaner_step(local.daemon, 8, false);
	assert_int_equal(seg_state(load_relaxed(&h->segs[first].word)), SEG_LIMBO);
	hazard_clear(&sleeper->slot->h1);
	cleaner_step(local.daemon, 8, false);
	assert_int_not_equal(seg_state(load_relaxed(&h->segs[first].word)), SEG_LIMBO);
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fence_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleaner_without_barrier, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleaner_respects_hazards, setup, teardown),
	};

	/* Each test says for itself what is hidden. */
	unsetenv("LARDER_HIDE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
