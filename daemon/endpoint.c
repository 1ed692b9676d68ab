/* SPDX-License-Identifier: MIT
 *
 * endpoint.c - the socket's path, its lock, and who may have it
 *
 * Two daemons on one path would be two caches under one name, so whoever serves PATH holds a flock(2)
 * on PATH.lock. It belongs to the open file, which keeper and daemon share by fork: it is held exactly
 * as long as one of them lives, whatever kills the other, and no pid has to be believed. The pid in
 * the file is for people.
 *
 * INVARIANT  The lock counts only while PATH.lock still names the locked file: the last owner unlinks
 *            it, and a newcomer may have opened it just before. Hence the look at the inode after
 *            locking, and before removing anything.
 */
#include "endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <larder/control.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define PATH_ROOM 128
#define LOCK_TRIES 100 /* each finds a file that its owner removes at that moment */
#define SYSTEM_DIR "/run/larder"

static void lock_path(char buf[PATH_ROOM], const char *path)
{
	snprintf(buf, PATH_ROOM, "%s.lock", path);
}

static int make_directory(const char *path)
{
	char dir[PATH_ROOM];
	const char *slash = strrchr(path, '/');
	mode_t mode;
	int err;

	if (!slash || slash == path)
		return 0;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	mode = strcmp(dir, SYSTEM_DIR) == 0 ? 0755 : 0750;
	if (mkdir(dir, mode) == 0) {
		/* The umask has cut the mode. */
		if (chmod(dir, mode) == 0)
			return 0;
	} else if (errno == EEXIST) {
		return 0;
	}
	err = errno;
	log_error("cannot create the directory %s for the socket: %s; create it, or choose another "
		  "place with --socket",
		  dir, strerror(err));
	return -err;
}

/* ------------------------------------------------------------------ the lock */

static bool still_linked(int fd, const char *path)
{
	struct stat ours, there;

	return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

static void log_second(int fd, const char *path)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	log_error("already running, pid %s (socket %s); end it with larderctl shutdown, or choose "
		  "another --name",
		  *pid ? pid : "unknown", path);
}

/* Return: 0 locked; -EBUSY somebody has it; -EAGAIN the file was removed meanwhile; -errno. */
static int try_lock(struct endpoint *ep, const char *file)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		r = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if ((r == 0 || r == -EBUSY) && !still_linked(fd, file))
		r = -EAGAIN;
	if (r == 0) {
		ep->lock_fd = fd;
		endpoint_write_pid(ep, getpid());
		return 0;
	}
	if (r == -EBUSY)
		log_second(fd, ep->path);
	close(fd);
	return r;
}

int endpoint_lock(struct endpoint *ep, const char *path)
{
	char file[PATH_ROOM];
	int r;

	ep->path = path;
	r = make_directory(path);
	if (r < 0)
		return r;
	lock_path(file, path);
	r = -EAGAIN;
	for (int i = 0; i < LOCK_TRIES && r == -EAGAIN; i++)
		r = try_lock(ep, file);
	if (r < 0 && r != -EBUSY)
		log_error("cannot lock %s: %s; is its directory writable?", file, strerror(-r));
	return r;
}

void endpoint_write_pid(const struct endpoint *ep, pid_t pid)
{
	char line[16];
	int n = snprintf(line, sizeof(line), "%-10d\n", (int)pid);

	/* Of one size, so that no older digits stay behind it. */
	if (pwrite(ep->lock_fd, line, (size_t)n, 0) != n)
		log_warning("cannot write the pid into %s.lock: %s", ep->path, strerror(errno));
}

/* ------------------------------------------------------------------ the socket */

static int address(struct sockaddr_un *addr, const char *path)
{
	memset(addr, 0, sizeof(*addr));
	addr->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	memcpy(addr->sun_path, path, strlen(path) + 1);
	return 0;
}

/* We hold the lock, so a live listener is a program that does not know of it. */
static int remove_stale(const char *path, const struct sockaddr_un *addr)
{
	struct stat st;
	int fd, r;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode)) {
		log_error("%s is there and is no socket; remove it, or choose another --socket",
			  path);
		return -EEXIST;
	}
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)(const void *)addr, sizeof(*addr)) == 0 ? 0
											 : errno;
	close(fd);
	if (r != ECONNREFUSED) {
		log_error("%s is in use by another program; choose another --socket", path);
		return -EADDRINUSE;
	}
	log_debug("replacing the stale socket %s", path);
	return unlink(path) < 0 ? -errno : 0;
}

/* The umask makes the mode right from the first moment. */
static int bind_with_mode(int fd, const struct sockaddr_un *addr, mode_t mode)
{
	mode_t old = umask(0777 & ~mode);
	int r = bind(fd, (const struct sockaddr *)(const void *)addr, sizeof(*addr)) < 0 ? -errno
											 : 0;

	umask(old);
	return r;
}

int endpoint_listen(struct endpoint *ep, bool for_everybody)
{
	struct sockaddr_un addr;
	int fd, r = address(&addr, ep->path);

	if (r == 0)
		r = remove_stale(ep->path, &addr);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : bind_with_mode(fd, &addr, for_everybody ? 0666 : 0660);
	if (r == 0 && listen(fd, SOMAXCONN) < 0)
		r = -errno;
	if (r == 0) {
		ep->listen_fd = fd;
		return 0;
	}
	if (fd >= 0)
		close(fd);
	log_error("cannot listen on %s: %s", ep->path, strerror(-r));
	return r;
}

void endpoint_remove(const struct endpoint *ep)
{
	char file[PATH_ROOM];

	if (ep->lock_fd < 0)
		return;
	lock_path(file, ep->path);
	if (!still_linked(ep->lock_fd, file))
		return;
	if (ep->listen_fd >= 0)
		unlink(ep->path);
	unlink(file);
}

void endpoint_close(struct endpoint *ep)
{
	if (ep->listen_fd >= 0)
		close(ep->listen_fd);
	if (ep->lock_fd >= 0)
		close(ep->lock_fd);
	ep->listen_fd = -1;
	ep->lock_fd = -1;
}
