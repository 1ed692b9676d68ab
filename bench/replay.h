/* SPDX-License-Identifier: MIT */
/* replay.h - a trace through the cache, and through exact reference caches */
#ifndef BENCH_REPLAY_H
#define BENCH_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "keyval.h"
#include "trace.h"

#define REPLAY_KEY_BYTES 16
#define REPLAY_MIN_REGION (UINT64_C(32) << 20)
#define REPLAY_MAX_REQUESTS UINT64_C(20000000)

struct replay_spec {
	const struct trace *trace;
	double capacity_percent;   /* of the footprint of all copies: the size of the region */
	const char *policy;	   /* NULL: the reference caches only */
	const struct sizes *sizes; /* NULL: the trace's, or kvcache-like where it has none */
	uint64_t max_requests;
	uint32_t copies;  /* 0: as many as the region needs */
	bool stop_daemon; /* SIGSTOP for the whole run: clients evict by themselves */
	bool skip_s3fifo;
	bool skip_region;
	const char *progress; /* a label: one line on stderr that is written over; NULL: none */
};

struct replay_result {
	uint32_t copies;
	uint64_t requests;
	uint64_t footprint_bytes; /* keys and values of all objects of all copies */
	uint64_t region_bytes;
	uint64_t live_bytes; /* the peak; 0 without a policy */
	uint64_t clamped;    /* distinct requests whose value was cut to the cache's maximum */
	uint64_t evictions;
	uint64_t wrong, errors;
	int first_error;
	double seconds;
	double miss_ratio;		  /* NAN when not measured, as below */
	double lru, s3fifo;		  /* given live_bytes */
	double lru_region, s3fifo_region; /* given region_bytes */
};

/* Return: 0; -errno (said on stderr). Wrong values and errors are counted, not returned. */
int replay_measure(const struct replay_spec *spec, struct replay_result *result);

/* The command. Return: an exit code. */
int replay_command(int argc, char **argv);

#endif
