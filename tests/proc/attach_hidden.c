/* SPDX-License-Identifier: MIT
 *
 * attach_hidden.c - clients and a daemon from which every newer kernel feature is hidden: hazards are
 * ordered by fences; items are stored and evicted, with the daemon, while it is stopped, after its death
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "handle.h"
#include "larderd.h"

#define CLIENTS 3
#define VALUE 4096u
#define HELD 2000u /* half of the region */
#define SETS 6000u /* of all clients together more than four times the region */

static void fill(uint8_t *value, unsigned key, unsigned round)
{
	memset(value, (int)(key * 7 + round), VALUE);
	memcpy(value, &key, sizeof(key));
}

/* Return: how many are still there, each as it was stored last. */
static unsigned hits_of(struct larder *h, unsigned first, unsigned round)
{
	static uint8_t value[VALUE], want[VALUE];
	unsigned hits = 0;

	for (unsigned key = first; key < first + SETS; key++) {
		size_t len = sizeof(value);
		int r = larder_get(h, &key, sizeof(key), value, &len);

		if (r == LARDER_MISS)
			continue;
		fill(want, key, round);
		CHECK(r == 0 && len == VALUE && memcmp(value, want, VALUE) == 0);
		hits++;
	}
	return hits;
}

static void work(const struct larderd *d, unsigned number, unsigned round)
{
	static uint8_t value[VALUE];
	struct larder *h = larderd_open(d, 0);
	unsigned first = number * SETS;

	CHECK(h->full_fence);
	for (unsigned key = first; key < first + SETS; key++) {
		fill(value, key, round);
		CHECK(larder_set(h, &key, sizeof(key), value, VALUE, 0) == 0);
	}
	hits_of(h, first, round); /* maybe none: the others went on */
	larder_close(h);
}

static void work_together(const struct larderd *d, unsigned round)
{
	struct larder *h = larderd_open(d, 0);
	pid_t pid[CLIENTS];
	unsigned hits = 0;
	int status;

	for (unsigned i = 0; i < CLIENTS; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i] == 0) {
			work(d, i, round);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		CHECK(waitpid(pid[i], &status, 0) == pid[i] && status == 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		hits += hits_of(h, i * SETS, round);
	CHECK(hits > HELD);
	larder_close(h);
}

/* One client, attached before the daemon stopped: nobody new can attach then. */
static void work_alone(struct larder *h, unsigned round)
{
	static uint8_t value[VALUE];
	struct larder_info info;

	CHECK(larder_info(h, &info) == 0);
	CHECK(kill((pid_t)info.daemon_pid, SIGSTOP) == 0);
	for (unsigned key = 0; key < SETS; key++) {
		fill(value, key, round);
		CHECK(larder_set(h, &key, sizeof(key), value, VALUE, 0) == 0);
	}
	CHECK(hits_of(h, 0, round) > 0);
	CHECK(kill((pid_t)info.daemon_pid, SIGCONT) == 0);
}

int main(void)
{
	static struct larderd d;
	struct larder *h;

	CHECK(setenv("LARDER_HIDE", "membarrier,pidfd_getpeer,madv_collapse,mfd_noexec", 1) == 0);
	larderd_start(&d, NULL);
	work_together(&d, 1);
	h = larderd_open(&d, 0);
	work_alone(h, 2);
	larderd_kill_daemon(&d);
	work_together(&d, 3);
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
