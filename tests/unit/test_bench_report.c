/* SPDX-License-Identifier: MIT */
/* test_bench_report.c - JSON output of the harness */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../bench/report.h"

static void test_json_text(void **state)
{
	struct json json;
	char *text = NULL;
	size_t len;
	FILE *file = open_memstream(&text, &len);

	(void)state;
	assert_non_null(file);
	json_init(&json, file);
	json_begin_object(&json, NULL);
	json_string(&json, "s", "a\"b\\c\n");
	json_string(&json, "none", NULL);
	json_uint(&json, "u", UINT64_MAX);
	json_number(&json, "n", 0.5);
	json_number(&json, "nan", NAN);
	json_bool(&json, "b", true);
	json_begin_array(&json, "empty");
	json_end_array(&json);
	json_begin_array(&json, "a");
	json_uint(&json, NULL, 1);
	json_begin_object(&json, NULL);
	json_end_object(&json);
	json_end_array(&json);
	json_end_object(&json);
	fclose(file);
	assert_string_equal(text, "{\n"
				  "  \"s\": \"a\\\"b\\\\c\\u000a\",\n"
				  "  \"none\": null,\n"
				  "  \"u\": 18446744073709551615,\n"
				  "  \"n\": 0.5,\n"
				  "  \"nan\": null,\n"
				  "  \"b\": true,\n"
				  "  \"empty\": [],\n"
				  "  \"a\": [\n"
				  "    1,\n"
				  "    {}\n"
				  "  ]\n"
				  "}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
