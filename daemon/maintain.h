/* SPDX-License-Identifier: MIT
 *
 * maintain.h - what the daemon does by itself: heartbeat, cleaning ahead, index growth, huge pages
 */
#ifndef LARDERD_MAINTAIN_H
#define LARDERD_MAINTAIN_H

#include "loop.h"

struct daemon;

struct maintain {
	struct source timer;
	uint32_t tick_ms;
	uint32_t tick_min_ms;
	uint64_t lease_seq;    /* at the last tick */
	uint64_t beat_ms;      /* the last heartbeat */
	uint64_t growth_at_ms; /* not before: growth has failed */
	uint64_t collapse_off; /* the next huge page; past the end: done */
	uint64_t collapse_at_ms;
	uint32_t collapse_failures;
	uint32_t low, high; /* marks: FREE segments */
	uint32_t victims;   /* taken since filling began */
	bool filling;	    /* below the low mark, not yet at the high one */
	bool look;	    /* count the FREE segments */
	bool grow;	    /* ask growth_run() */
	bool committed_moved;
};
#define MAINTAIN_INIT                                                                              \
	{                                                                                          \
		.timer = SOURCE_INIT                                                               \
	}

int maintain_init(struct maintain *m, struct daemon *d);
/* @forked: leave the daemon's epoll set alone; the descriptors are closed. */
void maintain_deinit(struct maintain *m, bool forked);

#endif
