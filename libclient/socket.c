/* SPDX-License-Identifier: MIT
 *
 * socket.c - messages to the daemon and back
 *
 * Messages have a fixed size, so a SOCK_SEQPACKET socket delivers each whole or not at all. What
 * comes in is checked before it is used: size, type, version, the number of descriptors. Every
 * descriptor that arrives is owned at once: handed on or closed, on every path. Nothing here
 * allocates or blocks beyond its deadline.
 */
#include "socket.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

#define FDS_ROOM 8 /* of what a hostile peer passes; the kernel drops the rest */
#define STATUS_MIN (-4095)

/* ------------------------------------------------------------------ names */

static bool valid_name(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				"0123456789._-");

	return n >= 1 && n <= CTL_NAME_MAX && name[n] == '\0';
}

static int set_path(struct sockaddr_un *addr, const char *dir, const char *path, const char *end)
{
	int n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s%s%s", dir, path, end);

	return n > 0 && (size_t)n < sizeof(addr->sun_path) ? 0 : -EINVAL;
}

int socket_path(struct sockaddr_un *addr, const char *name)
{
	const char *given = secure_getenv("LARDER_SOCKET");
	const char *dir = geteuid() == 0 ? NULL : secure_getenv("XDG_RUNTIME_DIR");
	char runtime[sizeof(addr->sun_path)];
	int n;

	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (name != NULL && strchr(name, '/') != NULL)
		return set_path(addr, "", name, "");
	if (name == NULL)
		name = SOCKET_NAME_DEFAULT;
	if (!valid_name(name))
		return -EINVAL;
	if (given != NULL && given[0] != '\0')
		return set_path(addr, "", given, "");
	if (dir == NULL || dir[0] == '\0')
		return set_path(addr, "/run/larder/", name, ".sock");
	n = snprintf(runtime, sizeof(runtime), "%s/larder/", dir);
	if (n < 0 || (size_t)n >= sizeof(runtime))
		return -EINVAL;
	return set_path(addr, runtime, name, ".sock");
}

/* ------------------------------------------------------------------ connect and send */

static int time_left(uint64_t deadline)
{
	uint64_t now = clock_coarse_ms();

	if (now >= deadline)
		return 0;
	return deadline - now < 1000000 ? (int)(deadline - now) : 1000000;
}

int socket_connect(const struct sockaddr_un *addr, uint64_t deadline, int *fdp)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r;

	if (fd < 0)
		return -errno;
	while (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0) {
		r = -errno;
		/* A full queue; there is nothing to wait on. */
		if (r == -EAGAIN && time_left(deadline) > 0) {
			poll(NULL, 0, 1);
			continue;
		}
		close(fd);
		return r == -EAGAIN ? -ETIMEDOUT : r;
	}
	*fdp = fd;
	return 0;
}

void socket_message(struct ctl_msg *msg, enum ctl_type type)
{
	memset(msg, 0, sizeof(*msg));
	msg->type = type;
	msg->size = sizeof(*msg);
	msg->major = LAYOUT_MAJOR;
	msg->signature = LAYOUT_SIGNATURE;
	msg->slot = CTL_NO_SLOT;
}

int socket_send(int fd, const struct ctl_msg *msg)
{
	ssize_t n;

	do {
		n = send(fd, msg, sizeof(*msg), MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return n == sizeof(*msg) ? 0 : -EPROTO;
}

/* ------------------------------------------------------------------ receive */

/* Keeps the first two of the descriptors that came with a message. Return: how many came. */
static unsigned take_fds(struct msghdr *hdr, int fds[2])
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c != NULL; c = CMSG_NXTHDR(hdr, c)) {
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < bytes / sizeof(int); i++, n++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < 2)
				fds[n] = fd;
			else
				close(fd);
		}
	}
	return n;
}

static void drop_fds(int fds[2])
{
	for (unsigned i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static int check_message(const struct ctl_msg *msg, ssize_t n, enum ctl_type want)
{
	if (n != sizeof(*msg) || msg->size != sizeof(*msg))
		return -EPROTO;
	if (msg->type == CTL_ERROR)
		return msg->status < 0 && msg->status >= STATUS_MIN ? msg->status : -EPROTO;
	if (msg->type != want || msg->major != LAYOUT_MAJOR || msg->signature != LAYOUT_SIGNATURE)
		return -EPROTO;
	return 0;
}

static int wait_readable(int fd, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;

	do {
		n = poll(&p, 1, time_left(deadline));
	} while (n < 0 && errno == EINTR && time_left(deadline) > 0);
	return n > 0 ? 0 : -ETIMEDOUT;
}

int socket_receive(int fd, enum ctl_type want, struct ctl_msg *msg, int fds[2], uint64_t deadline)
{
	union {
		char bytes[CMSG_SPACE(FDS_ROOM * sizeof(int))];
		struct cmsghdr align;
	} room;
	struct iovec iov = {.iov_base = msg, .iov_len = sizeof(*msg)};
	struct msghdr hdr = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = room.bytes,
			     .msg_controllen = sizeof(room.bytes)};
	unsigned n_fds, want_fds = want == CTL_WELCOME ? 2 : 0;
	ssize_t n;
	int r;

	fds[0] = fds[1] = -1;
	r = wait_readable(fd, deadline);
	if (r < 0)
		return r;
	do {
		n = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 && errno == EAGAIN ? -ETIMEDOUT : -ECONNRESET;
	n_fds = take_fds(&hdr, fds);
	r = check_message(msg, n, want);
	if (r == 0 && (hdr.msg_flags & MSG_TRUNC) != 0)
		r = -EPROTO;
	if (r == 0 && (n_fds != want_fds || (hdr.msg_flags & MSG_CTRUNC) != 0))
		r = -EBADF;
	if (r < 0)
		drop_fds(fds);
	return r;
}

bool socket_hung_up(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}
