/* SPDX-License-Identifier: MIT */
/* run.c - the command that puts a chosen load on a cache */
#include "run.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "crew.h"
#include "machine.h"
#include "options.h"
#include "report.h"
#include "spawn.h"

#define RUN_POLL_US 5000
#define RUN_PROGRESS_NS UINT64_C(200000000)

struct run_options {
	struct crew_spec crew;
	struct workload workload;
	const char *cache; /* NULL: a private daemon */
	uint64_t memory;
	uint64_t total_ops; /* 0: until the seconds are over */
	double seconds, warmup;
	bool prefill, is_json;
};

struct run_result {
	double seconds;
	uint64_t timer_ns;
	struct hist hist;
	struct counters before, after;
	struct larder_info info;
};

enum {
	RUN_KEY_SIZE = 256,
	RUN_VALUE_SIZE,
	RUN_TTL,
	RUN_SECONDS,
	RUN_OPS,
	RUN_WARMUP,
	RUN_SAMPLE,
	RUN_PREFILL,
	RUN_FILL
};

static const struct option run_long[] = {
	{"processes", required_argument, NULL, 'p'},
	{"threads", required_argument, NULL, 't'},
	{"keys", required_argument, NULL, 'n'},
	{"key-size", required_argument, NULL, RUN_KEY_SIZE},
	{"value-size", required_argument, NULL, RUN_VALUE_SIZE},
	{"dist", required_argument, NULL, 'd'},
	{"mix", required_argument, NULL, 'm'},
	{"batch", required_argument, NULL, 'b'},
	{"ttl-ms", required_argument, NULL, RUN_TTL},
	{"warmup", required_argument, NULL, RUN_WARMUP},
	{"prefill", no_argument, NULL, RUN_PREFILL},
	{"fill", no_argument, NULL, RUN_FILL},
	{"seconds", required_argument, NULL, RUN_SECONDS},
	{"ops", required_argument, NULL, RUN_OPS},
	{"sample", required_argument, NULL, RUN_SAMPLE},
	{"cache", required_argument, NULL, 'c'},
	{"memory", required_argument, NULL, 'M'},
	{"seed", required_argument, NULL, 's'},
	{"json", no_argument, NULL, 'j'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static const char run_usage[] =
	"larder-bench run [options]\n"
	"  --processes 2         client processes, forked\n"
	"  --threads 1           threads in each, on handles of their own\n"
	"  --keys 100k           distinct keys\n"
	"  --key-size 16         bytes, 8 to 65535\n"
	"  --value-size fixed:100 | uniform:A-B | kvcache   a fixed function of the key\n"
	"  --dist uniform | zipf:0.99   how often which key\n"
	"  --mix get=90,set=10   weights; also add touch delete incr exists mget mset\n"
	"  --batch 32            keys in one mget or mset\n"
	"  --fill                a get that misses is followed by a set\n"
	"  --ttl-ms 0            time to live of what is stored; 0 = none\n"
	"  --prefill             store every key once, in random order, before\n"
	"  --warmup 1            seconds that do not count\n"
	"  --seconds 5 | --ops N how long; N operations of all clients together\n"
	"  --sample 1            time one call in so many\n"
	"  --cache NAME|PATH     an existing cache (default: a private daemon)\n"
	"  --memory 256M         size of the private daemon's cache\n"
	"  --seed 1              of every random choice\n"
	"  --json                one JSON object on standard output\n";

/* ---------------------------------------------------------------- options */

struct run_number {
	int c;
	const char *name;
	uint64_t low, high;
};

static const struct run_number run_numbers[] = {
	{'p', "processes", 1, CREW_MAX_WORKERS},
	{'t', "threads", 1, CREW_MAX_WORKERS},
	{'n', "keys", 1, UINT64_C(1) << 40},
	{'b', "batch", 1, LARDER_BATCH_MAX},
	{'s', "seed", 0, UINT64_MAX},
	{RUN_KEY_SIZE, "key-size", KEYVAL_KEY_MIN, LARDER_KEY_MAX},
	{RUN_TTL, "ttl-ms", 0, INT64_MAX},
	{RUN_OPS, "ops", 1, UINT64_MAX},
	{RUN_SAMPLE, "sample", 1, UINT32_MAX},
};

static void run_set_number(struct run_options *o, int c, uint64_t value)
{
	switch (c) {
	case 'p':
		o->crew.processes = (unsigned)value;
		break;
	case 't':
		o->crew.threads = (unsigned)value;
		break;
	case 'n':
		o->workload.n_keys = value;
		break;
	case 'b':
		o->workload.batch = (uint32_t)value;
		break;
	case 's':
		o->workload.seed = value;
		break;
	case RUN_KEY_SIZE:
		o->workload.key_size = (uint32_t)value;
		break;
	case RUN_TTL:
		o->workload.ttl_ms = (int64_t)value;
		break;
	case RUN_OPS:
		o->total_ops = value;
		break;
	default:
		o->crew.sample = (unsigned)value;
		break;
	}
}

static int run_number(struct run_options *o, int c)
{
	for (unsigned i = 0; i < sizeof(run_numbers) / sizeof(*run_numbers); i++) {
		const struct run_number *number = &run_numbers[i];
		char range[64];
		uint64_t value;

		if (number->c != c)
			continue;
		if (options_count(optarg, &value) == 0 && value >= number->low &&
		    value <= number->high) {
			run_set_number(o, c, value);
			return 0;
		}
		snprintf(range, sizeof(range), "a number from %llu to %llu",
			 (unsigned long long)number->low, (unsigned long long)number->high);
		return options_bad("run", number->name, optarg, range);
	}
	return BENCH_USAGE;
}

static int run_word(struct run_options *o, int c)
{
	switch (c) {
	case RUN_VALUE_SIZE:
		if (options_sizes(optarg, &o->workload.sizes) == 0)
			return 0;
		return options_bad("run", "value-size", optarg, "fixed:N, uniform:A-B or kvcache");
	case 'd':
		if (options_dist(optarg, &o->workload.theta) == 0)
			return 0;
		return options_bad("run", "dist", optarg, "uniform or zipf:0.99");
	case 'm':
		if (options_mix(optarg, o->workload.mix) == 0)
			return 0;
		return options_bad("run", "mix", optarg, "get=90,set=10");
	case 'M':
		if (options_bytes(optarg, &o->memory) == 0)
			return 0;
		return options_bad("run", "memory", optarg, "a size such as 256M");
	default:
		if (options_seconds(optarg, c == RUN_SECONDS ? &o->seconds : &o->warmup) == 0)
			return 0;
		return options_bad("run", c == RUN_SECONDS ? "seconds" : "warmup", optarg,
				   "a number of seconds");
	}
}

static int run_option(struct run_options *o, int c)
{
	switch (c) {
	case 'c':
		o->cache = optarg;
		return 0;
	case 'j':
		o->is_json = true;
		return 0;
	case RUN_PREFILL:
		o->prefill = true;
		return 0;
	case RUN_FILL:
		o->workload.fill = true;
		return 0;
	case RUN_VALUE_SIZE:
	case RUN_SECONDS:
	case RUN_WARMUP:
	case 'd':
	case 'm':
	case 'M':
		return run_word(o, c);
	default:
		return run_number(o, c);
	}
}

/* ---------------------------------------------------------------- the load */

static void run_progress(const struct crew *crew, double seconds)
{
	static uint64_t last_ops, last_ns;
	uint64_t ops = crew_total(crew, CREW_OPS), now = clock_ns();
	uint64_t reads = crew_total(crew, CREW_READS), hits = crew_total(crew, CREW_HITS);

	if (!isatty(STDERR_FILENO) || now - last_ns < RUN_PROGRESS_NS)
		return;
	if (ops < last_ops)
		last_ops = 0;
	fprintf(stderr, "\r%5.1f s  %8.0f kops/s  hits %5.1f %% ", seconds,
		(double)(ops - last_ops) / ((double)(now - last_ns) / 1e6),
		reads ? 100.0 * (double)hits / (double)reads : 0);
	last_ops = ops;
	last_ns = now;
}

/* Until @seconds are over (0: until the clients have done their operations) or a client dies. */
static void run_wait(struct crew *crew, uint64_t start, double seconds)
{
	double so_far = 0;

	while (!crew_poll(crew) && !crew->is_broken && (seconds <= 0 || so_far < seconds)) {
		uint64_t left = (uint64_t)((seconds - so_far) * 1e6);

		clock_sleep_us(seconds > 0 && left < RUN_POLL_US ? left + 1 : RUN_POLL_US);
		so_far = (double)(clock_ns() - start) / 1e9;
		run_progress(crew, so_far);
	}
}

static int run_load(const struct run_options *o, struct larder *cache, const char *socket,
		    struct run_result *result, struct crew *crew)
{
	struct crew_spec spec = o->crew;
	uint64_t start;
	int r;

	if (o->prefill) {
		r = worker_fill(cache, &o->workload, 0, o->workload.n_keys);
		if (r < 0) {
			fprintf(stderr, "larder-bench: pre-fill: %s\n", larder_strerror(r));
			return r;
		}
	}
	spec.cache = socket;
	spec.workload = &o->workload;
	spec.timer_ns = result->timer_ns;
	spec.ops = o->total_ops / ((uint64_t)spec.processes * spec.threads);
	spec.ops += o->total_ops && !spec.ops;
	r = crew_start(crew, &spec);
	if (r < 0)
		return r;
	crew_set_phase(crew, CREW_WARM);
	if (o->warmup > 0)
		run_wait(crew, clock_ns(), o->warmup);
	r = counters_read(cache, &result->before);
	start = clock_ns();
	crew_set_phase(crew, CREW_RUN);
	run_wait(crew, start, o->total_ops ? 0 : o->seconds);
	result->seconds = (double)(clock_ns() - start) / 1e9;
	crew_set_phase(crew, CREW_STOP);
	crew_join(crew);
	crew_hist(crew, 0, &result->hist);
	if (r == 0)
		r = counters_read(cache, &result->after);
	return r ? r : larder_info(cache, &result->info);
}

/* ---------------------------------------------------------------- the report */

static const struct {
	const char *name;
	double percent;
} run_percentiles[] = {
	{"p50_ns", 50}, {"p90_ns", 90}, {"p99_ns", 99}, {"p99_9_ns", 99.9}, {"p99_99_ns", 99.99}};

static double run_share(uint64_t part, uint64_t whole)
{
	return whole ? (double)part / (double)whole : 0;
}

static void run_json(const struct run_options *o, const struct run_result *result,
		     const struct crew *crew)
{
	struct json json;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	machine_json(&json, "machine");
	json_uint(&json, "processes", o->crew.processes);
	json_uint(&json, "threads", o->crew.threads);
	json_uint(&json, "keys", o->workload.n_keys);
	json_uint(&json, "seed", o->workload.seed);
	json_number(&json, "seconds", result->seconds);
	json_uint(&json, "ops", crew_total(crew, CREW_OPS));
	json_uint(&json, "keys_handled", crew_total(crew, CREW_KEYS));
	json_number(&json, "ops_per_s", (double)crew_total(crew, CREW_OPS) / result->seconds);
	json_number(&json, "ns_per_op", hist_mean(&result->hist));
	for (unsigned i = 0; i < 5; i++)
		json_uint(&json, run_percentiles[i].name,
			  hist_percentile(&result->hist, run_percentiles[i].percent));
	json_uint(&json, "max_ns", result->hist.max);
	json_uint(&json, "timed_calls", result->hist.n);
	json_uint(&json, "timer_cost_ns", result->timer_ns);
	json_number(&json, "hit_ratio",
		    run_share(crew_total(crew, CREW_HITS), crew_total(crew, CREW_READS)));
	json_uint(&json, "reads", crew_total(crew, CREW_READS));
	json_uint(&json, "stores", crew_total(crew, CREW_STORES));
	json_uint(&json, "deletes", crew_total(crew, CREW_DELETES));
	json_uint(&json, "evictions", result->after.evictions - result->before.evictions);
	json_uint(&json, "live_bytes", result->after.live_bytes);
	json_uint(&json, "region_bytes", result->info.region_bytes);
	json_uint(&json, "wrong_values", crew_total(crew, CREW_WRONG));
	json_uint(&json, "detached", crew_total(crew, CREW_DETACHED));
	json_uint(&json, "errors", crew_total(crew, CREW_ERRORS));
	json_end_object(&json);
}

static void run_text(const struct run_options *o, const struct run_result *result,
		     const struct crew *crew)
{
	double ops = (double)crew_total(crew, CREW_OPS);

	machine_text(stdout);
	printf("%u processes x %u threads, %llu keys, seed %llu\n", o->crew.processes,
	       o->crew.threads, (unsigned long long)o->workload.n_keys,
	       (unsigned long long)o->workload.seed);
	printf("  %.2f M calls/s (%.0f in %.2f s), %.1f ns a call without the timer's %llu\n",
	       ops / result->seconds / 1e6, ops, result->seconds, hist_mean(&result->hist),
	       (unsigned long long)result->timer_ns);
	printf("  ns: p50 %llu  p90 %llu  p99 %llu  p99.9 %llu  p99.99 %llu  max %llu\n",
	       (unsigned long long)hist_percentile(&result->hist, 50),
	       (unsigned long long)hist_percentile(&result->hist, 90),
	       (unsigned long long)hist_percentile(&result->hist, 99),
	       (unsigned long long)hist_percentile(&result->hist, 99.9),
	       (unsigned long long)hist_percentile(&result->hist, 99.99),
	       (unsigned long long)result->hist.max);
	printf("  hits %.2f %% of %llu reads, %llu stores, %llu evictions\n",
	       100 * run_share(crew_total(crew, CREW_HITS), crew_total(crew, CREW_READS)),
	       (unsigned long long)crew_total(crew, CREW_READS),
	       (unsigned long long)crew_total(crew, CREW_STORES),
	       (unsigned long long)(result->after.evictions - result->before.evictions));
	printf("  live %.1f of %.1f MiB\n", (double)result->after.live_bytes / 1048576,
	       (double)result->info.region_bytes / 1048576);
	printf("  %llu wrong values, %llu errors, %llu stores while detached\n",
	       (unsigned long long)crew_total(crew, CREW_WRONG),
	       (unsigned long long)crew_total(crew, CREW_ERRORS),
	       (unsigned long long)crew_total(crew, CREW_DETACHED));
}

static int run_all(const struct run_options *o)
{
	struct spawn spawn = {.guard = 0};
	struct run_result *result = calloc(1, sizeof(*result));
	struct crew crew = {.pid = NULL};
	struct larder *cache = NULL;
	int code = BENCH_SYSTEM;
	int r;

	if (!result)
		return BENCH_SYSTEM;
	result->timer_ns = clock_cost_ns();
	r = o->cache ? larder_open(&cache, o->cache, NULL)
		     : spawn_start_memory(&spawn, o->memory, &cache);
	if (r < 0 && o->cache)
		fprintf(stderr, "larder-bench: run: cache '%s': %s\n", o->cache,
			larder_strerror(r));
	if (r == 0)
		r = run_load(o, cache, o->cache ? o->cache : spawn.socket, result, &crew);
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	if (r == 0) {
		if (o->is_json)
			run_json(o, result, &crew);
		else
			run_text(o, result, &crew);
		code = crew_is_clean(&crew) ? BENCH_OK : BENCH_FALSE;
	}
	crew_end(&crew);
	larder_close(cache);
	spawn_stop(&spawn);
	free(result);
	return code;
}

int run_command(int argc, char **argv)
{
	struct run_options o = {
		.crew = {.processes = 2, .threads = 1, .sample = 1},
		.workload = {.n_keys = 100000,
			     .key_size = 16,
			     .sizes = {SIZES_FIXED, 100, 100},
			     .mix = {[WORKLOAD_GET] = 90, [WORKLOAD_SET] = 10},
			     .batch = 32,
			     .seed = 1},
		.memory = UINT64_C(256) << 20,
		.seconds = 5,
		.warmup = 1,
	};
	int c, r;

	while ((c = getopt_long(argc, argv, "", run_long, NULL)) != -1) {
		if (c == 'h')
			fputs(run_usage, stdout);
		if (c == 'h' || c == '?')
			return c == 'h' ? BENCH_OK : BENCH_USAGE;
		r = run_option(&o, c);
		if (r)
			return r;
	}
	if (optind < argc || workload_init(&o.workload) < 0 ||
	    o.crew.processes * o.crew.threads > CREW_MAX_WORKERS) {
		fprintf(stderr,
			"larder-bench: run: at least one operation in the mix, at most %d "
			"clients, nothing but options\n",
			CREW_MAX_WORKERS);
		return BENCH_USAGE;
	}
	return run_all(&o);
}
