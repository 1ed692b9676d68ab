/* SPDX-License-Identifier: MIT
 *
 * cache.c - what outlives a daemon
 *
 * The order of the start: lock, region, socket. Whoever can connect finds a complete region, and a
 * second daemon is refused before it has allocated anything.
 */
#include "cache.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlpage.h"
#include "process.h"

static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

int cache_signals(void)
{
	sigset_t set;
	int fd;

	ending_signals(&set);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* Two descriptors for each handle: a socket and a pidfd. */
static void raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < lim.rlim_max) {
		lim.rlim_cur = lim.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &lim);
	}
}

static void prepare_process(const struct config *cfg)
{
	sigset_t set;

	ending_signals(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	umask(0077);
	raise_fd_limit();
	/* The library reads what is hidden from the environment. */
	if (cfg->hide_names[0])
		setenv("LARDER_HIDE", cfg->hide_names, 1);
}

static int start(struct cache *c)
{
	const struct config *cfg = c->cfg;
	int r = endpoint_lock(&c->ep, cfg->socket);

	if (r == 0)
		r = region_create(&c->region, cfg);
	if (r < 0)
		return r;
	ctlpage_init(c->region.ctl, c->region.uuid, cfg->name);
	return endpoint_listen(&c->ep, cfg->allow.any || cfg->readonly.any || cfg->allow.n > 0 ||
					       cfg->readonly.n > 0);
}

static int compare_fds(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void cache_close_others(const struct cache *c)
{
	int keep[] = {c->ep.lock_fd,	c->ep.listen_fd, c->region.fd,	 c->region.fd_rdonly,
		      c->region.ctl_fd, c->keeper_pidfd, c->daemon_pidfd};
	unsigned n = sizeof(keep) / sizeof(keep[0]);
	int next = STDERR_FILENO + 1;

	qsort(keep, n, sizeof(keep[0]), compare_fds);
	for (unsigned i = 0; i < n; i++) {
		if (keep[i] > next)
			(void)close_range((unsigned)next, (unsigned)keep[i] - 1, 0);
		if (keep[i] >= next)
			next = keep[i] + 1;
	}
	(void)close_range((unsigned)next, ~0u, 0);
}

int cache_run(const struct config *cfg)
{
	struct cache c = {.cfg = cfg,
			  .ep = ENDPOINT_INIT,
			  .region = REGION_INIT,
			  .keeper_pidfd = -1,
			  .daemon_pidfd = -1};
	enum role role = cfg->keeper ? ROLE_KEEPER : ROLE_DAEMON;

	prepare_process(cfg);
	if (start(&c) < 0) {
		c.exit_code = 3;
		endpoint_remove(&c.ep);
		role = ROLE_END;
	}
	while (role != ROLE_END)
		role = role == ROLE_KEEPER ? keeper_run(&c) : daemon_run(&c);
	region_close(&c.region);
	endpoint_close(&c.ep);
	return c.exit_code;
}
