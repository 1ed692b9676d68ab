/* SPDX-License-Identifier: MIT
 *
 * daemon.h - struct daemon owns all; one thread, one loop
 */
#ifndef LARDERD_DAEMON_H
#define LARDERD_DAEMON_H

#include "cache.h"
#include "clients.h"
#include "handle.h"
#include "loop.h"
#include "maintain.h"

struct daemon {
	struct cache *cache;
	struct ctl_page *ctl; /* cache->region.ctl */
	struct loop loop;
	struct larder *h; /* slot 0 */
	struct mapping *map;
	struct clients clients;
	struct maintain maintain;
	struct source signals;
	struct source keeper;
	uint64_t keeper_forked_ms;
	enum role next;
};

/* Begin a clean end: the region retires, the socket goes, the loop stops. */
void daemon_end(struct daemon *d);

/* The keeper may be missing after a fork that failed; try again. */
void daemon_check_keeper(struct daemon *d);

#endif
