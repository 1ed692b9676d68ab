/* SPDX-License-Identifier: MIT
 *
 * clock.h - the only clock of the data plane
 *
 * Deadlines are milliseconds of CLOCK_BOOTTIME, which counts suspend. It has no coarse form (19 ns
 * against 2.5), so a check reads CLOCK_REALTIME_COARSE plus a cached offset, and CLOCK_BOOTTIME only
 * within three coarse ticks of the deadline: exact, at the price of the coarse clock. Items without a
 * deadline read no clock at all.
 */
#ifndef LARDER_CLOCK_H
#define LARDER_CLOCK_H

#include "handle.h"

#define CLOCK_TICK_MS 10u /* upper bound of a coarse tick: HZ >= 100 */

/* Milliseconds since boot, now: exact. */
uint64_t clock_now_ms(const struct larder *h);

/* Has this deadline passed? */
bool clock_passed(struct larder *h, uint64_t deadline_ms);

/* Coarse milliseconds, for back-off and heartbeats; not related to deadlines. */
uint64_t clock_coarse_ms(void);

/* Milliseconds of CLOCK_REALTIME. */
int64_t clock_wall_ms(void);

/* The stored expiry for a relative TTL: 0 never, ITEM_EXPIRED already. */
uint64_t clock_expiry(const struct larder *h, int64_t ttl_ms);

#endif
