/* SPDX-License-Identifier: MIT
 *
 * mapping.h - from the two descriptors of a cache to mapped, checked memory
 *
 * mapping_new(), mapping_get() and mapping_put() are in handle.h.
 */
#ifndef LARDER_MAPPING_H
#define LARDER_MAPPING_H

#include "handle.h"

/*
 * mapping_open - check and map what the daemon passed
 * @fds: region, control page. The caller closes them; one that the mapping keeps is set to -1.
 * @uuid: what the daemon called the region
 * Nothing of it is trusted: sizes, seals, magic, geometry and the three copies of the uuid must fit.
 * Return: 0; -EBADF not a sealed region and its control page; -EPROTO another layout; -ENOMEM; an
 * errno of fstat(2), mmap(2).
 */
int mapping_open(struct mapping **mapp, int fds[2], const uint8_t uuid[16], bool rdonly);

/* Are these the region and the control page that @map has? */
bool mapping_same(const struct mapping *map, const int fds[2], const uint8_t uuid[16]);

#endif
