/* SPDX-License-Identifier: MIT */
/* test_split.c - keys are there before, after, and at each store of a split */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local.h"

#define KEYS 1200u

static struct local local;
static struct larder *h;

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "key%u", i);
}

/* Children have memory (a memfd has it when it is touched), but nothing was split yet. */
static int setup(void **state)
{
	char key[16];

	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(larder_set(h, key, make_key(key, i), &i, sizeof(i), 0), 0);
	for (unsigned level = 0; level + 1 < h->n_levels; level++)
		store_release(&h->hdr->commit[level], index_mask(h, level) + 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static void assert_all_there(unsigned n)
{
	char key[16];

	for (unsigned i = 0; i < n; i++) {
		unsigned value = ~0u;
		size_t len = sizeof(value);

		assert_int_equal(larder_get(h, key, make_key(key, i), &value, &len), 0);
		assert_int_equal(value, i);
	}
	assert_int_equal(larder_exists(h, "absent", 6), LARDER_MISS);
}

static void test_split_all(void **state)
{
	(void)state;
	for (unsigned level = 0; level + 1 < h->n_levels; level++) {
		for (uint64_t i = 0; i <= index_mask(h, level); i++)
			split_bucket(h, level, i);
		assert_all_there(KEYS);
		assert_true(local_sound(&local));
	}
	assert_int_equal(local_stat(&local, STAT_splits), 7 * (index_mask(h, 0) + 1));
	split_bucket(h, 0, 3); /* idempotent */
	assert_int_equal(local_stat(&local, STAT_splits), 7 * (index_mask(h, 0) + 1));
	assert_all_there(KEYS);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[16];
		struct hit hit;
		struct key k;

		local_key(h, &k, key, make_key(key, i));
		assert_int_equal(index_find_write(h, &k, &hit), FIND_HIT);
		assert_ptr_equal(hit.bucket, index_at(h, 3, slot_alt(hit.word) ? k.hash2 : k.hash));
	}
}

/* The stores of a split one by one: after each, readers find every key and a check is clean. */
static void test_each_store(void **state)
{
	uint64_t number = 9;
	struct shm_bucket *b = &h->level[0][number];
	struct shm_bucket *child[2] = {&h->level[1][number],
				       &h->level[1][number + index_mask(h, 0) + 1]};
	struct shm_bucket done[2];

	(void)state;
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		store_relaxed(&b->word[i], load_relaxed(&b->word[i]) | SLOT_FROZEN);
		assert_all_there(KEYS);
	}
	store_relaxed_u8(&b->overflow, load_relaxed_u8(&b->overflow) | OVERFLOW_FROZEN);
	assert_all_there(KEYS);
	split_bucket(h, 0, number); /* what it will look like */
	done[0] = *child[0];
	done[1] = *child[1];
	memset(child[0], 0, sizeof(done[0]));
	memset(child[1], 0, sizeof(done[1]));
	store_relaxed_u8(&child[0]->overflow, load_relaxed_u8(&done[0].overflow));
	store_relaxed_u8(&child[1]->overflow, load_relaxed_u8(&done[1].overflow));
	for (unsigned i = 0; i < 2 * SHM_WORDS; i++) {
		store_relaxed(&child[i & 1]->word[i / 2], load_relaxed(&done[i & 1].word[i / 2]));
		assert_all_there(KEYS);
		assert_true(larder_check(h, NULL, NULL) == 0);
	}
	assert_true(local_sound(&local));
}

/* A writer that meets a half-done split finishes it. */
static void test_writers_finish(void **state)
{
	unsigned from = 0;
	char text[16];
	struct key k;
	struct shm_bucket *b = &h->level[0][9];
	size_t len = local_key_at(h, 9, &from, text, &k);

	(void)state;
	store_relaxed(&b->word[0], load_relaxed(&b->word[0]) | SLOT_FROZEN);
	assert_int_equal(larder_set(h, text, len, "new", 3, 0), 0);
	for (unsigned i = 0; i < SHM_WORDS; i++)
		assert_true(slot_frozen(load_relaxed(&b->word[i])));
	assert_ptr_equal(index_locate(h, k.hash), index_at(h, 1, k.hash));
	assert_int_equal(larder_delete(h, text, len), 0);
	assert_int_equal(larder_exists(h, text, len), LARDER_MISS);
	assert_all_there(KEYS);
	assert_true(local_sound(&local));
}

/* A child that is being split itself before the split that made it is complete. */
static void test_split_in_split(void **state)
{
	uint64_t number = 9;
	struct shm_bucket *child = &h->level[1][number];

	(void)state;
	split_bucket(h, 0, number);
	for (unsigned i = 0; i < 4; i++)
		store_relaxed(&child->word[i], load_relaxed(&child->word[i]) | SLOT_FROZEN);
	for (unsigned i = 4; i < SHM_WORDS; i++)
		store_relaxed(&child->word[i], 0);
	assert_all_there(KEYS);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	split_bucket(h, 0, number);
	split_bucket(h, 1, number);
	assert_all_there(KEYS);
	assert_true(local_sound(&local));
}

/* An unfinished insert does not get through a split. */
static void test_pending_is_killed(void **state)
{
	struct shm_bucket *b = NULL;
	unsigned i = SHM_WORDS;
	uint64_t number;

	(void)state;
	for (number = 0; i == SHM_WORDS; number++)
		for (i = 0, b = &h->level[0][number]; i < SHM_WORDS; i++)
			if (load_relaxed(&b->word[i]) == SLOT_EMPTY_WORD)
				break;
	number--;
	store_relaxed(&b->word[i], slot_with_kind(slot_make(false, 1, 1, 0, 1), SLOT_PENDING));
	split_bucket(h, 0, number);
	assert_int_equal(load_relaxed(&b->word[i]), SLOT_EMPTY_WORD | SLOT_FROZEN);
	assert_int_equal(load_relaxed(&h->level[1][number].word[i]), SLOT_EMPTY_WORD);
	assert_int_equal(local_stat(&local, STAT_pending_killed), 1);
	assert_true(local_sound(&local));
}

/* Both children count what the parent counted; counting down goes to where the count is live. */
static void test_overflow(void **state)
{
	uint64_t number = 9;
	struct shm_bucket *b = &h->level[0][number];
	uint32_t tag = 0x3f8; /* split bits 0: the first child */
	uint64_t low = (number ^ hash_spread(tag, h->bucket_mask0)) & h->bucket_mask0;
	uint64_t word = slot_make(true, tag, 1, 0, 1);
	uint8_t before = load_relaxed_u8(&b->overflow);

	(void)state;
	assert_true(overflow_up(h, b) && overflow_up(h, b));
	split_bucket(h, 0, number);
	assert_int_equal(load_relaxed_u8(&h->level[1][number].overflow), before + 2);
	assert_int_equal(load_relaxed_u8(&h->level[1][number + index_mask(h, 0) + 1].overflow),
			 before + 2);
	overflow_down(h, word, low);
	assert_int_equal(load_relaxed_u8(&h->level[1][number].overflow), before + 1);
	assert_int_equal(load_relaxed_u8(&b->overflow), OVERFLOW_FROZEN | (before + 2));
	assert_int_equal(load_relaxed(&h->slot->splitting), 0);
}

static void test_on_demand(void **state)
{
	unsigned from = 0;
	char text[16];
	struct key k;

	(void)state;
	local_key_at(h, 9, &from, text, &k);
	for (unsigned level = 1; level < h->n_levels; level++) {
		assert_true(split_on_demand(h, k.hash, true));
		assert_ptr_equal(index_locate(h, k.hash), index_at(h, level, k.hash));
	}
	assert_false(split_on_demand(h, k.hash, true)); /* the last level */
	local_key_at(h, 10, &from, text, &k);
	store_release(&h->hdr->commit[0], 10);
	assert_false(split_on_demand(h, k.hash, true)); /* no memory for its children */
	assert_ptr_equal(index_locate(h, k.hash), index_at(h, 0, k.hash));
	store_release(&h->hdr->commit[0], 11);
	assert_true(split_on_demand(h, k.hash, true));
	assert_all_there(KEYS);
	assert_true(local_sound(&local));
}

/* Read through the parent that the hint still names, an entry is used all the same. */
static void test_recency(void **state)
{
	unsigned fresh = 0;
	char key[16];

	(void)state;
	for (uint64_t i = 0; i <= index_mask(h, 0); i++)
		split_bucket(h, 0, i);
	store_relaxed_u32(&h->hdr->tick, 77);
	assert_all_there(KEYS);
	for (unsigned i = 0; i < KEYS; i++) {
		struct hit hit;
		struct key k;

		local_key(h, &k, key, make_key(key, i));
		assert_int_equal(index_find_write(h, &k, &hit), FIND_HIT);
		fresh += load_relaxed_u8(&hit.bucket->recency[hit.i]) == 77;
	}
	assert_int_equal(fresh, KEYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_split_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_store, setup, teardown),
		cmocka_unit_test_setup_teardown(test_writers_finish, setup, teardown),
		cmocka_unit_test_setup_teardown(test_split_in_split, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_on_demand, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recency, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
