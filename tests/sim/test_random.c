/* SPDX-License-Identifier: MIT
 *
 * test_random.c - the data plane under a random scheduler, with kills and stops
 *
 *	test_random                       a few million accesses from seed 1 on
 *	test_random --accesses N          at least that many
 *	test_random --from SEED           another first seed
 *	test_random --seed SEED           replay one run
 *
 * The seed of a run that fails is printed; it fails in the same way each time.
 * test-timeout: 60
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sched.h"
#include "world.h"

#define ACCESSES 10000000ull

static void add(struct world_result *sum, const struct world_result *r)
{
	sum->accesses += r->accesses;
	sum->calls += r->calls;
	sum->evicted += r->evicted;
	sum->moved += r->moved;
	sum->cleaned += r->cleaned;
	sum->splits += r->splits;
	sum->pending_killed += r->pending_killed;
	sum->failed += r->failed;
	sum->kills += r->kills;
	sum->stops += r->stops;
	sum->given_up += r->given_up;
}

static bool run(uint64_t seed, struct world_result *sum)
{
	struct world_result r;
	bool ok = world_run(seed, &r);

	if (!ok) {
		fprintf(stderr, "seed %llu: %s\n  after %llu accesses, %u kills, %u stops\n",
			(unsigned long long)seed, sched_failure(), (unsigned long long)r.accesses,
			r.kills, r.stops);
		world_describe();
	}
	add(sum, &r);
	return ok;
}

int main(int argc, char **argv)
{
	unsigned long long accesses = ACCESSES, from = 1, runs = 0;
	struct world_result sum = {0};
	bool ok = true, one = false;

	for (int i = 1; i + 1 < argc; i += 2) {
		unsigned long long n = strtoull(argv[i + 1], NULL, 0);

		if (strcmp(argv[i], "--accesses") == 0)
			accesses = n;
		else if (strcmp(argv[i], "--from") == 0 || strcmp(argv[i], "--seed") == 0)
			from = n;
		one |= strcmp(argv[i], "--seed") == 0;
	}
	do
		ok = run(from + runs++, &sum);
	while (ok && !one && sum.accesses < accesses);
	printf("%llu runs, %llu calls, %llu accesses, %u kills, %u stops; %llu evicted, %llu moved, "
	       "%llu segments cleaned, %llu splits, %llu unfinished inserts killed, %llu calls failed, "
	       "%u histories given up\n",
	       runs, (unsigned long long)sum.calls, (unsigned long long)sum.accesses, sum.kills,
	       sum.stops, (unsigned long long)sum.evicted, (unsigned long long)sum.moved,
	       (unsigned long long)sum.cleaned, (unsigned long long)sum.splits,
	       (unsigned long long)sum.pending_killed, (unsigned long long)sum.failed,
	       sum.given_up);
	sched_deinit();
	return ok ? 0 : 1;
}
