/* SPDX-License-Identifier: MIT
 *
 * out.h - the three forms of output: for people, tab separated, JSON
 *
 * A command describes a row once, as fields. The tab-separated form and JSON come from the fields;
 * the human form is the command's own, printed where out_row() says so.
 *
 * Frozen: the order of the fields of a row, the escapes, the JSON names. Fields are only appended,
 * JSON members only added. "schema" changes when that is broken.
 */
#ifndef LARDER_TOOLS_OUT_H
#define LARDER_TOOLS_OUT_H

#include <stdio.h>

#include "ctl.h"

struct out_field {
	const char *name;
	enum { OUT_UNSIGNED, OUT_SIGNED, OUT_BYTES } kind;
	uint64_t number;
	const void *bytes;
	size_t len;
};

#define OUT_U64(n, v) ((struct out_field){.name = (n), .kind = OUT_UNSIGNED, .number = (v)})
#define OUT_I64(n, v) ((struct out_field){.name = (n), .kind = OUT_SIGNED, .number = (uint64_t)(v)})
#define OUT_MEM(n, p, l)                                                                           \
	((struct out_field){.name = (n), .kind = OUT_BYTES, .bytes = (p), .len = (l)})
#define OUT_TEXT(n, s) OUT_MEM(n, s, strlen(s))
#define OUT_N(fields) (sizeof(fields) / sizeof((fields)[0]))

/*
 * out_begin - before the first row
 * @list: the JSON member that holds the rows as objects; NULL: one row, its fields are members
 */
void out_begin(struct ctl *ctl, const char *list);

/* out_row - print a row. Return: true if the caller is to print the human form instead. */
bool out_row(struct ctl *ctl, const struct out_field *fields, size_t n);

/*
 * out_pair - print one of many numbers or texts that have names
 * Tab separated it is a line of its own (name, value); in JSON a member.
 * Return: true if the caller is to print the human form instead.
 */
bool out_pair(struct ctl *ctl, const struct out_field *field);

/* out_object, out_object_end - JSON: the pairs in between are members of an object */
void out_object(struct ctl *ctl, const char *name);
void out_object_end(struct ctl *ctl);

/* out_end - after the last row; @result is the JSON member "result": "ok", "miss", ... */
void out_end(struct ctl *ctl, const char *result);

/*
 * out_escape - print bytes on one line
 * @utf8: let printable UTF-8 through; false: ASCII only
 * Backslash, tab, newline and return become \\ \t \n \r; all else that is not printable \xHH.
 */
void out_escape(FILE *file, const void *bytes, size_t len, bool utf8);

enum out_style { OUT_PLAIN, OUT_BOLD, OUT_DIM, OUT_RED };

/* out_style - the escape sequence that begins a style, or "" without colour */
const char *out_style(const struct ctl *ctl, enum out_style style);

/* Numbers for people: "64.0 MiB", "4m 59s". Return: @buf. */
char *out_size(char buf[static 32], uint64_t bytes);
char *out_duration(char buf[static 32], int64_t ms);

#endif
