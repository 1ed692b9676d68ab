/* SPDX-License-Identifier: MIT */
/* test_clock.c - deadlines, and what they do to items */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "cleaner.h"
#include "clock.h"
#include "local.h"

static struct local local;
static struct larder *h;

static int setup(void **state)
{
	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

static void test_expiry(void **state)
{
	uint64_t now = clock_now_ms(h);

	(void)state;
	assert_int_equal(clock_expiry(h, 0), 0);
	assert_int_equal(clock_expiry(h, -1), ITEM_EXPIRED);
	assert_int_equal(clock_expiry(h, INT64_MIN), ITEM_EXPIRED);
	assert_in_range(clock_expiry(h, 1000), now + 1000, now + 60000);
	assert_int_equal(clock_expiry(h, 40LL * 366 * 86400 * 1000), 0);
	assert_int_equal(clock_expiry(h, INT64_MAX), 0);
	assert_true(clock_expiry(h, 29LL * 366 * 86400 * 1000) > now);
}

static void test_passed(void **state)
{
	(void)state;
	assert_true(clock_passed(h, clock_now_ms(h)));
	assert_true(clock_passed(h, 1));
	assert_false(clock_passed(h, clock_now_ms(h) + 10000));
	assert_int_equal(larder_advance_clock(h, 10000), 0);
	assert_true(clock_passed(h, clock_now_ms(h)));
	assert_false(clock_passed(h, clock_now_ms(h) + 10000));
}

/* Exact also within a coarse tick: a deadline is not passed before it is. */
static void test_exact(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		uint64_t deadline = clock_now_ms(h) + 15;

		uint64_t before;

		do
			before = clock_now_ms(h);
		while (!clock_passed(h, deadline) && before < deadline);
		assert_true(clock_now_ms(h) >= deadline);
		assert_true(clock_passed(h, deadline));
	}
}

/* What a handle knows after a suspend of an hour: it refreshed an hour ago. */
static void test_deadline_that_passed_in_suspend_is_seen_at_once(void **state)
{
	const uint64_t hour_ns = 3600ULL * 1000 * 1000000;
	uint64_t now = clock_now_ms(h);

	(void)state;
	assert_false(clock_passed(h, now + 10000));
	for (int i = 0; i < 100; i++) {
		h->clock.refreshed_ns -= hour_ns;
		assert_true(clock_passed(h, now));
		assert_false(clock_passed(h, now + 60000));
	}
}

/* The offset of before is wrong by an hour, in both directions. */
static void test_wall_clock_that_is_set_changes_no_deadline(void **state)
{
	const uint64_t hour_ns = 3600ULL * 1000 * 1000000;
	uint64_t now = clock_now_ms(h);

	(void)state;
	for (int i = 0; i < 100; i++) {
		uint64_t step = i % 2 == 0 ? hour_ns : 0 - hour_ns;

		assert_false(clock_passed(h, now + 60000));
		h->clock.boot_offset_ns += step;
		h->clock.refreshed_ns -= step;
		assert_true(clock_passed(h, now));
		assert_false(clock_passed(h, now + 60000));
	}
}

static uint64_t fine_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Below the true offset by less than a millisecond, and never above it: nothing expires early. */
static void test_offset_is_not_rounded_up(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t mono, boot, later;

		memset(&h->clock, 0, sizeof(h->clock));
		assert_false(clock_passed(h, clock_now_ms(h) + 10000));
		if (h->clock.refreshed_ns == 0)
			continue; /* held up in every look */
		mono = fine_ns(CLOCK_REALTIME);
		boot = fine_ns(CLOCK_BOOTTIME);
		later = fine_ns(CLOCK_REALTIME);
		assert_true(mono + h->clock.boot_offset_ns <= boot);
		assert_true(later + h->clock.boot_offset_ns + 1000000 > boot);
	}
}

static void test_advance(void **state)
{
	struct local real;
	struct larder *detached = handle_new();
	struct larder *reader;
	uint64_t now = clock_now_ms(h);

	(void)state;
	/* covers: larder_advance_clock 0 */
	assert_int_equal(larder_advance_clock(h, 1000000), 0);
	assert_in_range(clock_now_ms(local.daemon), now + 1000000, now + 1060000);
	reader = local_open_rdonly(&local);
	/* covers: larder_advance_clock -EROFS */
	assert_int_equal(larder_advance_clock(reader, 1), -EROFS);
	/* covers: larder_advance_clock LARDER_DETACHED */
	assert_int_equal(larder_advance_clock(detached, 1), LARDER_DETACHED);
	assert_int_equal(larder_advance_clock(NULL, 1), -EINVAL);
	handle_free(detached);
	local_init(&real, &(struct local_options){.real_clock = true});
	/* covers: larder_advance_clock -EPERM */
	assert_int_equal(larder_advance_clock(real.daemon, 1), -EPERM);
	local_deinit(&real);
}

static void test_items(void **state)
{
	struct larder_meta meta;

	(void)state;
	assert_int_equal(larder_set(h, "never", 5, "x", 1, 0), 0);
	assert_int_equal(larder_set(h, "gone", 4, "x", 1, -1), 0);
	assert_int_equal(larder_set(h, "soon", 4, "x", 1, 1000), 0);
	assert_int_equal(larder_set(h, "late", 4, "x", 1, 29LL * 366 * 86400 * 1000), 0);
	assert_int_equal(larder_set(h, "beyond", 6, "x", 1, INT64_MAX), 0);
	assert_int_equal(larder_exists(h, "gone", 4), LARDER_MISS);
	assert_int_equal(larder_exists(h, "soon", 4), 0);
	assert_int_equal(larder_advance_clock(h, 1000), 0);
	assert_int_equal(larder_exists(h, "soon", 4), LARDER_MISS);
	assert_int_equal(larder_advance_clock(h, 28ULL * 366 * 86400 * 1000), 0);
	assert_int_equal(larder_exists(h, "late", 4), 0);
	assert_int_equal(larder_get_meta(h, "late", 4, NULL, NULL, &meta), 0);
	assert_in_range(meta.ttl_ms, 1, 366LL * 86400 * 1000);
	assert_int_equal(larder_advance_clock(h, 2ULL * 366 * 86400 * 1000), 0);
	assert_int_equal(larder_exists(h, "late", 4), LARDER_MISS);
	assert_int_equal(larder_exists(h, "never", 5), 0);
	assert_int_equal(larder_get_meta(h, "beyond", 6, NULL, NULL, &meta), 0);
	assert_int_equal(meta.ttl_ms, 0);
}

/* What has expired is replaced like an absent item, and the cleaner says why it went. */
static void test_expired_items_leave(void **state)
{
	char key[16];

	(void)state;
	for (unsigned i = 0; i < 500; i++) {
		size_t klen = (size_t)snprintf(key, sizeof(key), "key%u", i);

		assert_int_equal(larder_set(h, key, klen, key, klen, 1000), 0);
	}
	assert_int_equal(larder_advance_clock(h, 1000), 0);
	assert_int_equal(larder_add(h, "key0", 4, "new", 3, 0), 0);
	assert_int_equal(larder_exists(h, "key0", 4), 0);
	assert_int_equal(larder_exists(h, "key1", 4), LARDER_MISS);
	while (local_stat(&local, STAT_items_in) - local_stat(&local, STAT_items_out) > 1)
		assert_true(cleaner_step(local.daemon, 8, false) > 0);
	assert_int_equal(local_stat(&local, STAT_expired), 499);
	assert_int_equal(local_stat(&local, STAT_evicted), 0);
	assert_int_equal(larder_exists(h, "key0", 4), 0);
	assert_true(local_sound(&local));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_passed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exact, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_deadline_that_passed_in_suspend_is_seen_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wall_clock_that_is_set_changes_no_deadline,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_offset_is_not_rounded_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_advance, setup, teardown),
		cmocka_unit_test_setup_teardown(test_items, setup, teardown),
		cmocka_unit_test_setup_teardown(test_expired_items_leave, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
