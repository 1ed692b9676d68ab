/* SPDX-License-Identifier: MIT */
/* test_daemon_endpoint.c - one daemon for each path; stale sockets; what is removed at the end */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "endpoint.h"
#include "log.h"

static char dir[80], path[100], lock[110];

static int make_dir(void **state)
{
	(void)state;
	log_init(0); /* nothing */
	snprintf(dir, sizeof(dir), "%.60s/le.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sub/c.sock", dir);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	return 0;
}

static int remove_dir(void **state)
{
	char sub[90];

	(void)state;
	unlink(path);
	unlink(lock);
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	rmdir(sub);
	return rmdir(dir);
}

static bool exists(const char *p)
{
	return access(p, F_OK) == 0;
}

static void test_modes(void **state)
{
	struct endpoint ep = ENDPOINT_INIT;
	struct stat st;
	char sub[90];

	(void)state;
	assert_int_equal(endpoint_lock(&ep, path), 0);
	assert_int_equal(endpoint_listen(&ep, false), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	snprintf(sub, sizeof(sub), "%s/sub", dir);
	assert_int_equal(stat(sub, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	endpoint_remove(&ep);
	endpoint_close(&ep);
	assert_false(exists(path));
	assert_false(exists(lock));
}

static void test_second_is_refused(void **state)
{
	struct endpoint a = ENDPOINT_INIT, b = ENDPOINT_INIT;

	(void)state;
	assert_int_equal(endpoint_lock(&a, path), 0);
	assert_int_equal(endpoint_listen(&a, true), 0);
	assert_int_equal(endpoint_lock(&b, path), -EBUSY);
	endpoint_remove(&b);
	assert_true(exists(path));
	endpoint_remove(&a);
	endpoint_close(&a);
}

/* Killed without a chance to clean up: lock file and socket are there, nobody holds them. */
static void test_stale_is_replaced(void **state)
{
	struct endpoint a = ENDPOINT_INIT, b = ENDPOINT_INIT;

	(void)state;
	assert_int_equal(endpoint_lock(&a, path), 0);
	assert_int_equal(endpoint_listen(&a, false), 0);
	endpoint_close(&a);
	assert_true(exists(path));
	assert_int_equal(endpoint_lock(&b, path), 0);
	assert_int_equal(endpoint_listen(&b, false), 0);
	endpoint_remove(&b);
	endpoint_close(&b);
	assert_false(exists(path));
}

/* The last owner may come late with its removal; the newcomer's files stay. */
static void test_late_removal(void **state)
{
	struct endpoint a = ENDPOINT_INIT, b = ENDPOINT_INIT;

	(void)state;
	assert_int_equal(endpoint_lock(&a, path), 0);
	assert_int_equal(endpoint_listen(&a, false), 0);
	endpoint_remove(&a);
	assert_int_equal(endpoint_lock(&b, path), 0);
	assert_int_equal(endpoint_listen(&b, false), 0);
	endpoint_remove(&a);
	assert_true(exists(path));
	assert_true(exists(lock));
	endpoint_close(&a);
	endpoint_remove(&b);
	endpoint_close(&b);
}

static void test_not_a_socket(void **state)
{
	struct endpoint a = ENDPOINT_INIT;
	int fd;

	(void)state;
	assert_int_equal(endpoint_lock(&a, path), 0);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(endpoint_listen(&a, false), -EEXIST);
	endpoint_remove(&a);
	endpoint_close(&a);
	assert_true(exists(path)); /* not ours to remove */
}

/* A listener that knows nothing of the lock file. */
static void test_foreign_listener(void **state)
{
	struct endpoint a = ENDPOINT_INIT, b = ENDPOINT_INIT;

	(void)state;
	assert_int_equal(endpoint_lock(&a, path), 0);
	assert_int_equal(endpoint_listen(&a, false), 0);
	unlink(lock);
	assert_int_equal(endpoint_lock(&b, path), 0);
	assert_int_equal(endpoint_listen(&b, false), -EADDRINUSE);
	endpoint_remove(&b);
	endpoint_close(&b);
	assert_true(exists(path));
	endpoint_close(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_modes, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_second_is_refused, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_stale_is_replaced, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_late_removal, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_not_a_socket, make_dir, remove_dir),
		cmocka_unit_test_setup_teardown(test_foreign_listener, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
