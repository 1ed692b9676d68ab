/* SPDX-License-Identifier: MIT */
/* test_words.c - every field of every word comes back, and touches no other */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "words.h"

static void test_slot_words(void **state)
{
	const uint64_t places[] = {0, 1, SLOT_PLACE_MASK, 0x155555555ULL};

	(void)state;
	for (unsigned alt = 0; alt < 2; alt++)
		for (uint32_t tag = 0; tag <= SLOT_TAG_MASK; tag += 0x111)
			for (uint64_t gen = 0; gen < 0x3000; gen += 0xfff)
				for (unsigned p = 0; p < 4; p++) {
					uint64_t w = slot_make(alt, tag, gen, places[p], 1);

					assert_int_equal(slot_kind(w), SLOT_COMMITTED);
					assert_false(slot_frozen(w));
					assert_int_equal(slot_alt(w), alt);
					assert_int_equal(slot_tag(w), tag);
					assert_int_equal(slot_gen(w), gen & 0xfff);
					assert_int_equal(slot_place(w), places[p]);
				}
}

static void test_slot_kinds(void **state)
{
	uint64_t w = slot_make(true, 0xabc, 0x123, 0x2fffffff1ULL, 100);
	uint64_t pending = slot_with_kind(w, SLOT_PENDING);

	(void)state;
	assert_true(slot_names_item(w));
	assert_true(slot_names_item(pending));
	assert_false(slot_names_item(SLOT_EMPTY_WORD));
	assert_false(slot_names_item(0));
	assert_int_equal(slot_kind(0), SLOT_VIRGIN);
	assert_int_equal(slot_kind(SLOT_EMPTY_WORD), SLOT_EMPTY);
	assert_int_equal(slot_with_kind(pending, SLOT_COMMITTED), w);
	assert_true(slot_frozen(w | SLOT_FROZEN));
	assert_int_equal((w | SLOT_FROZEN) & ~SLOT_MATCH_MASK, w & ~SLOT_MATCH_MASK);
	/* What a lookup compares leaves out size, generation and place. */
	assert_int_equal(w & SLOT_MATCH_MASK,
			 slot_make(true, 0xabc, 0x999, 7, 1) & SLOT_MATCH_MASK);
}

static void test_sizes(void **state)
{
	const struct {
		uint64_t lines, size;
	} cases[] = {{0, 0}, {1, 0}, {2, 1}, {3, 2}, {4, 3}, {5, 3}, {1 << 20, 3}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(slot_make(false, 0, 0, 0, cases[i].lines) >> SLOT_SIZE_SHIFT & 3,
				 cases[i].size);
}

static void test_segment_words(void **state)
{
	(void)state;
	for (unsigned s = SEG_OFFLINE; s <= SEG_LIMBO; s++)
		for (uint32_t owner = 0; owner <= SEG_OWNER_MASK; owner += 0x333)
			for (unsigned body = 0; body < 2; body++) {
				uint64_t w = seg_make((enum seg_state)s, body, owner, SEG_GEN_MASK);

				assert_int_equal(seg_state(w), s);
				assert_int_equal(seg_owner(w), owner);
				assert_int_equal(seg_body(w), body);
				assert_int_equal(seg_gen(w), SEG_GEN_MASK);
			}
	/* A generation that runs over stays in its field. */
	assert_int_equal(seg_make(SEG_FREE, false, 0, SEG_GEN_MASK + 1), 1ULL << SEG_STATE_SHIFT);
	assert_int_equal(seg_make(SEG_OFFLINE, false, 0, 0), 0);
}

static void test_versions(void **state)
{
	(void)state;
	assert_int_equal(version_make(0, 0), 1);
	assert_int_equal(version_make(1, 5), 1ULL << 34 | 5);
	assert_int_not_equal(version_make(1, 5), version_make(2, 5));
	assert_int_not_equal(version_make(1, 5), version_make(1, 6));
	assert_int_equal(version_make(VERSION_GEN_MASK + 2, 5), version_make(1, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slot_words), cmocka_unit_test(test_slot_kinds),
		cmocka_unit_test(test_sizes),	   cmocka_unit_test(test_segment_words),
		cmocka_unit_test(test_versions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
