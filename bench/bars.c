/* SPDX-License-Identifier: MIT */
/* bars.c - every promise that is a number, measured
 *
 * One table names the bars and their limits, one the functions that measure them; a function reports
 * one or more bars. A bar that could not be measured is neither passed nor short: its figure is null
 * and the exit code says so.
 */
#include "bars.h"

#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "machine.h"
#include "options.h"

struct bars_limit {
	const char *id;
	enum bars_sense sense;
	double limit;
	const char *what;
};

static const struct bars_limit bars_limits[] = {
	{"get-hit", BARS_AT_MOST, 1.35, "get of 10 k keys, times a bare get"},
	{"get-ttl", BARS_AT_MOST, 1.5, "get of 10 k keys with a TTL, times a bare get"},
	{"get-miss", BARS_AT_MOST, 0.7, "a miss at the designed load of the index, times the hit"},
	{"get-two", BARS_AT_LEAST, 0.92, "scaling of get to two processes, times that of bare"},
	{"bare-absl", BARS_AT_MOST, 1.1, "a bare get, times absl::flat_hash_map"},
	{"mget", BARS_AT_MOST, 1.5,
	 "mget of 32, uniform keys beyond all caches, times batched bare"},
	{"set", BARS_AT_MOST, 3.5, "set of 10 k existing keys, times a bare get"},
	{"set-evict", BARS_AT_MOST, 2.5, "set while evicting, times set into an empty region"},
	{"meta", BARS_AT_MOST, 24, "bytes a plain 64-byte item costs beside key and value"},
	{"meta-full", BARS_AT_MOST, 40,
	 "bytes a 64-byte item with TTL, namespace and flags costs beside"},
	{"fill-64", BARS_AT_LEAST, 0.70, "share of the region that is live data, 64-byte values"},
	{"fill-500", BARS_AT_LEAST, 0.87, "share of the region that is live data, 500-byte values"},
	{"fill-8k", BARS_AT_LEAST, 0.91, "share of the region that is live data, 8-KiB values"},
	{"fill-churn", BARS_AT_LEAST, 0.80,
	 "live share, 500-byte values, half of the sets overwrite"},
	{"lru", BARS_AT_MOST, 0.7, "worst trace: points of miss ratio above exact LRU"},
	{"lru-mean", BARS_AT_MOST, 0.3, "mean of all traces: points above exact LRU"},
	{"lru-alone", BARS_AT_MOST, 3,
	 "worst trace with the daemon stopped: points above exact LRU"},
	{"daemon-kill", BARS_AT_MOST, 0,
	 "calls that failed, or missed a present key, in all kills"},
	{"daemon-kill-ops", BARS_AT_LEAST, 0.8,
	 "operations in the second after a kill, times before"},
	{"daemon-kill-p999", BARS_AT_MOST, 2, "p99.9 in the second after the kills, times before"},
	{"daemon-kill-back", BARS_AT_MOST, 100, "ms until a daemon accepts again, 1 GiB"},
	{"daemon-kill-clean", BARS_AT_MOST, 100, "ms until free segments are back, 1 GiB"},
	{"ready", BARS_AT_MOST, 100, "ms from exec to the first open, 64 MiB"},
	{"idle", BARS_AT_MOST, 0.2, "percent of a core, daemon and keeper, 64 idle clients"},
	{"open-first-hit", BARS_AT_MOST, 1, "ms from larder_open to the first hit"},
	{"private-memory", BARS_AT_MOST, 16, "MiB of private memory, daemon and keeper"},
};

#define BARS_N (sizeof(bars_limits) / sizeof(*bars_limits))

static const struct {
	const char *ids; /* of the table above, separated by spaces */
	void (*measure)(struct bars *bars);
} bars_functions[] = {
	{"get-hit", bars_get_hit},
	{"get-ttl", bars_get_ttl},
	{"get-miss", bars_get_miss},
	{"get-two", bars_get_two},
	{"bare-absl", bars_bare_absl},
	{"mget", bars_mget},
	{"set", bars_set},
	{"set-evict", bars_set_evict},
	{"meta meta-full", bars_meta},
	{"fill-64", bars_fill_64},
	{"fill-500", bars_fill_500},
	{"fill-8k", bars_fill_8k},
	{"fill-churn", bars_fill_churn},
	{"lru lru-mean", bars_lru},
	{"lru-alone", bars_lru_alone},
	{"daemon-kill daemon-kill-ops daemon-kill-p999 daemon-kill-back daemon-kill-clean",
	 bars_daemon_kill},
	{"ready", bars_ready},
	{"idle", bars_idle},
	{"open-first-hit", bars_first_hit},
	{"private-memory", bars_private_memory},
};

struct bars {
	bool is_quick, is_json;
	const char *traces;
	const char *only; /* ids separated by commas; NULL: all */
	struct bars_figure figure[BARS_N];
	unsigned n;
	char detail[BARS_DETAIL]; /* for the next figure */
};

bool bars_quick(const struct bars *bars)
{
	return bars->is_quick;
}

const char *bars_traces(const struct bars *bars)
{
	return bars->traces;
}

/* ---------------------------------------------------------------- samples and figures */

void bars_sample(struct bars_samples *samples, double value)
{
	if (samples->n < BARS_RUNS_MAX)
		samples->value[samples->n++] = value;
}

static int bars_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bars_median(const struct bars_samples *samples)
{
	struct bars_samples sorted = *samples;

	if (!sorted.n)
		return NAN;
	qsort(sorted.value, sorted.n, sizeof(double), bars_compare);
	return (sorted.value[(sorted.n - 1) / 2] + sorted.value[sorted.n / 2]) / 2;
}

static struct bars_figure *bars_new_figure(struct bars *bars, const char *id)
{
	struct bars_figure *figure = &bars->figure[bars->n++];

	*figure = (struct bars_figure){.id = id, .figure = NAN, .low = NAN, .high = NAN};
	memcpy(figure->detail, bars->detail, sizeof(figure->detail));
	bars->detail[0] = '\0';
	for (unsigned i = 0; i < BARS_N; i++) {
		if (strcmp(bars_limits[i].id, id) != 0)
			continue;
		figure->what = bars_limits[i].what;
		figure->sense = bars_limits[i].sense;
		figure->limit = bars_limits[i].limit;
	}
	return figure;
}

static bool bars_passes(const struct bars_figure *figure)
{
	if (figure->sense == BARS_AT_MOST)
		return figure->figure <= figure->limit;
	return figure->figure >= figure->limit;
}

static void bars_print(const struct bars *bars, const struct bars_figure *figure)
{
	if (bars->is_json)
		return;
	printf("%-18s %9.4g %s %-5g %-12s %s\n", figure->id, figure->figure,
	       figure->sense == BARS_AT_MOST ? "<=" : ">=", figure->limit,
	       isnan(figure->figure) ? "not measured"
	       : bars_passes(figure) ? "ok"
				     : "SHORT",
	       figure->what);
	if (figure->runs > 1)
		printf("%18s %u runs, %.4g to %.4g\n", "", figure->runs, figure->low, figure->high);
	if (figure->note[0])
		printf("%18s %s\n", "", figure->note);
	fputs(figure->detail, stdout);
	fflush(stdout);
}

void bars_report(struct bars *bars, const char *id, const struct bars_samples *samples,
		 const char *note, ...)
{
	struct bars_figure *figure = bars_new_figure(bars, id);
	va_list args;

	figure->runs = samples->n;
	for (unsigned i = 0; i < samples->n; i++) {
		figure->low = fmin(figure->low, samples->value[i]);
		figure->high = fmax(figure->high, samples->value[i]);
	}
	figure->figure = samples->is_worst ? figure->high : bars_median(samples);
	if (note) {
		va_start(args, note);
		vsnprintf(figure->note, sizeof(figure->note), note, args);
		va_end(args);
	}
	bars_print(bars, figure);
}

void bars_detail(struct bars *bars, const char *format, ...)
{
	size_t used = strlen(bars->detail);
	va_list args;

	if (used + 2 >= sizeof(bars->detail))
		return;
	va_start(args, format);
	vsnprintf(bars->detail + used, sizeof(bars->detail) - used - 1, format, args);
	va_end(args);
	used = strlen(bars->detail);
	bars->detail[used] = '\n';
	bars->detail[used + 1] = '\0';
}

void bars_missing(struct bars *bars, const char *id, const char *why)
{
	struct bars_figure *figure = bars_new_figure(bars, id);

	snprintf(figure->note, sizeof(figure->note), "%s", why);
	bars_print(bars, figure);
}

/* ---------------------------------------------------------------- all of them */

/* Is @id one of the words of @list? */
static bool bars_listed(const char *list, const char *separators, const char *id)
{
	size_t n = strlen(id);

	while (*list) {
		size_t len = strcspn(list, separators);

		if (len == n && memcmp(list, id, n) == 0)
			return true;
		list += len;
		list += strspn(list, separators);
	}
	return false;
}

/* Does --only name nothing but bars? */
static bool bars_only_is_good(const char *only)
{
	while (*only) {
		size_t len = strcspn(only, ",");
		bool is_known = false;

		for (unsigned i = 0; i < BARS_N; i++)
			is_known |= strlen(bars_limits[i].id) == len &&
				    memcmp(bars_limits[i].id, only, len) == 0;
		if (!is_known)
			return false;
		only += len + (only[len] == ',');
	}
	return true;
}

static bool bars_wanted(const struct bars *bars, const char *ids)
{
	if (!bars->only)
		return true;
	for (unsigned i = 0; i < BARS_N; i++)
		if (bars_listed(ids, " ", bars_limits[i].id) &&
		    bars_listed(bars->only, ",", bars_limits[i].id))
			return true;
	return false;
}

/* A measuring function that gave up has said why on stderr; its bars are still listed. */
static void bars_complete(struct bars *bars, const char *ids)
{
	for (unsigned i = 0; i < BARS_N; i++) {
		bool is_there = false;

		if (!bars_listed(ids, " ", bars_limits[i].id))
			continue;
		for (unsigned k = 0; k < bars->n; k++)
			is_there |= strcmp(bars->figure[k].id, bars_limits[i].id) == 0;
		if (!is_there)
			bars_missing(bars, bars_limits[i].id, "the measurement failed");
	}
}

static void bars_measure(struct bars *bars)
{
	uint64_t start = clock_ns();

	for (unsigned i = 0; i < sizeof(bars_functions) / sizeof(*bars_functions); i++) {
		if (!bars_wanted(bars, bars_functions[i].ids))
			continue;
		if (isatty(STDERR_FILENO))
			fprintf(stderr, "\r\033[K%4.0f s  %s ", (double)(clock_ns() - start) / 1e9,
				bars_functions[i].ids);
		bars_functions[i].measure(bars);
		bars_complete(bars, bars_functions[i].ids);
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* Text lines as an array of strings. */
static void bars_json_lines(struct json *json, const char *key, const char *text)
{
	json_begin_array(json, key);
	while (*text) {
		size_t n = strcspn(text, "\n");
		char line[256];

		snprintf(line, sizeof(line), "%.*s", (int)n, text);
		json_string(json, NULL, line + strspn(line, " "));
		text += n + (text[n] == '\n');
	}
	json_end_array(json);
}

static void bars_json(const struct bars *bars)
{
	struct json json;

	json_init(&json, stdout);
	json_begin_object(&json, NULL);
	json_bool(&json, "quick", bars->is_quick);
	machine_json(&json, "machine");
	json_begin_array(&json, "bars");
	for (unsigned i = 0; i < bars->n; i++) {
		const struct bars_figure *figure = &bars->figure[i];

		json_begin_object(&json, NULL);
		json_string(&json, "id", figure->id);
		json_string(&json, "what", figure->what);
		json_number(&json, "figure", figure->figure);
		json_string(&json, "sense", figure->sense == BARS_AT_MOST ? "at most" : "at least");
		json_number(&json, "limit", figure->limit);
		if (isnan(figure->figure))
			json_null(&json, "pass");
		else
			json_bool(&json, "pass", bars_passes(figure));
		json_uint(&json, "runs", figure->runs);
		json_begin_array(&json, "spread");
		json_number(&json, NULL, figure->low);
		json_number(&json, NULL, figure->high);
		json_end_array(&json);
		json_string(&json, "note", figure->note[0] ? figure->note : NULL);
		if (figure->detail[0])
			bars_json_lines(&json, "details", figure->detail);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
}

static int bars_code(const struct bars *bars)
{
	unsigned n_short = 0, n_missing = 0;

	for (unsigned i = 0; i < bars->n; i++) {
		n_missing += isnan(bars->figure[i].figure);
		n_short += !isnan(bars->figure[i].figure) && !bars_passes(&bars->figure[i]);
	}
	if (!bars->is_json)
		printf("%u bars, %u short, %u not measured\n", bars->n, n_short, n_missing);
	if (n_short)
		return BENCH_FALSE;
	return n_missing ? BENCH_SYSTEM : BENCH_OK;
}

static const struct option bars_long[] = {
	{"json", no_argument, NULL, 'j'},	  {"quick", no_argument, NULL, 'q'},
	{"traces", required_argument, NULL, 't'}, {"only", required_argument, NULL, 'o'},
	{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
};

static const char bars_usage[] = "larder-bench bars [options]\n"
				 "  --only ID[,ID]        these bars only\n"
				 "  --quick               smaller and shorter, 45 seconds\n"
				 "  --traces DIR          recorded traces for lru and lru-alone\n"
				 "  --json                one JSON object on standard output\n"
				 "Exit: 0 all pass, 1 some are short, 3 some were not measured.\n";

static int bars_help(FILE *file)
{
	fputs(bars_usage, file);
	for (unsigned i = 0; i < BARS_N; i++)
		fprintf(file, "  %-18s %s %-5g %s\n", bars_limits[i].id,
			bars_limits[i].sense == BARS_AT_MOST ? "<=" : ">=", bars_limits[i].limit,
			bars_limits[i].what);
	return file == stdout ? BENCH_OK : BENCH_USAGE;
}

int bars_command(int argc, char **argv)
{
	static struct bars bars;
	int c;

	while ((c = getopt_long(argc, argv, "", bars_long, NULL)) != -1) {
		switch (c) {
		case 'j':
			bars.is_json = true;
			break;
		case 'q':
			bars.is_quick = true;
			break;
		case 't':
			bars.traces = optarg;
			break;
		case 'o':
			bars.only = optarg;
			break;
		default:
			return bars_help(c == 'h' ? stdout : stderr);
		}
	}
	if (optind < argc)
		return bars_help(stderr);
	if (bars.only && !bars_only_is_good(bars.only))
		return options_bad("bars", "only", bars.only, "ids that --help lists");
	if (!bars.is_json)
		machine_text(stdout);
	bars_measure(&bars);
	if (bars.is_json)
		bars_json(&bars);
	return bars_code(&bars);
}
