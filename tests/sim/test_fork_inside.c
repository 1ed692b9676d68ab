/* SPDX-License-Identifier: MIT
 *
 * test_fork_inside.c - a signal handler forks inside a call, and the child returns from it
 *
 *	test_fork_inside            up to POINTS places of each call
 *	test_fork_inside --all      every one
 *
 * The child goes on in the middle of its parent's call, with a copy of the handle, and must store nothing
 * that the parent does not store itself. So each call is made once undisturbed, and then with a fork before
 * its n-th shared access, or its n-th look at `alive`, for each n; the child goes on at once, while the
 * parent waits, or after the parent's call. The whole region must then be what it is after the
 * undisturbed call, byte by byte: items, index, segments, hazards and counters.
 * No fork comes between a look and the access right behind it, nor between two counters, which are no
 * accesses: a fork in these few instructions is not undone.
 * test-timeout: 120
 */
#include <larder/larder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "calls.h"
#include "tiny.h"

#define CLIENT 1u
#define DAEMON 0u
#define POINTS 400u
#define NEVER UINT64_MAX

enum order { CHILD_FIRST, PARENT_FIRST, ORDERS };
static const char *const order_names[] = {"the child goes on first", "the parent goes on first"};

/* The fork of the call that is being made. */
static struct {
	bool armed;
	bool looked; /* the last event was a look at `alive` */
	uint64_t seen, at;
	enum order order;
	const shm_u64 *alive;
	pid_t pid; /* of the child; 0: in it, or none */
	bool inside;
	int gate; /* the child waits until the other end is closed */
} point;

static struct tiny tiny;
static uint64_t forks, given_up;

static int wait_for(pid_t pid)
{
	int status = 0;

	if (waitpid(pid, &status, 0) != pid)
		abort();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int child_result;

static void fork_here(void)
{
	int ends[2];
	char c;

	if (pipe(ends) != 0)
		abort();
	fflush(NULL);
	point.armed = false;
	forks++;
	point.pid = fork();
	if (point.pid < 0)
		abort();
	point.inside = point.pid == 0;
	if (point.inside) {
		close(ends[1]);
		alarm(20);
		if (point.order == PARENT_FIRST && read(ends[0], &c, 1) != 0)
			abort();
		close(ends[0]);
		return;
	}
	close(ends[0]);
	point.gate = ends[1];
	if (point.order == CHILD_FIRST)
		child_result = wait_for(point.pid);
}

static void event(void)
{
	if (point.seen++ == point.at)
		fork_here();
}

void sim_point(uintptr_t addr)
{
	(void)addr;
	if (point.armed && !point.looked)
		event();
	point.looked = false;
}

uint64_t sim_value(uintptr_t addr, uint64_t value)
{
	if (addr != (uintptr_t)point.alive)
		return value;
	if (point.armed)
		event();
	point.looked = true;
	return point.inside ? 0 : value;
}

/* The child's end: it was told to call again, or its parent had done all before the fork. Before the
 * call's first look it is a handle of the child, which is detached here. */
static _Noreturn void end_child(const struct call *call, int r)
{
	if (r == 0)
		_exit(0);
	if (r == -EAGAIN || r == LARDER_DETACHED || (call->subjects == 3 && r == LARDER_MISS))
		_exit(1);
	fprintf(stderr, "the child's call returned %d\n", r);
	_exit(2);
}

/* One call with a fork at the n-th event. Return: its result; the handle is still there. */
static int make_call(const struct call *call, uint64_t at, enum order order, struct larder **hp)
{
	struct larder *h;
	int r;

	tiny_reset(&tiny);
	h = tiny_enter(&tiny, CLIENT, 7);
	calls_prepare(call, h, &tiny);
	memset(&point, 0, sizeof(point));
	child_result = -1;
	point.alive = h->wipe_page;
	point.at = at;
	point.order = order;
	point.armed = true;
	r = call->run(h);
	if (point.inside)
		end_child(call, r);
	point.armed = false;
	if (point.pid != 0) {
		close(point.gate);
		if (order == PARENT_FIRST)
			child_result = wait_for(point.pid);
	}
	point.alive = NULL;
	*hp = h;
	return r;
}

static void finding(void *ctx, unsigned invariant, const char *text)
{
	(void)ctx;
	fprintf(stderr, "  I%u: %s\n", invariant, text);
}

/* All of the region but each segment's time of birth, and its number of items, which nobody goes by: a
 * child stores it right behind `fill`. */
static void save(uint8_t *image)
{
	struct shm_table *t = (struct shm_table *)(void *)(tiny.base + tiny.geo.off_table);

	for (uint32_t seg = 0; seg < tiny.geo.n_segs; seg++) {
		store_relaxed_u32(&t[seg].born_s, 0);
		store_relaxed_u32(&t[seg].items, 0);
	}
	tiny_save(&tiny, image);
}

/* The same region as after the call without a fork, and a parent that can go on. */
static const char *examine(const struct call *call, struct larder *h, const uint8_t *image,
			   uint8_t *now)
{
	struct larder *daemon;
	const char *wrong;

	if (child_result > 1)
		return "the child failed";
	given_up += child_result == 1;
	save(now);
	if (memcmp(now, image, tiny.image_bytes) != 0)
		return "the region is not what the parent made of it";
	wrong = calls_use(call, h);
	if (wrong != NULL)
		return wrong;
	daemon = tiny_enter(&tiny, DAEMON, 3);
	if (larder_check(daemon, finding, NULL) != 0)
		wrong = "larder_check() found damage";
	tiny_leave(daemon);
	return wrong;
}

/* What is different, for whoever looks for the reason. */
static void show(const uint8_t *image, const uint8_t *now)
{
	unsigned shown = 0;

	for (uint64_t p = 0, i = 0; p < TINY_PARTS; i += tiny.part[p++].len)
		for (uint64_t k = 0; k < tiny.part[p].len && shown < 16; k++)
			if (now[i + k] != image[i + k]) {
				fprintf(stderr, "  byte %llu: %02x, not %02x\n",
					(unsigned long long)tiny.part[p].off + k, now[i + k],
					image[i + k]);
				shown++;
			}
}

static bool fork_at(const struct call *call, uint64_t at, enum order order, const uint8_t *image,
		    uint8_t *now)
{
	struct larder *h;
	int r = make_call(call, at, order, &h);
	const char *wrong = r != 0 ? "the parent's call failed" : examine(call, h, image, now);

	if (wrong != NULL) {
		fprintf(stderr, "%s, a fork at event %llu, %s: %s\n", call->name,
			(unsigned long long)at, order_names[order], wrong);
		show(image, now);
	}
	tiny_leave(h);
	return wrong == NULL;
}

static bool fork_in(const struct call *call, bool all)
{
	uint64_t length, step, before = forks, given_before = given_up;
	unsigned bad = 0;
	struct larder *h;
	uint8_t *image, *now;

	tiny_init(&tiny, &call->region);
	image = malloc(tiny.image_bytes);
	now = calloc(1, tiny.image_bytes);
	if (image == NULL || now == NULL || make_call(call, NEVER, CHILD_FIRST, &h) != 0)
		abort();
	save(image);
	length = point.seen;
	tiny_leave(h);
	step = all || length <= POINTS ? 1 : length / POINTS | 1;
	for (uint64_t at = 0; at < length && bad < 10; at += step)
		for (unsigned order = 0; order < ORDERS; order++)
			bad += !fork_at(call, at, (enum order)order, image, now);
	printf("%-22s %6llu events, %6llu forks, %6llu calls given up by the child, %u wrong\n",
	       call->name, (unsigned long long)length, (unsigned long long)(forks - before),
	       (unsigned long long)(given_up - given_before), bad);
	free(now);
	free(image);
	tiny_deinit(&tiny);
	return bad == 0;
}

/* Without a deadline, which would differ from run to run. */
static int touch(struct larder *h)
{
	return larder_touch(h, "subject", 7, 0);
}

int main(int argc, char **argv)
{
	bool all = argc > 1 && strcmp(argv[1], "--all") == 0;
	bool ok = true;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (unsigned i = 0; i < n_calls; i++) {
		struct call call = calls[i];

		if (strcmp(call.name, "get") == 0)
			continue; /* a read stores hints and its counters, and may go on */
		if (strcmp(call.name, "touch") == 0)
			call.run = touch;
		ok = fork_in(&call, all) && ok;
	}
	return ok ? 0 : 1;
}
