/* SPDX-License-Identifier: MIT
 *
 * cache.h - what outlives a daemon: the memfds, the socket, and who watches whom
 */
#ifndef LARDERD_CACHE_H
#define LARDERD_CACHE_H

#include "config.h"
#include "endpoint.h"
#include "region.h"

/* What a process does next. A fork changes the role of the child, which returns to cache_run(): no
 * role runs on the stack of another one, however often they replace each other. */
enum role { ROLE_END, ROLE_KEEPER, ROLE_DAEMON };

struct cache {
	const struct config *cfg;
	struct endpoint ep;
	struct region region;
	int keeper_pidfd; /* -1: there is no keeper (keeper = false) */
	int daemon_pidfd; /* -1: none is running */
	pid_t daemon_pid;
	int exit_code;
};

/*
 * cache_run - serve the cache of this configuration until it is told to end
 * Return: the exit code: 0 a clean end; 3 it could not start or go on, and said why.
 */
int cache_run(const struct config *cfg);

/* The roles. Each returns what this process, or the child that it has become, does next. */
enum role keeper_run(struct cache *c);
enum role daemon_run(struct cache *c);

/* Close every descriptor but those of the cache: for a child that is about to change its role. */
void cache_close_others(const struct cache *c);

/* A signalfd of the signals that end us; they are blocked in every role. Return: -errno. */
int cache_signals(void);

#endif
