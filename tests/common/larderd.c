/* SPDX-License-Identifier: MIT
 *
 * larderd.c - a real, private larderd for a test
 */
#include "larderd.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_MS 10000u
#define SETTINGS_MAX 8

static struct larderd *running;
static pid_t owner;

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

void sleep_ms(unsigned ms)
{
	usleep(ms * 1000);
}

static void end_with_test(void)
{
	if (running != NULL && getpid() == owner)
		larderd_stop(running);
}

static void exec_larderd(const struct larderd *d, const char *const *settings)
{
	static const char *const defaults[] = {"memory=16M", NULL};
	const char *build = getenv("LARDER_BUILD");
	const char *argv[4 + 2 * SETTINGS_MAX + 1] = {"larderd", "--socket", d->socket};
	char path[512];
	int n = 3;

	snprintf(path, sizeof(path), "%s/larderd", build != NULL ? build : "build");
	if (settings == NULL)
		settings = defaults;
	for (int i = 0; i < SETTINGS_MAX && settings[i] != NULL; i++) {
		argv[n++] = "--set";
		argv[n++] = settings[i];
	}
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	execv(path, (char *const *)(const void *)argv);
	perror(path);
	_exit(127);
}

void larderd_start(struct larderd *d, const char *const *settings)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .timeout_ms = READY_MS};
	const char *tmp = getenv("TMPDIR");
	uint64_t deadline = now_ms() + READY_MS;
	struct larder *h;
	int r;

	if (d->dir[0] == '\0') {
		snprintf(d->dir, sizeof(d->dir), "%s/larderd-XXXXXX", tmp != NULL ? tmp : "/tmp");
		CHECK(mkdtemp(d->dir) != NULL);
		snprintf(d->socket, sizeof(d->socket), "%s/test.sock", d->dir);
	}
	d->keeper = fork();
	CHECK(d->keeper >= 0);
	if (d->keeper == 0)
		exec_larderd(d, settings);
	if (running == NULL)
		atexit(end_with_test);
	running = d;
	owner = getpid();
	while ((r = larder_open(&h, d->socket, &opt)) != 0 && now_ms() < deadline)
		sleep_ms(2);
	CHECK(r == 0);
	larder_close(h);
}

static void reap(struct larderd *d)
{
	CHECK(waitpid(d->keeper, NULL, 0) == d->keeper);
	d->keeper = -1;
}

void larderd_stop(struct larderd *d)
{
	if (d->keeper > 0) {
		kill(d->keeper, SIGTERM);
		reap(d);
	}
	rmdir(d->dir);
}

static void processes(const struct larderd *d, struct larder_info *info)
{
	struct larder *h = larderd_open(d, 0);

	CHECK(larder_info(h, info) == 0);
	larder_close(h);
}

void larderd_kill_both(struct larderd *d)
{
	struct larder_info info;

	processes(d, &info);
	kill(d->keeper, SIGSTOP);
	kill((pid_t)info.daemon_pid, SIGKILL);
	kill(d->keeper, SIGKILL);
	reap(d);
}

void larderd_kill_daemon(struct larderd *d)
{
	struct larder_info before, after;

	processes(d, &before);
	kill((pid_t)before.daemon_pid, SIGKILL);
	do {
		processes(d, &after);
	} while (after.daemon_pid == before.daemon_pid);
}

struct larder *larderd_open(const struct larderd *d, unsigned flags)
{
	const struct larder_open_options opt = {
		.size = sizeof(opt), .flags = flags, .timeout_ms = READY_MS};
	struct larder *h;
	int r = larder_open(&h, d->socket, &opt);

	if (r != 0)
		fprintf(stderr, "larder_open: %s\n", larder_strerror(r));
	CHECK(r == 0);
	return h;
}

void run_child(int (*fn)(void *), void *arg)
{
	int status;
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid == 0)
		_exit(fn(arg));
	CHECK(waitpid(pid, &status, 0) == pid);
	if (status != 0)
		fprintf(stderr, "child: status 0x%x\n", (unsigned)status);
	CHECK(status == 0);
}

void put_number(struct larder *h, unsigned key, unsigned value)
{
	int r = larder_set(h, &key, sizeof(key), &value, sizeof(value), 0);

	if (r != 0)
		fprintf(stderr, "larder_set: %s\n", larder_strerror(r));
	CHECK(r == 0);
}

int get_number(struct larder *h, unsigned key, unsigned *value)
{
	size_t len = sizeof(*value);
	int r = larder_get(h, &key, sizeof(key), value, &len);

	CHECK(r != LARDER_OK || len == sizeof(*value));
	return r;
}
