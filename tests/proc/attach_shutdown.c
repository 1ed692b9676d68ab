/* SPDX-License-Identifier: MIT */
/* attach_shutdown.c - a cache that ends detaches its handles; the next one gets them back */
#include "larderd.h"

#include <sys/wait.h>

static uint32_t state_of(struct larder *h)
{
	struct larder_info info;

	CHECK(larder_info(h, &info) == 0);
	return info.state;
}

static void wait_for_state(struct larder *h, uint32_t state, unsigned within_ms)
{
	uint64_t start = now_ms();

	while (state_of(h) != state) {
		CHECK(now_ms() - start < within_ms);
		sleep_ms(5);
	}
	printf("state %u after %u ms\n", state, (unsigned)(now_ms() - start));
}

static uint64_t detached_writes(struct larder *h)
{
	unsigned n = larder_stat_count();
	uint64_t *values = calloc(n, sizeof(*values));
	uint64_t found = 0;

	CHECK(values != NULL && larder_stats(h, values, n) == 0);
	for (unsigned i = 0; i < n; i++)
		if (larder_stat_name(i)[0] == 'd' && larder_stat_name(i)[1] == 'e')
			found = values[i];
	free(values);
	return found;
}

int main(void)
{
	static struct larderd d;
	struct larder *h, *ro;
	unsigned value;

	larderd_start(&d, NULL);
	h = larderd_open(&d, 0);
	ro = larderd_open(&d, LARDER_RDONLY);
	put_number(h, 1, 1);
	CHECK(larder_shutdown(h, 5000) == 0);
	CHECK(waitpid(d.keeper, NULL, 0) == d.keeper);
	d.keeper = -1;
	wait_for_state(h, LARDER_STATE_DETACHED, 2000);
	wait_for_state(ro, LARDER_STATE_DETACHED, 2000);
	CHECK(get_number(h, 1, &value) == LARDER_MISS);
	CHECK(larder_set(h, "k", 1, "v", 1, 0) == LARDER_DETACHED);
	CHECK(larder_set(h, "k", 1, "v", 1, 0) == LARDER_DETACHED);
	larderd_start(&d, NULL);
	wait_for_state(h, LARDER_ATTACHED, 3000);
	wait_for_state(ro, LARDER_ATTACHED, 3000);
	CHECK(get_number(h, 1, &value) == LARDER_MISS);
	put_number(h, 1, 2);
	CHECK(get_number(ro, 1, &value) == 0 && value == 2);
	CHECK(detached_writes(h) == 2);
	larder_close(ro);
	larder_close(h);
	larderd_stop(&d);
	return 0;
}
