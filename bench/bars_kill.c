/* SPDX-License-Identifier: MIT */
/* bars_kill.c - what clients notice of kill -9 of the daemon
 *
 * Two client processes read and write keys that all fit, so every read must hit. Before each kill
 * one second is counted, and the second after it, each with a histogram of its own; all kills are
 * pooled. A second part kills the daemon of a full region and waits for free segments.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bars.h"
#include "bed.h"
#include "clock.h"
#include "counters.h"
#include "crew.h"

#define KILL_KEYS 100000
#define KILL_WAIT_NS UINT64_C(5000000000)
#define KILL_SECOND_US 1000000

enum { KILL_BEFORE, KILL_AFTER, KILL_BETWEEN };

struct kill_bar {
	struct spawn spawn;
	struct larder *cache;
	struct crew crew;
	struct workload workload;
	struct bars_samples ops, back, clean;
};

/* A client that comes now is accepted by another daemon. Return: milliseconds; NAN: never. */
static double kill_wait_accept(const struct kill_bar *bar, int64_t old_pid, uint64_t since)
{
	struct larder_open_options options = {.size = sizeof(options), .timeout_ms = 1000};

	while (clock_ns() - since < KILL_WAIT_NS) {
		struct larder_info info;
		struct larder *cache;
		int r = larder_open(&cache, bar->spawn.socket, &options);

		if (r == 0) {
			r = larder_info(cache, &info);
			larder_close(cache);
			if (r == 0 && info.daemon_pid != old_pid)
				return (double)(clock_ns() - since) / 1e6;
		}
		clock_sleep_us(500);
	}
	return NAN;
}

/* Return: when; 0 if it could not be killed. @pidp: out: who it was */
static uint64_t kill_daemon(const struct kill_bar *bar, int64_t *pidp)
{
	struct larder_info info;

	if (larder_info(bar->cache, &info) != 0 || info.daemon_pid <= 0 ||
	    kill((pid_t)info.daemon_pid, SIGKILL) < 0)
		return 0;
	*pidp = info.daemon_pid;
	return clock_ns();
}

static int kill_under_load(struct kill_bar *bar)
{
	uint64_t ops[3], start;
	int64_t pid;
	double back;

	crew_set_window(&bar->crew, KILL_BEFORE);
	ops[0] = crew_total(&bar->crew, CREW_KEYS);
	clock_sleep_us(KILL_SECOND_US);
	ops[1] = crew_total(&bar->crew, CREW_KEYS);
	crew_set_window(&bar->crew, KILL_AFTER);
	start = kill_daemon(bar, &pid);
	if (!start)
		return -ESRCH;
	clock_sleep_us(KILL_SECOND_US);
	ops[2] = crew_total(&bar->crew, CREW_KEYS);
	crew_set_window(&bar->crew, KILL_BETWEEN);
	back = kill_wait_accept(bar, pid, start);
	if (isnan(back) || crew_poll(&bar->crew))
		return -ETIMEDOUT;
	bars_sample(&bar->ops, (double)(ops[2] - ops[1]) / (double)(ops[1] - ops[0]));
	return 0;
}

static void kill_report_load(struct bars *bars, struct kill_bar *bar, unsigned kills,
			     uint64_t evictions)
{
	struct bars_samples failed = {.n = 0}, tail = {.n = 0};
	uint64_t reads = crew_total(&bar->crew, CREW_READS);
	uint64_t misses = reads - crew_total(&bar->crew, CREW_HITS);
	uint64_t bad = crew_total(&bar->crew, CREW_ERRORS) + crew_total(&bar->crew, CREW_WRONG) +
		       crew_total(&bar->crew, CREW_DETACHED);
	struct hist *hist = calloc(2, sizeof(*hist));
	double p999[2];

	if (!hist)
		return;
	for (unsigned i = 0; i < 2; i++) {
		crew_hist(&bar->crew, i ? KILL_AFTER : KILL_BEFORE, &hist[i]);
		p999[i] = (double)hist_percentile(&hist[i], 99.9);
	}
	free(hist);
	bars_sample(&failed, (double)(bad + (misses > evictions ? misses - evictions : 0)));
	bars_sample(&tail, p999[1] / p999[0]);
	bars_report(bars, "daemon-kill", &failed,
		    "%u kills, %llu reads: %llu misses, %llu evictions, %llu failed or wrong",
		    kills, (unsigned long long)reads, (unsigned long long)misses,
		    (unsigned long long)evictions, (unsigned long long)bad);
	bars_report(bars, "daemon-kill-ops", &bar->ops, NULL);
	bars_report(bars, "daemon-kill-p999", &tail,
		    "%.0f ns after, %.0f ns before, all kills pooled", p999[1], p999[0]);
}

static int kill_start_load(struct kill_bar *bar)
{
	struct crew_spec spec = {.cache = bar->spawn.socket,
				 .workload = &bar->workload,
				 .processes = 2,
				 .threads = 1,
				 .sample = 1,
				 .timer_ns = clock_cost_ns()};
	int r;

	bar->workload = (struct workload){
		.n_keys = KILL_KEYS,
		.key_size = BED_KEY,
		.sizes = {SIZES_FIXED, BED_VALUE, BED_VALUE},
		.mix = {[WORKLOAD_GET] = 90, [WORKLOAD_SET] = 10},
		.seed = 1,
	};
	r = workload_init(&bar->workload);
	if (r == 0)
		r = worker_fill(bar->cache, &bar->workload, 0, KILL_KEYS);
	if (r == 0)
		r = crew_start(&bar->crew, &spec);
	return r;
}

static int kill_load_part(struct bars *bars, struct kill_bar *bar)
{
	unsigned kills = bars_quick(bars) ? 2 : 30;
	struct counters before = {0}, after = {0};
	int r = kill_start_load(bar);

	if (r < 0)
		return r;
	counters_read(bar->cache, &before);
	crew_set_window(&bar->crew, KILL_BETWEEN);
	crew_set_phase(&bar->crew, CREW_RUN);
	clock_sleep_us(KILL_SECOND_US / 4);
	for (unsigned i = 0; i < kills && r == 0; i++)
		r = kill_under_load(bar);
	crew_set_phase(&bar->crew, CREW_STOP);
	crew_join(&bar->crew);
	counters_read(bar->cache, &after);
	if (r == 0) {
		crew_is_clean(&bar->crew);
		kill_report_load(bars, bar, kills, after.evictions - before.evictions);
	}
	crew_end(&bar->crew);
	return r;
}

/* ---------------------------------------------------------------- back at work */

/* The free segments when nothing happens: the same for half a second. */
static uint64_t kill_resting_free(const struct kill_bar *bar)
{
	uint64_t last = UINT64_MAX, since = clock_ns(), start = since;
	struct larder_info info;

	while (clock_ns() - since < 500000000 && clock_ns() - start < KILL_WAIT_NS) {
		if (larder_info(bar->cache, &info) != 0)
			return 0;
		if (info.n_free_segments != last)
			since = clock_ns();
		last = info.n_free_segments;
		clock_sleep_us(10000);
	}
	return last;
}

/* Takes free segments by storing @bytes, then waits until there are @want again. */
static double kill_wait_clean(struct kill_bar *bar, uint64_t *next_id, uint64_t bytes,
			      uint64_t want, uint64_t since)
{
	uint64_t n = bytes / (BED_KEY + BED_VALUE);
	struct larder_info info;

	if (bed_store(bar->cache, *next_id, *next_id + n, 0) != 0)
		return NAN;
	*next_id += n;
	while (clock_ns() - since < KILL_WAIT_NS) {
		if (larder_info(bar->cache, &info) == 0 && info.n_free_segments >= want)
			return (double)(clock_ns() - since) / 1e6;
		clock_sleep_us(500);
	}
	return NAN;
}

static int kill_full_part(struct bars *bars, struct kill_bar *bar)
{
	unsigned kills = bars_quick(bars) ? 3 : 10;
	uint64_t next_id = UINT64_C(1) << 40;
	struct larder_info info;
	uint64_t n, start, want;
	int64_t pid;

	if (larder_info(bar->cache, &info) != 0)
		return -EIO;
	n = info.region_bytes / (BED_KEY + BED_VALUE) * 5 / 4;
	if (bed_store(bar->cache, next_id, next_id + n, 0) != 0)
		return -EIO;
	next_id += n;
	for (unsigned i = 0; i < kills; i++) {
		double clean, back;

		want = kill_resting_free(bar);
		start = kill_daemon(bar, &pid);
		if (!start)
			return -ESRCH;
		back = kill_wait_accept(bar, pid, start);
		clean = kill_wait_clean(bar, &next_id, 4 * info.segment_bytes, want, start);
		if (isnan(back) || isnan(clean))
			return -ETIMEDOUT;
		bars_sample(&bar->back, back);
		bars_sample(&bar->clean, clean);
	}
	bars_report(bars, "daemon-kill-back", &bar->back, "%.0f MiB, full",
		    (double)info.region_bytes / 1048576);
	bars_report(bars, "daemon-kill-clean", &bar->clean,
		    "the kill, 4 segments stored, as many free segments as before");
	return 0;
}

void bars_daemon_kill(struct bars *bars)
{
	struct kill_bar *bar = calloc(1, sizeof(*bar));
	uint64_t memory = (bars_quick(bars) ? UINT64_C(256) : UINT64_C(1024)) << 20;
	int r;

	if (!bar || spawn_start_memory(&bar->spawn, memory, &bar->cache) < 0) {
		free(bar);
		return;
	}
	r = kill_load_part(bars, bar);
	if (r == 0)
		r = kill_full_part(bars, bar);
	if (r < 0)
		fprintf(stderr, "larder-bench: daemon-kill: %s\n",
			r == -ETIMEDOUT ? "not back at work within 5 s" : larder_strerror(r));
	larder_close(bar->cache);
	spawn_stop(&bar->spawn);
	free(bar);
}
