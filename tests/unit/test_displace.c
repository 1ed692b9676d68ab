/* SPDX-License-Identifier: MIT */
/* test_displace.c - room in two full buckets: somebody moves, or the least recent goes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "displace.h"
#include "hazard.h"
#include "local.h"

#define HOME 9u

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

static unsigned n_keys;
static char keys[4096][16];

/* Keys whose home is @home, until that bucket is full of home words. */
static void fill_bucket(uint64_t home)
{
	unsigned from = 0;
	struct key k;

	for (;;) {
		struct shm_bucket *b = &h->level[0][home];
		unsigned used = 0;
		size_t len;

		for (unsigned i = 0; i < SHM_WORDS; i++)
			used += slot_kind(load_relaxed(&b->word[i])) == SLOT_COMMITTED;
		if (used == SHM_WORDS)
			return;
		len = local_key_at(h, home, &from, keys[n_keys], &k);
		assert_int_equal(larder_set(h, keys[n_keys], len, keys[n_keys], len, 0), 0);
		n_keys++;
	}
}

static unsigned missing(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_keys; i++)
		n += larder_exists(h, keys[i], strlen(keys[i])) != 0;
	return n;
}

/* A new key whose two buckets are full. Return: its length. */
static size_t cornered_key(char text[16])
{
	unsigned from = 1000000;
	struct key k;
	size_t len = local_key_at(h, HOME, &from, text, &k);

	n_keys = 0;
	fill_bucket(HOME);
	fill_bucket(k.hash2 & h->bucket_mask0);
	assert_int_equal(missing(), 0);
	return len;
}

static void test_somebody_moves(void **state)
{
	char text[16];
	size_t len = cornered_key(text);

	(void)state;
	assert_int_equal(larder_set(h, text, len, "new", 3, 0), 0);
	assert_int_equal(larder_exists(h, text, len), 0);
	assert_int_equal(missing(), 0);
	assert_int_equal(local_stat(&local, STAT_evicted_index), 0);
	assert_int_equal(local_stat(&local, STAT_items_out), 0);
	assert_true(local_sound(&local));
}

/* Every bucket is full: 7 * 256 words. */
static void test_nobody_can(void **state)
{
	uint64_t full = SHM_WORDS * (h->bucket_mask0 + 1);
	unsigned from = 5000000;

	(void)state;
	n_keys = 0;
	for (uint64_t home = 0; home <= h->bucket_mask0; home++)
		fill_bucket(home);
	assert_int_equal(missing(), local_stat(&local, STAT_evicted_index));
	assert_int_equal(n_keys - missing(), full);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t evicted = local_stat(&local, STAT_evicted_index);
		char text[16];
		struct key k;
		size_t len = local_key_at(h, i, &from, text, &k);

		assert_int_equal(larder_set(h, text, len, text, len, 0), 0);
		assert_int_equal(larder_exists(h, text, len), 0);
		assert_int_equal(local_stat(&local, STAT_evicted_index), evicted + 1);
	}
	assert_int_equal(local_stat(&local, STAT_items_in) - local_stat(&local, STAT_items_out),
			 full);
	assert_true(local_stat(&local, STAT_evicted_bytes) > 0);
	assert_true(local_sound(&local));
}

/* The one that goes is the least recent of the fourteen. */
static void test_least_recent(void **state)
{
	uint64_t pending;
	char text[16];
	struct survey s;
	unsigned pos, old = 11;
	struct key k;

	(void)state;
	local_key(h, &k, text, cornered_key(text));
	assert_true(survey_locate(h, &k, &s));
	store_relaxed_u32(&h->hdr->tick, 100);
	for (unsigned i = 0; i < BOTH; i++)
		store_relaxed_u8(&s.bucket[i / SHM_WORDS]->recency[i % SHM_WORDS],
				 i == old ? 20 : 90);
	pending = slot_with_kind(slot_make(false, k.tag, 1, 0, 1), SLOT_PENDING);
	pos = displace_evict(h, &s, pending);
	hazard_clear(&h->slot->h1);
	assert_int_equal(pos, old);
	assert_int_equal(survey_word(&s, pos), pending | SLOT_ALT);
	assert_int_equal(missing(), 1);
	assert_int_equal(local_stat(&local, STAT_evicted_index), 1);
	assert_true(survey_unlink(h, &s, pos, pending | SLOT_ALT));
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_somebody_moves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_can, setup, teardown),
		cmocka_unit_test_setup_teardown(test_least_recent, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
