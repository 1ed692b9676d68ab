/* SPDX-License-Identifier: MIT */
/*
 * attach_stopped.c - a daemon that is stopped, and its keeper with it, costs a client no system call:
 * a filter kills it at the first one, far beyond the age at which a heartbeat is old
 */
#include "larderd.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define WORK_MS 1800u

#ifdef __SANITIZE_ADDRESS__
#define FILTER false /* the sanitizer's runtime makes system calls of its own */
#else
#define FILTER true
#endif

struct scene {
	const struct larderd *d;
	pid_t daemon;
	bool stop_keeper;
};

static void allow_only_the_end(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		/* A client that recycles a segment itself may call this one. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
					   .filter = filter};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static int work(void *arg)
{
	const struct scene *scene = arg;
	struct larder *h = larderd_open(scene->d, 0);
	uint64_t end = now_ms() + WORK_MS;
	unsigned value;

	kill(scene->daemon, SIGSTOP);
	if (scene->stop_keeper)
		kill(scene->d->keeper, SIGSTOP);
	if (FILTER)
		allow_only_the_end();
	for (unsigned i = 0; now_ms() < end; i++) {
		unsigned key = i % 1000;

		if (larder_set(h, &key, sizeof(key), &i, sizeof(i), 0) != 0)
			return 1;
		if (get_number(h, key, &value) != 0 || value != i)
			return 2;
	}
	return 0;
}

int main(void)
{
	static struct larderd d;
	struct larder_info info;
	struct scene scene = {.d = &d};
	struct larder *h;

	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	CHECK(larder_info(h, &info) == 0);
	scene.daemon = (pid_t)info.daemon_pid;
	for (int i = 0; i < 2; i++) {
		scene.stop_keeper = i == 1;
		run_child(work, &scene);
		kill(d.keeper, SIGCONT);
		kill(scene.daemon, SIGCONT);
	}
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
