/* SPDX-License-Identifier: MIT */
/* attach_fork.c - two levels of fork, and a vfork: everybody sets and gets, nobody loses a slot */
#include "larderd.h"

#include <sys/wait.h>
#include <unistd.h>

#define KEYS 200u

struct scene {
	struct larder *h;
	unsigned base;	/* of the keys of this process */
	unsigned depth; /* of forks still to come */
	uint32_t parent_slot;
};

static void write_keys(struct larder *h, unsigned base)
{
	for (unsigned i = 0; i < KEYS; i++)
		put_number(h, base + i, base * 3 + i);
}

static void check_keys(struct larder *h, unsigned base)
{
	unsigned value;

	for (unsigned i = 0; i < KEYS; i++) {
		CHECK(get_number(h, base + i, &value) == 0);
		CHECK(value == base * 3 + i);
	}
}

static uint32_t slot_of(struct larder *h)
{
	struct larder_info info;

	CHECK(larder_info(h, &info) == 0);
	CHECK(info.state == LARDER_ATTACHED);
	return info.slot;
}

/* Sets and gets before, between and after its own child does the same. */
static int family(void *arg)
{
	const struct scene *self = arg;
	struct scene child = *self;

	write_keys(self->h, self->base);
	child.parent_slot = slot_of(self->h);
	CHECK(child.parent_slot != self->parent_slot);
	if (self->depth > 0) {
		child.base += KEYS;
		child.depth--;
		run_child(family, &child);
		check_keys(self->h, child.base);
	}
	CHECK(slot_of(self->h) == child.parent_slot);
	check_keys(self->h, self->base);
	write_keys(self->h, self->base);
	check_keys(self->h, 0);
	larder_close(self->h);
	return 0;
}

/* Leaves the handle alone, as a program that forks before an exec does. */
static int bystander(void *arg)
{
	(void)arg;
	return 0;
}

static void vfork_child(struct larder *h)
{
	unsigned value = 0;
	int status;
	pid_t pid;

	put_number(h, 7, 21);
	/* More than a child of vfork() may do: what is tested is that such a call is harmless. */
	pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	CHECK(pid >= 0);
	if (pid == 0)
		_exit(get_number(h, 7, &value)); /* NOLINT(clang-analyzer-unix.Vfork) */
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(value == 21);
	put_number(h, 7, 22);
}

static int count_one(void *ctx, const struct larder_client *client)
{
	(void)client;
	++*(uint32_t *)ctx;
	return 0;
}

static uint32_t count_clients(struct larder *h)
{
	uint32_t n = 0;

	CHECK(larder_clients(h, count_one, &n) == 0);
	return n;
}

int main(void)
{
	static struct larderd d;
	struct scene scene = {.depth = 2, .base = KEYS, .parent_slot = UINT32_MAX};
	struct larder *h;

	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	write_keys(h, 0);
	scene.h = h;
	scene.parent_slot = slot_of(h);
	run_child(family, &scene);
	run_child(bystander, NULL);
	check_keys(h, 0);
	CHECK(slot_of(h) == scene.parent_slot);
	vfork_child(h);
	/* The slots of the dead are free again. */
	for (unsigned i = 0; i < 500 && count_clients(h) > 1; i++)
		sleep_ms(10);
	CHECK(count_clients(h) == 1);
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
