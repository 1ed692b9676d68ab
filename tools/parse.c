/* SPDX-License-Identifier: MIT
 *
 * parse.c - numbers, durations, sizes and hexadecimal bytes as users write them
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0},
};

static const struct unit sizes[] = {
	{"", 1},	  {"B", 1},	  {"K", 1 << 10},   {"KiB", 1 << 10},  {"M", 1 << 20},
	{"MiB", 1 << 20}, {"G", 1 << 30}, {"GiB", 1 << 30}, {"T", 1ULL << 40}, {"TiB", 1ULL << 40},
	{NULL, 0},
};

/* strtoull() accepts white space and signs, so the first character is looked at. */
static bool digits(const char *text, const char **endp, uint64_t *valuep)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return false;
	*endp = end;
	*valuep = value;
	return true;
}

static bool with_unit(const char *text, const struct unit *units, uint64_t *valuep)
{
	const struct unit *unit;
	const char *end;
	uint64_t value;

	if (!digits(text, &end, &value))
		return false;
	for (unit = units; unit->name; unit++)
		if (strcmp(end, unit->name) == 0)
			return !__builtin_mul_overflow(value, unit->factor, valuep);
	return false;
}

/* The magnitude of INT64_MIN has no positive counterpart. */
static bool with_sign(bool negative, uint64_t magnitude, int64_t *valuep)
{
	if (magnitude > (uint64_t)INT64_MAX + (negative ? 1 : 0))
		return false;
	*valuep = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
	return true;
}

bool parse_u64(const char *text, uint64_t *valuep)
{
	const char *end;
	uint64_t value;

	if (!digits(text, &end, &value) || *end)
		return false;
	*valuep = value;
	return true;
}

bool parse_i64(const char *text, int64_t *valuep)
{
	bool negative = *text == '-';
	uint64_t value;

	return parse_u64(text + negative, &value) && with_sign(negative, value, valuep);
}

bool parse_duration(const char *text, int64_t *msp)
{
	bool negative = *text == '-';
	uint64_t value = 0;

	if (strcmp(text, "never") != 0 && !with_unit(text + negative, durations, &value))
		return false;
	return with_sign(negative, value, msp);
}

bool parse_size(const char *text, uint64_t *bytesp)
{
	uint64_t value;

	if (!with_unit(text, sizes, &value))
		return false;
	*bytesp = value;
	return true;
}

/* @c: one of the 22 hexadecimal digits */
static unsigned nibble(char c)
{
	return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c | 0x20) - 'a' + 10;
}

bool parse_hex(char *text, size_t *lenp)
{
	size_t i, n = strlen(text);

	if (n % 2 || strspn(text, "0123456789abcdefABCDEF") != n)
		return false;
	for (i = 0; i < n / 2; i++)
		text[i] = (char)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
	*lenp = n / 2;
	return true;
}
