/* SPDX-License-Identifier: MIT
 *
 * process.c - which process is this, and is it gone?
 *
 * SO_PEERPIDFD (Linux 6.5) names the process that connected, even when its pid has been reused since.
 * Before, there is SO_PEERCRED and pidfd_open(2): between the two the pid may change hands. The start
 * time is read before and after pidfd_open(2): if both agree, the pidfd is of the process that had
 * that start time. A peer that died before the first reading has also hung up, so nothing of what it
 * asked is answered.
 */
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif
#define WAIT_P_PIDFD 3 /* P_PIDFD; glibc 2.36 has it in the enum, older ones do not */

int process_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

static uint64_t start_time_of(pid_t pid)
{
	char path[40], text[1024];
	const char *at;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	/* The name may hold anything; the last ')' ends it. Field 3 follows. */
	at = strrchr(text, ')');
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	return at ? strtoull(at + 1, NULL, 10) : 0;
}

static int peer_pidfd(int sock)
{
	int fd = -1;
	socklen_t len = sizeof(fd);

	return getsockopt(sock, SOL_SOCKET, SO_PEERPIDFD, &fd, &len) < 0 ? -errno : fd;
}

/* Without SO_PEERPIDFD. */
static int open_checked(struct process *p)
{
	uint64_t before = start_time_of(p->pid);
	int fd = process_open(p->pid);

	if (fd < 0)
		return fd;
	if (start_time_of(p->pid) != before) {
		close(fd);
		return -ESRCH;
	}
	p->start_time = before;
	p->pidfd = fd;
	return 0;
}

int process_of_peer(struct process *p, int sock, bool hide_getpeer)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd;

	p->pidfd = -1;
	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (cred.pid <= 0)
		return -ESRCH;
	p->pid = cred.pid;
	p->uid = cred.uid;
	fd = hide_getpeer ? -ENOPROTOOPT : peer_pidfd(sock);
	if (fd == -ENOPROTOOPT)
		return open_checked(p);
	if (fd < 0)
		return fd == -ENODATA ? -ESRCH : fd;
	p->pidfd = fd;
	p->start_time = start_time_of(p->pid);
	return 0;
}

int process_reopen(struct process *p, pid_t pid, uint64_t start_time)
{
	int r;

	p->pid = pid;
	p->pidfd = -1;
	r = open_checked(p);
	if (r < 0)
		return r;
	if (p->start_time != start_time) {
		close(p->pidfd);
		p->pidfd = -1;
		return -ESRCH;
	}
	return 0;
}

int process_self(void)
{
	return process_open(getpid());
}

bool process_ended(int pidfd)
{
	struct pollfd p = {.fd = pidfd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

int process_collect(int pidfd)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (waitid((idtype_t)WAIT_P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG) < 0 ||
	    info.si_pid == 0)
		return -1;
	return info.si_code == CLD_EXITED ? W_EXITCODE(info.si_status, 0) : info.si_status;
}

int process_signal(int pidfd, int sig)
{
	return syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0) < 0 ? -errno : 0;
}
