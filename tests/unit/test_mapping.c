/* SPDX-License-Identifier: MIT */
/* test_mapping.c - descriptors become memory, or nothing of them stays */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake.h"
#include "mapping.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake, "mapping");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&fake);
	return 0;
}

static void dup_fds(int fds[2])
{
	fds[0] = fcntl(fake.region_fd, F_DUPFD_CLOEXEC, 0);
	fds[1] = fcntl(fake.ctl_fd, F_DUPFD_CLOEXEC, 0);
	assert_true(fds[0] >= 0 && fds[1] >= 0);
}

/* Does the address belong to a mapping of this process? */
static bool mapped(const void *p)
{
	unsigned char vec;

	return mincore((void *)(uintptr_t)p, 1, &vec) == 0;
}

static void test_writable_mapping(void **state)
{
	struct mapping *map = NULL;
	const void *base, *ctl;
	int fds[2];

	(void)state;
	dup_fds(fds);
	assert_int_equal(mapping_open(&map, fds, fake.hdr->uuid, false), 0);
	assert_int_equal(fds[0], -1);
	assert_int_equal((uintptr_t)map->base % (2 << 20), 0);
	assert_true(mapping_same(map, (int[2]){fake.region_fd, fake.ctl_fd}, fake.hdr->uuid));
	store_relaxed_u32(&((struct shm_header *)(void *)map->base)->tick, 17);
	assert_int_equal(load_relaxed_u32(&fake.hdr->tick), 17);
	base = map->base;
	ctl = map->ctl;
	assert_ptr_equal(mapping_get(map), map);
	mapping_put(map);
	assert_true(mapped(base) && mapped(ctl));
	mapping_put(map);
	assert_false(mapped(base) || mapped(ctl));
	close(fds[1]);
}

static void test_read_only_mapping_keeps_no_descriptor(void **state)
{
	struct mapping *map = NULL;
	int fds[2];

	(void)state;
	dup_fds(fds);
	assert_int_equal(mapping_open(&map, fds, fake.hdr->uuid, true), 0);
	assert_int_equal(map->region_fd, -1);
	assert_true(map->rdonly);
	mapping_put(map);
	close(fds[0]);
	close(fds[1]);
}

static void test_wrong_order_and_wrong_region(void **state)
{
	struct mapping *map = NULL;
	uint8_t uuid[16];
	int fds[2], swapped[2];

	(void)state;
	dup_fds(fds);
	swapped[0] = fds[1];
	swapped[1] = fds[0];
	assert_int_equal(mapping_open(&map, swapped, fake.hdr->uuid, true), -EPROTO);
	memcpy(uuid, fake.hdr->uuid, 16);
	uuid[15]++;
	assert_int_equal(mapping_open(&map, fds, uuid, false), -EBADF);
	assert_null(map);
	close(fds[0]);
	close(fds[1]);
}

static void test_new_control_page_is_another_mapping(void **state)
{
	struct mapping *map = NULL;
	int fds[2];

	(void)state;
	dup_fds(fds);
	assert_int_equal(mapping_open(&map, fds, fake.hdr->uuid, true), 0);
	fake_new_control(&fake);
	assert_false(mapping_same(map, (int[2]){fake.region_fd, fake.ctl_fd}, fake.hdr->uuid));
	mapping_put(map);
	close(fds[0]);
	close(fds[1]);
}

static void test_region_that_is_not_one(void **state)
{
	struct mapping *map = NULL;
	void *page = mmap(NULL, SHM_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(mapping_new(&map, page, SHM_PAGE, true), -EPROTO);
	assert_int_equal(mapping_new(&map, page, 8, true), -EPROTO);
	assert_null(map);
	munmap(page, SHM_PAGE);
	mapping_put(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_writable_mapping),
		cmocka_unit_test(test_read_only_mapping_keeps_no_descriptor),
		cmocka_unit_test(test_wrong_order_and_wrong_region),
		cmocka_unit_test(test_new_control_page_is_another_mapping),
		cmocka_unit_test(test_region_that_is_not_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
