/* SPDX-License-Identifier: MIT */
/* keyval.c - keys and values that can be recomputed, so that every read can be verified
 *
 *	value:	seq 8 | check 8 | body: words derived from check ...
 *
 * check mixes the id, the sequence number and the length, and each body word mixes check and its
 * place. A value of another key, of another length, or put together from two stores of the same key
 * therefore differs in the check or in the body; a verification that looked at the head only would
 * not see a torn tail.
 */
#include "keyval.h"

#include <string.h>

#include "rng.h"

#define KEYVAL_GOLDEN UINT64_C(0x9e3779b97f4a7c15)

/* Quantiles of Meta's kvcache_reg histogram (CacheLib, hit_ratio tests); ends chosen to fit. */
static const struct {
	double below;
	double size;
} sizes_kvcache[] = {{0.0, 40}, {0.10, 95}, {0.50, 159}, {0.90, 191}, {0.99, 959}, {1.0, 4096}};

static uint32_t sizes_of_kvcache(uint64_t id)
{
	double u = (double)(rng_mix(id + KEYVAL_GOLDEN) >> 11) * 0x1p-53;
	unsigned i = 1;
	double part;

	while (u >= sizes_kvcache[i].below)
		i++;
	part = (u - sizes_kvcache[i - 1].below) /
	       (sizes_kvcache[i].below - sizes_kvcache[i - 1].below);
	return (uint32_t)(sizes_kvcache[i - 1].size +
			  part * (sizes_kvcache[i].size - sizes_kvcache[i - 1].size));
}

uint32_t sizes_of(const struct sizes *sizes, uint64_t id)
{
	uint64_t span = (uint64_t)sizes->high - sizes->low + 1;

	switch (sizes->kind) {
	case SIZES_UNIFORM:
		return sizes->low + (uint32_t)(rng_mix(id + KEYVAL_GOLDEN) % span);
	case SIZES_KVCACHE:
		return sizes_of_kvcache(id);
	case SIZES_FIXED:
	default:
		return sizes->low;
	}
}

uint32_t sizes_max(const struct sizes *sizes)
{
	return sizes->kind == SIZES_KVCACHE ? 4096 : sizes->high;
}

/* Words of @len bytes from @seed; the last one may be cut. */
static void keyval_fill(unsigned char *buf, size_t len, uint64_t seed)
{
	uint64_t word;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		seed += KEYVAL_GOLDEN;
		word = seed * UINT64_C(0xd1342543de82ef95);
		word ^= word >> 32;
		memcpy(buf + i, &word, 8);
	}
	word = rng_mix(seed);
	memcpy(buf + i, &word, len - i);
}

static int keyval_differs(const unsigned char *buf, size_t len, uint64_t seed)
{
	uint64_t word, found, diff = 0;
	size_t i;

	for (i = 0; i + 8 <= len; i += 8) {
		seed += KEYVAL_GOLDEN;
		word = seed * UINT64_C(0xd1342543de82ef95);
		word ^= word >> 32;
		memcpy(&found, buf + i, 8);
		diff |= found ^ word;
	}
	word = rng_mix(seed);
	return diff != 0 || memcmp(buf + i, &word, len - i) != 0;
}

void keyval_key(void *buf, size_t klen, uint64_t id)
{
	uint64_t word = rng_mix(id + KEYVAL_GOLDEN);

	memcpy(buf, &word, 8);
	keyval_fill((unsigned char *)buf + 8, klen - 8, id);
}

static uint64_t keyval_check(uint64_t id, uint64_t seq, size_t vlen)
{
	return rng_mix(rng_mix(id + KEYVAL_GOLDEN * 3) + seq * KEYVAL_GOLDEN + vlen);
}

void keyval_value(void *buf, size_t vlen, uint64_t id, uint64_t seq)
{
	unsigned char *out = buf;
	uint64_t check;

	if (vlen < KEYVAL_HEAD) {
		keyval_fill(out, vlen, keyval_check(id, 0, vlen));
		return;
	}
	check = keyval_check(id, seq, vlen);
	memcpy(out, &seq, 8);
	memcpy(out + 8, &check, 8);
	keyval_fill(out + KEYVAL_HEAD, vlen - KEYVAL_HEAD, check);
}

int keyval_verify(const void *buf, size_t vlen, uint64_t id)
{
	const unsigned char *in = buf;
	uint64_t seq, check, found;

	if (vlen < KEYVAL_HEAD)
		return keyval_differs(in, vlen, keyval_check(id, 0, vlen));
	memcpy(&seq, in, 8);
	memcpy(&found, in + 8, 8);
	check = keyval_check(id, seq, vlen);
	return found != check || keyval_differs(in + KEYVAL_HEAD, vlen - KEYVAL_HEAD, check);
}
