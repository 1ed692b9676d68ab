/* SPDX-License-Identifier: MIT */
/* attach_restart.c - the daemon is killed again and again under a client: no call fails, no key is lost */
#include "larderd.h"

#include <string.h>
#include <unistd.h>

#define KILLS 5u
#define KEYS 1000u

static void check_all(struct larder *h)
{
	unsigned value;

	for (unsigned i = 0; i < KEYS; i++) {
		CHECK(get_number(h, i, &value) == 0);
		CHECK(value == i * 7);
	}
}

/* Works for a while, long enough to notice that the daemon is another one. */
static void work(struct larder *h)
{
	uint64_t end = now_ms() + 1500;

	for (unsigned i = 0; now_ms() < end; i = (i + 1) % KEYS) {
		put_number(h, i, i * 7);
		check_all(h);
	}
}

static void describe(struct larder *h, struct larder_info *info)
{
	CHECK(larder_info(h, info) == 0);
	CHECK(info->state == LARDER_ATTACHED);
}

struct me {
	uint32_t slot;
	unsigned listed;
};

static int look_for_me(void *ctx, const struct larder_client *client)
{
	struct me *me = ctx;

	me->listed += client->slot == me->slot && client->pid == getpid() && client->state == 1;
	return 0;
}

int main(void)
{
	static struct larderd d;
	struct larder_info first, info;
	struct larder *h;

	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	for (unsigned i = 0; i < KEYS; i++)
		put_number(h, i, i * 7);
	describe(h, &first);
	for (unsigned k = 0; k < KILLS; k++) {
		struct me me = {.slot = first.slot};

		larderd_kill_daemon(&d);
		check_all(h);
		if (k % 2 == 0)
			work(h);
		describe(h, &info);
		CHECK(info.slot == first.slot);
		CHECK(memcmp(info.uuid, first.uuid, sizeof(info.uuid)) == 0);
		CHECK(info.daemon_starts == first.daemon_starts + k + 1);
		CHECK(larder_clients(h, look_for_me, &me) == 0 && me.listed == 1);
	}
	check_all(h);
	CHECK(larder_check(h, NULL, NULL) == 0);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
