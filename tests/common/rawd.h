/* SPDX-License-Identifier: MIT
 *
 * rawd.h - a real larderd for tests of the daemon, and clients that speak the handshake themselves
 *
 * Every function ends the test with a message when it cannot do its work.
 */
#ifndef RAWD_H
#define RAWD_H

#include <larder/control.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "atomic.h"

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #what);   \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

struct rawd {
	pid_t pid; /* of the keeper that was started */
	char dir[80];
	char socket[104];
};

/* One connection after its CTL_WELCOME. */
struct raw_client {
	int fd;
	int fds[2]; /* region, control page */
	struct ctl_msg welcome;
	const struct ctl_page *ctl;
};

/*
 * rawd_start - in a private directory, with preset = testing, ready when it returns
 * @sets: "key=value"..., NULL; may be NULL
 * The keeper gets SIGTERM when the test dies. The calling process becomes a subreaper, so that
 * rawd_gone() can wait for all of them.
 */
void rawd_start(struct rawd *d, const char *const *sets);

/* All children, and orphans that came to us, must end in time: the daemons among them with exit code
 * 0 or by SIGKILL; they must leave an empty directory, which is removed. */
void rawd_gone(struct rawd *d);

/* SIGTERM to the keeper that was started, then rawd_gone(). */
void rawd_stop(struct rawd *d);

int rawd_connect(const struct rawd *d);

/* A CTL_HELLO of this version. */
void raw_hello_msg(struct ctl_msg *msg, uint32_t flags);

/*
 * raw_hello - connect, say @hello (NULL: a plain one), map the control page
 * Return: 0; the status of CTL_ERROR.
 */
int raw_hello(const struct rawd *d, struct raw_client *c, const struct ctl_msg *hello);

/* The CTL_HELLO by which the owner of a slot comes back. */
struct ctl_msg raw_hello_again(const struct raw_client *c);

/* Wait for an answer of type @want without descriptors. Return: 0; the status of CTL_ERROR. */
int raw_receive(int fd, enum ctl_type want);

/* CTL_BYE, wait until the daemon has freed the slot, close everything. */
void raw_bye(struct raw_client *c);

/* Close everything without CTL_BYE. */
void raw_hang_up(struct raw_client *c);

/* Does the daemon close this connection within @ms? Reads and forgets what comes before. */
bool raw_hung_up(int fd, int ms);

/* Does the kernel allow a writable mapping of it? */
bool raw_writable(int fd);

uint64_t raw_now_ms(void);
void raw_nap(void);
unsigned raw_scale(void);

/* Wait up to @ms (times $SCALE) for a condition. */
#define WAIT_FOR(what, ms)                                                                         \
	do {                                                                                       \
		uint64_t until_ = raw_now_ms() + (ms)*raw_scale();                                 \
		while (!(what) && raw_now_ms() < until_)                                           \
			raw_nap();                                                                 \
		CHECK(what);                                                                       \
	} while (0)

/* Is the process there, and not a zombie? */
bool raw_alive(pid_t pid);

static inline uint32_t raw_slot_state(const struct raw_client *c, uint32_t slot)
{
	return load_acquire_u32(&c->ctl->slots[slot].state);
}

static inline pid_t raw_daemon_pid(const struct raw_client *c)
{
	return (pid_t)load_acquire(&c->ctl->daemon_pid);
}

static inline pid_t raw_keeper_pid(const struct raw_client *c)
{
	return (pid_t)load_acquire(&c->ctl->keeper_pid);
}

/* Is there an event with this text in it? */
bool raw_event(const struct raw_client *c, const char *text);

#endif
