/* SPDX-License-Identifier: MIT
 *
 * world.c - clients that do everything, a daemon that cleans, grows and reaps, and the checks
 *
 * CHECKED	every result against the history of its key (history.h); every byte of a value; a call ends
 *		within a number of accesses; a key has at most one committed word, at any time; in the end
 *		the items that are there are those that were counted in and not out, evictions explain all
 *		that is missing, nothing belongs to the dead, and larder_check() is content.
 * DEATHS	A killed process loses at most one count: of the item that it had just linked or unlinked.
 *		Its slot is reaped by the daemon after a while, and then used again.
 * WRAPS	The daemon lets FREE segments pass 4096 generations less a few at times, so that slot words
 *		occur again while somebody sleeps.
 */
#include "world.h"

#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleaner.h"
#include "history.h"
#include "index.h"
#include "sched.h"
#include "segment.h"
#include "tiny.h"

#define CLIENTS 5u
#define DAEMON CLIENTS
#define SLOTS 16u
#define INSPECTOR (SLOTS - 1)
#define KEYS 32u
#define KEY_LEN 12u
#define SPACES 2u
#define VALUE_MAX 16384u
#define BATCH 3u
#define RUN_SLACK 3u

enum slot_use { SLOT_UNUSED, SLOT_TAKEN, SLOT_OF_DEAD };

struct shape {
	uint32_t n_segs, bucket_shift, n_levels, n_clients, n_keys, calls;
	uint32_t quantum, kill_every, stop_every, stop_length;
	bool cleaning, flushes, extents, wraps, crowded;
};

/* Calls in progress: what to settle if the process is killed. */
struct open_call {
	unsigned n;
	struct {
		unsigned key, place;
	} of[SPACES * KEYS];
};

struct client {
	struct larder *h;
	unsigned slot;
	unsigned space;
	struct open_call open;
	uint64_t seen_version[SPACES * KEYS];
	uint8_t out[BATCH][VALUE_MAX];
	uint8_t in[BATCH][VALUE_MAX];
};

static struct {
	struct tiny tiny;
	bool made;
	struct shape shape;
	struct client client[CLIENTS];
	struct larder *daemon;
	struct larder *inspector;
	enum slot_use slot[SLOTS];
	char keys[KEYS][KEY_LEN];
	int64_t calls_left;
	unsigned working; /* clients that are not done */
	uint64_t next_id;
	uint64_t failed;
	uint16_t space_id[SPACES];
} world;

/* ------------------------------------------------------------------ shape */

static uint32_t one_of(const uint32_t *values, unsigned n)
{
	return values[sched_below(n)];
}

#define ONE_OF(...)                                                                                \
	one_of((const uint32_t[]){__VA_ARGS__},                                                    \
	       sizeof((const uint32_t[]){__VA_ARGS__}) / sizeof(uint32_t))

/* Drawn by the scheduler's generator, before its options are known. */
static void draw_shape(struct shape *s, uint64_t seed)
{
	struct sched_options any = {.seed = seed};

	sched_init(&any);
	s->cleaning = sched_below(4) != 0;
	s->extents = sched_below(3) == 0;
	s->n_segs = s->cleaning ? ONE_OF(18, 20, 24, 32) : 160;
	s->bucket_shift = ONE_OF(2, 2, 3);
	s->n_levels = ONE_OF(1, 2, 3, 4);
	s->n_clients = ONE_OF(2, 3, 4, 5);
	s->n_keys = ONE_OF(1, 2, 4, 8, KEYS, KEYS);
	s->calls = ONE_OF(100, 200, 400);
	s->quantum = ONE_OF(0, 0, 1, 3, 10, 40);
	s->kill_every = ONE_OF(0, 0, 400, 2000, 10000);
	s->stop_every = ONE_OF(0, 300, 1000, 5000);
	s->stop_length = ONE_OF(1000, 20000, 100000);
	s->flushes = sched_below(3) == 0;
	s->wraps = sched_below(2) == 0;
	s->crowded = sched_below(2) == 0;
}

void world_describe(void)
{
	const struct shape *s = &world.shape;

	fprintf(stderr,
		"  %u segments, %u buckets, %u levels, %u clients, %u keys, %u calls, quantum %u, kills %u, "
		"stops %u of %u%s%s%s%s%s\n",
		s->n_segs, 1u << s->bucket_shift, s->n_levels, s->n_clients, s->n_keys, s->calls,
		s->quantum, s->kill_every, s->stop_every, s->stop_length,
		s->cleaning ? ", cleaning" : "", s->flushes ? ", flushes" : "",
		s->extents ? ", large values" : "", s->wraps ? ", wraps" : "",
		s->crowded ? ", crowded" : "");
}

/* Every other key has the buckets and the tag of its predecessor. */
static void make_keys(struct larder *h)
{
	struct key before = {0}, k;
	unsigned n = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		do {
			snprintf(world.keys[i], KEY_LEN, "key%08u", n++);
			key_init(h, &k, world.keys[i], KEY_LEN - 1);
		} while (i % 2 != 0 && (k.tag != before.tag || ((k.hash ^ before.hash) & 31) != 0));
		before = k;
	}
}

/* ------------------------------------------------------------------ values */

static size_t length_of(uint64_t id)
{
	uint64_t state = id;
	uint64_t r = sched_random(&state);
	size_t max = world.tiny.geo.max_value < VALUE_MAX ? world.tiny.geo.max_value : VALUE_MAX;

	if (world.shape.crowded && r % 4 != 0)
		return 1000 + (r >> 8) % 900;
	switch (r % 8) {
	case 0:
		return world.shape.extents
			       ? 4096 * (1 + (r >> 8) % (max / 4096 - 1)) + (r >> 20) % 1500
			       : 1500;
	case 1:
	case 2:
		return 700 + (r >> 8) % 1200;
	default:
		return 8 + (r >> 8) % 200;
	}
}

static void fill_value(uint8_t *p, uint64_t id)
{
	size_t len = length_of(id);
	uint64_t state = ~id;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t r = i == 0 ? id : sched_random(&state);

		memcpy(p + i, &r, len - i < 8 ? len - i : 8);
	}
}

/* Return: the id of a whole and intact value, else the run has failed. */
static uint64_t check_value(const uint8_t *p, size_t len)
{
	static uint8_t want[VALUE_MAX + 8];
	uint64_t id = 0;

	memcpy(&id, p, len < 8 ? len : 8);
	if (id == 0 || id > world.next_id || len != length_of(id)) {
		sched_fail("a get returned a value of %zu bytes that nobody set (%llx)", len,
			   (unsigned long long)id);
		return 0;
	}
	fill_value(want, id);
	if (memcmp(want, p, len) != 0)
		sched_fail("a get returned a torn value of %zu bytes", len);
	return id;
}

static bool is_counter(unsigned k)
{
	return k % 4 == 3;
}

/* ------------------------------------------------------------------ calls and their history */

static unsigned key_index(const struct client *c, unsigned k)
{
	return c->space * KEYS + k;
}

static void begin(struct client *c, unsigned key, const struct history_op *op)
{
	unsigned i = c->open.n;

	c->open.of[i].key = key;
	c->open.of[i].place = history_begin(key, op);
	c->open.n++;
}

/* The @i-th of the open calls returned @r. */
static void end(struct client *c, unsigned i, int r, const struct history_op *out)
{
	unsigned key = c->open.of[i].key, place = c->open.of[i].place;
	enum history_result result = r == LARDER_OK	? RES_OK
				     : r == LARDER_MISS ? RES_MISS
							: RES_EXISTS;

	if (r == -EAGAIN || r == -ENOMEM) {
		world.failed++;
		history_cancel(key, place);
	} else if (r < 0 || (r != LARDER_OK && r != LARDER_MISS && r != LARDER_EXISTS)) {
		sched_fail("a call returned %d", r);
	} else if (!history_end(key, place, result, out)) {
		fprintf(stderr, "key %u:\n", key);
		history_print(key);
		sched_fail("nothing explains what call %u returned", place);
	}
}

static uint64_t contended(const struct client *c)
{
	return load_private(&c->h->slot->count[STAT_get_contended]);
}

static void end_get(struct client *c, unsigned i, unsigned k, int r, const uint8_t *buf, size_t len,
		    uint64_t version)
{
	struct history_op out = {.kind = OP_GET, .version = version};

	if (r == LARDER_OK && is_counter(k)) {
		char text[32] = {0};

		memcpy(text, buf, len < 31 ? len : 31);
		out.value = strtoull(text, NULL, 10);
	} else if (r == LARDER_OK) {
		out.value = check_value(buf, len);
	}
	if (r == LARDER_OK)
		c->seen_version[c->open.of[i].key] = version;
	end(c, i, r, &out);
}

static void do_get(struct client *c, unsigned k)
{
	struct history_op op = {.kind = OP_GET};
	struct larder_meta meta;
	size_t len = VALUE_MAX;
	uint64_t before = contended(c);
	int r;

	begin(c, key_index(c, k), &op);
	r = larder_get_meta(c->h, world.keys[k], KEY_LEN - 1, c->in[0], &len, &meta);
	if (contended(c) != before)
		history_cancel(c->open.of[0].key, c->open.of[0].place);
	else
		end_get(c, 0, k, r, c->in[0], len, meta.version);
}

static void do_put(struct client *c, unsigned k, enum history_kind kind)
{
	static const uint32_t modes[] = {
		[OP_SET] = LARDER_PUT_SET, [OP_EXPIRED] = LARDER_PUT_SET,
		[OP_ADD] = LARDER_PUT_ADD, [OP_REPLACE] = LARDER_PUT_REPLACE,
		[OP_CAS] = LARDER_PUT_CAS,
	};
	struct larder_put_options opt = {.size = sizeof(opt), .mode = modes[kind]};
	struct history_op op = {.kind = kind, .value = ++world.next_id};
	int r;

	opt.ttl_ms = kind == OP_EXPIRED ? -1 : 0;
	opt.version = op.version = c->seen_version[key_index(c, k)];
	if (kind == OP_CAS && op.version == 0)
		opt.version = op.version = 1;
	fill_value(c->out[0], op.value);
	begin(c, key_index(c, k), &op);
	r = larder_put(c->h, world.keys[k], KEY_LEN - 1, c->out[0], length_of(op.value), &opt);
	op.version = kind == OP_EXPIRED ? 0 : opt.version;
	end(c, 0, r, &op);
}

static void do_incr(struct client *c, unsigned k)
{
	struct larder_counter_options opt = {.size = sizeof(opt), .create = 1};
	struct history_op op = {.kind = OP_INCR, .value = 1 + sched_below(9)};
	int r;

	opt.initial = op.initial = ++world.next_id << 20;
	begin(c, key_index(c, k), &op);
	r = larder_incr(c->h, world.keys[k], KEY_LEN - 1, op.value, &opt, &op.value);
	op.version = 0;
	end(c, 0, r, &op);
}

static void do_delete(struct client *c, unsigned k)
{
	uint64_t version = c->seen_version[key_index(c, k)];
	struct history_op op = {.kind = OP_DELETE};
	int r;

	if (version != 0 && sched_below(3) == 0)
		op = (struct history_op){.kind = OP_DELETE_IF, .version = version};
	begin(c, key_index(c, k), &op);
	r = op.version == 0 ? larder_delete(c->h, world.keys[k], KEY_LEN - 1)
			    : larder_delete_if(c->h, world.keys[k], KEY_LEN - 1, version);
	op.version = 0;
	end(c, 0, r, &op);
}

static void do_touch(struct client *c, unsigned k)
{
	struct history_op op = {.kind = OP_TOUCH};

	begin(c, key_index(c, k), &op);
	end(c, 0, larder_touch(c->h, world.keys[k], KEY_LEN - 1, 0), &op);
}

static void do_flush(struct client *c)
{
	struct history_op op = {.kind = OP_FLUSH};
	bool all = sched_below(3) == 0;
	int r;

	for (unsigned i = 0; i < SPACES * KEYS; i++)
		if (i % KEYS < world.shape.n_keys && (all || i / KEYS == c->space))
			begin(c, i, &op);
	r = all ? larder_flush_all(c->h) : larder_flush(c->h);
	for (unsigned i = 0; i < c->open.n; i++)
		end(c, i, r, &op);
}

/* Up to BATCH different plain keys. */
static unsigned draw_keys(unsigned *k)
{
	unsigned n = 0, first = sched_below(world.shape.n_keys);

	for (unsigned i = 0; i < world.shape.n_keys && n < BATCH; i++)
		if (!is_counter((first + i) % world.shape.n_keys))
			k[n++] = (first + i) % world.shape.n_keys;
	return n;
}

static void do_mset(struct client *c)
{
	struct larder_op ops[BATCH] = {0};
	struct history_op op[BATCH];
	unsigned k[BATCH];
	unsigned n = draw_keys(k);

	for (unsigned i = 0; i < n; i++) {
		op[i] = (struct history_op){.kind = OP_SET, .value = ++world.next_id};
		fill_value(c->out[i], op[i].value);
		ops[i].key = world.keys[k[i]];
		ops[i].klen = KEY_LEN - 1;
		ops[i].buf = c->out[i];
		ops[i].len = length_of(op[i].value);
		begin(c, key_index(c, k[i]), &op[i]);
	}
	if (larder_mset(c->h, ops, n) < 0)
		sched_fail("mset failed");
	for (unsigned i = 0; i < n; i++) {
		op[i].version = ops[i].version;
		end(c, i, ops[i].result, &op[i]);
	}
}

static void do_mget(struct client *c)
{
	struct history_op op = {.kind = OP_GET};
	struct larder_op ops[BATCH] = {0};
	uint64_t before = contended(c);
	unsigned k[BATCH];
	unsigned n = draw_keys(k);

	for (unsigned i = 0; i < n; i++) {
		ops[i].key = world.keys[k[i]];
		ops[i].klen = KEY_LEN - 1;
		ops[i].buf = c->in[i];
		ops[i].len = VALUE_MAX;
		begin(c, key_index(c, k[i]), &op);
	}
	if (larder_mget(c->h, ops, n) < 0)
		sched_fail("mget failed");
	for (unsigned i = 0; i < n; i++) {
		if (contended(c) != before)
			history_cancel(c->open.of[i].key, c->open.of[i].place);
		else
			end_get(c, i, k[i], ops[i].result, c->in[i], ops[i].len, ops[i].version);
	}
}

static void one_call(struct client *c)
{
	unsigned k = sched_below(world.shape.n_keys);

	c->open.n = 0;
	sched_call();
	switch (sched_below(world.shape.flushes ? 17 : 16)) {
	case 0:
	case 1:
	case 2:
		do_get(c, k);
		break;
	case 3:
		do_mget(c);
		break;
	case 4:
	case 5:
		do_delete(c, k);
		break;
	case 6:
		do_touch(c, k);
		break;
	case 7:
		do_mset(c);
		break;
	case 16:
		do_flush(c);
		break;
	default:
		if (is_counter(k))
			do_incr(c, k);
		else
			do_put(c, k,
			       (enum history_kind)ONE_OF(OP_SET, OP_SET, OP_SET, OP_SET, OP_ADD,
							 OP_ADD, OP_REPLACE, OP_CAS, OP_CAS,
							 OP_EXPIRED));
	}
	c->open.n = 0;
}

/* ------------------------------------------------------------------ checks at any time */

static void check_words(void)
{
	struct larder *h = world.inspector;

	sched_quiet(true);
	for (unsigned s = 0; s < SPACES; s++) {
		handle_select(h, world.space_id[s]);
		for (unsigned k = 0; k < world.shape.n_keys; k++) {
			unsigned n = tiny_count_words(h, world.keys[k], KEY_LEN - 1);

			if (n > 1) {
				sched_quiet(false);
				sched_fail("key %u of namespace %u has %u committed words", k, s,
					   n);
			}
		}
	}
	sched_quiet(false);
}

/* ------------------------------------------------------------------ processes */

static int take_slot(void)
{
	for (unsigned i = 1; i < INSPECTOR; i++) {
		if (world.slot[i] == SLOT_UNUSED) {
			world.slot[i] = SLOT_TAKEN;
			return (int)i;
		}
	}
	return -1;
}

static void client_main(void *arg)
{
	struct client *c = arg;
	int slot;

	while ((slot = take_slot()) < 0)
		sched_yield_now();
	c->slot = (unsigned)slot;
	c->h = tiny_enter(&world.tiny, c->slot, sched_below(1u << 30));
	c->space = sched_below(2);
	handle_select(c->h, world.space_id[c->space]);
	while (world.calls_left-- > 0) {
		one_call(c);
		if (world.calls_left % 4 == 0)
			check_words();
	}
	sched_call();
	handle_unbind(c->h);
	world.slot[c->slot] = SLOT_UNUSED;
	tiny_leave(c->h);
	c->h = NULL;
	world.working--;
}

static unsigned reap_dead(struct larder *h)
{
	unsigned n = 0;

	for (unsigned i = 0; i < SLOTS; i++) {
		if (world.slot[i] != SLOT_OF_DEAD)
			continue;
		cleaner_reap(h, i);
		world.slot[i] = SLOT_UNUSED;
		n++;
	}
	return n;
}

static void daemon_main(void *arg)
{
	struct growth_ops ops = tiny_growth(&world.tiny);
	struct larder *h = tiny_enter(&world.tiny, 0, sched_below(1u << 30));

	(void)arg;
	world.daemon = h;
	cleaner_reap(h, 0);
	while (world.working > 0) {
		sched_call();
		switch (sched_below(8)) {
		case 0:
		case 1:
			if (world.shape.cleaning)
				cleaner_step(h, 1 + sched_below(4), false);
			break;
		case 2:
			growth_run(h, &ops);
			break;
		case 3:
			reap_dead(h);
			break;
		case 4:
			if (world.shape.wraps && sched_below(4) == 0) {
				sched_quiet(true);
				tiny_wrap_generations(&world.tiny, 1 + sched_below(3));
				sched_quiet(false);
			}
			break;
		default:
			sched_yield_now();
		}
	}
	sched_call();
	handle_unbind(h);
	tiny_leave(h);
	world.daemon = NULL;
}

static void on_death(unsigned i)
{
	struct client *c;

	if (i == DAEMON) {
		if (world.daemon != NULL)
			tiny_leave(world.daemon);
		world.daemon = NULL;
		sched_start(i, daemon_main, NULL);
		return;
	}
	c = &world.client[i];
	for (unsigned j = 0; j < c->open.n; j++)
		history_killed(c->open.of[j].key, c->open.of[j].place);
	c->open.n = 0;
	if (c->h != NULL) {
		world.slot[c->slot] = SLOT_OF_DEAD;
		tiny_leave(c->h);
		c->h = NULL;
	}
	sched_start(i, client_main, c);
}

/* ------------------------------------------------------------------ the end */

static void check_counts(void)
{
	const struct tiny *t = &world.tiny;
	int64_t balance = (int64_t)(tiny_stat(t, STAT_items_in) - tiny_stat(t, STAT_items_out));
	int64_t there = (int64_t)tiny_count_items(world.inspector);
	uint64_t evicted = tiny_stat(t, STAT_evicted) + tiny_stat(t, STAT_evicted_index);
	uint64_t slack = sched_kills() * (uint64_t)RUN_SLACK;

	if ((uint64_t)llabs(balance - there) > slack)
		sched_fail("%lld items by the counters, %lld there", (long long)balance,
			   (long long)there);
	/* Few keys: nobody makes room for them. */
	slack = world.shape.cleaning || world.shape.n_keys > 8 ? sched_kills() : 0;
	if (history_evictions() > evicted + slack)
		sched_fail("%llu evictions counted, %llu needed to explain the results",
			   (unsigned long long)evicted, (unsigned long long)history_evictions());
	if (tiny_stat(t, STAT_damage) != 0)
		sched_fail("damage was counted");
}

/* Nothing belongs to the dead, and what is not in use can be had. */
static void check_segments(void)
{
	struct larder *h = world.inspector;
	struct segment_counts n;

	for (unsigned i = 0; i < 4; i++)
		cleaner_step(h, 2, false);
	segment_seal(h, &h->lease);
	segment_seal(h, &h->survivors);
	segment_count(h, &n);
	if (n.by_state[SEG_LEASED] + n.by_state[SEG_CLEANING] + n.by_state[SEG_LIMBO] != 0)
		sched_fail("in the end %u segments are leased, %u cleaning, %u in limbo",
			   n.by_state[SEG_LEASED], n.by_state[SEG_CLEANING], n.by_state[SEG_LIMBO]);
}

/* Every key is as its history says, and can be read, set and deleted. */
static void check_keys(void)
{
	struct client *c = &world.client[0];

	c->h = world.inspector;
	for (c->space = 0; c->space < SPACES; c->space++) {
		handle_select(c->h, world.space_id[c->space]);
		for (unsigned k = 0; k < world.shape.n_keys; k++) {
			uint64_t before = 0;

			for (int i = 0; i < 4; i++) {
				/* Before the set, an insert of the dead may be in the way. */
				before = i == 2 ? contended(c) : before;
				c->open.n = 0;
				if (i == 1 && is_counter(k))
					do_incr(c, k);
				else if (i == 1)
					do_put(c, k, OP_SET);
				else if (i == 3)
					do_delete(c, k);
				else
					do_get(c, k);
			}
			if (contended(c) != before)
				sched_fail("nobody writes, and key %u cannot be read", k);
		}
	}
	c->h = NULL;
}

static void check_end(void)
{
	/* After a failure the processes stand anywhere. */
	if (sched_failure()[0] != '\0')
		return;
	reap_dead(world.inspector);
	cleaner_reap(world.inspector, 0);
	check_counts();
	check_words();
	check_keys();
	check_segments();
	check_counts();
}

/* ------------------------------------------------------------------ a run */

static void make_region(void)
{
	const struct shape *s = &world.shape;
	struct tiny_options opt = {
		.n_segs = s->n_segs,
		.bucket_shift = s->bucket_shift,
		.n_levels = s->n_levels,
		.n_slots = SLOTS,
		.seed = 1,
	};

	tiny_init(&world.tiny, &opt);
	memset(world.slot, 0, sizeof(world.slot));
	memset(world.client, 0, sizeof(world.client));
	world.inspector = tiny_enter(&world.tiny, INSPECTOR, 1);
	make_keys(world.inspector);
	world.space_id[0] = 0;
	if (larder_namespace(world.inspector, "other", 5, &world.space_id[1]) != 0)
		abort();
}

static void unmake_region(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (world.client[i].h != NULL)
			tiny_leave(world.client[i].h);
	if (world.daemon != NULL)
		tiny_leave(world.daemon);
	world.daemon = NULL;
	tiny_leave(world.inspector);
	tiny_deinit(&world.tiny);
}

static void collect(struct world_result *r)
{
	const struct tiny *t = &world.tiny;

	*r = (struct world_result){
		.accesses = sched_accesses(),
		.calls = world.shape.calls,
		.evicted = tiny_stat(t, STAT_evicted) + tiny_stat(t, STAT_evicted_index),
		.moved = tiny_stat(t, STAT_moved),
		.cleaned = tiny_stat(t, STAT_cleaned),
		.splits = tiny_stat(t, STAT_splits),
		.pending_killed = tiny_stat(t, STAT_pending_killed),
		.failed = world.failed,
		.kills = sched_kills(),
		.stops = sched_stops(),
		.given_up = history_given_up(),
	};
}

bool world_run(uint64_t seed, struct world_result *result)
{
	const struct shape *s = &world.shape;
	struct sched_options opt = {.seed = seed, .stopped_max = 2, .step_limit = 400000};

	draw_shape(&world.shape, seed);
	make_region();
	opt.quantum = s->quantum;
	opt.kill_every = s->kill_every;
	opt.kills_max = s->calls / 8;
	opt.stop_every = s->stop_every;
	opt.stop_length = s->stop_length;
	sched_init(&opt);
	history_init();
	world.calls_left = s->calls;
	world.working = s->n_clients;
	world.next_id = 0;
	world.failed = 0;
	for (unsigned i = 0; i < s->n_clients; i++)
		sched_start(i, client_main, &world.client[i]);
	sched_start(DAEMON, daemon_main, NULL);
	sched_run(on_death);
	check_end();
	collect(result);
	unmake_region();
	return sched_failure()[0] == '\0';
}
