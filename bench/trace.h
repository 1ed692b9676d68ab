/* SPDX-License-Identifier: MIT */
/* trace.h - recorded cache accesses */
#ifndef BENCH_TRACE_H
#define BENCH_TRACE_H

#include <stdbool.h>
#include <stdint.h>

struct trace_request {
	uint32_t object; /* 0 to n_objects - 1, in order of first appearance */
	uint32_t size;	 /* as recorded */
};

struct trace {
	struct trace_request *request;
	uint64_t n_requests;
	uint32_t n_objects;
	uint64_t *id;	/* of each object, as recorded */
	bool has_sizes; /* some recorded size is above 1: the trace knows sizes */
};

/*
 * Reads a whole file in the oracleGeneral format: packed little-endian records of 24 bytes
 * (u32 time, u64 object, u32 size, i64 next access), zstd-compressed or not (told by its magic).
 * Return: 0; -errno; -EBADMSG not such a file; -E2BIG over 2^32 - 2 objects.
 */
int trace_load(struct trace *trace, const char *path);
void trace_free(struct trace *trace);

#endif
