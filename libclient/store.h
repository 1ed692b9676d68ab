/* SPDX-License-Identifier: MIT
 *
 * store.h - the parts of the single-key writes that batches and counters share
 */
#ifndef LARDER_STORE_H
#define LARDER_STORE_H

#include "write.h"

/* store_enter - key check, handle_enter, read-only and detached handled
 * Return: 0; the call's result otherwise (the handle is then not entered). */
int store_enter(struct larder *h, const void *key, size_t klen);
/* store_leave - count a failure, handle_leave; returns @result */
int store_leave(struct larder *h, int result);

/* Inside an entered handle: one key by w->mode, with key, value, vlen, expiry, uflags set. */
int store_key(struct larder *h, struct write *w);
int store_delete(struct larder *h, const struct key *k, uint64_t version);

/* write_run(), or extent_store() for what does not fit in one piece. Return: also -E2BIG. */
int store_run(struct larder *h, struct write *w);

/* decide() of set, add, replace, cas. */
int store_decide(struct larder *h, struct write *w, const struct hit *old);

#endif
