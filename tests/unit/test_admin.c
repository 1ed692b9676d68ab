/* SPDX-License-Identifier: MIT */
/* test_admin.c - info, ping, shutdown */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"
#include "handle.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake, "admin");
	fake_start(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&fake);
	return 0;
}

static struct larder *open_handle(void)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .flags = LARDER_MAY_DETACH};
	struct larder *h;

	fake_beat(&fake, 0);
	assert_int_equal(larder_open(&h, fake.path, &opt), 0);
	return h;
}

static void test_info_attached(void **state)
{
	struct larder *h = open_handle();
	struct larder_info info;

	(void)state;
	store_relaxed(&fake.ctl->committed, 12345);
	store_relaxed(&fake.ctl->daemon_starts, 3);
	fake_beat(&fake, -500);
	/* covers: larder_info LARDER_OK */
	assert_int_equal(larder_info(h, &info), 0);
	assert_int_equal(info.state, LARDER_ATTACHED);
	assert_memory_equal(info.uuid, fake.hdr->uuid, 16);
	assert_int_equal(info.slot, h->me);
	assert_int_equal(info.region_bytes, 1 << 20);
	assert_int_equal(info.committed_bytes, 12345);
	assert_int_equal(info.n_segments, fake.hdr->geo.n_segs);
	assert_int_equal(info.n_free_segments, info.n_segments);
	assert_int_equal(info.n_offline_segments, 0);
	assert_int_equal(info.data_bytes, info.n_segments * info.segment_bytes);
	assert_int_equal(info.index_bytes, (1 << 20) / 64);
	assert_int_equal(info.max_value_bytes, (1 << 20) / 8);
	assert_true(info.n_slots > 1024);
	assert_int_equal(info.daemon_pid, getpid());
	assert_int_equal(info.daemon_starts, 3);
	assert_in_range(info.heartbeat_age_ms, 400, 5000);
	assert_int_equal(info.layout_major, LAYOUT_MAJOR);
	assert_string_equal(info.policy, "lru");
	assert_string_equal(info.cache_name, "fake");
	/* covers: larder_info -EINVAL */
	assert_int_equal(larder_info(h, NULL), -EINVAL);
	assert_int_equal(larder_info(NULL, &info), -EINVAL);
	larder_close(h);
}

static void test_info_detached(void **state)
{
	struct larder_info info;
	struct larder *h;

	(void)state;
	fake_stop(&fake);
	h = open_handle();
	fake_start(&fake);
	assert_int_equal(larder_info(h, &info), 0);
	assert_int_equal(info.state, LARDER_STATE_DETACHED);
	assert_int_equal(info.n_segments, 0);
	larder_close(h);
}

static void test_ping(void **state)
{
	struct larder *h = open_handle();
	uint64_t us = UINT64_MAX;

	(void)state;
	/* covers: larder_ping LARDER_OK */
	assert_int_equal(larder_ping(h, 0, &us), 0);
	assert_in_range(us, 0, 1000000);
	assert_int_equal(larder_ping(h, 1000, NULL), 0);
	fake_set_fault(&fake, FAKE_SILENT, 0);
	/* covers: larder_ping -ETIMEDOUT */
	assert_int_equal(larder_ping(h, 20, NULL), -ETIMEDOUT);
	fake_set_fault(&fake, FAKE_HANG_UP, 0);
	/* covers: larder_ping -ECONNREFUSED */
	assert_int_equal(larder_ping(h, 1000, NULL), -ECONNREFUSED);
	fake_set_fault(&fake, FAKE_HONEST, 0);
	h->busy = 1;
	/* covers: larder_ping -EBUSY */
	assert_int_equal(larder_ping(h, 1000, NULL), -EBUSY);
	h->busy = 0;
	fake_stop(&fake);
	/* covers: larder_ping -ENOENT */
	assert_int_equal(larder_ping(h, 1000, NULL), -ENOENT);
	/* covers: larder_shutdown -ENOENT */
	assert_int_equal(larder_shutdown(h, 1000), -ENOENT);
	fake_start(&fake);
	larder_close(h);
	assert_int_equal(larder_ping(NULL, 1000, NULL), -EINVAL);
}

static void test_shutdown(void **state)
{
	struct larder *h = open_handle();

	(void)state;
	/* covers: larder_shutdown LARDER_OK */
	assert_int_equal(larder_shutdown(h, 1000), 0);
	fake_set_fault(&fake, FAKE_ERROR, -EACCES);
	/* covers: larder_shutdown -EACCES */
	assert_int_equal(larder_shutdown(h, 1000), -EACCES);
	fake_set_fault(&fake, FAKE_SILENT, 0);
	/* covers: larder_shutdown -ETIMEDOUT */
	assert_int_equal(larder_shutdown(h, 20), -ETIMEDOUT);
	fake_set_fault(&fake, FAKE_HANG_UP, 0);
	/* covers: larder_shutdown -ECONNREFUSED */
	assert_int_equal(larder_shutdown(h, 1000), -ECONNREFUSED);
	fake_set_fault(&fake, FAKE_HONEST, 0);
	larder_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info_attached),
		cmocka_unit_test(test_info_detached),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_shutdown),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
