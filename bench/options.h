/* SPDX-License-Identifier: MIT */
/* options.h - what the options of every command have in common
 *
 * All parsers: Return 0, or -EINVAL for text that is not exactly of the form.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdint.h>

#include "workload.h"

/* Exit codes of every command. */
enum {
	BENCH_OK = 0,
	BENCH_FALSE = 1, /* a claim or a bar does not hold */
	BENCH_USAGE = 2,
	BENCH_SYSTEM = 3, /* not measured, or the system refused something */
};

/* 12, 10k, 5M, 1G (powers of 1000) */
int options_count(const char *text, uint64_t *valuep);
/* 12, 10K, 5M, 1G (powers of 1024) */
int options_bytes(const char *text, uint64_t *valuep);
/* 10%, 0.5% */
int options_percent(const char *text, double *valuep);
/* 2, 0.5 */
int options_seconds(const char *text, double *valuep);
/* fixed:100, uniform:10-200, kvcache */
int options_sizes(const char *text, struct sizes *sizes);
/* uniform, zipf:0.99; uniform gives 0 */
int options_dist(const char *text, double *thetap);
/* get=90,set=10 */
int options_mix(const char *text, unsigned mix[WORKLOAD_OPS]);

/* Says on stderr what is wrong with an option. Return: BENCH_USAGE. */
int options_bad(const char *command, const char *option, const char *value, const char *expected);

#endif
