/* SPDX-License-Identifier: MIT */
/* test_write.c - values of every size at every edge; rounds, accounts, and writers that stop half-way */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local.h"
#include "write.h"

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

static uint8_t *value, *got;

static int setup_64(void **state)
{
	(void)state;
	local_init(&local, &(struct local_options){.memory = 64 << 20});
	h = local_open(&local);
	value = malloc(h->max_value + 1);
	got = malloc(h->max_value + 1);
	assert_true(value != NULL && got != NULL);
	return 0;
}

static int teardown_64(void **state)
{
	free(value);
	free(got);
	return teardown(state);
}

static void assert_holds(const void *key, size_t klen, size_t vlen, uint64_t seed)
{
	size_t len = h->max_value + 1;

	assert_int_equal(larder_get(h, key, klen, got, &len), 0);
	assert_int_equal(len, vlen);
	assert_true(local_filled(got, len, seed));
}

static void store(const void *key, size_t klen, size_t vlen, uint64_t seed)
{
	local_fill(value, vlen, seed);
	assert_int_equal(larder_set(h, key, klen, value, vlen, 0), 0);
	assert_holds(key, klen, vlen, seed);
}

/* Each size replaces another one, in both directions; a size too large leaves the old value. */
static void test_value_sizes(void **state)
{
	const size_t seg = h->seg_bytes;
	const size_t centers[] = {0,
				  8,
				  255,
				  65535,
				  seg / 4,
				  seg / 2 - 48,
				  seg / 2,
				  seg * 3 / 4,
				  seg,
				  seg + seg / 4,
				  2 * seg,
				  5 * seg,
				  7 * seg - 9,
				  h->max_value - 2,
				  1};

	(void)state;
	for (size_t i = 0; i < sizeof(centers) / sizeof(centers[0]); i++) {
		for (size_t d = 0; d < 5; d++) {
			size_t vlen = centers[i] + d < 2 ? 0 : centers[i] + d - 2;

			store("k", 1, vlen, i * 5 + d);
			assert_int_equal(larder_set(h, "k", 1, value, h->max_value + 1, 0), -E2BIG);
			assert_holds("k", 1, vlen, i * 5 + d);
		}
	}
	assert_int_equal(local_stat(&local, STAT_evicted), 0);
	assert_true(local_sound(&local));
}

static void test_key_and_value_sizes(void **state)
{
	static const size_t klens[] = {1, 7, 8, 9, 254, 255, 256, 257, 32768, 65534, 65535};
	static const size_t vlens[] = {0, 1, 254, 255, 256, 65534, 65535, 65536, 65537, 131072};
	uint8_t *key = malloc(LARDER_KEY_MAX);
	uint64_t n = 0;

	(void)state;
	assert_non_null(key);
	local_fill(key, LARDER_KEY_MAX, 99);
	for (unsigned k = 0; k < 11; k++)
		for (unsigned v = 0; v < 10; v++, n++) {
			key[0] = (uint8_t)v; /* a key of one byte is one of these */
			store(key, klens[k], vlens[v], n);
		}
	n = 0;
	for (unsigned k = 0; k < 11; k++)
		for (unsigned v = 0; v < 10; v++, n++) {
			key[0] = (uint8_t)v;
			assert_holds(key, klens[k], vlens[v], n);
		}
	assert_int_equal(local_stat(&local, STAT_items_in), 110);
	assert_int_equal(local_stat(&local, STAT_items_out), 0);
	free(key);
	assert_true(local_sound(&local));
}

/* Nothing stays announced, whatever a call ends with. */
static void assert_idle(void)
{
	assert_int_equal(load_relaxed(&h->slot->h0) | load_relaxed(&h->slot->h1), 0);
	assert_int_equal(load_relaxed(&h->slot->splitting), 0);
	assert_int_equal(h->busy, 0);
}

static void test_hazards_are_cleared(void **state)
{
	(void)state;
	assert_int_equal(larder_replace(h, "k", 1, "v", 1, 0), LARDER_MISS);
	assert_idle();
	assert_int_equal(larder_set(h, "k", 1, "v", 1, 0), 0);
	assert_idle();
	assert_int_equal(larder_set(h, "k", 1, "w", 1, 0), 0);
	assert_idle();
	assert_int_equal(larder_add(h, "k", 1, "w", 1, 0), LARDER_EXISTS);
	assert_idle();
	assert_int_equal(larder_cas(h, "k", 1, "w", 1, 0, 1), LARDER_EXISTS);
	assert_idle();
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), -EDOM);
	assert_idle();
	assert_int_equal(larder_delete_if(h, "k", 1, 1), LARDER_EXISTS);
	assert_idle();
	assert_int_equal(larder_delete(h, "k", 1), 0);
	assert_idle();
	local_hold(&local);
	assert_int_equal(larder_set(h, "k", 1, "v", 1, 0), -ENOMEM);
	assert_idle();
}

static void test_accounts(void **state)
{
	(void)state;
	assert_int_equal(larder_set(h, "key", 3, "value", 5, 0), 0);
	assert_int_equal(local_stat(&local, STAT_items_in), 1);
	assert_int_equal(local_stat(&local, STAT_bytes_in), 8);
	assert_int_equal(larder_set(h, "key", 3, "v", 1, 0), 0);
	assert_int_equal(local_stat(&local, STAT_items_out), 1);
	assert_int_equal(local_stat(&local, STAT_bytes_in), 12);
	assert_int_equal(local_stat(&local, STAT_bytes_out), 8);
	assert_int_equal(larder_add(h, "key", 3, "other", 5, 0), LARDER_EXISTS);
	assert_int_equal(local_stat(&local, STAT_items_in), 2);
	assert_int_equal(larder_delete(h, "key", 3), 0);
	assert_int_equal(local_stat(&local, STAT_items_out), 2);
	assert_int_equal(local_stat(&local, STAT_bytes_out), 12);
	assert_int_equal(load_relaxed_u32(&h->table[h->lease.seg].dead), 32);
	assert_true(local_sound(&local));
}

/* A refused write leaves its bytes to the next one. */
static void test_refused_writes_take_no_room(void **state)
{
	uint32_t off;

	(void)state;
	assert_int_equal(larder_set(h, "k", 1, "v", 1, 0), 0);
	off = h->lease.off;
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(larder_add(h, "k", 1, "other", 5, 0), LARDER_EXISTS);
		assert_int_equal(larder_replace(h, "none", 4, "other", 5, 0), LARDER_MISS);
	}
	assert_int_equal(h->lease.off, off);
	assert_true(local_sound(&local));
}

static int decide_set(struct larder *to, struct write *w, const struct hit *old)
{
	(void)to;
	(void)w;
	(void)old;
	return WRITE_PUBLISH;
}

/* Another write of the same key comes in while this one decides: what it saw is not there any more. */
static int decide_late(struct larder *to, struct write *w, const struct hit *old)
{
	struct larder *other = local.handle[local.n_handles - 1];

	(void)to;
	if (w->mode-- > 0)
		assert_int_equal(larder_set(other, "k", 1, "between", 7, 0), 0);
	w->value = old != NULL && old->it.vlen == 7 ? "seen" : "blind";
	w->vlen = strlen(w->value);
	return WRITE_PUBLISH;
}

static void test_lost_rounds(void **state)
{
	struct write w = {.decide = decide_late, .mode = 3};
	char buf[8];
	size_t len = sizeof(buf);

	(void)state;
	assert_ptr_not_equal(local_open_other(&local), h);
	local_key(h, &w.key, "k", 1);
	assert_int_equal(write_run(h, &w), 0);
	assert_int_equal(local_stat(&local, STAT_retries), 3);
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_int_equal(len, 4);
	assert_memory_equal(buf, "seen", 4);
	w.mode = 1000;
	assert_int_equal(write_run(h, &w), -EAGAIN);
	assert_idle();
	len = sizeof(buf);
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_memory_equal(buf, "between", 7);
	assert_true(local_sound(&local));
}

/* In the child of a fork the parent's handle publishes nothing. */
static int decide_fork(struct larder *to, struct write *w, const struct hit *old)
{
	(void)w;
	(void)old;
	store_relaxed(to->wipe_page, 0);
	return WRITE_PUBLISH;
}

static void test_fork_in_a_write(void **state)
{
	for (unsigned present = 0; present < 2; present++) {
		struct write w = {.decide = decide_fork, .value = "child", .vlen = 5};

		assert_int_equal(larder_set(local.daemon, "k", 1, "parent", 6, 0), 0);
		if (!present)
			assert_int_equal(larder_delete(local.daemon, "k", 1), 0);
		local_key(h, &w.key, "k", 1);
		assert_int_equal(write_run(h, &w), -EAGAIN);
		assert_int_equal(larder_exists(local.daemon, "k", 1), present ? 0 : LARDER_MISS);
		store_relaxed(h->wipe_page, 1);
	}
	segment_end(h);
	assert_true(local_sound(&local));
	(void)state;
}

/* R2: a header and bytes that nobody names; R6: the update is done, hazards stand. */
static void test_killed_writers(void **state)
{
	struct larder *victim = local_open(&local);
	uint32_t seg, slot;

	(void)state;
	assert_int_equal(larder_set(victim, "a", 1, "1", 1, 0), 0);
	assert_int_equal(larder_set(victim, "b", 1, "2", 1, 0), 0);
	seg = victim->lease.seg;
	segment_cover(victim, &victim->lease, 400, 0); /* its header was not written yet */
	hazard_set(victim, &victim->slot->h0, seg + 1ULL);
	slot = local_kill(&local, victim);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	assert_int_equal(larder_exists(h, "a", 1), 0);
	assert_int_equal(larder_set(h, "a", 1, "3", 1, 0), 0);
	assert_int_equal(seg_state(load_relaxed(&h->segs[seg].word)), SEG_LEASED);
	assert_true(slot > 0);
	assert_true(local_sound(&local));
}

static void test_piece_limit(void **state)
{
	struct write w = {.decide = decide_set, .value = value};
	uint64_t max = write_piece_max(h);

	(void)state;
	local_key(h, &w.key, "k", 1);
	w.vlen = max - 8 - 8 - 1; /* header, LONG, key */
	assert_int_equal(write_run(h, &w), 0);
	assert_true(w.item.bytes <= max);
	w.vlen += 8;
	assert_int_equal(write_run(h, &w), -E2BIG);
	assert_idle();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_value_sizes, setup_64, teardown_64),
		cmocka_unit_test_setup_teardown(test_key_and_value_sizes, setup_64, teardown_64),
		cmocka_unit_test_setup_teardown(test_piece_limit, setup_64, teardown_64),
		cmocka_unit_test_setup_teardown(test_hazards_are_cleared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_accounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_writes_take_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lost_rounds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fork_in_a_write, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_writers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
