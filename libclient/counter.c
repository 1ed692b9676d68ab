/* SPDX-License-Identifier: MIT
 *
 * counter.c - incr, decr, incr_signed
 *
 * A counter is an item whose value is 8 bytes, native-endian, of type COUNTER or COUNTER_SIGNED. Every
 * change is a new item and one CAS, as for every other write: in-place addition would break "immutable
 * after publish" (a late addition of a process that slept through a recycle). The rules of the
 * unsigned form are memcached's (protocol.txt, "Increment/Decrement"): up wraps at 2^64, down stops at 0.
 */
#include "clock.h"
#include "read.h"
#include "store.h"

struct count {
	struct write w; /* first: decide() gets its address */
	const struct larder_counter_options *opt;
	uint64_t delta;
	enum { COUNT_UP, COUNT_DOWN, COUNT_SIGNED } how;
	uint64_t expiry; /* for a created one */
	uint64_t value;	 /* the new value; also the new item's bytes */
};

/* A decimal number of all the text's bytes. */
static bool parse_unsigned(const char *text, size_t len, uint64_t *value)
{
	uint64_t v = 0;

	if (len == 0 || len > 20)
		return false;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(unsigned char)text[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*value = v;
	return true;
}

static bool parse_signed(const char *text, size_t len, uint64_t *value)
{
	bool negative = len > 0 && text[0] == '-';
	uint64_t v;

	if (!parse_unsigned(text + negative, len - negative, &v) ||
	    v > (uint64_t)INT64_MAX + negative)
		return false;
	*value = negative ? 0 - v : v;
	return true;
}

/* The number that an item is, in the form that @how wants. */
static bool number_of(const struct larder *h, const struct hit *old, int how, uint64_t *value)
{
	const uint8_t *p = item_value(h, old->seg, old->off, &old->it);
	char text[DECIMAL_MAX];

	if (old->it.type == ITEM_EXTENTS || old->it.vlen > 20)
		return false;
	if (old->it.type == ITEM_PLAIN) {
		copy_out(text, p, old->it.vlen);
		return how == COUNT_SIGNED ? parse_signed(text, old->it.vlen, value)
					   : parse_unsigned(text, old->it.vlen, value);
	}
	if (old->it.vlen != 8)
		return false;
	copy_out(value, p, 8);
	/* The two forms take each other's counters over where the number exists in both. */
	if ((old->it.type == ITEM_COUNTER_SIGNED) != (how == COUNT_SIGNED))
		return *value <= INT64_MAX;
	return true;
}

static int count_up(struct count *c, uint64_t old)
{
	int64_t sum;

	switch (c->how) {
	case COUNT_UP:
		c->value = old + c->delta;
		return 0;
	case COUNT_DOWN:
		c->value = old > c->delta ? old - c->delta : 0;
		return 0;
	case COUNT_SIGNED:
		break;
	}
	if (__builtin_add_overflow((int64_t)old, (int64_t)c->delta, &sum))
		return -EOVERFLOW;
	c->value = (uint64_t)sum;
	return 0;
}

static int count_decide(struct larder *h, struct write *w, const struct hit *old)
{
	struct count *c = (struct count *)(void *)w;
	uint64_t number;

	w->value = &c->value;
	w->vlen = 8;
	w->type = c->how == COUNT_SIGNED ? ITEM_COUNTER_SIGNED : ITEM_COUNTER;
	if (old == NULL) {
		if (c->opt == NULL || !c->opt->create)
			return LARDER_MISS;
		c->value = c->opt->initial;
		w->expiry = c->expiry;
		w->uflags = c->opt->flags;
		return WRITE_PUBLISH;
	}
	if (!number_of(h, old, (int)c->how, &number))
		return -EDOM;
	w->expiry = old->it.expiry;
	w->uflags = old->it.uflags;
	return count_up(c, number);
}

static int count_call(struct larder *h, const void *key, size_t klen, struct count *c,
		      uint64_t *valuep)
{
	int r;

	if (c->opt != NULL && c->opt->size != sizeof(*c->opt))
		return -EINVAL;
	r = store_enter(h, key, klen);
	if (r != 0)
		return r;
	key_init(h, &c->w.key, key, klen);
	c->w.decide = count_decide;
	c->w.depends = true;
	c->w.vlen = 8;
	if (c->opt != NULL && c->opt->create)
		c->expiry = clock_expiry(h, c->opt->ttl_ms);
	stat_add(h, STAT_counter, 1);
	r = write_run(h, &c->w);
	if (r == 0 && valuep != NULL)
		*valuep = c->value;
	return store_leave(h, r);
}

int larder_incr(struct larder *h, const void *key, size_t klen, uint64_t delta,
		const struct larder_counter_options *opt, uint64_t *valuep)
{
	struct count c = {.opt = opt, .delta = delta, .how = COUNT_UP};

	return count_call(h, key, klen, &c, valuep);
}

int larder_decr(struct larder *h, const void *key, size_t klen, uint64_t delta,
		const struct larder_counter_options *opt, uint64_t *valuep)
{
	struct count c = {.opt = opt, .delta = delta, .how = COUNT_DOWN};

	return count_call(h, key, klen, &c, valuep);
}

int larder_incr_signed(struct larder *h, const void *key, size_t klen, int64_t delta,
		       const struct larder_counter_options *opt, int64_t *valuep)
{
	struct count c = {.opt = opt, .delta = (uint64_t)delta, .how = COUNT_SIGNED};
	uint64_t value;
	int r = count_call(h, key, klen, &c, &value);

	if (r == 0 && valuep != NULL)
		*valuep = (int64_t)value;
	return r;
}
