/* SPDX-License-Identifier: MIT */
/* test_attach.c - what an attached handle does when the daemon, the region or the process changes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "attach.h"
#include "clock.h"
#include "fake.h"
#include "words.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake, "attach");
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

/* One call that looks, as if the last try were long ago. */
static int look_once(struct larder *h)
{
	int r;

	h->budget = 1;
	h->attachment->next_try_ms = 0;
	r = handle_enter(h);
	if (r == 0)
		handle_leave(h);
	return r;
}

/* On a busy machine an answer may come later than the look that asked for it. */
static int look_now(struct larder *h)
{
	int r = look_once(h);

	for (unsigned i = 0; i < 5000 && h->attachment->pending >= 0; i++) {
		usleep(1000);
		r = look_once(h);
	}
	return r;
}

static void test_budget_follows_the_rate(void **state)
{
	struct larder *h = open_handle(0);
	struct attachment *at = h->attachment;

	(void)state;
	assert_int_equal(h->budget, 1);
	for (unsigned i = 0; i < 8; i++) {
		at->looked_ms = clock_coarse_ms();
		look_now(h);
	}
	assert_int_equal(at->granted, HANDLE_BUDGET);
	/* A burst is over: 64 calls took a second. */
	at->looked_ms = clock_coarse_ms() - 1000;
	look_now(h);
	assert_in_range(at->granted, HANDLE_BUDGET / 8, HANDLE_BUDGET / 4);
	/* One call a second: each one looks. */
	for (unsigned i = 0; i < 8; i++) {
		at->looked_ms = clock_coarse_ms() - 1000;
		look_now(h);
	}
	assert_int_equal(at->granted, 1);
	assert_int_equal(h->budget, 1);
	larder_close(h);
}

static void test_busy_handle_is_left_alone(void **state)
{
	struct larder *h = open_handle(0);

	(void)state;
	fake_restart(&fake);
	h->busy = 1;
	assert_int_equal(look_now(h), -EBUSY);
	assert_int_equal(fake_count(&fake, &fake.hellos) > 0, 1);
	assert_true(socket_hung_up(h->attachment->fd));
	h->busy = 0;
	assert_int_equal(look_now(h), 0);
	assert_false(socket_hung_up(h->attachment->fd));
	larder_close(h);
}

static void test_new_daemon_gives_the_slot_back(void **state)
{
	struct larder *h = open_handle(0);
	const struct mapping *map = h->map;
	uint32_t me = h->me;
	unsigned hellos;

	(void)state;
	fake_restart(&fake);
	hellos = fake_count(&fake, &fake.hellos);
	h->lease.seg = 3;
	assert_int_equal(look_now(h), 0);
	assert_int_equal(fake_count(&fake, &fake.hellos), hellos + 1);
	assert_int_equal(fake.last_hello.slot, me);
	assert_int_equal(fake.last_hello.incarnation, 7);
	assert_memory_equal(fake.last_hello.uuid, fake.hdr->uuid, 16);
	assert_ptr_equal(h->map, map);
	assert_int_equal(h->me, me);
	assert_int_equal(h->lease.seg, 3);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_reattached]), 0);
	/* Confirmed: the next look asks nothing. */
	assert_int_equal(look_now(h), 0);
	assert_int_equal(fake_count(&fake, &fake.hellos), hellos + 1);
	h->lease.seg = NO_SEGMENT;
	larder_close(h);
}

static void test_lost_slot_is_replaced(void **state)
{
	struct larder *h = open_handle(0);
	uint32_t me = h->me;

	(void)state;
	h->lease.seg = 3;
	h->lease.word = seg_make(SEG_LEASED, false, me, 1);
	store_relaxed(&h->segs[3].word, h->lease.word);
	fake_restart(&fake);
	fake.lose_slots = true;
	assert_int_equal(look_now(h), 0);
	fake.lose_slots = false;
	assert_int_not_equal(h->me, me);
	assert_int_equal(h->lease.seg, NO_SEGMENT);
	assert_int_equal(seg_state(load_relaxed(&h->segs[3].word)), SEG_SEALED);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_reattached]), 1);
	larder_close(h);
}

static void test_upgraded_daemon_brings_another_control_page(void **state)
{
	struct larder *h = open_handle(0);
	const struct mapping *map = h->map;
	uint32_t me = h->me;

	(void)state;
	fake_new_control(&fake);
	fake_restart(&fake);
	assert_int_equal(look_now(h), 0);
	assert_ptr_not_equal(h->map, map);
	assert_int_equal(h->me, me);
	assert_int_equal(load_relaxed(&h->map->ctl->heartbeat_ms),
			 load_relaxed(&fake.ctl->heartbeat_ms));
	larder_close(h);
}

static void test_other_region_is_entered_at_once(void **state)
{
	struct larder *h = open_handle(0);
	uint8_t uuid[16];

	(void)state;
	memcpy(uuid, h->map->uuid, 16);
	fake_beat(&fake, -2000);
	fake_stop(&fake);
	assert_int_equal(look_now(h), 0);
	assert_memory_equal(h->map->uuid, uuid, 16);
	fake_new_region(&fake);
	fake_start(&fake);
	assert_int_equal(look_now(h), 0);
	assert_memory_equal(h->map->uuid, fake.hdr->uuid, 16);
	assert_memory_not_equal(h->map->uuid, uuid, 16);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_reattached]), 1);
	larder_close(h);
}

static void test_end_of_the_keeper_is_seen_by_the_next_call(void **state)
{
	struct larder *h = open_handle(0);
	struct attachment *at = h->attachment;

	(void)state;
	/* What the kernel does. */
	store_relaxed_u32(&fake.ctl->guard, CTL_GUARD_DIED);
	fake_stop(&fake);
	fake_new_region(&fake);
	fake_start(&fake);
	h->budget = HANDLE_BUDGET;
	at->next_try_ms = 0;
	assert_int_equal(handle_enter(h), 0);
	handle_leave(h);
	assert_int_equal(look_now(h), 0);
	assert_memory_equal(h->map->uuid, fake.hdr->uuid, 16);
	assert_true(handle_guarded(h));
	larder_close(h);
}

static void test_at_most_one_try_a_second(void **state)
{
	struct larder *h = open_handle(0);
	struct attachment *at = h->attachment;

	(void)state;
	fake_beat(&fake, -2000);
	fake_stop(&fake);
	assert_int_equal(look_now(h), 0);
	assert_in_range(at->next_try_ms - clock_coarse_ms(), 900, 1000);
	fake_start(&fake);
	h->budget = 1;
	assert_int_equal(handle_enter(h), 0);
	handle_leave(h);
	assert_true(socket_hung_up(at->fd));
	larder_close(h);
}

static void test_stopped_daemon_keeps_its_clients(void **state)
{
	struct larder *h = open_handle(0);
	unsigned hellos = fake_count(&fake, &fake.hellos);

	(void)state;
	h->attachment->orphan_after_ms = 1;
	fake_beat(&fake, -100000);
	for (unsigned i = 0; i < 4; i++) {
		usleep(10000);
		assert_int_equal(look_now(h), 0);
	}
	assert_int_equal(fake_count(&fake, &fake.hellos), hellos);
	larder_close(h);
}

static void test_orphan_detaches_and_comes_back(void **state)
{
	struct larder *h = open_handle(0);
	struct attachment *at = h->attachment;

	(void)state;
	fake_beat(&fake, -2000);
	fake_stop(&fake);
	assert_int_equal(look_now(h), 0);
	assert_true(handle_alive(h));
	at->lost_ms = clock_coarse_ms() - at->orphan_after_ms + 1000;
	assert_int_equal(look_now(h), 0);
	at->lost_ms = clock_coarse_ms() - at->orphan_after_ms;
	assert_int_equal(look_now(h), LARDER_DETACHED);
	assert_null(h->map);
	assert_int_equal(at->fd, -1);
	stat_add(h, STAT_detached, 2);
	fake_start(&fake);
	fake_beat(&fake, 0);
	assert_int_equal(look_now(h), 0);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_detached]), 2);
	larder_close(h);
}

static void test_retired_region_is_left_at_once(void **state)
{
	struct larder *h = open_handle(0);

	(void)state;
	store_relaxed(&fake.ctl->retired, 1);
	/* The daemon still passes it; it is not entered again. */
	assert_int_equal(look_now(h), LARDER_DETACHED);
	assert_int_equal(look_now(h), LARDER_DETACHED);
	fake_new_region(&fake);
	assert_int_equal(look_now(h), 0);
	assert_memory_equal(h->map->uuid, fake.hdr->uuid, 16);
	larder_close(h);
}

static void test_replaced_socket_is_followed(void **state)
{
	struct larder *h = open_handle(0);
	struct fake other;

	(void)state;
	fake_init(&other, "attach");
	assert_string_equal(other.path, fake.path);
	unlink(fake.path);
	fake_start(&other);
	/* The first daemon does not move any more, and does not hang up either. */
	fake_beat(&fake, -2000);
	assert_int_equal(look_now(h), 0);
	assert_memory_equal(h->map->uuid, other.hdr->uuid, 16);
	larder_close(h);
	fake_deinit(&other);
	fake_stop(&fake);
	fake_start(&fake);
}

static void test_late_answer_is_picked_up(void **state)
{
	struct larder *h = open_handle(0);
	struct attachment *at = h->attachment;
	uint64_t start;
	unsigned hellos;

	(void)state;
	fake_restart(&fake);
	hellos = fake_count(&fake, &fake.hellos);
	pthread_mutex_lock(&fake.lock);
	start = clock_coarse_ms();
	assert_int_equal(look_once(h), 0);
	assert_in_range(clock_coarse_ms() - start, 0, 100);
	assert_true(at->pending >= 0);
	assert_int_equal(look_once(h), 0);
	pthread_mutex_unlock(&fake.lock);
	assert_true(fake_wait(&fake, &fake.hellos, hellos + 1));
	assert_int_equal(look_now(h), 0);
	assert_int_equal(at->pending, -1);
	assert_false(socket_hung_up(at->fd));
	assert_int_equal(fake_count(&fake, &fake.hellos), hellos + 1);
	larder_close(h);
}

static void test_close_after_an_unseen_restart_gives_the_slot_back(void **state)
{
	struct larder *h = open_handle(0);
	uint32_t me = h->me;
	unsigned byes;

	(void)state;
	fake_restart(&fake);
	byes = fake_count(&fake, &fake.byes);
	larder_close(h);
	assert_true(fake_wait(&fake, &fake.byes, byes + 1));
	assert_int_equal(fake.last_hello.slot, me);
}

static void test_refusals_leave_the_handle_as_it_was(void **state)
{
	static const enum fake_fault faults[] = {FAKE_ERROR,	 FAKE_HANG_UP,	  FAKE_SHORT,
						 FAKE_UNSEALED,	 FAKE_OTHER_UUID, FAKE_CTL_SMALL,
						 FAKE_THREE_FDS, FAKE_SIGNATURE};
	struct larder *h = open_handle(0);
	uint32_t me = h->me;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		fake_new_control(&fake);
		fake_restart(&fake);
		fake_set_fault(&fake, faults[i], -EACCES);
		assert_int_equal(look_now(h), 0);
		assert_int_equal(h->me, me);
		assert_true(socket_hung_up(h->attachment->fd));
	}
	fake_set_fault(&fake, FAKE_HONEST, 0);
	assert_int_equal(look_now(h), 0);
	assert_false(socket_hung_up(h->attachment->fd));
	larder_close(h);
}

/* ------------------------------------------------------------------ namespaces */

static void move_to_new_region(struct larder *h, int result)
{
	fake_beat(&fake, -2000);
	fake_stop(&fake);
	fake_new_region(&fake);
	fake_start(&fake);
	assert_int_equal(look_now(h), result);
}

static void test_namespace_is_found_by_name_in_another_region(void **state)
{
	struct larder *h = open_handle(0), *other;
	uint16_t id, there;

	(void)state;
	assert_int_equal(larder_namespace(h, "tenant", 6, &id), 0);
	assert_int_equal(larder_select(h, id), 0);
	move_to_new_region(h, 0);
	other = open_handle(0);
	assert_int_equal(larder_namespace(other, "tenant", 6, &there), 0);
	assert_int_equal(h->ns, there);
	assert_int_equal(larder_select(other, there), 0);
	assert_int_equal(h->seed, other->seed);
	larder_close(other);
	larder_close(h);
}

static void test_read_only_handle_waits_for_its_namespace(void **state)
{
	struct larder *h = open_handle(LARDER_RDONLY), *writer = open_handle(0);
	uint16_t id;

	(void)state;
	assert_int_equal(larder_namespace(writer, "tenant", 6, &id), 0);
	larder_close(writer);
	assert_int_equal(larder_select(h, id), 0);
	move_to_new_region(h, LARDER_DETACHED);
	assert_int_equal(look_now(h), LARDER_DETACHED);
	assert_int_equal(h->ns, id);
	writer = open_handle(0);
	assert_int_equal(larder_namespace(writer, "tenant", 6, &id), 0);
	larder_close(writer);
	assert_int_equal(look_now(h), 0);
	assert_int_equal(h->ns, id);
	larder_close(h);
}

static struct larder *open_detached(void)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .flags = LARDER_MAY_DETACH};
	struct larder *h;

	fake_stop(&fake);
	assert_int_equal(larder_open(&h, fake.path, &opt), 0);
	assert_null(h->map);
	return h;
}

static void test_handle_attaches_whatever_was_selected_before_its_first_region(void **state)
{
	struct larder *h = open_detached(), *other;
	uint16_t id;

	(void)state;
	assert_int_equal(larder_select(h, 4), LARDER_DETACHED);
	fake_start(&fake);
	assert_int_equal(look_now(h), 0);
	other = open_handle(0);
	assert_int_equal(larder_namespace(other, "tenant", 6, &id), 0);
	assert_int_equal(larder_select(h, id), 0);
	larder_close(other);
	larder_close(h);
}

static void test_handle_attaches_whatever_was_selected_while_it_was_detached(void **state)
{
	struct larder *h = open_handle(0), *other;
	uint16_t id, unnamed, there;

	(void)state;
	assert_int_equal(larder_namespace(h, "unnamed", 7, &unnamed), 0);
	assert_int_equal(larder_namespace(h, "tenant", 6, &id), 0);
	assert_int_equal(larder_select(h, id), 0);
	store_relaxed(&fake.ctl->retired, 1);
	assert_int_equal(look_now(h), LARDER_DETACHED);
	h->attachment->next_try_ms = UINT64_MAX;
	assert_int_equal(larder_select(h, 0), 0);
	assert_int_equal(larder_select(h, id), 0);
	assert_int_equal(larder_select(h, unnamed), LARDER_DETACHED);
	assert_int_equal(h->ns, id);
	fake_new_region(&fake);
	assert_int_equal(look_now(h), 0);
	other = open_handle(0);
	assert_int_equal(larder_namespace(other, "tenant", 6, &there), 0);
	assert_int_equal(h->ns, there);
	larder_close(other);
	larder_close(h);
}

/* ------------------------------------------------------------------ fork */

static void run_child(int (*fn)(struct larder *), struct larder *h)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(fn(h));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* Through the test's own mapping, which no handle unmaps. */
static struct shm_slot *slot_of(uint32_t i)
{
	uint8_t *slots = (uint8_t *)fake.hdr + fake.hdr->geo.off_slots;

	return (struct shm_slot *)(void *)slots + i;
}

static int use_in_child(struct larder *h)
{
	const struct shm_slot *parent = slot_of(h->me);
	const struct mapping *map = h->map;
	uint32_t me = h->me;

	if (handle_enter(h) != 0)
		return 1;
	handle_leave(h);
	if (h->me == me || h->map != map || load_relaxed(&parent->h0) != 5)
		return 2;
	if (load_relaxed(&h->slot->count[STAT_reattached]) != 1)
		return 3;
	larder_close(h);
	return load_relaxed(&parent->h0) == 5 ? 0 : 4;
}

static int grandchild(struct larder *h)
{
	int status;
	pid_t pid;

	if (handle_enter(h) != 0)
		return 10;
	handle_leave(h);
	store_relaxed(&h->slot->h0, 5);
	pid = fork();
	if (pid == 0)
		_exit(use_in_child(h));
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return 11;
	if (handle_enter(h) != 0)
		return 12;
	handle_leave(h);
	larder_close(h);
	return 0;
}

static int close_in_child(struct larder *h)
{
	larder_close(h);
	return 0;
}

static int detached_in_child(struct larder *h)
{
	if (handle_enter(h) != LARDER_DETACHED || h->map != NULL)
		return 1;
	larder_close(h);
	return 0;
}

static void test_child_takes_a_slot_of_its_own(void **state)
{
	struct larder *h = open_handle(0);
	unsigned byes = fake_count(&fake, &fake.byes);

	(void)state;
	store_relaxed(&h->slot->h0, 5);
	run_child(use_in_child, h);
	assert_true(fake_wait(&fake, &fake.byes, byes + 1));
	run_child(grandchild, h);
	assert_true(fake_wait(&fake, &fake.byes, byes + 3));
	assert_int_equal(load_relaxed(&h->slot->h0), 5);
	assert_int_equal(look_now(h), 0);
	assert_false(socket_hung_up(h->attachment->fd));
	larder_close(h);
}

static void test_child_that_only_closes_disturbs_nobody(void **state)
{
	struct larder *h = open_handle(0);
	unsigned byes = fake_count(&fake, &fake.byes);

	(void)state;
	store_relaxed(&h->slot->h1, 6);
	run_child(close_in_child, h);
	assert_int_equal(load_relaxed(&h->slot->h1), 6);
	assert_int_equal(look_now(h), 0);
	larder_close(h);
	assert_true(fake_wait(&fake, &fake.byes, byes + 1));
	assert_int_equal(fake_count(&fake, &fake.byes), byes + 1);
}

static void test_child_without_a_daemon_is_detached(void **state)
{
	struct larder *h = open_handle(0);

	(void)state;
	fake_stop(&fake);
	run_child(detached_in_child, h);
	fake_start(&fake);
	larder_close(h);
}

static int attach_detached_in_child(struct larder *h)
{
	if (h->map != NULL || handle_enter(h) != 0)
		return 1;
	handle_leave(h);
	larder_close(h);
	return 0;
}

static void test_child_of_a_detached_handle_attaches(void **state)
{
	const struct larder_open_options opt = {.size = sizeof(opt), .flags = LARDER_MAY_DETACH};
	struct larder *h;

	(void)state;
	fake_stop(&fake);
	assert_int_equal(larder_open(&h, fake.path, &opt), 0);
	fake_start(&fake);
	run_child(attach_detached_in_child, h);
	assert_null(h->map);
	assert_int_equal(look_now(h), 0);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_reattached]), 0);
	larder_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_budget_follows_the_rate),
		cmocka_unit_test(test_busy_handle_is_left_alone),
		cmocka_unit_test(test_new_daemon_gives_the_slot_back),
		cmocka_unit_test(test_lost_slot_is_replaced),
		cmocka_unit_test(test_upgraded_daemon_brings_another_control_page),
		cmocka_unit_test(test_other_region_is_entered_at_once),
		cmocka_unit_test(test_end_of_the_keeper_is_seen_by_the_next_call),
		cmocka_unit_test(test_at_most_one_try_a_second),
		cmocka_unit_test(test_stopped_daemon_keeps_its_clients),
		cmocka_unit_test(test_orphan_detaches_and_comes_back),
		cmocka_unit_test(test_retired_region_is_left_at_once),
		cmocka_unit_test(test_replaced_socket_is_followed),
		cmocka_unit_test(test_late_answer_is_picked_up),
		cmocka_unit_test(test_close_after_an_unseen_restart_gives_the_slot_back),
		cmocka_unit_test(test_refusals_leave_the_handle_as_it_was),
		cmocka_unit_test(test_namespace_is_found_by_name_in_another_region),
		cmocka_unit_test(test_read_only_handle_waits_for_its_namespace),
		cmocka_unit_test(
			test_handle_attaches_whatever_was_selected_before_its_first_region),
		cmocka_unit_test(test_handle_attaches_whatever_was_selected_while_it_was_detached),
		cmocka_unit_test(test_child_takes_a_slot_of_its_own),
		cmocka_unit_test(test_child_that_only_closes_disturbs_nobody),
		cmocka_unit_test(test_child_without_a_daemon_is_detached),
		cmocka_unit_test(test_child_of_a_detached_handle_attaches),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
