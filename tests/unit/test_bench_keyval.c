/* SPDX-License-Identifier: MIT */
/* test_bench_keyval.c - keys, values, the bare table and the options of the harness */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/bare.h"
#include "../../bench/keyval.h"
#include "../../bench/options.h"

static void test_every_flipped_byte_is_seen(void **state)
{
	unsigned char buf[200];

	(void)state;
	for (size_t len = 1; len <= sizeof(buf); len += 7) {
		keyval_value(buf, len, 42, 9);
		assert_int_equal(keyval_verify(buf, len, 42), 0);
		for (size_t i = 0; i < len; i++) {
			buf[i] ^= 0x10;
			assert_int_equal(keyval_verify(buf, len, 42), 1);
			buf[i] ^= 0x10;
		}
	}
}

static void test_other_key_other_length_torn(void **state)
{
	unsigned char a[128], b[128];

	(void)state;
	keyval_value(a, 128, 1, 5);
	keyval_value(b, 128, 1, 6);
	assert_int_equal(keyval_verify(a, 128, 2), 1);
	assert_int_equal(keyval_verify(a, 127, 1), 1);
	for (size_t cut = 1; cut < 128; cut++) {
		unsigned char torn[128];

		memcpy(torn, a, cut);
		memcpy(torn + cut, b + cut, 128 - cut);
		/* The sequence numbers share 7 bytes, and 5 and 6 differ in the first one only. */
		assert_int_equal(keyval_verify(torn, 128, 1), 1);
	}
	assert_int_equal(keyval_verify(b, 128, 1), 0);
}

static void test_empty_value(void **state)
{
	(void)state;
	assert_int_equal(keyval_verify("", 0, 3), 0);
}

static void test_keys_differ(void **state)
{
	unsigned char a[40], b[40];

	(void)state;
	for (size_t len = KEYVAL_KEY_MIN; len <= sizeof(a); len++) {
		keyval_key(a, len, 1000);
		keyval_key(b, len, 1000);
		assert_memory_equal(a, b, len);
		keyval_key(b, len, 1001);
		assert_memory_not_equal(a, b, len);
	}
}

static void test_kvcache_quantiles(void **state)
{
	static const struct {
		uint32_t size;
		double share;
	} want[] = {{95, 0.10}, {159, 0.50}, {191, 0.90}, {959, 0.99}, {4096, 1.0}};
	struct sizes sizes = {SIZES_KVCACHE, 0, 0};
	unsigned n = 200000;

	(void)state;
	for (unsigned w = 0; w < 5; w++) {
		unsigned below = 0;

		for (uint64_t id = 0; id < n; id++)
			below += sizes_of(&sizes, id) <= want[w].size;
		assert_true((double)below / n > want[w].share - 0.01);
		assert_true((double)below / n < want[w].share + 0.015);
	}
	assert_int_equal(sizes_max(&sizes), 4096);
}

static void test_bare_finds_what_it_holds(void **state)
{
	struct bare *bare = bare_new(5000, 116);
	unsigned char key[16], val[100], buf[100];
	size_t len;

	(void)state;
	assert_non_null(bare);
	for (uint64_t id = 0; id < 5000; id++) {
		keyval_key(key, 16, id);
		keyval_value(val, 100, id, id);
		assert_int_equal(bare_add(bare, key, 16, val, 100), 0);
	}
	assert_true(bare_add(bare, "0123456789abcdef", 16, val, 100) < 0);
	for (uint64_t id = 0; id < 10000; id++) {
		keyval_key(key, 16, id);
		len = sizeof(buf);
		if (id >= 5000) {
			assert_int_equal(bare_get(bare, key, 16, buf, &len), LARDER_MISS);
			continue;
		}
		assert_int_equal(bare_get(bare, key, 16, buf, &len), LARDER_OK);
		assert_int_equal(len, 100);
		assert_int_equal(keyval_verify(buf, len, id), 0);
	}
	bare_free(bare);
}

static void test_bare_batches(void **state)
{
	struct bare *bare = bare_new(100, 116);
	static unsigned char key[77][16], buf[77][100];
	struct larder_op ops[77];
	unsigned char val[100];

	(void)state;
	assert_non_null(bare);
	for (uint64_t id = 0; id < 77; id++) {
		keyval_key(key[id], 16, id);
		keyval_value(val, 100, id, 0);
		if (id % 3)
			assert_int_equal(bare_add(bare, key[id], 16, val, 100), 0);
		ops[id] =
			(struct larder_op){.key = key[id], .klen = 16, .buf = buf[id], .len = 100};
	}
	bare_mget(bare, ops, 77);
	for (uint64_t id = 0; id < 77; id++) {
		assert_int_equal(ops[id].result, id % 3 ? LARDER_OK : LARDER_MISS);
		if (id % 3)
			assert_int_equal(keyval_verify(buf[id], ops[id].len, id), 0);
	}
	bare_free(bare);
}

static void test_options_numbers(void **state)
{
	uint64_t v;
	double d;

	(void)state;
	assert_int_equal(options_count("10k", &v), 0);
	assert_int_equal(v, 10000);
	assert_int_equal(options_bytes("64M", &v), 0);
	assert_int_equal(v, 64 << 20);
	assert_int_equal(options_percent("10%", &d), 0);
	assert_true(d > 9.999 && d < 10.001);
	assert_true(options_percent("10", &d) < 0);
	assert_true(options_bytes("", &v) < 0);
	assert_true(options_bytes("-1", &v) < 0);
	assert_true(options_bytes("1Mx", &v) < 0);
	assert_true(options_bytes("99999999999999999999", &v) < 0);
	assert_true(options_bytes("99999999999T", &v) < 0);
}

static void test_options_lists(void **state)
{
	unsigned mix[WORKLOAD_OPS];
	struct sizes sizes;
	double theta;

	(void)state;
	assert_int_equal(options_mix("get=90,set=10", mix), 0);
	assert_int_equal(mix[WORKLOAD_GET], 90);
	assert_int_equal(mix[WORKLOAD_SET], 10);
	assert_int_equal(mix[WORKLOAD_MGET], 0);
	assert_true(options_mix("get", mix) < 0);
	assert_true(options_mix("get=90,", mix) < 0);
	assert_true(options_mix("fly=1", mix) < 0);
	assert_int_equal(options_sizes("uniform:10-2K", &sizes), 0);
	assert_int_equal(sizes.low, 10);
	assert_int_equal(sizes.high, 2048);
	assert_true(options_sizes("uniform:20-10", &sizes) < 0);
	assert_true(options_sizes("fixed:", &sizes) < 0);
	assert_int_equal(options_dist("zipf:0.99", &theta), 0);
	assert_true(options_dist("zipf:0", &theta) < 0);
	assert_true(options_dist("normal", &theta) < 0);
}

static void test_workload_follows_the_mix(void **state)
{
	struct workload workload = {.n_keys = 100, .mix = {0}, .seed = 1};
	unsigned count[WORKLOAD_OPS] = {0};
	struct rng rng = {1};

	(void)state;
	assert_true(workload_init(&workload) < 0);
	workload.mix[WORKLOAD_SET] = 1;
	workload.mix[WORKLOAD_MSET] = 3;
	assert_int_equal(workload_init(&workload), 0);
	for (unsigned i = 0; i < 40000; i++) {
		count[workload_op(&workload, &rng)]++;
		assert_true(workload_key(&workload, &rng) < 100);
	}
	assert_int_equal(count[WORKLOAD_SET] + count[WORKLOAD_MSET], 40000);
	assert_in_range(count[WORKLOAD_SET], 9500, 10500);
	assert_null(workload_op_name(WORKLOAD_OPS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_flipped_byte_is_seen),
		cmocka_unit_test(test_other_key_other_length_torn),
		cmocka_unit_test(test_empty_value),
		cmocka_unit_test(test_keys_differ),
		cmocka_unit_test(test_kvcache_quantiles),
		cmocka_unit_test(test_bare_finds_what_it_holds),
		cmocka_unit_test(test_bare_batches),
		cmocka_unit_test(test_options_numbers),
		cmocka_unit_test(test_options_lists),
		cmocka_unit_test(test_workload_follows_the_mix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
