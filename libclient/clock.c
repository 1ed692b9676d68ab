/* SPDX-License-Identifier: MIT
 *
 * clock.c - deadlines in milliseconds since boot
 *
 * The offset between the boot clock and the monotonic one changes only when the machine was
 * suspended. That moves the wall clock against the monotonic one too, and both of these have a coarse
 * form, so a check that finds their distance changed by a tick or more refreshes the offset before it
 * answers. So does one that comes a tick after the last refresh: suspends too short to be seen like
 * that must not add up.
 *
 * INVARIANTS	The offset is never above the true one: now is not ahead, nothing expires early.
 *		It is below by less than a tick that was missed, another one by which the two coarse
 *		clocks were read apart, and SLACK_NS. With the tick by which coarse time is late, that
 *		is less than WINDOW_MS: beyond it "not passed" is certain.
 * LIMIT	A time namespace shifts both clocks, and the region has no correction for that: all
 *		processes of a cache are in one time namespace (larder.h says so).
 */
#include "clock.h"

#include <time.h>

#define TTL_MAX_MS (30LL * 366 * 86400 * 1000)
#define MS_NS 1000000u
#define TICK_NS ((uint64_t)CLOCK_TICK_MS * MS_NS)
#define WINDOW_MS (4 * CLOCK_TICK_MS)
#define SLACK_NS MS_NS /* the longest look at both clocks that is good for an offset */
#define LOOKS 4

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

uint64_t clock_coarse_ms(void)
{
	return read_ns(CLOCK_MONOTONIC_COARSE) / MS_NS;
}

int64_t clock_wall_ms(void)
{
	return (int64_t)(read_ns(CLOCK_REALTIME) / MS_NS);
}

static uint64_t test_shift(const struct larder *h)
{
	return UNLIKELY(h->test_clock) ? load_relaxed(&h->hdr->clock_shift) : 0;
}

uint64_t clock_now_ms(const struct larder *h)
{
	return read_ns(CLOCK_BOOTTIME) / MS_NS + test_shift(h);
}

/* Return: false if the thread was held up between the clocks in every look. */
static bool refresh_offset(struct clock *c, uint64_t coarse, uint64_t wall_offset)
{
	for (int look = 0; look < LOOKS; look++) {
		uint64_t before = read_ns(CLOCK_MONOTONIC);
		uint64_t boot = read_ns(CLOCK_BOOTTIME);
		uint64_t after = read_ns(CLOCK_MONOTONIC);

		if (after - before >= SLACK_NS)
			continue;
		c->boot_offset_ns = boot - after;
		c->wall_offset_ns = wall_offset;
		c->refreshed_ns = coarse;
		return true;
	}
	return false;
}

static bool offset_is_stale(const struct clock *c, uint64_t coarse, uint64_t wall_offset)
{
	return coarse - c->refreshed_ns >= TICK_NS ||
	       wall_offset - c->wall_offset_ns + TICK_NS > 2 * TICK_NS;
}

bool clock_passed(struct larder *h, uint64_t deadline_ms)
{
	uint64_t wall = read_ns(CLOCK_REALTIME_COARSE);
	uint64_t coarse = read_ns(CLOCK_MONOTONIC_COARSE);
	uint64_t now;

	if (UNLIKELY(offset_is_stale(&h->clock, coarse, wall - coarse)) &&
	    !refresh_offset(&h->clock, coarse, wall - coarse))
		return deadline_ms <= clock_now_ms(h);
	now = (coarse + h->clock.boot_offset_ns) / MS_NS + test_shift(h);
	if (deadline_ms <= now)
		return true;
	if (LIKELY(deadline_ms > now + WINDOW_MS))
		return false;
	return deadline_ms <= clock_now_ms(h);
}

uint64_t clock_expiry(const struct larder *h, int64_t ttl_ms)
{
	if (ttl_ms == 0 || ttl_ms > TTL_MAX_MS)
		return 0;
	if (ttl_ms < 0)
		return ITEM_EXPIRED;
	return (clock_now_ms(h) + (uint64_t)ttl_ms) & ITEM_EXPIRY_MASK;
}

int larder_advance_clock(struct larder *h, uint64_t ms)
{
	int r = handle_enter(h);

	if (r != 0)
		return r;
	if (!h->test_clock)
		r = -EPERM;
	else if (h->rdonly)
		r = -EROFS;
	else
		/* [T1] a count by itself: nothing is stored before it that a reader of it relies on */
		fetch_add(&h->hdr->clock_shift, ms);
	handle_leave(h);
	return r;
}
