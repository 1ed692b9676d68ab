/* SPDX-License-Identifier: MIT */
/* test_policy_lru.c - the cutoff is where 30 % of the items are older; recent items outlive old ones */
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
#include "policy.h"

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

/* Entry i of every bucket is i * step ticks old. */
static void make_ages(unsigned step, uint8_t tick)
{
	store_relaxed_u32(&h->hdr->tick, tick);
	for (uint64_t n = 0; n <= index_mask(h, 0); n++)
		for (unsigned i = 0; i < SHM_WORDS; i++) {
			struct shm_bucket *b = &h->level[0][n];

			store_relaxed(&b->word[i], slot_make(false, 1, 0, 0, 1));
			store_relaxed_u8(&b->recency[i], (uint8_t)(tick - i * step));
		}
}

static void test_cutoff(void **state)
{
	(void)state;
	make_ages(10, 100);
	/* Ages 0, 10 .. 60: five of seven are 71 %. */
	assert_int_equal(policy_cutoff(h), 41 << 8);
	make_ages(10, 5); /* the tick has come round */
	assert_int_equal(policy_cutoff(h), 41 << 8);
	make_ages(42, 0);
	assert_int_equal(policy_cutoff(h), 169 << 8);
	make_ages(0, 100); /* all were used just now: a part of them goes, not all and not none */
	assert_in_range(policy_cutoff(h), 200, 210);
}

static void test_few_items(void **state)
{
	(void)state;
	assert_int_equal(policy_cutoff(h), UINT16_MAX); /* nothing to go by: keep */
}

static void test_ages(void **state)
{
	struct shm_bucket *b = &h->level[0][0];

	(void)state;
	store_relaxed_u32(&h->hdr->tick, 3);
	store_relaxed_u8(&b->recency[0], 250);
	assert_int_equal(policy_age(h, b, 0), 9);
	assert_true(policy_survives(h, b, 0, 10 << 8));
	assert_false(policy_survives(h, b, 0, 9 << 8));
	assert_false(policy_survives(h, b, 0, 0));
}

/* Four of five items of one tick survive, others in the next place. */
static void test_lots(void **state)
{
	struct shm_bucket *b = &h->level[0][0];
	unsigned stays = 0, both = 0;

	(void)state;
	store_relaxed_u32(&h->hdr->tick, 9);
	store_relaxed_u8(&b->recency[0], 9);
	for (unsigned place = 0; place < 1000; place++) {
		bool first, second;

		store_relaxed(&b->word[0], slot_make(false, 1, 0, place * 17, 1));
		first = policy_survives(h, b, 0, 205);
		store_relaxed(&b->word[0], slot_make(false, 1, 0, place * 17 + 50000, 1));
		second = policy_survives(h, b, 0, 205);
		stays += first;
		both += first && second;
	}
	assert_in_range(stays, 750, 850);
	assert_in_range(both, 580, 720);
}

/* A tenth of the keys is read all the time while new ones stream by. */
static void test_used_items_stay(void **state)
{
	static const char value[200];
	unsigned hot = 0, cold = 0;
	char key[16];

	(void)state;
	local_deinit(&local);
	local_init(&local, &(struct local_options){.memory = 16 << 20});
	h = local_open(&local);
	local_grow(&local);
	for (unsigned i = 0; i < 200000; i++) {
		char old[16];
		size_t klen = (size_t)snprintf(key, sizeof(key), "key%u", i);
		size_t len = (size_t)snprintf(old, sizeof(old), "key%u", i * 7 % 4000);

		assert_int_equal(larder_set(h, key, klen, value, sizeof(value), 0), 0);
		(void)!larder_get(h, old, len, NULL, &(size_t){0});
		if (i % 1000 == 0)
			local_grow(&local);
	}
	for (unsigned i = 0; i < 4000; i++) {
		hot += larder_exists(h, key, (size_t)snprintf(key, sizeof(key), "key%u", i)) == 0;
		cold += larder_exists(h, key,
				      (size_t)snprintf(key, sizeof(key), "key%u", i + 100000)) == 0;
	}
	assert_true(hot > 3000);
	assert_true(cold < 400);
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cutoff, setup, teardown),
		cmocka_unit_test_setup_teardown(test_few_items, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_used_items_stay, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
