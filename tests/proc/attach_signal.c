/* SPDX-License-Identifier: MIT */
/*
 * attach_signal.c - reads in a signal handler: -EBUSY inside a call, else as anywhere, even when it is
 * the first call in the child of a fork
 */
#include "larderd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define ROUNDS 300000u

static struct larder *handle;
static volatile sig_atomic_t hits, busy, wrong;

static void on_signal(int signal)
{
	unsigned value = 0;
	int r = get_number(handle, 1, &value);

	(void)signal;
	if (r == -EBUSY)
		busy++;
	else if (r == 0 && value == 5)
		hits++;
	else
		wrong++;
}

static void install(int signal)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = on_signal;
	CHECK(sigaction(signal, &action, NULL) == 0);
}

static int first_read_in_a_handler(void *arg)
{
	unsigned value;

	(void)arg;
	hits = busy = wrong = 0;
	raise(SIGUSR1);
	CHECK(hits == 1 && busy == 0 && wrong == 0);
	put_number(handle, 3, 33);
	CHECK(get_number(handle, 3, &value) == 0 && value == 33);
	larder_close(handle);
	return 0;
}

int main(void)
{
	const struct itimerval fast = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
	static struct larderd d;
	unsigned value;

	larderd_start(&d, NULL);
	handle = larderd_open(&d, 0);
	put_number(handle, 1, 5);
	install(SIGUSR1);
	run_child(first_read_in_a_handler, NULL);
	install(SIGALRM);
	CHECK(setitimer(ITIMER_REAL, &fast, NULL) == 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		CHECK(larder_set(handle, "other", 5, &i, sizeof(i), 0) == 0);
		CHECK(get_number(handle, 1, &value) == 0 && value == 5);
	}
	CHECK(setitimer(ITIMER_REAL, &off, NULL) == 0);
	printf("in handlers: %d hits, %d busy, %d wrong\n", (int)hits, (int)busy, (int)wrong);
	CHECK(wrong == 0 && busy > 0);
	CHECK(larder_check(handle, NULL, NULL) == 0);
	larder_close(handle);
	larderd_stop(&d);
	return 0;
}
