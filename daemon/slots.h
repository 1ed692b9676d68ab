/* SPDX-License-Identifier: MIT
 *
 * slots.h - the table of client slots in the control page and their part of the region
 */
#ifndef LARDERD_SLOTS_H
#define LARDERD_SLOTS_H

#include <larder/control.h>

#include "process.h"

struct daemon;

/* Enter ourselves as the owner of slot 0; tell scanners of hazards how far slots were handed out. */
void slots_init(struct daemon *d);

/*
 * slots_take - a free slot for a client, ready to be used by it
 * Return: the slot, > 0; -EUSERS all are in use; -errno of its commit.
 */
int slots_take(struct daemon *d, const struct process *who, bool rdonly);

/* Does this HELLO come from the owner of the slot that it names? */
bool slots_match(const struct daemon *d, const struct ctl_msg *hello, const struct process *who);

void slots_set_state(struct daemon *d, uint32_t slot, enum ctl_slot_state state);
enum ctl_slot_state slots_state(const struct daemon *d, uint32_t slot);

/*
 * slots_release - give back what the slot held; it is free afterwards
 * Only when the owner said that it is done, or the kernel that it is gone.
 * Return: the number of segments that were given back.
 */
unsigned slots_release(struct daemon *d, uint32_t slot);

#endif
