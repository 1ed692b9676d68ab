/* SPDX-License-Identifier: MIT
 *
 * test_stop.c - stopped at each shared access of each call, while others go on
 *
 * A victim makes a call and is stopped before its n-th shared access, for each n. A peer then makes each
 * of the other calls, to its end. Then the victim is killed, stays stopped, or goes on; or the peer first
 * turns the whole region over twice, lets the generations come round, and stores the key again so that
 * the very word that the victim found stands in the index once more. Instructions between two
 * shared accesses touch nothing that others see, so this is every instruction. All results must be
 * explained by some order of the calls (history.h).
 * test-timeout: 60
 */
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

#define VICTIM_SLOT 1u
#define PEER_SLOT 2u
#define DAEMON_SLOT 0u
#define STEP_LIMIT 20000u
#define LARGE 9000u
#define CHECK_EVERY 64u

enum deed {
	DO_GET,
	DO_SET,
	DO_ADD,
	DO_REPLACE,
	DO_CAS,
	DO_DELETE,
	DO_TOUCH,
	DO_MSET,
	DO_FLUSH,
	DO_INCR,
	DO_LARGE,
	DO_CLEAN,
	DEEDS
};
static const char *const deed_names[] = {"get",	  "set",  "add",   "replace", "cas",   "delete",
					 "touch", "mset", "flush", "incr",    "large", "clean"};

enum outcome { KILLED, STAYS, RESUMES, TURNED, OUTCOMES };
static const char *const outcome_names[] = {"killed", "stays", "resumes",
					    "resumes after two turnovers"};

struct actor {
	struct larder *h;
	enum deed deed;
	unsigned place; /* in the history */
	bool open;
	uint64_t version; /* what cas wants */
};

static struct tiny tiny;
static struct actor victim, peer, daemon_actor;
static uint64_t next_id;
static uint64_t cases, recurred, turned;
static uint64_t longest[DEEDS], undisturbed[DEEDS];
static const char key[] = "subject";

/* ------------------------------------------------------------------ calls on the subject */

static size_t make_value(uint8_t *p, uint64_t id, bool large)
{
	if (!large)
		return (size_t)snprintf((char *)p, 24, "%016llu", (unsigned long long)id);
	memset(p, (int)(id & 0xff), LARGE);
	snprintf((char *)p, 24, "%016llu", (unsigned long long)id);
	return LARGE;
}

static void read_result(int r, const uint8_t *buf, size_t len, struct history_op *op)
{
	uint8_t want[LARGE + 1];
	char text[24] = {0};

	if (r != LARDER_OK)
		return;
	memcpy(text, buf, len < 23 ? len : 23);
	op->value = strtoull(text, NULL, 10);
	if (len >= 16 && (len != make_value(want, op->value, len == LARGE) ||
			  memcmp(want + 16, buf + 16, len - 16) != 0))
		sched_fail("a torn value of %zu bytes", len);
}

static int do_get(struct actor *a, struct history_op *op)
{
	static uint8_t buf[LARGE + 1];
	struct larder_meta meta;
	size_t len = sizeof(buf);
	int r = larder_get_meta(a->h, key, 7, buf, &len, &meta);

	read_result(r, buf, len, op);
	op->version = meta.version;
	return r;
}

static int do_put(struct actor *a, const struct history_op *op, uint32_t mode)
{
	struct larder_put_options opt = {.size = sizeof(opt), .mode = mode, .version = a->version};
	uint8_t value[LARGE + 1];

	return larder_put(a->h, key, 7, value, make_value(value, op->value, a->deed == DO_LARGE),
			  &opt);
}

static int do_mset(struct actor *a, const struct history_op *op)
{
	uint8_t value[24];
	struct larder_op ops[2] = {
		{.key = "neighbour", .klen = 9, .buf = value},
		{.key = key, .klen = 7, .buf = value},
	};
	int r;

	ops[0].len = ops[1].len = make_value(value, op->value, false);
	r = larder_mset(a->h, ops, 2);
	return r < 0 ? r : ops[1].result;
}

static int do_incr(struct actor *a, struct history_op *op)
{
	struct larder_counter_options opt = {
		.size = sizeof(opt), .create = 1, .initial = op->initial};

	return larder_incr(a->h, key, 7, op->value, &opt, &op->value);
}

static int perform(struct actor *a, struct history_op *op)
{
	switch (a->deed) {
	case DO_GET:
		return do_get(a, op);
	case DO_SET:
	case DO_LARGE:
		return do_put(a, op, LARDER_PUT_SET);
	case DO_ADD:
		return do_put(a, op, LARDER_PUT_ADD);
	case DO_REPLACE:
		return do_put(a, op, LARDER_PUT_REPLACE);
	case DO_CAS:
		return do_put(a, op, LARDER_PUT_CAS);
	case DO_DELETE:
		return larder_delete(a->h, key, 7);
	case DO_TOUCH:
		return larder_touch(a->h, key, 7, 0);
	case DO_MSET:
		return do_mset(a, op);
	case DO_FLUSH:
		return larder_flush(a->h);
	case DO_INCR:
		return do_incr(a, op);
	default:
		cleaner_step(a->h, 8, false);
		return 0;
	}
}

static void act(void *arg)
{
	static const enum history_kind kinds[] = {
		[DO_GET] = OP_GET,	   [DO_SET] = OP_SET,	[DO_ADD] = OP_ADD,
		[DO_REPLACE] = OP_REPLACE, [DO_CAS] = OP_CAS,	[DO_DELETE] = OP_DELETE,
		[DO_TOUCH] = OP_TOUCH,	   [DO_MSET] = OP_SET,	[DO_FLUSH] = OP_FLUSH,
		[DO_INCR] = OP_INCR,	   [DO_LARGE] = OP_SET,
	};
	struct actor *a = arg;
	struct history_op op = {0};
	uint64_t contended = load_private(&a->h->slot->count[STAT_get_contended]);
	int r;

	if (a->deed == DO_CLEAN) {
		perform(a, &op);
		return;
	}
	op.kind = kinds[a->deed];
	op.value = a->deed == DO_INCR ? 1 : ++next_id;
	op.initial = ++next_id << 20;
	op.version = op.kind == OP_CAS ? a->version : 0;
	a->place = history_begin(0, &op);
	a->open = true;
	r = perform(a, &op);
	a->open = false;
	if (op.kind != OP_GET)
		op.version = 0;
	if (r < 0)
		sched_fail("%s returned %d", deed_names[a->deed], r);
	else if (load_private(&a->h->slot->count[STAT_get_contended]) != contended)
		history_cancel(0, a->place);
	else if (!history_end(0, a->place, (enum history_result)r, &op))
		sched_fail("nothing explains what %s returned", deed_names[a->deed]);
}

/* Outside the simulated machine: nobody interferes. */
static void act_alone(struct actor *a, enum deed deed)
{
	a->deed = deed;
	act(a);
}

/* ------------------------------------------------------------------ two turnovers */

static void clean_all(struct larder *h)
{
	segment_seal(h, &h->lease);
	segment_seal(h, &h->survivors);
	for (unsigned i = 0; i < 8; i++)
		cleaner_step(h, 8, true);
}

static void use_all(struct larder *h)
{
	static const uint8_t filler[1900];

	for (unsigned i = 0; i < 2 * tiny.geo.n_segs; i++) {
		char other[24];

		snprintf(other, sizeof(other), "filler%u", i);
		if (larder_set(h, other, strlen(other), filler, sizeof(filler), 0) < 0)
			break;
	}
}

static uint64_t word_of_subject(struct larder *h)
{
	struct key k;
	struct hit hit;

	key_init(h, &k, key, 7);
	return index_find_read(h, &k, &hit) == FIND_HIT ? hit.word : 0;
}

/* Everything goes twice, generations come round, and the subject stands where it stood. */
static void turn_over(struct actor *a, uint64_t word, bool counter)
{
	uint32_t seg = 0, off;

	clean_all(a->h);
	use_all(a->h);
	clean_all(a->h);
	tiny_wrap_generations(&tiny, 2);
	if (word != 0)
		word_place(a->h, word, &seg, &off);
	a->h->free_hint = seg;
	act_alone(a, counter ? DO_INCR : DO_SET);
	turned++;
	recurred += word != 0 && word_of_subject(a->h) == word;
}

/* ------------------------------------------------------------------ one case */

static void prepare(bool present, bool counter)
{
	struct history_op get = {.kind = OP_GET};
	struct sched_options opt = {.seed = 1, .step_limit = STEP_LIMIT};

	tiny_reset(&tiny);
	sched_init(&opt);
	history_init();
	daemon_actor.h = tiny_enter(&tiny, DAEMON_SLOT, 1);
	victim.h = tiny_enter(&tiny, VICTIM_SLOT, 2);
	peer.h = tiny_enter(&tiny, PEER_SLOT, 3);
	if (present)
		act_alone(&daemon_actor, counter ? DO_INCR : DO_SET);
	do_get(&daemon_actor, &get);
	victim.version = peer.version = get.version != 0 ? get.version : 1;
	segment_seal(daemon_actor.h, &daemon_actor.h->lease);
}

static void finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	sched_fail("larder_check: I%u %s", invariant, text);
}

static void examine(enum outcome outcome)
{
	struct actor *d = &daemon_actor;

	if (outcome != STAYS)
		cleaner_reap(d->h, VICTIM_SLOT);
	if (outcome != STAYS && cases % CHECK_EVERY == 0 && larder_check(d->h, finding, NULL) != 0)
		sched_fail("larder_check found damage");
	if (tiny_count_words(d->h, key, 7) > 1)
		sched_fail("two committed words");
	act_alone(d, DO_GET);
	act_alone(d, DO_SET);
	act_alone(d, DO_GET);
	act_alone(d, DO_DELETE);
	act_alone(d, DO_GET);
}

/* Return: the victim was stopped: there may be more accesses. */
static bool one_case(enum deed v, enum deed p, enum outcome outcome, uint64_t access, bool present)
{
	bool counter = v == DO_INCR || p == DO_INCR;
	uint64_t word, steps = 0;
	bool stopped;

	prepare(present, counter);
	word = word_of_subject(daemon_actor.h);
	cases++;
	victim.deed = v;
	peer.deed = p;
	sched_start(0, act, &victim);
	sched_start(1, act, &peer);
	stopped = sched_advance(0, access);
	while (sched_advance(1, 1))
		if (++steps > STEP_LIMIT)
			sched_fail("the peer's %s hangs", deed_names[p]);
	if (access == 0)
		undisturbed[p] = steps > undisturbed[p] ? steps : undisturbed[p];
	longest[p] = steps > longest[p] ? steps : longest[p];
	if (outcome == TURNED)
		turn_over(&daemon_actor, word, counter);
	if (stopped && outcome == KILLED && victim.open)
		history_killed(0, victim.place);
	if (stopped && outcome >= RESUMES && sched_advance(0, STEP_LIMIT))
		sched_fail("the victim's %s hangs", deed_names[v]);
	if (sched_failure()[0] == '\0')
		examine(outcome);
	tiny_leave(victim.h);
	tiny_leave(peer.h);
	tiny_leave(daemon_actor.h);
	return stopped;
}

static bool all_accesses(enum deed v, enum deed p, enum outcome outcome, bool present)
{
	for (uint64_t access = 0; one_case(v, p, outcome, access, present); access++)
		if (sched_failure()[0] != '\0') {
			fprintf(stderr, "%s stopped at access %llu, %s by a peer, %s, key %s: %s\n",
				deed_names[v], (unsigned long long)access, deed_names[p],
				outcome_names[outcome], present ? "present" : "absent",
				sched_failure());
			history_print(0);
			return false;
		}
	return true;
}

/* A plain subject and a counter have different calls. */
static bool fits(enum deed v, enum deed p)
{
	static const bool plain_only[DEEDS] = {
		[DO_SET] = true, [DO_ADD] = true,  [DO_REPLACE] = true,
		[DO_CAS] = true, [DO_MSET] = true, [DO_LARGE] = true};

	return !((v == DO_INCR && plain_only[p]) || (p == DO_INCR && plain_only[v]));
}

int main(void)
{
	struct tiny_options region = {
		.n_segs = 20, .bucket_shift = 2, .n_levels = 1, .n_slots = 4, .seed = 1};
	bool ok = true;

	tiny_init(&tiny, &region);
	for (unsigned v = 0; v < DEEDS && ok; v++)
		for (unsigned p = 0; p < DEEDS && ok; p++)
			for (unsigned o = 0; o < OUTCOMES && ok && fits(v, p); o++)
				ok = all_accesses(v, p, o, true) && all_accesses(v, p, o, false);
	printf("%llu cases; %llu times two turnovers, the same word stood again in %llu\n",
	       (unsigned long long)cases, (unsigned long long)turned, (unsigned long long)recurred);
	for (unsigned p = 0; p < DEEDS; p++)
		printf("  peer's %-8s at most %4llu accesses undisturbed, %5llu beside a stopped call\n",
		       deed_names[p], (unsigned long long)undisturbed[p],
		       (unsigned long long)longest[p]);
	tiny_deinit(&tiny);
	sched_deinit();
	return ok && recurred != 0 ? 0 : 1;
}
