/* SPDX-License-Identifier: MIT
 *
 * stop_each.c - stopped at an instruction, while a peer goes on
 *
 *	stop_each                  some instructions of each call
 *	stop_each --samples N      N of each call; 0: every one
 *	stop_each --seed N
 *
 * A child makes a call and is stopped at one of its instructions. A peer makes another call on the same key,
 * to its end. Then the child is killed, stays stopped while all is examined, or goes on. The simulator
 * does the same for each shared access (tests/sim/test_stop.c); this is the compiled code, in which a
 * copy is many instructions. Skipped where ptrace(2) is forbidden.
 * test-timeout: 90
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "calls.h"
#include "cleaner.h"
#include "step.h"

#define CLIENT 1u
#define PEER 2u
#define DAEMON 0u
#define SAMPLES 10u
#define PEER_SECONDS 20

enum peer_call { P_GET, P_SET, P_ADD, P_INCR, P_DELETE, P_TOUCH, P_MSET, P_FLUSH, P_CLEAN, PEERS };
static const char *const peer_names[] = {"get",	  "set",  "add",   "incr", "delete",
					 "touch", "mset", "flush", "clean"};
enum outcome { KILLED, STAYS, RESUMES, OUTCOMES };
static const char *const outcome_names[] = {"killed", "stays", "resumes"};

static struct tiny tiny;
static struct larder *child_handle;
static uint64_t random_state = 1;
static unsigned n_found;

static unsigned draw(unsigned n)
{
	random_state =
		random_state * 6364136223846793005ULL + 1442695040888963407ULL; /* Knuth's LCG */
	return (unsigned)(random_state >> 33) % n;
}

static void prepare(void *arg)
{
	child_handle = tiny_enter(&tiny, CLIENT, 7);
	calls_prepare(arg, child_handle, &tiny);
}

static int run(void *arg)
{
	const struct call *call = arg;
	int r = call->run(child_handle);

	/* What a peer did first may decide otherwise: exists, or a miss. */
	return r >= 0 && r <= 2 ? 0 : r == -EDOM ? 0 : 1;
}

static int peer_act(struct larder *h, enum peer_call what)
{
	static char value[] = "peer";
	struct larder_op op = {.key = "subject", .klen = 7, .buf = value, .len = 4};
	size_t len = 0;

	switch (what) {
	case P_GET:
		return larder_get(h, "subject", 7, NULL, &len);
	case P_SET:
		return larder_set(h, "subject", 7, "peer", 4, 0);
	case P_ADD:
		return larder_add(h, "subject", 7, "peer", 4, 0);
	case P_INCR:
		len = (size_t)larder_incr(h, "subject", 7, 1, NULL, NULL); /* of a text: -EDOM */
		return 0;
	case P_DELETE:
		return larder_delete(h, "subject", 7);
	case P_TOUCH:
		return larder_touch(h, "subject", 7, 1000000);
	case P_MSET:
		return larder_mset(h, &op, 1);
	case P_FLUSH:
		return larder_flush(h);
	default:
		cleaner_step(h, 8, false);
		return 0;
	}
}

/* Any order of the two calls, and evictions by the cleaner. */
static bool explained(const struct call *call, struct larder *h)
{
	static const char *const counts[] = {"5", "6", "7"};
	bool ok = calls_subject_is(h, NULL, false) || calls_subject_is(h, "peer", false);

	ok = ok || (call->before != NULL && calls_subject_is(h, call->before, call->large));
	ok = ok || (call->after != NULL && calls_subject_is(h, call->after, call->large));
	for (unsigned i = 0; i < 3 && call->counter; i++)
		ok = ok || calls_subject_is(h, counts[i], false);
	return ok;
}

static void finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	n_found++;
	fprintf(stderr, "  I%u: %s\n", invariant, text);
}

static const char *examine(const struct call *call, struct larder *h, bool gone)
{
	n_found = 0;
	if (gone && (larder_check(h, finding, NULL) != 0 || n_found != 0))
		return "larder_check() found damage";
	if (tiny_count_words(h, "subject", 7) > 1)
		return "the subject has two committed words";
	if (!explained(call, h))
		return "no order of the two calls explains the subject";
	return calls_use(call, h);
}

/* Return: NULL; what is wrong. @at is lowered where the call is shorter. */
static const char *one_case(const struct call *call, uint64_t *at, enum peer_call what,
			    enum outcome outcome)
{
	union {
		const struct call *in;
		void *out;
	} arg = {.in = call};
	struct step_part part = {.prepare = prepare, .run = run, .arg = arg.out};
	struct larder *h, *daemon;
	const char *wrong = NULL;
	struct step s;
	bool running = true;

	tiny_reset(&tiny);
	if (!step_start(&s, &part)) {
		puts("ptrace(2) is forbidden here");
		exit(77);
	}
	while (running && s.steps < *at)
		running = step_one(&s);
	*at = s.steps;
	h = tiny_enter(&tiny, PEER, 5);
	daemon = tiny_enter(&tiny, DAEMON, 3);
	alarm(PEER_SECONDS);
	if (peer_act(h, what) < 0)
		wrong = "the peer's call failed";
	if (running && outcome == RESUMES) {
		step_finish(&s);
		running = false;
		if (s.exit_code != 0)
			wrong = "the call that was stopped failed";
	} else if (running && outcome == KILLED) {
		step_kill(&s);
		running = false;
	}
	if (!running)
		cleaner_reap(daemon, CLIENT);
	if (wrong == NULL)
		wrong = examine(call, h, !running);
	if (running)
		step_kill(&s);
	alarm(0);
	tiny_leave(h);
	tiny_leave(daemon);
	return wrong;
}

static uint64_t length_of(const struct call *call)
{
	uint64_t at = UINT64_MAX;

	return one_case(call, &at, P_GET, KILLED) == NULL ? at : 0;
}

static bool stop_in(const struct call *call, uint64_t samples)
{
	uint64_t length, n;

	tiny_init(&tiny, &call->region);
	length = length_of(call);
	n = samples == 0 || samples > length ? length : samples;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = n == length ? i : (i * length + draw((unsigned)length)) / n;
		enum peer_call what = (enum peer_call)draw(PEERS);
		enum outcome outcome = (enum outcome)draw(OUTCOMES);
		const char *wrong = one_case(call, &at, what, outcome);

		if (wrong != NULL) {
			fprintf(stderr,
				"%s, stopped after %llu instructions, a peer's %s, %s: %s\n",
				call->name, (unsigned long long)at, peer_names[what],
				outcome_names[outcome], wrong);
			return false;
		}
	}
	printf("%-22s %6llu instructions, stopped at %llu\n", call->name,
	       (unsigned long long)length, (unsigned long long)n);
	tiny_deinit(&tiny);
	return length != 0;
}

int main(int argc, char **argv)
{
	uint64_t samples = SAMPLES;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (argv[i][2] == 's' && argv[i][3] == 'a')
			samples = strtoull(argv[i + 1], NULL, 0);
		else
			random_state = strtoull(argv[i + 1], NULL, 0);
	}
	printf("seed %llu\n", (unsigned long long)random_state);
	for (unsigned i = 0; i < n_calls; i++)
		if (!stop_in(&calls[i], samples))
			return 1;
	return 0;
}
