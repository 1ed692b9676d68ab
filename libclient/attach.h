/* SPDX-License-Identifier: MIT
 *
 * attach.h - what a handle knows about its way to the daemon
 */
#ifndef LARDER_ATTACH_H
#define LARDER_ATTACH_H

#include <sys/stat.h>

#include "handle.h"
#include "socket.h"

/* Times are those of clock_coarse_ms(). */
struct attachment {
	struct sockaddr_un addr;
	struct stat seen; /* the socket's file when it was last connected to */
	int fd;		  /* the connection that holds the slot; -1 while detached */
	int pending;	  /* a connection whose CTL_HELLO is not answered yet, or -1 */
	bool confirmed;	  /* had a slot before */
	uint32_t flags;	  /* enum larder_open_flags */
	uint32_t timeout_ms;
	uint64_t orphan_after_ms;
	uint64_t incarnation; /* of the slot, as CTL_WELCOME said */
	uint32_t ctl_epoch;   /* of the region, when the slot was last confirmed */
	uint32_t granted;     /* calls from the last look to the next */
	uint64_t looked_ms;
	uint64_t next_try_ms;
	uint64_t lost_ms; /* since when nobody answers; 0: somebody does */
	/* The namespace of a handle that left its region: ids differ from region to region. */
	uint8_t uuid[16];
	uint16_t ns;
	uint16_t ns_len;
	char ns_name[LARDER_NAMESPACE_MAX];
};

/*
 * attach_within - get a slot for a detached handle whose attachment names a socket
 * @known: a mapping that need not be made again if the daemon passes the same; may be NULL
 * The handle is busy: the caller's frame is around it.
 * Return: 0; -ETIMEDOUT, and an answer that comes later is picked up by attach_enter_slow(); the
 * errors of socket_connect(), socket_receive(), mapping_open(); -ECONNREFUSED also for a cache
 * that has ended or a daemon that died and has no successor.
 */
int attach_within(struct larder *h, struct mapping *known, uint32_t wait_ms);

/*
 * attach_names - can a detached handle select @id, and have the namespace again in the next region?
 * Only the default one, and the one whose name it knows: the one that was selected when it left.
 */
bool attach_names(const struct larder *h, uint16_t id);

/* Give the slot back and close all connections. In the child of a fork: only forget them. */
void attach_end(struct larder *h);

#endif
