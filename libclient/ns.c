/* SPDX-License-Identifier: MIT
 *
 * ns.c - namespaces: names to ids, and flushes
 *
 * DESIGN	An open-addressed table that only grows: entry i belongs to the name whose hash stands in
 *		it. Everybody probes the same sequence and the first empty entry is taken by one CAS, so a
 *		name cannot get two ids. The name itself is written after the CAS by the creator, and by the
 *		next opener if the creator was killed (R12): all would write the same bytes. Two names with one
 *		64-bit hash (1 in 10^10 with all 65,535 taken; the hash is seeded) are told apart by the name.
 *		The table and the names are sparse; a creator allocates their pages before it stores, so a
 *		full machine is -ENOMEM and not a signal.
 * INVARIANTS	I15, I16.
 * CONCURRENCY	label  store                    load                          orders
 *		N1/N2  length in settle_name    length in settle_name         name -> its length
 *		N3/N4  word in find_or_create   word in find_or_create        pages -> word
 */
#include "ns.h"

#include <fcntl.h>

#include "attach.h"
#include "hash.h"

static int commit_page(const struct larder *h, const void *p, size_t len)
{
	uint64_t off = (uint64_t)((const uint8_t *)p - (const uint8_t *)h->hdr);

	if (h->map->region_fd < 0)
		return 0;
	return fallocate(h->map->region_fd, 0, (off_t)off, (off_t)len) == 0 ? 0 : -ENOMEM;
}

static bool name_equal(const struct shm_ns_name *n, const char *name, size_t len)
{
	return shared_equal(n->name, name, len);
}

/* Write the name where it is missing. Return: false if the entry is another name's. */
static bool settle_name(struct larder *h, uint32_t id, const char *name, size_t len)
{
	struct shm_ns_name *n = ns_name(h, id);
	/* [N2] acquire, pairs with [N1] */
	uint8_t have = load_acquire_u8(&n->len);

	if (have != 0)
		return have == len && name_equal(n, name, len);
	if (h->rdonly)
		return true;
	copy_in(n->name, name, len);
	/* [N1] release, pairs with [N2]: the bytes are there when the length is */
	store_release_u8(&n->len, (uint8_t)len);
	return true;
}

static int find_or_create(struct larder *h, const char *name, size_t len, uint16_t *idp)
{
	uint64_t hash = XXH3_64bits_withSeed(name, len, h->map->seed);
	uint32_t id = 1 + (uint32_t)(hash % (SHM_NAMESPACES - 1));

	hash = hash != 0 ? hash : 1;
	for (uint32_t n = 1; n < SHM_NAMESPACES; n++, id = id + 1 < SHM_NAMESPACES ? id + 1 : 1) {
		struct shm_ns *e = ns_entry(h, id);
		/* [N4] acquire, pairs with [N3] */
		uint64_t w = load_acquire(&e->word);

		if (w == 0) {
			if (h->rdonly)
				return -EROFS;
			if (commit_page(h, e, sizeof(*e)) != 0 ||
			    commit_page(h, ns_name(h, id), sizeof(struct shm_ns_name)) != 0)
				return -ENOMEM;
			/* [N3] release, pairs with [N4]: the pages are there before the word */
			w = cas(&e->word, 0, hash) ? hash : load_acquire(&e->word);
		}
		if (w == hash && settle_name(h, id, name, len)) {
			*idp = (uint16_t)id;
			return 0;
		}
	}
	return -ENOSPC;
}

int larder_namespace(struct larder *h, const char *name, size_t len, uint16_t *idp)
{
	int r;

	if (idp == NULL || (name == NULL && len != 0))
		return -EINVAL;
	if (len > LARDER_NAMESPACE_MAX)
		return -ENAMETOOLONG;
	r = handle_enter(h);
	if (r != 0)
		return r;
	*idp = 0;
	r = len == 0 ? 0 : find_or_create(h, name, len, idp);
	handle_leave(h);
	return r;
}

int larder_select(struct larder *h, uint16_t id)
{
	int r = handle_enter(h);

	if (r < 0)
		return r;
	if (r == 0) {
		if (id != 0 && load_acquire(&ns_entry(h, id)->word) == 0)
			r = -EINVAL;
		else
			handle_select(h, id);
		handle_leave(h);
		return r;
	}
	if (!attach_names(h, id))
		return LARDER_DETACHED;
	handle_select(h, id);
	return 0;
}

static int flush(struct larder *h, bool all)
{
	uint64_t v;
	int r = handle_enter(h);

	if (r == LARDER_DETACHED)
		stat_add(h, STAT_detached, 1);
	if (r != 0)
		return r;
	if (h->rdonly) {
		handle_leave(h);
		return -EROFS;
	}
	if (!handle_alive(h)) {
		handle_leave(h);
		return -EAGAIN;
	}
	/* [N5] a number for this flush; what it ends, raise_to() says with the order of its CAS */
	v = fetch_add(&h->hdr->flush_seq, 1) + 1;
	if (all)
		raise_to(&h->hdr->flushed_all, v);
	if (all || h->ns == 0)
		raise_to(&h->hdr->flushed_at0, v);
	else
		raise_to(&ns_entry(h, h->ns)->flushed_at, v);
	stat_add(h, STAT_flush, 1);
	handle_leave(h);
	return 0;
}

int larder_flush(struct larder *h)
{
	return flush(h, false);
}

int larder_flush_all(struct larder *h)
{
	return flush(h, true);
}
