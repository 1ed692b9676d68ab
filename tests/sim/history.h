/* SPDX-License-Identifier: MIT
 *
 * history.h - was what the calls returned possible?
 *
 * For each key the checker keeps all states that the cache may be in, given the calls so far: it is
 * linearizable if some order of the calls, each at one instant between its begin and its end, explains
 * every result (just-in-time linearization: Lowe, "Testing for linearizability", 2017). An item may
 * vanish at any time, at the price of one eviction; the fewest evictions that explain a history are
 * history_evictions(), which must not exceed what the cache counted. A call whose process was killed may
 * have taken effect or not, but not later than the kill.
 */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#define HISTORY_KEYS 64u

enum history_kind {
	OP_GET,
	OP_SET,	    /* value */
	OP_EXPIRED, /* a set that is over before it begins */
	OP_ADD,
	OP_REPLACE,
	OP_CAS, /* version, value */
	OP_DELETE,
	OP_DELETE_IF, /* version */
	OP_TOUCH,
	OP_INCR, /* value: delta; an absent key is created with value: initial */
	OP_FLUSH,
};

enum history_result { RES_OK, RES_MISS, RES_EXISTS };

struct history_op {
	enum history_kind kind;
	uint64_t value;	  /* in: of a write; out: of a get, incr */
	uint64_t initial; /* incr */
	uint64_t version; /* in: cas, delete_if; out: of a get; of a write that tells, else 0 */
};

void history_init(void);

/* A call begins on key number @key. Return: its place. */
unsigned history_begin(unsigned key, const struct history_op *op);

/* It returned. Return: false: nothing explains that. */
bool history_end(unsigned key, unsigned place, enum history_result result,
		 const struct history_op *out);

/* It failed and had no effect. */
void history_cancel(unsigned key, unsigned place);

/* Its process was killed in it. */
void history_killed(unsigned key, unsigned place);

/* The fewest evictions that explain everything so far, over all keys. */
uint64_t history_evictions(void);

/* Keys whose possibilities were too many to go on with. */
unsigned history_given_up(void);

/* The last calls on a key, one line each, to standard error. */
void history_print(unsigned key);

#endif
