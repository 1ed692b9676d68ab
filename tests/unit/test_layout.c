/* SPDX-License-Identifier: MIT */
/*
 * test_layout.c - the region's format is what tests/golden/layout.txt says
 *
 * Two builds share a region by these numbers. Where this test fails, either a change was not meant
 * to touch the format, or it needs another LAYOUT_MAJOR and a new golden file:
 * build/tests/unit/test_layout --print >tests/golden/layout.txt
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <larder/control.h>

#include "geometry.h"
#include "handle.h"
#include "words.h"

#define TEXT_MAX 16384

static char text[TEXT_MAX];
static size_t used;

static void line(const char *what, unsigned long long n)
{
	used += (size_t)snprintf(text + used, sizeof(text) - used, "%s %llu\n", what, n);
}

#define SIZE(type) line("sizeof " #type, sizeof(struct type))
#define AT(type, field) line(#type "." #field, offsetof(struct type, field))
#define IS(constant) line(#constant, (unsigned long long)(constant))

static void print_header(void)
{
	SIZE(shm_geometry);
	AT(shm_geometry, off_segs);
	AT(shm_geometry, off_level);
	AT(shm_geometry, off_data);
	AT(shm_geometry, max_value);
	AT(shm_geometry, n_segs);
	AT(shm_geometry, unit_shift);
	AT(shm_geometry, chunk_shift);
	AT(shm_geometry, reserve);
	SIZE(shm_header);
	AT(shm_header, major);
	AT(shm_header, signature);
	AT(shm_header, uuid);
	AT(shm_header, seed);
	AT(shm_header, geo);
	AT(shm_header, index);
	AT(shm_header, flushed_all);
	AT(shm_header, flushed_at0);
	AT(shm_header, clock_shift);
	AT(shm_header, commit);
	AT(shm_header, ctl_epoch);
	AT(shm_header, tick);
	AT(shm_header, flush_seq);
	AT(shm_header, lease_seq);
	AT(shm_header, punched);
	AT(shm_header, slots_high);
}

static void print_parts(void)
{
	SIZE(shm_segment);
	AT(shm_segment, epoch);
	SIZE(shm_table);
	AT(shm_table, items);
	AT(shm_table, expiry);
	AT(shm_table, lease_seq);
	AT(shm_table, dead);
	AT(shm_table, born_s);
	SIZE(shm_slot);
	AT(shm_slot, h1);
	AT(shm_slot, splitting);
	AT(shm_slot, pin);
	AT(shm_slot, mode);
	AT(shm_slot, count);
	AT(shm_slot, ns);
	SIZE(shm_ns_count);
	SIZE(shm_ns);
	SIZE(shm_ns_name);
	SIZE(shm_bucket);
	AT(shm_bucket, recency);
	AT(shm_bucket, overflow);
	SIZE(ctl_slot);
	SIZE(ctl_event);
	SIZE(ctl_msg);
	AT(ctl_page, heartbeat_ms);
	AT(ctl_page, events);
	AT(ctl_page, slots);
}

static void print_words(void)
{
	IS(LAYOUT_MAGIC);
	IS(LAYOUT_MAJOR);
	IS(LAYOUT_SIGNATURE);
	IS(SLOT_FROZEN);
	IS(SLOT_ALT);
	IS(SLOT_EMPTY_WORD);
	IS(SLOT_MATCH_MASK);
	IS(SEG_BODY);
	IS(ITEM_EXPIRY_MASK);
	IS(ITEM_STAMP_MASK);
	IS(EXTENT_GEN_MASK);
	line("slot_make(alt, 0xabc, 0x123, 0x5678, 10)", slot_make(true, 0xabc, 0x123, 0x5678, 10));
	line("seg_make(SEG_CLEANING, body, 7, 9)", seg_make(SEG_CLEANING, true, 7, 9));
	line("version_make(3, 5)", version_make(3, 5));
}

/* The plans of some sizes: a region that was made by another build has this shape. */
static void print_plans(void)
{
	for (uint64_t memory = 1 << 20; memory <= 1ULL << 40; memory <<= 4) {
		const struct geometry_options opt = {.max_memory = memory};
		struct shm_geometry geo;
		char what[64];

		assert_int_equal(geometry_plan(&geo, &opt), 0);
		snprintf(what, sizeof(what), "plan %llu: segments", (unsigned long long)memory);
		line(what, geo.n_segs);
		line("  seg_shift", geo.seg_shift);
		line("  bucket_shift", geo.bucket_shift);
		line("  chunk_shift", geo.chunk_shift);
		line("  n_slots", geo.n_slots);
		line("  max_value", geo.max_value);
		line("  off_data", geo.off_data);
		line("  file_bytes", geo.file_bytes);
	}
}

/* The counters' numbers are part of the format, too: append only. */
static void print_counters(void)
{
	for (unsigned i = 0; i < larder_stat_count(); i++)
		line(larder_stat_name(i), i);
}

static void print_all(void)
{
	used = 0;
	print_header();
	print_parts();
	print_words();
	print_plans();
	print_counters();
	assert_true(used < sizeof(text));
}

/* In the source tree, wherever the test is run. */
static FILE *open_golden(void)
{
	const char *file = __FILE__;
	const char *base = strstr(file, "tests/unit/");
	char path[512];
	FILE *f;

	assert_non_null(base);
	snprintf(path, sizeof(path), "%.*stests/golden/layout.txt", (int)(base - file), file);
	f = fopen(path, "r");
	if (f == NULL) {
		print_message("%s cannot be opened from here\n", path);
		skip();
	}
	return f;
}

static void test_golden(void **state)
{
	char want[256], *at = text;
	FILE *f = open_golden();

	(void)state;
	print_all();
	while (fgets(want, sizeof(want), f) != NULL) {
		size_t len = strcspn(at, "\n") + 1;

		want[strcspn(want, "\n")] = '\0';
		at[len - 1] = '\0';
		assert_string_equal(at, want);
		at += len;
	}
	fclose(f);
	assert_int_equal(*at, '\0');
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_golden),
	};

	if (argc == 2 && strcmp(argv[1], "--print") == 0) {
		print_all();
		fputs(text, stdout);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
