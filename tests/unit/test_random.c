/* SPDX-License-Identifier: MIT */
/*
 * test_random.c - hundreds of thousands of random calls against a plain model
 *
 * The cache may forget a key only when it counted an eviction. It never returns a value, a flag, a
 * deadline or a version that the model does not have; versions change exactly when the model's do.
 * The cleaner and the growing index run in between at random. The seed is in the name of the test
 * that fails: every run makes the same calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleaner.h"
#include "local.h"

#define SPACES 3u
#define KEYS 700u /* of each namespace */
#define HANDLES 3u
#define VALUE_MAX 40000u
#define HOUR 3600000LL
#define BATCH 20u

struct entry {
	bool there;
	uint64_t seed; /* of the bytes, if it is not a number */
	uint32_t len;
	uint32_t flags;
	int64_t expiry; /* model time; 0 never */
	uint64_t version;
	bool number; /* text of .value, or a counter */
	uint32_t counter;
	uint64_t value;
};

static struct local local;
static struct larder *handles[HANDLES];
static struct larder *h; /* one of them */
static uint16_t spaces[SPACES];
static struct entry model[SPACES][KEYS];
static struct entry *e; /* what the call is about */
static unsigned space;
static char key[16];
static size_t klen;
static int64_t now;
static uint64_t lost;
static uint64_t dice;
static uint32_t longest;
static uint8_t value[VALUE_MAX], got[VALUE_MAX];

static uint32_t random_below(uint32_t n)
{
	dice = dice * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)((dice >> 33) % n);
}

static bool live(const struct entry *x)
{
	return x->there && (x->expiry == 0 || now < x->expiry);
}

static size_t name_key(char *to, unsigned i)
{
	return (size_t)snprintf(to, 16, "%u", i * 7919);
}

static void choose_key(void)
{
	unsigned i = random_below(KEYS);

	space = random_below(SPACES);
	e = &model[space][i];
	klen = name_key(key, i);
	h = handles[random_below(HANDLES)];
	assert_int_equal(larder_select(h, spaces[space]), 0);
}

/* Half an hour away from every point in time that the model knows. */
static int64_t choose_ttl(void)
{
	if (random_below(4) != 0)
		return 0;
	return random_below(20) == 0 ? -1 : HOUR / 2 + (int64_t)random_below(5) * HOUR;
}

static int64_t expiry_of(int64_t ttl)
{
	return ttl == 0 ? 0 : ttl < 0 ? INT64_MIN : now + ttl;
}

static uint32_t choose_len(void)
{
	switch (random_below(64)) {
	case 0:
		return random_below(longest);
	case 1:
		return 0;
	default:
		return random_below(120);
	}
}

/* The bytes of an entry. Return: their number. */
static uint32_t spell(const struct entry *x, uint8_t *to)
{
	if (x->number) {
		char text[32];
		int n = x->counter == 2 ? snprintf(text, sizeof(text), "%lld", (long long)x->value)
					: snprintf(text, sizeof(text), "%llu",
						   (unsigned long long)x->value);

		memcpy(to, text, (size_t)n);
		return (uint32_t)n;
	}
	local_fill(to, x->len, x->seed);
	if (x->len != 0)
		to[0] = 'x'; /* never a number by chance */
	return x->len;
}

/* A plain value that the model does not have yet. */
static struct entry choose_value(uint8_t *to)
{
	struct entry x = {.there = true, .seed = dice};

	x.number = random_below(8) == 0;
	x.value = random_below(100000);
	x.len = choose_len();
	x.len = spell(&x, to);
	return x;
}

/* The cache said that a key is there, or that it is not. Return: the model agrees. */
static bool agrees(bool present)
{
	if (live(e) == present)
		return present;
	assert_false(present); /* nothing comes back */
	e->there = false;
	lost++;
	return false;
}

static void compare(const struct larder_meta *meta, size_t len)
{
	uint32_t want = spell(e, value);

	assert_int_equal(len, want);
	assert_int_equal(meta->length, want);
	assert_memory_equal(got, value, want);
	assert_int_equal(meta->flags, e->flags);
	assert_int_equal(meta->counter, e->counter);
	if (e->expiry == 0)
		assert_int_equal(meta->ttl_ms, 0);
	else
		assert_in_range(meta->ttl_ms, e->expiry - now - HOUR / 4, e->expiry - now);
}

static void read_one(void)
{
	struct larder_meta meta;
	size_t len = sizeof(got);
	int r = larder_get_meta(h, key, klen, got, &len, &meta);

	assert_true(r == 0 || r == LARDER_MISS);
	if (!agrees(r == 0))
		return;
	compare(&meta, len);
	assert_int_equal(meta.version, e->version);
}

/* @x was stored: it is there, with a version that nobody has seen. */
static void stored(struct entry x)
{
	uint64_t before = e->version;
	struct larder_meta meta;
	size_t len = sizeof(got);
	int r;

	*e = x;
	r = larder_get_meta(h, key, klen, got, &len, &meta);
	if (!live(e)) {
		assert_int_equal(r, LARDER_MISS);
		return;
	}
	assert_int_equal(r, 0);
	compare(&meta, len);
	assert_int_not_equal(meta.version, 0);
	assert_int_not_equal(meta.version, before);
	e->version = meta.version;
}

static void do_set(void)
{
	struct entry x = choose_value(value);
	int64_t ttl = choose_ttl();

	x.expiry = expiry_of(ttl);
	assert_int_equal(larder_set(h, key, klen, value, x.len, ttl), 0);
	stored(x);
}

static void do_add(void)
{
	struct entry x = choose_value(value);
	int r = larder_add(h, key, klen, value, x.len, 0);

	assert_true(r == 0 || r == LARDER_EXISTS);
	if (!agrees(r != 0))
		stored(x);
	else
		read_one();
}

static void do_replace(void)
{
	struct entry x = choose_value(value);
	int r = larder_replace(h, key, klen, value, x.len, 0);

	assert_true(r == 0 || r == LARDER_MISS);
	if (agrees(r == 0))
		stored(x);
	else
		read_one();
}

static void do_cas(void)
{
	struct larder_put_options opt = {.size = sizeof(opt), .mode = LARDER_PUT_CAS};
	struct entry x = choose_value(value);
	bool right = random_below(2) != 0;
	int r;

	x.flags = opt.flags = (uint32_t)dice;
	opt.ttl_ms = choose_ttl();
	x.expiry = expiry_of(opt.ttl_ms);
	opt.version = right ? e->version : e->version + 1;
	r = larder_put(h, key, klen, value, x.len, &opt);
	assert_true(r == 0 || r == LARDER_MISS || r == LARDER_EXISTS);
	if (!agrees(r != LARDER_MISS)) {
		read_one();
	} else if (right) {
		assert_int_equal(r, 0);
		stored(x);
		assert_true(!live(e) || opt.version == e->version);
	} else {
		assert_int_equal(r, LARDER_EXISTS);
		read_one();
	}
}

static void do_touch(void)
{
	int64_t ttl = choose_ttl();
	int r = larder_touch(h, key, klen, ttl);
	struct entry x = *e;

	assert_true(r == 0 || r == LARDER_MISS);
	if (!agrees(r == 0))
		return;
	x.expiry = expiry_of(ttl);
	stored(x);
}

static void do_delete(void)
{
	int r = larder_delete(h, key, klen);

	assert_true(r == 0 || r == LARDER_MISS);
	agrees(r == 0);
	e->there = false;
	read_one();
}

static void do_delete_if(void)
{
	bool right = random_below(2) != 0;
	int r = larder_delete_if(h, key, klen, (right ? e->version : e->version + 1) | !right);

	if (right && e->version == 0) {
		assert_int_equal(r, -EINVAL);
	} else if (agrees(r != LARDER_MISS)) {
		bool same = right || e->version == ((e->version + 1) | 1);

		assert_int_equal(r, same ? 0 : LARDER_EXISTS);
		e->there = !same;
	}
	read_one();
}

/* What the counter calls make of the entry. Return: the result that they must have. */
static int count(struct entry *x, int how, uint64_t delta)
{
	bool is_signed = how == 2;
	int64_t sum;

	if (!x->number || ((x->counter == 2) != is_signed && (int64_t)x->value < 0))
		return -EDOM;
	if (how == 0)
		x->value += delta;
	else if (how == 1)
		x->value = x->value > delta ? x->value - delta : 0;
	else if (__builtin_add_overflow((int64_t)x->value, (int64_t)delta, &sum))
		return -EOVERFLOW;
	else
		x->value = (uint64_t)sum;
	x->counter = is_signed ? 2 : 1;
	return 0;
}

static void do_count(void)
{
	struct larder_counter_options opt = {.size = sizeof(opt), .initial = 50, .flags = 9};
	uint64_t delta = random_below(100) == 0 ? 1ULL << 63 : random_below(200);
	int how = (int)random_below(3);
	uint64_t result = 0;
	struct entry x = *e;
	int r, want;

	opt.create = random_below(2);
	r = how == 0   ? larder_incr(h, key, klen, delta, &opt, &result)
	    : how == 1 ? larder_decr(h, key, klen, delta, &opt, &result)
		       : larder_incr_signed(h, key, klen, (int64_t)delta, &opt, (int64_t *)&result);
	want = live(e) ? count(&x, how, delta) : LARDER_MISS;
	if (r == LARDER_MISS || (r == 0 && opt.create && (!live(e) || result != x.value))) {
		/* It was not there, or is not any more. */
		agrees(false);
		assert_int_equal(r == 0, opt.create);
		x = (struct entry){.there = true, .number = true, .value = 50, .flags = 9};
		x.counter = how == 2 ? 2 : 1;
		want = r;
	}
	assert_int_equal(r, want);
	if (r != 0) {
		read_one();
		return;
	}
	assert_int_equal(result, x.value);
	stored(x);
}

/* Keys of one namespace in one call; a repeated key is set in order. */
static unsigned choose_batch(struct larder_op *ops, struct entry **of, char (*keys)[16])
{
	unsigned n = 1 + random_below(BATCH);

	memset(ops, 0, n * sizeof(*ops));
	for (unsigned i = 0; i < n; i++) {
		unsigned k = random_below(KEYS);

		of[i] = &model[space][k];
		ops[i].key = keys[i];
		ops[i].klen = name_key(keys[i], k);
	}
	return n;
}

static void do_mset(void)
{
	static uint8_t bytes[BATCH][128];
	struct larder_op ops[BATCH];
	struct entry *of[BATCH];
	char keys[BATCH][16];
	unsigned n = choose_batch(ops, of, keys);

	for (unsigned i = 0; i < n; i++) {
		struct entry x = {.there = true, .seed = dice, .len = random_below(120)};

		x.version = of[i]->version;
		x.flags = ops[i].flags = random_below(1000);
		ops[i].buf = bytes[i];
		ops[i].len = spell(&x, bytes[i]);
		*of[i] = x;
	}
	assert_int_equal(larder_mset(h, ops, n), 0);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(ops[i].result, 0);
		assert_int_not_equal(ops[i].version, of[i]->version);
		of[i]->version = ops[i].version;
	}
}

static void do_mget(void)
{
	static uint8_t bytes[BATCH][256];
	struct larder_op ops[BATCH];
	struct entry *of[BATCH];
	char keys[BATCH][16];
	unsigned n = choose_batch(ops, of, keys);

	for (unsigned i = 0; i < n; i++) {
		ops[i].buf = bytes[i];
		ops[i].len = sizeof(bytes[i]);
	}
	(void)!larder_mget(h, ops, n);
	for (unsigned i = 0; i < n; i++) {
		size_t have = ops[i].len < sizeof(bytes[i]) ? ops[i].len : sizeof(bytes[i]);

		e = of[i];
		if (!agrees(ops[i].result != LARDER_MISS))
			continue;
		assert_int_equal(ops[i].result, ops[i].len > have ? LARDER_TRUNC : 0);
		assert_int_equal(ops[i].len, spell(e, value));
		assert_memory_equal(bytes[i], value, have);
		assert_int_equal(ops[i].version, e->version);
		assert_int_equal(ops[i].flags, e->flags);
	}
}

static void do_mdelete(void)
{
	struct larder_op ops[BATCH];
	struct entry *of[BATCH];
	char keys[BATCH][16];
	unsigned n = choose_batch(ops, of, keys);

	if (random_below(8) != 0)
		n = 1;
	(void)!larder_mdelete(h, ops, n);
	for (unsigned i = 0; i < n; i++) {
		e = of[i];
		agrees(ops[i].result == 0);
		e->there = false;
	}
}

static void do_flush(void)
{
	bool all = random_below(4) == 0;

	assert_int_equal(all ? larder_flush_all(h) : larder_flush(h), 0);
	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned i = 0; i < KEYS && (all || s == space); i++)
			model[s][i].there = false;
}

static void do_rarely(void)
{
	switch (random_below(64)) {
	case 0:
		do_flush();
		break;
	case 1:
	case 2:
		assert_int_equal(larder_advance_clock(h, HOUR), 0);
		now += HOUR;
		break;
	default:
		cleaner_step(local.daemon, 1 + random_below(3), false);
		break;
	}
}

typedef void random_call(void);

static void run(unsigned n)
{
	static random_call *const calls[] = {
		do_set,	      do_set,	do_set,	 do_add,  do_replace, do_cas,	do_touch, do_delete,
		do_delete_if, do_count, do_mset, do_mget, do_mdelete, read_one, read_one, read_one,
	};

	for (unsigned i = 0; i < n; i++) {
		choose_key();
		if (random_below(100) == 0)
			do_rarely();
		else
			calls[random_below(sizeof(calls) / sizeof(calls[0]))]();
		if (random_below(50) == 0)
			assert_true(growth_run(local.daemon, &local.ops) >= 0);
		if (i % (n / 4) == 0)
			assert_true(local_sound(&local));
	}
}

/* Every key once; then what a scan counts is what the model has. */
static void finish(void)
{
	struct local_census census;
	uint64_t items = 0;

	for (space = 0; space < SPACES; space++) {
		assert_int_equal(larder_select(h, spaces[space]), 0);
		for (unsigned i = 0; i < KEYS; i++) {
			e = &model[space][i];
			klen = name_key(key, i);
			read_one();
			items += live(e);
		}
	}
	local_census(h, &census);
	assert_int_equal(census.items, items);
	assert_true(items > 0);
	assert_true(local_sound(&local));
	assert_int_equal(local_stat(&local, STAT_damage), 0);
	assert_true(lost <=
		    local_stat(&local, STAT_evicted) + local_stat(&local, STAT_evicted_index));
}

static void start(uint64_t memory, uint64_t seed)
{
	local_init(&local, &(struct local_options){.memory = memory});
	memset(model, 0, sizeof(model));
	dice = seed;
	now = 1;
	lost = 0;
	for (unsigned i = 0; i < HANDLES; i++)
		handles[i] = i == 1 ? local_open_other(&local) : local_open(&local);
	h = handles[0];
	longest = h->max_value < VALUE_MAX ? (uint32_t)h->max_value : VALUE_MAX;
	assert_int_equal(larder_namespace(h, "a", 1, &spaces[1]), 0);
	assert_int_equal(larder_namespace(h, "b", 1, &spaces[2]), 0);
}

/* 2,100 keys of up to 40,000 bytes do not fit 1 MiB. */
static void test_with_evictions(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 4; seed++) {
		start(1 << 20, seed);
		run(100000);
		finish();
		assert_true(local_stat(&local, STAT_evicted) > 0);
		assert_true(local_stat(&local, STAT_moved) > 0);
		local_deinit(&local);
	}
}

static void test_without(void **state)
{
	(void)state;
	start(32 << 20, 5);
	run(300000);
	finish();
	assert_true(local_stat(&local, STAT_expired) > 0);
	assert_true(local_stat(&local, STAT_flushed) > 0);
	local_deinit(&local);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_with_evictions),
		cmocka_unit_test(test_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
