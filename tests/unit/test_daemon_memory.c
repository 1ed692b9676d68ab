/* SPDX-License-Identifier: MIT */
/* test_daemon_memory.c - limits of the host and of cgroups, from a made-up /proc and /sys */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "memory.h"

static char root[256];

/* A file below root, with its directories. */
static void put(const char *path, const char *text)
{
	char full[600];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
		*at = '\0';
		mkdir(full, 0700);
		*at = '/';
	}
	f = fopen(full, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "%s/larder-memory.XXXXXX",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void test_nothing_known(void **state)
{
	struct memory_limit limit;

	(void)state;
	memory_available(&limit, root);
	assert_true(limit.available == UINT64_MAX);
}

static void test_host(void **state)
{
	struct memory_limit limit;

	(void)state;
	put("proc/meminfo", "MemTotal:  9000 kB\nMemFree: 1 kB\nMemAvailable:    5000 kB\n");
	memory_available(&limit, root);
	assert_int_equal(limit.available, 5000 << 10);
	assert_string_equal(limit.what, "this host");
}

static void test_v2_parent_limits(void **state)
{
	struct memory_limit limit;

	(void)state;
	put("proc/meminfo", "MemAvailable:    5000 kB\n");
	put("proc/self/cgroup", "0::/a.slice/b\n");
	put("sys/fs/cgroup/a.slice/b/memory.max", "max\n");
	put("sys/fs/cgroup/a.slice/b/memory.current", "1000\n");
	put("sys/fs/cgroup/a.slice/memory.max", "1000000\n");
	put("sys/fs/cgroup/a.slice/memory.current", "900000\n");
	put("sys/fs/cgroup/a.slice/memory.stat",
	    "anon 5\ninactive_file 200000\nactive_file 50000\n");
	memory_available(&limit, root);
	assert_int_equal(limit.available, 350000);
	assert_string_equal(limit.what, "the memory limit of cgroup /a.slice");
}

static void test_v1(void **state)
{
	struct memory_limit limit;

	(void)state;
	put("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/x\n1:name=systemd:/x\n");
	put("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "3000\n");
	put("sys/fs/cgroup/memory/x/memory.usage_in_bytes", "5000\n");
	memory_available(&limit, root);
	assert_int_equal(limit.available, 0);
	assert_string_equal(limit.what, "the memory limit of cgroup /x");
}

static void test_this_machine(void **state)
{
	struct memory_limit limit;

	(void)state;
	memory_available(&limit, "");
	assert_true(limit.available > 0 && limit.available < UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_known, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_host, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_v2_parent_limits, make_root, remove_root),
		cmocka_unit_test_setup_teardown(test_v1, make_root, remove_root),
		cmocka_unit_test(test_this_machine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
