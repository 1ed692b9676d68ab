/* SPDX-License-Identifier: MIT */
/* test_counter.c - incr, decr, incr_signed: memcached's rules, and what counts as a number */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

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

static void assert_text(const char *key, const char *text)
{
	char buf[64];
	size_t len = sizeof(buf);

	assert_int_equal(larder_get(h, key, strlen(key), buf, &len), 0);
	assert_int_equal(len, strlen(text));
	assert_memory_equal(buf, text, len);
}

static void set_text(const char *key, const char *text)
{
	assert_int_equal(larder_set(h, key, strlen(key), text, strlen(text), 0), 0);
}

static const struct larder_counter_options create_at_10 = {
	.size = sizeof(create_at_10), .create = 1, .initial = 10, .flags = 3, .ttl_ms = 5000};

static void test_incr(void **state)
{
	uint64_t value = 99;

	(void)state;
	/* covers: larder_incr LARDER_MISS */
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, &value), LARDER_MISS);
	assert_int_equal(value, 99);
	/* covers: larder_incr 0 */
	assert_int_equal(larder_incr(h, "k", 1, 1, &create_at_10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(larder_incr(h, "k", 1, 5, &create_at_10, &value), 0);
	assert_int_equal(value, 15);
	assert_text("k", "15");
	assert_int_equal(larder_incr(h, "k", 1, UINT64_MAX - 14, NULL, &value), 0);
	assert_int_equal(value, 0); /* wraps */
	assert_int_equal(larder_incr(h, "k", 1, 7, NULL, NULL), 0);
	assert_text("k", "7");
	assert_int_equal(local_stat(&local, STAT_counter), 5);
	assert_true(local_sound(&local));
}

static void test_decr(void **state)
{
	uint64_t value;

	(void)state;
	/* covers: larder_decr LARDER_MISS */
	assert_int_equal(larder_decr(h, "k", 1, 1, NULL, &value), LARDER_MISS);
	/* covers: larder_decr 0 */
	assert_int_equal(larder_decr(h, "k", 1, 1, &create_at_10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(larder_decr(h, "k", 1, 3, NULL, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(larder_decr(h, "k", 1, 8, NULL, &value), 0);
	assert_int_equal(value, 0); /* stops */
	assert_text("k", "0");
}

static void test_incr_signed(void **state)
{
	int64_t value;

	(void)state;
	/* covers: larder_incr_signed LARDER_MISS */
	assert_int_equal(larder_incr_signed(h, "k", 1, 1, NULL, &value), LARDER_MISS);
	/* covers: larder_incr_signed 0 */
	assert_int_equal(larder_incr_signed(h, "k", 1, 1, &create_at_10, &value), 0);
	assert_int_equal(value, 10);
	assert_int_equal(larder_incr_signed(h, "k", 1, -25, NULL, &value), 0);
	assert_int_equal(value, -15);
	assert_text("k", "-15");
	assert_int_equal(larder_incr_signed(h, "k", 1, INT64_MIN + 15, NULL, &value), 0);
	assert_text("k", "-9223372036854775808");
	/* covers: larder_incr_signed -EOVERFLOW */
	assert_int_equal(larder_incr_signed(h, "k", 1, -1, NULL, &value), -EOVERFLOW);
	assert_text("k", "-9223372036854775808");
	assert_int_equal(larder_incr_signed(h, "k", 1, INT64_MAX, NULL, &value), 0);
	assert_int_equal(larder_incr_signed(h, "k", 1, INT64_MAX, NULL, &value), 0);
	assert_int_equal(value, INT64_MAX - 1);
	assert_int_equal(larder_incr_signed(h, "k", 1, 2, NULL, &value), -EOVERFLOW);
	assert_true(local_sound(&local));
}

static void test_keeps_deadline_and_flags(void **state)
{
	struct larder_meta meta;
	uint64_t version;

	(void)state;
	assert_int_equal(larder_incr(h, "k", 1, 1, &create_at_10, NULL), 0);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_int_equal(meta.flags, 3);
	assert_int_equal(meta.counter, 1);
	assert_int_equal(meta.length, 2);
	assert_in_range(meta.ttl_ms, 1, 5000);
	version = meta.version;
	assert_int_equal(larder_advance_clock(h, 3000), 0);
	assert_int_equal(larder_incr(h, "k", 1, 90, NULL, NULL), 0);
	assert_int_equal(larder_get_meta(h, "k", 1, NULL, NULL, &meta), 0);
	assert_in_range(meta.ttl_ms, 1, 2000);
	assert_int_equal(meta.flags, 3);
	assert_int_equal(meta.length, 3);
	assert_int_not_equal(meta.version, version);
	assert_int_equal(larder_advance_clock(h, 2000), 0);
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), LARDER_MISS);
	assert_int_equal(larder_incr_signed(h, "s", 1, 1, &create_at_10, NULL), 0);
	assert_int_equal(larder_get_meta(h, "s", 1, NULL, NULL, &meta), 0);
	assert_int_equal(meta.counter, 2);
}

static void test_text_is_taken_over(void **state)
{
	static const struct {
		const char *text;
		int as_unsigned, as_signed;
	} cases[] = {
		{"0", 0, 0},
		{"41", 0, 0},
		{"00041", 0, 0},
		{"18446744073709551615", 0, -EDOM},
		{"18446744073709551616", -EDOM, -EDOM},
		{"99999999999999999999", -EDOM, -EDOM},
		{"000000000000000000041", -EDOM, -EDOM}, /* 21 digits */
		{"9223372036854775806", 0, 0},
		{"-1", -EDOM, 0},
		{"-9223372036854775808", -EDOM, 0},
		{"-9223372036854775809", -EDOM, -EDOM},
		{"", -EDOM, -EDOM},
		{"-", -EDOM, -EDOM},
		{"+1", -EDOM, -EDOM},
		{" 1", -EDOM, -EDOM},
		{"1 ", -EDOM, -EDOM},
		{"1e3", -EDOM, -EDOM},
		{"larder", -EDOM, -EDOM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_text("k", cases[i].text);
		/* covers: larder_incr -EDOM */
		assert_int_equal(larder_incr(h, "k", 1, 0, NULL, NULL), cases[i].as_unsigned);
		set_text("k", cases[i].text);
		/* covers: larder_decr -EDOM */
		assert_int_equal(larder_decr(h, "k", 1, 0, NULL, NULL), cases[i].as_unsigned);
		set_text("k", cases[i].text);
		/* covers: larder_incr_signed -EDOM */
		assert_int_equal(larder_incr_signed(h, "k", 1, 0, NULL, NULL), cases[i].as_signed);
		if (cases[i].as_unsigned != 0 && cases[i].as_signed != 0)
			assert_text("k", cases[i].text);
	}
	set_text("k", "00041");
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), 0);
	assert_text("k", "42");
	assert_true(local_sound(&local));
}

static void test_forms_take_each_other_over(void **state)
{
	int64_t number;
	uint64_t value;

	(void)state;
	set_text("k", "9223372036854775807");
	assert_int_equal(larder_incr(h, "k", 1, 0, NULL, &value), 0);
	assert_int_equal(larder_incr_signed(h, "k", 1, -7, NULL, &number), 0);
	assert_int_equal(number, INT64_MAX - 7);
	assert_int_equal(larder_incr(h, "k", 1, 8, NULL, &value), 0);
	assert_int_equal(value, 1ULL << 63);
	assert_int_equal(larder_incr_signed(h, "k", 1, 0, NULL, &number), -EDOM);
	set_text("k", "-1");
	assert_int_equal(larder_incr_signed(h, "k", 1, 0, NULL, &number), 0);
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, &value), -EDOM);
	assert_text("k", "-1");
}

static void test_counter_is_a_value(void **state)
{
	char buf[2];
	size_t len = sizeof(buf);

	(void)state;
	set_text("k", "12345");
	assert_int_equal(larder_incr(h, "k", 1, 1, NULL, NULL), 0);
	assert_int_equal(larder_get(h, "k", 1, buf, &len), LARDER_TRUNC);
	assert_int_equal(len, 5);
	assert_memory_equal(buf, "12", 2);
	assert_int_equal(larder_touch(h, "k", 1, 1000), 0);
	assert_text("k", "12346");
	set_text("k", "plain");
	assert_text("k", "plain");
}

static void test_options_are_checked(void **state)
{
	struct larder_counter_options opt = create_at_10;

	(void)state;
	opt.size = 4;
	assert_int_equal(larder_incr(h, "k", 1, 1, &opt, NULL), -EINVAL);
	assert_int_equal(larder_decr(h, "k", 1, 1, &opt, NULL), -EINVAL);
	assert_int_equal(larder_incr_signed(h, "k", 1, 1, &opt, NULL), -EINVAL);
	opt = create_at_10;
	opt.create = 0;
	assert_int_equal(larder_incr(h, "k", 1, 1, &opt, NULL), LARDER_MISS);
	assert_int_equal(larder_exists(h, "k", 1), LARDER_MISS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_incr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_incr_signed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_keeps_deadline_and_flags, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_is_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms_take_each_other_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_counter_is_a_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_options_are_checked, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
