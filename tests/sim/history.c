/* SPDX-License-Identifier: MIT
 *
 * history.c - all states that a key may be in
 *
 * A configuration is a state of the key, the set of pending calls that have taken effect in it, and what
 * each of them is going to return. When a call returns, each configuration is extended by pending calls
 * and evictions in every order up to the point where this call has taken effect; those in which it
 * returned something else are dropped.
 */
#include "history.h"

#include <stdio.h>
#include <string.h>

#define PENDING 12u
#define CONFIGS 1024u
#define LOG 48u
#define VERSIONS 65536u

struct state {
	bool present;
	uint64_t value;
	uint32_t writer; /* number of the call that wrote it: stands for the version */
};

struct config {
	struct state state;
	uint32_t done; /* bit p: the pending call p has taken effect */
	uint32_t evictions;
	struct {
		uint8_t result;
		struct state seen;
	} outcome[PENDING];
};

struct pending {
	bool used;
	uint32_t number;
	struct history_op op;
};

struct line {
	char what;
	uint32_t number;
	struct history_op op;
	int result;
};

struct key {
	struct config config[CONFIGS];
	unsigned n;
	struct pending pending[PENDING];
	bool given_up;
	uint32_t lost; /* evictions known when it was given up */
	struct line log[LOG];
	unsigned n_log;
};

static struct key keys[HISTORY_KEYS];
static uint32_t calls;
/* Versions by the call that made them, where it told. */
static uint64_t version_of[VERSIONS];

static struct config next[CONFIGS];
static unsigned n_next;

void history_init(void)
{
	for (unsigned i = 0; i < HISTORY_KEYS; i++) {
		keys[i].n = 1;
		memset(&keys[i].config[0], 0, sizeof(keys[i].config[0]));
		memset(keys[i].pending, 0, sizeof(keys[i].pending));
		keys[i].given_up = false;
		keys[i].lost = 0;
		keys[i].n_log = 0;
	}
	memset(version_of, 0, (calls < VERSIONS ? calls + 1 : VERSIONS) * sizeof(version_of[0]));
	calls = 0;
}

static void note(struct key *k, char what, uint32_t number, const struct history_op *op, int result)
{
	k->log[k->n_log++ % LOG] = (struct line){what, number, *op, result};
}

static uint64_t known_version(uint32_t writer)
{
	return writer < VERSIONS ? version_of[writer] : 0;
}

/* ------------------------------------------------------------------ what a call does */

static enum history_result compare(const struct state *s, uint64_t version, bool *maybe)
{
	if (!s->present)
		return RES_MISS;
	*maybe = known_version(s->writer) == 0;
	return *maybe || known_version(s->writer) == version ? RES_OK : RES_EXISTS;
}

static void put(struct state *s, const struct pending *p)
{
	*s = (struct state){true, p->op.value, p->number};
}

/* Apply pending call @i to a configuration. @declined: a comparison of unknown versions fails. */
static void apply(const struct key *k, struct config *c, unsigned i, bool declined)
{
	const struct pending *p = &k->pending[i];
	struct state *s = &c->state;
	enum history_result r = RES_OK;
	bool maybe = false;

	switch (p->op.kind) {
	case OP_GET:
		r = s->present ? RES_OK : RES_MISS;
		break;
	case OP_SET:
		put(s, p);
		break;
	case OP_EXPIRED:
	case OP_FLUSH:
		s->present = false;
		break;
	case OP_ADD:
		r = s->present ? RES_EXISTS : RES_OK;
		if (r == RES_OK)
			put(s, p);
		break;
	case OP_REPLACE:
		r = s->present ? RES_OK : RES_MISS;
		if (r == RES_OK)
			put(s, p);
		break;
	case OP_CAS:
		r = compare(s, p->op.version, &maybe);
		r = maybe && declined ? RES_EXISTS : r;
		if (r == RES_OK)
			put(s, p);
		break;
	case OP_DELETE:
		r = s->present ? RES_OK : RES_MISS;
		s->present = false;
		break;
	case OP_DELETE_IF:
		r = compare(s, p->op.version, &maybe);
		r = maybe && declined ? RES_EXISTS : r;
		if (r == RES_OK)
			s->present = false;
		break;
	case OP_TOUCH:
		r = s->present ? RES_OK : RES_MISS;
		s->writer = p->number;
		break;
	case OP_INCR:
		*s = (struct state){true, s->present ? s->value + p->op.value : p->op.initial,
				    p->number};
		break;
	}
	if (!s->present)
		s->value = s->writer = 0;
	c->done |= 1u << i;
	c->outcome[i].result = (uint8_t)r;
	memset(&c->outcome[i].seen, 0, sizeof(*s));
	if (p->op.kind == OP_GET || p->op.kind == OP_INCR)
		c->outcome[i].seen = *s;
}

static bool compares(const struct key *k, unsigned i)
{
	return k->pending[i].op.kind == OP_CAS || k->pending[i].op.kind == OP_DELETE_IF;
}

/* ------------------------------------------------------------------ sets of configurations */

static bool same_state(const struct state *a, const struct state *b)
{
	return a->present == b->present && a->value == b->value && a->writer == b->writer;
}

static bool same(const struct key *k, const struct config *a, const struct config *b)
{
	if (a->done != b->done || !same_state(&a->state, &b->state))
		return false;
	for (unsigned i = 0; i < PENDING; i++)
		if (k->pending[i].used && a->done >> i & 1 &&
		    (a->outcome[i].result != b->outcome[i].result ||
		     !same_state(&a->outcome[i].seen, &b->outcome[i].seen)))
			return false;
	return true;
}

/* Some configuration was found again with fewer evictions. */
static bool lowered;

/* Return: false if there is no room. */
static bool insert(const struct key *k, struct config *set, unsigned *n, const struct config *c)
{
	for (unsigned i = 0; i < *n; i++) {
		if (!same(k, &set[i], c))
			continue;
		if (set[i].evictions > c->evictions) {
			set[i].evictions = c->evictions;
			lowered = true;
		}
		return true;
	}
	if (*n == CONFIGS)
		return false;
	set[(*n)++] = *c;
	return true;
}

static void give_up(struct key *k)
{
	uint32_t least = UINT32_MAX;

	for (unsigned i = 0; i < k->n; i++)
		if (k->config[i].evictions < least)
			least = k->config[i].evictions;
	k->lost = least;
	k->given_up = true;
}

/* Configuration @c and whatever one step makes of it. Return: false: too many. */
static bool step(struct key *k, const struct config *c)
{
	struct config e = *c;

	if (c->state.present) {
		memset(&e.state, 0, sizeof(e.state));
		e.evictions++;
		if (!insert(k, k->config, &k->n, &e))
			return false;
	}
	for (unsigned p = 0; p < PENDING; p++) {
		if (!k->pending[p].used || c->done >> p & 1)
			continue;
		for (unsigned declined = 0; declined < (compares(k, p) ? 2u : 1u); declined++) {
			e = *c;
			apply(k, &e, p, declined != 0);
			if (!insert(k, k->config, &k->n, &e))
				return false;
		}
	}
	return true;
}

/* All configurations reachable from those of @k by pending calls and evictions. Those in which call @place
 * has taken effect go no further (@place PENDING: all go on). In k->config; false: too many. */
static bool extend(struct key *k, unsigned place)
{
	do {
		lowered = false;
		for (unsigned i = 0; i < k->n; i++) {
			struct config c = k->config[i];

			if (place < PENDING && c.done >> place & 1)
				continue;
			if (!step(k, &c))
				return false;
		}
	} while (lowered);
	return true;
}

/* Forget call @place in all configurations. */
static void retire(struct key *k, unsigned place)
{
	k->pending[place].used = false;
	n_next = 0;
	for (unsigned i = 0; i < k->n; i++) {
		k->config[i].done &= ~(1u << place);
		insert(k, next, &n_next, &k->config[i]);
	}
	memcpy(k->config, next, n_next * sizeof(next[0]));
	k->n = n_next;
}

/* ------------------------------------------------------------------ calls */

unsigned history_begin(unsigned key, const struct history_op *op)
{
	struct key *k = &keys[key];
	unsigned i = 0;

	while (i < PENDING && k->pending[i].used)
		i++;
	if (i == PENDING) {
		give_up(k);
		return PENDING;
	}
	calls++;
	k->pending[i] = (struct pending){true, calls, *op};
	note(k, '(', calls, op, 0);
	return i;
}

static bool explains(const struct config *c, unsigned place, enum history_kind kind,
		     enum history_result result, const struct history_op *out)
{
	const struct state *seen = &c->outcome[place].seen;

	if (!(c->done >> place & 1) || c->outcome[place].result != result)
		return false;
	if (kind == OP_INCR)
		return seen->value == out->value;
	if (kind != OP_GET || result != RES_OK)
		return true;
	return seen->value == out->value &&
	       (known_version(seen->writer) == 0 || known_version(seen->writer) == out->version);
}

bool history_end(unsigned key, unsigned place, enum history_result result,
		 const struct history_op *out)
{
	struct key *k = &keys[key];
	enum history_kind kind;

	if (k->given_up || place == PENDING)
		return true;
	kind = k->pending[place].op.kind;
	note(k, ')', k->pending[place].number, out, (int)result);
	if (kind != OP_GET && result == RES_OK && k->pending[place].number < VERSIONS)
		version_of[k->pending[place].number] = out->version;
	if (!extend(k, place)) {
		give_up(k);
		return true;
	}
	n_next = 0;
	for (unsigned i = 0; i < k->n; i++)
		if (explains(&k->config[i], place, kind, result, out))
			next[n_next++] = k->config[i];
	if (n_next == 0)
		return false;
	memcpy(k->config, next, n_next * sizeof(next[0]));
	k->n = n_next;
	retire(k, place);
	return true;
}

void history_cancel(unsigned key, unsigned place)
{
	struct key *k = &keys[key];

	if (k->given_up || place == PENDING)
		return;
	note(k, '/', k->pending[place].number, &k->pending[place].op, 0);
	n_next = 0;
	for (unsigned i = 0; i < k->n; i++)
		if (!(k->config[i].done >> place & 1))
			next[n_next++] = k->config[i];
	memcpy(k->config, next, n_next * sizeof(next[0]));
	k->n = n_next;
	retire(k, place);
}

void history_killed(unsigned key, unsigned place)
{
	struct key *k = &keys[key];

	if (k->given_up || place == PENDING)
		return;
	note(k, 'X', k->pending[place].number, &k->pending[place].op, 0);
	if (!extend(k, PENDING)) {
		give_up(k);
		return;
	}
	retire(k, place);
}

uint64_t history_evictions(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < HISTORY_KEYS; i++) {
		uint32_t least = UINT32_MAX;

		for (unsigned j = 0; j < keys[i].n && !keys[i].given_up; j++)
			if (keys[i].config[j].evictions < least)
				least = keys[i].config[j].evictions;
		sum += keys[i].given_up ? keys[i].lost : least;
	}
	return sum;
}

unsigned history_given_up(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < HISTORY_KEYS; i++)
		n += keys[i].given_up;
	return n;
}

void history_print(unsigned key)
{
	static const char *const names[] = {"get",     "set",  "expired", "add",
					    "replace", "cas",  "delete",  "delete_if",
					    "touch",   "incr", "flush"};
	const struct key *k = &keys[key];
	unsigned from = k->n_log > LOG ? k->n_log - LOG : 0;

	for (unsigned i = from; i < k->n_log; i++) {
		const struct line *l = &k->log[i % LOG];

		fprintf(stderr, "  %c %5u %-9s value %llu version %llx result %d\n", l->what,
			(unsigned)l->number, names[l->op.kind], (unsigned long long)l->op.value,
			(unsigned long long)l->op.version, l->result);
	}
}
