/* SPDX-License-Identifier: MIT */
/* test_survey.c - what an insert learns from both buckets, and what it clears away */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local.h"
#include "survey.h"

#define HOME 9u

static struct local local;
static struct larder *h;
static struct key k;
static char text[16];
static size_t klen;
static struct survey s;

/* A key that was stored, and unlinked by hand: its item is there, its word is the test's. */
static uint64_t word;

static int setup(void **state)
{
	unsigned from = 0;
	struct hit hit;

	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	klen = local_key_at(h, HOME, &from, text, &k);
	assert_int_equal(larder_set(h, text, klen, "x", 1, 0), 0);
	assert_int_equal(index_find_read(h, &k, &hit), FIND_HIT);
	word = hit.word;
	store_relaxed(&hit.bucket->word[hit.i], SLOT_EMPTY_WORD);
	assert_true(survey_locate(h, &k, &s));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static void put(unsigned pos, uint64_t w)
{
	if (pos >= SHM_WORDS && slot_names_item(w)) {
		assert_true(overflow_up(h, s.bucket[0]));
		w |= SLOT_ALT;
	}
	store_relaxed(&s.bucket[pos / SHM_WORDS]->word[pos % SHM_WORDS], w);
}

static uint64_t pending(void)
{
	return slot_with_kind(word, SLOT_PENDING);
}

/* Words of other keys, and of this key's tag. */
static void fill(unsigned from, unsigned to)
{
	for (unsigned pos = from; pos < to; pos++)
		put(pos, word ^ 1ULL << (SLOT_TAG_SHIFT + 5));
}

static void test_nothing(void **state)
{
	(void)state;
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_choose(&s), 0);
	fill(0, 3);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_choose(&s), 3);
	fill(0, SHM_WORDS);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_choose(&s), SHM_WORDS);
	fill(SHM_WORDS, BOTH);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_choose(&s), NOWHERE);
}

static void test_found(void **state)
{
	(void)state;
	for (unsigned pos = 0; pos < BOTH; pos++) {
		put(pos, word);
		assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_FOUND);
		put(pos, SLOT_EMPTY_WORD);
	}
}

/* The second bucket counts only if the home says so. */
static void test_uncounted(void **state)
{
	(void)state;
	store_relaxed(&s.bucket[1]->word[2], word | SLOT_ALT);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_true(overflow_up(h, s.bucket[0]));
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_FOUND);
}

static void test_pending_is_killed(void **state)
{
	(void)state;
	put(3, pending());
	put(9, pending());
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_word(&s, 3), SLOT_EMPTY_WORD);
	assert_int_equal(survey_word(&s, 9), SLOT_EMPTY_WORD);
	assert_int_equal(load_relaxed_u8(&s.bucket[0]->overflow), OVERFLOW_NONE);
	assert_int_equal(local_stat(&local, STAT_pending_killed), 2);
}

/* Between two inserters the lower position wins. */
static void test_positions(void **state)
{
	(void)state;
	put(3, pending());
	put(5, pending());
	assert_int_equal(survey_key(h, &k, &s, 5, false), SURVEY_WITHDRAW);
	assert_int_equal(survey_word(&s, 3), pending());
	assert_int_equal(survey_key(h, &k, &s, 3, false), SURVEY_NONE);
	assert_int_equal(survey_word(&s, 5), SLOT_EMPTY_WORD);
	assert_int_equal(survey_word(&s, 3), pending()); /* its own */
	put(10, pending());
	assert_int_equal(survey_key(h, &k, &s, 10, false), SURVEY_WITHDRAW);
}

static void test_stale_is_cleared(void **state)
{
	(void)state;
	put(2, word ^ 1ULL << SLOT_GEN_SHIFT);
	put(8, word ^ 1ULL << SLOT_GEN_SHIFT);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_NONE);
	assert_int_equal(survey_word(&s, 2), SLOT_EMPTY_WORD);
	assert_int_equal(survey_word(&s, 8), SLOT_EMPTY_WORD);
	assert_int_equal(local_stat(&local, STAT_stale_cleared), 2);
	assert_int_equal(load_relaxed(&h->slot->h1), 0);
}

static void test_locked_out(void **state)
{
	(void)state;
	put(4, SLOT_EMPTY_WORD | SLOT_FROZEN);
	assert_int_equal(survey_key(h, &k, &s, NOWHERE, true), SURVEY_AGAIN);
	assert_true(s.locked_out);
}

/* A killed inserter's word does not stop the next one. */
static void test_after_a_kill(void **state)
{
	(void)state;
	put(0, pending());
	assert_int_equal(larder_exists(h, text, klen), LARDER_MISS);
	assert_int_equal(larder_delete(h, text, klen), LARDER_MISS);
	put(0, pending());
	assert_int_equal(larder_add(h, text, klen, "new", 3, 0), 0);
	assert_int_equal(larder_exists(h, text, klen), 0);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uncounted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pending_is_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_positions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stale_is_cleared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_after_a_kill, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
