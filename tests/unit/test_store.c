/* SPDX-License-Identifier: MIT */
/* test_store.c - set, add, replace, cas, put, touch, delete: each result, and what stands after it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
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

static void assert_value(const char *key, const char *value)
{
	char buf[64];
	size_t len = sizeof(buf);

	assert_int_equal(larder_get(h, key, strlen(key), buf, &len), 0);
	assert_int_equal(len, strlen(value));
	assert_memory_equal(buf, value, len);
}

static uint64_t version_of(const char *key)
{
	struct larder_meta meta;

	assert_int_equal(larder_get_meta(h, key, strlen(key), NULL, NULL, &meta), 0);
	assert_int_not_equal(meta.version, 0);
	return meta.version;
}

static void test_set(void **state)
{
	uint64_t first;

	(void)state;
	/* covers: larder_set 0 */
	assert_int_equal(larder_set(h, "k", 1, "one", 3, 0), 0);
	assert_value("k", "one");
	first = version_of("k");
	assert_int_equal(larder_set(h, "k", 1, "two", 3, 0), 0);
	assert_value("k", "two");
	assert_int_not_equal(version_of("k"), first);
	assert_int_equal(larder_set(h, "k", 1, NULL, 0, 0), 0);
	assert_value("k", "");
	assert_int_equal(larder_set(h, "k", 1, NULL, 1, 0), -EINVAL);
	assert_int_equal(local_stat(&local, STAT_set), 3);
	assert_true(local_sound(&local));
}

static void test_add(void **state)
{
	(void)state;
	/* covers: larder_add 0 */
	assert_int_equal(larder_add(h, "k", 1, "one", 3, 0), 0);
	/* covers: larder_add LARDER_EXISTS */
	assert_int_equal(larder_add(h, "k", 1, "two", 3, 0), LARDER_EXISTS);
	assert_value("k", "one");
	assert_int_equal(larder_set(h, "gone", 4, "x", 1, -1), 0);
	assert_int_equal(larder_add(h, "gone", 4, "new", 3, 0), 0);
	assert_value("gone", "new");
	assert_true(local_sound(&local));
}

static void test_replace(void **state)
{
	(void)state;
	/* covers: larder_replace LARDER_MISS */
	assert_int_equal(larder_replace(h, "k", 1, "one", 3, 0), LARDER_MISS);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "one", 3, 0), 0);
	/* covers: larder_replace 0 */
	assert_int_equal(larder_replace(h, "k", 1, "two", 3, 0), 0);
	assert_value("k", "two");
	assert_int_equal(larder_set(h, "k", 1, "x", 1, -1), 0);
	assert_int_equal(larder_replace(h, "k", 1, "three", 5, 0), LARDER_MISS);
	assert_true(local_sound(&local));
}

static void test_cas(void **state)
{
	uint64_t version;

	(void)state;
	/* covers: larder_cas LARDER_MISS */
	assert_int_equal(larder_cas(h, "k", 1, "one", 3, 0, 1), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "one", 3, 0), 0);
	version = version_of("k");
	/* covers: larder_cas LARDER_EXISTS */
	assert_int_equal(larder_cas(h, "k", 1, "two", 3, 0, version + 1), LARDER_EXISTS);
	assert_value("k", "one");
	/* covers: larder_cas 0 */
	assert_int_equal(larder_cas(h, "k", 1, "two", 3, 0, version), 0);
	assert_value("k", "two");
	assert_int_equal(larder_cas(h, "k", 1, "three", 5, 0, version), LARDER_EXISTS);
	assert_value("k", "two");
	assert_int_equal(local_stat(&local, STAT_cas_mismatch), 2);
}

static void test_put(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .flags = 0xdeadbeef};
	struct larder_meta meta;
	uint64_t version;

	(void)state;
	/* covers: larder_put 0 */
	assert_int_equal(larder_put(h, "k", 1, "one", 3, &opt), 0);
	assert_int_equal(opt.version, version_of("k"));
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_int_equal(meta.flags, 0xdeadbeef);
	version = opt.version;
	opt.mode = LARDER_PUT_ADD;
	/* covers: larder_put LARDER_EXISTS */
	assert_int_equal(larder_put(h, "k", 1, "two", 3, &opt), LARDER_EXISTS);
	assert_int_equal(opt.version, version);
	opt.mode = LARDER_PUT_CAS;
	assert_int_equal(larder_put(h, "k", 1, "two", 3, &opt), 0);
	assert_int_not_equal(opt.version, version);
	opt.version = version;
	assert_int_equal(larder_put(h, "k", 1, "three", 5, &opt), LARDER_EXISTS);
	opt.mode = LARDER_PUT_REPLACE;
	/* covers: larder_put LARDER_MISS */
	assert_int_equal(larder_put(h, "other", 5, "x", 1, &opt), LARDER_MISS);
	assert_value("k", "two");
	/* covers: larder_put -EINVAL */
	opt.mode = 4;
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), -EINVAL);
	opt.mode = 0;
	opt.size = 1;
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), -EINVAL);
	assert_int_equal(larder_put(h, "k", 1, "x", 1, NULL), -EINVAL);
	assert_value("k", "two");
}

static void test_put_deadlines(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .ttl_ms = 1};
	struct larder_meta meta;

	(void)state;
	opt.deadline_ms = clock_wall_ms() + 60000;
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), 0);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_in_range(meta.ttl_ms, 50000, 60001);
	opt.deadline_ms = 1; /* 1970: passed, not "never" */
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
}

static void test_earliest_deadline_is_not_never(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .deadline_ms = INT64_MIN};

	(void)state;
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	opt.deadline_ms = INT64_MAX;
	assert_int_equal(larder_put(h, "k", 1, "x", 1, &opt), 0);
	assert_int_equal(larder_exists(h, "k", 1), 0);
}

static void test_touch(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .flags = 77};
	struct larder_meta meta;
	uint64_t version;

	(void)state;
	/* covers: larder_touch LARDER_MISS */
	assert_int_equal(larder_touch(h, "k", 1, 1000), LARDER_MISS);
	assert_int_equal(larder_put(h, "k", 1, "value", 5, &opt), 0);
	version = opt.version;
	/* covers: larder_touch 0 */
	assert_int_equal(larder_touch(h, "k", 1, 1000), 0);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_in_range(meta.ttl_ms, 1, 1000);
	assert_int_equal(meta.flags, 77);
	assert_int_not_equal(meta.version, version);
	assert_value("k", "value");
	assert_int_equal(larder_advance_clock(h, 1000), 0);
	assert_int_equal(larder_touch(h, "k", 1, 0), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "value", 5, 1000), 0);
	assert_int_equal(larder_touch(h, "k", 1, 0), 0);
	assert_int_equal(larder_advance_clock(h, 1000000), 0);
	assert_value("k", "value");
	assert_int_equal(larder_touch(h, "k", 1, -1), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	assert_true(local_sound(&local));
}

static void test_delete(void **state)
{
	uint64_t version;

	(void)state;
	/* covers: larder_delete LARDER_MISS */
	assert_int_equal(larder_delete(h, "k", 1), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "one", 3, 0), 0);
	/* covers: larder_delete 0 */
	assert_int_equal(larder_delete(h, "k", 1), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "x", 1, -1), 0);
	assert_int_equal(larder_delete(h, "k", 1), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, "one", 3, 0), 0);
	version = version_of("k");
	/* covers: larder_delete_if LARDER_EXISTS */
	assert_int_equal(larder_delete_if(h, "k", 1, version + 1), LARDER_EXISTS);
	assert_value("k", "one");
	/* covers: larder_delete_if 0 */
	assert_int_equal(larder_delete_if(h, "k", 1, version), 0);
	/* covers: larder_delete_if LARDER_MISS */
	assert_int_equal(larder_delete_if(h, "k", 1, version), LARDER_MISS);
	assert_int_equal(larder_delete_if(h, "k", 1, 0), -EINVAL);
	assert_int_equal(local_stat(&local, STAT_remove_hits), 2);
	assert_true(local_sound(&local));
}

/* ------------------------------------------------------------------ errors, one way for all calls */

static int call_set(struct larder *to, const void *key, size_t klen)
{
	return larder_set(to, key, klen, "new", 3, 0);
}

static int call_add(struct larder *to, const void *key, size_t klen)
{
	return larder_add(to, key, klen, "new", 3, 0);
}

static int call_replace(struct larder *to, const void *key, size_t klen)
{
	return larder_replace(to, key, klen, "new", 3, 0);
}

static int call_cas(struct larder *to, const void *key, size_t klen)
{
	return larder_cas(to, key, klen, "new", 3, 0, 1);
}

static int call_put(struct larder *to, const void *key, size_t klen)
{
	struct larder_put_options opt = {.size = sizeof(opt)};

	return larder_put(to, key, klen, "new", 3, &opt);
}

static int call_touch(struct larder *to, const void *key, size_t klen)
{
	return larder_touch(to, key, klen, 1000);
}

static int call_incr(struct larder *to, const void *key, size_t klen)
{
	const struct larder_counter_options opt = {.size = sizeof(opt), .create = 1};

	return larder_incr(to, key, klen, 1, &opt, NULL);
}

static int call_decr(struct larder *to, const void *key, size_t klen)
{
	const struct larder_counter_options opt = {.size = sizeof(opt), .create = 1};

	return larder_decr(to, key, klen, 1, &opt, NULL);
}

static int call_incr_signed(struct larder *to, const void *key, size_t klen)
{
	const struct larder_counter_options opt = {.size = sizeof(opt), .create = 1};

	return larder_incr_signed(to, key, klen, 1, &opt, NULL);
}

static int call_delete(struct larder *to, const void *key, size_t klen)
{
	return larder_delete(to, key, klen);
}

static int call_delete_if(struct larder *to, const void *key, size_t klen)
{
	return larder_delete_if(to, key, klen, 1);
}

typedef int write_call(struct larder *to, const void *key, size_t klen);

#define NEED_MEMORY 9 /* the first so many */
static write_call *const calls[] = {
	call_set,  call_add,  call_replace,	call_cas,    call_put,	     call_touch,
	call_incr, call_decr, call_incr_signed, call_delete, call_delete_if,
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static void test_bad_arguments(void **state)
{
	static char huge[LARDER_KEY_MAX + 1];

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		/* covers: larder_set -EINVAL */
		assert_int_equal(calls[i](h, NULL, 1), -EINVAL);
		assert_int_equal(calls[i](h, "k", 0), -EINVAL);
		assert_int_equal(calls[i](NULL, "k", 1), -EINVAL);
		/* covers: larder_set -ENAMETOOLONG */
		assert_int_equal(calls[i](h, huge, sizeof(huge)), -ENAMETOOLONG);
		h->busy = 1;
		/* covers: larder_set -EBUSY */
		assert_int_equal(calls[i](h, "k", 1), -EBUSY);
		h->busy = 0;
	}
	assert_int_equal(local_stat(&local, STAT_items_in), 0);
}

static void test_detached(void **state)
{
	struct larder *detached = handle_new();

	(void)state;
	assert_non_null(detached);
	for (size_t i = 0; i < CALLS; i++)
		/* covers: larder_set LARDER_DETACHED */
		/* covers: larder_add LARDER_DETACHED */
		/* covers: larder_replace LARDER_DETACHED */
		/* covers: larder_cas LARDER_DETACHED */
		/* covers: larder_put LARDER_DETACHED */
		/* covers: larder_touch LARDER_DETACHED */
		/* covers: larder_incr LARDER_DETACHED */
		/* covers: larder_decr LARDER_DETACHED */
		/* covers: larder_incr_signed LARDER_DETACHED */
		/* covers: larder_delete LARDER_DETACHED */
		/* covers: larder_delete_if LARDER_DETACHED */
		assert_int_equal(calls[i](detached, "k", 1), LARDER_DETACHED);
	assert_int_equal(load_relaxed(&detached->slot->count[STAT_detached]), CALLS);
	handle_free(detached);
}

static void test_read_only(void **state)
{
	struct larder *reader;

	(void)state;
	assert_int_equal(larder_set(h, "k", 1, "old", 3, 0), 0);
	reader = local_open_rdonly(&local);
	for (size_t i = 0; i < CALLS; i++)
		/* covers: larder_set -EROFS */
		/* covers: larder_add -EROFS */
		/* covers: larder_replace -EROFS */
		/* covers: larder_cas -EROFS */
		/* covers: larder_put -EROFS */
		/* covers: larder_touch -EROFS */
		/* covers: larder_incr -EROFS */
		/* covers: larder_decr -EROFS */
		/* covers: larder_incr_signed -EROFS */
		/* covers: larder_delete -EROFS */
		/* covers: larder_delete_if -EROFS */
		assert_int_equal(calls[i](reader, "k", 1), -EROFS);
	assert_value("k", "old");
}

static void test_no_segment(void **state)
{
	(void)state;
	assert_int_equal(larder_set(h, "k", 1, "old", 3, 0), 0);
	local_hold(&local);
	for (size_t i = 0; i < NEED_MEMORY; i++) {
		/* covers: larder_set -ENOMEM */
		/* covers: larder_add -ENOMEM */
		/* covers: larder_replace -ENOMEM */
		/* covers: larder_cas -ENOMEM */
		/* covers: larder_put -ENOMEM */
		/* covers: larder_touch -ENOMEM */
		/* covers: larder_incr -ENOMEM */
		/* covers: larder_decr -ENOMEM */
		/* covers: larder_incr_signed -ENOMEM */
		assert_int_equal(calls[i](h, "k", 1), -ENOMEM);
		assert_value("k", "old");
	}
	assert_int_equal(local_stat(&local, STAT_failed), NEED_MEMORY);
	assert_int_equal(larder_delete(h, "k", 1), 0); /* takes no memory */
	local_release(&local);
	assert_int_equal(larder_set(h, "k", 1, "new", 3, 0), 0);
	assert_value("k", "new");
	assert_true(local_sound(&local));
}

static void test_rounds_lost(void **state)
{
	(void)state;
	local_lose_bucket(h, "k", 1);
	for (size_t i = 0; i < CALLS; i++)
		/* covers: larder_set -EAGAIN */
		/* covers: larder_add -EAGAIN */
		/* covers: larder_replace -EAGAIN */
		/* covers: larder_cas -EAGAIN */
		/* covers: larder_put -EAGAIN */
		/* covers: larder_touch -EAGAIN */
		/* covers: larder_incr -EAGAIN */
		/* covers: larder_decr -EAGAIN */
		/* covers: larder_incr_signed -EAGAIN */
		/* covers: larder_delete -EAGAIN */
		/* covers: larder_delete_if -EAGAIN */
		assert_int_equal(calls[i](h, "k", 1), -EAGAIN);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
}

/* ------------------------------------------------------------------ too big */

static void test_too_big(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt)};
	size_t len = h->max_value + 1;
	char *big = calloc(1, len);
	uint64_t version;

	(void)state;
	assert_non_null(big);
	assert_int_equal(larder_set(h, "k", 1, "old", 3, 0), 0);
	version = version_of("k");
	/* covers: larder_set -E2BIG */
	assert_int_equal(larder_set(h, "k", 1, big, len, 0), -E2BIG);
	/* covers: larder_add -E2BIG */
	assert_int_equal(larder_add(h, "new", 3, big, len, 0), -E2BIG);
	/* covers: larder_replace -E2BIG */
	assert_int_equal(larder_replace(h, "k", 1, big, len, 0), -E2BIG);
	/* covers: larder_cas -E2BIG */
	assert_int_equal(larder_cas(h, "k", 1, big, len, 0, version), -E2BIG);
	/* covers: larder_put -E2BIG */
	assert_int_equal(larder_put(h, "k", 1, big, len, &opt), -E2BIG);
	assert_value("k", "old");
	assert_int_equal(version_of("k"), version);
	assert_int_equal(larder_exists(h, "new", 3), LARDER_MISS);
	assert_int_equal(larder_set(h, "k", 1, big, len - 1, 0), 0);
	assert_int_equal(local_stat(&local, STAT_failed), 5);
	free(big);
	assert_true(local_sound(&local));
}

static int set_longest_key(uint64_t memory, size_t *klenp)
{
	static char key[LARDER_KEY_MAX];
	struct local l;
	struct larder *mine;
	void *value;
	int r;

	local_init(&l, &(struct local_options){.memory = memory});
	mine = local_open(&l);
	if (*klenp == 0)
		*klenp = mine->seg_bytes / 2 - 64 - 8 * (mine->max_value >> mine->seg_shift);
	value = calloc(1, mine->max_value);
	assert_non_null(value);
	r = larder_set(mine, key, *klenp, value, mine->max_value, 1000);
	if (r == 0)
		r = larder_exists(mine, key, *klenp);
	free(value);
	local_deinit(&l);
	return r;
}

/* As larder.h has it: every key from 32 MiB on, below as long as half a segment holds it. */
static void test_key_of_65535_bytes_is_too_big_below_32_mib_only(void **state)
{
	size_t longest = LARDER_KEY_MAX, documented = 0;

	(void)state;
	assert_int_equal(set_longest_key(32 << 20, &longest), 0);
	assert_int_equal(set_longest_key((32 << 20) - 4096, &longest), -E2BIG);
	assert_int_equal(set_longest_key((32 << 20) - 4096, &documented), 0);
	documented = 0;
	assert_int_equal(set_longest_key(1 << 20, &documented), 0);
}

/* A key that fits, but not with a deadline. */
static void test_key_too_big(void **state)
{
	const struct larder_counter_options opt = {.size = sizeof(opt), .create = 1, .initial = 5};
	const struct larder_counter_options later = {
		.size = sizeof(later), .create = 1, .ttl_ms = 9};
	size_t klen = h->seg_bytes / 2 - 24; /* header, LONG, value */
	char *key = calloc(1, klen + 1);
	uint64_t value;
	int64_t number;

	(void)state;
	assert_non_null(key);
	/* covers: larder_incr -E2BIG */
	assert_int_equal(larder_incr(h, key, klen, 1, &later, NULL), -E2BIG);
	/* covers: larder_decr -E2BIG */
	assert_int_equal(larder_decr(h, key, klen, 1, &later, NULL), -E2BIG);
	/* covers: larder_incr_signed -E2BIG */
	assert_int_equal(larder_incr_signed(h, key, klen, 1, &later, &number), -E2BIG);
	assert_int_equal(larder_incr(h, key, klen, 1, &opt, &value), 0);
	assert_int_equal(value, 5);
	/* covers: larder_touch -E2BIG */
	assert_int_equal(larder_touch(h, key, klen, 1000), -E2BIG);
	assert_int_equal(larder_incr(h, key, klen, 1, NULL, &value), 0);
	assert_int_equal(value, 6);
	free(key);
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cas, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put, setup, teardown),
		cmocka_unit_test_setup_teardown(test_put_deadlines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_earliest_deadline_is_not_never, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delete, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_segment, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rounds_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_big, setup, teardown),
		cmocka_unit_test(test_key_of_65535_bytes_is_too_big_below_32_mib_only),
		cmocka_unit_test_setup_teardown(test_key_too_big, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
