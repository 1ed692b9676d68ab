/* SPDX-License-Identifier: MIT
 *
 * rawd.c - a real larderd for tests of the daemon, and clients that speak the handshake themselves
 */
#include "rawd.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "socket.h"

#define ARGS_MAX 64
#define PATIENCE_MS 5000u

uint64_t raw_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned raw_scale(void)
{
	const char *scale = getenv("SCALE");
	unsigned n = scale ? (unsigned)strtoul(scale, NULL, 10) : 1;

	return n ? n : 1;
}

void raw_nap(void)
{
	struct timespec ts = {.tv_nsec = 500000};

	nanosleep(&ts, NULL);
}

/* The fields of /proc/PID/stat behind the pid: "(name) state ..." */
static bool read_stat(pid_t pid, char text[512])
{
	char path[40];
	bool got;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	got = fgets(text, 512, f) != NULL;
	fclose(f);
	return got;
}

bool raw_alive(pid_t pid)
{
	char text[512];
	const char *at = read_stat(pid, text) ? strrchr(text, ')') : NULL;

	return at && at[2] != 'Z' && at[2] != 'X';
}

/* ------------------------------------------------------------------ start and end */

static void run(const struct rawd *d, const char *const *sets, pid_t parent)
{
	const char *build = getenv("LARDER_BUILD");
	const char *argv[ARGS_MAX] = {"larderd", "--socket", d->socket, "--set", "preset=testing"};
	char program[512];
	int n = 5;

	for (; sets && *sets && n < ARGS_MAX - 3; sets++) {
		argv[n++] = "--set";
		argv[n++] = *sets;
	}
	snprintf(program, sizeof(program), "%s/larderd", build ? build : "build");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(1);
	execv(program, (char *const *)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

void rawd_start(struct rawd *d, const char *const *sets)
{
	const char *tmp = getenv("TMPDIR");
	uint64_t until = raw_now_ms() + PATIENCE_MS * raw_scale();
	pid_t parent = getpid();
	struct raw_client c;

	*d = (struct rawd){.pid = -1};
	snprintf(d->dir, sizeof(d->dir), "%.60s/ld.XXXXXX", tmp ? tmp : "/tmp");
	CHECK(mkdtemp(d->dir) != NULL);
	snprintf(d->socket, sizeof(d->socket), "%s/cache.sock", d->dir);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	d->pid = fork();
	CHECK(d->pid >= 0);
	if (d->pid == 0)
		run(d, sets, parent);
	/* It listens only when the region is complete. */
	while (access(d->socket, F_OK) != 0) {
		CHECK(raw_now_ms() < until);
		CHECK(waitpid(d->pid, NULL, WNOHANG) == 0);
		raw_nap();
	}
	CHECK(raw_hello(d, &c, NULL) == 0);
	raw_bye(&c);
}

static bool ended_well(const struct rawd *d, const siginfo_t *info)
{
	char text[512];
	bool ours = info->si_pid == d->pid;

	ours |= read_stat(info->si_pid, text) && strstr(text, "(larder");
	if (info->si_code != CLD_EXITED)
		return !ours || info->si_status == SIGKILL;
	return !ours || info->si_status == 0;
}

/* Return: true if there was one that has ended; false: none has, or there is none. */
static bool reap_one(const struct rawd *d, bool *any)
{
	siginfo_t info = {.si_pid = 0};

	*any = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
	if (!*any || info.si_pid == 0)
		return false;
	CHECK(ended_well(d, &info));
	waitpid(info.si_pid, NULL, 0);
	return true;
}

static void reap(const struct rawd *d)
{
	uint64_t until = raw_now_ms() + PATIENCE_MS * raw_scale();
	bool any = true;

	while (any) {
		CHECK(raw_now_ms() < until);
		if (!reap_one(d, &any) && any)
			raw_nap();
	}
}

void rawd_gone(struct rawd *d)
{
	reap(d);
	CHECK(access(d->socket, F_OK) != 0);
	CHECK(rmdir(d->dir) == 0);
	d->pid = 0;
}

void rawd_stop(struct rawd *d)
{
	CHECK(kill(d->pid, SIGTERM) == 0);
	rawd_gone(d);
}

/* ------------------------------------------------------------------ handshake */

int rawd_connect(const struct rawd *d)
{
	uint64_t until = raw_now_ms() + PATIENCE_MS * raw_scale();
	struct sockaddr_un addr;
	int fd = -1;

	CHECK(socket_path(&addr, d->socket) == 0);
	/* A moment lies between bind(2) and listen(2). */
	while (socket_connect(&addr, clock_coarse_ms() + PATIENCE_MS, &fd) != 0) {
		CHECK(raw_now_ms() < until);
		raw_nap();
	}
	return fd;
}

void raw_hello_msg(struct ctl_msg *msg, uint32_t flags)
{
	socket_message(msg, CTL_HELLO);
	msg->flags = flags;
}

struct ctl_msg raw_hello_again(const struct raw_client *c)
{
	struct ctl_msg msg;

	raw_hello_msg(&msg, 0);
	msg.slot = c->welcome.slot;
	msg.incarnation = c->welcome.incarnation;
	memcpy(msg.uuid, c->welcome.uuid, sizeof(msg.uuid));
	return msg;
}

int raw_hello(const struct rawd *d, struct raw_client *c, const struct ctl_msg *hello)
{
	struct ctl_msg plain;
	void *page;
	int r;

	raw_hello_msg(&plain, 0);
	c->fd = rawd_connect(d);
	c->ctl = NULL;
	CHECK(socket_send(c->fd, hello ? hello : &plain) == 0);
	r = socket_receive(c->fd, CTL_WELCOME, &c->welcome, c->fds,
			   clock_coarse_ms() + PATIENCE_MS * raw_scale());
	if (r < 0) {
		raw_hang_up(c);
		return r;
	}
	page = mmap(NULL, sizeof(struct ctl_page), PROT_READ, MAP_SHARED, c->fds[1], 0);
	CHECK(page != MAP_FAILED);
	c->ctl = page;
	return 0;
}

int raw_receive(int fd, enum ctl_type want)
{
	struct ctl_msg msg;
	int fds[2];

	return socket_receive(fd, want, &msg, fds, clock_coarse_ms() + PATIENCE_MS * raw_scale());
}

bool raw_hung_up(int fd, int ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	char buf[256];

	while (poll(&p, 1, ms * (int)raw_scale()) == 1)
		if (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
			return true;
	return false;
}

bool raw_writable(int fd)
{
	void *page = mmap(NULL, SHM_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		return false;
	munmap(page, SHM_PAGE);
	return true;
}

void raw_bye(struct raw_client *c)
{
	struct ctl_msg msg;

	socket_message(&msg, CTL_BYE);
	CHECK(socket_send(c->fd, &msg) == 0);
	CHECK(raw_hung_up(c->fd, PATIENCE_MS));
	raw_hang_up(c);
}

void raw_hang_up(struct raw_client *c)
{
	int *fds[] = {&c->fd, &c->fds[0], &c->fds[1]};

	for (unsigned i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
	if (c->ctl)
		munmap((void *)(uintptr_t)c->ctl, sizeof(*c->ctl));
	c->ctl = NULL;
}

bool raw_event(const struct raw_client *c, const char *text)
{
	for (unsigned i = 0; i < CTL_EVENTS; i++) {
		const struct ctl_event *e = &c->ctl->events[i];
		char copy[CTL_EVENT_TEXT + 1] = "";

		if (load_acquire(&e->seq) == 0)
			continue;
		copy_out(copy, e->text, CTL_EVENT_TEXT);
		if (strstr(copy, text))
			return true;
	}
	return false;
}
