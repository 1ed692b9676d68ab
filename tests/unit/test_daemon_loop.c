/* SPDX-License-Identifier: MIT */
/* test_daemon_loop.c - sources that remove one another, pausing, work between rounds; processes */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "loop.h"
#include "process.h"

struct object {
	struct loop_grave grave;
	struct source src;
	struct object *victim;
	int *calls;
};

static struct loop loop;

static void on_ready(struct source *s, uint32_t events)
{
	struct object *o = LOOP_OBJECT(s, struct object, src);

	(void)events;
	++*o->calls;
	if (o->victim) {
		loop_del(&loop, &o->victim->src);
		loop_free(&loop, o->victim);
	}
	loop_del(&loop, s);
	loop_free(&loop, o);
	loop.busy = true;
}

static bool stop_now(void *ctx)
{
	(void)ctx;
	loop.stop = true;
	return false;
}

static struct object *object_new(int *calls)
{
	struct object *o = calloc(1, sizeof(*o));
	int fds[2];

	assert_non_null(o);
	o->calls = calls;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]); /* readable at once: hung up */
	assert_int_equal(loop_add(&loop, &o->src, fds[0], on_ready, NULL), 0);
	return o;
}

/* Both are ready in one round; whichever comes first takes the other with it. */
static void test_remove_one_another(void **state)
{
	int calls = 0;
	struct object *a, *b;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	loop.work = stop_now;
	a = object_new(&calls);
	b = object_new(&calls);
	a->victim = b;
	b->victim = a;
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(calls, 1);
	loop_deinit(&loop);
}

static void test_pause(void **state)
{
	int calls = 0, fds[2];
	struct object *o = calloc(1, sizeof(*o));

	(void)state;
	assert_non_null(o);
	assert_int_equal(loop_init(&loop), 0);
	loop.work = stop_now;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	o->calls = &calls;
	assert_int_equal(loop_add(&loop, &o->src, fds[0], on_ready, NULL), 0);
	assert_int_equal(loop_pause(&loop, &o->src, true), 0);
	loop.busy = true;
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(calls, 0);
	loop.stop = false;
	assert_int_equal(loop_pause(&loop, &o->src, false), 0);
	assert_int_equal(loop_run(&loop), 0);
	assert_int_equal(calls, 1);
	loop_deinit(&loop);
	close(fds[1]);
}

static void test_delete_unused(void **state)
{
	struct source s = SOURCE_INIT;

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	loop_del(&loop, &s);
	loop_del(&loop, &s);
	/* The loop owns a descriptor that it could not add, and closes it. */
	assert_int_equal(loop_add(&loop, &s, 1000000, on_ready, NULL), -EBADF);
	assert_int_equal(s.fd, -1);
	loop_deinit(&loop);
}

static void test_peer(void **state)
{
	struct process a, b, again;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(process_of_peer(&a, fds[0], false), 0);
	assert_int_equal(process_of_peer(&b, fds[0], true), 0);
	assert_int_equal(a.pid, getpid());
	assert_int_equal(a.uid, geteuid());
	assert_true(a.start_time > 0);
	assert_true(a.start_time == b.start_time);
	assert_false(process_ended(a.pidfd));
	assert_int_equal(process_reopen(&again, getpid(), a.start_time), 0);
	close(again.pidfd);
	/* The pid of a process that started at another time is not that process. */
	assert_int_equal(process_reopen(&again, getpid(), a.start_time + 1), -ESRCH);
	close(a.pidfd);
	close(b.pidfd);
	close(fds[0]);
	close(fds[1]);
}

static void test_death(void **state)
{
	struct process p;
	pid_t pid = fork();
	int fd;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	fd = process_open(pid);
	assert_true(fd >= 0);
	assert_false(process_ended(fd));
	assert_int_equal(process_collect(fd), -1);
	assert_int_equal(process_signal(fd, SIGKILL), 0);
	while (!process_ended(fd))
		usleep(1000);
	assert_int_equal(WTERMSIG(process_collect(fd)), SIGKILL);
	assert_int_equal(process_collect(fd), -1);
	assert_int_equal(process_reopen(&p, pid, 1), -ESRCH);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_remove_one_another),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_delete_unused),
		cmocka_unit_test(test_peer),
		cmocka_unit_test(test_death),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
