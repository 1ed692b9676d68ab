/* SPDX-License-Identifier: MIT
 *
 * clock.c - deadlines in milliseconds since boot
 *
 * The offset between the boot clock and the monotonic one changes only when the machine was
 * suspended. It is refreshed when 10 ms of coarse time have passed since the last refresh; a suspend
 * of less than that is below what the two-tick window covers. Both clocks of a time namespace are
 * shifted by that namespace's offsets; the region speaks the initial namespace's boot time, and
 * attach puts the difference into clock.boot_offset_ms through the control page's hint.
 */
#include "clock.h"

#include <time.h>

#define TTL_MAX_MS (30LL * 366 * 86400 * 1000)

static uint64_t read_ms(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_coarse_ms(void)
{
	return read_ms(CLOCK_MONOTONIC_COARSE);
}

int64_t clock_wall_ms(void)
{
	return (int64_t)read_ms(CLOCK_REALTIME);
}

static uint64_t test_shift(const struct larder *h)
{
	return UNLIKELY(h->test_clock) ? load_relaxed(&h->hdr->clock_shift) : 0;
}

uint64_t clock_now_ms(const struct larder *h)
{
	return read_ms(CLOCK_BOOTTIME) + test_shift(h);
}

static void refresh_offset(struct clock *c, uint64_t coarse)
{
	c->boot_offset_ms = read_ms(CLOCK_BOOTTIME) - read_ms(CLOCK_MONOTONIC);
	c->offset_checked_ms = coarse;
}

bool clock_passed(struct larder *h, uint64_t deadline_ms)
{
	uint64_t coarse = clock_coarse_ms();
	uint64_t now;

	if (UNLIKELY(coarse - h->clock.offset_checked_ms >= CLOCK_TICK_MS))
		refresh_offset(&h->clock, coarse);
	now = coarse + h->clock.boot_offset_ms + test_shift(h);
	if (deadline_ms <= now)
		return true;
	if (LIKELY(deadline_ms > now + 2ULL * CLOCK_TICK_MS))
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
