/* SPDX-License-Identifier: MIT */
/* test_geometry.c - plans fit their memory at every size; nothing else passes the check */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/mman.h>

#include <errno.h>

#include "atomic.h"
#include "geometry.h"
#include "words.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

static void assert_sound(const struct shm_geometry *geo)
{
	uint64_t seg = geometry_seg_bytes(geo);

	assert_int_equal(geometry_check(geo, geo->file_bytes), 0);
	assert_true(geometry_fixed_bytes(geo) + geo->n_segs * seg <= geo->max_memory);
	/* Not more than one segment is given away. */
	assert_true(geometry_fixed_bytes(geo) + (geo->n_segs + 1) * seg > geo->max_memory);
	assert_true(geo->max_value <= geo->max_memory / 8);
	assert_true((geo->n_segs * seg - 1) >> geo->unit_shift <= SLOT_PLACE_MASK);
	assert_true(geo->n_segs <= 1u << 20);
	assert_true(geo->n_slots <= SHM_SLOTS_MAX);
	assert_true(1ULL << geo->chunk_shift <= geometry_buckets(geo, 0));
	assert_int_equal(geo->off_data % (2 * MIB), 0);
}

static void test_plans(void **state)
{
	struct shm_geometry geo;

	(void)state;
	for (uint64_t memory = GEOMETRY_MEMORY_MIN; memory <= GEOMETRY_MEMORY_MAX; memory *= 2) {
		const uint64_t sizes[] = {memory, memory + 4096, memory + memory / 3,
					  memory * 2 - 1};

		for (unsigned i = 0; i < 4; i++) {
			const struct geometry_options opt = {.max_memory = sizes[i]};

			if (sizes[i] > GEOMETRY_MEMORY_MAX)
				continue;
			assert_int_equal(geometry_plan(&geo, &opt), 0);
			assert_sound(&geo);
		}
	}
}

static void test_chosen_segments(void **state)
{
	struct shm_geometry geo;
	struct geometry_options opt = {.max_memory = 64 * MIB};

	(void)state;
	for (opt.segment_bytes = 4096; opt.segment_bytes <= 4 * MIB; opt.segment_bytes *= 2) {
		int r = geometry_plan(&geo, &opt);

		if (r == 0) {
			assert_int_equal(geometry_seg_bytes(&geo), opt.segment_bytes);
			assert_sound(&geo);
		}
		assert_int_equal(r, opt.segment_bytes <= 2 * MIB ? 0 : -ERANGE);
	}
	opt.segment_bytes = 5000;
	assert_int_equal(geometry_plan(&geo, &opt), -ERANGE);
	opt.segment_bytes = 2048;
	assert_int_equal(geometry_plan(&geo, &opt), -ERANGE);
	opt.segment_bytes = 16 * MIB;
	assert_int_equal(geometry_plan(&geo, &opt), -ERANGE);
}

static void test_out_of_range(void **state)
{
	const uint64_t bad[] = {0, GEOMETRY_MEMORY_MIN - 1, GEOMETRY_MEMORY_MAX + 1, UINT64_MAX};
	struct shm_geometry geo;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		const struct geometry_options opt = {.max_memory = bad[i]};

		assert_int_equal(geometry_plan(&geo, &opt), -ERANGE);
	}
}

/* Offsets and sizes follow from each other: a change of any byte of one is seen. */
static void test_check_sees_changes(void **state)
{
	const struct geometry_options opt = {.max_memory = 64 * MIB, .test_clock = true};
	const size_t end = offsetof(struct shm_geometry, unit_shift);
	struct shm_geometry good, geo;
	unsigned char *bytes = (unsigned char *)&geo;

	(void)state;
	assert_int_equal(geometry_plan(&good, &opt), 0);
	assert_int_equal(geometry_check(&good, good.file_bytes), 0);
	assert_int_equal(geometry_check(&good, good.file_bytes - 1), -EPROTO);
	for (size_t i = 0; i < end; i++) {
		bool free_field = (i >= 8 && i < 16) || /* max_memory: any will do */
				  (i >= offsetof(struct shm_geometry, max_value) &&
				   i < offsetof(struct shm_geometry, n_segs));

		geo = good;
		bytes[i] ^= 0x80;
		if (!free_field)
			assert_int_equal(geometry_check(&geo, good.file_bytes), -EPROTO);
	}
	for (unsigned field = 0; field < 5; field++) {
		geo = good;
		*(uint32_t *[]){&geo.unit_shift, &geo.bucket_shift, &geo.n_levels, &geo.chunk_shift,
				&geo.test_clock}[field] = 200;
		assert_int_equal(geometry_check(&geo, good.file_bytes), -EPROTO);
	}
	geo = good;
	geo.max_value = 65 * MIB;
	assert_int_equal(geometry_check(&geo, good.file_bytes), -EPROTO);
	geo = good;
	geo.reserve = geo.n_segs + 1;
	assert_int_equal(geometry_check(&geo, good.file_bytes), -EPROTO);
}

/* What passes the check is safe to compute with, whatever the bytes are. */
static void test_random_geometry(void **state)
{
	const struct geometry_options opt = {.max_memory = GIB};
	struct shm_geometry good, geo;
	uint64_t random = 7;
	unsigned passed = 0;

	(void)state;
	assert_int_equal(geometry_plan(&good, &opt), 0);
	for (unsigned n = 0; n < 200000; n++) {
		size_t at;

		random = random * 6364136223846793005ULL + 1442695040888963407ULL;
		at = (random >> 40) % (sizeof(geo) / 4);
		geo = good;
		((uint32_t *)(void *)&geo)[at] =
			(uint32_t)(random >> 8 & (random >> 60 ? 63 : ~0u));
		if (geometry_check(&geo, geo.file_bytes) != 0)
			continue;
		passed++;
		assert_true(geo.seg_shift < 32 && geo.unit_shift <= geo.seg_shift);
		assert_true(geo.off_data + ((uint64_t)geo.n_segs << geo.seg_shift) ==
			    geo.file_bytes);
		assert_true(geo.n_levels >= 1 && geo.n_levels <= SHM_LEVELS);
	}
	assert_true(passed > 0);
}

static void test_format(void **state)
{
	const struct geometry_options opt = {.max_memory = MIB};
	static const uint8_t uuid[16] = "0123456789abcde";
	struct shm_geometry geo, got;
	struct shm_segment *segs;
	struct shm_bucket *buckets;
	uint8_t got_uuid[16], *base;
	uint64_t seed;

	(void)state;
	assert_int_equal(geometry_plan(&geo, &opt), 0);
	base = mmap(NULL, geo.file_bytes, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(base, MAP_FAILED);
	assert_int_equal(region_header_check(base, geo.file_bytes, &got, got_uuid, &seed), -EPROTO);
	region_format(base, &geo, uuid, 4711);
	assert_int_equal(region_header_check(base, geo.file_bytes, &got, got_uuid, &seed), 0);
	assert_memory_equal(&got, &geo, sizeof(geo));
	assert_memory_equal(got_uuid, uuid, 16);
	assert_int_equal(seed, 4711);
	assert_int_equal(region_header_check(base, 100, &got, got_uuid, &seed), -EPROTO);
	assert_int_equal(region_header_check(base, geo.file_bytes + 1, &got, got_uuid, &seed),
			 -EPROTO);
	segs = (struct shm_segment *)(void *)(base + geo.off_segs);
	for (uint32_t i = 0; i < geo.n_segs; i++)
		assert_int_equal(seg_state(load_relaxed(&segs[i].word)), SEG_FREE);
	buckets = (struct shm_bucket *)(void *)(base + geo.off_level[0]);
	for (uint64_t i = 0; i < geometry_buckets(&geo, 0); i++) {
		for (unsigned j = 0; j < SHM_WORDS; j++)
			assert_int_equal(load_relaxed(&buckets[i].word[j]), SLOT_EMPTY_WORD);
		assert_int_equal(load_relaxed_u8(&buckets[i].overflow), OVERFLOW_NONE);
	}
	((struct shm_header *)(void *)base)->major++;
	assert_int_equal(region_header_check(base, geo.file_bytes, &got, got_uuid, &seed), -EPROTO);
	munmap(base, geo.file_bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plans),		cmocka_unit_test(test_chosen_segments),
		cmocka_unit_test(test_out_of_range),	cmocka_unit_test(test_check_sees_changes),
		cmocka_unit_test(test_random_geometry), cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
