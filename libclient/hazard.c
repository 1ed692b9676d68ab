/* SPDX-License-Identifier: MIT
 *
 * hazard.c - the reclaimer's side of hazards
 *
 * The order is: change the segment's word (CAS), hazard_barrier(), hazard_scan(), reuse. A scan
 * before the change is worthless: an announcement may come in between (models: pins.pml, CHECKFIRST).
 * Slots at and above header.slots_high were never handed out; the daemon raises that word before it
 * hands out a slot.
 */
#include "hazard.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct shm_slot *slots_of(const struct larder *h)
{
	return (struct shm_slot *)(void *)((uint8_t *)h->hdr + h->map->geo.off_slots);
}

static uint32_t slots_in_use(const struct larder *h)
{
	uint32_t n = load_acquire_u32(&h->hdr->slots_high);

	return n < h->map->geo.n_slots ? n : h->map->geo.n_slots;
}

#ifdef LARDER_SIM
bool hazard_barrier(struct larder *h)
{
	stat_add(h, STAT_membarriers, 1);
	return true; /* the simulated machine is sequentially consistent */
}
#else
static bool all_fence_mode(const struct larder *h)
{
	const struct shm_slot *slots = slots_of(h);
	uint32_t n = slots_in_use(h);

	for (uint32_t i = 0; i < n; i++)
		if (&slots[i] != h->slot && load_acquire(&slots[i].mode) != 1)
			return false;
	return true;
}

bool hazard_barrier(struct larder *h)
{
	stat_add(h, STAT_membarriers, 1);
	if (!h->full_fence && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0)
		return true;
	/* [H4] full fence, pairs with [H3] in hazard_set(): the segment words that were changed before,
	 * against the announcements that are read after it */
	fence_full();
	return all_fence_mode(h);
}
#endif

static void mark(uint64_t *bits, uint32_t n_segs, uint64_t hazard)
{
	if (hazard != 0 && hazard <= n_segs)
		bits[(hazard - 1) / 64] |= 1ULL << ((hazard - 1) % 64);
}

void hazard_scan(const struct larder *h, struct hazard_set *set)
{
	const struct shm_slot *slots = slots_of(h);
	uint32_t n = slots_in_use(h);
	size_t bytes = ((size_t)h->n_segs + 63) / 64 * sizeof(uint64_t);

	memset(set->own, 0, bytes);
	memset(set->any, 0, bytes);
	set->splitting = false;
	for (uint32_t i = 0; i < n; i++) {
		const struct shm_slot *s = &slots[i];
		/* [H2] acquire, pairs with [H1] in hazard_clear() */
		uint64_t h0 = load_acquire(&s->h0);

		mark(set->own, h->n_segs, h0);
		mark(set->any, h->n_segs, h0);
		mark(set->any, h->n_segs, load_acquire(&s->h1));
		for (unsigned p = 0; p < SHM_PINS; p++)
			mark(set->any, h->n_segs, load_acquire(&s->pin[p]));
		if (load_acquire(&s->splitting) != 0)
			set->splitting = true;
	}
}
