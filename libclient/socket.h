/* SPDX-License-Identifier: MIT
 *
 * socket.h - messages to the daemon and back
 *
 * Deadlines are in the time of clock_coarse_ms().
 */
#ifndef LARDER_SOCKET_H
#define LARDER_SOCKET_H

#include <larder/control.h>
#include <stdbool.h>
#include <sys/un.h>

#define SOCKET_NAME_DEFAULT "main"

/*
 * socket_path - the socket of a cache: the rule of larder_open(), for daemon and clients
 * @name: a cache name, a path (holds a '/'), or NULL
 * Return: 0; -EINVAL not a name, or too long for a socket.
 */
int socket_path(struct sockaddr_un *addr, const char *name);

/*
 * socket_connect - a new connection; close-on-exec, non-blocking
 * Waits for room in the daemon's queue until @deadline.
 * Return: 0; -ETIMEDOUT no room; errno of socket(2), connect(2).
 */
int socket_connect(const struct sockaddr_un *addr, uint64_t deadline, int *fdp);

/* A message of this version with all other fields 0. */
void socket_message(struct ctl_msg *msg, enum ctl_type type);

/* Send one message without waiting. Return: 0; -ECONNRESET; errno of send(2). */
int socket_send(int fd, const struct ctl_msg *msg);

/*
 * socket_receive - wait for one message
 * @want: its type; CTL_WELCOME brings exactly two descriptors, the others none
 * @fds: out: the two, close-on-exec; -1 if none. Any others are closed.
 * Return: 0; the status of a CTL_ERROR; -ETIMEDOUT; -ECONNRESET the peer hung up; -EBADF wrong number
 * of descriptors; -EPROTO anything else.
 */
int socket_receive(int fd, enum ctl_type want, struct ctl_msg *msg, int fds[2], uint64_t deadline);

/* Has the peer hung up? */
bool socket_hung_up(int fd);

#endif
