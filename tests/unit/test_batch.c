/* SPDX-License-Identifier: MIT */
/* test_batch.c - mget, mset, mdelete, mexists: each operation by itself, in order */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "local.h"

#define MANY 1000u

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

static char keys[MANY][16];
static char values[MANY][64];
static struct larder_op ops[MANY];

/* Operations 0 to n - 1 with a key each; lengths differ. */
static void make_ops(unsigned n)
{
	memset(ops, 0, sizeof(ops));
	for (unsigned i = 0; i < n; i++) {
		ops[i].key = keys[i];
		ops[i].klen = (size_t)snprintf(keys[i], sizeof(keys[i]), "key%u", i);
		ops[i].buf = values[i];
		ops[i].len = i % sizeof(values[i]);
		ops[i].flags = i;
		ops[i].result = -1;
		local_fill(values[i], sizeof(values[i]), i);
	}
}

static void set_all(unsigned n)
{
	make_ops(n);
	assert_int_equal(larder_mset(h, ops, n), 0);
}

static void test_set_and_get(void **state)
{
	(void)state;
	make_ops(MANY);
	/* covers: larder_mset 0 */
	assert_int_equal(larder_mset(h, ops, MANY), 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal(ops[i].result, 0);
		assert_int_not_equal(ops[i].version, 0);
		ops[i].flags = 0;
		ops[i].len = sizeof(values[i]);
		memset(values[i], 0, sizeof(values[i]));
	}
	/* covers: larder_mget 0 */
	assert_int_equal(larder_mget(h, ops, MANY), 0);
	for (unsigned i = 0; i < MANY; i++) {
		struct larder_meta meta;

		assert_int_equal(ops[i].result, 0);
		assert_int_equal(ops[i].len, i % sizeof(values[i]));
		assert_true(local_filled(values[i], ops[i].len, i));
		assert_int_equal(ops[i].flags, i);
		assert_int_equal(larder_get_meta(h, keys[i], ops[i].klen, NULL, NULL, &meta), 0);
		assert_int_equal(ops[i].version, meta.version);
	}
	assert_int_equal(local_stat(&local, STAT_set), MANY);
	assert_int_equal(local_stat(&local, STAT_get_hits), 2 * MANY);
	assert_true(local_sound(&local));
}

static void test_results_are_apart(void **state)
{
	(void)state;
	set_all(40);
	assert_int_equal(larder_delete(h, keys[3], ops[3].klen), 0);
	ops[5].klen = 0;
	ops[17].klen = LARDER_KEY_MAX + 1;
	ops[20].buf = NULL;
	ops[20].len = 4;
	ops[21].len = 2;
	/* covers: larder_mget LARDER_MISS */
	assert_int_equal(larder_mget(h, ops, 40), LARDER_MISS);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(ops[i].result, i == 3	  ? LARDER_MISS
						: i == 5  ? -EINVAL
						: i == 17 ? -ENAMETOOLONG
						: i == 20 ? -EINVAL
						: i == 21 ? LARDER_TRUNC
							  : 0);
	assert_int_equal(ops[3].len, 0);
	assert_int_equal(ops[3].version, 0);
	assert_int_equal(ops[21].len, 21);
	make_ops(40);
	ops[9].key = NULL;
	ops[10].len = h->max_value + 1;
	ops[11].buf = NULL;
	/* covers: larder_mset LARDER_MISS */
	assert_int_equal(larder_mset(h, ops, 40), LARDER_MISS);
	assert_int_equal(ops[9].result, -EINVAL);
	assert_int_equal(ops[10].result, -E2BIG);
	assert_int_equal(ops[11].result, -EINVAL);
	assert_int_equal(ops[39].result, 0);
	assert_int_equal(local_stat(&local, STAT_failed), 1);
}

static void test_order(void **state)
{
	char buf[8];
	size_t len = sizeof(buf);

	(void)state;
	memset(ops, 0, sizeof(ops));
	for (unsigned i = 0; i < 20; i++) {
		values[i][0] = (char)('a' + i);
		ops[i] = (struct larder_op){.key = "k", .klen = 1, .buf = values[i], .len = 1};
	}
	assert_int_equal(larder_mset(h, ops, 20), 0);
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_int_equal(buf[0], 'a' + 19);
	assert_int_equal(local_stat(&local, STAT_items_in), 20);
	assert_int_equal(local_stat(&local, STAT_items_out), 19);
}

static void test_ttl(void **state)
{
	(void)state;
	make_ops(4);
	ops[0].ttl_ms = -1;
	ops[1].ttl_ms = 1000;
	assert_int_equal(larder_mset(h, ops, 4), 0);
	assert_int_equal(larder_mexists(h, ops, 4), LARDER_MISS);
	assert_int_equal(ops[0].result, LARDER_MISS);
	assert_int_equal(ops[1].result, 0);
	assert_int_equal(larder_advance_clock(h, 1000), 0);
	assert_int_equal(larder_mexists(h, ops, 4), LARDER_MISS);
	assert_int_equal(ops[1].result, LARDER_MISS);
	assert_int_equal(ops[2].result, 0);
}

static void test_delete_and_exists(void **state)
{
	(void)state;
	set_all(100);
	/* covers: larder_mexists 0 */
	assert_int_equal(larder_mexists(h, ops, 100), 0);
	/* covers: larder_mdelete 0 */
	assert_int_equal(larder_mdelete(h, ops, 50), 0);
	/* covers: larder_mdelete LARDER_MISS */
	assert_int_equal(larder_mdelete(h, ops, 60), LARDER_MISS);
	for (unsigned i = 0; i < 60; i++)
		assert_int_equal(ops[i].result, i < 50 ? LARDER_MISS : 0);
	/* covers: larder_mexists LARDER_MISS */
	assert_int_equal(larder_mexists(h, ops, 100), LARDER_MISS);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(ops[i].result, i < 60 ? LARDER_MISS : 0);
	assert_int_equal(local_stat(&local, STAT_remove), 110);
	assert_int_equal(local_stat(&local, STAT_remove_hits), 60);
	assert_true(local_sound(&local));
}

typedef int batch(struct larder *h, struct larder_op *ops, size_t n);
static batch *const batches[] = {larder_mget, larder_mset, larder_mdelete, larder_mexists};

static void test_arguments(void **state)
{
	(void)state;
	make_ops(1);
	for (unsigned i = 0; i < 4; i++) {
		/* covers: larder_mget -EINVAL */
		/* covers: larder_mset -EINVAL */
		/* covers: larder_mdelete -EINVAL */
		/* covers: larder_mexists -EINVAL */
		assert_int_equal(batches[i](h, NULL, 1), -EINVAL);
		assert_int_equal(batches[i](h, ops, LARDER_BATCH_MAX + 1), -EINVAL);
		assert_int_equal(batches[i](NULL, ops, 1), -EINVAL);
		assert_int_equal(batches[i](h, NULL, 0), 0);
		h->busy = 1;
		assert_int_equal(batches[i](h, ops, 1), -EBUSY);
		h->busy = 0;
	}
}

static void test_detached_and_read_only(void **state)
{
	struct larder *detached = handle_new();
	struct larder *reader;

	(void)state;
	set_all(2);
	reader = local_open_rdonly(&local);
	for (unsigned i = 0; i < 4; i++) {
		bool writes = i == 1 || i == 2;

		ops[0].len = ops[1].len = 0;
		assert_int_equal(batches[i](detached, ops, 2), LARDER_MISS);
		assert_int_equal(ops[1].result, writes ? LARDER_DETACHED : LARDER_MISS);
		ops[0].len = ops[1].len = 1;
		assert_int_equal(batches[i](reader, ops, 2), writes ? LARDER_MISS : LARDER_OK);
		assert_int_equal(ops[1].result, writes ? -EROFS : 0);
	}
	assert_int_equal(load_relaxed(&detached->slot->count[STAT_detached]), 4);
	handle_free(detached);
}

static void check_bad_keys(struct larder *which, unsigned i, int expected)
{
	make_ops(4);
	ops[0].klen = 0;
	ops[1].klen = LARDER_KEY_MAX + 1;
	ops[2].buf = NULL;
	ops[2].len = 1;
	ops[3].len = 1;
	ops[3].version = 7;
	assert_int_equal(batches[i](which, ops, 4), LARDER_MISS);
	assert_int_equal(ops[0].result, -EINVAL);
	assert_int_equal(ops[1].result, -ENAMETOOLONG);
	assert_int_equal(ops[2].result, i < 2 ? -EINVAL : expected);
	assert_int_equal(ops[3].result, expected);
}

static void test_bad_key_is_told_on_detached_and_read_only_handles(void **state)
{
	struct larder *detached = handle_new();
	struct larder *reader = local_open_rdonly(&local);

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		check_bad_keys(detached, i, i == 1 || i == 2 ? LARDER_DETACHED : LARDER_MISS);
	assert_int_equal(ops[3].len, 1); /* mexists leaves it */
	assert_int_equal(load_relaxed(&detached->slot->count[STAT_detached]), 3);
	check_bad_keys(detached, 0, LARDER_MISS);
	assert_int_equal(ops[3].len + ops[3].version + ops[3].flags, 0);
	for (unsigned i = 0; i < 4; i++)
		check_bad_keys(reader, i, i == 1 || i == 2 ? -EROFS : LARDER_MISS);
	handle_free(detached);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set_and_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_results_are_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ttl, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delete_and_exists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detached_and_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_bad_key_is_told_on_detached_and_read_only_handles, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
