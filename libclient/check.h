/* SPDX-License-Identifier: MIT
 *
 * check.h - what the parts of larder_check() share
 */
#ifndef LARDER_CHECK_H
#define LARDER_CHECK_H

#include "index.h"

#define CHECK_INVARIANTS 16u
#define CHECK_LOOKS 8u	   /* a finding must be there each time */
#define CHECK_TOLD_MAX 64u /* findings of one invariant; then it is not looked at any more */
#define CHECK_RECOUNTS 1024u

/* How far the index reaches into a segment. */
struct check_reach {
	uint64_t gen;
	uint32_t end; /* offset + 1 of the last linked item; 0 none */
};

struct check {
	struct larder *h;
	larder_check_fn *fn;
	void *ctx;
	unsigned told[CHECK_INVARIANTS + 1];
	uint8_t *alt; /* alt words, by the home's number at the last level; 255 = or more */
	struct check_reach *reach; /* by segment */
	unsigned recounts;	   /* that may still be made */
	uint8_t ns_seen[SHM_NAMESPACES / 8];
};

/* Look once. Return: the invariant that does not hold at @at, or 0. */
typedef unsigned check_look(struct check *c, uint64_t at);

/*
 * check_persists - look again and again, while running operations may end
 * Return: the invariant that each look found broken; 0 if one look differed.
 */
unsigned check_persists(struct check *c, check_look *look, uint64_t at);

/* check_tell - report a finding */
__attribute__((format(printf, 3, 4))) void check_tell(struct check *c, unsigned invariant,
						      const char *format, ...);

/* check_namespace - I15 and I16 of one namespace: look. Return: as check_look. */
unsigned check_namespace(struct check *c, uint64_t id);

/* check_index - I4 to I7, I9, I10, I13; fills in @c's alt, reach and ns_seen */
void check_index(struct check *c);

/* check_overflow - I8, after check_index() */
void check_overflow(struct check *c);

#endif
