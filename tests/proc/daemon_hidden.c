/* SPDX-License-Identifier: MIT
 *
 * daemon_hidden.c - the daemon with every kernel feature hidden, and other users' processes
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rawd.h"

#define UID_ALLOWED 12345
#define UID_READONLY 12346
#define UID_OTHER 12347

static void test_all_hidden(void)
{
	static const char *const sets[] = {"hide=membarrier,pidfd_getpeer,madv_collapse,mfd_noexec",
					   NULL};
	struct raw_client c, again;
	struct ctl_msg hello;
	struct rawd d;
	pid_t old, pid;
	uint32_t slot = 0;

	rawd_start(&d, sets);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	old = raw_daemon_pid(&c);
	CHECK(kill(old, SIGKILL) == 0);
	WAIT_FOR(raw_daemon_pid(&c) != old, 1000);
	hello = raw_hello_again(&c);
	CHECK(raw_hello(&d, &again, &hello) == 0);
	CHECK(again.welcome.slot == c.welcome.slot);
	pid = fork();
	if (pid == 0) {
		struct raw_client child;

		CHECK(raw_hello(&d, &child, NULL) == 0);
		_exit((int)child.welcome.slot);
	}
	CHECK(waitpid(pid, (int *)&slot, 0) == pid && WIFEXITED((int)slot));
	slot = (uint32_t)WEXITSTATUS((int)slot);
	CHECK(slot > 0);
	WAIT_FOR(raw_slot_state(&c, slot) == CTL_SLOT_FREE, 1000);
	raw_bye(&again);
	raw_hang_up(&c);
	rawd_stop(&d);
}

static void as_user(uid_t uid)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(setresgid(uid, uid, uid) == 0);
	CHECK(setresuid(uid, uid, uid) == 0);
}

static int hello_status(const struct rawd *d, uint32_t flags)
{
	struct ctl_msg hello;
	struct raw_client c;

	raw_hello_msg(&hello, flags);
	return raw_hello(d, &c, &hello);
}

static void in_child(const struct rawd *d, uid_t uid, void (*fn)(const struct rawd *d))
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0) {
		as_user(uid);
		fn(d);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void allowed(const struct rawd *d)
{
	struct raw_client c;
	struct ctl_msg msg;

	CHECK(raw_hello(d, &c, NULL) == 0);
	raw_hello_msg(&msg, 0);
	msg.type = CTL_SHUTDOWN;
	CHECK(write(c.fd, &msg, sizeof(msg)) > 0);
	CHECK(raw_receive(c.fd, CTL_PONG) == -EACCES);
	/* The refusal does not cost the handle. */
	msg.type = CTL_PING;
	CHECK(write(c.fd, &msg, sizeof(msg)) > 0);
	CHECK(raw_receive(c.fd, CTL_PONG) == 0);
}

static void readonly(const struct rawd *d)
{
	struct ctl_msg hello;
	struct raw_client c;
	char path[40];
	int fd;

	CHECK(hello_status(d, 0) == -EACCES);
	raw_hello_msg(&hello, CTL_FLAG_RDONLY);
	CHECK(raw_hello(d, &c, &hello) == 0);
	/* It really is: neither a mapping nor a new descriptor can write. */
	CHECK(!raw_writable(c.fds[0]));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", c.fds[0]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	CHECK(fd < 0 && errno == EACCES);
}

static void refused(const struct rawd *d)
{
	CHECK(hello_status(d, 0) == -EACCES);
	CHECK(hello_status(d, CTL_FLAG_RDONLY) == -EACCES);
}

static void test_other_users(void)
{
	static const char *const sets[] = {"allow_uids=12345", "readonly_uids=12346", NULL};
	struct rawd d;
	char *slash;
	char dir[104];

	rawd_start(&d, sets);
	/* Every directory on the way must let them through. */
	for (snprintf(dir, sizeof(dir), "%s", d.dir); (slash = strrchr(dir, '/')) > dir;
	     *slash = '\0')
		if (chmod(dir, strcmp(dir, "/tmp") == 0 ? 01777 : 0711) < 0)
			break;
	in_child(&d, UID_ALLOWED, allowed);
	in_child(&d, UID_READONLY, readonly);
	in_child(&d, UID_OTHER, refused);
	rawd_stop(&d);
}

int main(void)
{
	test_all_hidden();
	if (geteuid() == 0)
		test_other_users();
	return 0;
}
