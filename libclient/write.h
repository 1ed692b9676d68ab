/* SPDX-License-Identifier: MIT
 *
 * write.h - the engine under every call that changes a key
 */
#ifndef LARDER_WRITE_H
#define LARDER_WRITE_H

#include "index.h"
#include "segment.h"

#define WRITE_PUBLISH 0

/*
 * One change of one key. The caller fills in key, decide and what decide() needs; decide() looks at
 * the present item (NULL: absent, expired or flushed) and either fills in the new item and returns
 * WRITE_PUBLISH, or returns the call's result. It runs once a round, under H1: the old item's bytes
 * stay what they are until it returns and the new item is built.
 */
struct write {
	struct key key;
	int (*decide)(struct larder *h, struct write *w, const struct hit *old);

	/* the new item, from decide() or constant */
	const void *value; /* the bytes after the key; may lie in the old item */
	uint64_t vlen;	   /* logical length */
	uint64_t expiry;
	uint32_t uflags;
	uint8_t type;
	bool depends;	  /* on the old item: keeps its stamp (Flush in layout.h) */
	bool keep_bodies; /* the new head lists the old one's extents */

	/* what decide() compares */
	uint64_t want_version;
	uint32_t mode;

	uint64_t version; /* out: of the new item */

	/* the engine's */
	uint64_t need;	/* bytes to ask a lease for */
	uint64_t stamp; /* flush_seq at the start of the round, or the old item's */
	uint64_t word;	/* the new item's, COMMITTED, alt bit not set */
	struct item item;
};

/* write_init - a plain value without deadline and flags. Field by field: clearing what the engine fills in
 * itself would cost a tenth of a set. */
static inline void write_init(struct write *w, uint32_t mode, const void *value, uint64_t vlen)
{
	w->decide = NULL;
	w->value = value;
	w->vlen = vlen;
	w->expiry = 0;
	w->uflags = 0;
	w->type = ITEM_PLAIN;
	w->depends = false;
	w->keep_bodies = false;
	w->want_version = 0;
	w->mode = mode;
	w->version = 0;
}

/*
 * write_run - try until the change is made or refused
 * Return: what decide() returned; 0 published; -EAGAIN after WRITE_ROUNDS, or in the child of a fork inside; -ENOMEM; -E2BIG the item
 * does not fit half a segment.
 */
int write_run(struct larder *h, struct write *w);

/*
 * write_delete - remove a key
 * @want_version: 0 = whatever version. Return: 0; LARDER_MISS; LARDER_EXISTS; -EAGAIN.
 */
int write_delete(struct larder *h, const struct key *k, uint64_t want_version);

/* write_protect - H1 on a found item: while it stands, its word cannot come back once it is gone.
 * Return: false if the word or the segment has changed: look again. */
bool write_protect(struct larder *h, const struct hit *hit);

/* write_account_out - an item was unlinked by this handle, under H1 */
void write_account_out(struct larder *h, const struct hit *hit);

/* The largest item that is stored in one piece. */
static inline uint64_t write_piece_max(const struct larder *h)
{
	return h->seg_bytes / 2;
}

#endif
