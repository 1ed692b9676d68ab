/* SPDX-License-Identifier: MIT
 *
 * slots.c - the table of client slots in the control page and their part of the region
 *
 * The table is memory of the daemon that outlives it. Each change is one store of `state`, after the
 * fields that it speaks of: a daemon that is killed in between leaves a slot FREE that nobody was told
 * of, or USED with its owner's pid.
 *
 * A free slot and a read-only client's slot announce no hazards, so their mode is 1 ("every
 * announcement is followed by a fence"): a cleaner that may not call membarrier(2) need not wait for
 * them.
 *
 * ORDER  label  store                      load                    orders
 *        D1     slots_take(): slots_high   scan of hazards         slots_high -> first hazard
 *        D2     slots_set_state()          larderctl clients       owner -> state
 */
#include "slots.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cleaner.h"
#include "ctlpage.h"
#include "daemon.h"

static struct ctl_slot *entry(const struct daemon *d, uint32_t slot)
{
	return &d->ctl->slots[slot];
}

static struct shm_slot *shared(const struct daemon *d, uint32_t slot)
{
	struct shm_slot *slots = (struct shm_slot *)(void *)(d->map->base + d->map->geo.off_slots);

	return &slots[slot];
}

enum ctl_slot_state slots_state(const struct daemon *d, uint32_t slot)
{
	return (enum ctl_slot_state)load_relaxed_u32(&entry(d, slot)->state);
}

void slots_set_state(struct daemon *d, uint32_t slot, enum ctl_slot_state state)
{
	/* [D2] release: whoever sees the state sees the owner that it speaks of */
	store_release_u32(&entry(d, slot)->state, state);
}

static void describe(struct ctl_slot *e, const struct process *who, bool rdonly)
{
	store_relaxed_u32(&e->rdonly, rdonly);
	store_relaxed(&e->pid, (uint64_t)who->pid);
	store_relaxed(&e->uid, who->uid);
	store_relaxed(&e->start_time, who->start_time);
	store_relaxed(&e->attached_ms, ctlpage_boot_ms());
	add_own(&e->incarnation, 1);
}

/*
 * The word counts for whoever scans hazards, so it is raised before the client can announce one. The
 * client learns of its slot through a socket; the fence puts the store before that, and membarrier(2)
 * of a scanner that does not see it yet makes the client see the scanner's change of the segment.
 */
static void raise_slots_high(struct daemon *d, uint32_t n)
{
	shm_u32 *high = &d->h->hdr->slots_high;

	/* [D1] release, for the acquire in the scan of hazards */
	if (load_relaxed_u32(high) < n || load_relaxed_u32(high) > d->clients.n_slots)
		store_release_u32(high, n);
	fence_full();
}

void slots_init(struct daemon *d)
{
	struct process self = {.pid = getpid(), .uid = geteuid()};
	uint32_t n = 1;

	describe(entry(d, 0), &self, false);
	slots_set_state(d, 0, CTL_SLOT_USED);
	for (uint32_t i = 1; i < d->map->geo.n_slots; i++)
		if (load_relaxed(&entry(d, i)->incarnation) != 0)
			n = i + 1;
	raise_slots_high(d, n);
}

static int find_free(const struct daemon *d)
{
	for (uint32_t i = 1; i < d->map->geo.n_slots; i++)
		if (slots_state(d, i) == CTL_SLOT_FREE)
			return (int)i;
	return -EUSERS;
}

int slots_take(struct daemon *d, const struct process *who, bool rdonly)
{
	int slot = find_free(d), r;

	if (slot < 0)
		return slot;
	r = region_commit_slot(&d->cache->region, (uint32_t)slot);
	if (r < 0)
		return r;
	/* Until the client says its own mode it announces nothing: nobody's cleaning waits for it. */
	store_relaxed(&shared(d, (uint32_t)slot)->mode, 1);
	describe(entry(d, (uint32_t)slot), who, rdonly);
	raise_slots_high(d, (uint32_t)slot + 1);
	slots_set_state(d, (uint32_t)slot, CTL_SLOT_USED);
	return slot;
}

bool slots_match(const struct daemon *d, const struct ctl_msg *hello, const struct process *who)
{
	const struct ctl_slot *e;
	enum ctl_slot_state state;

	if (hello->slot == 0 || hello->slot >= d->map->geo.n_slots ||
	    memcmp(hello->uuid, d->map->uuid, sizeof(hello->uuid)) != 0)
		return false;
	e = entry(d, hello->slot);
	state = slots_state(d, hello->slot);
	return (state == CTL_SLOT_USED || state == CTL_SLOT_ORPHAN) &&
	       load_relaxed(&e->incarnation) == hello->incarnation &&
	       load_relaxed(&e->pid) == (uint64_t)who->pid &&
	       load_relaxed(&e->start_time) == who->start_time &&
	       load_relaxed_u32(&e->rdonly) == (hello->flags & CTL_FLAG_RDONLY);
}

unsigned slots_release(struct daemon *d, uint32_t slot)
{
	unsigned n;

	slots_set_state(d, slot, CTL_SLOT_DEAD);
	n = cleaner_reap(d->h, slot);
	store_relaxed(&shared(d, slot)->mode, 1);
	slots_set_state(d, slot, CTL_SLOT_FREE);
	return n;
}
