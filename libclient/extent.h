/* SPDX-License-Identifier: MIT
 *
 * extent.h - values that are larger than half a segment
 */
#ifndef LARDER_EXTENT_H
#define LARDER_EXTENT_H

#include "index.h"
#include "write.h"

/*
 * extent_store - write_run() for a value that does not fit in one piece
 * @w: as for write_run(), vlen and value set; decide() must leave value, vlen and type alone.
 * Return: as write_run().
 */
int extent_store(struct larder *h, struct write *w);

/* extent_drop - an extents item was unlinked by this handle, under H1: give its bodies back */
void extent_drop(struct larder *h, const struct hit *hit);

/*
 * extent_read - copy the first @room bytes of an extents item's value
 * Return: false if an extent is gone: the value is not there any more.
 */
bool extent_read(const struct larder *h, const struct hit *hit, void *dst, size_t room);

/* EXTENT_UNSURE: an entry that may be the head's is on the move: the body must stay. */
enum extent_link { EXTENT_ORPHAN, EXTENT_LINKED, EXTENT_UNSURE };

/*
 * extent_linked - is this body segment, held in CLEANING by the caller, listed by a linked head?
 * @head: out: the head, if it is
 */
enum extent_link extent_linked(struct larder *h, uint32_t seg, uint64_t gen, struct hit *head);

#endif
