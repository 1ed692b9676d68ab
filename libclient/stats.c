/* SPDX-License-Identifier: MIT
 *
 * stats.c - counters, clients and events, read while everybody works
 *
 * The counters of a cache are the sum over its slots, which keep what earlier owners counted. Each
 * is a word that one process adds to, so a sum is never torn, but the sums of two counters are not
 * of one instant. Slots are committed as they are handed out: only those below slots_high are read.
 *
 * ORDER        label  store                    load               orders
 *              E2     the daemon's event ring  larder_events()    text -> seq
 */
#include <time.h>

#include "handle.h"

static const struct {
	const char *name;
	const char *help;
} stats[] = {
#define X(name, help) {#name, help},
#include <larder/stats.def>
#undef X
};

unsigned larder_stat_count(void)
{
	return STAT_COUNT;
}

const char *larder_stat_name(unsigned i)
{
	return i < STAT_COUNT ? stats[i].name : NULL;
}

const char *larder_stat_help(unsigned i)
{
	return i < STAT_COUNT ? stats[i].help : NULL;
}

/* ------------------------------------------------------------------ sums */

static uint32_t slots_used(const struct larder *h)
{
	uint32_t high = load_relaxed_u32(&h->hdr->slots_high);

	return high < h->map->geo.n_slots ? high : h->map->geo.n_slots;
}

static const struct shm_slot *slot_at(const struct larder *h, uint32_t i)
{
	const uint8_t *slots = h->map->base + h->map->geo.off_slots;

	return (const struct shm_slot *)(const void *)slots + i;
}

/* A read counts in its namespace's entry only: one store instead of four on the fast path. */
static void add_reads(uint64_t *values, const struct shm_slot *slot)
{
	for (unsigned i = 0; i < SHM_NS_COUNTED; i++) {
		uint64_t hits = load_relaxed(&slot->ns[i].hits);
		uint64_t misses = load_relaxed(&slot->ns[i].misses);

		values[STAT_get] += hits + misses;
		values[STAT_get_hits] += hits;
		values[STAT_get_misses] += misses;
	}
}

static void add_counts(uint64_t *values, const struct shm_slot *slot)
{
	for (unsigned i = 0; i < STAT_COUNT; i++)
		values[i] += load_relaxed(&slot->count[i]);
	add_reads(values, slot);
}

int larder_stats(struct larder *h, uint64_t *values, unsigned n)
{
	uint64_t sum[STAT_COUNT] = {0};
	int r;

	if (values == NULL)
		return -EINVAL;
	memset(values, 0, n * sizeof(*values));
	r = handle_enter(h);
	if (r != 0)
		return r;
	for (uint32_t i = 0; i < slots_used(h); i++)
		add_counts(sum, slot_at(h, i));
	add_counts(sum, h->private_slot);
	handle_leave(h);
	memcpy(values, sum, (n < STAT_COUNT ? n : STAT_COUNT) * sizeof(*values));
	return 0;
}

/* @id_plus_1: 0 = the entry of all others */
static void add_ns_counts(struct larder_ns_stats *out, const struct shm_slot *slot,
			  uint64_t id_plus_1)
{
	for (unsigned i = 0; i < SHM_NS_COUNTED; i++) {
		const struct shm_ns_count *ns = &slot->ns[i];
		bool others = i == SHM_NS_COUNTED - 1;

		if (others ? id_plus_1 != 0 : load_relaxed(&ns->id_plus_1) != id_plus_1)
			continue;
		out->gets += load_relaxed(&ns->hits) + load_relaxed(&ns->misses);
		out->hits += load_relaxed(&ns->hits);
		out->sets += load_relaxed(&ns->sets);
		out->deletes += load_relaxed(&ns->deletes);
	}
}

int larder_stats_ns(struct larder *h, uint32_t name_id, struct larder_ns_stats *out)
{
	uint64_t id_plus_1 = name_id == LARDER_NS_OTHER ? 0 : name_id + 1ULL;
	int r;

	if (out == NULL || name_id > LARDER_NS_OTHER)
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	r = handle_enter(h);
	if (r != 0)
		return r;
	out->id = (uint16_t)name_id;
	for (uint32_t i = 0; i < slots_used(h); i++)
		add_ns_counts(out, slot_at(h, i), id_plus_1);
	add_ns_counts(out, h->private_slot, id_plus_1);
	handle_leave(h);
	return 0;
}

/* ------------------------------------------------------------------ clients */

static uint64_t boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t count_hazards(const struct shm_slot *slot)
{
	uint32_t n = (load_relaxed(&slot->h0) != 0) + (load_relaxed(&slot->h1) != 0);

	for (unsigned i = 0; i < SHM_PINS; i++)
		n += load_relaxed(&slot->pin[i]) != 0;
	return n;
}

/* Return: false if nobody has the slot. */
static bool describe_client(const struct larder *h, uint32_t i, struct larder_client *client)
{
	const struct ctl_slot *ctl = &h->map->ctl->slots[i];
	const struct shm_slot *slot = slot_at(h, i);
	uint32_t state = load_relaxed_u32(&ctl->state);
	uint64_t attached = load_relaxed(&ctl->attached_ms);
	uint64_t now = boottime_ms();
	uint64_t calls = handle_calls(slot);
	uint64_t base = load_relaxed(&slot->base_ops);

	if (state != CTL_SLOT_USED && state != CTL_SLOT_ORPHAN && state != CTL_SLOT_DEAD)
		return false;
	*client = (struct larder_client){
		.slot = i,
		.state = state == CTL_SLOT_DEAD ? 2 : 1,
		.pid = (int64_t)load_relaxed(&ctl->pid),
		.uid = (int64_t)load_relaxed(&ctl->uid),
		.attached_ms = now > attached ? now - attached : 0,
		.rdonly = load_relaxed_u32(&ctl->rdonly) != 0,
	};
	/* A read-only handle cannot count where others see it. */
	if (!client->rdonly) {
		client->ops = calls > base ? calls - base : 0;
		client->n_hazards = count_hazards(slot);
	}
	return true;
}

int larder_clients(struct larder *h, larder_client_fn *fn, void *ctx)
{
	struct larder_client client;
	int r;

	if (fn == NULL)
		return -EINVAL;
	r = handle_enter(h);
	if (r != 0)
		return r;
	/* Slot 0 is the daemon's own. */
	for (uint32_t i = 1; h->map->ctl != NULL && i < slots_used(h); i++)
		if (describe_client(h, i, &client) && fn(ctx, &client) != 0)
			break;
	handle_leave(h);
	return 0;
}

/* ------------------------------------------------------------------ events */

static void copy_event(struct larder_event *out, const struct ctl_event *in, uint64_t seq)
{
	static_assert(sizeof(out->text) == sizeof(in->text), "the text of an event");

	out->seq = seq;
	out->time_ms = (int64_t)load_relaxed(&in->time_ms);
	copy_out(out->text, in->text, sizeof(out->text));
	out->text[sizeof(out->text) - 1] = '\0';
	for (char *c = out->text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/*
 * The oldest event after @after. An entry that is overwritten meanwhile has moved out of the ring:
 * the search goes on behind it. Return: false when there is none.
 */
static bool next_event(const struct ctl_page *ctl, uint64_t after, struct larder_event *out)
{
	for (unsigned tries = 0; tries < CTL_EVENTS; tries++) {
		const struct ctl_event *best = NULL;
		uint64_t seq = UINT64_MAX;

		for (unsigned i = 0; i < CTL_EVENTS; i++) {
			/* [E2] acquire: the daemon releases in ctlpage_event(), as [E1] */
			uint64_t s = load_acquire(&ctl->events[i].seq);

			if (s > after && s < seq) {
				seq = s;
				best = &ctl->events[i];
			}
		}
		if (best == NULL)
			return false;
		copy_event(out, best, seq);
		/* [E2] the text was read before this second look at its number */
		fence_acquire();
		if (load_relaxed(&best->seq) == seq)
			return true;
		after = seq;
	}
	return false;
}

int larder_events(struct larder *h, uint64_t after, larder_event_fn *fn, void *ctx)
{
	struct larder_event event;
	int r;

	if (fn == NULL)
		return -EINVAL;
	r = handle_enter(h);
	if (r != 0)
		return r;
	for (unsigned i = 0; h->map->ctl != NULL && i < CTL_EVENTS; i++) {
		if (!next_event(h->map->ctl, after, &event) || fn(ctx, &event) != 0)
			break;
		after = event.seq;
	}
	handle_leave(h);
	return 0;
}
