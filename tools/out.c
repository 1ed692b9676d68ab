/* SPDX-License-Identifier: MIT
 *
 * out.c - the three forms of output: for people, tab separated, JSON
 *
 * JSON strings are UTF-8. Bytes that are not appear under the name with "_hex" appended, as
 * hexadecimal digits: a reader always knows which of the two it has.
 */
#include <inttypes.h>
#include <string.h>

#include "out.h"

/* Is @code a character, and @n bytes the shortest form of it? */
static bool utf8_in_range(uint32_t code, size_t n)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};

	return code >= least[n] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

/* The length of the UTF-8 sequence of more than one byte at @s; 0 if there is none. The control
 * characters U+0080 to U+009F count as none: a terminal would obey them. */
static size_t utf8_length(const unsigned char *s, size_t len)
{
	uint32_t code;
	size_t i, n;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (n > len)
		return 0;
	code = s[0] & (0xffu >> (n + 1));
	for (i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	return utf8_in_range(code, n) ? n : 0;
}

static bool is_text(const unsigned char *s, size_t len)
{
	size_t n;

	for (; len; s += n, len -= n) {
		n = *s < 0x80 ? 1 : utf8_length(s, len);
		if (!n)
			return false;
	}
	return true;
}

static void escape_byte(FILE *file, unsigned char c)
{
	switch (c) {
	case '\\':
		fputs("\\\\", file);
		break;
	case '\t':
		fputs("\\t", file);
		break;
	case '\n':
		fputs("\\n", file);
		break;
	case '\r':
		fputs("\\r", file);
		break;
	default:
		if (c >= ' ' && c <= '~')
			putc(c, file);
		else
			fprintf(file, "\\x%02x", c);
	}
}

void out_escape(FILE *file, const void *bytes, size_t len, bool utf8)
{
	const unsigned char *s = bytes;
	size_t n;

	for (; len; s += n, len -= n) {
		n = utf8 ? utf8_length(s, len) : 0;
		if (n) {
			fwrite(s, 1, n, file);
			continue;
		}
		n = 1;
		escape_byte(file, *s);
	}
}

static void json_string(const unsigned char *s, size_t len)
{
	putchar('"');
	for (; len; s++, len--) {
		if (*s == '"' || *s == '\\')
			printf("\\%c", *s);
		else if (*s < ' ' || *s == 0x7f)
			printf("\\u%04x", *s);
		else
			putchar(*s);
	}
	putchar('"');
}

static void json_hex(const unsigned char *s, size_t len)
{
	putchar('"');
	for (; len; s++, len--)
		printf("%02x", *s);
	putchar('"');
}

static void json_member(const struct out_field *field)
{
	bool text = field->kind != OUT_BYTES || is_text(field->bytes, field->len);

	printf("\"%s%s\":", field->name, text ? "" : "_hex");
	if (field->kind == OUT_UNSIGNED)
		printf("%" PRIu64, field->number);
	else if (field->kind == OUT_SIGNED)
		printf("%" PRId64, (int64_t)field->number);
	else if (text)
		json_string(field->bytes, field->len);
	else
		json_hex(field->bytes, field->len);
}

static void json_members(const struct out_field *fields, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			putchar(',');
		json_member(&fields[i]);
	}
}

static void plain_value(const struct out_field *field)
{
	if (field->kind == OUT_UNSIGNED)
		printf("%" PRIu64, field->number);
	else if (field->kind == OUT_SIGNED)
		printf("%" PRId64, (int64_t)field->number);
	else
		out_escape(stdout, field->bytes, field->len, false);
}

static void plain_row(const struct out_field *fields, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		if (i)
			putchar('\t');
		plain_value(&fields[i]);
	}
	putchar('\n');
}

void out_begin(struct ctl *ctl, const char *list)
{
	ctl->out.list = list;
	ctl->out.n_rows = 0;
	if (ctl->mode != CTL_JSON)
		return;
	printf("{\"schema\":1,\"command\":\"%s\"", ctl->command->name);
	if (list)
		printf(",\"%s\":[", list);
}

static void json_row(struct ctl *ctl, const struct out_field *fields, size_t n)
{
	/* Only the first object of a list, or pair of an inner object, has no comma before it. */
	if (!ctl->out.list || ctl->out.n_rows)
		putchar(',');
	if (ctl->out.list)
		putchar('{');
	json_members(fields, n);
	if (ctl->out.list)
		putchar('}');
}

bool out_row(struct ctl *ctl, const struct out_field *fields, size_t n)
{
	if (ctl->mode == CTL_PORCELAIN)
		plain_row(fields, n);
	else if (ctl->mode == CTL_JSON)
		json_row(ctl, fields, n);
	ctl->out.n_rows++;
	return ctl->mode == CTL_HUMAN;
}

bool out_pair(struct ctl *ctl, const struct out_field *field)
{
	if (ctl->mode == CTL_PORCELAIN) {
		printf("%s\t", field->name);
		plain_value(field);
		putchar('\n');
	} else if (ctl->mode == CTL_JSON) {
		if (ctl->out.n_rows)
			putchar(',');
		json_member(field);
	}
	ctl->out.n_rows++;
	return ctl->mode == CTL_HUMAN;
}

void out_object(struct ctl *ctl, const char *name)
{
	ctl->out.n_rows = 0;
	if (ctl->mode == CTL_JSON)
		printf(",\"%s\":{", name);
}

void out_object_end(struct ctl *ctl)
{
	if (ctl->mode == CTL_JSON)
		putchar('}');
}

void out_end(struct ctl *ctl, const char *result)
{
	if (ctl->mode == CTL_JSON)
		printf("%s,\"result\":\"%s\"}\n", ctl->out.list ? "]" : "", result);
}

const char *out_style(const struct ctl *ctl, enum out_style style)
{
	static const char *const sequences[] = {
		[OUT_PLAIN] = "\033[0m",
		[OUT_BOLD] = "\033[1m",
		[OUT_DIM] = "\033[2m",
		[OUT_RED] = "\033[31m",
	};

	return ctl->colour ? sequences[style] : "";
}

char *out_size(char buf[static 32], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	double value = (double)bytes / 1024;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, 32, "%" PRIu64 " B", bytes);
		return buf;
	}
	for (; value >= 1024 && i < 5; i++)
		value /= 1024;
	snprintf(buf, 32, "%.1f %s", value, units[i]);
	return buf;
}

char *out_duration(char buf[static 32], int64_t ms)
{
	int64_t s = ms / 1000;

	if (ms < 1000)
		snprintf(buf, 32, "%" PRId64 "ms", ms);
	else if (s < 60)
		snprintf(buf, 32, "%" PRId64 ".%" PRId64 "s", s, ms % 1000 / 100);
	else if (s < 3600)
		snprintf(buf, 32, "%" PRId64 "m %" PRId64 "s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(buf, 32, "%" PRId64 "h %" PRId64 "m", s / 3600, s % 3600 / 60);
	else
		snprintf(buf, 32, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
	return buf;
}
