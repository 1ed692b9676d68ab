/* SPDX-License-Identifier: MIT
 *
 * batch.c - mget, mset, mdelete, mexists
 *
 * A lookup in memory that is not cached is a chain of three misses: bucket, item, and segment word. One
 * key after the other costs their sum. Groups of 16 are walked in passes instead, each pass asking for
 * the lines that the next one needs, so the misses of 16 keys overlap: the only way to work at the
 * bandwidth of DRAM and not at its latency (Chen, Ailamaki, Gibbons, Mowry: "Improving hash join
 * performance through prefetching", 2004).
 */
#include "clock.h"
#include "read.h"
#include "read_simple.h"
#include "store.h"

#define GROUP 16u

typedef void batch_one(struct larder *h, struct larder_op *op, uint64_t hash);

struct batch {
	batch_one *one;
	bool writes;
	bool values; /* uses .buf and .len */
};

static uint64_t prefetch_bucket(const struct larder *h, struct larder_op *op)
{
	uint64_t hash;

	op->result = key_check(op->key, op->klen);
	if (UNLIKELY(op->result != 0))
		return 0;
	hash = hash_key(h->seed, op->key, op->klen);
	__builtin_prefetch(index_hinted(h, hash));
	return hash;
}

static void prefetch_lines(const uint8_t *p, uint64_t word)
{
	unsigned more = (unsigned)(word >> SLOT_SIZE_SHIFT) & 3;

	for (unsigned i = 0; i <= more; i++)
		__builtin_prefetch(p + (uint64_t)i * SHM_LINE);
}

/* Return: false if the bucket has no entry for the key. */
static bool prefetch_item(const struct larder *h, const struct shm_bucket *b, uint64_t pattern)
{
	unsigned m = bucket_match(b, pattern);
	uint64_t word, at;

	if (UNLIKELY(m == 0))
		return false;
	word = load_relaxed(&b->word[__builtin_ctz(m)]);
	if (UNLIKELY(slot_place(word) >= h->n_places))
		return true;
	at = slot_place(word) << h->unit_shift;
	prefetch_lines(h->data + at, word);
	__builtin_prefetch(&h->segs[at >> h->seg_shift]);
	return true;
}

static uint64_t pattern_of(const struct larder *h, uint64_t hash, bool alt)
{
	return key_pattern(&(struct key){.tag = hash_tag_of(hash, h->bucket_bits)}, alt);
}

static uint64_t second_hash(const struct larder *h, uint64_t hash)
{
	return hash ^ hash_spread(hash_tag_of(hash, h->bucket_bits), h->bucket_mask0);
}

/* The home has no entry for these keys; if it says so, the second bucket has. */
static void prefetch_second(const struct larder *h, const uint64_t *hash, const uint8_t *which,
			    unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		__builtin_prefetch(index_hinted(h, second_hash(h, hash[which[i]])));
	for (unsigned i = 0; i < n; i++)
		prefetch_item(h, index_hinted(h, second_hash(h, hash[which[i]])),
			      pattern_of(h, hash[which[i]], true));
}

static void run_group(struct larder *h, struct larder_op *ops, size_t n, batch_one *one)
{
	uint64_t hash[GROUP];
	uint8_t second[GROUP];
	unsigned n_second = 0;

	for (size_t i = 0; i < n; i++)
		hash[i] = prefetch_bucket(h, &ops[i]);
	for (size_t i = 0; i < n; i++) {
		const struct shm_bucket *b = index_hinted(h, hash[i]);

		if (UNLIKELY(ops[i].result != 0) ||
		    LIKELY(prefetch_item(h, b, pattern_of(h, hash[i], false))))
			continue;
		if (overflow_any(b))
			second[n_second++] = (uint8_t)i;
	}
	prefetch_second(h, hash, second, n_second);
	for (size_t i = 0; i < n; i++)
		if (LIKELY(ops[i].result == 0))
			one(h, &ops[i], hash[i]);
}

static int summary(const struct larder_op *ops, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ops[i].result != LARDER_OK)
			return LARDER_MISS;
	return LARDER_OK;
}

/* What the single call returns where it does not get to the index. */
static int refused_result(const struct batch *b, const struct larder_op *op, int result)
{
	int r = key_check(op->key, op->klen);

	if (r == 0 && b->values && op->buf == NULL && op->len != 0)
		r = -EINVAL;
	return r != 0 ? r : result;
}

static void refuse_all(struct larder *h, const struct batch *b, struct larder_op *ops, size_t n,
		       int result)
{
	for (size_t i = 0; i < n; i++) {
		ops[i].result = refused_result(b, &ops[i], result);
		if (ops[i].result == LARDER_DETACHED) {
			stat_add(h, STAT_detached, 1);
		} else if (ops[i].result == LARDER_MISS && b->values) {
			ops[i].len = 0;
			ops[i].version = 0;
			ops[i].flags = 0;
		}
	}
}

static int run_batch(struct larder *h, struct larder_op *ops, size_t n, const struct batch *b)
{
	int r;

	if (h == NULL || (ops == NULL && n != 0) || n > LARDER_BATCH_MAX)
		return -EINVAL;
	r = handle_enter(h);
	if (r < 0)
		return r;
	if (r == LARDER_DETACHED) {
		refuse_all(h, b, ops, n, b->writes ? LARDER_DETACHED : LARDER_MISS);
		return summary(ops, n);
	}
	if (b->writes && h->rdonly) {
		refuse_all(h, b, ops, n, -EROFS);
	} else {
		for (size_t i = 0; i < n; i += GROUP)
			run_group(h, ops + i, n - i < GROUP ? n - i : GROUP, b->one);
	}
	handle_leave(h);
	return summary(ops, n);
}

static void get_general(struct larder *h, struct larder_op *op, uint64_t hash)
{
	struct read r = {.buf = op->buf, .room = op->len};
	struct key k;

	key_from_hash(h, &k, op->key, op->klen, hash);
	op->result = read_key(h, &k, &r);
	if (op->result == LARDER_OK && r.len > r.room)
		op->result = LARDER_TRUNC;
	op->len = r.len;
	op->version = r.version;
	op->flags = r.flags;
}

static void one_get(struct larder *h, struct larder_op *op, uint64_t hash)
{
	struct read_found found;

	if (UNLIKELY(op->buf == NULL && op->len != 0)) {
		op->result = -EINVAL;
	} else if (LIKELY(h->ns == 0 && op->klen <= SIMPLE_KEY_MAX &&
			  read_simple(h, hash, op->key, op->klen, op->buf, op->len, &found))) {
		op->len = found.len;
		op->version = found.version;
		op->flags = found.flags;
	} else {
		get_general(h, op, hash);
	}
}

static void one_set(struct larder *h, struct larder_op *op, uint64_t hash)
{
	struct write w;

	if (op->buf == NULL && op->len != 0) {
		op->result = -EINVAL;
		return;
	}
	write_init(&w, LARDER_PUT_SET, op->buf, op->len);
	key_from_hash(h, &w.key, op->key, op->klen, hash);
	w.uflags = op->flags;
	w.expiry = clock_expiry(h, op->ttl_ms);
	op->result = store_key(h, &w);
	op->version = w.version;
	if (op->result < 0)
		stat_add(h, STAT_failed, 1);
}

static void one_delete(struct larder *h, struct larder_op *op, uint64_t hash)
{
	struct key k;

	key_from_hash(h, &k, op->key, op->klen, hash);
	op->result = store_delete(h, &k, 0);
}

static void one_exists(struct larder *h, struct larder_op *op, uint64_t hash)
{
	struct key k;

	key_from_hash(h, &k, op->key, op->klen, hash);
	op->result = read_exists(h, &k);
}

int larder_mget(struct larder *h, struct larder_op *ops, size_t n)
{
	static const struct batch b = {.one = one_get, .values = true};

	return run_batch(h, ops, n, &b);
}

int larder_mset(struct larder *h, struct larder_op *ops, size_t n)
{
	static const struct batch b = {.one = one_set, .writes = true, .values = true};

	return run_batch(h, ops, n, &b);
}

int larder_mdelete(struct larder *h, struct larder_op *ops, size_t n)
{
	static const struct batch b = {.one = one_delete, .writes = true};

	return run_batch(h, ops, n, &b);
}

int larder_mexists(struct larder *h, struct larder_op *ops, size_t n)
{
	static const struct batch b = {.one = one_exists};

	return run_batch(h, ops, n, &b);
}
