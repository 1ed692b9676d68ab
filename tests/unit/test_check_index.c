/* SPDX-License-Identifier: MIT */
/* test_check_index.c - larder_check() on damaged buckets, words, items and extents */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "check.h"
#include "local.h"

#define KEYS 1450u /* some of them overflow into second buckets */

static struct local local;
static struct larder *h;
static size_t big_len;

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "key%u", i);
}

/* No children have memory, so buckets overflow. */
static int setup(void **state)
{
	char key[16];
	void *big;

	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	big_len = 3 * h->seg_bytes + 10;
	big = calloc(1, big_len);
	for (unsigned i = 0; i < KEYS; i++)
		assert_int_equal(larder_set(h, key, make_key(key, i), key, 8, 0), 0);
	assert_int_equal(larder_set(h, "big", 3, big, big_len, 0), 0);
	free(big);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static void note(void *ctx, unsigned invariant, const char *text)
{
	(void)text;
	++((unsigned *)ctx)[invariant];
}

static void assert_broken(unsigned invariant, unsigned too)
{
	unsigned found[CHECK_INVARIANTS + 1] = {0};

	assert_int_equal(larder_check(h, note, found), LARDER_DAMAGED);
	assert_true(found[invariant] > 0);
	for (unsigned i = 1; i <= CHECK_INVARIANTS; i++)
		if (i != invariant && i != too)
			assert_int_equal(found[i], 0);
}

static void find(const char *key, struct hit *hit)
{
	struct key k;

	local_key(h, &k, key, strlen(key));
	assert_int_equal(index_find_read(h, &k, hit), FIND_HIT);
}

/* The entry of some key that lies in its second bucket, or in its home. */
static void find_side(bool alt, struct hit *hit)
{
	char key[16];

	for (unsigned i = 0; i < KEYS; i++) {
		struct key k;

		local_key(h, &k, key, make_key(key, i));
		if (index_find_read(h, &k, hit) == FIND_HIT && slot_alt(hit->word) == alt)
			return;
	}
	fail_msg("no such key");
}

static shm_u64 *entry_of(const struct hit *hit)
{
	return &hit->bucket->word[hit->i];
}

/* Store a word, see what is found, and repair it. */
static void assert_word_breaks(const struct hit *hit, uint64_t word, unsigned invariant)
{
	store_relaxed(entry_of(hit), word);
	assert_broken(invariant, 0);
	store_relaxed(entry_of(hit), hit->word);
}

static void test_i4_places(void **state)
{
	uint64_t outside = (uint64_t)h->n_segs << h->place_shift;
	uint64_t free_place;
	struct hit hit;
	uint64_t w;

	(void)state;
	assert_true(local_sound(&local));
	find("key7", &hit);
	assert_word_breaks(&hit, (hit.word & ~SLOT_PLACE_MASK) | outside, 4);
	assert_word_breaks(&hit, hit.word | SLOT_PLACE_MASK, 4);
	for (uint32_t seg = 0; seg < h->n_segs; seg++) {
		w = load_relaxed(&h->segs[seg].word);
		if (seg_state(w) != SEG_FREE && !seg_body(w))
			continue;
		free_place = (uint64_t)seg << h->place_shift;
		w = (hit.word & ~(SLOT_PLACE_MASK | (uint64_t)SLOT_GEN_MASK << SLOT_GEN_SHIFT)) |
		    (seg_gen(w) & SLOT_GEN_MASK) << SLOT_GEN_SHIFT | free_place;
		assert_word_breaks(&hit, w, 4);
	}
	assert_true(local_sound(&local));
}

static void test_i5_ends(void **state)
{
	struct hit hit;
	uint32_t fill;

	(void)state;
	find("key7", &hit);
	fill = load_relaxed_u32(&h->table[hit.seg].fill);
	store_relaxed_u32(&h->table[hit.seg].fill, hit.off);
	assert_broken(5, 12);
	store_relaxed_u32(&h->table[hit.seg].fill, fill);
	/* The last unit of the segment: the header says more than fits. */
	memcpy(seg_base(h, hit.seg) + h->seg_bytes - 8, seg_base(h, hit.seg) + hit.off, 8);
	assert_word_breaks(&hit, hit.word | ((1ULL << h->place_shift) - 1), 5);
	assert_true(local_sound(&local));
}

static void test_i6_buckets(void **state)
{
	struct hit hit, other;
	uint64_t place = SLOT_PLACE_MASK | (uint64_t)SLOT_GEN_MASK << SLOT_GEN_SHIFT;

	(void)state;
	find("key7", &hit);
	find("key8", &other);
	assert_ptr_not_equal(hit.bucket, other.bucket);
	assert_word_breaks(&hit, (hit.word & ~place) | (other.word & place), 6);
	assert_word_breaks(&hit, hit.word ^ 1ULL << (SLOT_TAG_SHIFT + 7), 6);
	find_side(false, &hit);
	assert_word_breaks(&hit, hit.word | SLOT_ALT, 6);
	assert_true(local_sound(&local));
}

/* An EMPTY entry of a bucket, or any but @not. */
static unsigned spare_entry(const struct shm_bucket *b, unsigned not )
{
	for (unsigned i = 0; i < SHM_WORDS; i++)
		if (slot_kind(load_relaxed(&b->word[i])) == SLOT_EMPTY)
			return i;
	return not == 0 ? 1 : 0;
}

static void test_i7_twins(void **state)
{
	struct hit hit;
	struct key k;
	struct shm_bucket *second;
	unsigned i;
	uint64_t good;

	(void)state;
	find("key7", &hit);
	i = spare_entry(hit.bucket, hit.i);
	good = load_relaxed(&hit.bucket->word[i]);
	store_relaxed(&hit.bucket->word[i], hit.word);
	assert_broken(7, 0);
	store_relaxed(&hit.bucket->word[i], good);
	/* One at home, one in the second bucket. */
	find_side(false, &hit);
	k = (struct key){.data = item_key(h, hit.seg, hit.off, &hit.it), .len = hit.it.klen};
	local_key(h, &k, k.data, k.len);
	second = index_locate(h, k.hash2);
	i = spare_entry(second, SHM_WORDS);
	assert_true(overflow_up(h, hit.bucket));
	good = load_relaxed(&second->word[i]);
	store_relaxed(&second->word[i], hit.word | SLOT_ALT);
	assert_broken(7, 0);
	store_relaxed(&second->word[i], good);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
}

static void test_i8_overflow(void **state)
{
	struct shm_bucket *home;
	struct hit hit;
	struct key k;
	uint8_t good;

	(void)state;
	find_side(true, &hit);
	local_key(h, &k, item_key(h, hit.seg, hit.off, &hit.it), hit.it.klen);
	home = index_locate(h, k.hash);
	good = load_relaxed_u8(&home->overflow);
	assert_true(good > OVERFLOW_NONE);
	store_relaxed_u8(&home->overflow, OVERFLOW_NONE);
	assert_broken(8, 0);
	store_relaxed_u8(&home->overflow, 0);
	assert_broken(8, 0);
	store_relaxed_u8(&home->overflow, good + 1); /* too high: R4 */
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	store_relaxed_u8(&home->overflow, OVERFLOW_SATURATED);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
}

static void test_i9_forms(void **state)
{
	struct hit hit;
	struct shm_bucket *b, good;

	(void)state;
	find("key7", &hit);
	b = hit.bucket;
	good = *b;
	store_relaxed(&b->word[0], 1); /* VIRGIN, but not 0 */
	assert_broken(9, 0);
	store_relaxed(&b->word[0], SLOT_EMPTY_WORD | 5);
	assert_broken(9, 0);
	*b = good;
	store_relaxed(&b->word[3], 0); /* VIRGIN in the middle */
	assert_broken(9, 0);
	*b = good;
	store_relaxed(&b->word[3],
		      load_relaxed(&b->word[3]) | SLOT_FROZEN); /* not from the front */
	assert_broken(9, 0);
	*b = good;
	store_relaxed_u8(&b->overflow, load_relaxed_u8(&b->overflow) | OVERFLOW_FROZEN);
	assert_broken(9, 0);
	memset(b, 0, sizeof(*b)); /* gone, and the hint does not say so */
	assert_broken(9, 12);
	*b = good;
	assert_true(local_sound(&local));
}

/* Words in a bucket whose parent was not split. */
static void test_i9_children(void **state)
{
	struct shm_bucket *child = &h->level[1][3];

	(void)state;
	store_release(&h->hdr->commit[0], index_mask(h, 0) + 1);
	assert_true(local_sound(&local));
	store_relaxed_u8(&child->overflow, OVERFLOW_NONE);
	store_relaxed(&child->word[0], SLOT_EMPTY_WORD);
	assert_broken(9, 0);
}

/* What a splitter leaves that was killed at any of its stores: nothing to report. */
static void test_killed_splitter(void **state)
{
	struct shm_bucket *b, *child[2];
	uint64_t number = 5;

	(void)state;
	store_release(&h->hdr->commit[0], index_mask(h, 0) + 1);
	b = &h->level[0][number];
	child[0] = &h->level[1][number];
	child[1] = child[0] + index_mask(h, 0) + 1;
	for (unsigned i = 0; i < SHM_WORDS; i++) {
		store_relaxed(&b->word[i], load_relaxed(&b->word[i]) | SLOT_FROZEN);
		assert_int_equal(larder_check(h, NULL, NULL), 0);
	}
	store_relaxed_u8(&b->overflow, load_relaxed_u8(&b->overflow) | OVERFLOW_FROZEN);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	store_relaxed_u8(&child[0]->overflow, load_relaxed_u8(&b->overflow) & OVERFLOW_VALUE);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	split_bucket(h, 0, number);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	memset(child[1], 0, sizeof(*child[1])); /* its second child was filled last */
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	split_bucket(h, 0, number);
	assert_true(local_sound(&local));
}

static void test_i10_hint(void **state)
{
	uint64_t good = load_relaxed(&h->hdr->index);

	(void)state;
	store_relaxed(&h->hdr->index, 3);
	assert_broken(10, 12);
	store_relaxed(&h->hdr->index, index_mask(h, 0) + 2);
	assert_broken(10, 12);
	store_relaxed(&h->hdr->index, 9ULL << 56);
	assert_broken(10, 12);
	store_relaxed(&h->hdr->index, good);
	assert_true(local_sound(&local));
}

static void test_i13_extents(void **state)
{
	struct hit hit;
	uint64_t *list, good;
	uint32_t seg;

	(void)state;
	find("big", &hit);
	assert_int_equal(hit.it.type, ITEM_EXTENTS);
	list = malloc(hit.it.stored);
	memcpy(list, item_value(h, hit.seg, hit.off, &hit.it), hit.it.stored);
	good = list[1];
	seg = (uint32_t)(good >> EXTENT_SEG_SHIFT);
	const uint64_t bad[] = {
		(uint64_t)h->n_segs << EXTENT_SEG_SHIFT | 1,
		good + 1,				/* a generation to come */
		(uint64_t)hit.seg << EXTENT_SEG_SHIFT | /* not a body */
			(seg_gen(hit.seg_word) & EXTENT_GEN_MASK),
	};

	for (size_t i = 0; i < 3; i++) {
		memcpy(seg_base(h, hit.seg) + hit.off + hit.it.off_key + hit.it.klen + 8, &bad[i],
		       8);
		assert_broken(13, 0);
	}
	memcpy(seg_base(h, hit.seg) + hit.off + hit.it.off_key + hit.it.klen + 8, &good, 8);
	assert_true(local_sound(&local));
	/* Cleaned under the head: a miss, and no damage. */
	store_relaxed(&h->segs[seg].word,
		      seg_make(SEG_LIMBO, false, 0, (good & EXTENT_GEN_MASK) + 1));
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	assert_int_equal(larder_get(h, "big", 3, NULL, &(size_t){0}), LARDER_MISS);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_i4_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i5_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i6_buckets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i7_twins, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i8_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i9_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i9_children, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_splitter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i10_hint, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i13_extents, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
