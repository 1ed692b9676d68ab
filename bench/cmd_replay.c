/* SPDX-License-Identifier: MIT */
/* cmd_replay.c - the command around replay.c: options in, report out */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <larder/larder.h>

#include "options.h"
#include "replay.h"
#include "report.h"

struct replay_options {
	struct replay_spec spec;
	struct sizes sizes;
	const char *path;
	bool is_json;
};

static const struct option replay_long[] = {
	{"trace", required_argument, NULL, 't'},
	{"format", required_argument, NULL, 'f'},
	{"capacity", required_argument, NULL, 'c'},
	{"policy", required_argument, NULL, 'p'},
	{"sizes", required_argument, NULL, 's'},
	{"daemon", required_argument, NULL, 'd'},
	{"copies", required_argument, NULL, 'C'},
	{"max-requests", required_argument, NULL, 'n'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static const char replay_usage[] =
	"larder-bench replay --trace FILE [options]\n"
	"  --trace FILE          a recorded trace, zstd-compressed or not\n"
	"  --format oraclegeneral  its format (the only one)\n"
	"  --capacity 10%        size of the region, of the bytes of all objects\n"
	"  --policy lru          eviction policy of the cache; none: reference caches only\n"
	"  --sizes fixed:N | uniform:A-B | kvcache   value sizes instead of the trace's\n"
	"  --daemon running | stopped   stopped: SIGSTOP for the run, clients evict themselves\n"
	"  --copies N            interleaved copies (default: until the region is 32 MiB)\n"
	"  --max-requests 20M    bound of requests of all copies\n"
	"  --json                one JSON object on standard output\n";

static int replay_numbers(struct replay_options *o, int c)
{
	uint64_t n;

	if (c == 'c') {
		if (options_percent(optarg, &o->spec.capacity_percent) == 0 &&
		    o->spec.capacity_percent > 0)
			return 0;
		return options_bad("replay", "capacity", optarg, "a percentage such as 10%");
	}
	if (options_count(optarg, &n) < 0 || n == 0 || n > UINT32_MAX)
		return options_bad("replay", c == 'C' ? "copies" : "max-requests", optarg,
				   "a number from 1 on");
	if (c == 'C')
		o->spec.copies = (uint32_t)n;
	else
		o->spec.max_requests = n;
	return 0;
}

static int replay_words(struct replay_options *o, int c)
{
	switch (c) {
	case 'f':
		if (strcmp(optarg, "oraclegeneral") == 0)
			return 0;
		return options_bad("replay", "format", optarg, "oraclegeneral");
	case 's':
		o->spec.sizes = &o->sizes;
		if (options_sizes(optarg, &o->sizes) == 0)
			return 0;
		return options_bad("replay", "sizes", optarg, "fixed:N, uniform:A-B or kvcache");
	default:
		o->spec.stop_daemon = strcmp(optarg, "stopped") == 0;
		if (o->spec.stop_daemon || strcmp(optarg, "running") == 0)
			return 0;
		return options_bad("replay", "daemon", optarg, "running or stopped");
	}
}

static int replay_option(struct replay_options *o, int c)
{
	switch (c) {
	case 't':
		o->path = optarg;
		return 0;
	case 'p':
		o->spec.policy = strcmp(optarg, "none") == 0 ? NULL : optarg;
		return 0;
	case 'j':
		o->is_json = true;
		return 0;
	case 'f':
	case 's':
	case 'd':
		return replay_words(o, c);
	default:
		return replay_numbers(o, c);
	}
}

static void replay_json(const struct replay_options *o, const struct replay_result *result)
{
	struct json json;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_string(&json, "trace", o->path);
	json_string(&json, "policy", o->spec.policy);
	json_number(&json, "capacity_percent", o->spec.capacity_percent);
	json_bool(&json, "daemon_stopped", o->spec.stop_daemon);
	json_number(&json, "miss_ratio", result->miss_ratio);
	json_number(&json, "exact_lru_miss_ratio", result->lru);
	json_number(&json, "exact_s3fifo_miss_ratio", result->s3fifo);
	json_number(&json, "exact_lru_miss_ratio_region", result->lru_region);
	json_number(&json, "exact_s3fifo_miss_ratio_region", result->s3fifo_region);
	json_uint(&json, "live_bytes", result->live_bytes);
	json_uint(&json, "region_bytes", result->region_bytes);
	json_uint(&json, "footprint_bytes", result->footprint_bytes);
	json_number(&json, "ops_per_s", (double)result->requests / result->seconds);
	json_uint(&json, "copies", result->copies);
	json_uint(&json, "requests", result->requests);
	json_uint(&json, "evictions", result->evictions);
	json_uint(&json, "clamped_values", result->clamped);
	json_uint(&json, "wrong_values", result->wrong);
	json_uint(&json, "errors", result->errors);
	json_end_object(&json);
}

static void replay_ratio(const char *what, double value)
{
	if (!isnan(value))
		printf("  %-34s %.4f\n", what, value);
}

static void replay_text(const struct replay_options *o, const struct replay_result *result)
{
	printf("%s at %g %%: %llu requests (%u copies), region %.1f MiB\n", o->path,
	       o->spec.capacity_percent, (unsigned long long)result->requests, result->copies,
	       (double)result->region_bytes / 1048576);
	replay_ratio("miss ratio", result->miss_ratio);
	replay_ratio("exact LRU, same live bytes", result->lru);
	replay_ratio("exact S3-FIFO, same live bytes", result->s3fifo);
	replay_ratio("exact LRU, whole region", result->lru_region);
	replay_ratio("exact S3-FIFO, whole region", result->s3fifo_region);
	if (result->clamped)
		printf("  %llu values were cut to the largest that the cache holds\n",
		       (unsigned long long)result->clamped);
	if (!o->spec.policy)
		return;
	printf("  live %.1f MiB at the peak, %llu evictions, %.0f requests/s\n",
	       (double)result->live_bytes / 1048576, (unsigned long long)result->evictions,
	       (double)result->requests / result->seconds);
	printf("  %llu wrong values, %llu errors%s%s\n", (unsigned long long)result->wrong,
	       (unsigned long long)result->errors, result->errors ? ", the first one: " : "",
	       result->errors ? larder_strerror(result->first_error) : "");
}

static int replay_run(const struct replay_options *o)
{
	struct replay_spec spec = o->spec;
	struct replay_result result;
	struct trace trace;
	int r = trace_load(&trace, o->path);

	if (r < 0) {
		fprintf(stderr, "larder-bench: replay: %s: %s\n", o->path,
			r == -EBADMSG ? "not a complete oracleGeneral trace" : strerror(-r));
		return BENCH_SYSTEM;
	}
	spec.trace = &trace;
	if (isatty(STDERR_FILENO))
		spec.progress = "replay";
	r = replay_measure(&spec, &result);
	trace_free(&trace);
	if (r < 0)
		return BENCH_SYSTEM;
	if (o->is_json)
		replay_json(o, &result);
	else
		replay_text(o, &result);
	return result.wrong || result.errors ? BENCH_FALSE : BENCH_OK;
}

int replay_command(int argc, char **argv)
{
	struct replay_options o = {.spec = {.capacity_percent = 10,
					    .policy = "lru",
					    .max_requests = REPLAY_MAX_REQUESTS}};
	int c, r;

	while ((c = getopt_long(argc, argv, "", replay_long, NULL)) != -1) {
		if (c == 'h')
			fputs(replay_usage, stdout);
		if (c == 'h' || c == '?')
			return c == 'h' ? BENCH_OK : BENCH_USAGE;
		r = replay_option(&o, c);
		if (r)
			return r;
	}
	if (!o.path || optind < argc) {
		fputs(replay_usage, stderr);
		return BENCH_USAGE;
	}
	return replay_run(&o);
}
