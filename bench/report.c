/* SPDX-License-Identifier: MIT */
/* report.c - JSON, one value at a time */
#include "report.h"

#include <assert.h>
#include <math.h>

static void json_text(struct json *json, const char *text)
{
	fputc('"', json->file);
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(json->file, "\\%c", c);
		else if (c < 0x20)
			fprintf(json->file, "\\u%04x", c);
		else
			fputc(c, json->file);
	}
	fputc('"', json->file);
}

static void json_member(struct json *json, const char *key)
{
	if (json->depth == 0)
		return;
	fputs(json->has_member[json->depth] ? ",\n" : "\n", json->file);
	json->has_member[json->depth] = true;
	fprintf(json->file, "%*s", (int)json->depth * 2, "");
	if (key) {
		json_text(json, key);
		fputs(": ", json->file);
	}
}

static void json_begin(struct json *json, const char *key, char bracket)
{
	json_member(json, key);
	fputc(bracket, json->file);
	json->depth++;
	assert(json->depth < JSON_DEPTH);
	json->has_member[json->depth] = false;
}

static void json_end(struct json *json, char bracket)
{
	bool is_empty = !json->has_member[json->depth];
	json->depth--;
	if (!is_empty)
		fprintf(json->file, "\n%*s", (int)json->depth * 2, "");
	fputc(bracket, json->file);
	if (json->depth == 0)
		fputc('\n', json->file);
}

void json_init(struct json *json, FILE *file)
{
	*json = (struct json){.file = file};
}

void json_begin_object(struct json *json, const char *key)
{
	json_begin(json, key, '{');
}

void json_end_object(struct json *json)
{
	json_end(json, '}');
}

void json_begin_array(struct json *json, const char *key)
{
	json_begin(json, key, '[');
}

void json_end_array(struct json *json)
{
	json_end(json, ']');
}

void json_string(struct json *json, const char *key, const char *value)
{
	if (!value) {
		json_null(json, key);
		return;
	}
	json_member(json, key);
	json_text(json, value);
}

void json_uint(struct json *json, const char *key, uint64_t value)
{
	json_member(json, key);
	fprintf(json->file, "%llu", (unsigned long long)value);
}

void json_number(struct json *json, const char *key, double value)
{
	if (!isfinite(value)) {
		json_null(json, key);
		return;
	}
	json_member(json, key);
	fprintf(json->file, "%.6g", value);
}

void json_bool(struct json *json, const char *key, bool value)
{
	json_member(json, key);
	fputs(value ? "true" : "false", json->file);
}

void json_null(struct json *json, const char *key)
{
	json_member(json, key);
	fputs("null", json->file);
}
