/* SPDX-License-Identifier: MIT */
/* test_check.c - larder_check() says what is broken, and nothing of what is not */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "cleaner.h"
#include "local.h"
#include "ns.h"

static struct local local;
static struct larder *h;

/* A region with something of everything in it. */
static int setup(void **state)
{
	static const char value[3000];
	char key[16];
	uint16_t ns;

	(void)state;
	local_init(&local, NULL);
	h = local_open(&local);
	local_grow(&local);
	assert_int_equal(larder_namespace(h, "space", 5, &ns), 0);
	for (unsigned i = 0; i < 1500; i++) {
		size_t klen = (size_t)snprintf(key, sizeof(key), "key%u", i);

		assert_int_equal(larder_select(h, i % 3 == 0 ? ns : 0), 0);
		assert_int_equal(larder_set(h, key, klen, value, i % 300, i % 10 * 1000), 0);
	}
	assert_int_equal(larder_select(h, 0), 0);
	assert_int_equal(larder_flush(h), 0);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(larder_set(h, key, (size_t)snprintf(key, sizeof(key), "k%u", i),
					    value, sizeof(value), 0),
				 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	local_deinit(&local);
	return 0;
}

struct findings {
	unsigned of[CHECK_INVARIANTS + 1];
};

static void note(void *ctx, unsigned invariant, const char *text)
{
	struct findings *f = ctx;

	assert_in_range(invariant, 1, CHECK_INVARIANTS);
	assert_true(strlen(text) > 10);
	f->of[invariant]++;
}

/* The findings must be of this invariant; of @too as well, if it is not 0. */
static void assert_broken(unsigned invariant, unsigned too)
{
	struct findings f = {{0}};

	/* covers: larder_check LARDER_DAMAGED */
	assert_int_equal(larder_check(h, note, &f), LARDER_DAMAGED);
	assert_true(f.of[invariant] > 0);
	for (unsigned i = 1; i <= CHECK_INVARIANTS; i++)
		if (i != invariant && i != too)
			assert_int_equal(f.of[i], 0);
	assert_int_equal(larder_check(h, NULL, NULL), LARDER_DAMAGED);
}

static void assert_clean(void)
{
	/* covers: larder_check 0 */
	assert_true(local_sound(&local));
}

static struct shm_header *header(void)
{
	return (struct shm_header *)(void *)local.map->base;
}

static uint32_t segment_in(enum seg_state state, uint32_t other_than)
{
	for (uint32_t seg = 0; seg < h->n_segs; seg++)
		if (seg != other_than && seg_state(load_relaxed(&h->segs[seg].word)) == state)
			return seg;
	fail_msg("no segment in state %d", (int)state);
	return 0;
}

/* ------------------------------------------------------------------ one by one */

static void test_i1_header(void **state)
{
	struct shm_header *hdr = header();
	const struct shm_header good = *hdr;

	(void)state;
	assert_clean();
	store_relaxed(&hdr->magic, 1);
	assert_broken(1, 0);
	*hdr = good;
	hdr->signature++;
	assert_broken(1, 0);
	*hdr = good;
	hdr->geo.n_segs--;
	assert_broken(1, 0);
	*hdr = good;
	hdr->geo.max_value--; /* a sound geometry, but another one */
	assert_broken(1, 0);
	*hdr = good;
	hdr->uuid[3]++;
	assert_broken(1, 0);
	*hdr = good;
	hdr->seed++;
	assert_broken(1, 0);
	*hdr = good;
	assert_clean();
}

static void test_i2_segment_words(void **state)
{
	uint32_t seg = segment_in(SEG_FREE, NO_SEGMENT);
	const uint64_t good = load_relaxed(&h->segs[seg].word);
	uint32_t n_slots = h->map->geo.n_slots;
	const uint64_t bad[] = {
		seg_make(SEG_FREE, false, 1, 1),
		seg_make(SEG_FREE, true, 0, 1),
		seg_make(SEG_LIMBO, true, 0, 9),
		seg_make(SEG_OFFLINE, true, 0, 9),
		seg_make(SEG_SEALED, false, n_slots, seg_gen(good)),
		seg_make(SEG_LEASED, false, n_slots, seg_gen(good)),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		store_relaxed(&h->segs[seg].word, bad[i]);
		assert_broken(2, 0);
	}
	store_relaxed(&h->segs[seg].word, good);
	assert_clean();
}

static void test_i3_owners(void **state)
{
	static struct ctl_page ctl;
	uint32_t seg = segment_in(SEG_FREE, NO_SEGMENT);
	const uint64_t good = load_relaxed(&h->segs[seg].word);
	struct timespec now;

	(void)state;
	store_relaxed(&h->segs[seg].word, seg_make(SEG_CLEANING, false, h->me + 1, 1));
	assert_broken(3, 0); /* never handed out */
	local.map->ctl = &ctl;
	clock_gettime(CLOCK_MONOTONIC, &now);
	store_relaxed(&ctl.heartbeat_ms,
		      (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
	for (uint32_t i = 0; i <= h->me; i++)
		store_relaxed_u32(&ctl.slots[i].state, CTL_SLOT_USED);
	store_relaxed(&h->segs[seg].word, seg_make(SEG_CLEANING, false, h->me, 1));
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	store_relaxed_u32(&ctl.slots[h->me].state, CTL_SLOT_DEAD); /* about to be reaped */
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	store_relaxed_u32(&ctl.slots[h->me].state, CTL_SLOT_FREE);
	assert_broken(3, 0);
	store_relaxed(&ctl.heartbeat_ms, 0); /* nobody keeps this page */
	assert_int_equal(larder_check(h, NULL, NULL), 0);
	local.map->ctl = NULL;
	store_relaxed(&h->segs[seg].word, good);
	assert_clean();
}

static void test_i11_hazards(void **state)
{
	struct shm_slot *s = h->slot;
	shm_u64 *const words[] = {&s->h0, &s->h1, &s->pin[0], &s->pin[SHM_PINS - 1]};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		store_relaxed(words[i], h->n_segs);
		assert_clean();
		store_relaxed(words[i], h->n_segs + 1ULL);
		assert_broken(11, 0);
		store_relaxed(words[i], 0);
	}
	store_relaxed(&s->splitting, 2);
	assert_broken(11, 0);
	store_relaxed(&s->splitting, 0);
	store_relaxed_u32(&header()->slots_high, h->map->geo.n_slots + 1);
	assert_broken(11, 0);
	store_relaxed_u32(&header()->slots_high, h->me + 1);
	assert_clean();
}

static void test_i12_walks(void **state)
{
	uint32_t seg = segment_in(SEG_SEALED, NO_SEGMENT);
	shm_u64 *item = (shm_u64 *)(void *)seg_base(h, seg);
	const uint32_t fill = load_relaxed_u32(&h->table[seg].fill);
	const uint64_t good = load_relaxed(item);

	(void)state;
	store_relaxed_u32(&h->table[seg].fill, h->seg_bytes + 8);
	assert_broken(12, 0);
	store_relaxed_u32(&h->table[seg].fill, fill);
	store_relaxed(item, good ^ 1ULL << 40); /* the check bits */
	assert_broken(12, 6);
	store_relaxed(item, good & ~0xffffffULL); /* no key */
	assert_broken(12, 5);
	store_relaxed(item, good);
	assert_clean();
}

static void test_i14_states(void **state)
{
	uint32_t seg = segment_in(SEG_FREE, NO_SEGMENT);

	(void)state;
	store_relaxed(&h->segs[seg].word, 7ULL << SEG_STATE_SHIFT);
	assert_broken(14, 2);
}

static void test_i15_namespaces(void **state)
{
	struct shm_ns_name *name;
	uint16_t ns;

	(void)state;
	assert_int_equal(larder_namespace(h, "space", 5, &ns), 0);
	name = ns_name(h, ns);
	store_relaxed_u8(&name->name[1], 'q');
	assert_broken(15, 0);
	store_relaxed_u8(&name->name[1], 'p');
	store_relaxed_u8(&name->len, 0);
	assert_broken(15, 0); /* it has items, so its creator had come that far */
	store_relaxed_u8(&name->len, 5);
	store_relaxed(&ns_entry(h, ns)->word, 0);
	assert_broken(15, 0);
}

static void test_i16_flushes(void **state)
{
	struct shm_header *hdr = header();
	uint32_t seg = segment_in(SEG_SEALED, NO_SEGMENT);
	shm_u64 *const words[] = {&hdr->flushed_all, &hdr->flushed_at0, &h->segs[seg].epoch,
				  &ns_entry(h, 1)->flushed_at, &ns_entry(h, 60000)->flushed_at};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		uint64_t good = load_relaxed(words[i]);

		store_relaxed(words[i], load_relaxed(&hdr->flush_seq));
		assert_clean();
		store_relaxed(words[i], load_relaxed(&hdr->flush_seq) + 1);
		assert_broken(16, 0);
		store_relaxed(words[i], good);
	}
	assert_int_not_equal(load_relaxed(&hdr->flush_seq), 0);
	store_relaxed(&hdr->flush_seq, 0);
	assert_broken(16, 0);
}

/* ------------------------------------------------------------------ garbage */

static void scribble(uint8_t *p, size_t n, uint64_t *random)
{
	for (size_t i = 0; i < n; i++) {
		*random = *random * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (uint8_t)(*random >> 56);
	}
}

/* All but the names, of which reading would only allocate memory. */
static void test_random_bytes(void **state)
{
	const struct shm_geometry *geo = &h->map->geo;
	uint64_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		struct findings f = {{0}};

		scribble(local.map->base, geo->off_ns, &random);
		scribble(local.map->base + geo->off_level[0], geo->file_bytes - geo->off_level[0],
			 &random);
		assert_int_equal(larder_check(h, note, &f), LARDER_DAMAGED);
		assert_true(f.of[1] > 0);
		for (unsigned i = 0; i <= CHECK_INVARIANTS; i++)
			assert_true(f.of[i] <= CHECK_TOLD_MAX + 1);
	}
}

/* One part of a good region at a time; the words keep their form more often. */
static void test_random_parts(void **state)
{
	const struct shm_geometry *geo = &h->map->geo;
	const struct {
		uint64_t off, len;
	} parts[] = {
		{geo->off_segs, geo->n_segs * sizeof(struct shm_segment)},
		{geo->off_slots, 2 * sizeof(struct shm_slot)},
		{geo->off_level[0], sizeof(struct shm_bucket) << geo->bucket_shift},
		{geo->off_level[1], sizeof(struct shm_bucket) << (geo->bucket_shift + 1)},
		{geo->off_data, (uint64_t)geo->n_segs << geo->seg_shift},
	};
	uint64_t random = 2;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		scribble(local.map->base + parts[i].off, parts[i].len, &random);
		assert_int_equal(larder_check(h, NULL, NULL), LARDER_DAMAGED);
		teardown(state);
		setup(state);
	}
}

/* ------------------------------------------------------------------ the call */

static int check_without_memory(void)
{
	struct local l;
	struct larder *mine;

	local_init(&l, NULL);
	mine = local_open(&l);
	local_no_memory();
	/* covers: larder_check -ENOMEM */
	return larder_check(mine, NULL, NULL) == -ENOMEM && mine->busy == 0 ? 0 : 1;
}

static void test_results(void **state)
{
	struct larder *detached = handle_new();

	(void)state;
	/* covers: larder_check LARDER_DETACHED */
	assert_int_equal(larder_check(detached, NULL, NULL), LARDER_DETACHED);
	assert_int_equal(larder_check(NULL, NULL, NULL), -EINVAL);
	assert_int_equal(local_in_child(check_without_memory), 0);
	handle_free(detached);
}

struct worker {
	pthread_t thread;
	struct larder *handle;
	shm_u32 *stop;
	uint64_t done;
};

static void *work(void *arg)
{
	struct worker *w = arg;
	static const char value[200];
	uint64_t random = (uintptr_t)w;
	char key[16];

	while (load_acquire_u32(w->stop) == 0) {
		size_t klen;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		klen = (size_t)snprintf(key, sizeof(key), "w%u", (unsigned)(random >> 50));
		if (random >> 20 & 3)
			(void)!larder_set(w->handle, key, klen, value, random >> 30 & 127, 0);
		else
			(void)!larder_delete(w->handle, key, klen);
		w->done++;
	}
	return NULL;
}

/* Nothing of what live writers, a cleaner and a growing index do is reported. */
static void test_while_others_work(void **state)
{
	struct worker workers[3];
	shm_u32 stop = 0;
	uint64_t done = 0;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		workers[i] = (struct worker){.handle = local_open_other(&local), .stop = &stop};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 60; i++) {
		assert_int_equal(larder_check(h, note, &(struct findings){{0}}), 0);
		cleaner_step(local.daemon, 2, false);
		growth_run(local.daemon, &local.ops);
	}
	store_release_u32(&stop, 1);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(workers[i].thread, NULL);
		done += workers[i].done;
	}
	assert_true(done > 1000);
	assert_clean();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_i1_header, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i2_segment_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i3_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i11_hazards, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i12_walks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i14_states, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i15_namespaces, setup, teardown),
		cmocka_unit_test_setup_teardown(test_i16_flushes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_results, setup, teardown),
		cmocka_unit_test_setup_teardown(test_while_others_work, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
