/* SPDX-License-Identifier: MIT
 *
 * read.c - get in all its forms
 *
 * A read takes no hazard. It loads the word, the segment's word, the header, key and value, and then the
 * segment's word again: if the generation is the same, all bytes were those of the item. Nothing is
 * stored but the handle's own counters and, when the recency tick has moved, one byte.
 */
#include "read.h"

#include <stdlib.h>

#include "clock.h"
#include "extent.h"
#include "read_simple.h"

#define ALLOC_TRIES 8

size_t read_decimal(char text[DECIMAL_MAX], uint64_t value, bool is_signed)
{
	bool negative = is_signed && (int64_t)value < 0;
	uint64_t rest = negative ? 0 - value : value;
	char digits[DECIMAL_MAX];
	size_t n = 0, len = 0;

	do {
		digits[n++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest != 0);
	if (negative)
		text[len++] = '-';
	while (n > 0)
		text[len++] = digits[--n];
	return len;
}

static void copy_counter(const struct larder *h, const struct hit *hit, struct read *r)
{
	char text[DECIMAL_MAX];
	uint64_t value = 0;

	copy_out(&value, item_value(h, hit->seg, hit->off, &hit->it), sizeof(value));
	r->len = read_decimal(text, value, hit->it.type == ITEM_COUNTER_SIGNED);
	if (r->room != 0)
		memcpy(r->buf, text, r->len < r->room ? r->len : r->room);
}

static bool is_counter(const struct item *it)
{
	return (it->type == ITEM_COUNTER || it->type == ITEM_COUNTER_SIGNED) && it->stored == 8;
}

/* Return: false if the value is gone. */
static bool copy_value(const struct larder *h, const struct hit *hit, struct read *r)
{
	size_t n;

	r->len = hit->it.vlen;
	if (UNLIKELY(hit->it.type != ITEM_PLAIN)) {
		if (hit->it.type == ITEM_EXTENTS)
			return extent_read(h, hit, r->buf, r->room < r->len ? r->room : r->len);
		if (is_counter(&hit->it)) {
			copy_counter(h, hit, r);
			return true;
		}
	}
	n = r->len < r->room ? r->len : r->room;
	if (n != 0)
		copy_out(r->buf, item_value(h, hit->seg, hit->off, &hit->it), n);
	return true;
}

static uint64_t shown_length(const struct larder *h, const struct hit *hit)
{
	char text[DECIMAL_MAX];
	uint64_t value = 0;

	if (!is_counter(&hit->it))
		return hit->it.vlen;
	copy_out(&value, item_value(h, hit->seg, hit->off, &hit->it), sizeof(value));
	return read_decimal(text, value, hit->it.type == ITEM_COUNTER_SIGNED);
}

void read_describe(const struct larder *h, const struct hit *hit, struct larder_meta *m)
{
	uint64_t now = clock_now_ms(h);
	/* relaxed: a hint */
	uint64_t born = (uint64_t)load_relaxed_u32(&h->table[hit->seg].born_s) * 1000;

	memset(m, 0, sizeof(*m));
	m->version = hit->it.version;
	m->length = shown_length(h, hit);
	m->flags = hit->it.uflags;
	m->counter = is_counter(&hit->it) ? hit->it.type : 0;
	m->age_ms = now >= born ? (int64_t)(now - born) : 0;
	if (hit->it.expiry > now)
		m->ttl_ms = (int64_t)(hit->it.expiry - now);
	else if (hit->it.expiry != 0)
		m->ttl_ms = 1; /* it expires in this very millisecond */
}

static int read_round(struct larder *h, struct hit *hit, struct read *r)
{
	bool known;

	if (UNLIKELY(!item_current(h, &hit->it, hit->epoch)))
		return hit_intact(h, hit) ? LARDER_MISS : -EAGAIN;
	known = r->known != 0 && hit->it.version == r->known;
	if (known)
		r->len = hit->it.vlen;
	else if (UNLIKELY(!copy_value(h, hit, r)))
		return -EAGAIN;
	if (r->meta != NULL)
		read_describe(h, hit, r->meta);
	if (UNLIKELY(!hit_intact(h, hit)))
		return -EAGAIN;
	if (LIKELY(hit->bucket != NULL))
		index_recent(h, hit->bucket, hit->i);
	r->version = hit->it.version;
	r->flags = hit->it.uflags;
	return known ? LARDER_UNCHANGED : LARDER_OK;
}

static int read_miss(struct read *r)
{
	r->len = 0;
	r->version = 0;
	r->flags = 0;
	if (r->meta != NULL)
		memset(r->meta, 0, sizeof(*r->meta));
	return LARDER_MISS;
}

/* The rounds are over, or almost: may the caller look once more? */
static bool read_once_more(struct larder *h, const struct key *k, enum find f, int round)
{
	if (round + 1 < READ_ROUNDS)
		return true;
	if (f != FIND_UNSETTLED || round + 1 > READ_ROUNDS || h->rdonly)
		return false;
	index_settle(h, k);
	return true;
}

static int read_rounds(struct larder *h, const struct key *k, struct read *r)
{
	enum find f = FIND_RETRY;

	for (int round = 0; round == 0 || read_once_more(h, k, f, round - 1); round++) {
		struct hit hit;
		int result;

		f = index_find_read(h, k, &hit);
		if (f == FIND_NONE && round < READ_ROUNDS)
			return LARDER_MISS;
		if (UNLIKELY(f != FIND_HIT))
			continue;
		result = read_round(h, &hit, r);
		if (LIKELY(result >= 0))
			return result;
	}
	stat_add(h, STAT_get_contended, 1);
	return LARDER_MISS;
}

int read_key(struct larder *h, const struct key *k, struct read *r)
{
	int result = read_rounds(h, k, r);

	if (result == LARDER_MISS) {
		add_own(&h->ns_count->misses, 1);
		return read_miss(r);
	}
	add_own(&h->ns_count->hits, 1);
	return result;
}

int read_exists(struct larder *h, const struct key *k)
{
	enum find f = FIND_RETRY;

	stat_add(h, STAT_exists, 1);
	for (int round = 0; round == 0 || read_once_more(h, k, f, round - 1); round++) {
		struct hit hit;
		bool current;

		f = index_find_read(h, k, &hit);
		if (f == FIND_NONE && round < READ_ROUNDS)
			return LARDER_MISS;
		if (UNLIKELY(f != FIND_HIT))
			continue;
		current = item_current(h, &hit.it, hit.epoch);
		if (UNLIKELY(!hit_intact(h, &hit)))
			continue;
		return current ? LARDER_OK : LARDER_MISS;
	}
	stat_add(h, STAT_get_contended, 1);
	return LARDER_MISS;
}

/* ------------------------------------------------------------------ calls */

static int read_call(struct larder *h, const void *key, size_t klen, struct read *r)
{
	struct key k;
	int result = key_check(key, klen);

	if (UNLIKELY(result != 0))
		return result;
	result = handle_enter(h);
	if (UNLIKELY(result != 0))
		return result == LARDER_DETACHED ? read_miss(r) : result;
	key_init(h, &k, key, klen);
	result = read_key(h, &k, r);
	handle_leave(h);
	return result;
}

/* What read_simple() left. */
static __attribute__((noinline)) int get_general(struct larder *h, const void *key, size_t klen,
						 void *buf, size_t *lenp)
{
	struct read r = {.buf = buf, .room = *lenp};
	struct key k;
	int result;

	key_init(h, &k, key, klen);
	result = read_key(h, &k, &r);
	*lenp = r.len;
	return result == LARDER_OK && r.len > r.room ? LARDER_TRUNC : result;
}

/* The handle could not be entered. */
static __attribute__((noinline)) int get_refused(int result, size_t *lenp)
{
	if (result != LARDER_DETACHED)
		return result;
	*lenp = 0;
	return LARDER_MISS;
}

int larder_get(struct larder *h, const void *key, size_t klen, void *buf, size_t *lenp)
{
	struct read_found found;
	uint64_t hash;
	int result;

	if (UNLIKELY(lenp == NULL || (buf == NULL && *lenp != 0)))
		return -EINVAL;
	if (UNLIKELY(key == NULL || klen - 1 >= LARDER_KEY_MAX))
		return key_check(key, klen);
	result = handle_enter(h);
	if (UNLIKELY(result != 0))
		return get_refused(result, lenp);
	hash = hash_key(h->seed, key, klen);
	if (LIKELY(h->ns == 0 && klen <= SIMPLE_KEY_MAX &&
		   read_simple(h, hash, key, klen, buf, *lenp, &found))) {
		*lenp = found.len;
	} else if (read_absent(h, hash)) {
		add_own(&h->ns_count->misses, 1);
		*lenp = 0;
		result = LARDER_MISS;
	} else {
		result = get_general(h, key, klen, buf, lenp);
	}
	handle_leave(h);
	return result;
}

int larder_get_if_changed(struct larder *h, const void *key, size_t klen, uint64_t version,
			  void *buf, size_t *lenp, struct larder_meta *meta)
{
	struct read r = {.buf = buf, .meta = meta, .known = version};
	int result;

	if (meta == NULL || (lenp == NULL && buf != NULL) ||
	    (lenp != NULL && buf == NULL && *lenp != 0))
		return -EINVAL;
	r.room = lenp != NULL ? *lenp : 0;
	result = read_call(h, key, klen, &r);
	if (result >= 0 && result != LARDER_UNCHANGED && lenp != NULL)
		*lenp = r.len;
	return result == LARDER_OK && lenp != NULL && r.len > r.room ? LARDER_TRUNC : result;
}

int larder_get_meta(struct larder *h, const void *key, size_t klen, void *buf, size_t *lenp,
		    struct larder_meta *meta)
{
	return larder_get_if_changed(h, key, klen, 0, buf, lenp, meta);
}

int larder_get_alloc(struct larder *h, const void *key, size_t klen, void **bufp, size_t *roomp,
		     size_t *lenp)
{
	if (bufp == NULL || roomp == NULL || lenp == NULL || (*bufp == NULL && *roomp != 0))
		return -EINVAL;
	for (int tries = 0; tries < ALLOC_TRIES; tries++) {
		size_t len = *roomp;
		int result = larder_get(h, key, klen, *bufp, &len);
		void *larger;

		*lenp = result >= 0 ? len : 0;
		if (result != LARDER_TRUNC && !(result == LARDER_OK && *bufp == NULL))
			return result;
		larger = realloc(*bufp, len != 0 ? len : 1);
		if (larger == NULL)
			return -ENOMEM;
		*bufp = larger;
		*roomp = len != 0 ? len : 1;
	}
	*lenp = 0;
	return LARDER_MISS; /* it kept growing under us: as contended as a get can be */
}

int larder_exists(struct larder *h, const void *key, size_t klen)
{
	struct key k;
	int result = key_check(key, klen);

	if (UNLIKELY(result != 0))
		return result;
	result = handle_enter(h);
	if (UNLIKELY(result != 0))
		return result == LARDER_DETACHED ? LARDER_MISS : result;
	key_init(h, &k, key, klen);
	result = read_exists(h, &k);
	handle_leave(h);
	return result;
}
