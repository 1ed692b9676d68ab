/* SPDX-License-Identifier: MIT */
/* spawn.c - a private daemon in a directory of its own, and nothing of it left afterwards
 *
 * DESIGN   Between the harness and the daemon stands a guard process, the daemon's parent, which
 *          calls setsid() so that Ctrl-C does not reach it. It holds the reading end of a pipe
 *          whose only writer is the harness. When the harness is gone, in whatever way, SIGKILL
 *          included, the pipe ends; the guard then ends the daemon and removes the directory.
 * SIGNALS  The harness ends its clients and waits for its guards before it dies of a signal, so that
 *          a caller who sees it dead sees nothing else of it.
 * FAILURE  A guard that is itself killed takes the daemon along (parent-death signal) and leaves the
 *          directory.
 */
#include "spawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"

#define SPAWN_MAX 4
#define SPAWN_CLIENTS 512 /* the last so many are ended by hand */
#define SPAWN_READY_NS UINT64_C(20000000000)
#define SPAWN_TERM_MS 5000

/* What the guard tells: when it called exec, then (if ever) the status that the daemon ended with. */
struct spawn_message {
	uint64_t exec_ns;
	int status;
};

static struct {
	volatile sig_atomic_t guard; /* 0 = free */
	volatile sig_atomic_t control;
} spawn_live[SPAWN_MAX];

static volatile sig_atomic_t spawn_clients[SPAWN_CLIENTS];
static unsigned spawn_n_clients;

int spawn_sibling(const char *name, char *path, size_t room)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;
	int len;

	if (n < 0)
		return -errno;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return -ENOENT;
	slash[1] = '\0';
	len = snprintf(path, room, "%s%s", self, name);
	return len < 0 || (size_t)len >= room ? -ENAMETOOLONG : 0;
}

/* ---------------------------------------------------------------- the guard */

static void guard_remove_dir(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0); /* fails for . and .. only */
	closedir(dir);
	rmdir(path);
}

static void guard_exec(const struct spawn *spawn, const char *const *settings)
{
	char path[PATH_MAX], log[sizeof(spawn->dir) + 8];
	const char *argv[4 + 2 * SPAWN_SETTINGS];
	unsigned argc = 0;
	int fd;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	snprintf(log, sizeof(log), "%s/log", spawn->dir);
	fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0)
		_exit(127);
	if (spawn_sibling("larderd", path, sizeof(path)) < 0)
		_exit(127);
	argv[argc++] = path;
	argv[argc++] = "--socket";
	argv[argc++] = spawn->socket;
	for (unsigned i = 0; settings[i]; i++) {
		argv[argc++] = "--set";
		argv[argc++] = settings[i];
	}
	argv[argc] = NULL;
	execv(path, (char **)(uintptr_t)argv);
	fprintf(stderr, "%s: %s\n", path, strerror(errno));
	_exit(127);
}

/* Until the harness is gone; the end of the daemon is told on the way. */
static void guard_watch(pid_t daemon, int pidfd, int control, int report)
{
	struct spawn_message message = {0};
	struct pollfd fds[2] = {{.fd = control}, {.fd = pidfd, .events = POLLIN}};
	char byte;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents && read(control, &byte, 1) <= 0)
			return;
		if (!fds[1].revents)
			continue;
		waitpid(daemon, &message.status, 0);
		if (write(report, &message, sizeof(message)) < 0)
			return;
		fds[1].fd = -1;
	}
}

static void guard_end(pid_t daemon, int pidfd)
{
	struct pollfd fd = {.fd = pidfd, .events = POLLIN};

	kill(-daemon, SIGCONT);
	kill(daemon, SIGTERM);
	if (poll(&fd, 1, SPAWN_TERM_MS) != 1)
		kill(daemon, SIGKILL);
	kill(-daemon, SIGKILL); /* whoever outlived its keeper */
	while (waitpid(-1, NULL, 0) > 0)
		;
}

static void guard_main(const struct spawn *spawn, const char *const *settings, int control,
		       int report)
{
	struct spawn_message message = {.exec_ns = clock_ns()};
	pid_t daemon;
	int pidfd;

	setsid();
	prctl(PR_SET_NAME, "bench-guard");
	daemon = fork();
	if (daemon == 0)
		guard_exec(spawn, settings);
	pidfd = daemon > 0 ? pidfd_open(daemon, 0) : -1;
	if (pidfd >= 0 && write(report, &message, sizeof(message)) == sizeof(message))
		guard_watch(daemon, pidfd, control, report);
	if (daemon > 0)
		guard_end(daemon, pidfd);
	guard_remove_dir(spawn->dir);
	_exit(0);
}

/* ---------------------------------------------------------------- the harness */

/* Those that still are our children; the number of one that is reaped may be somebody else's. */
static void spawn_end_clients(void)
{
	for (unsigned i = 0; i < SPAWN_CLIENTS; i++) {
		pid_t pid = spawn_clients[i];

		if (!pid || waitpid(pid, NULL, WNOHANG) != 0)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

static void spawn_on_signal(int sig)
{
	spawn_end_clients();
	for (unsigned i = 0; i < SPAWN_MAX; i++) {
		pid_t guard = spawn_live[i].guard;

		if (!guard)
			continue;
		close(spawn_live[i].control);
		waitpid(guard, NULL, 0);
	}
	signal(sig, SIG_DFL);
	raise(sig);
}

static const int spawn_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS};

static void spawn_handle(void (*handler)(int))
{
	for (unsigned i = 0; i < sizeof(spawn_signals) / sizeof(*spawn_signals); i++)
		signal(spawn_signals[i], handler);
}

void spawn_init(void)
{
	spawn_handle(spawn_on_signal);
	signal(SIGPIPE, SIG_IGN);
}

/* In a child: the parent's guards are none of its business. */
static void spawn_forget(void)
{
	spawn_handle(SIG_DFL);
	for (unsigned i = 0; i < SPAWN_MAX; i++) {
		if (spawn_live[i].guard)
			close(spawn_live[i].control);
		spawn_live[i].guard = 0;
	}
	for (unsigned i = 0; i < SPAWN_CLIENTS; i++)
		spawn_clients[i] = 0;
}

pid_t spawn_client(void)
{
	pid_t parent = getpid();
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1); /* the parent died before it could matter */
		spawn_forget();
	} else if (pid > 0) {
		spawn_clients[spawn_n_clients++ % SPAWN_CLIENTS] = pid;
	}
	return pid;
}

static void spawn_remember(const struct spawn *spawn)
{
	for (unsigned i = 0; i < SPAWN_MAX; i++) {
		if (spawn_live[i].guard)
			continue;
		spawn_live[i].control = spawn->control;
		spawn_live[i].guard = spawn->guard;
		return;
	}
}

static int spawn_make_dir(struct spawn *spawn)
{
	const char *tmp = getenv("TMPDIR");

	if (!tmp || strlen(tmp) > 64)
		tmp = "/tmp";
	snprintf(spawn->dir, sizeof(spawn->dir), "%s/larder-bench.XXXXXX", tmp);
	if (!mkdtemp(spawn->dir))
		return -errno;
	snprintf(spawn->socket, sizeof(spawn->socket), "%s/larder.sock", spawn->dir);
	return 0;
}

static int spawn_guard(struct spawn *spawn, const char *const *settings, int *reportp)
{
	int control[2], report[2];

	if (pipe2(control, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(report, O_CLOEXEC) < 0) {
		close(control[0]);
		close(control[1]);
		return -errno;
	}
	fflush(NULL);
	spawn->guard = fork();
	if (spawn->guard == 0) {
		spawn_forget();
		close(control[1]);
		close(report[0]);
		guard_main(spawn, settings, control[0], report[1]);
	}
	close(control[0]);
	close(report[1]);
	spawn->control = control[1];
	*reportp = report[0];
	if (spawn->guard < 0) {
		close(control[1]);
		close(report[0]);
		return -EAGAIN;
	}
	spawn_remember(spawn);
	return 0;
}

static void spawn_show_log(const struct spawn *spawn)
{
	char path[sizeof(spawn->dir) + 8], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/log", spawn->dir);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		fprintf(stderr, "larderd: %s", line);
	fclose(file);
}

/* Opens as soon as the daemon lets us, or tells why it never will. */
static int spawn_wait_ready(struct spawn *spawn, int report, struct larder **hp)
{
	struct spawn_message message;
	struct pollfd fd = {.fd = report, .events = POLLIN};
	uint64_t start;
	int r = -ECHILD;

	if (read(report, &message, sizeof(message)) != sizeof(message))
		return r;
	start = message.exec_ns;
	do {
		r = larder_open(hp, spawn->socket, NULL);
		spawn->ready_ns = clock_ns() - start;
		if (r >= 0)
			return r;
		if (poll(&fd, 1, 0) == 1)
			return -ECHILD;
		clock_sleep_us(200);
	} while (clock_ns() - start < SPAWN_READY_NS);
	return r;
}

int spawn_start(struct spawn *spawn, const char *const *settings, struct larder **hp)
{
	int report = -1, r;

	*hp = NULL;
	memset(spawn, 0, sizeof(*spawn));
	r = spawn_make_dir(spawn);
	if (r < 0) {
		fprintf(stderr, "larder-bench: %s: %s\n", spawn->dir, strerror(-r));
		return r;
	}
	r = spawn_guard(spawn, settings, &report);
	if (r < 0) {
		rmdir(spawn->dir);
		fprintf(stderr, "larder-bench: cannot start a process: %s\n", strerror(-r));
		return r;
	}
	r = spawn_wait_ready(spawn, report, hp);
	close(report);
	if (r < 0) {
		spawn_show_log(spawn);
		fprintf(stderr, "larder-bench: the private daemon does not answer: %s\n",
			r == -ECHILD ? "it ended" : larder_strerror(r));
		spawn_stop(spawn);
	}
	return r;
}

int spawn_start_memory(struct spawn *spawn, uint64_t bytes, struct larder **hp)
{
	char memory[48];
	const char *const settings[] = {memory, NULL};

	snprintf(memory, sizeof(memory), "memory=%lluK", (unsigned long long)(bytes + 1023) / 1024);
	return spawn_start(spawn, settings, hp);
}

void spawn_stop(struct spawn *spawn)
{
	if (spawn->guard <= 0)
		return;
	for (unsigned i = 0; i < SPAWN_MAX; i++)
		if (spawn_live[i].guard == spawn->guard)
			spawn_live[i].guard = 0;
	close(spawn->control);
	while (waitpid(spawn->guard, NULL, 0) < 0 && errno == EINTR)
		;
	spawn->guard = 0;
}
