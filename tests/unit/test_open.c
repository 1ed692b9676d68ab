/* SPDX-License-Identifier: MIT */
/* test_open.c - open, clone and close, against honest and hostile daemons; nothing leaks */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "attach.h"
#include "clock.h"
#include "fake.h"

static struct fake fake;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake, "open");
	fake_start(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_deinit(&fake);
	return 0;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static unsigned count_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned n = 0;

	while (fgets(line, sizeof(line), f) != NULL)
		n += strstr(line, "memfd:") != NULL;
	fclose(f);
	return n;
}

static int open_with(struct larder **hp, unsigned flags, uint32_t timeout_ms)
{
	const struct larder_open_options opt = {
		.size = sizeof(opt), .flags = flags, .timeout_ms = timeout_ms};

	return larder_open(hp, fake.path, &opt);
}

static void test_open_and_close(void **state)
{
	unsigned byes = fake_count(&fake, &fake.byes);
	unsigned fds, maps = count_maps();
	struct larder *h;

	(void)state;
	assert_int_equal(larder_open(&h, fake.path, NULL), 0);
	larder_close(h);
	assert_true(fake_wait(&fake, &fake.byes, byes + 1));
	fds = count_fds();
	/* covers: larder_open LARDER_OK */
	assert_int_equal(larder_open(&h, fake.path, NULL), 0);
	assert_true(handle_alive(h));
	assert_int_equal(fake.last_hello.slot, CTL_NO_SLOT);
	assert_int_equal(fake.last_hello.flags & CTL_FLAG_RDONLY, 0);
	assert_int_equal(load_relaxed(&h->slot->count[STAT_reattached]), 0);
	/* covers: larder_close */
	larder_close(h);
	larder_close(NULL);
	assert_true(fake_wait(&fake, &fake.byes, byes + 2));
	assert_int_equal(count_fds(), fds);
	assert_int_equal(count_maps(), maps);
}

static void test_read_only_open(void **state)
{
	struct larder *h;

	(void)state;
	assert_int_equal(open_with(&h, LARDER_RDONLY, 0), 0);
	assert_int_equal(fake.last_hello.flags & CTL_FLAG_RDONLY, CTL_FLAG_RDONLY);
	assert_true(h->rdonly);
	assert_int_equal(h->map->region_fd, -1);
	larder_close(h);
}

static void test_orphan_time_from_the_environment(void **state)
{
	struct larder *h;

	(void)state;
	setenv("LARDER_ORPHAN_AFTER_MS", "77", 1);
	assert_int_equal(larder_open(&h, fake.path, NULL), 0);
	assert_int_equal(h->attachment->orphan_after_ms, 77);
	larder_close(h);
	unsetenv("LARDER_ORPHAN_AFTER_MS");
	assert_int_equal(larder_open(&h, fake.path, NULL), 0);
	assert_int_equal(h->attachment->orphan_after_ms, 60000);
	larder_close(h);
}

static void test_bad_arguments(void **state)
{
	struct larder_open_options opt = {.size = sizeof(opt)};
	struct larder *h = (struct larder *)(void *)&opt;

	(void)state;
	/* covers: larder_open -EINVAL */
	assert_int_equal(larder_open(NULL, fake.path, NULL), -EINVAL);
	assert_int_equal(larder_open(&h, "no name", NULL), -EINVAL);
	assert_null(h);
	opt.flags = 4;
	assert_int_equal(larder_open(&h, fake.path, &opt), -EINVAL);
	opt.flags = 0;
	opt.size++;
	assert_int_equal(larder_open(&h, fake.path, &opt), -EINVAL);
	/* covers: larder_clone -EINVAL */
	assert_int_equal(larder_clone(NULL, &h), -EINVAL);
}

static void test_nobody_there(void **state)
{
	struct larder *h;

	(void)state;
	/* covers: larder_open -ENOENT */
	assert_int_equal(larder_open(&h, "/nonexistent/larder.sock", NULL), -ENOENT);
	fake_stop(&fake);
	assert_int_equal(open_with(&h, 0, 50), -ENOENT);
	fake_start(&fake);
	fake_set_fault(&fake, FAKE_HANG_UP, 0);
	/* covers: larder_open -ECONNREFUSED */
	assert_int_equal(open_with(&h, 0, 50), -ECONNREFUSED);
	assert_null(h);
	fake_set_fault(&fake, FAKE_HONEST, 0);
}

/* A daemon that dies in the handshake has a successor within the time of an open. */
static void *heal(void *arg)
{
	(void)arg;
	usleep(30000);
	fake_set_fault(&fake, FAKE_HONEST, 0);
	return NULL;
}

static void test_open_outlives_a_dying_daemon(void **state)
{
	struct larder *h;
	pthread_t thread;

	(void)state;
	fake_set_fault(&fake, FAKE_HANG_UP, 0);
	pthread_create(&thread, NULL, heal, NULL);
	assert_int_equal(open_with(&h, 0, 5000), 0);
	pthread_join(thread, NULL);
	larder_close(h);
}

static void test_hostile_daemons(void **state)
{
	static const struct {
		enum fake_fault fault;
		int status, result;
	} cases[] = {
		/* covers: larder_open -ETIMEDOUT -EACCES -EUSERS -EPROTO -EBADF */
		{FAKE_SILENT, 0, -ETIMEDOUT},	 {FAKE_ERROR, -EACCES, -EACCES},
		{FAKE_ERROR, -EUSERS, -EUSERS},	 {FAKE_ERROR, -EPROTO, -EPROTO},
		{FAKE_ERROR, 3, -EPROTO},	 {FAKE_HANG_UP, 0, -ECONNREFUSED},
		{FAKE_SHORT, 0, -EPROTO},	 {FAKE_TYPE, 0, -EPROTO},
		{FAKE_SIGNATURE, 0, -EPROTO},	 {FAKE_SLOT, 0, -EPROTO},
		{FAKE_ONE_FD, 0, -EBADF},	 {FAKE_THREE_FDS, 0, -EBADF},
		{FAKE_MANY_FDS, 0, -EBADF},	 {FAKE_UNSEALED, 0, -EBADF},
		{FAKE_NOT_MEMFD, 0, -EBADF},	 {FAKE_LONG_FILE, 0, -EPROTO},
		{FAKE_NO_MAGIC, 0, -EPROTO},	 {FAKE_OTHER_UUID, 0, -EBADF},
		{FAKE_CTL_SMALL, 0, -EBADF},	 {FAKE_CTL_UNSEALED, 0, -EBADF},
		{FAKE_CTL_NO_MAGIC, 0, -EPROTO}, {FAKE_CTL_OTHER_UUID, 0, -EBADF},
	};
	unsigned fds, maps = count_maps();
	struct larder *h;

	(void)state;
	fake_restart(&fake);
	fds = count_fds();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_set_fault(&fake, cases[i].fault, cases[i].status);
		assert_int_equal(open_with(&h, 0, 40), cases[i].result);
		assert_null(h);
		fake_restart(&fake);
		assert_int_equal(count_fds(), fds);
		assert_int_equal(count_maps(), maps);
	}
	fake_set_fault(&fake, FAKE_HONEST, 0);
}

static void test_slot_of_a_failed_handshake_is_given_back(void **state)
{
	unsigned byes = fake_count(&fake, &fake.byes);
	struct larder *h;

	(void)state;
	fake_set_fault(&fake, FAKE_SILENT, 0);
	assert_int_equal(open_with(&h, 0, 20), -ETIMEDOUT);
	assert_true(fake_wait(&fake, &fake.byes, byes + 1));
	fake_set_fault(&fake, FAKE_OTHER_UUID, 0);
	assert_int_equal(open_with(&h, 0, 1000), -EBADF);
	assert_true(fake_wait(&fake, &fake.byes, byes + 2));
	fake_set_fault(&fake, FAKE_HONEST, 0);
}

static void test_may_detach(void **state)
{
	struct larder *h;

	(void)state;
	fake_set_fault(&fake, FAKE_ERROR, -EACCES);
	assert_int_equal(open_with(&h, LARDER_MAY_DETACH, 50), -EACCES);
	fake_set_fault(&fake, FAKE_HONEST, 0);
	fake_stop(&fake);
	assert_int_equal(open_with(&h, LARDER_MAY_DETACH, 50), 0);
	assert_int_equal(handle_enter(h), LARDER_DETACHED);
	larder_close(h);
	fake_start(&fake);
	fake_set_fault(&fake, FAKE_SILENT, 0);
	assert_int_equal(open_with(&h, LARDER_MAY_DETACH | LARDER_RDONLY, 20), 0);
	assert_int_equal(handle_enter(h), LARDER_DETACHED);
	larder_close(h);
	fake_set_fault(&fake, FAKE_HONEST, 0);
}

static void test_clone_shares_the_mapping(void **state)
{
	unsigned byes = fake_count(&fake, &fake.byes);
	struct larder *h, *copy;

	(void)state;
	assert_int_equal(larder_open(&h, fake.path, NULL), 0);
	handle_select(h, 9);
	/* covers: larder_clone LARDER_OK */
	assert_int_equal(larder_clone(h, &copy), 0);
	assert_ptr_equal(copy->map, h->map);
	assert_int_not_equal(copy->me, h->me);
	assert_int_equal(copy->ns, 9);
	assert_int_equal(copy->seed, h->seed);
	larder_close(h);
	assert_int_equal(handle_enter(copy), 0);
	assert_int_not_equal(load_relaxed(&copy->hdr->magic), 0);
	handle_leave(copy);
	larder_close(copy);
	assert_true(fake_wait(&fake, &fake.byes, byes + 2));
}

static void test_clone_fails_as_open_does(void **state)
{
	static const struct {
		enum fake_fault fault;
		int status, result;
	} cases[] = {
		/* covers: larder_clone -EACCES -EUSERS -EPROTO -EBADF -ECONNREFUSED -ETIMEDOUT */
		{FAKE_ERROR, -EACCES, -EACCES},	  {FAKE_ERROR, -EUSERS, -EUSERS},
		{FAKE_SIGNATURE, 0, -EPROTO},	  {FAKE_ONE_FD, 0, -EBADF},
		{FAKE_HANG_UP, 0, -ECONNREFUSED}, {FAKE_SILENT, 0, -ETIMEDOUT},
	};
	struct larder *h, *copy;

	(void)state;
	assert_int_equal(open_with(&h, 0, 40), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_set_fault(&fake, cases[i].fault, cases[i].status);
		assert_int_equal(larder_clone(h, &copy), cases[i].result);
		assert_null(copy);
	}
	fake_set_fault(&fake, FAKE_HONEST, 0);
	h->busy = 1;
	assert_int_equal(larder_clone(h, &copy), -EBUSY);
	h->busy = 0;
	fake_stop(&fake);
	/* covers: larder_clone -ENOENT */
	assert_int_equal(larder_clone(h, &copy), -ENOENT);
	fake_start(&fake);
	larder_close(h);
}

/* In a child, because a limit on the address space does not go away. */
static int open_without_room(void)
{
	struct rlimit limit = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};
	struct larder *h, *first;
	int r;

	if (larder_open(&first, fake.path, NULL) != 0)
		return 1;
	setrlimit(RLIMIT_AS, &limit);
	/* covers: larder_open -ENOMEM */
	r = larder_open(&h, fake.path, NULL);
	if (r != -ENOMEM || h != NULL)
		return 2;
	/* covers: larder_clone -ENOMEM */
	r = larder_clone(first, &h);
	if (r != -ENOMEM || h != NULL)
		return 3;
	larder_close(first);
	return 0;
}

static void test_no_memory(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	pid = fork();
	if (pid == 0)
		_exit(open_without_room());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_and_close),
		cmocka_unit_test(test_read_only_open),
		cmocka_unit_test(test_orphan_time_from_the_environment),
		cmocka_unit_test(test_bad_arguments),
		cmocka_unit_test(test_nobody_there),
		cmocka_unit_test(test_open_outlives_a_dying_daemon),
		cmocka_unit_test(test_hostile_daemons),
		cmocka_unit_test(test_slot_of_a_failed_handshake_is_given_back),
		cmocka_unit_test(test_may_detach),
		cmocka_unit_test(test_clone_shares_the_mapping),
		cmocka_unit_test(test_clone_fails_as_open_does),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
