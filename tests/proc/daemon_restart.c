/* SPDX-License-Identifier: MIT
 *
 * daemon_restart.c - what survives the death of the daemon, of its keeper, and of clients
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rawd.h"
#include "words.h"

#define KILLS 30
#define KILL_EVERY_MS 200u
#define TAKEOVER_MS 500u /* generous: another test may have the machine */
#define QUICK_KILLS 5u	 /* as keeper.c has it, like the two below */
#define QUICK_LIFE_MS 100u
#define QUICK_WAIT_MS 3000u

/* Both change after the uuid: an event and a pid. */
static pid_t wait_for_next_daemon(const struct raw_client *c, pid_t old)
{
	WAIT_FOR(raw_daemon_pid(c) != old, TAKEOVER_MS);
	return raw_daemon_pid(c);
}

static pid_t kill_daemon(const struct raw_client *c)
{
	pid_t old = raw_daemon_pid(c);

	CHECK(kill(old, SIGKILL) == 0);
	return wait_for_next_daemon(c, old);
}

static struct shm_header *map_region(const struct raw_client *c, size_t *bytesp)
{
	struct stat st;
	void *base;

	CHECK(fstat(c->fds[0], &st) == 0);
	base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fds[0], 0);
	CHECK(base != MAP_FAILED);
	*bytesp = (size_t)st.st_size;
	return base;
}

static struct shm_segment *segments(struct shm_header *hdr)
{
	return (struct shm_segment *)(void *)((uint8_t *)hdr + hdr->geo.off_segs);
}

/* ------------------------------------------------------------------ the daemon */

static void test_daemon_killed(void)
{
	struct raw_client c, again;
	struct ctl_msg hello;
	struct rawd d;
	uint64_t beat;
	pid_t pid;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	pid = raw_daemon_pid(&c);
	CHECK(pid != d.pid && raw_keeper_pid(&c) == d.pid);
	CHECK(kill_daemon(&c) != pid);
	CHECK(raw_keeper_pid(&c) == d.pid);
	CHECK(load_acquire(&c.ctl->daemon_starts) == 2);
	CHECK(raw_hung_up(c.fd, 1000));
	WAIT_FOR(raw_event(&c, "took over the region (start 2), 1 clients"), 1000);
	hello = raw_hello_again(&c);
	CHECK(raw_hello(&d, &again, &hello) == 0);
	CHECK(again.welcome.slot == c.welcome.slot);
	CHECK(memcmp(again.welcome.uuid, c.welcome.uuid, 16) == 0);
	beat = load_acquire(&c.ctl->heartbeat_ms);
	WAIT_FOR(load_acquire(&c.ctl->heartbeat_ms) > beat, 1000);
	raw_bye(&again);
	raw_hang_up(&c);
	rawd_stop(&d);
}

static void nap_until(uint64_t ms)
{
	while (raw_now_ms() < ms)
		raw_nap();
}

static void test_many_kills(void)
{
	uint64_t worst = 0;
	struct raw_client c;
	struct rawd d;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	for (int i = 0; i < KILLS; i++) {
		uint64_t start = raw_now_ms(), took;
		struct raw_client other;

		kill_daemon(&c);
		CHECK(raw_hello(&d, &other, NULL) == 0);
		took = raw_now_ms() - start;
		worst = took > worst ? took : worst;
		CHECK(other.welcome.slot != c.welcome.slot);
		raw_bye(&other);
		nap_until(start + KILL_EVERY_MS);
	}
	printf("%d kills, accepting again after at most %lu ms\n", KILLS, (unsigned long)worst);
	raw_hang_up(&c);
	rawd_stop(&d);
}

/* What kills each daemon at once, again and again, does not make a loop of forks; a daemon that is
 * left alone for a while ends that. */
static void test_daemon_killed_whenever_it_is_ready(void)
{
	struct raw_client c;
	struct rawd d;
	uint64_t start;
	pid_t killed = 0;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	start = raw_now_ms();
	while (raw_now_ms() < start + QUICK_WAIT_MS - TAKEOVER_MS) {
		raw_nap();
		if (raw_daemon_pid(&c) == killed)
			continue;
		killed = raw_daemon_pid(&c);
		CHECK(kill(killed, SIGKILL) == 0);
	}
	/* A daemon that takes long to start has lived for QUICK_LIFE_MS when it is killed. */
	CHECK(load_acquire(&c.ctl->daemon_starts) <=
	      1 + QUICK_KILLS + QUICK_WAIT_MS / QUICK_LIFE_MS);
	WAIT_FOR(raw_daemon_pid(&c) != killed, QUICK_WAIT_MS);
	nap_until(raw_now_ms() + QUICK_LIFE_MS);
	kill_daemon(&c);
	raw_hang_up(&c);
	rawd_stop(&d);
}

static rlim_t lowest_free_fd(pid_t pid)
{
	char path[40];
	struct stat st;

	for (rlim_t fd = 0;; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%u", (int)pid, (unsigned)fd);
		if (lstat(path, &st) < 0)
			return fd;
	}
}

/* A daemon that fails before it is ready, again and again: the tries become rare, the region is kept,
 * and the keeper still ends when it is told to. The keeper has the descriptors that it needs; a daemon
 * needs more. */
static void test_crash_at_start(void)
{
	struct rlimit small, old;
	struct raw_client c;
	struct rawd d;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	CHECK(prlimit(d.pid, RLIMIT_NOFILE, NULL, &old) == 0);
	small = (struct rlimit){.rlim_cur = lowest_free_fd(d.pid), .rlim_max = old.rlim_max};
	CHECK(prlimit(d.pid, RLIMIT_NOFILE, &small, NULL) == 0);
	CHECK(kill(raw_daemon_pid(&c), SIGKILL) == 0);
	WAIT_FOR(load_acquire(&c.ctl->daemon_starts) >= 6, 5000);
	for (int i = 0; i < 1000; i++)
		raw_nap();
	CHECK(load_acquire(&c.ctl->daemon_starts) == 6);
	CHECK(raw_alive(d.pid) && load_acquire(&c.ctl->retired) == 0);
	CHECK(kill(d.pid, SIGTERM) == 0);
	/* The keeper ends well, whatever its daemons did. */
	WAIT_FOR(load_acquire(&c.ctl->retired) == 1, 1000);
	raw_hang_up(&c);
	rawd_gone(&d);
}

/* ------------------------------------------------------------------ the keeper */

static void test_keeper_killed(void)
{
	struct raw_client c;
	struct rawd d;
	pid_t pid, keeper;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	pid = raw_daemon_pid(&c);
	CHECK(kill(d.pid, SIGKILL) == 0);
	WAIT_FOR(raw_keeper_pid(&c) != d.pid, 1000);
	keeper = raw_keeper_pid(&c);
	CHECK(raw_daemon_pid(&c) == pid && raw_alive(pid));
	WAIT_FOR(raw_event(&c, "the keeper was gone"), 1000);
	/* The connection of a client went on, and the new keeper does not hold it. */
	CHECK(!raw_hung_up(c.fd, 0));
	/* The new keeper does the work of the old one, and is itself replaced. */
	CHECK(kill_daemon(&c) != pid);
	CHECK(raw_hung_up(c.fd, 1000));
	CHECK(raw_keeper_pid(&c) == keeper);
	pid = raw_daemon_pid(&c);
	CHECK(kill(keeper, SIGKILL) == 0);
	WAIT_FOR(raw_keeper_pid(&c) != keeper, 3000);
	CHECK(raw_daemon_pid(&c) == pid);
	CHECK(kill(pid, SIGTERM) == 0);
	WAIT_FOR(load_acquire(&c.ctl->retired) == 1, 1000);
	raw_hang_up(&c);
	rawd_gone(&d);
}

/* A keeper that dies at once again is replaced too, a little later. */
static void test_keeper_killed_twice(void)
{
	struct raw_client c;
	struct rawd d;
	pid_t keeper;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	CHECK(kill(d.pid, SIGKILL) == 0);
	WAIT_FOR(raw_keeper_pid(&c) != d.pid, 1000);
	keeper = raw_keeper_pid(&c);
	CHECK(kill(keeper, SIGKILL) == 0);
	WAIT_FOR(raw_keeper_pid(&c) != keeper, 3000);
	CHECK(kill(raw_keeper_pid(&c), SIGTERM) == 0);
	raw_hang_up(&c);
	rawd_gone(&d);
}

static void test_sigterm_to_the_daemon(void)
{
	struct raw_client c;
	struct rawd d;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	CHECK(kill(raw_daemon_pid(&c), SIGTERM) == 0);
	WAIT_FOR(load_acquire(&c.ctl->retired) == 1, 1000);
	raw_hang_up(&c);
	rawd_gone(&d);
}

static void test_shutdown_message(void)
{
	struct raw_client c;
	struct ctl_msg msg;
	struct rawd d;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	raw_hello_msg(&msg, 0);
	msg.type = CTL_SHUTDOWN;
	CHECK(write(c.fd, &msg, sizeof(msg)) == (ssize_t)sizeof(msg));
	CHECK(raw_receive(c.fd, CTL_PONG) == 0);
	WAIT_FOR(load_acquire(&c.ctl->retired) == 1, 1000);
	raw_hang_up(&c);
	rawd_gone(&d);
}

static void test_without_keeper(void)
{
	static const char *const sets[] = {"keeper=false", NULL};
	struct raw_client c;
	struct rawd d;

	rawd_start(&d, sets);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	CHECK(raw_daemon_pid(&c) == d.pid && raw_keeper_pid(&c) == 0);
	raw_hang_up(&c);
	rawd_stop(&d);
}

/* ------------------------------------------------------------------ clients */

/* A child that attaches, tells its slot, and does as @then says until it is killed. */
static pid_t client(const struct rawd *d, uint32_t *slotp, void (*then)(struct raw_client *c))
{
	int fds[2];
	pid_t pid;

	CHECK(pipe(fds) == 0);
	pid = fork();
	CHECK(pid >= 0);
	if (pid == 0) {
		struct raw_client c;

		CHECK(raw_hello(d, &c, NULL) == 0);
		if (then)
			then(&c);
		CHECK(write(fds[1], &c.welcome.slot, sizeof(uint32_t)) > 0);
		for (;;)
			pause();
	}
	CHECK(read(fds[0], slotp, sizeof(*slotp)) == (ssize_t)sizeof(*slotp));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void kill_client(pid_t pid)
{
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
}

/* A lease, a half-done cleaning and a hazard, as if in the middle of a call. */
static void hold_things(struct raw_client *c)
{
	size_t bytes;
	struct shm_header *hdr = map_region(c, &bytes);
	struct shm_slot *slots = (struct shm_slot *)(void *)((uint8_t *)hdr + hdr->geo.off_slots);
	uint32_t me = c->welcome.slot;

	store_relaxed(&segments(hdr)[3].word, seg_make(SEG_LEASED, false, me, 1));
	store_relaxed(&segments(hdr)[5].word, seg_make(SEG_CLEANING, false, me, 1));
	store_relaxed(&slots[me].h0, 4);
}

static void check_given_back(const struct raw_client *c, uint32_t slot)
{
	size_t bytes;
	struct shm_header *hdr = map_region(c, &bytes);
	struct shm_slot *slots = (struct shm_slot *)(void *)((uint8_t *)hdr + hdr->geo.off_slots);

	CHECK(seg_state(load_acquire(&segments(hdr)[3].word)) != SEG_LEASED);
	CHECK(seg_state(load_acquire(&segments(hdr)[5].word)) != SEG_CLEANING);
	CHECK(load_acquire(&slots[slot].h0) == 0);
	munmap(hdr, bytes);
}

static void test_client_killed(void)
{
	struct raw_client c;
	struct rawd d;
	uint32_t slot;
	pid_t pid;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	pid = client(&d, &slot, hold_things);
	CHECK(raw_slot_state(&c, slot) == CTL_SLOT_USED);
	kill_client(pid);
	WAIT_FOR(raw_slot_state(&c, slot) == CTL_SLOT_FREE, 1000);
	check_given_back(&c, slot);
	WAIT_FOR(raw_event(&c, "2 segments given back"), 1000);
	raw_hang_up(&c);
	rawd_stop(&d);
}

/* While there is no daemon nobody sees the death. The next daemon does. */
static void test_client_killed_without_daemon(void)
{
	struct raw_client c;
	struct rawd d;
	uint32_t slot, stays;
	pid_t pid, other, old;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	pid = client(&d, &slot, hold_things);
	other = client(&d, &stays, NULL);
	old = raw_daemon_pid(&c);
	CHECK(kill(d.pid, SIGSTOP) == 0);
	CHECK(kill(old, SIGKILL) == 0);
	WAIT_FOR(!raw_alive(old), 1000);
	kill_client(pid);
	CHECK(raw_slot_state(&c, slot) != CTL_SLOT_FREE);
	CHECK(kill(d.pid, SIGCONT) == 0);
	wait_for_next_daemon(&c, old);
	CHECK(raw_slot_state(&c, slot) == CTL_SLOT_FREE);
	check_given_back(&c, slot);
	CHECK(raw_slot_state(&c, stays) == CTL_SLOT_USED);
	/* The new daemon watches the one that lives. */
	kill_client(other);
	WAIT_FOR(raw_slot_state(&c, stays) == CTL_SLOT_FREE, 1000);
	raw_hang_up(&c);
	rawd_stop(&d);
}

static void hang_up_only(struct raw_client *c)
{
	raw_hang_up(c);
}

/* A stopped process, and one that closed its socket, keep their slots until they die. */
static void test_hang_up_is_not_death(void)
{
	struct raw_client c;
	struct rawd d;
	uint32_t slot, stopped_slot;
	pid_t pid, stopped;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	pid = client(&d, &slot, hang_up_only);
	stopped = client(&d, &stopped_slot, NULL);
	CHECK(kill(stopped, SIGSTOP) == 0);
	WAIT_FOR(raw_slot_state(&c, slot) == CTL_SLOT_ORPHAN, 1000);
	kill_daemon(&c);
	CHECK(raw_slot_state(&c, slot) == CTL_SLOT_ORPHAN);
	CHECK(raw_slot_state(&c, stopped_slot) == CTL_SLOT_USED);
	kill_client(pid);
	kill_client(stopped);
	WAIT_FOR(raw_slot_state(&c, slot) == CTL_SLOT_FREE, 1000);
	WAIT_FOR(raw_slot_state(&c, stopped_slot) == CTL_SLOT_FREE, 1000);
	raw_hang_up(&c);
	rawd_stop(&d);
}

/* ------------------------------------------------------------------ damage */

/* Whatever a client stores into the header, the next daemon starts and has the same cache. */
static void test_header_is_repaired(void)
{
	struct raw_client c, other;
	struct shm_header *hdr;
	struct rawd d;
	size_t bytes;

	rawd_start(&d, NULL);
	CHECK(raw_hello(&d, &c, NULL) == 0);
	hdr = map_region(&c, &bytes);
	memset(hdr, 0xa5, 256);
	store_relaxed_u32(&hdr->slots_high, 0);
	kill_daemon(&c);
	WAIT_FOR(raw_event(&c, "the region's header was damaged; repaired"), 1000);
	CHECK(load_acquire(&hdr->magic) == LAYOUT_MAGIC);
	CHECK(memcmp(hdr->uuid, c.welcome.uuid, 16) == 0);
	CHECK(hdr->geo.file_bytes == bytes);
	CHECK(load_acquire_u32(&hdr->slots_high) > c.welcome.slot);
	CHECK(raw_hello(&d, &other, NULL) == 0);
	raw_bye(&other);
	munmap(hdr, bytes);
	raw_hang_up(&c);
	rawd_stop(&d);
}

int main(void)
{
	test_daemon_killed();
	test_many_kills();
	test_daemon_killed_whenever_it_is_ready();
	test_crash_at_start();
	test_keeper_killed();
	test_keeper_killed_twice();
	test_sigterm_to_the_daemon();
	test_shutdown_message();
	test_without_keeper();
	test_client_killed();
	test_client_killed_without_daemon();
	test_hang_up_is_not_death();
	test_header_is_repaired();
	return 0;
}
