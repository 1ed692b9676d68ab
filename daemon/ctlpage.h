/* SPDX-License-Identifier: MIT
 *
 * ctlpage.h - storing into the control page: identity, heartbeat, events
 */
#ifndef LARDERD_CTLPAGE_H
#define LARDERD_CTLPAGE_H

#include <larder/control.h>
#include <stdbool.h>

#include "log.h"

/* Fill a zeroed page. The magic comes last. */
void ctlpage_init(struct ctl_page *ctl, const uint8_t uuid[16], const char *name);

/* The region ends; whoever sees it attaches anew. */
void ctlpage_retire(struct ctl_page *ctl);
bool ctlpage_retired(const struct ctl_page *ctl);

/* The daemon is alive now. */
void ctlpage_beat(struct ctl_page *ctl);

/* Append to the ring of events, and log: a repair, a recovery, something that an operator did. */
void ctlpage_event(struct ctl_page *ctl, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Milliseconds of CLOCK_MONOTONIC and CLOCK_BOOTTIME. */
uint64_t ctlpage_now_ms(void);
uint64_t ctlpage_boot_ms(void);

/*
 * ctlpage_guard - this thread stands for the region from now on
 * Clients notice its end at once, in memory, without a clock or a system call.
 */
void ctlpage_guard(struct ctl_page *ctl);

#endif
