/* SPDX-License-Identifier: MIT
 *
 * ns.h - namespaces: names to ids, and flushes
 */
#ifndef LARDER_NS_H
#define LARDER_NS_H

#include "handle.h"

static inline struct shm_ns *ns_entry(const struct larder *h, uint32_t id)
{
	return (struct shm_ns *)(void *)((uint8_t *)h->hdr + h->map->geo.off_ns) + id;
}

static inline struct shm_ns_name *ns_name(const struct larder *h, uint32_t id)
{
	return (struct shm_ns_name *)(void *)((uint8_t *)h->hdr + h->map->geo.off_ns_name) + id;
}

#endif
