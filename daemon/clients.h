/* SPDX-License-Identifier: MIT
 *
 * clients.h - the handshake, the slots, and the deaths of clients
 */
#ifndef LARDERD_CLIENTS_H
#define LARDERD_CLIENTS_H

#include "loop.h"

struct daemon;
struct conn;

/* What this daemon knows of a client slot besides the control page. */
struct slot_owner {
	struct source pidfd; /* unused: the slot is free, or its process could not be watched yet */
	struct conn *conn;   /* NULL: hung up, or not yet back after a daemon's restart */
};

struct clients {
	struct daemon *d;
	struct source listener;
	struct slot_owner *slots; /* n_slots */
	uint32_t n_slots;
	struct conn *conns; /* all connections, a list */
	unsigned n_waiting; /* of them without a slot */
	bool paused;	    /* accept: out of descriptors */
	bool unwatched;	    /* a slot's process could not be watched yet */
};
#define CLIENTS_INIT                                                                               \
	{                                                                                          \
		.listener = SOURCE_INIT                                                            \
	}

/* Listen, and find each client of the last daemon again. */
int clients_init(struct clients *cl, struct daemon *d);
/* @forked: leave the daemon's epoll set alone; the descriptors are closed. */
void clients_deinit(struct clients *cl, bool forked);

/* Four times a second: half-open connections, and what had to wait for descriptors. */
void clients_tick(struct clients *cl, uint64_t now_ms);

/* Slots in use, without our own. */
unsigned clients_count(const struct clients *cl);

#endif
