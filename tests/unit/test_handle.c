/* SPDX-License-Identifier: MIT */
/* test_handle.c - a handle takes a slot, gives it back, and tells a fork */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "geometry.h"
#include "handle.h"
#include "words.h"

#define SLOT 3u

static int make_mapping(void **state)
{
	const struct geometry_options opt = {.max_memory = 1 << 20};
	const uint8_t uuid[16] = {1, 2, 3};
	struct shm_geometry geo;
	struct mapping *map;
	void *base;

	assert_int_equal(geometry_plan(&geo, &opt), 0);
	base = mmap(NULL, geo.file_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(base, MAP_FAILED);
	region_format(base, &geo, uuid, 99);
	assert_int_equal(mapping_new(&map, base, geo.file_bytes, false), 0);
	*state = map;
	return 0;
}

static int drop_mapping(void **state)
{
	mapping_put(*state);
	return 0;
}

static struct shm_slot *slot_of(struct mapping *map, uint32_t i)
{
	return (struct shm_slot *)(void *)(map->base + map->geo.off_slots) + i;
}

static struct larder *bound_handle(struct mapping *map, uint32_t slot)
{
	struct larder *h = handle_new();

	assert_non_null(h);
	assert_int_equal(handle_bind(h, map, slot), 0);
	return h;
}

static void release(struct larder *h)
{
	handle_unbind(h);
	handle_free(h);
}

static void test_detached_handle_refuses_calls(void **state)
{
	struct larder *h = handle_new();

	(void)state;
	assert_false(handle_alive(h));
	assert_int_equal(handle_enter(h), LARDER_DETACHED);
	assert_int_equal(h->busy, 0);
	assert_ptr_equal(h->slot, h->private_slot);
	stat_add(h, STAT_detached, 1);
	handle_free(h);
}

static void test_bound_handle_enters(void **state)
{
	struct mapping *map = *state;
	struct larder *h = bound_handle(map, SLOT);

	assert_true(handle_alive(h));
	assert_ptr_equal(h->slot, slot_of(map, SLOT));
	for (unsigned i = 0; i < 3 * HANDLE_BUDGET; i++) {
		assert_int_equal(handle_enter(h), 0);
		assert_int_equal(handle_enter(h), -EBUSY);
		handle_leave(h);
	}
	handle_unbind(h);
	assert_int_equal(handle_enter(h), LARDER_DETACHED);
	handle_free(h);
}

static void test_slot_beyond_the_last_is_refused(void **state)
{
	struct mapping *map = *state;
	struct larder *h = handle_new();

	assert_int_equal(handle_bind(h, map, map->geo.n_slots), -EPROTO);
	assert_false(handle_alive(h));
	handle_free(h);
}

static void test_counts_of_a_detached_handle_move_into_its_slot(void **state)
{
	struct mapping *map = *state;
	struct larder *h = handle_new();
	uint64_t before = load_relaxed(&slot_of(map, SLOT)->count[STAT_detached]);

	stat_add(h, STAT_detached, 5);
	assert_int_equal(handle_bind(h, map, SLOT), 0);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_detached]), before + 5);
	assert_int_equal(load_relaxed(&h->private_slot->count[STAT_detached]), 0);
	release(h);
}

static void test_calls_since_attach(void **state)
{
	struct mapping *map = *state;
	struct larder *h = bound_handle(map, SLOT);

	stat_add(h, STAT_exists, 2);
	stat_add(h, STAT_set, 3);
	stat_add(h, STAT_get_hits, 100);
	assert_int_equal(handle_calls(h->slot) - load_relaxed(&h->slot->base_ops), 5);
	release(h);
	h = bound_handle(map, SLOT);
	assert_int_equal(handle_calls(h->slot), load_relaxed(&h->slot->base_ops));
	release(h);
}

static void test_unbind_seals_leases_and_clears_hazards(void **state)
{
	struct mapping *map = *state;
	struct larder *h = bound_handle(map, SLOT);
	struct shm_slot *slot = h->slot;
	struct shm_segment *segs = h->segs;

	h->lease.seg = 4;
	h->lease.word = seg_make(SEG_LEASED, false, SLOT, 77);
	store_relaxed(&segs[4].word, h->lease.word);
	h->survivors.seg = 5;
	h->survivors.word = seg_make(SEG_LEASED, false, SLOT, 78);
	/* revoked, and leased by another one since */
	store_relaxed(&segs[5].word, seg_make(SEG_LEASED, false, SLOT + 1, 79));
	store_relaxed(&slot->h0, 5);
	store_relaxed(&slot->h1, 6);
	store_relaxed(&slot->splitting, 1);
	store_relaxed(&slot->pin[SHM_PINS - 1], 9);
	release(h);
	assert_int_equal(load_relaxed(&segs[4].word), seg_make(SEG_SEALED, false, 0, 77));
	assert_int_equal(load_relaxed(&segs[5].word), seg_make(SEG_LEASED, false, SLOT + 1, 79));
	assert_int_equal(load_relaxed(&slot->h0) + load_relaxed(&slot->h1), 0);
	assert_int_equal(load_relaxed(&slot->splitting), 0);
	assert_int_equal(load_relaxed(&slot->pin[SHM_PINS - 1]), 0);
}

static void test_read_only_handle_counts_privately(void **state)
{
	struct mapping *map = *state;
	struct larder *h;

	map->rdonly = true;
	h = bound_handle(map, SLOT);
	assert_ptr_equal(h->slot, h->private_slot);
	stat_add(h, STAT_get, 1);
	stat_add(h, STAT_detached, 1);
	handle_unbind(h);
	assert_int_equal(load_relaxed(&h->private_slot->count[STAT_get]), 0);
	assert_int_equal(load_relaxed(&h->private_slot->count[STAT_detached]), 1);
	handle_free(h);
	map->rdonly = false;
}

static void test_namespaces_share_seven_entries(void **state)
{
	struct mapping *map = *state;
	struct larder *h = bound_handle(map, SLOT + 1);
	struct shm_slot *slot = h->slot;
	uint64_t seed = h->seed;

	/* The default namespace took the first entry. */
	for (uint16_t ns = 100; ns < 106; ns++) {
		handle_select(h, ns);
		assert_ptr_equal(h->ns_count, &slot->ns[ns - 99]);
		assert_int_not_equal(h->seed, seed);
	}
	handle_select(h, 106);
	assert_ptr_equal(h->ns_count, &slot->ns[SHM_NS_COUNTED - 1]);
	handle_select(h, 0);
	assert_int_equal(h->seed, seed);
	release(h);
	/* The next owner of the slot finds them by their ids. */
	h = bound_handle(map, SLOT + 1);
	handle_select(h, 103);
	assert_ptr_equal(h->ns_count, &slot->ns[4]);
	release(h);
}

static int in_child(struct larder *h, struct mapping *map)
{
	struct shm_slot *slot = h->slot;

	if (handle_alive(h) || !handle_forked(h))
		return 1;
	handle_forget(h);
	if (load_relaxed(&slot->h0) != 5 || h->map != NULL || h->lease.seg != NO_SEGMENT)
		return 2;
	if (handle_bind(h, map, SLOT + 2) != 0 || handle_forked(h) || !handle_alive(h))
		return 3;
	return 0;
}

static void test_child_of_a_fork_forgets(void **state)
{
	struct mapping *map = *state;
	struct larder *h = bound_handle(map, SLOT);
	int status;
	pid_t pid;

	store_relaxed(&h->slot->h0, 5);
	h->lease.seg = 2;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(in_child(h, map));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(handle_alive(h));
	assert_int_equal(load_relaxed(&h->slot->h0), 5);
	h->lease.seg = NO_SEGMENT;
	release(h);
}

static void test_hidden_membarrier_means_fences(void **state)
{
	struct mapping *map = *state;
	struct larder *h;

	setenv("LARDER_HIDE", "collapse,membarrier", 1);
	assert_true(handle_hidden("membarrier"));
	assert_true(handle_hidden("collapse"));
	assert_false(handle_hidden("member"));
	h = bound_handle(map, SLOT);
	assert_true(h->full_fence);
	assert_int_equal(load_relaxed(&h->slot->mode), 1);
	release(h);
	setenv("LARDER_HIDE", "membarriers", 1);
	assert_false(handle_hidden("membarrier"));
	unsetenv("LARDER_HIDE");
	h = bound_handle(map, SLOT);
	assert_int_equal(load_relaxed(&h->slot->mode), h->full_fence);
	release(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_detached_handle_refuses_calls),
		cmocka_unit_test(test_bound_handle_enters),
		cmocka_unit_test(test_slot_beyond_the_last_is_refused),
		cmocka_unit_test(test_counts_of_a_detached_handle_move_into_its_slot),
		cmocka_unit_test(test_calls_since_attach),
		cmocka_unit_test(test_unbind_seals_leases_and_clears_hazards),
		cmocka_unit_test(test_read_only_handle_counts_privately),
		cmocka_unit_test(test_namespaces_share_seven_entries),
		cmocka_unit_test(test_child_of_a_fork_forgets),
		cmocka_unit_test(test_hidden_membarrier_means_fences),
	};

	return cmocka_run_group_tests(tests, make_mapping, drop_mapping);
}
