/* SPDX-License-Identifier: MIT */
/* trace.c - recorded cache accesses
 *
 * Recorded object ids are arbitrary 64-bit numbers; they become dense numbers while reading, because
 * the reference caches keep their state in arrays. A record can be split between two buffers of the
 * decompressor, so records are put together in a buffer of their own.
 */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zstd.h>

#include "rng.h"

#define TRACE_RECORD 24

struct trace_reader {
	struct trace *trace;
	uint64_t request_room;
	uint64_t object_room;
	uint32_t *slot; /* open addressing: object + 1, 0 = free */
	uint64_t n_slots;
	unsigned char part[TRACE_RECORD];
	size_t n_part;
};

static uint64_t trace_find(const struct trace_reader *reader, uint64_t id)
{
	uint64_t at = rng_mix(id) & (reader->n_slots - 1);

	while (reader->slot[at] && reader->trace->id[reader->slot[at] - 1] != id)
		at = (at + 1) & (reader->n_slots - 1);
	return at;
}

/* Twice the room for objects, and an index at half load. */
static int trace_grow_objects(struct trace_reader *reader)
{
	uint64_t room = reader->object_room ? reader->object_room * 2 : 1024;
	uint64_t *id = reallocarray(reader->trace->id, room, sizeof(*id));
	uint32_t *slot;

	if (!id)
		return -ENOMEM;
	reader->trace->id = id;
	slot = calloc(room * 2, sizeof(*slot));
	if (!slot)
		return -ENOMEM;
	free(reader->slot);
	reader->slot = slot;
	reader->n_slots = room * 2;
	reader->object_room = room;
	for (uint32_t i = 0; i < reader->trace->n_objects; i++)
		slot[trace_find(reader, id[i])] = i + 1;
	return 0;
}

static int trace_number(struct trace_reader *reader, uint64_t id, uint32_t *objectp)
{
	struct trace *trace = reader->trace;
	uint64_t at;
	int r;

	if (trace->n_objects == reader->object_room) {
		r = trace_grow_objects(reader);
		if (r < 0)
			return r;
	}
	at = trace_find(reader, id);
	if (!reader->slot[at]) {
		if (trace->n_objects >= UINT32_MAX - 1)
			return -E2BIG;
		trace->id[trace->n_objects] = id;
		reader->slot[at] = ++trace->n_objects;
	}
	*objectp = reader->slot[at] - 1;
	return 0;
}

static uint64_t trace_le(const unsigned char *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

static int trace_record(struct trace_reader *reader, const unsigned char *record)
{
	struct trace *trace = reader->trace;
	struct trace_request *request;
	int r;

	if (trace->n_requests == reader->request_room) {
		uint64_t room = reader->request_room ? reader->request_room * 2 : 4096;

		request = reallocarray(trace->request, room, sizeof(*request));
		if (!request)
			return -ENOMEM;
		trace->request = request;
		reader->request_room = room;
	}
	request = &trace->request[trace->n_requests];
	request->size = (uint32_t)trace_le(record + 12, 4);
	r = trace_number(reader, trace_le(record + 4, 8), &request->object);
	if (r < 0)
		return r;
	trace->has_sizes |= request->size > 1;
	trace->n_requests++;
	return 0;
}

static int trace_bytes(struct trace_reader *reader, const unsigned char *buf, size_t len)
{
	int r = 0;

	while (len > 0 && r == 0) {
		size_t n = TRACE_RECORD - reader->n_part;

		if (n > len)
			n = len;
		memcpy(reader->part + reader->n_part, buf, n);
		reader->n_part += n;
		buf += n;
		len -= n;
		if (reader->n_part == TRACE_RECORD) {
			reader->n_part = 0;
			r = trace_record(reader, reader->part);
		}
	}
	return r;
}

/* @left: what zstd says: 0 at the end of a frame */
static int trace_unpack(struct trace_reader *reader, ZSTD_DStream *stream, ZSTD_inBuffer *in,
			size_t *left)
{
	unsigned char buf[1 << 16];
	int r = 0;

	while (r == 0 && in->pos < in->size) {
		ZSTD_outBuffer out = {buf, sizeof(buf), 0};

		*left = ZSTD_decompressStream(stream, &out, in);
		if (ZSTD_isError(*left))
			return -EBADMSG;
		r = trace_bytes(reader, buf, out.pos);
	}
	return r;
}

static int trace_read_zstd(struct trace_reader *reader, FILE *file)
{
	ZSTD_DStream *stream = ZSTD_createDStream();
	unsigned char buf[1 << 16];
	size_t n, left = 0;
	int r = 0;

	if (!stream)
		return -ENOMEM;
	while (r == 0 && (n = fread(buf, 1, sizeof(buf), file)) > 0) {
		ZSTD_inBuffer in = {buf, n, 0};

		r = trace_unpack(reader, stream, &in, &left);
	}
	ZSTD_freeDStream(stream);
	if (r == 0 && left != 0)
		return -EBADMSG; /* cut off inside a frame */
	return r;
}

static int trace_read_plain(struct trace_reader *reader, FILE *file)
{
	unsigned char buf[1 << 16];
	size_t n;
	int r = 0;

	while (r == 0 && (n = fread(buf, 1, sizeof(buf), file)) > 0)
		r = trace_bytes(reader, buf, n);
	return r;
}

static int trace_read(struct trace_reader *reader, FILE *file)
{
	unsigned char magic[4] = {0};
	bool is_zstd = fread(magic, 1, 4, file) == 4 && trace_le(magic, 4) == ZSTD_MAGICNUMBER;
	int r;

	rewind(file);
	r = is_zstd ? trace_read_zstd(reader, file) : trace_read_plain(reader, file);
	if (r == 0 && ferror(file))
		r = -EIO;
	if (r == 0 && (reader->n_part != 0 || reader->trace->n_requests == 0))
		r = -EBADMSG;
	return r;
}

int trace_load(struct trace *trace, const char *path)
{
	struct trace_reader reader = {.trace = trace};
	FILE *file = fopen(path, "rbe");
	int r;

	memset(trace, 0, sizeof(*trace));
	if (!file)
		return -errno;
	r = trace_read(&reader, file);
	fclose(file);
	free(reader.slot);
	if (r < 0)
		trace_free(trace);
	return r;
}

void trace_free(struct trace *trace)
{
	free(trace->request);
	free(trace->id);
	memset(trace, 0, sizeof(*trace));
}
