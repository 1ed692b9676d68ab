/* SPDX-License-Identifier: MIT */
/* crew.h - client processes that put a workload on a cache */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <larder/larder.h>

#include "hist.h"
#include "workload.h"

#define CREW_MAX_WORKERS 256
#define CREW_WINDOWS 3 /* latencies of different stretches of a run are kept apart */

enum crew_phase { CREW_WAIT, CREW_WARM, CREW_RUN, CREW_STOP };

enum crew_tally {
	CREW_OPS,   /* calls; a batch is one */
	CREW_KEYS,  /* keys in them */
	CREW_READS, /* keys read */
	CREW_HITS,
	CREW_STORES,
	CREW_DELETES,
	CREW_WRONG, /* values that nobody can have stored */
	CREW_DETACHED,
	CREW_ERRORS, /* negative results */
	CREW_TALLIES,
};

/* What one worker tells, in memory shared with the parent. The worker is its only writer. */
struct crew_report {
	_Alignas(64) _Atomic uint64_t tally[CREW_TALLIES];
	_Atomic int first_error;
	_Atomic uint64_t first_wrong; /* key id + 1 */
	struct hist hist[CREW_WINDOWS];
};

struct crew_shared {
	_Atomic uint32_t phase;	 /* enum crew_phase; written by the parent */
	_Atomic uint32_t window; /* which histogram to fill; written by the parent */
	_Atomic uint32_t n_ready;
	struct crew_report report[];
};

struct crew_spec {
	const char *cache; /* what to open */
	const struct workload *workload;
	unsigned processes, threads;
	uint64_t ops;	   /* of each worker while CREW_RUN; 0 = until CREW_STOP */
	unsigned sample;   /* one call in so many is timed */
	uint64_t timer_ns; /* what timing costs */
};

struct crew {
	struct crew_spec spec;
	struct crew_shared *shared;
	size_t shared_bytes;
	unsigned n_workers; /* processes times threads; threads of a process are adjacent */
	pid_t *pid;	    /* 0 = reaped */
	bool is_broken;	    /* a client ended otherwise than by returning */
};

/* Starts the processes and waits until all are attached. Return: 0; -errno (said on stderr). */
int crew_start(struct crew *crew, const struct crew_spec *spec);
void crew_set_phase(struct crew *crew, enum crew_phase phase);
void crew_set_window(struct crew *crew, unsigned window);

/* Return: true if all processes have ended. */
bool crew_poll(struct crew *crew);
/* Waits for the end of all processes. */
void crew_join(struct crew *crew);
/* Kills what still runs, frees everything. Idempotent. */
void crew_end(struct crew *crew);

uint64_t crew_tally(const struct crew *crew, unsigned worker, enum crew_tally tally);
uint64_t crew_total(const struct crew *crew, enum crew_tally tally);
/* The sum of all workers' histograms of a window, added to @hist. */
void crew_hist(const struct crew *crew, unsigned window, struct hist *hist);
/* Says the first error and the first wrong value on stderr. Return: true if there was neither. */
bool crew_is_clean(const struct crew *crew);

/* ------------------------------------------------------------------ worker.c */

/* The life of one worker: all phases, on a handle of its own. */
void worker_run(struct crew_shared *shared, const struct crew_spec *spec, unsigned number,
		struct larder *cache);

/*
 * Stores the keys @from to @to - 1 of the workload's random order.
 * Return: 0; the first error. An eviction or a full cache is not an error.
 */
int worker_fill(struct larder *cache, const struct workload *workload, uint64_t from, uint64_t to);

#endif
