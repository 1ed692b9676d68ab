/* SPDX-License-Identifier: MIT */
/* report.h - JSON, one value at a time */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_DEPTH 8

/*
 * A value is written with the key of its member, or NULL inside an array and at the top. Nesting is
 * the caller's: every begin has an end, less than JSON_DEPTH deep.
 */
struct json {
	FILE *file;
	unsigned depth;
	bool has_member[JSON_DEPTH];
};

void json_init(struct json *json, FILE *file);
void json_begin_object(struct json *json, const char *key);
void json_end_object(struct json *json);
void json_begin_array(struct json *json, const char *key);
void json_end_array(struct json *json);
void json_string(struct json *json, const char *key, const char *value); /* NULL is null */
void json_uint(struct json *json, const char *key, uint64_t value);
void json_number(struct json *json, const char *key, double value); /* not finite is null */
void json_bool(struct json *json, const char *key, bool value);
void json_null(struct json *json, const char *key);

#endif
