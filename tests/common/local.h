/* SPDX-License-Identifier: MIT
 *
 * local.h - a private region without a daemon: its handles, its growth, its clock, its accounts
 *
 * What goes wrong in here ends the test at once.
 */
#ifndef LOCAL_H
#define LOCAL_H

#include <larder/larder.h>

#include "growth.h"
#include "index.h"

#define LOCAL_HANDLES 64

struct local_options {
	uint64_t memory;	/* 0 = 1 MiB */
	uint64_t segment_bytes; /* 0 = by the memory */
	bool real_clock;	/* not the test clock */
};

struct local {
	int fd;
	uint64_t file_bytes;
	struct mapping *map;
	struct mapping *other; /* the same memory at another address; NULL until it is asked for */
	uint32_t next_slot;
	struct larder *handle[LOCAL_HANDLES];
	unsigned n_handles;
	struct larder *daemon; /* slot 0: cleans and grows */
	struct growth_ops ops;
	/* what growth did, and may do */
	unsigned commits, punches;
	int fail_commit; /* -errno of the next commits; 0 none */
};

/* @opt: NULL for the defaults. */
void local_init(struct local *l, const struct local_options *opt);
void local_deinit(struct local *l);

/* A new handle with a slot of its own; local_deinit() closes it. */
struct larder *local_open(struct local *l);
/* The same through a second mapping; read-only: its pages cannot be written. */
struct larder *local_open_other(struct local *l);
struct larder *local_open_rdonly(struct local *l);
/* Leave as a handle that is closed does. */
void local_close(struct local *l, struct larder *h);
/* The handle is never used again, as if its process had been killed; returns its slot. */
uint32_t local_kill(struct local *l, struct larder *h);

/* growth_run() until there is nothing left to do. Return: its last result. */
int local_grow(struct local *l);

/* Sum of one counter over the region. */
uint64_t local_stat(struct local *l, enum counter stat);

/* What the counters and a scan of all namespaces say must agree; then larder_check(). The findings
 * are printed. Return: everything is in order. */
bool local_sound(struct local *l);

/* Live items of all namespaces, by scan. */
struct local_census {
	uint64_t items, bytes; /* key and value */
};
void local_census(struct larder *h, struct local_census *census);

/* Every segment is held by a process that sleeps (CLEANING), and let go again. */
void local_hold(struct local *l);
void local_release(struct local *l);

/* Damage: the live bucket of a key is gone, as if it had been punched. */
void local_lose_bucket(struct larder *h, const void *key, size_t klen);

/* key_init(), not inlined. */
void local_key(const struct larder *h, struct key *k, const void *data, size_t len);

/* The next number from *from on whose text is a key with home bucket @home; *from moves past it. */
size_t local_key_at(const struct larder *h, uint64_t home, unsigned *from, char text[16],
		    struct key *k);

/* Run @fn in a child that opens what it needs before it calls local_no_memory(); with a sanitizer,
 * which cannot live without memory, nothing is run. Return: what @fn returned, 0 if not run. */
int local_in_child(int (*fn)(void));
void local_no_memory(void);

/* @n bytes that follow from @seed, and the check of them. */
void local_fill(void *buf, size_t n, uint64_t seed);
bool local_filled(const void *buf, size_t n, uint64_t seed);

#endif
