/* SPDX-License-Identifier: MIT
 *
 * region.h - the two memfds of a cache: made once by the first keeper, adopted by each daemon
 */
#ifndef LARDERD_REGION_H
#define LARDERD_REGION_H

#include <larder/control.h>

#include "config.h"
#include "handle.h"

/* Private memory of the keeper, inherited by everybody whom it forks: what the shared copies of
 * these numbers say is checked against this one, and repaired from it. */
struct region {
	int fd;	       /* of the region */
	int fd_rdonly; /* the same memfd, opened O_RDONLY */
	int ctl_fd;    /* of the control page, opened O_RDONLY; its writable descriptor is closed */
	struct ctl_page *ctl; /* writable; nobody else can ever have such a mapping */
	struct shm_geometry geo;
	uint8_t uuid[16];
	uint64_t seed;
};
#define REGION_INIT                                                                                \
	{                                                                                          \
		.fd = -1, .fd_rdonly = -1, .ctl_fd = -1                                            \
	}

/*
 * region_create - make, commit, format and seal both memfds
 * Logs the sentence on failure and leaves nothing. Return: 0; -errno.
 */
int region_create(struct region *r, const struct config *cfg);
void region_close(struct region *r);

/*
 * region_adopt - map the region for this daemon, check it, repair its constant part
 * @mapp: out: the daemon's mapping, as a client has one
 * Return: 1 the header was damaged and is repaired; 0 it was sound; -errno.
 */
int region_adopt(const struct region *r, struct mapping **mapp);

/* fallocate(2) or punch [off, off + len) of the region. Return: 0; -errno. */
int region_commit(const struct region *r, uint64_t off, uint64_t len);
int region_punch(const struct region *r, uint64_t off, uint64_t len);

/* Allocate the page of a client slot. Return: 0; -errno. */
int region_commit_slot(const struct region *r, uint32_t slot);

#endif
