/* SPDX-License-Identifier: MIT */
/* test_daemon_ctlpage.c - the ring of events, the heartbeat; log lines that nobody reads */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "atomic.h"
#include "ctlpage.h"
#include "log.h"

static struct ctl_page page;

static void test_identity(void **state)
{
	static const uint8_t uuid[16] = {1, 2, 3};

	(void)state;
	memset(&page, 0, sizeof(page));
	ctlpage_init(&page, uuid, "web");
	assert_true(load_acquire(&page.magic) == CTL_MAGIC);
	assert_string_equal(page.name, "web");
	assert_memory_equal(page.uuid, uuid, 16);
	assert_false(ctlpage_retired(&page));
	ctlpage_retire(&page);
	assert_true(ctlpage_retired(&page));
}

static void test_heartbeat(void **state)
{
	(void)state;
	ctlpage_beat(&page);
	assert_true(ctlpage_now_ms() - load_relaxed(&page.heartbeat_ms) < 1000);
	/* Nearly equal: the machine has hardly slept during this line. */
	assert_true(load_relaxed(&page.boot_offset_ms) + ctlpage_now_ms() - ctlpage_boot_ms() +
			    1000 <
		    2000);
}

static void test_ring_comes_round(void **state)
{
	const struct ctl_event *e;

	(void)state;
	memset(&page, 0, sizeof(page));
	log_init(LEVEL_ERROR);
	for (unsigned i = 1; i <= CTL_EVENTS + 3; i++)
		ctlpage_event(&page, LEVEL_INFO, "event %u", i);
	assert_true(load_acquire(&page.event_seq) == CTL_EVENTS + 3);
	e = &page.events[2];
	assert_true(load_acquire(&e->seq) == CTL_EVENTS + 3);
	assert_memory_equal(e->text, "event 259", 10);
	e = &page.events[3];
	assert_true(load_acquire(&e->seq) == 4);
	assert_memory_equal(e->text, "event 4", 8);
	assert_true(load_relaxed(&e->time_ms) > 1600000000000);
}

static void test_long_event_is_cut(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	memset(&page, 0, sizeof(page));
	ctlpage_event(&page, LEVEL_INFO, "%s", text);
	assert_int_equal(load_relaxed_u8(&page.events[0].text[CTL_EVENT_TEXT - 2]), 'x');
	assert_int_equal(load_relaxed_u8(&page.events[0].text[CTL_EVENT_TEXT - 1]), 0);
}

/* A full pipe must not stop the daemon; what was lost is told later. */
static void test_log_never_blocks(void **state)
{
	char buf[70000];
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	(void)state;
	assert_true(saved >= 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
	log_init(LEVEL_INFO);
	for (int i = 0; i < 5000; i++)
		log_info("line %d of many that nobody reads", i);
	while (read(fds[0], buf, sizeof(buf)) == (ssize_t)sizeof(buf))
		;
	log_info("the last one");
	n = read(fds[0], buf, sizeof(buf) - 1);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[0]);
	close(fds[1]);
	assert_true(n > 0);
	buf[n] = '\0';
	assert_non_null(strstr(buf, "lines dropped) the last one\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),	 cmocka_unit_test(test_heartbeat),
		cmocka_unit_test(test_ring_comes_round), cmocka_unit_test(test_long_event_is_cut),
		cmocka_unit_test(test_log_never_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
