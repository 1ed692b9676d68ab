/* SPDX-License-Identifier: MIT
 *
 * cleaner.h - making room: victims, survivors, LIMBO
 *
 * Runs in the daemon ahead of need, and in a writer that finds no FREE segment. Any number of
 * cleaners work at once; two never share a victim (SEALED -> CLEANING is a CAS).
 */
#ifndef LARDER_CLEANER_H
#define LARDER_CLEANER_H

#include "handle.h"

/*
 * cleaner_step - clean up to @victims segments and free what waits in LIMBO
 * @harsh: nothing survives: for a caller that needs a segment and has tried the other way
 * At most two membarriers. Bounded: @victims segments are walked once each.
 * Return: the number of segments that became FREE (0 when all are held by hazards or leases).
 */
unsigned cleaner_step(struct larder *h, unsigned victims, bool harsh);

/*
 * cleaner_reap - give back what a dead client held
 * Only after the kernel said that the process is gone. Clears the slot's hazards; LEASED(slot) and
 * CLEANING(slot) become SEALED. The slot may be handed out again afterwards.
 * Return: the number of segments given back.
 */
unsigned cleaner_reap(struct larder *h, uint32_t slot);

#endif
