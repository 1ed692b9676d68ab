/* SPDX-License-Identifier: MIT */
/* bars_replay.c - miss ratios on recorded traces, in points above exact LRU
 *
 * Exact LRU is given as many bytes of keys and values as the cache held at its peak. What it and
 * S3-FIFO would reach with the whole region is listed too.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"
#include "replay.h"

#define REPLAY_SUFFIX ".oracleGeneral.zst"
#define REPLAY_TRACES 64

struct replay_points {
	struct bars_samples samples;
	uint64_t n_bad; /* wrong values and failed calls: no figure */
};

static int replay_is_trace(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name), suffix = strlen(REPLAY_SUFFIX);

	return n > suffix && strcmp(entry->d_name + n - suffix, REPLAY_SUFFIX) == 0;
}

/* One trace at one size. Return: points; the sample is added and the detail line written. */
static int replay_point(struct bars *bars, const struct trace *trace, const char *name,
			double percent, bool is_alone, struct replay_points *points)
{
	struct replay_spec spec = {
		.trace = trace,
		.capacity_percent = percent,
		.policy = "lru",
		.max_requests = bars_quick(bars) ? 600000 : REPLAY_MAX_REQUESTS,
		.stop_daemon = is_alone,
		.skip_s3fifo = is_alone,
		.skip_region = is_alone,
	};
	struct replay_result result;
	double above;
	int r = replay_measure(&spec, &result);

	if (r < 0)
		return r;
	if (result.wrong || result.errors)
		bars_detail(bars, "    %-14.*s %3g %%: %llu wrong values, %llu errors (%s)",
			    (int)(strlen(name) - strlen(REPLAY_SUFFIX)), name, percent,
			    (unsigned long long)result.wrong, (unsigned long long)result.errors,
			    larder_strerror(result.first_error));
	points->n_bad += result.wrong + result.errors;
	above = 100 * (result.miss_ratio - result.lru);
	bars_sample(&points->samples, above);
	bars_detail(bars,
		    "    %-14.*s %3g %%: miss %.4f, lru %.4f (%+.2f), s3fifo %.4f; whole region: "
		    "lru %.4f, s3fifo %.4f; live %.1f of %.1f MiB",
		    (int)(strlen(name) - strlen(REPLAY_SUFFIX)), name, percent, result.miss_ratio,
		    result.lru, above, result.s3fifo, result.lru_region, result.s3fifo_region,
		    (double)result.live_bytes / 1048576, (double)result.region_bytes / 1048576);
	return 0;
}

static int replay_trace(struct bars *bars, const char *name, bool is_alone,
			struct replay_points *points)
{
	static const double all[] = {1, 10, 30}, quick[] = {10};
	bool is_quick = bars_quick(bars);
	const double *percent = is_quick ? quick : all;
	unsigned n = is_quick ? 1 : 3;
	struct trace trace;
	char path[1024];
	int r;

	snprintf(path, sizeof(path), "%s/%s", bars_traces(bars), name);
	r = trace_load(&trace, path);
	if (r < 0) {
		fprintf(stderr, "larder-bench: %s: %s\n", path, strerror(-r));
		return r;
	}
	for (unsigned i = 0; i < n && r == 0; i++)
		r = replay_point(bars, &trace, name, percent[i], is_alone, points);
	trace_free(&trace);
	return r;
}

/* Return: the number of traces measured; 0 if there are none; < 0 an error. */
static int replay_traces(struct bars *bars, bool is_alone, struct replay_points *points)
{
	struct dirent **entries;
	int n, done = 0, r = 0;

	if (!bars_traces(bars))
		return 0;
	n = scandir(bars_traces(bars), &entries, replay_is_trace, alphasort);
	if (n < 0)
		return 0;
	for (int i = 0; i < n; i++) {
		if (r == 0 && done < REPLAY_TRACES / 3) {
			r = replay_trace(bars, entries[i]->d_name, is_alone, points);
			done++;
		}
		free(entries[i]);
	}
	free(entries);
	return r ? r : done;
}

/* Why there is no figure; NULL if there is one. */
static const char *replay_why_not(int n_traces, const struct replay_points *points)
{
	if (n_traces == 0)
		return "no traces: give a directory with --traces";
	if (n_traces < 0)
		return "a trace could not be replayed";
	return points->n_bad ? "wrong values or failed calls" : NULL;
}

void bars_lru(struct bars *bars)
{
	struct replay_points worst = {.samples = {.is_worst = true}};
	struct bars_samples mean = {.n = 0};
	double sum = 0;
	int n = replay_traces(bars, false, &worst);
	const char *why = replay_why_not(n, &worst);

	if (why) {
		bars_missing(bars, "lru", why);
		bars_missing(bars, "lru-mean", why);
		return;
	}
	for (unsigned i = 0; i < worst.samples.n; i++)
		sum += worst.samples.value[i];
	bars_sample(&mean, sum / worst.samples.n);
	bars_report(bars, "lru", &worst.samples, "%u points of %d traces", worst.samples.n, n);
	bars_report(bars, "lru-mean", &mean, NULL);
}

void bars_lru_alone(struct bars *bars)
{
	struct replay_points worst = {.samples = {.is_worst = true}};
	int n = replay_traces(bars, true, &worst);
	const char *why = replay_why_not(n, &worst);

	if (why)
		bars_missing(bars, "lru-alone", why);
	else
		bars_report(bars, "lru-alone", &worst.samples, "%u points of %d traces",
			    worst.samples.n, n);
}
