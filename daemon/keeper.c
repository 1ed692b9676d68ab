/* SPDX-License-Identifier: MIT
 *
 * keeper.c - starts the daemon, and starts it again
 *
 * The keeper touches no shared memory but its own flag, so what kills a daemon does not kill it. It
 * has the descriptors and the mapping of the control page, forks a daemon, which inherits both, and
 * waits. The daemon watches the keeper in turn and forks a new one when it is gone; such a keeper is
 * the child of the daemon that it watches, which is why nothing here relies on wait(2): a pidfd tells
 * the end, and the exit status is looked at where there is one.
 *
 *	STARTING --fork--> RUNNING --daemon died--> WAITING --in time--> STARTING
 *	any --SIGTERM, or retired--> ENDING --daemon died--> exit
 *
 * Back-off: a daemon that was ready and lived for a second, or was killed by SIGKILL, is replaced at
 * once. Something may kill each one as soon as it is there (an OOM killer): after QUICK_MAX in a row
 * that lived for less than QUICK_MS the next one comes only QUICK_WAIT_MS later, and so on until one
 * lives longer. Otherwise starts come at growing distances, and at most STARTS_MAX in
 * STARTS_WINDOW_MS. A
 * daemon that fails before any was ever ready ends the keeper too: there is nothing to keep, and
 * whoever started us wants to know.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache.h"
#include "ctlpage.h"
#include "log.h"
#include "process.h"

#define STARTS_MAX 5
#define STARTS_WINDOW_MS 60000u
#define SETTLED_MS 1000u
#define QUICK_MAX 5u
#define QUICK_MS 100u
#define QUICK_WAIT_MS 3000u
#define BACKOFF_FIRST_MS 20u
#define END_PATIENCE_MS 5000u

struct keeper {
	struct cache *c;
	int signal_fd;
	uint64_t started_ms;		/* the running daemon */
	uint64_t start_at_ms;		/* the next start, when none is running */
	uint64_t failed_ms[STARTS_MAX]; /* the last failures, a ring */
	unsigned n_failures;		/* in a row */
	unsigned n_quick;		/* daemons in a row that were killed when they were new */
	uint64_t kill_at_ms;		/* ENDING: patience ends; 0: not ending */
};

static void close_daemon_pidfd(struct cache *c)
{
	if (c->daemon_pidfd >= 0)
		close(c->daemon_pidfd);
	c->daemon_pidfd = -1;
}

/* ------------------------------------------------------------------ start */

static void schedule_failed(struct keeper *k, uint64_t now)
{
	uint64_t wait = BACKOFF_FIRST_MS
			<< (k->n_failures < STARTS_MAX ? k->n_failures : STARTS_MAX);
	uint64_t oldest;

	k->failed_ms[k->n_failures % STARTS_MAX] = now;
	k->n_failures++;
	k->start_at_ms = now + wait;
	/* The ring's next entry is the failure STARTS_MAX - 1 before this one, or 0. */
	oldest = k->failed_ms[k->n_failures % STARTS_MAX];
	if (oldest != 0 && k->start_at_ms < oldest + STARTS_WINDOW_MS) {
		k->start_at_ms = oldest + STARTS_WINDOW_MS;
		log_error(
			"%d starts failed within a minute; the region is kept, the next try is in "
			"%d seconds",
			STARTS_MAX, (int)((k->start_at_ms - now) / 1000));
	}
}

/* The last daemon worked; something killed it. */
static void schedule_killed(struct keeper *k, uint64_t now)
{
	k->n_failures = 0;
	memset(k->failed_ms, 0, sizeof(k->failed_ms));
	k->n_quick = now - k->started_ms < QUICK_MS ? k->n_quick + 1 : 0;
	k->start_at_ms = now;
	if (k->n_quick <= QUICK_MAX)
		return;
	k->start_at_ms += QUICK_WAIT_MS;
	log_error("%u daemons in a row were killed when they had just started; the region is kept, "
		  "the next try is in %u seconds",
		  k->n_quick, QUICK_WAIT_MS / 1000);
}

/* Return: true in the child. */
static bool fork_daemon(struct keeper *k)
{
	struct cache *c = k->c;
	pid_t pid = fork();

	if (pid == 0)
		return true;
	k->started_ms = ctlpage_now_ms();
	c->daemon_pid = pid;
	/* A child of ours that nobody has waited for: its pid is still its own. */
	c->daemon_pidfd = pid < 0 ? -1 : process_open(pid);
	if (c->daemon_pidfd >= 0)
		return false;
	log_error("cannot start the daemon: %s", strerror(pid < 0 ? errno : -c->daemon_pidfd));
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
	c->daemon_pidfd = -1;
	schedule_failed(k, k->started_ms);
	return false;
}

/* ------------------------------------------------------------------ end */

static bool was_ready(const struct cache *c)
{
	return load_relaxed(&c->region.ctl->daemon_pid) == (uint64_t)c->daemon_pid;
}

static void log_death(const struct cache *c, int status)
{
	log_stamp();
	if (status >= 0 && WIFSIGNALED(status))
		log_warning("daemon %d was killed by signal %d (%s); the region is kept",
			    (int)c->daemon_pid, WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (status >= 0)
		log_warning("daemon %d ended with exit code %d; the region is kept",
			    (int)c->daemon_pid, WEXITSTATUS(status));
	else
		log_warning("daemon %d is gone; the region is kept", (int)c->daemon_pid);
}

/* Return: false: the keeper ends too. */
static bool on_daemon_death(struct keeper *k)
{
	struct cache *c = k->c;
	int status = process_collect(c->daemon_pidfd);
	bool killed = status < 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	uint64_t now = ctlpage_now_ms();

	close_daemon_pidfd(c);
	if (ctlpage_retired(c->region.ctl)) {
		endpoint_remove(&c->ep);
		return false;
	}
	log_death(c, status);
	if (load_relaxed(&c->region.ctl->daemon_pid) == 0) {
		endpoint_remove(&c->ep);
		c->exit_code = 3;
		return false;
	}
	if (was_ready(c) && (killed || now - k->started_ms >= SETTLED_MS))
		schedule_killed(k, now);
	else
		schedule_failed(k, now);
	return true;
}

/* Return: false: nobody is left to wait for. */
static bool on_signal(struct keeper *k)
{
	struct signalfd_siginfo si;

	if (read(k->signal_fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return true;
	ctlpage_retire(k->c->region.ctl);
	if (k->c->daemon_pidfd < 0) {
		endpoint_remove(&k->c->ep);
		return false;
	}
	(void)process_signal(k->c->daemon_pidfd, SIGTERM);
	if (k->kill_at_ms == 0)
		k->kill_at_ms = ctlpage_now_ms() + END_PATIENCE_MS;
	return true;
}

/* ------------------------------------------------------------------ wait */

static int patience(const struct keeper *k, uint64_t now)
{
	uint64_t until = k->kill_at_ms;

	if (k->c->daemon_pidfd < 0)
		until = k->start_at_ms;
	else if (until == 0)
		return -1;
	return until <= now ? 0 : (int)(until - now);
}

/* Return: false: the keeper ends. */
static bool wait_for_something(struct keeper *k)
{
	struct pollfd p[2] = {{.fd = k->signal_fd, .events = POLLIN},
			      {.fd = k->c->daemon_pidfd, .events = POLLIN}};
	bool on = true;

	if (poll(p, 2, patience(k, ctlpage_now_ms())) < 0)
		return errno == EINTR;
	if (p[0].revents)
		on = on_signal(k);
	if (on && p[1].revents)
		on = on_daemon_death(k);
	if (on && k->kill_at_ms != 0 && k->c->daemon_pidfd >= 0 &&
	    ctlpage_now_ms() >= k->kill_at_ms) {
		log_error("daemon %d does not end; killing it", (int)k->c->daemon_pid);
		(void)process_signal(k->c->daemon_pidfd, SIGKILL);
		k->kill_at_ms = ctlpage_now_ms() + END_PATIENCE_MS;
	}
	return on;
}

static bool keeper_begin(struct keeper *k)
{
	struct cache *c = k->c;

	prctl(PR_SET_NAME, "larder-keeper");
	if (c->keeper_pidfd >= 0)
		close(c->keeper_pidfd);
	c->keeper_pidfd = process_self();
	k->signal_fd = cache_signals();
	if (c->keeper_pidfd < 0 || k->signal_fd < 0) {
		log_error("the keeper cannot start: out of file descriptors; raise RLIMIT_NOFILE");
		return false;
	}
	store_relaxed(&c->region.ctl->keeper_pid, (uint64_t)getpid());
	ctlpage_guard(c->region.ctl);
	endpoint_write_pid(&c->ep, getpid());
	k->started_ms = ctlpage_now_ms();
	return true;
}

enum role keeper_run(struct cache *c)
{
	struct keeper k = {.c = c, .signal_fd = -1};
	bool on = keeper_begin(&k);

	if (!on)
		c->exit_code = 3;
	while (on) {
		if (c->daemon_pidfd < 0 && ctlpage_now_ms() >= k.start_at_ms && fork_daemon(&k)) {
			close(k.signal_fd);
			return ROLE_DAEMON;
		}
		on = wait_for_something(&k);
	}
	if (k.signal_fd >= 0)
		close(k.signal_fd);
	close_daemon_pidfd(c);
	return ROLE_END;
}
