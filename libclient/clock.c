/* SPDX-License-Identifier: MIT
 *
 * clock.c - deadlines in milliseconds since boot
 *
 * A check reads CLOCK_REALTIME_COARSE, of the two coarse clocks the one that goes on in suspend, and
 * adds the cached offset of the boot clock to it. The offset changes when somebody sets the wall clock.
 * It is refreshed by the first check that finds the coarse clock a tick or more from where it was at the
 * last refresh, in either direction, before that check answers.
 *
 * INVARIANTS	The sum is less than WINDOW_MS from the boot clock: coarse time is late by a tick at most,
 *		the wall clock was set by less than another one since the refresh, and the offset is too
 *		low by SLACK_NS at most. Nearer to the deadline the boot clock itself decides.
 * LIMIT	A time namespace shifts both clocks, and the region has no correction for that: all
 *		processes of a cache are in one time namespace (larder.h says so).
 */
#include "clock.h"

#include <time.h>

#define TTL_MAX_MS (30LL * 366 * 86400 * 1000)
#define MS_NS 1000000u
#define TICK_NS ((uint64_t)CLOCK_TICK_MS * MS_NS)
#define WINDOW_MS (3ULL * CLOCK_TICK_MS)
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
static bool refresh_offset(struct clock *c, uint64_t coarse)
{
	for (int look = 0; look < LOOKS; look++) {
		uint64_t before = read_ns(CLOCK_REALTIME);
		uint64_t boot = read_ns(CLOCK_BOOTTIME);
		uint64_t after = read_ns(CLOCK_REALTIME);

		if (after - before >= SLACK_NS)
			continue;
		c->boot_offset_ns = boot - after;
		c->refreshed_ns = coarse;
		return true;
	}
	return false;
}

bool clock_passed(struct larder *h, uint64_t deadline_ms)
{
	uint64_t coarse = read_ns(CLOCK_REALTIME_COARSE);
	uint64_t now;

	if (UNLIKELY(coarse - h->clock.refreshed_ns >= TICK_NS) &&
	    !refresh_offset(&h->clock, coarse))
		return deadline_ms <= clock_now_ms(h);
	now = (coarse + h->clock.boot_offset_ns) / MS_NS + test_shift(h);
	if (LIKELY(deadline_ms > now + WINDOW_MS))
		return false;
	return deadline_ms + WINDOW_MS <= now || deadline_ms <= clock_now_ms(h);
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
