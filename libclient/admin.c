/* SPDX-License-Identifier: MIT
 *
 * admin.c - what a handle is attached to, and questions to the daemon
 *
 * Questions go over a connection of their own: the one that holds the slot carries nothing else.
 */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "attach.h"
#include "clock.h"
#include "geometry.h"
#include "growth.h"
#include "segment.h"

#define TIMEOUT_MS 1000u

/* ------------------------------------------------------------------ info */

static void describe_region(const struct larder *h, struct larder_info *info)
{
	const struct shm_geometry *geo = &h->map->geo;
	struct segment_counts counts;

	segment_count(h, &counts);
	info->region_bytes = geo->max_memory;
	info->segment_bytes = h->seg_bytes;
	info->n_segments = geo->n_segs;
	info->n_free_segments = counts.by_state[SEG_FREE];
	info->n_offline_segments = counts.by_state[SEG_OFFLINE];
	info->data_bytes = (info->n_segments - info->n_offline_segments) << geo->seg_shift;
	info->index_bytes = growth_index_bytes(h);
	info->max_value_bytes = geo->max_value;
	info->n_slots = geo->n_slots;
	info->layout_major = LAYOUT_MAJOR;
	info->layout_minor = h->hdr->minor;
	memcpy(info->uuid, h->map->uuid, sizeof(info->uuid));
	snprintf(info->policy, sizeof(info->policy), "%s", geo->policy == 0 ? "lru" : "unknown");
}

static void describe_daemon(const struct ctl_page *ctl, struct larder_info *info)
{
	uint64_t now = clock_coarse_ms();
	uint64_t beat = load_relaxed(&ctl->heartbeat_ms);

	info->committed_bytes = load_relaxed(&ctl->committed);
	info->daemon_pid = (int64_t)load_relaxed(&ctl->daemon_pid);
	info->keeper_pid = (int64_t)load_relaxed(&ctl->keeper_pid);
	info->daemon_starts = load_relaxed(&ctl->daemon_starts);
	info->heartbeat_age_ms = now > beat ? now - beat : 0;
	static_assert(sizeof(info->cache_name) == sizeof(ctl->name), "the name of a cache");
	copy_out(info->cache_name, ctl->name, sizeof(info->cache_name));
	info->cache_name[sizeof(info->cache_name) - 1] = '\0';
}

int larder_info(struct larder *h, struct larder_info *info)
{
	int r;

	if (info == NULL)
		return -EINVAL;
	memset(info, 0, sizeof(*info));
	r = handle_enter(h);
	if (r < 0)
		return r;
	info->state = LARDER_STATE_DETACHED;
	if (r != 0)
		return 0;
	info->state = LARDER_ATTACHED;
	info->slot = h->me;
	describe_region(h, info);
	if (h->map->ctl != NULL)
		describe_daemon(h->map->ctl, info);
	handle_leave(h);
	return 0;
}

/* ------------------------------------------------------------------ questions */

static int ask(const struct attachment *at, enum ctl_type question, uint32_t timeout_ms)
{
	uint64_t deadline = clock_coarse_ms() + (timeout_ms != 0 ? timeout_ms : TIMEOUT_MS);
	struct ctl_msg msg;
	int fds[2];
	int fd, r;

	r = socket_connect(&at->addr, deadline, &fd);
	if (r < 0)
		return r;
	socket_message(&msg, question);
	r = socket_send(fd, &msg);
	if (r == 0)
		r = socket_receive(fd, CTL_PONG, &msg, fds, deadline);
	close(fd);
	return r == -ECONNRESET ? -ECONNREFUSED : r;
}

static int check_handle(const struct larder *h)
{
	if (h == NULL || h->attachment == NULL)
		return -EINVAL;
	return h->busy ? -EBUSY : 0;
}

int larder_ping(struct larder *h, uint32_t timeout_ms, uint64_t *usp)
{
	struct timespec from, to;
	int r = check_handle(h);

	if (r < 0)
		return r;
	clock_gettime(CLOCK_MONOTONIC, &from);
	r = ask(h->attachment, CTL_PING, timeout_ms);
	clock_gettime(CLOCK_MONOTONIC, &to);
	if (usp != NULL)
		*usp = (uint64_t)((to.tv_sec - from.tv_sec) * 1000000 +
				  (to.tv_nsec - from.tv_nsec) / 1000);
	return r;
}

int larder_shutdown(struct larder *h, uint32_t timeout_ms)
{
	int r = check_handle(h);

	return r < 0 ? r : ask(h->attachment, CTL_SHUTDOWN, timeout_ms);
}
