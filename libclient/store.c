/* SPDX-License-Identifier: MIT
 *
 * store.c - set, add, replace, cas, put, touch, delete
 */
#include "store.h"

#include "clock.h"
#include "extent.h"
#include "write_simple.h"

static uint64_t present_version(const struct hit *old)
{
	return old != NULL ? old->it.version : 0;
}

int store_decide(struct larder *h, struct write *w, const struct hit *old)
{
	(void)h;
	switch (w->mode) {
	case LARDER_PUT_ADD:
		return old != NULL ? LARDER_EXISTS : WRITE_PUBLISH;
	case LARDER_PUT_REPLACE:
		return old != NULL ? WRITE_PUBLISH : LARDER_MISS;
	case LARDER_PUT_CAS:
		if (old == NULL)
			return LARDER_MISS;
		return present_version(old) == w->want_version ? WRITE_PUBLISH : LARDER_EXISTS;
	default:
		return WRITE_PUBLISH;
	}
}

int store_enter(struct larder *h, const void *key, size_t klen)
{
	int r = key_check(key, klen);

	if (UNLIKELY(r != 0))
		return r;
	r = handle_enter(h);
	if (UNLIKELY(r == LARDER_DETACHED))
		stat_add(h, STAT_detached, 1);
	if (UNLIKELY(r != 0))
		return r;
	if (UNLIKELY(h->rdonly)) {
		handle_leave(h);
		return -EROFS;
	}
	return 0;
}

int store_leave(struct larder *h, int result)
{
	if (UNLIKELY(result < 0))
		stat_add(h, STAT_failed, 1);
	handle_leave(h);
	return result;
}

int store_run(struct larder *h, struct write *w)
{
	uint64_t fixed = item_overhead(h) + w->key.len;
	uint64_t head;

	if (UNLIKELY(w->vlen > h->max_value))
		return -E2BIG;
	if (LIKELY(fixed + w->vlen <= write_piece_max(h)))
		return write_run(h, w);
	head = fixed + extent_count(h, w->key.len, w->vlen) * 8 +
	       extent_tail(h, w->key.len, w->vlen);
	return head <= write_piece_max(h) ? extent_store(h, w) : -E2BIG;
}

static enum counter mode_counter(uint32_t mode)
{
	static const enum counter counters[] = {
		[LARDER_PUT_SET] = STAT_set,
		[LARDER_PUT_ADD] = STAT_add,
		[LARDER_PUT_REPLACE] = STAT_replace,
		[LARDER_PUT_CAS] = STAT_cas,
	};

	return counters[mode];
}

int store_key(struct larder *h, struct write *w)
{
	int r;

	w->decide = store_decide;
	w->depends = w->mode == LARDER_PUT_REPLACE || w->mode == LARDER_PUT_CAS;
	if (LIKELY(w->mode == LARDER_PUT_SET && write_simple(h, w)))
		return 0;
	r = store_run(h, w);
	if (UNLIKELY(!handle_alive(h)))
		return -EAGAIN;
	stat_add(h, mode_counter(w->mode), 1);
	handle_add(h, &h->ns_count->sets, 1);
	if (w->mode == LARDER_PUT_CAS && r == LARDER_EXISTS)
		stat_add(h, STAT_cas_mismatch, 1);
	return r;
}

static int store_call(struct larder *h, struct write *w, const void *key, size_t klen,
		      int64_t ttl_ms)
{
	int r;

	if (UNLIKELY(w->value == NULL && w->vlen != 0))
		return -EINVAL;
	r = store_enter(h, key, klen);
	if (UNLIKELY(r != 0))
		return r;
	key_init(h, &w->key, key, klen);
	w->expiry = clock_expiry(h, ttl_ms);
	return store_leave(h, store_key(h, w));
}

int larder_set(struct larder *h, const void *key, size_t klen, const void *val, size_t vlen,
	       int64_t ttl_ms)
{
	struct write w;

	write_init(&w, LARDER_PUT_SET, val, vlen);
	return store_call(h, &w, key, klen, ttl_ms);
}

int larder_add(struct larder *h, const void *key, size_t klen, const void *val, size_t vlen,
	       int64_t ttl_ms)
{
	struct write w;

	write_init(&w, LARDER_PUT_ADD, val, vlen);
	return store_call(h, &w, key, klen, ttl_ms);
}

int larder_replace(struct larder *h, const void *key, size_t klen, const void *val, size_t vlen,
		   int64_t ttl_ms)
{
	struct write w;

	write_init(&w, LARDER_PUT_REPLACE, val, vlen);
	return store_call(h, &w, key, klen, ttl_ms);
}

int larder_cas(struct larder *h, const void *key, size_t klen, const void *val, size_t vlen,
	       int64_t ttl_ms, uint64_t version)
{
	struct write w;

	write_init(&w, LARDER_PUT_CAS, val, vlen);
	w.want_version = version;
	return store_call(h, &w, key, klen, ttl_ms);
}

/* A deadline of the wall clock as a TTL: one that has passed is "already expired", not "never". */
static int64_t ttl_of_deadline(int64_t deadline_ms)
{
	int64_t now = clock_wall_ms();

	return deadline_ms > now ? deadline_ms - now : -1;
}

int larder_put(struct larder *h, const void *key, size_t klen, const void *val, size_t vlen,
	       struct larder_put_options *opt)
{
	struct write w;
	int r;

	if (opt == NULL || opt->size != sizeof(*opt) || opt->mode > LARDER_PUT_CAS)
		return -EINVAL;
	write_init(&w, opt->mode, val, vlen);
	w.uflags = opt->flags;
	w.want_version = opt->version;
	r = store_call(h, &w, key, klen,
		       opt->deadline_ms != 0 ? ttl_of_deadline(opt->deadline_ms) : opt->ttl_ms);
	if (r == 0)
		opt->version = w.version;
	return r;
}

/* ------------------------------------------------------------------ touch */

/* The new item is the old one with another deadline; its bytes stand still under H1. */
static int touch_decide(struct larder *h, struct write *w, const struct hit *old)
{
	if (old == NULL)
		return LARDER_MISS;
	w->vlen = old->it.vlen;
	w->type = old->it.type;
	w->uflags = old->it.uflags;
	w->value = item_value(h, old->seg, old->off, &old->it);
	w->keep_bodies = w->type == ITEM_EXTENTS;
	return WRITE_PUBLISH;
}

int larder_touch(struct larder *h, const void *key, size_t klen, int64_t ttl_ms)
{
	struct write w;
	int r = store_enter(h, key, klen);

	if (r != 0)
		return r;
	write_init(&w, LARDER_PUT_SET, NULL, 0);
	w.decide = touch_decide;
	w.depends = true;
	key_init(h, &w.key, key, klen);
	w.expiry = clock_expiry(h, ttl_ms);
	stat_add(h, STAT_touch, 1);
	return store_leave(h, write_run(h, &w));
}

/* ------------------------------------------------------------------ delete */

int store_delete(struct larder *h, const struct key *k, uint64_t version)
{
	int r = write_delete(h, k, version);

	stat_add(h, STAT_remove, 1);
	handle_add(h, &h->ns_count->deletes, 1);
	if (r == 0)
		stat_add(h, STAT_remove_hits, 1);
	else if (r == LARDER_EXISTS)
		stat_add(h, STAT_cas_mismatch, 1);
	return r;
}

static int delete_call(struct larder *h, const void *key, size_t klen, uint64_t version)
{
	struct key k;
	int r = store_enter(h, key, klen);

	if (r != 0)
		return r;
	key_init(h, &k, key, klen);
	return store_leave(h, store_delete(h, &k, version));
}

int larder_delete(struct larder *h, const void *key, size_t klen)
{
	return delete_call(h, key, klen, 0);
}

int larder_delete_if(struct larder *h, const void *key, size_t klen, uint64_t version)
{
	return version == 0 ? -EINVAL : delete_call(h, key, klen, version);
}
