/* SPDX-License-Identifier: MIT
 *
 * read.h - the engine under every call that reads a key
 */
#ifndef LARDER_READ_H
#define LARDER_READ_H

#include "index.h"

/* What one read wants and gets. */
struct read {
	void *buf; /* NULL with room 0 */
	size_t room;
	size_t len;		  /* out: of the value */
	uint64_t version;	  /* out */
	uint32_t flags;		  /* out */
	struct larder_meta *meta; /* out, or NULL */
	uint64_t known;		  /* version that the caller has; 0 none */
};

/*
 * read_key - find a key, check its item, copy what is wanted, and see that it was still there
 * Wait-free: READ_ROUNDS rounds, then a counted miss.
 * Return: 0 (the value was cut if len > room); LARDER_MISS; LARDER_UNCHANGED.
 */
int read_key(struct larder *h, const struct key *k, struct read *r);

/* read_exists - the same without the value */
int read_exists(struct larder *h, const struct key *k);

/* read_describe - what is known about a found item; the caller checks hit_intact() afterwards */
void read_describe(const struct larder *h, const struct hit *hit, struct larder_meta *m);

#define DECIMAL_MAX 24

/* read_decimal - the text of a counter's 8 bytes; no terminator. Return: its length. */
size_t read_decimal(char text[DECIMAL_MAX], uint64_t value, bool is_signed);

#endif
