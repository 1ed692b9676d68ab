/* SPDX-License-Identifier: MIT
 *
 * daemon.c - one daemon, from its fork to its end
 *
 * Everything that a daemon knows beyond its own life is in the region, in the control page or in
 * struct cache, so a new one only has to look: the header is repaired from the keeper's copy, what
 * the last daemon held in slot 0 is given back (the keeper starts a new one only when the kernel has
 * said that the old one is gone), and each client slot gets its pidfd again.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "cleaner.h"
#include "ctlpage.h"
#include "log.h"
#include "process.h"
#include "size.h"

#define KEEPER_FORK_MS 1000u /* a keeper that dies at once is not replaced faster than this */

void daemon_end(struct daemon *d)
{
	ctlpage_retire(d->ctl);
	endpoint_remove(&d->cache->ep);
	d->loop.stop = true;
}

static void on_signal(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;
	struct signalfd_siginfo si;

	(void)events;
	if (read(s->fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		daemon_end(d);
}

/* ------------------------------------------------------------------ the keeper */

static void on_keeper(struct source *s, uint32_t events);

static int watch_keeper(struct daemon *d)
{
	int fd = fcntl(d->cache->keeper_pidfd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : loop_add(&d->loop, &d->keeper, fd, on_keeper, d);
}

static void become_keeper(struct daemon *d)
{
	d->next = ROLE_KEEPER;
	d->loop.stop = true;
}

static void fork_keeper(struct daemon *d)
{
	struct cache *c = d->cache;
	uint64_t now = ctlpage_now_ms();
	pid_t pid;
	int r;

	if (now - d->keeper_forked_ms < KEEPER_FORK_MS)
		return; /* daemon_check_keeper() comes again */
	d->keeper_forked_ms = now;
	pid = fork();
	if (pid == 0) {
		become_keeper(d);
		return;
	}
	r = c->keeper_pidfd = pid < 0 ? -errno : process_open(pid);
	if (r >= 0)
		r = watch_keeper(d);
	if (r < 0)
		log_warning("cannot start a new keeper: %s", strerror(-r));
	else
		ctlpage_event(d->ctl, LEVEL_WARNING, "the keeper was gone; a new one is process %d",
			      (int)pid);
}

static void on_keeper(struct source *s, uint32_t events)
{
	struct daemon *d = s->ctx;

	(void)events;
	(void)process_collect(s->fd);
	loop_del(&d->loop, s);
	close(d->cache->keeper_pidfd);
	d->cache->keeper_pidfd = -1;
	if (!ctlpage_retired(d->ctl))
		fork_keeper(d);
}

void daemon_check_keeper(struct daemon *d)
{
	if (d->cache->cfg->keeper && d->keeper.fd < 0)
		fork_keeper(d);
}

/* ------------------------------------------------------------------ start */

static int adopt(struct daemon *d)
{
	int repaired = region_adopt(&d->cache->region, &d->map);
	unsigned n;
	int r;

	if (repaired < 0)
		return repaired;
	d->h = handle_new();
	r = d->h ? handle_bind(d->h, d->map, 0) : -ENOMEM;
	if (r < 0)
		return r;
	n = cleaner_reap(d->h, 0);
	if (repaired)
		ctlpage_event(d->ctl, LEVEL_WARNING, "the region's header was damaged; repaired");
	if (n > 0)
		ctlpage_event(d->ctl, LEVEL_NOTICE, "%u segments of the last daemon given back", n);
	/* relaxed: a hint */
	store_relaxed_u32(&d->h->hdr->ctl_epoch, load_relaxed_u32(&d->h->hdr->ctl_epoch) + 1);
	return 0;
}

static int watch_signals(struct daemon *d)
{
	int fd = cache_signals();

	return fd < 0 ? fd : loop_add(&d->loop, &d->signals, fd, on_signal, d);
}

static int daemon_init(struct daemon *d)
{
	int r = loop_init(&d->loop);

	if (r == 0)
		r = watch_signals(d);
	if (r == 0 && d->cache->keeper_pidfd >= 0)
		r = watch_keeper(d);
	if (!d->cache->cfg->keeper)
		ctlpage_guard(d->ctl);
	if (r == 0)
		r = adopt(d);
	if (r == 0)
		r = clients_init(&d->clients, d);
	if (r == 0)
		r = maintain_init(&d->maintain, d);
	return r;
}

/* In a child that becomes the keeper, nothing shared with the daemon may change: neither the region
 * nor the epoll set. */
static void daemon_deinit(struct daemon *d, bool forked)
{
	if (forked) {
		cache_close_others(d->cache);
		d->loop.epfd = -1;
		d->signals.fd = -1;
		d->keeper.fd = -1;
	}
	maintain_deinit(&d->maintain, forked);
	clients_deinit(&d->clients, forked);
	if (d->h && forked)
		handle_forget(d->h);
	else if (d->h)
		handle_unbind(d->h);
	if (d->h)
		handle_free(d->h);
	if (forked && d->map)
		d->map->region_fd = -1; /* closed above */
	mapping_put(d->map);
	loop_del(&d->loop, &d->signals);
	loop_del(&d->loop, &d->keeper);
	loop_deinit(&d->loop);
}

static void announce(struct daemon *d)
{
	const struct config *cfg = d->cache->cfg;
	uint64_t starts = load_relaxed(&d->ctl->daemon_starts);
	char size[SIZE_TEXT_MAX];

	store_relaxed(&d->ctl->daemon_pid, (uint64_t)getpid());
	if (starts > 1)
		ctlpage_event(d->ctl, LEVEL_WARNING,
			      "daemon %d took over the region (start %lu), %u clients",
			      (int)getpid(), (unsigned long)starts, clients_count(&d->clients));
	else
		log_info("ready: cache %s, %s, socket %s, pid %d", cfg->name,
			 size_text(cfg->region.max_memory, size), cfg->socket, (int)getpid());
	log_stamp();
}

static void begin_role(struct cache *c)
{
	prctl(PR_SET_NAME, "larderd");
	if (c->daemon_pidfd >= 0)
		close(c->daemon_pidfd);
	c->daemon_pidfd = process_self();
	c->daemon_pid = getpid();
	add_own(&c->region.ctl->daemon_starts, 1);
}

enum role daemon_run(struct cache *c)
{
	struct daemon d = {.cache = c,
			   .ctl = c->region.ctl,
			   .loop = {.epfd = -1},
			   .signals = SOURCE_INIT,
			   .keeper = SOURCE_INIT,
			   .clients = CLIENTS_INIT,
			   .maintain = MAINTAIN_INIT,
			   .next = ROLE_END};
	int r;

	begin_role(c);
	r = daemon_init(&d);
	if (r == 0) {
		announce(&d);
		r = loop_run(&d.loop);
	}
	if (r < 0) {
		log_error("the daemon cannot go on: %s", strerror(-r));
		c->exit_code = 3;
	}
	if (r < 0 && !c->cfg->keeper)
		daemon_end(&d);
	if (d.next == ROLE_END && ctlpage_retired(d.ctl))
		log_notice("ended");
	daemon_deinit(&d, d.next == ROLE_KEEPER);
	return d.next;
}
