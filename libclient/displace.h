/* SPDX-License-Identifier: MIT
 *
 * displace.h - making room in two full buckets
 */
#ifndef LARDER_DISPLACE_H
#define LARDER_DISPLACE_H

#include "survey.h"

/*
 * displace - put a PENDING word where another key's word was
 * @pending: without the alt bit. Moves some entry to its other bucket; if no other bucket has room, the
 * least recent of the 14 entries is evicted, which is counted. Uses H1.
 * Return: the position; NOWHERE: look again.
 */
unsigned displace(struct larder *h, const struct survey *s, uint64_t pending);

#endif
