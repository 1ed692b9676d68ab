/* SPDX-License-Identifier: MIT */
/* test_index.c - keys are found where they are, in both buckets, and nowhere else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "index.h"
#include "local.h"

#define KEYS 1450u /* 81 % of 256 buckets: many in second ones */

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

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "key%u", i);
}

static void set_keys(unsigned n)
{
	char key[16];

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(larder_set(h, key, make_key(key, i), &i, sizeof(i), 0), 0);
}

static void test_keys(void **state)
{
	struct key k;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		unsigned shift = (unsigned)__builtin_popcountll(h->bucket_mask0);

		local_key(h, &k, &i, sizeof(i));
		assert_int_equal(k.tag & 7, k.hash >> shift & 7);
		assert_int_equal(k.tag >> 3, k.hash >> 55);
		/* Two buckets at every level, each of which leads to the other. */
		assert_int_not_equal(k.hash & h->bucket_mask0, k.hash2 & h->bucket_mask0);
		assert_int_equal(k.hash, k.hash2 ^ hash_spread(k.tag, h->bucket_mask0));
	}
	assert_int_not_equal(hash_spread(0, 1) & 1, 0);
}

static void test_find(void **state)
{
	unsigned second = 0;
	char key[16];

	(void)state;
	set_keys(KEYS);
	assert_int_equal(local_stat(&local, STAT_evicted_index), 0);
	for (unsigned i = 0; i < 2 * KEYS; i++) {
		struct hit hit, again;
		struct key k;
		unsigned value;

		local_key(h, &k, key, make_key(key, i));
		assert_int_equal(index_find_read(h, &k, &hit), i < KEYS ? FIND_HIT : FIND_NONE);
		assert_int_equal(index_find_write(h, &k, &again), i < KEYS ? FIND_HIT : FIND_NONE);
		if (i >= KEYS)
			continue;
		assert_ptr_equal(hit.bucket, again.bucket);
		assert_int_equal(hit.i, again.i);
		assert_true(hit_intact(h, &hit));
		memcpy(&value, item_value(h, hit.seg, hit.off, &hit.it), sizeof(value));
		assert_int_equal(value, i);
		assert_ptr_equal(hit.bucket,
				 index_locate(h, slot_alt(hit.word) ? k.hash2 : k.hash));
		second += slot_alt(hit.word);
	}
	assert_true(second > KEYS / 50);
	assert_true(local_sound(&local));
}

/* The vector form and the plain one agree on every pattern. */
static void test_match(void **state)
{
	static _Alignas(SHM_LINE) struct shm_bucket b;
	uint64_t random = 1;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		uint64_t pattern;
		unsigned want = 0;

		for (unsigned i = 0; i < SHM_WORDS; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			store_relaxed(&b.word[i], (random >> 62) << 62 | (random >> 40 & 3) << 60 |
							  (random >> 30 & 3) << SLOT_TAG_SHIFT |
							  (random & SLOT_PLACE_MASK));
		}
		pattern = load_relaxed(&b.word[n % SHM_WORDS]) & SLOT_MATCH_MASK;
		for (unsigned i = 0; i < SHM_WORDS; i++)
			if ((load_relaxed(&b.word[i]) & SLOT_MATCH_MASK) == pattern)
				want |= 1u << i;
		assert_int_equal(bucket_match(&b, pattern), want);
	}
}

static void test_overflow_counts(void **state)
{
	struct shm_bucket *b = index_at(h, 0, 5);
	uint64_t word = slot_make(true, 0x3f8, 1, 0, 1); /* home without split bits */
	uint64_t low = (5 ^ hash_spread(0x3f8, h->bucket_mask0)) & h->bucket_mask0;

	(void)state;
	assert_false(overflow_any(b));
	for (unsigned i = 0; i < 10; i++)
		assert_true(overflow_up(h, b));
	assert_true(overflow_any(b));
	assert_int_equal(load_relaxed_u8(&b->overflow), OVERFLOW_NONE + 10);
	for (unsigned i = 0; i < 10; i++)
		overflow_down(h, word, low);
	assert_false(overflow_any(b));
	overflow_down(h, word, low); /* not below none */
	assert_int_equal(load_relaxed_u8(&b->overflow), OVERFLOW_NONE);
	for (unsigned i = 0; i < 200; i++)
		assert_true(overflow_up(h, b));
	assert_int_equal(load_relaxed_u8(&b->overflow), OVERFLOW_SATURATED);
	overflow_down(h, word, low); /* nobody knows how many there are */
	assert_int_equal(load_relaxed_u8(&b->overflow), OVERFLOW_SATURATED);
	store_relaxed_u8(&b->overflow, OVERFLOW_FROZEN | 3);
	assert_false(overflow_up(h, b));
	store_relaxed_u8(&b->overflow, 0);
	assert_false(overflow_up(h, b));
}

static void test_unlink(void **state)
{
	struct hit hit;
	struct key k;

	(void)state;
	set_keys(1);
	local_key(h, &k, "key0", 4);
	assert_int_equal(index_find_read(h, &k, &hit), FIND_HIT);
	assert_false(index_unlink(h, hit.bucket, hit.i, hit.word ^ 1, k.hash & h->bucket_mask0));
	assert_int_equal(larder_exists(h, "key0", 4), 0);
	assert_true(index_unlink(h, hit.bucket, hit.i, hit.word, k.hash & h->bucket_mask0));
	assert_int_equal(larder_exists(h, "key0", 4), LARDER_MISS);
	assert_false(index_unlink(h, hit.bucket, hit.i, hit.word, k.hash & h->bucket_mask0));
}

static void test_recency(void **state)
{
	struct hit hit;
	struct key k;

	(void)state;
	store_relaxed_u32(&h->hdr->tick, 17);
	set_keys(1);
	local_key(h, &k, "key0", 4);
	assert_int_equal(index_find_read(h, &k, &hit), FIND_HIT);
	store_relaxed_u32(&h->hdr->tick, 99);
	assert_int_equal(larder_exists(h, "key0", 4), 0); /* only a get uses the value */
	assert_int_not_equal(load_relaxed_u8(&hit.bucket->recency[hit.i]), 99);
	(void)!larder_get(h, "key0", 4, NULL, &(size_t){0});
	assert_int_equal(load_relaxed_u8(&hit.bucket->recency[hit.i]), 99);
}

/* Words that no writer stored: misses, counted as damage, and no access outside. */
static void test_damage(void **state)
{
	struct hit hit;
	struct key k;
	shm_u64 *entry;
	uint64_t damage;

	(void)state;
	set_keys(1);
	local_key(h, &k, "key0", 4);
	assert_int_equal(index_find_read(h, &k, &hit), FIND_HIT);
	entry = &hit.bucket->word[hit.i];
	store_relaxed(entry, hit.word | SLOT_PLACE_MASK);
	damage = local_stat(&local, STAT_damage);
	assert_int_equal(larder_exists(h, "key0", 4), LARDER_MISS);
	assert_true(local_stat(&local, STAT_damage) > damage);
	/* Stale: EMPTY for everybody, and no damage. */
	store_relaxed(entry, hit.word ^ 1ULL << SLOT_GEN_SHIFT);
	damage = local_stat(&local, STAT_damage);
	assert_int_equal(larder_exists(h, "key0", 4), LARDER_MISS);
	assert_int_equal(local_stat(&local, STAT_damage), damage);
	/* A body is not walked, whatever names it. */
	store_relaxed(entry, hit.word);
	store_relaxed(&h->segs[hit.seg].word, load_relaxed(&h->segs[hit.seg].word) | SEG_BODY);
	assert_int_equal(larder_exists(h, "key0", 4), LARDER_MISS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
		cmocka_unit_test_setup_teardown(test_find, setup, teardown),
		cmocka_unit_test_setup_teardown(test_match, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unlink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recency, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
