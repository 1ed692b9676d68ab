/* SPDX-License-Identifier: MIT */
/* test_socket.c - the path of a name, and messages whole or not at all */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "fake.h"
#include "socket.h"

static struct sockaddr_un addr;

static const char *path_of(const char *name)
{
	return socket_path(&addr, name) == 0 ? addr.sun_path : NULL;
}

static void test_path_with_a_slash_is_itself(void **state)
{
	(void)state;
	setenv("LARDER_SOCKET", "/elsewhere", 1);
	assert_string_equal(path_of("./x"), "./x");
	assert_string_equal(path_of("/tmp/a b"), "/tmp/a b");
	unsetenv("LARDER_SOCKET");
}

static void test_path_of_a_name(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	setenv("LARDER_SOCKET", "/given/by.sock", 1);
	assert_string_equal(path_of("web"), "/given/by.sock");
	assert_string_equal(path_of(NULL), "/given/by.sock");
	setenv("LARDER_SOCKET", "", 1);
	setenv("XDG_RUNTIME_DIR", "/run/user/7", 1);
	assert_string_equal(path_of("web"),
			    root ? "/run/larder/web.sock" : "/run/user/7/larder/web.sock");
	unsetenv("LARDER_SOCKET");
	unsetenv("XDG_RUNTIME_DIR");
	assert_string_equal(path_of(NULL), "/run/larder/main.sock");
	assert_string_equal(path_of("A-z_0.9"), "/run/larder/A-z_0.9.sock");
}

static void test_names_that_are_none(void **state)
{
	char name[200];

	(void)state;
	assert_null(path_of(""));
	assert_null(path_of("a b"));
	assert_null(path_of("\xc3\xa4"));
	memset(name, 'n', 64);
	name[64] = '\0';
	assert_non_null(path_of(name));
	name[64] = 'n';
	name[65] = '\0';
	assert_null(path_of(name));
	memset(name, '/', 150);
	name[150] = '\0';
	assert_null(path_of(name));
	setenv("LARDER_SOCKET", name, 1);
	assert_null(path_of("web"));
	unsetenv("LARDER_SOCKET");
}

static void test_messages(void **state)
{
	struct ctl_msg out, in;
	int pair[2], fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -ETIMEDOUT);
	socket_message(&out, CTL_PONG);
	assert_int_equal(socket_send(pair[0], &out), 0);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, clock_coarse_ms() + 1000), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(fds[0], -1);

	out.type = CTL_ERROR;
	out.status = -EUSERS;
	assert_int_equal(socket_send(pair[0], &out), 0);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -EUSERS);
	out.status = 5; /* not an error: must not look like an outcome */
	assert_int_equal(socket_send(pair[0], &out), 0);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -EPROTO);
	socket_message(&out, CTL_PONG);
	out.major++;
	assert_int_equal(socket_send(pair[0], &out), 0);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -EPROTO);
	assert_int_equal(send(pair[0], &out, 3, 0), 3);
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -EPROTO);

	assert_false(socket_hung_up(pair[1]));
	close(pair[0]);
	assert_true(socket_hung_up(pair[1]));
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -ECONNRESET);
	assert_int_equal(socket_send(pair[1], &out), -ECONNRESET);
	close(pair[1]);
}

static void test_longer_message_is_refused(void **state)
{
	char bytes[sizeof(struct ctl_msg) + 8] = {0};
	struct ctl_msg in;
	int pair[2], fds[2];

	(void)state;
	socket_message(&in, CTL_PONG);
	memcpy(bytes, &in, sizeof(in));
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(send(pair[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(socket_receive(pair[1], CTL_PONG, &in, fds, 0), -EPROTO);
	close(pair[0]);
	close(pair[1]);
}

static void test_full_queue_times_out(void **state)
{
	struct fake fake;
	int fd, waiting[8], n = 0, listener;
	uint64_t start;

	(void)state;
	fake_init(&fake, "queue");
	assert_int_equal(socket_path(&addr, fake.path), 0);
	assert_int_equal(socket_connect(&addr, 0, &fd), -ENOENT);
	listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(socket_connect(&addr, 0, &fd), -ECONNREFUSED);
	assert_int_equal(listen(listener, 1), 0);
	while (n < 8 && socket_connect(&addr, 0, &waiting[n]) == 0)
		n++;
	assert_in_range(n, 1, 7);
	start = clock_coarse_ms();
	assert_int_equal(socket_connect(&addr, start + 50, &fd), -ETIMEDOUT);
	assert_in_range(clock_coarse_ms() - start, 40, 5000);
	while (n > 0)
		close(waiting[--n]);
	close(listener);
	unlink(fake.path);
	fake_deinit(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_path_with_a_slash_is_itself),
		cmocka_unit_test(test_path_of_a_name),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_longer_message_is_refused),
		cmocka_unit_test(test_full_queue_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
