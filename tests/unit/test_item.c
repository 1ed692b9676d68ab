/* SPDX-License-Identifier: MIT */
/* test_item.c - items of every form come back as they went in; hostile bytes stay inside the segment */
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

static void assert_same(const struct item *a, const struct item *b)
{
	assert_int_equal(a->check, b->check);
	assert_int_equal(a->klen, b->klen);
	assert_int_equal(a->vlen, b->vlen);
	assert_int_equal(a->stored, b->stored);
	assert_int_equal(a->off_key, b->off_key);
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->ns, b->ns);
	assert_int_equal(a->uflags, b->uflags);
	assert_int_equal(a->expiry, b->expiry);
	assert_int_equal(a->bytes, b->bytes);
}

static void round_trip(uint32_t klen, uint64_t vlen, unsigned form)
{
	struct item out, in = {
				 .check = 0xabcdef,
				 .klen = klen,
				 .vlen = vlen,
				 .type = form & 1 ? ITEM_COUNTER_SIGNED : ITEM_PLAIN,
				 .ns = form & 2 ? 0xbeef : 0,
				 .uflags = form & 4 ? 0x87654321 : 0,
				 .expiry = form & 8 ? ITEM_EXPIRY_MASK : 0,
				 .version = 0x123456789abcdefULL,
			 };
	bool orig = form & 16;
	uint32_t off = 64;

	in.stamp = form & 2 ? ITEM_STAMP_MASK : 0;
	item_layout(h, &in, orig);
	assert_int_equal(in.bytes % 8, 0);
	assert_true(in.bytes >= in.off_key + klen + vlen &&
		    in.bytes < in.off_key + klen + vlen + 8);
	if (off + in.bytes > h->seg_bytes)
		return;
	item_encode(seg_base(h, 2) + off, &in);
	assert_true(item_decode(h, 2, off, 77, &out));
	assert_same(&in, &out);
	assert_int_equal(out.stamp, in.stamp);
	assert_int_equal(out.version,
			 orig ? in.version : version_make(77, (2ULL << h->place_shift) + off / 8));
}

static void test_round_trips(void **state)
{
	const uint32_t klens[] = {1, 7, 8, 255, 256, 4000, 65535};
	const uint64_t vlens[] = {0, 1, 8, 65534, 65535, 65536, 100000};

	local_deinit(&local);
	(void)state;
	local_init(&local, &(struct local_options){.memory = 64 << 20});
	h = local_open(&local);
	for (unsigned k = 0; k < 7; k++)
		for (unsigned v = 0; v < 7; v++)
			for (unsigned form = 0; form < 32; form++)
				round_trip(klens[k], vlens[v], form);
}

static void test_small_items_cost_eight_bytes(void **state)
{
	struct item it = {.klen = 10, .vlen = 20};

	(void)state;
	item_layout(h, &it, false);
	assert_int_equal(it.flags, 0);
	assert_int_equal(it.off_key, 8);
	assert_int_equal(it.bytes, 40);
}

static void test_extents(void **state)
{
	uint64_t seg = h->seg_bytes;
	const uint64_t lens[] = {seg / 2,	    seg - 1, seg, seg + 1, 3 * seg + seg / 2 - 80,
				 3 * seg + seg / 2, 7 * seg};

	(void)state;
	for (unsigned i = 0; i < 7; i++) {
		struct item out, in = {.klen = 3, .vlen = lens[i], .type = ITEM_EXTENTS};
		uint64_t n = extent_count(h, 3, lens[i]);
		uint64_t tail = extent_tail(h, 3, lens[i]);

		assert_true(n * seg + tail >= lens[i] && tail <= seg / 2);
		assert_true(n >= 1 && (n - 1) * seg < lens[i]);
		item_layout(h, &in, false);
		assert_int_equal(in.stored, n * 8 + tail);
		assert_true(in.bytes <= seg / 2);
		assert_true(in.flags & ITEM_LONG);
		item_encode(seg_base(h, 1), &in);
		assert_true(item_decode(h, 1, 0, 1, &out));
		assert_same(&in, &out);
	}
}

/* An item that ends exactly at its segment's end, and one that is a byte longer. */
static void test_end_of_segment(void **state)
{
	struct item out, in = {.klen = 8, .vlen = 40};

	(void)state;
	item_layout(h, &in, false);
	item_encode(seg_base(h, 1) + h->seg_bytes - in.bytes, &in);
	assert_true(item_decode(h, 1, h->seg_bytes - (uint32_t)in.bytes, 1, &out));
	in.vlen = 41;
	item_encode(seg_base(h, 1) + h->seg_bytes - in.bytes, &in);
	assert_false(item_decode(h, 1, h->seg_bytes - (uint32_t)in.bytes, 1, &out));
	memset(seg_base(h, 1) + h->seg_bytes - 8, 0xff, 8);
	assert_false(item_decode(h, 1, h->seg_bytes - 8, 1, &out));
	memset(seg_base(h, 1), 0, 64);
	assert_false(item_decode(h, 1, 0, 1, &out)); /* no key */
}

static void test_hostile_bytes(void **state)
{
	uint64_t random = 3, accepted = 0;

	(void)state;
	for (unsigned n = 0; n < 100000; n++) {
		uint32_t off = h->seg_bytes - 8 * (1 + n % 12);
		struct item it;

		for (uint32_t i = off; i < h->seg_bytes; i++) {
			random = random * 6364136223846793005ULL + 1442695040888963407ULL;
			seg_base(h, 3)[i] = (uint8_t)(random >> 56 & (n & 1 ? 0xff : 0x0f));
		}
		if (!item_decode(h, 3, off, 1, &it))
			continue;
		accepted++;
		assert_true(it.klen > 0 && it.bytes <= h->seg_bytes - off);
		assert_true(it.off_key + it.klen + it.stored <= it.bytes);
		assert_true(it.expiry <= ITEM_EXPIRY_MASK && it.stamp <= ITEM_STAMP_MASK);
	}
	assert_true(accepted > 100);
}

static void test_liveness(void **state)
{
	struct item it = {.ns = 0};

	(void)state;
	assert_true(item_current(h, &it, 0));
	it.expiry = ITEM_EXPIRED;
	assert_true(item_expired(h, &it));
	it.expiry = ITEM_EXPIRY_MASK;
	assert_false(item_expired(h, &it));
	store_relaxed(&h->hdr->flushed_at0, 5);
	assert_true(item_flushed(h, &it, 4));
	assert_false(item_flushed(h, &it, 5));
	it.ns = 9;
	it.stamp = 3;
	assert_false(item_flushed(h, &it, 0)); /* the epoch is the default namespace's */
	store_relaxed(&h->hdr->flushed_all, 4);
	assert_true(item_flushed(h, &it, 0));
	it.stamp = 4;
	assert_false(item_flushed(h, &it, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_small_items_cost_eight_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_extents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_end_of_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_liveness, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
