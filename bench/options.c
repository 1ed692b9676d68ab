/* SPDX-License-Identifier: MIT */
/* options.c - what the options of every command have in common */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int options_scaled(const char *text, uint64_t base, uint64_t *valuep)
{
	static const char units[] = "kmgt";
	unsigned long long value;
	uint64_t scale = 1;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -EINVAL;
	if (*end) {
		unit = strchr(units, tolower((unsigned char)*end));
		if (!unit || end[1])
			return -EINVAL;
		for (long i = unit - units; i >= 0; i--)
			scale *= base;
	}
	if (value > UINT64_MAX / scale)
		return -EINVAL;
	*valuep = value * scale;
	return 0;
}

int options_count(const char *text, uint64_t *valuep)
{
	return options_scaled(text, 1000, valuep);
}

int options_bytes(const char *text, uint64_t *valuep)
{
	return options_scaled(text, 1024, valuep);
}

/* A number of [0, 1e9] followed by exactly @suffix. */
static int options_number(const char *text, const char *suffix, double *valuep)
{
	char *end;
	double value;

	if (!isdigit((unsigned char)text[0]))
		return -EINVAL;
	value = strtod(text, &end);
	if (strcmp(end, suffix) != 0 || !isfinite(value) || value > 1e9)
		return -EINVAL;
	*valuep = value;
	return 0;
}

int options_percent(const char *text, double *valuep)
{
	return options_number(text, "%", valuep);
}

int options_seconds(const char *text, double *valuep)
{
	return options_number(text, "", valuep);
}

static int options_size_range(const char *text, struct sizes *sizes)
{
	char first[32];
	const char *dash = strchr(text, '-');
	uint64_t low, high;

	if (!dash || (size_t)(dash - text) >= sizeof(first))
		return -EINVAL;
	memcpy(first, text, (size_t)(dash - text));
	first[dash - text] = '\0';
	if (options_bytes(first, &low) < 0 || options_bytes(dash + 1, &high) < 0)
		return -EINVAL;
	if (low > high || high > UINT32_MAX)
		return -EINVAL;
	*sizes = (struct sizes){SIZES_UNIFORM, (uint32_t)low, (uint32_t)high};
	return 0;
}

int options_sizes(const char *text, struct sizes *sizes)
{
	uint64_t size;

	if (strcmp(text, "kvcache") == 0) {
		*sizes = (struct sizes){SIZES_KVCACHE, 0, 0};
		return 0;
	}
	if (strncmp(text, "uniform:", 8) == 0)
		return options_size_range(text + 8, sizes);
	if (strncmp(text, "fixed:", 6) != 0 || options_bytes(text + 6, &size) < 0)
		return -EINVAL;
	if (size > UINT32_MAX)
		return -EINVAL;
	*sizes = (struct sizes){SIZES_FIXED, (uint32_t)size, (uint32_t)size};
	return 0;
}

int options_dist(const char *text, double *thetap)
{
	if (strcmp(text, "uniform") == 0) {
		*thetap = 0;
		return 0;
	}
	if (strncmp(text, "zipf:", 5) != 0 || options_number(text + 5, "", thetap) < 0)
		return -EINVAL;
	return *thetap > 0 && *thetap < 100 ? 0 : -EINVAL;
}

/* One "name=weight" of @len bytes. */
static int options_mix_part(const char *part, size_t len, unsigned mix[WORKLOAD_OPS])
{
	for (unsigned op = 0; op < WORKLOAD_OPS; op++) {
		const char *name = workload_op_name(op);
		size_t n = strlen(name);
		char number[8] = "";
		uint64_t weight;

		if (len <= n + 1 || len - n - 1 >= sizeof(number))
			continue;
		if (memcmp(part, name, n) != 0 || part[n] != '=')
			continue;
		memcpy(number, part + n + 1, len - n - 1);
		if (options_count(number, &weight) < 0 || weight > 1000000)
			return -EINVAL;
		mix[op] = (unsigned)weight;
		return 0;
	}
	return -EINVAL;
}

int options_mix(const char *text, unsigned mix[WORKLOAD_OPS])
{
	memset(mix, 0, WORKLOAD_OPS * sizeof(*mix));
	for (;;) {
		size_t len = strcspn(text, ",");

		if (options_mix_part(text, len, mix) < 0)
			return -EINVAL;
		if (!text[len])
			return 0;
		text += len + 1;
	}
}

int options_bad(const char *command, const char *option, const char *value, const char *expected)
{
	fprintf(stderr, "larder-bench: %s: --%s %s: expected %s\n", command, option, value,
		expected);
	return BENCH_USAGE;
}
