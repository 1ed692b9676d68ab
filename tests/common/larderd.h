/* SPDX-License-Identifier: MIT
 *
 * larderd.h - a real, private larderd for a test, gone when the test is
 */
#ifndef LARDERD_H
#define LARDERD_H

#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/* For programs without cmocka: say where, end with 1. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct larderd {
	char dir[80];
	char socket[108];
	pid_t keeper;
};

/*
 * larderd_start - start and wait until it answers
 * @settings: "key=value" texts, ended by NULL; NULL = memory=16M
 * Ends the test on failure. One at a time; ends with the process at the latest.
 */
void larderd_start(struct larderd *d, const char *const *settings);

/* SIGTERM, and wait for its end. */
void larderd_stop(struct larderd *d);

/* SIGKILL to the keeper and the daemon: the region is lost. */
void larderd_kill_both(struct larderd *d);

/* SIGKILL to the daemon; waits until another one has taken over. */
void larderd_kill_daemon(struct larderd *d);

/* A handle, or the end of the test. */
struct larder *larderd_open(const struct larderd *d, unsigned flags);

/* Run in a child; ends the test unless it exits with 0. */
void run_child(int (*fn)(void *), void *arg);

/* Set, or read and compare, a decimal number under a numbered key. CHECKs the result. */
void put_number(struct larder *h, unsigned key, unsigned value);
int get_number(struct larder *h, unsigned key, unsigned *value);

uint64_t now_ms(void);
void sleep_ms(unsigned ms);

#endif
