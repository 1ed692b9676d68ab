/* SPDX-License-Identifier: MIT */
/* bars_two.c - do two processes read twice as fast as one?
 *
 * Two children, each with a handle and a bare table of its own, obey commands in shared memory. One
 * run has four of them: one child on the cache, one on bare, both on the cache, both on bare. The
 * scaling of bare is what the machine gives (shared caches, clock, hypervisor); the figure is the
 * scaling of the cache in relation to it.
 */
#include <math.h>
#include <stdatomic.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bars.h"
#include "bed.h"
#include "clock.h"

#define TWO_KEYS 10000
#define TWO_MEMORY (UINT64_C(64) << 20)

/* A command is its number; the low bits say what to do. */
#define TWO_BARE 1u
#define TWO_BOTH 2u
#define TWO_QUIT 4u
#define TWO_STEP 8u

struct two {
	_Atomic uint32_t command;
	_Atomic uint32_t done[2];  /* the last command that child finished */
	_Atomic uint32_t at_start; /* children that stand ready for a common start */
	_Atomic uint64_t ns[2];	   /* of a pass */
	_Atomic uint64_t missing;
	uint32_t passes;
};

static void two_measure(struct two *two, const struct bed *bed, unsigned child, uint32_t command)
{
	bool is_bare = command & TWO_BARE;
	uint64_t hits = 0;
	double ns;

	if (command & TWO_BOTH) {
		atomic_fetch_add(&two->at_start, 1);
		while (atomic_load(&two->at_start) < 2)
			;
	}
	ns = bed_block(is_bare ? bed_pass_bare : bed_pass_cache,
		       is_bare ? (void *)bed->bare : (void *)bed->cache, bed->keys, TWO_KEYS,
		       two->passes, &hits);
	atomic_fetch_add(&two->missing, (uint64_t)TWO_KEYS * two->passes - hits);
	atomic_store(&two->ns[child], (uint64_t)ns);
}

/* The child has its own handle; the bare table is its own by copy-on-write and only read. */
static int two_child(struct two *two, struct bed *bed, unsigned child)
{
	uint32_t last = 0;
	int r = larder_open(&bed->cache, bed->spawn.socket, NULL);

	if (r < 0)
		return 1;
	atomic_store(&two->done[child], 1);
	for (;;) {
		uint32_t command = atomic_load(&two->command);

		if (command == last) {
			clock_sleep_us(50);
			continue;
		}
		if (command & TWO_QUIT)
			break;
		if (child == 0 || (command & TWO_BOTH))
			two_measure(two, bed, child, command);
		last = command;
		atomic_store(&two->done[child], command);
	}
	larder_close(bed->cache);
	return 0;
}

/* Return: gets per nanosecond of all who took part; NAN if a child died. */
static double two_command(struct two *two, const pid_t *pid, uint32_t number, uint32_t what)
{
	uint32_t command = number * TWO_STEP + what;
	double rate;

	atomic_store(&two->at_start, 0);
	atomic_store(&two->command, command);
	for (unsigned i = 0; i < 2; i++) {
		while (atomic_load(&two->done[i]) != command) {
			if (kill(pid[i], 0) < 0 || waitpid(pid[i], NULL, WNOHANG) != 0)
				return NAN;
			clock_sleep_us(200);
		}
	}
	rate = TWO_KEYS / (double)atomic_load(&two->ns[0]);
	if (what & TWO_BOTH)
		rate += TWO_KEYS / (double)atomic_load(&two->ns[1]);
	return rate;
}

static bool two_wait_ready(struct two *two, const pid_t *pid)
{
	for (unsigned i = 0; i < 2; i++) {
		while (!atomic_load(&two->done[i])) {
			if (waitpid(pid[i], NULL, WNOHANG) != 0)
				return false;
			clock_sleep_us(200);
		}
	}
	return true;
}

static void two_runs(struct bars *bars, struct two *two, const pid_t *pid)
{
	struct bars_samples ratio = {.n = 0}, ours = {.n = 0}, bare = {.n = 0};
	unsigned n = bars_quick(bars) ? 7 : 15;

	for (unsigned run = 0; run < n; run++) {
		uint32_t number = 1 + run * 4;
		double one = two_command(two, pid, number, 0);
		double one_bare = two_command(two, pid, number + 1, TWO_BARE);
		double both = two_command(two, pid, number + 2, TWO_BOTH);
		double both_bare = two_command(two, pid, number + 3, TWO_BOTH | TWO_BARE);

		if (isnan(one + one_bare + both + both_bare))
			return;
		bars_sample(&ours, both / one);
		bars_sample(&bare, both_bare / one_bare);
		bars_sample(&ratio, both / one / (both_bare / one_bare));
	}
	if (atomic_load(&two->missing))
		bars_missing(bars, "get-two", "keys were missing although nothing was evicted");
	else
		bars_report(bars, "get-two", &ratio, "two processes are %.2f times one, bare %.2f",
			    bars_median(&ours), bars_median(&bare));
}

static void two_processes(struct bars *bars, struct bed *bed, struct two *two)
{
	pid_t pid[2];

	two->passes = bars_quick(bars) ? 20 : BED_PASSES_MAX;
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = spawn_client();
		if (pid[i] == 0)
			_exit(two_child(two, bed, i));
	}
	if (pid[0] > 0 && pid[1] > 0 && two_wait_ready(two, pid))
		two_runs(bars, two, pid);
	atomic_store(&two->command, UINT32_MAX - TWO_STEP + 1 + TWO_QUIT);
	for (unsigned i = 0; i < 2; i++)
		if (pid[i] > 0)
			waitpid(pid[i], NULL, 0);
}

void bars_get_two(struct bars *bars)
{
	struct two *two;
	struct bed bed;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		bars_missing(bars, "get-two", "one processor");
		return;
	}
	if (bed_open(&bed, TWO_MEMORY, TWO_KEYS, 0) < 0)
		return;
	two = mmap(NULL, sizeof(*two), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (two != MAP_FAILED) {
		two_processes(bars, &bed, two);
		munmap(two, sizeof(*two));
	}
	bed_close(&bed);
}
