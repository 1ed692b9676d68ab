/* SPDX-License-Identifier: MIT
 *
 * handle.c - a handle's fast fields and its slot in the region
 *
 * A handle is unbound (detached) or bound to a mapping and a slot. Everything that a call needs from
 * the geometry is copied into the handle when it is bound; nothing of it is read from shared memory
 * again.
 *
 * INVARIANTS   slot is never NULL: a detached or read-only handle counts into a slot on the heap.
 *              alive points to the wipe page while bound, to a constant 0 while detached.
 *              A bound handle whose wipe page reads 0 is a copy in the child of a fork: slot and
 *              leases are its parent's.
 * SIGNALS      Binding and unbinding allocate nothing with malloc(), so that the first read after a
 *              fork may come in a signal handler: the wipe page comes with the first bind, which is
 *              larder_open(), and a mapping lives in pages of its own.
 * FAILURE      Killed while bound: R1, R6 and R14 in layout.h.
 * ORDER        [U1] a full fence between the slot's new mode and its first hazard.
 */
#include "handle.h"

#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "geometry.h"
#include "segment.h"

#define NS_SPREAD 0x9E3779B97F4A7C15ULL /* 2^64 / golden ratio: distinct ids give distant seeds */

static const shm_u64 detached_word;
static const shm_u32 no_guard;

/* ------------------------------------------------------------------ new and free */

bool handle_hidden(const char *feature)
{
	const char *list = getenv("LARDER_HIDE");
	size_t len = strlen(feature);

	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == len && memcmp(list, feature, len) == 0)
			return true;
		list += n + (list[n] == ',');
	}
	return false;
}

/* The registration belongs to the address space: a fork inherits it, an exec drops it. */
static bool membarrier_register(void)
{
	return !handle_hidden("membarrier") &&
	       syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) == 0;
}

struct larder *handle_new(void)
{
	struct larder *h =
		aligned_alloc(SHM_LINE, (sizeof(*h) + SHM_LINE - 1) / SHM_LINE * SHM_LINE);
	struct shm_slot *slot = aligned_alloc(SHM_LINE, sizeof(*slot));

	if (h == NULL || slot == NULL) {
		free(slot);
		free(h);
		return NULL;
	}
	memset(h, 0, sizeof(*h));
	memset(slot, 0, sizeof(*slot));
	h->alive = &detached_word;
	h->guard = &no_guard;
	h->budget = HANDLE_BUDGET;
	h->private_slot = slot;
	h->slot = slot;
	h->lease.seg = NO_SEGMENT;
	h->survivors.seg = NO_SEGMENT;
	h->random = (uint32_t)((uintptr_t)h >> 6);
	handle_select(h, 0);
	return h;
}

void handle_free(struct larder *h)
{
	if (h->wipe_page != NULL)
		munmap(h->wipe_page, SHM_PAGE);
	free(h->scratch);
	free(h->private_slot);
	free(h);
}

int handle_arm(struct larder *h)
{
	if (h->wipe_page == NULL) {
		void *page = mmap(NULL, SHM_PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (page == MAP_FAILED)
			return -ENOMEM;
		if (madvise(page, SHM_PAGE, MADV_WIPEONFORK) != 0) {
			munmap(page, SHM_PAGE);
			return -ENOMEM;
		}
		h->wipe_page = page;
		h->full_fence = !membarrier_register();
	}
	store_relaxed(h->wipe_page, 1);
	return 0;
}

bool handle_forked(const struct larder *h)
{
	return h->wipe_page != NULL && load_private(h->wipe_page) == 0;
}

/* ------------------------------------------------------------------ counters */

uint64_t handle_calls(const struct shm_slot *slot)
{
	static const enum counter calls[] = {
		STAT_exists, STAT_set,	  STAT_add,	STAT_replace, STAT_cas,
		STAT_touch,  STAT_remove, STAT_counter, STAT_flush,   STAT_scan,
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		sum += load_relaxed(&slot->count[calls[i]]);
	/* A read counts in its namespace's entry only. */
	for (unsigned i = 0; i < SHM_NS_COUNTED; i++)
		sum += load_relaxed(&slot->ns[i].hits) + load_relaxed(&slot->ns[i].misses);
	return sum;
}

/* What a handle counted while it had no slot goes on in the slot that it got. */
static void move_counts(struct shm_slot *to, struct shm_slot *from)
{
	for (unsigned i = 0; i < STAT_COUNT; i++) {
		add_own(&to->count[i], load_relaxed(&from->count[i]));
		store_relaxed(&from->count[i], 0);
	}
}

/* Reads of a region that is left say nothing about the next one. Writes that were lost do. */
static void restart_private_counts(struct larder *h)
{
	uint64_t detached = load_relaxed(&h->private_slot->count[STAT_detached]);

	memset(h->private_slot, 0, sizeof(*h->private_slot));
	store_relaxed(&h->private_slot->count[STAT_detached], detached);
}

/* ------------------------------------------------------------------ namespaces */

/*
 * Entries belong to namespaces in order of first use and stay theirs when the slot gets another
 * owner: the sums must not lose what was counted. The last entry is for all that found no room.
 */
static struct shm_ns_count *ns_count_of(struct shm_slot *slot, uint16_t ns)
{
	for (unsigned i = 0; i < SHM_NS_COUNTED - 1; i++) {
		uint64_t id = load_relaxed(&slot->ns[i].id_plus_1);

		if (id == 0)
			store_relaxed(&slot->ns[i].id_plus_1, ns + 1ULL);
		if (id == 0 || id == ns + 1ULL)
			return &slot->ns[i];
	}
	return &slot->ns[SHM_NS_COUNTED - 1];
}

void handle_select(struct larder *h, uint16_t ns)
{
	h->ns = ns;
	h->seed = (h->map != NULL ? h->map->seed : 0) ^ ns * NS_SPREAD;
	h->ns_count = ns_count_of(h->slot, ns);
}

/* ------------------------------------------------------------------ bind and unbind */

static void copy_geometry(struct larder *h, const struct mapping *map)
{
	const struct shm_geometry *geo = &map->geo;
	uint8_t *base = map->base;

	h->hdr = (struct shm_header *)(void *)base;
	h->segs = (struct shm_segment *)(void *)(base + geo->off_segs);
	h->table = (struct shm_table *)(void *)(base + geo->off_table);
	h->data = base + geo->off_data;
	for (unsigned i = 0; i < SHM_LEVELS; i++)
		h->level[i] = (struct shm_bucket *)(void *)(base + geo->off_level[i]);
	h->max_value = geo->max_value;
	h->bucket_mask0 = geometry_buckets(geo, 0) - 1;
	h->n_segs = geo->n_segs;
	h->seg_bytes = 1u << geo->seg_shift;
	h->seg_shift = geo->seg_shift;
	h->unit_shift = geo->unit_shift;
	h->seg_mask = (uint32_t)(geometry_seg_bytes(geo) - 1);
	h->bucket_bits = geo->bucket_shift;
	h->n_places = (uint64_t)geo->n_segs << (geo->seg_shift - geo->unit_shift);
	h->place_shift = geo->seg_shift - geo->unit_shift;
	h->n_levels = geo->n_levels;
	h->test_clock = geo->test_clock != 0;
	handle_hint(h);
}

void handle_hint(struct larder *h)
{
	/* relaxed: a hint; compared with the header's again in each call */
	uint64_t hint = load_relaxed(&h->hdr->index);
	unsigned level = (unsigned)(hint >> 56) & (SHM_LEVELS - 1);

	h->hint = hint;
	h->hint_mask = ((h->bucket_mask0 + 1) << level) - 1;
	h->hint_split = hint & ((1ULL << 56) - 1);
	h->hint_base = h->level[level];
}

static void clear_hazards(struct larder *h)
{
	hazard_clear(&h->slot->h0);
	hazard_clear(&h->slot->h1);
	hazard_clear(&h->slot->splitting);
	for (unsigned i = 0; i < SHM_PINS; i++)
		hazard_clear(&h->slot->pin[i]);
}

static void take_slot(struct larder *h, struct mapping *map)
{
	struct shm_slot *slots = (struct shm_slot *)(void *)(map->base + map->geo.off_slots);

	h->slot = &slots[h->me];
	clear_hazards(h);
	store_relaxed(&h->slot->mode, h->full_fence);
	move_counts(h->slot, h->private_slot);
	store_relaxed(&h->slot->base_ops, handle_calls(h->slot));
	/* [U1] a cleaner without membarrier(2) must not go by the last owner's mode */
	fence_full();
}

int handle_bind(struct larder *h, struct mapping *map, uint32_t slot)
{
	int r;

	if (slot >= map->geo.n_slots)
		return -EPROTO;
	r = handle_arm(h);
	if (r < 0)
		return r;
	h->map = map;
	h->me = slot;
	h->rdonly = map->rdonly;
	copy_geometry(h, map);
	h->lease.seg = NO_SEGMENT;
	h->survivors.seg = NO_SEGMENT;
	memset(&h->clock, 0, sizeof(h->clock));
	h->random ^= slot * 2654435761u;
	h->free_hint = handle_random(h) % h->n_segs;
	h->budget = HANDLE_BUDGET;
	if (!h->rdonly)
		take_slot(h, map);
	handle_select(h, h->ns);
	h->guard = map->ctl != NULL ? &map->ctl->guard : &no_guard;
	h->alive = h->wipe_page;
	return 0;
}

static void become_detached(struct larder *h)
{
	h->alive = &detached_word;
	h->guard = &no_guard;
	h->map = NULL;
	h->slot = h->private_slot;
	h->lease.seg = NO_SEGMENT;
	h->survivors.seg = NO_SEGMENT;
	restart_private_counts(h);
	handle_select(h, h->ns);
}

void handle_unbind(struct larder *h)
{
	if (h->map == NULL)
		return;
	if (!h->rdonly) {
		segment_seal(h, &h->lease);
		segment_seal(h, &h->survivors);
		clear_hazards(h);
	}
	become_detached(h);
}

void handle_forget(struct larder *h)
{
	store_relaxed(&h->private_slot->count[STAT_detached], 0);
	become_detached(h);
}
