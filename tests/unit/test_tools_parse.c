/* SPDX-License-Identifier: MIT */
/* test_tools_parse.c - numbers, durations, sizes, hexadecimal and escaped bytes of larderctl */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../tools/out.h"
#include "../../tools/parse.h"

static void test_unsigned_numbers(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_true(parse_u64("0", &value) && value == 0);
	assert_true(parse_u64("18446744073709551615", &value) && value == UINT64_MAX);
	value = 7;
	assert_false(parse_u64("18446744073709551616", &value));
	assert_false(parse_u64("", &value));
	assert_false(parse_u64("-1", &value));
	assert_false(parse_u64("+1", &value));
	assert_false(parse_u64(" 1", &value));
	assert_false(parse_u64("1 ", &value));
	assert_false(parse_u64("0x1", &value));
	assert_int_equal(value, 7);
}

static void test_signed_numbers(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_true(parse_i64("9223372036854775807", &value) && value == INT64_MAX);
	assert_true(parse_i64("-9223372036854775808", &value) && value == INT64_MIN);
	assert_true(parse_i64("-0", &value) && value == 0);
	assert_false(parse_i64("9223372036854775808", &value));
	assert_false(parse_i64("-9223372036854775809", &value));
	assert_false(parse_i64("--1", &value));
	assert_false(parse_i64("-", &value));
}

static void test_durations(void **state)
{
	int64_t ms = 0;

	(void)state;
	assert_true(parse_duration("500", &ms) && ms == 500);
	assert_true(parse_duration("500ms", &ms) && ms == 500);
	assert_true(parse_duration("30s", &ms) && ms == 30000);
	assert_true(parse_duration("5m", &ms) && ms == 300000);
	assert_true(parse_duration("2h", &ms) && ms == 7200000);
	assert_true(parse_duration("7d", &ms) && ms == 604800000);
	assert_true(parse_duration("-1s", &ms) && ms == -1000);
	assert_true(parse_duration("never", &ms) && ms == 0);
	assert_false(parse_duration("5 m", &ms));
	assert_false(parse_duration("5M", &ms));
	assert_false(parse_duration("m", &ms));
	assert_false(parse_duration("-never", &ms));
	assert_false(parse_duration("106751991168d", &ms)); /* just over 2^63 milliseconds */
}

static void test_sizes(void **state)
{
	uint64_t bytes = 0;

	(void)state;
	assert_true(parse_size("100", &bytes) && bytes == 100);
	assert_true(parse_size("64K", &bytes) && bytes == 65536);
	assert_true(parse_size("64KiB", &bytes) && bytes == 65536);
	assert_true(parse_size("10M", &bytes) && bytes == 10485760);
	assert_true(parse_size("8T", &bytes) && bytes == 8796093022208);
	assert_false(parse_size("1k", &bytes));
	assert_false(parse_size("-1", &bytes));
	assert_false(parse_size("16777216T", &bytes)); /* 2^64 */
}

static void test_hex(void **state)
{
	char text[] = "00fF7a", odd[] = "abc", wrong[] = "0g", empty[] = "";
	size_t len = 0;

	(void)state;
	assert_true(parse_hex(text, &len));
	assert_int_equal(len, 3);
	assert_memory_equal(text, "\x00\xff\x7a", 3);
	assert_false(parse_hex(odd, &len));
	assert_false(parse_hex(wrong, &len));
	assert_true(parse_hex(empty, &len));
	assert_int_equal(len, 0);
}

static void check_escape(const char *bytes, size_t len, bool utf8, const char *expected)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);

	assert_non_null(file);
	out_escape(file, bytes, len, utf8);
	fclose(file);
	assert_string_equal(text, expected);
	free(text);
}

static void test_escapes(void **state)
{
	(void)state;
	check_escape("a\\b\t\n\r\0z", 8, false, "a\\\\b\\t\\n\\r\\x00z");
	check_escape("\x1b[31m", 5, true, "\\x1b[31m");
	check_escape("\xc3\xa9", 2, false, "\\xc3\\xa9");
	check_escape("\xc3\xa9", 2, true, "\xc3\xa9");
	check_escape("\xe2\x82\xac\xf0\x9f\x98\x80", 7, true, "\xe2\x82\xac\xf0\x9f\x98\x80");
}

/* Too long a form, a surrogate, beyond Unicode, a control character of 8 bits, cut off, alone. */
static void test_escapes_bad_utf8(void **state)
{
	(void)state;
	check_escape("\xc0\xaf", 2, true, "\\xc0\\xaf");
	check_escape("\xe0\x80\xaf", 3, true, "\\xe0\\x80\\xaf");
	check_escape("\xed\xa0\x80", 3, true, "\\xed\\xa0\\x80");
	check_escape("\xf4\x90\x80\x80", 4, true, "\\xf4\\x90\\x80\\x80");
	check_escape("\xc2\x9b", 2, true, "\\xc2\\x9b");
	check_escape("\xe2\x82", 2, true, "\\xe2\\x82");
	check_escape("\x80", 1, true, "\\x80");
}

static void test_numbers_for_people(void **state)
{
	char text[32];

	(void)state;
	assert_string_equal(out_size(text, 0), "0 B");
	assert_string_equal(out_size(text, 1023), "1023 B");
	assert_string_equal(out_size(text, 1024), "1.0 KiB");
	assert_string_equal(out_size(text, 64 << 20), "64.0 MiB");
	assert_string_equal(out_size(text, UINT64_MAX), "16.0 EiB");
	assert_string_equal(out_duration(text, 0), "0ms");
	assert_string_equal(out_duration(text, 1500), "1.5s");
	assert_string_equal(out_duration(text, 299000), "4m 59s");
	assert_string_equal(out_duration(text, 7260000), "2h 1m");
	assert_string_equal(out_duration(text, 90000000), "1d 1h");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unsigned_numbers),
		cmocka_unit_test(test_signed_numbers),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_escapes_bad_utf8),
		cmocka_unit_test(test_numbers_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
