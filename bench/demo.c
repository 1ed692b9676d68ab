/* SPDX-License-Identifier: MIT */
/* demo.c - the command that shows a cache which survives kill -9 of its daemon
 *
 * A daemon on built-in defaults in a private directory, four client processes on more keys than fit,
 * and in the middle SIGKILL for the daemon. Every claim that is printed is computed from what
 * happened; one that does not hold makes the exit code 1.
 *
 * Some keys ("witnesses") are read by the parent right before and right after the kill. The cache is
 * full, so a witness may be evicted between the two; more may be missing only if the cache counted
 * as many evictions, and none may be wrong.
 */
#include "demo.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "crew.h"
#include "options.h"
#include "spawn.h"

#define DEMO_CLIENTS 4
#define DEMO_WITNESSES 2000
#define DEMO_WITNESS_ID (UINT64_C(1) << 50)
#define DEMO_WITNESS_BYTES 100
#define DEMO_AFTER_US 100000
#define DEMO_BACK_NS UINT64_C(5000000000)

struct demo_witnesses {
	unsigned present, wrong;
	bool is_present[DEMO_WITNESSES];
};

struct demo {
	struct spawn spawn;
	struct larder *cache;
	struct larder_info info; /* before the kill */
	struct workload workload;
	struct crew crew;
	uint64_t start_ns;
	double half_seconds;
	unsigned n_false;
	uint64_t line_ns, line_ops; /* of the last progress line */
	struct demo_witnesses before, after;
};

static void __attribute__((format(printf, 3, 4)))
demo_claim(struct demo *demo, bool is_true, const char *format, ...)
{
	va_list args;

	printf("  %s  ", is_true ? "ok   " : "FALSE");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	demo->n_false += !is_true;
}

/* ---------------------------------------------------------------- witnesses */

static int demo_store_witnesses(struct demo *demo)
{
	unsigned char key[16], value[DEMO_WITNESS_BYTES];
	int r = 0;

	for (uint64_t i = 0; i < DEMO_WITNESSES && r == 0; i++) {
		keyval_key(key, sizeof(key), DEMO_WITNESS_ID + i);
		keyval_value(value, sizeof(value), DEMO_WITNESS_ID + i, i);
		r = larder_set(demo->cache, key, sizeof(key), value, sizeof(value), 0);
	}
	return r;
}

static void demo_read_witnesses(struct demo *demo, struct demo_witnesses *witnesses)
{
	unsigned char key[16], value[DEMO_WITNESS_BYTES];

	memset(witnesses, 0, sizeof(*witnesses));
	for (uint64_t i = 0; i < DEMO_WITNESSES; i++) {
		size_t len = sizeof(value);
		int r;

		keyval_key(key, sizeof(key), DEMO_WITNESS_ID + i);
		r = larder_get(demo->cache, key, sizeof(key), value, &len);
		if (r == LARDER_MISS)
			continue;
		if (r == LARDER_OK && len == sizeof(value) &&
		    keyval_verify(value, len, DEMO_WITNESS_ID + i) == 0) {
			witnesses->is_present[i] = true;
			witnesses->present++;
		} else {
			witnesses->wrong++;
		}
	}
}

/* Present before the kill and not after it. */
static unsigned demo_lost_witnesses(const struct demo *demo)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DEMO_WITNESSES; i++)
		n += demo->before.is_present[i] && !demo->after.is_present[i];
	return n;
}

/* ---------------------------------------------------------------- the run */

static void demo_progress(struct demo *demo)
{
	bool is_tty = isatty(STDOUT_FILENO);
	uint64_t now = clock_ns(), ops = crew_total(&demo->crew, CREW_KEYS);
	uint64_t reads = crew_total(&demo->crew, CREW_READS);
	struct counters counters = {0};

	if (now - demo->line_ns < (is_tty ? 200000000u : 1000000000u))
		return;
	if (counters_read(demo->cache, &counters) != 0)
		memset(&counters, 0, sizeof(counters));
	printf("%s%5.1f s  %6.2f M operations/s  hits %5.1f %%  evictions %9llu  live %5.1f of "
	       "%.0f MiB%s",
	       is_tty ? "\r" : "", (double)(now - demo->start_ns) / 1e9,
	       (double)(ops - demo->line_ops) / (double)(now - demo->line_ns) * 1e3,
	       reads ? 100.0 * (double)crew_total(&demo->crew, CREW_HITS) / (double)reads : 0,
	       (unsigned long long)counters.evictions, (double)counters.live_bytes / 1048576,
	       (double)demo->info.region_bytes / 1048576, is_tty ? " " : "\n");
	fflush(stdout);
	demo->line_ns = now;
	demo->line_ops = ops;
}

static void demo_watch(struct demo *demo, double seconds)
{
	uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);

	while (clock_ns() < end && !crew_poll(&demo->crew)) {
		clock_sleep_us(20000);
		demo_progress(demo);
	}
}

static void demo_new_line(void)
{
	if (isatty(STDOUT_FILENO))
		putchar('\n');
}

/* Until the control page names another daemon. Return: its pid, 0 if there is none in time. */
static int64_t demo_wait_daemon(struct demo *demo, uint64_t since, double *msp)
{
	struct larder_info info;

	do {
		if (larder_info(demo->cache, &info) == 0 && info.daemon_pid > 0 &&
		    info.daemon_pid != demo->info.daemon_pid) {
			*msp = (double)(clock_ns() - since) / 1e6;
			return info.daemon_pid;
		}
		clock_sleep_us(200);
	} while (clock_ns() - since < DEMO_BACK_NS);
	*msp = 0;
	return 0;
}

static void demo_claim_clients(struct demo *demo, const uint64_t *ops_before, double ms)
{
	uint64_t ops[DEMO_CLIENTS];
	bool all_worked = true;

	for (unsigned i = 0; i < DEMO_CLIENTS; i++) {
		ops[i] = crew_tally(&demo->crew, i, CREW_KEYS) - ops_before[i];
		all_worked &= ops[i] > 0;
	}
	demo_claim(demo, all_worked,
		   "in the %.0f ms after the kill the clients did %llu, %llu, %llu and %llu "
		   "operations",
		   ms, (unsigned long long)ops[0], (unsigned long long)ops[1],
		   (unsigned long long)ops[2], (unsigned long long)ops[3]);
}

static void demo_claim_keys(struct demo *demo, uint64_t evictions)
{
	unsigned lost = demo_lost_witnesses(demo);

	demo_claim(demo, demo->before.present > 0 && demo->before.wrong == 0,
		   "before the kill %u keys were read and verified, %u were wrong",
		   demo->before.present, demo->before.wrong);
	demo_claim(demo, demo->after.wrong == 0 && lost <= evictions && demo->after.present > 0,
		   "after it %u of them, %u were wrong; %u gone, while %llu evictions were counted",
		   demo->after.present, demo->after.wrong, lost, (unsigned long long)evictions);
}

static void demo_kill(struct demo *demo)
{
	uint64_t ops[DEMO_CLIENTS], start;
	struct counters counters[2] = {0};
	struct larder_info info;
	int64_t pid;
	double ms;

	demo_new_line();
	demo_claim(demo, demo_store_witnesses(demo) == 0,
		   "%d keys are stored to be looked for later", DEMO_WITNESSES);
	counters_read(demo->cache, &counters[0]);
	demo_read_witnesses(demo, &demo->before);
	printf("kill -9 %lld, the daemon\n", (long long)demo->info.daemon_pid);
	start = clock_ns();
	if (kill((pid_t)demo->info.daemon_pid, SIGKILL) < 0)
		demo_claim(demo, false, "the daemon can be killed: %s", strerror(errno));
	for (unsigned i = 0; i < DEMO_CLIENTS; i++)
		ops[i] = crew_tally(&demo->crew, i, CREW_KEYS);
	clock_sleep_us(DEMO_AFTER_US);
	demo_claim_clients(demo, ops, (double)(clock_ns() - start) / 1e6);
	demo_read_witnesses(demo, &demo->after);
	counters_read(demo->cache, &counters[1]);
	demo_claim_keys(demo, counters[1].evictions - counters[0].evictions);
	pid = demo_wait_daemon(demo, start, &ms);
	demo_claim(demo, pid != 0, "the daemon is back as process %lld (seen after %.0f ms)",
		   (long long)pid, ms);
	demo_claim(demo,
		   larder_info(demo->cache, &info) == 0 &&
			   memcmp(info.uuid, demo->info.uuid, sizeof(info.uuid)) == 0,
		   "the memory region is the same one (its uuid did not change)");
}

/* ---------------------------------------------------------------- begin and end */

/* Twice as many keys as the region has room for. */
static int demo_plan(struct demo *demo)
{
	const struct sizes sizes = {SIZES_KVCACHE, 0, 0};
	uint64_t bytes = 0;

	for (uint64_t id = 0; id < 1000; id++)
		bytes += 16 + sizes_of(&sizes, id);
	demo->workload = (struct workload){
		.n_keys = 2 * demo->info.region_bytes / (bytes / 1000),
		.key_size = 16,
		.sizes = sizes,
		.theta = 0.99,
		.mix = {[WORKLOAD_GET] = 95, [WORKLOAD_SET] = 5},
		.fill = true,
		.seed = 1,
	};
	return workload_init(&demo->workload);
}

static int demo_start(struct demo *demo, const char *const *settings)
{
	struct crew_spec spec = {.workload = &demo->workload,
				 .processes = DEMO_CLIENTS,
				 .threads = 1,
				 .sample = 4,
				 .timer_ns = clock_cost_ns()};
	int r = spawn_start(&demo->spawn, settings, &demo->cache);

	if (r == 0)
		r = larder_info(demo->cache, &demo->info);
	if (r == 0)
		r = demo_plan(demo);
	if (r < 0)
		return r;
	printf("larderd %s, process %lld, %.0f MiB, ready in %.1f ms, in %s\n", larder_version(),
	       (long long)demo->info.daemon_pid, (double)demo->info.region_bytes / 1048576,
	       (double)demo->spawn.ready_ns / 1e6, demo->spawn.dir);
	r = worker_fill(demo->cache, &demo->workload, 0, demo->workload.n_keys);
	spec.cache = demo->spawn.socket;
	if (r == 0)
		r = crew_start(&demo->crew, &spec);
	if (r < 0)
		return r;
	printf("%d client processes, %llu keys of 16 bytes, values of 40 to 4096 bytes, zipf 0.99, "
	       "95 %% get (set on a miss), 5 %% set\n",
	       DEMO_CLIENTS, (unsigned long long)demo->workload.n_keys);
	return 0;
}

static void demo_summary(struct demo *demo, double seconds, const struct counters *counters)
{
	struct hist *hist = calloc(1, sizeof(*hist));
	double reads = (double)crew_total(&demo->crew, CREW_READS);

	if (!hist)
		return;
	crew_hist(&demo->crew, 0, hist);
	printf("%.2f M operations/s; ns: p50 %llu, p99 %llu, p99.9 %llu; hits %.1f %%; %llu "
	       "evictions; live %.1f of %.0f MiB\n",
	       (double)crew_total(&demo->crew, CREW_KEYS) / seconds / 1e6,
	       (unsigned long long)hist_percentile(hist, 50),
	       (unsigned long long)hist_percentile(hist, 99),
	       (unsigned long long)hist_percentile(hist, 99.9),
	       100 * (double)crew_total(&demo->crew, CREW_HITS) / (reads > 0 ? reads : 1),
	       (unsigned long long)counters->evictions, (double)counters->live_bytes / 1048576,
	       (double)demo->info.region_bytes / 1048576);
	free(hist);
}

static void demo_run(struct demo *demo)
{
	struct counters counters = {0};
	double seconds;

	demo->start_ns = clock_ns();
	demo->line_ns = demo->start_ns;
	crew_set_phase(&demo->crew, CREW_RUN);
	demo_watch(demo, demo->half_seconds);
	demo_kill(demo);
	demo->line_ns = clock_ns();
	demo->line_ops = crew_total(&demo->crew, CREW_KEYS);
	demo_watch(demo, demo->half_seconds);
	demo_new_line();
	seconds = (double)(clock_ns() - demo->start_ns) / 1e9;
	crew_set_phase(&demo->crew, CREW_STOP);
	crew_join(&demo->crew);
	counters_read(demo->cache, &counters);
	demo_summary(demo, seconds, &counters);
	demo_claim(demo, counters.evictions > 0, "the cache was full: %llu evictions",
		   (unsigned long long)counters.evictions);
	demo_claim(demo, crew_is_clean(&demo->crew),
		   "the clients verified %llu values: %llu wrong, %llu failed calls",
		   (unsigned long long)crew_total(&demo->crew, CREW_HITS),
		   (unsigned long long)crew_total(&demo->crew, CREW_WRONG),
		   (unsigned long long)crew_total(&demo->crew, CREW_ERRORS));
}

static void demo_claim_nothing_left(struct demo *demo, int64_t daemon, int64_t keeper)
{
	bool is_gone = access(demo->spawn.dir, F_OK) < 0;

	is_gone &= daemon <= 0 || kill((pid_t)daemon, 0) < 0;
	is_gone &= keeper <= 0 || kill((pid_t)keeper, 0) < 0;
	demo_claim(demo, is_gone, "no process and no file is left of all this");
}

/* Commands that a plain user can type where this was started. */
static void demo_next(void)
{
	char here[PATH_MAX], path[PATH_MAX];
	const char *dir = path;
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	size_t n;

	if (!getcwd(here, sizeof(here)) || spawn_sibling("", path, sizeof(path)) < 0)
		return;
	n = strlen(here);
	if (strncmp(path, here, n) == 0 && path[n] == '/')
		dir = path + n + 1;
	printf("Type next:\n");
	if (geteuid() != 0 && (!runtime || access(runtime, W_OK) < 0))
		printf("  export LARDER_SOCKET=/tmp/larder-%u.sock; %slarderd &\n", geteuid(), dir);
	else
		printf("  %slarderd &\n", dir);
	printf("  %slarderctl set greeting hello\n", dir);
	printf("  %slarderctl get greeting\n", dir);
}

static int demo_all(struct demo *demo, const char *const *settings)
{
	struct larder_info last = {.daemon_pid = 0};
	int r = demo_start(demo, settings);

	if (r == 0) {
		demo_run(demo);
		r = larder_info(demo->cache, &last);
	}
	crew_end(&demo->crew);
	larder_close(demo->cache);
	spawn_stop(&demo->spawn);
	if (r < 0) {
		fprintf(stderr, "larder-bench: demo: %s\n", larder_strerror(r));
		return BENCH_SYSTEM;
	}
	demo_claim_nothing_left(demo, last.daemon_pid, last.keeper_pid);
	if (demo->n_false) {
		printf("%u claims do not hold.\n", demo->n_false);
		return BENCH_FALSE;
	}
	demo_next();
	return BENCH_OK;
}

static const struct option demo_long[] = {
	{"seconds", required_argument, NULL, 's'},
	{"memory", required_argument, NULL, 'M'},
	{"help", no_argument, NULL, 'h'},
	{NULL, 0, NULL, 0},
};

static const char demo_usage[] =
	"larder-bench demo [options]\n"
	"  --seconds 8           how long the clients work\n"
	"  --memory SIZE         of the cache (default: the daemon's own default)\n";

int demo_command(int argc, char **argv)
{
	char memory[48] = "";
	const char *settings[] = {NULL, NULL};
	struct demo *demo = calloc(1, sizeof(*demo));
	double seconds = 8;
	uint64_t bytes;
	int c, code = BENCH_USAGE;

	if (!demo)
		return BENCH_SYSTEM;
	while ((c = getopt_long(argc, argv, "", demo_long, NULL)) != -1) {
		if (c == 's' && options_seconds(optarg, &seconds) == 0 && seconds >= 1)
			continue;
		if (c == 'M' && options_bytes(optarg, &bytes) == 0) {
			snprintf(memory, sizeof(memory), "memory=%lluK",
				 (unsigned long long)bytes / 1024);
			settings[0] = memory;
			continue;
		}
		fputs(demo_usage, c == 'h' ? stdout : stderr);
		free(demo);
		return c == 'h' ? BENCH_OK : BENCH_USAGE;
	}
	demo->half_seconds = seconds / 2;
	if (optind < argc)
		fputs(demo_usage, stderr);
	else
		code = demo_all(demo, settings);
	free(demo);
	return code;
}
