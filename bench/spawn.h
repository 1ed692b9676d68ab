/* SPDX-License-Identifier: MIT */
/* spawn.h - a private daemon in a directory of its own, and nothing of it left afterwards */
#ifndef BENCH_SPAWN_H
#define BENCH_SPAWN_H

#include <stdint.h>
#include <sys/types.h>

#include <larder/larder.h>

struct spawn {
	char dir[96];
	char socket[128];
	pid_t guard;
	int control;	   /* the guard cleans up when the last writer of this pipe is gone */
	uint64_t ready_ns; /* from exec to the first successful open */
};

/* At most SPAWN_SETTINGS "key=value" settings. */
#define SPAWN_SETTINGS 8

/*
 * Starts larderd (found beside this program) and opens a handle on it.
 * @settings: "key=value" texts, ended by NULL
 * Says on stderr why it failed. Return: 0; -errno, then nothing is left.
 */
int spawn_start(struct spawn *spawn, const char *const *settings, struct larder **hp);

/* The same with memory=@bytes (rounded up to KiB) and no other setting. */
int spawn_start_memory(struct spawn *spawn, uint64_t bytes, struct larder **hp);

/* Ends the daemon and removes the directory. Handles must be closed by their owner. */
void spawn_stop(struct spawn *spawn);

/*
 * Forks a client process, which dies with this one and does not keep a daemon's guard waiting.
 * Return: as fork().
 */
pid_t spawn_client(void);

/* Called once, first thing: SIGINT, SIGTERM and the like clean up before they end the process. */
void spawn_init(void);

/* The path of a program beside this one ("larderd"). Return: 0; -errno. */
int spawn_sibling(const char *name, char *path, size_t room);

#endif
