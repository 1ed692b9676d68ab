/* SPDX-License-Identifier: MIT */
/* test_read.c - get in all its forms, exists, and reads of what was never stored */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "item.h"
#include "local.h"
#include "read.h"

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

static void set(const char *key, const char *value)
{
	assert_int_equal(larder_set(h, key, strlen(key), value, strlen(value), 0), 0);
}

static void test_get(void **state)
{
	char buf[8] = "........";
	size_t len = sizeof(buf);

	(void)state;
	/* covers: larder_get LARDER_MISS */
	assert_int_equal(larder_get(h, "k", 1, buf, &len), LARDER_MISS);
	assert_int_equal(len, 0);
	set("k", "value");
	len = sizeof(buf);
	/* covers: larder_get 0 */
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "value...", 8);
	len = 3;
	memset(buf, '.', 8);
	/* covers: larder_get LARDER_TRUNC */
	assert_int_equal(larder_get(h, "k", 1, buf, &len), LARDER_TRUNC);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "val.....", 8);
	len = 0;
	assert_int_equal(larder_get(h, "k", 1, NULL, &len), LARDER_TRUNC);
	assert_int_equal(len, 5);
	len = 5;
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_int_equal(local_stat(&local, STAT_get), 5);
	assert_int_equal(local_stat(&local, STAT_get_hits), 4);
	assert_int_equal(local_stat(&local, STAT_get_misses), 1);
}

static void test_arguments(void **state)
{
	static char huge[LARDER_KEY_MAX + 1];
	struct larder_meta meta;
	char buf[8];
	size_t len = 4, room = 4;
	void *p = NULL;

	(void)state;
	assert_int_equal(larder_get(h, "k", 1, NULL, &len), -EINVAL);
	assert_int_equal(larder_get(h, "k", 1, buf, NULL), -EINVAL);
	assert_int_equal(larder_get(h, NULL, 1, buf, &len), -EINVAL);
	assert_int_equal(larder_get(h, "k", 0, buf, &len), -EINVAL);
	assert_int_equal(larder_get(NULL, "k", 1, buf, &len), -EINVAL);
	assert_int_equal(len, 4);
	assert_int_equal(larder_get(h, huge, sizeof(huge), buf, &len), -ENAMETOOLONG);
	assert_int_equal(larder_get_meta(h, "k", 1, buf, &len, NULL), -EINVAL);
	assert_int_equal(larder_get_meta(h, "k", 1, buf, NULL, &meta), -EINVAL);
	assert_int_equal(larder_get_if_changed(h, "k", 1, 1, NULL, &len, &meta), -EINVAL);
	assert_int_equal(larder_get_alloc(h, "k", 1, NULL, &room, &len), -EINVAL);
	assert_int_equal(larder_get_alloc(h, "k", 1, &p, &room, &len), -EINVAL);
	assert_int_equal(larder_exists(h, NULL, 1), -EINVAL);
	assert_int_equal(larder_exists(NULL, "k", 1), -EINVAL);
	assert_int_equal(larder_exists(h, huge, sizeof(huge)), -ENAMETOOLONG);
	h->busy = 1;
	assert_int_equal(larder_get(h, "k", 1, buf, &len), -EBUSY);
	assert_int_equal(larder_exists(h, "k", 1), -EBUSY);
	h->busy = 0;
}

static void test_get_meta(void **state)
{
	struct larder_put_options opt = {.size = sizeof(opt), .flags = 42, .ttl_ms = 60000};
	struct larder_meta meta;
	char buf[8];
	size_t len = sizeof(buf);

	(void)state;
	memset(&meta, 0xff, sizeof(meta));
	/* covers: larder_get_meta LARDER_MISS */
	assert_int_equal(larder_get_meta(h, "k", 1, buf, &len, &meta), LARDER_MISS);
	assert_int_equal(meta.version | meta.length | meta.flags | (uint64_t)meta.ttl_ms, 0);
	assert_int_equal(larder_put(h, "k", 1, "value", 5, &opt), 0);
	len = sizeof(buf);
	/* covers: larder_get_meta 0 */
	assert_int_equal(larder_get_meta(h, "k", 1, buf, &len, &meta), 0);
	assert_int_equal(len, 5);
	assert_int_equal(meta.length, 5);
	assert_int_equal(meta.version, opt.version);
	assert_int_equal(meta.flags, 42);
	assert_int_equal(meta.counter, 0);
	assert_in_range(meta.ttl_ms, 1, 60000);
	assert_in_range(meta.age_ms, 0, 60000);
	len = 2;
	/* covers: larder_get_meta LARDER_TRUNC */
	assert_int_equal(larder_get_meta(h, "k", 1, buf, &len, &meta), LARDER_TRUNC);
	assert_int_equal(len, 5);
	assert_int_equal(meta.length, 5);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_int_equal(larder_advance_clock(h, 5000), 0);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_in_range(meta.age_ms, 5000, 65000);
	assert_in_range(meta.ttl_ms, 1, 55000);
}

static void test_get_if_changed(void **state)
{
	struct larder_meta meta;
	char buf[8] = "........";
	size_t len = sizeof(buf);
	uint64_t version;

	(void)state;
	/* covers: larder_get_if_changed LARDER_MISS */
	assert_int_equal(larder_get_if_changed(h, "k", 1, 1, buf, &len, &meta), LARDER_MISS);
	assert_int_equal(len, 0);
	set("k", "value");
	len = sizeof(buf);
	/* covers: larder_get_if_changed 0 */
	assert_int_equal(larder_get_if_changed(h, "k", 1, 0, buf, &len, &meta), 0);
	version = meta.version;
	len = 7;
	memset(buf, '.', 8);
	/* covers: larder_get_if_changed LARDER_UNCHANGED */
	assert_int_equal(larder_get_if_changed(h, "k", 1, version, buf, &len, &meta),
			 LARDER_UNCHANGED);
	assert_int_equal(len, 7);
	assert_memory_equal(buf, "........", 8);
	assert_int_equal(meta.version, version);
	assert_int_equal(meta.length, 5);
	set("k", "other");
	len = 2;
	/* covers: larder_get_if_changed LARDER_TRUNC */
	assert_int_equal(larder_get_if_changed(h, "k", 1, version, buf, &len, &meta), LARDER_TRUNC);
	assert_memory_equal(buf, "ot......", 8);
	assert_int_equal(larder_get_if_changed(h, "k", 1, version, NULL, NULL, &meta), 0);
}

static void test_get_alloc(void **state)
{
	size_t room = 0, len = 9;
	void *buf = NULL;
	char *first;

	(void)state;
	/* covers: larder_get_alloc LARDER_MISS */
	assert_int_equal(larder_get_alloc(h, "k", 1, &buf, &room, &len), LARDER_MISS);
	assert_int_equal(len, 0);
	set("k", "value");
	/* covers: larder_get_alloc 0 */
	assert_int_equal(larder_get_alloc(h, "k", 1, &buf, &room, &len), 0);
	assert_int_equal(len, 5);
	assert_true(room >= 5);
	assert_memory_equal(buf, "value", 5);
	first = buf;
	set("k", "four");
	assert_int_equal(larder_get_alloc(h, "k", 1, &buf, &room, &len), 0);
	assert_ptr_equal(buf, first);
	assert_int_equal(len, 4);
	set("k", "now it is longer");
	assert_int_equal(larder_get_alloc(h, "k", 1, &buf, &room, &len), 0);
	assert_int_equal(len, 16);
	assert_memory_equal(buf, "now it is longer", 16);
	free(buf);
	buf = NULL;
	room = 0;
	set("k", "");
	assert_int_equal(larder_get_alloc(h, "k", 1, &buf, &room, &len), 0);
	assert_int_equal(len, 0);
	assert_non_null(buf);
	free(buf);
}

static int alloc_without_memory(void)
{
	static const char value[1000];
	struct local l;
	struct larder *mine;
	size_t room = 0, len;
	void *buf = NULL;

	local_init(&l, NULL);
	mine = local_open(&l);
	if (larder_set(mine, "k", 1, value, sizeof(value), 0) != 0)
		return 1;
	local_no_memory();
	/* covers: larder_get_alloc -ENOMEM */
	if (larder_get_alloc(mine, "k", 1, &buf, &room, &len) != -ENOMEM)
		return 2;
	return buf == NULL && room == 0 && len <= 1000 ? 0 : 3;
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(local_in_child(alloc_without_memory), 0);
}

static void test_exists(void **state)
{
	(void)state;
	/* covers: larder_exists LARDER_MISS */
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	set("k", "value");
	/* covers: larder_exists 0 */
	assert_int_equal(larder_exists(h, "k", 1), 0);
	assert_int_equal(larder_set(h, "k", 1, "x", 1, 1000), 0);
	assert_int_equal(larder_exists(h, "k", 1), 0);
	assert_int_equal(larder_advance_clock(h, 1000), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	assert_int_equal(local_stat(&local, STAT_exists), 4);
}

/* A key that is displaced by a process that stands still; a read-only handle cannot settle it. */
static void test_exists_counts_the_miss_of_lost_rounds(void **state)
{
	struct larder *reader = local_open_rdonly(&local);
	struct shm_bucket *home, *second;
	struct key k;

	(void)state;
	local_key(h, &k, "k", 1);
	home = index_locate(h, k.hash);
	second = index_locate(h, k.hash2);
	assert_true(overflow_up(h, home));
	store_release(&second->word[0], slot_with_kind(key_pattern(&k, true), SLOT_PENDING));
	assert_int_equal(larder_exists(reader, "k", 1), LARDER_MISS);
	assert_int_equal(load_relaxed(&reader->slot->count[STAT_get_contended]), 1);
}

static void test_detached_reads_miss(void **state)
{
	struct larder *detached = handle_new();
	struct larder_meta meta;
	size_t len = 4, room = 0;
	void *p = NULL;
	char buf[4];

	(void)state;
	assert_int_equal(larder_get(detached, "k", 1, buf, &len), LARDER_MISS);
	assert_int_equal(len, 0);
	assert_int_equal(larder_get_meta(detached, "k", 1, NULL, NULL, &meta), LARDER_MISS);
	assert_int_equal(larder_get_alloc(detached, "k", 1, &p, &room, &len), LARDER_MISS);
	assert_int_equal(larder_exists(detached, "k", 1), LARDER_MISS);
	handle_free(detached);
}

static void test_read_only_sees_all(void **state)
{
	struct larder *reader;
	char buf[8];
	size_t len = sizeof(buf);

	(void)state;
	set("k", "value");
	reader = local_open_rdonly(&local);
	assert_int_equal(larder_get(reader, "k", 1, buf, &len), 0);
	assert_memory_equal(buf, "value", 5);
	assert_int_equal(larder_exists(reader, "none", 4), LARDER_MISS);
	assert_int_equal(larder_check(reader, NULL, NULL), 0);
}

static void test_keys_of_every_length(void **state)
{
	static uint8_t key[LARDER_KEY_MAX];
	uint64_t n = 0;

	(void)state;
	local_deinit(&local);
	local_init(&local, &(struct local_options){.memory = 64 << 20});
	h = local_open(&local);
	local_fill(key, sizeof(key), 5);
	for (size_t klen = 1; klen <= LARDER_KEY_MAX; klen = klen < 300 ? klen + 1 : klen * 2 - 41)
		n += larder_set(h, key, klen, &klen, sizeof(klen), 0) == 0;
	n += larder_set(h, key, LARDER_KEY_MAX, "", 0, 0) == 0;
	assert_int_equal(local_stat(&local, STAT_items_in), n);
	for (size_t klen = 1; klen < 300; klen++) {
		size_t value, len = sizeof(value);

		assert_int_equal(larder_get(h, key, klen, &value, &len), 0);
		assert_int_equal(value, klen);
	}
	assert_int_equal(larder_exists(h, key, LARDER_KEY_MAX), 0);
	assert_int_equal(larder_exists(h, key, LARDER_KEY_MAX - 1), LARDER_MISS);
	assert_true(local_sound(&local));
}

static void test_decimal(void **state)
{
	char text[DECIMAL_MAX];

	(void)state;
	assert_int_equal(read_decimal(text, 0, false), 1);
	assert_memory_equal(text, "0", 1);
	assert_int_equal(read_decimal(text, UINT64_MAX, false), 20);
	assert_memory_equal(text, "18446744073709551615", 20);
	assert_int_equal(read_decimal(text, UINT64_MAX, true), 2);
	assert_memory_equal(text, "-1", 2);
	assert_int_equal(read_decimal(text, 1ULL << 63, true), 20);
	assert_memory_equal(text, "-9223372036854775808", 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_get, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_meta, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_if_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_alloc, setup, teardown),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test_setup_teardown(test_exists, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exists_counts_the_miss_of_lost_rounds, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_detached_reads_miss, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only_sees_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keys_of_every_length, setup, teardown),
		cmocka_unit_test(test_decimal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
