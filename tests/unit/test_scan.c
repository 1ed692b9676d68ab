/* SPDX-License-Identifier: MIT */
/* test_scan.c - a key that stays is visited, whatever happens between the steps */
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

#define KEYS 16000u /* more than the entries of level 0 */

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

static unsigned visits[KEYS];
static unsigned strangers;

static size_t make_key(char key[16], unsigned i)
{
	return (size_t)snprintf(key, 16, "key%u", i);
}

static int note(void *ctx, const void *key, size_t klen, const struct larder_meta *meta)
{
	char text[16] = "";
	unsigned long i;
	char *end;

	(void)ctx;
	assert_true(klen > 3 && klen < sizeof(text));
	memcpy(text, key, klen);
	i = strtoul(text + 3, &end, 10);
	if (memcmp(text, "key", 3) == 0 && *end == '\0' && i < KEYS) {
		visits[i]++;
		assert_int_equal(meta->length, i % 50);
		assert_int_not_equal(meta->version, 0);
	} else {
		strangers++;
	}
	return 0;
}

static void set_keys(unsigned n)
{
	static const char value[50];
	char key[16];

	for (unsigned i = 0; i < n; i++)
		assert_int_equal(larder_set(h, key, make_key(key, i), value, i % 50, 0), 0);
}

static void start(void)
{
	memset(visits, 0, sizeof(visits));
	strangers = 0;
}

static void test_all_at_once(void **state)
{
	uint64_t cursor = 0;

	(void)state;
	start();
	/* covers: larder_scan 0 */
	assert_int_equal(larder_scan(h, &cursor, 65536, note, NULL), 0);
	assert_int_equal(cursor, 0);
	set_keys(1000);
	assert_int_equal(larder_scan(h, &cursor, 65536, note, NULL), 0);
	assert_int_equal(cursor, 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(visits[i], 1);
	assert_int_equal(local_stat(&local, STAT_scan), 2);
}

static int stop_at_first(void *ctx, const void *key, size_t klen, const struct larder_meta *meta)
{
	(void)key;
	(void)klen;
	(void)meta;
	++*(unsigned *)ctx;
	return 1;
}

static void test_callback_stops(void **state)
{
	uint64_t cursor = 0;
	unsigned seen = 0, steps = 0;

	(void)state;
	set_keys(1000);
	do {
		unsigned before = seen;

		assert_int_equal(larder_scan(h, &cursor, 1000, stop_at_first, &seen), 0);
		steps++;
		assert_true(cursor == 0 || seen > before);
	} while (cursor != 0);
	assert_true(steps > 10);
}

static void test_arguments(void **state)
{
	uint64_t cursor = 2 * h->bucket_mask0 + 2;
	struct larder *detached = handle_new();

	(void)state;
	/* covers: larder_scan -EINVAL */
	assert_int_equal(larder_scan(h, &cursor, 1, note, NULL), -EINVAL);
	cursor = 0;
	assert_int_equal(larder_scan(h, NULL, 1, note, NULL), -EINVAL);
	assert_int_equal(larder_scan(h, &cursor, 0, note, NULL), -EINVAL);
	assert_int_equal(larder_scan(h, &cursor, 65537, note, NULL), -EINVAL);
	assert_int_equal(larder_scan(h, &cursor, 1, NULL, NULL), -EINVAL);
	assert_int_equal(larder_scan(NULL, &cursor, 1, note, NULL), -EINVAL);
	/* covers: larder_scan LARDER_DETACHED */
	assert_int_equal(larder_scan(detached, &cursor, 1, note, NULL), LARDER_DETACHED);
	handle_free(detached);
}

static int scan_without_memory(void)
{
	struct local l;
	struct larder *mine;
	uint64_t cursor = 0;

	local_init(&l, NULL);
	mine = local_open(&l);
	local_no_memory();
	/* covers: larder_scan -ENOMEM */
	return larder_scan(mine, &cursor, 1, note, NULL) == -ENOMEM && mine->busy == 0 ? 0 : 1;
}

static void test_no_memory(void **state)
{
	(void)state;
	assert_int_equal(local_in_child(scan_without_memory), 0);
}

static void test_only_what_is_there(void **state)
{
	uint64_t cursor = 0;
	uint16_t ns;
	char key[16];

	(void)state;
	start();
	set_keys(100);
	assert_int_equal(larder_delete(h, key, make_key(key, 7)), 0);
	assert_int_equal(larder_set(h, key, make_key(key, 8), "", 0, -1), 0);
	assert_int_equal(larder_set(h, key, make_key(key, 9), "123456789", 9, 100), 0);
	assert_int_equal(larder_namespace(h, "other", 5, &ns), 0);
	assert_int_equal(larder_select(h, ns), 0);
	assert_int_equal(larder_set(h, "stranger", 8, "", 0, 0), 0);
	assert_int_equal(larder_select(h, 0), 0);
	assert_int_equal(larder_scan(h, &cursor, 65536, note, NULL), 0);
	assert_int_equal(strangers, 0);
	assert_int_equal(visits[7] + visits[8], 0);
	assert_int_equal(visits[9], 1);
	assert_int_equal(larder_advance_clock(h, 100), 0);
	assert_int_equal(larder_scan(h, &cursor, 65536, note, NULL), 0);
	assert_int_equal(visits[9], 1);
	assert_int_equal(visits[10], 2);
	assert_int_equal(larder_select(h, ns), 0);
	assert_int_equal(larder_scan(h, &cursor, 65536, note, NULL), 0);
	assert_int_equal(strangers, 1);
}

/* Others insert, delete, clean and split between two steps. Keys from @n on come and go. */
static void disturb(struct larder *other, unsigned round)
{
	char key[16];

	for (unsigned i = 0; i < 40; i++) {
		unsigned n = KEYS + (round * 40 + i) % 100000;

		assert_int_equal(larder_set(other, key, make_key(key, n), "x", 1, 0), 0);
		if (i % 2 == 0)
			assert_int_equal(larder_delete(other, key, make_key(key, n)), 0);
	}
	/* Used just now: most of them survive the cleaner. */
	for (unsigned i = 0; i < KEYS; i++)
		(void)!larder_get(other, key, make_key(key, i), NULL, &(size_t){0});
	cleaner_step(local.daemon, 1, false);
	growth_run(local.daemon, &local.ops);
}

static void test_while_others_work(void **state)
{
	struct larder *other;
	uint64_t cursor = 0;
	unsigned round = 0, present = 0;

	(void)state;
	local_deinit(&local);
	local_init(&local, &(struct local_options){.memory = 8 << 20});
	h = local_open(&local);
	other = local_open_other(&local);
	start();
	assert_int_equal(local_grow(&local), 0);
	set_keys(KEYS);
	do {
		uint32_t steps = round % 7 + 1;

		assert_int_equal(larder_scan(h, &cursor, steps, note, NULL), 0);
		disturb(other, round++);
	} while (cursor != 0);
	assert_true(local_stat(&local, STAT_splits) > 100);
	assert_true(local_stat(&local, STAT_moved) > KEYS);
	assert_true(local.punches > 0);
	for (unsigned i = 0; i < KEYS; i++) {
		char key[16];
		bool here = larder_exists(h, key, make_key(key, i)) == 0;

		assert_true(visits[i] >= 1 || !here);
		present += here;
	}
	assert_true(present > 500);
	assert_true(strangers > 0);
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_callback_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arguments, setup, teardown),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test_setup_teardown(test_only_what_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_others_work, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
