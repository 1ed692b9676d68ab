/* SPDX-License-Identifier: MIT */
/* test_segment.c - leases: taken, filled, sealed, revoked; segments out of service and back */
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

static unsigned in_state(enum seg_state state)
{
	struct segment_counts n;

	segment_count(h, &n);
	return n.by_state[state];
}

static uint64_t word_of(uint32_t seg)
{
	return load_relaxed(&h->segs[seg].word);
}

static void take(struct lease *lease, enum lease_kind kind)
{
	assert_int_equal(segment_begin(h, lease, kind, 100), 0);
	assert_int_not_equal(lease->seg, NO_SEGMENT);
}

static void test_lease(void **state)
{
	struct lease *lease = &h->lease;
	struct shm_table *t;

	(void)state;
	assert_int_equal(in_state(SEG_FREE), h->n_segs);
	take(lease, LEASE_ITEMS);
	t = &h->table[lease->seg];
	assert_int_equal(word_of(lease->seg), seg_make(SEG_LEASED, false, h->me, 1));
	assert_int_equal(load_relaxed(&h->slot->h0), lease->seg + 1);
	assert_int_equal(load_relaxed_u32(&t->fill), 0);
	segment_cover(h, lease, 104, 50);
	assert_int_equal(load_relaxed_u32(&t->fill), 104);
	assert_int_equal(load_relaxed(&t->expiry), 50);
	segment_commit(lease, 104);
	segment_cover(h, lease, 40, 20);
	assert_int_equal(load_relaxed_u32(&t->fill), 144);
	assert_int_equal(load_relaxed(&t->expiry), 50); /* the latest */
	segment_commit(lease, 40);
	segment_cover(h, lease, 16, 0);
	assert_int_equal(load_relaxed(&t->expiry), UINT64_MAX); /* never */
	assert_int_equal(load_relaxed_u32(&t->items), 3);
	segment_end(h);
	assert_int_equal(load_relaxed(&h->slot->h0), 0);
	segment_seal(h, lease);
	assert_int_equal(lease->seg, NO_SEGMENT);
	assert_int_equal(in_state(SEG_SEALED), 1);
	segment_seal(h, lease); /* nothing to seal */
	assert_int_equal(local_stat(&local, STAT_leased), 1);
}

static void test_full_lease(void **state)
{
	struct lease *lease = &h->lease;
	uint32_t first;

	(void)state;
	take(lease, LEASE_ITEMS);
	first = lease->seg;
	segment_cover(h, lease, h->seg_bytes - 96, 0);
	segment_commit(lease, h->seg_bytes - 96);
	segment_end(h);
	assert_int_equal(segment_begin(h, lease, LEASE_ITEMS, 96), 0);
	assert_int_equal(lease->seg, first);
	segment_end(h);
	take(lease, LEASE_ITEMS);
	assert_int_not_equal(lease->seg, first);
	assert_int_equal(seg_state(word_of(first)), SEG_SEALED);
	segment_end(h);
}

/* Whoever was revoked notices before it stores, even into the table. */
static void test_revoked(void **state)
{
	struct lease *lease = &h->lease;
	uint32_t first;

	(void)state;
	take(lease, LEASE_ITEMS);
	first = lease->seg;
	segment_end(h);
	store_relaxed(&h->segs[first].word, seg_make(SEG_LIMBO, false, 0, 2));
	store_relaxed_u32(&h->table[first].fill, 4711);
	lease->started = false; /* as if it had slept since its CAS */
	take(lease, LEASE_ITEMS);
	assert_int_not_equal(lease->seg, first);
	assert_int_equal(load_relaxed_u32(&h->table[first].fill), 4711);
	assert_int_equal(word_of(first), seg_make(SEG_LIMBO, false, 0, 2));
	segment_end(h);
	segment_edge(h, lease->seg, lease->word, SEG_SEALED, 0, 1);
	first = lease->seg;
	segment_seal(h, lease); /* revoked already */
	assert_int_equal(word_of(first), seg_make(SEG_SEALED, false, 0, 1));
}

/* A write never goes into a segment of an older epoch. */
static void test_epochs(void **state)
{
	struct lease *lease = &h->lease;
	uint32_t first;

	(void)state;
	take(lease, LEASE_ITEMS);
	first = lease->seg;
	assert_int_equal(load_relaxed(&h->segs[first].epoch), 0);
	segment_end(h);
	assert_int_equal(larder_flush(h), 0);
	take(lease, LEASE_ITEMS);
	assert_int_not_equal(lease->seg, first);
	assert_int_equal(load_relaxed(&h->segs[lease->seg].epoch), 1);
	segment_end(h);
}

/* The last FREE segments are for survivors: without them nothing could be cleaned. */
static void test_reserve(void **state)
{
	uint32_t reserve = h->map->geo.reserve;
	uint32_t kept[2] = {NO_SEGMENT, NO_SEGMENT}, n = 0;
	struct lease lease = {.seg = NO_SEGMENT};

	(void)state;
	assert_int_equal(reserve, 2);
	for (uint32_t seg = 0; seg < h->n_segs; seg++)
		if (seg % 50 != 7 || n == 2)
			store_relaxed(&h->segs[seg].word, seg_make(SEG_CLEANING, false, 0, 1));
		else
			kept[n++] = seg;
	assert_int_equal(segment_begin(h, &h->lease, LEASE_ITEMS, 100), -ENOMEM);
	assert_int_equal(segment_begin(h, &lease, LEASE_BODY, 100), -ENOMEM);
	assert_int_equal(in_state(SEG_FREE), 2);
	assert_int_equal(segment_begin(h, &h->survivors, LEASE_SURVIVORS, 100), 0);
	assert_true(h->survivors.seg == kept[0] || h->survivors.seg == kept[1]);
	segment_end(h);
	assert_int_equal(segment_begin(h, &lease, LEASE_SURVIVORS, 100), 0);
	segment_end(h);
	lease.seg = NO_SEGMENT;
	assert_int_equal(segment_begin(h, &lease, LEASE_SURVIVORS, 100), LARDER_MISS);
	assert_int_equal(load_relaxed(&h->slot->h0), 0);
}

static void test_bodies(void **state)
{
	struct lease lease = {.seg = NO_SEGMENT};

	(void)state;
	assert_int_equal(segment_begin(h, &lease, LEASE_BODY, h->seg_bytes), 0);
	assert_true(seg_body(word_of(lease.seg)));
	segment_end(h);
	segment_seal(h, &lease);
	assert_int_equal(in_state(SEG_SEALED), 1);
}

static void test_out_of_service(void **state)
{
	uint32_t seg, again;
	uint64_t gen;

	(void)state;
	assert_int_equal(segment_online(h, &seg), LARDER_MISS);
	assert_int_equal(segment_offline(h, &seg), 0);
	assert_int_equal(seg_state(word_of(seg)), SEG_OFFLINE);
	gen = seg_gen(word_of(seg));
	assert_int_equal(segment_online(h, &again), 0);
	assert_int_equal(again, seg);
	assert_int_equal(word_of(seg), seg_make(SEG_FREE, false, 0, gen + 1));
	for (uint32_t i = 0; i < h->n_segs; i++)
		assert_int_equal(segment_offline(h, &seg), 0);
	assert_int_equal(segment_offline(h, &seg), LARDER_MISS);
	assert_int_equal(in_state(SEG_OFFLINE), h->n_segs);
	assert_int_equal(segment_begin(h, &h->lease, LEASE_ITEMS, 8), -ENOMEM);
}

static void test_ticks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < h->n_segs / 2; i++) {
		struct lease lease = {.seg = NO_SEGMENT};

		take(&lease, LEASE_ITEMS);
		segment_end(h);
	}
	assert_in_range(load_relaxed_u32(&h->hdr->tick), 30, 32); /* half a turn of 64 */
	assert_int_equal(load_relaxed(&h->hdr->lease_seq), h->n_segs / 2);
}

static void test_dead_bytes(void **state)
{
	(void)state;
	segment_dead(h, 3, 100);
	segment_dead(h, 3, 28);
	assert_int_equal(load_relaxed_u32(&h->table[3].dead), 128);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(test_revoked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_epochs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bodies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_service, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ticks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dead_bytes, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
