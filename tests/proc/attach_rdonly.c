/* SPDX-License-Identifier: MIT */
/*
 * attach_rdonly.c - a read-only handle of another user really is: its mapping faults on a store, and
 * the descriptor cannot be opened again for writing
 */
#include "larderd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "handle.h"
#include "socket.h"

#define NOBODY 65534

static void become_nobody(void)
{
	CHECK(setgid(NOBODY) == 0 && setuid(NOBODY) == 0);
}

static int store_through_the_mapping(void *arg)
{
	struct larder *h;

	become_nobody();
	signal(SIGSEGV, SIG_DFL); /* a sanitizer has a handler */
	h = larderd_open(arg, LARDER_RDONLY);
	store_relaxed_u32(&h->hdr->tick, 1);
	return 0;
}

static void dies_of(int (*fn)(void *), void *arg, int signal)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == signal);
}

/* The handshake by hand, because the library keeps no descriptor of a read-only region. */
static void receive_region(const struct larderd *d, int fds[2])
{
	struct sockaddr_un addr;
	struct ctl_msg msg;
	int fd;

	CHECK(socket_path(&addr, d->socket) == 0);
	CHECK(socket_connect(&addr, 0, &fd) == 0);
	socket_message(&msg, CTL_HELLO);
	msg.flags = CTL_FLAG_RDONLY;
	CHECK(socket_send(fd, &msg) == 0);
	CHECK(socket_receive(fd, CTL_WELCOME, &msg, fds, clock_coarse_ms() + 5000) == 0);
}

static int reopen_for_writing(void *arg)
{
	char path[64];
	int fds[2];

	become_nobody();
	receive_region(arg, fds);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fds[i]);
		CHECK(open(path, O_RDWR | O_CLOEXEC) < 0 && errno == EACCES);
		CHECK(mmap(NULL, SHM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], 0) ==
		      MAP_FAILED);
	}
	CHECK(fallocate(fds[0], FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, SHM_PAGE) < 0);
	return 0;
}

static int read_and_be_refused(void *arg)
{
	struct larder *h, *writer;
	unsigned value;

	become_nobody();
	CHECK(larder_open(&writer, ((const struct larderd *)arg)->socket, NULL) == -EACCES);
	h = larderd_open(arg, LARDER_RDONLY);
	CHECK(get_number(h, 1, &value) == 0 && value == 11);
	CHECK(larder_set(h, "k", 1, "v", 1, 0) == -EROFS);
	CHECK(larder_delete(h, "k", 1) == -EROFS);
	CHECK(larder_shutdown(h, 1000) == -EACCES);
	larder_close(h);
	return 0;
}

/* As any user, also on one's own cache. */
static int own_read_only_handle(void *arg)
{
	struct larder *h = larderd_open(arg, LARDER_RDONLY);
	unsigned value;

	CHECK(get_number(h, 1, &value) == 0 && value == 11);
	CHECK(larder_set(h, "k", 1, "v", 1, 0) == -EROFS);
	larder_close(h);
	return 0;
}

int main(void)
{
	static const char *const settings[] = {"memory=16M", "readonly_uids=65534", NULL};
	static struct larderd d;
	struct larder *h;

	if (geteuid() == 0) {
		/* The test's own directory is closed to others. */
		strcpy(d.dir, "/tmp/larder-rdonly-XXXXXX");
		CHECK(mkdtemp(d.dir) != NULL && chmod(d.dir, 0711) == 0);
		snprintf(d.socket, sizeof(d.socket), "%s/test.sock", d.dir);
	}
	larderd_start(&d, settings);
	h = larderd_open(&d, 0);
	put_number(h, 1, 11);
	run_child(own_read_only_handle, &d);
	if (geteuid() == 0) {
		run_child(read_and_be_refused, &d);
		run_child(reopen_for_writing, &d);
		dies_of(store_through_the_mapping, &d, SIGSEGV);
	}
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
