/* SPDX-License-Identifier: MIT */
/* bars_daemon.c - what the daemon costs: start, rest, memory; and what attaching to it costs */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"
#include "bed.h"
#include "clock.h"

#define DAEMON_MEMORY (UINT64_C(64) << 20)
#define IDLE_CLIENTS 64

void bars_ready(struct bars *bars)
{
	struct bars_samples ms = {.n = 0};
	unsigned runs = bars_quick(bars) ? 5 : 21;

	for (unsigned run = 0; run < runs; run++) {
		struct larder *cache;
		struct spawn spawn;

		if (spawn_start_memory(&spawn, DAEMON_MEMORY, &cache) < 0)
			return;
		bars_sample(&ms, (double)spawn.ready_ns / 1e6);
		larder_close(cache);
		spawn_stop(&spawn);
	}
	bars_report(bars, "ready", &ms, NULL);
}

/* ---------------------------------------------------------------- at rest */

/* The first number of a file; NAN if there is none. */
static double idle_number(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[128] = "";
	double number = NAN;
	char *end;

	if (!file)
		return NAN;
	if (fgets(line, sizeof(line), file)) {
		number = (double)strtoull(line, &end, 10);
		if (end == line)
			number = NAN;
	}
	fclose(file);
	return number;
}

/* Nanoseconds that all threads of a process have run; NAN if it cannot be read. */
static double idle_cpu_ns(int64_t pid)
{
	char path[320];
	struct dirent *entry;
	double sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%lld/task", (long long)pid);
	dir = opendir(path);
	if (!dir)
		return NAN;
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%lld/task/%s/schedstat", (long long)pid,
			 entry->d_name);
		sum += idle_number(path);
	}
	closedir(dir);
	return sum;
}

static void idle_measure(struct bars *bars, struct larder *cache)
{
	double seconds = bars_quick(bars) ? 5 : 20;
	struct bars_samples percent = {.n = 0};
	struct larder_info info;
	double before, after;

	if (larder_info(cache, &info) != 0)
		return;
	clock_sleep_us(bars_quick(bars) ? 500000 : 3000000); /* what a start leaves to do */
	before = idle_cpu_ns(info.daemon_pid) + idle_cpu_ns(info.keeper_pid);
	clock_sleep_us((uint64_t)(seconds * 1e6));
	after = idle_cpu_ns(info.daemon_pid) + idle_cpu_ns(info.keeper_pid);
	if (isnan(after - before)) {
		bars_missing(bars, "idle", "no /proc/PID/task/TID/schedstat");
		return;
	}
	bars_sample(&percent, (after - before) / 1e7 / seconds);
	bars_report(bars, "idle", &percent, "%.2f ms of processor time in %.0f s",
		    (after - before) / 1e6, seconds);
}

void bars_idle(struct bars *bars)
{
	struct larder *client[IDLE_CLIENTS] = {NULL};
	struct larder *cache;
	struct spawn spawn;
	int r = 0;

	if (spawn_start_memory(&spawn, DAEMON_MEMORY, &cache) < 0)
		return;
	for (unsigned i = 0; i < IDLE_CLIENTS && r == 0; i++)
		r = larder_open(&client[i], spawn.socket, NULL);
	if (r == 0)
		idle_measure(bars, cache);
	else
		fprintf(stderr, "larder-bench: idle: %s\n", larder_strerror(r));
	for (unsigned i = 0; i < IDLE_CLIENTS; i++)
		larder_close(client[i]);
	larder_close(cache);
	spawn_stop(&spawn);
}

/* ---------------------------------------------------------------- attaching */

void bars_first_hit(struct bars *bars)
{
	struct bars_samples ms = {.n = 0};
	unsigned char(*keys)[BED_KEY] = bed_keys(0, 1);
	struct larder *cache;
	struct spawn spawn;
	uint64_t hits;

	if (!keys || spawn_start_memory(&spawn, DAEMON_MEMORY, &cache) < 0) {
		free(keys);
		return;
	}
	for (unsigned run = 0; bed_store(cache, 0, 1, 0) == 0 && run < 51; run++) {
		uint64_t start = clock_ns();
		struct larder *client;

		if (larder_open(&client, spawn.socket, NULL) < 0)
			break;
		hits = 0;
		bed_pass_cache(client, keys, 1, &hits);
		if (hits)
			bars_sample(&ms, (double)(clock_ns() - start) / 1e6);
		larder_close(client);
	}
	free(keys);
	larder_close(cache);
	spawn_stop(&spawn);
	bars_report(bars, "open-first-hit", &ms, NULL);
}

/* ---------------------------------------------------------------- memory */

/* The number of a line "Private_Clean:   12 kB" or "Private_Dirty: ..."; 0 for other lines. */
static double private_line(const char *line)
{
	if (strncmp(line, "Private_Clean:", 14) != 0 && strncmp(line, "Private_Dirty:", 14) != 0)
		return 0;
	return (double)strtoull(line + 14, NULL, 10);
}

/* KiB that only this process has, the shared region left out; NAN if it cannot be read. */
static double private_kib(int64_t pid)
{
	char path[64], line[512];
	bool is_region = false;
	double sum = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%lld/smaps", (long long)pid);
	file = fopen(path, "re");
	if (!file)
		return NAN;
	while (fgets(line, sizeof(line), file)) {
		/* A mapping begins with its address, in lower case; fields have capitals. */
		if (!(line[0] >= 'A' && line[0] <= 'Z'))
			is_region = strstr(line, "/memfd:") != NULL;
		else if (!is_region)
			sum += private_line(line);
	}
	fclose(file);
	return sum;
}

void bars_private_memory(struct bars *bars)
{
	uint64_t memory = (bars_quick(bars) ? UINT64_C(128) : UINT64_C(1024)) << 20;
	uint64_t n = memory / (BED_KEY + BED_VALUE);
	struct bars_samples mib = {.n = 0};
	struct larder_info info;
	double daemon = NAN, keeper = NAN;
	struct larder *cache;
	struct spawn spawn;

	if (spawn_start_memory(&spawn, memory, &cache) < 0)
		return;
	if (bed_store(cache, 0, n, 0) == 0 && larder_info(cache, &info) == 0) {
		daemon = private_kib(info.daemon_pid) / 1024;
		keeper = private_kib(info.keeper_pid) / 1024;
	}
	larder_close(cache);
	spawn_stop(&spawn);
	if (isnan(daemon + keeper)) {
		bars_missing(bars, "private-memory", "/proc/PID/smaps cannot be read");
		return;
	}
	bars_sample(&mib, daemon + keeper);
	bars_report(bars, "private-memory", &mib,
		    "daemon %.1f, keeper %.1f; cache of %.0f MiB, full", daemon, keeper,
		    (double)memory / 1048576);
}
