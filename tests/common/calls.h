/* SPDX-License-Identifier: MIT
 *
 * calls.h - one call of each kind, on a small region, with what may be there when it was cut short
 *
 * For the tests that kill or stop a process inside a call. A call changes the key "subject" (mset two
 * more) from a known old state to a known new one; every other key must stay what it is, unless the
 * call evicts or flushes.
 */
#ifndef CALLS_H
#define CALLS_H

#include "tiny.h"

#define CALLS_OTHERS 6u

enum calls_others { OTHERS_STAY, OTHERS_FLUSHED, OTHERS_EVICTED };

struct call {
	const char *name;
	const char *before; /* value of the subject; NULL absent */
	const char *after;
	bool counter; /* the subject is one */
	bool large;   /* a value of several segments: before and after are its first bytes */
	unsigned subjects;
	enum calls_others others;
	struct tiny_options region;
	void (*prepare)(struct larder *h, struct tiny *t); /* beyond the subject and the others */
	int (*run)(struct larder *h);			   /* 0: all as expected */
};

extern const struct call calls[];
extern const unsigned n_calls;

/* Set the subject, or not, and the other keys. */
void calls_prepare(const struct call *call, struct larder *h, struct tiny *t);

/* calls_check - the subject is old or new, each other key is what it may be, no key has two words.
 * Return: NULL; what is wrong. */
const char *calls_check(const struct call *call, struct larder *h);

/* The subject can be set, read and deleted. Return: NULL; what is wrong. */
const char *calls_use(const struct call *call, struct larder *h);

/* Is this the subject's value? @text NULL: is it absent? @large: the value begins with it. */
bool calls_subject_is(struct larder *h, const char *text, bool large);

#endif
