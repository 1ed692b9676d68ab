/* SPDX-License-Identifier: MIT */
/* bars.h - every promise that is a number, measured */
#ifndef BENCH_BARS_H
#define BENCH_BARS_H

#include <stdbool.h>
#include <stdint.h>

#include <larder/larder.h>

#include "spawn.h"

#define BARS_RUNS_MAX 64
#define BARS_NOTE 320
#define BARS_DETAIL 4096

enum bars_sense { BARS_AT_MOST, BARS_AT_LEAST };

/* What one bar came to. */
struct bars_figure {
	const char *id;
	const char *what;
	enum bars_sense sense;
	double limit;
	double figure;	  /* NAN: not measured, the note says why */
	double low, high; /* of the runs */
	unsigned runs;
	char note[BARS_NOTE];
	char detail[BARS_DETAIL]; /* lines */
};

struct bars_samples {
	double value[BARS_RUNS_MAX];
	unsigned n;
	bool is_worst; /* the figure is the largest one, not the median */
};

struct bars; /* the collection that the measuring functions report to */

bool bars_quick(const struct bars *bars);
const char *bars_traces(const struct bars *bars); /* NULL: none given */

/* The median, the extremes, and a printf note (NULL: none). No sample is "not measured". */
void bars_report(struct bars *bars, const char *id, const struct bars_samples *samples,
		 const char *note, ...) __attribute__((format(printf, 4, 5)));
/* One line of what the next reported bar consists of. */
void bars_detail(struct bars *bars, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Not measured, and why. */
void bars_missing(struct bars *bars, const char *id, const char *why);

void bars_sample(struct bars_samples *samples, double value);
double bars_median(const struct bars_samples *samples);

/* The measuring functions, by file. */
void bars_get_hit(struct bars *bars); /* bars_speed.c */
void bars_get_ttl(struct bars *bars);
void bars_get_miss(struct bars *bars);
void bars_bare_absl(struct bars *bars);
void bars_mget(struct bars *bars);
void bars_set(struct bars *bars);
void bars_get_two(struct bars *bars);	/* bars_two.c */
void bars_set_evict(struct bars *bars); /* bars_fill.c */
void bars_meta(struct bars *bars);
void bars_fill_64(struct bars *bars);
void bars_fill_500(struct bars *bars);
void bars_fill_8k(struct bars *bars);
void bars_fill_churn(struct bars *bars);
void bars_lru(struct bars *bars); /* bars_replay.c */
void bars_lru_alone(struct bars *bars);
void bars_daemon_kill(struct bars *bars); /* bars_kill.c */
void bars_ready(struct bars *bars);	  /* bars_daemon.c */
void bars_idle(struct bars *bars);
void bars_first_hit(struct bars *bars);
void bars_private_memory(struct bars *bars);

/* The command. Return: an exit code. */
int bars_command(int argc, char **argv);

#endif
