/* SPDX-License-Identifier: MIT
 *
 * sched.h - a deterministic machine: simulated processes that switch at every shared access
 *
 * Each process is a coroutine that runs the real code of the library. Before each access to the region
 * (sim_point() of atomic.h) the scheduler may let another one go on, stop this one for a long time, or
 * kill it: it is then never scheduled again, wherever it stood. Everything follows from one seed, so a
 * failure is replayed by its seed. Memory is sequentially consistent.
 */
#ifndef SCHED_H
#define SCHED_H

#include <stdbool.h>
#include <stdint.h>

#define SCHED_PROCS 8u

struct sched_options {
	uint64_t seed;
	uint32_t quantum; /* mean accesses between switches; 0: by priorities that change rarely */
	uint32_t kill_every; /* mean accesses between kills; 0: none */
	uint32_t kills_max;
	uint32_t stop_every;  /* mean accesses between stops; 0: none */
	uint32_t stop_length; /* accesses of others, at most */
	uint32_t stopped_max; /* processes stopped at one time */
	uint64_t step_limit;  /* accesses that one call may take */
};

typedef void sched_fn(void *arg);

/* A generator of its own for whoever shares the seed. */
uint64_t sched_random(uint64_t *state);
/* Uniform below @n, by the scheduler's generator. */
uint32_t sched_below(uint32_t n);

void sched_init(const struct sched_options *opt);
void sched_deinit(void);

/* Start a process in place @i, which is empty or holds one that is dead or done. */
void sched_start(unsigned i, sched_fn *fn, void *arg);

/* May this process be killed and stopped now? True from the start. */
void sched_mortal(unsigned i, bool mortal);

/* Run until all processes are done or dead, or sched_fail() is called. @on_death is told of each kill
 * before anybody else runs; it may not start processes. Return: false after a failure. */
bool sched_run(void (*on_death)(unsigned i));

/* Run process @i alone until it has made @accesses more. Return: false: it is done, or sched_fail() was
 * called. Nothing is killed or stopped. */
bool sched_advance(unsigned i, uint64_t accesses);

/* From inside a process: a call of the library begins; its accesses count from 0. */
void sched_call(void);
/* From inside a process: let another one run. */
void sched_yield_now(void);

/* From inside a process: accesses neither count nor switch, until it is turned off again. */
void sched_quiet(bool quiet);

/* Record a violation and end the run. May be called from inside a process. */
void sched_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
const char *sched_failure(void);

/* Accesses since sched_init(), kills, stops. */
uint64_t sched_accesses(void);
unsigned sched_kills(void);
unsigned sched_stops(void);
/* The running process; SCHED_PROCS outside. */
unsigned sched_self(void);

#endif
