/* SPDX-License-Identifier: MIT
 *
 * process.h - which process is this, and is it gone? The kernel decides (pidfd), never a timeout.
 */
#ifndef LARDERD_PROCESS_H
#define LARDERD_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The process at the other end of a socket. */
struct process {
	pid_t pid;
	uid_t uid;
	uint64_t start_time; /* field 22 of /proc/PID/stat; 0 if /proc does not show it to us */
	int pidfd;
};

/*
 * process_of_peer - who connected
 * @hide_getpeer: do as if SO_PEERPIDFD did not exist
 * The caller closes p->pidfd. Return: 0; -ESRCH it is gone, or of a pid namespace that we do not
 * see; -errno of pidfd_open(2).
 */
int process_of_peer(struct process *p, int sock, bool hide_getpeer);

/*
 * process_reopen - a pidfd of a process that was known before, by its pid and start time
 * Return: 0; -ESRCH it is gone; -errno nothing is known now: try again later.
 */
int process_reopen(struct process *p, pid_t pid, uint64_t start_time);

/* A pidfd of ourselves, for those whom we fork; of our own child. Return: -errno. */
int process_self(void);
int process_open(pid_t pid);

/* Has the process of this pidfd ended? Never blocks. */
bool process_ended(int pidfd);

/* Collect the exit status if it is our child. Return: the status as of waitpid(2); -1 not a child. */
int process_collect(int pidfd);

int process_signal(int pidfd, int sig);

#endif
