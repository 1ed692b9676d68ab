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

static int replay_is_trace(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name), suffix = strlen(REPLAY_SUFFIX);

	return n > suffix && strcmp(entry->d_name + n - suffix, REPLAY_SUFFIX) == 0;
}

/* One trace at one size. Return: points; the sample is added and the detail line written. */
static int replay_point(struct bars *bars, const struct trace *trace, const char *name,
			double percent, bool is_alone, struct bars_samples *points)
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
	if (result.wrong || result.errors) {
		fprintf(stderr, "larder-bench: %s: %llu wrong values, %llu errors\n", name,
			(unsigned long long)result.wrong, (unsigned long long)result.errors);
		return -1;
	}
	above = 100 * (result.miss_ratio - result.lru);
	bars_sample(points, above);
	bars_detail(bars,
		    "    %-14.*s %3g %%: miss %.4f, lru %.4f (%+.2f), s3fifo %.4f; whole region: "
		    "lru %.4f, s3fifo %.4f; live %.1f of %.1f MiB",
		    (int)(strlen(name) - strlen(REPLAY_SUFFIX)), name, percent, result.miss_ratio,
		    result.lru, above, result.s3fifo, result.lru_region, result.s3fifo_region,
		    (double)result.live_bytes / 1048576, (double)result.region_bytes / 1048576);
	return 0;
}

static int replay_trace(struct bars *bars, const char *name, bool is_alone,
			struct bars_samples *points)
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
static int replay_traces(struct bars *bars, bool is_alone, struct bars_samples *points)
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

void bars_lru(struct bars *bars)
{
	struct bars_samples worst = {.is_worst = true}, mean = {.n = 0};
	double sum = 0;
	int n = replay_traces(bars, false, &worst);

	if (n == 0) {
		bars_missing(bars, "lru", "no traces: give a directory with --traces");
		bars_missing(bars, "lru-mean", "no traces: give a directory with --traces");
	}
	if (n <= 0)
		return;
	for (unsigned i = 0; i < worst.n; i++)
		sum += worst.value[i];
	bars_sample(&mean, sum / worst.n);
	bars_report(bars, "lru", &worst, "%u points of %d traces", worst.n, n);
	bars_report(bars, "lru-mean", &mean, NULL);
}

void bars_lru_alone(struct bars *bars)
{
	struct bars_samples worst = {.is_worst = true};
	int n = replay_traces(bars, true, &worst);

	if (n == 0)
		bars_missing(bars, "lru-alone", "no traces: give a directory with --traces");
	if (n > 0)
		bars_report(bars, "lru-alone", &worst, "%u points of %d traces", worst.n, n);
}
