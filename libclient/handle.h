/* SPDX-License-Identifier: MIT
 *
 * handle.h - the private state of a handle, and the frame around every call
 *
 * A handle belongs to one thread. It works on a mapping, which clones share. What the fast path needs
 * is copied from the mapping into the handle: one indirection less, and never read from shared memory
 * twice.
 *
 * busy     set around every call: a signal handler that comes in between gets -EBUSY.
 * alive    points to a word that reads 0 in a forked child (a page with MADV_WIPEONFORK), or to a
 *          constant 0 while detached. Whoever changes a key looks at it again right before each of its
 *          stores: when a signal handler forks in the middle of a set, the child goes on with copies of
 *          its parent's lease and slot, and must not store there. It runs on to the end of the call,
 *          storing nothing, loses each race that it enters, and returns -EAGAIN. A few
 *          instructions lie between look and store (more where the fast set looks once for all its
 *          counters): after a fork right there that store is made by both, or by the child alone.
 * guard    is loaded in every call: the kernel marks it when the region's keeper ends.
 * budget   counts calls down to the next look at the heartbeat (attach_enter_slow).
 */
#ifndef LARDER_HANDLE_H
#define LARDER_HANDLE_H

#include <errno.h>
#include <larder/control.h>
#include <larder/larder.h>
#include <larder/layout.h>
#include <stdbool.h>

#include "atomic.h"

#define HANDLE_BUDGET 256u /* calls; a look costs about 8 ns */
#define NO_SEGMENT 0xffffffffu

/* One attached region; immutable after mapping_new() but for the count. Shared by clones. */
struct mapping {
	uint8_t *base;
	const struct ctl_page *ctl; /* NULL in tests without a daemon */
	struct shm_geometry geo;
	uint8_t uuid[16];
	uint64_t seed;
	uint64_t ctl_inode; /* of the control page: an upgraded daemon brings another one */
	int region_fd; /* to commit a namespace's page; -1 if the mapper committed everything */
	bool rdonly;
	shm_u32 refs;
};

/* A segment that this handle fills. seg == NO_SEGMENT: none. */
struct lease {
	uint32_t seg;
	uint32_t off;  /* next free byte */
	uint64_t word; /* {LEASED, me, gen} */
	uint64_t epoch;
	uint64_t max_expiry;
	uint32_t items;
	bool started; /* epoch and table entry are written */
};

/* See clock.h. */
struct clock {
	uint64_t boot_offset_ns; /* BOOTTIME - REALTIME */
	uint64_t refreshed_ns;	 /* coarse time of the last refresh */
};

struct attachment; /* attach.c: socket, name, options */

enum counter {
#define X(name, help) STAT_##name,
#include <larder/stats.def>
#undef X
	STAT_COUNT
};
static_assert(STAT_COUNT <= SHM_COUNTERS, "a slot has room for every counter");

struct larder {
	/* every call */
	const shm_u64 *alive;
	const shm_u32 *guard; /* in the control page: did the keeper end? */
	uint32_t busy;
	uint32_t budget;
	struct shm_header *hdr;
	struct shm_slot *slot; /* private_slot while read-only or detached */
	struct shm_ns_count *ns_count;
	uint64_t seed; /* with the namespace mixed in */

	/* the index hint as last seen, taken apart: index_hinted() */
	uint64_t hint;
	uint64_t hint_mask;
	uint64_t hint_split;
	struct shm_bucket *hint_base;
	uint64_t n_places; /* of the data area, in units */
	uint32_t seg_mask; /* bytes of a segment - 1 */
	uint32_t bucket_bits;
	struct shm_bucket *level[SHM_LEVELS];
	struct shm_segment *segs;
	struct shm_table *table;
	uint8_t *data;
	uint64_t max_value;
	uint64_t bucket_mask0;
	uint32_t n_segs;
	uint32_t seg_bytes;
	uint32_t seg_shift;
	uint32_t unit_shift;
	uint32_t place_shift; /* seg_shift - unit_shift */
	uint32_t n_levels;
	uint32_t me; /* slot number: owner of leases */
	uint16_t ns;
	bool rdonly;
	bool full_fence; /* membarrier(2) does not work here */
	bool test_clock;

	struct lease lease;	/* for the caller's items */
	struct lease survivors; /* for the cleaner's */
	struct clock clock;
	uint32_t free_hint; /* where to look for a FREE segment */
	uint32_t random;    /* state of a cheap generator: back-off, sampling */

	struct mapping *map;	       /* NULL while detached */
	struct attachment *attachment; /* NULL in the daemon's own handle and in tests */
	struct shm_slot *private_slot; /* counts while the handle is read-only or detached */
	shm_u64 *wipe_page;	       /* what alive points to while attached */
	void *scratch;		       /* grows: large values of derived writes */
	size_t scratch_room;
};

/*
 * handle_bind - point a handle at a mapping, as the owner of @slot
 * handle_unbind - the reverse: seals the leases and clears the hazards; the handle is detached
 * The caller keeps the reference of the mapping. handle_bind allocates the wipe page (and the private
 * slot of a read-only handle). Return: 0; -ENOMEM.
 */
int handle_bind(struct larder *h, struct mapping *map, uint32_t slot);
void handle_unbind(struct larder *h);

/*
 * handle_new - an unbound (detached) handle; handle_free - release it, unbound
 */
struct larder *handle_new(void);
void handle_free(struct larder *h);

/* Forget the parent's slot, leases and hazards without touching them: for the child of a fork. */
void handle_forget(struct larder *h);

/*
 * mapping_new - take over mapped memory after checking it
 * @base: MAP_SHARED of the whole region, the caller's until success
 * Return: 0; -EPROTO; -ENOMEM. mapping_put() unmaps with the last reference (region, control page, fd).
 */
int mapping_new(struct mapping **mapp, void *base, uint64_t file_bytes, bool rdonly);
struct mapping *mapping_get(struct mapping *map);
void mapping_put(struct mapping *map);

/*
 * handle_arm - get ready to notice a fork, and register with membarrier(2); once, by the first bind
 * handle_forked - is this the parent's handle, seen from the child?
 * Return: 0; -ENOMEM.
 */
int handle_arm(struct larder *h);
bool handle_forked(const struct larder *h);

/* Does LARDER_HIDE (a list with commas) name this feature of the kernel? For tests of the fallbacks. */
bool handle_hidden(const char *feature);

/* The calls that a slot counted. */
uint64_t handle_calls(const struct shm_slot *slot);

/* handle_hint - take the index hint of the header apart: at attach and every HANDLE_BUDGET calls */
void handle_hint(struct larder *h);

/* handle.c: recompute what depends on the selected namespace. */
void handle_select(struct larder *h, uint16_t ns);

/*
 * attach_enter_slow - the rare part of handle_enter(): forked, detached, or time to look at the
 * heartbeat
 * Return: 0 the handle is entered (busy is set); LARDER_DETACHED; -EBUSY.
 */
int attach_enter_slow(struct larder *h);

static inline bool handle_alive(const struct larder *h)
{
	return load_private(h->alive) != 0;
}

/* Set by the kernel; see control.h. */
static inline bool handle_guarded(const struct larder *h)
{
	return (load_relaxed_u32(h->guard) & CTL_GUARD_DIED) == 0;
}

static inline int handle_enter(struct larder *h)
{
	if (UNLIKELY(h == NULL))
		return -EINVAL;
	if (UNLIKELY(h->busy || !handle_alive(h) || !handle_guarded(h) || --h->budget == 0))
		return attach_enter_slow(h);
	h->busy = 1;
	fence_compiler();
	return 0;
}

static inline void handle_leave(struct larder *h)
{
	fence_compiler();
	h->busy = 0;
}

/* In the child of a fork inside this call: the slot is the parent's. A detached handle has its own. */
static inline bool handle_astray(const struct larder *h)
{
	return UNLIKELY(!handle_alive(h)) && h->slot != h->private_slot;
}

/* Stores that a child leaves out; relaxed. */
static inline void handle_store(const struct larder *h, shm_u64 *p, uint64_t v)
{
	if (LIKELY(handle_alive(h)))
		store_relaxed(p, v);
}

static inline void handle_store_u32(const struct larder *h, shm_u32 *p, uint32_t v)
{
	if (LIKELY(handle_alive(h)))
		store_relaxed_u32(p, v);
}

static inline void handle_copy_in(const struct larder *h, void *dst, const void *src, size_t n)
{
	if (LIKELY(handle_alive(h)))
		copy_in(dst, src, n);
}

static inline void handle_add(const struct larder *h, shm_u64 *count, uint64_t n)
{
	if (LIKELY(!handle_astray(h)))
		add_own(count, n);
}

static inline void stat_add(struct larder *h, enum counter stat, uint64_t n)
{
	handle_add(h, &h->slot->count[stat], n);
}

static inline int key_check(const void *key, size_t klen)
{
	if (UNLIKELY(key == NULL || klen == 0))
		return -EINVAL;
	return UNLIKELY(klen > LARDER_KEY_MAX) ? -ENAMETOOLONG : 0;
}

static inline uint32_t handle_random(struct larder *h)
{
	h->random = h->random * 1664525u + 1013904223u; /* Numerical Recipes LCG */
	return h->random >> 8;
}

static inline uint8_t *seg_base(const struct larder *h, uint32_t seg)
{
	return h->data + ((uint64_t)seg << h->seg_shift);
}

#endif
