/* SPDX-License-Identifier: MIT */
/* test_stats.c - counters, clients and events, as others see them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "fake.h"
#include "handle.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake, "stats");
	fake_start(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&fake);
	return 0;
}

static struct larder *open_handle(unsigned flags)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .flags = flags};
	struct larder *h;

	fake_beat(&fake, 0);
	assert_int_equal(larder_open(&h, fake.path, &opt), 0);
	return h;
}

static void test_names(void **state)
{
	(void)state;
	/* covers: larder_stat_count */
	assert_int_equal(larder_stat_count(), STAT_COUNT);
	for (unsigned i = 0; i < larder_stat_count(); i++) {
		/* covers: larder_stat_name */
		const char *name = larder_stat_name(i);

		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		/* covers: larder_stat_help */
		assert_true(strlen(larder_stat_help(i)) > 0);
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(name, larder_stat_name(j));
	}
	assert_null(larder_stat_name(STAT_COUNT));
	assert_null(larder_stat_help(STAT_COUNT));
	assert_string_equal(larder_stat_name(STAT_get_hits), "get_hits");
}

static void test_sum_over_live_and_closed_handles(void **state)
{
	struct larder *a = open_handle(0), *b = open_handle(0), *ro = open_handle(LARDER_RDONLY);
	uint64_t before[STAT_COUNT], after[STAT_COUNT + 2];

	(void)state;
	assert_int_equal(larder_stats(a, before, STAT_COUNT), 0);
	stat_add(a, STAT_get, 3);
	stat_add(b, STAT_get, 4);
	stat_add(b, STAT_set, 1);
	larder_close(b);
	/* covers: larder_stats LARDER_OK */
	assert_int_equal(larder_stats(a, after, STAT_COUNT + 2), 0);
	assert_int_equal(after[STAT_get] - before[STAT_get], 7);
	assert_int_equal(after[STAT_set] - before[STAT_set], 1);
	assert_int_equal(after[STAT_COUNT] + after[STAT_COUNT + 1], 0);
	/* A read-only handle sees its own calls beside the others'. */
	stat_add(ro, STAT_get, 10);
	assert_int_equal(larder_stats(ro, after, STAT_COUNT), 0);
	assert_int_equal(after[STAT_get] - before[STAT_get], 17);
	after[1] = 99;
	assert_int_equal(larder_stats(a, after, 1), 0);
	assert_int_equal(after[1], 99);
	assert_int_equal(larder_stats(a, NULL, 1), -EINVAL);
	larder_close(a);
	larder_close(ro);
}

static void test_scribbled_number_of_slots(void **state)
{
	struct larder *h = open_handle(0);
	uint32_t high = load_relaxed_u32(&fake.hdr->slots_high);
	uint64_t values[STAT_COUNT];

	(void)state;
	store_relaxed_u32(&fake.hdr->slots_high, UINT32_MAX);
	assert_int_equal(larder_stats(h, values, STAT_COUNT), 0);
	store_relaxed_u32(&fake.hdr->slots_high, high);
	larder_close(h);
}

static void test_namespaces(void **state)
{
	struct larder *h = open_handle(0);
	struct larder_ns_stats before, ns;

	(void)state;
	handle_select(h, 7);
	add_own(&h->ns_count->misses, 1);
	add_own(&h->ns_count->hits, 4);
	add_own(&h->ns_count->sets, 3);
	add_own(&h->ns_count->deletes, 2);
	/* covers: larder_stats_ns LARDER_OK */
	assert_int_equal(larder_stats_ns(h, 7, &ns), 0);
	assert_int_equal(ns.id, 7);
	assert_int_equal(ns.gets * 1000 + ns.hits * 100 + ns.sets * 10 + ns.deletes, 5432);
	assert_int_equal(larder_stats_ns(h, 8, &ns), 0);
	assert_int_equal(ns.gets, 0);
	assert_int_equal(larder_stats_ns(h, LARDER_NS_OTHER, &before), 0);
	for (uint16_t id = 20; id < 40; id++) {
		handle_select(h, id);
		add_own(&h->ns_count->misses, 1);
	}
	assert_int_equal(larder_stats_ns(h, LARDER_NS_OTHER, &ns), 0);
	assert_int_equal(ns.gets - before.gets, 20 - 5);
	assert_int_equal(larder_stats_ns(h, LARDER_NS_OTHER + 1, &ns), -EINVAL);
	assert_int_equal(larder_stats_ns(h, 1, NULL), -EINVAL);
	larder_close(h);
}

/* ------------------------------------------------------------------ clients */

struct listed {
	unsigned n, limit;
	struct larder_client client[8];
};

static int list_client(void *ctx, const struct larder_client *client)
{
	struct listed *list = ctx;

	list->client[list->n++] = *client;
	return list->n == list->limit;
}

static uint64_t boottime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static void describe(struct larder *h, uint32_t state, bool rdonly)
{
	struct ctl_slot *slot = &fake.ctl->slots[h->me];

	store_relaxed_u32(&slot->state, state);
	store_relaxed_u32(&slot->rdonly, rdonly);
	store_relaxed(&slot->pid, 1000 + h->me);
	store_relaxed(&slot->uid, 33);
	store_relaxed(&slot->attached_ms, boottime_ms() - 5000);
}

static void test_clients(void **state)
{
	struct larder *a = open_handle(0), *b = open_handle(0), *ro = open_handle(LARDER_RDONLY);
	struct listed list = {.limit = 8};

	(void)state;
	describe(a, CTL_SLOT_USED, false);
	describe(b, CTL_SLOT_DEAD, false);
	describe(ro, CTL_SLOT_ORPHAN, true);
	stat_add(a, STAT_exists, 3);
	stat_add(a, STAT_set, 4);
	store_relaxed(&a->slot->h0, 1);
	store_relaxed(&a->slot->pin[2], 1);
	/* covers: larder_clients LARDER_OK */
	assert_int_equal(larder_clients(a, list_client, &list), 0);
	assert_int_equal(list.n, 3);
	assert_int_equal(list.client[0].slot, a->me);
	assert_int_equal(list.client[0].state, 1);
	assert_int_equal(list.client[0].pid, 1000 + a->me);
	assert_int_equal(list.client[0].uid, 33);
	assert_int_equal(list.client[0].ops, 7);
	assert_int_equal(list.client[0].n_hazards, 2);
	assert_in_range(list.client[0].attached_ms, 4900, 60000);
	assert_int_equal(list.client[1].state, 2);
	assert_int_equal(list.client[2].state, 1);
	assert_int_equal(list.client[2].rdonly, 1);
	list = (struct listed){.limit = 1};
	assert_int_equal(larder_clients(a, list_client, &list), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(larder_clients(a, NULL, NULL), -EINVAL);
	store_relaxed(&a->slot->h0, 0);
	larder_close(a);
	larder_close(b);
	larder_close(ro);
	memset(fake.ctl->slots, 0, sizeof(fake.ctl->slots));
}

static void test_gets_are_among_the_calls_of_a_client(void **state)
{
	struct larder_op op = {.key = "k", .klen = 1};
	struct larder *a = open_handle(0);
	struct listed list = {.limit = 1};
	size_t len = 0;

	(void)state;
	describe(a, CTL_SLOT_USED, false);
	assert_int_equal(larder_get(a, "k", 1, NULL, &len), LARDER_MISS);
	assert_int_equal(larder_set(a, "k", 1, NULL, 0, 0), 0);
	assert_int_equal(larder_get(a, "k", 1, NULL, &len), 0);
	assert_int_equal(larder_mget(a, &op, 1), 0);
	assert_int_equal(larder_clients(a, list_client, &list), 0);
	assert_int_equal(list.client[0].slot, a->me);
	assert_int_equal(list.client[0].ops, 4);
	larder_close(a);
}

/* ------------------------------------------------------------------ events */

static void write_event(uint64_t seq, const char *text)
{
	struct ctl_event *event = &fake.ctl->events[seq % CTL_EVENTS];

	store_relaxed(&event->seq, 0);
	store_relaxed(&event->time_ms, seq * 10);
	copy_in(event->text, text, strlen(text) + 1);
	store_relaxed(&event->seq, seq);
}

struct seen {
	unsigned n;
	uint64_t first, last;
	bool ordered;
	char text[112];
};

static int see_event(void *ctx, const struct larder_event *event)
{
	struct seen *seen = ctx;

	if (seen->n++ == 0)
		seen->first = event->seq;
	else if (event->seq <= seen->last)
		seen->ordered = false;
	seen->last = event->seq;
	memcpy(seen->text, event->text, sizeof(seen->text));
	return event->time_ms != (int64_t)event->seq * 10;
}

static void test_events(void **state)
{
	struct larder *h = open_handle(0);
	struct seen seen = {.ordered = true};

	(void)state;
	/* covers: larder_events LARDER_OK */
	assert_int_equal(larder_events(h, 0, see_event, &seen), 0);
	assert_int_equal(seen.n, 0);
	for (uint64_t seq = 1; seq <= CTL_EVENTS + 50; seq++)
		write_event(seq, "client 7 died: 2 segments given back");
	write_event(CTL_EVENTS + 51, "bad\n\x1b[2Jbytes\xff");
	assert_int_equal(larder_events(h, 0, see_event, &seen), 0);
	assert_int_equal(seen.n, CTL_EVENTS);
	assert_int_equal(seen.first, 52);
	assert_int_equal(seen.last, CTL_EVENTS + 51);
	assert_true(seen.ordered);
	assert_string_equal(seen.text, "bad??[2Jbytes?");
	seen = (struct seen){.ordered = true};
	assert_int_equal(larder_events(h, CTL_EVENTS + 49, see_event, &seen), 0);
	assert_int_equal(seen.n, 2);
	assert_int_equal(larder_events(h, 0, NULL, NULL), -EINVAL);
	larder_close(h);
}

static void test_text_without_an_end(void **state)
{
	struct larder *h = open_handle(0);
	struct seen seen = {.ordered = true};

	(void)state;
	memset(fake.ctl->events, 0, sizeof(fake.ctl->events));
	for (unsigned i = 0; i < CTL_EVENT_TEXT; i++)
		store_relaxed_u8(&fake.ctl->events[0].text[i], 'x');
	store_relaxed(&fake.ctl->events[0].time_ms, UINT64_MAX);
	store_relaxed(&fake.ctl->events[0].seq, UINT64_MAX - 1);
	assert_int_equal(larder_events(h, 0, see_event, &seen), 0);
	assert_int_equal(seen.n, 1);
	assert_int_equal(strlen(seen.text), CTL_EVENT_TEXT - 1);
	larder_close(h);
}

static void test_detached(void **state)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .flags = LARDER_MAY_DETACH};
	uint64_t values[2] = {1, 1};
	struct larder_ns_stats ns = {.gets = 1};
	struct larder *h;

	(void)state;
	fake_stop(&fake);
	assert_int_equal(larder_open(&h, fake.path, &opt), 0);
	/* covers: larder_stats LARDER_DETACHED */
	assert_int_equal(larder_stats(h, values, 2), LARDER_DETACHED);
	assert_int_equal(values[0] + values[1], 0);
	/* covers: larder_stats_ns LARDER_DETACHED */
	assert_int_equal(larder_stats_ns(h, 0, &ns), LARDER_DETACHED);
	assert_int_equal(ns.gets, 0);
	/* covers: larder_clients LARDER_DETACHED */
	assert_int_equal(larder_clients(h, list_client, NULL), LARDER_DETACHED);
	/* covers: larder_events LARDER_DETACHED */
	assert_int_equal(larder_events(h, 0, see_event, NULL), LARDER_DETACHED);
	h->busy = 1;
	assert_int_equal(larder_stats(h, values, 2), -EBUSY);
	h->busy = 0;
	larder_close(h);
	fake_start(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_sum_over_live_and_closed_handles),
		cmocka_unit_test(test_scribbled_number_of_slots),
		cmocka_unit_test(test_namespaces),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_gets_are_among_the_calls_of_a_client),
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_text_without_an_end),
		cmocka_unit_test(test_detached),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
