/* SPDX-License-Identifier: MIT */
/* test_ns.c - names become ids, and a flush drops what it must and nothing else */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <unistd.h>

#include "local.h"
#include "ns.h"

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

static uint16_t space(const char *name)
{
	uint16_t id = 0;

	assert_int_equal(larder_namespace(h, name, strlen(name), &id), 0);
	return id;
}

static void test_names(void **state)
{
	char longest[LARDER_NAMESPACE_MAX + 1];
	uint16_t id = 77, again;

	(void)state;
	/* covers: larder_namespace 0 */
	assert_int_equal(larder_namespace(h, "", 0, &id), 0);
	assert_int_equal(id, 0);
	assert_int_equal(larder_namespace(h, "a", 1, &id), 0);
	assert_int_not_equal(id, 0);
	assert_int_equal(larder_namespace(local_open_other(&local), "a", 1, &again), 0);
	assert_int_equal(id, again);
	assert_int_not_equal(space("b"), id);
	memset(longest, 'x', sizeof(longest));
	assert_int_equal(larder_namespace(h, longest, LARDER_NAMESPACE_MAX, &id), 0);
	/* covers: larder_namespace -ENAMETOOLONG */
	assert_int_equal(larder_namespace(h, longest, sizeof(longest), &id), -ENAMETOOLONG);
	assert_int_equal(larder_namespace(h, NULL, 1, &id), -EINVAL);
	assert_int_equal(larder_namespace(h, "a", 1, NULL), -EINVAL);
	assert_true(local_sound(&local));
}

static void test_many_names(void **state)
{
	enum { N = 2000 };
	static uint16_t ids[N];
	static uint8_t seen[SHM_NAMESPACES];
	char name[32];

	(void)state;
	for (int i = 0; i < N; i++) {
		size_t len = (size_t)snprintf(name, sizeof(name), "name %d", i);

		assert_int_equal(larder_namespace(h, name, len, &ids[i]), 0);
		assert_int_equal(seen[ids[i]]++, 0);
	}
	for (int i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "name %d", i);
		assert_int_equal(space(name), ids[i]);
	}
	assert_true(local_sound(&local));
}

static void test_all_taken(void **state)
{
	uint16_t id;

	(void)state;
	space("known");
	for (uint32_t i = 1; i < SHM_NAMESPACES; i++)
		if (load_relaxed(&ns_entry(h, i)->word) == 0)
			store_relaxed(&ns_entry(h, i)->word, 1 + (uint64_t)i);
	/* covers: larder_namespace -ENOSPC */
	assert_int_equal(larder_namespace(h, "new", 3, &id), -ENOSPC);
	assert_int_equal(larder_namespace(h, "known", 5, &id), 0);
}

static void test_no_memory(void **state)
{
	uint16_t id;

	(void)state;
	local.map->region_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_true(local.map->region_fd >= 0);
	/* covers: larder_namespace -ENOMEM */
	assert_int_equal(larder_namespace(h, "new", 3, &id), -ENOMEM);
	close(local.map->region_fd);
	local.map->region_fd = -1;
	assert_int_equal(larder_namespace(h, "new", 3, &id), 0);
}

static void test_read_only(void **state)
{
	struct larder *reader;
	uint16_t id, known = space("known");

	(void)state;
	reader = local_open_rdonly(&local);
	assert_int_equal(larder_namespace(reader, "known", 5, &id), 0);
	assert_int_equal(id, known);
	/* covers: larder_namespace -EROFS */
	assert_int_equal(larder_namespace(reader, "new", 3, &id), -EROFS);
	assert_int_equal(larder_select(reader, known), 0);
	/* covers: larder_flush -EROFS */
	assert_int_equal(larder_flush(reader), -EROFS);
	/* covers: larder_flush_all -EROFS */
	assert_int_equal(larder_flush_all(reader), -EROFS);
}

static void test_detached(void **state)
{
	struct larder *detached = handle_new();
	uint16_t id;

	(void)state;
	/* covers: larder_namespace LARDER_DETACHED */
	assert_int_equal(larder_namespace(detached, "a", 1, &id), LARDER_DETACHED);
	/* covers: larder_select LARDER_DETACHED */
	assert_int_equal(larder_select(detached, 4), LARDER_DETACHED);
	assert_int_equal(detached->ns, 0);
	assert_int_equal(larder_select(detached, 0), 0);
	/* covers: larder_flush LARDER_DETACHED */
	assert_int_equal(larder_flush(detached), LARDER_DETACHED);
	/* covers: larder_flush_all LARDER_DETACHED */
	assert_int_equal(larder_flush_all(detached), LARDER_DETACHED);
	handle_free(detached);
}

/* The creator was killed between taking the entry and writing the name (R12). */
static void test_unnamed_entry(void **state)
{
	uint16_t id = space("half");

	(void)state;
	store_release_u8(&ns_name(h, id)->len, 0);
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	assert_int_equal(space("half"), id);
	assert_int_equal(load_acquire_u8(&ns_name(h, id)->len), 4);
}

static void set(uint16_t ns, const char *key, const char *value)
{
	assert_int_equal(larder_select(h, ns), 0);
	assert_int_equal(larder_set(h, key, strlen(key), value, strlen(value), 0), 0);
}

static bool has(uint16_t ns, const char *key)
{
	assert_int_equal(larder_select(h, ns), 0);
	return larder_exists(h, key, strlen(key)) == 0;
}

static void test_select(void **state)
{
	uint16_t a = space("a"), b = space("b");
	char buf[8];
	size_t len = sizeof(buf);

	(void)state;
	/* covers: larder_select -EINVAL */
	for (uint16_t id = 1; id < 100; id++)
		if (id != a && id != b)
			assert_int_equal(larder_select(h, id), -EINVAL);
	set(0, "k", "zero");
	set(a, "k", "a");
	/* covers: larder_select 0 */
	assert_int_equal(larder_select(h, b), 0);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
	set(b, "k", "bb");
	assert_int_equal(larder_select(h, a), 0);
	assert_int_equal(larder_get(h, "k", 1, buf, &len), 0);
	assert_int_equal(len, 1);
	assert_int_equal(larder_delete(h, "k", 1), 0);
	assert_true(has(0, "k") && has(b, "k") && !has(a, "k"));
	assert_true(local_sound(&local));
}

static void test_flush(void **state)
{
	uint16_t a = space("a"), b = space("b");

	(void)state;
	set(0, "k", "x");
	set(a, "k", "x");
	set(b, "k", "x");
	assert_int_equal(larder_select(h, a), 0);
	/* covers: larder_flush 0 */
	assert_int_equal(larder_flush(h), 0);
	assert_true(has(0, "k") && !has(a, "k") && has(b, "k"));
	set(a, "new", "x");
	assert_true(has(a, "new"));
	assert_int_equal(larder_select(h, 0), 0);
	assert_int_equal(larder_flush(h), 0);
	assert_true(!has(0, "k") && has(a, "new") && has(b, "k"));
	set(0, "new", "x");
	assert_true(has(0, "new"));
	/* covers: larder_flush_all 0 */
	assert_int_equal(larder_flush_all(h), 0);
	assert_false(has(0, "new") || has(a, "new") || has(b, "k"));
	set(0, "k", "x");
	set(a, "k", "x");
	assert_true(has(0, "k") && has(a, "k"));
	assert_int_equal(local_stat(&local, STAT_flush), 3);
	assert_true(local_sound(&local));
}

/* What depends on a flushed item does not bring it back. */
static void test_flush_and_derived_writes(void **state)
{
	uint16_t spaces[2] = {0, space("a")};
	struct larder_meta meta;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		set(spaces[i], "k", "1");
		assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
		assert_int_equal(larder_flush(h), 0);
		assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), LARDER_MISS);
		assert_int_equal(larder_touch(h, "k", 1, 0), LARDER_MISS);
		assert_int_equal(larder_replace(h, "k", 1, "2", 1, 0), LARDER_MISS);
		assert_int_equal(larder_cas(h, "k", 1, "2", 1, 0, meta.version), LARDER_MISS);
		assert_int_equal(larder_delete_if(h, "k", 1, meta.version), LARDER_MISS);
		assert_false(has(spaces[i], "k"));
		set(spaces[i], "k", "1");
		assert_int_equal(larder_touch(h, "k", 1, 0), 0);
		assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), 0);
		assert_int_equal(larder_flush(h), 0);
		assert_false(has(spaces[i], "k"));
		assert_int_equal(larder_add(h, "k", 1, "3", 1, 0), 0);
		assert_true(has(spaces[i], "k"));
	}
	assert_true(local_sound(&local));
}

/* Handles with open leases, in several processes' mappings. */
static void test_flush_reaches_all_handles(void **state)
{
	struct larder *other = local_open_other(&local);

	(void)state;
	set(0, "mine", "x");
	assert_int_equal(larder_set(other, "theirs", 6, "x", 1, 0), 0);
	assert_int_equal(larder_flush(h), 0);
	assert_int_equal(larder_exists(other, "mine", 4), LARDER_MISS);
	assert_int_equal(larder_exists(other, "theirs", 6), LARDER_MISS);
	assert_int_equal(larder_set(other, "theirs", 6, "x", 1, 0), 0);
	assert_true(has(0, "theirs"));
	assert_true(local_sound(&local));
}

static void test_counts(void **state)
{
	uint16_t a = space("a");
	struct larder_ns_stats stats;

	(void)state;
	set(a, "k", "x");
	set(a, "l", "x");
	assert_true(larder_delete(h, "k", 1) == 0);
	(void)!larder_get_alloc(h, "k", 1, &(void *){NULL}, &(size_t){0}, &(size_t){0});
	assert_int_equal(larder_stats_ns(h, a, &stats), 0);
	assert_int_equal(stats.sets, 2);
	assert_int_equal(stats.deletes, 1);
	assert_int_equal(stats.gets, 1);
	assert_int_equal(stats.hits, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_memory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_detached, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unnamed_entry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_select, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush_and_derived_writes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flush_reaches_all_handles, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counts, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
