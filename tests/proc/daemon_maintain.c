/* SPDX-License-Identifier: MIT
 *
 * daemon_maintain.c - the daemon makes room ahead of writers, also where membarrier(2) is missing
 */
#include <larder/larder.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handle.h"
#include "rawd.h"

#define KEYS 60000u
#define VALUE 200u

/* What slot 0 has counted: the daemon's own work. */
static uint64_t daemon_count(const struct raw_client *c, enum counter stat)
{
	struct shm_header *hdr;
	struct shm_slot *slots;
	struct stat st;
	uint64_t n;

	CHECK(fstat(c->fds[0], &st) == 0);
	hdr = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, c->fds[0], 0);
	CHECK(hdr != MAP_FAILED);
	slots = (struct shm_slot *)(void *)((uint8_t *)hdr + hdr->geo.off_slots);
	n = load_acquire(&slots[0].count[stat]);
	munmap(hdr, (size_t)st.st_size);
	return n;
}

static uint64_t free_segments(struct larder *h)
{
	struct larder_info info;

	CHECK(larder_info(h, &info) == 0);
	return info.n_free_segments;
}

/* Three times the region, with a pause now and then, as a cache has it. */
static void store(struct larder *h)
{
	char key[16], value[VALUE];

	memset(value, 'v', sizeof(value));
	for (unsigned i = 0; i < KEYS; i++) {
		int len = snprintf(key, sizeof(key), "key-%u", i);

		CHECK(larder_set(h, key, (size_t)len, value, sizeof(value), 0) == 0);
		if (i % 500 == 0)
			raw_nap();
	}
}

static void test_makes_room(const char *hide)
{
	const char *sets[] = {"memory=4M", "log_level=info", hide, NULL};
	struct ctl_msg hello;
	struct raw_client c;
	struct larder *h;
	struct rawd d;
	uint64_t beat;

	rawd_start(&d, sets);
	/* A reader that announces nothing must not keep segments from being used again. */
	raw_hello_msg(&hello, CTL_FLAG_RDONLY);
	CHECK(raw_hello(&d, &c, &hello) == 0);
	CHECK(larder_open(&h, d.socket, NULL) == 0);
	beat = load_acquire(&c.ctl->heartbeat_ms);
	store(h);
	WAIT_FOR(load_acquire(&c.ctl->heartbeat_ms) > beat, 1000);
	WAIT_FOR(free_segments(h) >= 4, 2000);
	CHECK(daemon_count(&c, STAT_cleaned) > 0);
	CHECK(daemon_count(&c, STAT_evicted) > 0);
	WAIT_FOR(load_acquire(&c.ctl->committed) > 1 << 20, 1000);
	CHECK(load_acquire(&c.ctl->committed) <= 4 << 20);
	larder_close(h);
	raw_hang_up(&c);
	rawd_stop(&d);
}

int main(void)
{
	test_makes_room(NULL);
	CHECK(setenv("LARDER_HIDE", "membarrier", 1) == 0);
	test_makes_room("hide=membarrier");
	return 0;
}
