/* SPDX-License-Identifier: MIT */
/* keyval.h - keys and values that can be recomputed, so that every read can be verified */
#ifndef BENCH_KEYVAL_H
#define BENCH_KEYVAL_H

#include <stddef.h>
#include <stdint.h>

#define KEYVAL_KEY_MIN 8
#define KEYVAL_HEAD 16 /* values from this size on carry a sequence number and a checksum */

enum sizes_kind { SIZES_FIXED, SIZES_UNIFORM, SIZES_KVCACHE };

/* How long the value of a key is: a fixed function of the key's id. */
struct sizes {
	enum sizes_kind kind;
	uint32_t low;
	uint32_t high;
};

uint32_t sizes_of(const struct sizes *sizes, uint64_t id);
uint32_t sizes_max(const struct sizes *sizes);

/* Distinct ids give distinct keys of every length from KEYVAL_KEY_MIN on. */
void keyval_key(void *buf, size_t klen, uint64_t id);

/* The value of key @id as written by store number @seq. Shorter than KEYVAL_HEAD: @seq is not kept. */
void keyval_value(void *buf, size_t vlen, uint64_t id, uint64_t seq);

/* Return: 0 some store of this key wrote exactly these bytes; 1 nobody did: wrong or torn. */
int keyval_verify(const void *buf, size_t vlen, uint64_t id);

#endif
