/* SPDX-License-Identifier: MIT
 *
 * sched.c - coroutines, and the choice of who goes on
 *
 * POLICIES	Random: after a number of accesses around the quantum, any of those that can run. Priorities
 *		(Burckhardt and others, "A randomized scheduler with probabilistic guarantees of finding
 *		bugs", 2010): the first in a random order runs until one of the rare change points puts it
 *		last. The first finds races between neighbours, the second ones that need a long sleep at
 *		one exact place.
 */
/* This file is the simulator, also for an analyzer that looks at it alone. */
#ifndef LARDER_SIM
#define LARDER_SIM
#endif

#include "sched.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "atomic.h"

#define STACK_BYTES (256u << 10)
#define WAIT_TIME 100u	  /* what a process that waits lets pass */
#define CHANGE_EVERY 200u /* accesses between change points of priorities, in the mean */

enum state { EMPTY, READY, STOPPED, DEAD, DONE };

struct proc {
	ucontext_t context;
	void *stack;
	sched_fn *fn;
	void *arg;
	enum state state;
	bool mortal;
	int64_t priority;
	uint64_t wake_at;
	uint64_t call_began; /* own accesses at the last sched_call() */
	uint64_t own;
};

static struct {
	struct sched_options opt;
	struct proc proc[SCHED_PROCS];
	ucontext_t main;
	unsigned current;
	uint64_t random;
	int64_t last; /* lower than all priorities */
	uint64_t accesses;
	uint64_t time; /* accesses, and more where somebody only waits */
	uint64_t switch_at, kill_at, stop_at;
	unsigned kills, stops;
	bool quiet;
	uint64_t advance; /* accesses that sched_advance() still allows; 0: not in use */
	bool failed;
	char failure[256];
} sched = {.current = SCHED_PROCS};

uint64_t sched_random(uint64_t *state)
{
	uint64_t x = *state += 0x9E3779B97F4A7C15ULL; /* splitmix64 */

	x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ULL;
	x = (x ^ x >> 27) * 0x94D049BB133111EBULL;
	return x ^ x >> 31;
}

uint32_t sched_below(uint32_t n)
{
	return n == 0 ? 0 : (uint32_t)(sched_random(&sched.random) % n);
}

/* The next of events that come every @mean accesses. */
static uint64_t next_after(uint32_t mean)
{
	return mean == 0 ? UINT64_MAX : sched.time + 1 + sched_below(2 * mean);
}

static uint32_t switch_mean(void)
{
	return sched.opt.quantum != 0 ? sched.opt.quantum : CHANGE_EVERY;
}

void sched_init(const struct sched_options *opt)
{
	sched.opt = *opt;
	sched.random = opt->seed;
	sched.accesses = sched.time = 0;
	sched.last = 0;
	sched.kills = sched.stops = 0;
	sched.failed = sched.quiet = false;
	sched.failure[0] = '\0';
	sched.current = SCHED_PROCS;
	for (unsigned i = 0; i < SCHED_PROCS; i++)
		sched.proc[i].state = EMPTY;
	sched.switch_at = next_after(switch_mean());
	sched.kill_at = next_after(opt->kill_every);
	sched.stop_at = next_after(opt->stop_every);
}

void sched_deinit(void)
{
	for (unsigned i = 0; i < SCHED_PROCS; i++) {
		if (sched.proc[i].stack != NULL)
			munmap(sched.proc[i].stack, STACK_BYTES);
		sched.proc[i].stack = NULL;
	}
}

static void leave(void)
{
	struct proc *p = &sched.proc[sched.current];

	swapcontext(&p->context, &sched.main);
}

static void entry(void)
{
	struct proc *p = &sched.proc[sched.current];

	p->fn(p->arg);
	p->state = DONE;
	leave();
}

void sched_start(unsigned i, sched_fn *fn, void *arg)
{
	struct proc *p = &sched.proc[i];

	if (p->stack == NULL) {
		p->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p->stack == MAP_FAILED)
			abort();
	}
	getcontext(&p->context);
	p->context.uc_stack.ss_sp = p->stack;
	p->context.uc_stack.ss_size = STACK_BYTES;
	p->context.uc_link = NULL;
	makecontext(&p->context, entry, 0);
	p->fn = fn;
	p->arg = arg;
	p->state = READY;
	p->mortal = true;
	p->priority = sched_below(1u << 20);
	p->own = p->call_began = 0;
}

void sched_mortal(unsigned i, bool mortal)
{
	sched.proc[i].mortal = mortal;
}

/* ------------------------------------------------------------------ choosing */

static void wake_due(void)
{
	for (unsigned i = 0; i < SCHED_PROCS; i++)
		if (sched.proc[i].state == STOPPED && sched.proc[i].wake_at <= sched.time)
			sched.proc[i].state = READY;
}

/* Nobody is ready: the one that would be next. */
static unsigned wake_first(void)
{
	unsigned best = SCHED_PROCS;

	for (unsigned i = 0; i < SCHED_PROCS; i++)
		if (sched.proc[i].state == STOPPED &&
		    (best == SCHED_PROCS || sched.proc[i].wake_at < sched.proc[best].wake_at))
			best = i;
	if (best != SCHED_PROCS)
		sched.proc[best].state = READY;
	return best;
}

static unsigned pick(void)
{
	unsigned ready[SCHED_PROCS], n = 0, best = SCHED_PROCS;

	for (unsigned i = 0; i < SCHED_PROCS; i++) {
		if (sched.proc[i].state != READY)
			continue;
		ready[n++] = i;
		if (best == SCHED_PROCS || sched.proc[i].priority > sched.proc[best].priority)
			best = i;
	}
	if (n == 0)
		return wake_first();
	return sched.opt.quantum != 0 ? ready[sched_below(n)] : best;
}

bool sched_run(void (*on_death)(unsigned i))
{
	while (!sched.failed) {
		unsigned i;

		wake_due();
		i = pick();
		if (i == SCHED_PROCS)
			break;
		sched.switch_at = next_after(switch_mean());
		sched.current = i;
		swapcontext(&sched.main, &sched.proc[i].context);
		sched.current = SCHED_PROCS;
		if (sched.proc[i].state == DEAD) {
			sched.proc[i].state = EMPTY;
			on_death(i);
		}
	}
	return !sched.failed;
}

bool sched_advance(unsigned i, uint64_t accesses)
{
	/* The access that is announced next is not made. */
	sched.advance = accesses + 1;
	sched.current = i;
	swapcontext(&sched.main, &sched.proc[i].context);
	sched.current = SCHED_PROCS;
	sched.advance = 0;
	return sched.proc[i].state == READY && !sched.failed;
}

/* ------------------------------------------------------------------ from inside */

static unsigned count_stopped(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SCHED_PROCS; i++)
		n += sched.proc[i].state == STOPPED;
	return n;
}

static void strike(struct proc *p)
{
	if (sched.time >= sched.kill_at && p->mortal && sched.kills < sched.opt.kills_max) {
		sched.kill_at = next_after(sched.opt.kill_every);
		sched.kills++;
		p->state = DEAD;
		leave();
	}
	if (sched.time >= sched.stop_at) {
		sched.stop_at = next_after(sched.opt.stop_every);
		if (!p->mortal || count_stopped() >= sched.opt.stopped_max)
			return;
		sched.stops++;
		p->state = STOPPED;
		/* Short stops and long ones, each power of two as often. */
		p->wake_at = sched.time + (sched.opt.stop_length >> sched_below(8)) + 1;
		leave();
	}
}

void sim_point(uintptr_t addr)
{
	struct proc *p;

	(void)addr;
	if (sched.current == SCHED_PROCS || sched.quiet)
		return;
	if (sched.advance != 0) {
		if (--sched.advance == 0)
			leave();
		return;
	}
	p = &sched.proc[sched.current];
	sched.accesses++;
	sched.time++;
	if (++p->own - p->call_began > sched.opt.step_limit)
		sched_fail("a call took more than %llu accesses",
			   (unsigned long long)sched.opt.step_limit);
	if (sched.time >= sched.kill_at || sched.time >= sched.stop_at)
		strike(p);
	if (sched.time >= sched.switch_at) {
		p->priority = --sched.last;
		leave();
	}
}

uint64_t sim_value(uintptr_t addr, uint64_t value)
{
	(void)addr;
	return value;
}

void sched_call(void)
{
	struct proc *p = &sched.proc[sched.current];

	p->call_began = p->own;
}

void sched_yield_now(void)
{
	sched.proc[sched.current].priority = --sched.last;
	sched.time += WAIT_TIME;
	leave();
}

void sched_quiet(bool quiet)
{
	sched.quiet = quiet;
}

void sched_fail(const char *format, ...)
{
	va_list ap;

	if (!sched.failed) {
		va_start(ap, format);
		vsnprintf(sched.failure, sizeof(sched.failure), format, ap);
		va_end(ap);
	}
	sched.failed = true;
	if (sched.current != SCHED_PROCS)
		leave();
}

const char *sched_failure(void)
{
	return sched.failure;
}

uint64_t sched_accesses(void)
{
	return sched.accesses;
}

unsigned sched_kills(void)
{
	return sched.kills;
}

unsigned sched_stops(void)
{
	return sched.stops;
}

unsigned sched_self(void)
{
	return sched.current;
}
