/* SPDX-License-Identifier: MIT
 *
 * displace.h - making room in two full buckets
 */
#ifndef LARDER_DISPLACE_H
#define LARDER_DISPLACE_H

#include "survey.h"

/* displace_split - split some other bucket of an entry of these two, so that it can move there
 * Return: one was split: look again. @deep: see split_on_demand(). */
bool displace_split(struct larder *h, const struct survey *s, bool deep);

/*
 * displace_move - put a PENDING word where another key's word was, which moves to its other bucket
 * displace_evict - put it where the least recent of the 14 entries was, which is evicted and counted
 * @pending: without the alt bit. @tries: entries to ask, at most BOTH. Both use H1.
 * Return: the position; NOWHERE: nothing changed.
 */
unsigned displace_move(struct larder *h, const struct survey *s, uint64_t pending, unsigned tries);
unsigned displace_evict(struct larder *h, const struct survey *s, uint64_t pending);

#endif
