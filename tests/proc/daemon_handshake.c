/* SPDX-License-Identifier: MIT
 *
 * daemon_handshake.c - the handshake as raw clients see it: what they get, and hostile messages
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rawd.h"

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

static struct rawd daemon_;

static unsigned count_fds(pid_t pid)
{
	unsigned n = 0;

	for (unsigned fd = 0; fd < 2000; fd++) {
		char path[40];
		struct stat st;

		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, fd);
		n += lstat(path, &st) == 0;
	}
	return n;
}

/* ------------------------------------------------------------------ what a client gets */

static void test_read_write(void)
{
	struct raw_client at;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	CHECK(at.welcome.slot >= 1 && at.welcome.slot < SHM_SLOTS_MAX);
	CHECK(at.welcome.incarnation >= 1);
	CHECK(memcmp(at.welcome.uuid, at.ctl->uuid, 16) == 0);
	CHECK(raw_slot_state(&at, at.welcome.slot) == CTL_SLOT_USED);
	CHECK(load_acquire(&at.ctl->slots[at.welcome.slot].pid) == (uint64_t)getpid());
	CHECK((fcntl(at.fds[0], F_GET_SEALS) & SEALS) == SEALS);
	CHECK((fcntl(at.fds[1], F_GET_SEALS) & SEALS) == SEALS);
	CHECK(raw_writable(at.fds[0]));
	/* The control page is nobody's to write. */
	CHECK(!raw_writable(at.fds[1]));
	CHECK(mprotect((void *)(uintptr_t)at.ctl, SHM_PAGE, PROT_READ | PROT_WRITE) < 0);
	CHECK(ftruncate(at.fds[0], 0) < 0);
	raw_bye(&at);
}

static void test_control_page_stays_read_only(void)
{
	struct raw_client at;
	char path[40];
	int fd;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	/* The same user may open it for writing, and still not write: F_SEAL_FUTURE_WRITE. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", at.fds[1]);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		CHECK(write(fd, "x", 1) < 0);
		CHECK(!raw_writable(fd));
		close(fd);
	}
	raw_bye(&at);
}

static void test_read_only(void)
{
	struct ctl_msg hello;
	struct raw_client at;

	raw_hello_msg(&hello, CTL_FLAG_RDONLY);
	CHECK(raw_hello(&daemon_, &at, &hello) == 0);
	CHECK((fcntl(at.fds[0], F_GETFL) & O_ACCMODE) == O_RDONLY);
	CHECK(!raw_writable(at.fds[0]));
	CHECK(load_acquire_u32(&at.ctl->slots[at.welcome.slot].rdonly) == 1);
	raw_bye(&at);
}

static void test_bye_frees_at_once(void)
{
	struct raw_client watch, at;
	uint64_t incarnation;
	uint32_t slot;

	CHECK(raw_hello(&daemon_, &watch, NULL) == 0);
	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	slot = at.welcome.slot;
	incarnation = at.welcome.incarnation;
	raw_bye(&at);
	CHECK(raw_slot_state(&watch, slot) == CTL_SLOT_FREE);
	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	CHECK(at.welcome.slot == slot && at.welcome.incarnation > incarnation);
	raw_bye(&at);
	raw_bye(&watch);
}

/* ------------------------------------------------------------------ coming back */

static void test_orphan_comes_back(void)
{
	struct raw_client watch, at, again;
	struct ctl_msg hello;

	CHECK(raw_hello(&daemon_, &watch, NULL) == 0);
	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	hello = raw_hello_again(&at);
	raw_hang_up(&at);
	WAIT_FOR(raw_slot_state(&watch, hello.slot) == CTL_SLOT_ORPHAN, 1000);
	CHECK(raw_hello(&daemon_, &again, &hello) == 0);
	CHECK(again.welcome.slot == hello.slot && again.welcome.incarnation == hello.incarnation);
	CHECK(raw_slot_state(&watch, hello.slot) == CTL_SLOT_USED);
	raw_bye(&again);
	raw_bye(&watch);
}

/* A slot is not given to one who is not its owner, whatever part of the story is wrong. */
static void test_not_the_owner(void)
{
	struct raw_client at, other;
	struct ctl_msg wrong[4];

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	for (unsigned i = 0; i < 4; i++)
		wrong[i] = raw_hello_again(&at);
	wrong[0].incarnation++;
	wrong[1].uuid[3] ^= 1;
	wrong[2].slot = 0;
	wrong[3].slot = 4096;
	for (unsigned i = 0; i < 4; i++) {
		CHECK(raw_hello(&daemon_, &other, &wrong[i]) == 0);
		CHECK(other.welcome.slot != at.welcome.slot && other.welcome.slot != 0);
		raw_bye(&other);
	}
	CHECK(raw_slot_state(&at, at.welcome.slot) == CTL_SLOT_USED);
	CHECK(!raw_hung_up(at.fd, 0));
	raw_bye(&at);
}

/* The child of a fork knows all about its parent's slot and is not its owner. */
static void test_child_is_not_the_owner(void)
{
	struct raw_client at, other;
	struct ctl_msg hello;
	int status;
	pid_t pid;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	hello = raw_hello_again(&at);
	pid = fork();
	if (pid == 0) {
		CHECK(raw_hello(&daemon_, &other, &hello) == 0);
		_exit(other.welcome.slot != at.welcome.slot ? 0 : 1);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	raw_bye(&at);
}

/* ------------------------------------------------------------------ hostile */

static void expect_refusal(const void *bytes, size_t len, int status)
{
	int fd = rawd_connect(&daemon_);

	CHECK(send(fd, bytes, len, MSG_NOSIGNAL) == (ssize_t)len);
	CHECK(raw_receive(fd, CTL_PONG) == status);
	CHECK(raw_hung_up(fd, 5000));
	close(fd);
}

static void test_malformed(void)
{
	static const size_t lengths[] = {1, 4, 55, 57, 112, 4096, 60000};
	static unsigned char bytes[60000];
	struct ctl_msg good, bad;

	raw_hello_msg(&good, 0);
	memcpy(bytes, &good, sizeof(good));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		expect_refusal(bytes, lengths[i], -EPROTO);
	bad = good;
	bad.size++;
	expect_refusal(&bad, sizeof(bad), -EPROTO);
	bad = good;
	bad.major++;
	expect_refusal(&bad, sizeof(bad), -EPROTO);
	bad = good;
	bad.signature ^= 1;
	expect_refusal(&bad, sizeof(bad), -EPROTO);
	bad = good;
	bad.flags = 0x80;
	expect_refusal(&bad, sizeof(bad), -EPROTO);
	for (uint32_t type = 0; type < 40; type++) {
		bad = good;
		bad.type = type;
		if (type != CTL_HELLO && type != CTL_BYE && type != CTL_PING &&
		    type != CTL_SHUTDOWN)
			expect_refusal(&bad, sizeof(bad), -EPROTO);
	}
}

static void test_second_hello(void)
{
	struct ctl_msg hello;
	struct raw_client at;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	raw_hello_msg(&hello, 0);
	CHECK(send(at.fd, &hello, sizeof(hello), 0) > 0);
	CHECK(raw_receive(at.fd, CTL_PONG) == -EPROTO);
	CHECK(raw_hung_up(at.fd, 5000));
	raw_hang_up(&at);
}

static void test_empty_message(void)
{
	int fd = rawd_connect(&daemon_);

	CHECK(send(fd, "", 0, MSG_NOSIGNAL) == 0);
	CHECK(raw_hung_up(fd, 5000));
	close(fd);
}

/* Descriptors that a client sends are not kept. */
static void test_descriptors_are_dropped(void)
{
	struct raw_client at;
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * 16)];
	} control;
	struct ctl_msg msg;
	struct iovec iov = {.iov_base = &msg, .iov_len = sizeof(msg)};
	struct msghdr mh = {.msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof(control.room)};
	struct cmsghdr *cm;
	unsigned before;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	before = count_fds(raw_daemon_pid(&at));
	memset(&control, 0, sizeof(control));
	cm = CMSG_FIRSTHDR(&mh);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int) * 16);
	for (int i = 0; i < 16; i++)
		memcpy(CMSG_DATA(cm) + (size_t)i * sizeof(int), &at.fds[0], sizeof(int));
	raw_hello_msg(&msg, 0);
	msg.type = CTL_PING;
	CHECK(sendmsg(at.fd, &mh, 0) > 0);
	CHECK(raw_receive(at.fd, CTL_PONG) == 0);
	CHECK(count_fds(raw_daemon_pid(&at)) == before);
	raw_bye(&at);
}

static void test_half_open(void)
{
	int fd = rawd_connect(&daemon_);
	uint64_t start = raw_now_ms();

	CHECK(raw_hung_up(fd, 5000));
	CHECK(raw_now_ms() - start >= 1900);
	close(fd);
}

/* Hundreds that say nothing do not keep others out. */
static void test_half_open_flood(void)
{
	struct raw_client at;
	int fds[400];

	for (unsigned i = 0; i < 400; i++)
		fds[i] = rawd_connect(&daemon_);
	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	CHECK(raw_hung_up(fds[0], 5000));
	for (unsigned i = 0; i < 400; i++)
		close(fds[i]);
	raw_bye(&at);
}

/* One that asks and does not read the answers is cut off, and holds nobody up. */
static void test_unread_answers(void)
{
	struct raw_client at, other;
	struct ctl_msg ping;
	bool cut = false;

	CHECK(raw_hello(&daemon_, &at, NULL) == 0);
	raw_hello_msg(&ping, 0);
	ping.type = CTL_PING;
	for (uint64_t until = raw_now_ms() + 5000 * raw_scale(); !cut && raw_now_ms() < until;)
		cut = send(at.fd, &ping, sizeof(ping), MSG_NOSIGNAL) < 0 && errno != EAGAIN;
	CHECK(cut);
	CHECK(raw_hello(&daemon_, &other, NULL) == 0);
	raw_bye(&other);
	raw_hang_up(&at);
}

static unsigned slots_of(const struct raw_client *c, pid_t pid)
{
	unsigned n = 0;

	for (uint32_t i = 1; i < SHM_SLOTS_MAX; i++)
		n += load_acquire(&c->ctl->slots[i].pid) == (uint64_t)pid &&
		     raw_slot_state(c, i) != CTL_SLOT_FREE;
	return n;
}

/* Every slot, then one more; a process gives all of its slots back when it dies. */
static void test_all_slots(void)
{
	struct rlimit lim = {.rlim_cur = 4096, .rlim_max = 4096};
	struct raw_client watch, at;
	int status, r = 0;
	unsigned n = 0;
	pid_t pid;

	CHECK(raw_hello(&daemon_, &watch, NULL) == 0);
	pid = fork();
	if (pid == 0) {
		(void)setrlimit(RLIMIT_NOFILE, &lim);
		getrlimit(RLIMIT_NOFILE, &lim);
		while (n + 16 < lim.rlim_cur && (r = raw_hello(&daemon_, &at, NULL)) == 0) {
			close(at.fds[0]);
			close(at.fds[1]);
			munmap((void *)(uintptr_t)at.ctl, sizeof(*at.ctl));
			n++;
		}
		CHECK(n + 16 >= lim.rlim_cur || (r == -EUSERS && n >= 1000));
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	WAIT_FOR(slots_of(&watch, pid) == 0, 2000);
	raw_bye(&watch);
}

int main(void)
{
	rawd_start(&daemon_, NULL);
	test_read_write();
	test_control_page_stays_read_only();
	test_read_only();
	test_bye_frees_at_once();
	test_orphan_comes_back();
	test_not_the_owner();
	test_child_is_not_the_owner();
	test_malformed();
	test_second_hello();
	test_empty_message();
	test_descriptors_are_dropped();
	test_half_open();
	test_half_open_flood();
	test_unread_answers();
	test_all_slots();
	rawd_stop(&daemon_);
	return 0;
}
